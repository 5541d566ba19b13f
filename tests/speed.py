"""Measures how fast it is: `make bench BENCH_ARGS="--objects 1000"`.

The extension and a bare program with the same SDK (tests/bench/baseline) read the same account in turn,
from a cloud that has AWS's latency, page sizes and limits (tests/bench). `--apply` measures apply there,
`--idle` what whoever calls nothing pays, `--old` asks the emulator for what the old engine took.
docs/speed.md says what the figures mean.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import chart
import old_engine
import psycopg
from meter import Meter
from ruler import Ruler
from testbed import (
    REGION,
    TEST_CREDENTIALS,
    Server,
    Testbed,
    TestbedError,
    check_installed,
    server_environment,
    terminated,
)
from workloads import WORKLOADS

#: What a thousand things are: those that AWS lists in bulk, and those of a whole account, many of which
#: have to be asked about one by one.
MIXES = {
    "bulk": {
        "subnets": 100,
        "security_groups": 250,
        "rules": 350,
        "log_groups": 100,
        "roles": 200,
    },
    "whole": {
        "subnets": 60,
        "security_groups": 100,
        "rules": 190,
        "log_groups": 200,
        "roles": 100,
        "repositories": 50,
        "images": 50,
        "load_balancers": 20,
        "target_groups": 40,
        "listeners": 40,
        "clusters": 1,
        "services": 50,
        "task_definitions": 99,
    },
}
#: A VPC is asked about by itself, and a region has five at most.
VPCS = 5
#: Kinds that an account has once, not once per region.
GLOBAL = {"roles", "public_repositories"}
#: The regions of the cloud's account, in the order in which they are filled.
REGIONS = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1", "eu-west-2", "eu-west-3"),
    *("eu-central-1", "eu-north-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3"),
    *("ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1", "sa-east-1"),
)
MODULES = (
    *("aws_cloudwatch", "aws_ecr", "aws_ecs_fargate", "aws_elb", "aws_iam"),
    *("aws_security_group", "aws_vpc"),
)
#: An account as new, in one region: a VPC with a subnet in each zone, and a security group.
NEW = {"vpcs": 1, "subnets": 3, "security_groups": 1, "regions": 1}
STATEMENTS = {
    "install": f"SELECT * FROM iasql_install{MODULES}",
    "sync": "SELECT * FROM iasql_sync()",
    "plan": "SELECT * FROM iasql_plan_apply()",
    "apply": "SELECT * FROM iasql_apply()",
}
READS = "install", "sync", "plan"
DRAWING = Path(__file__).resolve().parent.parent / "docs" / "speed.svg"


@dataclass
class Cost:
    """What a run took."""

    wall: float
    cpu: float = 0
    backend_cpu: float = 0
    memory: float = 0
    calls: int = 0
    throttled: int = 0


@dataclass
class Figures:
    """What is printed of a statement."""

    statement: str
    floor: float
    #: Of what has no baseline, none.
    baseline: float | None
    wall: float
    over_floor: float
    over_baseline: float | None
    needed: int
    over_needed: float
    throttled: int
    cpu_backend: float
    cpu_worker: float
    cpu_baseline: float | None
    memory_mb: float

    @classmethod
    def of(
        cls, statement: str, floor: float, needed: int, engine: Cost, baseline: Cost | None = None
    ) -> Figures:
        return cls(
            statement=statement,
            floor=floor,
            baseline=baseline.wall if baseline else None,
            wall=engine.wall,
            over_floor=engine.wall / floor,
            over_baseline=engine.wall / baseline.wall if baseline else None,
            needed=needed,
            over_needed=engine.calls / needed,
            throttled=engine.throttled,
            cpu_backend=engine.backend_cpu,
            cpu_worker=engine.cpu - engine.backend_cpu,
            cpu_baseline=baseline.cpu if baseline else None,
            memory_mb=engine.memory,
        )


def account(mix: str, objects: int, regions: int) -> dict[str, int]:
    """An account of so many things per region."""
    sizes = {kind: math.ceil(share * objects / 1000) for kind, share in MIXES[mix].items()}
    sizes = {kind: size * (regions if kind in GLOBAL else 1) for kind, size in sizes.items()}
    return exactly(sizes | {"vpcs": VPCS, "regions": regions})


def exactly(sizes: dict[str, int]) -> dict[str, int]:
    """An account of that, and nothing else."""
    return dict.fromkeys(MIXES["whole"], 0) | {"public_repositories": 0} | sizes


Pair = tuple[float, float]


@dataclass
class Idle:
    """Lower quartiles, in milliseconds: what else the machine does only ever adds."""

    what: str
    ours: float
    other: float


class Bench:
    """A server, a cloud, and an account of a size."""

    def __init__(self, testbed: Testbed, latency_ms: int, sizes: dict[str, int]) -> None:
        self.testbed = testbed
        self.ruler = Ruler(testbed.state)
        self.latency_ms, self.sizes = latency_ms, sizes
        self.databases = 0

    @property
    def regions(self) -> tuple[str, ...]:
        return REGIONS[: self.sizes["regions"]]

    def start(self) -> None:
        check_installed()
        self.testbed.state.create()
        self.ruler.start()
        self.testbed.server = Server(
            self.testbed.state,
            server_environment(
                TEST_CREDENTIALS
                | {
                    # The extension paces itself for AWS alone, and knows it by its name; so it finds
                    # the cloud under such a name, through a proxy.
                    "AWS_ENDPOINT_URL": "http://bench.amazonaws.com",
                    "HTTP_PROXY": self.ruler.endpoint,
                    "AWS_REGION": REGION,
                    "AWS_EC2_METADATA_DISABLED": "true",
                }
            ),
        )
        self.testbed.server.create()
        self.testbed.server.start()

    def stop(self) -> None:
        self.ruler.stop()
        self.testbed.stop(keep=False)

    def counted(self, run: Callable[[], Cost]) -> Cost:
        """A run against full buckets, with the calls it made."""
        self.ruler.refill()
        cost = run()
        told = self.ruler.calls()
        cost.calls, cost.throttled = told["calls"], told["throttled"]
        return cost

    def floor(self, chain: int) -> float:
        """What the calls since the last refill take at the least, if the longest chain is so long."""
        refills: list[float] = [
            (bucket["calls"] - bucket["burst"]) / bucket["refill"]
            for bucket in self.ruler.calls()["buckets"]
        ]
        return max(chain * self.latency_ms / 1000, *refills)

    def baseline(self, first: bool) -> tuple[Cost, int]:
        """What the bare program takes, and how many of its calls have to follow each other."""
        program = os.environ.get("IASQL_BASELINE", "iasql-baseline")
        environment = server_environment(
            TEST_CREDENTIALS
            | {"AWS_ENDPOINT_URL": self.ruler.endpoint, "AWS_EC2_METADATA_DISABLED": "true"}
        )
        chain = 0

        def run() -> Cost:
            nonlocal chain
            before, began = os.times(), time.monotonic()
            done = subprocess.run(
                [program, "first" if first else "again", *self.regions],
                env=environment,
                capture_output=True,
                text=True,
            )
            wall, after = time.monotonic() - began, os.times()
            if done.returncode:
                raise TestbedError(f"the baseline failed: {done.stderr}")
            chain = int(done.stdout)
            spent = [after[at] - before[at] for at in (2, 3)]
            return Cost(wall, cpu=sum(spent))

        return self.counted(run), chain

    def database(self) -> str:
        """A new one, with the extension in it, and the account's regions switched on."""
        self.databases += 1
        name = f"bench_{self.databases}"
        self.testbed.server.query(f"CREATE DATABASE {name}")
        self.testbed.server.query("CREATE EXTENSION iasql", name)
        if len(self.regions) > 1:
            self.ruler.refill()
            names = ", ".join(f"'{region}'" for region in self.regions)
            self.testbed.server.query(f"SELECT default_aws_region('{REGION}')", name)
            self.testbed.server.query(
                f"UPDATE aws_regions SET is_enabled = true WHERE region IN ({names})", name
            )
        return name

    def connect(self, database: str) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self.testbed.server.url(database), autocommit=True)

    def engine(self, database: str, statement: str) -> Cost:
        """What the extension takes, in a new session."""
        with self.connect(database) as connection:
            postmaster = self.testbed.server.pid
            assert postmaster is not None

            def run() -> Cost:
                with Meter(connection.info.backend_pid, postmaster) as meter:
                    began = time.monotonic()
                    rows = connection.execute(STATEMENTS[statement].encode()).fetchall()
                    wall = time.monotonic() - began
                self.check(statement, rows)
                cpu, backend = meter.backend_cpu + meter.worker_cpu, meter.backend_cpu
                return Cost(wall, cpu, backend, meter.memory)

            return self.counted(run)

    def check(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        """What an install finds is all there is; a sync and a plan find nothing to do."""
        if statement != "install":
            if rows and statement != "apply":
                raise TestbedError(f"{statement} of an unchanged account: {rows[:5]}")
            return
        found = sum(count for _, table, count in rows if not table.endswith("_security_groups"))
        found -= sum(count for _, table, count in rows if table == "container_definition")
        regions = self.sizes["regions"]
        kinds = {kind: size for kind, size in self.sizes.items() if kind != "regions"}
        expected = sum(size * (1 if kind in GLOBAL else regions) for kind, size in kinds.items())
        if found != expected:
            raise TestbedError(f"{found} rows of {expected}: {rows}")

    def reads(self, runs: int) -> list[Figures]:
        """The figures of install, sync and plan; of several runs, those of the fastest."""
        self.ruler.reset(self.latency_ms, **self.sizes)
        bests: dict[str, Figures] = {}
        baselines: dict[str, Cost] = {}
        engines: dict[str, Cost] = {}
        wall = lambda cost: cost.wall  # noqa: E731
        for _ in range(runs):
            database = self.database()
            for name in READS:
                baseline, chain = self.baseline(first=name == "install")
                floor = self.floor(chain)
                baseline = baselines[name] = min(baselines.get(name, baseline), baseline, key=wall)
                engine = self.engine(database, name)
                engine = engines[name] = min(engines.get(name, engine), engine, key=wall)
                needed = baseline.calls - baseline.throttled
                bests[name] = Figures.of(name, floor, needed, engine, baseline)
        return list(bests.values())

    def applies(self, name: str, count: int) -> list[Figures]:
        """The figures of an apply that makes so many things in a new account, and of one that removes
        them. Both read the account first, and so do the calls they need."""
        self.ruler.reset(self.latency_ms, **self.sizes)
        database, workload = self.database(), WORKLOADS[name]
        figures = []
        with self.connect(database) as connection:
            connection.execute(STATEMENTS["install"].encode())
            for statement, change in (
                ("apply", workload.insert(count)),
                ("delete", "SELECT delete_all_records()"),
            ):
                connection.execute(change.encode())
                _, chain = self.baseline(first=False)
                self.ruler.need(REGION, workload.needs(statement, count))
                told = self.ruler.calls()
                floor = self.floor(chain + workload.chain(statement))
                engine = self.engine(database, "apply")
                figures.append(
                    Figures.of(f"{statement} {count:,} {name}", floor, needed(told), engine)
                )
                show(told, self.ruler.calls())
                self.ruler.refill()
                rows = connection.execute(STATEMENTS["plan"].encode()).fetchall()
                self.check("plan", rows)
                made = self.ruler.calls()["made"]
                if (made > 0) != (statement == "apply"):
                    raise TestbedError(f"{made} things are in the cloud after {statement}")
        return figures

    def idle(self) -> list[Idle]:
        """What a session pays that calls nothing, and how soon a plan has its first row."""
        self.ruler.reset(self.latency_ms, **self.sizes)
        database, bare = self.database(), "bare"
        with self.connect(database) as connection:
            connection.execute(STATEMENTS["install"].encode())
        # The same tables with the same rows, and no extension.
        self.testbed.server.query(f"CREATE DATABASE {bare} TEMPLATE {database}")
        self.testbed.server.query("DROP EXTENSION iasql CASCADE", bare)

        def session(name: str) -> float:
            began = time.perf_counter()
            with self.connect(name) as connection:
                connection.execute("SELECT * FROM security_group").fetchall()
            return time.perf_counter() - began

        def statement(name: str) -> float:
            with self.connect(name) as connection:
                connection.execute("SELECT 1")
                began = time.perf_counter()
                connection.execute("SELECT * FROM security_group").fetchall()
                return time.perf_counter() - began

        def plan(name: str) -> float:
            self.ruler.refill()
            with self.connect(name) as connection:
                began = time.perf_counter()
                connection.execute(STATEMENTS["plan"].encode()).fetchone()
                return time.perf_counter() - began

        def apart(times: int, ours: Callable[[], float], other: Callable[[], float]) -> Pair:
            # In turn, and neither always first, so that a busy machine slows both.
            turns = [
                (ours(), other()) if at % 2 else (other(), ours())[::-1] for at in range(times)
            ]
            left, right = zip(*turns, strict=True)
            return quartile(left), quartile(right)

        sessions = apart(300, lambda: session(database), lambda: session(bare))
        statements = apart(300, lambda: statement(database), lambda: statement(bare))
        with self.connect(database) as connection:
            connection.execute("INSERT INTO log_group (log_group_name) VALUES ('new')")
        plans = apart(10, lambda: plan(database), lambda: self.baseline(first=False)[0].wall)
        return [
            Idle("connect and SELECT: with and without the extension", *sessions),
            Idle("SELECT in a session: with and without the extension", *statements),
            Idle("first row of a plan: extension and baseline", *plans),
        ]


def quartile(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=4)[0] * 1000


def needed(told: dict[str, Any]) -> int:
    calls: int = told["calls"] - told["throttled"]
    return calls


def show(needed: dict[str, Any], made: dict[str, Any]) -> None:
    """By operation, where more calls were made than needed."""
    for name, (calls, throttled) in sorted(made["operations"].items()):
        least = needed["operations"].get(name, (0, 0))[0]
        if calls != least:
            print(f"{name}: {calls} calls, {least} needed, {throttled} throttled", file=sys.stderr)


def table(lines: list[Any]) -> str:
    """As Markdown, so that it can go into docs/speed.md as it is."""
    names = [field.name.replace("_", " ") for field in fields(lines[0])]
    cells = [[cell(value) for value in vars(line).values()] for line in lines]
    rows = [names, ["---"] * len(names), *cells]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def cell(value: object) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:.2f}"
        case _:
            return str(value)


