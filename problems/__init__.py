"""Analytic landscapes: losses with exact gradients and facts that tests hold them to.

Each factory returns a ``Problem``, a frozen declaration: layers, starts, minimizers, the minimum,
critical points, loss, gradient and Hessian.  The same functions run in float64, float32,
longdouble, complex numbers, exact fractions and ball arithmetic, on one point or a batch.

>>> import numpy as np
>>> import problems
>>> p = problems.rosenbrock()
>>> p.layers, p.minimum
(mappingproxy({'x': (2,)}), 0.0)
>>> print(p.grad({"x": np.array([-1.2, 1.0])})["x"])
[-215.6  -88. ]

``CATALOGUE`` holds the factories, all of which can be called without arguments; ``WRAPPERS`` those
that take a problem first.  ``build(problem.spec)`` makes a problem again from JSON.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from problems._factory import build
from problems._problem import CriticalPoint, Problem
from problems.basins import branin, himmelblau, styblinski_tang
from problems.bowls import booth, matyas, quadratic_bowl
from problems.camels import six_hump_camel, three_hump_camel
from problems.lattices import ackley, rastrigin
from problems.linear import linear_net
from problems.logistic import logistic_regression
from problems.noise import gradient_noise, minibatch
from problems.noisy import noisy_quadratic
from problems.plateaus import geman_mcclure, welsch
from problems.regression import diabetes, linear_regression
from problems.saddles import double_well, monkey_saddle
from problems.scales import layered_quadratic, rayleigh_quotient, scalar_factorisation
from problems.tanh import tanh_net
from problems.transforms import rotated, shifted
from problems.valleys import beale, powell_singular, rosenbrock

__all__ = [
    "CATALOGUE",
    "WRAPPERS",
    "CriticalPoint",
    "Problem",
    "ackley",
    "beale",
    "booth",
    "branin",
    "build",
    "diabetes",
    "double_well",
    "geman_mcclure",
    "gradient_noise",
    "himmelblau",
    "layered_quadratic",
    "linear_net",
    "linear_regression",
    "logistic_regression",
    "matyas",
    "minibatch",
    "monkey_saddle",
    "noisy_quadratic",
    "powell_singular",
    "quadratic_bowl",
    "rastrigin",
    "rayleigh_quotient",
    "rosenbrock",
    "rotated",
    "scalar_factorisation",
    "shifted",
    "six_hump_camel",
    "styblinski_tang",
    "tanh_net",
    "three_hump_camel",
    "welsch",
]

CATALOGUE: Mapping[str, Callable[..., Problem]] = MappingProxyType(
    {
        make.__name__: make
        for make in (
            quadratic_bowl,
            rosenbrock,
            beale,
            himmelblau,
            booth,
            matyas,
            three_hump_camel,
            six_hump_camel,
            styblinski_tang,
            rastrigin,
            ackley,
            double_well,
            monkey_saddle,
            welsch,
            geman_mcclure,
            branin,
            powell_singular,
            rayleigh_quotient,
            scalar_factorisation,
            layered_quadratic,
            linear_regression,
            diabetes,
            logistic_regression,
            linear_net,
            tanh_net,
            noisy_quadratic,
        )
    }
)
"""The factories that need no arguments, by name."""

WRAPPERS: Mapping[str, Callable[..., Problem]] = MappingProxyType(
    {make.__name__: make for make in (minibatch, gradient_noise, shifted, rotated)}
)
"""The factories that take a problem first, by name."""
