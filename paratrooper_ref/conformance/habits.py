"""Habits: what implementations do about a step, whatever they are told.

A habit is no line of a rule, so it is no variant; but it is the same as being told something
else, being given other gradients, or losing what was kept, and so it can be tried on what a
backend has done.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np

from paratrooper_ref.conformance.adapted import with_hyper
from paratrooper_ref.conformance.backend import Grads
from paratrooper_ref.optimizers import Optimizer
from paratrooper_ref.optimizers.lift import parameters
from paratrooper_ref.variants import FAULTS

Shapes = Mapping[str, tuple[int, ...]]

VECTORS: Final[tuple[tuple[str, str, Any], ...]] = (
    ("layers.vectors_not_adapted", "adapt", False),
    ("layers.vectors_not_decayed", "weight_decay", 0.0),
)
LIMITS: Final = (1.0, 0.1, 0.5, 2.0, 5.0, 10.0, 100.0, 1000.0)  # the usual one first
EPS: Final = {0.0: "{}", 1e-6: "({} + 1e-06)"}  # beside a norm: torch's clip_grad_norm_ has one
CENTRED: Final = {1: "two axes or more", 2: "three axes or more", 3: "four axes or more"}


def _as_told(optimizer: Optimizer, shapes: Shapes) -> Optimizer:
    return optimizer


def _as_given(grads: Grads) -> Grads:
    return grads


def _as_asked(optimizer: Optimizer, lr: float) -> float:
    return lr


def _as_kept(optimizer: Optimizer, t: int) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Habit:
    """Something that is done about a step.

    Parameters
    ----------
    name : str
        That of an adapter fault, `paratrooper_ref.variants.FAULTS`.
    line : str
        What it comes to.
    told : callable
        ``told(optimizer, shapes)`` returns the optimizer that does the same without the habit.
    given : callable
        ``given(grads)`` returns the gradients with which that does the same; the very mapping
        where they are no others.
    rate : callable
        ``rate(optimizer, lr)`` returns the rate of the step.
    lost : callable
        ``lost(optimizer, t)`` returns the slots that are 0 after step t.
    """

    name: str
    line: str
    told: Callable[[Optimizer, Shapes], Optimizer] = _as_told
    given: Callable[[Grads], Grads] = _as_given
    rate: Callable[[Optimizer, float], float] = _as_asked
    lost: Callable[[Optimizer, int], tuple[str, ...]] = _as_kept
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

    @property
    def where(self) -> tuple[str, str]:
        """Where it is or was: in words, and a link."""
        return self.seen, self.link


def habits(optimizers: Iterable[Optimizer], dtype: str = "float64") -> Iterator[Habit]:
    """Yield the habits that these optimizers may show, where operations are in a dtype."""
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
    yield Habit(
        name="rate.kept", rate=_of_construction, was="lr", line="lr, when the optimizer is made",
    )
    if "lr" in owned:
        yield Habit(
            name="rate.kept", rate=_of_construction, told=partial(_shared, ["lr"]), was="lr",
            line="lr, when the optimizer is made, for all layers",
        )
    if any("beta1" in o.hyper() for o in known):
        yield Habit(
            name="hyper.betas_swapped", told=_swapped, was="beta1, beta2", line="beta2, beta1",
        )
    for name, hyper, off in VECTORS:
        if any(_takes(o, hyper) for o in known):
            yield Habit(
                name=name, line=f"{hyper}={off} for layers of one axis or none",
                told=partial(_vectors, hyper, off),
            )
    for limit, (eps, said) in itertools.product(LIMITS, EPS.items()):
        yield Habit(
            name="gradient.clipped", given=partial(clipped, limit, eps=eps), was="g",
            line=f"g = g * at_most(1, {limit:g} / {said.format('norm(all gradients)')})",
        )
        yield Habit(
            name="gradient.clipped_by_layer", given=partial(_each_clipped, limit, eps=eps),
            was="g", line=f"g = g * at_most(1, {limit:g} / {said.format('norm(g)')})",
        )
    for limit in LIMITS:
        yield Habit(
            name="gradient.clamped", given=partial(clamped, limit), was="g",
            line=f"g = clamp(-{limit:g}, g, {limit:g})",
        )
    floats = dict.fromkeys(k for o in known for k, x in o.hyper().items() if type(x) is float)
    for names in (*([name] for name in floats), list(floats)):
        # A step has its own rate; and where all is coarse, it is a profile that says how.
        if names != ["lr"] and dtype == "float64":
            few = names[0] if len(names) == 1 else "hyperparameters"
            yield Habit(
                name="hyper.float32", told=partial(_single, names), was=few,
                line=f"{few} = float32({few})",
            )
    for axes, said in CENTRED.items():
        yield Habit(
            name="gradient.centralised", given=partial(_centred, axes), was="g",
            line=f"g - mean(g), of each row, for layers of {said}",
        )
    if any("k" in o.hyper() for o in known):
        yield Habit(
            name="sync.moments_reset", lost=_at_synchronisations, was="moments as they are",
            line="m = v = u = 0, if t % k == 0",
        )


def _takes(optimizer: Optimizer, hyper: str) -> bool:
    return any(hyper in parameters(rule) for rule in optimizer.stages())


def _shared(names: list[str], optimizer: Optimizer, shapes: Shapes) -> Optimizer:
    layers = (
        (layer, tuple((k, v) for k, v in own if k not in names)) for layer, own in optimizer.layers
    )
    return replace(optimizer, layers=tuple((layer, own) for layer, own in layers if own))


def _of_construction(optimizer: Optimizer, lr: float) -> float:
    return optimizer.rate(None)


def _swapped(optimizer: Optimizer, shapes: Shapes) -> Optimizer:
    """Return an optimizer whose decay rates have each other's value, of layers too."""
    other = {"beta1": "beta2", "beta2": "beta1"}
    plain = replace(optimizer, layers=())
    hyper = plain.hyper()
    changed = {k: hyper[was] for k, was in other.items() if was in hyper}
    layers = tuple(
        (layer, tuple((other.get(k, k), x) for k, x in own)) for layer, own in optimizer.layers
    )
    return replace(with_hyper(plain, changed), layers=layers)


