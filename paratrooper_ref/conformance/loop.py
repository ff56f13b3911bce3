"""Runs: what single steps from given states cannot show.

A backend that is given its state before every step cannot show that it counts steps by layer,
forgets what it does not save, or shares a buffer between optimizers.  Here it keeps its own
state, over recorded gradients ("replay"), over the gradients of a problem at its own parameters
("loop"), saved and loaded ("reload"), and beside others ("twice").
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np

from paratrooper_ref.arithmetic.running import FLOAT32, REFERENCE, Running
from paratrooper_ref.conformance import attribute, judge
from paratrooper_ref.conformance.adapted import Adapted, fixed_of, with_hyper
from paratrooper_ref.conformance.backend import Array, Backend, Grads, Unsupported
from paratrooper_ref.conformance.beside import Beside, Errors, Gradient, Held
from paratrooper_ref.conformance.corners import lacking
from paratrooper_ref.conformance.dialect import spoken, variants_of
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.conformance.remembered import Told, by_layer, largest
from paratrooper_ref.conformance.session import Session, Shown, Start, differing
from paratrooper_ref.conformance.step import BEYOND
from paratrooper_ref.conformance.verdict import (
    CONFORMS,
    DEPARTS,
    FORGETS,
    HANGS,
    KEEPS,
    RAISES,
    UNSTABLE,
    UNSUPPORTED,
    Departure,
    Fault,
    Like,
    Result,
    Share,
    raised,
)
from paratrooper_ref.conformance.watch import SECONDS, HungError, Watch
from paratrooper_ref.golden.bits import to_bfloat16
from paratrooper_ref.golden.recipe import draw
from paratrooper_ref.golden.recipes.settings import DECIMAL, SETTINGS
from paratrooper_ref.optimizers import OPTIMIZERS, Optimizer, State
from paratrooper_ref.optimizers.hyper import nearest

STEPS: Final = 60
CHANGED: Final = (20, 0.25)  # the step that has another rate, and what times the usual one
SHAPES: Final[Mapping[str, tuple[int, ...]]] = {"w": (3, 2), "b": (3,)}
# Weights so small that a step moves them by more than bfloat16 rounds.
SMALL: Final = {"b": 2.0**-6}
FROZEN_STEPS: Final = 14
FROZEN: Final = ("w", 7)  # past the switch of rectification, before a synchronisation
# What a clip or a cap would change, at the end: a gradient, and a rate.
FAR: Final = ((STEPS - 1, 2.0**12), (STEPS, 2.0**14))
# Some treat layers of more axes otherwise: of three those of setting "decimal", or of four alone.
AXES: Final = {"decimal": (2, 1, 2), "dyadic": (2, 1, 1, 2)}
LOOP_STEPS: Final = 30
PROBLEMS: Final[Mapping[str, Mapping[str, Any]]] = {
    "rosenbrock": {},
    "quadratic_bowl": {},
    "linear_net": {"depth": 2, "width": 2},
}
# A step as long as the gradient needs a rate below 2 / 1330, the largest curvature of rosenbrock.
RATES: Final = {"sgd": 2.0**-11, "nesterov": 2.0**-11}
RELOAD_STEPS: Final = 14
AFTER: Final = 4  # steps at least that go on from a reload
LOUD: Final = 2.0**6  # of a first gradient by which a first-batch rule chooses not to move
TURNS: Final = 12  # more than the ten that RAdam's buffer holds: the first two are not left in it
OTHER: Final = {"beta1": 0.5, "beta2": 0.96875, "momentum": 0.5, "k": 2, "alpha": 0.25}
LAST: Final = 6  # steps from which it is told what a run looks like


@dataclass(frozen=True, kw_only=True)
class Run(Result):
    """A run of a backend.

    Parameters
    ----------
    alone : sequence of Share
        Of each step from the state before it, as the backend has shown it; `shares` are those
        beside the run in real numbers.
    seen : int
        Steps in which the bound beside that run has power: it is smaller than what the step
        moves, in some parameter.
    blind : int, optional
        The step from which on it has none.
    """

    alone: Sequence[Share] = ()
    seen: int = 0
    blind: int | None = None

    @property
    def all_shares(self) -> Sequence[Share]:
        """Beside the run, and alone."""
        return (*self.shares, *self.alone)


class Course(Protocol):
    """Where a run begins, and the gradients that it meets."""

    @property
    def params(self) -> Mapping[str, Array]:
        """The parameters at the start, numbers of bfloat16."""

    @property
    def steps(self) -> int:
        """How many steps there are."""

    def rate(self, t: int, usual: float) -> float:
        """Return the rate of a step."""

    def given(self, t: int, theta: Mapping[str, Array], profile: Profile) -> Grads:
        """Return the gradient that a backend is given at its parameters."""

    def real(
        self, t: int, state: State, slack: Errors, off: Errors, profile: Profile
    ) -> Gradient | None:
        """Return that of the run in real numbers; None if it is the same."""


@dataclass(frozen=True)
class Recorded:
    """Recorded gradients, numbers of bfloat16, which every dtype holds.

    Parameters
    ----------
    key : str
        What they are drawn by.
    steps : int
    rates : mapping of int to float
        By step, what times the usual rate.
    frozen : (layer, step) pairs
        Where there is no gradient.
    loud : mapping of int to float
        By step, what times the gradient.
    shapes : mapping
        Of the layers.
    """

    key: str
    steps: int = STEPS
    rates: Mapping[int, float] = field(default_factory=dict)
    frozen: tuple[tuple[str, int], ...] = ()
    loud: Mapping[int, float] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: SHAPES)

    @cached_property
    def params(self) -> Mapping[str, Array]:
        """The parameters at the start."""
        return {
            k: draw(f"{self.key}/theta/{k}", *shape, scale=SMALL.get(k, 1.0))
            for k, shape in self.shapes.items()
        }

    @cached_property
    def grads(self) -> Sequence[Grads]:
        """The gradients."""
        return [
            {
                k: None if (k, t) in self.frozen else draw(
                    f"{self.key}/g{t}/{k}", *shape, scale=self.loud.get(t, 1.0)
                )
                for k, shape in self.shapes.items()
            }
            for t in range(1, self.steps + 1)
        ]

    def rate(self, t: int, usual: float) -> float:
        """Return the rate of a step."""
        return usual * self.rates.get(t, 1.0)

    def given(self, t: int, theta: Mapping[str, Array], profile: Profile) -> Grads:
        """Return the gradient that a backend is given."""
        return self.grads[t - 1]

    def real(
        self, t: int, state: State, slack: Errors, off: Errors, profile: Profile
    ) -> Gradient | None:
        """Return None: it is the same in real numbers."""
        return None


@dataclass(frozen=True)
class Loop:
    """The gradients of a problem, in doubles at a backend's own parameters, then rounded.

    Parameters
    ----------
    problem : str
        A name of `PROBLEMS`.
    lr : float, optional
        The rate, if not the optimizer's.
    """

    problem: str
    lr: float | None = None
    steps: int = LOOP_STEPS

    @cached_property
    def made(self) -> Any:
        """The problem."""
        import problems

        return problems.CATALOGUE[self.problem](**PROBLEMS[self.problem])

    @cached_property
    def params(self) -> Mapping[str, Array]:
        """The customary start, rounded so that every dtype holds it."""
        return {k: to_bfloat16(x) for k, x in self.made.starts[0].items()}

    def rate(self, t: int, usual: float) -> float:
        """Return the rate of a step."""
        return usual if self.lr is None else self.lr

    def given(self, t: int, theta: Mapping[str, Array], profile: Profile) -> Grads:
        """Return the gradient at the backend's parameters, rounded to its dtype."""
        format = profile.stored("g")
        with np.errstate(all="ignore"):
            found = self.made.grad({k: np.asarray(x, np.float64) for k, x in theta.items()})
        rounded = {k: np.asarray(format.nearest(g)) for k, g in found.items()}
        if not all(np.isfinite(g).all() for g in rounded.values()):
            raise Unsupported(BEYOND.format(format.name))
        return rounded

    def real(
        self, t: int, state: State, slack: Errors, off: Errors, profile: Profile
    ) -> Gradient | None:
        """Return the gradient at the real parameters, and how far off others may be."""
        near, far = self._at(state, slack), self._at(state, off)
        format = profile.stored("g")
        return Gradient(
            values={k: g.value for k, g in near.items()},
            slack={k: {"g": g.error} for k, g in near.items()},
            off={k: {"g": g.to(format).error} for k, g in far.items()},
        )

    def _at(self, state: State, errors: Errors) -> dict[str, Running]:
        point = {}
        for layer, x in state.params.items():
            error = np.broadcast_to(errors.get(layer, {}).get("theta", 0.0), x.size)
            numbers = zip(x.ravel().tolist(), error.tolist(), strict=True)
            elements = np.empty(x.size, dtype=object)
            elements[:] = [Running(value, e, REFERENCE) for value, e in numbers]
            point[layer] = elements.reshape(x.shape)
        return {k: _array_of(g) for k, g in self.made.grad(point).items()}


