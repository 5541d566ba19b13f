"""psql: what it shows of tables and functions, COPY, \\watch. docs/clients/psql.md is made of the
files in psql/."""

from __future__ import annotations

import subprocess
from pathlib import Path

import packages
import pytest
from conftest import Cloud, Database
from project import Project
from support import apply, in_background, install, log_groups, plan
from testbed import Emulator, pg_config, wait_until

SOURCE = packages.CLIENTS / "psql"


@pytest.fixture
def psql(db: Database, tmp_path: Path) -> Project:
    project = Project(SOURCE, tmp_path, [pg_config("bindir")], {"PAGER": ""})
    project.command = ["psql", "-X", "-v", "ON_ERROR_STOP=1", db.server.url(db.name)]
    return project


def table(said: str) -> list[list[str]]:
    """The cells of a listing, its heads first."""
    lines = said.splitlines()
    (rule,) = (number for number, line in enumerate(lines) if set(line) == {"-", "+"})
    rows = [lines[rule - 1]]
    for line in lines[rule + 1 :]:
        if "|" not in line:
            break
        rows.append(line)
    return [[cell.strip() for cell in row.split("|")] for row in rows]


def test_a_table_explains_itself(db: Database, psql: Project) -> None:
    install(db, "aws_cloudwatch", "aws_ecr")
    said = psql.run("-c", r"\d+ repository")
    heads, *columns = table(said)
    described = {column[0]: column[heads.index("Description")] for column in columns}
    assert described["repository_uri"] == "What `docker push` and `docker pull` take, given by AWS."
    assert all(described.values()), described
    # One trigger, one key to refer to, and who refers to it.
    assert said.count(" EXECUTE FUNCTION ") == 1
    assert '"repository_region_repository_name_key" UNIQUE CONSTRAINT' in said
    assert 'TABLE "repository_policy" CONSTRAINT' in said

    heads, *types = table(psql.run("-c", r"\dT+ repository_image_tag_mutability_enum"))
    assert types[0][heads.index("Elements")].startswith("IMMUTABLE")
    views = "iasql_history", "iasql_progress", "iasql_unrepresented"
    for relation in (*views, "aws_regions"):
        heads, *columns = table(psql.run("-c", rf"\d+ {relation}"))
        told = heads.index("Description")
        assert [column[0] for column in columns if not column[told]] == [], relation
    heads, *relations = table(psql.run("-c", r"\d+"))
    told = heads.index("Description")
    assert [it for it in relations if it[2] in ("table", "view") and not it[told]] == []


def test_functions_explain_themselves(psql: Project) -> None:
    heads, *functions = table(psql.run("-c", r"\df+ iasql_*"))
    assert all(line[0] for line in functions), "a line for each"
    shown = {row[heads.index("Name")]: row for row in functions}
    assert {"iasql_install", "iasql_apply", "iasql_sync", "iasql_plan_apply"} <= set(shown)
    assert all(row[heads.index("Description")] for row in functions), functions
    (install_row,) = (row for row in functions if row[1] == "iasql_install")
    assert install_row[heads.index("Argument data types")] == "VARIADIC modules text[]"
    heads, *others = table(psql.run("-c", r"\df+ delete_all_records"))
    assert others[0][heads.index("Description")]


def test_rows_are_copied_out_and_in(db: Database, psql: Project, cloud: Cloud) -> None:
    cloud.logs.create_log_group(logGroupName="/api", tags={"team": "api"})
    cloud.logs.put_retention_policy(logGroupName="/api", retentionInDays=30)
    cloud.logs.create_log_group(logGroupName="/web")
    install(db, "aws_cloudwatch")
    psql.run("-f", "export.sql")
    file = psql.directory / "log_groups.csv"
    assert file.read_text().splitlines() == [
        "log_group_name,retention_in_days,tags",
        '/api,30,"{""team"": ""api""}"',
        "/web,,{}",
    ]

    header, api, _ = file.read_text().splitlines()
    file.write_text(f'{header}\n/worker,7,"{{""team"": ""worker""}}"\n/jobs,,\n')
    said = psql.run("-f", "import.sql")
    assert "COPY 2" in said and "create" in said
    assert log_groups(cloud) == ["/api", "/jobs", "/web", "/worker"]
    (found,) = cloud.logs.describe_log_groups(logGroupNamePrefix="/worker")["logGroups"]
    assert found["retentionInDays"] == 7
    tags = cloud.logs.list_tags_log_group(logGroupName="/worker")["tags"]
    assert tags == {"team": "worker"}
    assert plan(db) == []

    # All rows anew: what is as it was is not touched.
    made = {it["logGroupName"]: it for it in cloud.logs.describe_log_groups()["logGroups"]}
    file.write_text(f"{header}\n{api}\n/web,14,{{}}\n")
    psql.run("-f", "replace.sql")
    now = {it["logGroupName"]: it for it in cloud.logs.describe_log_groups()["logGroups"]}
    assert now == {"/api": made["/api"], "/web": made["/web"] | {"retentionInDays": 14}}
    assert plan(db) == []


def test_what_aws_fills_is_left_out_of_a_copy(db: Database, psql: Project, cloud: Cloud) -> None:
    install(db, "aws_cloudwatch")
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('/web')")
    apply(db)
    psql.run("-c", r"\copy log_group TO 'all.csv' WITH (FORMAT csv)")
    psql.run("-c", "DELETE FROM log_group")
    said = psql.fails("-c", r"\copy log_group FROM 'all.csv' WITH (FORMAT csv)")
    assert 'ERROR:  column "log_group_arn" of table "log_group" is filled by AWS' in said
    assert 'HINT:  Leave "log_group_arn" out' in said


def test_a_call_is_watched_from_a_second_session(
    db: Database, psql: Project, cloud: Cloud, emulator: Emulator
) -> None:
    install(db, "aws_cloudwatch")
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('/web')")
    emulator.faults([{"operation": "CreateLogGroup", "count": 1, "delay_ms": 3000}])
    output = psql.directory / "said"
    with output.open("w") as said:
        watching = subprocess.Popen(
            [*psql.command, "-f", "watch.sql"],
            cwd=psql.directory,
            env=psql.environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
        )
    try:
        finished = in_background(lambda: apply(db))
        line = "apply |    0 |     1 | 0 of 1: creating log_group /web"
        wait_until("a line of the apply", lambda: line in output.read_text(), seconds=20)
        finished()
    finally:
        watching.terminate()
        watching.wait(10)
    assert log_groups(cloud) == ["/web"]
