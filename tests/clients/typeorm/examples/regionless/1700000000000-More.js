module.exports = class More1700000000000 {
  async up(queryRunner) {
    await queryRunner.query('UPDATE aws_regions SET is_default = false');
    await queryRunner.query(`INSERT INTO log_group (log_group_name) VALUES ('/api/requests')`);
  }

  async down() {}
};
