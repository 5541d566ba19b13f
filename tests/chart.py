"""Draws how figures grow: lines on logarithmic axes, in SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

#: By number of things.
Line = dict[int, float]
COLOURS = ("#1b6ca8", "#c8553d", "#2f855a", "#6b7280", "#a16207")
WIDTH, HEIGHT = 340, 300
LEFT, RIGHT, TOP, BOTTOM = 48, 16, 74, 40


class Panel:
    """One pair of axes, as large as what is in it."""

    def __init__(self, title: str, lines: Mapping[str, Line], bars: Mapping[str, Line]) -> None:
        self.title, self.lines, self.bars = title, lines, bars
        points = [point for line in (*lines.values(), *bars.values()) for point in line.items()]
        self.across = decades(number for number, _ in points)
        self.up = decades(value for _, value in points)

    def x(self, number: float) -> float:
        return place(number, self.across, LEFT, WIDTH - RIGHT)

    def y(self, value: float) -> float:
        return place(value, self.up, HEIGHT - BOTTOM, TOP)

    def draw(self) -> str:
        parts = [text(LEFT, 18, self.title, "bold")]
        for power in range(self.across[0], self.across[1] + 1):
            x = self.x(10**power)
            parts.append(stroke([(x, TOP), (x, HEIGHT - BOTTOM)], "#e5e7eb"))
            parts.append(text(x, HEIGHT - BOTTOM + 16, f"{10**power:,}", anchor="middle"))
        for power in range(self.up[0], self.up[1] + 1):
            y = self.y(10**power)
            parts.append(stroke([(LEFT, y), (WIDTH - RIGHT, y)], "#e5e7eb"))
            parts.append(text(LEFT - 6, y + 4, f"{10.0**power:g}", anchor="end"))
        parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, "things", anchor="middle"))
        drawn = [(name, line, "") for name, line in self.lines.items()]
        drawn += [(name, line, "5 4") for name, line in self.bars.items()]
        for at, (name, line, dashes) in enumerate(drawn):
            colour = COLOURS[at % len(COLOURS)]
            points = [(self.x(number), self.y(value)) for number, value in line.items()]
            parts.append(stroke(points, colour, 2, dashes))
            parts += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in points
            ]
            x, y = LEFT + at % 3 * 96, 38 + at // 3 * 18
            parts.append(stroke([(x, y - 4), (x + 16, y - 4)], colour, 2, dashes))
            parts.append(text(x + 20, y, name))
        return "\n".join(parts)


def decades(values: Any) -> tuple[int, int]:
    """The powers of ten around values."""
    all = list(values)
    low, high = math.floor(math.log10(min(all))), math.ceil(math.log10(max(all)))
    return low, max(high, low + 1)


def place(value: float, decades: tuple[int, int], start: float, end: float) -> float:
    low, high = decades
    return start + (math.log10(value) - low) / (high - low) * (end - start)


def text(x: float, y: float, words: str, weight: str = "normal", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-weight="{weight}" text-anchor="{anchor}">{words}</text>'


def stroke(
    points: Sequence[tuple[float, float]], colour: str, width: int = 1, dashes: str = ""
) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}" '
        f'stroke-dasharray="{dashes or "none"}"/>'
    )


def growth(figures: Mapping[int, Sequence[Any]]) -> str:
    """Seconds, processor seconds and memory of each statement, by number of things; the bars dashed."""

    def lines(value: Any) -> dict[str, Line]:
        names = [one.statement for one in next(iter(figures.values()))]
        all = {name: {} for name in names}  # type: dict[str, Line]
        for number, several in figures.items():
            for one in several:
                # What is too short to be measured is a hundredth.
                all[one.statement][number] = max(value(one), 0.01)
        return all

    def bar(value: Any) -> Line:
        return lines(value)["sync"]

    panels = [
        Panel(
            "seconds",
            lines(lambda one: one.wall),
            {
                "floor x 1.2": bar(lambda one: one.floor * 1.2),
                "baseline x 1.15": bar(lambda one: one.baseline * 1.15),
            },
        ),
        Panel(
            "processor seconds, backend and worker",
            lines(lambda one: one.cpu_backend + one.cpu_worker),
            {"baseline": bar(lambda one: one.cpu_baseline)},
        ),
        Panel("megabytes, backend and worker", lines(lambda one: one.memory_mb), {}),
    ]
    drawn = [
        f'<g transform="translate({at * WIDTH} 0)">\n{panel.draw()}\n</g>'
        for at, panel in enumerate(panels)
    ]
    # The last number of the last axis is centred under its end.
    width = WIDTH * len(panels) + RIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" '
        f'height="{HEIGHT}" font-family="sans-serif" font-size="11" fill="#374151">\n'
        f'<rect width="{width}" height="{HEIGHT}" fill="white"/>\n'
        + "\n".join(drawn)
        + "\n</svg>\n"
    )
