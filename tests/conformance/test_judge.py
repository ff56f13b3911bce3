"""Comparison: what is off, by how much, and where first."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from paratrooper_ref.arithmetic.running import FLOAT32, REFERENCE, Running
from paratrooper_ref.conformance import Profile
from paratrooper_ref.conformance.bounds import lines
from paratrooper_ref.conformance.judge import _Hearing, first_departure, shares
from paratrooper_ref.conformance.verdict import Share
from paratrooper_ref.conformance.wanted import Number, computed, distance, proved, share
from paratrooper_ref.golden.corpus import Corpus
from paratrooper_ref.golden.document import Golden, Step
from paratrooper_ref.optimizers import (
    OPTIMIZERS,
    SGD,
    Adam,
    Optimizer,
    Paratrooper,
    RAdam,
    Ranger,
    State,
)

CORPUS = Corpus()
Layers = dict[str, dict[str, Any]]


def number(*hi: float, lo: float = 0.0, slack: float = 0.0) -> Number:
    """Return wanted numbers."""
    return Number(np.array(hi), np.full(len(hi), lo), np.full(len(hi), slack))


# ------------------------------------------------------------------ distances


def test_a_distance_is_from_hi_and_lo_beyond_the_slack() -> None:
    """Never negative: what may be right is not off."""
    got = np.array([[1.0, 2.0, 3.5]])

    assert distance(got, number(1.0, 2.5, 3.0)).tolist() == [0, 0.5, 0.5]
    assert distance(np.array([1.0]), number(1.0, lo=2.0**-60)).tolist() == [2.0**-60]
    assert distance(np.array([1.0]), number(1.0, lo=-(2.0**-60))).tolist() == [2.0**-60]
    assert distance(got, number(1.0, 2.5, 3.0, slack=0.125)).tolist() == [0, 0.375, 0.375]
    assert np.isnan(distance(np.array([np.nan]), number(1.0)))


def test_a_share_is_a_distance_over_its_bound() -> None:
    """Without end where nothing may be off; 0 where there is no bound."""
    off = np.array([0.0, 0.5, 0.5, np.nan, 0.5])

    assert share(off, np.array([0.0, 0.25, 0.0, 1.0, np.inf])).tolist() == [
        0, 2, math.inf, math.inf, 0,
    ]
    assert share(off[:2], np.array([0.25])).tolist() == [0, 2]
    assert share(off[:2], 0.125).tolist() == [0, 4]
    assert share(off[:2], np.array([[0.25], [0.125]])).tolist() == [0, 4]


def test_shares_say_where_each_slot_is_most_off() -> None:
    """A layer without a bound has to be what it was; what is not shown is not asked."""
    bounds = {"w": {"theta": Running(np.zeros(2), np.array([0.5, 0.25]), FLOAT32)}}
    wanted = {
        "w": {"theta": number(1.0, 2.0), "m": number(0.0, 0.0)}, "b": {"theta": number(3.0)},
    }
    first, second = shares(7, wanted, {"w": {"theta": [1.25, 2.5]}, "b": {"theta": 3.0}}, bounds)
    (_, moved) = shares(7, wanted, {"w": {"theta": [1.0, 2.0]}, "b": {"theta": 3.5}}, bounds)

    assert first == Share(
        t=7, layer="w", tag="theta", share=2.0, index=1, got=2.5, wanted=2.0, bound=0.25
    )
    assert {type(x) for x in (first.share, first.got, first.wanted, first.bound)} == {float}
    assert (second.layer, second.share, second.bound) == ("b", 0, 0)
    gap = {"w": {"theta": number(1.0), "m": number(1.0), "v": number(1.0)}}
    assert [s.tag for s in shares(7, gap, {"w": {"theta": 1.0, "v": 1.0}}, {})] == ["theta", "v"]
    assert moved.share == math.inf


def test_what_is_wanted_is_proved_or_computed() -> None:
    """Within the reference's own bound of each other; a frozen layer stays as it is."""
    golden = CORPUS.load(CORPUS.manifest().cases["adam/frozen-first-decimal"])
    for step in golden.steps:
        state, grads = golden.state(step), golden.gradients(step)
        exact = proved(golden, step)
        found = computed(golden.optimizer, state, grads, step.lr)
        for layer, slots in exact.items():
            assert set(slots) == set(found[layer]) == {"theta", "m", "v"}
            for slot, x in slots.items():
                own = found[layer][slot]
                assert (distance(own.hi, x) <= own.slack).all()
                assert not x.slack.any()
                if grads[layer] is None:
                    assert own.hi.tolist() == state.slot(slot)[layer].ravel().tolist()
                    assert not own.slack.any()
                    assert not own.lo.any()
                else:
                    assert own.slack.any()


