"""The noise floor: expected losses against it, Lookahead's share of it, its cycles and limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from paratrooper_ref.noise_floor import (
    Curve,
    Modes,
    largest_rate,
    lookahead_ratio,
    steady,
)
from paratrooper_ref.optimizers import Optimizer
from paratrooper_ref.plots.style import DASHED, INK, LOOKS, Look, axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GREY: Final = "#777777"
# And the marker of simulated runs.  The lines lie close together, and grey is hard to tell from
# pink for those who do not see green: no two have both the same dashes and a like colour.
_METHODS: Final[Mapping[str, tuple[Look, str]]] = {
    "SGD": (LOOKS["sgd"]._replace(width=3.2), "o"),
    "momentum": (Look("#56b4e9", (0, (1.2, 1.2)), 2.2), "s"),
    "Lookahead": (LOOKS["lookahead"]._replace(width=2.4), "D"),
    "EMA": (Look("#0072b2", "-", 2.2), "^"),
}
_SHADES: Final = ("#f0b77a", "#e08a3c", "#b55d14", "#7a3c07", "#3d1d02")  # one hue, light to dark


def expected_losses(
    lines: Mapping[str, tuple[Any, Any]],
    ax: Axes | None = None,
    *,
    faint: Sequence[Curve] = (),
    dots: Mapping[str, tuple[Any, Any, Any]] | None = None,
    relative: str | None = None,
) -> Axes:
    """Draw expected losses after some steps against the expected losses reached in the end.

    Both above the minimum, on logarithmic axes.  On the dotted diagonal a method has arrived.

    Parameters
    ----------
    lines : mapping of str to (floors, losses)
        Arrays by method; "SGD", "momentum", "Lookahead", "EMA" have looks of their own.
    ax : Axes, optional
    faint : sequence of Curve
        Drawn thin, in the colour of Lookahead: the curves whose envelope its line is.
    dots : mapping of str to (floors, losses, errors), optional
        Simulated losses with the half widths of their intervals, as arrays.
    relative : str, optional
        Divide all losses by those of this line, at the same floor; then without the diagonal.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If ``relative`` is not one of the lines.
    """
    if relative is not None and relative not in lines:
        msg = f"expected_losses needs relative among {[*lines]}, got relative={relative!r}"
        raise ValueError(msg)
    ax = axes(ax)
    unit = _unit(*lines[relative]) if relative else lambda floors: 1.0
    pink = _METHODS["Lookahead"][0].color
    for each in faint:
        heights = each.losses / unit(each.floors)
        ax.plot(each.floors, heights, color=pink, lw=0.6, alpha=0.4, zorder=1)
    for name, (floors, losses) in lines.items():
        style, _ = _METHODS.get(name, (Look(INK), "o"))
        ax.plot(
            floors, losses / unit(floors), color=style.color, ls=style.dashes, lw=style.width,
            label=name, zorder=3,
        )
    for name, (floors, losses, errors) in (dots or {}).items():
        style, marker = _METHODS.get(name, (Look(INK), "o"))
        ax.errorbar(
            floors, losses / unit(floors), yerr=errors / unit(floors), fmt=marker, ms=6,
            color=style.color, mec=INK, mew=0.8, ecolor=INK, elinewidth=1, zorder=5,
        )
    shown = np.concatenate([np.asarray(x, dtype=float) for x, _ in lines.values()])
    ends = np.nanmin(shown), np.nanmax(shown)
    heights = np.concatenate([y / unit(x) for x, y in lines.values()])
    low, high = np.nanmin(heights), np.nanmax(heights)
    ax.set(xscale="log", xlim=ends, xlabel="floor: expected loss reached in the end")
    if relative:
        ax.set(ylabel=f"expected loss / that of {relative}", ylim=(low - 0.05, high + 0.1))
    else:
        ax.plot(ends, ends, color=_GREY, ls=":", lw=1.2, zorder=2, label="the floor itself")
        ax.set(yscale="log", ylabel="expected loss after the steps", ylim=(0.8 * low, 1.3 * high))
        _plain(ax.yaxis)
    _plain(ax.xaxis)
    ax.grid(True, which="major", lw=0.7)
    ax.legend(handlelength=3)
    return ax


def _unit(floors: Any, losses: Any) -> Callable[[Any], Any]:
    """Return a line as a function of the floor, straight in the logarithms."""
    known = np.isfinite(losses)
    x, y = np.log(np.asarray(floors)[known]), np.log(np.asarray(losses)[known])
    return lambda at: np.exp(np.interp(np.log(at), x, y, left=np.nan, right=np.nan))


def _plain(axis: Any) -> None:
    """Label a short logarithmic axis at 1, 2 and 5, as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))


