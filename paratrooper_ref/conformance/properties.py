"""Properties of a backend, tried on examples that hypothesis draws and shrinks.

In a test file::

    from paratrooper_ref.conformance.properties import properties
    test_mine = properties(TorchBackend(MyAdam), algorithm="adam")

or, without pytest, ``examine(TorchBackend(MyAdam), "adam", "step")``.  A failure says which line
departs first, what that looks like, and where it was written as a replay file
(`paratrooper_ref.conformance.replay`), which needs no hypothesis.

The properties are

``step``
    Any step from any state is within its bound.
``sequence``
    So are the steps of a sequence, each from where the one before should have led.
``free``
    So is a backend that goes on from its own numbers, with the bound passed on from step to step
    until it says nothing any more.
``machine``
    So is each step of optimizers that are frozen, told other rates, saved and loaded, read and
    started beside one another, in any order.

What no bound can be told of is left out and counted: branches that the declared arithmetic does
not decide, numbers beyond its range, specs that are unsupported.  If that is all there was it is an
error.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from hypothesis import HealthCheck, Phase, errors, event, given, reject, settings, target
from hypothesis.stateful import run_state_machine_as_test

from paratrooper_ref.conformance import replay, strategies
from paratrooper_ref.conformance.adapted import Adapted, fixed_of
from paratrooper_ref.conformance.backend import Backend, Unsupported
from paratrooper_ref.conformance.follow import (
    OWN,
    PROPAGATED,
    Discarded,
    Failed,
    Judge,
    Run,
    kind_of,
    rounded,
)
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.conformance.session import container
from paratrooper_ref.conformance.shortened import explained, told_besides
from paratrooper_ref.conformance.strategies import Example
from paratrooper_ref.conformance.verdict import HANGS, KEEPS, UNSUPPORTED
from paratrooper_ref.conformance.watch import SECONDS, Watch
from paratrooper_ref.optimizers import State, build
from paratrooper_ref.optimizers.hyper import nearest

PROPERTIES: Final = ("step", "sequence", "free", "machine")
ASKED: Final = 12  # events that are told
FEW: Final = 6  # numbers of an array that are


class NothingRan(Exception):
    """Every example was left out: this is no result."""


class Stopped(BaseException):
    """A failure that is not to be tried again: each time would take as long."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed)
        self.failed = failed


@dataclass
class Tally:
    """What has been tried.

    Attributes
    ----------
    examples, steps : int
        Examples with at least one step that was held to its bound, and these steps.
    blind : int
        Runs that ended when their bound had no power left.
    discarded : Counter of str
        Examples that ended early, by why.
    worst : float
        The largest error over bound of steps that are within it.
    """

    examples: int = 0
    steps: int = 0
    blind: int = 0
    discarded: Counter[str] = field(default_factory=Counter)
    worst: float = 0.0

    def __str__(self) -> str:
        parts = [f"{self.steps} steps in {self.examples} examples"]
        parts += [f"{n} ended early: {why}" for why, n in self.discarded.most_common()]
        parts += [f"{self.blind} until the bound says nothing"] if self.blind else []
        return "; ".join([*parts, f"largest error / bound {self.worst:.2f}"])


