"""The gate and the kit, one clause at a time: what is asked, what is left out, which verdict."""

from __future__ import annotations

import re
import threading
import time
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from paratrooper_ref import RAdamW
from paratrooper_ref.conformance import Profile, ReferenceBackend, check
from paratrooper_ref.conformance.adapted import differences, without
from paratrooper_ref.conformance.attribute import Explained
from paratrooper_ref.conformance.backend import Lacks, Unsupported
from paratrooper_ref.conformance.gate import Gate, _same_step, cases, names
from paratrooper_ref.conformance.kit import _agreeing, _of_choice
from paratrooper_ref.conformance.kit import names as all_names
from paratrooper_ref.conformance.remembered import BY_LAYER
from paratrooper_ref.conformance.verdict import (
    CONFORMS,
    DEPARTS,
    GRADIENT,
    HANGS,
    KEEPS,
    RAISES,
    UNSTABLE,
    UNSUPPORTED,
    Like,
    Result,
    raised,
)
from paratrooper_ref.conformance.watch import SECONDS
from paratrooper_ref.golden.corpus import Corpus
from paratrooper_ref.golden.document import Golden
from paratrooper_ref.optimizers import Adam, AdamW, Lookahead
from paratrooper_ref.variants import VARIANTS, changed

CORPUS = Corpus()


def case(name: str) -> Golden:
    """Return a core case."""
    return CORPUS.load(CORPUS.manifest().cases[name])


PLAIN = case("adam/plain-decimal")
FIRST = case("adam/shapes-decimal")


class Backend(ReferenceBackend):
    """The reference in float32, with something before each step."""

    def __init__(self, before: Any = None, dtype: str = "float32", **facts: Any) -> None:
        super().__init__(dtype)
        self.before, self.steps = before, 0
        for name, value in facts.items():
            setattr(self, name, value)

    def step(self, handle: Any, grads: Any, lr: float) -> None:
        self.steps += 1
        if self.before is not None:
            self.before(self, handle, grads, lr)
        super().step(handle, grads, lr)


def gone(backend: Any, *golden: Golden, **options: Any) -> list[Result]:
    """Return what the gate says."""
    return Gate(backend, **options).run(golden or (PLAIN,))


# ------------------------------------------------------------------ verdicts


def test_each_step_is_taken_once_and_the_first_good_case_again() -> None:
    backend = Backend()
    told: list[str] = []
    began = time.perf_counter()
    results = Gate(backend).run(iter([PLAIN, FIRST]), progress=told.append)
    elapsed = time.perf_counter() - began

    assert [r.verdict for r in results] == [CONFORMS, CONFORMS]
    assert told == [PLAIN.case, FIRST.case]
    assert [r.steps for r in results] == [r.of for r in results]
    assert backend.steps == 2 * len(PLAIN.steps) + len(FIRST.steps)
    assert all(r.t is None and r.departure is None and r.replay is None for r in results)
    assert not any(r.adapted for r in results)
    assert all(0 < r.seconds < elapsed for r in results)


def test_a_failure_ends_a_case_and_says_where() -> None:
    def fails(backend: Any, handle: Any, *_: Any) -> None:
        if handle.state.t == PLAIN.steps[1].t - 1:
            msg = "no"
            raise KeyError(msg)

    (result,) = gone(Backend(fails))
    assert result.verdict == RAISES
    assert re.fullmatch(r"KeyError: 'no'; at test_gate\.py:\d+, in fails", result.detail)
    assert (result.t, result.steps, result.of) == (PLAIN.steps[1].t, 1, len(PLAIN.steps))
    assert result.replay is not None
    assert result.replay["question"].state.t == PLAIN.steps[1].t - 1
    assert result.replay["shown"] is None


