"""Schedules give one double a step, as published, and carry their state as plain numbers."""

import math
from itertools import pairwise

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

import paratrooper_ref as pr
from paratrooper_ref.schedules import Schedule, ScheduleState, build_schedule


def rates(
    schedule: Schedule, lr: float, steps: int, metrics: list[float] | None = None
) -> list[float]:
    """Return the rates of steps 1 to ``steps``; metric t-1 belongs to the start of step t."""
    state: ScheduleState = schedule.init(lr)
    found = []
    for t in range(1, steps + 1):
        state, rate = schedule(state, t, metrics[t - 1] if metrics else None)
        found.append(rate)
    return found


@given(st.floats(1e-6, 10), st.integers(1, 300), st.floats(0, 1))
def test_cosine_is_the_published_shape_rounded_as_it_says(
    lr: float, steps: int, flat: float
) -> None:
    """Flat up to F, then lr (1 + c) / 2 with c the correctly rounded cosine; 60 digits decide."""
    schedule = pr.FlatThenCosine(steps=steps, flat=flat)
    first = round(flat * steps)

    found = rates(schedule, lr, steps)

    with mpmath.workdps(60):
        for t, rate in enumerate(found, start=1):
            if t <= first:
                assert rate == lr
                continue
            if t == steps:
                assert rate == 0
                continue
            angle = mpmath.mpf(math.pi) * (t - first) / (steps - first)
            cosine = mpmath.mpf(float(mpmath.cos(angle)))
            assert rate == float(mpmath.mpf(lr) * (1 + cosine) / 2)


def test_cosine_keeps_the_rate_for_72_percent_and_ends_at_zero() -> None:
    """72 of 100 steps are flat, half way down it is half the rate, and the last step's is 0."""
    found = rates(pr.FlatThenCosine(steps=100), 1.0, 100)

    assert found[:72] == [1.0] * 72
    assert found[72] < 1.0
    assert found[85] == 0.5
    assert found[-1] == 0.0
    assert all(a >= b for a, b in pairwise(found))


def test_warmup_rises_in_equal_parts() -> None:
    """The rate of step t is lr t / steps rounded once, and lr from then on."""
    found = rates(pr.LinearWarmup(steps=3), 0.1, 5)

    assert found == [float(mpmath.mpf(0.1) * t / 3) for t in (1, 2)] + [0.1] * 3


def test_plateau_cuts_after_patience_is_exceeded() -> None:
    """A constant metric is better once; patience 2 bears two more epochs and cuts at the third."""
    schedule = pr.ReduceOnPlateau(patience=2, factor=0.5)

    found = rates(schedule, 8.0, 10, [1.0] * 10)

    # Epochs end before steps 2, 3, ...: the first is better than infinity, then 1, 2, 3 bad.
    assert found == [8, 8, 8, 8, 4, 4, 4, 2, 2, 2]


def test_plateau_looks_once_an_epoch() -> None:
    """With epochs of 3 steps only the metrics before steps 4, 7, 10, ... count."""
    schedule = pr.ReduceOnPlateau(epoch=3, patience=0, factor=0.5)
    ignored = math.nan

    found = rates(schedule, 8.0, 8, [ignored] * 3 + [1.0] + [ignored] * 2 + [1.0, ignored])

    assert found == [8, 8, 8, 8, 8, 8, 4, 4]


def test_plateau_cooldown_and_floor() -> None:
    """While it cools no epoch is bad, and a cut stops at min_lr."""
    schedule = pr.ReduceOnPlateau(patience=0, factor=0.5, cooldown=2, min_lr=3.0)

    found = rates(schedule, 8.0, 10, [1.0] * 10)

    assert found == [8, 8, 4, 4, 4, 3, 3, 3, 3, 3]


def test_plateau_needs_its_metric() -> None:
    """At the end of an epoch a missing metric is refused, not taken for an improvement."""
    schedule = pr.ReduceOnPlateau()

    with pytest.raises(ValueError, match="ReduceOnPlateau needs the loss at t=2, got metric=None"):
        rates(schedule, 1.0, 2)


@pytest.mark.parametrize(
    "schedule",
    [pr.ReduceOnPlateau(patience=3), pr.FlatThenCosine(steps=9), pr.LinearWarmup(steps=2)],
    ids=lambda schedule: schedule.name,
)
def test_schedule_can_be_built_again(schedule: Schedule) -> None:
    """A spec holds every argument, so the schedule it builds is equal."""
    again = build_schedule(schedule.spec)

    assert again == schedule


def test_unknown_schedule_is_named() -> None:
    """The message holds the nearest known schedule."""
    with pytest.raises(ValueError, match="did you mean 'cosine'"):
        build_schedule({"schedule": "cosin", "arguments": {}})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pr.ReduceOnPlateau(factor=1.0), "needs 0 <= factor < 1, got factor=1.0"),
        (lambda: pr.ReduceOnPlateau(mode="least"), "needs mode to be 'min' or 'max'"),
        (lambda: pr.FlatThenCosine(flat=1.5), "needs 0 <= flat <= 1, got flat=1.5"),
        (lambda: pr.LinearWarmup(steps=0), "needs steps >= 1, got steps=0"),
    ],
)
def test_bad_arguments_are_refused(make: object, message: str) -> None:
    """A schedule refuses what is out of range when it is made."""
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()
