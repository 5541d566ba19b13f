"""Describes a web server on Fargate, behind a load balancer, as objects, and applies them."""

import json

from django.core.management.base import BaseCommand
from django.db import transaction

from infra import cloud, models

PROJECT = "quickstart"
PORT = 8088
TASKS_MAY_USE_IT = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


# [network]
def network():
    group = models.SecurityGroup.objects.create(
        group_name=f"{PROJECT}-security-group", description=f"{PROJECT} security group"
    )
    models.SecurityGroupRule.objects.create(
        security_group=group,
        is_egress=False,
        ip_protocol="tcp",
        from_port=PORT,
        to_port=PORT,
        cidr_ipv4="0.0.0.0/0",
        description=f"{PROJECT}-security-group",
    )
    models.SecurityGroupRule.objects.create(
        security_group=group,
        is_egress=True,
        ip_protocol="-1",
        from_port=-1,
        to_port=-1,
        cidr_ipv4="0.0.0.0/0",
        description=f"{PROJECT}-security-group",
    )
    return group


# [/network]


# [balancer]
def balancer(group):
    target = models.TargetGroup.objects.create(
        target_group_name=f"{PROJECT}-target",
        target_type="ip",
        protocol="HTTP",
        port=PORT,
        health_check_path="/health",
    )
    load_balancer = models.LoadBalancer.objects.create(
        load_balancer_name=f"{PROJECT}-load-balancer",
        scheme="internet-facing",
        load_balancer_type="application",
        ip_address_type="ipv4",
    )
    models.LoadBalancerSecurityGroups.objects.create(
        load_balancer_name=load_balancer.load_balancer_name, security_group=group
    )
    models.Listener.objects.create(
        load_balancer_name=load_balancer.load_balancer_name,
        port=PORT,
        protocol="HTTP",
        action_type="forward",
        target_group_name=target.target_group_name,
    )
    return target


# [/balancer]


# [task]
def task():
    role = models.Role.objects.create(
        role_name="ecsTaskExecRole",
        assume_role_policy_document=TASKS_MAY_USE_IT,
        # As PostgreSQL writes a list.
        attached_policies_arns="{arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy}",
    )
    repository = models.Repository.objects.create(
        repository_name=f"{PROJECT}-repository", image_tag_mutability="MUTABLE"
    )
    logs = models.LogGroup.objects.create(log_group_name=f"{PROJECT}-log-group")
    definition = models.TaskDefinition.objects.create(
        family=f"{PROJECT}-td",
        cpu_memory="vCPU2-8GB",
        task_role_name=role,
        execution_role_name=role,
    )
    models.ContainerDefinition.objects.create(
        name=f"{PROJECT}-container",
        task_definition=definition,
        repository_name=repository.repository_name,
        tag="latest",
        essential=True,
        memory_reservation=8192,
        host_port=PORT,
        container_port=PORT,
        protocol="tcp",
        log_group_name=logs.log_group_name,
    )
    return definition


# [/task]


# [service]
def service(group, target, definition):
    cluster = models.Cluster.objects.create(cluster_name=f"{PROJECT}-cluster")
    subnets = models.Subnet.objects.filter(vpc__is_default=True)[:3]
    subnet_ids = ",".join(subnet.subnet_id for subnet in subnets)
    web = models.Service.objects.create(
        name=f"{PROJECT}-service",
        cluster_name=cluster.cluster_name,
        task_definition=definition,
        target_group_name=target.target_group_name,
        desired_count=1,
        assign_public_ip="ENABLED",
        subnets=f"{{{subnet_ids}}}",
    )
    models.ServiceSecurityGroups.objects.create(service_name=web.name, security_group=group)


# [/service]


class Command(BaseCommand):
    def handle(self, **options):
        # [apply]
        with transaction.atomic():
            group = network()
            target = balancer(group)
            definition = task()
            service(group, target, definition)
        applied = cloud.apply()
        # [/apply]
        self.stdout.write(json.dumps(applied))