def test_errors_of_inputs_are_part_of_what_is_wanted() -> None:
    state = State(params={"w": np.ones(2), "b": np.ones(1)}, t=3, u={
        "w": np.full(2, 0.5), "b": np.full(1, 0.25),
    })
    errors = {"w": {"theta": np.array([0.5, 0.0])}, "b": {"u": np.array([0.125])}}
    found = computed(
        SGD(lr=1.0, momentum=0.5), state, {"w": np.full(2, 0.25), "b": None}, None, errors
    )
    assert found["w"]["theta"].slack.tolist() == [pytest.approx(0.5), pytest.approx(0, abs=1e-15)]
    assert found["w"]["theta"].hi.tolist() == [0.5, 0.5]
    assert found["b"]["u"].slack.tolist() == [0.125]
    assert not found["b"]["theta"].slack.any()


# ------------------------------------------------------------------ where it begins


def adam_step(**changes: Any) -> tuple[Layers, State, dict[str, Any], Optimizer]:
    """Return the lines of a step, in doubles, with some of them moved."""
    adam = Adam(lr=0.5, weight_decay=0.125)
    state = State(
        params={"w": np.array([1.0, 2.0])}, t=3, m={"w": np.array([0.5, 0.25])},
        v={"w": np.array([0.5, 0.125])},
    )
    grads = {"w": np.array([0.25, -1.0])}
    _, found = adam.step(state, grads)
    got = {"w": {tag: np.array(x, dtype=float) for tag, x in found["w"].items()}}
    for tag, factor in changes.items():
        got["w"][tag] = got["w"][tag] * factor
    return got, state, grads, adam


def departure(got: Layers, *step: Any, **more: Any) -> Any:
    """Return where such a step (state, gradients, optimizer) first departs, in doubles."""
    state, grads, optimizer = step
    profile = more.pop("profile", Profile(dtype="float64"))
    return first_departure(optimizer, state, grads, None, profile, got, more.pop("off", None))


def test_an_honest_step_departs_nowhere() -> None:
    assert departure(*adam_step()) is None


def test_a_line_departs_beyond_its_bound_and_that_of_the_reference() -> None:
    """The reference is evaluated in doubles: a double may be twice as far from it as from truth."""
    _, state, grads, adam = adam_step()

    def last(dtype: str) -> tuple[float, Any]:
        """Return how many bounds off the last theta is that agrees, and where the next departs."""
        profile = Profile(dtype=dtype)
        known = lines(adam, state, grads, None, profile)["w"]["theta"]
        value, error = known.value.copy(), known.error[0]
        for _ in range(100):
            off = abs(value[0] - known.value[0]) / error
            value[0] += max(error / 16, np.spacing(value[0]))
            found = departure({"w": {"theta": value}}, state, grads, adam, profile=profile)
            if found is not None:
                return off, found.at.tag
        return math.inf, None

    for dtype, bounds in (("float64", 2), ("float32", 1)):
        off, tag = last(dtype)
        assert tag == "theta"
        assert bounds - 0.4 < off <= bounds * (1 + 2.0**-28)