def test_a_number_just_outside_of_its_bound_departs() -> None:
    """The next number of its format, which is inside, conforms."""
    gate = Gate(Backend())
    gate.run([PLAIN])
    first = gate.taken[PLAIN.case][0]
    layer = next(iter(PLAIN.layers))
    wanted = float(first.wanted[layer]["m"].hi[0])
    bound = float(first.bounds[layer]["m"].error.ravel()[0])
    inside = outside = np.float32(wanted)
    while abs(float(outside) - wanted) <= bound:
        inside, outside = outside, np.nextafter(outside, np.float32(np.inf))
    assert 1 < abs(float(outside) - wanted) / bound < 2

    class Showing(Backend):
        shows, after_the_first = outside, False

        def start(self, *args: Any, **kwargs: Any) -> Any:
            self.after_the_first = False
            return super().start(*args, **kwargs)

        def step(self, handle: Any, grads: Any, lr: float) -> None:
            super().step(handle, grads, lr)
            self.after_the_first = handle.state.t == PLAIN.steps[0].t

        def read(self, handle: Any) -> Any:
            found = super().read(handle)
            if self.after_the_first:
                found["m"][layer].flat[0] = self.shows
            return found

    (result,) = gone(Showing())
    assert (result.verdict, result.steps) == (DEPARTS, 1)
    assert 1 < max(s.share for s in result.shares) < 2
    assert gone(Showing(shows=inside))[0].verdict == CONFORMS


def test_what_departs_can_be_asked_again() -> None:
    """The question, and what was shown then."""

    def changes(backend: Any, handle: Any, *_: Any) -> None:
        if handle.state.t == PLAIN.steps[1].t - 1:
            handle.optimizer = replace(handle.optimizer, beta1=0.5)

    gate = Gate(Backend(changes))
    (result,) = gate.run([PLAIN])
    assert (result.verdict, result.t, result.steps) == (DEPARTS, PLAIN.steps[1].t, 2)
    assert result.replay is not None
    assert result.departure is not None
    assert result.departure.at.t == result.t
    last = gate.taken[PLAIN.case][1]
    assert result.replay["question"] is last.question
    assert result.replay["shown"] is last.shown


def test_an_exception_without_words_is_its_name() -> None:
    def leaves(*_: Any) -> None:
        raise SystemExit

    (result,) = gone(Backend(leaves))
    assert result.verdict == RAISES
    assert re.fullmatch(r"SystemExit; at test_gate\.py:\d+, in leaves", result.detail)


def test_a_departure_is_told_by_its_line_and_taken_again() -> None:
    wrong = ReferenceBackend("float32", variant="adam.eps_hat")
    tiny = case("adam/tiny-decimal")
    (result,) = gone(wrong, tiny)
    assert result.verdict == DEPARTS
    assert result.departure is not None
    assert result.departure.at.share > 1
    assert result.detail.startswith("theta of layer ")
    assert result.t == tiny.steps[result.steps - 1].t
    assert result.replay is not None


def test_what_is_not_the_same_again_is_kept_state() -> None:
    def drifts(backend: Any, handle: Any, grads: Any, lr: float) -> None:
        for g in grads.values():
            g *= 1 + 0.25 * backend.steps

    def drifts_within(backend: Any, handle: Any, grads: Any, lr: float) -> None:
        if backend.steps > len(PLAIN.steps):
            handle.state = handle.optimizer.init(handle.state.params)

    # The gradient is the backend's own copy: to change it is a fault too.
    (result,) = gone(Backend(drifts))
    assert result.verdict == KEEPS
    assert "taken again" in result.detail
    (later,) = gone(Backend(drifts_within))
    assert later.verdict == KEEPS
    assert later.detail.startswith(f"taken first it {CONFORMS}, taken again it ")
    assert later.t == PLAIN.steps[1].t  # the first that is not from the start

    def drifts_first(backend: Any, handle: Any, *_: Any) -> None:
        if backend.steps == 1:
            handle.optimizer = replace(handle.optimizer, beta1=0.5)

    (first,) = gone(Backend(drifts_first))
    assert (first.verdict, first.t) == (KEEPS, PLAIN.steps[0].t)
    assert first.detail.startswith(f"taken first it {DEPARTS}, taken again it {CONFORMS}")


    def drifts_last(backend: Any, handle: Any, *_: Any) -> None:
        if backend.steps == 2 * len(PLAIN.steps):
            handle.optimizer = replace(handle.optimizer, beta1=0.5)

    (last,) = gone(Backend(drifts_last))  # the steps before it are the same
    assert (last.verdict, last.t) == (KEEPS, PLAIN.steps[-1].t)


