module.exports = class Worker1700000000000 {
  async up(queryRunner) {
    await queryRunner.query(
      'INSERT INTO log_group (log_group_name, retention_in_days) VALUES ($1, $2)',
      ['quickstart-worker', 30],
    );
    const done = await queryRunner.query('SELECT * FROM iasql_apply()');
    for (const { action, table_name, description } of done) {
      console.log(action, table_name, description);
    }
  }

  async down(queryRunner) {
    await queryRunner.query('DELETE FROM log_group WHERE log_group_name = $1', [
      'quickstart-worker',
    ]);
    await queryRunner.query('SELECT * FROM iasql_apply()');
  }
};
