from django.db import migrations


class Migration(migrations.Migration):
    # For SQL with a BEGIN and COMMIT of its own: Django opens no transaction around it.
    atomic = False
    dependencies = [("infra", "0002_atomic")]
    operations = [
        migrations.RunSQL(
            sql="""
                BEGIN;
                  INSERT INTO security_group (group_name, description)
                  VALUES ('web', 'a web server');
                  INSERT INTO security_group_rule
                    (security_group_id, is_egress, ip_protocol, from_port, to_port, cidr_ipv4)
                  SELECT id, false, 'tcp', 443, 443, '0.0.0.0/0'
                  FROM security_group WHERE group_name = 'web';
                COMMIT;
                SELECT * FROM iasql_apply();
            """,
            reverse_sql="""
                BEGIN;
                  DELETE FROM security_group_rule USING security_group
                  WHERE security_group_id = security_group.id AND group_name = 'web';
                  DELETE FROM security_group WHERE group_name = 'web';
                COMMIT;
                SELECT * FROM iasql_apply();
            """,
        )
    ]
