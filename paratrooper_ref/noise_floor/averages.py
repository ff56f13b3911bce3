"""Averages of the weights, which a method keeps on the side: they change no step.

Each is one more member of the state, and linear in it::

    EMA    m ← d m + (1 − d) θ            from m = θ_0
    tail   m ← m + θ / last               over the last steps, from m = 0
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import TypeAlias

from paratrooper_ref.noise_floor._count import count
from paratrooper_ref.optimizers.state import Array


@dataclass(frozen=True, kw_only=True)
class EMA:
    """An exponential moving average of the weights, which begins at θ_0.

    Parameters
    ----------
    decay : float
        The share d that is kept at each step, in [0, 1).
    """

    decay: float

    def __post_init__(self) -> None:
        decay: object = self.decay
        if not isinstance(decay, Real) or not 0 <= self.decay < 1:
            msg = f"EMA needs a decay in [0, 1), got decay={self.decay!r}"
            raise ValueError(msg)

    def joined(self, average: Array, theta: Array) -> Array:
        """Return the average after a step that led to θ."""
        return self.decay * average + (1 - self.decay) * theta


@dataclass(frozen=True, kw_only=True)
class Tail:
    """The plain average of the last iterates.

    Parameters
    ----------
    last : int
        How many, >= 1 and at most the number of steps.
    """

    last: int

    def __post_init__(self) -> None:
        count("Tail", "last", self.last, 1)

    def joined(self, average: Array, theta: Array) -> Array:
        """Return the average after a step that led to θ, one of the last."""
        return average + theta / self.last


Average: TypeAlias = EMA | Tail | None
"""What is made of the weights on the side; None for the weights as they are."""