def _array_of(numbers: Array) -> Running:
    flat = numbers.ravel().tolist()
    value, error = (np.array([getattr(x, of) for x in flat]) for of in ("value", "error"))
    return Running(value.reshape(numbers.shape), error.reshape(numbers.shape), REFERENCE)


def names(algorithm: str, only: str = "*") -> list[str]:
    """Return the names of the checks of an algorithm, in order.

    Examples
    --------
    >>> names("adam")[:2], len(names("sgd"))
    (['replay/adam/decimal', 'replay/adam/decimal/frozen'], 18)
    """
    groups = [
        name for name, optimizer in DECIMAL.items()
        if algorithm in (name, optimizer.algorithm)
    ]
    if not groups:
        known = nearest(algorithm, sorted({*OPTIMIZERS, *DECIMAL}))
        msg = f"conformance needs an algorithm, got algorithm={algorithm!r}; {known}"
        raise ValueError(msg)
    found = []
    for group in groups:
        for setting in SETTINGS:
            found += [f"replay/{group}/{setting}", f"replay/{group}/{setting}/frozen"]
        found += [f"loop/{group}/{problem}" for problem in PROBLEMS]
        found += [f"reload/{group}", f"twice/{group}"]
    return [name for name in found if fnmatchcase(name, only)]