def _single(names: list[str], optimizer: Optimizer, shapes: Shapes) -> Optimizer:
    """Return an optimizer with hyperparameters as single precision holds them."""

    def held(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        return {
            k: float(np.float32(x)) if k in names and type(x) is float else x for k, x in pairs
        }

    layers = tuple((layer, tuple(held(own).items())) for layer, own in optimizer.layers)
    plain = replace(optimizer, layers=())
    changed = {k: x for k, x in held(plain.hyper().items()).items() if x != plain.hyper()[k]}
    return replace(with_hyper(plain, changed), layers=layers)


def _vectors(hyper: str, off: Any, optimizer: Optimizer, shapes: Shapes) -> Optimizer:
    if not _takes(optimizer, hyper):
        return optimizer
    vectors = (layer for layer, shape in shapes.items() if len(shape) <= 1)
    return optimizer.for_layers({layer: {hyper: off} for layer in vectors})


def clipped(limit: float, grads: Grads, *, eps: float) -> Grads:
    """Return gradients whose common norm is a limit, if it was above."""
    squares = [np.sum(np.square(g, dtype=np.float64)) for g in grads.values() if g is not None]
    norm = float(np.sqrt(sum(squares))) + eps
    if norm <= limit:
        return grads
    return {k: None if g is None else np.asarray(g) * (limit / norm) for k, g in grads.items()}


def _each_clipped(limit: float, grads: Grads, *, eps: float) -> Grads:
    found = {k: clipped(limit, {k: g}, eps=eps)[k] for k, g in grads.items()}
    return grads if all(found[k] is g for k, g in grads.items()) else found


def clamped(limit: float, grads: Grads) -> Grads:
    """Return gradients whose elements are within a limit of either sign."""
    if all(g is None or np.all(np.abs(g) <= limit) for g in grads.values()):
        return grads
    return {k: None if g is None else np.clip(g, -limit, limit) for k, g in grads.items()}


def _centred(axes: int, grads: Grads) -> Grads:
    if not any(g is not None and np.ndim(g) > axes for g in grads.values()):
        return grads
    return {
        k: g if g is None or np.ndim(g) <= axes
        else g - np.mean(g, axis=tuple(range(1, np.ndim(g))), keepdims=True)
        for k, g in grads.items()
    }


def _at_synchronisations(optimizer: Optimizer, t: int) -> tuple[str, ...]:
    k = optimizer.hyper().get("k")
    kept = tuple(slot for slot in optimizer.slots() if slot != "slow")
    return kept if k and t % k == 0 else ()
