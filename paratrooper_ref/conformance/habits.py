"""Habits: what implementations do with layers, whatever they are told of them.

A habit is no line of a rule, so it is no variant; but it is the same as being told something
else, and so it can be tried on what a backend has done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from paratrooper_ref.optimizers import Optimizer
from paratrooper_ref.optimizers.lift import parameters
from paratrooper_ref.variants import FAULTS

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class Habit:
    """Something that is done with layers.

    Parameters
    ----------
    name : str
        That of an adapter fault, `paratrooper_ref.variants.FAULTS`.
    line : str
        What it comes to.
    told : callable
        ``told(optimizer, shapes)`` returns the optimizer that does the same without the habit.
    """

    name: str
    line: str
    told: Callable[[Optimizer, Shapes], Optimizer]
    was: str = "each layer as it is told"

    @property
    def kind(self) -> str:
        """What it is: no line, so neither a bug nor a dialect of one."""
        return "adapter fault"

    @property
    def seen(self) -> str:
        """Where it is or was."""
        return FAULTS[self.name].seen

    @property
    def link(self) -> str:
        """Where that can be read."""
        return FAULTS[self.name].link


def habits(optimizers: Iterable[Optimizer]) -> Iterator[Habit]:
    """Yield the habits that these optimizers may show."""
    known = list(optimizers)
    owned = dict.fromkeys(name for o in known for _, own in o.layers for name, _ in own)
    # Of "adapt" alone it would say the same as the second of VECTORS, where vectors have it.
    for names in ([name] for name in owned if name != "adapt"):
        yield Habit(
            name="layers.hyper_shared", line=f"{names[0]} of a layer is that of the optimizer",
            told=partial(_shared, names),
        )
    if len(owned) > 1:
        yield Habit(
            name="layers.hyper_shared", line="layers have nothing of their own",
            told=partial(_shared, list(owned)),
        )
    for name, hyper, off in VECTORS:
        if any(_takes(o, hyper) for o in known):
            yield Habit(
                name=name, line=f"{hyper}={off} for layers of one axis or none",
                told=partial(_vectors, hyper, off),
            )


VECTORS: Final[tuple[tuple[str, str, Any], ...]] = (
    ("layers.vectors_not_adapted", "adapt", False),
    ("layers.vectors_not_decayed", "weight_decay", 0.0),
)


def _takes(optimizer: Optimizer, hyper: str) -> bool:
    return any(hyper in parameters(rule) for rule in optimizer.stages())


def _shared(names: list[str], optimizer: Optimizer, shapes: Shapes) -> Optimizer:
    layers = (
        (layer, tuple((k, v) for k, v in own if k not in names)) for layer, own in optimizer.layers
    )
    return replace(optimizer, layers=tuple((layer, own) for layer, own in layers if own))


def _vectors(hyper: str, off: Any, optimizer: Optimizer, shapes: Shapes) -> Optimizer:
    if not _takes(optimizer, hyper):
        return optimizer
    vectors = (layer for layer, shape in shapes.items() if len(shape) <= 1)
    return optimizer.for_layers({layer: {hyper: off} for layer in vectors})
