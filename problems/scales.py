r"""Scale: what trust ratios and normalisation are about.

scalar_factorisation
    (a b - s)^2 / 2, the layers a and b of shape ().  With r = a b - s the gradient is (r b, r a).

    Minimum  0 on the hyperbola a b = s, where the Hessian has eigenvalues 0 and a^2 + b^2: the
             same function at any sharpness.  A saddle at the origin.
    Start    (10, 0.05 s): gradient 5 s long, stable only up to a rate of about 0.02.
    Teaches  the symmetry of rescaling; flat and sharp minima; layers out of proportion.
    Source   textbook.

layered_quadratic
    sum over layers of |theta_l/s_l - 1|^2 / 2, with a scale s_l for each layer.

    Minimum  0 at theta_l = s_l (1, ..., 1); condition number (max s / min s)^2.
    Start    theta_l = s_l (3, -1, 3, ...).
    Teaches  what trust ratios repair: without weight decay and epsilon, LARS and LAMB take the
             same path, in units of s_l, whatever the scales; Adam and SGD do not.
    Source   ours.

rayleigh_quotient
    w'A w / w'w,  A = Q diag(lam) Q',  gradient 2 (A w - f w) / w'w.  lam runs from 1 to kappa.

    Minimum  1 on the line of the eigenvector of 1; the other eigenvectors are saddles, the last
             a maximum.
    Start    (1, ..., 1).
    Teaches  exact invariance to the scale of w, as of weights before a normalisation: the
             gradient is orthogonal to w, steps only lengthen w, and so anneal themselves.
    Source   textbook; van Laarhoven, arXiv:1706.05350, for the use.
"""

from collections.abc import Sequence

import numpy as np

from problems._arithmetic import Array, Floats, contract, lift, matvec, total
from problems._checks import integer, number, seed, vector
from problems._construct import rotation as rotation_matrix
from problems._construct import spectrum, symmetric
from problems._factory import factory
from problems._params import Params, Point
from problems._problem import CriticalPoint, Kind, Problem
from problems._vector import vector_problem


@factory
def scalar_factorisation(s: float = 1.0) -> Problem:
    """Return the factorisation of the number ``s`` > 0 into two.

    Examples
    --------
    >>> p = scalar_factorisation()
    >>> print(p.loss(p.starts[0]), p.grad(p.starts[0]))
    0.125 {'a': array(-0.025), 'b': array(-5.)}
    """
    s = number("scalar_factorisation", "s", s, above=0)

    def value(p: Params) -> Array:
        r = p["a"] * p["b"] - lift(s, p["a"])
        return r * r / 2

    def slope(p: Params) -> Params:
        r = p["a"] * p["b"] - lift(s, p["a"])
        return {"a": r * p["b"], "b": r * p["a"]}

    def curvature(p: Point) -> Floats:
        a, b = p["a"], p["b"]
        return np.array([[b * b, 2 * a * b - s], [2 * a * b - s, a * a]])

    def at(a: float, b: float) -> Point:
        return {"a": np.array(a), "b": np.array(b)}

    return Problem(
        layers={"a": (), "b": ()},
        value=value,
        slope=slope,
        curvature=curvature,
        starts=(at(10.0, 0.05 * s),),
        minimizers=(at(1.0, s), at(-1.0, -s), at(4.0, s / 4)),
        minimum=0.0,
        critical_points=(CriticalPoint(params=at(0.0, 0.0), value=s * s / 2, kind="saddle"),),
        domain={"a": (-4.0, 4.0), "b": (-4.0, 4.0)},
        source="textbook",
        teaches="one function at every sharpness",
    )


