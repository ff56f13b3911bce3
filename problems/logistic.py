r"""Logistic regression: smooth, convex, and with a bound on its curvature.

    loss = mean log(1 + exp(-y (x.w + b))) + ridge |w|^2 / 2,  labels y in {-1, 1}.
    With u = -y (x.w + b) and p = 1/(1 + exp(-u)) the gradient is (mean -y p x + ridge w,
    mean -y p), and the Hessian the mean of p (1 - p) (x, 1)(x, 1)', plus ridge on w.

Minimum  by Newton's method.
Start    0, where the curvature is largest: a quarter of that of least squares.
Teaches  a convex loss that is not quadratic; the ridge keeps the minimizer finite.
Source   textbook.
"""

import numpy as np
from numpy.typing import NDArray

from problems import _random
from problems._arithmetic import (
    Array,
    Floats,
    contract,
    exp,
    lift,
    log1p,
    matvec,
    total,
    transposed,
)
from problems._checks import integer, number
from problems._checks import seed as one_seed
from problems._factory import factory
from problems._params import Params, Point
from problems._problem import Problem


def _toward_zero(u: Array) -> tuple[NDArray[np.bool_], Array]:
    """Return where u > 0, and exp(-|u|).

    NOTE: what follows holds whichever way u > 0 is decided, the decision only avoids overflow.
    So it may be wrong for a ball around 0, and the formulas stay analytic for complex steps.
    """
    positive = u.real > 0
    return positive, exp(np.where(positive, -u, u))


def softplus(u: Array) -> Array:
    """Return log(1 + exp(u)), without overflow.

    Examples
    --------
    >>> softplus(np.array([-1000.0, 1000.0]))
    array([   0., 1000.])
    """
    positive, small = _toward_zero(u)
    return np.where(positive, u, 0 * small) + log1p(small)


def sigmoid(u: Array) -> Array:
    """Return 1/(1 + exp(-u)), without overflow.

    Examples
    --------
    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    positive, small = _toward_zero(u)
    return np.where(positive, 1 + 0 * small, small) / (1 + small)


@factory
def logistic_regression(n: int = 200, d: int = 5, ridge: float = 0.01, seed: int = 0) -> Problem:
    """Return logistic regression on ``n`` made samples of ``d`` features.

    Parameters
    ----------
    n, d : int
        Samples and features.
    ridge : float
        > 0; on ``w``, not on ``b``.
    seed : int
        Of the data.

    Examples
    --------
    >>> p = logistic_regression()
    >>> print(round(p.loss(p.starts[0]), 6))
    0.693147
    """
    who = "logistic_regression"
    n, d = integer(who, "n", n, 2), integer(who, "d", d, 1, 1_000)
    ridge = number(who, "ridge", ridge, above=0)
    normals = _random.normals(one_seed(who, seed), 0, _random.DATA, n * (d + 1) + d)
    features, noise = normals[: n * d].reshape(n, d), normals[n * d : n * (d + 1)]
    labels = np.where(matvec(features, normals[n * (d + 1) :]) + noise + 0.5 >= 0, 1.0, -1.0)
    labels[:2] = 1.0, -1.0  # both occur, or the best b would be infinite

    def opposed(p: Params, x: Floats, y: Floats) -> Array:
        return -lift(y, p["w"]) * (matvec(lift(x, p["w"]), p["w"]) + p["b"])

    def value(p: Params) -> Array:
        fit = total(softplus(opposed(p, features, labels)))[..., 0] / lift(n, p["w"])
        return fit + lift(ridge, fit) * (contract(p["w"], p["w"]) / 2)

    def slope_on(p: Params, x: Floats, y: Floats) -> Params:
        w, size = p["w"], lift(y.shape[-1], p["w"])
        pull = -lift(y, w) * sigmoid(opposed(p, x, y))
        fit = matvec(transposed(lift(x, w)), pull) / size
        return {"w": fit + lift(ridge, w) * w, "b": total(pull) / size}

    def curvature(p: Point) -> Floats:
        likely = sigmoid(opposed({"w": p["w"], "b": p["b"]}, features, labels))
        weights = likely * (1 - likely) / n
        bordered = np.concatenate([features, np.ones((n, 1))], axis=1).T
        h = contract(bordered[:, None, :] * weights, bordered[None, :, :])
        return h + np.diag([ridge] * d + [0.0])

    def newton() -> dict[str, Floats]:
        point = {"w": np.zeros(d), "b": np.zeros(1)}
        for _ in range(50):
            g = slope_on({k: v[None] for k, v in point.items()}, features, labels)
            step = np.linalg.solve(curvature(point), np.concatenate([g["w"][0], g["b"][0]]))
            point = {"w": point["w"] - step[:d], "b": point["b"] - step[d:]}
            if np.all(abs(step) <= 1e-15):
                break
        return point

    best = newton()
    return Problem(
        layers={"w": (d,), "b": (1,)},
        value=value,
        slope=lambda p: slope_on(p, features, labels),
        curvature=curvature,
        samples=n,
        sample_slope=lambda p, rows: slope_on(p, features[rows], labels[rows]),
        starts=({"w": np.zeros(d), "b": np.zeros(1)},),
        minimizers=(best,),
        minimum=float(value({k: v[None] for k, v in best.items()})[0]),
        source="textbook",
        teaches="convex and not quadratic",
        transcendental=True,
    )
