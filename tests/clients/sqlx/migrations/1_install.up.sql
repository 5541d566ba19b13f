SELECT * FROM iasql_install('aws_cloudwatch', 'aws_ecr', 'aws_vpc');
