"""Habits: which may be shown by whom, and what each comes to."""

from __future__ import annotations

from typing import Any

from paratrooper_ref.conformance.habits import Habit, habits
from paratrooper_ref.optimizers import LARS, SGD, Adam, AdamW, Optimizer, Paratrooper
from paratrooper_ref.variants import FAULTS

SHAPES = {"w": (2, 2), "b": (3,), "s": ()}
DECAY = "weight_decay=0.0 for layers of one axis or none"
ADAPT = "adapt=False for layers of one axis or none"


def by_line(*optimizers: Optimizer) -> dict[str, Habit]:
    """Return the habits that optimizers may show, by what they come to."""
    return {habit.line: habit for habit in habits(optimizers)}


def told(habit: Habit, optimizer: Optimizer) -> dict[str, Any]:
    """Return what layers have of their own where the habit is told instead."""
    return {layer: dict(own) for layer, own in habit.told(optimizer, SHAPES).layers}


def test_what_layers_have_of_their_own_may_be_shared_one_by_one_or_all() -> None:
    """Whether a layer adapts is no hyperparameter that an optimizer has besides."""
    own: Any = {"w": {"lr": 0.5, "weight_decay": 0.25}, "b": {"lr": 2.0}}
    adamw, lars = AdamW().for_layers(own), LARS().for_layers({"w": {"adapt": False}})

    found = by_line(adamw, AdamW())
    assert list(found) == [
        "lr of a layer is that of the optimizer",
        "weight_decay of a layer is that of the optimizer",
        "layers have nothing of their own",
        DECAY,
    ]
    rate, decay, everything, _ = found.values()
    assert told(rate, adamw) == {"w": {"weight_decay": 0.25}}
    assert told(decay, adamw) == {"w": {"lr": 0.5}, "b": {"lr": 2.0}}
    assert told(everything, adamw) == {}
    assert list(by_line(AdamW().for_layers({"b": {"lr": 2.0}}))) == [
        "lr of a layer is that of the optimizer", DECAY,
    ]
    assert list(by_line(lars)) == [ADAPT, DECAY]
    assert {habit.name for habit in (rate, decay, everything)} == {"layers.hyper_shared"}


def test_vectors_may_be_left_out_of_a_ratio_or_of_a_decay() -> None:
    """By optimizers that have one; layers keep what else is their own."""
    own = {"b": {"lr": 2.0}}
    lars = LARS().for_layers(own)

    found = by_line(LARS(), Adam())
    assert list(found) == [ADAPT, DECAY]
    assert told(found[ADAPT], lars) == {"b": {"lr": 2.0, "adapt": False}, "s": {"adapt": False}}
    assert told(found[DECAY], lars) == {
        "b": {"lr": 2.0, "weight_decay": 0.0}, "s": {"weight_decay": 0.0},
    }
    assert told(found[ADAPT], SGD().for_layers(own)) == own
    assert list(by_line(Paratrooper())) == [ADAPT, DECAY]  # its first rule takes both
    assert (found[ADAPT].name, found[DECAY].name) == (
        "layers.vectors_not_adapted", "layers.vectors_not_decayed",
    )


def test_a_habit_is_told_as_the_fault_that_it_is() -> None:
    """As a like is told: by its kind, and by where it is seen."""
    habit = by_line(LARS())[ADAPT]
    fault = FAULTS["layers.vectors_not_adapted"]

    assert (habit.kind, habit.was) == ("adapter fault", "each layer as it is told")
    assert (habit.seen, habit.link) == (fault.seen, fault.link)
    assert fault.link
