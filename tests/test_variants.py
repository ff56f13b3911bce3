"""The table of variants: each fits, each matters, each form is equal in real numbers."""

import ast
import copy
import inspect
import math
import pickle
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from types import FrameType
from typing import Any, get_args

import flint
import numpy as np
import pytest

import paratrooper_ref as pr
from paratrooper_ref.conformance.verdict import FAILURES, UNSTABLE
from paratrooper_ref.optimizers import OPTIMIZERS
from paratrooper_ref.optimizers.lift import evaluated, parameters
from paratrooper_ref.optimizers.radam import radam
from paratrooper_ref.optimizers.sgd import sgd
from paratrooper_ref.optimizers.warmup import first_batch
from paratrooper_ref.schedules import FlatThenCosine, LinearWarmup, ReduceOnPlateau, Schedule
from paratrooper_ref.variants import (
    FAULTS,
    FORMS,
    SCHEDULE_VARIANTS,
    VARIANTS,
    Fault,
    Variant,
    VariantError,
    changed,
    heard,
    rescheduled,
    rewritten,
    table,
)
from paratrooper_ref.variants.published import PUBLISHED as SOURCES
from paratrooper_ref.variants.variant import Kind, names_of_changes, source_of
from tests.helpers import (
    FAMILY,
    Array,
    assert_same_state,
    balls,
    by_layer,
    draw,
    slots,
    start,
    stream,
)

Rule = Callable[..., Any]
Layers = dict[str, Array]

RULES: dict[str, Rule] = {r.__name__: r for opt in FAMILY.values() for r in opt.stages()} | {
    "first_batch": first_batch
}
BUGS = [(name, rule) for name, v in VARIANTS.items() if v.kind != "form" for rule in v.rules]
REFORMED = [(form.name, rule) for form in FORMS for rule in form.rules]

# Settings in which every line of every rule matters, each hyperparameter apart from the others.
SHORT: dict[str, Any] = {"eps": 1e-2, "weight_decay": 0.05, "beta2": 0.99}
BOTH: dict[str, Any] = {**SHORT, "l2": 0.02}
PLAIN: dict[str, Any] = {"w": {"adapt": False}}
# In the middle of a run rho is still below this threshold, and a synchronisation is due.
WAITING: dict[str, Any] = {"beta2": 0.999, "threshold": 500, "warmup": "none", "k": 3}
BATTERY: tuple[pr.Optimizer, ...] = (
    pr.SGD(momentum=0.9, dampening=0.25, weight_decay=0.05),
    pr.SGD(momentum=0.9, nesterov=True, weight_decay=0.05),
    pr.SGD(dampening=0.5, weight_decay=0.05),
    pr.Adam(**SHORT),
    pr.AdamW(**SHORT, lr=0.05),
    pr.RAdam(**SHORT),
    pr.RAdam(**SHORT, threshold=5, warmup="none"),
    pr.RAdamW(**BOTH),
    pr.RAdamW(**BOTH, threshold=4, warmup="none"),
    pr.RAdamW(**BOTH, eps_inside_root=True),
    pr.LARS(weight_decay=0.05, eps=0.5, trust_coefficient=0.1).for_layers(PLAIN),
    pr.LARS(weight_decay=0, lr=1e-3),
    pr.LARS(trust_coefficient=2, lr=0.5),
    pr.LARS(form="2019", weight_decay=0.05).for_layers(PLAIN),
    pr.LARS(form="2019", weight_decay=0),
    pr.LAMB(**SHORT, lr=0.5).for_layers(PLAIN),  # a rate that lets weights show a ratio's roundings
    pr.LAMB(weight_decay=0),
    pr.LAMB(norm_lower=1.5, norm_upper=2),
    pr.LAMB(norm_lower=3, norm_upper=2),
    pr.LAMB(lower=0.75, upper=1.25),
    pr.LAMB(lower=2, upper=1.5),
    pr.Lookahead(inner=pr.SGD(lr=0.1), k=3, alpha=0.75),
    pr.RangerLars(**BOTH, k=4, lr=0.3).for_layers(PLAIN),
    pr.RangerLars(**BOTH, lower=0.75, upper=1.25, threshold=4, warmup="none"),
    pr.RangerLars(**BOTH, lower=2, upper=1.5, eps_inside_root=True),
    pr.Paratrooper(**BOTH, warmup="momentum", lr=0.3).for_layers(PLAIN),
    pr.Paratrooper(**BOTH, warmup="none", threshold=4, lower=0.25, eps_inside_root=False),
    pr.Paratrooper(weight_decay=0.05, beta1=0.99, beta2=0.9, warmup="momentum"),
    pr.Paratrooper(**BOTH, warmup="momentum", cap=0.5, lower=0.25),
    pr.Paratrooper(**BOTH, warmup="momentum", lower=2),
    pr.Paratrooper(beta1=0.9, beta2=0.88),  # h = 0.37
    pr.Paratrooper(beta1=0.94, beta2=0.9),  # h = 0.71
    pr.Paratrooper(beta1=0.9295, beta2=0.9),  # h = 0.51, and of the first layer 0.49
    pr.Paratrooper(beta1=0.9275, beta2=0.9),  # h = 0.48, and without the layer of zeros 0.58
    pr.LARS(momentum=0.0, weight_decay=0.0, eps=0.0),  # without a gradient no direction
    pr.LARS(form="2019", momentum=0.0, weight_decay=0.0),
    pr.LAMB(beta1=0.0, weight_decay=0.0),
    pr.Ranger(**WAITING),
    pr.RangerLars(**WAITING),
    pr.Paratrooper(**WAITING),
)


