from __future__ import annotations

from typing import Any

from conftest import Cloud
from resources.aws_vpc import only, retag
from resources.description import Change, Description, Row, Sql, tags


def security_group(cloud: Cloud, region: str) -> Description:
    ec2 = cloud.client("ec2", region)

    def look(cloud: Cloud, row: Row) -> Row | None:
        ec2 = cloud.client("ec2", row["region"])
        it = only(lambda: ec2.describe_security_groups(GroupIds=[row["group_id"]]))
        return it and {
            "vpc_id": it["VpcId"],
            "group_name": it["GroupName"],
            "description": it["Description"],
            "group_id": it["GroupId"],
            "owner_id": it["OwnerId"],
            "tags": tags(it.get("Tags")),
        }

    parent = Sql(f"(SELECT id FROM vpc WHERE cidr_block = '10.1.0.0/16' AND region = '{region}')")
    default = Sql(f"(SELECT id FROM vpc WHERE is_default AND region = '{region}')")
    # The rule that AWS gives a new group is nobody's row, and so it goes.
    anew = ["CreateSecurityGroup", "DeleteSecurityGroup", "RevokeSecurityGroupEgress"]
    return Description(
        rows={
            "full": {
                "vpc_id": parent,
                "group_name": "full (1)",
                "description": "all of it",
                "tags": {"a": "1", "b": "2"},
            },
            "bare": {"group_name": "bare"},
        },
        changes=[
            Change({"vpc_id": default}, anew),
            Change({"group_name": "other"}, anew),
            Change({"description": "another"}, anew),
            Change(
                {"tags": {"a": "other", "c": "3"}},
                ["CreateTags", "DeleteTags"],
                lambda cloud, row: retag(cloud, region, row["group_id"]),
            ),
        ],
        look=look,
        remove=lambda cloud, row: ec2.delete_security_group(GroupId=row["group_id"]),
        many=lambda number: {"group_name": f"many-{number}"},
        parents=[f"INSERT INTO vpc (cidr_block, region) VALUES ('10.1.0.0/16', '{region}')"],
    )


