"""Dumps and restores, DROP EXTENSION, other schemas: what happens to a database never happens to
the cloud by itself."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Cloud, Database
from support import (
    MODULES,
    apply,
    fresh_database,
    groups,
    install,
    log_groups,
    nothing_changes,
    plan,
    policy,
    repositories,
    rules,
    subnets,
    sync,
    vpcs,
)
from testbed import Emulator, Server, pg_config


def run(program: str, *arguments: str) -> str:
    command = [str(pg_config("bindir") / program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    # A restore that goes on after an error says so only here.
    assert "error" not in done.stderr.lower(), done.stderr
    return done.stdout


def restored(of: Database, to: Database, directory: Path, how: str) -> str:
    """Dumps one database into another, a text or an archive; returns the dump as text."""
    source, target = of.server.url(of.name), to.server.url(to.name)
    text = run("pg_dump", source)
    if how == "plain":
        file = directory / "dump.sql"
        file.write_text(text)
        run("psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-f", str(file), target)
    else:
        file = directory / "dump.archive"
        run("pg_dump", "--format=custom", f"--file={file}", source)
        run("pg_restore", "--exit-on-error", "--single-transaction", f"--dbname={target}", str(file))
    return text


def everything(db: Database) -> dict[str, list[dict[str, Any]]]:
    """The rows of every table that a dump must carry."""
    tables = db.sql("""
        SELECT c.oid::regclass::text AS name FROM pg_class c
        WHERE relkind = 'r' AND relnamespace IN ('public'::regnamespace, 'iasql'::regnamespace)
          AND c.oid <> 'iasql.turn'::regclass
    """)
    return {
        row["name"]: sorted(db.sql(f"SELECT * FROM {row['name']}"), key=str) for row in tables
    }


def populate(db: Database) -> None:
    install(db)
    db.sql("UPDATE aws_regions SET is_enabled = true WHERE region = 'eu-west-1'")
    sync(db)
    db.sql("""
        INSERT INTO log_group (log_group_name, retention_in_days, tags)
        VALUES ('web', 7, '{"team": "web"}');
        INSERT INTO log_group (log_group_name, region) VALUES ('web', 'eu-west-1');
        INSERT INTO repository (repository_name) VALUES ('web');
        INSERT INTO vpc (cidr_block) VALUES ('10.1.0.0/16');
        INSERT INTO subnet (vpc_id, cidr_block)
        SELECT id, '10.1.1.0/24' FROM vpc WHERE cidr_block = '10.1.0.0/16';
        INSERT INTO security_group (group_name) VALUES ('web'), ('db');
        INSERT INTO security_group_rule
          (security_group_id, is_egress, ip_protocol, from_port, to_port, source_security_group)
        SELECT a.id, false, 'tcp', 5432, 5432, b.id FROM security_group a, security_group b
        WHERE (a.group_name, b.group_name) IN (('web', 'db'), ('db', 'web'));
    """)
    db.sql(
        "INSERT INTO repository_policy (repository_name, policy_text) VALUES ('web', %s)",
        json.dumps(policy()),
    )
    apply(db)
    sync(db)
    assert plan(db) == []


@pytest.mark.parametrize("how", ["plain", "archive"])
def test_a_restored_database_has_an_empty_plan_and_its_history(
    db: Database, server: Server, cloud: Cloud, emulator: Emulator, tmp_path: Path, how: str
) -> None:
    populate(db)
    before = everything(db)
    assert before["iasql.journal"] and before["iasql.base"] and before["iasql.account"]
    with fresh_database(server, extension=False) as copy:
        mark = emulator.mark()
        restored(db, copy, tmp_path, how)
        assert emulator.calls(mark) == []
        assert everything(copy) == before
        with nothing_changes(emulator):
            assert plan(copy) == []
            assert apply(copy) == []
            assert copy.sql("SELECT * FROM iasql_drift()") == []
            assert sync(copy) == []
        history = "SELECT id, action, name, reason, outcome FROM iasql_history ORDER BY id"
        assert copy.sql(history) == db.sql(history)

        # It goes on working: keys, journal numbers, guards.
        copy.sql("INSERT INTO log_group (log_group_name) VALUES ('after')")
        assert copy.error("UPDATE log_group SET log_group_arn = 'x'").sqlstate == "428C9"
        assert copy.error("DELETE FROM aws_regions").sqlstate == "0A000"
        apply(copy)
        assert log_groups(cloud) == ["after", "web"]
        assert copy.one("SELECT name FROM iasql_history ORDER BY id DESC LIMIT 1") == "after"
        assert plan(copy) == []


def test_edits_that_were_pending_are_pending_after_a_restore_and_nothing_happens_by_itself(
    db: Database, server: Server, cloud: Cloud, emulator: Emulator, tmp_path: Path
) -> None:
    populate(db)
    db.sql("""
        INSERT INTO log_group (log_group_name) VALUES ('new');
        UPDATE log_group SET retention_in_days = 30 WHERE log_group_name = 'web' AND region = 'us-east-1';
        DELETE FROM subnet WHERE cidr_block = '10.1.1.0/24';
    """)
    pending = plan(db)
    assert len(pending) == 3
    with fresh_database(server, extension=False) as copy:
        with nothing_changes(emulator):
            restored(db, copy, tmp_path, "plain")
            assert plan(copy) == pending
        assert len(subnets(cloud)) == 1
        assert sorted(line[:2] for line in apply(copy)) == sorted(line[:2] for line in pending)
        assert subnets(cloud) == {}
        assert log_groups(cloud) == ["new", "web"]
        assert plan(copy) == []


def test_what_a_restored_database_does_not_know_is_not_deleted(
    db: Database, server: Server, cloud: Cloud, emulator: Emulator, tmp_path: Path
) -> None:
    """The original goes on after the dump; the copy must not undo that."""
    install(db, "aws_cloudwatch")
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('old'), ('gone')")
    apply(db)
    with fresh_database(server, extension=False) as copy:
        restored(db, copy, tmp_path, "plain")
        db.sql("INSERT INTO log_group (log_group_name) VALUES ('new')")
        apply(db)
        with nothing_changes(emulator):
            assert plan(copy) == []
            assert apply(copy) == []
        assert log_groups(cloud) == ["gone", "new", "old"]
        (drift,) = copy.sql("SELECT change, name FROM iasql_drift()")
        assert drift == {"change": "unmanaged", "name": "new"}


def test_an_orphan_of_another_cluster_is_no_orphan(
    db: Database, server: Server, cloud: Cloud, emulator: Emulator, tmp_path: Path
) -> None:
    """Transaction numbers mean nothing where a dump is restored: who says so deletes by mistake."""
    install(db, "aws_cloudwatch")
    with db.connect(autocommit=False) as connection:
        connection.execute("INSERT INTO log_group (log_group_name) VALUES ('web')")
        connection.execute("SELECT * FROM iasql_apply()")
        connection.commit()
    db.sql("UPDATE iasql.journal SET fate = NULL, system_id = '1', caller_xid = '3'")
    db.sql("DELETE FROM iasql.base; DELETE FROM log_group")
    with fresh_database(server, extension=False) as copy:
        restored(db, copy, tmp_path, "plain")
        with nothing_changes(emulator):
            assert plan(copy) == []
            apply(copy)
    assert log_groups(cloud) == ["web"]


def test_a_dump_into_a_database_of_another_account_is_refused(
    db: Database, server: Server, cloud: Cloud, emulator: Emulator, tmp_path: Path
) -> None:
    populate(db)
    with fresh_database(server, extension=False) as copy:
        restored(db, copy, tmp_path, "plain")
        copy.sql("SET iasql.assume_role_arn = 'arn:aws:iam::222222222222:role/other'")
        with nothing_changes(emulator):
            assert copy.error("SELECT * FROM iasql_sync()").sqlstate == "55000"
        assert copy.one("SELECT count(*) FROM log_group") == 2


# DROP EXTENSION


def test_dropping_the_extension_never_touches_the_cloud(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    populate(db)
    vpc = vpcs(cloud)
    mark = emulator.mark()
    error = db.error("DROP EXTENSION iasql")
    assert error.sqlstate == "2BP01"
    assert error.hint == "Use DROP ... CASCADE to drop the dependent objects too."
    assert plan(db) == []
    mark = emulator.mark()
    db.sql("DROP EXTENSION iasql CASCADE")
    assert emulator.calls(mark) == []
    assert (log_groups(cloud), repositories(cloud), vpcs(cloud)) == (["web"], ["web"], vpc)
    assert set(groups(cloud).values()) == {"web", "db"}
    # The users' tables stay users' tables.
    assert db.one("SELECT count(*) FROM log_group") == 2
    assert db.sql("SELECT 1 AS found FROM pg_namespace WHERE nspname = 'iasql'") == []


def test_after_a_drop_the_extension_can_be_created_again(db: Database, cloud: Cloud) -> None:
    install(db, "aws_cloudwatch")
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('web')")
    apply(db)
    db.sql("DROP EXTENSION iasql CASCADE; DROP TABLE log_group; DROP TYPE log_group_log_group_class_enum")
    db.sql("CREATE EXTENSION iasql")
    install(db, "aws_cloudwatch")
    assert db.one("SELECT log_group_name FROM log_group") == "web"
    assert plan(db) == []
    assert log_groups(cloud) == ["web"]


def test_a_drop_and_a_create_in_one_transaction_have_to_commit_before_the_first_call(
    db: Database, cloud: Cloud, emulator: Emulator
) -> None:
    """The worker can neither see the new journal nor wait for the old one: that would be for ever."""
    install(db, "aws_cloudwatch")
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('web')")
    apply(db)
    tables = "DROP TABLE log_group; DROP TYPE log_group_log_group_class_enum"
    anew = f"BEGIN; DROP EXTENSION iasql CASCADE; {tables}; CREATE EXTENSION iasql"
    db.sql(anew)
    began = time.monotonic()
    with nothing_changes(emulator):
        error = db.error("SELECT * FROM iasql_install('aws_cloudwatch')")
    assert time.monotonic() - began < 10
    assert error.sqlstate == "55000"
    assert error.message == "this transaction has dropped or locked iasql's journal: commit it first"
    db.sql("ROLLBACK")
    assert plan(db) == []
    db.sql(f"{anew}; COMMIT")
    install(db, "aws_cloudwatch")
    assert db.one("SELECT log_group_name FROM log_group") == "web"
    assert plan(db) == []
    assert log_groups(cloud) == ["web"]


def test_without_modules_the_extension_drops_cleanly(db: Database) -> None:
    db.sql("SELECT iasql_version()")
    db.sql("DROP EXTENSION iasql")
    left = db.sql("SELECT proname FROM pg_proc WHERE proname LIKE 'iasql%'")
    assert left == []


def test_uninstalling_everything_lets_the_extension_drop_cleanly(
    db: Database, cloud: Cloud
) -> None:
    populate(db)
    db.sql("SELECT * FROM iasql_uninstall(VARIADIC %s)", list(MODULES))
    db.sql("DROP EXTENSION iasql")
    assert log_groups(cloud) == ["web"]


# Another schema


@pytest.mark.parametrize("path", ["infra, public", "public"], ids=["on the path", "not on the path"])
def test_the_extension_works_in_another_schema(
    empty_db: Database, cloud: Cloud, emulator: Emulator, path: str
) -> None:
    db = empty_db
    db.sql("CREATE SCHEMA infra; CREATE EXTENSION iasql SCHEMA infra")
    db.sql(f"SET search_path = {path}")
    assert db.one("SELECT infra.iasql_version()") == "0.1.0"
    db.sql("SELECT * FROM infra.iasql_install(VARIADIC %s)", list(MODULES))
    db.sql("SELECT infra.default_aws_region()")
    db.sql("""
        INSERT INTO infra.log_group (log_group_name) VALUES ('web');
        INSERT INTO infra.vpc (cidr_block) VALUES ('10.1.0.0/16');
        INSERT INTO infra.subnet (vpc_id, cidr_block)
        SELECT id, '10.1.1.0/24' FROM infra.vpc WHERE NOT is_default;
        INSERT INTO infra.security_group (group_name) VALUES ('web');
        INSERT INTO infra.security_group_rule
          (security_group_id, is_egress, ip_protocol, from_port, to_port, cidr_ipv4)
        SELECT id, false, 'tcp', 80, 80, '0.0.0.0/0' FROM infra.security_group
        WHERE group_name = 'web';
        INSERT INTO infra.repository (repository_name) VALUES ('web');
    """)
    db.sql(
        "INSERT INTO infra.repository_policy (repository_name, policy_text) VALUES ('web', %s)",
        json.dumps(policy()),
    )
    assert len(db.sql("SELECT * FROM infra.iasql_preview_apply()")) == 7
    db.sql("SELECT * FROM infra.iasql_apply()")
    assert (log_groups(cloud), repositories(cloud)) == (["web"], ["web"])
    assert list(subnets(cloud).values()) == ["10.1.1.0/24"]
    (group,) = groups(cloud)
    (rule,) = rules(cloud, group)
    assert rule["FromPort"] == 80
    db.sql("UPDATE infra.aws_regions SET is_enabled = true WHERE region = 'eu-west-1'")
    db.sql("SELECT * FROM infra.iasql_sync()")
    with nothing_changes(emulator):
        db.sql("UPDATE infra.aws_regions SET is_enabled = false WHERE region = 'eu-west-1'")
    for function in "iasql_plan", "iasql_drift", "iasql_plan_sync", "iasql_preview_sync":
        assert db.sql(f"SELECT * FROM infra.{function}()") == []
    assert db.sql("SELECT * FROM infra.iasql_history WHERE outcome <> 'done'") == []
    assert len(db.sql("SELECT * FROM infra.iasql_help()")) > 10
    assert db.one("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 0
    assert db.error("UPDATE infra.vpc SET vpc_id = 'x'").sqlstate == "428C9"
    db.sql("SELECT infra.delete_all_records()")
    db.sql("SELECT * FROM infra.iasql_apply()")
    assert (log_groups(cloud), repositories(cloud), groups(cloud)) == ([], [], {})
    db.sql("SELECT * FROM infra.iasql_uninstall(VARIADIC %s)", list(MODULES))
    db.sql("DROP EXTENSION iasql; DROP SCHEMA infra")


def test_a_dump_of_another_schema_restores(
    empty_db: Database, server: Server, cloud: Cloud, emulator: Emulator, tmp_path: Path
) -> None:
    empty_db.sql('CREATE SCHEMA "In Fra"; CREATE EXTENSION iasql SCHEMA "In Fra"')
    empty_db.sql('SET search_path = "In Fra", public')
    install(empty_db, "aws_cloudwatch", "aws_security_group")
    empty_db.sql("INSERT INTO log_group (log_group_name) VALUES ('web')")
    apply(empty_db)
    with fresh_database(server, extension=False) as copy, nothing_changes(emulator):
        restored(empty_db, copy, tmp_path, "plain")
        copy.sql('SET search_path = "In Fra", public')
        assert plan(copy) == []
        assert copy.one("SELECT log_group_name FROM log_group") == "web"
