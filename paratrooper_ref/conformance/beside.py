"""Hold every step of a run that a backend makes by itself.

The gate gives a backend the state that each step begins from; here it keeps its own.  Each step
is held twice.  *Alone*: from the state that the backend has shown before it, within the bound of
one step.  And *along*: beside the run in real numbers, where errors of steps add up.

If b is the backend's state, F a step in real numbers and r the run in real numbers, then

    |b' - r'| <= |b' - F(b)| + |F(b) - F(r)|,

the bound of one step at b, and how far F carries the distance that there may be already.  The
second is evaluated once, in the line as published: other ways of writing the same line have
other roundings, but are the same function of what they are given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from paratrooper_ref.arithmetic import Undecided
from paratrooper_ref.arithmetic.running import Running
from paratrooper_ref.conformance import bounds, judge, wanted
from paratrooper_ref.conformance.backend import Grads, unread
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.conformance.session import Shown
from paratrooper_ref.conformance.step import Question, Taken, allowed
from paratrooper_ref.conformance.verdict import Share
from paratrooper_ref.optimizers import NonFiniteError, Optimizer, State

Floats = np.ndarray[Any, np.dtype[np.float64]]
Errors = dict[str, dict[str, Floats]]
"""By layer and slot, how far numbers may be off; nothing where it is left out."""

OTHER_BRANCH: Final = "the backend took the other branch"


@dataclass(frozen=True, kw_only=True)
class Gradient:
    """A gradient of the run in real numbers: doubles, and how far they may be off.

    Parameters
    ----------
    values : mapping of str to array or None
    slack : mapping
        From the real gradient at the real parameters.
    off : mapping
        From that one, and the gradient that a backend is given from them.
    """

    values: Grads
    slack: Errors
    off: Errors


@dataclass(frozen=True, kw_only=True)
class Held:
    """A step of a run, held.

    Parameters
    ----------
    along : sequence of Share
        Beside the run in real numbers; empty where that is followed no further.
    seen : bool
        Whether the bound beside it is smaller, somewhere, than what the step moves there.
    taken : Taken, optional
        The step alone; None where the backend hides what it began from, or took the other
        branch of one that is not decided.
    undecided : str
        The branch that the profile does not decide, if there is one, and which way it took.
    """

    along: tuple[Share, ...]
    seen: bool
    taken: Taken | None
    undecided: str

    @property
    def worst(self) -> float:
        """The largest error over bound, alone or along."""
        alone = () if self.taken is None else self.taken.shares
        return max((share.share for share in (*self.along, *alone)), default=0.0)


class Beside:
    """The run in real numbers, how far from it honest backends may be, and where one is.

    Parameters
    ----------
    optimizer : Optimizer
    spec : mapping
        As the backend was given it.
    profile : Profile
    start : State
    """

    def __init__(
        self, optimizer: Optimizer, spec: Mapping[str, Any], profile: Profile, start: State
    ) -> None:
        self.optimizer, self.spec, self.profile = optimizer, spec, profile
        self.slots = ("theta", *optimizer.slots())
        self.unread = unread(optimizer, start.params)
        self.real, self.slack, self.off = start, Errors(), Errors()
        self.own: State | None = start
        self.t, self.ended, self.undecided = start.t, "", ""
        self._allowed: tuple[bounds.Lines, str] | None = None

    def ask(self, grads: Grads, lr: float) -> None:
        """Prepare for a step, before it is taken.

        Raises
        ------
        Unsupported
            If there are numbers beyond the range of the profile's dtype.
        Fault
            If the profile does not decide whether a norm is 0.
        """
        self._allowed = None if self.own is None else allowed(
            self.optimizer, self.own, grads, lr, self.profile
        )

    def step(self, grads: Grads, lr: float, shown: Shown, gradient: Gradient | None = None) -> Held:
        """Hold what a backend shows after a step from where it was.

        ``grads`` is what it was given, and asked with; ``gradient`` that of the run in real
        numbers, if another.
        """
        self.t += 1
        self.undecided = ""
        taken = None
        if self.own is not None:
            assert self._allowed is not None  # whoever steps has asked
            (within, self.undecided), self._allowed = self._allowed, None
            taken = self._alone(self.own, grads, lr, shown, within)
        along: tuple[Share, ...] = ()
        seen = False
        if not self.ended:
            given = gradient or Gradient(values=grads, slack={}, off={})
            try:
                along, seen = self._along(given, lr, shown, taken)
            except (Undecided, NonFiniteError) as error:
                self.ended = str(error)
        if self.undecided:
            worst = taken.worst if taken else max((s.share for s in along), default=0.0)
            if worst > 1:
                taken, along, seen, self.ended = None, (), False, OTHER_BRANCH
            way = "the other" if worst > 1 else "the right"
            self.undecided += f"; this backend took {way} branch"
        self._read(grads, lr, shown)
        return Held(along=along, seen=seen, taken=taken, undecided=self.undecided)

    # ------------------------------------------------------------------ alone

    def _alone(
        self,
        own: State,
        grads: Grads,
        lr: float,
        shown: Shown,
        within: bounds.Lines,
    ) -> Taken:
        expected = wanted.computed(self.optimizer, own, grads, lr)
        return Taken(
            question=Question(
                spec=self.spec, state=own, slots=self.slots[1:], grads=grads, lr=lr
            ),
            optimizer=self.optimizer, wanted=expected, bounds=within, shown=shown,
            shares=tuple(judge.shares(self.t, expected, shown, within)),
        )

    # ------------------------------------------------------------------ along

    def _along(
        self, gradient: Gradient, lr: float, shown: Shown, taken: Taken | None
    ) -> tuple[tuple[Share, ...], bool]:
        given = (self.optimizer, self.real, gradient.values, lr)
        real = wanted.computed(*given, _together(self.slack, gradient.slack))
        errors = _together(self.off, gradient.off)
        if taken is None:
            off = self._propagated(gradient.values, lr, errors)
        else:
            carried = wanted.computed(*given, errors)
            off = {
                layer: {
                    slot: number.slack + _error(taken.bounds, layer, slot)
                    for slot, number in numbers.items()
                }
                for layer, numbers in carried.items()
            }
        format = self.profile.format
        table = {
            layer: {s: Running(real[layer][s].hi, error, format) for s, error in of_layer.items()}
            for layer, of_layer in off.items()
        }
        shares = tuple(judge.shares(self.t, real, shown, table))
        seen = self._seen(real, off)
        self._go_on(gradient.values, lr, real)
        self.off = off
        return shares, seen

    def _propagated(self, grads: Grads, lr: float, errors: Errors) -> Errors:
        """Return how far a backend may be that hides its state: all its roundings, propagated."""
        given = (self.optimizer, self.real, grads, lr, self.profile)
        try:
            found = bounds.lines(*given, errors=errors)
        except Undecided as error:
            found = bounds.lines(*given, errors=errors, guesses=True)
            self.undecided = str(error)
        return {
            layer: {
                slot: np.ravel(found[layer][slot].error) if layer in found
                else self.off.get(layer, {}).get(slot, np.zeros(x.size))
                for slot in self.slots
            }
            for layer, x in self.real.params.items()
        }

    def _seen(self, real: wanted.Wanted, off: Errors) -> bool:
        """Return whether a parameter moves more than its bound, or has none and must not move."""
        for layer, before in self.real.params.items():
            moved = np.abs(real[layer]["theta"].hi - before.ravel())
            error = off[layer]["theta"]
            if np.any((error < moved) | (error == 0)):
                return True
        return False

    def _go_on(self, grads: Grads, lr: float, real: wanted.Wanted) -> None:
        state = self.real
        after: dict[str, Any] = {
            slot: {k: real[k][slot].hi.reshape(x.shape) for k, x in state.params.items()}
            for slot in self.slots
        }
        if not all(np.isfinite(x).all() for of in after.values() for x in of.values()):
            msg = f"numbers of step {self.t} are not finite"
            raise Undecided(msg)
        self.slack = {k: {s: n.slack for s, n in numbers.items()} for k, numbers in real.items()}
        self.real = replace(
            state, t=self.t, params=after.pop("theta"), warmup=self._warmup(state, grads, lr),
            **after,
        )

    def _warmup(self, state: State, grads: Grads, lr: float) -> Any:
        """Return what a first batch has chosen by the end of a step."""
        if state.warmup is not None or self.optimizer.hyper().get("warmup") != "auto":
            return state.warmup
        return self.optimizer.step(state, grads, lr)[0].warmup

    # ------------------------------------------------------------------ what was read

    def _read(self, grads: Grads, lr: float, shown: Shown) -> None:
        """Take what the backend shows for its state, if it shows all that a step reads."""
        before = self.own
        read = set(self.slots) - set(self.unread)
        if any(not read <= lines.keys() for lines in shown.values()):
            self.own = None
            return
        state = self.real if before is None else before
        after: dict[str, Any] = {
            slot: {k: lines.get(slot, state.slot(slot)[k]) for k, lines in shown.items()}
            for slot in self.slots
        }
        warmup = self.real.warmup if before is None else self._warmup(before, grads, lr)
        self.own = replace(state, t=self.t, params=after.pop("theta"), warmup=warmup, **after)


def _error(lines: bounds.Lines, layer: str, slot: str) -> Any:
    return np.ravel(lines[layer][slot].error) if layer in lines else 0.0


def _together(one: Errors, other: Errors) -> Errors:
    return {k: one.get(k, {}) | other.get(k, {}) for k in one.keys() | other.keys()}
