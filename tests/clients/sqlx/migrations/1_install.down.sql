SELECT * FROM iasql_uninstall('aws_cloudwatch', 'aws_ecr', 'aws_vpc');
