r"""Saddles: where the gradient vanishes and the loss can still fall.

double_well
    x^2/2 - y^2/2 + y^4/4.

    Minimum  -1/4 at (0, +-1); the origin is a strict saddle.
    Start    (1, 0.001), close to the axis along which gradient descent runs into the saddle.
    Teaches  the time to leave a saddle: logarithmic in the distance from its axis for gradient
             descent, constant for methods that normalise.
    Source   textbook.

monkey_saddle
    x^3 - 3 x y^2, confined by (x^2 + y^2)^2/4 unless told otherwise.

    Minimum  -27/4 at (-3, 0) and (3/2, +-3 sqrt(3)/2); unconfined it has none.
    Start    (1.5, 0.01); unconfined (0.9, 0.01).
    Teaches  a degenerate saddle: the Hessian at the origin is zero.
    Source   textbook.
"""

import numpy as np

from problems._arithmetic import Array, Floats
from problems._checks import flag
from problems._factory import factory
from problems._problem import Problem
from problems._vector import vector_problem


@factory
def double_well() -> Problem:
    """Return two wells with a strict saddle between them.

    Examples
    --------
    >>> print(double_well().grad({"x": np.array([1.0, 0.5])})["x"])
    [ 1.    -0.375]
    """

    def value(p: Array) -> Array:
        x, y2 = p[..., 0], p[..., 1] * p[..., 1]
        return x * x / 2 + y2 * (y2 - 2) / 4

    def slope(p: Array) -> Array:
        x, y = p[..., 0], p[..., 1]
        return np.stack([x, y * (y * y - 1)], axis=-1)

    return vector_problem(
        n=2,
        value=value,
        slope=slope,
        curvature=lambda p: np.diag([1.0, 3 * p[1] ** 2 - 1]),
        starts=[[1.0, 1e-3]],
        minimizers=[[0.0, 1.0], [0.0, -1.0]],
        minimum=-0.25,
        critical_points=[([0.0, 0.0], 0.0, "saddle")],
        domain=(-2.0, 2.0),
        source="textbook",
        teaches="the time to leave a strict saddle",
    )


@factory
def monkey_saddle(confined: bool = True) -> Problem:
    """Return the monkey saddle, by default confined so that it has minima.

    Examples
    --------
    >>> p = monkey_saddle()
    >>> print(p.loss(p.minimizers[0]), p.hessian({"x": np.zeros(2)}).any())
    -6.75 False
    """
    confined = flag("monkey_saddle", "confined", confined)

    def value(p: Array) -> Array:
        x, y = p[..., 0], p[..., 1]
        r2 = x * x + y * y
        saddle = x * (x * x - 3 * (y * y))
        return saddle + r2 * r2 / 4 if confined else saddle

    def slope(p: Array) -> Array:
        x, y = p[..., 0], p[..., 1]
        saddle = np.stack([3 * (x * x) - 3 * (y * y), -6 * (x * y)], axis=-1)
        return saddle + (x * x + y * y)[..., None] * p if confined else saddle

    def curvature(p: Floats) -> Floats:
        x, y = p
        saddle = np.array([[6 * x, -6 * y], [-6 * y, -6 * x]])
        wall = (x * x + y * y) * np.eye(2) + 2 * np.outer(p, p)
        return saddle + wall if confined else saddle

    height = 2.598076211353316
    return vector_problem(
        n=2,
        value=value,
        slope=slope,
        curvature=curvature,
        starts=[[1.5, 0.01] if confined else [0.9, 0.01]],
        minimizers=[[-3.0, 0.0], [1.5, height], [1.5, -height]] if confined else [],
        minimum=-6.75 if confined else None,
        critical_points=[([0.0, 0.0], 0.0, "saddle")],
        domain=(-4.0, 4.0) if confined else (-1.0, 1.0),
        source="textbook",
        teaches="a saddle whose Hessian is zero",
    )
