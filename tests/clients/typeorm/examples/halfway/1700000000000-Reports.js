module.exports = class Reports1700000000000 {
  async up(queryRunner) {
    await queryRunner.query(`INSERT INTO log_group (log_group_name) VALUES ('reports')`);
    await queryRunner.query('SELECT * FROM iasql_apply()');
    await queryRunner.query(`INSERT INTO repository (repository_name) VALUES ('Reports')`);
    await queryRunner.query('SELECT * FROM iasql_apply()');
  }

  async down() {}
};