def test_what_conforms_again_with_other_bits_conforms() -> None:
    """Sums in another order are honest too; what was shown first is what is kept."""

    class Counting(Backend):
        def probe(self, handle: Any) -> Any:
            return {layer: {"update": float(self.steps)} for layer in handle.state.params}

    gate = Gate(Counting())
    (result,) = gate.run([PLAIN])
    assert result.verdict == CONFORMS
    layer = next(iter(PLAIN.layers))
    assert [taken.shown[layer]["update"] for taken in gate.taken[PLAIN.case]] == [1, 2, 3]


def test_a_step_where_there_is_none_departs_in_what_is_most_off() -> None:
    """The reference does not step at first, and so has no line that could be off."""
    backend = ReferenceBackend("float32", variant="radam.warmup_opposite")
    (found,) = gone(backend, case("radam/switch-255_256-none-dyadic"))
    assert found.departure is not None
    assert found.departure.at == max(found.shares, key=lambda s: s.share)
    assert found.detail == "theta of layer 'w' is off by inf times its bound"


def test_what_a_step_changes_besides_is_said() -> None:
    """Alone it is the verdict; where the step departs it is told with that."""

    class Spoiling(ReferenceBackend):
        first = 0

        def step(self, handle: Any, grads: Any, lr: float) -> None:
            super().step(handle, grads, lr)
            for g in grads.values():
                g *= 1 if handle.state.t < self.first else 2

    said = f"the gradient of layer {next(iter(PLAIN.layers))!r} is another after the step"
    (alone,) = gone(Spoiling("float32"))
    assert (alone.verdict, alone.detail, alone.steps) == (GRADIENT, said, 1)
    assert alone.departure is None
    later: Any = Spoiling("float32")
    later.first = PLAIN.steps[1].t
    (second,) = gone(later)
    assert (second.verdict, second.t, second.steps) == (GRADIENT, PLAIN.steps[1].t, 2)
    (both,) = gone(Spoiling("float32", variant="adam.betas_swapped"))
    assert both.verdict == DEPARTS
    assert both.detail.startswith("m of layer ")
    assert both.detail.endswith(" times its bound")
    assert both.besides == f"{GRADIENT}: {said}"


def test_what_hangs_is_left() -> None:
    def sleeps(*_: Any) -> None:
        time.sleep(0.5)

    (result,) = gone(Backend(sleeps), seconds=0.05)
    assert (result.verdict, result.detail) == (HANGS, "no answer in 0.05 s")
    *_, last = gone(Backend(sleeps), *[PLAIN] * 3, FIRST, seconds=0.01)
    assert (last.verdict, last.detail) == (HANGS, "not called: 3 calls before it have hung")


def test_gates_in_turn_take_their_steps_on_one_thread() -> None:
    threads = []
    for _ in range(2):
        gone(Backend(lambda *_: threads.append(threading.current_thread())))
    assert len(set(threads)) == 1
    assert threads[0] is not threading.current_thread()


def test_what_cannot_be_asked_is_unsupported_with_its_reason() -> None:
    def refuses(*_: Any) -> None:
        raise Unsupported

    (silent,) = gone(Backend(refuses))
    assert (silent.verdict, silent.detail, silent.steps) == (
        UNSUPPORTED, "no reason given", 0,
    )
    (fresh,) = gone(Backend(profile=Profile(inject=False)))
    assert (fresh.verdict, fresh.steps) == (CONFORMS, 1)  # the first step of three
    (late,) = gone(Backend(profile=Profile(inject=False)), case("adam/wide-decimal"))
    assert (late.verdict, late.detail) == (UNSUPPORTED, "its state cannot be set")
    tiny = case("adam/tiny-decimal")
    for slot in ("g", "v"):
        (narrow,) = gone(Backend(profile=Profile(slots={slot: "float16"})), tiny)
        assert (narrow.verdict, narrow.detail) == (
            UNSUPPORTED, "inputs that float16 does not hold",
        )


