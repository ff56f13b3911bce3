r"""Convex quadratics: where everything can be worked out by hand.

quadratic_bowl
    y = Q'(x - c),  loss = (lam_1 y_1^2 + ... + lam_n y_n^2) / 2,  gradient Q (lam y),
    Hessian Q diag(lam) Q'.  The eigenvalues run from 1 to kappa, evenly in their logarithms.

    Minimum  0 at c.
    Start    c + Q (1/sqrt(lam_1), ..., 1/sqrt(lam_n)), where every mode has the same loss.
    Teaches  conditioning: gradient descent diverges beyond 2/kappa and takes of the order of
             kappa steps, momentum the root of that; rotation: a method that works coordinate
             by coordinate depends on Q, gradient descent does not.
    Source   textbook.

booth
    (x + 2y - 7)^2 + (2x + y - 5)^2.

    Minimum  0 at (1, 3).
    Start    (-8, 8).
    Teaches  an easy bowl away from the origin: the control experiment.
    Source   Jamil and Yang, arXiv:1308.4008.

matyas
    0.26 (x^2 + y^2) - 0.48 x y.

    Minimum  0 at (0, 0).
    Start    (8, -6).
    Teaches  a flat valley across the axes.  The minimizer is the origin, which flatters methods
             with trust ratios: compare on ``shifted(matyas(), by=1.0)``.
    Source   Jamil and Yang, arXiv:1308.4008.
"""

import math
from collections.abc import Sequence

import numpy as np

from problems._arithmetic import Array, contract, lift, matvec
from problems._checks import integer, number, seed, vector
from problems._construct import rotation as rotation_matrix
from problems._construct import spectrum, symmetric
from problems._factory import factory
from problems._problem import Problem
from problems._vector import vector_problem


@factory
def quadratic_bowl(
    kappa: float = 100,
    n: int = 2,
    rotation: int | None = 0,
    shift: float | Sequence[float] = 1.0,
) -> Problem:
    """Return a quadratic with condition number ``kappa``.

    Parameters
    ----------
    kappa : float
        The largest eigenvalue, at least 1; the smallest is 1.
    n : int
        The dimension, at least 2.
    rotation : int or None
        A seed of the eigenvectors, or None for the axes.  In two dimensions, 0 is the rotation
        with cosine 0.8 and sine 0.6.
    shift : float or sequence
        The minimizer.

    Examples
    --------
    >>> p = quadratic_bowl(kappa=4, rotation=None)
    >>> print(p.grad({"x": np.array([2.0, 2.0])})["x"])
    [1. 4.]
    """
    who = "quadratic_bowl"
    n = integer(who, "n", n, 2, 1_000)
    eigenvalues = spectrum(1.0, number(who, "kappa", kappa, low=1), n)
    centre = vector(who, "shift", shift, n)
    q = rotation_matrix(n, None if rotation is None else seed(who, rotation))
    lam = np.array(eigenvalues)

    def modes(x: Array) -> Array:
        return matvec(lift(q.T, x), x - lift(centre, x))

    def value(x: Array) -> Array:
        y = modes(x)
        return contract(lift(lam, x) * y, y) / 2

    def slope(x: Array) -> Array:
        return matvec(lift(q, x), lift(lam, x) * modes(x))

    reach = 2 / math.sqrt(eigenvalues[0])
    return vector_problem(
        n=n,
        value=value,
        slope=slope,
        curvature=lambda _: symmetric(eigenvalues, q),
        starts=[centre + matvec(q, 1 / np.sqrt(lam))],
        minimizers=[centre],
        minimum=0.0,
        domain=(centre - reach, centre + reach),
        source="textbook",
        teaches="conditioning and rotation",
    )


@factory
def booth() -> Problem:
    """Return Booth's function.

    Examples
    --------
    >>> print(booth().loss({"x": np.array([-8.0, 8.0])}))
    170.0
    """

    def value(p: Array) -> Array:
        x, y = p[..., 0], p[..., 1]
        u, v = x + 2 * y - 7, 2 * x + y - 5
        return u * u + v * v

    def slope(p: Array) -> Array:
        x, y = p[..., 0], p[..., 1]
        return np.stack([10 * x + 8 * y - 34, 8 * x + 10 * y - 38], axis=-1)

    return vector_problem(
        n=2,
        value=value,
        slope=slope,
        curvature=lambda _: np.array([[10.0, 8.0], [8.0, 10.0]]),
        starts=[[-8.0, 8.0]],
        minimizers=[[1.0, 3.0]],
        minimum=0.0,
        domain=(-10.0, 10.0),
        source="Jamil and Yang, arXiv:1308.4008",
        teaches="an easy bowl away from the origin",
    )


@factory
def matyas() -> Problem:
    """Return Matyas's function.

    Examples
    --------
    >>> print(matyas().grad({"x": np.array([1.0, 0.0])})["x"])
    [ 0.52 -0.48]
    """

    def value(p: Array) -> Array:
        x, y = p[..., 0], p[..., 1]
        return lift(0.26, p) * (x * x + y * y) - lift(0.48, p) * (x * y)

    def slope(p: Array) -> Array:
        x, y = p[..., 0], p[..., 1]
        a, b = 2 * lift(0.26, p), lift(0.48, p)
        return np.stack([a * x - b * y, a * y - b * x], axis=-1)

    return vector_problem(
        n=2,
        value=value,
        slope=slope,
        curvature=lambda _: np.array([[0.52, -0.48], [-0.48, 0.52]]),
        starts=[[8.0, -6.0]],
        minimizers=[[0.0, 0.0]],
        minimum=0.0,
        domain=(-10.0, 10.0),
        source="Jamil and Yang, arXiv:1308.4008",
        teaches="a flat valley across the axes",
    )