def params() -> Layers:
    """Return layers of all sizes, one of them zero."""
    return start(1) | {"large": draw(7, 3, scale=40), "zero": np.zeros(2)}


def gradients(steps: int) -> list[Layers]:
    """Return their gradients; of the zero layer at first, and of another once, they are 0."""
    found: list[Layers] = []
    for t, step in enumerate(stream(steps)):
        step |= {"large": draw(500 + t, 3), "zero": draw(600 + t, 2) * (t > 1)}
        found.append(step | ({"b": np.zeros(2)} if t == 3 else {}))
    return found


def middle(optimizer: pr.Optimizer) -> pr.State:
    """Return a state from the middle of a long run."""
    state = optimizer.init(params())
    filled: dict[str, Any] = {
        slot: by_layer(lambda x: np.asarray(draw(9, *x.shape) ** 2 + 0.1), layers)
        for slot, layers in slots(state).items()
        if slot != "theta"
    }
    auto = optimizer.hyper().get("warmup") == "auto"
    return replace(state, t=400, warmup="none" if auto else None, **filled)


def histories(optimizer: pr.Optimizer) -> Iterator[pr.State | None]:
    """Yield the states of a run from the start and of one from the middle; None for a crash."""
    for state, steps in ((optimizer.init(params()), 14), (middle(optimizer), 3)):
        for gradient in gradients(steps):
            try:
                state, _ = optimizer.step(state, gradient)
            except pr.NonFiniteError:
                yield None
                break
            yield state


def apart(a: pr.State | None, b: pr.State | None) -> float:
    """Return the largest difference of two states, relative to a layer's largest element."""
    if a is None or b is None:
        return 0.0 if a is b else np.inf
    if a.warmup != b.warmup:
        return np.inf
    most, found = 0.0, slots(b)
    for slot, layers in slots(a).items():
        for name, x in layers.items():
            size = float(max(np.abs(x).max(), np.abs(found[slot][name]).max()))
            if size:
                most = max(most, float(np.abs(x - found[slot][name]).max()) / size)
    return most


def running(rule: str) -> list[pr.Optimizer]:
    """Return the settings that run a rule."""
    if rule == "first_batch":
        return [opt for opt in BATTERY if opt.hyper().get("warmup") == "auto"]
    return [opt for opt in BATTERY if RULES[rule] in opt.stages()]


HALVED = Variant(
    name="sgd.halved",
    rules=("sgd",),
    was="update = lr * direction",
    line="update = lr * direction / 2",
    kind="bug",
    seen="a test",
)


# The table.


def test_names_are_unique() -> None:
    """No variant hides another one of its name."""
    assert list(VARIANTS) == [v.name for v in (*table.BUGS_AND_DIALECTS, *FORMS)]


