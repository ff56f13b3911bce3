"""One figure of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paratrooper_ref.plots.planes import contour, has_plane, path
from paratrooper_ref.plots.runs import losses
from paratrooper_ref.plots.style import INK, look, styled
from paratrooper_ref.plots.sweeps import LOST, sweep

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from paratrooper_ref.comparison import Entry


def overview(entries: Sequence[Entry]) -> Figure:
    """Return one figure of a comparison: paths where there is a plane, losses, sweeps."""
    import matplotlib.pyplot as plt

    problems: dict[str, list[Entry]] = {}
    for entry in entries:
        problems.setdefault(entry.best.problem.name, []).append(entry)
    planes = [rows for rows in problems.values() if has_plane(rows[0].best.problem)]
    swept = any(len(entry.rates) > 1 for entry in entries)
    with styled():
        columns = (["plane"] if planes else []) + ["losses"] + (["sweep"] if swept else [])
        widths = {"plane": 1.55, "losses": 1.15, "sweep": 1.0}
        rows = max(2, len(problems)) if planes else len(problems)
        wide = max(6.4, 4.6 * sum(widths[c] for c in columns))
        high = 3.6 * rows + 0.9
        figure: Figure = plt.figure(figsize=(wide, high))
        grid = figure.add_gridspec(  # margins in inches, so that labels fit at every size
            rows, len(columns), width_ratios=[widths[c] for c in columns],
            left=0.9 / wide, right=1 - 0.25 / wide, top=1 - 0.55 / high, bottom=1.1 / high,
            wspace=0.27, hspace=0.42,
        )
        for group in planes:
            problem = group[0].best.problem
            place: Any = slice(None) if len(planes) == 1 else list(problems).index(problem.name)
            ax = figure.add_subplot(grid[place, 0])
            contour(problem, ax, legend=False)
            for entry in group:
                path(entry.best, ax, name=entry.name)
            ax.set_title(f"{problem.name}: the way down")
        for i, (name, group) in enumerate(problems.items()):
            row: Any = i if len(problems) > 1 or not planes else slice(None)
            ax = figure.add_subplot(grid[row, columns.index("losses")])
            losses({e.name: e.best for e in group}, ax, floor=1e-10)
            ax.set_title(name)
            if swept:
                ax = figure.add_subplot(grid[row, columns.index("sweep")])
                sweep(group, ax, floor=1e-10)
                ax.set(title="where each learning rate ends", ylabel="")
        handles, labels = _legend(entries)
        rows_of_names = -(-len(labels) // max(1, int(wide / 1.45)))
        figure.legend(
            handles, labels, loc="lower center", ncols=-(-len(labels) // rows_of_names),
            bbox_to_anchor=(0.5, 0.008), handlelength=1.9, columnspacing=1.5,
        )
    return figure


def _legend(entries: Sequence[Entry]) -> tuple[list[Any], list[str]]:
    from matplotlib.lines import Line2D

    looks = {entry.name: look(entry.name) for entry in entries}
    handles = [Line2D([], [], color=s.color, ls=s.dashes, lw=s.width) for s in looks.values()]
    labels = [s.label for s in looks.values()]
    if any(len(e.rates) > 1 and not np.isfinite(e.finals).all() for e in entries):
        handles.append(Line2D([], [], marker="x", ls="none", ms=5, color=INK))
        labels.append(LOST)
    return handles, labels