@pytest.mark.parametrize(
    "tag", ["regularized", "m", "v", "m_hat", "v_hat", "denominator", "direction", "update",
            "theta", "beta1_t", "beta2_t"],
)
def test_the_first_line_that_is_off_is_named(tag: str) -> None:
    """Those after it follow from it, and are no news."""
    got, *step = adam_step()
    others = adam_step(**{tag: 1 + 1e-6})[0]
    found = departure(others, *step)
    assert found.at.tag == tag
    assert found.at.share > 1
    assert found.at.t == 4
    tags = [s.tag for s in found.agreed]
    order = ["regularized", "m", "v", "beta1_t", "beta2_t", "m_hat", "v_hat", "denominator",
             "direction", "update", "theta"]
    assert tags == order[: order.index(tag)]
    assert max([0.0, *(s.share for s in found.agreed)]) <= 1
    assert found.unseen == ()
    assert found.at.index in (0, 1)
    assert found.at.got == np.ravel(others["w"][tag])[found.at.index]
    assert found.at.wanted == pytest.approx(np.ravel(got["w"][tag])[found.at.index], rel=1e-12)


def test_lines_in_between_that_are_not_shown_are_said() -> None:
    """Only those since the last that agrees."""
    got, *step = adam_step(theta=1.5)
    for tag in ("regularized", "denominator", "direction"):
        del got["w"][tag]
    found = departure(got, *step)
    assert found.at.tag == "theta"
    assert found.unseen == ()
    del got["w"]["update"]
    assert departure(got, *step).unseen == ("denominator", "direction", "update")
    alone = departure({"w": {"theta": got["w"]["theta"]}}, *step)
    assert alone.agreed == []
    assert alone.unseen == (
        "regularized", "m", "v", "beta1_t", "beta2_t", "m_hat", "v_hat", "denominator",
        "direction", "update",
    )
    first = departure({"w": {"regularized": np.zeros(2)}}, *step)
    assert (first.at.tag, first.unseen) == ("regularized", ())


def sgd_step(u: float) -> tuple[State, dict[str, Any], Optimizer]:
    """Return a step of momentum alone: u = u / 2 + 0, and an update of the same size."""
    state = State(params={"w": np.full(2, 64.0)}, t=3, u={"w": np.full(2, 2 * u)})
    return state, {"w": np.zeros(2)}, SGD(lr=1.0, momentum=0.5)


def test_a_line_is_allowed_its_own_rounding_and_no_other() -> None:
    """What it starts from is what the backend has, to the last bit."""
    profile = Profile(dtype="float32", forms=False)
    for off, departs in ((0.75, False), (1.5, True)):
        update = np.full(2, -0.25 * (1 + off * 2.0**-24))
        got = {"w": {"u": np.full(2, -0.25), "direction": np.full(2, -0.25), "update": update}}
        found = departure(got, *sgd_step(-0.25), profile=profile)
        assert (found is not None) is departs
    assert found.at.tag == "update"
    assert found.at.share == pytest.approx(1.5, rel=1e-8)


def test_a_coarse_slot_may_be_a_register_of_more_bits() -> None:
    """Off by the slot's rounding of the number that it shows, of any sign and size."""
    profile = Profile(dtype="float32", slots={"u": "bfloat16"}, forms=False)
    for u in (-0.25, 8.0):
        for off, departs in ((0.99, False), (1.01, True)):
            direction = np.full(2, u * (1 + off * 2.0**-8))
            got = {"w": {"u": np.full(2, u), "direction": direction}}
            found = departure(got, *sgd_step(u), profile=profile)
            assert (found is not None) is departs, (u, off)
        assert found.at.tag == "direction"


def test_one_number_may_be_shown_for_all() -> None:
    state, grads, sgd = sgd_step(-0.25)
    assert departure({"w": {"direction": -0.25, "update": [-0.25]}}, state, grads, sgd) is None
    assert departure({"w": {"direction": -0.5}}, state, grads, sgd).at.tag == "direction"


