"""Corners: where to do otherwise is to be without a hyperparameter, and where it is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from paratrooper_ref.conformance import Profile, judge, wanted
from paratrooper_ref.conformance.corners import lacking, undamped
from paratrooper_ref.conformance.dialect import spoken
from paratrooper_ref.conformance.step import Question, Taken, allowed
from paratrooper_ref.optimizers import LARS, SGD, Adam, Optimizer, State

PROFILE = Profile(dtype="float64")
PLAIN = SGD(lr=0.5, momentum=0.0, dampening=0.25)
STATE = State(
    params={"w": np.array([1.0, 2.0]), "b": np.array([3.0])}, t=3,
    u={"w": np.array([4.0, 4.0]), "b": np.array([4.0])},
)
GRADS = {"w": np.array([0.5, -1.0]), "b": np.array([2.0])}


def taken(asked: Optimizer, done: Optimizer, by: float = 0.0, state: State = STATE) -> Taken:
    """Return a step as one optimizer asks for it and another takes it, off by so much at last."""
    given = state, GRADS, asked.rate(None)
    after, _ = done.step(*given)
    within, _ = allowed(asked, *given, PROFILE)
    shown: Any = {k: {"theta": after.params[k] + by, "u": after.slot("u")[k]} for k in GRADS}
    expected = wanted.computed(asked, *given)
    question = Question(
        spec=SGD().spec, state=state, slots=("u",), grads=GRADS, lr=asked.rate(None)
    )
    return Taken(
        question=question, optimizer=asked, wanted=expected, bounds=within, shown=shown,
        shares=tuple(judge.shares(state.t + 1, expected, shown, within)),
    )


@pytest.mark.parametrize("dialect", [None, "sgd.dampening_first", "sgd.decay_decoupled"])
def test_dampening_where_there_is_no_momentum_may_be_lacking(dialect: str | None) -> None:
    """In any dialect: who takes the step of no dampening has none there."""
    asked, other = spoken(PLAIN, dialect), spoken(SGD(lr=0.5, momentum=0.0), dialect)
    lack = lacking(taken(asked, other), PROFILE)
    assert lack is not None
    assert (lack.name, str(lack)) == (
        "dampening", "has no dampening where the momentum is 0 (a dialect)"
    )


def test_what_is_right_or_wrong_otherwise_lacks_nothing() -> None:
    """A step within its bound; and one that is off without dampening too."""
    assert lacking(taken(PLAIN, PLAIN), PROFILE) is None
    assert lacking(taken(PLAIN, SGD(lr=0.5, momentum=0.0), by=0.125), PROFILE) is None


@pytest.mark.parametrize(("share", "is_one"), [(0.5, False), (1.0, False), (1.5, True)])
def test_only_what_departs_lacks_something(share: float, is_one: bool) -> None:
    """At the first step dampening makes no difference: what is right may have it or not."""
    first = replace(STATE, t=0)
    step = taken(PLAIN, PLAIN, state=first)
    step = replace(step, shares=tuple(replace(s, share=share) for s in step.shares))
    assert (lacking(step, PROFILE) is not None) == is_one


@pytest.mark.parametrize(("bounds_off", "is_one"), [(0.5, True), (3.0, False)])
def test_it_has_to_be_right_without(bounds_off: float, is_one: bool) -> None:
    """Within the bound of the step of no dampening, and not just nearer to it."""
    bare = SGD(lr=0.5, momentum=0.0)
    error = taken(bare, bare).bounds["w"]["theta"].error.min()
    step = taken(PLAIN, bare, by=bounds_off * error)
    assert (lacking(step, PROFILE) is not None) == is_one


def test_with_momentum_dampening_is_no_corner() -> None:
    """Who ignores it there departs; a layer without momentum is one, whatever the others have."""
    damped = SGD(lr=0.5, momentum=0.5, dampening=0.25)
    assert lacking(taken(damped, SGD(lr=0.5, momentum=0.5)), PROFILE) is None
    one = damped.for_layers({"b": {"momentum": 0.0}})
    other = one.for_layers({"b": {"momentum": 0.0, "dampening": 0.0}})
    assert lacking(taken(one, other), PROFILE) is not None
    assert lacking(taken(one, SGD(lr=0.5, momentum=0.5)), PROFILE) is None


@pytest.mark.parametrize(
    ("optimizer", "is_one"),
    [
        (PLAIN, True),
        (SGD(momentum=0.0, dampening=0.0), False),
        (SGD(momentum=0.5, dampening=0.25), False),
        (SGD(momentum=0.5, dampening=0.25).for_layers({"b": {"momentum": 0.0}}), True),
        (SGD(momentum=0.5, dampening=0.25).for_layers({"x": {"momentum": 0.0}}), False),
        (LARS(momentum=0.0), False),  # which has no dampening at all
        (Adam(), False),
    ],
)
def test_the_corner_is_of_layers_that_are_there(optimizer: Optimizer, is_one: bool) -> None:
    """Dampening that is not 0, of a momentum that is."""
    assert undamped(optimizer, ("w", "b")) == is_one
