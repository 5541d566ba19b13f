"""Who may do what: readers, editors, operators; whose rights code runs with; where secrets are not."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from conftest import Cloud, Database, SqlError
from support import (
    FurtherServer,
    apply,
    fresh_database,
    install,
    log_groups,
    nothing_changes,
    plan,
    running,
    sync,
)
from testbed import CHECKOUT, Emulator, pg_config, server_environment

if TYPE_CHECKING:
    from testbed import Testbed  # at run time pytest would take it for a class of tests

# What the README's GRANTs leave to its prose.
TABLES = """
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO editors, operators;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO editors, operators;
    GRANT editors TO editor;
    GRANT editors, operators TO operator;
"""
GUARDED = [
    "iasql_install('aws_vpc')",
    "iasql_uninstall('aws_cloudwatch')",
    "iasql_plan_apply()",
    "iasql_apply()",
    "iasql_plan_sync()",
    "iasql_sync()",
    "iasql_preview_apply()",
    "iasql_preview_sync()",
    "iasql_plan()",
    "iasql_drift()",
    "delete_all_records()",
    "iasql_whoami()",
    "default_aws_region('eu-west-1')",
    "iasql.leave_region('us-east-1')",
]
OPEN = [
    "iasql_modules_list()",
    "iasql_modules_installed()",
    "iasql_help()",
    "iasql_version()",
    "default_aws_region()",
]


def grants_of_the_readme() -> str:
    text = (CHECKOUT / "README.md").read_text()
    blocks = re.findall(r"^```sql\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    (grants,) = (str(block) for block in blocks if "GRANT EXECUTE" in block)
    return grants


@pytest.fixture
def roles(db: Database) -> Iterator[Database]:
    """Log groups 'a' and 'b' in the cloud; nobody, reader, editor, operator may log in."""
    names = "nobody", "reader", "editors", "operators", "editor", "operator"
    # Roles are the cluster's: those of a test that was killed may still be there.
    for name in names:
        db.sql(f"DROP ROLE IF EXISTS {name}")
        db.sql(f"CREATE ROLE {name} LOGIN")
    install(db, "aws_cloudwatch", "aws_ecr")
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('a'), ('b')")
    apply(db)
    db.sql(TABLES)
    db.sql(grants_of_the_readme())
    yield db
    db.sql("RESET ROLE")
    for connection in db.connections[1:]:
        connection.close()
    for name in reversed(names):
        db.sql(f"REASSIGN OWNED BY {name} TO postgres; DROP OWNED BY {name}; DROP ROLE {name}")


def as_role(db: Database, role: str) -> psycopg.Connection[dict[str, Any]]:
    connection = db.connect(user=role)
    assert connection.execute("SELECT session_user AS me").fetchone() == {"me": role}
    return connection


def denied(connection: psycopg.Connection[Any], statement: str) -> SqlError:
    with pytest.raises(psycopg.Error) as raised:
        connection.execute(statement.encode())
    error = SqlError.of(raised.value)
    assert error.sqlstate == "42501", (statement, error)
    return error


def test_execute_on_what_reads_or_changes_the_cloud_is_revoked_from_public(
    roles: Database, emulator: Emulator
) -> None:
    nobody = as_role(roles, "nobody")
    mark = emulator.mark()
    for call in GUARDED:
        error = denied(nobody, f"SELECT * FROM {call}")
        function = call.partition("(")[0].rpartition(".")[2]
        assert error.message == f"permission denied for function {function}"
    assert emulator.calls(mark) == []
    for call in OPEN:
        nobody.execute(f"SELECT * FROM {call}".encode())
    for table in "log_group", "iasql_history", "iasql.base", "iasql.journal", "iasql.account":
        denied(nobody, f"SELECT * FROM {table}")
    for table in "aws_regions", "iasql_progress", "iasql_unrepresented":
        nobody.execute(f"SELECT * FROM {table}".encode())
    denied(nobody, "UPDATE aws_regions SET is_enabled = true")

    listed = roles.sql("""
        SELECT proname FROM pg_proc p
        JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
        WHERE has_function_privilege('nobody', p.oid, 'EXECUTE')
          AND pronamespace = 'public'::regnamespace
    """)
    assert {row["proname"] for row in listed} == {call.partition("(")[0] for call in OPEN}


def test_a_reader_reads_rows_and_history_and_changes_nothing(roles: Database) -> None:
    reader = as_role(roles, "reader")
    rows = reader.execute("SELECT log_group_name FROM log_group ORDER BY 1").fetchall()
    assert [row["log_group_name"] for row in rows] == ["a", "b"]
    (row,) = reader.execute("SELECT count(*) FROM iasql_history").fetchall()
    assert row["count"] == 2
    for statement in (
        "INSERT INTO log_group (log_group_name) VALUES ('c')",
        "UPDATE log_group SET retention_in_days = 1",
        "DELETE FROM log_group",
        "SELECT * FROM iasql_plan_apply()",
        "SELECT * FROM iasql_apply()",
        "INSERT INTO iasql.base VALUES ('log_group', '1', '', '', '{}')",
        "DELETE FROM iasql.journal",
    ):
        denied(reader, statement)


def test_an_editor_edits_and_plans_and_does_not_apply(
    roles: Database, cloud: Cloud, emulator: Emulator
) -> None:
    editor = as_role(roles, "editor")
    with nothing_changes(emulator):
        editor.execute("INSERT INTO log_group (log_group_name) VALUES ('c')")
        editor.execute("INSERT INTO repository (repository_name) VALUES ('cc')")
        editor.execute("UPDATE log_group SET retention_in_days = 1 WHERE log_group_name = 'a'")
        editor.execute("DELETE FROM log_group WHERE log_group_name = 'b'")
        for function in "iasql_plan_apply", "iasql_preview_apply", "iasql_plan":
            lines = editor.execute(f"SELECT * FROM {function}()").fetchall()
            assert sorted(line["action"] for line in lines) == ["create", "create", "delete", "update"]
        for function in "iasql_plan_sync", "iasql_preview_sync", "iasql_drift":
            editor.execute(f"SELECT * FROM {function}()")
        for statement in (
            "SELECT * FROM iasql_apply()",
            "SELECT * FROM iasql_sync()",
            "SELECT * FROM iasql_install('aws_vpc')",
            "SELECT delete_all_records()",
            "DROP TABLE log_group",
            "DELETE FROM iasql.base",
            "UPDATE iasql.account SET account_id = '000000000000'",
            "ALTER TABLE log_group DISABLE TRIGGER guard",
        ):
            denied(editor, statement)
        with pytest.raises(psycopg.Error) as raised:
            editor.execute("UPDATE log_group SET log_group_arn = 'arn:mine'")
        assert SqlError.of(raised.value).sqlstate == "428C9"
    apply(roles)
    assert log_groups(cloud) == ["a", "c"]


def test_an_operator_applies_and_syncs(roles: Database, cloud: Cloud) -> None:
    operator = as_role(roles, "operator")
    operator.execute("INSERT INTO log_group (log_group_name) VALUES ('c')")
    (line,) = operator.execute("SELECT * FROM iasql_apply()").fetchall()
    assert line["action"] == "create"
    assert log_groups(cloud) == ["a", "b", "c"]
    cloud.logs.create_log_group(logGroupName="d")
    operator.execute("SELECT * FROM iasql_sync()")
    assert roles.one("SELECT count(*) FROM log_group") == 4
    (row,) = roles.sql("SELECT session_user_name, role_name FROM iasql_history WHERE name = 'c'")
    assert row == {"session_user_name": "operator", "role_name": "operator"}
    operator.execute("SELECT delete_all_records()")
    operator.execute("SELECT * FROM iasql_apply()")
    assert log_groups(cloud) == []
    for call in "iasql_install('aws_vpc')", "iasql_uninstall('aws_ecr')", "iasql_whoami()":
        denied(operator, f"SELECT * FROM {call}")


def test_who_installs_a_module_owns_its_tables(roles: Database, cloud: Cloud) -> None:
    roles.sql("GRANT EXECUTE ON FUNCTION iasql_install(text[]), iasql_uninstall(text[]) TO operator")
    operator = as_role(roles, "operator")
    operator.execute("SELECT * FROM iasql_install('aws_security_group')")
    owners = roles.sql("SELECT DISTINCT tableowner FROM pg_tables WHERE tablename ~ '^(vpc|subnet|security)'")
    assert owners == [{"tableowner": "operator"}]
    operator.execute("INSERT INTO vpc (cidr_block) VALUES ('10.1.0.0/16')")
    operator.execute("ALTER TABLE vpc ADD COLUMN cost_center text")
    operator.execute("SELECT * FROM iasql_apply()")
    (row,) = operator.execute("SELECT vpc_id FROM vpc WHERE NOT is_default").fetchall()
    assert row["vpc_id"] in {it["VpcId"] for it in cloud.ec2.describe_vpcs()["Vpcs"]}
    operator.execute("SELECT * FROM iasql_uninstall('aws_security_group', 'aws_vpc')")


def test_the_extension_is_for_superusers_to_create(roles: Database) -> None:
    roles.sql("GRANT CREATE ON SCHEMA public TO operator")
    name = roles.one("SELECT current_database()")
    roles.sql(f"GRANT CREATE ON DATABASE {name} TO operator")
    operator = as_role(roles, "operator")
    denied(operator, "DROP EXTENSION iasql CASCADE")
    roles.sql("DROP EXTENSION iasql CASCADE")
    error = denied(operator, "CREATE EXTENSION iasql")
    assert error.message == 'permission denied to create extension "iasql"'


# Rows that are hidden


def test_a_row_that_a_policy_hides_does_not_look_deleted(
    roles: Database, cloud: Cloud, emulator: Emulator
) -> None:
    roles.sql("""
        ALTER TABLE log_group ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON log_group TO editor, operator USING (log_group_name = 'a');
    """)
    operator = as_role(roles, "operator")
    (row,) = operator.execute("SELECT count(*) FROM log_group").fetchall()
    assert row["count"] == 1
    with nothing_changes(emulator):
        assert operator.execute("SELECT * FROM iasql_plan_apply()").fetchall() == []
        assert operator.execute("SELECT * FROM iasql_apply()").fetchall() == []
        assert operator.execute("SELECT * FROM iasql_sync()").fetchall() == []
    assert roles.one("SELECT count(*) FROM log_group") == 2
    assert log_groups(cloud) == ["a", "b"]


def test_forced_row_security_hides_nothing_from_the_engine_either(
    roles: Database, cloud: Cloud, emulator: Emulator
) -> None:
    roles.sql("""
        ALTER TABLE log_group OWNER TO operator;
        ALTER TABLE log_group ENABLE ROW LEVEL SECURITY;
        ALTER TABLE log_group FORCE ROW LEVEL SECURITY;
        CREATE POLICY own ON log_group USING (log_group_name = 'a')
          WITH CHECK (true);
    """)
    operator = as_role(roles, "operator")
    with nothing_changes(emulator):
        assert operator.execute("SELECT * FROM iasql_apply()").fetchall() == []
    operator.execute("INSERT INTO log_group (log_group_name) VALUES ('c')")
    cloud.logs.put_retention_policy(logGroupName="b", retentionInDays=7)
    operator.execute("SELECT * FROM iasql_sync()")
    assert log_groups(cloud) == ["a", "b"]
    assert roles.one("SELECT retention_in_days FROM log_group WHERE log_group_name = 'b'") == 7
    roles.sql("INSERT INTO log_group (log_group_name) VALUES ('c')")
    operator.execute("SELECT * FROM iasql_apply()")
    assert roles.one("SELECT log_group_arn FROM log_group WHERE log_group_name = 'c'")
    assert log_groups(cloud) == ["a", "b", "c"]


# Code of users


TRIGGER = """
    CREATE TABLE seen (who text, what text);
    GRANT ALL ON seen TO operator;
    GRANT CREATE, USAGE ON SCHEMA public TO operator;
    ALTER TABLE log_group OWNER TO operator;
    SET ROLE operator;
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO seen VALUES (current_user, TG_OP || ' ' || coalesce(NEW.log_group_name, ''));
      RETURN NULL;
    END $$;
    CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON log_group
      FOR EACH ROW EXECUTE FUNCTION note();
    RESET ROLE;
