"""The plane of a problem with two parameters: its level sets, and the paths of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from paratrooper_ref.plots.style import INK, axes, look, pale, single

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from paratrooper_ref.trajectory import Trajectory
    from problems import Problem


def contour(problem: Problem, ax: Axes | None = None, *, points: int = 240) -> Axes:
    """Draw the level sets of a problem with two parameters, evenly spaced in the log of the loss.

    Declared minimizers are stars, other critical points small marks.

    Raises
    ------
    ValueError
        If the problem does not have two parameters in one layer, or declares no domain.
    """
    ax = axes(ax)
    layer, low, high = plane(problem)
    xs, ys = (np.linspace(low[i], high[i], points) for i in (0, 1))
    grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    loss = np.asarray(problem.loss({layer: grid})).reshape(points, points)
    floor = loss.min() if problem.minimum is None else min(problem.minimum, loss.min())
    # NOTE: the logarithm shows a valley's floor; a thousandth of the median keeps it from
    # spending all its levels on the last digits around the minimum.
    height = np.log10(loss - floor + 1e-3 * (np.median(loss) - floor))
    ax.contourf(xs, ys, height, levels=28, cmap=pale(), zorder=0)
    ax.contour(
        xs, ys, height, levels=14, colors="#5b7690", linewidths=0.45, alpha=0.55, zorder=1
    )
    marks = {"saddle": "x", "maximum": "^", "minimum": "o"}
    for point in problem.critical_points:
        x, y = np.ravel(point.params[layer])
        ax.plot(x, y, marks[point.kind], color="#47606f", markersize=5, zorder=3)
    for minimizer in problem.minimizers:
        x, y = np.ravel(minimizer[layer])
        ax.plot(
            x, y, "*", markersize=17, color="#ffd23f", markeredgecolor=INK, zorder=6, clip_on=False
        )
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel="x", ylabel="y")
    return ax


def path(trajectory: Trajectory, ax: Axes | None = None, *, name: str | None = None) -> Axes:
    """Draw where a run with two parameters went, from a ring to a dot.

    Raises
    ------
    ValueError
        If the problem does not have two parameters, or the run did not record them or is a batch.
    """
    from matplotlib.patheffects import Normal, Stroke

    single("path", trajectory)
    ax = axes(ax)
    layer, _, _ = plane(trajectory.problem)
    if layer not in trajectory.params:
        msg = f"path needs recorded parameters, got record={trajectory.record!r}"
        raise ValueError(msg)
    style = look(name or trajectory.optimizer.algorithm)
    x, y = trajectory.params[layer].astype(float).T
    halo = [Stroke(linewidth=style.width + 1.6, foreground="white", alpha=0.8), Normal()]
    on_top = 4 + (style.width > 2)
    ax.plot(
        x, y, color=style.color, ls=style.dashes, lw=style.width, label=style.label,
        path_effects=halo, zorder=on_top,
    )
    ax.plot(x[0], y[0], "o", ms=8, mfc="white", mec=INK, mew=1.4, zorder=7)
    ax.plot(x[-1], y[-1], "o", ms=6, color=style.color, mec="white", mew=0.8, zorder=on_top + 1)
    return ax


def has_plane(problem: Problem) -> bool:
    """Return whether a problem has two parameters in one layer, and a box to look at."""
    shapes = list(problem.layers.values())
    return shapes == [(2,)] and problem.domain is not None


def plane(problem: Problem) -> tuple[str, Any, Any]:
    """Return the layer of a plane, and its lower and upper corner."""
    if not has_plane(problem) or problem.domain is None:
        msg = f"a contour needs two parameters in one layer and a domain, got {problem.name}"
        raise ValueError(msg)
    ((layer, (low, high)),) = problem.domain.items()
    return layer, np.ravel(low), np.ravel(high)
