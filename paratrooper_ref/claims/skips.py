"""What a skip connection does to a landscape: pairs of tanh nets, measured at the same loss.

A pair has the same data and the same first weights, one net without skips and one with a skip
around each layer.  Both are trained; then each is taken where its path first has the loss that
the worse of the two ended at, and measured on random planes by `landscape.convexity`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

import problems
from paratrooper_ref.claims.rows import said
from paratrooper_ref.claims.verdicts import decide
from paratrooper_ref.landscape import convexity, cut, random_directions
from paratrooper_ref.landscape.points import Array, Direction, flat, gradients, layered, losses
from problems import Problem

DEPTHS: Final = (2, 4, 6, 8, 12)
ITERATIONS: Final = 500  # of L-BFGS
COMMON: Final = 0.4  # a loss that nearly all nets reach; predicting the mean has about 1
SLICES: Final = 3  # for each net
CHORDS: Final = 400  # in each slice
SIDE: Final = 5  # grid points along a direction
OF_SLICES: Final = ("star", "midpoint", "slice_curvature")
OF_HESSIANS: Final = ("negative_mass", "ratio")
METRICS: Final = {
    "star": ("star violations", "gradients that do not point away from the center"),
    "midpoint": ("midpoint violations", "chords with a middle above the mean of their ends"),
    "slice_curvature": ("points of negative curvature", "grid points where the slice curves down"),
}
BY: Final = {
    "skip by W": "by its own W, as the source does",
    "skip by I + W": "by I + W",
    "skip by plain": "by the plain net's W",
}


class Descent(NamedTuple):
    """The path of a training run, and the losses on it."""

    problem: Problem
    path: Array
    losses: Array

    def at(self, level: float) -> Direction | None:
        """Return the first point of the path, drawn as a polygon, with that loss."""
        low = self.losses <= level
        if low[0] or not low.any():
            return None
        i = int(np.argmax(low))
        one, two, near, far = self.path[i - 1], self.path[i], 0.0, 1.0
        for _ in range(60):  # bisection, down to the last digit
            middle = (near + far) / 2
            (loss,) = losses(self.problem, (one + middle * (two - one))[None])
            near, far = (middle, far) if loss > level else (near, middle)
        return layered(self.problem, one + far * (two - one))


def trained(problem: Problem) -> Descent:
    """Return a training run by L-BFGS from the problem's start."""
    from scipy.optimize import minimize

    def both(x: Array) -> tuple[float, Array]:
        return float(losses(problem, x[None])[0]), gradients(problem, x[None])[0]

    path = [flat("trained", problem, problem.starts[0])]
    minimize(
        both, path[0], jac=True, method="L-BFGS-B", callback=lambda x: path.append(x.copy()),
        options={"maxiter": ITERATIONS, "maxfun": 3 * ITERATIONS},
    )
    points = np.array(path)
    return Descent(problem, points, losses(problem, points))


def pair(depth: int, seed: int) -> tuple[Descent, Descent]:
    """Return the training runs of a net without skips and of its twin with them."""
    plain, skip = (
        trained(problems.tanh_net(depth=depth, skip=skip, seed=seed)) for skip in (False, True)
    )
    return plain, skip


def identity_added(center: Direction) -> Direction:
    """Return I + W for every square layer W of the hidden ones, and the rest as it is."""
    return {k: w + np.eye(len(w)) if k.startswith("W") else w for k, w in center.items()}


def measured(
    depth: int, seed: int, *, common: bool = True, hessians: bool = True
) -> list[dict[str, Any]]:
    """Return the measurements of one pair, at the higher of their last losses and at COMMON.

    Parameters
    ----------
    depth, seed : int
        Of the nets.
    common : bool
        Whether it is also measured at COMMON.
    hessians : bool
        Whether the whole Hessian is measured as well, at the higher of the last losses.
    """
    runs = pair(depth, seed)
    ends = [float(run.losses.min()) for run in runs]
    found = []
    for matched, level in (("pair", max(ends)), ("common", COMMON))[: 1 + common]:
        plain, skip = (run.at(level) for run in runs)
        row: dict[str, Any] = {
            "depth": depth, "seed": seed, "matched": matched, "level": level, "ends": ends
        }
        if plain is not None and skip is not None:
            spectra = hessians and matched == "pair"
            for name, (run, center, reference) in {
                "plain": (runs[0], plain, None),
                "skip by W": (runs[1], skip, None),
                "skip by I + W": (runs[1], skip, identity_added(skip)),
                "skip by plain": (runs[1], skip, plain),
            }.items():
                row[name] = _numbers(run.problem, center, reference, spectra)
        found.append(row)
    return found


def _numbers(
    problem: Problem, center: Direction, reference: Direction | None, spectra: bool
) -> dict[str, float]:
    """Return the means over slices; those of Hessians from the first slice alone."""
    found: dict[str, list[float]] = {}
    for i in range(SLICES):
        directions = random_directions(problem, center, reference=reference, seed=i)
        numbers = convexity(
            cut(problem, center, directions, points=SIDE), chords=CHORDS, seed=i,
            spectra=spectra and i == 0,
        )
        for name in (*OF_SLICES, *OF_HESSIANS):
            value = getattr(numbers, name)
            if value is not None:
                found.setdefault(name, []).append(float(np.mean(value)))
    return {name: round(float(np.mean(values)), 6) for name, values in found.items()}


def of_pair(asked: tuple[int, int]) -> dict[str, Any]:
    """Return what the claim looks at of one pair of a depth and a seed."""
    return measured(*asked, common=False, hessians=False)[0]


def comparisons(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the claim as comparisons: for each measure and normalisation a row for each depth."""
    return [
        {
            "says": f"With skips fewer {name}, normalised {how}",
            "by": f"share of {what}",
            "axis": "depth",
            "unit": "share",
            "margin": 0.0,
            "lacking": "not matched",
            "rows": [
                _row(depth, [row for row in found if row["depth"] == depth], variant, metric)
                for depth in dict.fromkeys(row["depth"] for row in found)
            ],
        }
        for metric, (name, what) in METRICS.items()
        for variant, how in BY.items()
    ]


def _row(
    depth: int, found: Sequence[Mapping[str, Any]], variant: str, metric: str
) -> dict[str, Any]:
    differences = np.array([
        row[variant][metric] - row["plain"][metric] if variant in row else np.nan for row in found
    ])
    return {
        "problem": "tanh nets", "best": False, "at": depth, "rates": [], "edges": [],
        **said(decide(differences)),
        "untrained": [],
    }
