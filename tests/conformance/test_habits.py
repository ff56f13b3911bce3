"""Habits: which may be shown by whom, and what each comes to."""

from __future__ import annotations

from typing import Any

import numpy as np

from paratrooper_ref.conformance.habits import Habit, habits
from paratrooper_ref.optimizers import (
    LARS,
    SGD,
    Adam,
    AdamW,
    Lookahead,
    Optimizer,
    Paratrooper,
    Ranger,
)
from paratrooper_ref.variants import FAULTS

SHAPES = {"w": (2, 2), "b": (3,), "s": ()}
DECAY = "weight_decay=0.0 for layers of one axis or none"
ADAPT = "adapt=False for layers of one axis or none"


def by_line(*optimizers: Optimizer) -> dict[str, Habit]:
    """Return the habits with layers that optimizers may show, by what they come to."""
    return {habit.line: habit for habit in habits(optimizers) if habit.name.startswith("layers.")}


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


def test_gradients_may_be_clipped_by_their_common_norm() -> None:
    """Where it is above the limit, and otherwise they are the very same."""
    grads: Any = {"w": np.array([[3.0, 0.0]]), "b": np.array([4.0]), "x": None}
    found = [h for h in habits([Adam()]) if h.name == "gradient.clipped" and "1e-06" not in h.line]
    assert found[0].line == "g = g * at_most(1, 1 / norm(all gradients))"
    clipped = found[0].given(grads)  # of norm 5
    assert {k: g if g is None else g.tolist() for k, g in clipped.items()} == {
        "w": [[3 * 0.2, 0.0]], "b": [4 * 0.2], "x": None,
    }
    by_limit = {habit.line.split(", ")[1].split(" ")[0]: habit for habit in found}
    assert by_limit["5"].given(grads) is grads
    assert by_limit["2"].given(grads) is not grads


def test_gradients_may_be_clipped_as_torch_does_it_and_each_by_itself() -> None:
    """With 1e-6 beside the norm; a layer whose norm is below the limit is the very same."""
    grads: Any = {"w": np.array([[3.0, 4.0]]), "b": np.array([0.5]), "x": None}
    found = {h.line: h for h in habits([Adam()]) if h.name.startswith("gradient.clipped")}
    each = found["g = g * at_most(1, 1 / (norm(g) + 1e-06))"].given(grads)
    assert each["w"].tolist() == [[3.0 * (1 / 5.000001), 4.0 * (1 / 5.000001)]]  # type: ignore[union-attr]
    assert (each["b"], each["x"]) == (grads["b"], None)
    assert found["g = g * at_most(1, 10 / (norm(g) + 1e-06))"].given(grads) is grads
    plain = found["g = g * at_most(1, 1 / norm(g))"].given(grads)
    assert plain["w"].tolist() == [[3.0 * 0.2, 4.0 * 0.2]]  # type: ignore[union-attr]
    norm = float(np.sqrt(25.25)) + 1e-6
    together = found["g = g * at_most(1, 1 / (norm(all gradients) + 1e-06))"].given(grads)
    assert together["b"].tolist() == [0.5 * (1 / norm)]  # type: ignore[union-attr]


def test_a_habit_leaves_alone_what_it_is_not_about() -> None:
    """One of gradients tells the same and keeps all; one of what is told gives the same."""
    found = {habit.name: habit for habit in habits([Adam()])}
    clips, told = found["gradient.clipped"], found["layers.vectors_not_decayed"]
    optimizer, grads = Adam(), {"w": np.array([3.0])}
    assert clips.told(optimizer, {"w": (1,)}) is optimizer
    assert clips.lost(optimizer, 1) == ()
    assert told.given(grads) is grads
    assert all(habit.where == (habit.seen, habit.link) for habit in found.values())


def test_gradients_may_be_clipped_by_value() -> None:
    """Each element by itself, of either sign; where none is above the limit they are the same."""
    grads: Any = {"w": np.array([[3.0, -0.5]]), "b": np.array([-4.0]), "x": None}
    found = {h.line: h for h in habits([Adam()]) if h.name == "gradient.clamped"}
    clamped = found["g = clamp(-1, g, 1)"].given(grads)
    assert {k: g if g is None else g.tolist() for k, g in clamped.items()} == {
        "w": [[1.0, -0.5]], "b": [-1.0], "x": None,
    }
    assert found["g = clamp(-5, g, 5)"].given(grads) is grads
    one: Any = {"w": np.array([1.0, -0.5])}
    assert found["g = clamp(-1, g, 1)"].given(one) is one  # at the limit, not above it
    assert found["g = clamp(-0.5, g, 0.5)"].given(one)["w"].tolist() == [0.5, -0.5]  # type: ignore[union-attr]
    below: Any = {"w": np.array([-4.0])}
    assert found["g = clamp(-1, g, 1)"].given(below)["w"].tolist() == [-1.0]  # type: ignore[union-attr]
    assert found["g = clamp(-2, g, 2)"].given(grads) is not grads


