"""What a run tells of things that a backend remembers besides its state.

A single step from a given state cannot show them: a count for each layer, the largest second
moment that there was.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np

from paratrooper_ref.arithmetic import Undecided
from paratrooper_ref.arithmetic.running import Running
from paratrooper_ref.conformance import bounds, wanted
from paratrooper_ref.conformance.backend import Grads, Unsupported
from paratrooper_ref.conformance.beside import Beside
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.conformance.session import Shown
from paratrooper_ref.conformance.step import Taken
from paratrooper_ref.conformance.verdict import Fault, Like
from paratrooper_ref.optimizers import NonFiniteError, Optimizer, State
from paratrooper_ref.variants import FAULTS, Variant, changed
from paratrooper_ref.variants.variant import source_of

BY_LAYER: Final = "steps.by_layer"  # what a backend is like that counts the steps of each layer
LARGEST: Final = "state.largest_v"
WRAPPER: Final = "lookahead"  # the rule of what wraps an optimizer
TORCH: Final = "https://github.com/pytorch/pytorch/blob/v2.13.0/torch/optim/adam.py"


def _late(optimizer: Optimizer, missed: int) -> Optimizer:
    """Return an optimizer that synchronises by a count that is further on than its steps are."""
    (rule,) = (rule for rule in optimizer.stages() if rule.__name__ == WRAPPER)
    first = next(ast.unparse(s) for s in source_of(rule).body if isinstance(s, ast.Assign))
    line = f"t = t + {missed}\n{first}"
    return changed(optimizer, Variant(
        name=f"{WRAPPER}.further_by_{missed}", rules=(WRAPPER,), was=first, line=line,
        kind="dialect", seen="a wrapper counts all steps alike",
    ))


# How what counts by layer counts: by a layer's own steps, or those for the inner rules alone.
Counts = Callable[[Optimizer, int], Optimizer]
COUNTS: Final[Sequence[tuple[Counts, str]]] = (
    (lambda optimizer, missed: optimizer, "t[layer] = t[layer] + 1  # where there is a gradient"),
    (_late, "t[layer] = t[layer] + 1  # where there is a gradient, but all steps count for k"),
)


class Told(NamedTuple):
    """A step of a run: what a backend was told, and what it showed."""

    grads: Grads
    lr: float
    shown: Shown


def by_layer(
    told: Sequence[Told], start: State, optimizer: Optimizer, spec: Mapping[str, Any],
    profile: Profile,
) -> Like | None:
    """Return that steps are counted by layer, if that explains a whole run.

    Each layer is then a run of its own, of the steps for which it has a gradient, and stands
    still in the others.  What wraps an optimizer may count for itself, all steps alike.
    """
    if all(g is not None for step in told for g in step.grads.values()):
        return None
    if start.warmup is None and optimizer.hyper().get("warmup") == "auto":
        chosen = optimizer.step(start, told[0].grads, told[0].lr)[0].warmup
        start = replace(start, warmup=chosen)  # by the gradients of all layers
    wraps = any(rule.__name__ == WRAPPER for rule in optimizer.stages())
    for counts, line in COUNTS[: 1 + wraps]:
        try:
            worst = max(
                _alone(layer, told, start, optimizer, spec, profile, counts)
                for layer in start.params
            )
        except (Unsupported, Fault, NonFiniteError):  # counted so, a step has no bound
            continue
        if worst <= 1:
            return Like(
                variant=BY_LAYER, kind="dialect", misfit=worst, tags=("t",), was="t = t + 1",
                line=line, seen="torch.optim: state['step'] of each parameter", link=TORCH,
            )
    return None


def _alone(
    layer: str, told: Sequence[Told], start: State, optimizer: Optimizer,
    spec: Mapping[str, Any], profile: Profile, counts: Counts,
) -> float:
    """Return the largest error over bound of a layer, as a run of its own gradients."""
    slots: dict[str, Any] = {s: {layer: start.slot(s)[layer]} for s in optimizer.slots()}
    run = Beside(
        optimizer, spec, profile, replace(start, params={layer: start.params[layer]}, **slots)
    )
    worst, missed, before = 0.0, 0, {"theta": start.params[layer]}
    for step in told:
        now = {s: x for s, x in step.shown[layer].items() if s in ("theta", *optimizer.slots())}
        grads = {layer: step.grads[layer]}
        if grads[layer] is not None:
            run.ask(grads, step.lr)
            held = run.step(grads, step.lr, {layer: now})
            if held.taken is None and not held.along:
                return np.inf  # beside nothing everything would be right
            worst = max(worst, held.worst)
        else:
            missed += 1
            run.optimizer = counts(optimizer, missed)
            if not all(np.array_equal(now[slot], x) for slot, x in before.items() if slot in now):
                return np.inf
        before = now
    return worst


def largest(steps: Sequence[Taken], profile: Profile) -> Like | None:
    """Return that the largest v of all steps is divided by, if that explains the last one."""
    last = steps[-1]
    asked = last.question
    if "v" not in asked.slots or any(s.share > 1 for s in last.shares if s.tag != "theta"):
        return None
    before = {
        layer: np.max([np.ravel(step.question.state.slot("v")[layer]) for step in steps], axis=0)
        for layer in asked.state.params
    }

    def hear(layer: str, name: str, value: Any) -> Any:
        if name != "v":
            return value
        larger = before[layer] > value.value
        return Running(
            np.where(larger, before[layer], value.value), np.where(larger, 0.0, value.error),
            value.format,
        )

    step = last.optimizer, asked.state, asked.grads, asked.lr, profile
    try:
        found = bounds.lines(*step, hear=hear, guesses=True)
    except Undecided:
        return None
    worst = 0.0
    for layer, x in asked.state.params.items():
        number = found[layer]["theta"] if layer in found else Running(np.ravel(x))
        right = wanted.Number(number.value, np.zeros(1), np.zeros(1))
        off = wanted.distance(last.shown[layer]["theta"], right)
        worst = max(worst, float(wanted.share(off, number.error).max()))
    if worst > 1:
        return None
    fault = FAULTS[LARGEST]
    return Like(
        variant=LARGEST, kind="adapter fault", misfit=worst, tags=("v_hat", "denominator"),
        was="sqrt(v)", line="sqrt(largest v so far)", seen=fault.seen, link=fault.link,
    )
