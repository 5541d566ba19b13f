"""What the pages in docs/ are made of: snippets of tested files, and transcripts of psql.

A snippet stands below `<!-- include path -->` or `<!-- include path#name -->`: the whole file, or what
stands in it between lines that say `[name]` and `[/name]` in a comment. A transcript is a ```psql block,
which is run, and the ```text block below it, which is what psql then says.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SNIPPET = re.compile(r"<!-- include (\S+) -->\n```(\w*)\n(.*?)```\n", re.DOTALL)
TRANSCRIPT = re.compile(
    r"(?:<!-- then (\w+) -->\n)?```psql\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", re.DOTALL
)
#: What differs from run to run: ids, the numbers of load balancers, moments.
CHANGING = re.compile(
    r"(?<=-)[0-9a-f]{17}\b|(?<=/)[0-9a-f]{15,17}\b"
    r"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.?\d*\+00|(?<= )\d+ s\b"
)


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def snippet(source: str) -> str:
    """What an include stands for."""
    path, _, name = source.partition("#")
    text = (ROOT / path).read_text()
    if name:
        begin, end = (re.compile(rf"^.*\[{mark}{name}\].*\n", re.MULTILINE) for mark in ("", "/"))
        text = end.split(begin.split(text)[1])[0]
        indent = min(len(line) - len(line.lstrip()) for line in text.splitlines() if line.strip())
        text = "".join(line[indent:] or "\n" for line in text.splitlines(keepends=True))
    return text


def included(page: str) -> str:
    """A page with its snippets as they are now."""

    def fill(found: re.Match[str]) -> str:
        source, language, _ = found.groups()
        return f"<!-- include {source} -->\n```{language}\n{snippet(source)}```\n"

    return SNIPPET.sub(fill, page)


def steady(said: str) -> str:
    """What psql has said, without what differs from run to run."""
    return CHANGING.sub(lambda found: re.sub(r"[0-9a-f]", "0", found[0]), said)
