"""Layers that are stepped alike, taken as one: what holds of each element needs no layers.

Where a rule looks at elements alone, as Adam's does and LARS's does not, layers with the same
hyperparameters are one array, evaluated once.  Each element gets the very bits that it gets in
its layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import numpy as np

from paratrooper_ref.arithmetic.running import Running
from paratrooper_ref.optimizers import Optimizer, State

Floats = np.ndarray[Any, np.dtype[np.float64]]
Errors = Mapping[str, Mapping[str, Floats]]
"""By layer and slot, how far numbers may be off; nothing where it is left out."""

BY_ELEMENT: Final = frozenset({"sqrt", "at_least", "at_most", "clamp", "locals", "max", "float"})


@dataclass(frozen=True)
class Alike:
    """A step whose layers are those of one that are stepped alike.

    Parameters
    ----------
    state : State
    grads : mapping of str to array
        By layer, called as the first of those that it stands for.
    errors : mapping of layer to slot to array
        Of "g" and of the slots.
    places : mapping of str to (str, slice)
        Where a layer is to be found.
    """

    state: State
    grads: Mapping[str, Any]
    errors: Errors
    places: Mapping[str, tuple[str, slice]]

    def apart(self, found: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """Return by layer what there is of all: arrays in parts, scalars as they are."""
        return {
            layer: {name: _part(value, place) for name, value in found[of].items()}
            for layer, (of, place) in self.places.items()
        }


def alike(
    optimizer: Optimizer, state: State, grads: Mapping[str, Any], errors: Errors | None = None
) -> Alike | None:
    """Return a step of one trajectory with fewer layers, or None where each is taken by itself.

    Layers without a gradient are left out, all but their errors.
    """
    moving = tuple(layer for layer, g in grads.items() if g is not None)
    undecided = state.warmup is None and optimizer.hyper().get("warmup") == "auto"
    if undecided or not _by_element(optimizer):
        return None
    groups = _groups(optimizer, moving)
    if len(groups) == len(moving):
        return None
    arrays: dict[str, Mapping[str, Any]] = {
        slot: state.slot(slot) for slot in ("theta", *optimizer.slots())
    }
    arrays["g"] = grads
    off = errors or {}
    together: dict[str, Mapping[str, Floats]] = {
        layer: of_layer for layer, of_layer in off.items() if layer not in moving
    }
    one: dict[str, Any] = {name: {} for name in arrays}
    places: dict[str, tuple[str, slice]] = {}
    for first, *others in groups:
        members = (first, *others)
        for name, layers in arrays.items():
            one[name][first] = np.concatenate([np.ravel(layers[k]) for k in members])
        together[first] = {
            name: np.concatenate([np.ravel(_off(off, k, name, layers[k])) for k in members])
            for name, layers in arrays.items() if any(name in off.get(k, {}) for k in members)
        }
        ends = np.cumsum([state.params[k].size for k in members])
        for layer, end in zip(members, ends, strict=True):
            places[layer] = first, slice(int(end) - state.params[layer].size, int(end))
    places = {layer: places[layer] for layer in moving}  # in their order
    g, theta = one.pop("g"), one.pop("theta")
    return Alike(replace(state, params=theta, **one), g, together, places)


def _off(errors: Errors, layer: str, name: str, like: Any) -> Any:
    """Return how far numbers may be off, also where nothing is said of them."""
    return errors.get(layer, {}).get(name, np.zeros(np.size(like)))


def _by_element(optimizer: Optimizer) -> bool:
    """Return whether no rule looks at more than one element at a time."""
    return all(set(rule.__code__.co_names) <= BY_ELEMENT for rule in optimizer.stages())


@lru_cache(maxsize=1024)
def _groups(optimizer: Optimizer, layers: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return layers by what is the same: their hyperparameters, the rate among them."""
    groups: list[tuple[dict[str, Any], list[str]]] = []
    for layer in layers:
        hyper = optimizer.hyper(layer)
        for other, members in groups:
            if other == hyper:
                members.append(layer)
                break
        else:
            groups.append((hyper, [layer]))
    return tuple(tuple(members) for _, members in groups)


def _part(value: Any, place: slice) -> Any:
    if isinstance(value, Running):  # of elements; what layers share are scalars
        return Running(value.value[place], value.error[place], value.format)
    return value
