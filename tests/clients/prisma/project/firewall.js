// Rules of a security group through their model: made, read over the relation, changed, deleted.
const prisma = require('./client')

const apply = () => prisma.$queryRaw`SELECT * FROM iasql_apply()`

async function main() {
  // [rules]
  const group = await prisma.security_group.create({
    data: { group_name: 'web', description: 'a web server' },
  })
  const rule = { security_group_id: group.id, is_egress: false, ip_protocol: 'tcp' }
  const https = await prisma.security_group_rule.create({
    data: { ...rule, from_port: 443, to_port: 443, cidr_ipv4: '0.0.0.0/0' },
  })
  const ssh = await prisma.security_group_rule.create({
    data: { ...rule, from_port: 22, to_port: 22, cidr_ipv6: '2001:db8::/32', description: 'admins' },
  })
  await apply()
  // [/rules]

  // [edit]
  await prisma.security_group_rule.update({
    where: { id: https.id },
    data: { description: 'everyone' },
  })
  await prisma.security_group_rule.delete({ where: { id: ssh.id } })
  const edited = await apply()
  // [/edit]

  const inside = await prisma.security_group_rule.findMany({
    where: { security_group_id: group.id, cidr_ipv4: { startsWith: '0.' } },
    orderBy: { id: 'asc' },
  })
  // What comes back whole goes in whole: columns of AWS's, unchanged, are no edit.
  const { id, ...whole } = inside[0]
  await prisma.security_group_rule.update({ where: { id }, data: whole })
  const idle = await apply()
  console.log(JSON.stringify({ edited, inside, idle }))
}

main().finally(() => prisma.$disconnect())
