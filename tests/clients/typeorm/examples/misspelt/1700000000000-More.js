module.exports = class More1700000000000 {
  async up(queryRunner) {
    await queryRunner.query(`SELECT * FROM iasql_install('aws_cloudwach')`);
  }

  async down() {}
};
