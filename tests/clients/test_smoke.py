"""One look each through SQLAlchemy with Alembic, Drizzle, sqlx, and Diesel's command line."""

from __future__ import annotations

import json
from pathlib import Path

import packages
import pytest
from conftest import Cloud, Database
from project import Project
from support import groups, install, log_groups, plan, repositories, vpcs


@pytest.fixture
def alembic(tmp_path: Path, db: Database) -> Project:
    source = packages.CLIENTS / "alembic"
    url = db.server.url(db.name).replace("postgresql:", "postgresql+psycopg:")
    path = [packages.python(source).parent]
    return Project(source / "project", tmp_path, path, {"DATABASE_URL": url})


def test_alembic_up_and_down(alembic: Project, db: Database, cloud: Cloud) -> None:
    alembic.run("alembic", "upgrade", "head")
    assert log_groups(cloud) == ["web"]
    assert plan(db) == []
    alembic.run("alembic", "downgrade", "base")
    assert log_groups(cloud) == []


def test_alembic_proposes_nothing_for_the_tables_of_the_modules(
    alembic: Project, db: Database
) -> None:
    alembic.run("alembic", "upgrade", "head")
    said = alembic.fails("alembic", "check")
    assert "('add_table', Table('note'" in said
    assert "log_group" not in said
    said = alembic.fails("alembic", "check", EVERYTHING="1")
    assert "('remove_table', Table('log_group'" in said


def test_sqlalchemy_reflects(alembic: Project, db: Database, cloud: Cloud) -> None:
    install(db, "aws_security_group")
    said = alembic.run("python", "reflect.py")
    assert groups(cloud) == {said.split()[-1]: "web"}


def test_drizzle_pulls(tmp_path: Path, db: Database, cloud: Cloud) -> None:
    source = packages.CLIENTS / "drizzle"
    url = db.server.url(db.name)
    project = Project(source / "project", tmp_path, [packages.node()], {"DATABASE_URL": url})
    (project.directory / "package.json").write_text((source / "package.json").read_text())
    project.put(node_modules=packages.node_modules(source))
    install(db)

    project.run("node_modules/.bin/drizzle-kit", "pull")
    project.run("node", "fix.js")
    schema = (project.directory / "drizzle/schema.ts").read_text()
    assert "unknown(" not in schema
    made = json.loads(project.run("node", "--no-warnings", "index.ts").splitlines()[-1])
    assert vpcs(cloud) == {made["vpcId"]: "10.0.0.0/16"}


def test_sqlx_migrates_applies_and_reads(tmp_path: Path, db: Database, cloud: Cloud) -> None:
    source = packages.CLIENTS / "sqlx"
    url = db.server.url(db.name)
    project = Project(source, tmp_path, [packages.program(source)], {"DATABASE_URL": url})
    said = project.run("quickstart")
    (group,) = cloud.logs.describe_log_groups()["logGroups"]
    assert (group["logGroupName"], group["retentionInDays"]) == ("web", 30)
    (repository,) = cloud.ecr.describe_repositories()["repositories"]
    assert repository["imageTagMutability"] == "IMMUTABLE"
    tags = cloud.ecr.list_tags_for_resource(resourceArn=repository["repositoryArn"])["tags"]
    assert tags == [{"Key": "team", "Value": "web"}]
    assert list(vpcs(cloud).values()) == ["10.0.0.0/16"]
    assert "plan: create repository web" in said
    assert f"repository: {repository['repositoryUri']} IMMUTABLE" in said
    assert plan(db) == []

    project.run("quickstart", "revert")
    assert log_groups(cloud) == []
    assert repositories(cloud) == ["web"]
    assert db.sql("SELECT * FROM iasql_modules_installed()") == []


def test_diesel_migrates_and_prints_the_schema(tmp_path: Path, db: Database, cloud: Cloud) -> None:
    source = packages.CLIENTS / "diesel"
    url = db.server.url(db.name)
    path = [packages.crate(source)]
    project = Project(source / "project", tmp_path, path, {"DATABASE_URL": url})
    (project.directory / "src").mkdir()
    project.run("diesel", "migration", "run")
    assert repositories(cloud) == ["web"]
    assert plan(db) == []

    # It prints nothing at all where one table has no primary key.
    schema = (project.directory / "src/schema.rs").read_text()
    for row in db.sql("SELECT created_table_name AS name FROM iasql_install('aws_ecs_fargate')"):
        assert f"    {row['name']} (" in schema

    project.run("diesel", "migration", "revert")
    assert repositories(cloud) == []
