"""The plane of a problem with two parameters: its level sets, and the paths of runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from paratrooper_ref.plots.style import BESIDE, INK, axes, key, look, pale, single

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.contour import ContourSet

    from paratrooper_ref.optimizers.state import Array
    from paratrooper_ref.trajectory import Trajectory
    from problems import Problem

MARKS: Final[Mapping[str, Mapping[str, Any]]] = {
    "global minimum": {
        "marker": "*", "ms": 17, "color": "#ffd23f", "mec": INK, "zorder": 6, "clip_on": False,
    },
    "local minimum": {"marker": "*", "ms": 11, "color": "white", "mec": INK, "zorder": 3},
    "saddle": {"marker": "x", "ms": 7, "color": INK, "mew": 1.8, "zorder": 3},
    "maximum": {"marker": "^", "ms": 7, "color": INK, "mec": "white", "zorder": 3},
}
LONG: Final = 40  # sides: the lines of a smooth loss are shorter, those around ripples are not
FAR: Final = 10  # boxes away from the box: further than any picture shows


def contour(
    problem: Problem, ax: Axes | None = None, *, points: int = 240, legend: bool = True
) -> Axes:
    """Draw the level sets of a problem with two parameters, near in its valleys, far in its walls.

    They are evenly spaced in the mean of the log of the loss and of its rank on the plane.
    The critical points that the problem declares (its tests verify them) are marked by their
    kind, and the legend, beside the plane, names the kinds; `key` draws it again with what has
    been added.

    Raises
    ------
    ValueError
        If the problem does not have two parameters, or declares no domain.

    Examples
    --------
    >>> import problems
    >>> ax = contour(problems.himmelblau(), points=20)
    >>> ax.get_legend_handles_labels()[1]
    ['global minimum', 'saddle', 'maximum']
    """
    low, high = plane(problem)
    ax = axes(ax, width=BESIDE)
    xs, ys = (np.linspace(low[i], high[i], points) for i in (0, 1))
    grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    loss = np.asarray(problem.loss(problem.split(grid))).reshape(points, points)
    height = _height(loss, problem.minimum)
    ax.contourf(xs, ys, height, levels=28, cmap=pale(), zorder=0)
    lines = ax.contour(
        xs, ys, height, levels=14, colors="#5b7690", linewidths=0.45, linestyles="solid", zorder=1
    )
    # NOTE: around ripples they would fill the plane; what is longer gets no more ink in all.
    lines.set_alpha(0.55 * min(1.0, LONG / _length(lines, high - low)))
    for kind, found in critical(problem).items():
        x, y = np.transpose(found)
        ax.plot(x, y, ls="none", label=kind, **MARKS[kind])
    across, up = problem.layers if len(problem.layers) == 2 else ("x", "y")
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel=across, ylabel=up)
    if legend and problem.minimizers:
        key(ax)
    return ax


def _length(lines: ContourSet, sides: Array) -> float:
    """Return how long lines are, in sides of the plane."""
    parts = [part for path in lines.get_paths() for part in path.to_polygons(closed_only=False)]
    return sum(float(np.hypot(*(np.diff(part, axis=0) / sides).T).sum()) for part in parts)


def _height(loss: Array, minimum: float | None) -> Array:
    """Return heights from 0 to 1 that ascend with the loss: the mean of its log and its rank.

    The logarithm shows a valley's floor; but of a loss that levels off all but the middle would
    be white.  The rank, the share of the plane that is lower, gives each level the same area; but
    would show a valley's floor and its wall as one.
    """
    floor = loss.min() if minimum is None else min(minimum, loss.min())
    # NOTE: a thousandth of the median keeps the logarithm from spending all its levels on the
    # last digits around the minimum.
    log = np.log10(loss - floor + 1e-3 * (np.median(loss) - floor))
    rank = np.searchsorted(np.sort(loss, axis=None), loss) / loss.size
    found: Array = (rank + (log - log.min()) / (np.ptp(log) or 1)) / 2
    return found


def critical(problem: Problem) -> dict[str, list[Array]]:
    """Return the declared critical points of a problem with a plane, by kind."""
    found: dict[str, list[Array]] = {kind: [] for kind in MARKS}
    found["global minimum"] = [spots(problem, point) for point in problem.minimizers]
    for point in problem.critical_points:
        kind = "local minimum" if point.kind == "minimum" else point.kind
        found[kind].append(spots(problem, point.params))
    return {kind: points for kind, points in found.items() if points}


def path(trajectory: Trajectory, ax: Axes | None = None, *, name: str | None = None) -> Axes:
    """Draw where a run with two parameters went, from a ring to a dot.

    A run that has diverged is drawn as far as it was near the plane, and ends in a cross; so does
    one that ends outside of the plane, where it was last seen on it.

    Raises
    ------
    ValueError
        If the problem does not have two parameters, or the run did not record them or is a batch.
    """
    from matplotlib.patheffects import Normal, Stroke

    x, y, lost = walk("path", trajectory)
    ax = axes(ax, width=BESIDE)
    style = look(name or trajectory.optimizer.algorithm)
    wide = style.width + 0.8  # what is legible on white needs more on a coloured plane
    halo = [Stroke(linewidth=wide + 1.8, foreground="white", alpha=0.85), Normal()]
    on_top = 4 + (style.width > 2)
    ax.plot(
        x, y, color=style.color, ls=style.dashes, lw=wide, label=style.label,
        path_effects=halo, zorder=on_top,
    )
    ax.plot(x[0], y[0], "o", ms=8, mfc="white", mec=INK, mew=1.4, zorder=7)
    low, high = plane(trajectory.problem)
    inside = np.flatnonzero((x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1]))
    lost = lost or (inside.size > 0 and inside[-1] < len(x) - 1)
    end = inside[-1] if lost and inside.size else -1
    ax.plot(
        x[end], y[end], "X" if lost else "o", ms=9 if lost else 6, color=style.color, mec="white",
        mew=0.8, zorder=8 if lost else on_top + 1,
    )
    return ax


def walk(who: str, trajectory: Trajectory) -> tuple[Array, Array, bool]:
    """Return the points of a run on a plane, as far as they are near it, and whether it was lost.

    Raises
    ------
    ValueError
        If the problem does not have two parameters, or the run did not record them or is a batch.
    """
    single(who, trajectory)
    low, high = plane(trajectory.problem)
    if not trajectory.params:
        msg = (
            f"{who} needs recorded parameters, got record={trajectory.record!r}; "
            "run with record='all' or record=['theta']"
        )
        raise ValueError(msg)
    points = spots(trajectory.problem, trajectory.params)
    away = np.abs(points - (low + high) / 2) > FAR * (high - low)
    gone = np.flatnonzero(away.any(axis=1))
    kept = points[: max(1, gone[0])] if gone.size else points
    return kept[:, 0], kept[:, 1], bool(gone.size) or trajectory.stopped is not None


def has_plane(problem: Problem) -> bool:
    """Return whether a problem has two parameters, and a box to look at."""
    return problem.size == 2 and problem.domain is not None


def plane(problem: Problem) -> tuple[Array, Array]:
    """Return the lower and the upper corner of a plane."""
    if not has_plane(problem) or problem.domain is None:
        msg = (
            f"a contour needs two parameters and a domain, got {problem.name}; of "
            "any other problem landscape.cut returns a slice, which plots.slice_lines and "
            "plots.slice_map draw"
        )
        raise ValueError(msg)
    low, high = ({name: box[i] for name, box in problem.domain.items()} for i in (0, 1))
    return spots(problem, low), spots(problem, high)


def spots(problem: Problem, params: Mapping[str, Any]) -> Array:
    """Return points of a plane as (*batch, 2), whether they are one layer or two numbers."""
    arrays = [np.asarray(params[name], dtype=float) for name in problem.layers]
    shape = next(iter(problem.layers.values()))
    batch = arrays[0].shape[: arrays[0].ndim - len(shape)]
    return np.concatenate([x.reshape(*batch, -1) for x in arrays], axis=-1)
