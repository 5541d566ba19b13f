module.exports = {
  type: 'postgres',
  url: process.env.DATABASE_URL,
  migrations: ['src/migration/*.js'],
};
