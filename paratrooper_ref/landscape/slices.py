"""Slices: the loss on a line or a plane through a point, and where other points lie beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from paratrooper_ref.landscape.points import EPS, Array, Direction, flat, layered, losses, norm
from problems._checks import integer, number

if TYPE_CHECKING:
    from problems import Problem

Interval = float | tuple[float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Slice:
    """The loss on a line or a plane: ``losses[i, j]`` is that at ``coordinates[0][i]``, ``[1][j]``.

    Parameters
    ----------
    problem : problems.Problem
    center : mapping of str to Array
        The point of coordinates 0.
    directions : tuple of one or two mappings of str to Array
        What a coordinate of 1 adds to the center; in general neither orthogonal nor of norm 1.
    coordinates : tuple of one or two Arrays
        Along each direction, ascending.
    losses : Array, shape (points,) or (points, points)
        Not finite where the loss overflows.
    """

    problem: Problem
    center: Direction
    directions: tuple[Direction, ...]
    coordinates: tuple[Array, ...]
    losses: Array

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.losses.shape))
        return f"<slice of {self.problem.name}, {shape} points>"

    @property
    def basis(self) -> Array:
        """The directions as vectors, (k, n)."""
        return np.stack([flat("Slice", self.problem, d) for d in self.directions])

    @property
    def grid(self) -> Array:
        """The coordinates of all grid points, (*grid, k)."""
        return np.stack(np.meshgrid(*self.coordinates, indexing="ij"), axis=-1)

    def at(self, coordinates: Any) -> Direction:
        """Return the parameters at coordinates (*batch, k), by layer.

        Examples
        --------
        >>> import problems
        >>> line = cut(problems.booth(), {"x": [1.0, 3.0]}, {"x": [1.0, -1.0]})
        >>> print(line.at([2.0])["x"])
        [3. 1.]
        """
        wanted = np.asarray(coordinates, dtype=np.float64)
        if not wanted.ndim or wanted.shape[-1] != len(self.directions):
            msg = (
                f"Slice.at needs coordinates of shape (..., {len(self.directions)}), got "
                f"{wanted.shape}"
            )
            raise ValueError(msg)
        return layered(self.problem, _points(self._origin, self.basis, wanted))

    def project(self, params: Mapping[str, Any]) -> tuple[Array, Array]:
        """Return where the slice is nearest to points, and how far that is.

        By least squares, so that directions need not be orthonormal: the cosines with them would
        be off by their norms, and by the angle between them.

        Parameters
        ----------
        params : mapping of str to array
            One point, or with leading axes many, such as a trajectory's ``params``.

        Returns
        -------
        coordinates : Array, shape (*batch, k)
        distance : Array, shape batch
            The 2-norm of what the slice does not hold.

        Raises
        ------
        ValueError
            If a point is not finite, or its coordinates or its distance overflow, as of a run
            that diverged.

        Examples
        --------
        >>> import problems
        >>> line = cut(problems.booth(), {"x": [1.0, 3.0]}, {"x": [2.0, 0.0]})
        >>> coordinates, distance = line.project({"x": [5.0, 4.5]})
        >>> print(coordinates.round(12), distance)
        [2.] 1.5
        """
        who = "Slice.project"
        points = flat(who, self.problem, params)
        basis = self.basis
        length = norm(basis)[:, None]
        unit = basis / length  # to solve for unit vectors is better conditioned
        with np.errstate(over="ignore", invalid="ignore"):
            rows = (points - self._origin).reshape(-1, self.problem.size)
            _check_reach(who, np.isfinite(rows).all(axis=1))
            along: Any = np.linalg.lstsq(unit.T, rows.T, rcond=None)[0].T
            rest = norm(rows - _points(np.zeros(self.problem.size), unit, along))
            found = along / length[:, 0]
            _check_reach(who, np.isfinite(found).all(axis=1) & np.isfinite(rest))
        return found.reshape(*points.shape[:-1], -1), rest.reshape(points.shape[:-1])

    @property
    def _origin(self) -> Array:
        return flat("Slice", self.problem, self.center)


def cut(
    problem: Problem,
    center: Mapping[str, Any],
    directions: Direction | Sequence[Direction],
    *,
    radius: float | Sequence[Interval] = 1.0,
    points: int | Sequence[int] = 51,
) -> Slice:
    """Return the loss along one or two directions from a point.

    Parameters
    ----------
    problem : problems.Problem
    center : mapping of str to array
    directions : mapping of str to array, or one or two of them
    radius : float, or for each direction a float or an interval (low, high)
        How far to go, in units of the direction; a number r stands for (-r, r).
    points : int, or one for each direction
        Along each direction, >= 2.  An odd number has the center among them, exactly.

    Returns
    -------
    Slice

    Raises
    ------
    ValueError
        If a direction is zero, two are parallel, or the problem has one parameter and two are
        asked for.

    Examples
    --------
    >>> import problems
    >>> valley = problems.rosenbrock()
    >>> plane = cut(valley, {"x": [1.0, 1.0]}, [{"x": [1.0, 0.0]}, {"x": [0.0, 1.0]}], points=3)
    >>> print(plane.losses[1])
    [100.   0. 100.]
    """
    who = "cut"
    several = [directions] if isinstance(directions, Mapping) else list(directions)
    if not 1 <= len(several) <= 2:
        msg = f"{who} needs one or two directions, got {len(several)}"
        raise ValueError(msg)
    if len(several) > problem.size:
        msg = (
            f"{who} needs two parameters or more for a plane, got {problem.name} with one; "
            "give one direction"
        )
        raise ValueError(msg)
    origin = flat(who, problem, center)
    basis = np.stack([flat(who, problem, d) for d in several])
    _check_basis(who, basis)
    ends = [_interval(who, each) for each in _each(who, "radius", radius, len(several))]
    counts = [
        integer(who, "points", n, 2, 10_000) for n in _each(who, "points", points, len(several))
    ]
    coordinates = tuple(_steps(*end, n) for end, n in zip(ends, counts, strict=True))
    return _slice(problem, origin, basis, coordinates)


def interpolation(
    problem: Problem,
    one: Mapping[str, Any],
    two: Mapping[str, Any],
    *,
    low: float = -0.5,
    high: float = 1.5,
    points: int = 101,
) -> Slice:
    """Return the loss on the line through two points: ``one`` is at 0, ``two`` at 1.

    Parameters
    ----------
    problem : problems.Problem
    one, two : mapping of str to array
    low, high : float
        The ends.
    points : int
        By default, 0 and 1 are among them.

    Returns
    -------
    Slice

    Raises
    ------
    ValueError
        If the points are the same.

    Examples
    --------
    >>> import problems
    >>> well = problems.double_well()
    >>> line = interpolation(well, *well.minimizers, points=5)
    >>> print(line.coordinates[0], line.losses)
    [-0.5  0.   0.5  1.   1.5] [ 2.   -0.25  0.   -0.25  2.  ]
    """
    who = "interpolation"
    start, end = flat(who, problem, one), flat(who, problem, two)
    if not (end - start).any():
        msg = f"{who} needs two different points, got one twice: the direction would be zero"
        raise ValueError(msg)
    ends = _interval(who, (low, high))
    coordinates = (_steps(*ends, integer(who, "points", points, 2, 1_000_000)),)
    return _slice(problem, start, (end - start)[None], coordinates)


def _slice(
    problem: Problem, origin: Array, basis: Array, coordinates: tuple[Array, ...]
) -> Slice:
    blank = Slice(
        problem=problem,
        center=layered(problem, origin),
        directions=tuple(layered(problem, d) for d in basis),
        coordinates=coordinates,
        losses=np.empty(tuple(map(len, coordinates))),
    )
    points = _points(origin, basis, blank.grid.reshape(-1, len(basis)))
    blank.losses[...] = losses(problem, points).reshape(blank.losses.shape)
    return blank


def _points(origin: Array, basis: Array, coordinates: Array) -> Array:
    """Return origin + c_1 d_1 + c_2 d_2, added in this order, (*batch, n)."""
    points = origin
    for i, direction in enumerate(basis):
        points = points + coordinates[..., i, None] * direction
    return points


def _steps(low: float, high: float, points: int) -> Array:
    # NOTE: written so that a symmetric interval is symmetric to the bit, and 0 is 0.
    i = np.arange(points)
    return ((points - 1 - i) * low + i * high) / (points - 1)


def _each(who: str, name: str, given: Any, count: int) -> list[Any]:
    """Return one value for each direction."""
    values = list(given) if np.iterable(given) else [given] * count
    if len(values) != count:
        msg = f"{who} needs one {name} for each of {count} directions, got {name}={given}"
        raise ValueError(msg)
    return values


def _interval(who: str, given: Any) -> tuple[float, float]:
    if not np.iterable(given):
        radius = number(who, "radius", given, above=0)
        return -radius, radius
    ends = [number(who, "radius", end) for end in given]
    if len(ends) != 2 or not ends[0] < ends[1]:
        msg = f"{who} needs an interval (low, high) with low < high, got {given}"
        raise ValueError(msg)
    return ends[0], ends[1]


def _check_basis(who: str, basis: Array) -> None:
    """Refuse directions that span no line or no plane."""
    lengths = norm(basis)
    for i, length in enumerate(lengths):
        if not 0 < length < np.inf:
            msg = (
                f"{who} needs directions of finite norm other than zero, got directions[{i}] of "
                f"norm {length:g}"
            )
            raise ValueError(msg)
    values = np.linalg.svd(basis / lengths[:, None], compute_uv=False)
    if values[-1] <= EPS * basis.shape[1]:
        msg = f"{who} needs two directions that span a plane, got parallel ones"
        raise ValueError(msg)


def _check_reach(who: str, fine: Any) -> None:
    """Refuse rows whose projection is too large for a float."""
    if not fine.all():
        msg = (
            f"{who} needs points within reach, got one whose projection overflows in row "
            f"{int(np.argmin(fine))} of {len(fine)}; of a run that diverged take the rows before"
        )
        raise ValueError(msg)
