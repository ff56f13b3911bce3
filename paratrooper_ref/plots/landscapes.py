"""Slices of a loss surface: maps, surfaces, lines; where runs lie beside them; how convex they are.

The dots of a run on a map have the colour of the loss that the run had there, on the scale of the
map.  Where a dot and what is under it differ, the run was somewhere else: beside the plane.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from paratrooper_ref.landscape.convexity import Convexity
from paratrooper_ref.plots.style import DASHED, INK, axes, single, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from paratrooper_ref.landscape import Principal, Slice
    from paratrooper_ref.trajectory import Trajectory

SERIES: Final = ("#0072b2", "#d55e00", "#111111", "#8a4fa3", "#56b4e9", "#8c8c8c")
LOSSES: Final = ("#173a57", "#2f628c", "#5a91b8", "#93bcd6", "#c9deea", "#f7fafc")  # low is deep
RATIOS: Final = ("#fbfcfd", "#f6d9bd", "#e69f00", "#a8480a", "#4a1d03")
DOTS: Final = 36  # of a path
SHOWN: Final = 10  # principal components

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
        A single run, projected by least squares; each dot has the colour of its own loss.
    limits : tuple of two float, optional
        The least and the greatest loss of the scale, so that several maps may share one.
    bar : bool
        Whether to draw the scale.

    Raises
    ------
    ValueError
        If the slice is a line, or the run is a batch, of another problem or not recorded.
    """
    _is_plane("slice_map", slice)
    ax = axes(ax)
    path = None if trajectory is None else _projected("slice_map", slice, trajectory)
    scale = _Scale(slice.losses if path is None else np.append(slice.losses, path[1]), limits)
    x, y = slice.coordinates
    heights = scale(slice.losses).T  # an image has its rows along y
    levels = np.linspace(*scale.ends, 29)
    drawn = ax.contourf(x, y, heights, levels=levels, cmap=_shades(LOSSES), extend="both", zorder=0)
    ax.contour(
        x, y, heights, levels=levels[::2], colors="#5b7690", linewidths=0.45, alpha=0.55,
        linestyles="solid", zorder=1,
    )
    if path is None:
        ax.plot(0, 0, "P", ms=10, mew=1.0, color=INK, mec="white", zorder=5)
    else:
        (coordinates, losses, distance) = path
        shown = _spread(coordinates)
        ax.plot(*coordinates.T, color=INK, lw=1.0, zorder=3)
        dots: Any = ax.scatter(
            coordinates[shown, 0], coordinates[shown, 1], c=scale(losses[shown]), s=38,
            cmap=drawn.cmap, edgecolors=INK, linewidths=0.9, zorder=4,
        )
        dots.set_norm(drawn.norm)
        ax.plot(*coordinates[0], "o", ms=11, mfc="none", mec=INK, mew=1.6, zorder=5)
        ax.plot(*coordinates[-1], "X", ms=9, color="#d55e00", mec="white", mew=0.8, zorder=6)
        off, size = distance.max(), np.abs(coordinates).max()
        where = f"beside the plane by up to {off:.2g}" if off > 1e-9 * size else "in the plane"
        ax.set_title(f"the run is {where}", loc="left")
    if bar:
        scale.bar(ax, drawn)
    ax.set(xlabel="along the first direction", ylabel="along the second")
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
        x, y, heights, cmap=_shades(LOSSES), vmin=scale.ends[0], vmax=scale.ends[1], rstride=1,
        cstride=1, linewidth=0, antialiased=False,
    )
    ticks = scale.ticks()
    solid.set_zticks(ticks, [scale.text(t) for t in ticks])
    solid.set_zlim(*scale.ends)
    solid.tick_params(axis="z", pad=8)
    solid.set(xlabel="along the first direction", ylabel="along the second")
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
        If a slice is a plane.
    """
    ax = axes(ax)
    least = np.inf
    for i, (name, line) in enumerate(slices.items()):
        if len(line.coordinates) != 1:
            msg = f"slice_lines needs slices of one direction, got a plane for {name!r}"
            raise ValueError(msg)
        finite = np.where(np.isfinite(line.losses), line.losses, np.nan)
        least = min(least, float(np.nanmin(finite)))
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
        x, y, found.ratio.T, cmap=_shades(RATIOS), vmin=0, vmax=1, shading="nearest"
    )
    ax.plot(0, 0, "P", ms=10, mew=1.0, color=INK, mec="white")
    if bar:
        ax.figure.colorbar(drawn, ax=ax, label="ratio of eigenvalues; 0 is convex")
    ax.set(xlabel="along the first direction", ylabel="along the second")
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
    two = f"two components: {shares[:2].sum():.0%}; of a random walk: {null[:2].sum():.0%}"
    ax.set(xlabel="principal component", ylabel="share of variance", xticks=k, title=two)
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

    def ticks(self) -> Any:
        return np.linspace(*self.ends, 5)

    def text(self, height: float) -> str:
        loss = 10.0**height - self.soft + self.low
        return f"{float(f'{loss:.2g}'):g}"

    def bar(self, ax: Axes, drawn: Any) -> None:
        ticks = self.ticks()
        made = ax.figure.colorbar(drawn, ax=ax, ticks=ticks, label="loss")
        made.ax.set_yticklabels([self.text(t) for t in ticks])


def _shades(colors: Sequence[str]) -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("shades", colors)


def _is_plane(who: str, given: Slice) -> None:
    if len(given.coordinates) != 2:
        msg = f"{who} needs a slice of two directions, got one; slice_lines draws it"
        raise ValueError(msg)


def _projected(who: str, given: Slice, run: Trajectory) -> tuple[Any, Any, Any]:
    """Return a run's coordinates, its own losses and its distances from the slice."""
    single(who, run)
    if dict(run.problem.layers) != dict(given.problem.layers):
        msg = f"{who} needs a run on {given.problem.name}, got one on {run.problem.name}"
        raise ValueError(msg)
    if not run.params:
        msg = f"{who} needs recorded parameters, got record={run.record!r}"
        raise ValueError(msg)
    coordinates, distance = given.project(run.params)
    return coordinates, run.losses.astype(float), distance


def _spread(coordinates: Any) -> Any:
    """Return rows at even distances along a path, the first and the last among them."""
    along = np.cumsum(np.hypot(*np.diff(coordinates, axis=0, prepend=coordinates[:1]).T))
    wanted = np.linspace(0, along[-1], DOTS)
    return np.unique(np.append(np.searchsorted(along, wanted[:-1]), len(along) - 1))
