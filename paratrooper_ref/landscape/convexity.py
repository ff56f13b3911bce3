r"""How convex a slice is, in numbers that have a definition.

With lam the eigenvalues of the Hessian of the whole loss, f* the least loss, home the center:

    ratio           max(0, -lam_min) / max |lam|, in [0, 1]: 0 convex there, 1 as concave as convex
    negative mass   sum max(0, -lam) / sum |lam|, in [0, 1]
    slice curvature the share of grid points where the loss curves down along some direction of
                    the slice: the Hessian of the slice has a negative eigenvalue
    midpoint        the share of random chords whose middle lies above the mean of their ends
    star            the share of random points whose gradient does not point away from home:
                    <grad f(x), x - home> < 0
    PL constant     min |grad f|^2 / (2 (f - f*)) over random points

A convex loss has ratio, mass, slice curvature and midpoint 0, and star 0 if home is a minimizer;
a concave one has 1.  A slice that is not convex shows a loss that is not; the converse is false:
a slice may miss every direction that curves down.  The share of negative eigenvalues is left out:
in the nets measured here it is near one half everywhere.

All of it is sampled, and what lies between the samples is not seen.  No point of the slice is
farther than

    reach           sqrt(h_1^2 |d_1|^2 + h_2^2 |d_2|^2) / 2,  h the steps of the grid

from a grid point: in a cell, corners taken with bilinear weights have the mean square distance
u (1 - u) h_1^2 |d_1|^2 + v (1 - v) h_2^2 |d_2|^2 from the point at (u, v), at most reach^2, and the
nearest is no farther than the mean.  So where the Hessian of the slice changes by at most M a unit
of length and its least eigenvalue on the grid is

    lowest within   the least over the grid, in an orthonormal basis of the slice

it is nowhere below lowest within - M reach: a slice that curves down at no grid point does so
nowhere if M <= lowest within / reach, which is `Convexity.unseen`.  M has to be known; sampling
cannot tell it.  Midpoint and star are shares of n draws: 0 of n excludes, at 95 %, shares above
1 - 0.05^(1/n), some 3 / n.  The PL constant is the least found, so an upper bound.

A number counts as negative if rounding does not explain it: n units of roundoff, relative to the
largest eigenvalue of that Hessian, or the largest loss of that chord.

Source   ratio: Li et al., arXiv:1712.09913, there unbounded; star: Nesterov and Polyak, Math.
         Program. 108 (2006) 177-205, in the weak form that Zhou et al., arXiv:1706.05681, call
         variational coherence; PL: Karimi, Nutini and Schmidt, arXiv:1608.04636.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from paratrooper_ref.landscape.points import (
    CHORD,
    EPS,
    Array,
    check_hessian,
    flat,
    gradients,
    hessian,
    losses,
    norm,
    products,
)
from paratrooper_ref.landscape.slices import Slice
from problems import _random
from problems._checks import flag, integer, number
from problems._checks import seed as one_seed

_CHECKED: Final = 4  # points along a direction at which the Hessian is held to differences


@dataclass(frozen=True, kw_only=True, eq=False)
class Convexity:
    """How convex a slice is; the definitions stand at the head of the module.

    Parameters
    ----------
    lowest, highest : Array, shape of the grid, or None
        The extreme eigenvalues of the Hessian of the whole loss at the grid points.
    ratio, negative_mass : Array, shape of the grid, or None
        In [0, 1].
    slice_curvature : float
        In [0, 1].
    indefinite : float
        The part of ``slice_curvature`` where the slice also curves up along another direction.
    midpoint, star : float
        In [0, 1].
    pl : float
        In units of curvature; nan where the least loss is unknown.
    lowest_within : float
        The least eigenvalue of the Hessian of the slice, over the grid points.
    reach : float
        No point of the slice is farther than this from a grid point.
    chords : int
        The draws of ``midpoint``, ``star`` and ``pl``.
    """

    lowest: Array | None
    highest: Array | None
    ratio: Array | None
    negative_mass: Array | None
    slice_curvature: float
    indefinite: float
    midpoint: float
    star: float
    pl: float
    lowest_within: float
    reach: float
    chords: int

    @property
    def unseen(self) -> float:
        """How fast curvature may change, per unit of length, without being missed.

        A slice that curves down at no grid point does so between them only if its Hessian changes
        faster than this somewhere; 0 where it curves down at one.
        """
        return max(0.0, self.lowest_within) / self.reach

    def __str__(self) -> str:
        between = f"between them (up to {self.reach:.3g} from one)"
        if self.slice_curvature:
            share = f"{self.slice_curvature:.3g} of the grid points"
            grid = f"curves down at {share}; {between} unknown"
        else:
            grid = (
                f"curves down at no grid point, and {between} only if its curvature changes by "
                f"more than {self.unseen:.3g} a unit of length"
            )
        return (
            f"{grid}; of {self.chords} draws {self.midpoint:.3g} violate midpoint, "
            f"{self.star:.3g} star"
        )

    @property
    def quotient(self) -> Array:
        """The map lam_min / lam_max of the source: unbounded, and no measure where lam_max <= 0."""
        if self.lowest is None or self.highest is None:
            msg = "Convexity.quotient needs spectra, got none; measure with spectra=True"
            raise ValueError(msg)
        with np.errstate(all="ignore"):
            return self.lowest / self.highest


def convexity(
    slice: Slice,
    *,
    chords: int = 1000,
    seed: int = 0,
    minimum: float | None = None,
    spectra: bool = True,
) -> Convexity:
    """Measure how convex a slice is.

    Parameters
    ----------
    slice : Slice
        Its grid is where Hessians are taken; chords lie in the box that it spans.
    chords : int
        Random chords, and as many random points for ``star`` and ``pl``.
    seed : int
        Slices with the same box get the same chords.
    minimum : float, optional
        The least loss f*, by default the problem's.
    spectra : bool
        Whether to take the full Hessian at every grid point: n gradients each.

    Returns
    -------
    Convexity

    Raises
    ------
    ValueError
        If a loss on the slice is not finite, or the problem has no Hessian that can be used.

    Examples
    --------
    >>> import problems
    >>> from paratrooper_ref.landscape import cut
    >>> well = problems.double_well()
    >>> line = cut(well, {"x": [0.0, 1.0]}, {"x": [0.0, 1.0]}, radius=[(-3.0, 1.0)], points=5)
    >>> found = convexity(line)
    >>> print(found.ratio, found.slice_curvature, found.star)
    [0. 0. 1. 0. 0.] 0.2 0.262

    That a slice curves down at no grid point is no proof that it is convex: these waves curve
    up at every integer and down between, with a third derivative of up to 80 pi^3, or 2480.

    >>> waves = problems.rastrigin(n=1)
    >>> print(convexity(cut(waves, {"x": [0.0]}, {"x": [1.0]}, radius=2.0, points=5)))
    curves down at no grid point, and between them (up to 0.5 from one) only if its curvature
    changes by more than 794 a unit of length; of 1000 draws 0.409 violate midpoint, 0.468 star
    """
    who = "convexity"
    chords = integer(who, "chords", chords, 1, 10_000_000)
    seed, spectra = one_seed(who, seed), flag(who, "spectra", spectra)
    minimum = slice.problem.minimum if minimum is None else number(who, "minimum", minimum)
    if not np.isfinite(slice.losses).all():
        bad = int(np.sum(~np.isfinite(slice.losses)))
        msg = (
            f"{who} needs finite losses on the slice, got {bad} of {slice.losses.size} that are "
            "not; take a smaller radius"
        )
        raise ValueError(msg)
    grid = flat(who, slice.problem, slice.at(slice.grid)).reshape(-1, slice.problem.size)
    check_hessian(who, slice.problem, _some(slice, grid))
    down, saddle, lowest_within = _slice_curvature(slice, grid)
    midpoint, star, pl = _chords(slice, chords, seed, minimum)
    maps = _spectra(slice, grid) if spectra else (None,) * 4
    return Convexity(
        lowest=maps[0],
        highest=maps[1],
        ratio=maps[2],
        negative_mass=maps[3],
        slice_curvature=down,
        indefinite=saddle,
        midpoint=midpoint,
        star=star,
        pl=pl,
        lowest_within=lowest_within,
        reach=_reach(slice),
        chords=chords,
    )


def _some(slice: Slice, grid: Array) -> Array:
    """Return the center, the ends or corners of the grid, and a few points inside."""
    each = [np.linspace(0, len(c) - 1, _CHECKED).round().astype(int) for c in slice.coordinates]
    places = np.ravel_multi_index(np.ix_(*each), slice.losses.shape).ravel()
    center = flat("convexity", slice.problem, slice.center)
    return np.concatenate([center[None], grid[np.unique(places)]])


def _spectra(slice: Slice, grid: Array) -> tuple[Array, Array, Array, Array]:
    """Return the lowest and highest eigenvalue, the ratio and the negative mass at grid points."""
    rows = []
    for point in grid:
        values = np.linalg.eigvalsh(hessian("convexity", slice.problem, point))
        size = np.abs(values)
        values = np.where(size > len(values) * EPS * size.max(), values, 0.0)
        down = np.maximum(-values, 0.0)
        top, mass = size.max() or 1.0, size.sum() or 1.0  # a flat Hessian is convex
        rows.append((values[0], values[-1], down.max() / top, down.sum() / mass))
    lowest, highest, ratio, mass_map = np.array(rows).T.reshape(4, *slice.losses.shape)
    return lowest, highest, ratio, mass_map


def _reach(slice: Slice) -> float:
    """Return a distance within which every point of the slice has a grid point."""
    steps = [np.diff(c).max() for c in slice.coordinates]
    return math.hypot(*(steps * norm(slice.basis))) / 2


def _slice_curvature(slice: Slice, grid: Array) -> tuple[float, float, float]:
    """Return at which share of the grid the slice curves down, and down and up; its least."""
    # NOTE: an orthonormal basis of the slice: by Sylvester's law signs do not depend on it, but
    # what rounding explains does.
    basis = np.linalg.qr(slice.basis.T)[0].T
    bent = products("convexity", slice.problem, grid, basis)
    within = bent @ basis.T
    values = np.linalg.eigvalsh((within + within.transpose(0, 2, 1)) / 2)
    rounding = slice.problem.size * EPS * norm(bent).max(axis=1)
    down, up = values[:, 0] < -rounding, values[:, -1] > rounding
    return float(down.mean()), float((down & up).mean()), float(values[:, 0].min())


def _chords(
    slice: Slice, chords: int, seed: int, minimum: float | None
) -> tuple[float, float, float]:
    """Return the midpoint and star violations and the PL constant."""
    low, high = (np.array([c[i] for c in slice.coordinates]) for i in (0, -1))
    draws = _random.uniforms(seed, 0, CHORD, 2 * chords * len(low)).reshape(2, chords, -1)
    one, two = low + draws * (high - low)
    ends = [flat("convexity", slice.problem, slice.at(c)) for c in (one, two, (one + two) / 2)]
    first, second, middle = (losses(slice.problem, points) for points in ends)
    rounding = slice.problem.size * EPS
    scale = np.max(np.abs([first, second, middle]), axis=0)
    midpoint = float(np.mean(middle - (first + second) / 2 > rounding * scale))

    slopes = gradients(slice.problem, ends[0])
    away = ends[0] - flat("convexity", slice.problem, slice.center)
    outward = np.sum(slopes * away, axis=1)
    star = float(np.mean(outward < -rounding * norm(slopes) * norm(away)))

    if minimum is None:
        return midpoint, star, float("nan")
    above = first - minimum
    clear = above > rounding * max(abs(minimum), float(np.abs(first).max()))
    squares = norm(slopes[clear]) ** 2
    pl = float(np.min(squares / (2 * above[clear]))) if clear.any() else float("nan")
    return midpoint, star, pl
