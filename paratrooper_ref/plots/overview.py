"""One figure of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from paratrooper_ref.plots.names import beside
from paratrooper_ref.plots.planes import contour, has_plane, path, spots
from paratrooper_ref.plots.runs import losses
from paratrooper_ref.plots.style import INK, styled
from paratrooper_ref.plots.sweeps import LOST, ends

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from paratrooper_ref.comparison import Entry

WIDE: Final = 6.4  # inches; on a phone they are 390 points, and the letters must be ten
LETTERS: Final = {
    "font.size": 12.5, "axes.titlesize": 14, "xtick.labelsize": 12, "ytick.labelsize": 12.5,
}
LINE: Final = 0.26  # inches a row of names takes
FLOOR: Final = 1e-10  # below it a loss is its last digits


def overview(entries: Sequence[Entry]) -> Figure:
    """Return one figure of a comparison, its parts one above the other, legible on a phone.

    First the paths of each problem that has a plane; then the losses over the steps of those
    that have none, or of all where nothing is swept; then where all the rates of each optimizer
    end, two problems side by side.  What is restless is below what is calm, so as not to hide it.

    Raises
    ------
    ValueError
        If there is no entry.
    """
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    if not entries:
        msg = "overview needs entries of a comparison, got none"
        raise ValueError(msg)
    problems: dict[str, list[Entry]] = {}
    for entry in entries:
        problems.setdefault(entry.best.problem.name, []).append(entry)
    groups = [*problems.values()]
    swept = any(len(entry.rates) > 1 for entry in entries)
    planes = [group for group in groups if has_plane(group[0].best.problem)]
    curves = [group for group in groups if group not in planes or not swept]
    pairs = [groups[i : i + 2] for i in range(0, len(groups), 2)] if swept else []
    rows = LINE * max(len(group) for group in groups)
    heights = [4.5] * len(planes) + [max(3.5, rows + 1)] * len(curves) + [rows + 1.5] * len(pairs)
    with styled(), mpl.rc_context(LETTERS):
        high = sum(heights) + (0.6 if swept else 0)
        figure: Figure = plt.figure(figsize=(WIDE, high), layout="constrained")
        parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False).flat
        for group, part in zip(planes, parts, strict=False):
            _paths(group, part.subplots())
        for group, part in zip(curves, parts[len(planes) :], strict=False):
            _losses(group, part.subplots())
        for pair, part in zip(pairs, parts[len(planes) + len(curves) :], strict=True):
            part.suptitle(
                "where each learning rate ends", x=0.02, ha="left", weight="bold",
                size=LETTERS["axes.titlesize"],
            )
            beside_each_other = part.subplots(1, len(pair), squeeze=False, sharey=True)[0]
            for group, ax in zip(pair, beside_each_other, strict=True):
                ends(group, ax, floor=FLOOR)
                ax.set_title(group[0].best.problem.name, weight="normal")
        if swept:
            figure.legend(
                *_signs(entries), loc="outside lower center", ncols=2, handlelength=1,
                fontsize=LETTERS["xtick.labelsize"],
            )
    return figure


def _paths(group: list[Entry], ax: Axes) -> None:
    """Draw the plane of a problem and the ways of its runs, the longest below."""

    def length(entry: Entry) -> float:
        points = spots(entry.best.problem, entry.best.params)
        return float(np.hypot(*np.diff(points, axis=0).T).sum())

    problem = group[0].best.problem
    contour(problem, ax, legend=False)
    for entry in sorted(group, key=length, reverse=True):
        path(entry.best, ax, name=entry.name)
    ax.set_title(f"{problem.name}: the way down")


def _losses(group: list[Entry], ax: Axes) -> None:
    """Draw the losses of a problem, those that go up and down most below, with their names."""

    def unrest(entry: Entry) -> float:
        base = entry.best.problem.minimum or 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            moves = np.diff(np.log10(np.maximum(entry.best.losses - base, FLOOR)))
        return float(np.abs(moves[np.isfinite(moves)]).sum())

    restless = sorted(group, key=unrest, reverse=True)
    losses({entry.name: entry.best for entry in restless}, ax, floor=FLOOR)
    ax.set_title(f"{group[0].best.problem.name}: the loss")
    beside(ax)


def _signs(entries: Sequence[Entry]) -> tuple[list[Any], list[str]]:
    """Return what the signs of `ends` mean, of those that are there."""
    from matplotlib.lines import Line2D

    marks = {"best": ("o", 9, INK), "other": ("|", 9, INK), "edge": ("o", 9, "white")}
    words = {"best": "the best, at this rate", "other": "another rate"}
    if not np.isfinite([final for entry in entries for final in entry.finals]).all():
        marks["lost"], words["lost"] = ("x", 6, INK), f"some {LOST}"
    if any(entry.edge for entry in entries):
        words["edge"] = "the best, at the edge"
    handles = [
        Line2D([], [], marker=mark, ls="none", ms=size, mew=1.4, color=INK, mfc=inside)
        for mark, size, inside in (marks[name] for name in words)
    ]
    return handles, [*words.values()]
