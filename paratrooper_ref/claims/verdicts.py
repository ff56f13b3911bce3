"""The rule by which a comparison is decided, stated before anything was measured but for the last.

A comparison says that a number is lower under one arm than under another, by more than
``-margin``.  For each seed the difference of the two runs, same data, start and mini-batches, is
taken; the 95 % t interval for the mean of these differences over the seeds decides:

holds       the interval lies below the margin
fails       the interval lies above the margin: the opposite was seen
undecided   the margin is within
unmeasured  half the seeds or more have no difference: neither of their runs has trained, or one
            has no noise, or a rate was never cut

Each interval errs one time in twenty if the differences are normal, so of many comparisons of
equals one in forty would "hold", and one in forty would "fail".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from paratrooper_ref.claims.cells import Floats
from paratrooper_ref.intervals import Interval, interval

Word = Literal["holds", "fails", "undecided", "unmeasured"]
CONFIDENCE: Final = 0.95


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a comparison came out.

    Parameters
    ----------
    word : {"holds", "fails", "undecided", "unmeasured"}
    difference : Interval or None
        In decades; None where fewer than two seeds have the number.
    """

    word: Word
    difference: Interval | None


def decide(differences: Floats, margin: float = 0.0) -> Verdict:
    """Return the verdict on differences.

    Parameters
    ----------
    differences : array, shape (seeds,)
        In decades, or shares; NaN where a seed has none.
    margin : float
        In the same unit.

    Examples
    --------
    >>> decide(np.array([-1.0, -1.1, -0.9])).word, decide(np.array([-1.0, 1.0])).word
    ('holds', 'undecided')
    """
    known = differences[np.isfinite(differences)]
    if known.size < 2:
        return Verdict(word="unmeasured", difference=None)
    found = interval(known, CONFIDENCE)
    word: Word = "holds" if found.high < margin else "fails" if found.low > margin else "undecided"
    if 2 * known.size <= differences.size:
        word = "unmeasured"
    return Verdict(word=word, difference=found)