def test_numbers_beyond_the_range_are_not_asked() -> None:
    """Infinite bounds and branches that have none alike."""
    for name in ("lamb/ratios-decimal", "lamb/bounds-crossed-decimal", "radam/quiet-decimal"):
        (found,) = gone(Backend(dtype="float16", profile=Profile(dtype="float16")), case(name))
        assert (found.verdict, found.detail) == (
            UNSUPPORTED, "numbers beyond the range of float16",
        )
    half = case("radam/loud-frozen-decimal")  # at t = 2 that is so of some of the numbers
    (found,) = gone(Backend(dtype="float16", profile=Profile(dtype="float16")), half)
    assert (found.verdict, found.steps) == (CONFORMS, 1)


def test_a_branch_that_is_not_decided_is_unstable_whatever_is_taken() -> None:
    """At the edge of what scalars formed in float32 decide, the kit says so."""
    golden = next(
        g for g in cases("radam", CORPUS, only="radam/switch-*")
        if "9999" in g.case or "999" in g.case
    )
    (found,) = gone(Backend(profile=Profile(scalars="array")), golden)
    assert found.verdict == UNSTABLE
    assert "after rho of layer" in found.detail
    assert "is not decided where scalars are formed in float32" in found.detail
    assert found.detail.startswith(f"t = {found.t}: ")
    assert found.detail.endswith("; this backend took the right branch")
    assert found.t == golden.steps[found.steps].t
    assert gone(Backend(), golden)[0].verdict == CONFORMS
    other = ReferenceBackend("float32", variant="radam.threshold_4")
    other.profile = Profile(scalars="array")
    (found,) = gone(other, case("radam/switch-0_9995-momentum-decimal"))
    assert found.verdict == UNSTABLE
    assert found.detail.endswith("; this backend took the other branch")


def test_an_error_that_cannot_say_what_it_is() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    class Raising(Backend):
        def step(self, *args: Any) -> None:
            raise Mute

    (found,) = gone(Raising())
    assert found.verdict == RAISES
    assert found.detail.startswith("Mute: (it has no text that can be printed); at test_gate.py:")


def test_what_cannot_be_asked_again_is_no_sign_of_what_is_kept() -> None:
    class Once(Backend):
        asked = 0

        def start(self, *args: Any) -> Any:
            self.asked += 1
            if self.asked > 1:
                msg = "once"
                raise Unsupported(msg)
            return super().start(*args)

    assert gone(Once(), PLAIN)[0].verdict != KEEPS


# ------------------------------------------------------------------ hyperparameters


class Without(Backend):
    """A backend that has no such hyperparameter unless it is what it is without."""

    def __init__(self, name: str, alone: float) -> None:
        super().__init__()
        self.lacks, self.alone = name, alone

    def start(self, spec: Any, *args: Any, **kwargs: Any) -> Any:
        if any(self.lacks in own for own in spec.get("layers", {}).values()):
            raise Lacks(self.lacks)
        if spec["hyper"][self.lacks] != self.alone:
            raise Lacks(self.lacks)
        return super().start(spec, *args, **kwargs)


