r"""Several minima, and the question in which one a method ends.

himmelblau
    u = x^2 + y - 11,  v = x + y^2 - 7,  loss = u^2 + v^2.

    Minimum  0 at four points, (3, 2) among them; four saddles and a maximum between them.
    Start    (0, 0), loss 170, or (-4, 0), loss 146.
    Teaches  which basin?
    Source   Himmelblau, Applied Nonlinear Programming (1972).

styblinski_tang
    sum of (x_i^4 - 16 x_i^2 + 5 x_i) / 2.

    Minimum  -39.16616570377141 n, every x_i = -2.903534027771177; 2^n minima, 3^n critical
             points, of which a few are declared.
    Start    0, or (4, ..., 4).
    Teaches  a separable loss, which flatters methods that work coordinate by coordinate: see
             ``rotated``.
    Source   Styblinski and Tang, Neural Networks 3 (1990) 467-483.

branin
    (y - b x^2 + c x - 6)^2 + 10 (1 - t) cos x + 10,  b = 5.1/(4 pi^2), c = 5/pi, t = 1/(8 pi)
    as doubles.

    Minimum  0.3978873577297384 at three points.
    Start    (2.5, 7.5).
    Teaches  three equal basins, of different conditioning (25.9, 6.4, 6.7).
    Source   Branin, IBM Journal of Research and Development 16 (1972) 504-522.
"""

import math

import numpy as np

from problems._arithmetic import Array, Floats, cos, lift, sin, total
from problems._checks import integer
from problems._factory import factory
from problems._problem import Problem
from problems._vector import vector_problem


@factory
def himmelblau() -> Problem:
    """Return Himmelblau's function.

    Examples
    --------
    >>> print(himmelblau().loss({"x": np.array([0.0, 0.0])}))
    170.0
    """

    def value(p: Array) -> Array:
        x, y = p[..., 0], p[..., 1]
        u, v = x * x + y - 11, x + y * y - 7
        return u * u + v * v

    def slope(p: Array) -> Array:
        x, y = p[..., 0], p[..., 1]
        u, v = x * x + y - 11, x + y * y - 7
        return np.stack([4 * x * u + 2 * v, 2 * u + 4 * y * v], axis=-1)

    return vector_problem(
        n=2,
        value=value,
        slope=slope,
        curvature=lambda p: np.array(
            [
                [12 * p[0] ** 2 + 4 * p[1] - 42, 4 * (p[0] + p[1])],
                [4 * (p[0] + p[1]), 12 * p[1] ** 2 + 4 * p[0] - 26],
            ]
        ),
        starts=[[0.0, 0.0], [-4.0, 0.0]],
        minimizers=[
            [3.0, 2.0],
            [-2.805118086952745, 3.131312518250573],
            [-3.779310253377747, -3.2831859912861696],
            [3.5844283403304917, -1.8481265269644036],
        ],
        minimum=0.0,
        critical_points=[
            ([-0.2708445906673476, -0.9230385564799815], 181.6165215225827, "maximum"),
            ([3.385154183607021, 0.07385187983774928], 13.31192627040559, "saddle"),
            ([0.08667750455539636, 2.884254701174776], 67.71915008752615, "saddle"),
            ([-3.0730257507643897, -0.08135304428796751], 104.0151629175581, "saddle"),
            ([-0.12796134673068008, -1.9537149802445763], 178.33723920192747, "saddle"),
        ],
        domain=(-5.0, 5.0),
        source="Himmelblau, Applied Nonlinear Programming (1972)",
        teaches="which basin?",
    )


@factory
def styblinski_tang(n: int = 2) -> Problem:
    """Return the function of Styblinski and Tang in ``n`` dimensions.

    Examples
    --------
    >>> print(styblinski_tang(1).grad({"x": np.array([0.0])})["x"])
    [2.5]
    """
    n = integer("styblinski_tang", "n", n, 1)
    low, top, local = -2.903534027771177, 0.1567312567803401, 2.746802770990837
    f_low, f_top, f_local = -39.16616570377141, 0.19561235905535806, -25.02944665528394

    def value(x: Array) -> Array:
        return total(x * (x * (x * x - 16) + 5))[..., 0] / 2

    def slope(x: Array) -> Array:
        return x * (2 * (x * x) - 16) + lift(2.5, x)

    mixed = [np.where(np.arange(n) == 0, first, rest) for first, rest in ((top, low), (local, low))]
    return vector_problem(
        n=n,
        value=value,
        slope=slope,
        curvature=lambda x: np.diag(6 * x * x - 16),
        starts=[np.zeros(n), np.full(n, 4.0)],
        minimizers=[np.full(n, low)],
        minimum=n * f_low,
        critical_points=[
            (np.full(n, top), n * f_top, "maximum"),
            (np.full(n, local), n * f_local, "minimum"),
            *((mixed[0], f_top + (n - 1) * f_low, "saddle") for _ in range(n > 1)),
            *((mixed[1], f_local + (n - 1) * f_low, "minimum") for _ in range(n > 1)),
        ],
        domain=(-5.0, 5.0),
        source="Styblinski and Tang, Neural Networks 3 (1990) 467-483",
        teaches="a separable loss",
    )


@factory
def branin() -> Problem:
    """Return Branin's function.

    Examples
    --------
    >>> print(round(branin().loss({"x": np.array([2.5, 7.5])}), 6))
    24.129964
    """
    b, c, t = 5.1 / (4 * math.pi * math.pi), 5 / math.pi, 1 / (8 * math.pi)

    def value(p: Array) -> Array:
        x, y = p[..., 0], p[..., 1]
        u = y - lift(b, p) * (x * x) + lift(c, p) * x - 6
        return u * u + 10 * (1 - lift(t, p)) * cos(x) + 10

    def slope(p: Array) -> Array:
        x, y = p[..., 0], p[..., 1]
        u = y - lift(b, p) * (x * x) + lift(c, p) * x - 6
        inner = lift(c, p) - 2 * lift(b, p) * x
        return np.stack([2 * u * inner - 10 * (1 - lift(t, p)) * sin(x), 2 * u], axis=-1)

    def curvature(p: Floats) -> Floats:
        x, y = p
        inner = c - 2 * b * x
        u = y - b * x * x + c * x - 6
        xx = 2 * (inner * inner - 2 * b * u) - 10 * (1 - t) * math.cos(x)
        return np.array([[xx, 2 * inner], [2 * inner, 2.0]])

    return vector_problem(
        n=2,
        value=value,
        slope=slope,
        curvature=curvature,
        starts=[[2.5, 7.5]],
        minimizers=[
            [-3.141592653589793, 12.275],
            [3.141592653589793, 2.2749999999999995],
            [9.42477796076938, 2.474999999999999],
        ],
        minimum=0.3978873577297384,
        critical_points=[
            ([0.0, 6.0], 19.60211264227026, "saddle"),
            ([6.283185307179586, 1.0999999999999992], 19.60211264227026, "saddle"),
        ],
        domain=([-5.0, 0.0], [10.0, 15.0]),
        source="Branin, IBM Journal of Research and Development 16 (1972) 504-522",
        teaches="three equal basins of different conditioning",
        transcendental=True,
    )
