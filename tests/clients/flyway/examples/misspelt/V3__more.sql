SELECT * FROM iasql_install('aws_cloudwach');