def security_group_rule(cloud: Cloud, region: str) -> Description:
    ec2 = cloud.client("ec2", region)
    lists = [
        ec2.create_managed_prefix_list(
            PrefixListName=f"list-{number}", MaxEntries=1, AddressFamily="IPv4"
        )["PrefixList"]["PrefixListId"]
        for number in (1, 2)
    ]

    def look(cloud: Cloud, row: Row) -> Row | None:
        ec2 = cloud.client("ec2", row["region"])
        id = row["security_group_rule_id"]
        it = only(lambda: ec2.describe_security_group_rules(SecurityGroupRuleIds=[id]))
        if it is None:
            return None
        ports = (it.get("FromPort"), it.get("ToPort"))
        return {
            "security_group_id": it["GroupId"],
            "is_egress": it["IsEgress"],
            "ip_protocol": it["IpProtocol"],
            "from_port": ports[0],
            "to_port": ports[1],
            "cidr_ipv4": it.get("CidrIpv4"),
            "cidr_ipv6": it.get("CidrIpv6"),
            "prefix_list_id": it.get("PrefixListId"),
            "source_security_group": it.get("ReferencedGroupInfo", {}).get("GroupId"),
            "description": it.get("Description") or None,
            "security_group_rule_id": it["SecurityGroupRuleId"],
            "tags": tags(it.get("Tags")),
        }

    def describe(cloud: Cloud, row: Row) -> None:
        peer = {"CidrIp": row["cidr_ipv4"], "Description": "another"}
        rule: dict[str, Any] = {
            "IpProtocol": "tcp",
            "FromPort": 80,
            "ToPort": 90,
            "IpRanges": [peer],
        }
        ec2.update_security_group_rule_descriptions_ingress(
            GroupId=row["security_group_id"], IpPermissions=[rule]
        )

    def remove(cloud: Cloud, row: Row) -> None:
        revoke = (
            "revoke_security_group_egress" if row["is_egress"] else "revoke_security_group_ingress"
        )
        ids = [row["security_group_rule_id"]]
        getattr(ec2, revoke)(GroupId=row["security_group_id"], SecurityGroupRuleIds=ids)

    def group(name: str) -> Sql:
        return Sql(
            f"(SELECT id FROM security_group WHERE group_name = '{name}' AND region = '{region}')"
        )

    web: dict[str, Any] = {"security_group_id": group("web")}
    rules = {"security_group_id": group("rules")}
    enter, leave = "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress"
    anew = [enter, "RevokeSecurityGroupIngress"]
    return Description(
        rows={
            "full": web
            | {
                "is_egress": False,
                "ip_protocol": "tcp",
                "from_port": 80,
                "to_port": 90,
                "cidr_ipv4": "10.0.0.0/8",
                "description": "in",
                "tags": {"a": "1", "b": "2"},
            },
            "ipv6": web
            | {
                "is_egress": True,
                "ip_protocol": "udp",
                "from_port": 0,
                "to_port": 65535,
                "cidr_ipv6": "2001:db8::/32",
            },
            "group": web
            | {
                "is_egress": False,
                "ip_protocol": "-1",
                "source_security_group": group("rules"),
                "description": "from a group",
            },
            "group back": rules
            | {"is_egress": False, "ip_protocol": "-1", "source_security_group": group("web")},
            "itself": web
            | {
                "is_egress": False,
                "ip_protocol": "icmp",
                "from_port": 8,
                "to_port": -1,
                "source_security_group": group("web"),
            },
            "list": web
            | {
                "is_egress": True,
                "ip_protocol": "tcp",
                "from_port": 443,
                "to_port": 443,
                "prefix_list_id": lists[0],
            },
            # As scripts write it.
            "all": rules
            | {
                "is_egress": True,
                "ip_protocol": "-1",
                "from_port": -1,
                "to_port": -1,
                "cidr_ipv4": "0.0.0.0/0",
            },
            "number": rules | {"is_egress": False, "ip_protocol": "50", "cidr_ipv4": "10.0.0.0/8"},
        },
        changes=[
            Change({"security_group_id": group("rules")}, anew),
            Change({"is_egress": True}, [leave, "RevokeSecurityGroupIngress"]),
            Change({"ip_protocol": "udp"}, anew),
            Change({"from_port": 81}, anew),
            Change({"to_port": 91}, anew),
            Change({"cidr_ipv4": "10.0.0.0/9"}, anew),
            Change({"cidr_ipv4": None, "cidr_ipv6": "2001:db8::/32"}, anew),
            Change({"cidr_ipv4": None, "prefix_list_id": lists[0]}, anew),
            Change({"cidr_ipv4": None, "source_security_group": group("rules")}, anew),
            Change({"prefix_list_id": lists[1]}, [leave, "RevokeSecurityGroupEgress"], of="list"),
            Change(
                {"source_security_group": group("web")},
                anew,
                of="group",
            ),
            Change(
                {"description": "another"},
                ["UpdateSecurityGroupRuleDescriptionsIngress"],
                describe,
            ),
            Change(
                {"tags": {"a": "other", "c": "3"}},
                ["CreateTags", "DeleteTags"],
                lambda cloud, row: retag(cloud, region, row["security_group_rule_id"]),
            ),
        ],
        look=look,
        remove=remove,
        many=lambda number: (
            rules
            | {
                "is_egress": False,
                "ip_protocol": "tcp",
                "from_port": 8000 + number,
                "to_port": 8000 + number,
                "cidr_ipv4": "10.0.0.0/8",
            }
        ),
        parents=[
            f"INSERT INTO security_group (group_name, region) VALUES ('{name}', '{region}')"
            for name in ("web", "rules")
        ],
    )


TABLES = {"security_group": security_group, "security_group_rule": security_group_rule}
