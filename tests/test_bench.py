"""The cloud that speed is measured against answers like the emulator, and throttles like AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import botocore.exceptions
import pytest
import speed
from botocore.config import Config
from conftest import OBSERVER, Cloud
from old_engine import in_a_row, together
from ruler import Ruler
from testbed import REGION, TEST_CREDENTIALS, Testbed
from workloads import WORKLOADS

TAG = [{"Key": "team", "Value": "bench"}]
SMALL_TAG = [{"key": "team", "value": "bench"}]
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
    "config": {"size": 7023, "digest": "sha256:" + "b" * 64},
    "layers": [],
}


@pytest.fixture(scope="module")
def ruler(testbed: Testbed) -> Iterator[Ruler]:
    ruler = Ruler(testbed.state)
    ruler.start()
    yield ruler
    ruler.stop()


def client(ruler: Ruler, service: str, config: Config = OBSERVER) -> Any:
    credentials = {name.lower(): value for name, value in TEST_CREDENTIALS.items()}
    return boto3.client(
        service, region_name=REGION, endpoint_url=ruler.endpoint, config=config, **credentials
    )


def shape(value: Any) -> Any:
    """The keys and types of an answer; of a list, those of the thing in it that says most."""
    match value:
        case dict():
            return {name: shape(part) for name, part in value.items() if name != "ResponseMetadata"}
        case list():
            return [max(map(shape, value), key=lambda one: len(str(one)))] if value else []
        case _:
            return type(value).__name__


def fill(cloud: Cloud) -> dict[str, Any]:
    """One of each in the emulator, as the other cloud has by itself; what they are called."""
    ec2, elb, ecs, ecr, iam = map(cloud.client, ("ec2", "elbv2", "ecs", "ecr", "iam"))
    tags = lambda kind: [{"ResourceType": kind, "Tags": TAG}]  # noqa: E731
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tags("vpc"))["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(
            VpcId=vpc,
            CidrBlock=f"10.0.{number}.0/24",
            AvailabilityZone=f"{REGION}{zone}",
            TagSpecifications=tags("subnet"),
        )["Subnet"]["SubnetId"]
        for number, zone in enumerate("ab")
    ]
    group = ec2.create_security_group(
        GroupName="web",
        Description="web",
        VpcId=vpc,
        TagSpecifications=tags("security-group"),
    )["GroupId"]
    port = {
        "IpProtocol": "tcp",
        "FromPort": 80,
        "ToPort": 80,
        "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "rule"}],
    }
    ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[port], TagSpecifications=tags("security-group-rule")
    )
    cloud.logs.create_log_group(logGroupName="web", tags={"team": "bench"})
    cloud.logs.put_retention_policy(logGroupName="web", retentionInDays=7)
    ecr.create_repository(repositoryName="web", tags=TAG)
    ecr.put_image(repositoryName="web", imageTag="v1", imageManifest=json.dumps(MANIFEST))
    cloud.ecr_public.create_repository(repositoryName="web", tags=TAG)
    iam.create_role(
        RoleName="web", AssumeRolePolicyDocument=json.dumps(TRUST), Description="web", Tags=TAG
    )
    iam.attach_role_policy(RoleName="web", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    balancer = elb.create_load_balancer(
        Name="web", Subnets=subnets, SecurityGroups=[group], Scheme="internal", Tags=TAG
    )["LoadBalancers"][0]["LoadBalancerArn"]
    target = elb.create_target_group(
        Name="web", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip", Tags=TAG
    )["TargetGroups"][0]["TargetGroupArn"]
    elb.create_listener(
        LoadBalancerArn=balancer,
        Port=80,
        Protocol="HTTP",
        DefaultActions=[{"Type": "forward", "TargetGroupArn": target}],
        Tags=TAG,
    )
    ecs.create_cluster(clusterName="web", tags=SMALL_TAG)
    ecs.register_task_definition(
        family="web",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        executionRoleArn="arn:aws:iam::123456789012:role/web",
        containerDefinitions=[
            {
                "name": "web",
                "image": "nginx:1",
                "essential": True,
                "memoryReservation": 256,
                "portMappings": [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}],
                "environment": [{"name": "STAGE", "value": "bench"}],
            }
        ],
        tags=SMALL_TAG,
    )
    ecs.create_service(
        cluster="web",
        serviceName="web",
        taskDefinition="web:1",
        desiredCount=0,
        launchType="FARGATE",
        networkConfiguration={
            "awsvpcConfiguration": {
                "subnets": subnets,
                "securityGroups": [group],
                "assignPublicIp": "DISABLED",
            }
        },
        loadBalancers=[{"targetGroupArn": target, "containerName": "web", "containerPort": 80}],
        tags=SMALL_TAG,
    )
    return {"vpc": vpc}


class Answers(dict[str, Any]):
    """What a cloud has answered, by service and operation."""

    def ask(self, service: Any, operation: str, /, **parameters: Any) -> Any:
        name = f"{service.meta.service_model.service_name} {operation}"
        self[name] = getattr(service, operation)(**parameters)
        return self[name]

    @property
    def shapes(self) -> dict[str, Any]:
        return {name: shape(answer) for name, answer in self.items()}


def answers(of: Any) -> Answers:
    """What a cloud answers to all calls that read every table; `of` makes its clients."""
    ec2, elb, ecs, ecr, iam = map(of, ("ec2", "elbv2", "ecs", "ecr", "iam"))
    public, logs, tags = map(of, ("ecr-public", "logs", "resourcegroupstaggingapi"))
    found = Answers()
    ask = found.ask
    vpc = ask(ec2, "describe_vpcs", MaxResults=1000)["Vpcs"][-1]["VpcId"]
    for attribute in "enableDnsSupport", "enableDnsHostnames":
        found[attribute] = ec2.describe_vpc_attribute(VpcId=vpc, Attribute=attribute)
    for operation in (
        "describe_subnets",
        "describe_security_groups",
        "describe_security_group_rules",
    ):
        ask(ec2, operation, MaxResults=1000)
    ask(ec2, "describe_regions", AllRegions=True)
    ask(ec2, "describe_availability_zones")
    group = ask(logs, "describe_log_groups")["logGroups"][-1]
    ask(logs, "list_tags_for_resource", resourceArn=group["logGroupArn"])
    ask(tags, "get_resources", ResourceTypeFilters=["logs"], ResourcesPerPage=100)
    for registry in ecr, public:
        repository = ask(registry, "describe_repositories")["repositories"][-1]
        ask(registry, "list_tags_for_resource", resourceArn=repository["repositoryArn"])
    repositories = found["ecr describe_repositories"]["repositories"]
    name = repositories[-1]["repositoryName"]
    ask(ecr, "describe_images", repositoryName=name)
    with pytest.raises(ecr.exceptions.RepositoryPolicyNotFoundException) as refused:
        ecr.get_repository_policy(repositoryName=name)
    found["no policy"] = refused.value.response["Error"]
    ask(iam, "list_roles", MaxItems=1000)
    ask(iam, "get_account_authorization_details", Filter=["Role"], MaxItems=1000)
    balancer = ask(elb, "describe_load_balancers")["LoadBalancers"][-1]["LoadBalancerArn"]
    target = ask(elb, "describe_target_groups")["TargetGroups"][-1]["TargetGroupArn"]
    listeners = ask(elb, "describe_listeners", LoadBalancerArn=balancer)["Listeners"]
    ask(elb, "describe_load_balancer_attributes", LoadBalancerArn=balancer)
    ask(elb, "describe_target_group_attributes", TargetGroupArn=target)
    ask(elb, "describe_tags", ResourceArns=[balancer, target, listeners[-1]["ListenerArn"]])
    cluster = ask(ecs, "list_clusters")["clusterArns"][-1]
    ask(ecs, "describe_clusters", clusters=[cluster], include=["SETTINGS", "TAGS"])
    definition = ask(ecs, "list_task_definitions")["taskDefinitionArns"][-1]
    ask(ecs, "describe_task_definition", taskDefinition=definition, include=["TAGS"])
    service = ask(ecs, "list_services", cluster=cluster)["serviceArns"][-1]
    ask(ecs, "describe_services", cluster=cluster, services=[service], include=["TAGS"])
    ask(of("sts"), "get_caller_identity")
    return found


def changes(of: Any) -> Answers:
    """What a cloud answers to the calls that make and remove what the tutorial deploys, and to those
    that look at it in between."""
    ec2, elb, ecs, ecr, iam, logs = map(of, ("ec2", "elbv2", "ecs", "ecr", "iam", "logs"))
    found = Answers()
    ask = found.ask

    default = [{"Name": "is-default", "Values": ["true"]}]
    vpc = ec2.describe_vpcs(Filters=default)["Vpcs"][0]["VpcId"]
    inside = {"Name": "vpc-id", "Values": [vpc]}
    subnets = ec2.describe_subnets(Filters=[inside])["Subnets"][:2]
    places = [subnet["SubnetId"] for subnet in subnets]
    mark = [{"ResourceType": "security-group", "Tags": TAG}]
    group = ask(
        ec2, "create_security_group", GroupName="made", Description="made", TagSpecifications=mark
    )["GroupId"]
    filters = [inside, {"Name": "group-name", "Values": ["made"]}]
    (made,) = ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    assert (made["GroupId"], made["VpcId"], made["Tags"]) == (group, vpc, TAG)
    of_group = [{"Name": "group-id", "Values": [group]}]

    def rules() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ask(ec2, "describe_security_group_rules", Filters=of_group)[
            "SecurityGroupRules"
        ]
        return found

    def port(number: int, *ranges: str) -> dict[str, Any]:
        peers = [{"CidrIp": it, "Description": "let in"} for it in ranges]
        ports = {"FromPort": number, "ToPort": number}
        return {"IpProtocol": "tcp", "IpRanges": peers} | ports

    (born,) = rules()
    assert (born["IsEgress"], born["CidrIpv4"], "Description" in born) == (True, "0.0.0.0/0", False)
    out = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "anywhere"}]}
    told = "update_security_group_rule_descriptions_egress"
    ask(ec2, told, GroupId=group, IpPermissions=[out])
    assert [it["Description"] for it in rules()] == ["anywhere"]
    several = [port(80, "10.0.0.0/8", "192.168.0.0/16"), port(443, "10.0.0.0/8")]
    ask(ec2, "authorize_security_group_ingress", GroupId=group, IpPermissions=several)
    let_in = [it for it in rules() if not it["IsEgress"]]
    assert sorted((it["FromPort"], it["CidrIpv4"]) for it in let_in) == [
        (80, "10.0.0.0/8"),
        (80, "192.168.0.0/16"),
        (443, "10.0.0.0/8"),
    ]
    ask(
        ec2,
        "authorize_security_group_egress",
        GroupId=group,
        IpPermissions=[port(53, "10.0.0.0/8")],
    )

    ask(logs, "create_log_group", logGroupName="made")
    (by_name,) = ask(logs, "describe_log_groups", logGroupNamePrefix="mad")["logGroups"]
    assert by_name["logGroupName"] == "made"
    uri = ask(ecr, "create_repository", repositoryName="made")["repository"]["repositoryUri"]
    named = ask(ecr, "describe_repositories", repositoryNames=["made"])["repositories"]
    assert [it["repositoryUri"] for it in named] == [uri]
    arn = ask(iam, "create_role", RoleName="made", AssumeRolePolicyDocument=json.dumps(TRUST))[
        "Role"
    ]["Arn"]
    policy = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    ask(iam, "attach_role_policy", RoleName="made", PolicyArn=policy)
    assert ask(iam, "get_role", RoleName="made")["Role"]["AssumeRolePolicyDocument"] == TRUST

    balancer = ask(
        elb,
        "create_load_balancer",
        Name="made",
        Subnets=places,
        SecurityGroups=[group],
        Scheme="internet-facing",
    )["LoadBalancers"][0]["LoadBalancerArn"]
    (it,) = ask(elb, "describe_load_balancers", Names=["made"])["LoadBalancers"]
    assert (it["Scheme"], it["SecurityGroups"]) == ("internet-facing", [group])
    assert {zone["SubnetId"] for zone in it["AvailabilityZones"]} == set(places)
    target = ask(
        elb,
        "create_target_group",
        Name="made",
        Protocol="HTTP",
        Port=8088,
        VpcId=vpc,
        TargetType="ip",
        HealthCheckPath="/health",
    )["TargetGroups"][0]["TargetGroupArn"]
    action = {"Type": "forward", "TargetGroupArn": target}
    listener = ask(
        elb,
        "create_listener",
        LoadBalancerArn=balancer,
        Port=8088,
        Protocol="HTTP",
        DefaultActions=[action],
    )["Listeners"][0]["ListenerArn"]
    assert ask(elb, "describe_listeners", ListenerArns=[listener])["Listeners"][0]["Port"] == 8088

    ask(ecs, "create_cluster", clusterName="made")
    container = {"name": "made", "image": f"{uri}:v1", "essential": True, "memoryReservation": 256}
    ports = [{"containerPort": 8088, "hostPort": 8088, "protocol": "tcp"}]
    definition = ask(
        ecs,
        "register_task_definition",
        family="made",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        taskRoleArn=arn,
        executionRoleArn=arn,
        containerDefinitions=[container | {"portMappings": ports, "environment": []}],
        tags=SMALL_TAG,
    )["taskDefinition"]["taskDefinitionArn"]
    assert (
        ecs.describe_task_definition(taskDefinition=definition, include=["TAGS"])["tags"]
        == SMALL_TAG
    )
    network = {"subnets": places, "securityGroups": [group], "assignPublicIp": "ENABLED"}
    load = {"targetGroupArn": target, "containerName": "made", "containerPort": 8088}
    ask(
        ecs,
        "create_service",
        cluster="made",
        serviceName="made",
        taskDefinition=definition,
        desiredCount=0,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": network},
        loadBalancers=[load],
    )
    service = {"cluster": "made", "services": ["made"]}
    assert ecs.describe_services(**service)["services"][0]["loadBalancers"] == [load]

    ask(ecs, "delete_service", cluster="made", service="made", force=True)
    after = ecs.describe_services(**service)["services"]
    assert all(it["status"] == "INACTIVE" for it in after)
    ask(elb, "delete_listener", ListenerArn=listener)
    ask(elb, "delete_load_balancer", LoadBalancerArn=balancer)
    with pytest.raises(elb.exceptions.LoadBalancerNotFoundException):
        elb.describe_load_balancers(Names=["made"])
    ask(elb, "delete_target_group", TargetGroupArn=target)
    ask(ecs, "deregister_task_definition", taskDefinition=definition)
    ask(ecs, "delete_cluster", cluster="made")
    with pytest.raises(iam.exceptions.DeleteConflictException):
        iam.delete_role(RoleName="made")
    for operation in "list_attached_role_policies", "list_role_policies":
        ask(iam, operation, RoleName="made")
    ask(iam, "list_instance_profiles_for_role", RoleName="made")
    ask(iam, "detach_role_policy", RoleName="made", PolicyArn=policy)
    ask(iam, "delete_role", RoleName="made")
    ask(ecr, "delete_repository", repositoryName="made")
    ask(logs, "delete_log_group", logGroupName="made")
    ids = [it["SecurityGroupRuleId"] for it in let_in]
    ask(ec2, "revoke_security_group_ingress", GroupId=group, SecurityGroupRuleIds=ids[:2])
    assert [it["SecurityGroupRuleId"] for it in rules() if not it["IsEgress"]] == ids[2:]
    ask(
        ec2,
        "revoke_security_group_egress",
        GroupId=group,
        SecurityGroupRuleIds=[born["SecurityGroupRuleId"]],
    )
    ask(ec2, "delete_security_group", GroupId=group)
    return found


def test_it_answers_like_the_emulator(ruler: Ruler, cloud: Cloud) -> None:
    ruler.reset()
    fill(cloud)
    assert answers(lambda it: client(ruler, it)).shapes == answers(cloud.client).shapes


def test_it_changes_like_the_emulator(ruler: Ruler, cloud: Cloud) -> None:
    ruler.reset()
    ours = changes(lambda it: client(ruler, it))
    assert ours.shapes == changes(cloud.client).shapes
    assert ruler.calls()["made"] == 0


def test_what_is_applied_there_stays_as_it_is(testbed: Testbed) -> None:
    """All that a workload makes is told as it was made, and gone after its delete."""
    own = Testbed(testbed.state.directory / "bench")
    with speed.started(0, speed.exactly(speed.NEW), own) as bench:
        bench.ruler.reset(0, **bench.sizes)
        database = bench.database()
        with bench.connect(database) as connection:

            def run(sql: str) -> list[Any]:
                bench.ruler.refill()
                return connection.execute(sql.encode()).fetchall()

            run(speed.STATEMENTS["install"])
            for name, workload in WORKLOADS.items():
                connection.execute(workload.insert(2).encode())
                assert run(speed.STATEMENTS["apply"]), name
                assert run(speed.STATEMENTS["plan"]) == [], name
            run("SELECT delete_all_records()")
            assert run(speed.STATEMENTS["apply"])
            assert run(speed.STATEMENTS["plan"]) == []
            assert bench.ruler.calls()["made"] == 0


def test_calls_are_counted_that_wait_for_each_other() -> None:
    calls = [(0, 50), (1, 60), (50, 100), (70, 120), (130, 180)]
    assert (in_a_row(calls), together(calls)) == (3, 170)


def test_pages_are_as_large_as_on_aws(ruler: Ruler) -> None:
    ruler.reset(log_groups=120, task_definitions=150, roles=1200)
    pages = [
        (client(ruler, "logs"), "describe_log_groups", "logGroups", [50, 50, 20]),
        (client(ruler, "ecs"), "list_task_definitions", "taskDefinitionArns", [100, 50]),
        (client(ruler, "iam"), "list_roles", "Roles", [1000, 200]),
    ]
    for service, operation, name, sizes in pages:
        found = service.get_paginator(operation).paginate(PaginationConfig={"PageSize": 1000})
        assert [len(page[name]) for page in found] == sizes, operation


def test_it_throttles_in_the_words_of_each_service(ruler: Ruler) -> None:
    ruler.reset()
    for service, operation, burst, code in (
        ("logs", "describe_log_groups", 10, "ThrottlingException"),
        ("elbv2", "describe_load_balancers", 40, "Throttling"),
        ("ec2", "describe_vpcs", 100, "RequestLimitExceeded"),
    ):
        call = getattr(client(ruler, service), operation)
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            for _ in range(10 * burst):
                call()
        assert refused.value.response["Error"]["Code"] == code
    told = ruler.calls()
    assert told["throttled"] == 3
    assert told["operations"]["logs DescribeLogGroups"][0] > 10
