"""Recipes: what a case is given, before anything is proved."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from paratrooper_ref.golden.bits import Floats
from paratrooper_ref.optimizers import Optimizer, State

if TYPE_CHECKING:
    from paratrooper_ref.schedules import Schedule
    from problems import Problem

@dataclass(frozen=True, kw_only=True, eq=False)
class Feed:
    """What one step of a core case is fed with.

    Parameters
    ----------
    grads : mapping of str to array or None
        bfloat16 numbers.
    lr : float, optional
        The effective rate; the optimizer's own if None.
    metric : float, optional
        What the schedule is told.
    """

    grads: Mapping[str, Floats | None]
    lr: float | None = None
    metric: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Core:
    """A case of single steps from stored inputs.

    The inputs of the first step are `start`; those of a later one are the results of the one
    before, rounded to bfloat16.
    """

    case: str
    about: str
    optimizer: Optimizer
    start: State
    feeds: tuple[Feed, ...]
    catches: tuple[str, ...] = ()
    schedule: Schedule | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Full:
    """A case that is a whole trajectory on a problem, from its customary start."""

    case: str
    about: str
    optimizer: Optimizer
    problem: Problem
    steps: int
    catches: tuple[str, ...] = ()
    schedule: Schedule | None = None


Recipe = Core | Full


def draw(key: str, *shape: int, scale: float = 1.0) -> Floats:
    """Return bfloat16 numbers that depend on the key alone, of magnitude scale/4 to 4 scale.

    Two bytes of SHA-256 of "key/0", "key/1", ... a number: a sign, an exponent from -2 to 1, seven
    bits of significand.  The scale is a power of two.

    Examples
    --------
    >>> draw("a", 3)
    array([-3.640625 , -1.8046875,  1.8671875])
    """
    n = math.prod(shape)
    stream = b"".join(hashlib.sha256(f"{key}/{i}".encode()).digest() for i in range(n // 16 + 1))
    words = np.frombuffer(stream, dtype=">u2")[:n].astype(np.int64)
    sign, exponent, bits = 1 - 2 * (words >> 15), (words >> 7 & 3) - 2, words & 127
    return np.asarray(scale * sign * (1 + bits / 128) * 2.0**exponent).reshape(shape)


def begin(
    optimizer: Optimizer,
    params: Mapping[str, Floats],
    t: int = 0,
    warmup: str | None = None,
    **slots: Mapping[str, Any],
) -> State:
    """Return a state after t steps: slots that are not given are as `init` makes them."""
    fresh = optimizer.init(params)
    given = {name: {k: np.asarray(x) for k, x in layers.items()} for name, layers in slots.items()}
    kept: dict[str, Any] = {name: fresh.slot(name) for name in optimizer.slots()}
    return State(params=fresh.params, t=t, warmup=warmup, **(kept | given))
