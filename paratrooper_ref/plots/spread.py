"""Many runs, or many elements, as one curve and a band."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from paratrooper_ref.plots.style import alone, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from paratrooper_ref.optimizers.state import Array

MIDDLE: Final = (0.1, 0.5, 0.9)  # the band holds the middle 80 %, around the median
MIDDLE_NAME: Final = "median, 10 to 90 %"


def quantiles(values: Array, at: Sequence[float] = MIDDLE) -> Any:
    """Return quantiles of each row, interpolated, of shape (len(at), rows).

    NaN is absent.  An infinite value is the highest there is, and no reason for NaN: half of the
    runs lost leaves a finite first decile and an infinite ninth.
    """
    ordered = np.sort(values, axis=1)  # NaN comes last
    last = np.maximum(np.count_nonzero(~np.isnan(values), axis=1) - 1, 0)
    found = []
    for q in at:
        place = q * last
        below = np.floor(place).astype(int)
        part = place - below
        low, high = (
            np.take_along_axis(ordered, i[:, None], axis=1)[:, 0]
            for i in (below, np.minimum(below + 1, last))
        )
        with np.errstate(invalid="ignore"):  # 0 times an infinite neighbour, not taken
            found.append(np.where(part == 0, low, (1 - part) * low + part * high))
    return np.stack(found)


def band(
    ax: Axes, t: Array, values: Array, *, color: str, within: tuple[float, float] | None = None,
    **style: Any,
) -> None:
    """Draw the median of each row of values (times, runs), and the band around it.

    What is not ``within`` the limits is cut off: the band at its edges, the median altogether.
    """
    least, most = within or (-np.inf, np.inf)
    low, middle, high = quantiles(values)
    low, high = (np.clip(edge, least, most) for edge in (low, high))
    ax.fill_between(t, low, high, color=color, alpha=0.22, lw=0)
    lone = alone(low)
    if lone.any():  # where a band has no width along the steps
        ax.vlines(t[lone], low[lone], high[lone], color=color, alpha=0.4, lw=1.5)
    drawn = np.isfinite(middle) & (middle > least) & (middle <= most)
    draw(ax, t, np.where(drawn, middle, np.nan), color=color, **style)
