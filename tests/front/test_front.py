"""The front itself: what it refuses, mends, cuts, delays, breaks and records.

Everything here goes through boto3, as a client of AWS would. Run with
`pytest tests/front/test_front.py`; the binary is taken from $IASQL_FRONT,
or built by cargo.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

ROOT = pathlib.Path(__file__).resolve().parents[2]
REGION = "us-east-1"


def binary():
    if path := os.environ.get("IASQL_FRONT"):
        return path
    target = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target"))
    subprocess.run(["cargo", "build", "-q", "-p", "iasql-front"], cwd=ROOT, check=True)
    return f"{target}/debug/iasql-front"


def wait_for(url):
    for _ in range(200):
        try:
            return urllib.request.urlopen(url, timeout=5).read()
        except (OSError, urllib.error.URLError):
            time.sleep(0.05)
    raise TimeoutError(url)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Front:
    def __init__(self, url, moto):
        self.url = url
        self.moto = moto
        # The operations that a test expects the emulator to lack.
        self.holes = []

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_front/{path}", data=data, method=method)
        return json.loads(urllib.request.urlopen(request, timeout=60).read())

    def calls(self, query=""):
        return self.ask("GET", f"calls?{query}")["calls"]

    def fault(self, **rule):
        self.ask("POST", "faults", [rule])

    def set(self, **settings):
        self.ask("POST", "settings", settings)

    def client(self, service, region=REGION, url=None, agent=None, **config):
        config = {"retries": {"total_max_attempts": 1}, "read_timeout": 30, **config}
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=url or self.url,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            config=Config(user_agent_extra=agent, **config),
        )


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    port = free_port()
    moto = subprocess.Popen(
        [str(pathlib.Path(sys.executable).parent / "moto_server"), "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    upstream = f"http://127.0.0.1:{port}"
    front = None
    try:
        wait_for(f"{upstream}/moto-api/data.json")
        file = tmp_path_factory.mktemp("front") / "port"
        command = [binary(), "--listen", "127.0.0.1:0", "--upstream", upstream]
        front = subprocess.Popen(
            [*command, "--port-file", str(file)], stdout=subprocess.PIPE, text=True
        )
        assert front.stdout.readline().startswith("listening on 127.0.0.1:")
        yield Front(f"http://127.0.0.1:{file.read_text()}", upstream)
    finally:
        for process in [front, moto]:
            if process:
                process.terminate()
                process.wait(10)


@pytest.fixture
def front(running):
    running.ask("POST", "reset?moto=1")
    yield running
    # A hole of the emulator that a test did not ask for must not go unseen.
    holes = [call["operation"] for call in running.calls() if call["not_implemented"]]
    expected, running.holes = running.holes, []
    assert holes in ([], expected)


@pytest.fixture
def ec2(front):
    return front.client("ec2")


@pytest.fixture
def ecr(front):
    return front.client("ecr")


@pytest.fixture
def logs(front):
    return front.client("logs")


@pytest.fixture
def public(front):
    return front.client("ecr-public")


@pytest.fixture
def vpc(ec2):
    return ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]


@pytest.fixture
def group(ec2, vpc):
    return make_group(ec2, vpc, "web")


def make_group(ec2, vpc, name):
    return ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]


def make_subnet(ec2, vpc, block="10.0.0.0/24", **more):
    return ec2.create_subnet(VpcId=vpc, CidrBlock=block, **more)["Subnet"]["SubnetId"]


def tcp(low, high, *blocks, **more):
    ranges = [{"CidrIp": block} for block in blocks]
    return {"IpProtocol": "tcp", "FromPort": low, "ToPort": high, "IpRanges": ranges, **more}


def code(call, **parameters):
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"]


def ingress(ec2, group):
    return ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]


def rules(ec2, group):
    found = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])
    return found["SecurityGroupRules"]


# Security groups


def test_a_group_needs_a_vpc_that_exists(ec2):
    create = ec2.create_security_group
    missing = code(create, GroupName="a", Description="a", VpcId="vpc-00000000000000000")
    assert missing == "InvalidVpcID.NotFound"
    assert create(GroupName="a", Description="a")["GroupId"].startswith("sg-")


@pytest.mark.parametrize("name", ["sg-web", "default", "a" * 256, "naïve", "it's", "a|b"])
def test_a_bad_group_name_is_refused(ec2, vpc, name):
    refused = code(ec2.create_security_group, GroupName=name, Description="a", VpcId=vpc)
    assert refused == "InvalidParameterValue"


@pytest.mark.parametrize(
    "description, expected",
    [
        ("", "MissingParameter"),
        ("it's", "InvalidParameterValue"),
        ("a" * 256, "InvalidParameterValue"),
        ("→", "InvalidParameterValue"),
    ],
)
def test_a_bad_group_description_is_refused(ec2, vpc, description, expected):
    refused = code(
        ec2.create_security_group, GroupName="a", Description=description, VpcId=vpc
    )
    assert refused == expected


def test_the_same_rule_twice_in_a_request_is_refused_and_nothing_applied(ec2, group):
    twice = [tcp(80, 80, "10.0.0.0/8", "10.0.0.0/8")]
    add = ec2.authorize_security_group_ingress
    assert code(add, GroupId=group, IpPermissions=twice) == "InvalidParameterValue"
    apart = [tcp(80, 80, "10.0.0.0/8"), tcp(80, 80, "10.1.0.0/8")]
    assert code(add, GroupId=group, IpPermissions=apart) == "InvalidParameterValue"
    assert ingress(ec2, group) == []


def test_one_duplicate_among_new_rules_applies_nothing(ec2, group):
    add = ec2.authorize_security_group_ingress
    add(GroupId=group, IpPermissions=[tcp(80, 80, "10.0.0.0/8")])
    both = [tcp(81, 81, "10.0.0.0/8"), tcp(80, 80, "10.0.0.0/8")]
    assert code(add, GroupId=group, IpPermissions=both) == "InvalidPermission.Duplicate"
    assert len(ingress(ec2, group)) == 1


def test_rules_beyond_the_quota_apply_nothing(ec2, group):
    add = ec2.authorize_security_group_ingress
    many = [tcp(port, port, "10.0.0.0/8") for port in range(61)]
    refused = code(add, GroupId=group, IpPermissions=many)
    assert refused == "RulesPerSecurityGroupLimitExceeded"
    assert ingress(ec2, group) == []


def test_a_block_is_made_canonical(ec2, group):
    six = {"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "2001:db8::1/32"}]}
    permissions = [tcp(80, 80, "10.1.2.3/8"), six]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permissions)
    found = ingress(ec2, group)
    assert [one["IpRanges"] for one in found] == [[{"CidrIp": "10.0.0.0/8"}], []]
    assert found[1]["Ipv6Ranges"] == [{"CidrIpv6": "2001:db8::/32"}]
    again = [tcp(80, 80, "10.9.9.9/8")]
    add = ec2.authorize_security_group_ingress
    assert code(add, GroupId=group, IpPermissions=again) == "InvalidPermission.Duplicate"


@pytest.mark.parametrize(
    "permission",
    [
        tcp(80, 22, "10.0.0.0/8"),
        tcp(-1, 22, "10.0.0.0/8"),
        tcp(0, 65536, "10.0.0.0/8"),
        tcp(1, 1, "10.0.0.0/33"),
        {"IpProtocol": "banana", "FromPort": 1, "ToPort": 1, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
        {"IpProtocol": "tcp", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "it's"}]},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(ec2, group, permission):
    for add in [ec2.authorize_security_group_ingress, ec2.authorize_security_group_egress]:
        assert code(add, GroupId=group, IpPermissions=[permission]) == "InvalidParameterValue"


def test_rules_of_many_permissions_are_all_reported_with_their_owner(ec2, group):
    permissions = [
        tcp(80, 80, "10.0.0.0/8", UserIdGroupPairs=[{"GroupId": group}]),
        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
        {"IpProtocol": "50", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
        {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
    ]
    made = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permissions)
    made = made["SecurityGroupRules"]
    assert len(made) == 5
    assert {rule["GroupOwnerId"] for rule in made} == {"123456789012"}
    found = rules(ec2, group)
    assert {rule["GroupOwnerId"] for rule in found} == {"123456789012"}
    made_ids = {rule["SecurityGroupRuleId"] for rule in made}
    assert made_ids < {rule["SecurityGroupRuleId"] for rule in found}


def test_the_single_form_of_a_rule_is_taken_too(ec2, group):
    ec2.authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="10.1.0.0/8"
    )
    assert ingress(ec2, group)[0]["IpRanges"] == [{"CidrIp": "10.0.0.0/8"}]


def test_an_unknown_source_group_is_refused_and_nothing_applied(ec2, group):
    other = tcp(1, 1, UserIdGroupPairs=[{"GroupId": "sg-00000000000000000"}])
    both = [tcp(80, 80, "10.0.0.0/8"), other]
    refused = code(ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=both)
    assert refused == "InvalidGroup.NotFound"
    assert ingress(ec2, group) == []


def test_revoking_is_all_or_nothing(ec2, group):
    here, there = tcp(80, 80, "10.0.0.0/8"), tcp(81, 81, "10.0.0.0/8")
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[here])
    revoke = ec2.revoke_security_group_ingress
    refused = code(revoke, GroupId=group, IpPermissions=[here, there])
    assert refused == "InvalidPermission.NotFound"
    assert len(ingress(ec2, group)) == 1
    revoke(GroupId=group, IpPermissions=[here])
    assert ingress(ec2, group) == []


def test_a_rule_can_be_modified_and_is_checked(ec2, group):
    made = ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[tcp(80, 80, "10.0.0.0/8")]
    )
    rule = made["SecurityGroupRules"][0]["SecurityGroupRuleId"]

    def change(**new):
        changes = [{"SecurityGroupRuleId": rule, "SecurityGroupRule": new}]
        ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=changes)

    change(IpProtocol="tcp", FromPort=80, ToPort=81, CidrIpv4="10.1.2.3/16", Description="new")
    found = next(one for one in rules(ec2, group) if one["SecurityGroupRuleId"] == rule)
    assert (found["CidrIpv4"], found["ToPort"], found["Description"]) == ("10.1.0.0/16", 81, "new")
    bad = dict(IpProtocol="tcp", FromPort=81, ToPort=80, CidrIpv4="10.0.0.0/8")
    assert code(change, **bad) == "InvalidParameterValue"


def test_every_rule_keeps_its_description(ec2, group):
    pairs = [{"GroupId": group, "Description": "ourselves & <others>"}]
    permissions = [
        {"IpProtocol": "-1", "UserIdGroupPairs": pairs},
        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "plain"}]},
    ]
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permissions)
    pairs[0]["Description"] = "ourselves"
    add = ec2.authorize_security_group_ingress
    made = add(GroupId=group, IpPermissions=permissions)["SecurityGroupRules"]
    assert [rule["Description"] for rule in made] == ["ourselves", "plain"]

    def shown():
        found = [rule for rule in rules(ec2, group) if not rule["IsEgress"]]
        return sorted(rule.get("Description") for rule in found)

    assert shown() == ["ourselves", "plain"]
    assert all("FromPort" not in permission for permission in ingress(ec2, group))
    pairs[0]["Description"] = "another"
    assert code(add, GroupId=group, IpPermissions=permissions) == "InvalidPermission.Duplicate"
    update = ec2.update_security_group_rule_descriptions_ingress
    update(GroupId=group, IpPermissions=permissions)
    assert shown() == ["another", "plain"]
    third = {"SecurityGroupRuleId": made[0]["SecurityGroupRuleId"], "Description": "third"}
    update(GroupId=group, SecurityGroupRuleDescriptions=[third])
    assert shown() == ["plain", "third"]
    del pairs[0]["Description"]
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=permissions)
    assert ingress(ec2, group) == []


def test_a_modification_that_moto_would_drop_is_loud(front, ec2, group):
    front.holes = ["ModifySecurityGroupRules"]
    made = ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[tcp(80, 80, UserIdGroupPairs=[{"GroupId": group}])]
    )
    new = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "ReferencedGroupId": "sg-1"}
    rule = made["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    changes = [{"SecurityGroupRuleId": rule, "SecurityGroupRule": new}]
    refused = code(ec2.modify_security_group_rules, GroupId=group, SecurityGroupRules=changes)
    assert refused == "EmulatorNotImplemented"


@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_a_group_that_another_refers_to_is_not_deleted(ec2, vpc, group, direction):
    other = make_group(ec2, vpc, "other")
    permissions = [tcp(80, 80, UserIdGroupPairs=[{"GroupId": group}])]
    change = lambda verb: getattr(ec2, f"{verb}_security_group_{direction}")
    change("authorize")(GroupId=other, IpPermissions=permissions)
    assert code(ec2.delete_security_group, GroupId=group) == "DependencyViolation"
    change("revoke")(GroupId=other, IpPermissions=permissions)
    ec2.delete_security_group(GroupId=group)


def test_a_group_that_refers_to_itself_can_be_deleted(ec2, group):
    permissions = [tcp(80, 80, UserIdGroupPairs=[{"GroupId": group}])]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permissions)
    ec2.delete_security_group(GroupId=group)


def test_the_default_group_is_not_deleted(ec2, vpc):
    wanted = [{"Name": "vpc-id", "Values": [vpc]}]
    default = ec2.describe_security_groups(Filters=wanted)["SecurityGroups"][0]["GroupId"]
    assert code(ec2.delete_security_group, GroupId=default) == "CannotDelete"


def test_an_unknown_group_is_not_found(ec2):
    unknown = "sg-00000000000000000"
    assert code(ec2.delete_security_group, GroupId=unknown) == "InvalidGroup.NotFound"
    with pytest.raises(ClientError, match="'sg-00000000000000000'") as caught:
        ec2.describe_security_groups(GroupIds=[unknown])
    assert "{" not in str(caught.value)


def test_an_interface_holds_its_group_and_subnet(ec2, vpc, group):
    subnet = make_subnet(ec2, vpc)
    made = ec2.create_network_interface(SubnetId=subnet, Groups=[group])
    interface = made["NetworkInterface"]["NetworkInterfaceId"]
    assert code(ec2.delete_security_group, GroupId=group) == "DependencyViolation"
    assert code(ec2.delete_subnet, SubnetId=subnet) == "DependencyViolation"
    ec2.delete_network_interface(NetworkInterfaceId=interface)
    ec2.delete_security_group(GroupId=group)
    ec2.delete_subnet(SubnetId=subnet)


def test_a_load_balancer_holds_its_groups_and_subnets(front, ec2, vpc, group):
    subnets = [
        make_subnet(ec2, vpc, f"10.0.{n}.0/24", AvailabilityZone=f"{REGION}{'ab'[n]}")
        for n in range(2)
    ]
    elb = front.client("elbv2")
    made = elb.create_load_balancer(
        Name="lb", Subnets=subnets, SecurityGroups=[group], Scheme="internal"
    )
    assert code(ec2.delete_security_group, GroupId=group) == "DependencyViolation"
    assert code(ec2.delete_subnet, SubnetId=subnets[0]) == "DependencyViolation"
    elb.delete_load_balancer(LoadBalancerArn=made["LoadBalancers"][0]["LoadBalancerArn"])
    ec2.delete_security_group(GroupId=group)
    ec2.delete_subnet(SubnetId=subnets[0])


def test_a_service_holds_its_groups_and_subnets(front, ec2, vpc, group):
    subnet = make_subnet(ec2, vpc)
    ecs = front.client("ecs")
    ecs.create_cluster(clusterName="c")
    make_task(ecs)
    network = {"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": [group]}}
    ecs.create_service(
        cluster="c",
        serviceName="s",
        taskDefinition="f",
        desiredCount=1,
        networkConfiguration=network,
    )
    assert code(ec2.delete_security_group, GroupId=group) == "DependencyViolation"
    assert code(ec2.delete_subnet, SubnetId=subnet) == "DependencyViolation"
    ecs.delete_service(cluster="c", service="s", force=True)
    ec2.delete_security_group(GroupId=group)
    ec2.delete_subnet(SubnetId=subnet)


# VPCs and subnets


def test_a_vpc_with_a_group_is_not_deleted(ec2, vpc, group):
    assert code(ec2.delete_vpc, VpcId=vpc) == "DependencyViolation"
    ec2.delete_security_group(GroupId=group)
    ec2.delete_vpc(VpcId=vpc)
    assert code(ec2.describe_vpcs, VpcIds=[vpc]) == "InvalidVpcID.NotFound"


def test_a_vpc_with_a_subnet_or_gateway_is_not_deleted(ec2, vpc):
    subnet = make_subnet(ec2, vpc)
    assert code(ec2.delete_vpc, VpcId=vpc) == "DependencyViolation"
    ec2.delete_subnet(SubnetId=subnet)
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    assert code(ec2.delete_vpc, VpcId=vpc) == "DependencyViolation"
    second = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    attach = ec2.attach_internet_gateway
    assert code(attach, InternetGatewayId=second, VpcId=vpc) == "InvalidParameterValue"
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_vpc(VpcId=vpc)


def test_the_main_route_table_is_not_deleted(ec2, vpc):
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    main = tables["RouteTables"][0]["RouteTableId"]
    assert code(ec2.delete_route_table, RouteTableId=main) == "DependencyViolation"


def test_blocks_of_vpcs_and_subnets_are_made_canonical(ec2):
    vpc = ec2.create_vpc(CidrBlock="10.1.2.3/16")["Vpc"]
    assert vpc["CidrBlock"] == "10.1.0.0/16"
    subnet = ec2.create_subnet(VpcId=vpc["VpcId"], CidrBlock="10.1.2.3/24")["Subnet"]
    assert subnet["CidrBlock"] == "10.1.2.0/24"
    create = ec2.create_subnet
    assert code(create, VpcId=vpc["VpcId"], CidrBlock="10.1.9.0/29") == "InvalidSubnet.Range"


def test_a_subnet_needs_a_zone_of_its_region(ec2, vpc):
    create = ec2.create_subnet
    foreign = dict(VpcId=vpc, CidrBlock="10.0.0.0/24", AvailabilityZone="eu-west-1a")
    assert code(create, **foreign) == "InvalidParameterValue"
    create(VpcId=vpc, CidrBlock="10.0.0.0/24", AvailabilityZone="us-east-1b")


def test_an_unknown_filter_is_refused(ec2):
    lists = ["vpcs", "subnets", "security_groups", "security_group_rules", "network_interfaces"]
    for name in lists:
        call = getattr(ec2, f"describe_{name}")
        bad = [{"Name": "banana", "Values": ["x"]}]
        assert code(call, Filters=bad) == "InvalidParameterValue"
        call(Filters=[{"Name": "tag:x", "Values": ["y"]}])


def test_a_dry_run_changes_nothing(ec2):
    before = len(ec2.describe_vpcs()["Vpcs"])
    assert code(ec2.create_vpc, CidrBlock="10.0.0.0/16", DryRun=True) == "DryRunOperation"
    assert len(ec2.describe_vpcs()["Vpcs"]) == before


def test_tags_are_checked(ec2, vpc):
    def tag(*pairs):
        tags = [{"Key": key, "Value": value} for key, value in pairs]
        ec2.create_tags(Resources=[vpc], Tags=tags)

    for bad in [("aws:x", ""), ("a" * 129, ""), ("a", "b" * 257)]:
        with pytest.raises(ClientError, match="InvalidParameterValue"):
            tag(bad)
    tag(*[(f"k{n}", "v") for n in range(30)])
    tag(*[(f"k{n}", "w") for n in range(30)])
    with pytest.raises(ClientError, match="TagLimitExceeded"):
        tag(*[(f"l{n}", "v") for n in range(21)])
    tag(*[(f"l{n}", "v") for n in range(20)])
    spec = [{"ResourceType": "vpc", "Tags": [{"Key": "aws:x", "Value": "y"}]}]
    refused = code(ec2.create_vpc, CidrBlock="10.0.0.0/16", TagSpecifications=spec)
    assert refused == "InvalidParameterValue"


# ECR


MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
    "layers": [],
}


def push(ecr, name, tag, config):
    manifest = json.dumps({**MANIFEST, "config": {"digest": f"sha256:{config * 64}", "size": 1}})
    return ecr.put_image(repositoryName=name, imageManifest=manifest, imageTag=tag)


def test_a_tag_of_an_immutable_repository_stays(ecr):
    ecr.create_repository(repositoryName="fixed", imageTagMutability="IMMUTABLE")
    ecr.create_repository(repositoryName="loose")
    for name in ["fixed", "loose"]:
        push(ecr, name, "v1", "a")
        assert code(lambda: push(ecr, name, "v1", "a")) == "ImageAlreadyExistsException"
    push(ecr, "loose", "v1", "b")
    assert code(lambda: push(ecr, "fixed", "v1", "b")) == "ImageTagAlreadyExistsException"
    push(ecr, "fixed", "v2", "b")


def test_a_repository_policy_must_be_one(ecr):
    ecr.create_repository(repositoryName="ab")
    for bad in ["{", "{}", '{"Statement": []}', '{"Statement": [{"Effect": "Allow"}]}']:
        refused = code(ecr.set_repository_policy, repositoryName="ab", policyText=bad)
        assert refused == "InvalidParameterException"
    assert code(ecr.get_repository_policy, repositoryName="ab") == "RepositoryPolicyNotFoundException"
    statement = {"Effect": "Allow", "Principal": "*", "Action": ["ecr:GetDownloadUrlForLayer"]}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    ecr.set_repository_policy(repositoryName="ab", policyText=text)
    assert json.loads(ecr.get_repository_policy(repositoryName="ab")["policyText"])


def test_tags_of_a_repository_are_checked(ecr):
    bad = [{"Key": "aws:x", "Value": "y"}]
    create = ecr.create_repository
    assert code(create, repositoryName="ab", tags=bad) == "InvalidTagParameterException"
    arn = create(repositoryName="ab")["repository"]["repositoryArn"]
    many = [{"Key": f"k{n}", "Value": ""} for n in range(51)]
    assert code(ecr.tag_resource, resourceArn=arn, tags=many) == "TooManyTagsException"
    ecr.tag_resource(resourceArn=arn, tags=many[:50])
    assert code(ecr.tag_resource, resourceArn=arn, tags=many[50:]) == "TooManyTagsException"


# Logs


def test_log_groups_are_checked(logs):
    create = logs.create_log_group
    for bad in ["a b!", "é", "a:b"]:
        assert code(create, logGroupName=bad) == "InvalidParameterException"
    key = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
    assert code(create, logGroupName="a", kmsKeyId=key) == "InvalidParameterException"
    create(logGroupName="/ecs/web#1.a-b_c")
    assert code(create, logGroupName="/ecs/web#1.a-b_c") == "ResourceAlreadyExistsException"


def test_a_known_key_is_taken(front, logs):
    key = front.client("kms").create_key()["KeyMetadata"]["Arn"]
    logs.create_log_group(logGroupName="a", kmsKeyId=key)
    assert logs.describe_log_groups()["logGroups"][0]["kmsKeyId"] == key


def test_retention_comes_from_a_list(logs):
    logs.create_log_group(logGroupName="a")
    for bad in [2, 31, 0, 4000]:
        refused = code(logs.put_retention_policy, logGroupName="a", retentionInDays=bad)
        assert refused == "InvalidParameterException"
    logs.put_retention_policy(logGroupName="a", retentionInDays=30)
    assert logs.describe_log_groups()["logGroups"][0]["retentionInDays"] == 30


def test_tags_of_a_log_group_work(logs):
    refused = code(logs.create_log_group, logGroupName="a", tags={"aws:x": "y"})
    assert refused == "InvalidParameterException"
    logs.create_log_group(logGroupName="a", tags={"k": "v"})
    arn = logs.describe_log_groups()["logGroups"][0]["logGroupArn"]
    logs.tag_resource(resourceArn=arn, tags={"l": "w"})
    logs.untag_resource(resourceArn=arn, tagKeys=["k"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"l": "w"}


def shown(logs, name="a"):
    groups = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    members = ["logGroupClass", "kmsKeyId", "retentionInDays"]
    [found] = [[group.get(member) for member in members] for group in groups]
    return found


def test_a_log_group_keeps_its_class_key_and_retention(front, logs):
    first, second = [front.client("kms").create_key()["KeyMetadata"]["Arn"] for _ in range(2)]
    rare = {"logGroupName": "a", "logGroupClass": "INFREQUENT_ACCESS", "kmsKeyId": first}
    assert code(logs.create_log_group, **{**rare, "logGroupClass": "x"}) == "InvalidParameterException"
    logs.create_log_group(**rare)
    assert shown(logs) == ["INFREQUENT_ACCESS", first, None]
    logs.associate_kms_key(logGroupName="a", kmsKeyId=second)
    logs.put_retention_policy(logGroupName="a", retentionInDays=7)
    assert shown(logs) == ["INFREQUENT_ACCESS", second, 7]
    logs.disassociate_kms_key(logGroupName="a")
    assert shown(logs) == ["INFREQUENT_ACCESS", None, 7]
    arn = logs.describe_log_groups()["logGroups"][0]["logGroupArn"]
    logs.associate_kms_key(resourceIdentifier=arn, kmsKeyId=first)
    logs.delete_retention_policy(logGroupName="a")
    assert shown(logs) == ["INFREQUENT_ACCESS", first, None]
    # The front keeps none of it to itself, nor does a namesake get it.
    front.ask("POST", "reset")
    assert shown(logs) == ["INFREQUENT_ACCESS", first, None]
    logs.delete_log_group(logGroupName="a")
    logs.create_log_group(logGroupName="a")
    assert shown(logs) == ["STANDARD", None, None]
    elsewhere = front.client("logs", region="eu-west-1")
    elsewhere.create_log_group(logGroupName="a", logGroupClass="DELIVERY")
    assert (shown(logs)[0], shown(elsewhere)[0]) == ("STANDARD", "DELIVERY")


def test_a_key_that_is_associated_is_checked(front, logs):
    key = front.client("kms").create_key()["KeyMetadata"]["Arn"]
    unknown = key[:-12] + "0" * 12
    logs.create_log_group(logGroupName="a")
    associate = logs.associate_kms_key
    assert code(associate, logGroupName="a", kmsKeyId=unknown) == "InvalidParameterException"
    assert code(associate, logGroupName="ab", kmsKeyId=key) == "ResourceNotFoundException"
    assert code(logs.disassociate_kms_key, logGroupName="ab") == "ResourceNotFoundException"


def test_only_log_groups_that_exist_have_tags(logs):
    logs.create_log_group(logGroupName="a", tags={"k": "v"})
    arn = logs.describe_log_groups()["logGroups"][0]["logGroupArn"]
    assert code(logs.tag_resource, resourceArn=f"{arn}:*", tags={}) == "InvalidParameterException"
    tag, tags = logs.tag_resource, logs.list_tags_for_resource
    assert code(tag, resourceArn=f"{arn}b", tags={"a": "b"}) == "ResourceNotFoundException"
    assert code(tags, resourceArn=f"{arn}b") == "ResourceNotFoundException"
    logs.delete_log_group(logGroupName="a")
    logs.create_log_group(logGroupName="a")
    assert tags(resourceArn=arn)["tags"] == {}


def test_a_selection_of_log_groups_that_moto_ignores_is_loud(front, logs):
    front.holes = ["DescribeLogGroups"]
    refused = code(logs.describe_log_groups, logGroupNamePattern="a")
    assert refused == "EmulatorNotImplemented"


# IAM


@pytest.fixture
def iam(front):
    return front.client("iam")


def trust(**change):
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "ecs-tasks.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, **change}]})


PERMISSIONS = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}],
    }
)


def make_role(iam, name="r", **more):
    more.setdefault("AssumeRolePolicyDocument", trust())
    return iam.create_role(RoleName=name, **more)["Role"]


def make_policy(iam, name="p", **more):
    made = iam.create_policy(PolicyName=name, PolicyDocument=PERMISSIONS, **more)
    return made["Policy"]["Arn"]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        trust(Effect="Maybe"),
        trust(Action="ec2:*"),
        trust(Resource="*"),
        trust(Principal={}),
        trust(Principal={"Service": "ecs-tasks"}),
        trust(Principal={"AWS": "somebody"}),
        trust(Principal={"AWS": "arn:aws:iam::123456789012:role/no-such-role"}),
    ],
)
def test_a_trust_policy_must_be_one(iam, text):
    refused = code(iam.create_role, RoleName="a", AssumeRolePolicyDocument=text)
    assert refused == "MalformedPolicyDocument"
    make_role(iam)
    refused = code(iam.update_assume_role_policy, RoleName="r", PolicyDocument=text)
    assert refused == "MalformedPolicyDocument"


def test_a_role_trusts_who_exists(iam):
    user = iam.create_user(UserName="u")["User"]["Arn"]
    role = make_role(iam, "a", Path="/team/")["Arn"]
    accounts = ["123456789012", "arn:aws:iam::123456789012:root", "arn:aws:iam::222222222222:role/x"]
    make_role(iam, "b", AssumeRolePolicyDocument=trust(Principal={"AWS": [user, role, *accounts]}))
    make_role(iam, "c", AssumeRolePolicyDocument=trust(Principal="*"))


def test_names_and_paths_of_iam_are_checked(front):
    # boto3 would not even send some of these.
    iam = front.client("iam", parameter_validation=False)
    for name in ["a b", "a/b", "", "é", "a" * 129]:
        with pytest.raises(ClientError, match="ValidationError"):
            make_role(iam, name)
        with pytest.raises(ClientError, match="ValidationError"):
            make_policy(iam, name)
        assert code(iam.create_user, UserName=name) == "ValidationError"
        assert code(iam.create_group, GroupName=name) == "ValidationError"
        profile = code(iam.create_instance_profile, InstanceProfileName=name)
        assert profile == "ValidationError"
    with pytest.raises(ClientError, match="less than or equal to 64"):
        make_role(iam, "a" * 65)
    for path in ["x", "/x", "x/", "/x y/", "/" + "a" * 511 + "/"]:
        with pytest.raises(ClientError, match="ValidationError"):
            make_role(iam, Path=path)
    for more in [{"Description": "a" * 1001}, {"MaxSessionDuration": 60}]:
        with pytest.raises(ClientError, match="ValidationError"):
            make_role(iam, **more)
    assert make_role(iam, "a+=,.@_-b", Path="/team/x/")["Path"] == "/team/x/"


def test_names_of_iam_are_the_same_in_any_case(iam):
    make_role(iam, "web")
    make_policy(iam, "web")
    iam.create_user(UserName="web")
    iam.create_group(GroupName="web")
    iam.create_instance_profile(InstanceProfileName="web")
    for name in ["web", "Web"]:
        with pytest.raises(ClientError, match="EntityAlreadyExists.*Role with name"):
            make_role(iam, name)
        with pytest.raises(ClientError, match="EntityAlreadyExists"):
            make_policy(iam, name, Path="/elsewhere/")
        assert code(iam.create_user, UserName=name) == "EntityAlreadyExists"
        assert code(iam.create_group, GroupName=name) == "EntityAlreadyExists"
        profile = code(iam.create_instance_profile, InstanceProfileName=name)
        assert profile == "EntityAlreadyExists"


def test_a_policy_that_is_used_is_not_deleted(iam):
    make_role(iam)
    arn = make_policy(iam)
    iam.attach_role_policy(RoleName="r", PolicyArn=arn)
    assert code(iam.delete_policy, PolicyArn=arn) == "DeleteConflict"
    used = iam.list_entities_for_policy(PolicyArn=arn, MaxItems=10)
    assert [role["RoleName"] for role in used["PolicyRoles"]] == ["r"]
    assert code(iam.delete_role, RoleName="r") == "DeleteConflict"
    iam.detach_role_policy(RoleName="r", PolicyArn=arn)
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=PERMISSIONS)
    assert code(iam.delete_policy, PolicyArn=arn) == "DeleteConflict"
    iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    iam.delete_policy(PolicyArn=arn)
    iam.delete_role(RoleName="r")


def test_a_user_or_group_that_is_used_is_not_deleted(iam):
    iam.create_user(UserName="u")
    iam.create_group(GroupName="g")
    policy = make_policy(iam)
    key = iam.create_access_key(UserName="u")["AccessKey"]["AccessKeyId"]
    steps = [
        (lambda: None, lambda: iam.delete_access_key(UserName="u", AccessKeyId=key)),
        (
            lambda: iam.create_login_profile(UserName="u", Password="Pass-word-1"),
            lambda: iam.delete_login_profile(UserName="u"),
        ),
        (
            lambda: iam.add_user_to_group(UserName="u", GroupName="g"),
            lambda: iam.remove_user_from_group(UserName="u", GroupName="g"),
        ),
    ]
    for do, undo in steps:
        do()
        assert code(iam.delete_user, UserName="u") == "DeleteConflict"
        if do is steps[2][0]:
            assert code(iam.delete_group, GroupName="g") == "DeleteConflict"
        undo()
    iam.attach_group_policy(GroupName="g", PolicyArn=policy)
    assert code(iam.delete_group, GroupName="g") == "DeleteConflict"
    iam.detach_group_policy(GroupName="g", PolicyArn=policy)
    iam.delete_user(UserName="u")
    iam.delete_group(GroupName="g")


def test_a_services_own_role_is_left_alone(iam):
    made = iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")["Role"]["RoleName"]
    assert code(iam.delete_role, RoleName=made) == "UnmodifiableEntity"


def test_iam_lists_come_in_pages(front, iam):
    make_role(iam)
    for n in range(5):
        iam.create_user(UserName=f"u{n}")
        iam.put_role_policy(RoleName="r", PolicyName=f"p{n}", PolicyDocument=PERMISSIONS)
    page = {"PageSize": 2}
    assert sizes(iam, "list_users", "Users", PaginationConfig=page) == [2, 2, 1]
    inline = dict(RoleName="r", PaginationConfig=page)
    assert sizes(iam, "list_role_policies", "PolicyNames", **inline) == [2, 2, 1]
    front.set(page_size=3)
    assert sizes(iam, "list_users", "Users") == [3, 2]
    assert code(iam.list_users, Marker="made-up") == "ValidationError"


def test_tags_of_roles_services_and_load_balancers_are_checked(front, iam, elb, subnets):
    ecs = front.client("ecs")

    def refused(key, value="v", number=1):
        names = [f"{key}{n or ''}" for n in range(number)]
        tags = [{"Key": name, "Value": value} for name in names]
        low = [{"key": name, "value": value} for name in names]
        return [
            code(lambda: make_role(iam, Tags=tags)),
            code(lambda: make_balancer(elb, subnets, Tags=tags)),
            code(lambda: ecs.create_cluster(clusterName="a", tags=low)),
        ]

    bad = ["InvalidInput", "ValidationError", "InvalidParameterException"]
    assert refused("aws:x") == refused("x", "v" * 257) == bad
    many = ["LimitExceeded", "TooManyTags", "InvalidParameterException"]
    assert refused("k", number=51) == many
    make_role(iam, Tags=[{"Key": "k", "Value": "v"}])
    arn = make_balancer(elb, subnets)["LoadBalancerArn"]
    double = [{"Key": "k", "Value": "v"}] * 2
    assert code(elb.add_tags, ResourceArns=[arn], Tags=double) == "DuplicateTagKeys"


# Load balancers


@pytest.fixture
def elb(front):
    return front.client("elbv2")


@pytest.fixture
def subnets(ec2):
    found = ec2.describe_subnets()["Subnets"]
    return [subnet["SubnetId"] for subnet in sorted(found, key=lambda s: s["AvailabilityZone"])]


def make_balancer(elb, subnets, name="lb", **more):
    made = elb.create_load_balancer(**{"Name": name, "Subnets": subnets[:2], **more})
    return made["LoadBalancers"][0]


def make_target(elb, vpc, name="tg", **more):
    common = {"Protocol": "HTTP", "Port": 80, "VpcId": vpc, "TargetType": "ip"}
    return elb.create_target_group(**{"Name": name, **common, **more})["TargetGroups"][0][
        "TargetGroupArn"
    ]


def make_listener(elb, balancer, target, port=80, **more):
    return elb.create_listener(
        **{
            "LoadBalancerArn": balancer,
            "Protocol": "HTTP",
            "Port": port,
            "DefaultActions": [{"Type": "forward", "TargetGroupArn": target}],
            **more,
        }
    )["Listeners"][0]


@pytest.fixture
def default_vpc(ec2):
    return ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]


@pytest.mark.parametrize("name", ["a" * 33, "a_b", "-a", "a-", "internal-a", "a.b"])
def test_a_bad_name_of_a_load_balancer_is_refused(elb, subnets, name):
    with pytest.raises(ClientError, match="ValidationError"):
        make_balancer(elb, subnets, name)


def test_a_load_balancer_needs_zones_groups_and_a_gateway(ec2, elb, subnets, vpc, group):
    refused = lambda **more: code(lambda: make_balancer(elb, subnets, **more))
    assert refused(Subnets=subnets[:1]) == "ValidationError"
    assert refused(Subnets=[subnets[0]] * 2) == "ValidationError"
    assert refused(Subnets=["subnet-0", "subnet-1"]) in ("ValidationError", "SubnetNotFound")
    assert refused(SecurityGroups=["sg-00000000000000000"]) == "InvalidSecurityGroup"
    # A group of another VPC.
    assert refused(SecurityGroups=[group]) == "InvalidConfigurationRequest"
    own = [
        make_subnet(ec2, vpc, f"10.0.{n}.0/24", AvailabilityZone=f"{REGION}{'aab'[n]}")
        for n in range(3)
    ]
    assert refused(Subnets=own) == "InvalidConfigurationRequest"
    assert refused(Subnets=[own[0], subnets[1]]) == "InvalidConfigurationRequest"
    assert refused(Subnets=own[1:]) == "InvalidSubnet"
    make_balancer(elb, own[1:], "inner", Scheme="internal")
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    made = make_balancer(elb, own[1:])
    assert (made["Scheme"], made["Type"]) == ("internet-facing", "application")
    # The VPC's default group.
    [default] = made["SecurityGroups"]
    found = ec2.describe_security_groups(GroupIds=[default])["SecurityGroups"][0]
    assert (found["GroupName"], found["VpcId"]) == ("default", vpc)
    refused = code(elb.set_subnets, LoadBalancerArn=made["LoadBalancerArn"], Subnets=own[:1])
    assert refused == "ValidationError"


def test_the_same_load_balancer_is_made_once(elb, subnets):
    made = make_balancer(elb, subnets)
    again = make_balancer(elb, subnets[:2][::-1], Scheme="internet-facing")
    assert made["LoadBalancerArn"] == again["LoadBalancerArn"]
    for more in [{"Scheme": "internal"}, {"Subnets": subnets[:3]}, {"Type": "network"}]:
        with pytest.raises(ClientError, match="DuplicateLoadBalancerName"):
            make_balancer(elb, subnets, **more)
    assert len(elb.describe_load_balancers()["LoadBalancers"]) == 1


def test_the_same_target_group_is_made_once(elb, default_vpc):
    for more in [{}, {"Protocol": "TCP"}, {"HealthCheckPath": "/up", "Matcher": {"HttpCode": "204"}}]:
        name = f"tg-{len(more)}"
        made = make_target(elb, default_vpc, name, **more)
        assert make_target(elb, default_vpc, name, **more) == made
        for change in [{"Port": 81}, {"HealthCheckIntervalSeconds": 60}, {"Protocol": "HTTPS"}]:
            with pytest.raises(ClientError, match="DuplicateTargetGroupName"):
                make_target(elb, default_vpc, name, **{**more, **change})
    assert len(elb.describe_target_groups()["TargetGroups"]) == 3


def test_a_network_load_balancer_has_an_arn_of_its_own(elb, subnets, default_vpc):
    web = make_balancer(elb, subnets)["LoadBalancerArn"]
    made = make_balancer(elb, subnets, "net", Type="network", Subnets=subnets[:1])
    arn = made["LoadBalancerArn"]
    assert (":loadbalancer/net/net/" in arn, ":loadbalancer/app/lb/" in web) == (True, True)
    target = make_target(elb, default_vpc, Protocol="TCP")
    listener = make_listener(elb, arn, target, Protocol="TCP")
    assert listener["ListenerArn"].startswith(arn.replace(":loadbalancer/", ":listener/"))
    assert listener["LoadBalancerArn"] == arn
    elb.add_tags(ResourceArns=[arn], Tags=[{"Key": "k", "Value": "v"}])
    assert elb.describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["ResourceArn"] == arn
    [rule] = elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
    assert ":listener-rule/net/net/" in rule["RuleArn"]
    found = elb.describe_target_groups(LoadBalancerArn=arn)["TargetGroups"]
    assert [group["LoadBalancerArns"] for group in found] == [[arn]]
    elb.delete_load_balancer(LoadBalancerArn=arn)
    [left] = elb.describe_load_balancers()["LoadBalancers"]
    assert left["LoadBalancerArn"] == web


def test_a_target_group_knows_who_uses_it(elb, subnets, default_vpc):
    balancer, other = [make_balancer(elb, subnets, name)["LoadBalancerArn"] for name in ["a", "b"]]
    one, two = [make_target(elb, default_vpc, name) for name in ["one", "two"]]
    listener = make_listener(elb, balancer, one)["ListenerArn"]

    def users():
        found = elb.describe_target_groups()["TargetGroups"]
        of = lambda **more: {
            group["TargetGroupArn"]
            for group in elb.describe_target_groups(**more)["TargetGroups"]
        }
        assert of(LoadBalancerArn=other) == set()
        assert of(LoadBalancerArn=balancer) == {
            group["TargetGroupArn"] for group in found if group["LoadBalancerArns"]
        }
        return [len(group["LoadBalancerArns"]) for group in found]

    assert users() == [1, 0]
    with pytest.raises(ClientError, match="TargetGroupAssociationLimit"):
        make_listener(elb, other, one)
    actions = [{"Type": "forward", "TargetGroupArn": two}]
    conditions = [{"Field": "path-pattern", "Values": ["/x"]}]
    rule = elb.create_rule(
        ListenerArn=listener, Priority=1, Conditions=conditions, Actions=actions
    )["Rules"][0]["RuleArn"]
    assert users() == [1, 1]
    assert code(elb.delete_target_group, TargetGroupArn=two) == "ResourceInUse"
    elb.delete_rule(RuleArn=rule)
    assert code(elb.delete_rule, RuleArn=rule) == "RuleNotFound"
    assert users() == [1, 0]
    elb.modify_listener(ListenerArn=listener, DefaultActions=actions)
    assert users() == [0, 1]
    [default] = elb.describe_rules(ListenerArn=listener)["Rules"]
    assert code(elb.delete_rule, RuleArn=default["RuleArn"]) == "OperationNotPermitted"
    elb.delete_load_balancer(LoadBalancerArn=balancer)
    found = elb.describe_target_groups()["TargetGroups"]
    assert [group["LoadBalancerArns"] for group in found] == [[], []]
    assert code(elb.describe_target_groups, LoadBalancerArn=balancer) == "LoadBalancerNotFound"


def test_a_listener_has_its_port_to_itself(elb, subnets, default_vpc):
    balancer = make_balancer(elb, subnets)["LoadBalancerArn"]
    one, two = [make_target(elb, default_vpc, name) for name in ["one", "two"]]
    made = make_listener(elb, balancer, one)
    assert "SslPolicy" not in made
    [action] = made["DefaultActions"]
    weighted = [{"TargetGroupArn": one, "Weight": 1}]
    assert action["ForwardConfig"]["TargetGroups"] == weighted
    second = make_listener(elb, balancer, one, 81)["ListenerArn"]
    assert make_listener(elb, balancer, one)["ListenerArn"] == made["ListenerArn"]
    with pytest.raises(ClientError, match="DuplicateListener"):
        make_listener(elb, balancer, two)
    assert code(elb.modify_listener, ListenerArn=second, Port=80) == "DuplicateListener"
    elb.modify_listener(ListenerArn=second, Port=81)
    assert len(elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]) == 2


def test_an_encrypted_listener_needs_a_certificate(front, elb, subnets, default_vpc):
    balancer = make_balancer(elb, subnets)["LoadBalancerArn"]
    target = make_target(elb, default_vpc)
    make = lambda **more: make_listener(elb, balancer, target, 443, **more)

    def refused(**more):
        return code(lambda: make(**more))

    assert refused(Protocol="HTTPS") == "ValidationError"
    unknown = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
    of = lambda arn: [{"CertificateArn": arn}]
    assert refused(Protocol="HTTPS", Certificates=of(unknown)) == "CertificateNotFound"
    assert refused(Certificates=of(unknown)) == "ValidationError"
    acm = front.client("acm")
    waiting = acm.request_certificate(DomainName="a.example")["CertificateArn"]
    assert refused(Protocol="HTTPS", Certificates=of(waiting)) == "UnsupportedCertificate"
    issued = acm.import_certificate(**certificate())["CertificateArn"]
    made = make(Protocol="HTTPS", Certificates=of(issued))
    assert made["SslPolicy"] == "ELBSecurityPolicy-2016-08"
    assert make(Protocol="HTTPS", Certificates=of(issued))["ListenerArn"] == made["ListenerArn"]


def certificate():
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a.example")])
    start = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=9))
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    text = made.sign(key, hashes.SHA256()).public_bytes(pem)
    return {"Certificate": text, "PrivateKey": key.private_bytes(pem, *plain)}


def test_a_protected_load_balancer_is_not_deleted(elb, subnets):
    arn = make_balancer(elb, subnets)["LoadBalancerArn"]

    def protect(value):
        protection = [{"Key": "deletion_protection.enabled", "Value": value}]
        elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=protection)

    protect("true")
    assert code(elb.delete_load_balancer, LoadBalancerArn=arn) == "OperationNotPermitted"
    protect("false")
    elb.delete_load_balancer(LoadBalancerArn=arn)
    elb.delete_load_balancer(LoadBalancerArn=arn)


def test_lists_of_load_balancers_come_in_pages(front, elb, subnets, default_vpc):
    balancer = make_balancer(elb, subnets)["LoadBalancerArn"]
    target = make_target(elb, default_vpc)
    for n in range(4):
        make_target(elb, default_vpc, f"tg{n}")
        make_listener(elb, balancer, target, 80 + n)
    of = dict(LoadBalancerArn=balancer)
    page = {"PageSize": 2}
    assert sizes(elb, "describe_target_groups", "TargetGroups", PaginationConfig=page) == [2, 2, 1]
    assert sizes(elb, "describe_listeners", "Listeners", PaginationConfig=page, **of) == [2, 2]
    front.set(page_size=3)
    assert sizes(elb, "describe_target_groups", "TargetGroups") == [3, 2]
    make_balancer(elb, subnets, "another", Type="network")
    front.set(page_size=1)
    assert sizes(elb, "describe_load_balancers", "LoadBalancers") == [1, 1]


def test_a_load_balancer_can_be_provisioning(front, elb, subnets):
    front.set(pending_ms=2000)
    assert make_balancer(elb, subnets)["State"]["Code"] == "provisioning"
    state = lambda: elb.describe_load_balancers()["LoadBalancers"][0]["State"]["Code"]
    assert state() == "provisioning"
    time.sleep(2.1)
    assert state() == "active"


# ECS


@pytest.fixture
def ecs(front):
    return front.client("ecs")


WEB = {"name": "web", "image": "i", "memory": 128, "portMappings": [{"containerPort": 80}]}


def make_task(ecs, family="f", **more):
    fargate = {
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": [WEB],
    }
    return ecs.register_task_definition(**{"family": family, **fargate, **more})["taskDefinition"]


def make_service(ecs, subnets, name="s", **more):
    network = {"awsvpcConfiguration": {"subnets": subnets[:2]}}
    common = {
        "cluster": "c",
        "serviceName": name,
        "taskDefinition": "f",
        "desiredCount": 2,
        "launchType": "FARGATE",
        "networkConfiguration": network,
    }
    made = {name: value for name, value in {**common, **more}.items() if value is not None}
    return ecs.create_service(**made)["service"]


@pytest.fixture
def cluster(ecs):
    make_task(ecs)
    return ecs.create_cluster(clusterName="c")["cluster"]["clusterArn"]


def see(ecs, name="s"):
    return ecs.describe_services(cluster="c", services=[name])["services"][0]


def counts(service):
    of = lambda thing: [thing[f"{what}Count"] for what in ["desired", "running", "pending"]]
    deployments = [[one["status"], *of(one)] for one in service["deployments"]]
    return of(service), deployments


@pytest.mark.parametrize(
    "change",
    [
        {"cpu": "300"},
        {"cpu": "512"},
        {"memory": "1536"},
        {"cpu": "a"},
        {"networkMode": "bridge"},
        {"containerDefinitions": []},
        {"containerDefinitions": [WEB, WEB]},
        {"containerDefinitions": [{**WEB, "memory": 1024}]},
        {"containerDefinitions": [{**WEB, "essential": False}]},
        {"containerDefinitions": [{**WEB, "name": "a b"}]},
        {"containerDefinitions": [{**WEB, "portMappings": [{"containerPort": 80, "hostPort": 81}]}]},
        {"containerDefinitions": [{**WEB, "image": "1.dkr.ecr.us-east-1.amazonaws.com/i"}]},
        {"containerDefinitions": [{**WEB, "logConfiguration": {"logDriver": "awslogs"}}]},
        {"family": "a b"},
    ],
)
def test_a_bad_task_definition_is_refused(ecs, change):
    with pytest.raises(ClientError, match="ClientException"):
        make_task(ecs, **change)
    assert ecs.list_task_definitions()["taskDefinitionArns"] == []


def test_a_task_definition_is_completed(ecs):
    made = make_task(ecs, cpu="0.5 vCPU", memory="1 GB")
    assert (made["cpu"], made["memory"]) == ("512", "1024")
    whole = {"containerPort": 80, "hostPort": 80, "protocol": "tcp"}
    assert made["containerDefinitions"][0]["portMappings"] == [whole]
    assert abs(made["registeredAt"].timestamp() - time.time()) < 60
    found = ecs.describe_task_definition(taskDefinition="f")["taskDefinition"]
    assert found["registeredAt"] == made["registeredAt"]
    role = "arn:aws:iam::123456789012:role/r"
    logged = {**WEB, "logConfiguration": {"logDriver": "awslogs"}}
    make_task(ecs, executionRoleArn=role, containerDefinitions=[logged])


def test_a_cluster_is_made_once_and_deleted_empty(ecs, subnets, cluster):
    tags = [{"key": "k", "value": "v"}]
    assert ecs.create_cluster(clusterName="c")["cluster"]["clusterArn"] == cluster
    assert code(ecs.create_cluster, clusterName="c", tags=tags) == "InvalidParameterException"
    assert code(ecs.create_cluster, clusterName="a b") == "InvalidParameterException"
    ecs.create_cluster(clusterName="abc", tags=tags)
    make_service(ecs, subnets)
    make_service(ecs, subnets, "other", cluster="abc")
    services = lambda name: ecs.list_services(cluster=name)["serviceArns"]
    assert (len(services("c")), len(services("abc"))) == (1, 1)
    shown = lambda **more: ecs.describe_clusters(clusters=["c"], **more)["clusters"][0]
    kinds = ["activeServicesCount", "runningTasksCount", "pendingTasksCount"]
    assert [shown()[kind] for kind in kinds] == [1, 2, 0]
    assert (shown()["settings"], len(shown(include=["SETTINGS"])["settings"])) == ([], 1)
    assert code(ecs.delete_cluster, cluster="c") == "ClusterContainsServicesException"
    ecs.delete_service(cluster="c", service="s", force=True)
    ecs.delete_cluster(cluster="c")
    assert [arn.rsplit("/")[-1] for arn in ecs.list_clusters()["clusterArns"]] == ["abc"]
    assert code(ecs.delete_cluster, cluster="c") == "ClusterNotFoundException"
    with pytest.raises(ClientError, match="ClusterNotFoundException"):
        make_service(ecs, subnets)
    ecs.create_cluster(clusterName="c")
    assert shown()["status"] == "ACTIVE"


def test_a_cluster_with_a_task_is_not_deleted(ecs, subnets, cluster):
    network = {"awsvpcConfiguration": {"subnets": subnets[:1]}}
    run = {"cluster": "c", "taskDefinition": "f", "launchType": "FARGATE"}
    task = ecs.run_task(**run, networkConfiguration=network)["tasks"][0]["taskArn"]
    ecs.create_cluster(clusterName="ecs")
    tasks = lambda name: ecs.list_tasks(cluster=name)["taskArns"]
    assert (tasks("c"), tasks("ecs")) == ([task], [])
    ecs.delete_cluster(cluster="ecs")
    assert code(ecs.delete_cluster, cluster="c") == "ClusterContainsTasksException"
    ecs.stop_task(cluster="c", task=task)
    ecs.delete_cluster(cluster="c")


def test_a_service_that_cannot_be_is_refused(ec2, ecs, subnets, cluster, vpc, group):
    make_task(ecs, "ec2", networkMode="bridge", requiresCompatibilities=["EC2"])
    gone = make_task(ecs, "gone")["taskDefinitionArn"]
    ecs.deregister_task_definition(taskDefinition=gone)
    network = lambda **more: {"awsvpcConfiguration": {"subnets": subnets[:2], **more}}
    strategy = [{"capacityProvider": "FARGATE", "weight": 1}]
    for change, expected in [
        ({"serviceName": "a b"}, "InvalidParameterException"),
        ({"taskDefinition": None}, "InvalidParameterException"),
        ({"taskDefinition": "none"}, "ClientException"),
        ({"taskDefinition": "f:9"}, "ClientException"),
        ({"taskDefinition": "gone"}, "ClientException"),
        ({"taskDefinition": gone}, "ClientException"),
        ({"taskDefinition": "ec2"}, "InvalidParameterException"),
        ({"taskDefinition": "ec2", "launchType": "EC2"}, "InvalidParameterException"),
        ({"networkConfiguration": None}, "InvalidParameterException"),
        ({"networkConfiguration": network(subnets=[])}, "InvalidParameterException"),
        ({"networkConfiguration": network(subnets=["subnet-0"])}, "InvalidParameterException"),
        ({"networkConfiguration": network(securityGroups=["sg-0"])}, "InvalidParameterException"),
        # A group of another VPC.
        ({"networkConfiguration": network(securityGroups=[group])}, "InvalidParameterException"),
        ({"launchType": "EC2", "platformVersion": "LATEST"}, "InvalidParameterException"),
        ({"capacityProviderStrategy": strategy}, "InvalidParameterException"),
        ({"healthCheckGracePeriodSeconds": 5}, "InvalidParameterException"),
    ]:
        assert code(lambda: make_service(ecs, subnets, **change)) == expected, change
    assert ecs.list_services(cluster="c")["serviceArns"] == []
    make_service(ecs, subnets)
    assert code(lambda: make_service(ecs, subnets)) == "InvalidParameterException"
    update = lambda **more: ecs.update_service(cluster="c", service="s", **more)
    for change in [{"taskDefinition": "none"}, {"networkConfiguration": network(subnets=["x"])}]:
        with pytest.raises(ClientError):
            update(**change)
    assert code(ecs.describe_services, cluster="c", services=[]) == "InvalidParameterException"
    many = [f"s{n}" for n in range(11)]
    assert code(ecs.describe_services, cluster="c", services=many) == "InvalidParameterException"


def test_a_service_keeps_what_it_is_made_with(ecs, subnets, cluster):
    made = make_service(
        ecs,
        subnets,
        enableExecuteCommand=True,
        deploymentConfiguration={"maximumPercent": 150},
        tags=[{"key": "k", "value": "v"}],
    )
    network = made["networkConfiguration"]["awsvpcConfiguration"]
    assert (network["securityGroups"], network["assignPublicIp"]) == ([], "DISABLED")
    configuration = made["deploymentConfiguration"]
    assert configuration["maximumPercent"] == 150
    assert configuration["minimumHealthyPercent"] == 100
    assert (made["enableExecuteCommand"], made["enableECSManagedTags"]) == (True, False)
    assert (made["platformVersion"], made["platformFamily"]) == ("LATEST", "Linux")
    assert made["taskDefinition"].endswith(":task-definition/f:1")
    assert abs(made["createdAt"].timestamp() - time.time()) < 60
    strategy = [{"capacityProvider": "FARGATE", "weight": 1}]
    other = make_service(ecs, subnets, "t", launchType=None, capacityProviderStrategy=strategy)
    assert "launchType" not in other
    assert see(ecs, "t")["capacityProviderStrategy"] == [{**strategy[0]}]
    found = see(ecs)
    assert found == {key: value for key, value in made.items() if key != "tags"}


def test_the_load_balancers_of_a_service_are_checked(elb, ecs, subnets, cluster, default_vpc):
    target, unused = [make_target(elb, default_vpc, name) for name in ["used", "unused"]]
    instances = make_target(elb, default_vpc, "instances", TargetType="instance")
    balancer = make_balancer(elb, subnets)["LoadBalancerArn"]
    make_listener(elb, balancer, target)
    make_listener(elb, balancer, instances, 81)
    good = {"targetGroupArn": target, "containerName": "web", "containerPort": 80}
    for change, why in [
        ({"targetGroupArn": target + "0"}, "does not exist"),
        ({"targetGroupArn": unused}, "does not have an associated load balancer"),
        ({"targetGroupArn": instances}, "target type instance"),
        ({"containerName": "no"}, "The container no does not exist"),
        ({"containerPort": 81}, "did not have a container port 81"),
    ]:
        with pytest.raises(ClientError, match=f"InvalidParameterException.*{why}"):
            make_service(ecs, subnets, loadBalancers=[{**good, **change}])
    made = make_service(ecs, subnets, loadBalancers=[good], healthCheckGracePeriodSeconds=9)
    assert (made["loadBalancers"], made["healthCheckGracePeriodSeconds"]) == ([good], 9)


def test_a_service_runs_at_once_or_after_a_while(front, ecs, subnets, cluster):
    assert counts(make_service(ecs, subnets)) == ([2, 2, 0], [["PRIMARY", 2, 2, 0]])
    first = see(ecs)["deployments"][0]
    assert first["rolloutState"] == "COMPLETED"
    front.set(pending_ms=600)
    wait = lambda: time.sleep(0.7)
    assert counts(make_service(ecs, subnets, "slow")) == ([2, 0, 2], [["PRIMARY", 2, 0, 2]])
    update = lambda **more: ecs.update_service(cluster="c", service="slow", **more)["service"]
    wait()
    assert counts(see(ecs, "slow")) == ([2, 2, 0], [["PRIMARY", 2, 2, 0]])
    # More tasks take a while, the same deployment goes on.
    before = see(ecs, "slow")["deployments"][0]["id"]
    assert counts(update(desiredCount=3)) == ([3, 2, 1], [["PRIMARY", 3, 2, 1]])
    wait()
    assert counts(see(ecs, "slow")) == ([3, 3, 0], [["PRIMARY", 3, 3, 0]])
    assert counts(update(desiredCount=1)) == ([1, 1, 0], [["PRIMARY", 1, 1, 0]])
    assert see(ecs, "slow")["deployments"][0]["id"] == before
    # Another task definition is another deployment, and the old one ends after it.
    latest = make_task(ecs)["taskDefinitionArn"]
    changed = update(taskDefinition="f")
    assert changed["taskDefinition"] == latest
    assert counts(changed) == ([1, 1, 1], [["PRIMARY", 1, 0, 1], ["ACTIVE", 1, 1, 0]])
    new, old = changed["deployments"]
    assert (new["taskDefinition"], new["rolloutState"]) == (latest, "IN_PROGRESS")
    assert (old["taskDefinition"][-4:], old["id"]) == ("/f:1", before)
    wait()
    assert counts(see(ecs, "slow")) == ([1, 1, 0], [["PRIMARY", 1, 1, 0]])
    assert see(ecs, "slow")["deployments"][0]["id"] == new["id"]
    update(taskDefinition="f")
    assert len(see(ecs, "slow")["deployments"]) == 1
    update(forceNewDeployment=True)
    assert len(see(ecs, "slow")["deployments"]) == 2
    assert see(ecs, "slow")["createdAt"] < see(ecs, "slow")["deployments"][0]["createdAt"]


def test_a_deleted_service_drains_and_vanishes(front, ecs, subnets, cluster):
    make_service(ecs, subnets)
    front.set(pending_ms=600)
    assert code(ecs.delete_service, cluster="c", service="s") == "InvalidParameterException"
    gone = ecs.delete_service(cluster="c", service="s", force=True)["service"]
    assert (gone["status"], see(ecs)["status"]) == ("DRAINING", "DRAINING")
    assert ecs.list_services(cluster="c")["serviceArns"] == []
    with pytest.raises(ClientError, match="still Draining"):
        make_service(ecs, subnets)
    assert code(ecs.delete_cluster, cluster="c") == "ClusterContainsServicesException"
    time.sleep(0.7)
    assert see(ecs)["status"] == "INACTIVE"
    again = lambda call, **more: code(call, cluster="c", service="s", **more)
    assert again(ecs.delete_service) == "ServiceNotFoundException"
    assert again(ecs.update_service, desiredCount=1) == "ServiceNotActiveException"
    assert code(ecs.update_service, cluster="c", service="no") == "ServiceNotFoundException"
    assert make_service(ecs, subnets)["status"] == "ACTIVE"


# Tags of many services


@pytest.fixture
def tagging(front):
    return front.client("resourcegroupstaggingapi")


def tagged(tagging, **wanted):
    pages = tagging.get_paginator("get_resources").paginate(**wanted)
    found = [one for page in pages for one in page["ResourceTagMappingList"]]
    return {
        one["ResourceARN"].rsplit(":", 1)[1]: {tag["Key"]: tag["Value"] for tag in one["Tags"]}
        for one in found
    }


def test_tags_are_found_by_the_tagging_api(front, logs, tagging):
    logs.create_log_group(logGroupName="a", tags={"k": "v", "l": "w"})
    logs.create_log_group(logGroupName="b")
    front.client("kms").create_key(Tags=[{"TagKey": "k", "TagValue": "v"}])
    assert tagged(tagging, ResourceTypeFilters=["logs"]) == {"a": {"k": "v", "l": "w"}}
    groups = lambda **more: tagged(tagging, ResourceTypeFilters=["logs:log-group"], **more)
    assert groups() == {"a": {"k": "v", "l": "w"}}
    arns = [group["logGroupArn"] for group in logs.describe_log_groups()["logGroups"]]
    logs.tag_resource(resourceArn=arns[1], tags={"new": "one"})
    logs.untag_resource(resourceArn=arns[0], tagKeys=["k"])
    assert groups() == {"a": {"l": "w"}, "b": {"new": "one"}}
    assert groups(TagFilters=[{"Key": "new"}]) == {"b": {"new": "one"}}
    named = {"ResourceARNList": [arns[0]]}
    assert len(tagging.get_resources(**named)["ResourceTagMappingList"]) == 1
    refused = code(tagging.get_resources, ResourcesPerPage=5, **named)
    assert refused == "InvalidParameterException"
    last = tagging.get_resources(ResourceTypeFilters=["logs"])
    assert last["PaginationToken"] == ""
    logs.delete_log_group(logGroupName="a")
    assert groups() == {"b": {"new": "one"}}


def test_tags_that_moto_does_not_list_are_a_loud_hole(front, tagging):
    front.holes = ["GetResources"] * 2
    for more in [{"ResourceTypeFilters": ["logs", "ecr:repository"]}, {}]:
        assert code(tagging.get_resources, **more) == "EmulatorNotImplemented"


def test_the_tagging_api_comes_in_pages(front, logs, tagging):
    # As many tags as fit a page of moto, and more groups than do.
    tags = {f"k{n}": "v" for n in range(45)}
    for n in range(113):
        logs.create_log_group(logGroupName=f"g{n}", tags=tags if n < 30 else {"k": "v"})
    wanted = {"ResourceTypeFilters": ["logs:log-group"]}
    pages = lambda **more: sizes(tagging, "get_resources", "ResourceTagMappingList", **wanted, **more)
    assert pages() == [50, 50, 13]
    assert pages(ResourcesPerPage=100) == [100, 13]
    assert code(tagging.get_resources, ResourcesPerPage=101) == "InvalidParameterException"
    # A page does not suffer from what happens after the first.
    first = tagging.get_resources(ResourcesPerPage=100, **wanted)
    logs.create_log_group(logGroupName="late", tags={"k": "v"})
    rest = tagging.get_resources(PaginationToken=first["PaginationToken"], **wanted)
    assert len(rest["ResourceTagMappingList"]) == 13
    front.set(page_size=40)
    assert pages() == [40, 40, 34]


# Public ECR


def test_public_repositories(public):
    made = public.create_repository(repositoryName="team/app", tags=[{"Key": "k", "Value": "v"}])
    made = made["repository"]
    assert made["repositoryArn"] == "arn:aws:ecr-public::123456789012:repository/team/app"
    assert made["repositoryUri"].startswith("public.ecr.aws/")
    assert made["repositoryUri"].endswith("/team/app")
    assert abs(made["createdAt"].timestamp() - time.time()) < 60
    create = public.create_repository
    assert code(create, repositoryName="team/app") == "RepositoryAlreadyExistsException"
    for bad in ["Ab", "a b", "a--b", "a/"]:
        assert code(create, repositoryName=bad) == "InvalidParameterException"
    [found] = public.describe_repositories(repositoryNames=["team/app"])["repositories"]
    assert found == made
    describe = public.describe_repositories
    assert code(describe, repositoryNames=["no"]) == "RepositoryNotFoundException"
    data = {"description": "d", "architectures": ["ARM"], "operatingSystems": ["Linux"]}
    public.put_repository_catalog_data(repositoryName="team/app", catalogData=data)
    kept = public.get_repository_catalog_data(repositoryName="team/app")["catalogData"]
    assert kept == data
    arn = made["repositoryArn"]
    public.tag_resource(resourceArn=arn, tags=[{"Key": "l", "Value": "w"}])
    public.untag_resource(resourceArn=arn, tagKeys=["k"])
    assert public.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "l", "Value": "w"}]
    public.delete_repository(repositoryName="team/app", force=True)
    gone = code(public.delete_repository, repositoryName="team/app")
    assert gone == "RepositoryNotFoundException"
    assert public.describe_repositories()["repositories"] == []


def test_public_repositories_come_in_pages(public):
    for n in range(7):
        public.create_repository(repositoryName=f"r{n}")
    pages = public.get_paginator("describe_repositories")
    sizes = [len(page["repositories"]) for page in pages.paginate(PaginationConfig={"PageSize": 3})]
    assert sizes == [3, 3, 1]


def test_public_ecr_is_in_one_region_only(front):
    elsewhere = front.client("ecr-public", region="eu-west-1")
    assert code(elsewhere.describe_repositories) == "UnsupportedCommandException"


# Pages


def sizes(client, operation, member, **parameters):
    pages = client.get_paginator(operation).paginate(**parameters)
    found = [page[member] for page in pages]
    everything = [json.dumps(item, default=str) for page in found for item in page]
    assert len(set(everything)) == len(everything)
    return [len(page) for page in found]


def test_ec2_lists_come_in_pages(ec2, vpc):
    for n in range(11):
        make_group(ec2, vpc, f"g{n}")
    wanted = [{"Name": "vpc-id", "Values": [vpc]}]
    groups = lambda **more: sizes(
        ec2, "describe_security_groups", "SecurityGroups", Filters=wanted, **more
    )
    assert groups() == [12]
    assert groups(PaginationConfig={"PageSize": 5}) == [5, 5, 2]
    assert groups(PaginationConfig={"PageSize": 12}) == [12]
    page = {"PageSize": 5}
    assert sum(sizes(ec2, "describe_subnets", "Subnets", PaginationConfig=page)) == 6
    assert sizes(ec2, "describe_vpcs", "Vpcs", PaginationConfig=page) == [2]
    for _ in range(6):
        make_interface(ec2)
    interfaces = sizes(
        ec2, "describe_network_interfaces", "NetworkInterfaces", PaginationConfig=page
    )
    assert interfaces == [5, 1]
    rules = sizes(
        ec2, "describe_security_group_rules", "SecurityGroupRules", PaginationConfig=page
    )
    assert (max(rules), sum(rules)) == (5, 13)


def make_interface(ec2):
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    ec2.create_network_interface(SubnetId=subnet)


def test_pages_after_the_first_do_not_ask_moto_again(front, ec2, vpc):
    for n in range(11):
        make_group(ec2, vpc, f"g{n}")
    first = ec2.describe_security_groups(MaxResults=5)
    direct = front.client("ec2", url=front.moto)
    made = direct.create_security_group(GroupName="late", Description="late", VpcId=vpc)
    second = ec2.describe_security_groups(MaxResults=1000, NextToken=first["NextToken"])
    assert "NextToken" not in second
    assert made["GroupId"] not in {one["GroupId"] for one in second["SecurityGroups"]}
    # A page can be asked for twice: a client whose answer was lost does.
    again = ec2.describe_security_groups(MaxResults=1000, NextToken=first["NextToken"])
    assert again["SecurityGroups"] == second["SecurityGroups"]


def test_bad_pages_are_refused(front, ecr, group):
    # boto3 would not even send some of these.
    describe = front.client("ec2", parameter_validation=False).describe_security_groups
    assert code(describe, NextToken="made-up") == "InvalidParameterValue"
    assert code(describe, MaxResults=4) == "InvalidParameterValue"
    assert code(describe, MaxResults=1001) == "InvalidParameterValue"
    assert code(describe, MaxResults=5, GroupIds=[group]) == "InvalidParameterCombination"
    assert code(ecr.describe_repositories, nextToken="made-up") == "InvalidParameterException"


def test_ecr_lists_come_in_pages(ecr):
    for n in range(103):
        ecr.create_repository(repositoryName=f"r{n}")
    for n in range(5):
        push(ecr, "r0", f"v{n}", "abcde"[n])
    assert sizes(ecr, "describe_repositories", "repositories") == [100, 3]
    page = {"PageSize": 2}
    images = dict(repositoryName="r0", PaginationConfig=page)
    assert sizes(ecr, "list_images", "imageIds", **images) == [2, 2, 1]
    assert sizes(ecr, "describe_images", "imageDetails", **images) == [2, 2, 1]


def test_a_page_size_can_be_forced(front, ec2, ecr, logs):
    front.set(page_size=2)
    for n in range(3):
        ecr.create_repository(repositoryName=f"r{n}")
        logs.create_log_group(logGroupName=f"g{n}")
    assert sizes(ecr, "describe_repositories", "repositories") == [2, 1]
    assert sizes(logs, "describe_log_groups", "logGroups") == [2, 1]
    assert sizes(ec2, "describe_subnets", "Subnets") == [2, 2, 2]
    observer = front.client("ecr", agent="observer")
    assert sizes(observer, "describe_repositories", "repositories") == [3]
    subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]]
    assert len(ec2.describe_subnets(SubnetIds=subnets)["Subnets"]) == 2
    front.set(page_size=None)
    assert sizes(ec2, "describe_subnets", "Subnets") == [6]


# States


def test_new_things_can_be_pending(front, ec2):
    front.set(pending_ms=400)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]
    assert vpc["State"] == "pending"
    state = lambda: ec2.describe_vpcs(VpcIds=[vpc["VpcId"]])["Vpcs"][0]["State"]
    assert state() == "pending"
    time.sleep(0.5)
    assert state() == "available"
    subnet = ec2.create_subnet(VpcId=vpc["VpcId"], CidrBlock="10.0.0.0/24")["Subnet"]
    assert subnet["State"] == "pending"
    assert {one["State"] for one in ec2.describe_subnets()["Subnets"]} == {"pending", "available"}


# Holes


def test_a_hole_of_the_emulator_is_loud(front, ecr):
    for service, call, parameters in [
        ("ecr", "get_account_setting", {"name": "BASIC_SCAN_TYPE_VERSION"}),
        ("cloudcontrol", "list_resources", {"TypeName": "AWS::EC2::VPC"}),
        ("ec2", "describe_placement_groups", {}),
        ("iam", "list_service_specific_credentials", {}),
    ]:
        client = front.client(service)
        assert code(getattr(client, call), **parameters) == "EmulatorNotImplemented", service
    front.holes = [call["operation"] for call in front.calls()]
    assert all(call["not_implemented"] for call in front.calls())


def test_an_error_of_aws_is_no_hole(front):
    assert code(front.client("iam").get_role, RoleName="no") == "NoSuchEntity"
    assert code(front.client("s3").head_bucket, Bucket="no-such-bucket") == "404"
    front.client("s3").create_bucket(Bucket="some-bucket")
    front.client("s3").put_object(Bucket="some-bucket", Key="k", Body=b"body")
    assert front.client("s3").get_object(Bucket="some-bucket", Key="k")["Body"].read() == b"body"


def test_the_caller_is_known(front):
    assert front.client("sts").get_caller_identity()["Account"] == "123456789012"


# The record


def test_calls_are_recorded(front, ec2, logs):
    ec2.create_vpc(CidrBlock="10.1.0.0/16")
    logs.create_log_group(logGroupName="a", tags={"k": "v"})
    code(logs.create_log_group, logGroupName="a")
    code(logs.create_log_group, logGroupName="a b")
    first, second, third, fourth = front.calls()
    shown = [first[key] for key in ["sequence", "service", "region", "operation", "status"]]
    assert shown == [1, "ec2", REGION, "CreateVpc", 200]
    assert first["parameters"] == {"CidrBlock": "10.1.0.0/16"}
    assert first["mutating"] and first["carried_out"] and first["duration_ms"] > 0
    assert second["parameters"] == {"logGroupName": "a", "tags": {"k": "v"}}
    assert third["error_code"] == "ResourceAlreadyExistsException"
    assert (third["refused"], fourth["refused"]) == (False, True)
    assert (third["carried_out"], fourth["carried_out"]) == (True, False)
    assert [call["sequence"] for call in front.calls("since=2")] == [3, 4]
    ec2.describe_vpcs()
    assert len(front.calls("service=ec2&mutating=1")) == 1


def test_an_observer_is_not_seen(front):
    front.fault(throttle=True)
    front.set(latency_ms=2000)
    observer = front.client("ec2", agent="observer")
    start = time.monotonic()
    observer.describe_vpcs()
    assert time.monotonic() - start < 1.5
    assert front.calls() == []
    # But the rules hold for it too, and public ECR answers it.
    assert code(observer.describe_vpcs, NextToken="x") == "InvalidParameterValue"
    assert front.client("ecr-public", agent="observer").describe_repositories()


def test_latency_is_added(front, ec2):
    ec2.describe_vpcs()
    front.set(latency_ms=300)
    start = time.monotonic()
    ec2.describe_vpcs()
    assert time.monotonic() - start > 0.3


# Faults


THROTTLES = {
    "ec2": ("describe_vpcs", {}, "RequestLimitExceeded"),
    "ecr": ("describe_repositories", {}, "ThrottlingException"),
    "ecs": ("list_clusters", {}, "ThrottlingException"),
    "logs": ("describe_log_groups", {}, "ThrottlingException"),
    "elbv2": ("describe_target_groups", {}, "Throttling"),
    "iam": ("list_roles", {}, "Throttling"),
    "sts": ("get_caller_identity", {}, "Throttling"),
    "ecr-public": ("describe_repositories", {}, "ThrottlingException"),
}


@pytest.mark.parametrize("service", THROTTLES)
def test_errors_come_in_the_services_own_words(front, service):
    call, parameters, throttled = THROTTLES[service]
    call = getattr(front.client(service), call)
    front.fault(throttle=True, count=1)
    front.fault(deny=True, count=2)
    front.fault(expired=True, count=3)
    front.fault(status=503, code="Broken", message="so it is", count=4)
    said = [code(call, **parameters) for _ in range(4)]
    denied = {"ec2": "UnauthorizedOperation"}.get(
        service, "AccessDenied" if throttled == "Throttling" else "AccessDeniedException"
    )
    expired = {"ec2": "RequestExpired"}.get(
        service, "ExpiredToken" if throttled == "Throttling" else "ExpiredTokenException"
    )
    assert said == [throttled, denied, expired, "Broken"]
    call(**parameters)
    assert [entry["fault"] for entry in front.calls()] == ["fail"] * 4 + [None]


def test_a_client_that_retries_overcomes_throttling(front):
    front.fault(throttle=True, count=2)
    front.client("ecr", retries={"total_max_attempts": 5}).describe_repositories()
    assert len(front.calls()) == 3


def test_a_call_can_be_lost_before_and_after(front, logs):
    front.fault(operation="CreateLogGroup", drop="before", count=1)
    front.fault(operation="CreateLogGroup", drop="after", nth=2, count=1)
    for name in ["before", "after"]:
        with pytest.raises(ConnectionClosedError):
            logs.create_log_group(logGroupName=name)
    names = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
    assert names == ["after"]
    lost, made, _ = front.calls()
    assert (lost["carried_out"], made["carried_out"]) == (False, True)
    assert (lost["status"], made["status"]) == (None, None)


def test_a_call_can_hang(front):
    front.fault(operation="CreateLogGroup", hang="after", count=1)
    front.fault(operation="CreateLogGroup", hang=True)
    client = front.client("logs", read_timeout=1)
    for name in ["made", "not-made"]:
        with pytest.raises(ReadTimeoutError):
            client.create_log_group(logGroupName=name)
    names = [group["logGroupName"] for group in client.describe_log_groups()["logGroups"]]
    assert names == ["made"]
    assert front.calls()[0]["status"] is None


def test_an_answer_can_be_truncated(front, ec2):
    front.fault(truncate=True, count=1)
    with pytest.raises((BotoCoreError, ResponseParserError)):
        ec2.describe_vpcs()
    ec2.describe_vpcs()


def test_a_proxy_can_answer(front, ec2):
    front.fault(html=True)
    assert code(ec2.describe_vpcs) == "502"


def test_an_answer_can_be_changed(front, ec2):
    front.fault(operation="DescribeVpcs", replace=["available", "meditating"])
    assert ec2.describe_vpcs()["Vpcs"][0]["State"] == "meditating"


@pytest.mark.parametrize(
    "service, call, member",
    [
        ("ec2", "describe_subnets", "Subnets"),
        ("ecr", "describe_repositories", "repositories"),
        ("logs", "describe_log_groups", "logGroups"),
    ],
)
def test_a_listing_can_be_endless(front, service, call, member):
    front.fault(repeat_token=True)
    call = getattr(front.client(service), call)
    next_token = "NextToken" if service == "ec2" else "nextToken"
    first = call()
    second = call(**{next_token: first[next_token]})
    third = call(**{next_token: second[next_token]})
    assert first[next_token] == second[next_token] == third[next_token]
    assert first[member] == third[member]


def test_a_list_can_be_stale(front, ec2):
    before = len(ec2.describe_vpcs()["Vpcs"])
    ec2.create_vpc(CidrBlock="10.0.0.0/16")
    front.fault(operation="DescribeVpcs", stale_ms=0, count=1)
    assert len(ec2.describe_vpcs()["Vpcs"]) == before
    assert len(ec2.describe_vpcs()["Vpcs"]) == before + 1


def test_a_fault_strikes_the_calls_it_names(front, ec2):
    front.fault(service="ec2", region="eu-west-1", throttle=True)
    front.fault(body="10.9.0.0/16", deny=True)
    ec2.describe_vpcs()
    assert code(front.client("ec2", region="eu-west-1").describe_vpcs) == "RequestLimitExceeded"
    assert code(ec2.create_vpc, CidrBlock="10.9.0.0/16") == "UnauthorizedOperation"
    front.ask("DELETE", "faults")
    ec2.create_vpc(CidrBlock="10.9.0.0/16")


def test_a_bad_rule_is_refused(front):
    for bad in [[{"operation": "X"}], [{"opration": "X", "hang": True}], {"hang": True}]:
        with pytest.raises(urllib.error.HTTPError):
            front.ask("POST", "faults", bad)
    with pytest.raises(urllib.error.HTTPError):
        front.ask("POST", "settings", {"pagesize": 1})


# Speed


def test_checks_hold_when_many_call_at_once(ec2, vpc, group):
    add = lambda n: ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[tcp(80, 80, f"10.{n % 5}.0.0/16")]
    )

    def attempt(n):
        try:
            add(n)
            return "made"
        except ClientError as error:
            return error.response["Error"]["Code"]

    with ThreadPoolExecutor(10) as pool:
        results = list(pool.map(attempt, range(20)))
    assert sorted(results) == ["InvalidPermission.Duplicate"] * 15 + ["made"] * 5


def test_the_front_adds_little(front):
    def best(url):
        client = front.client("sts", url=url)
        times = []
        for _ in range(30):
            start = time.perf_counter()
            client.get_caller_identity()
            times.append(time.perf_counter() - start)
        return sorted(times)[len(times) // 2]

    direct, through = best(front.moto), best(front.url)
    assert through - direct < 0.01, (direct, through)