def test_hyperparameters_may_be_kept_in_single_precision() -> None:
    """One of them, or all but words and counts; those of layers too, and of what is wrapped."""
    optimizer = Lookahead(inner=Adam(beta1=0.9, eps=1e-8), k=5, alpha=0.8).for_layers(
        {"b": {"eps": 1e-3, "k": 3}, "w": {"beta1": 0.7}}
    )
    found = {h.line: h for h in habits([optimizer]) if h.name == "hyper.float32"}
    one = found["eps = float32(eps)"]
    single = {x: float(np.float32(x)) for x in (0.9, 1e-8, 0.8, 1e-3, 0.7, 0.999)}
    assert one.was == "eps"
    told = one.told(optimizer, {})
    assert told == Lookahead(inner=Adam(beta1=0.9, eps=single[1e-8]), k=5, alpha=0.8).for_layers(
        {"b": {"eps": single[1e-3], "k": 3}, "w": {"beta1": 0.7}}
    )
    everything = found["hyperparameters = float32(hyperparameters)"].told(optimizer, {})
    assert everything.hyper() == optimizer.hyper() | {
        "beta1": single[0.9], "beta2": single[0.999], "eps": single[1e-8], "alpha": single[0.8],
        "lr": float(np.float32(optimizer.hyper()["lr"])),
    }
    assert dict(dict(everything.layers)["b"]) == {"eps": single[1e-3], "k": 3}
    assert type(dict(dict(everything.layers)["w"])["beta1"]) is float
    (cap,) = (h for h in habits([Paratrooper(cap=0.7)]) if h.line == "cap = float32(cap)")
    assert cap.told(Paratrooper(), {}) == Paratrooper()  # whose ceiling is a word
    assert "lr = float32(lr)" not in found  # a step has its own
    assert not [h for h in habits([optimizer], "float32") if h.name == "hyper.float32"]
    assert "k = float32(k)" not in found


def test_a_rate_may_be_that_of_the_start() -> None:
    """Whatever the step's is; with layers that have their own, of one of these or for all."""
    plain = Adam(lr=0.5)
    (kept,) = (h for h in habits([plain]) if h.name == "rate.kept")
    assert (kept.rate(plain, 0.125), kept.told(plain, {})) == (0.5, plain)
    own = plain.for_layers({"b": {"lr": 0.25}})
    each, shared = (h for h in habits([own]) if h.name == "rate.kept")
    assert (each.told(own, {}), shared.told(own, {})) == (own, plain)
    assert each.rate(own, 0.125) == shared.rate(own, 0.125) == 0.5
    others = {h.name: h for h in habits([plain])}
    assert others["gradient.clipped"].rate(plain, 0.125) == 0.125


def test_decay_rates_may_be_swapped() -> None:
    """Of layers too, where one may have only one of them; whoever has none is not asked."""
    assert not [h for h in habits([SGD(), LARS()]) if h.name == "hyper.betas_swapped"]
    (swaps,) = (h for h in habits([SGD(), Adam()]) if h.name == "hyper.betas_swapped")
    wrapped = Lookahead(inner=Adam(beta1=0.5, beta2=0.75), k=3).for_layers(
        {"b": {"beta1": 0.25, "eps": 1.0}}
    )
    assert swaps.told(wrapped, {}) == Lookahead(inner=Adam(beta1=0.75, beta2=0.5), k=3).for_layers(
        {"b": {"beta2": 0.25, "eps": 1.0}}
    )
    assert swaps.told(SGD(momentum=0.5), {}) == SGD(momentum=0.5)


def test_gradients_may_be_centralised_by_rows() -> None:
    """Of layers of so many axes or more, over all of them but the first."""
    grads: Any = {"w": np.array([[1.0, 3.0], [2.0, 2.0]]), "b": np.array([1.0, 2.0]), "x": None}
    two, three, four = (h for h in habits([Adam()]) if h.name == "gradient.centralised")
    centred = two.given(grads)
    assert centred["w"].tolist() == [[-1.0, 1.0], [0.0, 0.0]]  # type: ignore[union-attr]
    assert centred["b"] is grads["b"]
    assert three.given(grads) is grads
    kernel: Any = {"c": np.arange(4.0).reshape(2, 1, 1, 2)}
    assert [h.given(kernel)["c"].ravel().tolist() for h in (three, four)] == [  # type: ignore[union-attr]
        [-0.5, 0.5, -0.5, 0.5]
    ] * 2


def test_moments_may_begin_anew_at_synchronisations() -> None:
    """Of optimizers that have some; slow weights are kept."""
    assert not [h for h in habits([Adam()]) if h.name == "sync.moments_reset"]
    ranger, sgd = Ranger(k=3), Lookahead(inner=SGD(), k=3)
    (reset,) = (h for h in habits([ranger, Adam()]) if h.name == "sync.moments_reset")
    assert [reset.lost(ranger, t) for t in (2, 3, 6)] == [(), ("m", "v"), ("m", "v")]
    assert reset.lost(sgd, 3) == ("u",)
    assert reset.lost(Adam(), 3) == ()
