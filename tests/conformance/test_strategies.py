"""Strategies draw what every dtype holds, what every spec admits, and little that is left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from paratrooper_ref.arithmetic.running import FORMATS
from paratrooper_ref.conformance import Profile, ReferenceBackend, strategies
from paratrooper_ref.conformance.properties import examine
from paratrooper_ref.conformance.strategies import Example
from paratrooper_ref.golden.bits import is_bfloat16
from paratrooper_ref.optimizers import OPTIMIZERS, build
from paratrooper_ref.optimizers.hyper import check

ALGORITHMS = sorted(OPTIMIZERS)
PROFILES = {
    "float64": Profile(dtype="float64"),
    "float32": Profile(dtype="float32"),
    "float32, flushing": Profile(dtype="float32", flush=True),
    "float16": Profile(dtype="float16"),
    "bfloat16": Profile(dtype="bfloat16"),
    "bfloat16 beside float32": Profile(dtype="float32", slots={"m": "bfloat16", "g": "float16"}),
}

some = settings(
    max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def tables(example: Example) -> list[tuple[str, Any]]:
    """Return all arrays of an example, with their slots."""
    slots = ("theta", *build(example.spec).slots())
    found = [(slot, x) for slot in slots for x in example.state.slot(slot).values()]
    grads = [g for step in example.steps for g in step.grads.values()]
    return found + [("g", g) for g in grads if g is not None]


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("algorithm", ["sgd", "lookahead", "paratrooper"])
def test_every_dtype_holds_the_numbers(name: str, algorithm: str) -> None:
    """They are bfloat16 numbers within the range of the profile's dtypes, with no -0."""
    profile = PROFILES[name]

    @some
    @given(strategies.examples(algorithm, profile=profile, max_steps=6))
    def test(example: Example) -> None:
        for slot, x in tables(example):
            assert is_bfloat16(x) or name == "float64"
            assert np.array_equal(profile.stored(slot).nearest(x), x)
            assert not np.any(np.signbit(x[x == 0]))
            if profile.flush:
                assert not np.any((x != 0) & (np.abs(x) < np.finfo(np.float32).tiny))

    test()


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_dense_numbers_have_all_bits_of_the_dtype(dtype: str) -> None:
    """Asked for, they are no longer bfloat16 numbers, and the dtype still holds them."""
    profile, format = Profile(dtype=dtype), FORMATS[dtype]
    found = strategies.examples("adam", profile=profile, dense=True, max_steps=3)

    @some
    @given(found)
    def test(example: Example) -> None:
        assert all(np.array_equal(format.nearest(x), x) for _, x in tables(example))

    test()
    find(
        found, lambda e: any(not is_bfloat16(x) for slot, x in tables(e) if slot == "g"),
        settings=settings(phases=[Phase.generate]),
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_specs_name_every_hyperparameter_and_are_admitted(algorithm: str) -> None:
    """A spec is what its optimizer says of itself, layers of their own included."""

    @some
    @given(strategies.specs(algorithm, layers=("w", "b")))
    def test(spec: dict[str, Any]) -> None:
        assert build(spec).spec == spec
        assert spec["algorithm"] == algorithm

    test()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_hyperparameter_takes_several_values(algorithm: str) -> None:
    """None is forgotten: whoever adds a hyperparameter adds what it may be."""
    seen: dict[str, set[Any]] = {}

    @settings(some, max_examples=200)
    @given(strategies.specs(algorithm))
    def test(spec: dict[str, Any]) -> None:
        for name, value in spec["hyper"].items():
            seen.setdefault(name, set()).add(repr(value))

    test()
    for field in OPTIMIZERS[algorithm].__dataclass_fields__.values():
        if field.metadata:
            assert len(seen[field.name]) > 1, field.name
            assert check("test", field, field.default) == field.default


def test_what_is_fixed_stays() -> None:
    """Also where it is a layer's own or an inner optimizer's."""
    drawn = strategies.specs("lookahead", layers=("w",), fixed={"k": 4, "weight_decay": 0.5})

    @some
    @given(drawn)
    def test(spec: dict[str, Any]) -> None:
        for layer in (None, *spec.get("layers", {})):
            assert build(spec).hyper(layer)["k"] == 4
            assert build(spec).hyper(layer).get("weight_decay", 0.5) == 0.5

    test()


@pytest.mark.parametrize("algorithm", ["sgd", "adam", "ranger", "paratrooper"])
def test_states_are_as_steps_may_leave_them(algorithm: str) -> None:
    """No second moment is negative; a fresh state has zeros, and its own weights as slow ones."""

    @some
    @given(strategies.examples(algorithm, max_steps=1))
    def test(example: Example) -> None:
        state, slots = example.state, build(example.spec).slots()
        if "v" in slots:
            assert all(np.all(v >= 0) for v in state.slot("v").values())
            if build(example.spec).hyper()["eps"] == 0 and state.t:
                assert all(np.all(v > 0) for v in state.slot("v").values())
        if state.t == 0:
            assert state.warmup is None
            for slot in slots:
                for name, x in state.slot(slot).items():
                    first = state.params[name] if slot == "slow" else np.zeros_like(x)
                    assert np.array_equal(x, first)
        elif build(example.spec).hyper().get("warmup") == "auto":
            assert state.warmup in ("momentum", "none")

    test()


INTERESTING: dict[str, Any] = {
    "a frozen layer": lambda e: any(g is None for s in e.steps for g in s.grads.values()),
    "all layers frozen": lambda e: all(g is None for g in e.steps[0].grads.values()),
    "a late state": lambda e: e.state.t > 10_000,
    "a first step": lambda e: e.state.t == 0,
    "a wide layer": lambda e: any(x.size > 64 for x in e.state.params.values()),
    "a layer of shape ()": lambda e: any(x.shape == () for x in e.state.params.values()),
    "three layers": lambda e: len(e.state.params) == 3,
    "another rate": lambda e: len({s.lr for s in e.steps}) > 1,
    "no rate": lambda e: e.spec["hyper"]["lr"] == 0,
    "a layer with a rate of its own": lambda e: any("lr" in x for x in own(e)),
    "beta1 = 0": lambda e: e.spec["hyper"]["beta1"] == 0,
    "eps = 0": lambda e: e.spec["hyper"]["eps"] == 0,
    "a gradient turned round": lambda e: any(
        np.array_equal(b, -a) and a.any() for a, b in neighbours(e)
    ),
    "a gradient of zeros": lambda e: any(not b.any() for _, b in neighbours(e)),
    "large numbers": lambda e: any(np.any(np.abs(x) > 2.0**30) for _, x in tables(e)),
    "small numbers": lambda e: any(
        np.any((x != 0) & (np.abs(x) < 2.0**-30)) for _, x in tables(e)
    ),
    "subnormal numbers": lambda e: any(
        np.any((x != 0) & (np.abs(x) < 2.0**-126)) for _, x in tables(e)
    ),
    "fifty steps": lambda e: len(e.steps) == 50,
}


@pytest.mark.parametrize("name", ["k", "alpha"])
@pytest.mark.parametrize("algorithm", ["lookahead", "ranger", "rangerlars", "paratrooper"])
def test_layers_synchronise_in_their_own_way(algorithm: str, name: str) -> None:
    """Some have another period or step size than the optimizer, and reach a synchronisation."""

    def reached(example: Example) -> bool:
        optimizer = build(example.spec)
        shared = optimizer.hyper()
        for layer in example.spec.get("layers", {}):
            hyper = optimizer.hyper(layer)
            for t, step in enumerate(example.steps, start=example.state.t + 1):
                due = t % hyper["k"] == 0 and (name == "alpha" or t % shared["k"])
                if due and hyper[name] != shared[name] and step.grads.get(layer) is not None:
                    return True
        return False

    find(
        strategies.examples(algorithm), reached,
        settings=settings(max_examples=500, phases=[Phase.generate]),
    )


def own(example: Example) -> list[dict[str, Any]]:
    """Return what layers have to themselves."""
    return list(example.spec.get("layers", {}).values())


def neighbours(example: Example) -> list[tuple[Any, Any]]:
    """Return gradients of a layer in steps that follow one another."""
    pairs = zip(example.steps, example.steps[1:], strict=False)
    found = [(a.grads[k], b.grads[k]) for a, b in pairs for k in a.grads]
    return [(a, b) for a, b in found if a is not None and b is not None]


@pytest.mark.parametrize("what", INTERESTING)
def test_what_should_be_tried_is(what: str) -> None:
    """Each is there among some hundred examples."""
    find(
        strategies.examples("adam", min_steps=50 if what == "fifty steps" else 1),
        INTERESTING[what], settings=settings(max_examples=500, phases=[Phase.generate]),
    )


def test_gradients_shrink() -> None:
    """To no more steps than it takes, and small integers."""
    found = find(
        strategies.gradient_sequences({"w": (2, 2), "b": ()}),
        lambda steps: any(g["b"] is None and np.any(g["w"]) for g in steps),
    )
    ((w, b),) = ((g["w"], g["b"]) for g in found)
    assert b is None
    assert w is not None
    # Which of the small ones it is depends on the constants that hypothesis finds in modules.
    assert set(np.abs(w).ravel()) <= {0.0, 0.5, 1.0, 2.0}
    assert np.count_nonzero(w) <= 2


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_little_is_left_out(algorithm: str) -> None:
    """Few single steps have no bound or an undecided branch."""
    tally = examine(ReferenceBackend("float32"), algorithm, settings=settings(max_examples=100))
    assert tally.examples >= 100
    assert sum(tally.discarded.values()) <= 25


def test_an_unknown_algorithm_is_refused() -> None:
    """With the nearest one that is known."""
    with pytest.raises(ValueError, match="did you mean 'adam'"):
        find(strategies.specs("adamv"), lambda spec: True)


def test_shapes_are_drawn_alone_and_with_parameters() -> None:
    """The parts are strategies of their own."""

    @some
    @given(st.data())
    def test(data: st.DataObject) -> None:
        shapes = data.draw(strategies.shapes())
        spec = data.draw(strategies.specs("ranger"))
        params = data.draw(strategies.params(shapes))
        state = data.draw(strategies.states(spec, shapes, fresh=False))
        grads = data.draw(strategies.gradient_sequences(shapes, max_steps=4))
        for table in (params, state.params, state.m, state.v, state.slow, *grads):
            assert table is not None
            assert {k: np.shape(x) for k, x in table.items() if x is not None}.items() <= (
                shapes.items()
            )
        assert state.t > 0
        assert 1 <= len(grads) <= 4

    test()
