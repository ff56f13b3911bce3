"""What a backend keeps: moments, buffers, counts, and what it saves of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Final

import numpy as np

from paratrooper_ref.arithmetic.running import BFLOAT16, FLOAT16, FLOAT64, Format
from paratrooper_ref.conformance.backend import Grads, Params, Spec
from paratrooper_ref.conformance.verdict import DEPARTS, FORGETS, KEEPS, RAISES
from paratrooper_ref.golden.document import Golden, Step
from paratrooper_ref.optimizers import State
from paratrooper_ref.optimizers.lift import evaluated
from paratrooper_ref.variants import Variant, changed, heard
from tests.conformance.faulty import Given, Honest, put, slots

MOMENTS: Final = ("m", "v", "u")
BUFFER: Final = 10  # steps that RAdam's buffer is for


class Stores(Honest):
    """Moments that are kept in a format, and shown in the declared dtype, which is the same."""

    stored: ClassVar[Format] = FLOAT64

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Step, and store."""
        super().step(handle, grads, lr)
        put(handle, {
            slot: {k: self._kept(x) for k, x in handle.state.slot(slot).items()}
            for slot in moments(handle)
        })

    def _kept(self, x: Any) -> Any:
        return np.array(self.stored.nearest(x), dtype=x.dtype)


class StoresInBFloat16(Stores):
    """They are kept in another format than the declared one."""

    verdict = DEPARTS
    of = ("state.bfloat16",)
    stored = BFLOAT16


class KeepsLargest(Honest):
    """Divides by the root of the largest v that it has seen; shown is v as published."""

    verdict = DEPARTS
    of = ("state.largest_v",)

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Step; then exchange the parameters for those of the largest v."""
        before = handle.state
        super().step(handle, grads, lr)
        handle.kept = dict(handle.kept or {})

        def told(layer: str) -> Any:
            def line(name: str, value: Any) -> Any:
                if name != "v":
                    return value
                handle.kept[layer] = np.maximum(handle.kept.get(layer, value), value)
                return handle.kept[layer]

            return {"line": line}

        given = {k: None if g is None else np.asarray(g, self.dtype) for k, g in grads.items()}
        names, _ = evaluated(
            heard(handle.optimizer), before, given, lr, lambda layer, slot, x: x, told=told
        )
        moved = {k: found["theta"].reshape(before.params[k].shape) for k, found in names.items()}
        put(handle, {"theta": {**handle.state.params, **moved}})

    def visible(self, golden: Golden) -> bool:
        """Return False: a single step has no v before it but the one that it is given."""
        return False


class Buffers(Honest):
    """Rates from a buffer of ten steps, the step its key: each optimizer has one."""

    def start(self, spec: Spec, params: Params, state: Given = None) -> Any:
        """Make a buffer."""
        handle = super().start(spec, params, state)
        handle.kept = self.buffer()
        return handle

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Take the rate that is there, or put one there."""
        t = handle.state.t + 1
        known, rate = handle.kept.get(t % BUFFER, (0, lr))
        if known != t:
            handle.kept[t % BUFFER] = t, lr
            rate = lr
        super().step(handle, grads, rate)

    def buffer(self) -> dict[int, tuple[int, float]]:
        """Return steps and rates."""
        return {}


class SharesBuffer(Buffers):
    """All optimizers have the same buffer."""

    verdict = KEEPS
    of = ("cache.kept",)

    def __init__(self, dtype: str = "float32") -> None:
        super().__init__(dtype)
        self.shared: dict[int, tuple[int, float]] = {}

    def buffer(self) -> dict[int, tuple[int, float]]:
        """Return the one that there is."""
        return self.shared


class SharesCorrections(Honest):
    """What is made of the decay rates and the step is made for the first layer, and used for all.

    For the rule of RAdam, whose buffer it is.
    """

    verdict = DEPARTS
    of = ("cache.betas_shared",)

    def start(self, spec: Spec, params: Params, state: Given = None) -> Any:
        """Give all layers the lines of the first."""
        handle = super().start(spec, params, state)
        hyper = handle.optimizer.hyper(next(iter(params)))
        beta1, beta2 = (f"(0 * {name} + {hyper[name]!r})" for name in ("beta1", "beta2"))
        handle.optimizer = changed(handle.optimizer, Variant(
            name=f"radam.betas_of_first {beta1} {beta2}", rules=("radam",), kind="bug",
            was="beta1_t = beta1**t", line=f"beta1_t = {beta1}**t",
            also=(
                ("beta2_t = beta2**t", f"beta2_t = {beta2}**t"),
                ("rho_inf = 2 / (1 - beta2) - 1", f"rho_inf = 2 / (1 - {beta2}) - 1"),
            ),
            seen="RAdam",
        ))
        return handle

    def visible(self, golden: Golden) -> bool:
        """Return whether the layers differ in their decay rates."""
        hypers = [golden.optimizer.hyper(layer) for layer in golden.layers]
        return len({(hyper["beta1"], hyper["beta2"]) for hyper in hypers}) > 1


