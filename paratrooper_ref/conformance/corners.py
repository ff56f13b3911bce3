"""Choices of torch, and of all who copy it, that show in a corner alone.

A step that departs by such a choice and by nothing else says that there is no such
hyperparameter in that corner: the backend is asked again without it.
"""

from __future__ import annotations

from typing import Final

from paratrooper_ref.conformance import attribute
from paratrooper_ref.conformance.backend import Lacks
from paratrooper_ref.conformance.habits import Habit, Shapes
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.conformance.step import Taken
from paratrooper_ref.optimizers import Optimizer


def _without(optimizer: Optimizer, shapes: Shapes) -> Optimizer:
    """Return an optimizer without dampening where it has no momentum."""
    layers = [k for k in shapes if optimizer.hyper(k).get("momentum") == 0]
    return optimizer.for_layers({k: {"dampening": 0.0} for k in layers})


# In any dialect: the lines stay as they are, and are told something else.
UNDAMPED: Final = Habit(
    name="sgd.dampening_needs_momentum", line="dampening = 0, if momentum == 0", told=_without
)


def undamped(optimizer: Optimizer, layers: tuple[str, ...]) -> bool:
    """Return whether there is dampening of a momentum that there is none of.

    Examples
    --------
    >>> from paratrooper_ref import SGD
    >>> undamped(SGD(dampening=0.5), ("w",)), undamped(SGD(momentum=0.9, dampening=0.5), ("w",))
    (True, False)
    """
    hypers = [optimizer.hyper(layer) for layer in layers]
    return any(hyper.get("momentum") == 0 != hyper.get("dampening", 0) for hyper in hypers)


def lacking(taken: Taken, profile: Profile) -> Lacks | None:
    """Return what a backend has not got in a corner, if that alone is why a step departs."""
    asked = taken.question
    if taken.worst <= 1 or not undamped(taken.optimizer, tuple(asked.state.params)):
        return None
    if attribute.misfit((UNDAMPED,), [taken], profile) > 1:
        return None
    name = "dampening"
    return Lacks(name, f"has no {name} where the momentum is 0 (a dialect)")
