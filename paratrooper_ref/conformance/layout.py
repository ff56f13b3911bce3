"""What the cells of a torch optimizer mean, learnt from a few steps of a small one.

The reference takes the same steps.  A tensor is a slot by its name, or else because it holds
what the slot holds; a number is a count because it goes up by one in every step, or because it
does so until the k-th.  Whether that is all that the optimizer remembers is then tried: another
one, given what the first remembers after some steps, has to go on in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np

from paratrooper_ref.conformance.cells import ATTRIBUTE, STATE, Path, cells, layer_of, name_of
from paratrooper_ref.optimizers import NonFiniteError, Optimizer

Tensor = Any
Tensors = Mapping[str, Tensor]
Seen = Mapping[Path, Any]

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "m": ("exp_avg", "m", "exp_avgs", "moment1", "first_moment", "mu", "grad_avg"),
    "v": ("exp_avg_sq", "v", "exp_avg_sqs", "moment2", "second_moment", "nu", "sqr_avg"),
    "u": ("momentum_buffer", "u", "momentum", "velocity", "buf", "mom_buffer", "trace", "exp_avg"),
    "slow": (
        "slow_buffer", "slow", "slow_param", "slow_params", "slow_weights", "slow_buff",
        "lookahead_slow_buff", "cached_params", "phi",
    ),
}
"""What optimizers call a slot, the commonest name first."""

PERIOD: Final = 3  # of the small optimizer's synchronisations
STEPS: Final = 8  # the rectified branch opens before, and slow weights have met twice
LIKE: Final = 2.0**-4  # how far what holds a slot may be from it, of what the slot has moved


class Count(NamedTuple):
    """A number that is t + offset, or that modulo k."""

    path: Path
    offset: int
    phase: bool


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where an optimizer keeps what.

    Parameters
    ----------
    slots : mapping of slot to layer to path
    first : mapping of slot to int
        The step of the small optimizer after which the slot was there first.
    period : int
        The small optimizer's k.
    counts : sequence of Count
    whole : str
        Why another optimizer, told slots and counts, does not go on as this one; empty if it
        does.
    """

    slots: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    first: Mapping[str, int] = field(default_factory=dict)
    period: int = PERIOD
    counts: Sequence[Count] = ()
    whole: str = ""

    def expected(self, slot: str, t: int, k: int) -> bool:
        """Return whether the slot is there after t steps, synchronised every k-th."""
        first = self.first[slot]
        return t >= (k if first == self.period else first)


@dataclass(frozen=True)
class Course:
    """Steps that an optimizer has taken: its cells after each, and the parameters' values."""

    params: list[dict[str, Any]] = field(default_factory=list)
    seen: list[dict[Path, Any]] = field(default_factory=list)


def copied(value: Any) -> Any:
    """Return a number, or a tensor's copy."""
    return value.detach().clone() if hasattr(value, "copy_") else value


def look(optimizer: Any, params: Tensors) -> dict[Path, Any]:
    """Return what is in each cell now."""
    return {path: copied(cell.value) for path, cell in cells(optimizer, params).items()}


def number_of(value: Any) -> float | None:
    """Return a single number as such, None for a tensor of several."""
    if hasattr(value, "numel"):
        return float(value.item()) if value.numel() == 1 else None
    return float(value)


def counts_in(course: Course, period: int) -> tuple[Count, ...]:
    """Return the cells that count steps, in all or up to the period."""
    found = []
    for path in course.seen[-1]:
        values = [number_of(seen[path]) for seen in course.seen if path in seen]
        if len(values) < len(course.seen) or None in values or len(set(values)) == 1:
            continue
        steps = range(1, len(values) + 1)
        whole = [int(x) for x in values if x is not None and x == int(x)]
        offset = whole[0] - 1 if whole else 0
        if whole == [t + offset for t in steps]:
            found.append(Count(path, offset, phase=False))
        elif whole == [(t + offset) % period for t in steps]:
            found.append(Count(path, offset, phase=True))
    return tuple(found)


def named(seen: Seen, params: Tensors, names: Sequence[str]) -> dict[str, Path]:
    """Return where each layer's tensor of a name is, for the first name that all layers have.

    For the first that some have, if there is none.
    """
    partly: dict[str, Path] = {}
    shapes = {layer: tuple(p.shape) for layer, p in params.items()}
    for name in names:
        tensors = [path for path, x in seen.items() if hasattr(x, "shape")]
        of_name = [path for path in tensors if name_of(path) == name]
        found: dict[str, Path] = {}
        for path in of_name:
            layer = layer_of(path)
            if layer is not None and STATE in path and tuple(seen[path].shape) == shapes[layer]:
                found.setdefault(layer, path)
        held = [path for path in of_name if ATTRIBUTE in path]
        if not found and len(held) == len(params):
            # A list of lists has them in the order of the groups, as the parameters come.
            pairs = zip(held, params, strict=True)
            found = {layer_of(path) or layer: path for path, layer in pairs}
        if len(found) == len(params):
            return found
        partly = partly or found
    return partly


def alike(seen: Seen, wanted: Mapping[str, Any], start: Mapping[str, Any]) -> dict[str, Path]:
    """Return where each layer's tensor is that holds what a slot holds."""
    found: dict[str, Path] = {}
    for layer, x in wanted.items():
        moved = float(np.linalg.norm(x - start[layer]))
        nearest: tuple[float, Path] | None = None
        for path, value in seen.items():
            if hasattr(value, "shape") and tuple(value.shape) == x.shape:
                off = float(np.linalg.norm(value.double().cpu().numpy() - x))
                if off <= LIKE * moved and (nearest is None or off < nearest[0]):
                    nearest = off, path
        if nearest is None:
            return {}
        found[layer] = nearest[1]
    return found


def reference(
    optimizer: Optimizer, params: Mapping[str, Any], grads: Sequence[Mapping[str, Any]], lr: float
) -> Mapping[str, Mapping[str, Any]]:
    """Return the reference's theta and slots after some steps; none if it does not get through."""
    state = optimizer.init(params)
    try:
        for g in grads:
            state, _ = optimizer.step(state, g, lr)
    except NonFiniteError:
        return {}
    return {slot: state.slot(slot) for slot in ("theta", *optimizer.slots())}

