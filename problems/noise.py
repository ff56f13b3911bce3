r"""Stochastic gradients for any problem: mini-batches of its data, or noise that is added.

minibatch
    At step t the gradient is that of the mean over ``size`` samples.  Each epoch passes through
    the data once, in an order of its own: step t uses the places [p size, (p + 1) size) of the
    permutation addressed by (seed, epoch), where epoch = (t - 1) div steps_per_epoch, p = (t - 1)
    mod steps_per_epoch.  The last batch of an epoch is smaller where ``size`` does not divide
    the number of samples.

gradient_noise
    At step t the gradient is g + sigma z, with standard normals z addressed by (seed, t) and
    counted over all elements of all layers in order.

The loss of both remains the full one, and ``grad(params, t=0)`` its gradient.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from problems import _random
from problems._arithmetic import lift
from problems._checks import Seed, integer, number, seeds
from problems._factory import factory
from problems._params import Params
from problems._problem import Problem


@factory
def minibatch(problem: Problem, size: int = 32, seed: int | Sequence[int] = 0) -> Problem:
    """Return ``problem`` with gradients of mini-batches of ``size`` samples.

    Parameters
    ----------
    problem : Problem
        One that has samples: a regression or a net with data.
    size : int
        From 1 to the number of samples.
    seed : int or sequence of int
        Of the orders; a sequence has one seed for each row of a batch of runs.

    Examples
    --------
    >>> import problems
    >>> p = minibatch(problems.diabetes(), size=100)
    >>> p.steps_per_epoch, p.name
    (5, 'minibatch(diabetes, size=100)')
    """
    sample_slope, samples = problem.sample_slope, problem.samples
    if sample_slope is None or samples is None:
        msg = (
            f"minibatch needs a problem with samples, got {problem.name}; "
            "gradient_noise takes any problem"
        )
        raise ValueError(msg)
    size, seed = integer("minibatch", "size", size, 1, samples), seeds("minibatch", seed)
    steps = -(-samples // size)

    def noisy_slope(params: Params, t: int) -> Params:
        epoch, place = divmod(t - 1, steps)
        order = _order(seed, epoch, samples)
        return sample_slope(params, order[..., place * size : (place + 1) * size])

    return replace(
        problem,
        noisy_slope=noisy_slope,
        sample_slope=None,
        seed=seed,
        steps_per_epoch=steps,
    )


@lru_cache(maxsize=16)
def _order(seed: Seed, epoch: int, samples: int) -> NDArray[np.intp]:
    order = _random.permutation(seed, epoch, _random.ORDER, samples)
    order.setflags(write=False)
    return order


@factory
def gradient_noise(problem: Problem, sigma: float = 1.0, seed: int | Sequence[int] = 0) -> Problem:
    """Return ``problem`` with ``sigma`` times standard normals added to its gradients.

    Parameters
    ----------
    problem : Problem
        Any, also one that is stochastic already.
    sigma : float
        Standard deviation of each element, >= 0.
    seed : int or sequence of int
        Of the noise; a sequence has one seed for each row of a batch of runs.

    Examples
    --------
    >>> import problems
    >>> p = gradient_noise(problems.booth(), sigma=0.5, seed=3)
    >>> p.grad({"x": np.array([1.0, 3.0])}, t=1)["x"]
    array([0.0022671 , 0.08731581])
    """
    sigma = number("gradient_noise", "sigma", sigma, low=0)
    seed = seeds("gradient_noise", seed)
    inner = problem.noisy_slope

    def noisy_slope(params: Params, t: int) -> Params:
        slopes = problem.slope(params) if inner is None else inner(params, t)
        z = _random.normals(seed, t, _random.NOISE, problem.size)
        noise = problem.split(z.reshape(-1, problem.size))
        return {name: g + lift(sigma, g) * lift(noise[name], g) for name, g in slopes.items()}

    return replace(problem, noisy_slope=noisy_slope, sample_slope=None, seed=seed)