def test_what_follows_is_held_to_the_backends_own_numbers() -> None:
    """A wrong m that a right step goes on from is one departure; a wrong step after it another."""
    got, state, grads, adam = adam_step(m=1.5)
    m = got["w"]["m"]
    got["w"]["m_hat"] = m / (1 - 0.9**4)
    found = departure({"w": {k: got["w"][k] for k in ("m_hat", "v", "theta")}}, state, grads, adam)
    assert found.at.tag == "m_hat"  # m is not shown
    held = {"w": {k: got["w"][k] for k in ("m", "m_hat")}}
    assert departure(held, state, grads, adam).at.tag == "m"


def test_a_branch_that_is_not_taken_is_off_without_end() -> None:
    state = State(
        params={"w": np.ones(1)}, t=9, m={"w": np.ones(1)}, v={"w": np.ones(1)}, warmup="momentum"
    )
    grads = {"w": np.ones(1)}
    found = departure({"w": {"rectified": np.array(0.0)}}, state, grads, RAdam())
    assert (found.at.tag, found.at.share, found.at.got, found.at.wanted) == (
        "rectified", math.inf, 0, 1,
    )
    assert type(found.at.got) is type(found.at.wanted) is float
    right = {"w": {"rectified": np.array(1.0), "theta": np.zeros(1)}}
    later = departure(right, state, grads, RAdam())
    assert later.at.tag == "theta"
    assert [(s.tag, s.share) for s in later.agreed] == [("rectified", 0)]
    assert departure({"w": {"rectified": np.array(1.0)}}, state, grads, RAdam()) is None


def test_a_branch_is_off_before_the_plain_numbers_that_it_assigns() -> None:
    """The cap is 10 before the step is rectified, and no number of t; what is one comes first."""
    layers: dict[str, Any] = {name: {"w": np.ones(1)} for name in ("m", "v", "slow")}
    state = State(params={"w": np.ones(1)}, t=4, warmup="momentum", **layers)

    def first(**got: float) -> Any:
        shown = {"w": {tag: np.array(x) for tag, x in got.items()}}
        return departure(shown, state, {"w": np.ones(1)}, Paratrooper()).at.tag

    assert first(cap=7.0, rectified=1.0) == "rectified"
    assert first(cap=7.0, rectified=0.0) == first(cap=7.0) == "cap"
    assert first(cap=7.0, rectified=1.0, m=7.0) == "m"
    assert first(cap=7.0, rectified=1.0, beta1_t=0.5) == "beta1_t"


def test_a_branch_that_is_not_decided_is_taken_as_real_numbers_have_it() -> None:
    """At the threshold: the lines after it are looked at all the same."""
    state = State(
        params={"w": np.ones(1)}, t=5, m={"w": np.ones(1)}, v={"w": np.ones(1)}, warmup="momentum"
    )
    rho = 2 / (1 - 0.999) - 1 - 2 * 6 * 0.999**6 / (1 - 0.999**6)
    found = departure(
        {"w": {"m": np.array([2.0])}}, state, {"w": np.ones(1)}, RAdam(threshold=rho),
        profile=Profile(scalars="array"),
    )
    assert found.at.tag == "m"


def test_a_step_that_follows_everywhere_departs_where_it_is_told() -> None:
    """It has taken another branch, for which the reference has no line."""
    got, *step = adam_step()
    off = Share(t=4, layer="w", tag="theta", share=3.0)
    found = departure({"w": {"m": got["w"]["m"]}}, *step, off=off)
    assert found.at is off
    assert [s.tag for s in found.agreed] == ["m"]
    assert "theta" in found.unseen
    elsewhere = departure({}, *step, off=replace(off, layer="b"))
    assert (elsewhere.agreed, elsewhere.unseen) == ([], ())


