"""Slices of a loss surface: maps, surfaces, lines; where runs lie beside them; how convex they are.

The dots of a run on a map have the colour of the loss that the run had there, on the scale of the
map.  Where a dot and what is under it differ, the run was somewhere else: beside the plane.  A map
is widened for a run by at most half its width on each side; what lies farther out is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from paratrooper_ref.landscape.convexity import Convexity
from paratrooper_ref.landscape.points import check_path
from paratrooper_ref.plots.style import DASHED, INK, axes, shades, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from paratrooper_ref.landscape import Principal, Slice
    from paratrooper_ref.trajectory import Trajectory

# Any two are 20 or more apart, whatever cones an eye has: see `style`.
SERIES: Final = ("#0072b2", "#d55e00", "#111111", "#56b4e9", "#8c8c8c", "#4b2161")
LOSSES: Final = ("#173a57", "#2f628c", "#5a91b8", "#93bcd6", "#c9deea", "#f7fafc")  # low is deep
RATIOS: Final = ("#fbfcfd", "#f6d9bd", "#e69f00", "#a8480a", "#4a1d03")
DOTS: Final = 36  # of a path
SHOWN: Final = 10  # principal components
BEYOND: Final = 0.5  # widths of a map on each side that a run may widen it by
FAR: Final = 1e3  # widths from which on a line leads out of a map in the same direction

DIRECTIONS: Final = {"xlabel": "along the first direction", "ylabel": "along the second"}
CENTER: Final[Mapping[str, Any]] = {
    "marker": "P", "ms": 10, "mew": 1.0, "color": INK, "mec": "white", "ls": "none", "zorder": 5,
}

Limits = tuple[float, float]


def slice_map(
    slice: Slice,
    ax: Axes | None = None,
    *,
    trajectory: Trajectory | None = None,
    limits: Limits | None = None,
    bar: bool = True,
) -> Axes:
    """Draw the level sets of a plane, evenly spaced in the log of the loss, and a run beside it.

    Parameters
    ----------
    slice : Slice
        Of two directions.
    ax : Axes, optional
    trajectory : Trajectory, optional
        A single run, projected by least squares; each dot has the colour of its own loss.  The map
        is widened to hold it, by at most half its width on each side; a run that goes farther, as
        one that diverged, is drawn to the edge, and the rows beyond are counted.
    limits : tuple of two float, optional
        The least and the greatest loss of the scale, so that several maps may share one.
    bar : bool
        Whether to draw the scale.

    Raises
    ------
    ValueError
        If the slice is a line, or the run is a batch, of another problem, not recorded or nowhere
        near the slice.
    """
    _is_plane("slice_map", slice)
    ax = axes(ax)
    path = None if trajectory is None else _projected("slice_map", slice, trajectory)
    along = () if path is None else path.losses[path.near]
    scale = _Scale(np.append(slice.losses, along), limits)
    x, y = slice.coordinates
    heights = scale(slice.losses).T  # an image has its rows along y
    levels = np.linspace(*scale.ends, 29)
    drawn = ax.contourf(x, y, heights, levels=levels, cmap=shades(*LOSSES), extend="both", zorder=0)
    ax.contour(
        x, y, heights, levels=levels[::2], colors="#5b7690", linewidths=0.45, alpha=0.55,
        linestyles="solid", zorder=1,
    )
    if path is None:
        ax.plot(0, 0, **CENTER)
    else:
        shown = path.near[_spread(path.coordinates[path.near])]
        ax.plot(*path.line.T, color=INK, lw=1.0, zorder=3)
        dots: Any = ax.scatter(
            path.coordinates[shown, 0], path.coordinates[shown, 1], c=scale(path.losses[shown]),
            s=38, cmap=drawn.cmap, edgecolors=INK, linewidths=0.9, zorder=4,
        )
        dots.set_norm(drawn.norm)
        ax.plot(*path.line[0], "o", ms=11, mfc="none", mec=INK, mew=1.6, zorder=5)
        ax.plot(*path.line[-1], "X", ms=9, color="#d55e00", mec="white", mew=0.8, zorder=6)
        ax.set(xlim=path.view[:, 0], ylim=path.view[:, 1])
        ax.set_title(path.title, loc="left")
    if bar:
        scale.bar(ax, drawn)
    ax.set(**DIRECTIONS)
    return ax


def slice_surface(
    slice: Slice,
    ax: Axes | None = None,
    *,
    limits: Limits | None = None,
) -> Axes:
    """Draw a plane's losses as a surface, heights in the log of the loss.

    Parameters
    ----------
    slice : Slice
        Of two directions.
    ax : Axes, optional
        Three-dimensional, as of ``plt.subplots(subplot_kw={"projection": "3d"})``.
    limits : tuple of two float, optional
        The least and the greatest loss of the scale.

    Raises
    ------
    ValueError
        If the slice is a line, or the Axes are flat.
    """
    _is_plane("slice_surface", slice)
    solid: Any = ax
    if solid is None:
        import matplotlib.pyplot as plt

        with styled():
            solid = plt.figure(figsize=(6.4, 4.8)).add_axes((0, 0.02, 0.94, 1), projection="3d")
    if not hasattr(solid, "plot_surface"):
        msg = "slice_surface needs three-dimensional Axes, got flat ones; give projection='3d'"
        raise ValueError(msg)
    scale = _Scale(slice.losses, limits)
    heights = np.clip(scale(slice.losses), *scale.ends)
    x, y = np.meshgrid(*slice.coordinates, indexing="ij")
    solid.plot_surface(
        x, y, heights, cmap=shades(*LOSSES), vmin=scale.ends[0], vmax=scale.ends[1], rstride=1,
        cstride=1, linewidth=0, antialiased=False,
    )
    solid.set_zticks(*scale.ticks())
    solid.set_zlim(*scale.ends)
    solid.tick_params(axis="z", pad=8)
    solid.set(**DIRECTIONS)
    solid.set_zlabel("loss", labelpad=16)
    solid.view_init(32, -58)
    solid.set_box_aspect((4, 4, 2.6), zoom=1.02)
    drawn: Axes = solid
    return drawn


def slice_lines(slices: Mapping[str, Slice], ax: Axes | None = None) -> Axes:
    """Draw lines through points, one over the other; the losses on a logarithmic axis if they can.

    Parameters
    ----------
    slices : mapping of label to Slice
        Of one direction each.
    ax : Axes, optional

    Raises
    ------
    ValueError
        If a slice is a plane, or no loss on it is finite.
    """
    ax = axes(ax)
    least = np.inf
    for i, (name, line) in enumerate(slices.items()):
        if len(line.coordinates) != 1:
            msg = f"slice_lines needs slices of one direction, got a plane for {name!r}"
            raise ValueError(msg)
        fine = np.isfinite(line.losses)
        if not fine.any():
            msg = (
                f"slice_lines needs losses some of which are finite, got none for {name!r}; take "
                "a smaller radius"
            )
            raise ValueError(msg)
        finite = np.where(fine, line.losses, np.nan)
        least = min(least, float(line.losses[fine].min()))
        ax.plot(
            line.coordinates[0], finite, color=SERIES[i % len(SERIES)], lw=2.0, label=name,
            ls="-" if i < len(SERIES) else DASHED,
        )
    if least > 0:
        ax.set_yscale("log")
    ax.set(xlabel="along the direction", ylabel="loss")
    ax.grid(True, which="major", lw=0.7)
    ax.margins(x=0)
    ax.legend()
    return ax


def ratio_map(
    slice: Slice,
    found: Convexity,
    ax: Axes | None = None,
    *,
    bar: bool = True,
) -> Axes:
    """Draw where on a plane the loss is convex (0, white) and where concave directions rule (1).

    Parameters
    ----------
    slice : Slice
        Of two directions.
    found : Convexity
        Of that slice, with spectra.
    ax : Axes, optional
    bar : bool
        Whether to draw the scale.

    Raises
    ------
    ValueError
        If the slice is a line, or was measured without spectra, or another slice was.
    """
    _is_plane("ratio_map", slice)
    if found.ratio is None or found.ratio.shape != slice.losses.shape:
        got = "none" if found.ratio is None else f"of shape {found.ratio.shape}"
        msg = f"ratio_map needs ratios at the {slice.losses.shape} points of the slice, got {got}"
        raise ValueError(msg)
    ax = axes(ax)
    x, y = slice.coordinates
    drawn = ax.pcolormesh(
        x, y, found.ratio.T, cmap=shades(*RATIOS), vmin=0, vmax=1, shading="nearest"
    )
    ax.plot(0, 0, **CENTER)
    if bar:
        ax.figure.colorbar(drawn, ax=ax, label="ratio of eigenvalues; 0 is convex")
    ax.set(**DIRECTIONS)
    return ax


def principal_shares(principal: Principal, ax: Axes | None = None) -> Axes:
    """Draw the shares of a path's principal components, and beside them those of a random walk.

    Parameters
    ----------
    principal : Principal
    ax : Axes, optional
    """
    ax = axes(ax)
    shown = min(SHOWN, len(principal.shares))
    k = np.arange(1, shown + 1)
    shares, null = principal.shares[:shown], principal.null[:shown]
    ax.bar(k, shares, width=0.62, color="#56b4e9", label="this run", zorder=2)
    ax.plot(
        k, null, "o", color=INK, ls=DASHED, ms=5, lw=1.4, label="a random walk", zorder=3
    )
    ax.set_yscale("log")
    ax.set_ylim(min(1e-3, float(null[-1]) / 2), 1.3)
    first = "one component" if shown == 1 else "two components"
    said = f"{first}: {shares[:2].sum():.0%}; of a random walk: {null[:2].sum():.0%}"
    ax.set(xlabel="principal component", ylabel="share of variance", xticks=k, title=said)
    ax.set_xlim(0.4, max(shown, SHOWN // 2) + 0.6)  # few bars are as wide as many
    ax.grid(True, axis="y", which="major", lw=0.7)
    ax.legend()
    return ax


def against_depth(
    depths: Sequence[int],
    series: Mapping[str, Sequence[Sequence[float]]],
    ax: Axes | None = None,
) -> Axes:
    """Draw means with their intervals as bars, in a group for each depth.

    Parameters
    ----------
    depths : sequence of int
    series : mapping of label to sequence of (mean, low, high)
        One for each depth.
    ax : Axes, optional

    Raises
    ------
    ValueError
        If a series has another length.
    """
    ax = axes(ax)
    width = 0.8 / max(len(series), 1)
    at = np.arange(len(depths))
    for i, (name, rows) in enumerate(series.items()):
        if len(rows) != len(depths):
            msg = (
                f"against_depth needs one interval for each of {len(depths)} depths, got "
                f"{len(rows)} for {name!r}"
            )
            raise ValueError(msg)
        mean, low, high = np.array(rows, dtype=float).reshape(-1, 3).T
        place = at + (i - (len(series) - 1) / 2) * width
        ax.bar(
            place, mean, width=0.92 * width, color=SERIES[i % len(SERIES)], label=name,
            yerr=(mean - low, high - mean), zorder=2,
            error_kw={"ecolor": "#777777", "elinewidth": 1.4, "capsize": 2.5, "zorder": 3},
        )
    ax.axhline(0, color="#888888", lw=0.8, zorder=1)
    ax.set(xticks=at, xticklabels=[str(d) for d in depths], xlabel="layers")
    ax.grid(True, axis="y", lw=0.7)
    ax.set_axisbelow(True)
    return ax


class _Scale:
    """Losses as heights: the log of what is above the least loss, softened at the bottom."""

    # NOTE: the softening keeps the levels from being spent on the last digits around a minimum.
    # A hundredth of the median, ten times that of planes.py: trained nets lie in narrow holes.

    def __init__(self, losses: Any, limits: Limits | None) -> None:
        finite = np.asarray(losses, dtype=float)
        finite = finite[np.isfinite(finite)]
        if not finite.size:
            msg = "a map of losses needs some that are finite, got none; take a smaller radius"
            raise ValueError(msg)
        self.low, high = limits or (float(finite.min()), float(finite.max()))
        middle = high if limits else float(np.median(finite))
        self.soft = 1e-2 * (middle - self.low) or 1e-2 * (high - self.low) or 1.0
        ends = self(np.array([self.low, high]))
        self.ends = (float(ends[0]), max(float(ends[1]), float(ends[0]) + 1e-9))

    def __call__(self, losses: Any) -> Any:
        above = np.maximum(np.asarray(losses, dtype=float) - self.low, 0.0)
        heights = np.log10(above + self.soft)
        return np.where(np.isfinite(heights), heights, np.nan)

    def ticks(self) -> tuple[list[float], list[str]]:
        """Return heights and the losses there, in as many digits as tell them apart."""
        heights = np.linspace(*self.ends, 5)
        losses = 10.0**heights - self.soft + self.low
        losses[0] = self.low  # what was added is subtracted with roundings
        for digits in range(2, 7):  # as many as :g writes
            texts = [f"{float(f'{loss:.{digits}g}'):g}" for loss in losses]
            if len(set(texts)) == len(texts):
                break
        first = {text: height for height, text in zip(heights[::-1], texts[::-1], strict=True)}
        return list(first.values())[::-1], list(first)[::-1]

    def bar(self, ax: Axes, drawn: Any) -> None:
        ticks, texts = self.ticks()
        made = ax.figure.colorbar(drawn, ax=ax, ticks=ticks, label="loss")
        made.ax.set_yticklabels(texts)


def _is_plane(who: str, given: Slice) -> None:
    if len(given.coordinates) != 2:
        msg = f"{who} needs a slice of two directions, got one; slice_lines draws it"
        raise ValueError(msg)


class _Path(NamedTuple):
    """A run beside a plane."""

    coordinates: Any  # of all rows
    losses: Any  # its own
    near: Any  # the rows in view
    line: Any  # the coordinates; those far away drawn nearer in the same direction
    view: Any  # low and high along each direction
    title: str


def _projected(who: str, given: Slice, run: Trajectory) -> _Path:
    """Return where a run lies beside a slice, as far as a map of it may show."""
    check_path(who, run)
    if dict(run.problem.layers) != dict(given.problem.layers):
        msg = f"{who} needs a run on {given.problem.name}, got one on {run.problem.name}"
        raise ValueError(msg)
    coordinates, distance = given.project(run.params)
    low, high = (np.array([c[i] for c in given.coordinates]) for i in (0, -1))
    width, middle = high - low, (low + high) / 2
    off = np.abs((coordinates - middle) / width)  # 0.5 at the edge
    inside = (off <= 0.5 + BEYOND).all(axis=1)
    near = np.flatnonzero(inside)
    if not near.size:
        msg = (
            f"{who} needs a run that comes near the slice, got one of {len(inside)} rows that are "
            f"all more than {BEYOND:g} of its width beyond its edge; take a larger radius"
        )
        raise ValueError(msg)
    within = coordinates[near]
    margin = 0.05 * width
    lowest, highest = within.min(axis=0), within.max(axis=0)
    view = np.stack([
        np.where(lowest < low, lowest - margin, low),
        np.where(highest > high, highest + margin, high),
    ])
    return _Path(
        coordinates, run.losses.astype(float), near, _pulled(coordinates, middle, off), view,
        _where(distance[near], np.abs(within).max(), len(inside) - len(near), len(inside)),
    )


def _pulled(coordinates: Any, middle: Any, off: Any) -> Any:
    """Return coordinates with those far away brought nearer, or left out between such."""
    size = off.max(axis=1, keepdims=True)
    pulled = middle + (coordinates - middle) / np.maximum(size / FAR, 1.0)
    line = np.where(size > FAR, pulled, coordinates)
    far = np.pad(size[:, 0] > FAR, 1, constant_values=True)
    line[far[:-2] & far[1:-1] & far[2:]] = np.nan
    return line


def _where(distance: Any, size: float, beyond: int, rows: int) -> str:
    """Return what a title says of the distance of a run, and of the rows that are not shown."""
    off = distance.max()
    where = f"beside the plane by up to {off:.2g}" if off > 1e-9 * size else "in the plane"
    out = f"; {beyond} of {rows} rows are beyond the edge" if beyond else ""
    return f"the run is {where}{out}"


def _spread(coordinates: Any) -> Any:
    """Return rows at even distances along a path, the first and the last among them."""
    along = np.cumsum(np.hypot(*np.diff(coordinates, axis=0, prepend=coordinates[:1]).T))
    wanted = np.linspace(0, along[-1], DOTS)
    return np.unique(np.append(np.searchsorted(along, wanted[:-1]), len(along) - 1))