@contextlib.contextmanager
def started(
    latency_ms: int, sizes: dict[str, int], testbed: Testbed | None = None
) -> Iterator[Bench]:
    bench = Bench(testbed or Testbed.temporary(), latency_ms, sizes)
    try:
        bench.start()
        yield bench
    finally:
        bench.stop()


def numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--objects", type=int, default=10_000, help="things per region")
    parser.add_argument("--regions", type=int, default=1, choices=range(1, len(REGIONS) + 1))
    parser.add_argument("--latency", type=int, default=50, help="milliseconds per call")
    parser.add_argument("--mix", choices=MIXES, default="bulk", help="what the things are")
    parser.add_argument("--runs", type=int, default=3, help="of which the fastest counts")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--apply",
        choices=("all", *WORKLOADS),
        nargs="?",
        const="all",
        help="apply and delete, of all or one",
    )
    instead.add_argument("--idle", action="store_true", help="what a session pays for nothing")
    instead.add_argument("--old", action="store_true", help="what the old engine was measured at")
    instead.add_argument(
        "--chart", type=numbers, metavar="N,N,...", help="draw docs/speed.svg for so many things"
    )
    parser.add_argument("--count", type=int, help="things to apply, instead of each workload's own")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, terminated)
    try:
        if asked.old:
            print(table(old_engine.compared(asked.runs)))
            return
        if asked.chart:
            figures = {}
            for objects in asked.chart:
                sizes = account(asked.mix, objects, asked.regions)
                with started(asked.latency, sizes) as bench:
                    figures[objects] = bench.reads(asked.runs)
                print(f"{objects:,}\n\n{table(figures[objects])}\n")
            DRAWING.write_text(chart.growth(figures))
            return
        new = asked.idle or asked.apply is not None
        sizes = exactly(NEW) if new else account(asked.mix, asked.objects, asked.regions)
        with started(asked.latency, sizes) as bench:
            if asked.idle:
                print(table(bench.idle()))
            elif asked.apply is not None:
                names = list(WORKLOADS) if asked.apply == "all" else [asked.apply]
                for name in names:
                    count = asked.count or WORKLOADS[name].count
                    print(table(bench.applies(name, count)), flush=True)
            else:
                print(table(bench.reads(asked.runs)))
    except TestbedError as error:
        sys.exit(f"speed: {error}")


if __name__ == "__main__":
    main()
