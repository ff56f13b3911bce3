"""check: honest arithmetic conforms, each variant is found and named, and no green run is empty."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from paratrooper_ref.conformance import (
    Expectation,
    Profile,
    ReferenceBackend,
    Report,
    Unsupported,
    attribute,
    check,
    judge,
    wanted,
)
from paratrooper_ref.conformance.adapted import with_hyper
from paratrooper_ref.conformance.gate import Gate, cases, names
from paratrooper_ref.conformance.html import page
from paratrooper_ref.conformance.step import Question, Taken, allowed
from paratrooper_ref.conformance.verdict import (
    CONFORMS,
    DEPARTS,
    RAISES,
    UNSUPPORTED,
)
from paratrooper_ref.golden.corpus import Corpus
from paratrooper_ref.optimizers import OPTIMIZERS, SGD, Adam, Lookahead, Ranger, State
from paratrooper_ref.variants import VARIANTS, Variant, changed
from tests.conformance.faults import given, kept, layers, sync

CORPUS = Corpus()


class Reluctant(ReferenceBackend):
    """A backend that cannot be asked anything."""

    def start(self, *args: Any, **kwargs: Any) -> Any:
        msg = "has no optimizers"
        raise Unsupported(msg)


class Changed(ReferenceBackend):
    """The reference with other hyperparameters than it is given."""

    def __init__(
        self, dtype: str, *, times: Mapping[str, float] | None = None, **always: Any
    ) -> None:
        super().__init__(dtype)
        self.times, self.always = times or {}, always

    def start(self, *args: Any, **kwargs: Any) -> Any:
        handle = super().start(*args, **kwargs)
        hyper = handle.optimizer.hyper()
        changes = {k: hyper[k] * f for k, f in self.times.items() if k in hyper and k != "lr"}
        handle.optimizer = with_hyper(handle.optimizer, {**changes, **self.always})
        return handle

    def step(self, handle: Any, grads: Any, lr: float) -> None:
        super().step(handle, grads, lr * self.times.get("lr", 1.0))


# ------------------------------------------------------------------ honest backends


@pytest.mark.parametrize("algorithm", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("probes", [False, True])
def test_the_reference_conforms_at_factor_one(algorithm: str, dtype: str, probes: bool) -> None:
    report = check(ReferenceBackend(dtype, probes=probes), algorithm)
    assert report.ok, str(report)
    assert set(report.counts) == {CONFORMS}
    assert report.worst is not None
    assert report.worst.share <= 1


def test_the_bounds_are_no_wider_than_they_have_to_be() -> None:
    """An honest float32 backend comes near its bound somewhere, so it could not be halved."""
    report = check(ReferenceBackend("float32"), "paratrooper")
    assert report.worst is not None
    assert report.worst.share > 0.5


def test_a_coarser_backend_than_declared_departs() -> None:
    backend = ReferenceBackend("float32")
    report = check(backend, "adam", profile=Profile(dtype="float64"))
    assert report.counts["wrong dtype"] == report.total
    rounding = Rounding("float64")
    assert check(rounding, "adam").counts[DEPARTS] > 30


class Rounding(ReferenceBackend):
    """Double precision, but for the moments, which pass through single precision."""

    def read(self, handle: Any) -> Any:
        rounded = {}
        for slot, of in super().read(handle).items():
            rounded[slot] = {k: x.astype(np.float32).astype(float) for k, x in of.items()}
        return rounded


def test_doubles_that_pass_through_single_precision_are_told_as_that() -> None:
    """Worked on in float32, kept in float64; with a known variant besides, both are told."""
    report = check(Inside("float64"), "adamw", runs=False)
    assert not report.ok
    assert report.fits is not None
    assert (report.fits.dtype, report.fits.stored("m").name) == ("float32", "float64")
    assert check(Inside("float64"), "adamw", runs=False, profile=report.fits).ok
    both = check(Inside("float64", variant="adamw.decay_after_step"), "adamw", runs=False)
    assert [like.variant for like in both.likes] == ["adamw.decay_after_step"]
    assert both.fits == report.fits


def test_single_precision_is_told_too_where_moments_are_kept_in_it() -> None:
    """Weights in doubles, moments in float32, and float32 is what is computed in."""

    class Narrow(Inside):
        def read(self, handle: Any) -> Any:
            found = super().read(handle)
            moments = {s: found[s] for s in ("m", "v")}
            return found | {
                s: {k: x.astype(np.float32) for k, x in of.items()} for s, of in moments.items()
            }

    kept = Profile(dtype="float64", slots={"m": "float32", "v": "float32"})
    backend = Narrow("float64")
    backend.profile = kept
    report = check(backend, "adamw", runs=False)
    assert not report.ok
    assert report.fits is not None
    found = (report.fits.dtype, *(report.fits.stored(s).name for s in ("theta", "m", "v")))
    assert found == ("float32", "float64", "float32", "float32")
    assert check(backend, "adamw", runs=False, profile=report.fits).ok


class Inside(ReferenceBackend):
    """Steps in single precision between arrays of doubles."""

    def start(self, spec: Any, params: Any, state: Any = None) -> Any:
        self.dtype = np.dtype("float32")
        return super().start(spec, params, state)

    def read(self, handle: Any) -> Any:
        found = super().read(handle)
        return {slot: {k: x.astype(float) for k, x in of.items()} for slot, of in found.items()}


# ------------------------------------------------------------------ what is wrong is named


@pytest.mark.parametrize(
    ("variant", "algorithm", "line"),
    [
        ("adam.eps_hat", "adam", "denominator"),
        ("adamw.decay_l2", "adamw", "m"),
        ("radam.threshold_4", "paratrooper", "rectified"),
        ("lookahead.never", "ranger", "slow"),
        ("lamb.ratio_inverted", "lamb", "ratio"),
        ("paratrooper.cap_stays", "paratrooper", "cap"),
        ("sgd.nesterov_ignored", "nesterov", "direction"),
        ("lars.decay_in_norm", "lars", "ratio"),
        ("lars_2019.moment_sum", "lars", "u"),
    ],
)
def test_a_variant_is_named_and_so_is_its_line(variant: str, algorithm: str, line: str) -> None:
    blind = check(ReferenceBackend("float32", variant=variant), algorithm)
    assert not blind.ok
    assert [like.variant for like in blind.likes] == [variant]
    shown = check(ReferenceBackend("float32", variant=variant, probes=True), algorithm)
    first = {r.departure.at.tag for r in shown.failed if r.departure}
    assert first == {line}


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_what_changes_nothing_at_what_was_asked_explains_nothing(dtype: str) -> None:
    """A decay of 0 is none wherever it is; that its line has a wider bound is no reason."""
    (golden,) = cases("adam", CORPUS, only="adam/no-eps-decimal")
    step, profile = golden.steps[0], Profile(dtype=dtype)
    optimizer, state, grads = golden.optimizer, golden.state(step), golden.gradients(step)
    assert optimizer.hyper()["weight_decay"] == 0
    within, _ = allowed(optimizer, state, grads, step.lr, profile)
    expected = wanted.proved(golden, step)

    def taken(by: float) -> Taken:
        off = {"theta": by}
        shown: Any = {
            k: {s: (n.hi + off.get(s, 0) * np.ravel(within[k][s].error)).reshape(
                state.params[k].shape
            ) for s, n in of.items()} for k, of in expected.items()
        }
        return Taken(
            question=Question(
                spec=optimizer.spec, state=state, slots=optimizer.slots(), grads=grads, lr=step.lr
            ),
            optimizer=optimizer, wanted=expected, bounds=within, shown=shown,
            shares=tuple(judge.shares(step.t, expected, shown, within)),
        )

    off = taken(1.5)
    assert off.worst > 1
    decoupled = VARIANTS["sgd.decay_decoupled"]
    assert attribute.misfit((decoupled,), [off], profile) < 1  # by its bound it would do
    names = [name for like in attribute.explained([off], profile).likes
             for name in like.variant.split(" and ")]
    assert decoupled.name not in names


@pytest.mark.parametrize(
    ("variant", "algorithm"),
    [("radamw.eps_ignored", "radamw"), ("radamw.eps_ignored", "paratrooper"),
     ("radam.rho_inf_unshifted", "radam"), ("lookahead.early_phase", "lookahead")],
)
def test_what_cancels_in_one_number_does_not_hide_a_name(variant: str, algorithm: str) -> None:
    """In doubles too, where scalars of a backend are doubles themselves."""
    report = check(ReferenceBackend("float64", variant=variant), algorithm, runs=False)
    assert [like.variant for like in report.likes] == [variant]


def test_a_number_that_cancels_rules_out_no_order_of_evaluation() -> None:
    """Slow + α (fast − slow) is off by a unit of what it is made of, which may be nearly 0."""
    optimizer = Lookahead(inner=SGD(momentum=0.5), k=5, alpha=0.8)
    profile = Profile(dtype="float64")
    slow, fast = np.array([1.0, 1.0]), np.array([1e-9 / 3 - 0.25, 0.7])
    state = State(params={"w": fast}, t=10, u={"w": np.zeros(2)}, slow={"w": slow})
    grads = {"w": np.zeros(2)}
    within, _ = allowed(optimizer, state, grads, 0.1, profile)
    expected = wanted.computed(optimizer, state, grads, 0.1)
    there = slow + 0.8 * (fast - slow)
    shown = {"w": {"theta": there, "slow": there, "u": np.zeros(2)}}
    step = Taken(
        question=Question(
            spec=optimizer.spec, state=state, slots=optimizer.slots(), grads=grads, lr=0.1
        ),
        optimizer=optimizer, wanted=expected, bounds=within, shown=shown,
        shares=tuple(judge.shares(11, expected, shown, within)),
    )
    likes = attribute.explained([step], profile).likes
    assert "lookahead.early_phase" in [like.variant for like in likes]


def test_a_name_that_a_conforming_case_rules_out_is_not_told() -> None:
    """There may be two faults where no one explains all, but none that conforming cases refute."""
    report = check(Sometimes(), "adamw", runs=False)
    told = {like.variant for r in report.failed for like in r.likes}
    assert report.counts[DEPARTS] == 2
    assert not told


class Sometimes(ReferenceBackend):
    """Forgets the decay in two cases, and has it in others."""

    def start(self, spec: Any, params: Any, state: Any = None) -> Any:
        handle = super().start(spec, params, state)
        if handle.state.t == 7:
            handle.optimizer = with_hyper(handle.optimizer, {"weight_decay": 0.0})
        return handle


@pytest.mark.parametrize("name", ["lr", "beta1", "beta2", "eps", "weight_decay", "alpha"])
def test_a_constant_wrong_in_the_seventh_digit_is_found_and_solved_for(name: str) -> None:
    report = check(Changed("float64", times={name: 1 + 1e-7}), "ranger")
    assert report.counts[DEPARTS]
    found = {c.name: c for c in report.constants}
    assert name in found
    assert found[name].found / found[name].given == pytest.approx(1 + 1e-7, abs=1e-9)


def test_a_constant_that_is_always_the_same_is_told_from_a_factor() -> None:
    report = check(Changed("float64", eps=1e-8), "adam")
    (found,) = report.constants
    assert (found.name, found.multiple) == ("eps", False)
    assert found.found == pytest.approx(1e-8, rel=1e-6)


class Naive(ReferenceBackend):
    """The reference with every scalar formed in the dtype of the arrays."""

    def start(self, *args: Any, **kwargs: Any) -> Any:
        handle = super().start(*args, **kwargs)
        handle.state = replace(handle.state, scalars="array")
        return handle


def test_another_arithmetic_than_declared_is_named() -> None:
    report = check(Naive("float32"), "adamw", runs=False)
    assert report.counts[DEPARTS]
    assert report.fits == Profile(dtype="float32", scalars="array")
    assert "fits another profile" in str(report)
    assert check(Naive("float32"), "adamw", profile=report.fits).ok


def test_two_faults_at_once_are_named_together() -> None:
    class Both(ReferenceBackend):
        def start(self, *args: Any, **kwargs: Any) -> Any:
            handle = super().start(*args, **kwargs)
            handle.optimizer = changed(handle.optimizer, VARIANTS["adam.eps_inside_root"])
            return handle

    report = check(Both("float64", variant="adamw.weight_decay_ignored"), "adamw", runs=False)
    assert [set(like.variant.split(" and ")) for like in report.likes] == [
        {"adam.eps_inside_root", "adamw.weight_decay_ignored"}
    ]


def test_an_edit_of_no_known_name_is_named_by_its_line() -> None:
    cubed = Variant(
        name="adam.fourth_root", rules=("adam",), kind="bug", seen="a test",
        was="denominator = sqrt(v_hat) + eps", line="denominator = sqrt(sqrt(v_hat)) + eps",
    )
    report = check(ReferenceBackend("float32", variant=cubed), "adam", runs=False)
    assert [(like.kind, like.tags) for like in report.likes] == [("edit", ("denominator",))]
    assert "of no known name: denominator = sqrt(sqrt(v_hat)) + eps" in str(report)


@pytest.mark.parametrize("exponent", [0.5 * (1 + 5e-7), 0.5 * (1 - 5e-7)])
def test_a_constant_of_a_rule_is_no_coarser_arithmetic(exponent: float) -> None:
    """Where the moments are right to a double, nobody works in single precision."""
    rooted = Variant(
        name="adam.root", rules=("adamw",), kind="bug", seen="a test",
        was="denominator = sqrt(v_hat) + eps",
        line=f"denominator = exp({exponent!r} * log(v_hat)) + eps",
    )

    class Rooted(ReferenceBackend):
        def start(self, *args: Any, **kwargs: Any) -> Any:
            handle = super().start(*args, **kwargs)
            other = changed(handle.optimizer, rooted)
            for stage in other.stages():
                stage.__globals__.update(exp=np.exp, log=np.log)
            handle.optimizer = other
            return handle

    with np.errstate(divide="ignore"):
        report = check(Rooted("float64"), "adamw", runs=False)
    assert report.counts[DEPARTS]
    assert report.fits is None


# ------------------------------------------------------------------ nothing is left out


def test_what_only_raises_is_no_result_though_it_is_expected() -> None:
    class Raises(ReferenceBackend):
        def start(self, *args: Any, **kwargs: Any) -> Any:
            raise RuntimeError

    expected = [
        Expectation(
            id=f"{kind}*", verdict=RAISES, reason="a test", link="https://example.org",
            until=datetime.date(2999, 12, 31),
        )
        for kind in ("adam/", "replay/", "loop/", "reload/", "twice/")
    ]
    report = check(Raises("float32"), "adam", expect=expected)
    assert (report.failed, report.problems, report.counts) == ([], (), {RAISES: report.total})
    assert (report.held, report.ok, report.exit_code) == (False, False, 3)
    assert "this is no result" in str(report)
    assert check(Raises("float32"), "adam").exit_code == 1


def test_nothing_run_is_no_result() -> None:
    report = check(Reluctant("float32"), "adam")
    assert report.counts == {UNSUPPORTED: report.total}
    assert not report.ok
    assert report.exit_code == 3
    assert "this is no result" in str(report)


def test_a_missing_result_is_no_result() -> None:
    report = check(ReferenceBackend("float32"), "adam")
    lost = Report(**{**vars(report), "results": report.results[:-1]})
    twice = Report(**{**vars(report), "results": [*report.results[:-1], report.results[0]]})
    assert (lost.exit_code, twice.exit_code) == (3, 3)


def test_what_there_is_is_what_the_manifest_says() -> None:
    manifest = CORPUS.manifest()
    found = [name for algorithm in OPTIMIZERS for name in names(algorithm, CORPUS)]
    assert sorted(found) == sorted(e.case for e in manifest.cases.values() if e.tier == "core")


@pytest.mark.parametrize(
    ("algorithm", "options", "message"),
    [
        ("adams", {}, "did you mean 'adam'"),
        ("adam", {"only": "nothing"}, "needs cases"),
        ("adam", {"dialect": "adam.eps_hut"}, "did you mean 'adam.eps_hat'"),
    ],
)
def test_unknown_names_are_refused(algorithm: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check(ReferenceBackend("float32"), algorithm, **options)


def test_a_report_is_plain_data() -> None:
    report = check(ReferenceBackend("float32", variant="adam.eps_hat"), "adam")
    found = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert found["counts"] == dict(report.counts)
    assert len(found["results"]) == found["total"] == len(names("adam", CORPUS)) + 9
    assert found["likes"][0]["variant"] == "adam.eps_hat"


# ------------------------------------------------------------------ dialects


def test_a_dialect_is_held_to_itself() -> None:
    honest = ReferenceBackend("float64", variant="adam.eps_hat")
    assert check(honest, "adam", dialect="adam.eps_hat").ok
    assert not check(ReferenceBackend("float64"), "adam", dialect="adam.eps_hat").ok


# ------------------------------------------------------------------ fixed hyperparameters


class Fixed(ReferenceBackend):
    """A backend that rectifies above 5, whatever it is told."""

    fixed: ClassVar[dict[str, float]] = {"threshold": 5.0}

    def start(self, spec: Any, *args: Any, **kwargs: Any) -> Any:
        assert spec["hyper"]["threshold"] == 5.0
        return super().start(spec, *args, **kwargs)


def test_what_is_fixed_only_matters_where_it_is_seen() -> None:
    report = check(Fixed("float32"), "radam")
    assert report.ok
    assert report.adapted["threshold=5.0"] > 30
    other = check(ReferenceBackend("float32", variant="radam.threshold_6"), "radam", runs=False)
    assert other.failed  # that is, at the switch there is something to see


def test_hyperparameters_of_an_inner_optimizer_are_changed_too() -> None:
    outer = Lookahead(inner=Adam(), k=3).for_layers({"b": {"eps": 1e-3}})
    other = with_hyper(outer, {"eps": 1e-2, "k": 4, "cap": 1.0})
    assert other == Lookahead(inner=Adam(eps=1e-2), k=4).for_layers({"b": {"eps": 1e-2}})
    assert with_hyper(Ranger(), {"cap": 1.0}) == Ranger()


# ------------------------------------------------------------------ the gate


def test_a_case_is_a_few_steps_and_all_are_looked_at() -> None:
    gate = Gate(ReferenceBackend("float32"))
    (golden,) = cases("adam", CORPUS, only="adam/plain-decimal")
    (result,) = gate.run([golden])
    assert (result.steps, result.of) == (3, 3)
    assert {s.t for s in result.shares} == {1, 2, 3}
    assert {s.tag for s in result.shares} == {"theta", "m", "v"}


def test_a_profile_that_cannot_be_set_is_said() -> None:
    """Unless it is the same."""

    class Shut(ReferenceBackend):
        def __setattr__(self, name: str, value: object) -> None:
            if name in vars(self):
                raise AttributeError(name)
            super().__setattr__(name, value)

    only: Any = {"only": "sgd/plain-decimal", "runs": False}
    assert check(Shut(), "sgd", profile=Profile(dtype="float32"), **only).ok
    with pytest.raises(TypeError, match="whose profile can be set"):
        check(Shut(), "sgd", profile=Profile(dtype="float64"), **only)
    backend: Any = ReferenceBackend()
    backend.profile = "float32"
    with pytest.raises(TypeError, match="a backend with a profile, such as"):
        check(backend, "sgd", **only)


def test_rules_of_the_whole_model_are_named() -> None:
    """Of whoever waits for a first batch, though most cases do not ask it."""
    backend = ReferenceBackend("float32", variant="first_batch.opposite")
    report = check(backend, "paratrooper", runs=False)
    assert [like.variant for like in report.likes] == ["first_batch.opposite"]


@pytest.mark.parametrize(
    ("name", "algorithm", "change"),
    [
        ("layers.hyper_shared", "adamw", lambda o, shapes: replace(o, layers=())),
        ("layers.hyper_shared", "ranger", lambda o, shapes: replace(o, layers=tuple(
            (k, tuple((n, v) for n, v in own if n != "alpha")) for k, own in o.layers
        ))),
        ("layers.vectors_not_adapted", "lars", lambda o, shapes: o.for_layers(
            {k: {"adapt": False} for k, s in shapes.items() if len(s) <= 1}
        )),
        ("layers.vectors_not_decayed", "adamw", lambda o, shapes: o.for_layers(
            {k: {"weight_decay": 0.0} for k, s in shapes.items() if len(s) <= 1}
        )),
    ],
)
def test_habits_are_named(name: str, algorithm: str, change: Any) -> None:
    """What is done with layers whatever is said of them, at whatever hyperparameters."""

    class Habitual(ReferenceBackend):
        def start(self, spec: Any, params: Any, state: Any = None) -> Any:
            handle = super().start(spec, params, state)
            shapes = {k: x.shape for k, x in params.items()}
            handle.optimizer = change(handle.optimizer, shapes)
            return handle

    report = check(Habitual("float32"), algorithm, runs=False)
    assert report.counts[DEPARTS]
    assert name in {like.variant for like in report.likes}
    assert f"{name} (adapter fault)" in str(report)
    assert "<b>" + name in page(report)


@pytest.mark.parametrize(
    ("wrong", "algorithm", "name"),
    [
        (given.Clips, "adamw", "gradient.clipped"),
        (given.Clamps, "adamw", "gradient.clamped"),
        (given.ClipsEach, "adamw", "gradient.clipped_by_layer"),
        (given.Centralises, "ranger", "gradient.centralised"),
        (sync.ResetsMoments, "ranger", "sync.moments_reset"),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_what_is_done_to_gradients_and_moments_is_named(
    wrong: Any, algorithm: str, name: str, dtype: str
) -> None:
    """It explains all steps, and nothing else does."""
    report = check(wrong(dtype), algorithm, runs=False)
    assert report.counts[DEPARTS]
    assert {like.variant for like in report.likes} == {name}


@pytest.mark.parametrize(
    ("kept", "algorithm"),
    [("weight_decay", "adamw"), ("momentum", "sgd"), ("eps", "adam"), ("alpha", "lookahead"),
     ("trust_coefficient", "lars"), ("beta1", "lamb")],
)
def test_a_number_kept_in_single_precision_is_named(kept: str, algorithm: str) -> None:
    """Among doubles, where it shows; it is the one hyperparameter of which that is true."""
    report = check(layers.KeepsSingle("float64", kept), algorithm, runs=False)
    assert report.counts[DEPARTS]
    assert [like.line for like in report.likes] == [f"{kept} = float32({kept})"]
    assert report.fits is None


@pytest.mark.parametrize(
    ("wrong", "algorithm", "name", "shown"),
    [
        (
            given.CentralisesKernels, "ranger", "gradient.centralised",
            {"replay/ranger/dyadic/frozen"},
        ),
        (kept.KeepsLargest, "adamw", "state.largest_v", {"replay/adamw/decimal"}),
    ],
)
def test_what_runs_alone_show_is_named(
    wrong: Any, algorithm: str, name: str, shown: set[str]
) -> None:
    """All single steps conform, and no run says anything else."""
    report = check(wrong("float32"), algorithm)
    departing = {r.case: {like.variant for like in r.likes} for r in report.failed}
    assert departing.keys() >= shown
    assert all(case.count("/") > 1 for case in departing)
    assert set().union(*departing.values()) == {name}


def test_a_clip_or_a_cap_of_large_numbers_is_found() -> None:
    """Which no case of the corpus reaches."""
    class Clips(ReferenceBackend):
        def step(self, handle: Any, grads: Any, lr: float) -> None:
            clipped = {k: None if g is None else np.clip(g, -1e3, 1e3) for k, g in grads.items()}
            super().step(handle, clipped, lr)

    class Caps(ReferenceBackend):
        def step(self, handle: Any, grads: Any, lr: float) -> None:
            super().step(handle, grads, min(lr, 1.0))

    for wrong, t in ((Clips, 59), (Caps, 60)):
        report = check(wrong("float32"), "adamw")
        assert {(r.case, r.t) for r in report.failed} == {
            ("replay/adamw/decimal", t), ("replay/adamw/dyadic", t),
        }
