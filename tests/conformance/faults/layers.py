"""How a backend tells layers apart: rates, hyperparameters, what is frozen, who is asked first."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from paratrooper_ref.conformance.backend import Grads, Params, Spec
from paratrooper_ref.conformance.verdict import DEPARTS, RAISES
from paratrooper_ref.golden.document import Golden, Step
from paratrooper_ref.optimizers.lookahead import lookahead
from tests.conformance.faults.kept import Groups, moving
from tests.conformance.faulty import Given, Honest, put

# --- rates ------------------------------------------------------------------------------------


class TwoRates(Honest):
    """A rate to step at and a rate to decay at, and they are the same."""

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Step at one, with a decay that makes up for the other."""
        made = handle.optimizer
        steps, decays = self.rates(lr, made.rate(None))
        handle.optimizer = with_decay(made, decays / steps)
        super().step(handle, grads, steps)
        handle.optimizer = made

    def rates(self, lr: float, made: float) -> tuple[float, float]:
        """Return the rates, of that of the step and that of the construction."""
        return lr, lr

    def visible(self, golden: Golden) -> bool:
        """Return whether the rate of a step is another."""
        return any(step.lr != golden.optimizer.rate(None) for step in golden.steps)


class StepsAsMade(TwoRates):
    """It steps at the rate it was made with."""

    verdict = DEPARTS
    of = ("rate.of_construction",)

    def rates(self, lr: float, made: float) -> tuple[float, float]:
        """Step at the other rate."""
        return made, lr


class DecaysAsMade(TwoRates):
    """It decays at the rate it was made with."""

    verdict = DEPARTS
    of = ("rate.decay_of_construction",)

    def rates(self, lr: float, made: float) -> tuple[float, float]:
        """Decay at the other rate."""
        return lr, made


def with_decay(optimizer: Any, times: float) -> Any:
    """Return an optimizer with a multiple of its decoupled decay, in all layers."""
    layers = tuple(
        (layer, tuple((k, x * times if k == "weight_decay" else x) for k, x in own))
        for layer, own in optimizer.layers
    )
    return replace(optimizer, layers=layers, weight_decay=optimizer.weight_decay * times)


# --- what layers have of their own ------------------------------------------------------------


class SharesHyper(Honest):
    """Asks itself for one hyperparameter, not the layer's group."""

    verdict = DEPARTS
    of = ("layers.hyper_shared",)

    def __init__(self, dtype: str = "float32", shared: str = "alpha") -> None:
        super().__init__(dtype)
        self.shared = shared

    def start(self, spec: Spec, params: Params, state: Given = None) -> Any:
        """Leave out what a layer has of its own."""
        layers = {
            layer: {k: x for k, x in own.items() if k != self.shared}
            for layer, own in spec.get("layers", {}).items()
        }
        return super().start({**spec, "layers": layers} if layers else spec, params, state)

    def visible(self, golden: Golden) -> bool:
        """Return whether a layer has another value."""
        return any(
            golden.optimizer.hyper(layer).get(self.shared) != golden.optimizer.hyper()[self.shared]
            for layer in golden.layers
        )


class KeepsSingle(Honest):
    """A hyperparameter is kept in single precision."""

    verdict = DEPARTS
    of = ("hyper.float32",)

    def __init__(self, dtype: str = "float64", kept: str = "weight_decay") -> None:
        super().__init__(dtype)
        self.kept = kept

    def start(self, spec: Spec, params: Params, state: Given = None) -> Any:
        """Round it, for each layer that has it too."""

        def held(own: Any) -> dict[str, Any]:
            return {k: float(np.float32(x)) if k == self.kept else x for k, x in own.items()}

        layers = {layer: held(own) for layer, own in spec.get("layers", {}).items()}
        mine = {**spec, "hyper": held(spec["hyper"])}
        return super().start({**mine, "layers": layers} if layers else mine, params, state)

    def visible(self, golden: Golden) -> bool:
        """Return whether single precision does not hold it."""
        values = (golden.optimizer.hyper(layer)[self.kept] for layer in golden.layers)
        return any(float(np.float32(x)) != x for x in values)


