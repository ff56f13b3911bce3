"""What a backend lacks is left out, layer by layer first; what it always uses, it is told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from paratrooper_ref.conformance.adapted import (
    Adapted,
    differences,
    fixed_of,
    with_hyper,
    without,
)
from paratrooper_ref.conformance.backend import Lacks
from paratrooper_ref.optimizers import Adam, AdamW, Lookahead, Optimizer, Ranger


def lacking(*names: str) -> Any:
    """Return a question that only an optimizer without these hyperparameters answers."""

    def question(optimizer: Optimizer, answer: str) -> str:
        for name in names:
            own = dict(pair for _, of_layer in optimizer.layers for pair in of_layer)
            if name in own or optimizer.hyper()[name] != AdamW(weight_decay=0.0).hyper()[name]:
                raise Lacks(name)
        return answer

    return question


def test_what_is_not_lacking_is_asked_at_once() -> None:
    """And the answer is handed back."""
    adapted = Adapted(AdamW(), {})
    assert adapted.ask(lambda optimizer, x: (optimizer, x), 7) == (AdamW(), 7)
    assert (adapted.optimizer, adapted.changes) == (AdamW(), {})


def test_it_is_asked_without_what_it_lacks_until_it_answers() -> None:
    """Of layers first, then at all; one name after the other."""
    published = AdamW(eps=0.5, weight_decay=0.25).for_layers({"b": {"eps": 1.0, "beta1": 0.5}})
    adapted = Adapted(published, {})
    assert adapted.ask(lacking("eps", "weight_decay"), "yes") == "yes"
    assert adapted.optimizer == AdamW(weight_decay=0.0).for_layers({"b": {"beta1": 0.5}})
    assert adapted.changes == {"eps": 1e-8, "weight_decay": 0.0, "by layer": "fewer"}
    with pytest.raises(Lacks, match="beta1"):
        Adapted(AdamW(), {}).ask(_always_lacking)


def _always_lacking(optimizer: Optimizer) -> None:
    name = "beta1"
    raise Lacks(name)


def test_what_a_backend_always_uses_is_told_from_the_start() -> None:
    """Whatever is published; layers too have it, and what they have besides they keep."""
    backend: Any = SimpleNamespace(fixed={"beta1": 0.5, "momentum": 0.75})
    nothing: Any = SimpleNamespace(fixed=None)
    none: Any = SimpleNamespace()
    assert fixed_of(backend) is backend.fixed
    assert (fixed_of(nothing), fixed_of(none)) == ({}, {})
    adapted = Adapted(AdamW().for_layers({"b": {"beta1": 0.25, "eps": 1.0}}), fixed_of(backend))
    assert adapted.optimizer == AdamW(beta1=0.5).for_layers({"b": {"beta1": 0.5, "eps": 1.0}})
    assert adapted.changes == {"beta1": 0.5, "by layer": "fewer"}


def test_hyperparameters_of_a_wrapped_optimizer_go_to_it() -> None:
    """Each to whom it belongs; what nobody has changes nothing."""
    outer = Lookahead(inner=Adam(), k=3).for_layers({"b": {"eps": 1e-3}})
    other = with_hyper(outer, {"eps": 1e-2, "k": 4, "cap": 1.0})
    assert other == Lookahead(inner=Adam(eps=1e-2), k=4).for_layers({"b": {"eps": 1e-2}})
    assert with_hyper(outer, {"k": 4}) == Lookahead(inner=Adam(), k=4).for_layers(
        {"b": {"eps": 1e-3}}
    )
    ranger = Ranger()
    assert with_hyper(ranger, {"cap": 1.0}) is ranger


def test_without_is_by_layer_then_at_all_then_nothing() -> None:
    """A decay becomes 0, anything else what is published."""
    own = AdamW(weight_decay=0.25).for_layers({"b": {"weight_decay": 0.5}, "w": {"eps": 0.5}})
    fewer = without(own, "weight_decay")
    assert fewer == AdamW(weight_decay=0.25).for_layers({"w": {"eps": 0.5}})
    assert fewer is not None
    none = without(fewer, "weight_decay")
    assert none == AdamW(weight_decay=0.0).for_layers({"w": {"eps": 0.5}})
    assert none is not None
    assert without(none, "weight_decay") is None
    assert without(AdamW(eps=0.5), "eps") == AdamW()
    assert without(AdamW(), "no such") is None
    wrapped = Lookahead(inner=Adam(eps=0.5), k=3)
    assert without(wrapped, "eps") == Lookahead(inner=Adam(), k=3)
    assert without(wrapped, "k") == Lookahead(inner=Adam(eps=0.5))


def test_differences_are_by_name_and_layers_in_a_word() -> None:
    """Those of layers are not listed: only that there are fewer."""
    one = AdamW().for_layers({"b": {"eps": 0.5}})
    assert differences(one, one) == {}
    assert differences(one, AdamW(eps=0.25).for_layers({"b": {"eps": 0.5}})) == {"eps": 0.25}
    assert differences(one, AdamW()) == {"by layer": "fewer"}
