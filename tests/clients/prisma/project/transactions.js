// Applying inside Prisma's transactions: what the time limit of the interactive ones does, and what helps.
const prisma = require('./client')

const groups = {
  // [batch]
  // In one transaction, without a limit: the apply sees the row.
  batch: () =>
    prisma.$transaction([
      prisma.log_group.create({ data: { log_group_name: 'batch' } }),
      prisma.$queryRaw`SELECT * FROM iasql_apply()`,
    ]),
  // [/batch]
  // [patient]
  patient: () =>
    prisma.$transaction(
      async (tx) => {
        await tx.log_group.create({ data: { log_group_name: 'patient' } })
        return tx.$queryRaw`SELECT * FROM iasql_apply()`
      },
      { timeout: 20 * 60 * 1000 },
    ),
  // [/patient]
  // The default is 5000 ms, which an apply easily takes; shorter here, to wait less.
  hasty: () =>
    prisma.$transaction(
      async (tx) => {
        await tx.log_group.create({ data: { log_group_name: 'hasty' } })
        return tx.$queryRaw`SELECT * FROM iasql_apply()`
      },
      { timeout: 300 },
    ),
}

async function main() {
  const name = process.argv[2]
  try {
    console.log(JSON.stringify(await groups[name]()))
  } catch (error) {
    console.log(JSON.stringify({ code: error.code, message: error.message }))
  }
}

main().finally(() => prisma.$disconnect())