class KeepsRate(Honest):
    """The rate is that of the start."""

    verdict = DEPARTS
    of = ("rate.kept",)

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Step at the rate of the optimizer."""
        super().step(handle, grads, handle.optimizer.rate(None))

    def visible(self, golden: Golden) -> bool:
        """Return whether a step has another."""
        return any(step.lr != golden.optimizer.rate(None) for step in golden.steps)


class SwapsBetas(Honest):
    """The decay rates have each other's value."""

    verdict = DEPARTS
    of = ("hyper.betas_swapped",)

    def start(self, spec: Spec, params: Params, state: Given = None) -> Any:
        """Swap them, for each layer that has its own too."""
        other = {"beta1": "beta2", "beta2": "beta1"}

        def swapped(own: Any) -> dict[str, Any]:
            return {other.get(k, k): x for k, x in own.items()}

        layers = {layer: swapped(own) for layer, own in spec.get("layers", {}).items()}
        mine = {**spec, "hyper": swapped(spec["hyper"])}
        return super().start({**mine, "layers": layers} if layers else mine, params, state)


class SparesVectors(Honest):
    """Something, here nothing, is switched off for layers of one axis or none."""

    off: ClassVar[dict[str, Any]] = {}

    def start(self, spec: Spec, params: Params, state: Given = None) -> Any:
        """Switch it off."""
        handle = super().start(spec, params, state)
        handle.optimizer = handle.optimizer.for_layers(
            {layer: self.off for layer, x in params.items() if x.ndim <= 1}
        )
        return handle

    def visible(self, golden: Golden) -> bool:
        """Return whether there is such a layer, and it shows."""
        return any(
            len(golden.layers[k]) <= 1 and self.shows(golden, step, k)
            for step in golden.steps for k in moving(golden, step)
        )

    def shows(self, golden: Golden, step: Step, layer: str) -> bool:
        """Return whether a step of a layer is another without."""
        return False


class NeverAdapts(SparesVectors):
    """No trust ratio."""

    verdict = DEPARTS
    of = ("layers.vectors_not_adapted",)
    off: ClassVar[dict[str, Any]] = {"adapt": False}

    def shows(self, golden: Golden, step: Step, layer: str) -> bool:
        """Return whether the ratio is not 1."""
        lines: Any = step.lines[layer]
        return bool(np.any(lines["trust_ratio"].hi != 1) and np.any(lines["update"].hi))


class NeverDecays(SparesVectors):
    """No decay."""

    verdict = DEPARTS
    of = ("layers.vectors_not_decayed",)
    off: ClassVar[dict[str, Any]] = {"weight_decay": 0.0}

    def shows(self, golden: Golden, step: Step, layer: str) -> bool:
        """Return whether there is one, and weights."""
        decays = golden.optimizer.hyper(layer)["weight_decay"]
        return bool(decays and golden.state(step).params[layer].any())


class DecaysLast(Honest):
    """Decay stands behind the loop over the layers: only the last one has it."""

    verdict = DEPARTS
    of = ("layers.decay_of_last",)

    def start(self, spec: Spec, params: Params, state: Given = None) -> Any:
        """Leave the others without."""
        handle = super().start(spec, params, state)
        *others, _ = params
        handle.optimizer = handle.optimizer.for_layers(
            {layer: {"weight_decay": 0.0} for layer in others}
        )
        return handle

    def visible(self, golden: Golden) -> bool:
        """Return whether another one has a decay and weights."""
        *others, _ = golden.layers
        return any(
            golden.optimizer.hyper(k)["weight_decay"] and golden.state(step).params[k].any()
            for step in golden.steps for k in others if k in moving(golden, step)
        )


