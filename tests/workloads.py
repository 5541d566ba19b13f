"""What is applied, and deleted again, to measure how fast: the rows, and the calls they take at the least."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import docs

Calls = dict[str, int]


@dataclass(frozen=True)
class Workload:
    """So many things; the calls are those for one of them."""

    count: int
    #: SQL that inserts so many.
    insert: Callable[[int], str]
    apply: Calls
    delete: Calls
    #: How many calls of an apply, and of a delete, have to follow each other.
    chains: tuple[int, int]

    def needs(self, statement: str, count: int) -> Calls:
        calls = self.apply if statement == "apply" else self.delete
        return {name: each * count for name, each in calls.items()}

    def chain(self, statement: str) -> int:
        return self.chains[0 if statement == "apply" else 1]


def security_groups(count: int) -> str:
    return f"""
        INSERT INTO security_group (group_name, description)
        SELECT 'web-' || number, 'a group' FROM generate_series(1, {count}) AS number;
        INSERT INTO security_group_rule
            (security_group_id, is_egress, ip_protocol, from_port, to_port, cidr_ipv4)
        SELECT id, false, 'tcp', port, port, '10.0.0.0/8'
        FROM security_group, unnest(ARRAY[80, 443]) AS port WHERE group_name LIKE 'web-%'
    """


def log_groups(count: int) -> str:
    return f"""
        INSERT INTO log_group (log_group_name)
        SELECT '/web/' || number FROM generate_series(1, {count}) AS number
    """


def tutorial() -> str:
    """What docs/tutorial.md inserts."""
    page = (docs.ROOT / "docs" / "tutorial.md").read_text()
    told = [statements for _, statements, _ in docs.TRANSCRIPT.findall(page)]
    return "".join(statements for statements in told if "INSERT INTO" in statements)


def tutorials(count: int) -> str:
    """The same under so many names."""
    rows = tutorial()
    names = {"quickstart": "web{}", "ecsTaskExecRoleus-east-1": "ecsTaskExecRole{}"}
    several = []
    for number in range(1, count + 1):
        one = rows
        for name, pattern in names.items():
            one = one.replace(name, pattern.format(number))
        several.append(one)
    return "".join(several)


WORKLOADS = {
    # Both rules of a group fit into one call, and the rule that AWS adds has to go.
    "security_groups": Workload(
        count=1000,
        insert=security_groups,
        apply={
            "ec2 CreateSecurityGroup": 1,
            "ec2 AuthorizeSecurityGroupIngress": 1,
            "ec2 RevokeSecurityGroupEgress": 1,
        },
        # The rules go with their group.
        delete={"ec2 DeleteSecurityGroup": 1},
        chains=(2, 1),
    ),
    "tutorials": Workload(
        count=100,
        insert=tutorials,
        apply={
            "ec2 CreateSecurityGroup": 1,
            "ec2 AuthorizeSecurityGroupIngress": 1,
            # The rule that AWS adds is wanted, with words of its own.
            "ec2 UpdateSecurityGroupRuleDescriptionsEgress": 1,
            "elbv2 CreateLoadBalancer": 1,
            "elbv2 CreateTargetGroup": 1,
            "elbv2 CreateListener": 1,
            # What AWS has filled in is told nowhere else.
            "elbv2 DescribeLoadBalancerAttributes": 1,
            "elbv2 DescribeTargetGroupAttributes": 1,
            "ecs CreateCluster": 1,
            "ecs RegisterTaskDefinition": 1,
            "ecs CreateService": 1,
            "ecr CreateRepository": 1,
            "iam CreateRole": 1,
            "iam AttachRolePolicy": 1,
            "logs CreateLogGroup": 1,
        },
        # Rules go with their group, and listeners with their load balancer.
        delete={
            "ec2 DeleteSecurityGroup": 1,
            "elbv2 DeleteLoadBalancer": 1,
            "elbv2 DeleteTargetGroup": 1,
            "ecs DeleteService": 1,
            "ecs DeleteCluster": 1,
            "ecs DeregisterTaskDefinition": 1,
            "ecr DeleteRepository": 1,
            "iam DetachRolePolicy": 1,
            "iam DeleteRole": 1,
            "logs DeleteLogGroup": 1,
        },
        # Group, load balancer, listener, service; service, load balancer, group.
        chains=(4, 3),
    ),
    "log_groups": Workload(
        count=1000,
        insert=log_groups,
        apply={"logs CreateLogGroup": 1},
        delete={"logs DeleteLogGroup": 1},
        chains=(1, 1),
    ),
}
