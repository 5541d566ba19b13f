SELECT * FROM iasql_install(
  'aws_cloudwatch',
  'aws_ecr',
  'aws_ecs_fargate',
  'aws_elb',
  'aws_iam',
  'aws_security_group',
  'aws_vpc'
);