class Unbound(Honest):
    """Where there is no momentum, the update is that of the layer before.

    Where their shapes are not the same NumPy or torch would raise; these are left as they are.
    """

    verdict = DEPARTS
    of = ("layers.update_of_previous",)

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Step, and subtract another update."""
        before = self.read(handle)["theta"]
        super().step(handle, grads, lr)
        theta = self.read(handle)["theta"]
        for previous, layer in neighbours(grads):
            if stalls(handle.optimizer, theta, previous, layer):
                update = handle.lines[previous]["update"]
                handle.lines[layer]["update"] = update
                theta[layer] = before[layer] - update
        put(handle, {"theta": theta})

    def visible(self, golden: Golden) -> bool:
        """Return whether there is such a layer."""
        return any(
            stalls(golden.optimizer, golden.state(step).params, previous, layer)
            for step in golden.steps for previous, layer in neighbours(golden.gradients(step))
        )


def neighbours(grads: Grads) -> list[tuple[str, str]]:
    """Return the layers with a gradient, each with the one before."""
    there = [layer for layer, g in grads.items() if g is not None]
    return list(pairwise(there))


def stalls(optimizer: Any, theta: Params, previous: str, layer: str) -> bool:
    """Return whether a layer without momentum is as large as the one before."""
    alike = theta[layer].shape == theta[previous].shape
    return alike and bool(optimizer.hyper(layer)["momentum"] == 0)


class Joins(Groups):
    """Layers that have nothing of their own are one to it."""

    verdict = DEPARTS
    of = ("layers.joined",)

    def groups(self, handle: Any, grads: Grads) -> list[list[str]]:
        """Return those layers together, and the others each for itself."""
        own = dict(handle.optimizer.layers)
        return [g for g in ([k for k in grads if k not in own], *([k] for k in grads if k in own))
                if g]

    def together(self, arrays: Any, group: list[str]) -> Any:
        """Return one layer, called as the first."""
        if len(group) == 1:
            return super().together(arrays, group)
        return {group[0]: np.concatenate([arrays[k].ravel() for k in group])}

    def apart(self, arrays: Any, like: Params, group: list[str]) -> Any:
        """Cut it into layers."""
        if len(group) == 1:
            return arrays
        ends = np.cumsum([like[k].size for k in group])[:-1]
        parts = np.split(arrays[group[0]], ends)
        return {k: x.reshape(like[k].shape) for k, x in zip(group, parts, strict=True)}

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Step, and show each layer its part of the lines."""
        super().step(handle, grads, lr)
        given = {k: g for k, g in grads.items() if g is not None}
        for group in self.groups(handle, given):
            sizes = {k: handle.state.params[k].size for k in group}
            lines = handle.lines[group[0]]
            for layer in group if len(group) > 1 else ():
                handle.lines[layer] = {
                    tag: self.apart({group[0]: x}, handle.state.params, group)[layer]
                    if np.size(x) == sum(sizes.values()) else x
                    for tag, x in lines.items()
                }

    def visible(self, golden: Golden) -> bool:
        """Return whether several layers are joined, and their weights are not all 0."""
        own = dict(golden.optimizer.layers)
        return any(
            len(joined := [k for k in moving(golden, step) if k not in own]) > 1
            and any(golden.state(step).params[k].any() for k in joined)
            for step in golden.steps
        )


class KeepsFields(Honest):
    """Groups of layers that have the same hyperparameters, each with a field of its own."""

    def start(self, spec: Spec, params: Params, state: Given = None) -> Any:
        """Make the groups."""
        handle = super().start(spec, params, state)
        own = spec.get("layers", {})
        groups = [[k for k in params if k not in own], *([k] for k in own)]
        handle.kept = [{"params": group} for group in groups if group]
        for group in self.first(handle.kept):
            group["step_counter"] = 0
        return handle

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Count, then step."""
        for group in handle.kept:
            group["step_counter"] += 1
        super().step(handle, grads, lr)

    def first(self, groups: list[Any]) -> list[Any]:
        """Return the groups that get the field."""
        return groups

    def visible(self, golden: Golden) -> bool:
        """Return whether there are several groups."""
        return bool(golden.optimizer.layers)


class LacksField(KeepsFields):
    """Only the first group gets it."""

    verdict = RAISES
    of = ("layers.empty_groups",)

    def first(self, groups: list[Any]) -> list[Any]:
        """Return one group."""
        return groups[:1]


# --- frozen layers ----------------------------------------------------------------------------


class MovesFrozen(Honest):
    """No gradient is a gradient of zeros."""

    verdict = DEPARTS
    of = ("frozen.decays",)

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Fill in zeros."""
        like = handle.state.params
        super().step(handle, {k: 0 * like[k] if g is None else g for k, g in grads.items()}, lr)

    def visible(self, golden: Golden) -> bool:
        """Return whether a layer is frozen."""
        return any(len(moving(golden, step)) < len(golden.layers) for step in golden.steps)


