"""A logarithmic axis around the bound."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from paratrooper_ref.conformance.report import Report

LEFT: Final = 0.4  # of an axis from left to right is within the bound, where both are used
MOST_TICKS: Final = 4  # on either side
DEEPEST: Final = -6.0  # decades: what is closer to the truth is drawn so
LEAST: Final = -0.75  # decades below the bound are there at least


class Scale:
    """A logarithmic axis around the bound, for all errors over bound of a report.

    Parameters
    ----------
    shares : iterable of float
        0, infinite ones and NaN among them: those are at the ends.
    """

    def __init__(self, shares: Iterable[float]) -> None:
        shares = list(shares)
        logs = [math.log10(x) for x in shares if 0 < x < math.inf]
        self.low = min(LEAST, *(max(DEEPEST, x - 0.06 * abs(x)) for x in logs), LEAST)
        if 0.0 in shares:
            self.low = min(-1.0, 1.1 * self.low)
        self.high = max([0, *(math.ceil(x) for x in logs)])
        if any(not math.isfinite(x) for x in shares):
            self.high = max(1, self.high + max(1, self.high // 8))

    def decades(self, x: float) -> float:
        """Return how many decades above the bound a number is drawn."""
        if not math.isfinite(x):
            return self.high
        return min(self.high, max(self.low, math.log10(x))) if x > 0 else self.low

    def along(self, x: float) -> float:
        """Return where a number is between the ends, from 0 to 1.

        Decades on one side of the bound are as long as the others on that side.
        """
        decades = self.decades(x)
        bound = LEFT if self.high else 1.0
        return bound * (1 - decades / self.low) if decades < 0 else (
            bound + (1 - bound) * decades / max(1, self.high)
        )

    def ticks(self) -> list[float]:
        """Return numbers to be marked, but for the bound."""
        deep = math.floor(-self.low)
        below = [10.0**-d for d in range(1, deep + 1) if d % math.ceil(deep / MOST_TICKS) == 0]
        if deep < 2:
            below += [x for x in (0.5, 0.2, 0.05, 0.02) if math.log10(x) >= self.low]
        step = math.ceil(max(1, self.high) / MOST_TICKS)
        return sorted([*below, *(10.0**d for d in range(step, self.high + 1, step))])


def scale(report: Report) -> Scale:
    """Return the axis of a report."""
    shares = (r.worst for r in report.results)
    return Scale(s.share for s in shares if s is not None)
