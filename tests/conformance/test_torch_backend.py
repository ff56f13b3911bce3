"""TorchBackend: torch's own optimizers conform, odd ones are understood, false ones seen."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import paratrooper_ref as pr
from paratrooper_ref.conformance import Profile, Unsupported, check
from paratrooper_ref.conformance.arguments import accepted, arguments
from paratrooper_ref.conformance.cells import Layer, Path
from paratrooper_ref.conformance.gate import Gate, cases
from paratrooper_ref.conformance.layout import named
from paratrooper_ref.conformance.torch_backend import TorchBackend
from paratrooper_ref.conformance.torch_making import Handle
from paratrooper_ref.conformance.verdict import (
    CONFORMS,
    DEPARTS,
    DTYPE,
    GRADIENT,
    KEEPS,
    NON_FINITE,
    RAISES,
    UNSUPPORTED,
    Result,
)
from paratrooper_ref.golden.corpus import Corpus
from paratrooper_ref.golden.document import Golden

torch: Any = pytest.importorskip("torch", reason='torch comes with the extra "peers"')

pytestmark = pytest.mark.peers

Paratrooper: Any = import_module("tests.backends.paratrooper_torch").Paratrooper

SINGLE, FOREACH, FUSED = {"foreach": False}, {"foreach": True}, {"fused": True}
IMPLEMENTATIONS = pytest.mark.parametrize("options", [SINGLE, FOREACH, FUSED], ids=str)
DTYPES = pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])


@cache
def goldens(algorithm: str, only: str = "*") -> list[Golden]:
    """Return cases of an algorithm."""
    return cases(algorithm, Corpus(), only=only)


def held(backend: TorchBackend, algorithm: str, only: str = "*") -> dict[str, Result]:
    """Return the results of a backend by case; what conforms does so at factor 1."""
    return {result.case: result for result in Gate(backend).run(goldens(algorithm, only))}


def which(results: Mapping[str, Result], *verdicts: str) -> set[str]:
    """Return the cases that have come to some verdicts."""
    return {case for case, result in results.items() if result.verdict in verdicts}


def asked(results: Mapping[str, Result], algorithm: str, name: str) -> set[Any]:
    """Return the values with which cases were asked: the published one where it is not another."""
    published = {g.case: g.optimizer.hyper()[name] for g in goldens(algorithm)}
    return {r.adapted.get(name, published[case]) for case, r in results.items()}


def reasons(results: Mapping[str, Result]) -> dict[str, str]:
    """Return why cases are not supported."""
    return {case: r.detail for case, r in results.items() if r.verdict == UNSUPPORTED}


# ------------------------------------------------------------------ torch's own


@DTYPES
@IMPLEMENTATIONS
@pytest.mark.parametrize(
    ("family", "algorithm"),
    [("Adam", "adam"), ("AdamW", "adamw"), ("Adam", "adamw")],
)
def test_adam_and_adamw_conform(
    family: str, algorithm: str, dtype: str, options: dict[str, Any]
) -> None:
    """All cases, in all implementations; Adam is AdamW by a flag that is found."""
    backend = TorchBackend(getattr(torch.optim, family), dtype=dtype, options=options)
    results = held(backend, algorithm)
    assert which(results, CONFORMS) == set(results)
    assert backend.profile == Profile(dtype=dtype)


@DTYPES
@pytest.mark.parametrize("options", [SINGLE, FOREACH], ids=str)
def test_radam_conforms_with_its_own_switch(dtype: str, options: dict[str, Any]) -> None:
    """It is at 5, with momentum below, so that is what the steps are asked with."""
    backend = TorchBackend(torch.optim.RAdam, dtype=dtype, options=options)
    assert backend.fixed == {"threshold": 5.0, "warmup": "momentum"}
    results = held(backend, "radam")
    assert which(results, CONFORMS) == set(results)
    assert asked(results, "radam", "threshold") == {5.0}


@DTYPES
@pytest.mark.parametrize("options", [SINGLE, FOREACH], ids=str)
def test_radam_is_radamw_if_it_is_told(dtype: str, options: dict[str, Any]) -> None:
    """The decay is decoupled by a flag that is found; it has no L2 beside."""
    backend = TorchBackend(torch.optim.RAdam, dtype=dtype, options=options)
    results = held(backend, "radamw")
    assert which(results, CONFORMS) == set(results)
    assert asked(results, "radamw", "l2") == {0.0}


DESCENT = {"sgd/descent-decimal", "sgd/descent-dyadic"}  # dampening without momentum


@DTYPES
@IMPLEMENTATIONS
def test_sgd_conforms_but_for_what_is_known(dtype: str, options: dict[str, Any]) -> None:
    """Without momentum it has no dampening, and is asked without; foreach writes to the gradient.

    Fused, in 16 bits: whole vectors of elements are not updated, and their momentum is read at
    the wrong place, https://github.com/pytorch/pytorch/issues/191763: whatever is there.
    """
    results = held(TorchBackend(torch.optim.SGD, dtype=dtype, options=options), "sgd")
    departing = set()
    if options == FUSED and dtype == "bfloat16":
        departing |= {case for case in results if "/wide-" in case}
    writing = {"nesterov/layers-decimal", "nesterov/layers-dyadic"} if options == FOREACH else set()
    assert which(results, DEPARTS, KEEPS, NON_FINITE) == departing
    assert which(results, GRADIENT) == writing
    assert which(results, CONFORMS) == set(results) - departing - writing
    assert {case for case, r in results.items() if r.adapted.get("dampening") == 0} == DESCENT


class CountsGroups(torch.optim.Optimizer):  # type: ignore[misc]
    """Adam, whose steps each group counts."""

    def __init__(self, params: Any, lr: float, betas: Any, eps: float) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "step": 0})

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, closure: Any = None) -> None:
        """Count, and step."""
        for group in self.param_groups:
            group["step"] += 1
            (beta1, beta2), t = group["betas"], group["step"]
            for p in (p for p in group["params"] if p.grad is not None):
                kept = self.state[p] or {s: torch.zeros_like(p) for s in ("m", "v")}
                self.state[p] = kept
                kept["m"].mul_(beta1).add_(p.grad, alpha=1 - beta1)
                kept["v"].mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
                root = (kept["v"] / (1 - beta2**t)).sqrt_().add_(group["eps"])
                p.addcdiv_(kept["m"], root, value=-group["lr"] / (1 - beta1**t))


def test_a_count_of_each_group_is_set_in_all_of_them() -> None:
    """Also where a case has more groups than the small optimizer by which it was found."""
    results = held(TorchBackend(CountsGroups, name="x"), "adam", "adam/layers-*")
    assert which(results, CONFORMS) == set(results)
    assert all(r.steps == r.of for r in results.values())


def test_what_a_constructor_has_not_got_is_refused() -> None:
    def never(params: Any, lr: float, betas: Any, eps: float) -> Any:
        msg = "not yet"
        raise NotImplementedError(msg)

    results = held(TorchBackend(never), "adam", "adam/plain-*")
    assert which(results, UNSUPPORTED) == set(results)
    assert {r.detail for r in results.values()} == {"refuses: not yet"}


def test_sgd_fused_leaves_vectors_of_16_bits_alone() -> None:
    """The fault alone, without the kit: 16 elements do not move, 15 do."""
    for n, moves in ((15, True), (16, False)):
        p = torch.nn.Parameter(torch.zeros(n, dtype=torch.bfloat16))
        p.grad = torch.ones(n, dtype=torch.bfloat16)
        torch.optim.SGD([p], lr=1.0, fused=True).step()
        assert (p != 0).all().item() == moves


def test_another_algorithm_departs() -> None:
    """AdamW has its decay outside the gradient, whatever it is called."""
    results = held(TorchBackend(torch.optim.AdamW), "adam", "adam/*-dyadic")
    decays = ("no-eps", "large", "small", "zero-weights")  # nothing
    without = {f"adam/{name}-dyadic" for name in decays}
    assert which(results, CONFORMS) == without
    assert which(results, DEPARTS) == set(results) - without


def test_what_a_class_does_not_have_is_refused() -> None:
    """In a few words, for the first thing that it lacks."""
    results = held(TorchBackend(torch.optim.AdamW), "paratrooper", "paratrooper/plain-*")
    assert set(reasons(results).values()) == {"has no k"}
    assert not which(results, CONFORMS, DEPARTS)
    assert TorchBackend(torch.optim.SGD).supports(pr.Adam().spec) == "has no beta1"
    assert TorchBackend(torch.optim.SGD).supports(pr.SGD(momentum=0.5).spec) is None
    own = pr.LAMB().for_layers({"b": {"adapt": False}})
    assert TorchBackend(torch.optim.Adam).supports(own.spec) == "has no adapt of layer 'b'"


# ------------------------------------------------------------------ names


class Synonyms(torch.optim.AdamW):  # type: ignore[misc]
    """AdamW with other names, and some for its parent."""

    def __init__(
        self, params: Any, learning_rate: float, b1: float, b2: float, **more: Any
    ) -> None:
        super().__init__(params, learning_rate, betas=(b1, b2), **more)


def test_names_are_found_in_parents_too() -> None:
    """Where a class takes keywords for them."""
    own, parents = accepted(Synonyms)
    assert list(own) == ["learning_rate", "b1", "b2"]
    assert {"lr", "betas", "eps", "weight_decay"} < set(parents)
    results = held(TorchBackend(Synonyms), "adamw")
    assert which(results, CONFORMS) == set(results)
    # Groups know neither b1 nor learning_rate.
    assert {case for case, r in results.items() if r.adapted} == {
        "adamw/layers-decimal", "adamw/layers-dyadic",
    }


def test_a_function_gives_all_arguments() -> None:
    """And what it gives matters."""
    def named(hyper: dict[str, Any]) -> dict[str, Any]:
        kept = {k: hyper[k] for k in ("lr", "eps", "weight_decay")}
        return {**kept, "betas": (hyper["beta1"], hyper["beta2"])}

    results = held(TorchBackend(torch.optim.AdamW, hyper=named), "adamw", "adamw/*-dyadic")
    assert which(results, CONFORMS) == set(results)

    def swapped(hyper: dict[str, Any]) -> dict[str, Any]:
        return {**named(hyper), "betas": (hyper["beta2"], hyper["beta1"])}

    results = held(TorchBackend(torch.optim.AdamW, hyper=swapped), "adamw", "adamw/plain-*")
    assert which(results, DEPARTS) == set(results)
    backend = TorchBackend(torch.optim.AdamW, hyper=swapped, options={"betas": (0.5, 0.25)})
    handle = backend.start(pr.AdamW().spec, START)
    assert handle.optimizer.param_groups[0]["betas"] == (0.5, 0.25)


class DType(Enum):
    """A choice by name."""

    NARROW = 1


@pytest.mark.parametrize(
    ("hyper", "defaults", "wanted_kwargs", "missing"),
    [
        ({"beta1": 0.9, "beta2": 0.8}, {"betas": (0.9, 0.999)}, {"betas": (0.9, 0.8)}, ()),
        ({"beta1": 0.9}, {"betas": (0.9, 0.999)}, {}, ("beta1",)),
        ({"threshold": 5.0}, {"N_sma_threshhold": 5}, {"N_sma_threshhold": 5.0}, ()),
        ({"warmup": "none"}, {"degenerated_to_sgd": True}, {"degenerated_to_sgd": False}, ()),
        ({"warmup": "auto"}, {"degenerated_to_sgd": True}, {}, ("warmup",)),
        # A number of steps, and a flag, that happen to be called so.
        ({"warmup": "momentum"}, {"warmup": 500}, {}, ("warmup",)),
        ({"dampening": 0.5}, {"dampening": False}, {}, ("dampening",)),
        ({"cap": 3.5}, {"cap": "rectified"}, {"cap": 3.5}, ()),
        ({"upper": 1.0}, {"trust_clip": False}, {"trust_clip": True}, ()),
        ({"upper": 2.0}, {"trust_clip": False}, {}, ("upper",)),
        ({"adapt": False}, {"adam": False}, {"adam": True}, ()),
        # Any object may say that there is no default; a function, an enumeration do not.
        ({"lr": 0.5, "form": "2017"}, {"lr": object(), "form": object()},
         {"lr": 0.5, "form": "2017"}, ()),
        ({"lr": 0.5}, {"lr": lambda step: 0.1}, {}, ("lr",)),
        ({"form": "2017"}, {"form": DType.NARROW}, {}, ("form",)),
        ({"lr": 0.5}, {"lr": torch.tensor(0.1)}, {"lr": 0.5}, ()),
        ({"beta1": 0.9, "beta2": 0.8}, {"beta_1": 0.9, "beta_2": 0.999},
         {"beta_1": 0.9, "beta_2": 0.8}, ()),
        # A rate, but where it is the step of slow weights.
        ({"lr": 0.5}, {"alpha": 0.1}, {"alpha": 0.5}, ()),
        ({"lr": 0.5}, {"alpha": 0.1, "lr": 0.1}, {"lr": 0.5}, ()),
        ({"lr": 0.5, "alpha": 0.25}, {"alpha": 0.1}, {"alpha": 0.25}, ("lr",)),
        ({"lr": 0.5}, {"alpha": 0.5, "k": 6}, {}, ("lr",)),
    ],
)
def test_values_find_arguments_of_their_kind(
    hyper: dict[str, Any], defaults: dict[str, Any], wanted_kwargs: dict[str, Any],
    missing: tuple[str, ...],
) -> None:
    """A name alone is not enough: the default tells what is meant by it."""
    assert arguments(hyper, [defaults], {}, False) == (wanted_kwargs, missing)


class OwnNames(torch.optim.AdamW):  # type: ignore[misc]
    """AdamW with a rate that stands in groups under its own name, and a decay that is wrong."""

    def __init__(
        self, params: Any, alpha: float = 1e-3, beta_one: float = 0.9, beta_2: float = 0.999,
        eps: float = 1e-8, decay_rate: float = 0.0,
    ) -> None:
        super().__init__(params, 1.0, (beta_one, beta_2), eps, 7 * decay_rate)
        for group in self.param_groups:
            del group["lr"]
            group["alpha"] = alpha

    def step(self, closure: Any = None) -> None:
        """Take a step at its own rate; there is no other between steps."""
        for group in self.param_groups:
            group["lr"] = group["alpha"]
        super().step()
        for group in self.param_groups:
            del group["lr"]


def test_names_that_are_near_are_told() -> None:
    """And what was never given."""
    backend = TorchBackend(OwnNames)
    why = 'has no beta1; if beta_one is it, say so: hyper={"beta1": "beta_one"}'
    assert backend.supports(pr.AdamW(weight_decay=0.0).spec) == why
    backend = TorchBackend(OwnNames, hyper={"beta1": "beta_one"})
    assert set(backend.ungiven) == {"alpha", "beta_one", "beta_2", "eps", "decay_rate"}
    results = held(backend, "adamw", "adamw/*-decimal")
    assert which(results, CONFORMS) == set(results)
    assert asked(results, "adamw", "weight_decay") == {0.0}
    assert backend.ungiven == ("decay_rate",)
    right = {"beta1": "beta_one", "weight_decay": "decay_rate"}
    backend = TorchBackend(OwnNames, hyper=right)
    assert which(held(backend, "adamw", "adamw/plain-decimal"), DEPARTS)
    assert not backend.ungiven

    def rate_apart(params: Any, pace: float, foreach: bool = False) -> Any:
        return torch.optim.SGD(params, pace, foreach=foreach)

    told = 'has no lr; if pace or foreach is it, say so: hyper={"lr": ...}'
    assert TorchBackend(rate_apart).supports(pr.SGD().spec) == told


def test_dampening_that_is_not_there_is_found_by_its_steps() -> None:
    """Not by the path of the class; one that heeds it is asked with it."""
    class Alike(torch.optim.SGD):  # type: ignore[misc]
        pass

    class Heeds(torch.optim.SGD):  # type: ignore[misc]
        @torch.no_grad()  # type: ignore[untyped-decorator]
        def step(self, closure: Any = None) -> None:
            for group in self.param_groups:
                for p in (p for p in group["params"] if p.grad is not None):
                    u = p.grad + group["weight_decay"] * p
                    if "momentum_buffer" in self.state[p]:
                        u = (1 - group["dampening"]) * u
                    self.state[p]["momentum_buffer"] = u
                    p.sub_(group["lr"] * u)

    for family, heeds in ((Alike, False), (Heeds, True)):
        results = held(TorchBackend(family), "sgd", "sgd/descent-*")
        assert all(asked(results, "sgd", "dampening")) == heeds
        assert which(results, CONFORMS) == set(results) == DESCENT


def test_the_decay_is_decoupled_where_the_algorithm_says_so() -> None:
    """A flag for it is a translation, no option."""
    for decoupled in (False, True):
        kwargs, _ = arguments(
            {"weight_decay": 0.1}, [{"weight_decay": 0.0, "weight_decouple": True}], {}, decoupled
        )
        assert kwargs == {"weight_decay": 0.1, "weight_decouple": decoupled}


def test_a_part_of_the_algorithm_may_have_no_name() -> None:
    """As it is published it needs none; of another value nobody could know."""
    adam = TorchBackend(torch.optim.Adam)
    assert adam.supports(pr.RAdam().spec) is None
    assert adam.supports(pr.RAdam(threshold=5).spec) == "has no threshold"
    assert TorchBackend(torch.optim.Adam, fixed={"threshold": 5.0}).supports(
        pr.RAdam(threshold=5).spec
    ) is None
    assert adam.supports(pr.LAMB(upper=10.0).spec) == "has no upper"
    assert adam.supports(pr.RAdamW(weight_decay=0.1, l2=0.1).spec) == "has no l2"
    sgd = TorchBackend(torch.optim.SGD)
    assert sgd.supports(pr.LARS(trust_coefficient=1.0).spec) is None
    assert sgd.supports(pr.LARS(trust_coefficient=1.0, form="2019").spec) == "has no form"


def test_the_constructor_may_refuse() -> None:
    """Its ValueError says what it does not do."""
    results = held(TorchBackend(torch.optim.SGD), "sgd", "nesterov/plain-*")
    assert which(results, CONFORMS) == set(results)
    why = TorchBackend(torch.optim.SGD).supports(pr.SGD(nesterov=True).spec)
    assert why == "refuses: Nesterov momentum requires a momentum and zero dampening"


def test_errors_are_the_optimizers_own() -> None:
    """Nothing is made of them on the way."""
    class Breaks(torch.optim.SGD):  # type: ignore[misc]
        def step(self, closure: Any = None) -> None:
            msg = "no step today"
            raise ArithmeticError(msg)

    results = held(TorchBackend(Breaks), "sgd", "sgd/plain-*")
    assert which(results, RAISES) == set(results)
    (said,) = {r.detail for r in results.values()}
    assert said.startswith("ArithmeticError: no step today; at test_torch_backend.py:")


# ------------------------------------------------------------------ odd optimizers


class Wrapped(torch.optim.Optimizer):  # type: ignore[misc]
    """Lookahead around AdamW, with what it remembers left to those that derive from it."""

    def __init__(
        self, params: Any, lr: float, betas: Any, eps: float, weight_decay: float, k: int = 6,
        alpha: float = 0.5,
    ) -> None:
        self.inner = torch.optim.AdamW(params, lr, betas, eps, weight_decay)
        super().__init__(self.inner.param_groups, {})
        self.inner.param_groups = self.param_groups
        self.k, self.alpha = k, alpha
        self._begin([p for group in self.param_groups for p in group["params"]])

    def _begin(self, params: Any) -> None:
        for p in params:
            self.state[p]["slow_buffer"] = p.detach().clone()
        self.done = 0

    def _slow(self, p: Any) -> Any:
        return self.state[p]["slow_buffer"]

    def _meets(self) -> bool:
        self.done += 1
        return self.done % self.k == 0

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, closure: Any = None) -> None:
        """Take a fast step, and some to the slow weights."""
        self.inner.step()
        if self._meets():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        self._slow(p).lerp_(p, self.alpha)
                        p.copy_(self._slow(p))


class Listed(Wrapped):
    """Slow weights in lists by group, a phase counted up to k by group."""

    def _begin(self, params: Any) -> None:
        self.slow_weights = [
            [p.detach().clone() for p in group["params"]] for group in self.param_groups
        ]
        for group in self.param_groups:
            group["counter"] = 0

    def _slow(self, p: Any) -> Any:
        return next(
            slow for of, group in zip(self.slow_weights, self.param_groups, strict=True)
            for slow, q in zip(of, group["params"], strict=True) if q is p
        )

    def _meets(self) -> bool:
        for group in self.param_groups:
            group["counter"] += 1
            if group["counter"] >= self.k:
                group["counter"] = 0
        return bool(self.param_groups[0]["counter"] == 0)


class Unnamed(Wrapped):
    """Slow weights under a name that nobody knows, by the ids of the parameters."""

    def _begin(self, params: Any) -> None:
        self.anchors = {id(p): p.detach().clone() for p in params}
        self.left = torch.tensor(0)

    def _slow(self, p: Any) -> Any:
        return self.anchors[id(p)]

    def _meets(self) -> bool:
        self.left += 1
        return bool(self.left % self.k == 0)


class Late(Wrapped):
    """Slow weights are made when they are needed first, as timm and over9000 do."""

    def _begin(self, params: Any) -> None:
        self.done = 0

    def _slow(self, p: Any) -> Any:
        return self.state[p].setdefault("slow_buffer", p.detach().clone())


class Hiding(Wrapped):
    """Slow weights that cannot be seen from outside."""

    def _begin(self, params: Any) -> None:
        self.done = 0
        anchors = {p: p.detach().clone() for p in params}
        self.hidden: Callable[[Any], Any] = lambda p: anchors[p]

    def _slow(self, p: Any) -> Any:
        return self.hidden(p)


class Miscounting(Wrapped):
    """A count that cannot be set: it is where a generator stands."""

    def _begin(self, params: Any) -> None:
        super()._begin(params)
        self.phases = iter(range(1, 10**9))

    def _meets(self) -> bool:
        return next(self.phases) % self.k == 0


AROUND = {"inner": "adamw"}


@pytest.mark.parametrize("family", [Wrapped, Listed, Unnamed])
def test_slow_weights_and_counts_are_found_wherever_they_are(family: Any) -> None:
    """By a name, or by what they hold; in states, groups, attributes, lists."""
    backend = TorchBackend(family, fixed=AROUND)
    results = held(backend, "lookahead")
    assert backend.profile.inject
    around = {case for case, r in results.items() if "wraps adamw, not " in r.detail}
    assert which(results, CONFORMS) == set(results) - around
    inner = {g.case: g.spec["hyper"]["inner"]["algorithm"] for g in goldens("lookahead")}
    assert around == {case for case in inner if inner[case] != "adamw"}
    handle = backend.start(LOOK.spec, {"x": np.ones(3)}, state_of(LOOK, np.ones(3), t=2))
    assert set(backend.read(handle)) == {"theta", "m", "v", "slow"}


LOOK = pr.Lookahead(inner=pr.AdamW(), k=3, alpha=0.25)


def state_of(ours: Any, x: Any, t: int) -> dict[str, Any]:
    """Return a state after t steps."""
    return {"t": t, **{slot: {"x": x * (i + 2)} for i, slot in enumerate(ours.slots())}}


@pytest.mark.parametrize(
    ("family", "why"),
    [
        (Hiding, 'slow is not found; say where: state={"slow": ...}'),
        (Miscounting, "it goes on with another theta than one that took the steps"),
    ],
)
def test_what_cannot_be_set_is_said(family: Any, why: str) -> None:
    """Its first steps are checked alone, and the reason is told."""
    backend = TorchBackend(family, fixed=AROUND)
    with pytest.raises(Unsupported, match=re.escape(why)):
        backend.start(LOOK.spec, {"x": np.ones(3)}, state_of(LOOK, np.ones(3), t=2))
    results = held(backend, "lookahead", "lookahead/plain-decimal")
    assert which(results, CONFORMS) == set(results)
    assert [r.steps for r in results.values()] == [1]


class Coupled(torch.optim.Optimizer):  # type: ignore[misc]
    """AdamW with its decay in the gradient, and moments under names of its own."""

    names = "first", "second"

    def __init__(
        self, params: Any, lr: float = 1e-3, betas: Any = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        )

    def moments(self, p: Any) -> Any:
        """Return what a layer remembers."""
        return {"n": 0, **{name: torch.zeros_like(p) for name in self.names}}

    def gradient(self, p: Any, group: Any) -> Any:
        """Return what the moments are of."""
        return p.grad + group["weight_decay"] * p

    def move(self, p: Any, group: Any, direction: Any) -> None:
        """Change a parameter."""
        p.copy_(p.to(direction.dtype) - group["lr"] * direction)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, closure: Any = None) -> None:
        """Take a step."""
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in (p for p in group["params"] if p.grad is not None):
                kept = self.state[p]
                if not kept:
                    kept.update(self.moments(p))
                kept["n"] += 1
                m, v = (kept[name] for name in self.names)
                g = self.gradient(p, group).to(m.dtype)
                m.mul_(beta1).add_(g, alpha=1 - beta1)
                v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
                m_hat, v_hat = m / (1 - beta1 ** kept["n"]), v / (1 - beta2 ** kept["n"])
                self.move(p, group, m_hat / (v_hat.sqrt() + group["eps"]))


def test_a_state_that_cannot_be_set_leaves_the_others_alone() -> None:
    """Moments that hold a decay are not known; without one they are, before and after."""
    backend = TorchBackend(Coupled)
    decays, plain = pr.AdamW(weight_decay=0.5), pr.AdamW(weight_decay=0.0)
    why = 'm, v are not found; say where: state={"m": ..., "v": ...}'
    for _ in range(2):
        backend.start(plain.spec, START, state_of(plain, START["x"], t=2))
        with pytest.raises(Unsupported, match=re.escape(why)):
            backend.start(decays.spec, START, state_of(decays, START["x"], t=2))
    assert backend.profile.inject
    results = held(TorchBackend(Coupled), "adamw")
    assert not which(results, KEEPS)
    assert "adamw/zero-weights-decimal" in which(results, CONFORMS)
    assert set(reasons(results).values()) == {f"its state cannot be set: {why}"}
    told = TorchBackend(Coupled, state={"m": "first", "v": "second"})
    assert not reasons(held(told, "adamw"))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_state_that_is_not_found_is_not_set_in_a_coarse_dtype_either(dtype: str) -> None:
    """Where a few roundings hide what is lost with the buffer, it is lost all the same."""

    class Opposite(torch.optim.Optimizer):  # type: ignore[misc]
        def __init__(self, params: Any, lr: float = 1e-3, momentum: float = 0.0) -> None:
            super().__init__(params, {"lr": lr, "momentum": momentum})

        @torch.no_grad()  # type: ignore[untyped-decorator]
        def step(self, closure: Any = None) -> None:
            for group in self.param_groups:
                for p in (p for p in group["params"] if p.grad is not None):
                    mu = self.state[p].setdefault("mu", torch.zeros_like(p))
                    mu.mul_(group["momentum"]).sub_(p.grad)
                    p.add_(mu, alpha=group["lr"] / 64)

    backend = TorchBackend(Opposite, dtype=dtype, fixed={"dampening": 0.0, "nesterov": False})
    sgd = pr.SGD(momentum=0.5)
    with pytest.raises(Unsupported, match="u is not found"):
        backend.start(sgd.spec, START, state_of(sgd, START["x"], t=2))


def test_a_wrapper_may_leave_its_state_to_what_it_wraps() -> None:
    """It has groups and a step, and no more; what cannot be saved is not asked to be."""

    class Wrapper:
        def __init__(self, params: Any, lr: float = 1e-3, momentum: float = 0.0) -> None:
            self.inner = torch.optim.SGD(params, lr=lr, momentum=momentum)

        @property
        def param_groups(self) -> Any:
            return self.inner.param_groups

        def step(self) -> None:
            self.inner.step()

    fixed = {"dampening": 0.0, "nesterov": False, "weight_decay": 0.0}
    report = check(TorchBackend(Wrapper, fixed=fixed), "sgd", only="*/sgd*")
    runs = {r.case: (r.verdict, r.detail) for r in report.results}
    assert runs["reload/sgd"] == (UNSUPPORTED, "has no state_dict")
    assert {verdict for case, (verdict, _) in runs.items() if case != "reload/sgd"} == {CONFORMS}
    plain = check(TorchBackend(Wrapper, fixed=fixed), "sgd", only="sgd/turning-*", runs=False)
    assert [(r.verdict, {s.tag for s in r.shares}) for r in plain.results] == [
        (CONFORMS, {"theta", "u"})
    ] * 2


def test_what_an_algorithm_has_no_slot_for_cannot_be_set() -> None:
    """A running maximum of v: an optimizer that was told v alone would be another."""
    backend = adamw(options={"amsgrad": True})
    state = state_of(pr.AdamW(), np.ones(3, dtype=np.float32), t=2)
    with pytest.raises(Unsupported, match="it goes on with another theta than one that took"):
        backend.start(pr.AdamW().spec, START, state)


def test_a_small_one_that_fails_is_no_verdict() -> None:
    """It is made to learn where the state is; who steps is the one that was asked for."""

    class Large(torch.optim.AdamW):  # type: ignore[misc]
        def step(self, closure: Any = None) -> None:
            if self.param_groups[0]["params"][0].numel() < 3:
                msg = "too small"
                raise RuntimeError(msg)
            super().step()

    backend = TorchBackend(Large)
    handle = backend.start(pr.AdamW().spec, START)
    assert set(backend.read(course(backend, handle))) == {"theta"}
    with pytest.raises(Unsupported, match="a small one raises RuntimeError: too small"):
        backend.start(pr.AdamW().spec, START, state_of(pr.AdamW(), START["x"], t=2))


class InParts(torch.optim.Optimizer):  # type: ignore[misc]
    """AdamW whose groups keep the betas apart."""

    def __init__(
        self, params: Any, lr: float = 1e-3, betas: Any = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "beta1": betas[0], "beta2": betas[1], "eps": eps, "decay": weight_decay,
        })

    def step(self, closure: Any = None) -> None:
        """Take the step of another AdamW, group by group."""
        for group in self.param_groups:
            inner = torch.optim.AdamW(
                group["params"], group["lr"], (group["beta1"], group["beta2"]), group["eps"],
                group["decay"],
            )
            inner.state = self.state
            inner.step()


def test_groups_may_know_parts_of_an_argument() -> None:
    """The betas of a layer go in as they are kept; a name that groups do not know is refused."""
    own = pr.AdamW().for_layers({"x": {"beta1": 0.5}})
    backend = TorchBackend(InParts)
    handle = backend.start(own.spec, START)
    assert handle.optimizer.param_groups[0]["beta1"] == 0.5
    other = pr.AdamW().for_layers({"x": {"weight_decay": 0.5}})
    assert backend.supports(other.spec) == "has no weight_decay by group"
    results = held(backend, "adamw", "adamw/plain-*")
    assert which(results, CONFORMS) == set(results)


def test_functions_reach_what_is_hidden() -> None:
    """A function that reads alone shows a slot, and cannot set it."""
    anchors: dict[Any, Any] = {}
    done: dict[Any, int] = {}

    class Remote(Wrapped):
        def _begin(self, params: Any) -> None:
            done[id(self)] = 0
            anchors.update({p: p.detach().clone() for p in params})

        def _slow(self, p: Any) -> Any:
            return anchors[p]

        def _meets(self) -> bool:
            done[id(self)] += 1
            return done[id(self)] % self.k == 0

    state: dict[str, Any] = {
        "slow": (lambda optimizer, p: anchors[p], lambda optimizer, p, x: anchors[p].copy_(x)),
        "t": (lambda optimizer: done[id(optimizer)],
              lambda optimizer, t: done.update({id(optimizer): t})),
    }
    results = held(TorchBackend(Remote, fixed=AROUND, state=state), "lookahead", "*/sync-decimal")
    assert which(results, CONFORMS) == set(results)
    given = state_of(LOOK, np.ones(3, dtype=np.float32), t=2)
    backend = TorchBackend(Remote, fixed=AROUND, state=state)
    handle = backend.start(LOOK.spec, {"x": np.ones(3)}, given)
    anchors[handle.params["x"]].zero_()  # written again when the step knows its rate
    assert np.array_equal(backend.read(handle)["slow"]["x"], given["slow"]["x"])
    seen = TorchBackend(Remote, fixed=AROUND, state={"slow": state["slow"][0]})
    handle = seen.start(LOOK.spec, {"x": np.ones(3)})
    assert np.array_equal(seen.read(handle)["slow"]["x"], np.ones(3))
    with pytest.raises(Unsupported, match="its state cannot be set"):
        seen.start(LOOK.spec, {"x": np.ones(3)}, state_of(LOOK, np.ones(3), t=2))


def test_slow_weights_that_are_wrong_are_seen_by_their_name() -> None:
    """They hold nothing that is known, but the list is called so."""

    class Swapped(Listed):
        @torch.no_grad()  # type: ignore[untyped-decorator]
        def step(self, closure: Any = None) -> None:
            self.alpha = 1 - self.alpha
            super().step()
            self.alpha = 1 - self.alpha

    handle = TorchBackend(Swapped, fixed=AROUND).start(LOOK.spec, {"x": np.ones(3)})
    assert "slow" in handle.layout.slots


class MasterLamb(Coupled):
    """LAMB with master weights in float32."""

    names = "m", "v"
    copies = True

    def __init__(
        self, params: Any, lr: float = 1e-3, betas: Any = (0.9, 0.999), eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)

    def moments(self, p: Any) -> Any:
        """Return what a layer remembers."""
        x = p.detach().float().clone()
        return {**super().moments(x), "master": x}

    def gradient(self, p: Any, group: Any) -> Any:
        """Return what the moments are of."""
        return p.grad

    def move(self, p: Any, group: Any, direction: Any) -> None:
        """Change the masters, and copy them."""
        x = self.state[p]["master"]
        d = direction + group["weight_decay"] * x
        norms = x.norm(), d.norm()
        x.sub_(group["lr"] * (norms[0] / norms[1] if all(norms) else 1.0) * d)
        if self.copies:
            p.copy_(x)


def set_master(optimizer: Any, p: Any, x: Any) -> None:
    """Write the masters of a layer."""
    optimizer.state[p]["master"].copy_(x)


MASTERS = pytest.mark.parametrize("where", [
    "master", (lambda optimizer, p: optimizer.state[p].get("master"), set_master),
], ids=["named", "functions"])


@MASTERS
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_master_weights_are_read_and_set(dtype: str, where: Any) -> None:
    """With all digits, before the first step too; the arithmetic is theirs."""
    backend = TorchBackend(MasterLamb, dtype=dtype, state={"theta": where})
    assert backend.profile == Profile(slots={} if dtype == "float32" else {"g": dtype})
    results = held(backend, "lamb")
    assert which(results, CONFORMS) == set(results)
    assert all(r.steps == r.of for r in results.values())
    third = {"x": np.full(3, 1 / 3, dtype=np.float32)}
    handle = backend.start(pr.LAMB().spec, third)
    assert np.array_equal(backend.read(handle)["theta"]["x"], third["x"])
    assert handle.params["x"].dtype == getattr(torch, dtype)


def test_a_declared_profile_with_masters_leaves_tensors_narrow() -> None:
    """Their dtype is that of the gradients."""
    wide = Profile(dtype="bfloat16", slots=dict.fromkeys(("theta", "m", "v"), "float32"))
    backend = TorchBackend(MasterLamb, profile=wide, state={"theta": "master"})
    assert backend.dtype == "bfloat16"
    results = held(backend, "lamb", "lamb/plain-*")
    assert which(results, CONFORMS) == set(results)


def test_masters_that_are_not_copied_are_not_shown() -> None:
    """The parameters are, as soon as they are more than a rounding behind."""
    class Forgets(MasterLamb):
        copies = False

    backend = TorchBackend(Forgets, dtype="bfloat16", state={"theta": "master"})
    results = held(backend, "lamb", "lamb/plain-dyadic")
    assert which(results, DEPARTS) == set(results)


def test_masters_are_suspected() -> None:
    """Where a state that is set does not go on, and something is the parameters all along."""
    backend = TorchBackend(MasterLamb)
    hint = 'if master is master weights, say so: state={"theta": "master"}'
    with pytest.raises(Unsupported, match=re.escape(hint)):
        backend.start(pr.LAMB().spec, START, state_of(pr.LAMB(), START["x"], t=2))


class OfVectors(Coupled):
    """First moments of matrices are kept in another shape, as low-rank methods do."""

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, closure: Any = None) -> None:
        """Take a step."""
        for p, kept in self.state.items():
            kept["first"] = kept["first"].reshape(p.shape)
        super().step()
        for p, kept in self.state.items():
            kept["first"] = kept["first"].reshape(p.shape if p.dim() < 2 else -1)


def test_a_slot_of_some_layers_is_not_shown_as_zero_in_others() -> None:
    """A layer that has stepped has what it has; of one that has not, there is none as yet."""
    backend = TorchBackend(OfVectors, state={"m": "first", "v": "second"})
    params = {"x": START["x"], "w": np.ones((2, 2), dtype=np.float32)}
    handle = backend.start(pr.Adam().spec, params)
    backend.step(handle, {layer: np.ones_like(x) for layer, x in params.items()}, 0.1)
    assert set(backend.read(handle)) == {"theta", "v"}
    with pytest.raises(Unsupported, match="m of layer 'w' is not found"):
        backend.start(pr.Adam().spec, params, {"t": 2, "m": params, "v": params})


def test_a_slot_that_a_layer_has_lost_is_not_shown() -> None:
    """Nor one that others have as yet, where it has stepped with them."""
    backend = TorchBackend(Coupled)
    params = {"x": START["x"], "y": np.ones(2, dtype=np.float32)}
    handle = backend.start(pr.Adam().spec, params)
    backend.step(handle, {"x": np.ones_like(START["x"]), "y": None}, 0.1)
    assert set(backend.read(handle)) == {"theta", "m", "v"}
    backend.step(handle, {"x": None, "y": np.ones(2, dtype=np.float32)}, 0.1)
    handle.optimizer.state[handle.params["y"]].pop("first")
    assert set(backend.read(handle)) == {"theta", "v"}


def test_a_name_that_all_layers_have_goes_before_one_that_some_have() -> None:
    """Whatever their order; some are better than none."""
    params = {k: torch.ones(2) for k in "xy"}
    names = [("x", "exp_avg"), ("x", "m"), ("y", "m")]
    seen: dict[Path, Any] = {
        ("state", Layer(layer), name): torch.ones(2) for layer, name in names
    }
    assert named(seen, params, ("exp_avg", "m")) == {k: ("state", Layer(k), "m") for k in "xy"}
    assert set(named(seen, params, ("exp_avg", "v"))) == {"x"}


@pytest.mark.parametrize("family", [torch.optim.SGD, Coupled, torch.optim.AdamW])
def test_what_a_wrapper_wraps_is_found(family: Any) -> None:
    """By the name of a class, or else by the way it moves; it is asked for nothing else."""
    class Around(Wrapped):
        def __init__(
            self, params: Any, lr: float = 0.1, eps: float = 1e-8, weight_decay: float = 0.0,
            k: int = 6, alpha: float = 0.5,
        ) -> None:
            self.inner = family(params, lr=lr, weight_decay=weight_decay, **(
                {} if family is torch.optim.SGD else {"eps": eps}
            ))
            torch.optim.Optimizer.__init__(self, self.inner.param_groups, {})
            self.k, self.alpha = k, alpha
            self._begin([p for group in self.param_groups for p in group["params"]])

    Around.__name__ = "Around"
    inside = {torch.optim.SGD: "sgd", Coupled: "adam", torch.optim.AdamW: "adamw"}[family]
    options = {} if family is torch.optim.SGD else {"beta1": 0.9, "beta2": 0.999}
    backend = TorchBackend(Around, fixed=options)
    for name, inner in (("sgd", pr.SGD()), ("adam", pr.Adam()), ("adamw", pr.AdamW())):
        why = backend.supports(pr.Lookahead(inner=inner).spec)
        assert why == (None if name == inside else f"wraps {inside}, not {name}")


def test_a_late_start_is_not_helped() -> None:
    """Slow weights are set only where the optimizer would have some by then."""
    results = held(TorchBackend(Late, fixed=AROUND), "lookahead", "lookahead/*-decimal")
    assert which(results, DEPARTS) == {"lookahead/first-sync-decimal"}
    assert results["lookahead/first-sync-decimal"].t == 5


@pytest.mark.parametrize("case", ["loud-dyadic", "quiet-dyadic", "late-dyadic", "first-sync-*"])
def test_a_chosen_warm_up_is_told(case: str) -> None:
    """What "auto" has chosen stands in the groups of this one; making its state chooses nothing."""
    results = held(TorchBackend(Paratrooper), "paratrooper", f"paratrooper/{case}")
    assert which(results, CONFORMS) == set(results)
    assert all(r.steps == r.of for r in results.values())


def test_making_a_state_does_not_choose_a_warm_up() -> None:
    """All layers were frozen in the first step, so the second gradient chooses: none for it."""
    backend = TorchBackend(Paratrooper)
    zero = {"x": np.zeros(3, dtype=np.float32)}
    handle = backend.start(
        pr.Paratrooper().spec, START, {"t": 1, "m": zero, "v": zero, "slow": START}
    )
    backend.step(handle, {"x": np.full(3, 100, dtype=np.float32)}, 0.1)
    assert np.array_equal(backend.read(handle)["theta"]["x"], START["x"])


def test_a_chosen_warm_up_that_cannot_be_told_is_refused() -> None:
    """Unless the rectified branch is open, where the choice is no more asked."""
    ours = pr.RAdam(warmup="auto")
    backend = TorchBackend(torch.optim.Adam, fixed={"warmup": "auto"})
    for t, refused in ((3, True), (4, False)):  # rho is 4 at t = 4, just below, and 5 at t = 5
        state = {**state_of(ours, START["x"], t), "warmup": "none"}
        if refused:
            with pytest.raises(Unsupported, match="cannot be told which warm-up was chosen"):
                backend.start(ours.spec, START, state)
        else:
            backend.start(ours.spec, START, state)


# ------------------------------------------------------------------ the protocol in detail


def adamw(**options: Any) -> TorchBackend:
    """Return a backend."""
    return TorchBackend(torch.optim.AdamW, **options)


def course(backend: TorchBackend, handle: Handle, steps: int = 5) -> Handle:
    """Take some steps."""
    rng = np.random.default_rng(1)
    for _ in range(steps):
        g = rng.normal(size=3).astype(np.float32)
        handle = backend.step(handle, {"x": g}, 0.1) or handle
    return handle


START = {"x": np.array([1.0, -2.0, 0.5], dtype=np.float32)}


def test_what_is_passed_in_is_left_alone_and_what_is_read_is_a_copy() -> None:
    """Arrays that are shut are good enough."""
    backend, params, g = adamw(), dict(START), np.ones(3, dtype=np.float32)
    params["x"].flags.writeable = False
    handle = backend.start(pr.AdamW().spec, params)
    before = backend.read(handle)
    assert backend.step(handle, {"x": g}, 0.1) is None
    read = backend.read(handle)
    assert np.array_equal(before["theta"]["x"], START["x"])
    assert np.array_equal(g, np.ones(3))
    kept = {slot: layers["x"].copy() for slot, layers in read.items()}
    course(backend, handle)
    assert all(np.array_equal(read[slot]["x"], kept[slot]) for slot in kept)
    assert set(before) == {"theta"}
    assert set(read) == {"theta", "m", "v"}


def test_a_state_goes_in_as_it_comes_out() -> None:
    """Bit for bit, in each dtype, and with its count."""
    for dtype in ("float64", "float32", "float16", "bfloat16"):
        backend = adamw(dtype=dtype)
        array = np.dtype("float32" if dtype == "bfloat16" else dtype)
        x = START["x"].astype(array)
        state = state_of(pr.AdamW(), x * x, t=7)
        handle = backend.start(pr.AdamW().spec, {"x": x}, state)
        read = backend.read(handle)
        for slot, layers in {"theta": {"x": x}, "m": state["m"], "v": state["v"]}.items():
            assert read[slot]["x"].dtype == array
            assert np.array_equal(read[slot]["x"], layers["x"])
        assert {int(s["step"]) for s in handle.optimizer.state.values()} == {7}


def test_before_the_first_step_there_is_no_buffer() -> None:
    """SGD's first step does not read one, whatever a state may hold."""
    backend = TorchBackend(torch.optim.SGD)
    ours = pr.SGD(momentum=0.5, dampening=0.5)
    handle = backend.start(ours.spec, START, {"t": 0, "u": {"x": START["x"]}})
    backend.step(handle, {"x": np.ones(3, dtype=np.float32)}, 0.1)
    assert np.array_equal(backend.read(handle)["u"]["x"], np.ones(3))


