"""Measures install, sync and plan against what AWS allows: `make bench BENCH_ARGS="--objects 1000"`.

The extension and a bare program with the same SDK (tests/bench/baseline) read the same account in turn,
from a cloud that has AWS's latency, page sizes and limits (tests/bench). docs/speed.md says what the
figures mean.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import psycopg
from ruler import Ruler
from testbed import (
    REGION,
    TEST_CREDENTIALS,
    Server,
    Testbed,
    TestbedError,
    check_installed,
    server_environment,
)

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
STATEMENTS = {
    "install": f"SELECT * FROM iasql_install{MODULES}",
    "sync": "SELECT * FROM iasql_sync()",
    "plan": "SELECT * FROM iasql_plan_apply()",
}
TICKS = os.sysconf("SC_CLK_TCK")


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
    baseline: float
    wall: float
    over_floor: float
    over_baseline: float
    needed: int
    over_needed: float
    throttled: int
    cpu_backend: float
    cpu_worker: float
    cpu_baseline: float
    memory_mb: float


def account(mix: str, objects: int, regions: int) -> dict[str, int]:
    """An account of so many things per region."""
    sizes = {kind: math.ceil(share * objects / 1000) for kind, share in MIXES[mix].items()}
    sizes = {kind: size * (regions if kind in GLOBAL else 1) for kind, size in sizes.items()}
    none = dict.fromkeys(MIXES["whole"], 0) | {"public_repositories": 0}
    return none | sizes | {"vpcs": VPCS, "regions": regions}


# What a process takes


def cpu_seconds(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS


def own_memory(pid: int) -> float:
    """Megabytes, without the buffers that all processes of the server share."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    sizes = {name: words for name, _, words in (line.partition(":") for line in lines)}
    kilobytes = [int(sizes[name].split()[0]) for name in ("RssAnon", "RssFile")]
    return sum(kilobytes) / 1024


