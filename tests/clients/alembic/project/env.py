import os

from alembic import context
from models import Base
from sqlalchemy import create_engine, text

# [exclude]
MODULE_TABLES = text("""
    SELECT c.relname
    FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_class c ON c.oid = t.tgrelid
    WHERE p.pronamespace = 'iasql'::regnamespace
""")


def own_tables_only(connection):
    """Without this, --autogenerate proposes to drop every table of iasql's."""
    theirs = set(connection.scalars(MODULE_TABLES))
    return lambda name, kind, parents: kind != "table" or name not in theirs
# [/exclude]


with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
    wanted = own_tables_only(connection) if "EVERYTHING" not in os.environ else None
    context.configure(
        connection=connection, target_metadata=Base.metadata, include_name=wanted
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