class SynchronisesFrozen(Honest):
    """A layer without a gradient is synchronised all the same."""

    verdict = DEPARTS
    of = ("frozen.synchronised",)

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Step, and synchronise what was left out."""
        super().step(handle, grads, lr)
        found = self.read(handle)
        for layer in (k for k, g in grads.items() if g is None):
            theta, slow = found["theta"][layer], found["slow"][layer]
            hyper = handle.optimizer.hyper(layer)
            alpha = self.dtype.type(hyper["alpha"])
            lines = lookahead(handle.state.t, theta, slow, k=hyper["k"], alpha=alpha)
            found["theta"][layer], found["slow"][layer] = lines["theta"], lines["slow"]
        put(handle, found)

    def visible(self, golden: Golden) -> bool:
        """Return whether a layer is frozen at a synchronisation."""
        k = golden.optimizer.hyper()["k"]
        return any(
            step.t % k == 0 and len(moving(golden, step)) < len(golden.layers)
            for step in golden.steps
        )


class CountsFrozen(Honest):
    """The elements of frozen layers are in h."""

    verdict = DEPARTS
    of = ("frozen.in_first_batch",)

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Let the first batch choose as if a frozen layer had a gradient of zeros."""
        if handle.state.warmup is None and any(g is not None for g in grads.values()):
            zeros = handle.state.params
            whole = {k: 0 * zeros[k] if g is None else g for k, g in grads.items()}
            given = {k: g.astype(self.dtype) for k, g in whole.items()}
            chosen, _ = handle.optimizer.step(handle.state, given, lr)
            handle.state = replace(handle.state, warmup=chosen.warmup)
        super().step(handle, grads, lr)

    def visible(self, golden: Golden) -> bool:
        """Return whether the elements change the choice."""
        return any(
            step.warmup is None and h_of(golden, step, golden.layers) <= 0.5
            < h_of(golden, step, moving(golden, step))
            for step in golden.steps if decides(golden) and moving(golden, step)
        )


class NeverLate(Honest):
    """Past the first step nobody asks the gradient how to warm up: it is not by momentum."""

    verdict = DEPARTS
    of = ("choice.never_late",)

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Choose without looking."""
        auto = handle.optimizer.hyper().get("warmup") == "auto"
        if auto and handle.state.t and handle.state.warmup is None:
            handle.state = replace(handle.state, warmup="none")
        super().step(handle, grads, lr)

    def visible(self, golden: Golden) -> bool:
        """Return whether a later step has yet to choose, and chooses momentum."""
        return any(
            step.t > 1 and step.warmup is None and h_of(golden, step, moving(golden, step)) <= 0.5
            for step in golden.steps if decides(golden)
        )


def decides(golden: Golden) -> bool:
    """Return whether a first batch chooses how to warm up."""
    return bool(golden.optimizer.hyper().get("warmup") == "auto")


def h_of(golden: Golden, step: Step, layers: Any) -> float:
    """Return h of a step, with the elements of some layers."""
    hyper, grads = golden.optimizer.hyper(), golden.gradients(step)
    squares = sum(float(np.square(g).sum()) for g in grads.values() if g is not None)
    elements = sum(golden.state(step).params[k].size for k in layers)
    return float(squares / (elements * ((1 - hyper["beta1"]) / (1 - hyper["beta2"])) ** 2))