def test_what_is_lacking_is_asked_without() -> None:
    golden = case("adam/layers-decimal")
    lr = golden.optimizer.hyper()["weight_decay"]
    (result,) = gone(Without("weight_decay", 0.0), golden)
    assert result.verdict == CONFORMS
    assert result.steps == result.of
    (by_layer,) = gone(Without("weight_decay", lr), golden)
    assert by_layer.adapted == {"by layer": "fewer"}
    (plain,) = gone(Without("weight_decay", 0.0))
    for found in (result, by_layer, plain):
        assert [s.t for s in found.shares] == sorted(s.t for s in found.shares)
    if lr:
        assert result.adapted["weight_decay"] == 0.0
    (never,) = gone(Without("eps", -1.0), golden)
    assert never.verdict == UNSUPPORTED
    assert never.detail == "has no eps"


def test_what_a_later_step_lacks_no_step_is_asked_with() -> None:
    """The steps before it are asked again, and the result is of all."""

    class Later(Without):
        def start(self, spec: Any, params: Any, state: Any = None) -> Any:
            if state is None or state["t"] < 2:
                return Backend.start(self, spec, params, state)
            return super().start(spec, params, state)

    golden = case("adam/plain-decimal")
    gate = Gate(Later("weight_decay", 0.0))
    result = gate.case(golden)
    assert (result.verdict, result.steps, result.adapted) == (CONFORMS, 3, {"weight_decay": 0.0})
    asked = [step.question.spec["hyper"]["weight_decay"] for step in gate.taken[golden.case]]
    assert asked == [0.0, 0.0, 0.0]


def test_to_be_without_is_first_by_layer_then_at_all() -> None:
    own = AdamW(weight_decay=0.25, eps=0.5).for_layers(
        {"a": {"weight_decay": 0.5, "lr": 1.0}, "b": {"weight_decay": 0.5}}
    )
    fewer = without(own, "weight_decay")
    assert fewer == AdamW(weight_decay=0.25, eps=0.5).for_layers({"a": {"lr": 1.0}})
    none = without(AdamW(weight_decay=0.25), "weight_decay")
    assert none == AdamW(weight_decay=0.0)
    assert without(AdamW(weight_decay=0.0), "weight_decay") is None
    assert without(AdamW(eps=0.5), "eps") == AdamW()
    assert without(AdamW(), "eps") is None
    assert without(AdamW(), "momentum") is None
    wrapped = Lookahead(inner=Adam(eps=0.5), k=3)
    assert without(wrapped, "eps") == Lookahead(inner=Adam(), k=3)
    assert without(wrapped, "k") == Lookahead(inner=Adam(eps=0.5))


def test_differences_are_what_a_backend_was_asked_instead() -> None:
    a, b = RAdamW(l2=0.5), RAdamW(l2=0.0).for_layers({"x": {"lr": 1.0}})
    assert differences(a, a) == {}
    assert differences(a, b) == {"l2": 0.0, "by layer": "fewer"}


def test_a_fixed_value_is_asked_of_all() -> None:
    """Where it makes another step the reference's own error is all that is known."""
    backend = Backend(fixed={"beta1": 0.5, "cap": 1.0})
    (result,) = gone(backend)
    assert (result.verdict, result.adapted) == (CONFORMS, {"beta1": 0.5})
    (same,) = gone(Backend(fixed={"beta1": PLAIN.optimizer.hyper()["beta1"]}))
    assert same.adapted == {}


def test_what_takes_the_same_step_is_held_to_what_is_proved() -> None:
    """Before anything is rectified the threshold says nothing."""
    golden = case("radam/plain-decimal")
    assert golden.steps[-1].t < 4
    asked: list[tuple[dict[str, float], bool]] = [
        ({}, True), ({"threshold": 4.5}, True), ({"beta1": 0.5}, False),
    ]
    for fixed, proved in asked:
        gate = Gate(Backend(fixed=fixed))
        (result,) = gate.run([golden])
        wanted = [x for taken in gate.taken[golden.case] for x in taken.wanted.values()]
        slack = any(x.slack.any() for slots in wanted for x in slots.values())
        assert (result.verdict, result.adapted, slack) == (CONFORMS, fixed, not proved)


