"""Basins of attraction: in which minimum each of a grid of starts ends, and how soon."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from paratrooper_ref.landscape.points import layered
from paratrooper_ref.plots.planes import critical, plane, spots
from paratrooper_ref.plots.style import AREAS, BESIDE, INK, PALEST, axes, key
from paratrooper_ref.trajectory import run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from paratrooper_ref.optimizers import Optimizer
    from paratrooper_ref.optimizers.state import Array
    from paratrooper_ref.schedules import Schedule
    from problems import Problem

ELSEWHERE: Final = "#e4e4e4"
LOST: Final = INK
NAMES: Final = "ABCDEFG"  # one for each colour: a map can be read without
AT_ONCE: Final = 25  # steps recorded before they are looked at: memory for a batch of starts


@dataclass(frozen=True, kw_only=True, eq=False)
class Basins:
    """Where the starts of a grid have ended.

    A start has *arrived* at a minimum when the run is within ``radius`` of it at the last step;
    the time of arrival is the first step from which on it stayed there.

    Parameters
    ----------
    problem, optimizer, steps, radius
        What was run from every start, how long, and what counts as being there.
    xs, ys : Array, shape (points,)
        The coordinates of the starts.
    minima : Array, shape (n, 2)
        The minima that the problem declares, global ones first.
    reached : Array of int, shape (points, points)
        Row y, column x: the index in ``minima``, -1 for none of them.
    arrival : Array, shape (points, points)
        The step of arrival, NaN for none.
    alive : Array of bool, shape (points, points)
        False where the run became non-finite.
    """

    problem: Problem
    optimizer: Optimizer
    steps: int
    radius: float
    xs: Array
    ys: Array
    minima: Array
    reached: Array
    arrival: Array
    alive: Array

    def share(self, index: int) -> float:
        """Return the share of the starts that have arrived at a minimum; -1 for none of them."""
        return float(np.mean(self.reached == index))


def attraction(
    optimizer: Optimizer,
    problem: Problem,
    *,
    points: int = 121,
    steps: int = 300,
    radius: float | None = None,
    schedule: Schedule | None = None,
) -> Basins:
    """Run an optimizer from a grid of starts, as one batch, and return where each ends.

    Parameters
    ----------
    optimizer, problem, steps, schedule
        As in `run`; the problem has a plane and declares its minima.
    points : int
        Starts along each side of the domain, >= 2.
    radius : float, optional
        How near is there; by default a hundredth of the domain's diagonal.

    Raises
    ------
    ValueError
        If the problem has no plane or no minimum, or ``radius`` does not tell its minima apart.

    Examples
    --------
    >>> import problems
    >>> import paratrooper_ref as pr
    >>> found = attraction(pr.SGD(lr=0.1), problems.double_well(), points=20, steps=100)
    >>> found.share(0), found.share(1)
    (0.5, 0.5)
    """
    low, high = plane(problem)
    kinds = critical(problem)
    declared = kinds.get("global minimum", []) + kinds.get("local minimum", [])
    if not declared:
        msg = f"attraction needs a problem that declares its minima, got {problem.name}"
        raise ValueError(msg)
    if points < 2 or steps < 1:
        msg = f"attraction needs points >= 2 and steps >= 1, got points={points}, steps={steps}"
        raise ValueError(msg)
    minima = np.stack(declared)
    reach = float(np.hypot(*(high - low))) / 100 if radius is None else radius
    apart = _distances(minima, minima) + np.where(np.eye(len(minima)), np.inf, 0)
    if not 0 < reach < apart.min() / 2:
        msg = (
            f"attraction needs a radius above 0 and below {apart.min() / 2:.3g}, which is half the "
            f"way between two minima of {problem.name}, got radius={reach:g}"
        )
        raise ValueError(msg)
    xs, ys = (np.linspace(low[i], high[i], points) for i in (0, 1))
    starts = np.stack(np.meshgrid(xs, ys), axis=-1)
    reached = _nearest(starts, minima, reach)
    arrival = np.zeros(reached.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the map says which starts were lost
        part = run(
            optimizer, problem, min(steps, AT_ONCE), start=layered(problem, starts),
            schedule=schedule, record=("theta",),
        )
        while True:
            for t, where in zip(part.t[1:], spots(problem, part.params)[1:], strict=True):
                now = _nearest(where, minima, reach)
                arrival = np.where(now == reached, arrival, t)
                reached = now
            if part.state.t >= steps:
                break
            part = part.resume(min(AT_ONCE, steps - part.state.t))
    alive = np.ones(reached.shape, bool) if part.state.alive is None else part.state.alive
    reached = np.where(alive, reached, -1)
    return Basins(
        problem=problem, optimizer=optimizer, steps=steps, radius=reach, xs=xs, ys=ys,
        minima=minima, reached=reached, arrival=np.where(reached < 0, np.nan, arrival),
        alive=alive,
    )


def basins(found: Basins, ax: Axes | None = None) -> Axes:
    """Draw where each start has ended: a colour for each minimum, paler where it took longer.

    Starts that have arrived at none of the declared minima are grey (they may be at another),
    those that became non-finite dark.  The legend gives each minimum's share of the starts;
    global minima are stars, local ones dots, and letters name them.

    Raises
    ------
    ValueError
        If the problem declares more minima than there are colours.
    """
    if len(found.minima) > len(NAMES):
        msg = (
            f"basins has colours for {len(NAMES)} minima, got the {len(found.minima)} "
            f"of {found.problem.name}"
        )
        raise ValueError(msg)
    from matplotlib.patheffects import Normal, Stroke

    ax = axes(ax, width=BESIDE)
    ax.imshow(
        _colours(found), origin="lower", extent=_extent(found.xs, found.ys), aspect="auto",
        interpolation="nearest", zorder=0,
    )
    best = len(found.problem.minimizers)
    for i, (x, y) in enumerate(found.minima):
        ax.plot(
            x, y, "*" if i < best else "o", ms=17 if i < best else 8, color=AREAS[i],
            mec="white", mew=1.2, zorder=5, clip_on=False, ls="none",
            label=f"{NAMES[i]} ({x:.2f}, {y:.2f}): {_percent(found.share(i))}",
        )
        ax.annotate(
            NAMES[i], (x, y), xytext=(9, 7), textcoords="offset points", color=INK, weight="bold",
            path_effects=[Stroke(linewidth=2.5, foreground="white"), Normal()], zorder=6,
        )
    nowhere = float(np.mean((found.reached < 0) & found.alive))
    for share, color, what in (
        (nowhere, ELSEWHERE, f"at none of the declared minima\nafter {found.steps} steps"),
        (float(np.mean(~found.alive)), LOST, "became non-finite"),
    ):
        if share:
            ax.plot(
                [], [], "s", ms=9, color=color, mec="#888888", mew=0.6, ls="none",
                label=f"{what}: {_percent(share)}",
            )
    low, high = plane(found.problem)
    ax.set(
        xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel="x at the start",
        ylabel="y at the start",
        title=f"{found.problem.name}: where {found.optimizer.name} ends, lr "
        f"{found.optimizer.rate(None):g}",
    )
    return key(ax)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 or not share else "< 1%"


def _distances(a: Array, b: Array) -> Any:
    return np.sqrt(np.sum((a[..., None, :] - b) ** 2, axis=-1))


def _nearest(points: Array, minima: Array, radius: float) -> Array:
    """Return the index of the minimum that each point is within reach of, -1 for none."""
    with np.errstate(over="ignore", invalid="ignore"):
        distance = _distances(points.astype(float), minima)
    near: Array = np.where(distance.min(axis=-1) <= radius, distance.argmin(axis=-1), -1)
    return near


def _colours(found: Basins) -> Array:
    """Return the picture: (points, points, 3)."""
    from matplotlib.colors import to_rgb

    shades = np.array([to_rgb(c) for c in (*AREAS[: len(found.minima)], ELSEWHERE, LOST)])
    n = len(found.minima)
    which = np.where(found.reached >= 0, found.reached, np.where(found.alive, n, n + 1))
    base = shades[which]
    # NOTE: the steps that it takes span decades, so the shade follows their logarithm.
    late = np.log1p(np.nan_to_num(found.arrival)) / np.log1p(found.steps)
    white = np.where(found.reached >= 0, PALEST * late, 0.0)[..., None]
    picture: Array = base * (1 - white) + white
    return picture


def _extent(xs: Array, ys: Array) -> tuple[float, float, float, float]:
    """Return the edges of cells that have the starts in their middles."""
    dx, dy = (xs[1] - xs[0]) / 2, (ys[1] - ys[0]) / 2
    return (xs[0] - dx, xs[-1] + dx, ys[0] - dy, ys[-1] + dy)
