"""From cells to verdicts: a comparison at equal rates, and with each arm at its best.

The best rate of an arm on a problem has the lowest median over the seeds of the number that is
judged; where the lowest number is no sign of training well, as with noise, of the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from paratrooper_ref.claims.cells import Curves, Floats
from paratrooper_ref.claims.statistics import Statistic
from paratrooper_ref.claims.table import Comparison
from paratrooper_ref.claims.verdicts import Verdict, decide

Sweep = Sequence[tuple[float, Curves]]  # by rate, rising
Table = Mapping[str, Sweep]  # by arm
Side = tuple[float, Curves]


def rows(comparison: Comparison, setting: str, table: Table) -> list[dict[str, Any]]:
    """Return the verdicts on one comparison at each rate, then with each arm at its best.

    Of one rate no best is chosen.
    """
    sweeps = [None if arm is None else table[arm] for arm in (comparison.of, comparison.against)]
    judges = (comparison.by, comparison.against_by or comparison.by)
    number = max(len(sweep) for sweep in sweeps if sweep is not None)
    found = [
        _row(comparison, setting, [None if sweep is None else sweep[i] for sweep in sweeps])
        for i in range(number)
    ]
    found = [row | {"rates": row["rates"][:1]} for row in found]
    if number == 1:
        return found
    chosen = [
        None if sweep is None else best(sweep, judge.chooses)
        for sweep, judge in zip(sweeps, judges, strict=True)
    ]
    at_best = _row(comparison, setting, chosen)
    ends = {sweep[i][0] for sweep in sweeps if sweep is not None for i in (0, -1)}
    edges = [rate in ends for rate in at_best["rates"]]
    return [*found, at_best | {"best": True, "at": None, "edges": edges}]


def _row(comparison: Comparison, setting: str, pair: Sequence[Side | None]) -> dict[str, Any]:
    known = [side for side in pair if side is not None]
    verdict = compared(comparison, *(None if side is None else side[1] for side in pair))
    return {
        "problem": setting,
        "best": False,
        "at": known[0][0],
        "rates": [rate for rate, _ in known],
        "edges": [],
        **said(verdict),
        "untrained": [int(untrained(curves).sum()) for _, curves in known],
    }


def said(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as plain data."""
    d = verdict.difference
    return {
        "verdict": verdict.word,
        "difference": None if d is None else rounded(d.mean),
        "low": None if d is None else rounded(d.low),
        "high": None if d is None else rounded(d.high),
        "seeds": 0 if d is None else d.n,
    }


def compared(comparison: Comparison, of: Curves | None, against: Curves | None) -> Verdict:
    """Return the verdict on one comparison of two cells, seed by seed; None counts as 0.

    A seed of which neither run has trained has no difference: two that stand still are not level.
    """
    first = 0.0 if of is None else comparison.by(of)
    second = 0.0 if against is None else (comparison.against_by or comparison.by)(against)
    lost = np.all([untrained(curves) for curves in (of, against) if curves is not None], axis=0)
    return decide(np.where(lost, np.nan, first - second), comparison.margin)


def best(sweep: Sweep, by: Statistic) -> Side:
    """Return the rate with the lowest median number, the lower one of equals, and its curves."""
    return min(sweep, key=lambda side: float(np.median(by(side[1]))))


def untrained(curves: Curves) -> Floats:
    """Return for each seed whether it ended as high as it started, or higher."""
    result: Floats = curves.decades[-1] >= curves.decades[0]
    return result


def rounded(x: float) -> float:
    """Return a number to six digits: the last ones of a logarithm differ between machines."""
    return float(f"{x:.6g}")
