"""What was found, in words: a table for a terminal, and its parts for a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

WORDS = ("holds", "undecided", "fails", "unmeasured")
Row = dict[str, Any]


def verdict(row: Row, comparison: dict[str, Any]) -> str:
    """Return the verdict, and for one that is none what half the seeds or more lack."""
    word: str = row["verdict"] if row["verdict"] != "unmeasured" else comparison["lacking"]
    return word


def difference(row: Row, unit: str = "decades") -> str:
    """Return a difference with its interval, such as ``-0.310 [-0.400, -0.220]``."""
    if row["difference"] is None:
        return ""
    exact = row["low"] == row["high"]
    text = f"{row['difference']:+.3f}" if unit == "decades" else f"{row['difference']:+.4f}"
    return text if exact else f"{text} [{row['low']:+.3f}, {row['high']:+.3f}]"


def counts(rows: Sequence[Row]) -> str:
    """Return how often each verdict is among the rows, such as ``holds 3, fails 1 of 4``."""
    numbers = {word: sum(row["verdict"] == word for row in rows) for word in WORDS}
    said = [f"{word} {n}" for word, n in numbers.items() if n or word in ("holds", "fails")]
    return f"{', '.join(said)} of {len(rows)}"


def where(row: Row, axis: str) -> str:
    """Return where a row was measured: at a rate, a floor, a depth, or with each at its best."""
    if not row["best"]:
        return f"{axis} {row['at']:g}" if not row["rates"] else f"{row['at']:g}"
    shown = [
        f"{rate:g}{'*' * edge}" for rate, edge in zip(row["rates"], row["edges"], strict=True)
    ]
    return f"best ({' / '.join(shown)})"


def report(found: dict[str, Any]) -> str:
    """Return the whole report as text."""
    lines = []
    if any(claim["best"] for claim in found["claims"]):
        lines = [
            f"{found['seeds']} seeds, {found['epochs']} epochs, weight decay {found['decay']:g}.",
            "Differences are paired by seed, in decades (-0.3: half as high), with 95 % t",
            "intervals.  Best: each optimizer at the rate that is best for the number judged, for",
            "noise and cuts for the end; * is the first or last of the rates tried.",
        ]
    for claim in found["claims"]:
        lines += ["", f"{claim['label']} {claim['name']}: {claim['says']}"]
        for comparison in claim["comparisons"]:
            lines += ["", *_comparison(comparison)]
        if claim["page"] is not None:
            lines += ["", f"  more of it: {claim['page']}"]
    return "\n".join(lines).lstrip("\n")


def _comparison(comparison: dict[str, Any]) -> list[str]:
    by = f"  by the {comparison['by']}"
    by += f"; margin {comparison['margin']:+.3f}" if comparison["margin"] else ""
    equal = [row for row in comparison["rows"] if not row["best"]]
    at_best = [row for row in comparison["rows"] if row["best"]]
    told = f"  at equal {comparison['axis']}s: {counts(equal)}"
    told += f"; each at its best: {counts(at_best)}" if at_best else ""
    table = [
        (
            row["problem"], where(row, comparison["axis"]), verdict(row, comparison),
            difference(row, comparison["unit"]), _lost(row),
        )
        for row in comparison["rows"]
    ]
    return [f"  {comparison['says']}", by, told, *_aligned(table)]


def _lost(row: Row) -> str:
    if not any(row["untrained"]):
        return ""
    return "ended no lower than the start: " + " / ".join(map(str, row["untrained"])) + " seeds"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "    " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
