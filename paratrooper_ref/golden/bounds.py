"""How far from a golden step honest arithmetic may be, line by line."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from paratrooper_ref.arithmetic.running import FLOAT32, FLOAT64, Format, Running
from paratrooper_ref.golden.bits import Floats
from paratrooper_ref.golden.document import MODEL, Golden, Step, Value
from paratrooper_ref.optimizers.lift import evaluated
from paratrooper_ref.variants import Variant, changed

MARGIN: Final = 4
"""A variant counts as caught where it is this many bounds away."""

Table = dict[str, dict[str, Any]]


def running(golden: Golden, step: Step, format: Format) -> Table:
    """Return the lines of a step as `Running` numbers, from what the case stores.

    What a stored input leaves out of its double is an error that it starts with.
    """

    def number(layer: str, slot: str, x: Floats) -> Running:
        given = step.inputs[layer][slot]
        assert given is not None
        return Running(x, abs(given.lo).reshape(x.shape), format)

    layers, model = evaluated(
        golden.optimizer, golden.state(step), golden.gradients(step), step.lr, number
    )
    return {**layers, MODEL: model}


def excess(got: Any, wanted: Value, error: Any, *, undecided: float) -> float:
    """Return the largest distance of doubles from a proved value, over its bound.

    ``undecided`` is what counts where there is no bound, that is, an infinite one: infinity for
    who has to be sure that numbers are within it, 0 for who has to be sure that they are not.

    Examples
    --------
    >>> one = Value(np.array([1.0]), np.array([0.0]))
    >>> excess(np.array([1.5]), one, np.array([0.25]), undecided=0)
    2.0
    """
    got, error = np.ravel(got), np.ravel(error)
    with np.errstate(all="ignore"):
        distance = np.abs((got - wanted.hi) - wanted.lo)
        share = np.where(distance == 0, 0.0, distance / error)
        share = np.where(np.isnan(share), np.inf, share)  # so is a number that is none
    return float(np.max(np.where(np.isfinite(error), share, undecided)))


def margins(
    golden: Golden,
    variants: Iterable[Variant],
    formats: tuple[Format, ...] = (FLOAT64, FLOAT32),
    enough: float = math.inf,
) -> dict[str, float]:
    """Return by name how many bounds each variant is away from the case, where it shows most.

    Looked at are parameters and state after each step, which every backend can show, until all
    variants are ``enough`` bounds away; of several formats the one that sees least counts.
    """
    optimizer = golden.optimizer
    slots = ("theta", *optimizer.slots())
    others = {variant.name: changed(optimizer, variant) for variant in variants}
    best = {name: dict.fromkeys(formats, 0.0) for name in others}
    for step in golden.steps:
        bounds = {format: running(golden, step, format) for format in formats}
        given = (golden.state(step), golden.gradients(step), step.lr)
        for name, other in others.items():
            got, _ = evaluated(other, *given, lambda layer, slot, x: x)
            for layer, names in got.items():
                for slot in slots:
                    wanted = after(step, layer, slot)
                    for format in formats:
                        error = bounds[format][layer][slot].error
                        found = excess(names[slot], wanted, error, undecided=0.0)
                        best[name][format] = max(best[name][format], found)
        if all(found >= enough for of_variant in best.values() for found in of_variant.values()):
            break
    return {name: min(found.values()) for name, found in best.items()}


def after(step: Step, layer: str, slot: str) -> Value:
    """Return a slot after a step: its line, or where it has none what it was."""
    line = step.lines[layer].get(slot)
    held = line if isinstance(line, Value) else step.inputs[layer][slot]
    assert held is not None
    return held
