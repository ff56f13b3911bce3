"""Layers taken as one: the very bits of each by itself, and only where no element sees another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from paratrooper_ref.arithmetic.running import Running
from paratrooper_ref.conformance import Profile, bounds, gate, wanted
from paratrooper_ref.conformance.alike import alike
from paratrooper_ref.golden.corpus import Corpus
from paratrooper_ref.optimizers import LARS, OPTIMIZERS, SGD, Adam, Lookahead, RAdam, State
from paratrooper_ref.variants import VARIANTS, changed

RNG = np.random.default_rng(5)
PARAMS = {"a": RNG.normal(size=(2, 3)), "b": RNG.normal(size=4), "c": np.array(0.5)}
SMALL = 1e-9


def gradients(*frozen: str) -> dict[str, Any]:
    """Return a gradient of each layer, none of those that are frozen."""
    return {k: None if k in frozen else RNG.normal(size=x.shape) for k, x in PARAMS.items()}


def known(state: State, optimizer: Any) -> dict[str, dict[str, Any]]:
    """Return how far each slot of each layer may be off: differently, and not everywhere."""
    return {
        layer: {
            slot: SMALL * RNG.uniform(size=x.shape)
            for slot in ("theta", *optimizer.slots(), "g") if RNG.uniform() < 0.6
        }
        for layer, x in state.params.items()
    }


def assert_same(one: Any, two: Any) -> None:
    """Hold two tables of lines to each other, to the last bit."""
    assert one.keys() == two.keys()
    for layer, names in one.items():
        assert names.keys() == two[layer].keys()
        for name, value in names.items():
            other = two[layer][name]
            if not isinstance(value, Running):  # a scalar, one object wherever it is shared
                assert callable(value) or value is other or value == other, (layer, name)
                continue
            for part in ("value", "error"):
                a, b = (np.asarray(getattr(x, part)) for x in (value, other))
                assert a.shape == b.shape, (layer, name, part)
                assert a.tobytes() == b.tobytes(), (layer, name, part)


@pytest.mark.parametrize("frozen", [(), ("b",)])
@pytest.mark.parametrize(
    "optimizer",
    [
        SGD(momentum=0.9, weight_decay=0.1), Adam(weight_decay=0.1), RAdam(),
        Lookahead(inner=RAdam(), k=1),
        Adam().for_layers({"b": {"lr": 0.5}}), Adam().for_layers({"b": {"weight_decay": 0.5}}),
    ],
    ids=["sgd", "adam", "radam", "lookahead", "other rate", "other decay"],
)
def test_the_bits_are_those_of_each_layer(
    optimizer: Any, frozen: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounds and values are what they are where each layer is taken by itself."""
    state = optimizer.step(optimizer.init(PARAMS), gradients())[0]
    given = optimizer, state, gradients(*frozen), 0.01
    errors = known(state, optimizer)
    assert alike(*given[:3]) is not None
    for profile in (Profile(dtype="float32"), Profile(dtype="bfloat16", scalars="array")):
        together = bounds.lines(*given, profile, errors=errors)
        apart = bounds.lines(
            *given, profile, errors=errors, hear=lambda layer, name, value: value
        )
        assert_same(together, apart)
    one = wanted.computed(*given, errors)
    monkeypatch.setattr(wanted, "alike", lambda *asked: None)
    each = wanted.computed(*given, errors)
    for layer in PARAMS:
        for slot, number in one[layer].items():
            for a, b in zip(number, each[layer][slot], strict=True):
                assert a.tobytes() == b.tobytes(), (layer, slot)


@pytest.mark.parametrize(
    "optimizer", [LARS(), changed(Adam(), VARIANTS["adam.eps_hat"])], ids=["norms", "a variant"]
)
def test_what_sees_other_elements_is_taken_by_layer(optimizer: Any) -> None:
    """A norm is that of its layer; a variant that has none is taken as one too."""
    found = alike(optimizer, optimizer.init(PARAMS), gradients())
    assert (found is None) == isinstance(optimizer, LARS)


def test_layers_with_other_hyperparameters_stand_apart() -> None:
    """Two of three layers go together, where the third has a rate of its own."""
    optimizer = Adam().for_layers({"b": {"lr": 0.5}})
    found = alike(optimizer, optimizer.init(PARAMS), gradients())
    assert found is not None
    assert found.places == {
        "a": ("a", slice(0, 6)), "b": ("b", slice(0, 4)), "c": ("a", slice(6, 7)),
    }
    assert list(found.places) == list(PARAMS)  # in the order in which they were given
    assert alike(optimizer, optimizer.init(PARAMS), gradients("c")) is None  # each has its own


def test_a_first_batch_is_asked_by_layer() -> None:
    """While gradients choose how to warm up they are summed by layer; then no more."""
    optimizer = RAdam(warmup="auto")
    state = optimizer.init(PARAMS)
    assert alike(optimizer, state, gradients()) is None
    assert alike(optimizer, replace(state, warmup="momentum"), gradients()) is not None


CORPUS = Corpus()
BY_NORM = {"lars_2017", "lars_2019", "lamb", "rangerlars", "paratrooper"}


@pytest.mark.parametrize("algorithm", sorted(OPTIMIZERS))
def test_each_optimizer_is_one_or_the_other(algorithm: str) -> None:
    """Where there is no norm, layers are one array."""
    for case in gate.names(algorithm, CORPUS):
        golden = CORPUS.load(CORPUS.manifest().cases[case])
        step = golden.steps[-1]
        if len(golden.layers) > 1 and not golden.optimizer.layer_names():
            break
    found = alike(golden.optimizer, golden.state(step), golden.gradients(step))
    rules = {rule.__name__ for rule in golden.optimizer.stages()}
    assert (found is None) == bool(rules & BY_NORM), case