class Meter:
    """Looks at a backend, and at the worker that works for it, every few milliseconds."""

    def __init__(self, backend: int, postmaster: int) -> None:
        self.backend, self.postmaster = backend, postmaster
        self.cpu: dict[int, float] = {}
        self.start: dict[int, float] = {}
        self.memory = 0.0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Meter:
        self.start = {self.backend: cpu_seconds(self.backend)}
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()

    def _watch(self) -> None:
        children = Path(f"/proc/{self.postmaster}/task/{self.postmaster}/children")
        while not self.ended.wait(0.005):
            memory = 0.0
            for pid in map(int, children.read_text().split()):
                try:
                    if pid == self.backend or b"iasql" in Path(f"/proc/{pid}/cmdline").read_bytes()[:30]:
                        self.cpu[pid] = cpu_seconds(pid)
                        memory += own_memory(pid)
                except (FileNotFoundError, ProcessLookupError, KeyError):
                    # It has ended, or is about to.
                    continue
            self.memory = max(self.memory, memory)

    @property
    def backend_cpu(self) -> float:
        return cpu_seconds(self.backend) - self.start[self.backend]

    @property
    def worker_cpu(self) -> float:
        return sum(spent for pid, spent in self.cpu.items() if pid != self.backend)


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
        self.ruler.reset(self.latency_ms, **self.sizes)
        cost = run()
        told = self.ruler.calls()
        cost.calls, cost.throttled = told["calls"], told["throttled"]
        return cost

    def baseline(self, first: bool) -> tuple[Cost, float]:
        """What the bare program takes, and the floor: what the calls it makes take at the least."""
        program = os.environ.get("IASQL_BASELINE", "iasql-baseline")
        environment = server_environment(
            TEST_CREDENTIALS
            | {"AWS_ENDPOINT_URL": self.ruler.endpoint, "AWS_EC2_METADATA_DISABLED": "true"}
        )
        depth = 0

        def run() -> Cost:
            nonlocal depth
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
            depth = int(done.stdout)
            spent = [after[at] - before[at] for at in (2, 3)]
            return Cost(wall, cpu=sum(spent))

        cost = self.counted(run)
        refills = [
            (bucket["calls"] - bucket["burst"]) / bucket["refill"]
            for bucket in self.ruler.calls()["buckets"]
        ]
        return cost, max(depth * self.latency_ms / 1000, *refills)

    def database(self) -> str:
        """A new one, with the extension in it, and the account's regions switched on."""
        self.databases += 1
        name = f"bench_{self.databases}"
        self.testbed.server.query(f"CREATE DATABASE {name}")
        self.testbed.server.query("CREATE EXTENSION iasql", name)
        if len(self.regions) > 1:
            self.ruler.reset(0, **self.sizes)
            names = ", ".join(f"'{region}'" for region in self.regions)
            self.testbed.server.query(f"SELECT default_aws_region('{REGION}')", name)
            self.testbed.server.query(
                f"UPDATE aws_regions SET is_enabled = true WHERE region IN ({names})", name
            )
        return name

    def engine(self, database: str, statement: str) -> Cost:
        """What the extension takes, in a new session."""
        with psycopg.connect(self.testbed.server.url(database), autocommit=True) as connection:
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
        """All was found, and nothing has changed."""
        if statement != "install":
            if rows:
                raise TestbedError(f"{statement} of an unchanged account: {rows[:5]}")
            return
        found = sum(count for _, table, count in rows if not table.endswith("_security_groups"))
        found -= sum(count for _, table, count in rows if table == "container_definition")
        regions = self.sizes["regions"]
        kinds = {kind: size for kind, size in self.sizes.items() if kind != "regions"}
        expected = sum(size * (1 if kind in GLOBAL else regions) for kind, size in kinds.items())
        if found != expected:
            raise TestbedError(f"{found} rows of {expected}: {rows}")

    def measure(self, runs: int) -> list[Figures]:
        """The figures of each statement; of several runs, those of the fastest."""
        baselines = {name: [] for name in STATEMENTS}
        engines = {name: [] for name in STATEMENTS}
        for _ in range(runs):
            database = self.database()
            for name in STATEMENTS:
                baselines[name].append(self.baseline(first=name == "install"))
                engines[name].append(self.engine(database, name))
        figures = []
        for name in STATEMENTS:
            (baseline, floor) = min(baselines[name], key=lambda run: run[0].wall)
            engine = min(engines[name], key=lambda run: run.wall)
            figures.append(
                Figures(
                    statement=name,
                    floor=floor,
                    baseline=baseline.wall,
                    wall=engine.wall,
                    over_floor=engine.wall / floor,
                    over_baseline=engine.wall / baseline.wall,
                    needed=baseline.calls - baseline.throttled,
                    over_needed=engine.calls / (baseline.calls - baseline.throttled),
                    throttled=engine.throttled,
                    cpu_backend=engine.backend_cpu,
                    cpu_worker=engine.cpu - engine.backend_cpu,
                    cpu_baseline=baseline.cpu,
                    memory_mb=engine.memory,
                )
            )
        return figures


def table(figures: list[Figures]) -> str:
    """As Markdown, so that it can go into docs/speed.md as it is."""
    names = [field.name.replace("_", " ") for field in fields(Figures)]
    cells = [
        [f"{value:.2f}" if isinstance(value, float) else str(value) for value in vars(one).values()]
        for one in figures
    ]
    lines = [names, ["---"] * len(names), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--objects", type=int, default=10_000, help="things per region")
    parser.add_argument("--regions", type=int, default=1, choices=range(1, len(REGIONS) + 1))
    parser.add_argument("--latency", type=int, default=50, help="milliseconds per call")
    parser.add_argument("--mix", choices=MIXES, default="bulk", help="what the things are")
    parser.add_argument("--runs", type=int, default=3, help="of which the fastest counts")
    asked = parser.parse_args()
    sizes = account(asked.mix, asked.objects, asked.regions)
    bench = Bench(Testbed.temporary(), asked.latency, sizes)
    try:
        bench.start()
        print(table(bench.measure(asked.runs)))
    except TestbedError as error:
        sys.exit(f"speed: {error}")
    finally:
        bench.stop()


if __name__ == "__main__":
    main()