def test_handles_live_side_by_side() -> None:
    """Steps of one do nothing to another."""
    backend = adamw()
    one = backend.start(pr.AdamW().spec, START)
    two = backend.start(pr.AdamW(eps=0.5).spec, START)
    alone = backend.read(course(backend, backend.start(pr.AdamW().spec, START)))
    rng = np.random.default_rng(1)
    for _ in range(5):
        g = rng.normal(size=3).astype(np.float32)
        backend.step(one, {"x": g}, 0.1)
        backend.step(two, {"x": g}, 0.1)
    assert all(np.array_equal(backend.read(one)[s]["x"], alone[s]["x"]) for s in alone)
    assert not np.array_equal(backend.read(two)["theta"]["x"], alone["theta"]["x"])


def test_a_frozen_layer_reads_as_before() -> None:
    """Torch has no state for it yet."""
    backend = adamw()
    params = {"x": START["x"], "y": np.ones(2, dtype=np.float32)}
    handle = backend.start(pr.AdamW().spec, params)
    backend.step(handle, {"x": np.ones(3, dtype=np.float32), "y": None}, 0.1)
    read = backend.read(handle)
    assert np.array_equal(read["theta"]["y"], params["y"])
    assert not read["m"]["y"].any()
    assert read["m"]["x"].all()


