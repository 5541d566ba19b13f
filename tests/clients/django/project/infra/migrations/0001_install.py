from django.db import migrations


class Migration(migrations.Migration):
    dependencies = []
    operations = [
        migrations.RunSQL(
            sql="SELECT * FROM iasql_install('aws_cloudwatch', 'aws_ecr', 'aws_security_group')",
            reverse_sql="SELECT * FROM iasql_uninstall("
            "'aws_cloudwatch', 'aws_ecr', 'aws_security_group', 'aws_vpc')",
        )
    ]
