r"""Least squares: linear regression on made data and on the diabetes study.

    loss = |X w + b - y|^2 / (2 n),  with r = X w + b - y the gradient is (X'r/n, mean r), and the
    Hessian is the mean of (x, 1)(x, 1)'.  The layers are "w", (d,), and "b", (1,).

linear_regression
    The features are made white, then coloured by C^(1/2), C = (1 - rho) I + rho 11', so that their
    covariance, and the Hessian, has condition number kappa exactly, up to rounding; then
    each column may be scaled and shifted, which makes it worse.  The noise is made orthogonal
    to the features and to 1, so that the coefficients used to make y are the minimizer.

    Minimum  noise^2/2 at the coefficients used.
    Start    0.
    Teaches  mini-batches, and what unscaled columns cost: n = 506 and d = 13 are the shape of
             the Boston data, which is not used here for the reasons for which it was withdrawn.
    Source   ours.

diabetes
    442 patients, ten baseline variables (age, sex, bmi, bp, six serum measurements), and the
    progression of their disease after a year.  ``data/diabetes.csv`` holds the unscaled values.

    Minimum  the least-squares solution.
    Start    0.
    Teaches  real data, small, with collinear serum columns: condition number 470 (squared
             singular values, columns standardised).
    Source   Efron, Hastie, Johnstone and Tibshirani, "Least angle regression", Annals of
             Statistics 32 (2004) 407-499.
"""

import math
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from problems import _random
from problems._arithmetic import Array, Floats, contract, lift, matvec, total, transposed
from problems._checks import flag, integer, number
from problems._checks import seed as one_seed
from problems._construct import spectrum, standardised, whitened
from problems._factory import factory
from problems._params import Params
from problems._problem import Problem

Rows = NDArray[np.intp]


@factory
def linear_regression(
    n: int = 506,
    d: int = 13,
    kappa: float = 100,
    noise: float = 1.0,
    decades: float = 0.0,
    mean: float = 0.0,
    seed: int = 0,
) -> Problem:
    """Return least squares on ``n`` made samples of ``d`` features.

    Parameters
    ----------
    n, d : int
        n >= d + 2.
    kappa : float
        The condition number where ``decades`` and ``mean`` are 0, at least 1.
    noise : float
        Standard deviation of the residuals, at least 0.
    decades : float
        The last column is larger than the first by 10**decades, its coefficient smaller.
    mean : float
        Of every column, in units of its standard deviation.
    seed : int
        Of the data.

    Examples
    --------
    >>> p = linear_regression(n=50, d=4, kappa=10, noise=2)
    >>> eigenvalues = np.linalg.eigvalsh(p.hessian(p.starts[0]))
    >>> print(round(eigenvalues[-1] / eigenvalues[0], 12), p.minimum)
    10.0 2.0
    """
    who = "linear_regression"
    d = integer(who, "d", d, 1, 1_000)
    n = integer(who, "n (at least d + 2)", n, d + 2)
    kappa = number(who, "kappa", kappa, low=1)
    noise = number(who, "noise", noise, low=0)
    scales = np.array(spectrum(1.0, 10 ** number(who, "decades", decades, low=0, high=12), d))
    mean = number(who, "mean", mean)
    normals = _random.normals(one_seed(who, seed), 0, _random.DATA, n * (d + 1) + d)

    white = whitened(normals[: n * (d + 1)].reshape(n, d + 1))
    rho = (kappa - 1) / (kappa + d - 1)
    narrow, wide = math.sqrt(1 - rho), math.sqrt(1 + (d - 1) * rho)
    along = total(white[:, :d]) * ((wide - narrow) / d)
    features = (narrow * white[:, :d] + along + mean) * scales
    w, b = normals[n * (d + 1) :] / scales, 1.0
    targets = matvec(features, w) + b + noise * white[:, d]
    return _least_squares(
        features,
        targets,
        minimizer=(w, np.array([b])),
        minimum=noise * noise / 2,
        source="ours",
        teaches="mini-batches and unscaled columns",
    )


@factory
def diabetes(standardise: bool = True) -> Problem:
    """Return least squares on the diabetes study.

    Parameters
    ----------
    standardise : bool
        Whether features and target are shifted and scaled to mean 0 and mean square 1.

    Examples
    --------
    >>> p = diabetes()
    >>> print(p.samples, round(p.loss(p.starts[0]), 12), round(p.minimum, 6))
    442 0.5 0.241126
    """
    standardise = flag("diabetes", "standardise", standardise)
    text = resources.files("problems").joinpath("data", "diabetes.csv").read_text("utf-8")
    table = np.array([[float(cell) for cell in line.split(",")] for line in text.splitlines()[1:]])
    if standardise:
        table = np.stack([standardised(column) for column in table.T], axis=1)
    features, targets = table[:, :-1], table[:, -1]
    bordered = np.concatenate([features, np.ones((len(table), 1))], axis=1)
    solution = np.linalg.lstsq(bordered, targets, rcond=None)[0]
    return _least_squares(
        features,
        targets,
        minimizer=(solution[:-1], solution[-1:]),
        minimum=None,
        source="Efron, Hastie, Johnstone and Tibshirani, Annals of Statistics 32 (2004) 407-499",
        teaches="real data with collinear columns",
    )


def _least_squares(
    features: Floats,
    targets: Floats,
    *,
    minimizer: tuple[Floats, Floats],
    minimum: float | None,
    source: str,
    teaches: str,
) -> Problem:
    n, d = len(features), features.shape[1]

    def residuals(p: Params, x: Floats, y: Floats) -> Array:
        return matvec(lift(x, p["w"]), p["w"]) + p["b"] - lift(y, p["w"])

    def value(p: Params) -> Array:
        r = residuals(p, features, targets)
        return contract(r, r) / lift(2 * n, r)

    def slope_on(p: Params, x: Floats, y: Floats) -> Params:
        r = residuals(p, x, y)
        size = lift(y.shape[-1], r)
        return {"w": matvec(transposed(lift(x, r)), r) / size, "b": total(r) / size}

    def curvature(_: object) -> Floats:
        bordered = np.concatenate([features, np.ones((n, 1))], axis=1)
        return contract(bordered.T[:, None, :], bordered.T[None, :, :]) / n

    w, b = minimizer
    best = {"w": w[None], "b": b[None]}
    return Problem(
        layers={"w": (d,), "b": (1,)},
        value=value,
        slope=lambda p: slope_on(p, features, targets),
        curvature=curvature,
        samples=n,
        sample_slope=lambda p, rows: slope_on(p, features[rows], targets[rows]),
        starts=({"w": np.zeros(d), "b": np.zeros(1)},),
        minimizers=({"w": w, "b": b},),
        minimum=float(value(best)[0]) if minimum is None else minimum,
        source=source,
        teaches=teaches,
    )
