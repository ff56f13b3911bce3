"""Runs: honest arithmetic passes them, and what single steps cannot show is found."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from paratrooper_ref.arithmetic.running import BFLOAT16
from paratrooper_ref.conformance import Profile, ReferenceBackend, Result, Unsupported
from paratrooper_ref.conformance import check as gate
from paratrooper_ref.conformance.backend import Grads, Params, Slots, Spec
from paratrooper_ref.conformance.beside import Beside, Held
from paratrooper_ref.conformance.loop import CHANGED, FROZEN, LOUD, Recorded, Run, loops, names
from paratrooper_ref.conformance.verdict import (
    CONFORMS,
    DEPARTS,
    FORGETS,
    HANGS,
    KEEPS,
    RAISES,
    UNSTABLE,
    UNSUPPORTED,
)
from paratrooper_ref.golden.recipes.settings import DECIMAL, DYADIC
from paratrooper_ref.optimizers import OPTIMIZERS
from tests.conformance.faulty import FAULTS, Honest, Shuffles, Sleeps

# A fault shows in a first step, or in none of these runs: it is the gate that gives states,
# layers of shape (), rates by layer.
SHOWN = [
    f for f in FAULTS
    if f.__name__ in (
        "Zeros", "Identity", "Stale", "Rounds", "NotANumber", "Ravels", "Widens", "Lists",
        "Fewer", "FewerMoments", "More", "ReadsLive", "StartsLive", "EatsGradient",
        "DropsGradient", "DropsInput", "Raises", "Exits", "Skips", "Declines",
    )
]


def verdicts(backend: Any, algorithm: str, only: str = "*") -> dict[str, str]:
    """Return the verdict of each run, by name."""
    return {r.case: r.verdict for r in loops(backend, algorithm, only=only)}


def run(backend: Any, name: str, **options: Any) -> Run:
    """Return what one run comes to."""
    (found,) = loops(backend, name.split("/")[1], only=name, **options)
    assert isinstance(found, Run)
    return found


def gated(backend: Any, algorithm: str) -> bool:
    """Return whether a backend passes the gate, so that it is left to runs to find it out."""
    return gate(backend, algorithm, runs=False).ok


# --- honest backends ------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("algorithm", OPTIMIZERS)
def test_the_reference_conforms_in_every_run(algorithm: str, dtype: str) -> None:
    """In every algorithm, with power to the end over recorded gradients."""
    found = loops(ReferenceBackend(dtype), algorithm)
    assert [r.case for r in found] == names(algorithm)
    assert {r.verdict for r in found} == {CONFORMS}
    for result in found:
        assert isinstance(result, Run)
        assert result.steps == result.of > 0
        if result.case.startswith("replay"):
            assert result.blind is None
            assert result.seen >= result.of - 3  # a first batch may choose not to move at first
        if result.case.startswith(("replay", "loop")):
            assert {s.t for s in result.alone} == set(range(1, result.of + 1))


def test_the_bound_beside_the_real_run_is_used() -> None:
    """It is no wider than it must be: honest float32 comes close to it."""
    # Honest float32 comes close to it, so it is no wider than it must be.
    assert max(s.share for s in run(ReferenceBackend(), "replay/lars/dyadic").shares) > 0.5


def test_a_step_alone_has_the_bound_of_one_step() -> None:
    """Beside the real run it is that of all steps before, added up."""
    found = run(ReferenceBackend(), "replay/adam/decimal")
    for t in (1, 30, 60):
        beside, alone = (
            max(s.bound for s in shares if s.t == t and s.tag == "theta")
            for shares in (found.shares, found.alone)
        )
        assert alone <= beside < (t + 1) * 4 * alone


def test_errors_of_steps_before_are_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound of a step alone is not enough beside the real run."""
    monkeypatch.setattr("paratrooper_ref.conformance.beside._together", lambda one, other: {})
    assert run(ReferenceBackend(), "replay/sgd/decimal").verdict == DEPARTS


