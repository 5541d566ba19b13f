// Deletes every row, and then in AWS all that the rows stood for.
const prisma = require('./client')

async function main() {
  // [teardown]
  await prisma.$executeRaw`SELECT delete_all_records()`
  const applied = await prisma.$queryRaw`SELECT * FROM iasql_apply()`
  // [/teardown]
  console.log(JSON.stringify(applied))
}

main().finally(() => prisma.$disconnect())
