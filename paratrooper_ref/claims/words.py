"""What was found, in words: a table for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

MARKS: Final = {"holds": "+", "fails": "-", "undecided": "?"}


def difference(row: dict[str, Any]) -> str:
    """Return a difference with its interval, in decades, such as ``-0.31 [-0.40, -0.22]``."""
    if row["difference"] is None:
        return "none measured"
    return f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"


def counts(rows: Sequence[dict[str, Any]]) -> str:
    """Return how often each verdict is among the rows, such as ``holds 3, fails 1 of 4``."""
    said = [
        f"{word} {sum(row['verdict'] == word for row in rows)}"
        for word in ("holds", "undecided", "fails")
    ]
    return f"{', '.join(said)} of {len(rows)}"


def rate(row: dict[str, Any]) -> str:
    """Return at which rates a row was measured."""
    shown = " / ".join(f"{r:g}" for r in row["rates"])
    return f"best ({shown})" if row["best"] else shown


def report(found: dict[str, Any]) -> str:
    """Return the whole report as text."""
    lines = []
    if any(claim["comparisons"] for claim in found["claims"]):
        lines = [
            f"{found['seeds']} seeds, {found['epochs']} epochs; differences, paired by seed, in",
            "decades (-0.3: half as high), with 95 % t intervals; best: each optimizer at the",
            "learning rate with the lowest median end",
        ]
    for claim in found["claims"]:
        lines += ["", f"{claim['number']} {claim['name']}: {claim['says']}"]
        if claim["elsewhere"] is not None:
            lines.append(f"  measured elsewhere: {claim['elsewhere']}")
        for comparison in claim["comparisons"]:
            lines += ["", f"  {comparison['says']}", f"  by the {comparison['by']}"]
            if comparison["margin"]:
                lines[-1] += f"; margin {comparison['margin']:+.3f}"
            equal = [row for row in comparison["rows"] if not row["best"]]
            at_best = [row for row in comparison["rows"] if row["best"]]
            lines += [f"  at equal rates: {counts(equal)}; each at its best: {counts(at_best)}"]
            lines += _aligned(
                [
                    (row["problem"], rate(row), row["verdict"], difference(row), _lost(row))
                    for row in comparison["rows"]
                ]
            )
    return "\n".join(lines).lstrip("\n")


def _lost(row: dict[str, Any]) -> str:
    if not any(row["untrained"]):
        return ""
    return "ended no lower than the start: " + " / ".join(map(str, row["untrained"])) + " seeds"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "    " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