def test_layers_keep_their_share_of_the_rate() -> None:
    """In a group each."""
    ours = pr.SGD(lr=0.5).for_layers({"y": {"lr": 0.25}, "z": {"weight_decay": 0.5}})
    backend = TorchBackend(torch.optim.SGD, dtype="float64")
    handle = backend.start(ours.spec, {k: np.ones(1) for k in "xyz"})
    assert [g["lr"] for g in handle.optimizer.param_groups] == [0.5, 0.25, 0.5]
    backend.step(handle, {k: np.ones(1) for k in "xyz"}, 0.125)
    assert [g["lr"] for g in handle.optimizer.param_groups] == [0.125, 0.0625, 0.125]
    theta = backend.read(handle)["theta"]
    assert [theta[k][0] for k in "xyz"] == [0.875, 0.9375, 1 - 0.125 * 1.5]


def test_a_rate_of_zero_is_no_step() -> None:
    """Some refuse to begin with it; schedules end there all the same."""
    class Refuses(torch.optim.AdamW):  # type: ignore[misc]
        def __init__(self, params: Any, lr: float = 1e-3, **more: Any) -> None:
            if lr <= 0:
                msg = "lr is to be positive"
                raise ValueError(msg)
            super().__init__(params, lr=lr, **more)

    for family in (torch.optim.AdamW, Refuses):
        backend = TorchBackend(family)
        handle = backend.start(pr.AdamW(lr=0.0).spec, START)
        backend.step(handle, {"x": np.ones(3, dtype=np.float32)}, 0.0)
        assert np.array_equal(backend.read(handle)["theta"]["x"], START["x"])


