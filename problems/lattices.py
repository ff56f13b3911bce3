r"""Regular lattices of minima.

rastrigin
    sum of x_i^2 + 10 (1 - cos(w x_i)),  w = 2 pi as a double.

    Minimum  0 at 0; 11^n minima in the domain.
    Start    (-2, 3.5, -2, 3.5, ...).
    Teaches  a lattice of minima.  Separable, and minimal at the origin: both flatter some
             methods; compare on ``shifted`` and ``rotated`` versions.
    Source   Rastrigin, Systems of Extremal Control (1974), as generalised by Mühlenbein,
             Schomisch and Born, Parallel Computing 17 (1991) 619-632.

ackley
    r = sqrt(mean x_i^2),  loss = 20 (1 - exp(-0.2 r)) + exp(1) - exp(mean cos(w x_i)),
    with 0.2 the double.

    Minimum  0 at 0, where the loss has a kink: its slope is 4/sqrt(n) in every direction, and
             no method with a fixed rate converges.  The gradient there is declared 0.
    Start    (-2, 3, -2, 3, ...).
    Teaches  a minimum that is not smooth; flat far out.
    Source   Ackley, A Connectionist Machine for Genetic Hillclimbing (1987).
"""

import math

import numpy as np

from problems._arithmetic import Array, Floats, cos, exp, lift, sin, total
from problems._checks import integer
from problems._factory import factory
from problems._problem import Problem
from problems._vector import vector_problem

_W = 2 * math.pi


@factory
def rastrigin(n: int = 2) -> Problem:
    """Return Rastrigin's function in ``n`` dimensions.

    Examples
    --------
    >>> print(rastrigin().loss({"x": np.zeros(2)}))
    0.0
    """
    n = integer("rastrigin", "n", n, 1)
    first, f_first = 0.9949586376523348, 0.9949590570932915
    top, f_top = 0.5025460365546747, 20.251272990990113

    def value(x: Array) -> Array:
        return total(x * x + 10 * (1 - cos(lift(_W, x) * x)))[..., 0]

    def slope(x: Array) -> Array:
        w = lift(_W, x)
        return 2 * x + 10 * w * sin(w * x)

    return vector_problem(
        n=n,
        value=value,
        slope=slope,
        curvature=lambda x: np.diag(2 + 10 * _W * _W * np.cos(_W * x)),
        starts=[np.where(np.arange(n) % 2 == 0, -2.0, 3.5)],
        minimizers=[np.zeros(n)],
        minimum=0.0,
        critical_points=[
            (first * np.eye(n)[0], f_first, "minimum"),
            (np.full(n, top), n * f_top, "maximum"),
            *((top * np.eye(n)[0], f_top, "saddle") for _ in range(n > 1)),
        ],
        domain=(-5.12, 5.12),
        source="Rastrigin, Systems of Extremal Control (1974)",
        teaches="a lattice of minima",
        transcendental=True,
    )


@factory
def ackley(n: int = 2) -> Problem:
    """Return Ackley's function in ``n`` dimensions.

    Examples
    --------
    >>> print(ackley().loss({"x": np.zeros(2)}), ackley().grad({"x": np.zeros(2)})["x"])
    0.0 [0. 0.]
    """
    n = integer("ackley", "n", n, 1)

    def terms(x: Array) -> tuple[Array, Array, Array]:
        """Return r, exp(-0.2 r) and exp(mean cos(w x)), each of shape (..., 1)."""
        r = np.sqrt(total(x * x) / lift(n, x))
        return r, exp(-lift(0.2, x) * r), exp(total(cos(lift(_W, x) * x)) / lift(n, x))

    def value(x: Array) -> Array:
        _, far, near = terms(x)
        return (20 * (1 - far) + (exp(lift(1.0, x)) - near))[..., 0]

    def slope(x: Array) -> Array:
        r, far, near = terms(x)
        w, count = lift(_W, x), lift(n, x)
        divisor: Array = count * np.where(r == 0, 1 + 0 * r, r)
        return 20 * lift(0.2, x) * far * (x / divisor) + w / count * sin(w * x) * near

    def curvature(x: Floats) -> Floats:
        if not x.any():
            return np.full((n, n), np.nan)
        r, far, near = terms(x)
        s, b = np.sin(_W * x), 0.2
        kink = np.eye(n) - np.outer(x, x) * (1 / (n * r * r) + b / (n * r))
        waves = np.diag(_W * _W / n * np.cos(_W * x)) - _W * _W / n**2 * np.outer(s, s)
        return 20 * b * far / (n * r) * kink + near * waves

    return vector_problem(
        n=n,
        value=value,
        slope=slope,
        curvature=curvature,
        starts=[np.where(np.arange(n) % 2 == 0, -2.0, 3.0)],
        minimizers=[np.zeros(n)],
        minimum=0.0,
        domain=(-32.768, 32.768),
        source="Ackley, A Connectionist Machine for Genetic Hillclimbing (1987)",
        teaches="a minimum that is not smooth",
        smooth=False,
        transcendental=True,
    )
