const MODULES = [
  'aws_cloudwatch',
  'aws_ecr',
  'aws_ecs_fargate',
  'aws_elb',
  'aws_iam',
  'aws_security_group',
  'aws_vpc',
];

module.exports = class Install1646683871211 {
  async up(queryRunner) {
    await queryRunner.query('SELECT * FROM iasql_install(VARIADIC $1)', [MODULES]);
  }

  // The cloud stays as it is.
  async down(queryRunner) {
    await queryRunner.query('SELECT * FROM iasql_uninstall(VARIADIC $1)', [MODULES]);
  }
};
