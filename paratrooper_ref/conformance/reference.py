"""The reference itself as a backend: what the kit says of honest arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from paratrooper_ref.conformance.backend import Array, Grads, Params, Slots, Spec, optimizer_of
from paratrooper_ref.conformance.dialect import AND, variants_of
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.optimizers import Lines, Optimizer, State
from paratrooper_ref.variants import Variant, changed


@dataclass
class _Handle:
    optimizer: Optimizer
    state: State
    lines: Lines | None = None


class ReferenceBackend:
    """The optimizers of this package in a NumPy dtype, or a variant of them.

    Parameters
    ----------
    dtype : {"float64", "float32", "float16"}
    variant : str or Variant, optional
        A variant that changes a line, for those of the optimizers that have it; names may be
        joined by "and", as those of a dialect.
    probes : bool
        Whether all tagged lines are shown.

    Examples
    --------
    >>> from paratrooper_ref.conformance import check
    >>> report = check(ReferenceBackend("float32", variant="adam.eps_hat"), "adam")
    >>> print([like.variant for like in report.likes])
    ['adam.eps_hat']
    """

    def __init__(
        self, dtype: str = "float32", *, variant: str | Variant | None = None, probes: bool = False
    ) -> None:
        self.profile, self.dtype = Profile(dtype=dtype), np.dtype(dtype)
        self.variants = (variant,) if isinstance(variant, Variant) else variants_of(variant)
        self.probes = probes
        of = f" with {AND.join(v.name for v in self.variants)}" if self.variants else ""
        self.name = f"reference in {dtype}{of}"

    def start(
        self, spec: Spec, params: Params, state: Mapping[str, Any] | None = None
    ) -> _Handle:
        """Return a handle."""
        optimizer = optimizer_of(spec)
        for variant in self.variants:
            if variant.fits(optimizer):
                optimizer = changed(optimizer, variant)
        begun = optimizer.init(self._cast(params), scalars="float64")
        if state is not None:
            slots: dict[str, Any] = {s: self._cast(state[s]) for s in optimizer.slots()}
            begun = replace(begun, t=state["t"], warmup=state.get("warmup"), **slots)
        return _Handle(optimizer, begun)

    def _cast(self, layers: Params) -> dict[str, Array]:
        return {name: x.astype(self.dtype) for name, x in layers.items()}

    def step(self, handle: _Handle, grads: Grads, lr: float) -> None:
        """Take a step."""
        given = {k: None if g is None else g.astype(self.dtype) for k, g in grads.items()}
        handle.state, handle.lines = handle.optimizer.step(handle.state, given, lr)

    def read(self, handle: _Handle) -> Slots:
        """Return parameters and state."""
        slots = ("theta", *handle.optimizer.slots())
        return {s: {k: np.array(x) for k, x in handle.state.slot(s).items()} for s in slots}

    def probe(self, handle: _Handle) -> dict[str, dict[str, Array]]:
        """Return the lines of the last step."""
        if not self.probes or handle.lines is None:
            return {}
        return {layer: dict(lines) for layer, lines in handle.lines.items()}

    def reload(self, handle: _Handle) -> _Handle:
        """Return a handle that goes on where this one is."""
        return _Handle(handle.optimizer, handle.state)
