module.exports = class More1700000000000 {
  async up(queryRunner) {
    await queryRunner.query(`INSERT INTO subnet (vpc_id, cidr_block) VALUES (999, '10.0.0.0/24')`);
  }

  async down() {}
};
