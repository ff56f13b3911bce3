"""Attribution after the fact: name what a stored step looks like, without the backend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paratrooper_ref.conformance import attribute, bounds, judge, wanted
from paratrooper_ref.conformance.dialect import spoken
from paratrooper_ref.conformance.replay import Replay, load
from paratrooper_ref.conformance.report import Report
from paratrooper_ref.conformance.step import Question, Taken
from paratrooper_ref.conformance.verdict import CONFORMS, DEPARTS, Result
from paratrooper_ref.optimizers import build


def attributed(*files: Path) -> Report:
    """Return a report of steps in replay files: where each departs, and what explains all.

    Raises
    ------
    GoldenError
        If a file is damaged.
    ValueError
        If one holds no single step and what a backend showed after it, or they are of different
        profiles or algorithms.
    """
    replays = {str(file): load(file) for file in files}
    first = next(iter(replays.values()))
    steps = {name: _taken(replay, name) for name, replay in replays.items()}
    for name, replay in replays.items():
        if (replay.profile, replay.spec["algorithm"]) != (first.profile, first.spec["algorithm"]):
            msg = f"attribute needs steps of one algorithm and profile, got others in {name}"
            raise ValueError(msg)
    found = attribute.explained(steps.values(), first.profile)
    results = [_result(name, step, first, found) for name, step in steps.items()]
    return Report(
        backend=first.backend or "observed", algorithm=str(first.spec["algorithm"]),
        dialect=first.dialect, tier="observed", corpus="none", digest=first.digest,
        profile=first.profile, total=len(results), results=results, likes=found.likes,
        constants=found.constants, fits=found.profile,
    )


def _taken(replay: Replay, name: str) -> Taken:
    if [event.do for event in replay.events] != ["start", "step"] or replay.got is None:
        msg = f"attribute needs a step and what came of it, got neither in {name}"
        raise ValueError(msg)
    start, step = replay.events
    assert start.state is not None
    optimizer = spoken(build(replay.spec), replay.dialect)
    question = Question(
        spec=replay.spec, state=start.state, slots=optimizer.slots(), grads=step.grads, lr=step.lr
    )
    given = (optimizer, question.state, question.grads, question.lr)
    allowed = bounds.lines(*given, replay.profile, guesses=True)
    expected = wanted.computed(*given)
    shown: dict[str, dict[str, Any]] = {k: dict(of) for k, of in replay.got.items()}
    shares = judge.shares(question.state.t + 1, expected, shown, allowed)
    return Taken(
        question=question, optimizer=optimizer, wanted=expected, bounds=allowed, shown=shown,
        shares=tuple(shares),
    )


def _result(
    name: str, step: Taken, replay: Replay, found: attribute.Explained
) -> Result:
    asked, worst = step.question, max(step.shares, key=lambda s: s.share)
    said: Mapping[str, Any] = {
        "case": name, "t": asked.state.t + 1, "steps": 1, "of": 1, "shares": step.shares,
    }
    if worst.share <= 1:
        return Result(verdict=CONFORMS, **said)
    departure = judge.first_departure(
        step.optimizer, asked.state, asked.grads, asked.lr, replay.profile, step.shown, worst
    )
    return Result(
        verdict=DEPARTS, detail=str(worst), departure=departure, likes=found.likes, **said
    )
