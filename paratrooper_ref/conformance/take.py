"""Take one step with a backend, and look at all that it does besides: shapes, copies, aliases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from paratrooper_ref.arithmetic.running import FORMATS
from paratrooper_ref.conformance.backend import Array, Backend, hyper_of
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.conformance.verdict import (
    ALIASES,
    DTYPE,
    GRADIENT,
    INPUT,
    LAYERS,
    LOSES,
    NON_FINITE,
    SHAPE,
    Fault,
)
from paratrooper_ref.golden.document import MODEL
from paratrooper_ref.optimizers import State

Shown = dict[str, dict[str, Any]]
"""By layer and tag, in doubles."""

CONTAINERS: Final = {"bfloat16": "float32"}  # NumPy has no bfloat16


@dataclass(frozen=True, kw_only=True)
class Question:
    """A step that a backend is to take, in doubles that its dtypes hold."""

    spec: Mapping[str, Any]
    state: State
    slots: tuple[str, ...]
    grads: Mapping[str, Array | None]
    lr: float

    @property
    def unread(self) -> tuple[str, ...]:
        """The slots that no step reads: a buffer where momentum is 0 may be kept, or left."""
        if "u" not in self.slots:
            return ()
        momenta = (hyper_of(self.spec, layer)["momentum"] for layer in self.state.params)
        return () if any(momenta) else ("u",)

    @property
    def fresh(self) -> bool:
        """Whether this is a first step, from the state that every backend begins with."""
        state = self.state
        if state.t or state.warmup is not None:
            return False
        zeros = all(
            not np.any(state.slot(slot)[layer])
            for slot in self.slots if slot != "slow" for layer in state.params
        )
        same = "slow" not in self.slots or all(
            np.array_equal(state.slot("slow")[layer], x) for layer, x in state.params.items()
        )
        return zeros and same


def container(profile: Profile, slot: str) -> np.dtype[Any]:
    """Return the NumPy dtype in which arrays of a slot come and go."""
    name = profile.stored(slot).name
    return np.dtype(CONTAINERS.get(name, name))


def take(backend: Backend, question: Question) -> Shown:
    """Return what a backend shows after a step; see `look`.

    Raises
    ------
    Fault
        For what it changes and should not, too.
    """
    shown, fault = look(backend, question)
    if fault is not None:
        raise fault
    return shown


def look(backend: Backend, question: Question) -> tuple[Shown, Fault | None]:
    """Return what a backend shows after a step, and what it has changed and should not have.

    Raises
    ------
    Fault
        If what it shows is nothing to compare.
    Unsupported
        From the backend.
    Exception
        Whatever the backend raises.
    """
    profile = backend.profile
    params = _cast(question.state.params, profile, "theta")
    state = _given(question, profile)
    grads = {k: None if g is None else _array(g, profile, "g") for k, g in question.grads.items()}
    inputs = _Copies({"theta": params, **_arrays(state)})
    gradient = _Copies({"g": {k: g for k, g in grads.items() if g is not None}})

    lent, lent_grads, lent_state = dict(params), dict(grads), state and _tables(state)
    handle = backend.start(question.spec, lent, lent_state)
    before = backend.read(handle)
    _shown(before, question, profile)
    if state is not None:
        given = {"theta": params, **_arrays(state)}
        _read_back(before, {k: x for k, x in given.items() if k not in question.unread})
    kept = _Copies(before)
    handle = _or(backend.step(handle, lent_grads, question.lr), handle)
    after = backend.read(handle)

    fault = _changed(gradient, inputs, kept)
    if other := _other(lent_grads, grads):
        fault = Fault(GRADIENT, f"the mapping of gradients has {other} after the step")
    elif other := _other(lent, params):
        fault = Fault(INPUT, f"the mapping of parameters has {other} after the step")
    elif other := _other_state(lent_state or {}, state or {}):
        fault = Fault(INPUT, f"the state as given has {other} after the step")
    shown = _shown(after, question, profile)
    probe = getattr(backend, "probe", None)
    for layer, lines in (probe(handle) if probe else {}).items():
        if layer not in shown:
            if layer == MODEL:
                continue
            raise Fault(LAYERS, f"lines are shown of {layer!r}, which is no layer it was given")
        for tag, value in lines.items():
            shown[layer].setdefault(tag, np.asarray(value, dtype=np.float64))
    return shown, fault


def _tables(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same arrays in tables of their own."""
    return {k: dict(v) if isinstance(v, Mapping) else v for k, v in state.items()}


