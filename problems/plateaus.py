r"""Plateaus: the gradient all but vanishes far from the minimum.

welsch
    1 - exp(-r^2/2) + eps r^2/2,  r = |x|,  gradient x (exp(-r^2/2) + eps).

    Minimum  0 at 0.
    Start    (3, 2, 3, ...), where for n = 2 the gradient is 0.009 long.
    Teaches  a gradient that vanishes exponentially; eps = 0 is a dead plateau.
    Source   Dennis and Welsch, Communications in Statistics B 7 (1978) 345-359.

geman_mcclure
    r^2 / (1 + r^2),  gradient 2 x / (1 + r^2)^2.

    Minimum  0 at 0.
    Start    (5, 3, 5, ...), where for n = 2 the gradient is 0.0095 long.
    Teaches  a gradient that vanishes like 2/r^3: methods that normalise cross at constant
             speed, gradient descent crawls.
    Source   Geman and McClure, Bulletin of the International Statistical Institute 52 (1987) 5-21.

Both are minimal at the origin, which flatters methods with trust ratios: see ``shifted``.
"""

import numpy as np

from problems._arithmetic import Array, Floats, exp, expm1, lift, total
from problems._checks import integer, number
from problems._factory import factory
from problems._problem import Problem
from problems._vector import vector_problem


@factory
def welsch(n: int = 2, eps: float = 1e-3) -> Problem:
    """Return Welsch's plateau in ``n`` dimensions, tilted by ``eps`` >= 0.

    Examples
    --------
    >>> p = welsch(eps=0)
    >>> print(p.loss({"x": np.array([30.0, 40.0])}))
    1.0
    """
    n = integer("welsch", "n", n, 1)
    eps = number("welsch", "eps", eps, low=0)

    def value(x: Array) -> Array:
        half = total(x * x) / 2
        return (lift(eps, x) * half - expm1(-half))[..., 0]

    def slope(x: Array) -> Array:
        return x * (exp(-total(x * x) / 2) + lift(eps, x))

    def curvature(x: Floats) -> Floats:
        e = exp(-total(x * x) / 2)
        return (e + eps) * np.eye(n) - e * np.outer(x, x)

    return vector_problem(
        n=n,
        value=value,
        slope=slope,
        curvature=curvature,
        starts=[np.where(np.arange(n) % 2 == 0, 3.0, 2.0)],
        minimizers=[np.zeros(n)],
        minimum=0.0,
        domain=(-5.0, 5.0),
        source="Dennis and Welsch, Communications in Statistics B 7 (1978) 345-359",
        teaches="a gradient that vanishes exponentially",
        transcendental=True,
    )


@factory
def geman_mcclure(n: int = 2) -> Problem:
    """Return the plateau of Geman and McClure in ``n`` dimensions.

    Examples
    --------
    >>> print(geman_mcclure().loss({"x": np.array([1.0, 0.0])}))
    0.5
    """
    n = integer("geman_mcclure", "n", n, 1)

    def value(x: Array) -> Array:
        r2 = total(x * x)
        return (r2 / (1 + r2))[..., 0]

    def slope(x: Array) -> Array:
        around = 1 + total(x * x)
        return 2 * x / (around * around)

    def curvature(x: Floats) -> Floats:
        around = 1 + total(x * x)
        square = around * around
        return 2 / square * np.eye(n) - 8 / (square * around) * np.outer(x, x)

    return vector_problem(
        n=n,
        value=value,
        slope=slope,
        curvature=curvature,
        starts=[np.where(np.arange(n) % 2 == 0, 5.0, 3.0)],
        minimizers=[np.zeros(n)],
        minimum=0.0,
        domain=(-8.0, 8.0),
        source="Geman and McClure, Bulletin of the International Statistical Institute 52 (1987)",
        teaches="a gradient that vanishes like 1/r^3",
    )
