"""What a backend, and the worker that works for it, take of the machine."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS


def own_memory(pid: int) -> float:
    """Megabytes, without the buffers that all processes of the server share."""
    status = Path(f"/proc/{pid}/status").read_text()
    return sum(map(int, re.findall(r"^Rss(?:Anon|File):\s*(\d+)", status, re.MULTILINE))) / 1024


def is_worker(pid: int) -> bool:
    return b"iasql" in Path(f"/proc/{pid}/cmdline").read_bytes()[:30]


class Meter:
    """Looks at a backend, and at the worker that works for it, every few milliseconds. They share the
    machine with it, so what was there before is not looked at."""

    def __init__(self, backend: int, postmaster: int) -> None:
        self.backend = backend
        self.children = Path(f"/proc/{postmaster}/task/{postmaster}/children")
        self.others: set[str] = set()
        self.cpu: dict[int, float] = {}
        self.start: dict[int, float] = {}
        self.memory = 0.0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Meter:
        self.start = {self.backend: cpu_seconds(self.backend)}
        self.others = set(self.children.read_text().split())
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()

    def _watch(self) -> None:
        while not self.ended.wait(0.005):
            memory = own_memory(self.backend)
            for pid in map(int, set(self.children.read_text().split()) - self.others):
                try:
                    if is_worker(pid):
                        self.cpu[pid] = cpu_seconds(pid)
                        memory += own_memory(pid)
                except (FileNotFoundError, ProcessLookupError):
                    # It has ended, or is about to.
                    continue
            self.memory = max(self.memory, memory)

    @property
    def backend_cpu(self) -> float:
        return cpu_seconds(self.backend) - self.start[self.backend]

    @property
    def worker_cpu(self) -> float:
        return sum(self.cpu.values())