def test_a_changed_gradient_shows() -> None:
    """Whether it was written to or replaced; one that is dropped is none."""
    class Writes(torch.optim.SGD):  # type: ignore[misc]
        def step(self, closure: Any = None) -> None:
            super().step()
            self.param_groups[0]["params"][0].grad[1] = 7.0

    class Replaces(torch.optim.SGD):  # type: ignore[misc]
        def step(self, closure: Any = None) -> None:
            super().step()
            p = self.param_groups[0]["params"][0]
            p.grad = p.grad.clone()
            p.grad[1] = 7.0

    class Drops(torch.optim.SGD):  # type: ignore[misc]
        def step(self, closure: Any = None) -> None:
            super().step()
            self.zero_grad()

    for family, after in ((Writes, [1, 7, 1]), (Replaces, [1, 7, 1]), (Drops, [1, 1, 1])):
        backend, g = TorchBackend(family), np.ones(3, dtype=np.float32)
        backend.step(backend.start(pr.SGD().spec, START), {"x": g}, 0.1)
        assert g.tolist() == after


def test_reloading_goes_on_and_forgetting_shows() -> None:
    """The parameters are kept, the state is the optimizer's to save."""
    class Forgets(torch.optim.AdamW):  # type: ignore[misc]
        def load_state_dict(self, state_dict: Any) -> None:
            super().load_state_dict({**state_dict, "state": {}})

    for family, same in ((torch.optim.AdamW, True), (Forgets, False)):
        backend = TorchBackend(family)
        one = course(backend, backend.start(pr.AdamW().spec, START))
        two = backend.reload(one)
        assert two.optimizer is not one.optimizer
        assert np.array_equal(backend.read(two)["theta"]["x"], backend.read(one)["theta"]["x"])
        read = [backend.read(course(backend, handle, steps=2)) for handle in (one, two)]
        assert np.array_equal(read[0]["theta"]["x"], read[1]["theta"]["x"]) == same


