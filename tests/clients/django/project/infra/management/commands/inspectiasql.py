"""Django's inspectdb, which takes a list for a text, with fields for lists."""

from django.core.management.commands import inspectdb

TEXT_ARRAY = 1009


class Source(str):
    """Stands in the generated file as it is, not in quotes."""

    __repr__ = str.__str__


# [command]
class Command(inspectdb.Command):
    def handle_inspection(self, options):
        for line in super().handle_inspection(options):
            yield line
            if line == "from django.db import models":
                yield "from django.contrib.postgres import fields as postgres"

    def get_field_type(self, connection, table_name, row):
        kind, parameters, notes = super().get_field_type(connection, table_name, row)
        if row.type_code == TEXT_ARRAY:
            kind, notes = "postgres.ArrayField", []
            parameters["base_field"] = Source("models.TextField()")
        return kind, parameters, notes
# [/command]
