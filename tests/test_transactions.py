"""What a transaction means for the cloud: rollback, savepoints, isolation, two sessions at once.

The cloud can't roll back. What a transaction made there before it was rolled back is known from the
journal: apply removes it, sync keeps it, and rows that want it get it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import Cloud, Database
from test_nerves import Statement, changes, log_groups, no_holes, underway, vpcs
from testbed import Emulator, Server, State, wait_until

__all__ = ["no_holes"]  # A fixture for every test here, too.

RANGE = "10.7.0.0/16"
MODULES = "'aws_cloudwatch', 'aws_ecr', 'aws_security_group'"
NOTHING: list[dict[str, Any]] = []
PLAN = "SELECT action, table_name, reason FROM iasql_plan()"
LEVELS = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]

#: One row of each kind that has something of its own to find it again by: a mark, a name within
#: something else, a name.
ROWS = {
    "vpc": f"INSERT INTO vpc (cidr_block) VALUES ('{RANGE}')",
    "security_group": "INSERT INTO security_group (group_name) VALUES ('web')",
    "log_group": "INSERT INTO log_group (log_group_name) VALUES ('web')",
    "repository": "INSERT INTO repository (repository_name) VALUES ('web')",
    "public_repository": "INSERT INTO public_repository (repository_name) VALUES ('web')",
}
CREATES = [
    "CreateLogGroup",
    "CreateRepository",
    "CreateRepository",
    "CreateSecurityGroup",
    "CreateVpc",
    "RevokeSecurityGroupEgress",
]


@pytest.fixture
def site(db: Database) -> Database:
    db.sql(f"SELECT * FROM iasql_install({MODULES})")
    return db


def held(cloud: Cloud) -> dict[str, int]:
    """How many of each of ROWS the cloud holds."""
    groups = cloud.ec2.describe_security_groups()["SecurityGroups"]
    return {
        "vpc": len(vpcs(cloud)),
        "security_group": sum(group["GroupName"] == "web" for group in groups),
        "log_group": len(log_groups(cloud)),
        "repository": len(cloud.ecr.describe_repositories()["repositories"]),
        "public_repository": len(cloud.ecr_public.describe_repositories()["repositories"]),
    }


ALL = dict.fromkeys(ROWS, 1)
NONE = dict.fromkeys(ROWS, 0)


def insert_all(db: Database) -> None:
    for row in ROWS.values():
        db.sql(row)


def test_a_plan_sees_what_is_not_committed(
    site: Database, emulator: Emulator, cloud: Cloud
) -> None:
    since = emulator.mark()
    site.sql("BEGIN")
    insert_all(site)
    plan = site.sql("SELECT action, table_name FROM iasql_plan_apply()")
    assert sorted(line["table_name"] for line in plan) == sorted(ROWS)
    assert {line["action"] for line in plan} == {"create"}
    # Nobody else sees them, nor plans for them.
    other = site.connect()
    assert other.execute("SELECT * FROM iasql_plan_apply()").fetchall() == NOTHING
    site.sql("ROLLBACK")
    assert site.sql("SELECT * FROM iasql_plan_apply()") == NOTHING
    assert (changes(emulator, since), held(cloud)) == ([], NONE)


@pytest.mark.parametrize("level", LEVELS)
def test_an_apply_commits_with_its_transaction(
    site: Database, emulator: Emulator, cloud: Cloud, level: str
) -> None:
    since = emulator.mark()
    site.sql(f"BEGIN ISOLATION LEVEL {level}")
    insert_all(site)
    done = site.sql("SELECT action, table_name FROM iasql_apply()")
    assert sorted(line["table_name"] for line in done) == sorted(ROWS)
    # Its own transaction sees what AWS filled in, and can go on.
    assert site.one("SELECT count(*) FROM repository WHERE repository_uri IS NOT NULL") == 1
    assert site.sql("SELECT * FROM iasql_plan_apply()") == NOTHING
    site.sql("UPDATE log_group SET retention_in_days = 7")
    assert len(site.sql("SELECT * FROM iasql_apply()")) == 1
    site.sql("COMMIT")
    assert held(cloud) == ALL
    assert sorted(changes(emulator, since)) == sorted([*CREATES, "PutRetentionPolicy"])
    assert site.sql("SELECT * FROM iasql_plan_apply()") == NOTHING
    assert {line["outcome"] for line in site.sql("SELECT outcome FROM iasql_history")} == {"done"}


@pytest.mark.parametrize("level", LEVELS)
def test_what_was_rolled_back_is_an_orphan_that_apply_removes(
    site: Database, emulator: Emulator, cloud: Cloud, level: str
) -> None:
    site.sql(f"BEGIN ISOLATION LEVEL {level}")
    insert_all(site)
    site.sql("SELECT * FROM iasql_apply()")
    site.sql("ROLLBACK")
    assert held(cloud) == ALL
    assert sorted(
        line["table_name"] for line in site.sql("SELECT * FROM iasql_plan_apply()")
    ) == sorted(ROWS)
    plan = site.sql(PLAN)
    assert sorted(line["table_name"] for line in plan) == sorted(ROWS)
    assert {(line["action"], line["reason"]) for line in plan} == {("delete", "orphan")}
    drift = site.sql("SELECT change, table_name FROM iasql_drift() WHERE change = 'orphan'")
    assert sorted(line["table_name"] for line in drift) == sorted(ROWS)
    site.sql("SELECT * FROM iasql_apply()")
    assert held(cloud) == NONE
    assert site.sql("SELECT * FROM iasql_plan_apply()") == NOTHING


def test_what_was_rolled_back_is_a_row_after_sync(
    site: Database, emulator: Emulator, cloud: Cloud
) -> None:
    site.sql("BEGIN")
    insert_all(site)
    site.sql("SELECT * FROM iasql_apply()")
    site.sql("ROLLBACK")
    since = emulator.mark()
    site.sql("SELECT * FROM iasql_sync()")
    assert site.one(f"SELECT count(*) FROM vpc WHERE cidr_block = '{RANGE}'") == 1
    for table, name in [
        ("security_group", "group_name"),
        ("log_group", "log_group_name"),
        ("repository", "repository_name"),
        ("public_repository", "repository_name"),
    ]:
        assert site.one(f"SELECT count(*) FROM {table} WHERE {name} = 'web'") == 1, table
    assert site.sql("SELECT * FROM iasql_plan_apply()") == NOTHING
    assert (changes(emulator, since), held(cloud)) == ([], ALL)


def test_a_rollback_to_a_savepoint_counts_as_one(
    site: Database, emulator: Emulator, cloud: Cloud
) -> None:
    site.sql("BEGIN")
    site.sql("INSERT INTO log_group (log_group_name) VALUES ('stays')")
    site.sql("SELECT * FROM iasql_apply()")
    site.sql("SAVEPOINT here")
    insert_all(site)
    site.sql("SELECT * FROM iasql_apply()")
    site.sql("ROLLBACK TO here")
    # Within the transaction already.
    plan = site.sql(PLAN)
    assert {(line["action"], line["reason"]) for line in plan} == {("delete", "orphan")}
    assert sorted(line["table_name"] for line in plan) == sorted(ROWS)
    site.sql("COMMIT")
    assert len(site.sql("SELECT * FROM iasql_plan_apply()")) == len(ROWS)
    site.sql("SELECT * FROM iasql_apply()")
    assert held(cloud) == NONE | {"log_group": 1}
    assert log_groups(cloud) == ["stays"]
    assert site.sql("SELECT * FROM iasql_plan_apply()") == NOTHING


def test_a_rollback_to_a_savepoint_and_a_sync(site: Database, cloud: Cloud) -> None:
    site.sql("BEGIN")
    site.sql("SAVEPOINT here")
    insert_all(site)
    site.sql("SELECT * FROM iasql_apply()")
    site.sql("ROLLBACK TO here")
    site.sql("SELECT * FROM iasql_sync()")
    site.sql("COMMIT")
    assert held(cloud) == ALL
    assert site.sql("SELECT * FROM iasql_plan_apply()") == NOTHING
    assert site.one("SELECT count(*) FROM log_group") == 1


def test_a_released_savepoint_of_a_transaction_that_fails(site: Database, cloud: Cloud) -> None:
    """A savepoint that was released is as good as the transaction it is part of."""
    site.sql("BEGIN")
    site.sql("SAVEPOINT here")
    insert_all(site)
    site.sql("SELECT * FROM iasql_apply()")
    site.sql("RELEASE here")
    site.error("SELECT 1 / 0")
    site.sql("ROLLBACK")
    assert {line["reason"] for line in site.sql(PLAN)} == {"orphan"}
    site.sql("SELECT * FROM iasql_apply()")
    assert held(cloud) == NONE


def test_rows_that_were_committed_get_what_a_rolled_back_apply_made(
    site: Database, emulator: Emulator, cloud: Cloud
) -> None:
    insert_all(site)
    since = emulator.mark()
    site.sql("BEGIN")
    site.sql("SELECT * FROM iasql_apply()")
    site.sql("ROLLBACK")
    assert sorted(changes(emulator, since)) == CREATES
    assert site.one("SELECT count(*) FROM vpc WHERE vpc_id IS NULL") == 1
    # It is there and as wanted: nothing to be done, and nothing is.
    assert site.sql("SELECT * FROM iasql_plan_apply()") == NOTHING
    site.sql("SELECT * FROM iasql_apply()")
    assert sorted(changes(emulator, since)) == CREATES
    assert held(cloud) == ALL
    (vpc,) = vpcs(cloud)
    assert site.one(f"SELECT vpc_id FROM vpc WHERE cidr_block = '{RANGE}'") == vpc["VpcId"]
    assert site.one("SELECT count(*) FROM log_group WHERE log_group_arn IS NULL") == 0
    # And it is theirs from now on: deleting the rows deletes it.
    site.sql(f"DELETE FROM vpc WHERE cidr_block = '{RANGE}'")
    for table in "security_group", "log_group", "repository", "public_repository":
        name = {"security_group": "group_name", "log_group": "log_group_name"}.get(
            table, "repository_name"
        )
        site.sql(f"DELETE FROM {table} WHERE {name} = 'web'")
    site.sql("SELECT * FROM iasql_apply()")
    assert held(cloud) == NONE


def test_two_vpcs_alike_are_told_apart_after_a_rollback(
    site: Database, emulator: Emulator, cloud: Cloud
) -> None:
    """Two rows with the same range: each keeps the VPC that was made for it."""
    for name in "one", "two":
        site.sql(
            "INSERT INTO vpc (cidr_block, tags) VALUES (%s, jsonb_build_object('Name', %s::text))",
            RANGE,
            name,
        )
    since = emulator.mark()
    site.sql("BEGIN")
    site.sql("SELECT * FROM iasql_apply()")
    site.sql("ROLLBACK")
    site.sql("SELECT * FROM iasql_apply()")
    assert changes(emulator, since) == ["CreateVpc", "CreateVpc"]
    seen = {
        vpc["VpcId"]: {tag["Key"]: tag["Value"] for tag in vpc["Tags"]}["Name"]
        for vpc in vpcs(cloud)
    }
    rows = site.sql("SELECT vpc_id, tags ->> 'Name' AS name FROM vpc WHERE NOT is_default")
    assert {row["vpc_id"]: row["name"] for row in rows} == seen
    assert len(seen) == 2


def retention(cloud: Cloud) -> int:
    days: int = cloud.logs.describe_log_groups()["logGroups"][0]["retentionInDays"]
    return days


def test_a_rolled_back_update_is_taken_back(
    site: Database, emulator: Emulator, cloud: Cloud
) -> None:
    site.sql("INSERT INTO log_group (log_group_name, retention_in_days) VALUES ('web', 7)")
    site.sql("SELECT * FROM iasql_apply()")
    site.sql("BEGIN")
    site.sql("UPDATE log_group SET retention_in_days = 30")
    site.sql("SELECT * FROM iasql_apply()")
    site.sql("ROLLBACK")
    assert retention(cloud) == 30
    plan = site.sql("SELECT action, table_name, columns FROM iasql_plan()")
    assert plan == [
        {"action": "update", "table_name": "log_group", "columns": ["retention_in_days"]}
    ]
    site.sql("SELECT * FROM iasql_apply()")
    assert retention(cloud) == 7
    assert site.sql("SELECT * FROM iasql_plan_apply()") == NOTHING


def test_a_rolled_back_delete_is_made_again(
    site: Database, emulator: Emulator, cloud: Cloud
) -> None:
    insert_all(site)
    site.sql("SELECT * FROM iasql_apply()")
    ids = site.sql("SELECT id, tags FROM repository")
    site.sql("BEGIN")
    site.sql("DELETE FROM repository")
    site.sql("DELETE FROM log_group")
    site.sql(f"DELETE FROM vpc WHERE cidr_block = '{RANGE}'")
    site.sql("DELETE FROM security_group WHERE group_name = 'web'")
    site.sql("DELETE FROM public_repository")
    site.sql("SELECT * FROM iasql_apply()")
    assert held(cloud) == NONE
    site.sql("ROLLBACK")
    plan = site.sql(PLAN)
    assert sorted(line["table_name"] for line in plan) == sorted(ROWS)
    assert {line["action"] for line in plan} == {"create"}
    site.sql("SELECT * FROM iasql_apply()")
    assert held(cloud) == ALL
    assert site.sql("SELECT id, tags FROM repository") == ids
    assert site.sql("SELECT * FROM iasql_plan_apply()") == NOTHING


def repositories(cloud: Cloud) -> list[str]:
    return [it["repositoryName"] for it in cloud.ecr.describe_repositories()["repositories"]]


def test_a_rolled_back_replacement_goes_back(site: Database, cloud: Cloud) -> None:
    site.sql("INSERT INTO repository (repository_name) VALUES ('old')")
    site.sql("SELECT * FROM iasql_apply()")
    site.sql("BEGIN")
    site.sql("UPDATE repository SET repository_name = 'new'")
    site.sql("SELECT * FROM iasql_apply()")
    site.sql("ROLLBACK")
    assert repositories(cloud) == ["new"]
    site.sql("SELECT * FROM iasql_apply()")
    assert repositories(cloud) == ["old"]
    assert site.sql("SELECT * FROM iasql_plan_apply()") == NOTHING


def test_an_apply_that_fails_in_part_rolls_its_transaction_back_and_loses_nothing(
    site: Database, emulator: Emulator, cloud: Cloud
) -> None:
    site.sql("INSERT INTO log_group (log_group_name) VALUES ('web')")
    emulator.faults([{"operation": "CreateRepository", "service": "ecr", "deny": True}])
    site.sql("BEGIN")
    site.sql("INSERT INTO repository (repository_name) VALUES ('web')")
    site.sql(ROWS["vpc"])
    assert site.error("SELECT * FROM iasql_apply()").sqlstate == "42501"
    site.sql("ROLLBACK")
    emulator.faults([])
    # The log group's row was committed, the others were not.
    plan = site.sql(PLAN)
    assert plan == [{"action": "delete", "table_name": "vpc", "reason": "orphan"}]
    site.sql("SELECT * FROM iasql_apply()")
    assert held(cloud) == NONE | {"log_group": 1}
    assert site.sql("SELECT * FROM iasql_plan_apply()") == NOTHING


def test_with_warnings_what_went_well_is_kept(
    site: Database, emulator: Emulator, cloud: Cloud
) -> None:
    insert_all(site)
    emulator.faults([{"operation": "CreateVpc", "deny": True}])
    site.sql("SET iasql.on_error = warn")
    done = site.sql("SELECT table_name FROM iasql_apply()")
    assert sorted(line["table_name"] for line in done) == sorted(set(ROWS) - {"vpc"})
    assert any("1 of 5 changes failed" in notice for notice in site.notices)
    assert held(cloud) == ALL | {"vpc": 0}
    plan = site.sql("SELECT table_name FROM iasql_plan_apply()")
    assert plan == [{"table_name": "vpc"}]


# Two sessions


@pytest.mark.parametrize("function", ["iasql_apply", "iasql_sync"])
def test_a_second_call_waits_for_the_first_and_sees_its_result(
    site: Database, emulator: Emulator, cloud: Cloud, function: str
) -> None:
    insert_all(site)
    since = emulator.mark()
    first = site.connect()
    first.execute("BEGIN")
    first.execute("SELECT * FROM iasql_apply()")
    second = Statement(site, f"SELECT * FROM {function}()")
    pid = first.info.backend_pid
    wait_until("the notice", lambda: second.notices)
    assert f"waiting for process {pid} (postgres, in its transaction since 2" in second.notices[0]
    assert second.running
    before = len(emulator.calls(since))
    first.execute("COMMIT")
    # A sync brings in what AWS made along with the VPC.
    born = {"iasql_apply": set(), "iasql_sync": {"security_group", "security_group_rule"}}[function]
    assert {line["table_name"] for line in second.result()} == born
    assert len(emulator.calls(since)) > before
    assert sorted(changes(emulator, since)) == CREATES
    assert held(cloud) == ALL
    assert (
        site.one(f"SELECT count(*) FROM vpc WHERE cidr_block = '{RANGE}' AND vpc_id IS NOT NULL")
        == 1
    )


def test_a_second_sync_sees_what_the_first_apply_left_by_its_rollback(
    site: Database, emulator: Emulator, cloud: Cloud
) -> None:
    first = site.connect()
    first.execute("BEGIN")
    first.execute(ROWS["log_group"].encode())
    first.execute("SELECT * FROM iasql_apply()")
    second = Statement(site, "SELECT action, table_name FROM iasql_sync()")
    wait_until("the notice", lambda: second.notices)
    first.execute("ROLLBACK")
    assert second.result() == [{"action": "create", "table_name": "log_group"}]
    assert site.one("SELECT count(*) FROM log_group") == 1


def test_a_second_apply_removes_what_the_first_left_by_its_rollback(
    site: Database, emulator: Emulator, cloud: Cloud
) -> None:
    first = site.connect()
    first.execute("BEGIN")
    first.execute(ROWS["vpc"].encode())
    first.execute("SELECT * FROM iasql_apply()")
    second = Statement(site, "SELECT action, table_name FROM iasql_apply()")
    wait_until("the notice", lambda: second.notices)
    first.execute("ROLLBACK")
    assert second.result() == [{"action": "delete", "table_name": "vpc"}]
    assert vpcs(cloud) == []


def test_a_call_waits_no_longer_than_lock_timeout(site: Database, emulator: Emulator) -> None:
    first = site.connect()
    first.execute("BEGIN")
    first.execute("SELECT * FROM iasql_apply()")
    since = emulator.mark()
    second = Statement(site, "SELECT * FROM iasql_apply()", options="-c lock_timeout=300")
    assert second.failure(5).sqlstate == "55P03"
    assert emulator.calls(since) == []
    # A plan needs no turn.
    assert site.sql("SELECT * FROM iasql_plan_apply()") == NOTHING
    first.execute("ROLLBACK")


def test_two_applies_at_once_make_everything_once(
    site: Database, emulator: Emulator, cloud: Cloud
) -> None:
    insert_all(site)
    since = emulator.mark()
    emulator.settings({"latency_ms": 50})
    calls = [Statement(site, "SELECT * FROM iasql_apply()") for _ in range(4)]
    counts = sorted(len(call.result()) for call in calls)
    assert counts == [0, 0, 0, len(ROWS)]
    assert sorted(changes(emulator, since)) == CREATES
    assert held(cloud) == ALL


@pytest.mark.parametrize("level", LEVELS[1:])
@pytest.mark.parametrize("function", ["iasql_apply", "iasql_sync"])
def test_a_snapshot_that_is_out_of_date_fails_before_any_change(
    site: Database, emulator: Emulator, cloud: Cloud, level: str, function: str
) -> None:
    site.sql("INSERT INTO log_group (log_group_name) VALUES ('first')")
    stale = site.connect()
    stale.execute(f"BEGIN ISOLATION LEVEL {level}".encode())
    stale.execute("SELECT count(*) FROM log_group")
    site.sql("SELECT * FROM iasql_apply()")
    since = emulator.mark()
    with pytest.raises(psycopg.errors.SerializationFailure):
        stale.execute(f"SELECT * FROM {function}()".encode())
    stale.execute("ROLLBACK")
    assert changes(emulator, since) == []
    # Told to try again, it succeeds.
    stale.execute(f"BEGIN ISOLATION LEVEL {level}".encode())
    assert stale.execute(f"SELECT * FROM {function}()".encode()).fetchall() == NOTHING
    stale.execute("COMMIT")
    assert log_groups(cloud) == ["first"]


# Edits while a call runs


def slow_apply(site: Database, emulator: Emulator) -> Statement:
    """An apply that is at its first change and will be for two seconds."""
    since = emulator.mark()
    emulator.faults([{"operation": "CreateVpc", "count": 1, "delay_ms": 2000}])
    call = Statement(site, "SELECT action, table_name FROM iasql_apply()")
    wait_until("CreateVpc", lambda: underway(emulator, since, operation="CreateVpc"))
    return call


#: An edit that another session commits meanwhile, and what a plan has to show after the apply.
EDITS: dict[str, tuple[str, str, str]] = {
    "of a row that is being made": (
        f"UPDATE vpc SET tags = '{{\"a\": \"1\"}}' WHERE cidr_block = '{RANGE}'",
        "update",
        "vpc",
    ),
    "of a fixed column of a row that is being made": (
        f"UPDATE vpc SET cidr_block = '10.8.0.0/16' WHERE cidr_block = '{RANGE}'",
        "replace",
        "vpc",
    ),
    "that deletes a row that is being made": (
        f"DELETE FROM vpc WHERE cidr_block = '{RANGE}'",
        "delete",
        "vpc",
    ),
    "of a row that is left alone": (
        "UPDATE log_group SET retention_in_days = 7 WHERE log_group_name = 'old'",
        "update",
        "log_group",
    ),
    "that deletes a row that is left alone": (
        "DELETE FROM log_group WHERE log_group_name = 'old'",
        "delete",
        "log_group",
    ),
    "of a row that is being changed": (
        "UPDATE log_group SET retention_in_days = 7 WHERE log_group_name = 'edited'",
        "update",
        "log_group",
    ),
    "that adds a row": (
        "INSERT INTO log_group (log_group_name) VALUES ('new')",
        "create",
        "log_group",
    ),
    "of a row that is being deleted": (
        "INSERT INTO log_group (log_group_name) VALUES ('deleted')",
        "create",
        "log_group",
    ),
}


@pytest.mark.parametrize("level", LEVELS[:2])
@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_during_an_apply_is_neither_lost_nor_half_applied(
    site: Database, emulator: Emulator, cloud: Cloud, edit: str, level: str
) -> None:
    sql, action, table = EDITS[edit]
    for name in "old", "edited", "deleted":
        site.sql("INSERT INTO log_group (log_group_name) VALUES (%s)", name)
    site.sql("SELECT * FROM iasql_apply()")
    site.sql("UPDATE log_group SET retention_in_days = 30 WHERE log_group_name = 'edited'")
    site.sql("DELETE FROM log_group WHERE log_group_name = 'deleted'")
    site.sql(ROWS["vpc"])
    since = emulator.mark()
    emulator.faults([{"operation": "CreateVpc", "count": 1, "delay_ms": 2000}])
    call = Statement(
        site,
        f"SET default_transaction_isolation = '{level.lower()}'",
        "SELECT action, table_name FROM iasql_apply()",
    )
    wait_until("CreateVpc", lambda: underway(emulator, since, operation="CreateVpc"))
    site.sql(sql)
    assert call.running
    call.wait()
    if level == "READ COMMITTED":
        assert sorted((line["action"], line["table_name"]) for line in call.result()) == [
            ("create", "vpc"),
            ("delete", "log_group"),
            ("update", "log_group"),
        ]
    elif call.error:
        # What the other session wrote stands in the way of what AWS filled in: told to try again.
        assert call.error.sqlstate == "40001"
    made = ["CreateVpc", "DeleteLogGroup", "PutRetentionPolicy"]
    assert sorted(changes(emulator, since)) == made
    since = emulator.mark()
    plan = site.sql("SELECT action, table_name FROM iasql_plan()")
    if action == "replace" and call.error:
        # What was made was made for a row that is no more: an orphan, and a row to be made.
        assert sorted(line["action"] for line in plan) == ["create", "delete"]
    else:
        steps = 2 if action == "replace" else 1
        assert plan == [{"action": action, "table_name": table}] * steps
    site.sql("SELECT * FROM iasql_apply()")
    assert site.sql("SELECT * FROM iasql_plan_apply()") == NOTHING
    assert changes(emulator, since).count("CreateVpc") == (action == "replace")
    ranges = sorted(
        vpc["CidrBlock"] for vpc in cloud.ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]
    )
    assert ranges == [
        row["it"] for row in site.sql("SELECT cidr_block AS it FROM vpc WHERE NOT is_default")
    ]
    names = [row["it"] for row in site.sql("SELECT log_group_name AS it FROM log_group ORDER BY 1")]
    assert log_groups(cloud) == names


@pytest.mark.parametrize(
    ("sql", "action"),
    [
        ("UPDATE log_group SET retention_in_days = 7 WHERE log_group_name = 'old'", "update"),
        ("UPDATE log_group SET retention_in_days = 7 WHERE log_group_name = 'theirs'", "update"),
        ("DELETE FROM log_group WHERE log_group_name = 'old'", "delete"),
        ("DELETE FROM log_group WHERE log_group_name = 'theirs'", "delete"),
        ("INSERT INTO log_group (log_group_name) VALUES ('new')", "create"),
    ],
)
def test_an_edit_during_a_sync_is_not_lost(
    site: Database, emulator: Emulator, cloud: Cloud, sql: str, action: str
) -> None:
    """Edits committed while a sync reads are newer than what it began with: they stand."""
    for name in "old", "theirs":
        site.sql("INSERT INTO log_group (log_group_name) VALUES (%s)", name)
    site.sql("SELECT * FROM iasql_apply()")
    # The sync has something to write to this row.
    cloud.logs.put_retention_policy(logGroupName="theirs", retentionInDays=90)
    since = emulator.mark()
    emulator.faults([{"operation": "DescribeLogGroups", "count": 1, "delay_ms": 2000}])
    call = Statement(site, "SELECT * FROM iasql_sync()")
    wait_until("a call", lambda: underway(emulator, since, operation="DescribeLogGroups"))
    # Its rows are read by then: the call and the reading of rows go side by side.
    wait_until("the rows", lambda: waiting(site, call.pid))
    site.sql(sql)
    assert call.running
    call.result()
    plan = site.sql("SELECT action, table_name FROM iasql_plan_apply()")
    assert plan == [{"action": action, "table_name": "log_group"}]
    site.sql("SELECT * FROM iasql_apply()")
    names = [row["it"] for row in site.sql("SELECT log_group_name AS it FROM log_group ORDER BY 1")]
    assert log_groups(cloud) == names
    assert site.sql("SELECT * FROM iasql_plan_apply()") == NOTHING


def waiting(db: Database, pid: int) -> bool:
    """Whether a backend waits for its worker."""
    state = db.server.query(f"SELECT wait_event_type FROM pg_stat_activity WHERE pid = {pid}")
    return state.strip() == "Extension"


# What is nobody's


def test_what_others_make_survives_every_apply(
    site: Database, emulator: Emulator, cloud: Cloud
) -> None:
    site.sql("INSERT INTO log_group (log_group_name) VALUES ('ours')")
    cloud.logs.create_log_group(logGroupName="theirs")
    vpc = cloud.ec2.create_vpc(CidrBlock=RANGE)["Vpc"]["VpcId"]
    cloud.ec2.create_security_group(GroupName="theirs", Description="theirs", VpcId=vpc)
    cloud.ecr.create_repository(repositoryName="theirs")
    since = emulator.mark()
    site.sql("SELECT * FROM iasql_apply()")
    site.sql("UPDATE log_group SET retention_in_days = 7 WHERE log_group_name = 'ours'")
    site.sql("SELECT * FROM iasql_apply()")
    site.sql("DELETE FROM log_group WHERE log_group_name = 'ours'")
    site.sql("SELECT * FROM iasql_apply()")
    assert changes(emulator, since) == ["CreateLogGroup", "PutRetentionPolicy", "DeleteLogGroup"]
    assert log_groups(cloud) == ["theirs"]
    assert len(vpcs(cloud)) == 1
    drift = site.sql("SELECT DISTINCT change, table_name, name FROM iasql_drift()")
    assert {line["change"] for line in drift} == {"unmanaged"}
    assert {"log_group", "vpc", "security_group", "repository"} <= {
        it["table_name"] for it in drift
    }
    site.sql("SELECT * FROM iasql_sync()")
    assert site.sql("SELECT log_group_name FROM log_group") == [{"log_group_name": "theirs"}]
    assert site.one("SELECT vpc_id FROM vpc WHERE cidr_block = %s", RANGE) == vpc
    assert site.one("SELECT count(*) FROM security_group WHERE group_name = 'theirs'") == 1
    assert site.sql("SELECT * FROM iasql_drift()") == NOTHING
    assert site.sql("SELECT * FROM iasql_plan_apply()") == NOTHING
    # A row now, it is the user's to delete.
    site.sql("DELETE FROM log_group")
    site.sql("SELECT * FROM iasql_apply()")
    assert log_groups(cloud) == []


def test_delete_all_records_and_back(site: Database, emulator: Emulator, cloud: Cloud) -> None:
    insert_all(site)
    site.sql("SELECT * FROM iasql_apply()")
    count = "SELECT sum((SELECT count(*) FROM vpc) + (SELECT count(*) FROM subnet))::int"
    before, since = site.one(count), emulator.mark()
    site.sql("SELECT delete_all_records()")
    plan = site.sql("SELECT action, table_name FROM iasql_plan_apply()")
    assert {line["action"] for line in plan} == {"delete"}
    assert sorted({line["table_name"] for line in plan} - {"security_group_rule"}) == sorted(ROWS)
    site.sql("SELECT * FROM iasql_sync()")
    assert (site.one(count), changes(emulator, since)) == (before, [])
    assert site.sql("SELECT * FROM iasql_plan_apply()") == NOTHING
    site.sql("SELECT delete_all_records()")
    site.sql("SELECT * FROM iasql_apply()")
    assert held(cloud) == NONE
    # AWS keeps these, so their rows are back.
    assert all(vpc["IsDefault"] for vpc in cloud.ec2.describe_vpcs()["Vpcs"])
    assert site.one(count) == before - 1
    assert site.sql("SELECT * FROM iasql_plan_apply()") == NOTHING


def test_an_install_in_a_transaction_rolls_back_with_it(
    db: Database, emulator: Emulator, cloud: Cloud
) -> None:
    objects = """SELECT (SELECT count(*) FROM pg_class) AS classes,
        (SELECT count(*) FROM pg_type) AS types,
        (SELECT count(*) FROM pg_proc) AS functions, (SELECT count(*) FROM iasql.module) AS modules,
        (SELECT count(*) FROM iasql.base) AS base, (SELECT count(*) FROM aws_regions) AS regions,
        (SELECT count(*) FROM iasql.account) AS accounts"""
    cloud.logs.create_log_group(logGroupName="theirs")
    before = db.sql(objects)
    db.sql("BEGIN")
    db.sql(f"SELECT * FROM iasql_install({MODULES})")
    assert db.one("SELECT count(*) FROM log_group") == 1
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('ours')")
    db.sql("SELECT * FROM iasql_apply()")
    db.sql("ROLLBACK")
    assert db.sql(objects) == before
    db.sql(f"SELECT * FROM iasql_install({MODULES})")
    # Imported as a row: it was there when the module came.
    assert db.sql("SELECT log_group_name FROM log_group ORDER BY 1") == [
        {"log_group_name": "ours"},
        {"log_group_name": "theirs"},
    ]
    assert db.sql("SELECT * FROM iasql_plan_apply()") == NOTHING


def test_the_extension_and_its_modules_can_come_in_one_transaction(
    empty_db: Database, emulator: Emulator, cloud: Cloud
) -> None:
    """As migration tools run it. To change the cloud takes a journal that outlives a rollback."""
    cloud.logs.create_log_group(logGroupName="theirs")
    since = emulator.mark()
    empty_db.sql("BEGIN")
    empty_db.sql("CREATE EXTENSION iasql")
    empty_db.sql(f"SELECT * FROM iasql_install({MODULES})")
    assert empty_db.one("SELECT count(*) FROM log_group") == 1
    insert_all(empty_db)
    assert len(empty_db.sql("SELECT * FROM iasql_plan_apply()")) == len(ROWS)
    empty_db.sql("SAVEPOINT here")
    error = empty_db.error("SELECT * FROM iasql_apply()")
    assert error.sqlstate == "55000" and "transaction" in (error.message or "")
    empty_db.sql("ROLLBACK TO here")
    assert changes(emulator, since) == []
    empty_db.sql("COMMIT")
    empty_db.sql("SELECT * FROM iasql_apply()")
    assert held(cloud) == ALL | {"log_group": 2}
    assert empty_db.sql("SELECT * FROM iasql_plan_apply()") == NOTHING


# Many sessions


class Roomy(Server):
    """A server with as many worker slots as asked for."""

    slots = 80

    def _run(self, program: str, *arguments: str) -> None:
        slots = "max_worker_processes="
        enough = [it.replace(f"{slots}32", f"{slots}{self.slots}") for it in arguments]
        assert (
            program != "pg_ctl"
            or "start" not in enough
            or any(str(self.slots) in it for it in enough)
        )
        super()._run(program, *enough)


@pytest.fixture(params=[80, 16])
def roomy(request: pytest.FixtureRequest, server: Server, cloud: Cloud) -> Iterator[Roomy]:
    # Below the server's own directory, which its user can reach.
    directory = Path(server.state.directory) / f"roomy-{request.param}"
    state = State(directory)
    state.create()
    roomy = Roomy(state, server.environment)
    roomy.slots = request.param
    try:
        roomy.create()
        roomy.start()
        roomy.query("CREATE DATABASE many")
        yield roomy
    finally:
        roomy.stop("immediate")
        state.remove()


@pytest.mark.timeout(180)
def test_64_sessions_plan_at_once(roomy: Roomy, emulator: Emulator, cloud: Cloud) -> None:
    db = Database(roomy, "many")
    try:
        db.sql("CREATE EXTENSION iasql")
        db.sql("SELECT * FROM iasql_install('aws_cloudwatch')")
        db.sql(ROWS["log_group"])
        log = roomy.mark()
        gate = threading.Barrier(64, timeout=60)
        outcomes: list[list[dict[str, Any]] | psycopg.Error] = []

        def plan() -> None:
            with psycopg.connect(roomy.url("many"), autocommit=True) as connection:
                gate.wait()
                try:
                    rows = connection.execute("SELECT action, table_name FROM iasql_plan_apply()")
                    outcomes.append([dict(it=row) for row in rows.fetchall()])
                except psycopg.Error as error:
                    outcomes.append(error)

        threads = [threading.Thread(target=plan, daemon=True) for _ in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert len(outcomes) == 64
        good = [outcome for outcome in outcomes if isinstance(outcome, list)]
        bad = [outcome for outcome in outcomes if isinstance(outcome, psycopg.Error)]
        assert good == [[{"it": ("create", "log_group")}]] * len(good)
        assert {error.sqlstate for error in bad} <= {"53400"}
        for error in bad:
            assert "no worker slot is free" in str(error)
            assert "max_worker_processes" in (error.diag.message_hint or "")
        assert len(good) >= 8
        if roomy.slots == 80:
            assert bad == []
        assert "terminated by signal" not in roomy.log(log)
        wait_until("the end of the workers", lambda: not roomy.workers())
        assert len(db.sql("SELECT * FROM iasql_plan_apply()")) == 1
    finally:
        db.close()
