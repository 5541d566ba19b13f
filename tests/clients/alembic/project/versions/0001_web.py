from alembic import op

revision = "0001"
down_revision = None


# [migration]
def upgrade():
    op.execute("SELECT * FROM iasql_install('aws_cloudwatch')")
    op.execute("INSERT INTO log_group (log_group_name) VALUES ('web')")
    # Alembic's transaction is still open: the apply sees the row.
    op.execute("SELECT * FROM iasql_apply()")


def downgrade():
    op.execute("DELETE FROM log_group WHERE log_group_name = 'web'")
    op.execute("SELECT * FROM iasql_apply()")
# [/migration]