class Groups(Honest):
    """Some layers at a time, each group as if it were the model: here each layer alone.

    Not for a first-batch rule, which asks the whole model.
    """

    def start(self, spec: Spec, params: Params, state: Given = None) -> Any:
        """Begin to count for each layer."""
        handle = super().start(spec, params, state)
        handle.kept = dict.fromkeys(params, handle.state.t)
        return handle

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Step with each group that has a gradient."""
        before, optimizer = handle.state, handle.optimizer
        after = {s: dict(before.slot(s)) for s in slots(handle)}
        handle.lines = {}
        given = {k: g.astype(self.dtype) for k, g in grads.items() if g is not None}
        for group in self.groups(handle, given):
            t = self.steps(handle, group)
            alone: dict[str, Any] = {
                "params" if s == "theta" else s: self.together(before.slot(s), group)
                for s in slots(handle)
            }
            state = State(t=t, warmup=before.warmup, scalars=before.scalars, **alone)
            whole, lines = of_layers(optimizer, group).step(
                state, self.together(given, group), lr
            )
            for s, layers in after.items():
                layers |= self.apart(whole.slot(s), before.params, group)
            handle.lines |= lines
        put(handle, after)
        handle.state = replace(handle.state, t=before.t + 1)

    def groups(self, handle: Any, grads: Grads) -> list[list[str]]:
        """Return groups of layers."""
        return [[layer] for layer in grads]

    def steps(self, handle: Any, group: list[str]) -> int:
        """Return how many steps a group has taken."""
        taken: int = handle.state.t
        return taken

    def together(self, arrays: Any, group: list[str]) -> Any:
        """Return what is given to the optimizer."""
        return {k: arrays[k] for k in group}

    def apart(self, arrays: Any, like: Params, group: list[str]) -> Any:
        """Return what comes back, by layer."""
        return arrays


class CountsLayers(Groups):
    """Each layer counts the gradients that it gets."""

    verdict = DEPARTS
    of = ("count.of_layer",)

    def steps(self, handle: Any, group: list[str]) -> int:
        """Return the layer's own count, and count on."""
        (layer,) = group
        taken: int = handle.kept[layer]
        handle.kept[layer] += 1
        return taken

    def visible(self, golden: Golden) -> bool:
        """Return False: a state that is given comes with its count."""
        return False


class CountsEachLayer(Groups):
    """One count, which each layer that is updated adds to."""

    verdict = DEPARTS
    of = ("count.each_layer",)

    def start(self, spec: Spec, params: Params, state: Given = None) -> Any:
        """Begin to count."""
        handle = super().start(spec, params, state)
        handle.kept = handle.state.t
        return handle

    def steps(self, handle: Any, group: list[str]) -> int:
        """Return the count, and count on."""
        taken: int = handle.kept
        handle.kept += 1
        return taken

    def visible(self, golden: Golden) -> bool:
        """Return whether two layers move, at a step that still matters."""
        return any(len(moving(golden, s)) > 1 and corrects(golden, s) for s in golden.steps)


class Counts(Honest):
    """A count in a format, and one of doubles does not stop."""

    format: ClassVar[Format] = FLOAT64

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Count, then step."""
        handle.state = replace(handle.state, t=self.counted(handle.state.t) - 1)
        super().step(handle, grads, lr)

    def counted(self, taken: int) -> int:
        """Return the number of the step after some others."""
        now = self.format.nearest(self.format.nearest(np.float64(taken)) + 1)
        return int(now) if np.isfinite(now) else taken + 1  # all the same, so late

    def visible(self, golden: Golden) -> bool:
        """Return whether a step is counted as another, and that still matters."""
        return any(
            self.counted(step.t - 1) != step.t and corrects(golden, step) for step in golden.steps
        )


class CountsInBFloat16(Counts):
    """It stops at 256."""

    verdict = DEPARTS
    of = ("count.bfloat16",)
    format = BFLOAT16


class CountsInFloat16(Counts):
    """It stops at 2048."""

    verdict = DEPARTS
    of = ("count.float16",)
    format = FLOAT16


class LosesMoments(Honest):
    """The moments are made anew on loading."""

    verdict = FORGETS
    of = ("reload.without_moments",)

    def reload(self, handle: Any) -> Any:
        """Lose them."""
        there = super().reload(handle)
        clear(there)
        return there


class LosesCount(Honest):
    """The count begins anew on loading."""

    verdict = FORGETS
    of = ("reload.without_count",)

    def reload(self, handle: Any) -> Any:
        """Lose it."""
        there = super().reload(handle)
        there.state = replace(there.state, t=0)
        return there


class CannotBeSaved(Honest):
    """What is to be saved is not there."""

    verdict = RAISES
    of = ("reload.raises",)

    def reload(self, handle: Any) -> Any:
        """Ask for it."""
        return super().reload(handle.optimizer.base)


def moments(handle: Any) -> tuple[str, ...]:
    """Return the slots of a handle that are moments."""
    return tuple(slot for slot in slots(handle) if slot in MOMENTS)


def clear(handle: Any) -> None:
    """Begin the moments of a handle anew."""
    put(handle, {
        s: {k: np.zeros_like(x) for k, x in handle.state.slot(s).items()} for s in moments(handle)
    })


def moving(golden: Golden, step: Step) -> list[str]:
    """Return the layers that have a gradient."""
    return [layer for layer, g in golden.gradients(step).items() if g is not None]


def corrects(golden: Golden, step: Step) -> bool:
    """Return whether a correction of a step is more than a rounding of single precision."""
    return bool(golden.optimizer.hyper()["beta2"] ** step.t > np.finfo(np.float32).eps)


def of_layers(optimizer: Any, group: list[str]) -> Any:
    """Return an optimizer for a group: with what its layers have of their own."""
    return replace(optimizer, layers=tuple(own for own in optimizer.layers if own[0] in group))
