"""An optimizer of a backend, from its start on, with a look at all that it does besides stepping.

What it shows is compared in shape, layers and dtype before its numbers are; what it is lent has
to stay as it is, and so has what it has shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from paratrooper_ref.arithmetic.running import FORMATS
from paratrooper_ref.conformance.backend import Array, Backend, Grads, Slots, optimizer_of, unread
from paratrooper_ref.conformance.lent import Lent
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
from paratrooper_ref.optimizers.state import STORED

Shown = dict[str, dict[str, Any]]
"""By layer and tag, in doubles."""

CONTAINERS: Final = {"bfloat16": "float32"}  # NumPy has no bfloat16


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where an optimizer begins, in doubles that the backend's dtypes hold."""

    spec: Mapping[str, Any]
    state: State
    slots: tuple[str, ...]

    @cached_property
    def unread(self) -> tuple[str, ...]:
        """The slots that no step reads: a buffer where momentum is 0 may be kept, or left."""
        return unread(optimizer_of(self.spec), self.state.params)

    @property
    def fresh(self) -> bool:
        """Whether this is the state that every backend begins with."""
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


class Session:
    """An optimizer of a backend.

    Parameters
    ----------
    backend : Backend
    start : Start

    Attributes
    ----------
    shown : Shown
        What was read last, and the lines of the step before.
    fault : Fault or None
        What it has changed first and should not have.

    Raises
    ------
    Fault
        Here and from its methods, if what it shows is nothing to compare, or it has lost what
        it was given.
    Exception
        Whatever the backend raises, `Unsupported` among it.
    """

    shown: Shown
    fault: Fault | None = None
    _found: Slots

    def __init__(self, backend: Backend, start: Start) -> None:
        self.backend, self.start = backend, start
        profile, before = backend.profile, start.state
        self._params = Lent({"theta": _cast(before.params, profile, "theta")})
        state: dict[str, Any] = {} if start.fresh else {
            "t": before.t, **{slot: _cast(before.slot(slot), profile, slot) for slot in start.slots}
        }
        if before.warmup is not None:
            state["warmup"] = before.warmup
        self._state = Lent(state)
        params = self._params.given["theta"]
        self.handle = backend.start(start.spec, params, self._state.given or None)
        self.read()
        seen = {slot: x for slot, x in self._found.items() if slot not in start.unread}
        if place := self._params.lost(seen) or self._state.lost(seen):
            raise Fault(LOSES, f"{place[0]} of layer {place[1]!r} is read back as another")

    @property
    def hides(self) -> bool:
        """Whether there are slots that a step reads and that are not shown."""
        read = {"theta", *self.start.slots} - set(self.start.unread)
        return any(not read <= lines.keys() for lines in self.shown.values())

    def step(self, grads: Grads, lr: float) -> Shown:
        """Take a step; return what is shown after it."""
        profile, seen = self.backend.profile, Lent(self._found)
        own = {k: None if g is None else _array(g, profile, "g") for k, g in grads.items()}
        gradient = Lent({"g": own})
        self._go_on(self.backend.step(self.handle, gradient.given["g"], lr))
        shown = self._look(gradient, seen)
        probe = getattr(self.backend, "probe", None)
        for layer, lines in (probe(self.handle) if probe else {}).items():
            if layer not in shown:
                if layer == MODEL:
                    continue
                raise Fault(LAYERS, f"lines are shown of {layer!r}, which is no layer it was given")
            for tag, value in lines.items():
                shown[layer].setdefault(tag, np.asarray(value, dtype=np.float64))
        return shown

    def reload(self) -> Shown:
        """Save and load; return what is shown then."""
        backend: Any = self.backend
        self._go_on(backend.reload(self.handle))
        return self.read()

    def read(self) -> Shown:
        """Read again; return what is shown."""
        return self._look(Lent({}), Lent({}))

    def _look(self, gradient: Lent, seen: Lent) -> Shown:
        """Read what there is after a step; ``seen`` is what was read before it."""
        self._found = self.backend.read(self.handle)
        self.fault = self.fault or self._changed(gradient, seen)
        self.shown = _shown(self._found, self.start, self.backend.profile)
        return self.shown

    def _go_on(self, handle: Any) -> None:
        self.handle = self.handle if handle is None else handle

    def _changed(self, gradient: Lent, seen: Lent) -> Fault | None:
        """Return what is another now, and may not be."""
        if place := gradient.changed():
            return Fault(GRADIENT, f"the gradient of layer {place[1]!r} is another after the step")
        for inputs in (self._params, self._state):
            if place := inputs.changed():
                return Fault(INPUT, f"{place[0]} of layer {place[1]!r} as given has changed")
        if place := seen.changed():
            what = f"{place[0]} of layer {place[1]!r}"
            return Fault(
                ALIASES, f"{what}, read before the step, has changed with it; read a copy"
            )
        for verdict, lent in (
            (GRADIENT, gradient), (INPUT, self._params), (INPUT, self._state)
        ):
            if other := lent.exchanged():
                return Fault(verdict, f"what it was lent has {other} now")
        return None


def container(profile: Profile, slot: str) -> np.dtype[Any]:
    """Return the NumPy dtype in which arrays of a slot come and go."""
    name = profile.stored(slot).name
    return np.dtype(CONTAINERS.get(name, name))


def differing(one: Shown, two: Shown) -> str | None:
    """Return where parameters or state have other bits; lines of a step are left out."""
    for layer in one:
        a, b = ({tag: x.tobytes() for tag, x in shown[layer].items() if tag in STORED}
                for shown in (one, two))
        for tag in STORED:
            if a.get(tag) != b.get(tag):
                return f"{tag} of layer {layer!r}"
    return None


def _cast(layers: Mapping[str, Array], profile: Profile, slot: str) -> dict[str, Array]:
    return {name: _array(x, profile, slot) for name, x in layers.items()}


def _array(x: Any, profile: Profile, slot: str) -> Array:
    return np.array(x, dtype=container(profile, slot))


def _shown(read: Slots, start: Start, profile: Profile) -> Shown:
    layers = start.state.params
    if "theta" not in read:
        raise Fault(LAYERS, "the parameters are not among what is read")
    shown: Shown = {layer: {} for layer in layers}
    for slot in ("theta", *start.slots):
        if slot not in read or slot in start.unread:
            continue
        odd = sorted(set(read[slot]) ^ set(layers))
        if odd:
            raise Fault(LAYERS, f"{slot} has other layers than it was given: {', '.join(odd)}")
        for layer, x in read[slot].items():
            shown[layer][slot] = _checked(x, slot, layer, np.shape(layers[layer]), profile)
    return shown


def _checked(x: Any, slot: str, layer: str, shape: tuple[int, ...], profile: Profile) -> Any:
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