"""


@pytest.mark.parametrize("caller", ["postgres", "operator"])
def test_a_users_trigger_runs_with_the_rights_of_the_tables_owner(
    roles: Database, cloud: Cloud, caller: str
) -> None:
    roles.sql(TRIGGER)
    connection = as_role(roles, caller)
    cloud.logs.create_log_group(logGroupName="d")
    connection.execute("SELECT * FROM iasql_sync()")
    roles.sql("SET ROLE operator; INSERT INTO log_group (log_group_name) VALUES ('c'); RESET ROLE")
    connection.execute("SELECT * FROM iasql_apply()")
    assert log_groups(cloud) == ["a", "b", "c", "d"]
    assert roles.sql("SELECT * FROM seen") == [
        {"who": "operator", "what": "INSERT d"},
        {"who": "operator", "what": "INSERT c"},
        {"who": "operator", "what": "UPDATE c"},
    ]
    connection.execute("SELECT * FROM iasql_sync()")
    connection.execute("SELECT delete_all_records()")
    assert roles.sql("SELECT DISTINCT who FROM seen") == [{"who": "operator"}]


def test_a_users_trigger_can_not_become_the_superuser(roles: Database, cloud: Cloud) -> None:
    roles.sql(TRIGGER)
    roles.sql("""
        CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          BEGIN
            RESET ROLE;
            INSERT INTO seen VALUES (current_user, 'reset role');
          EXCEPTION WHEN OTHERS THEN
            INSERT INTO seen VALUES (current_user, SQLSTATE);
          END;
          BEGIN
            RESET SESSION AUTHORIZATION;
            INSERT INTO seen VALUES (current_user, 'reset session authorization');
          EXCEPTION WHEN OTHERS THEN
            INSERT INTO seen VALUES (current_user, SQLSTATE);
          END;
          RETURN NULL;
        END $$
    """)
    cloud.logs.create_log_group(logGroupName="d")
    sync(roles)
    rows = roles.sql("SELECT DISTINCT who FROM seen")
    assert rows == [{"who": "operator"}]


def test_a_users_trigger_can_not_slip_functions_into_statements_of_the_engine(
    roles: Database, cloud: Cloud
) -> None:
    """What a trigger sets must not outlive it: the next statement runs as the extension's owner."""
    roles.sql(TRIGGER)
    roles.sql("""
        CREATE SCHEMA evil AUTHORIZATION operator;
        SET ROLE operator;
        CREATE FUNCTION evil.json_to_recordset(input json) RETURNS SETOF record
        LANGUAGE plpgsql AS $$
        BEGIN
          RAISE 'evil runs as %', current_user;
        END $$;
        CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM set_config('search_path', 'evil, pg_catalog, public', false);
          PERFORM set_config('timezone', 'Asia/Tokyo', false);
          RETURN NULL;
        END $$;
        RESET ROLE;
    """)
    cloud.logs.create_log_group(logGroupName="d")
    sync(roles)
    roles.sql("INSERT INTO log_group (log_group_name) VALUES ('c')")
    apply(roles)
    roles.sql("SET search_path = public")
    assert roles.sql("SELECT * FROM seen") == []
    assert plan(roles) == []


