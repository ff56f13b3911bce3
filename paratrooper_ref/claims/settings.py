r"""Where the claims are tried: six problems, mini-batches, and a start for each seed.

regression   506 x 13 made samples of unit variance, condition number 14 (correlation 1/2)
prices       the same with an intercept of 22.5 in place of 1: targets far from 0, as raw prices
             are
columns      regression with columns that differ in size by 3.8 decades, as raw data do
diabetes     442 x 10 measurements of patients, standardised
linear-net   three layers of 4 x 4 on 64 samples, not convex
tanh-net     two tanh layers of width 4 on 64 samples, not convex, its minimum unknown

An epoch has five mini-batches, for prices sixteen; the source does not name its own size.
A seed is a draw of the data where they are made, a start, and an order of the mini-batches.  A
regression starts as a linear layer of torch does, uniform in ±1/√d, which differs from zero: at
zero a trust ratio is 1 by definition.  A net starts as it is made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from paratrooper_ref.claims.altered import raised, stacked
from paratrooper_ref.optimizers.state import Array

if TYPE_CHECKING:
    from problems import Problem


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A problem with mini-batches and starts.

    Parameters
    ----------
    name : str
    problem : str
        The factory.
    arguments : mapping
        Of the factory.
    size : int
        Samples in a mini-batch.
    says : str
        What it is, for a reader.
    measured : bool
        Whether the data are a study's, the same for all seeds.
    raised : float
        What is added to the targets, and so to the intercept, of a regression.
    """

    name: str
    problem: str
    arguments: Mapping[str, Any]
    size: int
    says: str
    measured: bool = False
    raised: float = 0.0

    def make(self, seeds: int | Sequence[int]) -> Problem:
        """Return the problem of one seed, or of several, with a row for each."""
        import problems

        if not isinstance(seeds, int):
            return stacked([self.make(seed) for seed in seeds])
        drawn = {} if self.measured else {"seed": seeds}
        base = problems.build({"problem": self.problem, "arguments": {**self.arguments, **drawn}})
        problem = problems.minibatch(base, size=self.size, seed=seeds)
        return raised(problem, self.raised) if self.raised else problem

    def start(self, seed: int) -> dict[str, Array]:
        """Return where the run of this seed starts."""
        from problems import _random

        problem = self.make(seed)
        if "w" not in problem.layers:
            return {name: np.array(x) for name, x in problem.starts[0].items()}
        d = math.prod(problem.layers["w"])
        drawn = _random.uniforms(seed, 0, _random.START, d + 1)
        drawn = (2 * drawn - 1) / math.sqrt(d)
        return {"w": drawn[:d], "b": drawn[d:]}

    def starts(self, seeds: Sequence[int]) -> dict[str, Array]:
        """Return the starts of several seeds, stacked."""
        points = [self.start(seed) for seed in seeds]
        return {name: np.stack([point[name] for point in points]) for name in points[0]}


_BOSTON: Final = {"n": 506, "d": 13, "kappa": 14}
SETTINGS: Final[dict[str, Setting]] = {
    s.name: s
    for s in (
        Setting(
            name="regression", problem="linear_regression", arguments=_BOSTON, size=102,
            says="made regression, 506 x 13, condition number 14",
        ),
        Setting(
            name="prices", problem="linear_regression", arguments=_BOSTON, size=32, raised=21.5,
            says="the same, intercept 22.5, sixteen mini-batches an epoch in place of five",
        ),
        Setting(
            name="columns", problem="linear_regression", size=102,
            arguments={**_BOSTON, "decades": 3.8},
            says="regression, columns of unequal size (3.8 decades)",
        ),
        Setting(
            name="diabetes", problem="diabetes", arguments={}, size=89, measured=True,
            says="the diabetes study, 442 x 10, standardised",
        ),
        Setting(
            name="linear-net", problem="linear_net", size=13,
            arguments={"depth": 3, "width": 4, "samples": 64},
            says="a linear net of three 4 x 4 layers, 64 samples",
        ),
        Setting(
            name="tanh-net", problem="tanh_net", size=13,
            arguments={"depth": 2, "width": 4, "samples": 64},
            says="a net of two tanh layers of width 4, 64 samples",
        ),
    )
}
