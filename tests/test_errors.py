"""What users are told when something is wrong: an SQLSTATE of its kind, a message that suffices by
itself, and what to do; at the earliest point, before any call that changes the cloud."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest
from conftest import Cloud, Database, SqlError
from support import (
    ACCOUNT,
    OTHER_ACCOUNT,
    WRONG_KEY,
    FurtherServer,
    apply,
    changing_calls,
    fresh_database,
    group_id,
    in_background,
    install,
    log_groups,
    nothing_changes,
    plan,
    policy,
    push,
    reports,
    repositories,
    running,
    sync,
)
from testbed import REGION, Emulator, Server, free_port, server_environment, wait_until

if TYPE_CHECKING:
    from testbed import Testbed  # at run time pytest would take it for a class of tests

CALLS = [
    "iasql_plan_apply()",
    "iasql_apply()",
    "iasql_plan_sync()",
    "iasql_sync()",
    "iasql_plan()",
    "iasql_drift()",
]


def refused(db: Database, statement: str, sqlstate: str, *words: str, hint: str = "") -> SqlError:
    """The error of a statement, which must have this code and say these words."""
    error = db.error(statement)
    assert error.sqlstate == sqlstate, error
    for word in words:
        assert error.message and word in error.message, error
    assert hint in (error.hint or ""), error
    return error


# Modules


@pytest.mark.parametrize(
    ("given", "meant"),
    [("aws_erc", "aws_ecr"), ("aws_cloudwach@0.1.0", "aws_cloudwatch"), ("ecr", "aws_ecr")],
)
def test_an_unknown_module_is_answered_with_what_may_be_meant(
    db: Database, emulator: Emulator, given: str, meant: str
) -> None:
    mark = emulator.mark()
    error = db.error("SELECT * FROM iasql_install('aws_vpc', %s)", given)
    assert error.sqlstate == "42704"
    name = given.partition("@")[0]
    assert error.message == f'there is no module "{name}". Did you mean "{meant}"?'
    assert error.hint == "SELECT * FROM iasql_modules_list() shows them all."
    assert emulator.calls(mark) == []
    assert db.sql("SELECT * FROM iasql_modules_installed()") == []


def test_a_module_that_is_like_no_other_is_simply_unknown(db: Database) -> None:
    error = db.error("SELECT * FROM iasql_install('something_else_entirely')")
    assert (error.sqlstate, error.message) == (
        "42704",
        'there is no module "something_else_entirely"',
    )


@pytest.mark.parametrize(
    ("obstacle", "named"),
    [
        ("CREATE TABLE subnet (x int)", "table public.subnet"),
        ("CREATE VIEW vpc AS SELECT 1 AS x", "view public.vpc"),
        ("CREATE TYPE vpc_state_enum AS ENUM ('here')", "type public.vpc_state_enum"),
        ("CREATE SEQUENCE vpc", "sequence public.vpc"),
    ],
)
def test_what_is_in_the_way_is_named_before_anything_is_created(
    db: Database, emulator: Emulator, obstacle: str, named: str
) -> None:
    db.sql(obstacle)
    mark = emulator.mark()
    error = refused(db, "SELECT * FROM iasql_install('aws_security_group')", "42P07", named)
    assert "nothing was installed" in (error.message or "")
    assert error.hint == "Rename it, or move it to another schema."
    assert emulator.calls(mark) == []
    assert db.sql("SELECT * FROM iasql_modules_installed()") == []
    tables = db.one("SELECT count(*) FROM pg_class WHERE relname IN ('security_group', 'vpc', 'subnet') AND relkind = 'r'")
    assert tables == (1 if "TABLE" in obstacle else 0)


def test_a_table_that_was_altered_is_refused_before_any_call(
    db: Database, emulator: Emulator
) -> None:
    install(db, "aws_cloudwatch")
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('web')")
    apply(db)
    db.sql("ALTER TABLE log_group RENAME COLUMN retention_in_days TO days")
    mark = emulator.mark()
    for call in CALLS:
        refused(
            db,
            f"SELECT * FROM {call}",
            "42P16",
            'table "log_group" lacks its column "retention_in_days"',
            hint="Undo that change",
        )
    assert emulator.calls(mark) == []


def test_a_table_that_was_dropped_does_not_look_like_deleted_rows(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_cloudwatch")
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('web')")
    apply(db)
    db.sql("DROP TABLE log_group")
    with nothing_changes(emulator):
        refused(db, "SELECT * FROM iasql_apply()", "42P16", 'table "log_group"', "is gone")
    assert log_groups(cloud) == ["web"]


# Rows


@pytest.fixture
def full(db: Database, cloud: Cloud) -> Database:
    """All modules, and a row in most tables."""
    install(db)
    db.sql("""
        INSERT INTO log_group (log_group_name) VALUES ('web');
        INSERT INTO repository (repository_name) VALUES ('web'), ('api');
        INSERT INTO public_repository (repository_name) VALUES ('web-public');
        INSERT INTO vpc (cidr_block) VALUES ('10.1.0.0/16');
        INSERT INTO subnet (vpc_id, cidr_block)
        SELECT id, '10.1.1.0/24' FROM vpc WHERE NOT is_default;
        INSERT INTO security_group (group_name) VALUES ('web');
        INSERT INTO security_group_rule (security_group_id, is_egress, ip_protocol, cidr_ipv4)
        SELECT id, true, '-1', '0.0.0.0/0' FROM security_group WHERE group_name = 'web';
    """)
    db.sql(
        "INSERT INTO repository_policy (repository_name, policy_text) VALUES ('web', %s)",
        json.dumps(policy()),
    )
    apply(db)
    push(cloud, "web", "v1")
    sync(db)
    return db


OWNED = {
    "log_group": ["log_group_arn", "creation_time"],
    "repository": ["repository_arn", "registry_id", "repository_uri", "created_at"],
    "public_repository": ["repository_arn", "registry_id", "repository_uri", "created_at"],
    "repository_policy": ["registry_id"],
    "vpc": ["vpc_id", "state", "is_default"],
    "subnet": ["subnet_id", "subnet_arn", "state", "available_ip_address_count", "owner_id"],
    "security_group": ["group_id", "owner_id"],
    "security_group_rule": ["security_group_rule_id"],
}
OTHER_VALUE = {
    "creation_time": "'2020-01-01'",
    "created_at": "'2020-01-01'",
    "state": "'pending'",
    "is_default": "true",
    "available_ip_address_count": "1",
}
NEW_ROW = {
    "log_group": {"log_group_name": "'new'"},
    "repository": {"repository_name": "'new'"},
    "public_repository": {"repository_name": "'new'"},
    "repository_policy": {
        "repository_name": "'api'",
        "policy_text": f"'{json.dumps(policy())}'",
    },
    "vpc": {"cidr_block": "'10.2.0.0/16'"},
    "subnet": {
        "vpc_id": "(SELECT id FROM vpc WHERE NOT is_default)",
        "cidr_block": "'10.1.2.0/24'",
    },
    "security_group": {"group_name": "'new'"},
    "security_group_rule": {
        "security_group_id": "(SELECT id FROM security_group WHERE group_name = 'web')",
        "is_egress": "false",
        "ip_protocol": "'tcp'",
        "from_port": "1",
        "to_port": "1",
        "cidr_ipv4": "'10.0.0.0/8'",
    },
}


def insert(table: str, **values: str) -> str:
    """An INSERT of a row that is in order, but for these values."""
    row = NEW_ROW[table] | values
    row = {column: value for column, value in row.items() if value}
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})"


def test_what_aws_owns_can_not_be_written(full: Database, emulator: Emulator) -> None:
    mark = emulator.mark()
    for table, columns in OWNED.items():
        for column in columns:
            value = OTHER_VALUE.get(column, "'mine'")
            for statement in (
                insert(table, **{column: value}),
                f"UPDATE {table} SET {column} = {value}",
            ):
                error = full.error(statement)
                assert error.sqlstate == "428C9", (statement, error)
                assert error.message == (
                    f'column "{column}" of table "{table}" is filled by AWS and can\'t be written'
                )
                assert error.hint == f'Leave "{column}" out, or give it NULL.'
    for table in NEW_ROW:
        full.sql("BEGIN")
        full.sql(insert(table))
        full.sql("ROLLBACK")
    assert emulator.calls(mark) == []
    assert plan(full) == []


def test_images_come_from_aws_and_can_only_be_deleted(full: Database, cloud: Cloud) -> None:
    told = 'rows of "repository_image" come from AWS: they can be read and deleted, not written'
    for statement in (
        "INSERT INTO repository_image DEFAULT VALUES",
        "UPDATE repository_image SET region = region",
    ):
        error = full.error(statement)
        assert (error.sqlstate, error.message) == ("0A000", told)
        assert error.hint == "SELECT * FROM iasql_sync() brings new ones in."
    full.sql("DELETE FROM repository_image")
    apply(full)
    assert cloud.ecr.describe_images(repositoryName="web")["imageDetails"] == []


BAD_ROWS = [
    # Names that AWS would refuse.
    ("log_group", {"log_group_name": "'a b'"}, "23514", "log_group_name", "Write it like"),
    ("log_group", {"log_group_name": "''"}, "23514", "log_group_name", "Write it like"),
    ("log_group", {"log_group_name": "repeat('a', 513)"}, "23514", "log_group_name", "1 to 512"),
    ("log_group", {"log_group_name": "'aws/mine'"}, "23514", "aws/", "/aws/"),
    ("repository", {"repository_name": "'Web'"}, "23514", "repository_name", "Write it like"),
    ("repository", {"repository_name": "'a'"}, "23514", "repository_name", "Write it like"),
    ("repository", {"repository_name": "'web//api'"}, "23514", "repository_name", ""),
    ("repository", {"repository_name": "repeat('a', 257)"}, "23514", "repository_name", ""),
    ("public_repository", {"repository_name": "'We b'"}, "23514", "repository_name", ""),
    ("public_repository", {"repository_name": "repeat('a', 206)"}, "23514", "2 to 205", ""),
    ("security_group", {"group_name": "'sg-mine'"}, "23514", "sg-", "another name"),
    ("security_group", {"group_name": "'Default'"}, "23514", "default", "default"),
    ("security_group", {"group_name": "'grüppe'"}, "23514", "group_name", "Write it like"),
    ("security_group", {"group_name": "repeat('a', 256)"}, "23514", "group_name", ""),
    ("security_group", {"group_name": "' web'"}, "23514", "group_name", ""),
    ("security_group", {"description": "'what?'"}, "23514", "description", ""),
    # Values that AWS would refuse.
    ("log_group", {"retention_in_days": "2"}, "23514", "retention_in_days", "3653"),
    ("log_group", {"kms_key_id": "'alias/mine'"}, "23514", "kms_key_id", "arn:aws:kms"),
    ("log_group", {"tags": "'[]'"}, "23514", "tags", "Write it like"),
    ("log_group", {"tags": "'{\"a\": 1}'"}, "23514", "tags", "Write it like"),
    ("log_group", {"tags": "'{\"aws:a\": \"b\"}'"}, "23514", "tags", "other tags"),
    ("log_group", {"log_group_class": "'CHEAP'"}, "22P02", "CHEAP", ""),
    ("repository", {"image_tag_mutability": "'MAYBE'"}, "22P02", "MAYBE", ""),
    ("repository", {"kms_key": "'mine'"}, "23514", "kms_key", "arn:aws:kms"),
    # Policies.
    ("repository_policy", {"policy_text": "'{}'"}, "23514", "policy_text", "Statement"),
    ("repository_policy", {"policy_text": "'[]'"}, "23514", "policy_text", "Statement"),
    ("repository_policy", {"policy_text": "'1'"}, "23514", "policy_text", "Statement"),
    ("repository_policy", {"policy_text": "'{\"Statement\": []}'"}, "23514", "policy_text", ""),
    (
        "repository_policy",
        {"policy_text": "'{\"Statement\": [{\"Effect\": \"Maybe\", \"Action\": \"x\"}]}'"},
        "23514",
        "policy_text",
        "Statement",
    ),
    (
        "repository_policy",
        {"policy_text": "'{\"Statement\": [{\"Effect\": \"Allow\", \"Action\": \"ecr:*\"}]}'"},
        "23514",
        "policy_text",
        "Principal",
    ),
    ("repository_policy", {"policy_text": "'\"{oops\"'"}, "22P02", "policy_text", "Write the document"),
    ("repository_policy", {"repository_name": "'nothing'"}, "23503", "repository", ""),
    # Ranges.
    ("vpc", {"cidr_block": "'10.2.0.1/16'"}, "22P02", 'write "10.2.0.0/16"', "10.2.0.0/16"),
    ("vpc", {"cidr_block": "'10.2.0.0/8'"}, "22P02", '"10.0.0.0/8"', ""),
    ("vpc", {"cidr_block": "'10.0.0.0/8'"}, "23514", "/16 to /28", "10.0.0.0/16"),
    ("vpc", {"cidr_block": "'2001:db8::/32'"}, "23514", "IPv4", ""),
    ("vpc", {"cidr_block": "'everywhere'"}, "22P02", '"everywhere"', "10.0.0.0/16"),
    ("vpc", {"cidr_block": "NULL"}, "23502", "cidr_block", ""),
    ("vpc", {"enable_dns_support": "false", "enable_dns_hostnames": "true"}, "23514", "enable_dns_hostnames", ""),
    ("subnet", {"cidr_block": "'10.1.2.3/24'"}, "22P02", 'write "10.1.2.0/24"', ""),
    ("subnet", {"availability_zone": "'eu-west-1a'"}, "23514", "availability_zone", "us-east-1a"),
    ("subnet", {"vpc_id": "4711"}, "23503", "vpc", ""),
    # Rules.
    (
        "security_group_rule",
        {"source_security_group": "(SELECT id FROM security_group WHERE group_name = 'web')"},
        "23514",
        "exactly one of cidr_ipv4, cidr_ipv6, prefix_list_id and source_security_group",
        "Set one of the four",
    ),
    ("security_group_rule", {"cidr_ipv4": ""}, "23514", "exactly one of", "0.0.0.0/0"),
    ("security_group_rule", {"cidr_ipv6": "'::/0'"}, "23514", "exactly one of", ""),
    ("security_group_rule", {"cidr_ipv4": "'10.0.0.1/8'"}, "22P02", 'write "10.0.0.0/8"', ""),
    ("security_group_rule", {"cidr_ipv4": "'::/0'"}, "23514", "cidr_ipv4", "cidr_ipv6"),
    ("security_group_rule", {"to_port": ""}, "23514", "from_port and to_port", ""),
    ("security_group_rule", {"from_port": "2"}, "23514", "from_port", "65535"),
    ("security_group_rule", {"to_port": "65536"}, "23514", "65535", ""),
    ("security_group_rule", {"ip_protocol": "'6'"}, "23514", "ip_protocol", "tcp"),
    ("security_group_rule", {"ip_protocol": "'http'"}, "23514", "ip_protocol", "tcp"),
    ("security_group_rule", {"ip_protocol": "'-1'"}, "23514", "ports", "from_port"),
    ("security_group_rule", {"description": "'ß'"}, "23514", "description", ""),
    ("security_group_rule", {"prefix_list_id": "'x'", "cidr_ipv4": ""}, "23514", "prefix_list_id", "pl-"),
    # Regions.
    ("log_group", {"region": "'us-east-9'"}, "22023", 'region "us-east-9" does not exist', "aws_regions"),
    ("log_group", {"region": "'eu-west-1'"}, "55000", 'region "eu-west-1" is not enabled in this database: UPDATE aws_regions SET is_enabled = true', "iasql_sync()"),
]


def test_a_bad_row_is_refused_as_it_is_written(full: Database, emulator: Emulator) -> None:
    mark = emulator.mark()
    wrong = []
    for table, values, sqlstate, word, hint in BAD_ROWS:
        statement = insert(table, **values)
        full.sql("BEGIN")
        try:
            full.sql(statement)
        except psycopg.Error as raised:
            error = SqlError.of(raised)
            said = word in (error.message or "") and hint in (
                (error.hint or "") + (error.message or "")
            )
            if error.sqlstate != sqlstate or not said:
                wrong.append((statement, error))
        else:
            wrong.append((statement, "no error"))
        full.sql("ROLLBACK")
    assert not wrong, "\n".join(map(str, wrong))
    assert emulator.calls(mark) == []
    assert plan(full) == []


def test_an_update_is_held_to_the_same_rules(full: Database, emulator: Emulator) -> None:
    mark = emulator.mark()
    for statement, sqlstate, word in (
        ("UPDATE log_group SET log_group_name = 'a b'", "23514", "log_group_name"),
        ("UPDATE repository SET repository_name = 'Web' WHERE repository_name = 'api'", "23514", "repository_name"),
        ("UPDATE vpc SET cidr_block = '10.1.0.1/16'", "22P02", 'write "10.1.0.0/16"'),
        ("UPDATE repository_policy SET policy_text = '{}'", "23514", "policy_text"),
        ("UPDATE security_group_rule SET cidr_ipv6 = '::/0'", "23514", "exactly one of"),
        ("UPDATE log_group SET region = 'nowhere-1'", "22023", 'region "nowhere-1" does not exist'),
    ):
        refused(full, statement, sqlstate, word)
    assert emulator.calls(mark) == []


def test_a_name_that_is_taken_is_refused_by_the_table(full: Database) -> None:
    refused(full, insert("log_group", log_group_name="'web'"), "23505", "log_group_region_log_group_name")


def test_what_is_referred_to_can_not_be_deleted_from_the_table(full: Database) -> None:
    refused(full, "DELETE FROM vpc WHERE NOT is_default", "23503", "subnet")
    refused(full, "DELETE FROM repository WHERE repository_name = 'web'", "23503", "repository_")


def test_regions_can_not_be_made_or_unmade(full: Database) -> None:
    told = "regions are AWS's: they can be enabled and disabled, not removed or renamed"
    for statement in (
        "DELETE FROM aws_regions WHERE region = 'eu-west-1'",
        "UPDATE aws_regions SET region = 'us-east-9' WHERE region = 'eu-west-1'",
    ):
        error = refused(full, statement, "0A000", told)
        assert error.hint and "is_enabled = true" in error.hint


def test_there_is_one_default_region_at_most(full: Database) -> None:
    """Rows may be inserted, since a dump does; but not a second default."""
    for statement in (
        "INSERT INTO aws_regions VALUES ('us-east-9', true, true)",
        "UPDATE aws_regions SET is_default = true",
    ):
        full.sql("BEGIN")
        try:
            full.sql(statement)
        except psycopg.Error:
            full.sql("ROLLBACK")
        assert full.one("SELECT count(*) FROM aws_regions WHERE is_default") == 1
        full.sql("ROLLBACK")


def test_a_default_region_that_does_not_exist_is_refused(full: Database) -> None:
    refused(
        full,
        "SELECT default_aws_region('us-east-9')",
        "22023",
        'region "us-east-9" does not exist in this account',
        hint="aws_regions",
    )
    assert full.one("SELECT default_aws_region()") == REGION


def test_without_a_default_region_rows_say_what_to_do(db: Database) -> None:
    refused(
        db, "SELECT default_aws_region()", "55000", "no default region is set yet", "install a module"
    )


def test_a_plan_that_can_not_be_carried_out_is_refused_before_any_change(
    full: Database, cloud: Cloud, emulator: Emulator
) -> None:
    full.sql("UPDATE aws_regions SET is_enabled = true WHERE region = 'eu-west-1'")
    full.sql("""
        INSERT INTO subnet (vpc_id, cidr_block, region)
        SELECT id, '10.1.2.0/24', 'eu-west-1' FROM vpc WHERE NOT is_default
    """)
    with nothing_changes(emulator):
        for call in "iasql_plan_apply()", "iasql_plan()", "iasql_apply()":
            error = full.error(f"SELECT * FROM {call}")
            assert error.message and "eu-west-1" in error.message and "us-east-1" in error.message


def test_two_rows_for_the_same_group_are_refused_before_any_change(
    full: Database, emulator: Emulator
) -> None:
    """One names the default VPC, one leaves it to AWS: no constraint sees that they are the same."""
    full.sql("""
        INSERT INTO security_group (group_name, vpc_id) VALUES ('twin', NULL);
        INSERT INTO security_group (group_name, vpc_id) SELECT 'twin', id FROM vpc WHERE is_default;
    """)
    with nothing_changes(emulator):
        error = refused(full, "SELECT * FROM iasql_apply()", "55000", "security_group twin")
    assert "describes the same thing as row" in (error.message or "")


def test_a_repository_with_images_is_refused_with_the_way_to_delete_them(
    full: Database, cloud: Cloud
) -> None:
    """Pushed after the last sync, so that no row is in the way."""
    push(cloud, "api", "v1")
    full.sql("DELETE FROM repository WHERE repository_name = 'api'")
    error = full.error("SELECT * FROM iasql_apply()")
    assert error.message and "api still holds images" in error.message
    assert "DELETE FROM repository_image WHERE repository_name = 'api'" in error.message
    assert "api" in repositories(cloud)


# Credentials, endpoint, account


ANY_CALL = ["iasql_install('aws_cloudwatch')", "iasql_whoami()"]


def test_without_credentials_the_error_says_where_to_put_them(
    testbed: Testbed, cloud: Cloud, emulator: Emulator
) -> None:
    environment = {
        name: value
        for name, value in emulator.environment.items()
        if name not in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    }
    further = FurtherServer(testbed, "no_credentials", server_environment(environment))
    with running(further) as server, fresh_database(server) as db:
        for call in ANY_CALL:
            error = refused(db, f"SELECT * FROM {call}", "HV00N", "no AWS credentials found")
            assert error.hint and "environment variables" in error.hint
            assert "iasql.profile" in error.hint
        assert db.sql("SELECT * FROM iasql_modules_installed()") == []
        assert emulator.calls() == []


def test_a_region_of_the_environment_that_does_not_exist_has_no_endpoint(
    testbed: Testbed, cloud: Cloud, emulator: Emulator
) -> None:
    """At AWS itself: its names of hosts hold the region. Nothing is sent without such a host."""
    environment = emulator.environment | {"AWS_REGION": "us-nowhere-1"}
    del environment["AWS_ENDPOINT_URL"]
    further = FurtherServer(testbed, "no_region", server_environment(environment))
    with running(further) as server, fresh_database(server) as db:
        error = refused(
            db,
            "SELECT * FROM iasql_install('aws_cloudwatch')",
            "08006",
            "https://sts.us-nowhere-1.amazonaws.com",
        )
        assert error.hint and error.hint.startswith("Check the region's name")
        assert db.sql("SELECT * FROM aws_regions") == []


def test_wrong_credentials_are_named_before_anything_is_changed(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_cloudwatch")
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('web')")
    emulator.faults([WRONG_KEY])
    with nothing_changes(emulator):
        for call in [*CALLS, *ANY_CALL[1:], "iasql_install('aws_vpc')"]:
            error = refused(db, f"SELECT * FROM {call}", "HV00N", "InvalidClientTokenId")
            assert error.hint and "iasql_whoami()" in error.hint
            assert error.detail and "service: sts, operation: GetCallerIdentity" in error.detail
            assert "request id: " in error.detail
    emulator.faults([])
    apply(db)
    assert log_groups(cloud) == ["web"]


def test_expired_credentials_are_named(db: Database, cloud: Cloud, emulator: Emulator) -> None:
    install(db, "aws_cloudwatch")
    emulator.faults([{"expired": True}])
    error = refused(db, "SELECT * FROM iasql_apply()", "HV00N", "Expired")
    assert error.hint and "Renew them" in error.hint


def test_an_endpoint_that_is_down_is_named(db: Database, cloud: Cloud, emulator: Emulator) -> None:
    install(db, "aws_cloudwatch")
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('web')")
    endpoint = f"http://127.0.0.1:{free_port()}"
    db.sql(f"SET iasql.endpoint_url = '{endpoint}'")
    for call in CALLS:
        refused(db, f"SELECT * FROM {call}", "08006", endpoint, "refused", hint=endpoint)
    assert db.one("SELECT log_group_name FROM log_group") == "web"
    db.sql("RESET iasql.endpoint_url")
    apply(db)
    assert log_groups(cloud) == ["web"]


@pytest.mark.parametrize(
    "url", ["127.0.0.1:5000", "ftp://example.com", "http://169.254.169.254/latest", "http://"]
)
def test_an_endpoint_that_makes_no_sense_is_refused_before_anything_is_signed(
    db: Database, emulator: Emulator, url: str
) -> None:
    mark = emulator.mark()
    db.sql(f"SET iasql.endpoint_url = '{url}'")
    error = refused(db, "SELECT * FROM iasql_whoami()", "22023", "iasql.endpoint_url")
    assert error.hint == "Write it as http://host:port or https://host."
    assert emulator.calls(mark) == []


def test_another_accounts_credentials_are_refused_before_anything_is_used(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db)
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('web')")
    apply(db)
    db.sql("DELETE FROM log_group")
    db.sql(f"SET iasql.assume_role_arn = 'arn:aws:iam::{OTHER_ACCOUNT}:role/other'")
    assert db.one("SELECT account FROM iasql_whoami()") == OTHER_ACCOUNT
    mark = emulator.mark()
    for call in CALLS:
        error = refused(db, f"SELECT * FROM {call}", "55000", ACCOUNT, OTHER_ACCOUNT)
        assert error.message == (
            f"this database describes AWS account {ACCOUNT}, but the credentials are for "
            f"{OTHER_ACCOUNT}: nothing was taken from there or changed"
        )
        assert error.hint and f"credentials for {ACCOUNT}" in error.hint
    assert changing_calls(emulator, mark) == []
    db.sql("RESET iasql.assume_role_arn")
    assert log_groups(cloud) == ["web"]
    assert [line[0] for line in apply(db)] == ["delete"]


# Servers


def test_without_a_worker_slot_the_error_names_the_setting(
    testbed: Testbed, cloud: Cloud, emulator: Emulator
) -> None:
    environment = server_environment(emulator.environment)
    # The one there is goes to PostgreSQL's own launcher of logical replication.
    further = FurtherServer(testbed, "no_worker", environment, max_worker_processes="1")
    with running(further) as server, fresh_database(server) as db:
        for call in ANY_CALL:
            error = refused(db, f"SELECT * FROM {call}", "53400", "no worker slot is free")
            assert error.message and "max_worker_processes" in error.message
            assert error.hint and "raise max_worker_processes" in error.hint
        assert emulator.calls() == []


def test_a_hot_standby_refuses_to_plan_and_to_apply(
    testbed: Testbed, server: Server, db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_cloudwatch")
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('web')")
    further = FurtherServer(testbed, "standby", server_environment(emulator.environment))
    with running(further, of=server) as standby:
        there = Database(standby, db.name)
        try:
            assert there.one("SELECT pg_is_in_recovery()")
            assert there.one("SELECT log_group_name FROM log_group") == "web"
            mark = emulator.mark()
            for call in [*CALLS, "iasql_whoami()", "iasql_install('aws_vpc')"]:
                error = refused(there, f"SELECT * FROM {call}", "25006", "standby")
                assert error.hint == "Connect to the primary server."
            assert there.one("SELECT iasql_version()") == "0.1.0"
            assert len(there.sql("SELECT * FROM iasql_modules_installed()")) == 1
            assert emulator.calls(mark) == []
        finally:
            there.close()
    apply(db)
    assert log_groups(cloud) == ["web"]


def test_a_read_only_transaction_can_plan_but_not_apply(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_cloudwatch")
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('web')")
    db.sql("SET default_transaction_read_only = on")
    with nothing_changes(emulator):
        assert plan(db) == [("create", "log_group", "web")]
        assert refused(db, "SELECT * FROM iasql_apply()", "25006")
        assert refused(db, "SELECT * FROM iasql_sync()", "25006")


# Two at once


def test_a_second_apply_waits_and_says_for_whom(db: Database, cloud: Cloud) -> None:
    install(db, "aws_cloudwatch")
    first = db.connect(autocommit=False)
    pid = first.info.backend_pid
    first.execute("INSERT INTO log_group (log_group_name) VALUES ('first')")
    first.execute("SELECT * FROM iasql_apply()")
    assert log_groups(cloud) == ["first"]

    db.sql("INSERT INTO log_group (log_group_name) VALUES ('second')")
    finished = in_background(lambda: apply(db))
    wait_until("a notice", lambda: any("waiting for process" in n for n in db.notices))
    (told,) = [notice for notice in db.notices if "waiting for process" in notice]
    assert told.startswith(f"waiting for process {pid} (postgres, in its transaction since 20")
    assert log_groups(cloud) == ["first"]
    first.commit()
    assert [line[:2] for line in finished()] == [("create", "log_group")]
    assert log_groups(cloud) == ["first", "second"]
    assert plan(db) == []


def test_a_second_apply_that_may_not_wait_fails_and_changes_nothing(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_cloudwatch")
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('web')")
    first = db.connect(autocommit=False)
    first.execute("SELECT * FROM iasql_apply()")
    mark = emulator.mark()
    db.sql("SET lock_timeout = '200ms'")
    for call in "iasql_apply()", "iasql_sync()", "iasql_install('aws_vpc')":
        db.notices.clear()
        refused(db, f"SELECT * FROM {call}", "55P03", "lock timeout")
        assert any(f"waiting for process {first.info.backend_pid} " in n for n in db.notices)
    assert emulator.calls(mark) == []
    first.commit()
    assert plan(db) == []
    assert log_groups(cloud) == ["web"]


def test_a_third_apply_is_told_of_the_one_at_work_not_of_the_one_that_waits(
    db: Database, cloud: Cloud
) -> None:
    install(db, "aws_cloudwatch")
    early = db.connect(autocommit=False)
    early.execute("SELECT 1")
    holder = db.connect(autocommit=False)
    holder.execute("SELECT * FROM iasql_apply()")
    waited = in_background(lambda: early.execute("SELECT * FROM iasql_apply()"))
    wait_until("the second", lambda: any("waiting for process" in n for n in db.notices))
    db.notices.clear()
    db.sql("SET lock_timeout = '200ms'")
    refused(db, "SELECT * FROM iasql_apply()", "55P03")
    assert any(f"waiting for process {holder.info.backend_pid} " in n for n in db.notices), (
        db.notices
    )
    holder.commit()
    waited()
    early.commit()


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_under_a_snapshot_that_is_too_old_an_apply_fails_before_any_call(
    db: Database, cloud: Cloud, emulator: Emulator, level: str
) -> None:
    install(db, "aws_cloudwatch")
    late = db.connect(autocommit=False)
    late.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
    late.execute("SELECT * FROM log_group")
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('web')")
    apply(db)
    mark = emulator.mark()
    with pytest.raises(psycopg.errors.SerializationFailure):
        late.execute("SELECT * FROM iasql_apply()")
    assert emulator.calls(mark) == []


# Part of it fails


def test_a_partial_failure_lists_all_that_failed_and_the_rest_is_done(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_ecr", "aws_cloudwatch")
    db.sql("""
        INSERT INTO log_group (log_group_name) VALUES ('good'), ('better');
        INSERT INTO repository (repository_name) VALUES ('fine'), ('bad-1'), ('bad-2');
    """)
    db.sql(
        "INSERT INTO repository_policy (repository_name, policy_text) VALUES ('bad-1', %s)",
        json.dumps(policy()),
    )
    emulator.faults(
        [
            {
                "operation": "CreateRepository",
                "body": "bad-",
                "status": 400,
                "code": "LimitExceededException",
                "message": "too many repositories",
            }
        ]
    )
    error = db.error("SELECT * FROM iasql_apply()")
    assert error.sqlstate == "38000"
    assert error.message == (
        "2 of 6 changes failed, 1 that wait for them were not tried: create repository bad-1 in "
        "us-east-1: ecr CreateRepository refused: LimitExceededException: too many repositories"
    )
    detail = (error.detail or "").splitlines()
    assert len(detail) == 3
    calls = {
        call["parameters"]["repositoryName"]: call
        for call in emulator.calls(operation="CreateRepository")
    }
    assert set(calls) == {"fine", "bad-1", "bad-2"}
    for line, name in zip(detail, ["bad-1", "bad-2"], strict=False):
        assert line.startswith(f"create repository {name} in us-east-1: ecr CreateRepository refused")
        assert "LimitExceededException" in line and "(request id " in line
    assert detail[2] == (
        "create repository_policy bad-1 in us-east-1: not tried, since it waits for: "
        "create repository bad-1 in us-east-1"
    )
    assert error.hint and "the next iasql_apply() does what is left" in error.hint
    assert (log_groups(cloud), repositories(cloud)) == (["better", "good"], ["fine"])

    emulator.faults([])
    mark = emulator.mark()
    assert sorted(line[:2] for line in plan(db)) == [
        ("create", "repository"),
        ("create", "repository"),
        ("create", "repository_policy"),
    ]
    apply(db)
    assert sorted(changing_calls(emulator, mark)) == [
        "CreateRepository",
        "CreateRepository",
        "SetRepositoryPolicy",
    ]
    assert repositories(cloud) == ["bad-1", "bad-2", "fine"]
    assert plan(db) == []
    outcomes = db.sql("SELECT outcome, count(*) FROM iasql_history GROUP BY 1 ORDER BY 1")
    assert outcomes == [{"outcome": "done", "count": 6}, {"outcome": "failed", "count": 2}]
    errors = db.sql("SELECT error FROM iasql_history WHERE outcome = 'failed'")
    assert all("LimitExceededException" in row["error"] for row in errors)


@pytest.mark.parametrize(
    ("service", "table"), [("ecr", "repository"), ("logs", "log_group"), ("ec2", "vpc")]
)
def test_a_service_that_may_not_be_read_keeps_its_rows_and_deletes_nothing(
    db: Database, cloud: Cloud, emulator: Emulator, service: str, table: str
) -> None:
    install(db)
    db.sql("""
        INSERT INTO log_group (log_group_name) VALUES ('keep'), ('drop');
        INSERT INTO repository (repository_name) VALUES ('keep'), ('drop');
        INSERT INTO vpc (cidr_block) VALUES ('10.1.0.0/16');
    """)
    apply(db)
    before = db.sql(f"SELECT * FROM {table} ORDER BY id")
    emulator.faults([{"service": service, "deny": True}])
    warnings = reports(db, "WARNING")
    db.sql("BEGIN")
    db.sql("DELETE FROM log_group WHERE log_group_name = 'drop'")
    db.sql("DELETE FROM repository WHERE repository_name = 'drop'")
    db.sql("DELETE FROM vpc WHERE NOT is_default")
    planned = plan(db)
    assert table not in {line[1] for line in planned}
    db.sql("ROLLBACK")
    assert warnings
    assert any(table in (warning.message or "") for warning in warnings)
    for warning in warnings:
        assert (warning.message or "").startswith("could not read ")
        assert "nothing of them is changed or deleted" in (warning.detail or "")
        assert f"Allow the IAM action {service}:" in (warning.hint or "")

    with nothing_changes(emulator):
        sync(db)
        assert apply(db) == []
    assert db.sql(f"SELECT * FROM {table} ORDER BY id") == before
    noted = db.sql("SELECT * FROM iasql_unrepresented WHERE table_name = %s", table)
    assert noted and all(row["reason"].startswith("could not be read: ") for row in noted)
    emulator.faults([])
    sync(db)
    assert db.sql("SELECT * FROM iasql_unrepresented") == []
    assert plan(db) == []


def test_a_listing_that_breaks_off_counts_as_unread(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_ecr")
    db.sql("INSERT INTO repository (repository_name) SELECT format('r%s', n) FROM generate_series(10, 15) n")
    apply(db)
    emulator.settings({"page_size": 2})
    emulator.faults([{"operation": "DescribeRepositories", "body": "nextToken", "deny": True}])
    with nothing_changes(emulator):
        sync(db)
        assert apply(db) == []
    assert db.one("SELECT count(*) FROM repository") == 6
    emulator.faults([])
    assert plan(db) == []


def test_a_change_that_may_not_be_made_names_the_action_to_allow(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_ecr")
    db.sql("INSERT INTO repository (repository_name) VALUES ('web')")
    emulator.faults([{"operation": "CreateRepository", "deny": True}])
    error = refused(db, "SELECT * FROM iasql_apply()", "42501", "AccessDeniedException")
    assert error.hint and error.hint.startswith("Allow the IAM action ecr:CreateRepository to ")
    assert repositories(cloud) == []
    assert db.one("SELECT repository_name FROM repository") == "web"