def test_steps_may_be_taken_on_another_thread() -> None:
    """The kit does so; gradient mode is a thread's own."""
    backend, found = adamw(), {}
    handle = backend.start(pr.AdamW().spec, START)
    thread = threading.Thread(target=lambda: found.update(course(backend, handle).params))
    thread.start()
    thread.join()
    assert found
    alone = backend.read(course(backend, backend.start(pr.AdamW().spec, START)))
    assert np.array_equal(backend.read(handle)["theta"]["x"], alone["theta"]["x"])


# ------------------------------------------------------------------ profiles and names


class Float32State(torch.optim.Optimizer):  # type: ignore[misc]
    """SGD with momentum that keeps its buffer, and computes, in float32."""

    def __init__(self, params: Any, lr: float = 0.1, momentum: float = 0.5) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, closure: Any = None) -> None:
        """Take a step."""
        for group in self.param_groups:
            for p in (p for p in group["params"] if p.grad is not None):
                g, state = p.grad.float(), self.state[p]
                buffer = state.setdefault("momentum_buffer", torch.zeros_like(g))
                buffer.mul_(group["momentum"]).add_(g)
                p.copy_(p.float() - group["lr"] * buffer)


def test_a_state_wider_than_its_parameters_is_declared_so() -> None:
    """So that its numbers may be read, and set, as they are."""
    backend = TorchBackend(Float32State, dtype="bfloat16")
    assert backend.profile == Profile(dtype="bfloat16", slots={"u": "float32"})
    assert TorchBackend(Float32State).profile == Profile()
    third = np.full(3, 1 / 3, dtype=np.float32)
    handle = backend.start(pr.SGD(momentum=0.5).spec, START, {"t": 3, "u": {"x": third}})
    assert np.array_equal(backend.read(handle)["u"]["x"], third)
    assert handle.params["x"].dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_widths_are_found_under_any_name(dtype: str) -> None:
    """By what tensors hold, narrower or wider than the parameters."""
    for width in (torch.float32, torch.float64):
        class OfWidth(Coupled):
            def moments(self, p: Any, width: Any = width) -> Any:
                return {k: x if k == "n" else x.to(width) for k, x in super().moments(p).items()}

        backend = TorchBackend(OfWidth, dtype=dtype)
        other = str(width).removeprefix("torch.")
        slots = {} if other == dtype else dict.fromkeys(("m", "v"), other)
        assert backend.profile == Profile(dtype=dtype, slots=slots)
        if dtype != "float64":
            results = held(backend, "adam")
            assert which(results, CONFORMS) == set(results)


