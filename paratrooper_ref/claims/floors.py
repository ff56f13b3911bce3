"""Lookahead on the noisy quadratic: after some updates, against SGD at the same floor.

Nothing is drawn at random: expected losses are exact at the rates of a grid, so a row has no
interval, and it holds where Lookahead is lower.  The floor is the expected loss above the minimum
that a learning rate reaches in the end; between the rates, logarithms of floor and loss are joined
by straight lines, and tests hold the differences to those of a search for each floor's rate.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import problems
from paratrooper_ref.claims.rows import rounded
from paratrooper_ref.noise_floor import Modes, curve, envelope, largest_rate
from paratrooper_ref.optimizers import SGD, Lookahead

UPDATES: Final = 1000
N: Final = 1000  # directions
K: Final = 5  # of the paper's figure; 1000 updates end at a synchronisation
ALPHAS: Final = (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8)  # 1 is SGD
DEFAULT: Final = 0.5
FLOORS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
LEAST: Final = 1e-3  # of the rates, 200 from here to the largest that settles


def comparisons() -> list[dict[str, Any]]:
    """Return the claim as comparisons, a row for each floor: with the best α, and with 1/2."""
    return [
        {
            "says": says,
            "by": f"expected loss above the minimum after {UPDATES} updates, at the same floor",
            "axis": "floor",
            "unit": "decades",
            "margin": 0.0,
            "lacking": "no such floor",
            "rows": [_row(floor, x) for floor, x in zip(FLOORS, differences, strict=True)],
        }
        for says, differences in _measured()
    ]


@cache
def _measured() -> tuple[tuple[str, tuple[float, ...]], ...]:
    """Return what is said of Lookahead, and by how many decades it differs from SGD."""
    modes, floors = Modes.of(problems.noisy_quadratic(n=N)), np.array(FLOORS)
    sgd = envelope([curve(SGD(), modes, _rates(1.0), UPDATES)], floors)
    ahead = {
        alpha: curve(Lookahead(inner=SGD(), k=K, alpha=alpha), modes, _rates(alpha), UPDATES)
        for alpha in ALPHAS
    }
    several = f"alpha the best of {len(ALPHAS)} from {ALPHAS[0]} to {ALPHAS[-1]}"
    asked = {several: [*ahead.values()], f"alpha = {DEFAULT}": [ahead[DEFAULT]]}
    return tuple(
        (f"Lookahead (k = {K}, {which}) is below SGD",
         tuple(float(x) for x in np.log10(envelope(curves, floors) / sgd)))
        for which, curves in asked.items()
    )


def _rates(alpha: float) -> NDArray[np.float64]:
    """Return the rates of a curve; the largest curvature is 1."""
    return np.geomspace(LEAST, 0.999 * float(largest_rate(1.0, k=K, alpha=alpha)), 200)


def _row(floor: float, difference: float) -> dict[str, Any]:
    if math.isnan(difference):  # a method of these that never has this floor
        known = None
        word = "unmeasured"
    else:
        known = rounded(difference)
        word = "holds" if difference < 0 else "fails"
    return {
        "problem": f"noisy quadratic, {N} directions", "best": False, "at": floor, "rates": [],
        "edges": [], "verdict": word, "difference": known, "low": known, "high": known,
        "seeds": 0, "untrained": [],
    }
