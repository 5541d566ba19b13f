module.exports = class Worker1700000000000 {
  // With --transaction each or none; with all, TypeORM refuses it.
  transaction = false;

  async up(queryRunner) {
    await queryRunner.query(`INSERT INTO log_group (log_group_name) VALUES ('quickstart-worker')`);
    await queryRunner.query('SELECT * FROM iasql_apply()');
  }

  async down(queryRunner) {
    await queryRunner.query(`DELETE FROM log_group WHERE log_group_name = 'quickstart-worker'`);
    await queryRunner.query('SELECT * FROM iasql_apply()');
  }
};