def variance_ratio(
    ax: Axes | None = None, *, k: int = 5, alphas: Sequence[float] = (0.1, 0.3, 0.5, 0.8)
) -> Axes:
    """Draw Lookahead's steady variance over SGD's against the rate times the curvature.

    Examples
    --------
    >>> variance_ratio(k=6).get_xlabel()
    'learning rate × curvature'
    """
    ax = axes(ax)
    rates = np.linspace(0, 2, 401)
    for alpha, color in zip(alphas, _shades(len(alphas)), strict=True):
        ratio = lookahead_ratio(1 - rates, k=k, alpha=alpha)
        ax.plot(rates, ratio, color=color, lw=2, label=f"α = {alpha:g}")
        ax.annotate(
            f"α = {alpha:g}", (1.0, ratio[200]), xytext=(0, 5), textcoords="offset points",
            ha="center",
        )
    ax.set(
        xlabel="learning rate × curvature", ylabel="variance, Lookahead / SGD",
        xlim=(0, 2), ylim=(0, 1.02), title=f"Share of the noise that is left, k = {k}",
    )
    ax.grid(True, lw=0.7)
    return ax


def saw_tooth(
    optimizer: Optimizer,
    modes: Modes,
    ax: Axes | None = None,
    *,
    cycles: int = 3,
    dots: tuple[Any, Any, Any] | None = None,
) -> Axes:
    """Draw the expected loss within Lookahead's cycles in the steady state.

    Parameters
    ----------
    optimizer : Optimizer
        Lookahead(SGD).
    modes : Modes
    ax : Axes, optional
    cycles : int
        How many are drawn, >= 1.
    dots : (steps, losses, errors), optional
        Simulated losses with the half widths of their intervals.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If the optimizer has no slow weights.
    """
    if "slow" not in optimizer.slots():
        msg = f"saw_tooth needs a Lookahead, got {optimizer!r}"
        raise ValueError(msg)
    ax = axes(ax)
    k = int(optimizer.hyper()["k"])
    t = np.arange(cycles * k + 1)
    by_phase = [float(steady(optimizer, modes, phase=j).excess("theta")) for j in range(k)]
    slow = float(steady(optimizer, modes).excess("slow"))
    inner = optimizer.inner
    assert inner is not None
    levels = {
        "SGD alone": (float(steady(inner, modes).excess()), _METHODS["SGD"][0].color, DASHED),
        "slow weights": (slow, "#7a3c07", DASHED),
    }
    for label, (level, color, dashes) in levels.items():
        ax.axhline(level, color=color, ls=dashes, lw=1.6, label=label)
    style = _METHODS["Lookahead"][0]
    ax.plot(
        t, [by_phase[i % k] for i in t], "-o", ms=4, color=style.color, lw=2, zorder=3,
        label="weights after each step",
    )
    if dots is not None:
        steps, losses, errors = dots
        ax.errorbar(
            steps, losses, yerr=errors, fmt="D", ms=4.5, color="white", mec=INK, mew=1,
            ecolor=INK, elinewidth=1, zorder=5, label="simulated",
        )
    ax.set(
        xlabel="steps since a synchronisation", ylabel="expected loss above the minimum",
        ylim=(0, None), xticks=t[::k], title=f"Within its cycles, k = {k}",
    )
    ax.grid(True, lw=0.7)
    ax.legend()
    return ax


def largest_rates(ax: Axes | None = None, *, periods: Sequence[int] = (3, 5, 7, 9)) -> Axes:
    """Draw the rate below which Lookahead(SGD) settles, against α, for odd k and for even k.

    Examples
    --------
    >>> len(largest_rates(periods=(5,)).lines)
    2
    """
    ax = axes(ax)
    alphas = np.geomspace(0.05, 1, 200)
    for k, color in zip(periods, _shades(len(periods)), strict=True):
        limit = largest_rate(1.0, k=k, alpha=alphas)
        ax.plot(alphas, np.broadcast_to(limit, alphas.shape), color=color, lw=2, label=f"k = {k}")
    ax.axhline(2, color=_METHODS["SGD"][0].color, lw=2.2, label="even k, and SGD")
    ax.set(
        xscale="log", xlabel="slow step size α", ylabel="largest rate × largest curvature",
        title="Where it stops settling", xlim=(alphas[0], 1), xticks=[0.05, 0.1, 0.2, 0.5, 1],
    )
    ax.set_xticklabels(["0.05", "0.1", "0.2", "0.5", "1"])
    ax.minorticks_off()
    ax.grid(True, lw=0.7)
    ax.legend()
    return ax


def _shades(count: int) -> list[str]:
    return [_SHADES[min(i, len(_SHADES) - 1)] for i in range(count)]
