"""A step: as a backend is asked for it, as it has taken it, and what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from paratrooper_ref.arithmetic import Undecided
from paratrooper_ref.arithmetic.running import Boundless
from paratrooper_ref.conformance import bounds, wanted
from paratrooper_ref.conformance.backend import Backend, Grads, Unsupported
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.conformance.session import Session, Shown, Start
from paratrooper_ref.conformance.verdict import UNSTABLE, Fault, Share
from paratrooper_ref.optimizers import Optimizer, State
from paratrooper_ref.optimizers.lift import evaluated

BEYOND: Final = "numbers beyond the range of {}"


@dataclass(frozen=True, kw_only=True)
class Question(Start):
    """A step that a backend is to take, in doubles that its dtypes hold."""

    grads: Grads
    lr: float


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
    Fault, Unsupported, Exception
        See `paratrooper_ref.conformance.session.Session`.
    """
    session = Session(backend, question)
    return session.step(question.grads, question.lr), session.fault


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A step that a backend has taken: what it was asked, what it showed, what is allowed."""

    question: Question
    optimizer: Optimizer
    wanted: wanted.Wanted
    bounds: bounds.Lines
    shown: Shown
    shares: tuple[Share, ...]
    fault: Fault | None = None

    @cached_property
    def doubles(self) -> Mapping[str, Mapping[str, Any]]:
        """The step as published, in plain doubles: by layer, the names of its rules."""
        asked = self.question
        return evaluated(
            self.optimizer, asked.state, asked.grads, asked.lr, lambda layer, slot, x: x
        )[0]

    @property
    def worst(self) -> float:
        """The largest error over bound of parameters and state."""
        return max(share.share for share in self.shares)


def allowed(
    optimizer: Optimizer, state: State, grads: Mapping[str, Any], lr: float, profile: Profile
) -> tuple[bounds.Lines, str]:
    """Return the bounds of a step, and which branch the arithmetic does not decide, if any.

    Raises
    ------
    Unsupported
        If there are numbers beyond the range of the profile's dtype.
    Fault
        If the profile does not even decide whether a norm is 0.
    """
    step = optimizer, state, grads, lr, profile
    undecided = ""
    try:
        found = bounds.lines(*step)
    except Boundless:
        raise Unsupported(BEYOND.format(profile.dtype)) from None
    except Undecided as error:
        undecided = str(error)
        try:
            found = bounds.lines(*step, guesses=True)
        except Undecided as again:
            raise Fault(UNSTABLE, f"t = {state.t + 1}: {again}") from None
    slots = ("theta", *optimizer.slots())
    moved = (names for layer, names in found.items() if layer)
    if not all(np.isfinite(names[slot].error).all() for names in moved for slot in slots):
        raise Unsupported(BEYOND.format(profile.dtype))
    return found, undecided
