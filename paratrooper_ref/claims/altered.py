"""Problems as the settings need them: targets raised, the loss multiplied, another one in each row.

They keep what runs use, the loss, its gradients and its minimum, and drop what no longer holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    from problems import Problem


def raised(problem: Problem, by: float) -> Problem:
    """Return a regression with all targets, and so its intercept, larger by a number.

    Examples
    --------
    >>> import problems
    >>> far = raised(problems.linear_regression(n=50, d=4), 21.5)
    >>> print(far.minimizers[0]["b"], round(far.loss(far.minimizers[0]), 12), far.minimum)
    [22.5] 0.5 0.5
    """
    value, slope, noisy = problem.value, problem.slope, problem.noisy_slope

    def below(p: Mapping[str, Any]) -> dict[str, Any]:
        return {**p, "b": p["b"] - by}

    return replace(
        problem,
        value=lambda p: value(below(p)),
        slope=lambda p: slope(below(p)),
        noisy_slope=None if noisy is None else lambda p, t: noisy(below(p), t),
        sample_slope=None,
        minimizers=tuple({**p, "b": p["b"] + by} for p in problem.minimizers),
        name=f"{problem.name}, raised by {by:g}",
        spec={},
    )


def scaled(problem: Problem, factor: float) -> Problem:
    """Return a problem whose loss and gradients are multiplied by a number.

    Examples
    --------
    >>> import problems
    >>> booth, point = problems.booth(), {"x": np.zeros(2)}
    >>> print(booth.loss(point), scaled(booth, 2.0).loss(point))
    74.0 148.0
    """
    slope, noisy, value = problem.slope, problem.noisy_slope, problem.value

    def times(slopes: Any) -> Any:
        return {name: factor * g for name, g in slopes.items()}

    return replace(
        problem,
        value=lambda p: factor * value(p),
        slope=lambda p: times(slope(p)),
        noisy_slope=None if noisy is None else lambda p, t: times(noisy(p, t)),
        sample_slope=None,
        critical_points=(),
        minimum=None if problem.minimum is None else factor * problem.minimum,
        curvature=None,
        spec={},
    )


def stacked(each: Sequence[Problem]) -> Problem:
    """Return a problem for a batch of runs whose row i is that of problem i.

    All have the same layers, the same minimum, and a seed of their own.

    Raises
    ------
    ValueError
        If they have not, or there is none.

    Examples
    --------
    >>> import problems
    >>> both = stacked([problems.minibatch(problems.diabetes(), seed=s) for s in (1, 2)])
    >>> point = {"w": np.ones((2, 10)), "b": np.zeros((2, 1))}
    >>> both.seed, both.loss(point).shape, bool(np.ptp(both.grad(point, t=1)["b"]) > 0)
    ((1, 2), (2,), True)
    """
    if not each or any(problem.noisy_slope is None for problem in each):
        msg = f"stacked needs stochastic problems, got {[problem.name for problem in each]}"
        raise ValueError(msg)
    first = each[0]
    for other in each[1:]:
        if other.layers != first.layers or other.minimum != first.minimum:
            msg = (
                f"stacked needs problems of the same layers and minimum, got {first.name} and "
                f"{other.name}"
            )
            raise ValueError(msg)

    def rows(of: Callable[[Problem], Any], p: Mapping[str, Any], *draw: int) -> list[Any]:
        return [
            of(problem)({name: x[i : i + 1] for name, x in p.items()}, *draw)
            for i, problem in enumerate(each)
        ]

    def joined(slopes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {name: np.concatenate([slope[name] for slope in slopes]) for name in first.layers}

    return replace(
        first,
        value=lambda p: np.concatenate(rows(lambda problem: problem.value, p)),
        slope=lambda p: joined(rows(lambda problem: problem.slope, p)),
        noisy_slope=lambda p, t: joined(rows(lambda problem: problem.noisy_slope, p, t)),
        sample_slope=None,
        curvature=None,
        starts=(),
        minimizers=(),
        critical_points=(),
        domain=None,
        seed=tuple(cast(int, problem.seed) for problem in each),
        name=f"{first.name} and {len(each) - 1} more",
        spec={},
    )
