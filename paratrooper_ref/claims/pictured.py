"""What a claim's figure shows: means over the seeds with intervals, as plain data."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from paratrooper_ref.claims.rows import Table, best, rounded
from paratrooper_ref.claims.statistics import AFTER, BEFORE, End, Statistic, around_cuts
from paratrooper_ref.claims.table import Claim
from paratrooper_ref.claims.verdicts import CONFIDENCE
from paratrooper_ref.intervals import interval

EQUAL: Final = 3e-2  # the rate of the curves at equal rates, near most best ones


def pictured(claim: Claim, setting: str, table: Table) -> list[dict[str, Any]]:
    """Return the curves of one problem: each arm at its best rate, and all at one.

    Where the claim is one comparison its rates are those that are best for what is compared; where
    it has several, those of the best ends.
    """
    if claim.figure == "differences":
        return []
    found = []
    for arm, sweep in table.items():
        shown = [(*best(sweep, _judge(claim, arm)), True)]
        if claim.figure == "curves":
            shown += [(rate, curves, False) for rate, curves in sweep if rate == EQUAL]
        for rate, curves, at_best in shown:
            if claim.figure == "cuts":
                each = [seen.mean(axis=0) for seen in around_cuts(curves) if len(seen)]
                epochs = list(range(-BEFORE + 1, AFTER[1] + 1))
                y = np.array(each).reshape(-1, len(epochs)).T
            else:
                epochs = shown_epochs(len(curves.decades) - 1)
                y = curves.decades[epochs]
            if y.shape[1] < 2:
                continue
            spans = [interval(row, CONFIDENCE) for row in y]
            found.append(
                {
                    "problem": setting, "arm": arm, "best": at_best, "rate": rate,
                    "epochs": epochs, "seeds": y.shape[1],
                    "mean": [rounded(s.mean) for s in spans],
                    "low": [rounded(s.low) for s in spans],
                    "high": [rounded(s.high) for s in spans],
                }
            )
    return found


def _judge(claim: Claim, arm: str) -> Statistic:
    """Return the number by which the rate of an arm's curve is chosen."""
    if len(claim.comparisons) > 1:
        return End()
    (comparison,) = claim.comparisons
    other = comparison.against_by if arm == comparison.against else None
    return (other or comparison.by).chooses


def shown_epochs(epochs: int) -> list[int]:
    """Return the epochs that a figure shows: ever fewer, and those that the claims name."""
    late = np.geomspace(10, max(epochs, 10), 36).round().astype(int).tolist()
    return sorted({e for e in [*range(10), *late, 25, 60, 120] if e <= epochs})
