const { name: project } = require('../../package.json');

const region = process.env.AWS_REGION || '';
const port = 8088;

const group = `${project}-security-group`;
const target = `${project}-target`;
const balancer = `${project}-load-balancer`;
const logs = `${project}-log-group`;
const repository = `${project}-repository`;
const cluster = `${project}-cluster`;
const family = `${project}-td`;
const container = `${project}-container`;
const service = `${project}-service`;
const role = `ecsTaskExecRole${region}`;

const trust = JSON.stringify({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Principal: { Service: 'ecs-tasks.amazonaws.com' },
      Action: 'sts:AssumeRole',
    },
  ],
});
const policy = 'arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy';

module.exports = class Initial1646683871219 {
  async up(queryRunner) {
    // [firewall]
    // In on one port, out to anywhere.
    await queryRunner.query(`
      BEGIN;
        INSERT INTO security_group (group_name, description)
        VALUES ('${group}', '${project} security group');

        INSERT INTO security_group_rule
          (is_egress, ip_protocol, from_port, to_port, cidr_ipv4, description, security_group_id)
        SELECT false, 'tcp', ${port}, ${port}, '0.0.0.0/0', group_name, id
        FROM security_group WHERE group_name = '${group}';

        INSERT INTO security_group_rule
          (is_egress, ip_protocol, from_port, to_port, cidr_ipv4, description, security_group_id)
        SELECT true, '-1', -1, -1, '0.0.0.0/0', group_name, id
        FROM security_group WHERE group_name = '${group}';
      COMMIT;
    `);
    // [/firewall]

    // The load balancer, and the targets that it hands requests on to.
    await queryRunner.query(`
      BEGIN;
        INSERT INTO target_group
          (target_group_name, target_type, protocol, port, health_check_path)
        VALUES ('${target}', 'ip', 'HTTP', ${port}, '/health');

        INSERT INTO load_balancer
          (load_balancer_name, scheme, load_balancer_type, ip_address_type)
        VALUES ('${balancer}', 'internet-facing', 'application', 'ipv4');

        INSERT INTO load_balancer_security_groups (load_balancer_name, security_group_id)
        SELECT '${balancer}', id FROM security_group WHERE group_name = '${group}';

        INSERT INTO listener (load_balancer_name, port, protocol, action_type, target_group_name)
        VALUES ('${balancer}', ${port}, 'HTTP', 'forward', '${target}');
      COMMIT;
    `);

    // The container: its image, its logs, what it may do, how much of a machine it gets.
    await queryRunner.query(`
      BEGIN;
        INSERT INTO log_group (log_group_name) VALUES ('${logs}');

        INSERT INTO repository (repository_name) VALUES ('${repository}');

        INSERT INTO cluster (cluster_name) VALUES ('${cluster}');

        INSERT INTO role (role_name, assume_role_policy_document, attached_policies_arns)
        VALUES ('${role}', '${trust}', ARRAY['${policy}']);

        INSERT INTO task_definition (family, task_role_name, execution_role_name, cpu_memory)
        VALUES ('${family}', '${role}', '${role}', 'vCPU2-8GB');

        INSERT INTO container_definition (
          name, essential, repository_name, tag, memory_reservation, host_port, container_port,
          protocol, log_group_name, task_definition_id
        )
        SELECT
          '${container}', true, '${repository}', 'latest', 8192, ${port}, ${port},
          'tcp', '${logs}', id
        FROM task_definition WHERE family = '${family}' AND status IS NULL;
      COMMIT;
    `);

    // The service, which keeps one container running behind the load balancer.
    await queryRunner.query(`
      BEGIN;
        INSERT INTO service (
          name, desired_count, assign_public_ip, subnets, cluster_name, task_definition_id,
          target_group_name
        )
        VALUES (
          '${service}', 1, 'ENABLED',
          ARRAY(
            SELECT subnet_id FROM subnet JOIN vpc ON vpc.id = subnet.vpc_id
            WHERE is_default LIMIT 3
          ),
          '${cluster}',
          (SELECT id FROM task_definition WHERE family = '${family}'
           ORDER BY revision DESC LIMIT 1),
          '${target}'
        );

        INSERT INTO service_security_groups (service_name, security_group_id)
        SELECT '${service}', id FROM security_group WHERE group_name = '${group}';
      COMMIT;
    `);

    // [apply]
    await queryRunner.query('SELECT * FROM iasql_apply()');
    // [/apply]
  }

  // [down]
  // From what refers to what is referred to.
  async down(queryRunner) {
    await queryRunner.query(`
      BEGIN;
        DELETE FROM service_security_groups WHERE service_name = '${service}';
        DELETE FROM service WHERE name = '${service}';

        DELETE FROM container_definition WHERE name = '${container}';
        DELETE FROM task_definition WHERE family = '${family}';
        DELETE FROM role WHERE role_name = '${role}';
        DELETE FROM cluster WHERE cluster_name = '${cluster}';
        DELETE FROM repository WHERE repository_name = '${repository}';
        DELETE FROM log_group WHERE log_group_name = '${logs}';

        DELETE FROM listener WHERE load_balancer_name = '${balancer}';
        DELETE FROM load_balancer_security_groups WHERE load_balancer_name = '${balancer}';
        DELETE FROM load_balancer WHERE load_balancer_name = '${balancer}';
        DELETE FROM target_group WHERE target_group_name = '${target}';

        DELETE FROM security_group_rule USING security_group
        WHERE security_group.id = security_group_id AND group_name = '${group}';
        DELETE FROM security_group WHERE group_name = '${group}';
      COMMIT;
    `);
    await queryRunner.query('SELECT * FROM iasql_apply()');
  }
  // [/down]
};
