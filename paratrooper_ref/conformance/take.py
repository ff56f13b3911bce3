"""Take one step with a backend, from a given state."""

from __future__ import annotations

from dataclasses import dataclass

from paratrooper_ref.conformance.backend import Backend, Grads
from paratrooper_ref.conformance.session import Session, Shown, Start
from paratrooper_ref.conformance.verdict import Fault


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
