module.exports = class More1700000000000 {
  async up(queryRunner) {
    await queryRunner.query(`INSERT INTO repository (repository_name) VALUES ('api')`);
    await queryRunner.query(`INSERT INTO log_group (log_group_name) VALUES ('/api/requests')`);
    await queryRunner.query('SELECT * FROM iasql_apply()');
  }

  async down() {}
};
