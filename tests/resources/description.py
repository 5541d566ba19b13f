"""How a table is described to the harness."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from conftest import Cloud

#: A row as the harness hands it out: references are what AWS calls what they lead to.
Row = dict[str, Any]


@dataclass(frozen=True)
class Sql:
    """A value that is an SQL expression, such as a reference."""

    text: str


@dataclass
class Change:
    """Other values for columns, the calls it takes to bring them about, and how to do the same
    over the AWS API, behind the database's back."""

    set: dict[str, Any]
    #: The operations that may change the cloud, in any order: these and no others.
    calls: list[str]
    #: Nothing for a column that AWS can't change: it replaces.
    drift: Callable[[Cloud, Row], object] | None = None
    #: The row it is a change of.
    of: str = "full"
    #: Whether it is an update although nobody could do the same behind the database's back.
    updates: bool = False

    @property
    def action(self) -> str:
        return "update" if self.drift or self.updates else "replace"


@dataclass
class Description:
    #: Rows that between them have every column that users can write; all can be there at once.
    rows: dict[str, dict[str, Any]]
    changes: list[Change]
    #: The thing behind a row as boto3 sees it: every column but `id` and `region`, or None.
    look: Callable[[Cloud, Row], Row | None]
    #: Deletes it behind the database's back.
    remove: Callable[[Cloud, Row], object]
    #: One of many rows that can be there at once.
    many: Callable[[int], dict[str, Any]]
    #: SQL that makes what the rows refer to.
    parents: list[str] = field(default_factory=list)
    #: Whether AWS lets there be one only that is called so. A row for it takes it over, then.
    named: bool = True
    #: Sets everything that no column stands for, over the AWS API.
    enrich: Callable[[Cloud, Row], object] = lambda cloud, row: None
    #: What `enrich` has set.
    extras: Callable[[Cloud, Row], object] = lambda cloud, row: None


#: A description for a region.
Describe = Callable[[Cloud, str], Description]


def tags(pairs: list[Mapping[str, str]] | None) -> dict[str, str]:
    """Tags as a map, without the mark that the extension puts on what has no name."""
    named = [{key.lower(): value for key, value in pair.items()} for pair in pairs or []]
    return {tag["key"]: tag["value"] for tag in named if not tag["key"].startswith("iasql:")}


def key(cloud: Cloud, region: str) -> str:
    """The ARN of a new KMS key."""
    made = cloud.client("kms", region).create_key(Description="for a test")
    arn: str = made["KeyMetadata"]["Arn"]
    return arn
