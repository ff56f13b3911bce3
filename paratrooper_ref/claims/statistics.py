"""What a run is judged by: one number for each seed, and less is better.

Numbers are log10 of an excess over the minimum, so a difference of 0.3 is a factor of 2.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final

import numpy as np

from paratrooper_ref.claims.cells import Curves, Floats

TAIL: Final = 0.1  # of the epochs, at least five: what "end" and "noise" look at
BEFORE: Final = 5  # epochs up to a cut
AFTER: Final = (6, 10)  # epochs after a cut; with a patience of 10 no second cut comes earlier
CUTS: Final = 2  # of a run: after two cuts by 10 a rate is a hundredth, and little moves


class Statistic(ABC):
    """A number for each seed."""

    least: int = 10
    """Epochs that it needs."""
    lacking: str = "not trained"
    """What is said of a comparison in which too few seeds have the number."""

    @property
    def chooses(self) -> Statistic:
        """The number by which an arm's best rate is chosen: this one, where that makes sense."""
        return self

    @abstractmethod
    def __call__(self, curves: Curves) -> Floats:
        """Return an array of shape (seeds,), NaN where a seed has none."""

    @property
    @abstractmethod
    def says(self) -> str:
        """What it is, for a reader."""


@dataclass(frozen=True)
class Window(Statistic):
    """The mean of the decades over epochs first to last."""

    first: int
    last: int

    @property
    def least(self) -> int:  # type: ignore[override]
        """Epochs that it needs."""
        return self.last

    def __call__(self, curves: Curves) -> Floats:
        """Return the mean of each seed."""
        mean: Floats = curves.decades[self.first : self.last + 1].mean(axis=0)
        return mean

    @property
    def says(self) -> str:
        """What it is."""
        one = self.first == self.last
        return f"epoch {self.first}" if one else f"mean of epochs {self.first} to {self.last}"


@dataclass(frozen=True)
class End(Statistic):
    """The mean of the decades over the last tenth of the epochs."""

    def __call__(self, curves: Curves) -> Floats:
        """Return the mean of each seed."""
        mean: Floats = _tail(curves).mean(axis=0)
        return mean

    @property
    def says(self) -> str:
        """What it is."""
        return "end (mean of the last tenth of the epochs)"


@dataclass(frozen=True)
class Noise(Statistic):
    """How much the loss jumps from epoch to epoch over the last tenth.

    log10 of s/√2, s the standard deviation of the differences L_{e+1} − L_e: for independent
    noise its own standard deviation, whatever slow and even trend there is.  Relative noise is
    that of log10 L: of two runs that differ by a factor it is the same.  A run that is once as high
    as its start in that tenth, or higher, has none: how high is not kept.

    Parameters
    ----------
    relative : bool
    """

    relative: bool = False
    lacking = "up to its start"

    @property
    def chooses(self) -> Statistic:
        """The end: the quietest rate is one that does not move."""
        return End()

    def __call__(self, curves: Curves) -> Floats:
        """Return the noise of each seed, NaN where it is once as high as its start."""
        tail = _tail(curves)
        jumps = np.diff(tail if self.relative else 10**tail, axis=0)
        size = np.sqrt(jumps.var(axis=0, ddof=1) / 2)
        lost = (tail >= curves.decades[0]).any(axis=0)
        noise: Floats = np.log10(np.maximum(size, 1e-18))
        return np.where(lost, np.nan, noise)

    @property
    def says(self) -> str:
        """What it is."""
        what = "log10 of the loss" if self.relative else "the loss"
        word = "relative noise" if self.relative else "noise"
        return f"{word} (jumps of {what} in the last tenth of the epochs)"


@dataclass(frozen=True)
class Change(Statistic):
    """How the decades change at a cut of the rate: after less before, over the first two cuts."""

    least = 40
    lacking = "no cut"

    @property
    def chooses(self) -> Statistic:
        """The end: the steepest step is that of a rate far too large."""
        return End()

    def __call__(self, curves: Curves) -> Floats:
        """Return the mean change of each seed, NaN where there was no cut to look at."""
        changes = np.full(curves.decades.shape[1], np.nan)
        for seed, seen in enumerate(around_cuts(curves)):
            if len(seen):
                changes[seed] = seen[:, BEFORE - 1 + AFTER[0] :].mean()
        return changes

    @property
    def says(self) -> str:
        """What it is."""
        return (
            f"change at a cut (epochs {AFTER[0]} to {AFTER[1]} after it less the {BEFORE} up to "
            "it, mean of the first two cuts)"
        )


def around_cuts(curves: Curves) -> list[Floats]:
    """Return for each seed the decades around its first cuts, less their mean before.

    Each of shape (cuts, epochs), from 4 epochs before a cut to 10 after it; a cut that has not as
    many epochs on either side is left out.
    """
    found = []
    never: tuple[tuple[int, ...], ...] = ((),) * curves.decades.shape[1]
    for y, cuts in zip(curves.decades.T, curves.cuts or never, strict=True):
        whole = [c for c in cuts[:CUTS] if c + 1 >= BEFORE and c + AFTER[1] < len(y)]
        seen = [y[c - BEFORE + 1 : c + AFTER[1] + 1] for c in whole]
        windows = np.array(seen).reshape(-1, BEFORE + AFTER[1])
        found.append(windows - windows[:, :BEFORE].mean(axis=1, keepdims=True))
    return found


def _tail(curves: Curves) -> Floats:
    epochs = len(curves.decades) - 1
    return curves.decades[-max(5, round(TAIL * epochs)) :]
