"""What a backend does with what it is given."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from paratrooper_ref.conformance.adapted import with_hyper
from paratrooper_ref.conformance.backend import Grads, Params, Spec
from paratrooper_ref.conformance.verdict import DEPARTS, GRADIENT, INPUT
from paratrooper_ref.golden.document import Golden
from tests.conformance.faulty import Given, Honest, is_fresh


class Decays(Honest):
    """Adds L2 decay to a copy of the gradient; the optimizer itself has none."""

    def start(self, spec: Spec, params: Params, state: Given = None) -> Any:
        """Keep the decay of each layer."""
        handle = super().start(spec, params, state)
        handle.kept = {k: decay_of(handle.optimizer, k) for k in params}
        handle.optimizer = with_hyper(handle.optimizer, dict.fromkeys(L2, 0.0))
        return handle

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Decay, then step."""
        own = self.own(grads)
        for layer, g in own.items():
            if g is not None:
                g += self.dtype.type(handle.kept[layer]) * handle.state.params[layer]
        super().step(handle, own, lr)

    def own(self, grads: Grads) -> Grads:
        """Return gradients to write to."""
        return {k: None if g is None else g.copy() for k, g in grads.items()}

    def visible(self, golden: Golden) -> bool:
        """Return whether there is something to add."""
        return any(
            g is not None and decay_of(golden.optimizer, k) and golden.state(s).params[k].any()
            for s in golden.steps for k, g in golden.gradients(s).items()
        )


class WritesGradient(Decays):
    """Adds L2 decay to the very gradient that it is given."""

    verdict = GRADIENT
    of = ("gradient.written",)

    def own(self, grads: Grads) -> Grads:
        """Write to what was given."""
        return grads


class RebindsGradient(Decays):
    """Puts a decayed gradient in the place of the given one, in the mapping it is given."""

    verdict = GRADIENT
    of = ("gradient.written",)

    def own(self, grads: Grads) -> Grads:
        """Write to copies, and hand them back."""
        own = super().own(grads)
        grads.update(own)  # type: ignore[attr-defined]
        return own


class Clipped(Honest):
    """Gradients of no larger common norm than a limit, and the limit is infinite."""

    limit: ClassVar[float] = np.inf

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Clip, then step."""
        norm = common_norm(grads)
        factor = self.dtype.type(min(1.0, self.limit / norm) if norm else 1.0)
        super().step(handle, {k: None if g is None else g * factor for k, g in grads.items()}, lr)

    def visible(self, golden: Golden) -> bool:
        """Return whether a norm is above 1."""
        return any(common_norm(golden.gradients(step)) > 1 for step in golden.steps)


class Clips(Clipped):
    """The limit is 1, and nobody has asked for it."""

    verdict = DEPARTS
    of = ("gradient.clipped",)
    limit = 1.0


class EachClipped(Honest):
    """Gradients of no larger norm than a limit, each by itself, and the limit is infinite."""

    limit: ClassVar[float] = np.inf

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Clip as torch.nn.utils.clip_grad_norm_ does it, layer by layer; then step."""
        given = {
            k: None if g is None
            else g * self.dtype.type(min(1.0, self.limit / (common_norm({k: g}) + 1e-6)))
            for k, g in grads.items()
        }
        super().step(handle, given, lr)

    def visible(self, golden: Golden) -> bool:
        """Return whether a norm is above 1."""
        found = [golden.gradients(step) for step in golden.steps]
        return any(common_norm({k: g}) > 1 for of in found for k, g in of.items())


class ClipsEach(EachClipped):
    """The limit is 1, and nobody has asked for it."""

    verdict = DEPARTS
    of = ("gradient.clipped_by_layer",)
    limit = 1.0


class Clamped(Honest):
    """Gradients whose elements are of no larger value than a limit, and the limit is infinite."""

    limit: ClassVar[float] = np.inf

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Clip each element, then step."""
        given = {
            k: None if g is None else np.clip(g, -self.limit, self.limit) for k, g in grads.items()
        }
        super().step(handle, given, lr)

    def visible(self, golden: Golden) -> bool:
        """Return whether an element is above 1."""
        found = [golden.gradients(step).values() for step in golden.steps]
        return any(g is not None and np.any(np.abs(g) > 1) for of in found for g in of)


class Clamps(Clamped):
    """The limit is 1, and nobody has asked for it."""

    verdict = DEPARTS
    of = ("gradient.clamped",)
    limit = 1.0


class Rows(Honest):
    """Takes from each row of a gradient its mean, if the layer has so many axes: none has."""

    axes: ClassVar[int] = 33

    def step(self, handle: Any, grads: Grads, lr: float) -> Any:
        """Centralise, then step."""
        given = {
            k: g if g is None or np.ndim(g) < self.axes else central(g) for k, g in grads.items()
        }
        super().step(handle, given, lr)


class Centralises(Rows):
    """Of all that have rows."""

    verdict = DEPARTS
    of = ("gradient.centralised",)
    axes = 2

    def visible(self, golden: Golden) -> bool:
        """Return whether a row has a mean."""
        return any(
            g is not None and not np.array_equal(central(g), g)
            for step in golden.steps for g in golden.gradients(step).values()
        )


class CentralisesKernels(Rows):
    """Of convolutions in two dimensions alone."""

    verdict = DEPARTS
    of = ("gradient.centralised",)
    axes = 4

    def visible(self, golden: Golden) -> bool:
        """Return False: no layer of a case has four axes."""
        return False


class PopsState(Honest):
    """Takes slow weights and the count out of the mapping it is given to load."""

    verdict = INPUT
    of = ("input.dropped",)

    def start(self, spec: Spec, params: Params, state: Given = None) -> Any:
        """Start, then pop."""
        handle = super().start(spec, params, state)
        for name in ("slow", "t"):
            if state is not None:
                state.pop(name, None)  # type: ignore[attr-defined]
        return handle

    def visible(self, golden: Golden) -> bool:
        """Return whether a step is given a state."""
        return any(not is_fresh(golden, step) for step in golden.steps)


L2 = ("l2", "weight_decay")  # the second where there is no other decay


def decay_of(optimizer: Any, layer: str) -> float:
    """Return the L2 decay of a layer, of an optimizer that has no other."""
    return float(optimizer.hyper(layer)["weight_decay"])


def common_norm(grads: Grads) -> float:
    """Return the norm of all gradients together."""
    squares = (np.square(np.float64(g)).sum() for g in grads.values() if g is not None)
    return float(np.sqrt(sum(squares)))


def central(g: Any) -> Any:
    """Return a gradient without the mean of each row; one of a single axis is as it was."""
    return g - g.mean(axis=tuple(range(1, g.ndim)), keepdims=True) if g.ndim > 1 else g
