"""What a replacement would lose without anybody having asked for that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import Cloud, Database
from support import install
from test_nerves import changes
from testbed import Emulator

POLICY = (
    '{"rules": [{"rulePriority": 1, "action": {"type": "expire"}, "selection": '
    '{"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 9}}]}'
)


def log_events(cloud: Cloud) -> None:
    cloud.logs.create_log_stream(logGroupName="web", logStreamName="one")
    cloud.logs.put_metric_filter(
        logGroupName="web",
        filterName="errors",
        filterPattern="ERROR",
        metricTransformations=[
            {"metricName": "errors", "metricNamespace": "web", "metricValue": "1"}
        ],
    )


def lifecycle(cloud: Cloud) -> None:
    cloud.ecr.put_lifecycle_policy(repositoryName="web", lifecyclePolicyText=POLICY)


def gallery(cloud: Cloud) -> None:
    cloud.ecr_public.put_repository_catalog_data(
        repositoryName="web", catalogData={"description": "A server."}
    )


CASES: list[Any] = [
    pytest.param(
        "log_group",
        "log_group_name",
        "its log events, its metric filters",
        log_events,
        id="log_group",
    ),
    pytest.param(
        "repository", "repository_name", "its lifecycle policy", lifecycle, id="repository"
    ),
    pytest.param(
        "public_repository",
        "repository_name",
        "its page in the gallery",
        gallery,
        id="public_repository",
    ),
]


@pytest.mark.parametrize(("table", "name", "lost", "fill"), CASES)
def test_what_has_no_column_is_not_lost_unless_the_row_says_so(
    db: Database,
    emulator: Emulator,
    cloud: Cloud,
    table: str,
    name: str,
    lost: str,
    fill: Callable[[Cloud], None],
) -> None:
    install(db)
    db.sql(f"INSERT INTO {table} ({name}) VALUES ('web')")
    db.sql("SELECT * FROM iasql_apply()")
    fill(cloud)
    db.sql(f"UPDATE {table} SET {name} = 'other'")
    since = emulator.mark()
    words = (
        f"this can't be applied: {table} other making it anew loses {lost}, which no column "
        "stands for: UPDATE it to replace_anyway = true if that may be"
    )
    for function in "iasql_plan_apply", "iasql_plan", "iasql_apply":
        error = db.error(f"SELECT * FROM {function}()")
        assert (error.sqlstate, error.message) == ("55000", words)
    assert changes(emulator, since) == []

    db.sql(f"UPDATE {table} SET replace_anyway = true")
    plan = db.sql("SELECT action, table_name FROM iasql_plan_apply()")
    assert plan == [{"action": "replace", "table_name": table}]
    assert any(f"making it anew loses {lost}" in told for told in db.notices)
    db.sql("SELECT * FROM iasql_apply()")
    assert db.sql(f"SELECT {name} AS name, replace_anyway AS anyway FROM {table}") == [
        {"name": "other", "anyway": False}
    ]
    assert db.sql("SELECT * FROM iasql_plan_apply()") == []


def test_what_holds_nothing_more_is_replaced_as_it_is(db: Database, cloud: Cloud) -> None:
    install(db)
    db.sql("INSERT INTO log_group (log_group_name) VALUES ('web')")
    db.sql("INSERT INTO repository (repository_name) VALUES ('web')")
    db.sql("SELECT * FROM iasql_apply()")
    db.sql("UPDATE log_group SET log_group_name = 'other'")
    db.sql("UPDATE repository SET repository_name = 'other'")
    done = db.sql("SELECT action FROM iasql_apply()")
    assert done == [{"action": "replace"}, {"action": "replace"}]


def test_a_wish_alone_changes_nothing(db: Database, emulator: Emulator, cloud: Cloud) -> None:
    install(db)
    db.sql("INSERT INTO repository (repository_name) VALUES ('web')")
    db.sql("SELECT * FROM iasql_apply()")
    since = emulator.mark()
    db.sql("UPDATE repository SET replace_anyway = true")
    db.sql("SELECT * FROM iasql_apply()")
    assert changes(emulator, since) == []
    assert db.sql("SELECT replace_anyway AS anyway FROM repository") == [{"anyway": False}]
    assert db.sql("SELECT * FROM iasql_plan_apply()") == []
