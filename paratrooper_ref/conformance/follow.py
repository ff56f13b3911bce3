"""Follow a backend through starts, steps, reloads and readings, each step held to its bound.

A `Run` keeps what it has asked for as events, which can be asked of another backend, or again.
What a step should give is computed, not looked up: `paratrooper_ref.conformance.gate` holds
backends to the proved numbers of the corpus.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np

from paratrooper_ref.arithmetic import Undecided
from paratrooper_ref.arithmetic.running import Boundless, Running
from paratrooper_ref.conformance import bounds, judge, wanted
from paratrooper_ref.conformance.backend import Array, Backend, Grads, Spec, Unsupported
from paratrooper_ref.conformance.corners import lacking
from paratrooper_ref.conformance.dialect import spoken
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.conformance.session import Session, Shown, Start, differing
from paratrooper_ref.conformance.step import BEYOND, Question, Taken, look
from paratrooper_ref.conformance.verdict import (
    DEPARTS,
    FORGETS,
    HANGS,
    LOSES,
    RAISES,
    UNSTABLE,
    UNSUPPORTED,
    Fault,
    raised,
)
from paratrooper_ref.conformance.wanted import Wanted
from paratrooper_ref.conformance.watch import SECONDS, HungError, Watch
from paratrooper_ref.optimizers import Optimizer, State, build
from paratrooper_ref.optimizers.state import SLOTS

Errors = Mapping[str, Mapping[str, Any]]
Judge = Literal["own", "propagated"]
OWN: Final = "own"
PROPAGATED: Final = "propagated"
RANGE: Final = "out of range"


class Discarded(Exception):
    """A step that says nothing of a backend: it has no bound, or cannot be asked.

    Attributes
    ----------
    kind : str
        In a word or two, to be counted.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(kind, detail)
        self.kind, self.detail = kind, detail


class Failed(AssertionError):
    """A backend is not what it should be.

    Attributes
    ----------
    verdict, detail : str
        See `paratrooper_ref.conformance.verdict.VERDICTS`.
    run : Run
        What was asked, that last.
    taken : Taken or None
        The step, where it was taken and departs.
    """

    def __init__(self, verdict: str, detail: str, run: Run, taken: Taken | None = None) -> None:
        super().__init__(f"{verdict}: {detail}")
        self.verdict, self.detail, self.run, self.taken = verdict, detail, run, taken


