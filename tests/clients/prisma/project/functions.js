// Calls every function that users have, and prints what came back, by name.
const prisma = require('./client')

// [functions]
const calls = {
  iasql_whoami: () => prisma.$queryRaw`SELECT * FROM iasql_whoami()`,
  iasql_modules_list: () => prisma.$queryRaw`SELECT * FROM iasql_modules_list()`,
  iasql_install: () => prisma.$queryRaw`SELECT * FROM iasql_install(${'aws_cloudwatch'}, ${'aws_ecr'})`,
  iasql_modules_installed: () => prisma.$queryRaw`SELECT * FROM iasql_modules_installed()`,
  iasql_plan_apply: () => prisma.$queryRaw`SELECT * FROM iasql_plan_apply()`,
  iasql_preview_apply: () => prisma.$queryRaw`SELECT * FROM iasql_preview_apply()`,
  iasql_plan: () => prisma.$queryRaw`SELECT * FROM iasql_plan()`,
  iasql_apply: () => prisma.$queryRaw`SELECT * FROM iasql_apply()`,
  iasql_drift: () => prisma.$queryRaw`SELECT * FROM iasql_drift()`,
  iasql_plan_sync: () => prisma.$queryRaw`SELECT * FROM iasql_plan_sync()`,
  iasql_preview_sync: () => prisma.$queryRaw`SELECT * FROM iasql_preview_sync()`,
  iasql_sync: () => prisma.$queryRaw`SELECT * FROM iasql_sync()`,
  iasql_history: () => prisma.$queryRaw`SELECT * FROM iasql_history`,
  iasql_progress: () => prisma.$queryRaw`SELECT * FROM iasql_progress`,
  iasql_unrepresented: () => prisma.$queryRaw`SELECT * FROM iasql_unrepresented`,
  iasql_version: () => prisma.$queryRaw`SELECT iasql_version()`,
  iasql_help: () => prisma.$queryRaw`SELECT * FROM iasql_help()`,
  default_aws_region: () => prisma.$queryRaw`SELECT default_aws_region(${'us-east-1'})`,
  // It returns nothing, which only $executeRaw can read.
  delete_all_records: () => prisma.$executeRaw`SELECT delete_all_records()`,
  iasql_uninstall: () => prisma.$queryRaw`SELECT * FROM iasql_uninstall(${'aws_ecr'})`,
}
// [/functions]

async function main() {
  const answers = {}
  for (const [name, call] of Object.entries(calls)) {
    if (name === 'iasql_plan_apply') {
      await prisma.$executeRaw`INSERT INTO log_group (log_group_name) VALUES ('app')`
    }
    answers[name] = await call()
  }
  // A bigint is more than JSON's numbers hold.
  console.log(JSON.stringify(answers, (_, value) => (typeof value === 'bigint' ? Number(value) : value)))
}

main().finally(() => prisma.$disconnect())