def _other(lent: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    """Return what a mapping that was lent has now, and had not; nothing if it is as it was."""
    if lent.keys() != own.keys():
        return "other layers"
    return "" if all(_same(lent[layer], x) for layer, x in own.items()) else "other arrays"


def _same(now: Any, was: Any) -> bool:
    if now is was or not isinstance(was, np.ndarray):
        return now is was
    same = isinstance(now, np.ndarray) and (now.dtype, now.shape) == (was.dtype, was.shape)
    return same and now.tobytes() == was.tobytes()


def _other_state(lent: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    if lent.keys() != own.keys():
        return "other slots"
    for name, was in own.items():
        now = lent[name]
        if isinstance(was, Mapping):
            other = _other(now, was) if isinstance(now, Mapping) else "no layers"
            if other:
                return f"{other} in {name}"
        elif type(now) is not type(was) or now != was:
            return f"another {name}"
    return ""


def _changed(gradient: _Copies, inputs: _Copies, kept: _Copies) -> Fault | None:
    if changed := gradient.changed():
        return Fault(GRADIENT, f"the gradient of layer {changed[1]!r} is another after the step")
    if changed := inputs.changed():
        return Fault(INPUT, f"{changed[0]} of layer {changed[1]!r} as given has changed")
    if changed := kept.changed():
        what = f"{changed[0]} of layer {changed[1]!r}"
        return Fault(ALIASES, f"{what}, read before the step, has changed with it; read a copy")
    return None


def _given(question: Question, profile: Profile) -> dict[str, Any] | None:
    if question.fresh:
        return None
    state: dict[str, Any] = {"t": question.state.t}
    for slot in question.slots:
        state[slot] = _cast(question.state.slot(slot), profile, slot)
    if question.state.warmup is not None:
        state["warmup"] = question.state.warmup
    return state


def _cast(layers: Mapping[str, Array], profile: Profile, slot: str) -> dict[str, Array]:
    return {name: _array(x, profile, slot) for name, x in layers.items()}


def _array(x: Any, profile: Profile, slot: str) -> Array:
    return np.array(x, dtype=container(profile, slot))


def _arrays(state: Mapping[str, Any] | None) -> dict[str, Any]:
    return {k: v for k, v in (state or {}).items() if isinstance(v, Mapping)}


def _or(new: Any, old: Any) -> Any:
    return old if new is None else new


class _Copies:
    """What some arrays were, to be told when they change."""

    def __init__(self, tables: Mapping[str, Mapping[str, Array]]) -> None:
        self.arrays = [
            (slot, layer, x, np.array(x, copy=True))
            for slot, layers in tables.items() for layer, x in layers.items()
        ]

    def changed(self) -> tuple[str, str] | None:
        """Return the slot and layer of the first array that is another now."""
        for slot, layer, x, was in self.arrays:
            if x.shape != was.shape or x.tobytes() != was.tobytes():
                return slot, layer
        return None


def _read_back(
    read: Mapping[str, Mapping[str, Array]], given: Mapping[str, Mapping[str, Array]]
) -> None:
    for slot, layers in given.items():
        for layer, x in layers.items():
            back = read.get(slot, {}).get(layer)
            if back is not None and not np.array_equal(np.asarray(back, dtype=x.dtype), x):
                raise Fault(LOSES, f"{slot} of layer {layer!r} is read back as another")


def _shown(
    read: Mapping[str, Mapping[str, Array]], question: Question, profile: Profile
) -> Shown:
    layers = question.state.params
    if "theta" not in read:
        raise Fault(LAYERS, "the parameters are not among what is read")
    shown: Shown = {layer: {} for layer in layers}
    for slot in ("theta", *question.slots):
        if slot not in read or slot in question.unread:
            continue
        odd = sorted(set(read[slot]) ^ set(layers))
        if odd:
            raise Fault(LAYERS, f"{slot} has other layers than it was given: {', '.join(odd)}")
        for layer, x in read[slot].items():
            shown[layer][slot] = _checked(x, slot, layer, np.shape(layers[layer]), profile)
    return shown


def _checked(
    x: Any, slot: str, layer: str, shape: tuple[int, ...], profile: Profile
) -> Any:
    what = f"{slot} of layer {layer!r}"
    if isinstance(x, np.generic):  # what NumPy makes of arithmetic on arrays of shape ()
        x = np.asarray(x)
    if not isinstance(x, np.ndarray):
        raise Fault(DTYPE, f"{what} is no array but {type(x).__name__}")
    if x.shape != shape:
        raise Fault(SHAPE, f"{what} has shape {x.shape}, it was given {shape}")
    if x.dtype != container(profile, slot):
        msg = f"{what} is {x.dtype}, declared is {profile.stored(slot).name}"
        if x.dtype.name in FORMATS:
            slots = {slot: x.dtype.name}
            msg += f"; if that is meant, its Profile is to say slots={slots}"
        raise Fault(DTYPE, msg)
    numbers = x.astype(np.float64)
    if not np.isfinite(numbers).all():
        i = int(np.argmin(np.isfinite(numbers.ravel())))
        raise Fault(NON_FINITE, f"{what} has {numbers.ravel()[i]} at [{i}]")
    if not np.array_equal(profile.stored(slot).nearest(numbers), numbers):
        raise Fault(DTYPE, f"{what} has numbers that {profile.stored(slot).name} does not hold")
    return numbers
