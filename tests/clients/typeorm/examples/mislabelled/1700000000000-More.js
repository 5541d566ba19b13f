module.exports = class More1700000000000 {
  async up(queryRunner) {
    await queryRunner.query(`INSERT INTO repository (repository_name, image_tag_mutability) VALUES ('api', 'SOMETIMES')`);
  }

  async down() {}
};
