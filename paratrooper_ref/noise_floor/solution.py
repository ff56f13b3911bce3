"""Mean and covariance of a method: after some steps, and in the steady state."""

from __future__ import annotations

from typing import Any

import numpy as np

from paratrooper_ref.noise_floor._count import count
from paratrooper_ref.noise_floor.averages import EMA, Average, Tail
from paratrooper_ref.noise_floor.method import Method
from paratrooper_ref.noise_floor.modes import Modes
from paratrooper_ref.noise_floor.moments import Moments
from paratrooper_ref.optimizers import Optimizer


def after(
    optimizer: Optimizer, modes: Modes, steps: int, *, average: Average = None, lr: Any = None
) -> Moments:
    """Return mean and covariance after some steps.

    Parameters
    ----------
    optimizer : Optimizer
        SGD or Lookahead(SGD), without weight decay.
    modes : Modes
    steps : int
        >= 0.
    average : EMA, Tail or None
        What is made of the weights on the side.
    lr : float or array, optional
        In place of the optimizer's own rate, >= 0; the axes of an array lead the result's.

    Returns
    -------
    Moments
        Of "theta", the slots, and the "average".  Between synchronisations "theta" are the fast
        weights.  Infinite where a double overflows.

    Raises
    ------
    TypeError, ValueError
        If the optimizer is not linear, or a number is out of its range.

    Examples
    --------
    >>> import problems
    >>> import paratrooper_ref as pr
    >>> modes = Modes.of(problems.noisy_quadratic(n=100))
    >>> sgd = pr.SGD(lr=0.5)
    >>> print(round(after(sgd, modes, 1000).excess(), 4))
    0.7117
    >>> print(round(after(pr.Lookahead(inner=sgd, k=5), modes, 1000).excess(), 4))
    0.3069
    >>> print(round(after(sgd, modes, 1000, average=EMA(decay=0.99)).excess(), 4))
    0.1373
    """
    steps = count("after", "steps", steps, 0)
    if isinstance(average, Tail) and average.last > steps:
        msg = f"after needs Tail(last) within its steps, got last={average.last}, steps={steps}"
        raise ValueError(msg)
    method = Method("after", optimizer, modes, average, lr)
    begins = {"theta", "slow"} | ({"average"} if isinstance(average, EMA) else set())
    mean = modes.gap[:, None] * [name in begins for name in method.names]
    with np.errstate(all="ignore"):  # what overflows is infinite
        whole = method.steps(1, steps)
        mean = (whole.transition @ mean[..., None])[..., 0]
        noise = np.broadcast_to(whole.noise, (*mean.shape, mean.shape[-1]))
    return method.moments(mean, noise)


def steady(
    optimizer: Optimizer, modes: Modes, *, average: Average = None, lr: Any = None, phase: int = 0
) -> Moments:
    """Return mean and covariance in the steady state: what the recursion tends to.

    Parameters
    ----------
    optimizer, modes, average, lr
        As for `after`.
    phase : int
        Steps since the last synchronisation of Lookahead, in [0, k).

    Returns
    -------
    Moments
        The means are 0.  Infinite in a mode that does not settle.

    Raises
    ------
    TypeError, ValueError
        If the optimizer is not linear, or a number is out of its range.

    Examples
    --------
    The fast weights grow noisier from one synchronisation to the next.

    >>> import paratrooper_ref as pr
    >>> mode = Modes(curvature=[1.0], noise=1.0)
    >>> look = pr.Lookahead(inner=pr.SGD(lr=0.5), k=5)
    >>> print([round(2 * float(steady(look, mode, phase=j).excess()), 4) for j in range(5)])
    [0.1134, 0.2784, 0.3196, 0.3299, 0.3325]
    """
    method = Method("steady", optimizer, modes, average, lr)
    k = method.period
    if not 0 <= count("steady", "phase", phase, 0) < k:
        msg = f"steady needs a phase in [0, {k}), got phase={phase}"
        raise ValueError(msg)
    window = average.last if isinstance(average, Tail) else 0
    begin = k + (phase - window) % k  # after the first step, which may be unlike the others
    with np.errstate(all="ignore"):
        covariance = method.steps(begin + 1, begin + k, joins=not window).fixed_point()
        if window:
            covariance = method.steps(begin + 1, begin + window).carried(covariance)
    return method.moments(np.zeros(covariance.shape[:-1]), covariance)
