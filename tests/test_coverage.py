"""What AWS lets people set is a column, or docs/left-out.md says why not.

published.json has the settable properties of AWS's own resource schemas, by their paths
(`ImageScanningConfiguration.ScanOnPush`; what is in a list is found below the list's name). PyPI's
cfn-lint carries these schemas, and much that is not needed here: so the paths are kept, and this
writes them anew, along with those of further schemas that it is given:

    pip download --no-deps cfn-lint
    python tests/test_coverage.py cfn_lint-*.whl [AWS::ECS::Cluster ...]
"""

from __future__ import annotations

import functools
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
KEPT = CHECKOUT / "tests/published.json"
PUBLISHED: dict[str, list[str]] = json.loads(KEPT.read_text())


@dataclass(frozen=True)
class Schema:
    """Where the properties of a resource schema are found: in the column of the table that has the
    property's name, unless said otherwise."""

    table: str
    #: The table of its parts, by the property that holds them.
    parts: dict[str, str] = field(default_factory=dict)
    #: The column, if it is called otherwise: `column`, `table.column`, or a table as a whole.
    names: dict[str, str] = field(default_factory=dict)


CONTAINER = {
    "Environment": "env_variables",
    "HealthCheck.Command": "health_check_command",
    "HealthCheck.Interval": "health_check_interval",
    "HealthCheck.Retries": "health_check_retries",
    "HealthCheck.StartPeriod": "health_check_start_period",
    "HealthCheck.Timeout": "health_check_timeout",
    "LogConfiguration.Options": "log_options",
    "PortMappings.ContainerPort": "container_port",
    "PortMappings.ContainerPortRange": "other_port_mappings",
    "PortMappings.HostPort": "host_port",
    "PortMappings.Protocol": "protocol",
    "ReadonlyRootFilesystem": "read_only_root_filesystem",
    "User": "user_name",
}
RULE = {
    "CidrIp": "cidr_ipv4",
    "CidrIpv6": "cidr_ipv6",
    "DestinationPrefixListId": "prefix_list_id",
    "DestinationSecurityGroupId": "source_security_group",
    "GroupId": "security_group_id",
    "SourcePrefixListId": "prefix_list_id",
    "SourceSecurityGroupId": "source_security_group",
}
SCHEMAS = {
    "AWS::EC2::SecurityGroup": Schema(
        "security_group",
        names={
            "GroupDescription": "description",
            "SecurityGroupEgress": "security_group_rule",
            "SecurityGroupIngress": "security_group_rule",
        },
    ),
    "AWS::EC2::SecurityGroupEgress": Schema("security_group_rule", names=RULE),
    "AWS::EC2::SecurityGroupIngress": Schema("security_group_rule", names=RULE),
    "AWS::EC2::Subnet": Schema("subnet"),
    "AWS::EC2::VPC": Schema("vpc"),
    "AWS::ECR::PublicRepository": Schema("public_repository"),
    "AWS::ECR::Repository": Schema(
        "repository",
        names={
            "EncryptionConfiguration.EncryptionType": "encryption_type",
            "EncryptionConfiguration.KmsKey": "kms_key",
            "ImageScanningConfiguration.ScanOnPush": "scan_on_push",
            "ImageTagMutabilityExclusionFilters": "mutability_exclusions",
            "RepositoryPolicyText": "repository_policy.policy_text",
        },
    ),
    "AWS::ECS::Cluster": Schema("cluster", names={"ClusterSettings": "container_insights"}),
    "AWS::ECS::Service": Schema(
        "service",
        names={
            "Cluster": "cluster_name",
            "DeploymentConfiguration.DeploymentCircuitBreaker.Enable": "deployment_circuit_breaker",
            "DeploymentConfiguration.DeploymentCircuitBreaker.Rollback": "deployment_rollback",
            "DeploymentConfiguration.MaximumPercent": "maximum_percent",
            "DeploymentConfiguration.MinimumHealthyPercent": "minimum_healthy_percent",
            "LoadBalancers.ContainerName": "container_name",
            "LoadBalancers.ContainerPort": "container_port",
            "LoadBalancers.TargetGroupArn": "target_group_name",
            "NetworkConfiguration.AwsvpcConfiguration.AssignPublicIp": "assign_public_ip",
            "NetworkConfiguration.AwsvpcConfiguration.SecurityGroups": "service_security_groups",
            "NetworkConfiguration.AwsvpcConfiguration.Subnets": "subnets",
            "ServiceName": "name",
            "TaskDefinition": "task_definition_id",
        },
    ),
    "AWS::ECS::TaskDefinition": Schema(
        "task_definition",
        parts={"ContainerDefinitions": "container_definition"},
        names={
            "Cpu": "cpu_memory",
            "EphemeralStorage.SizeInGiB": "ephemeral_storage_gib",
            "ExecutionRoleArn": "execution_role_name",
            "Memory": "cpu_memory",
            "RuntimePlatform.CpuArchitecture": "cpu_architecture",
            "RuntimePlatform.OperatingSystemFamily": "operating_system_family",
            "TaskRoleArn": "task_role_name",
        }
        | {
            f"ContainerDefinitions.{path}": f"container_definition.{column}"
            for path, column in CONTAINER.items()
        },
    ),
    "AWS::ElasticLoadBalancingV2::Listener": Schema(
        "listener",
        names={
            "Certificates.CertificateArn": "certificate_arn",
            "DefaultActions.ForwardConfig.TargetGroups.TargetGroupArn": "target_group_name",
            "DefaultActions.TargetGroupArn": "target_group_name",
            "DefaultActions.Type": "action_type",
            "LoadBalancerArn": "load_balancer_name",
        },
    ),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": Schema(
        "load_balancer",
        names={
            "Name": "load_balancer_name",
            "SecurityGroups": "load_balancer_security_groups",
            "SubnetMappings.SubnetId": "subnets",
            "Type": "load_balancer_type",
        },
    ),
    "AWS::ElasticLoadBalancingV2::TargetGroup": Schema(
        "target_group",
        names={
            "Matcher.GrpcCode": "health_check_codes",
            "Matcher.HttpCode": "health_check_codes",
            "Name": "target_group_name",
            "VpcId": "vpc",
        },
    ),
    "AWS::IAM::Role": Schema(
        "role",
        names={"ManagedPolicyArns": "attached_policies_arns", "Policies": "inline_policies"},
    ),
    "AWS::Logs::LogGroup": Schema("log_group"),
}
#: Tables that are a part of another one's schema, or of none.
WITHOUT = {
    "load_balancer_security_groups",
    "repository_image",
    "repository_policy",
    "service_security_groups",
}


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


