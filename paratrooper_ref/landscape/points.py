"""Points as vectors and as layers, and derivatives there: what slices and directions stand on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from problems._arithmetic import contract
from problems._params import as_rows

if TYPE_CHECKING:
    from paratrooper_ref.trajectory import Trajectory
    from problems import Problem

Array = NDArray[np.float64]
Direction = Mapping[str, Array]
"""A direction to look along, as a mapping from each layer to an array of its shape."""

# Streams of random numbers beside those of the problems, which end at 5.
DIRECTION, CHORD = 6, 7

EPS: Final = float(np.finfo(np.float64).eps)
_STEP: Final = 2.0**-100  # of the complex step: its square vanishes beside any number in use
_REST: Final = 2.0**-160  # what the square of the step leaves where derivatives are below 2^40
_NUMBERS: Final = 2**18  # parameters, or products with samples, held at once: some 10 MB
_NEAR: Final = 1e-5  # of the difference that a Hessian by complex steps is held to


def flat(who: str, problem: Problem, params: Mapping[str, Any]) -> Array:
    """Return parameters as vectors, (*batch, n), over the layers' elements in order.

    Raises
    ------
    ValueError
        If the layers are not the problem's, or a number is not finite.
    """
    if isinstance(params, Mapping):
        params = {name: np.asarray(x, dtype=np.float64) for name, x in params.items()}
    rows, batch, _ = as_rows(who, problem.layers, params)
    pieces = [x.reshape(math.prod(batch), -1) for x in rows.values()]
    vectors: Array = np.concatenate(pieces, axis=1).reshape(*batch, problem.size)
    if not np.isfinite(vectors).all():
        where = ""
        if batch:
            first = np.argwhere(~np.isfinite(vectors).all(axis=-1))[0]
            where = f" in row {', '.join(map(str, first))} of {' x '.join(map(str, batch))}"
        msg = (
            f"{who} needs finite parameters of {problem.name}, got nan or inf{where}; "
            "of a run that diverged take the rows before, or a lower learning rate"
        )
        raise ValueError(msg)
    return vectors


def check_path(who: str, trajectory: Trajectory) -> None:
    """Refuse a batch of runs, and a run that did not record where it went.

    Raises
    ------
    ValueError
        If it is one of these.
    """
    if trajectory.state.batch_axes:
        shape = trajectory.state.batch
        msg = f"{who} needs a single trajectory, got a batch of shape {shape}; run one start alone"
        raise ValueError(msg)
    if not trajectory.params:
        msg = (
            f"{who} needs recorded parameters, got record={trajectory.record!r}; "
            "run with record='all' or record=['theta']"
        )
        raise ValueError(msg)


def layered(problem: Problem, vectors: Array) -> dict[str, Array]:
    """Return vectors (*batch, n) as layers."""
    batch = vectors.shape[:-1]
    pieces = problem.split(vectors.reshape(-1, problem.size))
    return {name: x.reshape(batch + problem.layers[name]) for name, x in pieces.items()}


def norm(vectors: Array) -> Array:
    """Return the 2-norm over the last axis, with the same bits on every machine.

    Squares neither overflow nor vanish on the way; a norm that is too large itself is inf.
    """
    largest = np.abs(vectors).max(axis=-1, keepdims=True)
    size = np.ldexp(1.0, np.frexp(largest)[1] - 1)  # a power of two: to divide by it rounds nothing
    scaled = vectors / size
    with np.errstate(over="ignore"):
        length: Array = np.sqrt(contract(scaled, scaled)) * size[..., 0]
    return length


def blocks(problem: Problem, count: int) -> Iterator[slice]:
    """Yield so many rows at a time that memory stays bounded, whatever ``count`` is."""
    rows = max(1, _NUMBERS // max(problem.size, problem.samples or 1))
    for start in range(0, count, rows):
        yield slice(start, min(start + rows, count))


def losses(problem: Problem, points: Array) -> Array:
    """Return the losses of (rows, n), block by block; a row has the bits that it has alone."""
    found = np.empty(len(points))
    with np.errstate(all="ignore"):  # far out a loss may overflow
        for some in blocks(problem, len(points)):
            found[some] = problem.loss(layered(problem, points[some]))
    return found


def gradients(problem: Problem, points: Array) -> Array:
    """Return the gradients of (rows, n), block by block; at complex points complex ones."""
    found = np.empty_like(points)
    for some in blocks(problem, len(points)):
        slope = problem.grad(layered(problem, points[some]))
        pieces = [slope[name].reshape(len(points[some]), -1) for name in problem.layers]
        found[some] = np.concatenate(pieces, axis=1)
    return found


def hessian(who: str, problem: Problem, point: Array) -> Array:
    """Return the Hessian at a vector, (n, n).

    Raises
    ------
    ValueError
        If the problem has none there that can be used.
    """
    try:
        with np.errstate(all="ignore"):
            found: Array = problem.hessian(layered(problem, point))
    except (TypeError, ValueError) as error:
        raise ValueError(_no_hessian(who, problem, f"({error})")) from error
    if not np.isfinite(found).all():
        raise ValueError(_no_hessian(who, problem, "that is not finite"))
    return found if problem.curvature is not None else _cleared(found)


def check_hessian(who: str, problem: Problem, points: Array) -> None:
    """Refuse a problem whose Hessian by complex steps is not the slope of its gradient.

    A gradient that calls ``abs``, or drops imaginary parts on the way, is wrong without a word;
    at some points it may be right, as at 0 that of -abs(x)^3.  What is wrong between the points,
    and right at each of them, is not found.

    Raises
    ------
    ValueError
        If it is not at one of (rows, n), or there is no Hessian at all.
    """
    hessian(who, problem, points[0])
    if problem.curvature is not None:
        return
    along = np.where(np.arange(problem.size) % 2 == 0, 1.0, -0.5)
    got = products(who, problem, points, along[None])[:, 0]
    if not np.isfinite(got).all():
        raise ValueError(_no_hessian(who, problem, "that is not finite"))
    step = _NEAR * np.maximum(1.0, np.abs(points).max(axis=1, keepdims=True))
    slopes, sides = [], []
    for h in (step, step / 2):
        ahead, behind = (gradients(problem, points + h * side) for side in (along, -along))
        slopes.append((ahead - behind) / (2 * h))
        sides.append(np.abs(ahead).max(axis=1))
    # NOTE: halving the step tells how far differences are off, such as at 0 those of x^3.
    coarse, fine = slopes
    apart, unsure = (np.abs(fine - x).max(axis=1) for x in (got, coarse))
    scale = np.abs(fine).max(axis=1) + np.abs(got).max(axis=1)
    rounding = problem.size * EPS * np.max(sides, axis=0) / (step[:, 0] / 2)
    if not (apart <= 1e-2 * scale + rounding + unsure).all():
        what = "by complex steps that differs from differences of its gradient"
        raise ValueError(_no_hessian(who, problem, what))


def products(who: str, problem: Problem, points: Array, along: Array) -> Array:
    """Return the Hessian at each of (rows, n) times each of (k, n): (rows, k, n)."""
    if problem.curvature is not None:
        return np.stack([along @ hessian(who, problem, point) for point in points])
    found = np.empty((len(points), *along.shape))
    for k, direction in enumerate(along):
        steps: Any = points + 1j * _STEP * direction
        found[:, k] = gradients(problem, steps).imag / _STEP
    return _cleared(found)


def _cleared(found: Array) -> Array:
    """Return second derivatives with 0 for what is none: of x^3 at 0 a complex step h gives -h^2.

    It would have a sign, and be all that there is.
    """
    return np.where(np.abs(found) < _REST, 0.0, found)


def _no_hessian(who: str, problem: Problem, what: str) -> str:
    return (
        f"{who} needs a Hessian of {problem.name}, got one {what}; give the problem a curvature, "
        "or a gradient that is smooth and can be evaluated in complex numbers"
    )
