"""What the cloud holds after the steps of docs/tutorial.md, asked of it over boto3."""

from __future__ import annotations

from typing import Any

from conftest import Cloud, Database

NAME = "quickstart"
GROUP = f"{NAME}-security-group"
PORT = 8088


def group(cloud: Cloud) -> str:
    filters = [{"Name": "group-name", "Values": [GROUP]}]
    (found,) = cloud.ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    id: str = found["GroupId"]
    return id


def rules(cloud: Cloud) -> set[tuple[Any, ...]]:
    filters = [{"Name": "group-id", "Values": [group(cloud)]}]
    found = cloud.ec2.describe_security_group_rules(Filters=filters)["SecurityGroupRules"]
    names = "IsEgress", "IpProtocol", "FromPort", "ToPort", "CidrIpv4", "Description"
    return {tuple(rule.get(name) for name in names) for rule in found}


def definition(cloud: Cloud, arn: str) -> dict[str, Any]:
    found: dict[str, Any] = cloud.client("ecs").describe_task_definition(taskDefinition=arn)
    task: dict[str, Any] = found["taskDefinition"]
    return task


def deployed(
    cloud: Cloud, image_tag: str, revision: int, role_name: str = "ecsTaskExecRoleus-east-1"
) -> None:
    """Everything that the tutorial deploys, and how it hangs together."""
    assert rules(cloud) == {
        (False, "tcp", PORT, PORT, "0.0.0.0/0", GROUP),
        (True, "-1", -1, -1, "0.0.0.0/0", GROUP),
    }
    elb, ecs, iam = (cloud.client(name) for name in ("elbv2", "ecs", "iam"))
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    assert balancer["LoadBalancerName"] == f"{NAME}-load-balancer"
    assert balancer["State"]["Code"] == "active"
    assert (balancer["Scheme"], balancer["Type"]) == ("internet-facing", "application")
    assert balancer["SecurityGroups"] == [group(cloud)]
    (target,) = elb.describe_target_groups()["TargetGroups"]
    assert (target["TargetGroupName"], target["Port"]) == (f"{NAME}-target", PORT)
    assert (target["TargetType"], target["HealthCheckPath"]) == ("ip", "/health")
    arn = balancer["LoadBalancerArn"]
    (listener,) = elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]
    assert (listener["Port"], listener["Protocol"]) == (PORT, "HTTP")
    assert listener["DefaultActions"][0]["TargetGroupArn"] == target["TargetGroupArn"]

    role = iam.get_role(RoleName=role_name)["Role"]
    attached = iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]
    assert [it["PolicyName"] for it in attached] == ["AmazonECSTaskExecutionRolePolicy"]

    (cluster,) = ecs.describe_clusters(clusters=[f"{NAME}-cluster"])["clusters"]
    assert cluster["status"] == "ACTIVE"
    service = f"{NAME}-service"
    (found,) = ecs.describe_services(cluster=cluster["clusterArn"], services=[service])["services"]
    assert (found["status"], found["desiredCount"]) == ("ACTIVE", 1)
    network = found["networkConfiguration"]["awsvpcConfiguration"]
    assert network["securityGroups"] == [group(cloud)]
    assert len(network["subnets"]) == 3
    assert network["assignPublicIp"] == "ENABLED"
    (load,) = found["loadBalancers"]
    assert load["targetGroupArn"] == target["TargetGroupArn"]
    assert (load["containerName"], load["containerPort"]) == (f"{NAME}-container", PORT)

    task = definition(cloud, found["taskDefinition"])
    assert (task["family"], task["revision"], task["status"]) == (f"{NAME}-td", revision, "ACTIVE")
    assert (task["cpu"], task["memory"]) == ("2048", "8192")
    assert {task["executionRoleArn"], task["taskRoleArn"]} == {role["Arn"]}
    (container,) = task["containerDefinitions"]
    uri = cloud.ecr.describe_repositories()["repositories"][0]["repositoryUri"]
    assert container["image"] == f"{uri}:{image_tag}"
    assert container["logConfiguration"]["options"]["awslogs-group"] == f"{NAME}-log-group"
    assert container["portMappings"][0]["containerPort"] == PORT
    active = ecs.list_task_definitions(familyPrefix=f"{NAME}-td", status="ACTIVE")
    assert active["taskDefinitionArns"] == [task["taskDefinitionArn"]]


def nothing(db: Database, cloud: Cloud) -> None:
    """Nothing that an empty account does not have."""
    groups = cloud.ec2.describe_security_groups()["SecurityGroups"]
    assert {it["GroupName"] for it in groups} == {"default"}
    elb, ecs, iam = (cloud.client(name) for name in ("elbv2", "ecs", "iam"))
    assert elb.describe_load_balancers()["LoadBalancers"] == []
    assert elb.describe_target_groups()["TargetGroups"] == []
    assert iam.list_roles()["Roles"] == []
    clusters = ecs.describe_clusters(clusters=[f"{NAME}-cluster"])["clusters"]
    assert [it["status"] for it in clusters] in ([], ["INACTIVE"])
    assert ecs.list_task_definitions(status="ACTIVE")["taskDefinitionArns"] == []
    assert cloud.ecr.describe_repositories()["repositories"] == []
    assert cloud.logs.describe_log_groups()["logGroups"] == []


def applied(db: Database, cloud: Cloud) -> None:
    deployed(cloud, "latest", 1)


def moved_on(db: Database, cloud: Cloud) -> None:
    deployed(cloud, "v2", 2)