@factory
def layered_quadratic(scales: Sequence[float] = (1e-3, 0.1, 1.0, 50.0), width: int = 3) -> Problem:
    """Return a quadratic whose layers ``x1``, ``x2``, ... have scales of their own.

    Parameters
    ----------
    scales : sequence of float > 0
        One for each layer.
    width : int
        Elements in a layer.

    Examples
    --------
    >>> p = layered_quadratic(scales=(0.5, 2), width=2)
    >>> print(p.grad(p.starts[0]))
    {'x1': array([ 4., -4.]), 'x2': array([ 1., -1.])}
    """
    who = "layered_quadratic"
    width = integer(who, "width", width, 1)
    count = integer(who, "the number of scales", np.size(scales), 1)
    given = vector(who, "scales", scales, count)
    names = [f"x{i}" for i in range(1, count + 1)]
    by_name = {
        name: number(who, f"scales[{i}]", s, above=0)
        for i, (name, s) in enumerate(zip(names, given.tolist(), strict=True))
    }

    def value(p: Params) -> Array:
        gaps = [p[name] / lift(s, p[name]) - 1 for name, s in by_name.items()]
        return total(np.concatenate([gap * gap for gap in gaps], axis=-1))[..., 0] / 2

    def slope(p: Params) -> Params:
        return {
            name: (p[name] / lift(s, p[name]) - 1) / lift(s, p[name]) for name, s in by_name.items()
        }

    start = np.where(np.arange(width) % 2 == 0, 3.0, -1.0)
    return Problem(
        layers=dict.fromkeys(names, (width,)),
        value=value,
        slope=slope,
        curvature=lambda _: np.diag(np.repeat(1 / (given * given), width)),
        starts=({name: s * start for name, s in by_name.items()},),
        minimizers=({name: np.full(width, s) for name, s in by_name.items()},),
        minimum=0.0,
        domain={
            name: (np.full(width, -4 * s), np.full(width, 6 * s)) for name, s in by_name.items()
        },
        source="ours",
        teaches="what trust ratios repair",
    )


@factory
def rayleigh_quotient(n: int = 3, kappa: float = 10, rotation: int | None = 0) -> Problem:
    """Return the Rayleigh quotient of a matrix with eigenvalues from 1 to ``kappa`` > 1.

    ``rotation`` is the seed of its eigenvectors, None for the axes.

    Examples
    --------
    >>> p = rayleigh_quotient(n=2, kappa=3, rotation=None)
    >>> print(p.loss({"w": np.array([1.0, 1.0])}), p.loss({"w": np.array([9.0, 9.0])}))
    2.0 2.0
    """
    who = "rayleigh_quotient"
    n = integer(who, "n", n, 2, 1_000)
    eigenvalues = spectrum(1.0, number(who, "kappa", kappa, above=1), n)
    q = rotation_matrix(n, None if rotation is None else seed(who, rotation))
    lam = np.array(eigenvalues)

    def terms(w: Array) -> tuple[Array, Array, Array]:
        """Return A w, w'w and the quotient, the latter two of shape (..., 1)."""
        y = matvec(lift(q.T, w), w)
        square = total(w * w)
        return matvec(lift(q, w), lift(lam, w) * y), square, total(lift(lam, w) * y * y) / square

    def slope(w: Array) -> Array:
        aw, square, f = terms(w)
        return 2 * (aw - f * w) / square

    def curvature(w: Floats) -> Floats:
        g, square = slope(w), contract(w, w)
        f = terms(w)[2]
        a = symmetric(eigenvalues, q)
        return 2 / square * (a - f * np.eye(n) - np.outer(g, w) - np.outer(w, g))

    saddles: list[Kind] = ["saddle"] * (n - 2)
    return vector_problem(
        layer="w",
        n=n,
        value=lambda w: terms(w)[2][..., 0],
        slope=slope,
        curvature=curvature,
        starts=[np.ones(n)],
        minimizers=[q[:, 0], -q[:, 0]],
        minimum=1.0,
        critical_points=[
            (q[:, i], eigenvalues[i], kind) for i, kind in enumerate([*saddles, "maximum"], start=1)
        ],
        domain=(-2.0, 2.0),
        source="textbook",
        teaches="invariance to the scale of the weights",
    )
