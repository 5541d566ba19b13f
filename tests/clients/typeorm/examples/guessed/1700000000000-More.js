module.exports = class More1700000000000 {
  async up(queryRunner) {
    await queryRunner.query(`
      INSERT INTO repository (repository_name, repository_uri) VALUES ('api', 'example.com/api')
    `);
  }

  async down() {}
};
