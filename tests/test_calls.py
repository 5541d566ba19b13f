"""How many calls of the AWS API a user's step takes: AWS lets an account make so many a second."""

from __future__ import annotations

from collections import Counter

import docs
import pytest
from conftest import Cloud, Database
from testbed import Emulator

pytestmark = pytest.mark.timeout(300)
TUTORIAL = (docs.ROOT / "docs" / "tutorial.md").read_text()


def calls(db: Database, emulator: Emulator, sql: str) -> list[str]:
    since = emulator.mark()
    db.sql(sql)
    return sorted(call["operation"] for call in emulator.calls(since))


def round_trips(db: Database, emulator: Emulator, sql: str) -> int:
    """How many calls had to wait for each other, at most."""
    emulator.faults([{"delay_ms": 50}])
    since = emulator.mark()
    db.sql(sql)
    emulator.faults([])
    trips: list[tuple[float, int]] = []
    for call in sorted(emulator.calls(since), key=lambda call: call["at_ms"]):
        before = [many for end, many in trips if end <= call["at_ms"]]
        trips.append((call["at_ms"] + call["duration_ms"], max(before, default=0) + 1))
    return max(many for _, many in trips)


def test_the_tutorial_takes_few_round_trips(
    empty_db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    for check, statements, _ in docs.TRANSCRIPT.findall(TUTORIAL):
        if check == "applied":
            # The lists 2, the group 1, the load balancer and where it is 2, the listener and the
            # service and what these refer to 2 each, and a last list: 10.
            assert round_trips(empty_db, emulator, statements) <= 12
            break
        empty_db.sql(statements)
    empty_db.sql("SELECT delete_all_records()")
    assert round_trips(empty_db, emulator, "SELECT * FROM iasql_apply()") <= 9


def test_the_tutorial_takes_few_calls(
    empty_db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    for check, statements, _ in docs.TRANSCRIPT.findall(TUTORIAL):
        made = calls(empty_db, emulator, statements)
        if check == "applied":
            break
    assert "CreateService" in made and len(made) <= 55, made
    synced = calls(empty_db, emulator, "SELECT * FROM iasql_sync()")
    assert len(synced) <= 30, synced
    # What two tables are read from is fetched once.
    for operation in "DescribeLoadBalancers", "DescribeTargetGroups", "ListClusters":
        assert synced.count(operation) == 1, operation
    empty_db.sql("SELECT delete_all_records()")
    deleted = calls(empty_db, emulator, "SELECT * FROM iasql_apply()")
    assert len(deleted) <= 55, deleted
    assert cloud.client("ecs").list_clusters()["clusterArns"] == []


def test_a_group_with_two_rules_takes_few_calls(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    db.sql("SELECT * FROM iasql_install('aws_security_group')")
    db.sql("INSERT INTO security_group (group_name) VALUES ('web')")
    db.sql(
        """INSERT INTO security_group_rule
        (security_group_id, is_egress, ip_protocol, from_port, to_port, cidr_ipv4)
        SELECT id, false, 'tcp', port, port, '0.0.0.0/0'
        FROM security_group, unnest(ARRAY[80, 443]) port WHERE group_name = 'web'"""
    )
    made = calls(db, emulator, "SELECT * FROM iasql_apply()")
    assert made.count("AuthorizeSecurityGroupIngress") == 1
    assert len(made) <= 14, made


def rules(db: Database, values: str) -> None:
    """Rules of the group web, which is there then."""
    db.sql("SELECT * FROM iasql_install('aws_security_group')")
    db.sql("INSERT INTO security_group (group_name) VALUES ('web')")
    db.sql(
        f"""INSERT INTO security_group_rule
        (security_group_id, is_egress, ip_protocol, from_port, to_port, cidr_ipv4, description, tags)
        SELECT g.id, v.* FROM security_group g, ({values}) v WHERE group_name = 'web'"""
    )


def ports(cloud: Cloud) -> list[tuple[bool, int]]:
    """Which ports the rules of the group web are for."""
    (group,) = cloud.ec2.describe_security_groups(
        Filters=[{"Name": "group-name", "Values": ["web"]}]
    )["SecurityGroups"]
    found = cloud.ec2.describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [group["GroupId"]]}]
    )["SecurityGroupRules"]
    return sorted((rule["IsEgress"], rule["FromPort"]) for rule in found)


#: Of both directions, with descriptions of their own, a few with tags.
HUNDRED = """SELECT port % 2 = 0, 'tcp', port, port, '10.0.0.0/8'::cidr, 'port ' || port,
    CASE WHEN port > 1090 THEN '{"team": "web"}' ELSE '{}' END::jsonb
    FROM generate_series(1001, 1100) port"""


