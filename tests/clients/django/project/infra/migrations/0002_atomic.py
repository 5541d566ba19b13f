from django.db import migrations


class Migration(migrations.Migration):
    # Atomic, as Django has it: one transaction, in which the apply sees the rows above it.
    dependencies = [("infra", "0001_install")]
    operations = [
        migrations.RunSQL(
            sql="""
                INSERT INTO log_group (log_group_name, retention_in_days) VALUES ('web', 30);
                SELECT * FROM iasql_apply();
            """,
            reverse_sql="""
                DELETE FROM log_group WHERE log_group_name = 'web';
                SELECT * FROM iasql_apply();
            """,
        )
    ]
