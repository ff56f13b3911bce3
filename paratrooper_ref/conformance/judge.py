"""Hold what a backend has after a step to what is wanted, and find the first line that is off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from paratrooper_ref.arithmetic import Scalar
from paratrooper_ref.arithmetic.running import Formed, Running
from paratrooper_ref.conformance.bounds import Lines, lines
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.conformance.verdict import Departure, Share
from paratrooper_ref.conformance.wanted import Number, Wanted, distance, share
from paratrooper_ref.lines import TAGS
from paratrooper_ref.optimizers import Optimizer, State
from paratrooper_ref.optimizers.state import STORED

Seen = Mapping[str, Mapping[str, Any]]
"""What a backend shows, by layer and tag."""


def shares(t: int, wanted: Wanted, got: Seen, bounds: Lines) -> list[Share]:
    """Return the largest error over bound of each slot of each layer that is seen.

    What had no gradient has no bound: it has to be what it was.
    """
    found = []
    for layer, slots in wanted.items():
        for slot, number in slots.items():
            if slot not in got[layer]:
                continue
            bound = bounds[layer][slot].error if layer in bounds else np.zeros(1)
            found.append(_worst(t, layer, slot, got[layer][slot], number, bound))
    return found


def _worst(t: int, layer: str, tag: str, got: Any, wanted: Number, error: Any) -> Share:
    flat = np.ravel(np.asarray(got, dtype=np.float64))
    found = share(distance(flat, wanted), error)
    i = int(np.argmax(found))
    bound = np.broadcast_to(np.ravel(error), found.shape)
    return Share(
        t=t, layer=layer, tag=tag, share=float(found[i]), index=i, got=float(flat[i]),
        wanted=float(wanted.hi[i]), bound=float(bound[i]),
    )


def first_departure(
    optimizer: Optimizer,
    state: State,
    grads: Mapping[str, Any],
    lr: float | None,
    profile: Profile,
    got: Seen,
    off: Share | None = None,
) -> Departure | None:
    """Return the first line that is off, each evaluated from the backend's own lines before it.

    ``got`` holds, by layer, slots after the step and whatever lines the backend shows; ``off``
    is the number that is known to be off, told where every line follows from those before it.
    Layers are looked at in order.
    """
    step = optimizer, state, grads, lr, profile
    told = Counter[tuple[str, str]]()

    def count(layer: str, name: str, value: Any) -> Any:
        told[layer, name] += 1
        return value

    lines(*step, hear=count, guesses=True)
    hearing = _Hearing(state.t + 1, profile, got, told)
    lines(*step, hear=hearing.hear, guesses=True)
    return hearing.departure(off)


class _Hearing:
    """Follow a step with the backend's own numbers in place of the reference's.

    A rule may assign a name more than once: the parameters before a synchronisation and after
    it, a cap that is scheduled.  A backend shows the last of them; ``told`` counts them all.
    """

    def __init__(
        self, t: int, profile: Profile, got: Seen, told: Counter[tuple[str, str]]
    ) -> None:
        self.t, self.profile, self.got, self.told = t, profile, got, told
        self.heard: dict[str, list[Share | str]] = {}
        self.branches: set[str] = set()
        self.plain: set[str] = set()
        # The reference's own error, made of doubles too, counts as much as the format is coarse.
        self.stretch = 1 + 2.0 ** (profile.format.precision - 53)

    def hear(self, layer: str, name: str, value: Any) -> Any:
        self.told[layer, name] -= 1
        if name not in TAGS:
            return value
        got = self.got.get(layer, {}).get(name)
        if got is None or self.told[layer, name]:
            self.heard.setdefault(layer, []).append(name)
            return value
        if isinstance(value, bool):
            self.branches.add(name)
            self.heard.setdefault(layer, []).append(_flag(self.t, layer, name, got, value))
            return value
        known = value if isinstance(value, Running) else _of_scalar(value, self.profile)
        flat = np.ravel(np.asarray(got, dtype=np.float64))
        real, error = np.ravel(known.value), np.ravel(known.error) * self.stretch
        if flat.size == 1 and real.size > 1:
            flat = np.broadcast_to(flat, real.shape)
        number = Number(real, np.zeros(real.size), np.zeros(real.size))
        self.heard.setdefault(layer, []).append(_worst(self.t, layer, name, flat, number, error))
        if not isinstance(value, (Running, Scalar)):
            self.plain.add(name)
        if not isinstance(value, Running):
            return value  # what is formed of t alone is not the place where others begin
        return self._own(name, flat.reshape(np.shape(value.value)), value)

    def _own(self, name: str, own: Any, value: Running) -> Running:
        """Return the backend's number; a register may hold more of it than its slot."""
        format = self.profile.stored(name) if name in STORED else value.format
        coarse = format.precision < value.format.precision
        error = np.abs(own) * format.unit + format.tiny if coarse else np.zeros(own.shape)
        return Running(own, error, value.format)

    def departure(self, off: Share | None) -> Departure | None:
        """Return the first departure; ``off`` is what is off where every line follows.

        Such a step has taken another branch than the reference, which has no line for it.
        """
        for heard in self.heard.values():
            wrong = {
                i: line for i, line in enumerate(heard)
                if isinstance(line, Share) and line.share > 1
            }
            if any(line.tag in self.branches for line in wrong.values()):
                # The other branch may have given a name that has a plain number another one.
                wrong = {i: line for i, line in wrong.items() if line.tag not in self.plain}
            for i, line in wrong.items():
                others = [x for x in heard[:i] if getattr(x, "tag", x) != line.tag]
                return _departure(line, others)
        return None if off is None else _departure(off, self.heard.get(off.layer, []))


def _departure(at: Share, heard: list[Share | str]) -> Departure:
    agreed = [line for line in heard if isinstance(line, Share)]
    last = max((i for i, line in enumerate(heard) if isinstance(line, Share)), default=-1)
    unseen = dict.fromkeys(line for line in heard[last + 1 :] if isinstance(line, str))
    return Departure(at=at, agreed=agreed, unseen=tuple(unseen))


def _flag(t: int, layer: str, tag: str, got: Any, wanted: bool) -> Share:
    """Return how far a branch is off: not at all, or without end."""
    got = float(np.ravel(got)[0])
    off = 0.0 if got == wanted else np.inf
    return Share(t=t, layer=layer, tag=tag, share=off, got=got, wanted=float(wanted))


def _of_scalar(value: Any, profile: Profile) -> Running:
    if isinstance(value, Scalar):
        assert isinstance(value.kind, Formed)
        return value.kind.running(value)
    number = float(value)
    return Running(number, abs(number - profile.format.nearest(number)), profile.format)