@pytest.mark.parametrize("algorithm", ["adam", "ranger", "paratrooper"])
def test_a_backend_that_shows_parameters_alone(algorithm: str) -> None:
    """Roundings of what is hidden are propagated."""
    found = loops(Hides(), algorithm)
    assert {r.verdict for r in found} == {CONFORMS}
    assert not any(r.alone for r in found if isinstance(r, Run) and len(r.alone) > 4)


def test_a_backend_that_adds_in_another_order_each_time() -> None:
    """Other bits are allowed where they are other roundings."""
    assert set(verdicts(Shuffles(), "paratrooper").values()) == {CONFORMS}


def test_small_numbers_of_few_bits_are_blind_and_say_so() -> None:
    """In float16 a step of Adam is soon lost beside a chasm."""
    found = run(ReferenceBackend("float16"), "loop/adam/rosenbrock")
    assert (found.verdict, found.blind, found.seen, found.steps) == (CONFORMS, 2, 1, 30)
    assert "blind from t = 2" in found.detail


def test_a_run_that_leaves_the_real_one_when_it_is_blind_is_no_failure() -> None:
    """Each step of it is right all the same."""
    # Descent in float32 loses what it was about beside a chasm; each step of it is right.
    found = run(ReferenceBackend(), "loop/nesterov/rosenbrock")
    assert found.verdict == CONFORMS
    assert found.blind is not None
    assert found.blind <= 20


def test_a_branch_that_is_not_decided() -> None:
    """It is a verdict of its own; the run goes on."""
    found = run(Naive("array"), "replay/radam/decimal")
    assert (found.verdict, found.t, found.steps) == (UNSTABLE, 4, 60)
    assert "right branch" in found.detail
    assert run(Naive("array"), "replay/radam/dyadic").verdict == CONFORMS


def test_a_branch_that_is_taken_otherwise() -> None:
    """That is no departure where the profile does not decide, and one where it does."""
    class Other(Naive):
        def start(self, spec: Spec, params: Params, state: Any = None) -> Any:
            handle: Any = super().start(spec, params, state)
            handle.optimizer = replace(handle.optimizer, threshold=4.5)
            return handle

    found = run(Other("array"), "replay/radamw/decimal")
    assert (found.verdict, found.t, found.steps) == (UNSTABLE, 5, 60)
    assert "other branch" in found.detail
    assert found.blind == 5
    assert run(Other("float64"), "replay/radamw/dyadic").verdict == DEPARTS