def test_steps_are_held_to_each_other_in_silence() -> None:
    """That one of them never moves is no news; one without numbers is another step."""
    golden = case("radam/loud-decimal")  # whose first gradient asks for no steps at first
    still = replace(golden.optimizer, beta2=0.5)  # type: ignore[call-arg]
    beyond = replace(golden.optimizer, weight_decay=1e300)  # type: ignore[call-arg]
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert _same_step(golden.optimizer, golden, golden.steps[0])
        assert not _same_step(still, golden, golden.steps[0])
        assert not _same_step(beyond, golden, golden.steps[0])
    assert not seen


def test_a_layer_without_a_gradient_is_asked() -> None:
    golden = case("adam/frozen-decimal")
    (result,) = gone(Backend(), golden)
    assert (result.verdict, result.steps) == (CONFORMS, len(golden.steps))


def test_a_dialect_is_another_step_or_no_question() -> None:
    tiny = case("adam/tiny-decimal")
    hat = ReferenceBackend("float32", variant="adam.eps_hat")
    assert gone(hat, tiny, dialect="adam.eps_hat")[0].verdict == CONFORMS
    assert gone(Backend(), tiny, dialect="adam.eps_hat")[0].verdict == DEPARTS
    assert gone(hat, tiny)[0].verdict == DEPARTS
    (none,) = gone(hat, case("sgd/plain-decimal"), dialect="adam.eps_hat")
    assert (none.verdict, none.detail) == (
        UNSUPPORTED, "adam.eps_hat is no variant of sgd, but of adam or adamw or lamb",
    )
    with pytest.raises(ValueError, match=r"did you mean 'adam\.eps_hat'"):
        Gate(hat, dialect="adam.eps_hot")
    with pytest.raises(ValueError, match=r"did you mean 'adam\.eps_hat'"):
        Gate(hat, dialect="adam.eps_inside_root and adam.eps_hot")


def test_a_dialect_may_be_two() -> None:
    """Both lines are changed; two that change the same are no question."""
    plain, both = case("lars/plain-decimal"), "lars.decay_in_norm and lars.lr_outside_buffer"
    backend = ReferenceBackend("float32", variant=both)
    assert gone(backend, plain, dialect=both)[0].verdict == CONFORMS
    for one in both.split(" and "):
        half = ReferenceBackend("float32", variant=one)
        assert gone(backend, plain, dialect=one)[0].verdict == DEPARTS
        assert gone(half, plain, dialect=both)[0].verdict == DEPARTS
    same = "adam.eps_hat and adam.eps_inside_root"
    (none,) = gone(Backend(), case("adam/plain-decimal"), dialect=same)
    assert none.verdict == UNSUPPORTED
    assert "another variant may have changed it" in none.detail or "exactly once" in none.detail


# ------------------------------------------------------------------ names


def test_names_are_those_of_a_group_or_of_all_that_run_an_algorithm() -> None:
    manifest = CORPUS.manifest().cases.values()
    sgd = names("sgd", CORPUS)
    assert sgd == sorted(sgd)
    assert {name.partition("/")[0] for name in sgd} >= {"sgd", "nesterov"}
    assert {name.partition("/")[0] for name in names("nesterov", CORPUS)} == {"nesterov"}
    assert names("adam", CORPUS, only="adam/p*") == [
        e.case for e in sorted(manifest, key=lambda e: e.case)
        if e.case.startswith("adam/p") and e.tier == "core"
    ]
    assert names("adam", CORPUS, only="lamb/*") == []
    for tier in ("all", "full"):
        with pytest.raises(ValueError, match=f"the {tier} tier needs all of its cases, 57 are not"):
            names("adam", CORPUS, tier=tier)
    assert [g.case for g in cases("adam", CORPUS, only="adam/plain-*")] == [
        "adam/plain-decimal", "adam/plain-dyadic",
    ]
    with pytest.raises(ValueError, match="got algorithm='adm'; did you mean 'adam'"):
        names("adm", CORPUS)
    with pytest.raises(ValueError, match="known: adam, adamw, lamb, lars, "):
        names("nothing", CORPUS)


