"""Sweeps of the learning rate: where each of a range of rates has led."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from paratrooper_ref.comparison import edge_of
from paratrooper_ref.plots.runs import FAR, MOST, SHOWN, TINY
from paratrooper_ref.plots.spread import MIDDLE_NAME, band, quantiles
from paratrooper_ref.plots.style import INK, axes, cut_above, look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from paratrooper_ref.comparison import Entry
    from paratrooper_ref.optimizers.state import Array

LOST: Final = "did not stay finite"
MARKS: Final = {None: "o", "lowest": "<", "highest": ">"}  # a best at an edge points beyond it


def sweep(
    entries: Sequence[Entry], ax: Axes | None = None, *, floor: float = 0.0
) -> Axes:
    """Draw the final loss of each optimizer against its learning rate; the best is a dot.

    The loss is that above the problem's minimum, or where one is unknown the loss itself.
    Entries of one name, such as runs with several seeds, are drawn as their median in a band
    from the first to the ninth decile, at the rates that all of them have.  A best at the edge of
    its rates is a triangle that points to where a better one may be.  A cross at the top is a
    rate at which a run did not stay finite; what ended far above the start is beyond the top.

    Raises
    ------
    ValueError
        If there is no entry, or entries of one name have no rate in common.
    """
    if not entries:
        msg = "sweep needs entries, such as those that compare returns, got none"
        raise ValueError(msg)
    ax = axes(ax)
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.name, []).append(entry)
    known = all(entry.best.problem.minimum is not None for entry in entries)
    bases = {name: _bases(group, known) for name, group in groups.items()}
    top = SHOWN * max(
        float(entry.best.losses[0]) - base
        for name, group in groups.items()
        for entry, base in zip(group, bases[name], strict=True)
    )
    any_lost = False
    for row, (name, group) in enumerate(groups.items()):
        rates, finals = _finals(name, group, bases[name])
        middle = quantiles(finals.T, (0.5,))[0]
        style = look(name)
        drawn: dict[str, Any] = {
            "ls": style.dashes, "lw": style.width, "label": style.label,
            "zorder": 3 + (style.width > 2),
        }
        if len(group) > 1:
            band(
                ax, rates, finals.T, color=style.color, within=(max(floor, TINY), FAR * top),
                **drawn,
            )
        else:
            finite = np.isfinite(middle) & (middle > floor)
            shown = np.where(finite, np.minimum(middle, MOST), np.nan)
            ax.plot(rates, shown, color=style.color, **drawn)
        best = int(np.argmin(middle))
        if floor < middle[best] < np.inf:
            mark = MARKS[edge_of(rates.tolist(), middle.tolist())]
            ax.plot(
                rates[best], middle[best], mark, ms=5.5, color=style.color, mec="white", mew=0.7,
                zorder=6,
            )
        lost = rates[~np.isfinite(finals).all(axis=0)]
        if lost.size:
            ax.scatter(
                lost, np.full(lost.size, 0.975 - 0.035 * row), marker="x", s=26, color=style.color,
                transform=ax.get_xaxis_transform(), zorder=7,
            )
            any_lost = True
    if any_lost:
        ax.scatter([], [], marker="x", s=26, color=INK, label=LOST)
    several = any(len(group) > 1 for group in groups.values())
    spread = f" ({MIDDLE_NAME})" if several else ""
    what = "final loss above the minimum" if known else "final loss"
    ax.set(xscale="log", yscale="log", xlabel="learning rate", ylabel=f"{what}{spread}")
    cut_above(ax, top)
    ax.grid(True, which="major", lw=0.7)
    return ax


def ends(entries: Sequence[Entry], ax: Axes | None = None, *, floor: float = TINY) -> Axes:
    """Draw a row an optimizer: the losses that its learning rates have led to, from the best on.

    The loss is that above the problem's minimum, or where it is unknown the loss itself; what is
    below ``floor`` is drawn there.  The best is a dot, a hollow one where it is at the edge of
    its rates, and its rate stands on the right; the others are ticks along a line, which is a
    sample of how the optimizer is drawn elsewhere.  A cross on the right says that at some rates
    a run did not stay finite; what ended far above the start is beyond.

    Raises
    ------
    ValueError
        If there is no entry, or entries are of several problems.
    """
    names = dict.fromkeys(entry.best.problem.name for entry in entries)
    if len(names) != 1:
        msg = f"ends needs entries of one problem, got those of {', '.join(names) or 'none'}"
        raise ValueError(msg)
    from matplotlib.ticker import LogLocator, NullLocator

    ax = axes(ax)
    known = entries[0].best.problem.minimum is not None
    bases = _bases([*entries], known)
    top = SHOWN * max(float(e.best.losses[0]) - b for e, b in zip(entries, bases, strict=True))
    beyond: dict[str, Any] = {"transform": ax.get_yaxis_transform(), "clip_on": False}
    lowest = top
    for row, (entry, base) in enumerate(zip(entries, bases, strict=True)):
        style, finals = look(entry.name), np.array(entry.finals)
        heights = np.maximum(finals[np.isfinite(finals)] - base, floor)
        if heights.size:
            low, high = heights.min(), min(heights.max(), 10 * top)
            lowest = min(lowest, low)
            ax.plot([low, high], [row, row], color=style.color, ls=style.dashes, lw=style.width)
            inside = heights[heights <= top]
            ax.plot(inside, np.full(inside.shape, row), "|", ms=9, mew=1.2, color=style.color)
            mfc, mec = ("white", style.color) if entry.edge else (style.color, "white")
            ax.plot(low, row, "o", ms=10, mfc=mfc, mec=mec, mew=1.4, clip_on=False, zorder=5)
        if heights.size < finals.size:
            ax.plot(1.0, row, "x", ms=6, mew=1.6, color=style.color, **beyond)
        rate = f"{entry.lr:g}" if heights.size else "none"
        ax.text(1.06, row, rate, va="center", fontsize="small", **beyond)
    ax.text(1.06, -1, "rate", va="center", fontsize="small", color="#555555", **beyond)
    lowest = min(lowest, top / 1e3)
    room = (top / lowest) ** 0.06  # for the dot
    ax.set(xscale="log", xlim=(lowest / room, top), ylim=(len(entries) - 0.5, -0.5))
    ax.set(xlabel="loss above the minimum" if known else "loss")
    ax.xaxis.set_major_locator(LogLocator(numticks=4))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_yticks(range(len(entries)), [look(entry.name).label for entry in entries])
    ax.tick_params(axis="y", length=0)
    ax.grid(True, which="major", axis="x", lw=0.7)
    ax.spines["left"].set_visible(False)
    return ax


def _bases(group: list[Entry], known: bool) -> list[float]:
    """Return what each entry's losses are measured from: its minimum, where all are known."""
    return [(entry.best.problem.minimum or 0.0) if known else 0.0 for entry in group]


def _finals(name: str, group: list[Entry], bases: list[float]) -> tuple[Array, Array]:
    """Return the rates that a group has in common and its losses above the bases there."""
    rates = [r for r in group[0].rates if all(r in entry.rates for entry in group)]
    if not rates:
        msg = f"sweep needs a rate in common of all entries of a name, got none for {name}"
        raise ValueError(msg)
    finals = np.array([
        [entry.finals[entry.rates.index(rate)] - base for rate in rates]
        for entry, base in zip(group, bases, strict=True)
    ])
    return np.array(rates), np.where(np.isnan(finals), np.inf, finals)
