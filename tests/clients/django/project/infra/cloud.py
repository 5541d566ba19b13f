"""iasql's functions, for use with models."""

# [cloud]
from django.db import connection


def _rows(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row)) for row in cursor.fetchall()]


def plan():
    return _rows("SELECT * FROM iasql_plan_apply()")


def apply():
    return _rows("SELECT * FROM iasql_apply()")
# [/cloud]


def delete_all():
    with connection.cursor() as cursor:
        cursor.execute("SELECT delete_all_records()")
