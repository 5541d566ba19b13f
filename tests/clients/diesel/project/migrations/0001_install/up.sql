SELECT * FROM iasql_install('aws_ecr', 'aws_ecs_fargate', 'aws_elb');