@pytest.mark.parametrize(
    "variant", [*VARIANTS.values(), *SCHEDULE_VARIANTS.values()], ids=lambda v: v.name
)
def test_an_entry_is_well_formed(variant: Variant) -> None:
    """The name, kind, rules, source and link of an entry are of the right form."""
    assert re.fullmatch(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*", variant.name)
    assert variant.kind in get_args(Kind)
    assert variant.rules
    assert len(set(variant.rules)) == len(variant.rules)
    assert variant.seen
    assert re.fullmatch(r"(https://[a-z0-9.]+(/[\w.-]+)*)?", variant.link)
    assert variant.link or variant.kind != "dialect", "a dialect is published somewhere"
    page = re.fullmatch(r"https://github\.com/[^/]+/[^/]+(/.+)?", variant.link)
    assert page is None or page[1], "a link goes to an issue or a file, not to a front page"
    assert (variant.kind == "bug") or "mutant" not in variant.seen
    assert variant.link or "mutant" in variant.seen or variant.kind == "form"
    said, link = variant.where
    assert said.startswith(variant.seen)
    assert re.fullmatch(r"https://[a-z0-9.]+(/[\w.-]+)*", link), "each leads somewhere"
    assert variant.link in ("", link)
    assert variant.link or variant.published.title in said, "it says what the link is of"


def test_every_rule_is_published_somewhere() -> None:
    """The sources are those of the rules that there are, of schedules too."""
    entries = (*VARIANTS.values(), *SCHEDULE_VARIANTS.values())
    assert set(SOURCES) == {rule for variant in entries for rule in variant.rules}


def test_no_two_entries_are_the_same() -> None:
    """No two variants change one rule in the same way."""
    known: dict[Any, str] = {}
    for variant in VARIANTS.values():
        for rule in variant.rules:
            assert (
                known.setdefault((rule, variant.of, frozenset(variant.changes)), variant.name)
                == variant.name
            )


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_a_variant_fits_and_compiles(variant: Variant) -> None:
    """A variant fits one of the optimizers, and compiles for every rule it names."""
    built = [f(inner=pr.SGD()) if f is pr.Lookahead else f() for f in OPTIMIZERS.values()]
    assert any(variant.fits(optimizer) for optimizer in (*built, pr.LARS(form="2019")))
    for rule in variant.rules:
        made, published = rewritten(RULES[rule], variant), RULES[rule]
        assert made is not published
        assert made.__name__ == rule
        assert set(parameters(made)) - set(parameters(published)) <= {"before"}
        assert parameters(made)[: len(parameters(published))] == parameters(published)


HYPER = [
    (rule, name)
    for rule, function in RULES.items()
    for name, parameter in inspect.signature(function).parameters.items()
    if parameter.kind == parameter.KEYWORD_ONLY
]


@pytest.mark.parametrize(("rule", "hyper"), HYPER)
def test_every_hyperparameter_of_every_rule_has_a_bug(rule: str, hyper: str) -> None:
    """For each hyperparameter of a rule a bug or a dialect changes a line that reads it."""
    read = {
        node.id
        for name, named in BUGS
        if named == rule
        for was, _ in VARIANTS[name].changes
        for node in ast.walk(ast.parse(f"{was} pass" if was.endswith(":") else was))
        if isinstance(node, ast.Name)
    }
    assert hyper in read


# What a variant does.

PUBLISHED: dict[pr.Optimizer, list[pr.State | None]] = {
    optimizer: list(histories(optimizer)) for optimizer in BATTERY
}


@pytest.mark.parametrize(("name", "rule"), BUGS)
def test_a_bug_or_a_dialect_matters(name: str, rule: str) -> None:
    """In each of its rules a variant changes what a step leaves behind, by more than roundings."""
    variant = replace(VARIANTS[name], rules=(rule,))
    for optimizer in running(rule):
        pairs = zip(PUBLISHED[optimizer], histories(changed(optimizer, variant)), strict=False)
        if any(apart(a, b) > 1e-7 for a, b in pairs):
            return
    pytest.fail(f"no setting shows {name} in {rule}")


@contextmanager
def digits() -> Iterator[None]:
    """Compute balls with 80 digits."""
    before = flint.ctx.prec
    flint.ctx.prec = 270
    try:
        yield
    finally:
        flint.ctx.prec = before


def wide(layers: Layers) -> Layers:
    """Return the layers of more than one element."""
    return {name: x for name, x in layers.items() if x.size > 1}


def on_balls(optimizer: pr.Optimizer, steps: int) -> list[pr.State]:
    """Return the states of a run in ball arithmetic, of layers in which nothing is ever 0.

    (A ratio may bring a layer of one element to 0, which a ball does not decide.)
    """
    found, state = [], optimizer.init(balls(wide(start(1))))
    for gradient in stream(steps):
        state, _ = optimizer.step(state, balls(wide(gradient)))
        found.append(state)
    return found


# A comparison has no roundings: that rho never is the threshold is proved in radamw's docstring.
# And exact scalars are rounded once, where they meet an array, however they are put together.
SAME_BITS = (
    "radam.threshold_reached", "radam.rectification_by_factors", "rangerlars.one_root",
    "rangerlars.over9000_one_root", "rangerlars.over9000_first_one_root",
)


def spoken(optimizer: pr.Optimizer, form: Variant) -> pr.Optimizer:
    """Return the optimizer in the dialect of whose lines this is a form, if there is one."""
    return optimizer if form.of is None else changed(optimizer, form.of)


def assert_equal_in_real_numbers(variant: Variant) -> None:
    """Compare a form of a line of one rule with that line, in 80 digits."""
    (rule,) = variant.rules
    with digits():
        for optimizer in running(rule):
            published = on_balls(spoken(optimizer, variant), 9)
            form = on_balls(changed(optimizer, variant), 9)
            for a, b in zip(published, form, strict=True):
                found = slots(b)
                for slot, layers in slots(a).items():
                    for layer, x in layers.items():
                        assert x.shape == found[slot][layer].shape
                        for one, other in zip(x.flat, found[slot][layer].flat, strict=True):
                            off = flint.arb(one - other).abs_upper()
                            assert off <= 1e-25 * flint.arb(one).abs_lower(), (slot, layer, a.t)


@pytest.mark.parametrize(("name", "rule"), REFORMED)
def test_a_form_is_equal_in_real_numbers(name: str, rule: str) -> None:
    """In 80 digits a form gives what the published line gives."""
    assert_equal_in_real_numbers(replace(VARIANTS[name], rules=(rule,)))


@pytest.mark.parametrize(
    ("rule", "was", "line"),
    [
        ("adamw", "theta = theta - update", "theta = theta * (1 - lr * weight_decay) - update"),
        ("sgd", "theta = theta - update", "theta = theta - (update + update / 2**70)"),
        ("radamw", "rectified = rho > threshold", "rectified = rho > threshold + 1"),
        ("lamb", "weight_norm = norm(theta)", "weight_norm = norm(theta) + 1 / 2**70"),
        ("lookahead", "slow = (1 - alpha) * slow + alpha * fast", "slow = slow + alpha * fast"),
    ],
)
def test_a_wrong_form_is_found(rule: str, was: str, line: str) -> None:
    """A form that says something else, by however little, is none."""
    wrong = replace(HALVED, rules=(rule,), was=was, line=line, kind="form")
    with pytest.raises(AssertionError, match=r"assert .* <= "):
        assert_equal_in_real_numbers(wrong)


@pytest.mark.parametrize(("name", "rule"), REFORMED)
def test_a_form_has_other_roundings(name: str, rule: str) -> None:
    """In float64 a form gives other bits somewhere, and never much else."""
    variant = replace(VARIANTS[name], rules=(rule,))
    most = max(
        apart(a, b)
        for optimizer in running(rule)
        for a, b in zip(
            PUBLISHED[optimizer] if variant.of is None else histories(spoken(optimizer, variant)),
            histories(changed(optimizer, variant)), strict=True,
        )
    )
    if name in SAME_BITS:
        assert most == 0
    else:
        assert 0 < most < 1e-12


@pytest.mark.parametrize(("name", "rule"), [x for x in REFORMED if x[0] in SAME_BITS[1:]])
def test_a_form_of_scalars_has_other_roundings_in_double(name: str, rule: str) -> None:
    """Where scalars are formed in double, it matters how: the direction shows it."""
    variant, most = replace(VARIANTS[name], rules=(rule,)), 0.0
    for optimizer in running(rule):
        plain, form = spoken(optimizer, variant), changed(optimizer, variant)
        state = plain.init(params(), "float64")
        for gradient in gradients(14):
            after, lines = plain.step(state, gradient)
            _, others = form.step(state, gradient)
            for layer, found in lines.items():
                if "rectification" in found:
                    x, y = found["direction"], others[layer]["direction"]
                    most = max(most, float(np.abs(x - y).max() / (np.abs(x).max() or 1)))
            state = after
    assert 0 < most < 1e-12


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_runs_in_every_arithmetic(name: str) -> None:
    """The changed lines know as little of the arithmetic as the published ones."""
    variant = VARIANTS[name]
    for rule in variant.rules:
        optimizer = changed(running(rule)[0], replace(variant, rules=(rule,)))
        exact = on_balls(optimizer, 7)
        state = optimizer.init(by_layer(lambda x: x.astype(np.float32), params()))
        state, _ = optimizer.step(state, by_layer(lambda x: x.astype(np.float32), gradients(3)[2]))
        assert {x.dtype for x in state.params.values()} == {np.dtype(np.float32)}
        assert all(a.is_finite() for x in exact[-1].params.values() for a in x.flat)


# What does not fit, and what stays as it was.



def test_a_variant_needs_its_rule() -> None:
    """An optimizer that runs none of a variant's rules is refused."""
    with pytest.raises(VariantError, match=r"sgd\.halved needs an optimizer that runs sgd, got A"):
        changed(pr.AdamW(), HALVED)
    assert not HALVED.fits(pr.AdamW())
    assert HALVED.fits(pr.Lookahead(inner=pr.SGD()))


@pytest.mark.parametrize(
    ("was", "times"),
    [
        ("update = lr * lr * direction", 0),  # it stands nowhere
        ("g", 0),  # it is no line
        ("theta = theta - update", 2),  # below, it is made to stand twice
    ],
)
def test_a_line_stands_once(was: str, times: int) -> None:
    """A line that does not stand in the rule is refused, and so is one that stands twice."""
    also = () if times == 0 else ((was, "theta = theta"),)
    first = was if times == 0 else "update = lr * direction"
    line = "update = 1" if times == 0 else f"update = lr * direction\n{was}"
    variant = replace(HALVED, was=first, line=line, also=also)
    with pytest.raises(VariantError, match=f"exactly once in sgd, got {times} of"):
        changed(pr.SGD(), variant)


def test_layout_does_not_matter() -> None:
    """A line is found whatever its spaces and brackets."""
    odd = replace(HALVED, was="update   = (lr\n    * direction)")
    one, _ = changed(pr.SGD(lr=1.0), odd).step(pr.SGD(lr=1.0).init(start()), stream(1)[0])
    other, _ = changed(pr.SGD(lr=0.5), replace(HALVED, line="update = lr * direction")).step(
        pr.SGD(lr=0.5).init(start()), stream(1)[0]
    )
    assert_same_state(one, other)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("update = lr * missing", "update = lr * missing"),
        # Where lines move down, those after them are shown all the same.
        ("update = lr * direction\n\n\nupdate = None", "theta = theta - update"),
    ],
)
def test_a_traceback_shows_the_line(line: str, shown: str) -> None:
    """A traceback through a variant shows the line that raised, as it stands in the variant."""
    wrong = changed(pr.SGD(), replace(HALVED, line=line))
    state = wrong.init(start())
    with pytest.raises((NameError, TypeError)) as caught:
        wrong.step(state, stream(1)[0])
    (frame,) = [f for f in traceback.extract_tb(caught.value.__traceback__) if f.name == "sgd"]
    assert frame.line == shown
    assert frame.filename == "<sgd with sgd.halved>"