def test_a_users_trigger_writes_other_tables_under_their_guards(
    roles: Database, cloud: Cloud
) -> None:
    roles.sql(TRIGGER)
    roles.sql("""
        GRANT ALL ON repository TO operator;
        CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          INSERT INTO repository (repository_name, repository_arn) VALUES ('mine', 'arn:mine');
          RETURN NULL;
        END $$
    """)
    cloud.logs.create_log_group(logGroupName="d")
    error = roles.error("SELECT * FROM iasql_sync()")
    assert error.sqlstate == "428C9"


# Settings


def test_whose_account_it_is_is_for_superusers_to_say(roles: Database, emulator: Emulator) -> None:
    operator = as_role(roles, "operator")
    operator.execute("SELECT iasql_version()")
    mark = emulator.mark()
    for name in "endpoint_url", "profile", "assume_role_arn", "external_id":
        error = denied(operator, f"SET iasql.{name} = 'http://127.0.0.1:1'")
        assert error.message == f'permission denied to set parameter "iasql.{name}"'
    operator.execute("SET iasql.max_parallel = 2")
    operator.execute("SET iasql.refresh = 'changed'")
    operator.execute("SET iasql.on_error = 'warn'")
    assert emulator.calls(mark) == []


def test_settings_made_before_the_library_is_loaded_are_for_superusers_too(
    roles: Database, emulator: Emulator
) -> None:
    """A placeholder of the same name must not become the setting once the library is there."""
    operator = as_role(roles, "operator")
    endpoint = "http://127.0.0.1:1"
    try:
        operator.execute(f"SET iasql.endpoint_url = '{endpoint}'".encode())
    except psycopg.errors.InsufficientPrivilege:
        return
    operator.execute("SELECT * FROM iasql_plan_apply()")
    (row,) = operator.execute("SHOW iasql.endpoint_url").fetchall()
    assert row["iasql.endpoint_url"] != endpoint
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection = roles.connect(user="operator", options=f"-c iasql.endpoint_url={endpoint}")
        connection.execute("SELECT * FROM iasql_plan_apply()")
        (row,) = connection.execute("SHOW iasql.endpoint_url").fetchall()
        assert row["iasql.endpoint_url"] != endpoint
        raise psycopg.errors.InsufficientPrivilege


