r"""Curved, narrow valleys, the classical tests of descent methods.

rosenbrock
    sum over i < n of  b (x_{i+1} - x_i^2)^2 + (a - x_i)^2.  With r_i = x_{i+1} - x_i^2 the
    gradient is  2 b r_{i-1} - 4 b x_i r_i - 2 (a - x_i),  terms without a neighbour left out.

    Minimum  0 at (a, a^2), for n > 2 and a = 1 at (1, ..., 1).  From n = 4 on there is a second
             minimum near (-1, 1, ..., 1), with loss 3.70 (n = 4) to 3.99.
    Start    (-1.2, 1, -1.2, 1, ...); for n = 2 the loss there is 24.2.
    Teaches  following a curved valley; condition number 2508 at the minimum.
    Source   Rosenbrock, Computer Journal 3 (1960) 175-184.

beale
    r_k = c_k - x (1 - y^k),  c = (1.5, 2.25, 2.625),  loss = r_1^2 + r_2^2 + r_3^2.

    Minimum  0 at (3, 1/2).
    Start    (1, 1), where the loss is 14.203125 and the first component of the gradient is
             exactly 0: Adam divides rounding by itself there.
    Teaches  plateaus beside cliffs.
    Source   Beale, Technical Report 25, Statistical Techniques Research Group, Princeton (1958).

powell_singular
    (a + 10 b)^2 + 5 (c - d)^2 + (b - 2 c)^4 + 10 (a - d)^4.

    Minimum  0 at 0, where the Hessian has rank 2.
    Start    (3, -1, 0, 1), where the loss is 215.
    Teaches  convergence slower than any geometric rate.
    Source   Powell, Computer Journal 5 (1962) 147-151.
"""

import numpy as np

from problems._arithmetic import Array, Floats, lift, total
from problems._checks import integer, number
from problems._factory import factory
from problems._problem import Kind, Problem
from problems._rosenbrock_points import POINTS
from problems._vector import vector_problem


@factory
def rosenbrock(n: int = 2, a: float = 1, b: float = 100) -> Problem:
    """Return Rosenbrock's function in ``n`` dimensions, n >= 2 and b > 0.

    For n > 2, ``a`` must be 1: elsewhere the minimizer has no closed form.

    Examples
    --------
    >>> print(rosenbrock().grad({"x": np.array([-1.2, 1.0])})["x"])
    [-215.6  -88. ]
    >>> [round(p.value, 4) for p in rosenbrock(n=4).critical_points]
    [3.7014, 3.7082]
    """
    n = integer("rosenbrock", "n", n, 2)
    a, b = number("rosenbrock", "a", a), number("rosenbrock", "b", b, above=0)
    if n > 2 and a != 1:
        msg = f"rosenbrock needs a=1 where n > 2 (else the minimizer is unknown), got n={n}, a={a}"
        raise ValueError(msg)

    def value(x: Array) -> Array:
        here, following = x[..., :-1], x[..., 1:]
        r, gap = following - here * here, lift(a, x) - here
        return total(lift(b, x) * (r * r) + gap * gap)[..., 0]

    def slope(x: Array) -> Array:
        here, following = x[..., :-1], x[..., 1:]
        br = lift(b, x) * (following - here * here)
        left, right = -4 * here * br - 2 * (lift(a, x) - here), 2 * br
        inside = left[..., 1:] + right[..., :-1]
        return np.concatenate([left[..., :1], inside, right[..., -1:]], axis=-1)

    def curvature(x: Floats) -> Floats:
        h = np.zeros((n, n))
        for i in range(n - 1):
            h[i, i] += 2 - 4 * b * (x[i + 1] - 3 * x[i] * x[i])
            h[i, i + 1] = h[i + 1, i] = -4 * b * x[i]
            h[i + 1, i + 1] += 2 * b
        return h

    kinds: tuple[Kind, Kind] = ("minimum", "saddle")
    known = POINTS.get(n, ()) if (a, b) == (1, 100) else ()
    return vector_problem(
        n=n,
        value=value,
        slope=slope,
        curvature=curvature,
        starts=[np.where(np.arange(n) % 2 == 0, -1.2, 1.0)],
        minimizers=[[a, a * a] if n == 2 else np.ones(n)],
        minimum=0.0,
        critical_points=[(x, f, kind) for (x, f), kind in zip(known, kinds, strict=False)],
        domain=([-2.0, -1.0], [2.0, 3.0]) if n == 2 else (-2.048, 2.048),
        source="Rosenbrock, Computer Journal 3 (1960) 175-184",
        teaches="a curved narrow valley",
    )


