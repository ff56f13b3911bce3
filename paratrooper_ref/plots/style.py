"""How figures look: a colour for each optimizer, told apart whatever cones an eye has.

Distances below are of CIE L*a*b*, the least over eyes with all cones and those without one of
the three kinds, simulated as by Machado, Oliveira and Fernandes (2009); the tests measure them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from paratrooper_ref.optimizers.state import Array
    from paratrooper_ref.trajectory import Trajectory


class Look(NamedTuple):
    """How an optimizer is drawn."""

    color: str
    dashes: str | tuple[float, tuple[float, ...]] = "-"
    width: float = 1.6
    label: str = ""


DASHED: Final = (0, (4, 1.6))
DOTTED: Final = (0, (1.2, 1.2))
DASH_DOTTED: Final = (0, (6, 1.4, 1.2, 1.4))
# Any two are 20 or more apart, or differ in their dashes.
LOOKS: Final[Mapping[str, Look]] = {
    "sgd": Look("#8c8c8c", DASH_DOTTED, label="SGD"),
    "adam": Look("#56b4e9", DASHED, label="Adam"),
    "adamw": Look("#0072b2", label="AdamW"),
    "radam": Look("#5fc9a8", DOTTED, label="RAdam"),
    "radamw": Look("#03ab7e", label="RAdamW"),
    "lars": Look("#c9a400", DOTTED, label="LARS"),
    "lamb": Look("#e69f00", DASH_DOTTED, label="LAMB"),
    "lookahead": Look("#cc79a7", DASHED, label="Lookahead"),
    "ranger": Look("#8a4fa3", DASH_DOTTED, label="Ranger"),
    "rangerlars": Look("#d55e00", label="RangerLars"),
    "paratrooper": Look("#111111", width=2.6, label="Paratrooper"),
}
INK: Final = "#2b2b2b"
# For lines that are no optimizers: layers, elements.  Any two are 24 or more apart; what comes
# after them is dashed.
CATEGORIES: Final = ("#0072b2", "#e69f00", "#7a3b00", "#56b4e9", "#4b2161", "#7b7b7b")
# For areas, which are paler in places.  The first three were given, the others searched for: paled
# by up to PALEST of white, any two are 14 or more apart, and so are they from the greys of a map.
AREAS: Final = ("#003f6b", "#e69f00", "#56b4e9", "#622700", "#b0f497", "#628914", "#624e4e")
PALEST: Final = 0.4
STYLE: Final = {
    "font.size": 10.5,
    "axes.titlesize": 11.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.edgecolor": "#888888",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.dpi": 160,
}


def look(name: str) -> Look:
    """Return how an optimizer is drawn; one of another name is dark grey."""
    base = name.partition("(")[0]
    found = LOOKS.get(base, Look("#444444", label=name))
    return found if base == name else found._replace(label=name)


def category(i: int) -> dict[str, Any]:
    """Return how the i-th of several lines is drawn."""
    return {"color": CATEGORIES[i % len(CATEGORIES)], "ls": DASHED if i >= len(CATEGORIES) else "-"}


def axes(ax: Axes | None, *, width: float = 6.4) -> Axes:
    """Return the Axes, or new ones of a figure so many inches wide."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    with styled():
        new: Axes = plt.subplots(figsize=(width, 4.4), layout="constrained")[1]
    return new


@contextmanager
def styled() -> Iterator[None]:
    """Make figures within look as ours do."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    # A backend that began within the context would lose, at its end, what it has switched on:
    # in a notebook the first figure would be the only one that is shown.
    plt.draw_if_interactive()
    with mpl.rc_context(STYLE):
        yield


BESIDE: Final = 7.8  # the width of a plane with its key beside it


def key(ax: Axes) -> Axes:
    """Draw the legend of a plane beside it, where it covers no path."""
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, fontsize="small")
    return ax


def draw(ax: Axes, t: Array, y: Array, **style: Any) -> None:
    """Draw a curve over the steps; a value without a neighbour, which no line shows, is a dot."""
    lone = alone(y)
    if lone.any():
        style |= {"marker": "o", "ms": 4, "markevery": lone}
    ax.plot(t, y, **style)


def alone(y: Array) -> Array:
    """Return which values are finite between two that are not, or at an end beside one."""
    absent = np.pad(~np.isfinite(y), 1, constant_values=True)
    found: Array = ~absent[1:-1] & absent[:-2] & absent[2:]
    return found


def fit_steps(ax: Axes) -> None:
    """Let curves begin and end at the edges; marks keep a distance, so that they are whole."""
    marked = any(str(line.get_marker()) not in ("None", "") for line in ax.lines)
    ax.margins(x=0.03 if marked else 0)


def cut_above(ax: Axes, top: float) -> None:
    """Leave what is above ``top`` beyond the edge, with a margin for the rest."""
    shown = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in ax.lines])
    shown = shown[(shown > 0) & (shown <= max(top, 0))]
    if shown.size:
        low, high = np.log10([shown.min(), shown.max()])
        margin = 0.05 * max(high - low, 0.1)
        ax.set_ylim(10 ** (low - margin), 10 ** (high + margin))


def single(who: str, trajectory: Trajectory) -> None:
    """Refuse a batch of runs."""
    if trajectory.state.batch_axes:
        shape = trajectory.state.batch
        msg = f"{who} needs a single trajectory, got a batch of shape {shape}; run one start alone"
        raise ValueError(msg)


def pale() -> Any:
    """Return the colours of heights: blue is low, white is high; no darker than paths can bear."""
    return shades("#6a97b3", "#90b3c9", "#b1cad9", "#cddde7", "#e9f0f4", "#fbfcfd")


def shades(*colors: str) -> Any:
    """Return a colour map that goes through colours, from its low end to its high one."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("shades", colors)
