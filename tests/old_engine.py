"""What this project's predecessor was measured at, measured again: against the emulator, in one region.

The predecessor kept its engine outside the database. Its times and calls, and the bars set for this one,
are those of the project's plan; 50 ms before every call unless said.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import workloads
from conftest import Cloud
from testbed import Testbed, check_installed

LATENCY_MS = 50
INSTALL = """
    SELECT * FROM iasql_install('aws_cloudwatch', 'aws_ecr', 'aws_ecs_fargate', 'aws_elb', 'aws_iam',
                                'aws_security_group', 'aws_vpc')
"""
SYNC, APPLY = "SELECT * FROM iasql_sync()", "SELECT * FROM iasql_apply()"


@dataclass
class Bar:
    """Seconds and calls that the old engine took, and those that are allowed, if that was said."""

    old: float
    old_calls: int | None
    bar: float | None
    bar_calls: int | None


BARS = {
    "install of seven modules": Bar(3.0, 48, 0.4, None),
    "sync without a change": Bar(2.65, 47, 0.3, 30),
    "one security group with two rules": Bar(3.6, 62, 0.5, None),
    "apply of the tutorial": Bar(17.3, 305, 1.0, 70),
    "delete of the tutorial": Bar(8.4, 148, 1.0, None),
    # A call for each, and those of a sync over them: twenty pages, their tags, and whose account it is.
    "1,000 log groups, no latency": Bar(75, 21_677, None, 1022),
    # The bar is for what is not the emulator's.
    "sync over 1,000 log groups, no latency": Bar(4.0, None, 0.2, None),
}


@dataclass
class Compared:
    """Seconds, calls, and how many calls waited for each other."""

    what: str
    old: float
    bar: float | None
    ours: float
    old_calls: int | None
    bar_calls: int | None
    our_calls: int
    #: The longest row of calls that were never under way together.
    in_a_row: int
    #: Seconds in which the emulator had calls to answer, and in which it had none.
    cloud: float
    own: float


def compared(runs: int) -> list[Compared]:
    """Of several runs, the fastest of each."""
    check_installed()
    testbed = Testbed.temporary()
    testbed.start()
    try:
        all = [line for run in range(runs) for line in Comparison(testbed, f"old_{run}").lines()]
    finally:
        testbed.stop(keep=False)
    return [
        min((line for line in all if line.what == what), key=lambda it: it.ours) for what in BARS
    ]


class Comparison:
    """One run, in a database of its own and an account as new."""

    def __init__(self, testbed: Testbed, database: str) -> None:
        self.emulator, self.server = testbed.emulator, testbed.server
        self.database = database

    def lines(self) -> Iterator[Compared]:
        with self.account(LATENCY_MS) as connection:
            yield self.measure("install of seven modules", connection, INSTALL)
            yield self.measure("sync without a change", connection, SYNC)
            connection.execute(workloads.security_groups(1).encode())
            yield self.measure("one security group with two rules", connection, APPLY)
            connection.execute(workloads.tutorial().encode())
            yield self.measure("apply of the tutorial", connection, APPLY)
            connection.execute("SELECT delete_all_records()")
            yield self.measure("delete of the tutorial", connection, APPLY)
        with self.account(0) as connection:
            connection.execute("SELECT * FROM iasql_install('aws_cloudwatch')")
            connection.execute(workloads.log_groups(1000).encode())
            yield self.measure("1,000 log groups, no latency", connection, APPLY)
            yield self.measure("sync over 1,000 log groups, no latency", connection, SYNC)

    @contextmanager
    def account(self, latency_ms: int) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """A database with the extension, before an account as new."""
        self.emulator.reset()
        # moto makes the networks of all regions when it is first asked, which AWS has done long ago.
        Cloud(self.emulator).ec2.describe_regions()
        self.emulator.settings({"latency_ms": latency_ms})
        name = f"{self.database}_{latency_ms}"
        self.server.query(f"CREATE DATABASE {name}")
        with psycopg.connect(self.server.url(name), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION iasql")
            yield connection

    def measure(
        self, what: str, connection: psycopg.Connection[tuple[Any, ...]], statement: str
    ) -> Compared:
        mark, began = self.emulator.mark(), time.monotonic()
        connection.execute(statement.encode())
        wall = time.monotonic() - began
        calls = self.emulator.calls(mark)
        spans = [(it["at_ms"], it["at_ms"] + it["duration_ms"]) for it in calls]
        cloud = together(spans) / 1000
        bar = BARS[what]
        return Compared(
            what=what,
            old=bar.old,
            bar=bar.bar,
            ours=wall,
            old_calls=bar.old_calls,
            bar_calls=bar.bar_calls,
            our_calls=len(calls),
            in_a_row=in_a_row(spans),
            cloud=cloud,
            own=wall - cloud,
        )


Spans = Sequence[tuple[float, float]]


def in_a_row(spans: Spans) -> int:
    """How many of them there are at the most that do not overlap."""
    count, free = 0, 0.0
    for began, ended in sorted(spans, key=lambda span: span[1]):
        if began >= free:
            count, free = count + 1, ended
    return count


def together(spans: Spans) -> float:
    """How long any of them was under way."""
    total, free = 0.0, 0.0
    for began, ended in sorted(spans):
        total += max(0.0, ended - max(began, free))
        free = max(free, ended)
    return total