def test_the_dtype_is_shown_as_it_is() -> None:
    """Parameters that a step turns into doubles are no floats."""
    class Grows(torch.optim.AdamW):  # type: ignore[misc]
        def step(self, closure: Any = None) -> None:
            super().step()
            for group in self.param_groups:
                for p in group["params"]:
                    p.data = p.data.double()

    results = held(TorchBackend(Grows), "adamw", "adamw/plain-*")
    assert which(results, DTYPE) == set(results)
    said = "theta of layer 'w' is float64, declared is float32; if that is meant, "
    said += "its Profile is to say slots={'theta': 'float64'}"
    assert {r.detail for r in results.values()} == {said}


def test_a_profile_is_told_of_what_never_steps() -> None:
    """It is asked before a step is, and outside of a watch."""
    class Leaves(torch.optim.SGD):  # type: ignore[misc]
        def step(self, closure: Any = None) -> None:
            raise SystemExit

    assert TorchBackend(Leaves).profile == Profile()


def test_declared_profiles_win() -> None:
    """Tensors have the dtype in which the parameters are stored."""
    declared = Profile(dtype="float32", slots={"theta": "bfloat16", "g": "bfloat16"})
    backend = TorchBackend(torch.optim.SGD, profile=declared)
    assert (backend.profile, backend.dtype) == (declared, "bfloat16")
    assert TorchBackend(torch.optim.Adam, options={"capturable": True}).profile.scalars == "mixed"


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: adamw(), "torch.optim.AdamW"),
        (lambda: adamw(options={"foreach": True}), "torch.optim.AdamW(foreach=True)"),
        (lambda: adamw(name="mine"), "mine"),
        (lambda: TorchBackend(Wrapped), f"{__name__}.Wrapped"),
    ],
)
def test_names_and_versions_stand_in_reports(make: Callable[[], TorchBackend], name: str) -> None:
    """The shortest path that leads to the class."""
    assert make().name == name
    assert adamw().versions == {"torch": str(torch.__version__)}


