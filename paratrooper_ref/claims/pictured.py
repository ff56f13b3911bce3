"""What a claim's figure shows: means over the seeds with intervals, as plain data."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from paratrooper_ref.claims.cells import Curves, Floats
from paratrooper_ref.claims.rows import Table, best, rounded
from paratrooper_ref.claims.statistics import AFTER, BEFORE, CUTS, End
from paratrooper_ref.claims.table import Claim
from paratrooper_ref.claims.verdicts import CONFIDENCE
from paratrooper_ref.intervals import interval

EQUAL: Final = 3e-2  # the rate of the curves at equal rates, near most best ones


def pictured(claim: Claim, setting: str, table: Table) -> list[dict[str, Any]]:
    """Return the curves of one problem: each arm at its best rate by the end, and all at one."""
    if claim.figure == "differences":
        return []
    found = []
    for arm, sweep in table.items():
        shown = [(*best(sweep, End()), True)]
        if claim.figure == "curves":
            shown += [(rate, curves, False) for rate, curves in sweep if rate == EQUAL]
        for rate, curves, at_best in shown:
            if claim.figure == "cuts":
                y, epochs = around_cuts(curves), list(range(-BEFORE + 1, AFTER[1] + 1))
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


def around_cuts(curves: Curves) -> Floats:
    """Return the decades around the first cuts, less their mean before, a column for each seed.

    Rows are the epochs from 4 before a cut to 10 after it; a seed's column is the mean over its
    first two cuts, and a seed without a cut has none.
    """
    columns = []
    for seed, cuts in enumerate(curves.cuts):
        y = curves.decades[:, seed]
        seen = [
            y[cut - BEFORE + 1 : cut + AFTER[1] + 1] - y[cut - BEFORE + 1 : cut + 1].mean()
            for cut in cuts[:CUTS]
            if cut + AFTER[1] < len(y)
        ]
        if seen:
            columns.append(np.mean(seen, axis=0))
    return np.array(columns).T if columns else np.empty((BEFORE + AFTER[1], 0))


def shown_epochs(epochs: int) -> list[int]:
    """Return the epochs that a figure shows: ever fewer, and those that the claims name."""
    late = np.geomspace(10, max(epochs, 10), 36).round().astype(int).tolist()
    return sorted({e for e in [*range(10), *late, 25, 60, 120] if e <= epochs})