@factory
def beale() -> Problem:
    """Return Beale's function.

    Examples
    --------
    >>> print(beale().grad({"x": np.array([1.0, 1.0])})["x"])
    [-0.   27.75]
    """
    c = (1.5, 2.25, 2.625)

    def residuals(p: Array) -> list[tuple[Array, Array, Array]]:
        """Return r_k with - dr_k/dx and dr_k/dy, for k = 1, 2, 3."""
        x, y = p[..., 0], p[..., 1]
        y2 = y * y
        terms = ((1 - y, x), (1 - y2, 2 * x * y), (1 - y2 * y, 3 * x * y2))
        return [(lift(c_k, p) - x * u, u, w) for c_k, (u, w) in zip(c, terms, strict=True)]

    def value(p: Array) -> Array:
        r1, r2, r3 = (r for r, _, _ in residuals(p))
        return r1 * r1 + r2 * r2 + r3 * r3

    def slope(p: Array) -> Array:
        one, two, three = ((-2 * r * u, 2 * r * w) for r, u, w in residuals(p))
        return np.stack([one[i] + two[i] + three[i] for i in (0, 1)], axis=-1)

    def curvature(p: Floats) -> Floats:
        x, y = p
        h = np.zeros((2, 2))
        for k, c_k in enumerate(c, start=1):
            r = c_k - x * (1 - y**k)
            d = np.array([-(1 - y**k), k * x * y ** (k - 1)])
            xy, yy = k * y ** (k - 1), (k * (k - 1) * x * y ** (k - 2) if k > 1 else 0.0)
            h += 2 * (np.outer(d, d) + r * np.array([[0.0, xy], [xy, yy]]))
        return h

    return vector_problem(
        n=2,
        value=value,
        slope=slope,
        curvature=curvature,
        starts=[[1.0, 1.0]],
        minimizers=[[3.0, 0.5]],
        minimum=0.0,
        critical_points=[
            ([0.0, 1.0], 14.203125, "saddle"),
            ([0.10053793732415836, -2.644513585023125], 9.86451228475556, "saddle"),
        ],
        domain=(-4.5, 4.5),
        source="Beale, Technical Report 25, Princeton (1958)",
        teaches="plateaus beside cliffs",
    )


@factory
def powell_singular() -> Problem:
    """Return Powell's singular function.

    Examples
    --------
    >>> print(powell_singular().loss({"x": np.array([3.0, -1.0, 0.0, 1.0])}))
    215.0
    """

    def value(x: Array) -> Array:
        a, b, c, d = (x[..., i] for i in range(4))
        u, v = a + 10 * b, c - d
        w, z = (b - 2 * c) * (b - 2 * c), (a - d) * (a - d)
        return (u * u + 5 * (v * v)) + (w * w + 10 * (z * z))

    def slope(x: Array) -> Array:
        a, b, c, d = (x[..., i] for i in range(4))
        u, v = 2 * (a + 10 * b), 10 * (c - d)
        w = 4 * ((b - 2 * c) * (b - 2 * c) * (b - 2 * c))
        z = 40 * ((a - d) * (a - d) * (a - d))
        return np.stack([u + z, 10 * u + w, v - 2 * w, -v - z], axis=-1)

    def curvature(x: Floats) -> Floats:
        a, b, c, d = x
        w, z = 12 * (b - 2 * c) ** 2, 120 * (a - d) ** 2
        return np.array(
            [
                [2 + z, 20.0, 0.0, -z],
                [20.0, 200 + w, -2 * w, 0.0],
                [0.0, -2 * w, 10 + 4 * w, -10.0],
                [-z, 0.0, -10.0, 10 + z],
            ]
        )

    return vector_problem(
        n=4,
        value=value,
        slope=slope,
        curvature=curvature,
        starts=[[3.0, -1.0, 0.0, 1.0]],
        minimizers=[[0.0, 0.0, 0.0, 0.0]],
        minimum=0.0,
        domain=(-4.0, 5.0),
        source="Powell, Computer Journal 5 (1962) 147-151",
        teaches="a singular Hessian at the minimum",
    )