def test_torch_is_imported_by_those_who_use_it() -> None:
    """Not by the kit."""
    program = (
        "import sys; from paratrooper_ref.conformance import TorchBackend;"
        "TorchBackend(dict); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


class Compensated(torch.optim.Optimizer):  # type: ignore[misc]
    """SGD that keeps what rounding takes from its parameters, for the next step."""

    def __init__(self, params: Any, lr: float, momentum: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    def step(self) -> None:
        """Take a step."""
        for group in self.param_groups:
            for p in (p for p in group["params"] if p.grad is not None):
                state = self.state[p]
                if not state:
                    state["buffer"] = torch.clone(p.grad)
                    state["lost"] = torch.zeros_like(p)
                else:
                    state["buffer"].mul_(group["momentum"]).add_(p.grad)
                state["lost"].add_(state["buffer"], alpha=-group["lr"])
                before = p.detach().clone()
                p.data.add_(state["lost"])
                state["lost"].add_(before - p.data)


def test_what_is_kept_besides_slots_begins_at_nothing() -> None:
    """A compensation that the step which makes the state has left would be taken for an error."""
    backend = TorchBackend(Compensated, dtype="bfloat16", state={"u": "buffer"})
    results = held(backend, "sgd", "sgd/*-dyadic")
    assert len(which(results, CONFORMS)) > 10
    assert not which(results, DEPARTS, KEEPS)
