"""What a backend, and the worker that works for it, take of the machine."""

from __future__ import annotations

import os
import threading
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


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
                    if (
                        pid == self.backend
                        or b"iasql" in Path(f"/proc/{pid}/cmdline").read_bytes()[:30]
                    ):
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
