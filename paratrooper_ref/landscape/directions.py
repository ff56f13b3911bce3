r"""Directions to look along: random and normalised, those of a path, those of the Hessian.

Random directions are Gaussian, and then, so that a step of 1 is a relative change of 100 %,

    normalise="filter"   each row of a matrix (the weights into one unit) gets the norm of that row
    normalise="layer"    each layer gets the norm of that layer
    normalise="none"     nothing

Both remove a rescaling of whole layers (W_1 c, W_2 / c) exactly; neither removes a rescaling of
single units.  Directions are not made orthogonal: what is projected is projected by least squares.

Source   Li, Xu, Taylor, Studer and Goldstein, arXiv:1712.09913, and their code; for the shares of
         a random walk Antognini and Sohl-Dickstein, arXiv:1806.08805; for what random slices
         miss Boettcher and Wheeler, arXiv:2208.13219.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from paratrooper_ref.landscape.points import (
    DIRECTION,
    EPS,
    Array,
    Direction,
    check_hessian,
    check_path,
    flat,
    hessian,
    layered,
    norm,
)
from problems import _random
from problems._checks import choice, integer
from problems._checks import seed as one_seed

if TYPE_CHECKING:
    from paratrooper_ref.trajectory import Trajectory
    from problems import Problem

Normalise = Literal["filter", "layer", "none"]
Vectors = Literal["zero", "layer"]
Centre = Literal["mean", "last"]


def random_directions(
    problem: Problem,
    center: Mapping[str, Any],
    *,
    count: int = 2,
    normalise: Normalise = "filter",
    reference: Mapping[str, Any] | None = None,
    vectors: Vectors = "zero",
    seed: int = 0,
) -> tuple[Direction, ...]:
    """Return random Gaussian directions, normalised by the parameters' own norms.

    Parameters
    ----------
    problem : problems.Problem
    center : mapping of str to array
        The point to look from.
    count : int
        Directions, at most as many as there are parameters.
    normalise : {"filter", "layer", "none"}
        What gets the norm it has in the reference.
    reference : mapping of str to array, optional
        The point whose norms are used, by default the center.  For skip connections, I + W.
    vectors : {"zero", "layer"}
        What a layer that is no matrix gets where something is normalised: no direction, as in the
        source, or one of the layer's norm.
    seed : int
        Layers of the same shapes get the same draws.

    Returns
    -------
    tuple of mapping of str to Array
        Shaped as the parameters.

    Raises
    ------
    ValueError
        If a direction would be zero, or there are fewer parameters than directions.

    Examples
    --------
    >>> import problems
    >>> net = problems.linear_net(depth=2)
    >>> (d,) = random_directions(net, net.minimizers[0], count=1)
    >>> print(norm(d["W1"]) / norm(net.minimizers[0]["W1"]))
    [1. 1. 1.]
    """
    who = "random_directions"
    check_count(who, problem, count)
    normalise = choice(who, "normalise", normalise, ("filter", "layer", "none"))  # type: ignore[assignment]
    vectors = choice(who, "vectors", vectors, ("zero", "layer"))  # type: ignore[assignment]
    seed = one_seed(who, seed)
    point = flat(who, problem, center)
    weights = layered(problem, point if reference is None else flat(who, problem, reference))
    directions = []
    for i in range(count):
        draws = layered(problem, _random.normals(seed, i, DIRECTION, problem.size))
        directions.append(
            {name: _normalised(draws[name], w, normalise, vectors) for name, w in weights.items()}
        )
    if not any(x.any() for x in directions[0].values()):
        no_matrix = all(len(shape) < 2 for shape in problem.layers.values())
        fix = "take vectors='layer'" if no_matrix and vectors == "zero" else "give a reference="
        why = "no layer is a matrix" if no_matrix and vectors == "zero" else "all weights are zero"
        msg = f"{who} needs something to normalise in {problem.name}, got none: {why}; {fix}"
        raise ValueError(msg)
    return tuple(directions)


def _normalised(draw: Array, weights: Array, normalise: Normalise, vectors: Vectors) -> Array:
    if normalise == "none":
        return draw
    if draw.ndim < 2 and vectors == "zero":
        return np.zeros_like(draw)
    filters = len(draw) if normalise == "filter" and draw.ndim > 1 else 1
    rows = draw.reshape(filters, -1)
    scale = norm(weights.reshape(filters, -1)) / norm(rows)
    return (rows * scale[:, None]).reshape(draw.shape)


class Eigen(NamedTuple):
    """The directions of least and of greatest curvature.

    Parameters
    ----------
    directions : tuple of two mappings of str to Array
        Eigenvectors of the Hessian for its lowest and its highest eigenvalue, of norm 1, their
        largest element positive.
    values : tuple of two float
        These eigenvalues.
    """

    directions: tuple[Direction, Direction]
    values: tuple[float, float]


def eigen_directions(problem: Problem, center: Mapping[str, Any]) -> Eigen:
    """Return the eigenvectors of the Hessian for its lowest and highest eigenvalue.

    A random slice shows the mean curvature, and rarely a saddle; this one shows it if there is one.

    Parameters
    ----------
    problem : problems.Problem
    center : mapping of str to array

    Returns
    -------
    Eigen

    Raises
    ------
    ValueError
        If the problem has one parameter, or no Hessian there that can be used.

    Examples
    --------
    >>> import problems
    >>> (low, high), values = eigen_directions(problems.double_well(), {"x": [0.0, 0.0]})
    >>> print(low["x"], high["x"], values)
    [0. 1.] [1. 0.] (-1.0, 1.0)
    """
    who = "eigen_directions"
    check_count(who, problem, 2)
    point = flat(who, problem, center)
    check_hessian(who, problem, point[None])
    values, vectors = np.linalg.eigh(hessian(who, problem, point))
    low, high = (layered(problem, _upright(vectors[:, i])) for i in (0, -1))
    return Eigen((low, high), (float(values[0]), float(values[-1])))


@dataclass(frozen=True, kw_only=True, eq=False)
class Principal:
    """The directions in which a path extends most.

    Parameters
    ----------
    center : mapping of str to Array
        The last point of the path, through which its plane is laid.
    directions : tuple of mapping of str to Array
        Orthonormal, their largest element positive.
    shares : Array, shape (m,)
        Each principal component's share of the path's variance, all m = min(rows - 1, n) of them.
    null : Array, shape (m,)
        The shares of a random walk of as many points, in many dimensions: `walk_shares`.
    coordinates : Array, shape (rows, count)
        The path, along the directions, from the center.
    """

    center: Direction
    directions: tuple[Direction, ...]
    shares: Array
    null: Array
    coordinates: Array

    def reach(self, margin: float = 0.15) -> tuple[tuple[float, float], ...]:
        """Return the interval along each direction that holds the path, for `cut`'s ``radius``.

        Parameters
        ----------
        margin : float
            Added on both sides, as a share of the widest interval.
        """
        low, high = self.coordinates.min(axis=0), self.coordinates.max(axis=0)
        more = margin * float((high - low).max())
        return tuple((float(a - more), float(b + more)) for a, b in zip(low, high, strict=True))


def principal_directions(
    trajectory: Trajectory, *, count: int = 2, centre: Centre = "mean"
) -> Principal:
    """Return the principal directions of a run's path, with the shares of a random walk beside.

    Parameters
    ----------
    trajectory : Trajectory
        A single run that recorded its parameters and stayed finite.
    count : int
        Directions.
    centre : {"mean", "last"}
        What is subtracted from the points of the path: their mean, as in the source (its PCA
        centres), or the last point.  The shares of a random walk differ: 61 % or 81 % the first.

    Returns
    -------
    Principal

    Raises
    ------
    ValueError
        If the run diverged, is a batch, did not record its parameters, did not move, or moved in
        fewer dimensions than ``count``.

    Examples
    --------
    >>> import paratrooper_ref as pr
    >>> import problems
    >>> run = pr.run(pr.SGD(lr=1e-3), problems.rosenbrock(), 200)
    >>> print(principal_directions(run).shares.round(3))
    [0.985 0.015]
    """
    who = "principal_directions"
    problem = trajectory.problem
    check_count(who, problem, count)
    centre = choice(who, "centre", centre, ("mean", "last"))  # type: ignore[assignment]
    check_path(who, trajectory)
    if trajectory.stopped is not None or not np.isfinite(trajectory.losses.astype(float)).all():
        why = trajectory.stopped or "a loss is not finite"
        msg = f"{who} needs a run that stayed finite, got one that diverged: {why}; lower its lr"
        raise ValueError(msg)
    path = flat(who, problem, trajectory.params)
    moves = path - path[-1]
    if not moves.any():
        msg = f"{who} needs a run that moved, got {len(path)} rows at one point"
        raise ValueError(msg)
    origin = moves.mean(axis=0) if centre == "mean" else np.zeros(problem.size)
    values, vectors = np.linalg.svd(moves - origin, full_matrices=False)[1:]
    found = int(np.sum(values > EPS * max(moves.shape) * values[0]))
    if found < count:
        msg = (
            f"{who} needs a path of {count} dimensions or more, got one of {found} "
            f"({len(path)} rows); take count={found}"
        )
        raise ValueError(msg)
    vectors = np.stack([_upright(vector) for vector in vectors[:count]])
    m = min(len(path) - 1, problem.size)
    return Principal(
        center=layered(problem, path[-1]),
        directions=tuple(layered(problem, vector) for vector in vectors),
        shares=(values**2 / np.sum(values**2))[:m],
        null=walk_shares(len(path), m, centre=centre),
        coordinates=moves @ vectors.T,
    )


def walk_shares(rows: int, count: int, *, centre: Centre = "mean") -> Array:
    r"""Return the shares of variance of a random walk of ``rows`` points in many dimensions.

    Around its mean the k-th is 3 / (2 (rows^2 - 1) sin^2(pi k / (2 rows))), which tends to
    6 / (pi k)^2: 61 %, 15 %, 7 %.  Around its last point it tends to 8 / (pi (2 k - 1))^2: 81 %,
    9 %, 3 %.  Two components that hold three quarters of a path are evidence of nothing.

    Parameters
    ----------
    rows : int
        Points of the walk, at least 2.
    count : int
        Shares, fewer than points.
    centre : {"mean", "last"}
        What is subtracted from the points.

    Returns
    -------
    Array, shape (count,)

    Notes
    -----
    In many dimensions the Gram matrix of a walk's points tends to min(s, t), whose inverse is the
    second difference; with the mean removed it is the pseudo-inverse of that of a free chain.  In
    few dimensions the shares are random, and the first is larger.

    Examples
    --------
    >>> print(walk_shares(1000, 3).round(4), walk_shares(1000, 2, centre="last").round(4))
    [0.6079 0.152  0.0675] [0.8106 0.0901]
    """
    who = "walk_shares"
    rows = integer(who, "rows", rows, 2)
    count = integer(who, "count", count, 1, rows - 1)
    k = np.arange(1, count + 1)
    if choice(who, "centre", centre, ("mean", "last")) == "mean":
        return 3 / (2 * (rows**2 - 1) * np.sin(np.pi * k / (2 * rows)) ** 2)
    steps = rows - 1
    # NOTE: 2 / (T (T + 1)) is one over the trace, half one over 4 sin^2 the eigenvalue.
    angles = np.pi * (2 * k - 1) / (2 * (2 * steps + 1))
    return 1 / (2 * steps * (steps + 1) * np.sin(angles) ** 2)


def check_count(who: str, problem: Problem, count: object) -> None:
    """Refuse more directions than there are parameters."""
    wanted = integer(who, "count", count, 1)
    if wanted > problem.size:
        fix = "cut it along one direction" if problem.size == 1 else f"take count={problem.size}"
        msg = (
            f"{who} needs as many parameters as directions, got {problem.name} with "
            f"{problem.size} and count={wanted}; {fix}"
        )
        raise ValueError(msg)


def _upright(vector: Array) -> Array:
    """Return a vector or its opposite, the largest element positive: LAPACK leaves the sign."""
    upright: Array = vector * np.sign(vector[np.argmax(np.abs(vector))])
    return upright