@pytest.mark.parametrize(("t", "asked"), [(4, True), (5, False), (6, True)])
def test_the_parameters_before_a_synchronisation_are_not_looked_at(t: int, asked: bool) -> None:
    """At t = k the fast ones have gone when a backend shows its own."""
    ranger = Ranger(k=6, lr=0.5, warmup="momentum")
    layers = {name: {"w": np.array([0.5, 2.0])} for name in ("m", "v", "slow")}
    state = State(params={"w": np.array([1.0, 2.0])}, t=t, warmup="momentum", **layers)  # type: ignore[arg-type]
    grads = {"w": np.array([0.25, -1.0])}
    after, _ = ranger.step(state, grads)
    got = {"w": {slot: after.slot(slot)["w"] for slot in ("theta", "m", "v", "slow")}}
    assert departure(got, state, grads, ranger) is None
    moved = {"w": {**got["w"], "theta": got["w"]["theta"] * 1.5}}
    found = departure(moved, state, grads, ranger)
    assert found.at.tag == "theta"
    assert ("slow" in [s.tag for s in found.agreed]) is not asked


def test_a_register_may_hold_more_than_its_slot() -> None:
    """What is read from a coarse slot begins with the slot's rounding."""
    got, *step = adam_step()
    profile = Profile(dtype="float64", slots={"m": "float32"})
    got["w"]["m"] = got["w"]["m"].astype(np.float32).astype(float) * (1 + 2.0**-25)
    assert departure(got, *step, profile=profile) is None
    got["w"]["m"] = got["w"]["m"] * (1 + 2.0**-20)
    assert departure(got, *step, profile=profile).at.tag == "m"


def test_bounds_of_the_reference_are_not_those_of_a_backend() -> None:
    """What is computed instead of proved is known to neighbours added in double precision."""
    got, state, grads, adam = adam_step()
    own = computed(adam, state, grads, None)["w"]["theta"]
    allowed = lines(adam, state, grads, None, Profile(dtype="float32"))["w"]["theta"]
    assert REFERENCE.sums == "neighbours"
    assert (own.slack * 2.0**20 < allowed.error).all()
    assert (distance(got["w"]["theta"], own) == 0).all()


# ------------------------------------------------------------------ every rule


@pytest.mark.parametrize("algorithm", OPTIMIZERS)
def test_lines_of_any_rule_are_followed_to_the_end(algorithm: str) -> None:
    """Helpers of forms, flags, numbers of a layer among them, and what a rule assigns twice.

    That is a ratio that is switched off, a cap before rectification, and parameters at a
    synchronisation; a backend shows the last.
    """
    entries = CORPUS.manifest().cases
    for name, i in (("shapes", -1), ("layers", 0), ("layers", -1), ("sync", -1)):
        if (case := f"{algorithm}/{name}-decimal") in entries:
            golden = CORPUS.load(entries[case])
            _followed(golden, golden.steps[i])


def _followed(golden: Golden, step: Step) -> None:
    profile = Profile(dtype="float64")
    given = (golden.optimizer, golden.state(step), golden.gradients(step), step.lr, profile)
    _, found = golden.optimizer.step(*given[1:3], step.lr)
    got = {layer: dict(tagged) for layer, tagged in found.items()}
    assert first_departure(*given, got) is None, golden.case
    for layer, tagged in got.items():
        for tag, x in tagged.items():
            wrong = (not x) if isinstance(x, bool) else x * (1 + 1e-6)
            waits = tag == "theta" and np.array_equal(x, given[1].params[layer])
            if tag in ("g", "lr") or waits or np.all(wrong == x):  # given, or 0, or infinite
                continue
            off = first_departure(*given, got | {layer: tagged | {tag: wrong}})
            assert off is not None, tag
            assert (off.at.layer, off.at.tag) == (layer, tag)


def test_a_line_at_its_bound_has_not_departed() -> None:
    """An error of the bound itself is allowed; the next double is not."""
    hearing = _Hearing(1, Profile(dtype="float32"), {}, Counter())
    at = Share(t=1, layer="w", tag="m", share=1.0, got=2.0, wanted=1.0)
    hearing.heard["w"] = [at]

    assert hearing.departure(None) is None
    hearing.heard["w"] = [replace(at, share=math.nextafter(1, 2))]
    assert hearing.departure(None) is not None
