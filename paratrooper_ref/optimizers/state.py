"""What an optimizer carries from one step to the next, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

# Arrays of any number system: floats of any precision, or Python objects.
Array = np.ndarray[Any, np.dtype[Any]]
Layers = Mapping[str, Array]

SLOTS: Final = ("m", "v", "u", "slow")
STORED: Final = ("theta", *SLOTS)


class NonFiniteError(ArithmeticError):
    """A gradient or a result is infinite or not a number.

    Attributes
    ----------
    layer : str
    index : tuple of int
        The first element concerned.
    t : int
        The step that was refused.
    """

    def __init__(self, what: str, layer: str, index: tuple[int, ...], t: int, value: Any) -> None:
        super().__init__(what, layer, index, t, value)
        self.layer, self.index, self.t = layer, index, t

    def __str__(self) -> str:
        what, layer, index, t, value = self.args
        where = f"{layer}[{', '.join(map(str, index))}]" if index else layer
        return f"step {t} needs a finite {what}, got {where}={value}"


@dataclass(frozen=True, kw_only=True, eq=False)
class State:
    """Parameters, slots and the step count after ``t`` steps.

    Plain data: build one from stored arrays to take a step from anywhere, for example
    ``State(params=params, t=100_000, m=m, v=v)``.

    Parameters
    ----------
    params : mapping of str to Array
        Layers in order, all of one dtype; shape ``(*batch, *layer)``.
    t : int
        Steps taken so far, >= 0.
    m, v, u, slow : mapping of str to Array, or None
        First and second moment, momentum buffer, slow weights; None where the optimizer
        has no such slot.  Shapes as in params.
    warmup : str, Array of str, or None
        What "auto" has chosen, "momentum" or "none", one a batch row.  None before it has: then
        the next gradient decides, so a state from the middle of a run must bring it.
    scalars : str
        How scalars of t and the betas are formed: "exact", "float64" or "array".
    batch_axes : int
        Leading axes that count independent trajectories.
    alive : Array of bool, or None
        With a batch: the rows that are still finite; the others stand where they stopped.
    """

    params: Layers
    t: int = 0
    m: Layers | None = None
    v: Layers | None = None
    u: Layers | None = None
    slow: Layers | None = None
    warmup: str | Array | None = None
    scalars: str = "exact"
    batch_axes: int = 0
    alive: Array | None = None

    @property
    def batch(self) -> tuple[int, ...]:
        """The batch shape, () for a single trajectory."""
        shape: tuple[int, ...] = next(iter(self.params.values())).shape
        return shape[: self.batch_axes]

    def slot(self, name: str) -> Layers:
        """Return a slot by name; "theta" is the parameters."""
        layers: Layers | None = self.params if name == "theta" else getattr(self, name)
        if layers is None:
            msg = f"step needs state.{name}, got None; start from init, or give the stored arrays"
            raise ValueError(msg)
        return layers


class Lines(dict[str, dict[str, Any]]):
    """The tagged lines of one step: ``lines[layer][tag]``; `model` has those of the model."""

    def __init__(self, layers: Mapping[str, dict[str, Any]], model: dict[str, Any]) -> None:
        super().__init__(layers)
        self.model = model
