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
            ax.plot(
                rates[best], middle[best], MARKS[edge_of(rates.tolist(), middle.tolist())], ms=5.5, color=style.color,
                mec="white", mew=0.7, zorder=6, ls="none",
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
