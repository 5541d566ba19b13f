-- [firewall]
-- In on one port, out to anywhere.
BEGIN;
  INSERT INTO security_group (group_name, description)
  VALUES ('${project_name}-security-group', '${project_name} security group');

  INSERT INTO security_group_rule
    (is_egress, ip_protocol, from_port, to_port, cidr_ipv4, description, security_group_id)
  SELECT false, 'tcp', ${port}, ${port}, '0.0.0.0/0', group_name, id
  FROM security_group WHERE group_name = '${project_name}-security-group';

  INSERT INTO security_group_rule
    (is_egress, ip_protocol, from_port, to_port, cidr_ipv4, description, security_group_id)
  SELECT true, '-1', -1, -1, '0.0.0.0/0', group_name, id
  FROM security_group WHERE group_name = '${project_name}-security-group';
COMMIT;
-- [/firewall]

-- The load balancer, and the targets that it hands requests on to.
BEGIN;
  INSERT INTO target_group (target_group_name, target_type, protocol, port, health_check_path)
  VALUES ('${project_name}-target', 'ip', 'HTTP', ${port}, '/health');

  INSERT INTO load_balancer (load_balancer_name, scheme, load_balancer_type, ip_address_type)
  VALUES ('${project_name}-load-balancer', 'internet-facing', 'application', 'ipv4');

  INSERT INTO load_balancer_security_groups (load_balancer_name, security_group_id)
  SELECT '${project_name}-load-balancer', id
  FROM security_group WHERE group_name = '${project_name}-security-group';

  INSERT INTO listener (load_balancer_name, port, protocol, action_type, target_group_name)
  VALUES ('${project_name}-load-balancer', ${port}, 'HTTP', 'forward', '${project_name}-target');
COMMIT;

-- The container: its image, its logs, what it may do, how much of a machine it gets.
BEGIN;
  INSERT INTO log_group (log_group_name) VALUES ('${project_name}-log-group');

  INSERT INTO repository (repository_name) VALUES ('${project_name}-repository');

  INSERT INTO cluster (cluster_name) VALUES ('${project_name}-cluster');

  INSERT INTO role (role_name, assume_role_policy_document, attached_policies_arns)
  VALUES (
    'ecsTaskExecRole${region}',
    '{
      "Version": "2012-10-17",
      "Statement": [{
        "Effect": "Allow",
        "Principal": {"Service": "ecs-tasks.amazonaws.com"},
        "Action": "sts:AssumeRole"
      }]
    }',
    ARRAY['arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy']
  );

  INSERT INTO task_definition (family, task_role_name, execution_role_name, cpu_memory)
  VALUES (
    '${project_name}-td', 'ecsTaskExecRole${region}', 'ecsTaskExecRole${region}',
    '${task_def_resources}'
  );

  INSERT INTO container_definition (
    name, essential, repository_name, tag, memory_reservation, host_port, container_port, protocol,
    log_group_name, task_definition_id
  )
  SELECT
    '${project_name}-container', true, '${project_name}-repository', '${image_tag}',
    ${container_mem_reservation}, ${port}, ${port}, 'tcp', '${project_name}-log-group', id
  FROM task_definition WHERE family = '${project_name}-td' AND status IS NULL;
COMMIT;

-- The service, which keeps one container running behind the load balancer.
BEGIN;
  INSERT INTO service (
    name, desired_count, assign_public_ip, subnets, cluster_name, task_definition_id,
    target_group_name
  )
  VALUES (
    '${project_name}-service', 1, 'ENABLED',
    ARRAY(
      SELECT subnet_id FROM subnet JOIN vpc ON vpc.id = subnet.vpc_id WHERE is_default LIMIT 3
    ),
    '${project_name}-cluster',
    (
      SELECT id FROM task_definition WHERE family = '${project_name}-td'
      ORDER BY revision DESC LIMIT 1
    ),
    '${project_name}-target'
  );

  INSERT INTO service_security_groups (service_name, security_group_id)
  SELECT '${project_name}-service', id
  FROM security_group WHERE group_name = '${project_name}-security-group';
COMMIT;

-- [apply]
SELECT * FROM iasql_apply();
-- [/apply]
