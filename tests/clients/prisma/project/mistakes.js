// What the commonest mistakes look like from here: prints the message of each.
const prisma = require('./client')

const mistakes = {
  'wrong credentials': () => prisma.$queryRaw`SELECT * FROM iasql_plan_apply()`,
  'no default region': () =>
    prisma.$transaction([
      prisma.aws_regions.updateMany({ data: { is_default: false } }),
      prisma.log_group.create({ data: { log_group_name: 'app' } }),
    ]),
  'a row that does not exist': () =>
    prisma.subnet.create({ data: { vpc_id: 999, cidr_block: '10.0.0.0/24' } }),
  'a label that does not exist': () =>
    prisma.repository.create({ data: { repository_name: 'app', image_tag_mutability: 'SOMETIMES' } }),
  'an apply that fails in part': async () => {
    await prisma.log_group.create({ data: { log_group_name: 'partly' } })
    await prisma.repository.create({ data: { repository_name: 'partly' } })
    await prisma.$queryRaw`SELECT * FROM iasql_apply()`
  },
  'a column of AWS': () =>
    prisma.log_group.create({ data: { log_group_name: 'app', log_group_arn: 'arn:aws:logs:mine' } }),
  'a range with host bits': async () => {
    const group = await prisma.security_group.findFirst()
    await prisma.security_group_rule.create({
      data: { security_group_id: group.id, is_egress: false, ip_protocol: '-1', cidr_ipv4: '10.0.0.1/16' },
    })
  },
  'no range at all': async () => {
    const group = await prisma.security_group.findFirst()
    await prisma.security_group_rule.create({
      data: { security_group_id: group.id, is_egress: false, ip_protocol: '-1', cidr_ipv4: 'anywhere' },
    })
  },
  'a region that is not enabled': () =>
    prisma.log_group.create({ data: { log_group_name: 'app', region: 'eu-west-1' } }),
  'a region that does not exist': () =>
    prisma.log_group.create({ data: { log_group_name: 'app', region: 'eu-wets-1' } }),
  'a name AWS refuses': () => prisma.repository.create({ data: { repository_name: 'My Repository' } }),
  'a module that does not exist': () => prisma.$queryRaw`SELECT * FROM iasql_install('aws_ec3')`,
  'a name that is taken': async () => {
    await prisma.log_group.create({ data: { log_group_name: 'twice' } })
    await prisma.log_group.create({ data: { log_group_name: 'twice' } })
  },
}

async function main() {
  const messages = {}
  for (const [name, attempt] of Object.entries(mistakes)) {
    try {
      await attempt()
      messages[name] = 'no error'
    } catch (error) {
      messages[name] = error.message
    }
  }
  console.log(JSON.stringify(messages))
}

main().finally(() => prisma.$disconnect())