def test_runs_are_part_of_what_there_is_to_check() -> None:
    assert set(all_names("adam", CORPUS)) > set(all_names("adam", CORPUS, runs=False))
    assert all_names("adam", CORPUS, runs=False) == names("adam", CORPUS)
    with pytest.raises(ValueError, match=r"got none of adam in the core tier for 'x/\*'"):
        all_names("adam", CORPUS, only="x/*")


# ------------------------------------------------------------------ the kit


def test_a_check_reports_what_it_was_asked() -> None:
    told: list[str] = []
    began = time.perf_counter()
    backend = ReferenceBackend("float64")
    backend.versions = {"mine": "1"}  # type: ignore[attr-defined]
    report = check(
        backend, "sgd", only="sgd/plain-*", runs=False, progress=told.append,
        profile=Profile(dtype="float64", sums="neighbours"),
    )
    assert report.ok
    assert told == [r.case for r in report.results]
    assert report.total == len(told) >= 2
    assert report.profile.sums == "neighbours"
    assert backend.profile.sums == "any"  # the caller's is left as it was
    assert (report.backend, report.algorithm, report.tier, report.only) == (
        "reference in float64", "sgd", "core", "sgd/plain-*",
    )
    assert report.corpus == CORPUS.manifest().corpus
    assert report.digest == CORPUS.manifest().digest
    assert {"mine", "numpy", "python", "paratrooper-ref", "platform"} == set(report.versions)
    assert 0 < report.seconds < time.perf_counter() - began
    assert report.dialect is None
    assert not report.likes
    assert not report.constants


def test_a_check_may_be_of_another_corpus() -> None:
    loaded = []

    class Mine(Corpus):
        def load(self, entry: Any) -> Golden:
            loaded.append(entry.case)
            return super().load(entry)

    backend: Any = ReferenceBackend()
    backend.versions = None
    report = check(backend, "sgd", only="sgd/plain-*", runs=False, corpus=Mine())
    assert {r.case for r in report.results} <= set(loaded)
    assert set(report.versions) == {"numpy", "python", "paratrooper-ref", "platform"}


