"""How many calls of the AWS API a user's step takes: AWS lets an account make so many a second."""

from __future__ import annotations

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
    assert len(made) <= 15, made


def test_many_log_groups_take_a_call_each(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    db.sql("SELECT * FROM iasql_install('aws_cloudwatch')")
    db.sql("INSERT INTO log_group (log_group_name) SELECT 'g' || n FROM generate_series(1, 100) n")
    made = calls(db, emulator, "SELECT * FROM iasql_apply()")
    assert made.count("CreateLogGroup") == 100
    # Besides: who we are, the lists before, and one after for the ARNs.
    assert len(made) <= 110, made
