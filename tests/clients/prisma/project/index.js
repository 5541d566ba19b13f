// Describes a web server on Fargate, behind a load balancer, as rows, and applies them.
const { load_balancer_scheme_enum, task_definition_cpu_memory_enum } = require('@prisma/client')
const prisma = require('./client')
const project = require('./package.json').name

const PORT = 8088
const MEMORY = 8192 // MiB
const TASKS_MAY_USE_IT = {
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Principal: { Service: 'ecs-tasks.amazonaws.com' }, Action: 'sts:AssumeRole' },
  ],
}

// [network]
async function network() {
  const group = await prisma.security_group.create({
    data: { group_name: `${project}-security-group`, description: `${project} security group` },
  })
  await prisma.security_group_rule.createMany({
    data: [
      {
        security_group_id: group.id,
        is_egress: false,
        ip_protocol: 'tcp',
        from_port: PORT,
        to_port: PORT,
        cidr_ipv4: '0.0.0.0/0',
        description: `${project}-security-group`,
      },
      {
        security_group_id: group.id,
        is_egress: true,
        ip_protocol: '-1',
        from_port: -1,
        to_port: -1,
        cidr_ipv4: '0.0.0.0/0',
        description: `${project}-security-group`,
      },
    ],
  })
  return group
}
// [/network]

// [balancer]
async function balancer(group) {
  const target = await prisma.target_group.create({
    data: {
      target_group_name: `${project}-target`,
      target_type: 'ip',
      protocol: 'HTTP',
      port: PORT,
      health_check_path: '/health',
    },
  })
  const loadBalancer = await prisma.load_balancer.create({
    data: {
      load_balancer_name: `${project}-load-balancer`,
      scheme: load_balancer_scheme_enum.internet_facing,
      load_balancer_type: 'application',
      ip_address_type: 'ipv4',
      load_balancer_security_groups: { create: { security_group_id: group.id } },
    },
  })
  await prisma.listener.create({
    data: {
      load_balancer_name: loadBalancer.load_balancer_name,
      port: PORT,
      protocol: 'HTTP',
      action_type: 'forward',
      target_group_name: target.target_group_name,
    },
  })
  return target
}
// [/balancer]

// [task]
async function task() {
  const role = await prisma.role.create({
    data: {
      role_name: 'ecsTaskExecRole',
      // A document, or a string that holds one.
      assume_role_policy_document: JSON.stringify(TASKS_MAY_USE_IT),
      attached_policies_arns: ['arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy'],
    },
  })
  const repository = await prisma.repository.create({
    data: { repository_name: `${project}-repository` },
  })
  const logs = await prisma.log_group.create({ data: { log_group_name: `${project}-log-group` } })
  const definition = await prisma.task_definition.create({
    data: {
      family: `${project}-td`,
      cpu_memory: task_definition_cpu_memory_enum.vCPU2_8GB,
      task_role_name: role.role_name,
      execution_role_name: role.role_name,
    },
  })
  await prisma.container_definition.create({
    data: {
      name: `${project}-container`,
      task_definition_id: definition.id,
      repository_name: repository.repository_name,
      tag: 'latest',
      essential: true,
      memory_reservation: MEMORY,
      host_port: PORT,
      container_port: PORT,
      protocol: 'tcp',
      log_group_name: logs.log_group_name,
    },
  })
  return definition
}
// [/task]

// [service]
async function service(group, target, definition) {
  const cluster = await prisma.cluster.create({ data: { cluster_name: `${project}-cluster` } })
  const vpc = await prisma.vpc.findFirst({
    where: { is_default: true },
    select: { subnet: { select: { subnet_id: true }, take: 3 } },
  })
  await prisma.service.create({
    data: {
      name: `${project}-service`,
      cluster_name: cluster.cluster_name,
      task_definition_id: definition.id,
      target_group_name: target.target_group_name,
      desired_count: 1,
      assign_public_ip: 'ENABLED',
      subnets: vpc.subnet.map((subnet) => subnet.subnet_id),
      service_security_groups: { create: { security_group_id: group.id } },
    },
  })
}
// [/service]

async function main() {
  const group = await network()
  const target = await balancer(group)
  const definition = await task()
  await service(group, target, definition)
  // [apply]
  const applied = await prisma.$queryRaw`SELECT * FROM iasql_apply()`
  console.log(JSON.stringify(applied))
  // [/apply]
}

main().finally(() => prisma.$disconnect())
