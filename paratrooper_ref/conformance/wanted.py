"""What a step should give: proved numbers, or the reference's with its own error bound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from paratrooper_ref.arithmetic.running import REFERENCE, Running
from paratrooper_ref.conformance.alike import alike
from paratrooper_ref.golden.bounds import after
from paratrooper_ref.golden.document import Golden, Step
from paratrooper_ref.optimizers import Optimizer, State
from paratrooper_ref.optimizers.lift import evaluated

Floats = np.ndarray[Any, np.dtype[np.float64]]


class Number(NamedTuple):
    """Real numbers as hi + lo, known but for an error."""

    hi: Floats
    lo: Floats
    slack: Floats


Wanted = Mapping[str, Mapping[str, Number]]
"""By layer and slot; flat arrays."""


def proved(golden: Golden, step: Step) -> Wanted:
    """Return what a golden case stores of parameters and state after a step."""
    slots = ("theta", *golden.optimizer.slots())
    found = {}
    for layer in golden.layers:
        values = {slot: after(step, layer, slot) for slot in slots}
        found[layer] = {s: Number(v.hi, v.lo, np.zeros(v.size)) for s, v in values.items()}
    return found


def computed(
    optimizer: Optimizer,
    state: State,
    grads: Mapping[str, Any],
    lr: float | None,
    errors: Mapping[str, Mapping[str, Floats]] | None = None,
) -> Wanted:
    """Return what the reference says of a step, and how far it may be from real numbers.

    ``errors`` tell by layer and slot how far the inputs are.
    """
    off = errors or {}
    asked = state, grads
    one = alike(optimizer, state, grads, off)
    if one is not None:
        asked, off = (one.state, one.grads), one.errors

    def number(layer: str, slot: str, x: Floats) -> Running:
        error = off.get(layer, {}).get(slot)
        return Running(x, 0.0 if error is None else np.reshape(error, x.shape), REFERENCE)

    names, _ = evaluated(optimizer, *asked, lr, number)
    if one is not None:
        names = one.apart(names)
    found: dict[str, dict[str, Number]] = {}
    for layer in state.params:
        found[layer] = {}
        for slot in ("theta", *optimizer.slots()):
            flat = state.slot(slot)[layer].ravel()
            value = names[layer][slot] if layer in names else number(layer, slot, flat)
            found[layer][slot] = Number(value.value, np.zeros(flat.size), value.error)
    return found


def distance(got: Any, wanted: Number) -> Floats:
    """Return how far flat doubles are from wanted numbers, at least."""
    with np.errstate(all="ignore"):
        off = np.abs((np.ravel(got) - wanted.hi) - wanted.lo) - wanted.slack
    return np.maximum(off, 0.0)


def share(off: Floats, error: Any) -> Floats:
    """Return distances over their bounds: 0 where nothing is off, or nothing is bounded."""
    error = np.broadcast_to(np.ravel(error), off.shape)
    with np.errstate(all="ignore"):
        shares = np.where(off == 0, 0.0, off / error)
    shares = np.where(np.isnan(shares), np.inf, shares)
    return np.where(np.isfinite(error), shares, 0.0)
