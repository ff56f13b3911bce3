"""Cells: one arm on one problem at one rate, over all seeds; a cell is run once for all claims."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from paratrooper_ref.claims.altered import scaled
from paratrooper_ref.claims.arms import DECAY, arms
from paratrooper_ref.claims.settings import SETTINGS, Setting
from paratrooper_ref.golden.workers import mapped
from paratrooper_ref.optimizers.warmup import first_batch
from paratrooper_ref.schedules import ReduceOnPlateau
from paratrooper_ref.trajectory import Trajectory, run

if TYPE_CHECKING:
    from problems import Problem

# An excess below this is rounding: the losses are near 1.
LEAST: Final = 1e-15
Floats = NDArray[np.float64]


class Cell(NamedTuple):
    """What is run: names of an arm and a setting, a rate, how many seeds and epochs, the decay."""

    arm: str
    setting: str
    rate: float
    seeds: int
    epochs: int
    decay: float = DECAY


@dataclass(frozen=True, kw_only=True, eq=False)
class Curves:
    """What a cell has given.

    Parameters
    ----------
    decades : Array, shape (epochs + 1, seeds)
        log10 of the loss above the minimum (of the loss, where the minimum is unknown), after
        each epoch.  Never above its value at the start: a run that ends above its start has
        not trained, and how far it went astray would drown every mean; nor below that of 1e-15.
    cuts : tuple of tuple of int
        For each seed the epochs after which its rate was cut.
    """

    decades: Floats
    cuts: tuple[tuple[int, ...], ...] = ()


def measured(cell: Cell) -> Curves:
    """Run a cell."""
    arm, setting = arms(cell.decay)[cell.arm], SETTINGS[cell.setting]
    seeds = range(1, cell.seeds + 1)
    optimizer = arm.optimizer.at_rate(cell.rate)
    if not arm.plateau:
        problem = setting.make(seeds)
        if arm.h is not None:
            problem = scaled(problem, _factor(problem, setting, cell, arm.h))
        steps = problem.steps_per_epoch or 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a run that diverges is counted
            trajectory = run(
                optimizer, problem, steps * cell.epochs, start=setting.starts(seeds),
                record="loss", every=steps,
            )
        return Curves(decades=_decades(trajectory, cell.epochs))
    columns, cuts = [], []
    for seed in seeds:  # a schedule that looks at the loss has one rate for one run
        problem = setting.make(seed)
        steps = problem.steps_per_epoch or 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            trajectory = run(
                optimizer, problem, steps * cell.epochs, start=setting.start(seed),
                schedule=ReduceOnPlateau(epoch=steps), record="loss", every=steps,
            )
        columns.append(_decades(trajectory, cell.epochs))
        rates = trajectory.rates[1:]
        cuts.append(tuple(int(i) + 1 for i in np.flatnonzero(rates[1:] < rates[:-1])))
    return Curves(decades=np.concatenate(columns, axis=1), cuts=tuple(cuts))


def run_cells(
    cells: Sequence[Cell],
    *,
    jobs: int = 1,
    progress: Callable[[int, int], object] | None = None,
) -> dict[Cell, Curves]:
    """Run each cell once, in some processes; the results do not depend on how many."""
    asked = list(dict.fromkeys(cells))
    done: dict[Cell, Curves] = {}
    for cell, curves in zip(asked, mapped(measured, asked, jobs), strict=True):
        done[cell] = curves
        if progress is not None:
            progress(len(done), len(asked))
    return done


def _factor(problem: Problem, setting: Setting, cell: Cell, h: float) -> float:
    """Return what the loss is multiplied with for h: h is quadratic in it."""
    optimizer = arms(cell.decay)[cell.arm].optimizer.hyper()
    gradients = problem.grad(setting.starts(range(1, cell.seeds + 1)), t=1)
    flat = [g.reshape(cell.seeds, -1) for g in gradients.values()]
    lines = first_batch(flat, beta1=optimizer["beta1"], beta2=optimizer["beta2"])
    return math.sqrt(h / float(np.mean(lines["h"])))


def _decades(trajectory: Trajectory, epochs: int) -> Floats:
    """Return log10 of the excess after each epoch, cut as `Curves` says, of shape (rows, seeds)."""
    losses = trajectory.losses.astype(float).reshape(len(trajectory.losses), -1)
    excess = losses - (trajectory.problem.minimum or 0.0)
    dead = ~np.isfinite(excess)
    if trajectory.alive is not None:
        dead |= ~trajectory.alive
    elif trajectory.stopped is not None:
        dead[-1] = True  # the row of the step that stopped it, within an epoch
    excess = np.where(dead | (excess > excess[0]), excess[0], excess)
    missing = epochs + 1 - len(excess)
    excess = np.concatenate([excess, np.repeat(excess[:1], missing, axis=0)])
    decades: Floats = np.log10(np.maximum(excess, LEAST))
    return decades
