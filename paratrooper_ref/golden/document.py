"""A golden case as an object: a spec, steps with their inputs, and proved lines.

What each field means to readers in other languages is in docs/golden-format.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, NamedTuple

from paratrooper_ref.golden.bits import Floats
from paratrooper_ref.lines import TAGS
from paratrooper_ref.optimizers import Optimizer, State, build
from paratrooper_ref.optimizers.state import STORED

MODEL: Final = ""  # in tables by layer: the whole model
MOST_GROWTH: Final = 1e-9  # of a change by one unit in the last place of a trajectory's start
LARGE: Final = 64  # elements: of a larger layer's lines a case keeps state and single numbers


class Value(NamedTuple):
    """Real numbers, each as the double nearest to it and the double nearest to what remains."""

    hi: Floats
    lo: Floats

    @property
    def size(self) -> int:
        """How many numbers."""
        return int(self.hi.size)


Lines = Mapping[str, Value | bool]


def kept(tag: str, size: int) -> bool:
    """Return whether a case stores this line of a layer of this size."""
    return size <= LARGE or tag in STORED or TAGS[tag].extent != "element"


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One step: what it is given, and what comes of it.

    Parameters
    ----------
    t : int
        The step's number, from 1.
    lr : float
        The effective learning rate.
    metric : float or None
        What the schedule was told before the step.
    warmup : str or None
        What "auto" had chosen before the step.
    inputs : mapping of layer to slot to Value or None
        "theta", the optimizer's slots, and "g", which is None for a frozen layer.
    lines : mapping of layer to tag to Value or bool
    model : mapping of tag to Value
        Lines of the whole model.
    """

    t: int
    lr: float
    metric: float | None = None
    warmup: str | None = None
    inputs: Mapping[str, Mapping[str, Value | None]]
    lines: Mapping[str, Lines]
    model: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Golden:
    """A case of the corpus.

    Parameters
    ----------
    case : str
        Its name, such as "adam/eps-decimal"; never used for another case.
    tier : str
        "core" or "full".
    about : str
        What it is there to show.
    catches : tuple of str
        Variants that differ visibly on this case.
    spec : mapping
        The optimizer, as `paratrooper_ref.build` takes it.
    layers : mapping of str to tuple of int
        Shapes by layer, in order.
    steps : tuple of Step
    problem, schedule : mapping or None
        Specs of the problem whose gradients these are, and of the schedule of the rates.
    growth : array or None
        By step, what a change of the start by one unit in the last place has become, relative
        to the largest parameter of its layer; of closed-loop cases.
    """

    case: str
    tier: str
    about: str
    catches: tuple[str, ...]
    spec: Mapping[str, Any]
    layers: Mapping[str, tuple[int, ...]]
    steps: tuple[Step, ...]
    problem: Mapping[str, Any] | None = None
    schedule: Mapping[str, Any] | None = None
    growth: Floats | None = None

    @cached_property
    def optimizer(self) -> Optimizer:
        """The optimizer of the case."""
        return build(self.spec)

    @property
    def values(self) -> int:
        """How many proved numbers the case holds; flags are not counted."""
        tables = [t for step in self.steps for t in (step.model, *step.lines.values())]
        return sum(x.size for t in tables for x in t.values() if isinstance(x, Value))

    def state(self, step: Step) -> State:
        """Return the state before a step, in doubles (what remains is left out)."""
        slots = [slot for slot in next(iter(step.inputs.values())) if slot not in ("g", "theta")]
        layers: dict[str, dict[str, Floats]] = {
            slot: {name: self.array(step.inputs[name][slot], name) for name in self.layers}
            for slot in ("theta", *slots)
        }
        params = layers.pop("theta")
        return State(params=params, t=step.t - 1, warmup=step.warmup, **layers)  # type: ignore[arg-type]

    def gradients(self, step: Step) -> dict[str, Floats | None]:
        """Return the gradients of a step, in doubles."""
        given = {name: step.inputs[name]["g"] for name in self.layers}
        return {name: None if g is None else self.array(g, name) for name, g in given.items()}

    def array(self, value: Value | None, layer: str) -> Floats:
        """Return the doubles of a value in the shape of a layer."""
        assert value is not None
        return value.hi.reshape(self.layers[layer])