def test_a_hundred_rules_of_a_group_take_a_call_for_each_direction_and_set_of_tags(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    rules(db, HUNDRED)
    since = emulator.mark()
    db.sql("SELECT * FROM iasql_apply()")
    made = Counter(call["operation"] for call in emulator.calls(since))
    assert made["AuthorizeSecurityGroupIngress"] == made["AuthorizeSecurityGroupEgress"] == 2
    assert made.total() <= 20, made
    assert ports(cloud) == sorted((port % 2 == 0, port) for port in range(1001, 1101))
    # Each row has the id of its own rule.
    held = {
        rule["SecurityGroupRuleId"]: (rule.get("Description"), rule["Tags"])
        for rule in cloud.ec2.describe_security_group_rules()["SecurityGroupRules"]
    }
    for row in db.sql("SELECT * FROM security_group_rule WHERE cidr_ipv4 = '10.0.0.0/8'"):
        description, tags = held[row["security_group_rule_id"]]
        assert description == row["description"] == f"port {row['from_port']}"
        assert {tag["Key"]: tag["Value"] for tag in tags} == row["tags"]
    assert db.sql("SELECT * FROM iasql_plan_apply()") == []
    history = "SELECT count(*) FROM iasql_history WHERE table_name = 'security_group_rule'"
    assert db.one(f"{history} AND action = 'create' AND outcome = 'done'") == 100

    db.sql("DELETE FROM security_group_rule WHERE cidr_ipv4 = '10.0.0.0/8'")
    removed = Counter(calls(db, emulator, "SELECT * FROM iasql_apply()"))
    assert removed["RevokeSecurityGroupIngress"] == removed["RevokeSecurityGroupEgress"] == 1
    assert ports(cloud) == []
    assert db.one(f"{history} AND action = 'delete' AND outcome = 'done'") == 100


def test_a_rule_that_is_refused_keeps_none_of_the_others_from_being_made(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    rules(db, HUNDRED)
    refusal = {"status": 400, "code": "InvalidParameterValue", "message": "not this one"}
    emulator.faults(
        [{"operation": "AuthorizeSecurityGroupIngress", "body": "port 1041"} | refusal]
    )
    since = emulator.mark()
    error = db.error("SELECT * FROM iasql_apply()")
    assert (error.message or "").startswith("1 of 101 changes failed: create security_group_rule web")
    assert "1041" in (error.message or "") and "not this one" in (error.message or "")
    assert [port for _, port in ports(cloud)].count(1041) == 0
    assert len(ports(cloud)) == 99
    # Halves of halves.
    made = Counter(call["operation"] for call in emulator.calls(since))
    assert made["AuthorizeSecurityGroupIngress"] <= 16, made
    emulator.faults([])
    assert [line["action"] for line in db.sql("SELECT * FROM iasql_apply()")] == ["create"]
    assert len(ports(cloud)) == 100


@pytest.mark.parametrize("moment", ["before", "after"])
def test_rules_whose_answer_got_lost_are_made_once(
    db: Database, cloud: Cloud, emulator: Emulator, moment: str
) -> None:
    rules(db, "SELECT false, 'tcp', p, p, '10.0.0.0/8'::cidr, NULL, '{}'::jsonb FROM generate_series(1, 3) p")
    authorize = {"operation": "AuthorizeSecurityGroupIngress", "count": 1}
    emulator.faults([authorize | {"drop": moment}])
    since = emulator.mark()
    db.sql("SELECT * FROM iasql_apply()")
    assert ports(cloud) == [(False, 1), (False, 2), (False, 3)]
    made = Counter(call["operation"] for call in emulator.calls(since))
    assert made["AuthorizeSecurityGroupIngress"] == (1 if moment == "after" else 4)
    assert db.sql("SELECT * FROM iasql_plan_apply()") == []

    db.sql("DELETE FROM security_group_rule WHERE cidr_ipv4 = '10.0.0.0/8'")
    emulator.faults([{"operation": "RevokeSecurityGroupIngress", "count": 1, "drop": moment}])
    db.sql("SELECT * FROM iasql_apply()")
    assert ports(cloud) == []


def test_many_log_groups_take_a_call_each(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    db.sql("SELECT * FROM iasql_install('aws_cloudwatch')")
    db.sql("INSERT INTO log_group (log_group_name) SELECT 'g' || n FROM generate_series(1, 100) n")
    made = Counter(calls(db, emulator, "SELECT * FROM iasql_apply()"))
    # What is not there yet has no tags, and what was just made has those it was made with.
    before, after = 1, 2
    assert made == {
        "GetCallerIdentity": 1,
        "CreateLogGroup": 100,
        "DescribeLogGroups": before + after,
    }


def test_a_new_log_group_is_looked_for_among_those_called_like_it(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    for number in range(120):
        cloud.logs.create_log_group(logGroupName=f"other-{number}")
    db.sql("SELECT * FROM iasql_install('aws_cloudwatch')")
    db.sql("""INSERT INTO log_group (log_group_name, tags)
              VALUES ('web-1', '{"team": "web"}'), ('web-2', '{"team": "ops"}')""")
    made = Counter(calls(db, emulator, "SELECT * FROM iasql_apply()"))
    # Three pages before, one after.
    assert made["DescribeLogGroups"] == 4 and made["GetResources"] == 1, made
    held = cloud.logs.describe_log_groups(logGroupNamePrefix="web-")["logGroups"]
    rows = db.sql("SELECT * FROM log_group WHERE log_group_name LIKE 'web-%' ORDER BY 1")
    assert [row["log_group_arn"] for row in rows] == [group["logGroupArn"] for group in held]
    assert [row["tags"]["team"] for row in rows] == ["web", "ops"]
    assert all(row["creation_time"] for row in rows)
    # What is remembered of them is what AWS tells: nothing to do, and nothing to take apart.
    assert db.sql("SELECT * FROM iasql_sync()") == []
    unknown = "SELECT count(*) FROM iasql.base WHERE seen_print IS NULL"
    assert db.one(unknown) == 0
