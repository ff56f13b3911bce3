"""Expected loss against its floor, which is that of the steady state, over learning rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paratrooper_ref.noise_floor.averages import Average
from paratrooper_ref.noise_floor.method import Method
from paratrooper_ref.noise_floor.modes import Modes
from paratrooper_ref.noise_floor.solution import after, steady
from paratrooper_ref.optimizers import Optimizer
from paratrooper_ref.optimizers.state import Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """One method at many rates: what it reaches in the end, and where it is after some steps.

    Parameters
    ----------
    rates : array, shape (rates,)
    floors : array, shape (rates,)
        The expected loss above the minimum in the steady state, inf where there is none.
    losses : array, shape (rates,)
        The same after the steps.
    """

    rates: Array
    floors: Array
    losses: Array


def curve(
    optimizer: Optimizer,
    modes: Modes,
    rates: Sequence[float] | Array,
    steps: int,
    *,
    average: Average = None,
) -> Curve:
    """Return expected losses after some steps and in the steady state, over learning rates.

    Parameters
    ----------
    optimizer, modes, steps, average
        As for `after`.  With Lookahead the steady state is that of the same phase of its cycle.
    rates : array, shape (rates,)

    Returns
    -------
    Curve
    """
    rates = np.asarray(rates, dtype=np.float64)
    phase = steps % Method("curve", optimizer, modes, average, rates).period
    reached = after(optimizer, modes, steps, average=average, lr=rates)
    settled = steady(optimizer, modes, average=average, lr=rates, phase=phase)
    return Curve(rates=rates, floors=settled.excess(), losses=reached.excess())


def envelope(curves: Sequence[Curve], floors: Array) -> Array:
    """Return the lowest loss of some curves at each floor, NaN where none of them passes.

    Between its rates a curve is a straight line in the logarithms of both.
    """
    lowest = np.full(len(floors), np.nan)
    for each in curves:
        used = np.isfinite(each.floors) & np.isfinite(each.losses) & (each.floors > 0)
        x, y = np.log(each.floors[used]), np.log(each.losses[used])
        order = np.argsort(x)
        if order.size:
            at = np.interp(np.log(floors), x[order], y[order], left=np.nan, right=np.nan)
            lowest = np.fmin(lowest, np.exp(at))
    return lowest
