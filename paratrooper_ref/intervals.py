r"""Intervals for a mean over seeds, by Student's t, with NumPy alone.

    mean ± q s / √n,  s² = Σ (x − mean)² / (n − 1),  q the (1 + confidence)/2 quantile of t_{n−1}

For an integer number ν of degrees of freedom the probability that |t| is at most √ν tan θ is a
finite sum (Abramowitz and Stegun, 26.7.3 and 26.7.4)::

    ν odd     2/π (θ + sin θ (cos θ + 2/3 cos³ θ + ... + (2·4···(ν−3))/(3·5···(ν−2)) cos^{ν−2} θ))
    ν even    sin θ (1 + 1/2 cos² θ + ... + (1·3···(ν−3))/(2·4···(ν−2)) cos^{ν−2} θ)

and grows with θ, so that a bisection finds the quantile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Interval(NamedTuple):
    """A mean of n values, and an interval for what it estimates."""

    mean: float
    low: float
    high: float
    n: int

    def __format__(self, spec: str) -> str:
        """Return such as ``0.27 (0.19 to 0.34)``, each number by ``spec``."""
        return f"{self.mean:{spec}} ({self.low:{spec}} to {self.high:{spec}})"

    @property
    def sign(self) -> int:
        """1 or -1 where the interval excludes 0, else 0."""
        return int(self.low > 0) - int(self.high < 0)


def interval(values: Sequence[float] | NDArray[Any], confidence: float = 0.95) -> Interval:
    """Return the mean of values, one for each seed, and its t interval.

    Parameters
    ----------
    values : sequence of float
        At least two; independent draws of one quantity.
    confidence : float
        In (0, 1).

    Raises
    ------
    ValueError
        If there are fewer than two values, or one is not finite.

    Examples
    --------
    >>> [round(x, 3) for x in interval([1.0, 2.0, 4.0])[:3]]
    [2.333, -1.461, 6.128]
    """
    x = np.asarray(values, dtype=float)
    if x.ndim != 1 or x.size < 2 or not np.isfinite(x).all():
        msg = f"interval needs two finite numbers or more, got {x.tolist()}"
        raise ValueError(msg)
    mean = math.fsum(x) / x.size
    spread = math.sqrt(math.fsum((x - mean) ** 2) / (x.size - 1))
    half = student(confidence, x.size - 1) * spread / math.sqrt(x.size)
    return Interval(mean, mean - half, mean + half, x.size)


@lru_cache
def student(confidence: float, degrees: int) -> float:
    """Return q, where |t| is at most q with this probability.

    Parameters
    ----------
    confidence : float
        In (0, 1).
    degrees : int
        Degrees of freedom, at least 1.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> round(student(0.95, 9), 4), round(student(0.5, 1), 12)
    (2.2622, 1.0)
    """
    if not 0 < confidence < 1 or degrees < 1:
        msg = f"student needs 0 < confidence < 1 and degrees >= 1, got {confidence}, {degrees}"
        raise ValueError(msg)
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if _within(middle, degrees) < confidence else (low, middle)
        )
    return math.sqrt(degrees) * math.tan((low + high) / 2)


def _within(theta: float, degrees: int) -> float:
    """Return the probability that |t| is at most √ν tan θ."""
    odd, square = degrees % 2, math.cos(theta) ** 2
    if degrees == 1:
        return 2 * theta / math.pi
    term = total = math.cos(theta) if odd else 1.0
    for k in range(2 + odd, degrees, 2):
        term *= square * (k - 1) / k
        total += term
    inside = math.sin(theta) * total
    return 2 / math.pi * (theta + inside) if odd else inside