def test_a_check_waits_as_long_as_a_backend_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six answers a step, and never less than usual."""
    waited = []
    original = Gate.__init__

    def init(self: Any, *args: Any, **options: Any) -> None:
        waited.append(options["seconds"])
        original(self, *args, **options)

    monkeypatch.setattr(Gate, "__init__", init)
    for timeout, seconds in ((None, None), (1.0, None), (7.0, None), (7.0, 5.0)):
        backend = ReferenceBackend("float64")
        if timeout is not None:
            backend.timeout = timeout  # type: ignore[attr-defined]
        check(backend, "sgd", only="sgd/plain-dyadic", runs=False, seconds=seconds)
    assert waited == [SECONDS, SECONDS, 42.0, 5.0]


def test_what_departs_says_what_it_looks_like() -> None:
    hat = ReferenceBackend("float32", variant="adam.eps_hat")
    report = check(hat, "adam", only="adam/*n*-decimal", runs=False)
    assert [like.variant for like in report.likes] == ["adam.eps_hat"]
    departing = [r for r in report.results if r.verdict == DEPARTS]
    assert departing
    assert all([x.variant for x in r.likes] == ["adam.eps_hat"] for r in departing)
    assert not any(r.likes for r in report.results if r.verdict == CONFORMS)


def test_a_check_goes_on_with_runs() -> None:
    """In the same dialect, with the same patience; told and counted as cases are."""
    swapped = ReferenceBackend("float32", variant="adam.betas_swapped")
    only: Any = {"only": "*/adam/rosenbrock"}
    told: list[str] = []
    report = check(Backend(), "adam", only="*/adam", progress=told.append)
    assert (report.total, report.ok) == (2, True)
    assert [r.case for r in report.results] == told == ["reload/adam", "twice/adam"]
    with pytest.raises(ValueError, match="needs cases"):
        check(Backend(), "adam", runs=False, **only)
    both = check(Backend(), "adam", only="*[nm][-/]dyadic")
    assert "adam/plain-dyadic" in [r.case for r in both.results]
    assert [r.case for r in both.results][-1] == "replay/adam/dyadic"
    alone = check(Backend(), "adam", only="*[nm][-/]dyadic", runs=False)
    assert (alone.ok, alone.total) == (True, both.total - 1)
    (found,) = check(swapped, "adam", **only).results
    assert found.verdict == DEPARTS
    assert [like.variant for like in found.likes] == ["adam.betas_swapped"]
    assert check(swapped, "adam", dialect="adam.betas_swapped", **only).ok
    (hung,) = check(
        Backend(lambda *_: time.sleep(0.5)), "adam", only="twice/adam", seconds=0.05
    ).results
    assert (hung.verdict, hung.detail) == (HANGS, "no answer in 0.05 s")


def like(variant: str) -> Like:
    """Return a likeness."""
    return Like(
        variant=variant, kind="bug", misfit=0.5, tags=("m",), was="m = m", line="m = g", seen="",
        link="",
    )


def test_a_run_is_like_what_explains_every_case() -> None:
    """Where it is like that at all; otherwise it keeps its own."""
    run = Result(case="loop/a", verdict=DEPARTS, likes=[like("x"), like("y"), like("z")])

    def names(*variants: str) -> list[str]:
        found = Explained(likes=[like(name) for name in variants])
        return [x.variant for x in _agreeing(run, found).likes]

    assert names("z", "x") == ["x", "z"]
    assert names("y") == ["y"]
    assert names("w") == names() == ["x", "y", "z"]


def test_dampening_that_is_ignored_is_a_departure() -> None:
    """With momentum too; and what is wrong besides is no choice."""
    for variant, only in (("sgd.dampening_ignored", "sgd/*"), ("step.lr_twice", "sgd/descent-*")):
        report = check(ReferenceBackend("float32", variant=variant), "sgd", only=only, runs=False)
        assert not report.ok
        assert [like.variant for like in report.likes] == [variant]


def test_layers_that_count_their_steps_are_a_choice() -> None:
    given = {
        (DEPARTS, BY_LAYER): UNSUPPORTED, (DEPARTS, BY_LAYER, "x"): DEPARTS, (DEPARTS,): DEPARTS,
        (DEPARTS, "x"): DEPARTS, (KEEPS, BY_LAYER): KEEPS, (CONFORMS,): CONFORMS,
    }
    for (verdict, *likes), becomes in given.items():
        result = Result(case="a/1", verdict=verdict, likes=[like(name) for name in likes])
        assert _of_choice(result).verdict == becomes


def test_each_case_shows_its_own_fault_where_no_one_explains_all() -> None:
    class Two(ReferenceBackend):
        def start(self, *args: Any, **kwargs: Any) -> Any:
            handle = super().start(*args, **kwargs)
            name = "adam.betas_swapped" if handle.state.t < 3 else "adam.eps_hat"
            handle.optimizer = changed(handle.optimizer, VARIANTS[name])
            return handle

    report = check(Two(), "adam", only="adam/[pt][il]*-decimal", runs=False)
    assert not report.likes
    assert {r.case: (r.verdict, [x.variant for x in r.likes]) for r in report.results} == {
        "adam/plain-decimal": (DEPARTS, ["adam.betas_swapped"]),
        "adam/tiny-decimal": (DEPARTS, ["adam.eps_hat"]),
    }


def test_an_exception_is_placed_in_the_callers_own_code() -> None:
    """Not in the package that it is raised by, nor in the kit; without either it is only said."""

    def calls(*_: Any) -> None:
        np.linalg.inv(np.zeros((2, 2)))

    (result,) = gone(Backend(calls))
    assert re.fullmatch(r"LinAlgError: .*; at test_gate\.py:\d+, in calls", result.detail)
    assert raised(KeyError("x")) == "KeyError: 'x'"
