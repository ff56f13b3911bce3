"""Names at the ends of curves, instead of a legend that the eye must go to and come back from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from paratrooper_ref.optimizers.state import Array


def beside(ax: Axes) -> Axes:
    """Name the curves on the right, each at its end or as near as no name is over another.

    What a curve's label says after a comma is left out.
    """
    import matplotlib as mpl

    curves = [curve for curve in ax.lines if not str(curve.get_label()).startswith("_")]
    ax.autoscale_view()  # the limits are as they will be
    to_axes = ax.transScale + ax.transLimits
    ends = np.ones((len(curves), 2))
    for i, curve in enumerate(curves):
        points = np.asarray(curve.get_xydata(), dtype=float)
        seen = points[np.isfinite(points).all(axis=1)]
        if len(seen):
            ends[i] = np.clip(to_axes.transform(seen[-1]), 0, 1)
    line = 1.2 * float(mpl.rcParams["font.size"])
    gap = line / (ax.get_window_extent().height * 72 / ax.figure.dpi)
    order = np.argsort(ends[:, 1], kind="stable")
    for i, place in zip(order, apart(ends[order, 1], gap), strict=True):
        ax.annotate(
            str(curves[i].get_label()).partition(", ")[0], ends[i], xytext=(1.06, place),
            xycoords="axes fraction", textcoords="axes fraction", va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-", "color": curves[i].get_color(), "lw": 1, "alpha": 0.6,
                "shrinkA": 1, "shrinkB": 0, "relpos": (0, 0.5),
            },
        )
    return ax


def apart(wishes: Array, gap: float) -> Array:
    """Return places in [0, 1] as near to ascending wishes as they can be, a gap between them.

    Without their gaps the places must not descend: that is isotonic regression, whose solution
    is the means of the runs of wishes that would (pool adjacent violators), clipped to the
    interval.  Names that do not fit begin at 0.

    Examples
    --------
    >>> apart(np.array([0.3, 0.5, 0.5, 0.9]), 0.1).round(3).tolist()
    [0.3, 0.45, 0.55, 0.9]
    """
    gaps = gap * np.arange(len(wishes))
    pools: list[list[float]] = []
    for wish in (wishes - gaps).tolist():
        pools.append([wish])
        while len(pools) > 1 and np.mean(pools[-2]) > np.mean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    level = np.array([np.mean(pool) for pool in pools for _ in pool])
    found: Array = np.clip(level, 0, max(0.0, 1 - gap * (len(wishes) - 1))) + gaps
    return found