def test_a_variant_keeps_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where all caches of lines are emptied, as test runners and notebooks do."""
    other = rewritten(sgd, VARIANTS["sgd.decay_decoupled"])
    before = ast.unparse(source_of(other))
    monkeypatch.setattr("linecache.cache", {})
    assert ast.unparse(source_of(other)) == before != ast.unparse(source_of(sgd))
    assert names_of_changes(other) == ["sgd.decay_decoupled"]


def test_the_published_rules_are_untouched() -> None:
    """Applying all variants leaves the rules, their source and their results as they were."""
    before = {name: (rule.__code__, inspect.getsource(rule)) for name, rule in RULES.items()}
    for variant in VARIANTS.values():
        for rule in variant.rules:
            for optimizer in running(rule):
                changed(optimizer, variant)
    assert before == {n: (r.__code__, inspect.getsource(r)) for n, r in RULES.items()}
    for optimizer in BATTERY:
        for a, b in zip(PUBLISHED[optimizer], histories(optimizer), strict=True):
            if a is None or b is None:
                assert a is b
            else:
                assert_same_state(a, b)
    assert pr.SGD().stages() == (sgd,)
    assert pr.RAdam().stages() == (radam,)


def test_a_variant_of_an_optimizer_is_one_too() -> None:
    """It hashes, is like no other, keeps its line when copied, and cannot be pickled."""
    published, halved = pr.SGD(lr=0.5), changed(pr.SGD(lr=0.5), HALVED)
    assert isinstance(halved, pr.SGD)
    assert halved.name == "SGD with sgd.halved"
    assert len({published, halved, changed(published, HALVED)}) == 3
    state = published.init({"x": np.array([1.0])})
    copies = (halved, replace(halved, lr=1.0), halved.at_rate(1.0), halved.for_layers({"x": {}}))
    for one in (*copies, copy.deepcopy(halved)):
        after, _ = one.step(state, {"x": np.array([1.0])}, lr=1.0)
        assert after.params["x"] == 0.5
    with pytest.raises(pickle.PicklingError):
        pickle.dumps(changed(published, HALVED))


def test_a_variant_of_a_wrapped_optimizer() -> None:
    """Lookahead runs the changed rule of its inner optimizer, whichever of them is changed."""
    outside = changed(pr.Lookahead(inner=pr.SGD(lr=0.5), k=2), HALVED)
    inside = pr.Lookahead(inner=changed(pr.SGD(lr=0.5), HALVED), k=2)
    plain = pr.Lookahead(inner=pr.SGD(lr=0.25), k=2)
    states = [opt.init(start()) for opt in (outside, inside, plain)]
    for gradient in stream(4):
        states = [
            opt.step(state, gradient)[0]
            for opt, state in zip((outside, inside, plain), states, strict=True)
        ]
    assert_same_state(states[0], states[2])
    assert_same_state(states[1], states[2])


# Rules whose lines are heard.


def told(
    optimizer: pr.Optimizer,
    state: pr.State,
    gradient: Layers,
    line: Callable[..., Any] = lambda name, first, *others: first,
) -> dict[str, dict[str, Any]]:
    """Return the names of a step in doubles, its lines told to a listener."""
    found, _ = evaluated(
        optimizer, state, gradient, None, lambda layer, slot, x: x, told=lambda _: {"line": line}
    )
    return found


def states(optimizer: pr.Optimizer) -> Iterator[tuple[pr.State, Layers]]:
    """Yield steps to take: each of a short run, and one in the middle of a long run."""
    state = optimizer.init(params())
    for gradient in gradients(8):
        yield state, gradient
        state, _ = optimizer.step(state, gradient)
    yield middle(optimizer), gradients(1)[0]


HELPERS = {
    target.id
    for form in FORMS
    for _, line in form.changes
    for node in ast.parse(line).body[:-1]
    if isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Name)
}


@pytest.mark.parametrize("optimizer", BATTERY)
@pytest.mark.parametrize("forms", [(), FORMS], ids=["as published", "all forms"])
def test_hearing_changes_no_bit(optimizer: pr.Optimizer, forms: tuple[Variant, ...]) -> None:
    """A listener that hands on the first value leaves every line as it was."""
    listening = heard(optimizer, forms)
    for state, gradient in states(optimizer):
        published, _ = evaluated(optimizer, state, gradient, None, lambda layer, slot, x: x)
        for layer, names in told(listening, state, gradient).items():
            assert names.keys() - HELPERS - {"line"} == published[layer].keys()
            for name, x in published[layer].items():
                assert type(x) is type(names[name])
                assert np.array_equal(np.asarray(x, object), np.asarray(names[name], object))


def assigned(optimizer: pr.Optimizer, state: pr.State, gradient: Layers) -> dict[str, list[str]]:
    """Return the names that a step assigns to, by layer, in order, as the interpreter runs it."""
    places = {
        (rule.__code__, node.lineno): ast.unparse(node.targets[0])
        for rule in optimizer.stages()
        for node in ast.walk(ast.parse(inspect.getsource(inspect.getmodule(rule) or rule)))
        if isinstance(node, ast.Assign)
    }
    codes = {rule.__code__ for rule in optimizer.stages()}
    runs: list[dict[tuple[Any, int], None]] = []

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code not in codes:
            return None
        if event == "call":
            runs.append({})
        elif event == "line" and (frame.f_code, frame.f_lineno) in places:
            runs[-1].setdefault((frame.f_code, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        evaluated(optimizer, state, gradient, None, lambda layer, slot, x: x)
    finally:
        sys.settrace(before)
    length = len(optimizer.stages())
    chunks = [runs[i : i + length] for i in range(0, len(runs), length)]
    return {
        layer: [places[place] for run in chunk for place in run]
        for layer, chunk in zip(state.params, chunks, strict=True)
    }


@pytest.mark.parametrize("optimizer", BATTERY)
@pytest.mark.parametrize("forms", [(), FORMS], ids=["as published", "all forms"])
def test_every_line_is_heard_once_in_order(
    optimizer: pr.Optimizer, forms: tuple[Variant, ...]
) -> None:
    """What is heard are the assignments that the interpreter runs, helpers of forms between."""
    listening = heard(optimizer, forms)
    for state, gradient in states(optimizer):
        said: list[str] = []

        def line(name: str, first: Any, *others: Any, said: list[str] = said) -> Any:
            said.append(name)
            return first

        told(listening, state, gradient, line)
        wanted = [name for run in assigned(optimizer, state, gradient).values() for name in run]
        assert [name for name in said if name not in HELPERS] == wanted
        assert bool(forms) or said == wanted


def test_helpers_of_forms_are_pooled() -> None:
    """Any way to form the step goes with any way to subtract it, and all of them are there."""
    optimizer = pr.AdamW(**SHORT)
    listening = heard(optimizer, FORMS)
    mine = [
        f.line for f in FORMS
        if "adamw" in f.rules and f.was == "theta = theta - update" and f.of is None
    ]
    steps = {ast.unparse(ast.parse(x).body[0]) for x in mine}
    ends = {ast.unparse(ast.parse(x).body[-1]) for x in mine}
    assert len(steps) > 5
    assert len(ends) > 3
    state, gradient = next(islice(states(optimizer), 5, None))
    published, _ = evaluated(optimizer, state, gradient, None, lambda layer, slot, x: x)
    seen: set[bytes] = set()
    for i in range(len(steps)):
        for j in range(1 + len(ends)):

            def line(name: str, *values: Any, i: int = i, j: int = j) -> Any:
                if name == "step":
                    assert len(values) == len(steps)
                elif name == "theta":
                    assert len(values) == 1 + len(ends)
                return values[{"step": i, "theta": j}.get(name, 0)]

            for layer, names in told(listening, state, gradient, line).items():
                size = np.abs(published[layer]["theta"]).max(initial=1e-9)
                assert np.abs(names["theta"] - published[layer]["theta"]).max() <= 1e-14 * size
                seen.add(names["theta"].tobytes())
    assert len(seen) > len(ends) + len(state.params)


def test_forms_of_changed_lines_are_left_out() -> None:
    """A line that a variant has changed is heard as it stands; of the others all forms are."""
    variant = VARIANTS["adamw.decay_after_step"]
    state, gradient = next(states(pr.AdamW()))
    counts: dict[str, dict[str, int]] = {}
    for name, optimizer in (("published", pr.AdamW()), ("variant", changed(pr.AdamW(), variant))):
        counts[name] = {}

        def line(tag: str, first: Any, *others: Any, name: str = name) -> Any:
            counts[name][tag] = len(others)
            return first

        found = told(heard(optimizer, FORMS), state, gradient, line)
        plain, _ = evaluated(optimizer, state, gradient, None, lambda layer, slot, x: x)
        np.testing.assert_array_equal(found["w"]["theta"], plain["w"]["theta"])
    assert counts["published"]["theta"] > 0 < counts["published"]["direction"]
    assert counts["variant"]["theta"] == 0 == counts["variant"]["direction"]
    assert "step" not in counts["variant"]
    same = ("m", "v", "m_hat", "v_hat", "denominator")
    assert [counts["variant"][tag] for tag in same] == [counts["published"][tag] for tag in same]
    assert all(counts["published"][tag] > 0 for tag in same)


@pytest.mark.parametrize("form", [f for f in FORMS if f.of is not None], ids=lambda f: f.name)
def test_a_form_of_a_dialect_is_heard_in_it_alone(form: Variant) -> None:
    """It is a way of a line there, and of no line as published, or as other variants have it."""
    assert form.of is not None
    optimizer = running(form.rules[0])[0]
    others: list[Variant] = [
        v for v in VARIANTS.values()
        if v.kind != "form" and v.fits(optimizer) and v.name != form.of.name
    ]

    def codes(variant: Variant | None, forms: tuple[Variant, ...]) -> list[bytes]:
        spoken = optimizer if variant is None else changed(optimizer, variant)
        return [rule.__code__.co_code for rule in heard(spoken, forms).stages()]

    assert codes(form.of, (form,)) != codes(form.of, ())
    for other in (None, *others):
        assert codes(other, (form,)) == codes(other, ())


# Schedules.

FALLING = (8.0, 4.0, 4.0, 4.0, 3.9, 3.9, 3.9, 3.9, 2.0, 2.0, 1.9, 1.8, 1.8, 1.8)
SCHEDULES: tuple[Schedule, ...] = (
    ReduceOnPlateau(patience=1, factor=0.5),
    ReduceOnPlateau(patience=0, factor=0.5),
    ReduceOnPlateau(patience=2, factor=0.5, cooldown=2, threshold=0.2),
    ReduceOnPlateau(patience=0, factor=0.5, min_lr=0.03),
    ReduceOnPlateau(patience=0, factor=0.5, eps=0.02),
    ReduceOnPlateau(patience=0, mode="max", threshold=0.5, threshold_mode="abs"),
    FlatThenCosine(steps=9, flat=0.4),
    LinearWarmup(steps=5),
)


def planned(schedule: Schedule, metrics: tuple[float, ...]) -> list[float]:
    """Return the rates of a run."""
    state, rates = schedule.init(0.1), []
    for t, metric in enumerate((math.nan, *metrics), start=1):
        state, rate = schedule(state, t, metric)
        rates.append(rate)
    return rates


@pytest.mark.parametrize("name", SCHEDULE_VARIANTS)
def test_a_variant_of_a_schedule_matters(name: str) -> None:
    """It changes a rate, by more than roundings, and the schedule itself stays as it is."""
    variant, seen = SCHEDULE_VARIANTS[name], 0.0
    for schedule in SCHEDULES:
        if not any(rule.startswith(type(schedule).__name__) for rule in variant.rules):
            with pytest.raises(VariantError, match=f"{name} needs .*, got "):
                rescheduled(schedule, variant)
            continue
        other = rescheduled(schedule, variant)
        assert isinstance(other, type(schedule))
        assert other.spec == schedule.spec
        for metrics in (FALLING, tuple(-x for x in FALLING[::-1]), FALLING[::-1]):
            pairs = zip(planned(schedule, metrics), planned(other, metrics), strict=True)
            seen = max(seen, *(abs(a - b) for a, b in pairs))
    assert seen > 1e-3


def test_a_line_of_a_method_stands_once() -> None:
    """Lines of methods are matched as those of rules are."""
    variant = replace(SCHEDULE_VARIANTS["plateau.bad_stays"], was="bad = 7")
    with pytest.raises(VariantError, match=r"exactly once in ReduceOnPlateau\.__call__, got 0 of"):
        rescheduled(ReduceOnPlateau(), variant)


# Adapter faults.


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_well_formed(fault: Fault) -> None:
    """Its name, source and link are of the right form, and a verdict of the kit finds it."""
    assert re.fullmatch(r"[a-z]+\.[a-z0-9_]+", fault.name)
    assert fault.name not in VARIANTS
    assert fault.what
    assert fault.seen
    assert bool(fault.link) != fault.seen.startswith("a mutant")
    assert re.fullmatch(r"(https://github\.com/[\w.-]+/[\w.-]+(/[\w.-]+)+)?", fault.link)
    assert fault.check in FAILURES


def test_each_verdict_of_failure_has_a_fault() -> None:
    """But for an unstable branch, which is no fault of a backend but of its arithmetic."""
    assert {fault.check for fault in FAULTS.values()} == set(FAILURES) - {UNSTABLE}