def test_numbers_beyond_the_range(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are asked about before the backend is."""
    monkeypatch.setattr("paratrooper_ref.conformance.loop.LOUD", 2.0**9)
    for name in ("reload/paratrooper", "replay/paratrooper/dyadic"):
        found = run(ReferenceBackend("float16"), name)
        assert (found.verdict, found.detail) == (UNSUPPORTED, "numbers beyond the range of float16")


# --- what single steps cannot show ----------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["adam", "adamw", "radam", "lamb", "ranger", "paratrooper"])
def test_steps_counted_by_layer(algorithm: str) -> None:
    """As torch has it: it shows where a layer had no gradient, there alone, and is named."""
    found = loops(ByLayer(), algorithm)
    frozen = [r for r in found if r.case.endswith("/frozen")]
    assert {r.verdict for r in frozen} == {DEPARTS}
    assert {r.verdict for r in found if r not in frozen} == {CONFORMS}
    for result in frozen:
        assert [like.variant for like in result.likes] == ["steps.by_layer"]
        assert result.t is not None
        assert result.t > FROZEN[1]
        assert result.departure is not None
        assert result.departure.at.layer == FROZEN[0]


@pytest.mark.parametrize("algorithm", ["adam", "radam", "lamb", "ranger"])
def test_steps_counted_by_layer_where_state_is_hidden(algorithm: str) -> None:
    """Each layer is a run of its own then; what else is wrong is not that."""

    class Hidden(ByLayer):
        def read(self, handle: Any) -> Any:
            return {"theta": super().read(handle)["theta"]}

    frozen = [r for r in loops(Hidden(), algorithm) if r.case.endswith("/frozen")]
    assert frozen
    for result in frozen:
        assert result.verdict == DEPARTS
        assert [like.variant for like in result.likes] == ["steps.by_layer"]


@pytest.mark.parametrize("hides", [False, True])
def test_a_wrapper_may_count_for_itself(hides: bool) -> None:
    """As Lookahead around an optimizer of torch: layers have their counts, and k one of its own."""

    class Hidden(Wraps):
        def read(self, handle: Any) -> Any:
            found = super().read(handle)
            return {"theta": found["theta"]} if hides else found

    found = run(Hidden(), "replay/lookahead/decimal/frozen")
    assert found.verdict == DEPARTS
    (like,) = found.likes
    assert like.variant == "steps.by_layer"
    assert "all steps count for k" in like.line
    assert run(Hidden(), "replay/lookahead/decimal").verdict == CONFORMS


@pytest.mark.parametrize("wrong", [1, 2, 4])
def test_a_wrapper_that_loses_count_is_explained_by_nothing(wrong: int) -> None:
    """Neither the count of a layer nor that of all steps is what it synchronises by."""
    found = run(Wraps(wrong), "replay/lookahead/decimal/frozen")
    assert found.verdict == DEPARTS
    assert "steps.by_layer" not in [like.variant for like in found.likes]


def late_rate(backend: Any, handle: Any, grads: Grads, lr: float) -> None:
    """Step at twice the rate, from two steps after the frozen one on."""
    backend.steps += 1
    ByLayer.step(backend, handle, grads, lr * (2 if backend.steps > FROZEN[1] + 2 else 1))


def zeroed(backend: Any, handle: Any, grads: Grads, lr: float) -> None:
    """Set a layer without a gradient to zero."""
    ByLayer.step(backend, handle, grads, lr)
    for layer, g in grads.items():
        if g is None:
            state = handle[layer].state
            handle[layer].state = replace(state, params={layer: state.params[layer] * 0})


def decayed(backend: Any, handle: Any, grads: Grads, lr: float) -> None:
    """Take no gradient for zeros."""
    ByLayer.step(backend, handle, {
        k: np.zeros(handle[k].state.params[k].shape, np.float32) if g is None else g
        for k, g in grads.items()
    }, lr)


def shown_otherwise(backend: Any, handle: Any, grads: Grads, lr: float) -> None:
    """Show zeros for a layer without a gradient, that once."""
    ByLayer.step(backend, handle, grads, lr)
    backend.dark = [layer for layer, g in grads.items() if g is None]


@pytest.mark.parametrize("hides", [False, True])
@pytest.mark.parametrize("wrong", [late_rate, zeroed, decayed, shown_otherwise])
@pytest.mark.parametrize("algorithm", ["adamw", "lamb", "radamw"])
def test_what_else_is_wrong_is_no_count_by_layer(algorithm: str, wrong: Any, hides: bool) -> None:
    """At the frozen step, or after it, whether it shows its state or not."""

    class Wrong(ByLayer):
        steps, dark = 0, ()

        def start(self, *given: Any, **more: Any) -> Any:
            self.steps, self.dark = 0, ()
            return super().start(*given, **more)

        def step(self, handle: Any, grads: Grads, lr: float) -> None:
            wrong(self, handle, grads, lr)

        def read(self, handle: Any) -> Any:
            found = super().read(handle)
            theta = {k: x * 0 if k in self.dark else x for k, x in found["theta"].items()}
            return {"theta": theta} if hides else {**found, "theta": theta}

    found = run(Wrong(), f"replay/{algorithm}/decimal/frozen")
    assert found.verdict == DEPARTS
    assert "steps.by_layer" not in [like.variant for like in found.likes]


def test_steps_counted_by_layer_pass_the_gate() -> None:
    """A state that is given comes with its count."""
    assert gated(ByLayer(), "adam")


def test_a_rate_that_is_kept() -> None:
    """A step in which it is another shows it, and which one was kept."""
    assert gated(KeepsRate(), "adam")
    found = run(KeepsRate(), "replay/adam/decimal")
    assert (found.verdict, found.t) == (DEPARTS, CHANGED[0])
    assert found.departure is not None
    assert found.departure.at.tag == "theta"
    assert [like.variant for like in found.likes] == ["rate.kept"]
    assert found.replay is not None


def test_a_rate_that_is_kept_where_state_is_hidden() -> None:
    """It shows beside the real run."""
    class Both(Hides, KeepsRate):
        pass

    found = run(Both(), "replay/adam/decimal")
    assert (found.verdict, found.t) == (DEPARTS, CHANGED[0])


@pytest.mark.parametrize("algorithm", ["adam", "radamw", "lamb", "lookahead", "paratrooper"])
def test_a_count_that_is_not_saved(algorithm: str) -> None:
    """What comes after loading has other bits."""
    assert gated(LosesCount(), algorithm)
    found = loops(LosesCount(), algorithm)
    assert {r.case for r in found if r.verdict != CONFORMS} == {f"reload/{algorithm}"}
    assert found[-2].verdict == FORGETS


def test_what_rounds_otherwise_after_loading_has_forgotten_something() -> None:
    """A rate that is off by its last bit: what is saved and loaded is bits."""

    class Other(ReferenceBackend):
        def step(self, handle: Any, grads: Any, lr: float) -> None:
            super().step(handle, grads, lr * getattr(handle, "factor", 1.0))

        def reload(self, handle: Any) -> Any:
            there: Any = super().reload(handle)
            there.factor = 1 + 2.0**-23
            return there

    assert run(Other("float32"), "reload/adam").verdict == FORGETS


def test_what_comes_back_rounded_is_forgotten() -> None:
    """Moments that are stored in half precision, and show it at once."""

    class Rounds(ReferenceBackend):
        def reload(self, handle: Any) -> Any:
            there: Any = super().reload(handle)
            m = {k: x.astype(np.float16).astype(x.dtype) for k, x in there.state.m.items()}
            there.state = replace(there.state, m=m)
            return there

    found = run(Rounds("float32"), "reload/adam")
    assert (found.verdict, found.t) == (FORGETS, 2)


@pytest.mark.parametrize("lost", ["slow", "warmup"])
def test_what_else_is_not_saved(lost: str) -> None:
    """Slow weights, and what a first batch has chosen."""
    class Loses(ReferenceBackend):
        def reload(self, handle: Any) -> Any:
            there: Any = super().reload(handle)
            other = {"slow": there.state.params, "warmup": None}[lost]
            there.state = replace(there.state, **{lost: other})
            return there

    assert run(Loses(), "reload/paratrooper").verdict == FORGETS


def test_a_choice_that_is_made_again() -> None:
    """How to warm up is chosen by the first batch, not by each."""

    class Again(ReferenceBackend):
        def step(self, handle: Any, grads: Grads, lr: float) -> None:
            handle.state = replace(handle.state, warmup=handle.given)
            super().step(handle, grads, lr)

        def start(self, spec: Spec, params: Params, state: Any = None) -> Any:
            handle: Any = super().start(spec, params, state)
            handle.given = handle.state.warmup
            return handle

        def reload(self, handle: Any) -> Any:
            there: Any = super().reload(handle)
            there.given = handle.given
            return there

    assert gated(Again(), "paratrooper")
    found = loops(Again(), "paratrooper")
    assert {r.case: r.t for r in found if r.verdict != CONFORMS} == {
        "replay/paratrooper/dyadic": 2
    }


def test_a_phase_that_begins_anew() -> None:
    """A wrapper that counts to k by itself, and does not save where it is."""

    class Phase(ReferenceBackend):
        def start(self, spec: Spec, params: Params, state: Any = None) -> Any:
            handle: Any = super().start(spec, params, state)
            handle.behind = 0
            return handle

        def step(self, handle: Any, grads: Grads, lr: float) -> None:
            optimizer, t = handle.optimizer, handle.state.t + 1
            ends = (t - handle.behind) % optimizer.k == 0
            # The wrapped optimizer has the true count: a period that ends now, or does not.
            handle.optimizer = replace(optimizer, k=t if ends else t + 1)
            super().step(handle, grads, lr)
            handle.optimizer = optimizer

        def reload(self, handle: Any) -> Any:
            there: Any = super().reload(handle)
            there.behind = there.state.t
            return there

    found = loops(Phase(), "ranger")
    assert {r.case for r in found if r.verdict != CONFORMS} == {"reload/ranger"}
    # Right after a synchronisation nothing is lost: it is the others that show it.
    assert "after step 2" in found[-2].detail


def test_no_reload() -> None:
    """A backend need not have it."""
    class Bare:
        """The three methods alone."""

        def __init__(self) -> None:
            self._inner = ReferenceBackend()
            self.name, self.profile = "bare", self._inner.profile
            self.start, self.step, self.read = (
                self._inner.start, self._inner.step, self._inner.read
            )

    found = run(Bare(), "reload/adam")
    assert (found.verdict, found.detail) == (UNSUPPORTED, "has no reload")
    assert run(Bare(), "twice/adam").verdict == CONFORMS


@pytest.mark.parametrize("kind", ["Buffer", "Spec", "Counter"])
def test_what_is_shared_between_optimizers(kind: str) -> None:
    """Stepped in turn they disturb each other."""
    backend = {"Buffer": SharedBuffer, "Spec": SharedSpec, "Counter": SharedCounter}[kind]
    found = run(backend(), "twice/adam")
    assert found.verdict == KEEPS, found.detail
    assert run(ReferenceBackend(), "twice/adam").verdict == CONFORMS


# --- verdicts on what a backend does besides --------------------------------------------------


@pytest.mark.parametrize("fault", SHOWN, ids=lambda fault: fault.__name__)
def test_faults_have_their_verdicts(fault: type[Honest]) -> None:
    """The looks that single steps have are had here too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert run(fault(), "replay/ranger/decimal/frozen").verdict == fault.verdict


def test_a_step_that_does_not_come_back() -> None:
    """It is left alone after its time."""
    backend = Sleeps()
    try:
        found = run(backend, "replay/adam/decimal", seconds=0.2)
    finally:
        backend.over.set()
    assert (found.verdict, found.t) == (HANGS, 1)


def test_an_exception_late_in_a_run() -> None:
    """The step is named."""
    class Late(ReferenceBackend):
        def step(self, handle: Any, grads: Grads, lr: float) -> None:
            if handle.state.t == 40:
                msg = "out of memory"
                raise RuntimeError(msg)
            super().step(handle, grads, lr)

    found = run(Late(), "replay/adam/decimal")
    assert (found.verdict, found.t) == (RAISES, 41)
    assert found.detail.startswith("RuntimeError: out of memory; at test_loop.py:")
    assert (found.steps, found.of, len(found.shares) > 0) == (40, 60, True)


def test_what_is_wrong_in_its_numbers_and_besides() -> None:
    """Both are told, and all that it takes to ask the step again."""
    class Both(ReferenceBackend):
        def step(self, handle: Any, grads: Grads, lr: float) -> None:
            super().step(handle, grads, lr)
            for g in grads.values():
                assert g is not None
                g *= 2

    found = run(Both("float32", variant="adam.betas_swapped"), "replay/adam/decimal")
    assert (found.verdict, found.t) == (DEPARTS, 1)
    assert found.besides.startswith("changes its gradient: the gradient of layer ")
    assert found.replay is not None
    assert found.replay["shown"]["w"].keys() >= {"theta", "m", "v"}


def test_a_gradient_that_cannot_be_none() -> None:
    """That is said, and is no failure."""
    class Whole(ReferenceBackend):
        def step(self, handle: Any, grads: Grads, lr: float) -> None:
            if any(g is None for g in grads.values()):
                msg = "no holes"
                raise Unsupported(msg)
            super().step(handle, grads, lr)

    found = verdicts(Whole(), "adam")
    assert {k for k, v in found.items() if v == UNSUPPORTED} == {
        "replay/adam/decimal/frozen", "replay/adam/dyadic/frozen"
    }


# --- names, dialects, what is fixed -----------------------------------------------------------


def test_names() -> None:
    """They are stable, and those of a group can be had."""
    assert names("adam") == [
        "replay/adam/decimal", "replay/adam/decimal/frozen",
        "replay/adam/dyadic", "replay/adam/dyadic/frozen",
        "loop/adam/rosenbrock", "loop/adam/quadratic_bowl", "loop/adam/linear_net",
        "reload/adam", "twice/adam",
    ]
    assert names("lars_2019", "twice/*") == ["twice/lars_2019"]
    assert len(names("lars")) == 2 * len(names("lars_2019"))
    with pytest.raises(ValueError, match="needs an algorithm"):
        names("adamm")


def test_progress_is_told() -> None:
    """By name, before."""
    told: list[str] = []
    loops(ReferenceBackend(), "sgd", only="twice/*", progress=told.append)
    assert told == ["twice/sgd", "twice/nesterov"]


def test_a_dialect() -> None:
    """A backend is held to the one that it is meant to be."""
    backend = ReferenceBackend(variant="adam.eps_hat")
    held = loops(backend, "adam", dialect="adam.eps_hat")
    assert {r.verdict for r in held} == {CONFORMS}
    found = run(backend, "replay/adam/dyadic")
    assert found.verdict == DEPARTS
    assert "adam.eps_hat" in [like.variant for like in found.likes]
    with pytest.raises(ValueError, match="needs a known variant"):
        loops(backend, "adam", dialect="adam.eps_hats")


def test_a_dialect_of_another_algorithm() -> None:
    """It cannot be asked."""
    found = loops(ReferenceBackend(), "sgd", dialect="adam.eps_hat", only="*/sgd")
    assert {r.verdict for r in found} == {UNSUPPORTED}


def test_what_a_backend_has_fixed() -> None:
    """It is held to that."""
    class Fixed(ReferenceBackend):
        fixed: ClassVar[Mapping[str, Any]] = {"eps": 0.5}

        def start(self, spec: Spec, params: Params, state: Any = None) -> Any:
            assert spec["hyper"]["eps"] == 0.5
            return super().start(spec, params, state)

    assert run(Fixed(), "replay/adam/decimal").verdict == CONFORMS


def test_a_buffer_that_nothing_reads_may_be_left_out() -> None:
    """Each step is held alone all the same."""
    class Without(Hides):
        fixed: ClassVar[Mapping[str, Any]] = {"momentum": 0.0}

    found = run(Without(), "replay/sgd/decimal")
    assert found.verdict == CONFORMS
    assert {share.t for share in found.alone} == set(range(1, 61))


def test_a_reload_after_a_late_synchronisation() -> None:
    """The run is as long as its reloads need."""
    class Slow(ReferenceBackend):
        fixed: ClassVar[Mapping[str, Any]] = {"k": 20}
        reloads = 0

        def reload(self, handle: Any) -> Any:
            self.reloads += 1
            return super().reload(handle)

    backend = Slow()
    found = run(backend, "reload/lookahead")
    assert (found.verdict, found.steps, backend.reloads) == (CONFORMS, 3, 3)


def test_gradients_are_of_every_dtype() -> None:
    """Nothing that is given is rounded."""
    course = Recorded("x", steps=3, frozen=(("w", 2),))
    assert course.grads[1]["w"] is None
    for dtype in ("float16", "bfloat16"):
        format = Profile(dtype=dtype).stored("g")
        for x in [*course.params.values(), *course.grads[0].values()]:
            assert x is not None
            assert np.array_equal(format.nearest(x), x)


def test_state_of_fewer_bits() -> None:
    """State in bfloat16 beside operations in float32 is fine where it is declared."""

    class Narrow(ReferenceBackend):
        def __init__(self) -> None:
            super().__init__("float32")
            self.profile = Profile(dtype="float32", slots={"m": "bfloat16"})

        def step(self, handle: Any, grads: Grads, lr: float) -> None:
            super().step(handle, grads, lr)
            m = {
                k: np.asarray(BFLOAT16.nearest(x), np.float32) for k, x in handle.state.m.items()
            }
            handle.state = replace(handle.state, m=m)

    assert run(Narrow(), "replay/adam/decimal").verdict == CONFORMS
    declared = Narrow()
    declared.profile = Profile(dtype="float32")
    assert run(declared, "replay/adam/decimal").verdict == DEPARTS


def test_state_of_more_bits_than_are_shown() -> None:
    """What is kept in float32 and shown in bfloat16 is another step from what is shown."""

    class Rounds(ReferenceBackend):
        def __init__(self) -> None:
            super().__init__("float32")
            self.profile = Profile(dtype="float32", slots={"u": "bfloat16"})

        def read(self, handle: Any) -> Slots:
            found: Any = super().read(handle)
            u = {k: np.asarray(BFLOAT16.nearest(x), np.float32) for k, x in found["u"].items()}
            return {**found, "u": u}

    found = run(Rounds(), "replay/sgd/decimal")
    assert found.verdict == DEPARTS
    assert found.t is not None
    assert found.t > 1


@pytest.mark.parametrize("name", ["reload/paratrooper", "replay/paratrooper/dyadic"])
def test_a_first_batch_chooses_not_to_move(name: str) -> None:
    """And the second would choose otherwise: so what was chosen has to be kept."""
    optimizer = (DYADIC if name.endswith("dyadic") else DECIMAL)["paratrooper"]
    course = Recorded(name, loud={1: LOUD})
    start = optimizer.init(course.params)
    after, _ = optimizer.step(start, course.grads[0])
    other, _ = optimizer.step(start, course.grads[1])
    assert (after.warmup, other.warmup) == ("none", "momentum")


def test_a_beside_of_no_steps() -> None:
    """A first step that leaves decay out is seen as such."""
    optimizer = DECIMAL["sgd"]
    start = optimizer.init({"x": np.ones(2)})
    beside = Beside(optimizer, optimizer.spec, Profile(), start)
    g = {"x": np.ones(2)}
    beside.ask(g, 0.5)
    held = beside.step(g, 0.5, {"x": {"theta": np.array([0.5, 0.5]), "u": np.ones(2)}})
    assert held.worst > 1e3  # decay is left out


# --- backends -----------------------------------------------------------------------------


class Hides(ReferenceBackend):
    """Parameters alone can be read."""

    def read(self, handle: Any) -> Slots:
        """Return what can be seen."""
        return {"theta": super().read(handle)["theta"]}


class Naive(ReferenceBackend):
    """Scalars formed in float32."""

    def __init__(self, declared: Any) -> None:
        super().__init__("float32")
        self.profile = Profile(dtype="float32", scalars=declared)

    def start(self, spec: Spec, params: Params, state: Any = None) -> Any:
        """Return a handle."""
        handle: Any = super().start(spec, params, state)
        handle.state = replace(handle.state, scalars="array")
        return handle


class ByLayer(ReferenceBackend):
    """An optimizer for each layer, so that each counts the gradients that it gets."""

    def start(self, spec: Spec, params: Params, state: Any = None) -> Any:
        """Return a handle."""
        own = {
            k: None if state is None else {
                s: {k: of[k]} if isinstance(of, Mapping) else of for s, of in state.items()
            }
            for k in params
        }
        specs = {
            k: {**spec, "layers": {k: spec["layers"][k]}} if k in spec.get("layers", {})
            else {n: x for n, x in spec.items() if n != "layers"}
            for k in params
        }
        return {k: super(ByLayer, self).start(specs[k], {k: x}, own[k]) for k, x in params.items()}

    def step(self, handle: Any, grads: Grads, lr: float) -> None:
        """Take a step."""
        for k, g in grads.items():
            if g is not None:
                super().step(handle[k], {k: g}, lr)

    def read(self, handle: Any) -> Slots:
        """Return what can be seen."""
        found: dict[str, dict[str, Any]] = {}
        for layer in handle.values():
            for slot, of in super().read(layer).items():
                found.setdefault(slot, {}).update(of)
        return found

    def reload(self, handle: Any) -> Any:
        """Return what was saved."""
        return {k: super(ByLayer, self).reload(layer) for k, layer in handle.items()}


class Wraps(ByLayer):
    """A Lookahead of its own around what counts by layer.

    ``further`` is added to its count where a layer has no gradient.
    """

    def __init__(self, further: int = 0) -> None:
        super().__init__()
        self.further = further

    def start(self, spec: Spec, params: Params, state: Any = None) -> Any:
        """Return a handle."""
        if spec["algorithm"] != "lookahead":
            msg = "wraps"
            raise Unsupported(msg)
        own = {} if state is None else {s: of for s, of in state.items() if s != "slow"}
        hyper = spec["hyper"]
        self.k, self.alpha = hyper["k"], np.float32(hyper["alpha"])
        self.t = 0 if state is None else state["t"]
        self.slow = {k: np.array(x) for k, x in (state["slow"] if state else params).items()}
        return super().start(hyper["inner"], params, own or None)

    def step(self, handle: Any, grads: Grads, lr: float) -> None:
        """Take a step, and now and then a part of the way back."""
        super().step(handle, grads, lr)
        self.t += 1 + self.further * any(g is None for g in grads.values())
        if self.t % self.k == 0:
            for k, layer in handle.items():
                fast = layer.state.params[k]
                self.slow[k] = (1 - self.alpha) * self.slow[k] + self.alpha * fast
                layer.state = replace(layer.state, params={k: self.slow[k]})

    def read(self, handle: Any) -> Slots:
        """Return what can be seen."""
        return {**super().read(handle), "slow": dict(self.slow)}


class KeepsRate(ReferenceBackend):
    """The rate of the first step, for ever: a compiled step that has it as a constant."""

    def step(self, handle: Any, grads: Grads, lr: float) -> None:
        """Take a step."""
        handle.rate = getattr(handle, "rate", lr)
        super().step(handle, grads, handle.rate)


class LosesCount(ReferenceBackend):
    """The moments are saved, the count is not."""

    def reload(self, handle: Any) -> Any:
        """Return what was saved."""
        there: Any = super().reload(handle)
        there.state = replace(there.state, t=0)
        return there


class SharedBuffer(ReferenceBackend):
    """First moments in a table of the class, by layer."""

    table: ClassVar[dict[str, Any]] = {}

    def start(self, spec: Spec, params: Params, state: Any = None) -> Any:
        """Return a handle."""
        handle: Any = super().start(spec, params, state)
        self.table.update(handle.state.m)
        return handle

    def step(self, handle: Any, grads: Grads, lr: float) -> None:
        """Take a step."""
        handle.state = replace(handle.state, m=dict(self.table))
        super().step(handle, grads, lr)
        self.table.update(handle.state.m)


class SharedSpec(ReferenceBackend):
    """A step compiled for the last optimizer that was made."""

    def start(self, spec: Spec, params: Params, state: Any = None) -> Any:
        """Return a handle."""
        handle: Any = super().start(spec, params, state)
        self.last = handle.optimizer
        return handle

    def step(self, handle: Any, grads: Grads, lr: float) -> None:
        """Take a step."""
        handle.optimizer = self.last
        super().step(handle, grads, lr)


class SharedCounter(ReferenceBackend):
    """One count of steps, set to 0 by each optimizer that is made."""

    t = 0

    def start(self, spec: Spec, params: Params, state: Any = None) -> Any:
        """Return a handle."""
        self.t = 0 if state is None else state["t"]
        return super().start(spec, params, state)

    def step(self, handle: Any, grads: Grads, lr: float) -> None:
        """Take a step."""
        handle.state = replace(handle.state, t=self.t)
        super().step(handle, grads, lr)
        self.t += 1


def test_shared_state_passes_the_gate() -> None:
    """One optimizer at a time shows nothing."""
    for backend in (SharedBuffer(), SharedSpec(), SharedCounter()):
        assert gated(backend, "adam")
        result: Result = run(backend, "replay/adam/dyadic")
        assert result.verdict == CONFORMS


def test_a_run_beside_nothing_explains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a branch has ended what a layer is held to, its numbers are not held at all."""

    class Hidden(ByLayer):
        def read(self, handle: Any) -> Any:
            return {"theta": super().read(handle)["theta"]}

    step = Beside.step

    def ended(beside: Any, *given: Any) -> Held:
        held = step(beside, *given)
        return replace(held, along=(), taken=None) if beside.t == FROZEN[1] else held

    name = "replay/adam/decimal/frozen"
    assert [like.variant for like in run(Hidden(), name).likes] == ["steps.by_layer"]
    monkeypatch.setattr("paratrooper_ref.conformance.remembered.Beside.step", ended)
    assert not run(Hidden(), name).likes