class Trial:
    """A backend, and how it is tried.

    Parameters
    ----------
    backend : Backend
    algorithm : str
        A name of `paratrooper_ref.optimizers.OPTIMIZERS`.
    dialect : str, optional
        The variant that the backend is meant to be.
    hyper : mapping, optional
        Hyperparameters that are always so, beside those that the backend cannot change
        (``backend.fixed``).
    dense : bool
        Numbers with all bits of the dtype, not of bfloat16.
    frozen : bool
        Whether runs freeze layers.  An optimizer that counts steps layer by layer, as torch's do,
        goes another way from there: single steps, which are told their number, stay the same.
    seconds : float
        What one step may take.
    """

    def __init__(
        self,
        backend: Backend,
        algorithm: str,
        *,
        dialect: str | None = None,
        hyper: Mapping[str, Any] | None = None,
        dense: bool = False,
        frozen: bool = True,
        seconds: float = SECONDS,
    ) -> None:
        self.backend, self.algorithm, self.dialect = backend, algorithm, dialect
        self.fixed = {**fixed_of(backend), **(hyper or {})}
        self.dense, self.frozen = dense, frozen
        self.watch = Watch(seconds)
        self.tally = Tally()
        self.failed: Failed | None = None

    @property
    def profile(self) -> Profile:
        """The arithmetic that the backend declares."""
        return self.backend.profile

    def examples(self, **options: Any) -> Any:
        """Return a strategy for examples that the backend can be given."""
        return strategies.examples(
            self.algorithm, profile=self.profile, fixed=self.fixed, dense=self.dense, **options
        )

    def begin(self, spec: Mapping[str, Any], judge: Judge = OWN) -> Run:
        """Return a run of a spec, without the hyperparameters that the backend lacks.

        Raises
        ------
        Discarded
            If the backend says that it does not support it.
        """
        spec = self._settled(spec)
        supports = getattr(self.backend, "supports", None)
        if supports is not None and (reason := supports(spec)):
            raise Discarded(UNSUPPORTED, reason)
        return Run(self.backend, spec, dialect=self.dialect, judge=judge, watch=self.watch)

    def _settled(self, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a spec that the backend does not say it lacks a hyperparameter of."""
        adapted = Adapted(build(spec), {})  # a caller may have told another value
        dtype = container(self.profile, "theta")
        tiny = {layer: np.ones(2, dtype) for layer in dict.fromkeys(("x", *spec.get("layers", {})))}
        try:
            adapted.ask(lambda mine: self.watch.call(self.backend.start, mine.spec, tiny))
        except Unsupported as reason:
            raise Discarded(UNSUPPORTED, str(reason)) from None
        except KeyboardInterrupt:
            raise
        except BaseException:
            pass  # it is told when the backend is asked in earnest
        return adapted.optimizer.spec

    def note(self, run: Run) -> None:
        """Count the steps of a run."""
        good = [taken.worst for taken in run.taken if taken.worst <= 1]
        self.tally.steps += len(good)
        self.tally.worst = max([self.tally.worst, *good])

    def count(self, steps: int, worst: float) -> None:
        """Count an example that said something, and tell hypothesis how near its bound it was."""
        if not steps:
            reject()
        self.tally.examples += 1
        target(worst, label="error / bound")

    def discard(self, reason: Discarded) -> None:
        """Count what was left out."""
        why = f"{reason.kind} ({reason.detail})" if reason.kind == UNSUPPORTED else reason.kind
        event(f"left out: {why}")
        self.tally.discarded[why] += 1

    def fail(self, failed: Failed) -> None:
        """Keep a failure, and raise it."""
        self.failed = failed
        if failed.verdict == HANGS:
            raise Stopped(failed)
        raise failed


# ---------------------------------------------------------------------------- the properties


def as_told(run: Run, state: State) -> State:
    """Return a state that warms up as its spec says, if that leaves no choice."""
    told = run.optimizer.hyper().get("warmup", "auto")
    return state if told == "auto" or state.warmup is None else replace(state, warmup=told)


def _sequence(trial: Trial, example: Example) -> None:
    """Hold steps to their bounds, each from where the one before should have led."""
    state, worst, held = example.state, 0.0, 0
    try:
        begun = trial.begin(example.spec)
        state = as_told(begun, state)
        for step in example.steps:
            run = begun.anew()
            try:
                taken = run.once(state, step.grads, step.lr)
            finally:
                trial.note(run)
            worst, held = max(worst, taken.worst), held + 1
            state = rounded(taken, trial.profile)
    except Discarded as reason:
        trial.discard(reason)
    except Failed as failed:
        trial.fail(failed)
    trial.count(held, worst)


def _free(trial: Trial, example: Example) -> None:
    """Hold a backend that goes on by itself to one trajectory, while the bound says something."""
    run = None
    try:
        run = trial.begin(example.spec, PROPAGATED)
        run.start(as_told(run, example.state))
        for step in example.steps:
            run.step(step.grads, step.lr)
            if run.blind:
                trial.tally.blind += 1
                break
    except Discarded as reason:
        trial.discard(reason)
    except Failed as failed:
        trial.fail(failed)
    finally:
        if run is not None:
            trial.note(run)
    trial.count(len(run.taken) if run else 0, _worst(run))


def _worst(run: Run | None) -> float:
    return max((taken.worst for taken in run.taken), default=0.0) if run else 0.0


def examine(
    backend: Backend,
    algorithm: str,
    prop: str = "step",
    *,
    settings: settings | None = None,
    replays: Path | str = replay.FOLDER,
    max_steps: int = strategies.STEPS,
    min_steps: int = 1,
    **options: Any,
) -> Tally:
    """Try a property of a backend on examples, and return what was tried.

    Parameters
    ----------
    backend, algorithm
        As in `Trial`.
    prop : {"step", "sequence", "free", "machine"}
    settings : hypothesis.settings, optional
        Its own of how many examples; the profile that is loaded otherwise.
    replays : path
        The folder for a replay file.
    min_steps, max_steps : int
        Of sequences and free runs.
    **options
        Those of `Trial`.

    Raises
    ------
    AssertionError
        With all that is known of the failure.
    NothingRan
        If no example said anything.
    """
    if prop not in PROPERTIES:
        known = nearest(prop, PROPERTIES)
        msg = f"examine needs a property, got prop={prop!r}; {known}"
        raise ValueError(msg)
    trial = Trial(backend, algorithm, **options)
    how = _settings(settings)
    try:
        if prop == "machine":
            from paratrooper_ref.conformance.machine import of_trial

            run_state_machine_as_test(of_trial(trial), settings=how)
        else:
            fresh = None if trial.profile.inject else True
            if prop == "step" or (prop == "sequence" and fresh):
                min_steps = max_steps = 1  # of steps from states that cannot be set, the first
            examples = trial.examples(
                fresh=fresh, min_steps=min_steps, max_steps=max_steps,
                frozen=trial.frozen or prop != "free",
            )
            _tried(trial, _free if prop == "free" else _sequence, prop, examples, how)
    except Failed as failed:
        raise AssertionError(_told(trial, failed, prop, replays)) from None
    except Stopped as stopped:
        raise AssertionError(_told(trial, stopped.failed, prop, replays)) from None
    except errors.Flaky:
        if trial.failed is None:
            raise
        was = trial.failed
        if was.verdict == HANGS:
            raise AssertionError(_told(trial, was, prop, replays)) from None
        detail = f"{was.detail}; asked again it is not: something is kept between runs, or drawn"
        kept = kind_of(KEEPS)(KEEPS, detail, was.run, was.taken)
        raise AssertionError(_told(trial, kept, prop, replays)) from None
    except errors.Unsatisfiable:
        pass
    finally:
        trial.watch.close()
    if not trial.tally.steps:
        msg = f"{backend.name}, {algorithm} {prop}: nothing ran, {trial.tally}"
        raise NothingRan(msg)
    return trial.tally


def _tried(trial: Trial, body: Any, prop: str, examples: Any, how: settings) -> None:
    """Run a property under hypothesis, which knows examples that failed by the test's name."""

    def test(example: Example) -> None:
        body(trial, example)

    name = re.sub(r"\W+", "_", f"{prop} of {trial.algorithm} by {trial.backend.name}")
    test.__name__ = test.__qualname__ = name
    tried: Callable[[], None] = how(given(examples)(test))  # type: ignore[no-untyped-call]
    tried()


def _settings(asked: settings | None) -> settings:
    """Return settings without time limits and health checks, which our own counts replace."""
    phases = [phase for phase in Phase if phase is not Phase.explain]
    return settings(
        asked, deadline=None, report_multiple_bugs=False, phases=phases,
        suppress_health_check=list(HealthCheck),
    )


def properties(
    backend: Backend | Callable[[], Backend], algorithm: str, **options: Any
) -> Callable[..., None]:
    """Return a test of a backend, with an id for each property.

    Parameters
    ----------
    backend : Backend or callable
        An adapter, or what makes one when the test runs.
    algorithm : str
    **options
        Those of `examine`.
    """
    import pytest

    @pytest.mark.parametrize("prop", PROPERTIES)
    def test(prop: str) -> None:
        __tracebackhide__ = True
        made: Any = backend
        try:
            examine(made if hasattr(made, "start") else made(), algorithm, prop, **options)
        except (AssertionError, NothingRan) as error:
            pytest.fail(str(error), pytrace=False)

    return test


# ---------------------------------------------------------------------------- telling


def _told(trial: Trial, failed: Failed, prop: str, replays: Path | str) -> str:
    """Return all that is known of a failure, and where it was written."""
    if failed.verdict not in (HANGS, KEEPS):
        failed = explained(failed)
    report = replay.report(failed, f"{trial.algorithm}/{prop}")
    lines = [report.failure(report.results[0]), *told_besides(failed), *_asked(failed.run)]
    try:
        path = replay.save(replay.of_failure(failed, f"{trial.algorithm}/{prop}"), replays)
    except OSError as error:
        lines.append(f"  no replay file: {error}")
    else:
        lines.append(f"  replay: paratrooper_ref.conformance.replay.run({str(path)!r}, backend)")
    return "\n".join([*lines, f"  tried: {trial.tally}"])


def _asked(run: Run) -> list[str]:
    """Return what was asked, in some lines."""
    lines = [f"  asked of {build(run.spec)!r}:"]
    for e in run.events[-ASKED:]:
        words = f"    {e.do}" + (f" of optimizer {e.handle}" if e.handle else "")
        if e.state is not None:
            slots = {slot: e.state.slot(slot) for slot in ("theta", *run.optimizer.slots())}
            words += f" t={e.state.t} " + _arrays(slots)
        elif e.do == "step":
            words += f" lr={e.lr!r} " + _arrays({"g": e.grads})
        lines.append(words)
    if len(run.events) > ASKED:
        lines.insert(1, f"    ({len(run.events) - ASKED} more before)")
    return lines


def _arrays(tables: Mapping[str, Mapping[str, Any]]) -> str:
    return " ".join(
        f"{slot}[{layer}]={'None' if x is None else _few(x)}"
        for slot, layers in tables.items() for layer, x in layers.items()
    )


def _few(x: Any) -> str:
    numbers = [f"{n!r}" for n in np.ravel(x)[:FEW].tolist()]
    return ",".join(numbers) + (",..." if np.size(x) > FEW else "")


__all__ = ["NothingRan", "examine", "properties"]