# Secrets

KEY, SECRET, TOKEN = (
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "FwoGZXIvYXdzEBYaDEXAMPLETOKEN",
)
#: What a secret that a container refers to holds.
HIDDEN = "correct horse battery staple"


def test_secrets_are_in_no_log_view_journal_or_dump(
    testbed: Testbed, cloud: Cloud, emulator: Emulator, tmp_path: Path
) -> None:
    environment = emulator.environment | {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": TOKEN,
    }
    settings = {
        "log_statement": "all",
        "log_min_messages": "debug2",
        "log_error_verbosity": "verbose",
        "log_min_duration_statement": "0",
    }
    further = FurtherServer(testbed, "secrets", server_environment(environment), **settings)
    emulator.faults(
        [
            {"operation": "CreateRepository", "body": "denied", "deny": True},
            {
                "operation": "CreateRepository",
                "body": "unsigned",
                "status": 403,
                "code": "SignatureDoesNotMatch",
                "message": "The signature does not match. The Canonical String for this request "
                f"should have been 'x-amz-security-token:{TOKEN}' key {KEY}",
            },
        ]
    )
    arn = cloud.client("secretsmanager").create_secret(Name="web", SecretString=HIDDEN)["ARN"]
    shown: list[str] = []
    with running(further) as server, fresh_database(server) as db:
        db.sql("SET client_min_messages = 'debug1'")
        install(db, "aws_ecr", "aws_ecs_fargate")
        db.sql(
            """WITH task AS (INSERT INTO task_definition (family, cpu_memory)
            VALUES ('web', 'vCPU0.25-0.5GB') RETURNING id)
            INSERT INTO container_definition (task_definition_id, name, essential, image, secrets)
            SELECT id, 'web', true, 'nginx', %s FROM task""",
            json.dumps({"PASSWORD": arn}),
        )
        for name in "fine", "denied", "unsigned":
            db.sql("INSERT INTO repository (repository_name) VALUES (%s)", name)
        error = db.error("SELECT * FROM iasql_apply()")
        shown.append(str(error))
        shown.append(str(db.sql("SELECT * FROM iasql_whoami()")))
        shown.append(str(db.sql("SELECT * FROM iasql_drift()")))
        shown.append(str(db.sql("SELECT * FROM pg_stat_activity")))
        shown.append(str(db.sql("SELECT name, setting, reset_val FROM pg_settings")))
        shown.append(str(db.sql("SELECT * FROM iasql.journal")))
        shown.extend(db.notices)
        dump = subprocess.run(
            [str(pg_config("bindir") / "pg_dump"), server.url(db.name)],
            capture_output=True,
            text=True,
            check=True,
        )
        shown.append(dump.stdout)
        assert "CreateRepository" in shown[0] and "iasql.journal" in dump.stdout
        assert any(call["access_key"] == KEY for call in emulator.calls())
        shown.append(server.log())
    found = cloud.client("ecs").describe_task_definition(taskDefinition="web")
    (container,) = found["taskDefinition"]["containerDefinitions"]
    assert container["secrets"] == [{"name": "PASSWORD", "valueFrom": arn}]
    for secret in SECRET, TOKEN, KEY, HIDDEN:
        for text in shown:
            at = text.find(secret)
            assert at < 0, text[max(0, at - 300) : at + 100]