def loops(
    backend: Backend,
    algorithm: str,
    *,
    dialect: str | None = None,
    only: str = "*",
    seconds: float = SECONDS,
    progress: Callable[[str], None] = lambda name: None,
) -> list[Result]:
    """Return what a backend's runs come to, one result for each of `names`.

    Parameters
    ----------
    backend : Backend
    algorithm : str
        A name of `paratrooper_ref.optimizers.OPTIMIZERS`, or a group such as "nesterov".
    dialect : str, optional
        The variant that the backend is meant to be.
    only : str
        A pattern of names.
    seconds : float
        What one step may take before it counts as hung.
    progress : callable
        Told the name of each check before it is run.

    Raises
    ------
    ValueError
        If there is no such algorithm or variant.

    Examples
    --------
    >>> from paratrooper_ref.conformance import ReferenceBackend
    >>> (run,) = loops(ReferenceBackend("float32"), "sgd", only="replay/sgd/decimal")
    >>> run.verdict, run.steps, run.seen
    ('conforms', 60, 60)
    """
    variants_of(dialect)
    watch = Watch(seconds)
    found: list[Result] = []
    for name in names(algorithm, only):
        progress(name)
        found.append(_Check(backend, watch, name, dialect).result())
    watch.close()
    return found


class _Check:
    """One check of a backend."""

    def __init__(self, backend: Backend, watch: Watch, name: str, dialect: str | None) -> None:
        self.backend, self.watch, self.name, self.dialect = backend, watch, name, dialect
        self.profile = backend.profile
        self.kind, self.group, *rest = name.split("/")
        self.rest = rest
        setting = (SETTINGS[rest[0]] if self.kind == "replay" else DECIMAL)[self.group]
        self.adapted = Adapted(setting, fixed_of(backend))
        self.held: list[Held] = []
        self.of = 0
        self.t: int | None = None

    @property
    def asked(self) -> Optimizer:
        """What the backend is asked for."""
        return self.adapted.optimizer

    @property
    def optimizer(self) -> Optimizer:
        """What the backend is held to."""
        return self._held_to(self.asked)

    @property
    def _decides(self) -> bool:
        """Whether a first batch chooses how to warm up."""
        return bool(self.asked.hyper().get("warmup") == "auto")

    def _held_to(self, published: Optimizer) -> Optimizer:
        return spoken(published, self.dialect)

    def result(self) -> Run:
        """Return what it comes to."""
        began = time.perf_counter()
        checks = {
            "replay": self._replay, "loop": self._loop, "reload": self._reload,
            "twice": self._twice,
        }
        try:
            run = self.adapted.ask(lambda _: checks[self.kind]())
        except KeyboardInterrupt:
            raise
        except Fault as fault:
            run = self._ended(fault.verdict, fault.detail)
        except Unsupported as reason:
            run = self._ended(UNSUPPORTED, str(reason))
        except HungError as error:
            run = self._ended(HANGS, str(error))
        except BaseException as error:  # what a backend raises, SystemExit too, is its answer
            run = self._ended(RAISES, raised(error))
        spent = time.perf_counter() - began
        return replace(run, seconds=spent, adapted=self.adapted.changes)

    def _ended(self, verdict: str, detail: str) -> Run:
        return self._run(verdict, detail=detail)

    # ------------------------------------------------------------------ followed runs

    def _replay(self) -> Run:
        if self.rest[1:]:
            shapes = {**SHAPES, "c": AXES[self.rest[0]]}
            course = Recorded(self.name, FROZEN_STEPS, frozen=(FROZEN,), shapes=shapes)
        else:
            # The choice of a first batch is kept, though later ones would choose otherwise.
            loud = {1: LOUD} if self.rest == ["dyadic"] and self._decides else {}
            rates = dict([CHANGED])
            if self.profile.format.most >= FLOAT32.most:
                (t, loud[t]), (t, rates[t]) = FAR
            course = Recorded(self.name, rates=rates, loud=loud)
        return self._followed(course)

    def _loop(self) -> Run:
        (problem,) = self.rest
        return self._followed(Loop(problem, RATES.get(self.group)))

    def _followed(self, course: Course) -> Run:
        start = self._start(self.asked, course)
        optimizer = self.optimizer
        session = self._session(self.asked, start)
        beside = Beside(optimizer, self.asked.spec, self.profile, start)
        self.held, self.of = [], course.steps
        told: list[Told] = []
        usual, held, ended = optimizer.rate(None), self.held, ""
        for t in range(1, course.steps + 1):
            self.t = t
            lr = course.rate(t, usual)
            try:
                theta = {layer: lines["theta"] for layer, lines in session.shown.items()}
                grads = course.given(t, theta, self.profile)
                beside.ask(grads, lr)
            except (Unsupported, Fault) as reason:
                if not held:
                    raise
                if isinstance(reason, Fault):
                    return self._run(reason.verdict, detail=reason.detail)
                ended = f"not asked from t = {t} on: {reason}"
                break
            real = course.real(t, beside.real, beside.slack, beside.off, self.profile)
            self.watch.call(session.step, grads, lr)
            held.append(beside.step(grads, lr, session.shown, real))
            told.append(Told(grads, lr, session.shown))
            alone = held[-1].taken
            if alone is not None and (lack := lacking(alone, self.profile)):
                raise lack
            if held[-1].worst > 1:
                fault = session.fault
                counted = self._counted(session, course, start, told)
                return self._departing(optimizer, fault, counted)
            _unspoilt(session)
        said = [ended, self._sight(held, beside.ended)]
        branches = ((t, step.undecided) for t, step in enumerate(held, 1) if step.undecided)
        self.t, branch = next(branches, (None, ""))
        said = [f"t = {self.t}: {branch}" if branch else "", *said]
        return self._run(
            UNSTABLE if branch else CONFORMS, detail="; ".join(filter(None, said))
        )

    def _run(self, verdict: str, **more: Any) -> Run:
        held = self.held
        return Run(
            case=self.name, verdict=verdict, t=self.t, steps=len(held), of=self.of,
            shares=tuple(s for step in held for s in step.along),
            alone=tuple(s for step in held if step.taken for s in step.taken.shares),
            seen=sum(step.seen for step in held), blind=_blind(held), **more,
        )

    def _sight(self, held: Sequence[Held], ended: str) -> str:
        blind = _blind(held)
        if blind is None:
            return ""
        why = ended or f"the bound of {self.profile.dtype} is larger than what a step moves"
        return f"beside the real run blind from t = {blind}: {why}"

    def _counted(
        self, session: Session, course: Course, start: State, told: list[Told]
    ) -> Like | None:
        """Return that steps are counted by layer, if that explains the run, which goes on."""
        if all(g is not None for step in told for g in step.grads.values()):
            return None
        usual = self.optimizer.rate(None)
        try:
            for t in range(len(told) + 1, course.steps + 1):
                grads, lr = course.given(t, {}, self.profile), course.rate(t, usual)
                told.append(Told(grads, lr, self._stepped(session, grads, lr)))
        except KeyboardInterrupt:
            raise
        except BaseException:  # it goes wrong in another way too
            return None
        return by_layer(told, start, self.optimizer, self.asked.spec, self.profile)

    def _departing(
        self, optimizer: Optimizer, fault: Fault | None, counted: Like | None
    ) -> Run:
        held = self.held
        last = held[-1]
        taken = last.taken
        besides = f"{fault.verdict}: {fault.detail}" if fault else ""
        if taken is None or taken.worst <= 1:
            at = max(last.along, key=lambda share: share.share)
            return self._run(
                DEPARTS, departure=Departure(at=at), detail=str(at), besides=besides,
                likes=[counted] if counted else [],
            )
        asked = taken.question
        off = max(taken.shares, key=lambda share: share.share)
        departure = judge.first_departure(
            optimizer, asked.state, asked.grads, asked.lr, self.profile, taken.shown, off
        ) or Departure(at=off)
        steps = [step.taken for step in held if step.taken is not None]
        like = counted or largest(steps, self.profile)
        found = (
            attribute.Explained([like]) if like
            else attribute.explained(steps[-LAST:], self.profile)
        )
        said = [str(departure.at), *(f"explained if {constant}" for constant in found.constants)]
        return self._run(
            DEPARTS, departure=departure, detail="; ".join(said), besides=besides,
            likes=found.likes, replay={"question": asked, "shown": taken.shown},
        )

    def _start(self, published: Optimizer, course: Course) -> State:
        return self._held_to(published).init(course.params)

    def _session(self, published: Optimizer, start: State) -> Session:
        begin = Start(spec=published.spec, state=start, slots=published.slots())
        session: Session = self.watch.call(Session, self.backend, begin)
        return _unspoilt(session)

    def _stepped(self, session: Session, grads: Grads, lr: float) -> Shown:
        self.watch.call(session.step, grads, lr)
        return _unspoilt(session).shown

    # ------------------------------------------------------------------ the same bits

    def _reload(self) -> Run:
        if not hasattr(self.backend, "reload"):
            msg = "has no reload"
            raise Unsupported(msg)
        cuts = self._cuts()
        steps = max(RELOAD_STEPS, *(cut + AFTER for cut in cuts))
        course = Recorded(self.name, steps, loud={1: LOUD} if self._decides else {})
        start = self._start(self.asked, course)
        # A step that has no bound is refused here: bits alone would not tell.
        first = Beside(self.optimizer, self.asked.spec, self.profile, start)
        first.ask(course.given(1, {}, self.profile), self.asked.rate(None))
        straight = self._shown(self.asked, course)
        done = 0
        for cut in cuts:
            broken = self._shown(self.asked, course, reload=cut)
            off = self._other(self.asked, course, straight, broken)
            if off:
                self.t = off[0]
                return self._ended(FORGETS, f"saved and loaded after step {cut}, {off[1]}")
            done += 1
        self.t = None
        return Run(case=self.name, verdict=CONFORMS, steps=done, of=done)

    def _cuts(self) -> tuple[int, ...]:
        """Return after which steps it is saved: while it warms up, and at a synchronisation."""
        k = self.asked.hyper().get("k", 6)
        return (2, k, k + 2)

    def _twice(self) -> Run:
        lr = self.asked.rate(None)
        changes = OTHER | {"lr": lr / 4, **fixed_of(self.backend)}
        other = with_hyper(self.asked, changes)
        asked = [
            (self.asked, Recorded(f"{self.name}/0", TURNS)),
            (other, Recorded(f"{self.name}/1", TURNS)),
            (self.asked, Recorded(f"{self.name}/2", TURNS)),
        ]
        alone = [self._shown(*each) for each in asked]
        self.t = None
        beside = self._in_turn(asked)
        for i, (optimizer, course) in enumerate(asked):
            off = self._other(optimizer, course, alone[i], beside[i])
            if off:
                self.t = off[0]
                return self._ended(KEEPS, f"stepped in turn with others, {off[1]}")
        return Run(case=self.name, verdict=CONFORMS, steps=TURNS, of=TURNS)

    def _in_turn(self, asked: Iterable[tuple[Optimizer, Course]]) -> list[list[Shown]]:
        courses = [course for _, course in asked]
        optimizers = [optimizer for optimizer, _ in asked]
        sessions = [
            self._session(published, self._start(published, course))
            for published, course in zip(optimizers, courses, strict=True)
        ]
        shown = [[session.shown] for session in sessions]
        for t in range(1, TURNS + 1):
            for i, session in enumerate(sessions):
                grads = courses[i].given(t, {}, self.profile)
                shown[i].append(self._stepped(session, grads, optimizers[i].rate(None)))
        return shown

    def _shown(
        self, published: Optimizer, course: Course, reload: int | None = None
    ) -> list[Shown]:
        """Return what is shown at the start and after each step, if need be after a reload."""
        session = self._session(published, self._start(published, course))
        shown = [session.shown]
        for t in range(1, course.steps + 1):
            self.t = t
            grads = course.given(t, {}, self.profile)
            shown.append(self._stepped(session, grads, published.rate(None)))
            if t == reload:
                shown[-1] = self.watch.call(session.reload)
        return shown

    def _other(
        self, published: Optimizer, course: Course, one: list[Shown], two: list[Shown]
    ) -> tuple[int, str] | None:
        """Return where two runs of the same have other bits, and that is no honest rounding."""
        where = _differing(one, two)
        if where is None:
            return None
        # A backend that adds in another order each time has other bits each time.
        if _differing(one, self._shown(published, course)) and self._honest(published, course, two):
            return None
        return where

    def _honest(self, published: Optimizer, course: Course, shown: list[Shown]) -> bool:
        start = self._start(published, course)
        beside = Beside(self._held_to(published), published.spec, self.profile, start)
        for t in range(1, course.steps + 1):
            grads, lr = course.given(t, {}, self.profile), published.rate(None)
            beside.ask(grads, lr)
            if beside.step(grads, lr, shown[t]).worst > 1:
                return False
        return True


def _blind(held: Sequence[Held]) -> int | None:
    """Return the step from which on no step is seen."""
    last = max((t for t, step in enumerate(held, 1) if step.seen), default=0)
    return last + 1 if last < len(held) else None


def _unspoilt(session: Session) -> Session:
    """Return a session of a backend that has left alone what it was lent."""
    if session.fault is not None:
        raise session.fault
    return session


def _differing(one: Sequence[Shown], two: Sequence[Shown]) -> tuple[int, str] | None:
    """Return the first step after which there are other bits, and where."""
    for t, (a, b) in enumerate(zip(one, two, strict=True)):
        if place := differing(a, b):
            return t, f"{place} has other bits after step {t}"
    return None


__all__ = ["Loop", "Recorded", "Run", "loops", "names"]