@functools.cache
def tables() -> dict[str, set[str]]:
    """The columns of all tables that users can write."""
    found = {}
    for schema in CHECKOUT.glob("modules/*/schema.sql"):
        sql = schema.read_text()
        for table, body in re.findall(r"^CREATE TABLE (\w+) \((.*?)^\);", sql, re.M | re.S):
            owned = re.findall(rf"iasql\.cloud_owned\('{table}', '(\w+)'\)", sql)
            found[table] = set(re.findall(r"^  ([a-z]\w*) ", body, re.M)) - set(owned)
    return found


def left_out() -> dict[str, dict[str, str]]:
    """The reasons in docs/left-out.md, by schema and property."""
    found: dict[str, dict[str, str]] = {}
    for line in (CHECKOUT / "docs/left-out.md").read_text().splitlines():
        if head := re.fullmatch(r"## .* \(`(AWS::\w+::\w+)`\)", line):
            reasons = found.setdefault(head[1], {})
        elif item := re.fullmatch(r"- `([\w.]+)`: (.+\.)", line):
            reasons[item[1]] = item[2]
        else:
            assert not line.startswith(("## ", "- ")), f"not in the form of the others: {line}"
    return found


def prefixes(path: str) -> Iterator[str]:
    """`A.B` and `A` of `A.B`."""
    while path:
        yield path
        path = path.rpartition(".")[0]


def has_column(schema: Schema, path: str) -> bool:
    columns = tables()
    if any(each in schema.names for each in prefixes(path)):
        return True
    for property, table in schema.parts.items():
        if path.startswith(f"{property}."):
            return snake_case(path.split(".")[1]) in columns[table]
    return snake_case(path.split(".")[0]) in columns[schema.table]


def test_every_table_has_a_schema() -> None:
    known = {schema.table for schema in SCHEMAS.values()} | WITHOUT
    known |= {table for schema in SCHEMAS.values() for table in schema.parts.values()}
    assert set(tables()) == known
    assert set(SCHEMAS) <= set(PUBLISHED)


def test_every_name_leads_to_a_column() -> None:
    columns = tables()
    every = {each for found in PUBLISHED.values() for path in found for each in prefixes(path)}
    for kind, schema in SCHEMAS.items():
        for path, name in schema.names.items():
            assert path in every, (kind, path)
            table, _, column = name.rpartition(".")
            assert name in columns or column in columns[table or schema.table], (kind, name)


def test_what_can_be_set_is_a_column_or_left_out_for_a_reason() -> None:
    reasons = left_out()
    assert set(reasons) <= set(SCHEMAS)
    for kind, schema in SCHEMAS.items():
        without = [path for path in PUBLISHED[kind] if not has_column(schema, path)]
        listed = reasons.get(kind, {})
        missing = [path for path in without if not set(prefixes(path)) & set(listed)]
        assert missing == [], f"{kind}: neither a column nor in docs/left-out.md"
        real = {each for path in without for each in prefixes(path)}
        assert set(listed) <= real, f"{kind}: listed, but not settable or a column by now"


# Writing published.json


def settable(schema: dict[str, Any]) -> list[str]:
    """The paths of the properties that are not read-only and hold no others."""
    read_only = {path.removeprefix("/properties/") for path in schema.get("readOnlyProperties", [])}
    paths = {
        path
        for name, value in schema["properties"].items()
        for path in leaves(schema, name, value, ())
        if not {each.replace(".", "/") for each in prefixes(path)} & read_only
    }
    return sorted(paths)


def leaves(root: Any, path: str, value: Any, inside: tuple[str, ...]) -> Iterator[str]:
    while target := value.get("$ref"):
        if target in inside:
            yield path
            return
        inside += (target,)
        value = root["definitions"][target.rpartition("/")[2]]
    if "items" in value:
        yield from leaves(root, path, value["items"], inside)
    elif properties := value.get("properties"):
        for name, one in properties.items():
            yield from leaves(root, f"{path}.{name}", one, inside)
    else:
        yield path


def main(wheel: str, *more: str) -> None:
    with zipfile.ZipFile(wheel) as files:
        below = "cfnlint/data/schemas"
        names = json.loads(files.read(f"{below}/providers/us-east-1.json"))
        published = {
            kind: settable(json.loads(files.read(f"{below}/resources/{names[kind]}.json")))
            for kind in sorted({*SCHEMAS, *PUBLISHED, *more})
        }
    KEPT.write_text(json.dumps(published, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
