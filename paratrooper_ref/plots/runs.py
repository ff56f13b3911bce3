"""What runs have recorded, over their steps: losses, lines, trust ratios; and sweeps of rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from paratrooper_ref.lines import TAGS
from paratrooper_ref.plots.style import DASHED, INK, LOOKS, axes, cut_above, look, single

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from paratrooper_ref.comparison import Entry
    from paratrooper_ref.trajectory import Trajectory


def losses(
    trajectories: Mapping[str, Trajectory], ax: Axes | None = None, *, floor: float = 0.0
) -> Axes:
    """Draw the loss above the problem's minimum over the steps, on a logarithmic axis.

    Where a minimum is unknown the loss itself is drawn.  ``floor`` hides what is below it.

    Raises
    ------
    ValueError
        If a run is a batch.
    """
    ax = axes(ax)
    known = all(trajectory.problem.minimum is not None for trajectory in trajectories.values())
    top = 0.0
    for name, trajectory in trajectories.items():
        single("losses", trajectory)
        base = trajectory.problem.minimum if known else 0.0
        height = trajectory.losses.astype(float) - (base or 0.0)
        top = max(top, float(height[0]))
        height = np.where(height > floor, height, np.nan)
        style = look(name)
        ax.plot(
            trajectory.t, height, color=style.color, ls=style.dashes, lw=style.width,
            label=style.label, zorder=3 + (style.width > 2),
        )
    ax.set_yscale("log")
    ax.grid(True, which="major", lw=0.7)
    cut_above(ax, 20 * top)
    ax.set(xlabel="step", ylabel="loss above the minimum" if known else "loss")
    ax.margins(x=0)
    return ax


def sweep(
    entries: Sequence[Entry], ax: Axes | None = None, *, floor: float = 0.0
) -> Axes:
    """Draw the final loss of each optimizer against its learning rate; the best is a dot.

    What ended far above the start is beyond the top.
    """
    ax = axes(ax)
    top = 0.0
    for entry in entries:
        style = look(entry.name)
        base = entry.best.problem.minimum or 0.0
        top = max(top, float(entry.best.losses[0]) - base)
        finals = np.array(entry.finals) - base
        finals = np.where(np.isfinite(finals) & (finals > floor), finals, np.nan)
        ax.plot(
            entry.rates, finals, color=style.color, ls=style.dashes, lw=style.width,
            label=style.label, zorder=3 + (style.width > 2),
        )
        best = float(entry.best.losses[-1]) - base
        if best > floor:
            ax.plot(entry.lr, best, "o", ms=5.5, color=style.color, mec="white", mew=0.7, zorder=6)
    ax.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="final loss")
    cut_above(ax, 20 * top)
    ax.grid(True, which="major", lw=0.7)
    return ax


def line(
    trajectory: Trajectory, tag: str, ax: Axes | None = None, *, layer: str | None = None
) -> Axes:
    """Draw a tagged line over the steps: each element, or its quartiles where there are many.

    Raises
    ------
    ValueError
        If the run did not record the line in that layer.
    """
    ax = axes(ax)
    layer = layer or next(iter(trajectory.lines), "")
    recorded = trajectory.lines.get(layer, {})
    if tag not in recorded:
        msg = f"line needs a recorded line of a layer, got {tag!r} in {layer!r}: {[*recorded]}"
        raise ValueError(msg)
    values = recorded[tag].astype(float).reshape(len(trajectory.t), -1)
    style = look(trajectory.optimizer.algorithm)
    if values.shape[1] <= 8:
        for i, column in enumerate(values.T):
            shade = 1 - 0.7 * i / max(1, values.shape[1] - 1)
            ax.plot(trajectory.t, column, color=style.color, alpha=shade, lw=1.5)
    else:
        low, middle, high = np.nanquantile(values[1:], (0.25, 0.5, 0.75), axis=1)
        ax.fill_between(trajectory.t[1:], low, high, color=style.color, alpha=0.25, lw=0)
        ax.plot(trajectory.t[1:], middle, color=style.color, lw=1.5)
    ax.set(xlabel="step", ylabel=f"${TAGS[tag].tex}$", title=f"{TAGS[tag].meaning}, {layer}")
    ax.grid(True, lw=0.7)
    ax.margins(x=0)
    return ax


def trust(trajectory: Trajectory, ax: Axes | None = None) -> Axes:
    """Draw the trust ratio of each layer under its ceiling.

    Raises
    ------
    ValueError
        If the run has no trust ratio.
    """
    ax = axes(ax)
    layers = [name for name, tags in trajectory.lines.items() if "trust_ratio" in tags]
    if not layers:
        msg = f"trust needs a recorded trust ratio, got a run of {trajectory.optimizer.name}"
        raise ValueError(msg)
    palette = [s.color for s in LOOKS.values() if s.width < 2]
    for i, name in enumerate(layers):
        ax.plot(
            trajectory.t, trajectory.lines[name]["trust_ratio"].astype(float),
            color=palette[(1 + 3 * i) % len(palette)], lw=1.8, label=f"T, layer {name}", zorder=3,
        )
    cap = trajectory.lines[layers[0]].get("cap")
    if cap is not None:
        ax.plot(trajectory.t, cap.astype(float), color=INK, lw=1.1, ls=DASHED, label="ceiling R")
    ax.set(yscale="log", xlabel="step", ylabel="trust ratio")
    ax.grid(True, which="major", lw=0.7)
    ax.legend()
    ax.margins(x=0)
    return ax
