r"""The noisy quadratic model: where the noise floor of an optimizer has a formula.

    The loss of one draw is (x - c)'A(x - c)/2 with A = diag(1, 1/2, ..., 1/n) and the centre c
    normal around the minimizer, with variances noise^2/a_i.  At step t the gradient is
    a_i (x_i - c_i(t)); the loss is the expected one, sum of a_i (x_i - shift_i)^2 / 2, plus
    n noise^2 / 2 that no x can avoid.

Minimum  n noise^2 / 2 at the shift.
Start    shift + 1.
Teaches  the noise floor, and what averaging (Lookahead) does to it: the excess over the minimum
         after some steps, against the lowest excess that the rate allows.
Source   Zhang, Lucas, Hinton and Ba, arXiv:1907.08610, section 3.1; the spectrum 1/i and the
         variances 1/a_i are those of Zhang, Li, Nado et al., arXiv:1907.04164.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from problems import _random
from problems._arithmetic import Array, contract, lift, total
from problems._checks import integer, number, seeds, vector
from problems._factory import factory
from problems._params import Params
from problems._problem import Problem
from problems._vector import vector_problem


@factory
def noisy_quadratic(
    n: int = 100,
    noise: float = 1.0,
    shift: float | Sequence[float] = 0.0,
    seed: int | Sequence[int] = 0,
) -> Problem:
    """Return the noisy quadratic model in ``n`` dimensions.

    Parameters
    ----------
    n : int
        The dimension, and the condition number.
    noise : float
        >= 0; the draws of the centre have variances ``noise**2 / a_i``.
    shift : float or sequence
        The minimizer of the expected loss.
    seed : int or sequence of int
        Of the draws.

    Examples
    --------
    >>> p = noisy_quadratic(n=4, seed=7)
    >>> print(p.loss(p.starts[0]) - p.minimum)
    1.0416666666666665
    >>> p.grad(p.starts[0], t=3)["x"] - p.grad(p.starts[0])["x"]
    array([ 0.89542375, -0.27586124,  0.68093446, -0.70175061])
    """
    who = "noisy_quadratic"
    n, seed = integer(who, "n", n, 1), seeds(who, seed)
    a = 1 / np.arange(1.0, n + 1)
    sigma = number(who, "noise", noise, low=0) / np.sqrt(a)
    centre = vector(who, "shift", shift, n)
    floor = float(total(a * sigma * sigma)[0] / 2)

    def value(x: Array) -> Array:
        gap = x - lift(centre, x)
        return contract(lift(a, x) * gap, gap) / 2 + lift(floor, x)

    def slope(x: Array) -> Array:
        return lift(a, x) * (x - lift(centre, x))

    def noisy_slope(p: Params, t: int) -> Params:
        x = p["x"]
        z = _random.normals(seed, t, _random.CENTRE, n)
        drawn = lift(centre, x) + lift(sigma, x) * lift(z, x)
        return {"x": lift(a, x) * (x - drawn)}

    expected = vector_problem(
        n=n,
        value=value,
        slope=slope,
        curvature=lambda _: np.diag(a),
        starts=[centre + 1],
        minimizers=[centre],
        minimum=floor,
        domain=(centre - 2, centre + 2),
        source="Zhang, Lucas, Hinton and Ba, arXiv:1907.08610, section 3.1",
        teaches="the noise floor",
    )
    return replace(expected, noisy_slope=noisy_slope, seed=seed)