@lru_cache
def kind_of(verdict: str) -> type[Failed]:
    """Return the class of failures with a verdict: other classes are other findings."""
    return type(f"Failed ({verdict})", (Failed,), {})


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that is asked of a backend.

    Parameters
    ----------
    do : {"start", "step", "reload", "read"}
    handle : int
        Which optimizer, from 0, in the order in which they were started.
    state : State, optional
        What a start begins with.
    grads, lr
        Of a step.
    """

    do: Literal["start", "step", "reload", "read"]
    handle: int = 0
    state: State | None = None
    grads: Grads = field(default_factory=dict)
    lr: float = 0.0


class Run:
    """What is asked of a backend, event by event.

    Parameters
    ----------
    backend : Backend
    spec : mapping
    dialect : str, optional
        What the backend is meant to be, as for `paratrooper_ref.conformance.check`.
    judge : {"own", "propagated"}
        Hold each step to what should come of the state that the backend itself shows before it;
        or all of them to one trajectory, with a bound that grows.  What a backend does not show
        is always propagated.
    watch : Watch, optional
        What limits the time of a step.
    """

    def __init__(
        self,
        backend: Backend,
        spec: Spec,
        *,
        dialect: str | None = None,
        judge: Judge = "own",
        watch: Watch | None = None,
    ) -> None:
        self.backend, self.spec, self.dialect, self.judge = backend, spec, dialect, judge
        self.optimizer = held_to(spec, dialect)
        self.profile = backend.profile
        self.watch = watch or Watch(SECONDS)
        self.events: list[Event] = []
        self.taken: list[Taken] = []
        self._followed: list[_Followed] = []

    def anew(self) -> Run:
        """Return a run of the same, of which nothing has been asked."""
        run = copy.copy(self)
        run.events, run.taken, run._followed = [], [], []
        return run

    # ------------------------------------------------------------------ what may be asked

    def do(self, event: Event) -> Taken | None:
        """Ask for anything.

        Raises
        ------
        Failed, Discarded
        """
        if event.do == "start":
            assert event.state is not None
            self.start(event.state)
        elif event.do == "step":
            return self.step(event.grads, event.lr, event.handle)
        elif event.do == "reload":
            self.reload(event.handle)
        else:
            self.read(event.handle)
        return None

    def once(self, state: State, grads: Grads, lr: float, held: Expected | None = None) -> Taken:
        """Start from a state and take one step; hold it to given numbers, or to computed ones."""
        self.events += [Event(do="start", state=state), Event(do="step", grads=grads, lr=lr)]
        question = self._question(state, grads, lr)
        held = held or self._held(question, state)
        return self._judged(question, state, held, self._call(look, self.backend, question), {})

    def start(self, state: State) -> int:
        """Start an optimizer, and return its number."""
        self.events.append(Event(do="start", handle=len(self._followed), state=state))
        begin = Start(spec=self.spec, state=state, slots=self.optimizer.slots())
        session: Session = self._call(Session, self.backend, begin)
        self._refuse(session.fault)
        self._followed.append(_Followed(session, state))
        return len(self._followed) - 1

    def step(self, grads: Grads, lr: float, handle: int = 0) -> Taken:
        """Take a step with an optimizer."""
        self.events.append(Event(do="step", handle=handle, grads=grads, lr=lr))
        at = self._followed[handle]
        question = self._question(at.shown, grads, lr)
        held = self._held(question, at.real, at.slack, at.error, hides=at.session.hides)
        self._same(at.session, at.session.read, LOSES, "another when it is read again")
        shown = self._call(at.session.step, grads, lr)
        taken = self._judged(question, at.real, held, (shown, at.session.fault), at.error)
        at.go_on(taken, held, self.judge)
        return taken

    def reload(self, handle: int = 0) -> None:
        """Save and load an optimizer; it goes on with what comes back."""
        self.events.append(Event(do="reload", handle=handle))
        session = self._followed[handle].session
        self._same(session, session.reload, FORGETS, "another after a reload")

    def read(self, handle: int = 0) -> None:
        """Read an optimizer; it has to be what it was when it was read last."""
        self.events.append(Event(do="read", handle=handle))
        session = self._followed[handle].session
        self._same(session, session.read, LOSES, "another when it is read again")

    # ------------------------------------------------------------------ what comes of it

    def _question(self, state: State, grads: Grads, lr: float) -> Question:
        return Question(
            spec=self.spec, state=state, slots=self.optimizer.slots(), grads=grads, lr=lr
        )

    def _call(self, function: Any, *args: Any) -> Any:
        """Call a backend, and make whatever it does a verdict."""
        try:
            return self.watch.call(function, *args)
        except Fault as fault:
            raise self._failed(fault.verdict, fault.detail) from None
        except Unsupported as reason:
            raise Discarded(UNSUPPORTED, str(reason)) from None
        except HungError as error:
            raise self._failed(HANGS, str(error)) from None
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit, a test's skip: whatever it raises
            raise self._failed(RAISES, raised(error)) from error

    def _same(self, session: Session, do: Any, verdict: str, other: str) -> None:
        """Do something that may change nothing of what is shown."""
        before, after = session.shown, self._call(do)
        self._refuse(session.fault)
        if (place := differing(before, after)) is not None:
            raise self._failed(verdict, f"{place} is {other}")

    def _refuse(self, fault: Fault | None) -> None:
        if fault is not None:
            raise self._failed(fault.verdict, fault.detail)

    def _failed(self, verdict: str, detail: str, taken: Taken | None = None) -> Failed:
        return kind_of(verdict)(verdict, detail, self, taken)

    def _held(
        self, question: Question, real: State, slack: Errors | None = None,
        error: Errors | None = None, *, hides: bool = False,
    ) -> Expected:
        """Return what a step should give and may be off, before it is asked for.

        What a backend does not show is never compared, and its error goes on growing: that has to
        be the bound for all forms of a line.
        """
        given = (self.optimizer, real, question.grads, question.lr)
        profile = self.profile if hides else _as_published(self.profile)
        expected = computed(*given, slack)
        return Expected(expected, allowed(*given, profile, error or {}), all_forms=hides)

    def _judged(
        self, question: Question, real: State, held: Expected, seen: tuple[Any, Fault | None],
        error: Errors,
    ) -> Taken:
        """Return a step that was taken, if it is within its bound.

        What is within the bound for lines as published is within that for all of their forms,
        and the first costs a fifth.
        """
        expected, within = held.expected, held.allowed
        shown, fault = seen
        shares = judge.shares(real.t + 1, expected, shown, with_still(within, expected, error))
        if max(s.share for s in shares) > 1 and self.profile.forms and not held.all_forms:
            given = (self.optimizer, real, question.grads, question.lr)
            within = allowed(*given, self.profile, error)
            still = with_still(within, expected, error)
            shares = judge.shares(real.t + 1, expected, shown, still)
        taken = Taken(
            question=question, optimizer=self.optimizer, wanted=expected, bounds=within,
            shown=shown, shares=tuple(shares), fault=fault,
        )
        if lack := lacking(taken, self.profile):
            raise Discarded(UNSUPPORTED, str(lack))
        self.taken.append(taken)
        if taken.worst > 1:
            at = max(taken.shares, key=lambda s: s.share)
            raise self._failed(DEPARTS, str(at), taken)
        self._refuse(fault)
        return taken

    @property
    def blind(self) -> bool:
        """Whether whoever had stood still since the start would be within the last bound."""
        return self._followed[-1].blind


@lru_cache
def _as_published(profile: Profile) -> Profile:
    return profile.but(forms=False)


@dataclass(frozen=True)
class Expected:
    """What a step should give, and its bounds: for lines as published, or for all their forms."""

    expected: Wanted
    allowed: bounds.Lines
    all_forms: bool


class _Followed:
    """Where an optimizer is: what it shows, and the real numbers that it should have.

    ``real`` are doubles, ``slack`` tells how far they may be from those real numbers, and
    ``error`` how far an honest backend may be; neither has what is known exactly.
    """

    def __init__(self, session: Session, state: State) -> None:
        self.session, self.begun, self.shown, self.real = session, state, state, state
        self.slack: Errors = {}
        self.error: Errors = {}
        self.blind = False

    def go_on(self, taken: Taken, held: Expected, how: Judge) -> None:
        """Take over what a step has come to."""
        slots = ("theta", *taken.question.slots)
        shown: dict[str, dict[str, Array]] = {slot: {} for slot in slots}
        real: dict[str, dict[str, Array]] = {slot: {} for slot in slots}
        slack: dict[str, dict[str, Array]] = {}
        error: dict[str, dict[str, Array]] = {}
        for layer, x in self.real.params.items():
            slack[layer], error[layer] = {}, {}
            for slot in slots:
                number = held.expected[layer][slot]
                value, got = number.hi.reshape(x.shape), taken.shown[layer].get(slot)
                shown[slot][layer] = value if got is None else got
                if got is not None and how == OWN:
                    real[slot][layer] = got
                    continue
                real[slot][layer] = value
                slack[layer][slot] = number.slack
                before = self.error.get(layer, {}).get(slot, np.zeros(number.hi.size))
                moved = layer in taken.bounds
                error[layer][slot] = taken.bounds[layer][slot].error if moved else before
                error[layer][slot] = np.maximum(error[layer][slot], number.slack)
        warmup = _chosen(taken, self.real)
        self.shown = _state(taken, shown, self.real.t + 1, warmup)
        self.real = _state(taken, real, self.real.t + 1, warmup)
        self.slack, self.error = slack, error
        self.blind = how == PROPAGATED and self._is_blind(taken.shown)

    def _is_blind(self, shown: Shown) -> bool:
        wide = False
        for layer, of in self.error.items():
            for slot, error in of.items():
                if slot in shown[layer]:
                    now, begun = (s.slot(slot)[layer].ravel() for s in (self.real, self.begun))
                    if np.any(np.abs(now - begun) > error):
                        return False
                    wide = wide or bool(np.any(error > 0))
        return wide


def _state(taken: Taken, slots: Mapping[str, Any], t: int, warmup: Any) -> State:
    others = {slot: layers for slot, layers in slots.items() if slot != "theta"}
    return State(params=slots["theta"], t=t, warmup=warmup, **others)


def rounded(taken: Taken, profile: Profile) -> State:
    """Return what a step should have led to, in numbers that a profile's dtypes hold.

    Raises
    ------
    Discarded
        If one is beyond their range.
    """
    before = taken.question.state
    slots: dict[str, dict[str, Array]] = {}
    for slot in ("theta", *taken.question.slots):
        format = profile.stored(slot)
        slots[slot] = {
            layer: np.asarray(format.nearest(taken.wanted[layer][slot].hi)).reshape(x.shape)
            for layer, x in before.params.items()
        }
        if not all(np.all(np.isfinite(x)) for x in slots[slot].values()):
            raise Discarded(RANGE, BEYOND.format(format.name))
    return _state(taken, slots, before.t + 1, _chosen(taken, before))


def _chosen(taken: Taken, before: State) -> Any:
    """Return how to warm up after a step: as before, or as the first gradient has said."""
    if before.warmup is None and taken.optimizer.hyper().get("warmup") == "auto":
        small = taken.bounds[""].get("small")
        return None if small is None else "momentum" if np.all(small) else "none"
    return before.warmup


def with_still(found: bounds.Lines, expected: Wanted, error: Errors | None) -> bounds.Lines:
    """Return bounds with those of layers that stand still: what they were off before."""
    still = {
        layer: {
            slot: Running(number.hi, (error or {}).get(layer, {}).get(slot, np.zeros(1)))
            for slot, number in slots.items()
        }
        for layer, slots in expected.items() if layer not in found
    }
    return {**found, **still}


def held_to(spec: Spec, dialect: str | None) -> Optimizer:
    """Return the optimizer of a spec, or its dialect.

    Raises
    ------
    Discarded
        If the dialect is none of this optimizer.
    """
    try:
        return spoken(build(spec), dialect)
    except Unsupported as reason:
        raise Discarded(UNSUPPORTED, str(reason)) from None


def computed(
    optimizer: Optimizer, state: State, grads: Grads, lr: float, slack: Errors | None = None
) -> Wanted:
    """Return what a step should give, of a state that may be off by ``slack``.

    Raises
    ------
    Discarded
        If not even the reference's own arithmetic decides it.
    """
    with _discarding("float64"):
        found = wanted.computed(optimizer, state, grads, lr, slack)
        _need_bounds((number.slack for of in found.values() for number in of.values()), "float64")
    return found


def allowed(
    optimizer: Optimizer, state: State, grads: Grads, lr: float, profile: Profile, error: Errors
) -> bounds.Lines:
    """Return the bounds of a step; ``error`` is how far an honest backend may be already.

    Raises
    ------
    Discarded
        If there is none, or a branch is not decided.
    """
    with _discarding(profile.dtype):
        found = bounds.lines(optimizer, state, grads, lr, profile, errors=error)
        moved = [found[layer] for layer in state.params if layer in found]
        slots = ("theta", *optimizer.slots())
        _need_bounds((names[slot].error for names in moved for slot in slots), profile.dtype)
    return found


@contextmanager
def _discarding(dtype: str) -> Iterator[None]:
    """Make what cannot be judged one exception, and keep NumPy quiet about it."""
    try:
        with np.errstate(all="ignore"):
            yield
    except Boundless:
        raise Discarded(RANGE, BEYOND.format(dtype)) from None
    except Undecided as error:
        raise Discarded(UNSTABLE, str(error)) from None


def _need_bounds(errors: Iterable[Any], dtype: str) -> None:
    if not all(np.all(np.isfinite(error)) for error in errors):
        raise Discarded(RANGE, BEYOND.format(dtype))


def unheld(events: Iterable[Event], profile: Profile) -> str:
    """Return why a profile's dtypes do not hold the numbers of some events, or nothing."""
    for event in events:
        tables: dict[str, Any] = {"g": event.grads}
        if event.state is not None:
            others = {slot: getattr(event.state, slot) for slot in SLOTS}
            tables |= {"theta": event.state.params} | others
        for slot, layers in tables.items():
            format = profile.stored(slot)
            for x in (layers or {}).values():
                if x is not None and not np.array_equal(format.nearest(x), x):
                    return f"inputs that {format.name} does not hold"
    return ""
