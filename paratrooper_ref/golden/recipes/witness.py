"""A witness: a small core case whose numbers are drawn by its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from paratrooper_ref.golden.bits import Floats, to_bfloat16
from paratrooper_ref.golden.recipe import Core, Feed, begin, draw
from paratrooper_ref.golden.recipes.hunts import hunted
from paratrooper_ref.optimizers import Optimizer
from paratrooper_ref.schedules import Schedule

Shapes = Mapping[str, tuple[int, ...]]

USUAL: Final[Shapes] = {"w": (3, 2), "b": (3,), "s": ()}


def witness(
    case: str,
    about: str,
    optimizer: Optimizer,
    *,
    shapes: Shapes = USUAL,
    t: int = 0,
    steps: int = 1,
    weights: float | Mapping[str, float] = 1.0,
    grads: float | Mapping[str, float] = 1.0,
    moments: float | None = None,
    frozen: Iterable[tuple[str, int]] = (),
    rates: tuple[float | None, ...] = (),
    metrics: tuple[float | None, ...] = (),
    schedule: Schedule | None = None,
    hunts: str | None = None,
    seed: int = 0,
    undecided: bool = False,
) -> Core:
    """Return a case whose numbers are drawn by its name (the same for all settings).

    Parameters
    ----------
    case, about, optimizer, schedule
        As in `Core`.
    shapes : mapping of str to tuple of int
    t : int
        Steps taken before; moments and slow weights are drawn where t > 0.
    steps : int
    weights, grads : float, or one for some layers
        Magnitudes, powers of two; 0 for zeros.
    moments : float, optional
        Magnitude of the first moment and of the root of the second; that of the gradients.
    frozen : (layer, step) pairs
        Where there is no gradient.
    rates, metrics : tuple
        Of each step.
    hunts : str, optional
        The witness's word in `HUNTS`; that of its name by default.
    seed : int
        For other draws, where those of 0 give a number that lies between two doubles.
    undecided : bool
        Let the first-batch rule decide though t > 0; else it has chosen momentum by then.
    """
    key = f"{case.rpartition('-')[0]}/{seed}"
    sizes = {name: _of(weights, name) for name in shapes}
    slopes = {name: _of(grads, name) for name in shapes}
    params = {k: _drawn(f"{key}/theta/{k}", s, sizes[k]) for k, s in shapes.items()}
    slots: dict[str, dict[str, Floats]] = {}
    if t:
        for slot in optimizer.slots():
            slots[slot] = {}
            for name, shape in shapes.items():
                scale = sizes[name] if slot == "slow" else _first(moments, slopes[name])
                x = _drawn(f"{key}/{slot}/{name}", shape, scale)
                slots[slot][name] = to_bfloat16(x * x) if slot == "v" else x
    away = set(frozen)
    feeds = tuple(
        Feed(
            grads={
                k: None if (k, i + 1) in away else _drawn(f"{key}/g{i}/{k}", s, slopes[k])
                for k, s in shapes.items()
            },
            lr=rates[i] if rates else None,
            metric=metrics[i] if metrics else None,
        )
        for i in range(steps)
    )
    return Core(
        case=case,
        about=about,
        optimizer=optimizer,
        start=begin(optimizer, params, t, _chosen(optimizer, t, undecided=undecided), **slots),
        feeds=feeds,
        catches=hunted(optimizer, hunts or _word(case)),
        schedule=schedule,
    )


def _chosen(optimizer: Optimizer, t: int, *, undecided: bool) -> str | None:
    decides = optimizer.hyper().get("warmup") == "auto"
    return "momentum" if decides and t and not undecided else None


def _word(case: str) -> str:
    return case.partition("/")[2].rpartition("-")[0]


def _of(scale: float | Mapping[str, float], layer: str) -> float:
    return scale.get(layer, 1.0) if isinstance(scale, Mapping) else scale


def _first(moments: float | None, slope: float) -> float:
    return slope if moments is None else moments


def _drawn(key: str, shape: tuple[int, ...], scale: float) -> Floats:
    return draw(key, *shape, scale=scale) if scale else np.zeros(shape)
