"""The cloud that speed is measured against: `iasql-bench`, of tests/bench."""

from __future__ import annotations

import contextlib
import json
import os
import urllib.request
from pathlib import Path
from typing import Any

from testbed import HTTP, State, alive, end, free_port, wait_until


class Ruler:
    """A running `iasql-bench`."""

    def __init__(self, state: State) -> None:
        self.state = state

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.state.read()['ruler']['port']}"

    @property
    def endpoint(self) -> str:
        return f"http://{self.address}"

    def start(self) -> None:
        built = Path.home() / ".cache/iasql/front-target/release/iasql-bench"
        binary = os.environ.get("IASQL_BENCH", str(built))
        port = free_port()
        self.state.spawn("ruler", [binary, "--listen", f"127.0.0.1:{port}"], port)
        wait_until("an answer of iasql-bench", self._answers)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self._ask("health"))
        return False

    def stop(self) -> None:
        if alive(process := self.state.read().get("ruler")):
            assert process is not None
            end(process)

    def reset(self, latency_ms: int = 0, **account: int) -> None:
        """Fills all buckets, forgets the calls so far, and sets what the account holds
        (tests/bench/src/account.rs)."""
        self._ask("reset", {"latency_ms": latency_ms, "account": account})

    def refill(self) -> None:
        """Fills all buckets and forgets the calls so far; what was made is still there."""
        self._ask("reset", b"")

    def need(self, region: str, calls: dict[str, int]) -> None:
        """Counts so many calls of each `service Operation` as if they had come."""
        names = {name: name.split() for name in calls}
        needs = [
            {"region": region, "service": service, "operation": operation, "calls": calls[name]}
            for name, (service, operation) in names.items()
        ]
        self._ask("need", needs)

    def calls(self) -> dict[str, Any]:
        """The calls since: how many, how many were throttled, and both by operation; the buckets they
        took tokens from; and how many things are there that were made."""
        return self._ask("calls")

    def _ask(self, what: str, body: Any = None) -> Any:
        data = body if body is None or body == b"" else json.dumps(body).encode()
        with HTTP.open(urllib.request.Request(f"{self.endpoint}/_bench/{what}", data)) as answer:
            return json.loads(answer.read())
