"""What a run tells of things that a backend remembers besides its state.

A single step from a given state cannot show them: a count for each layer, the largest second
moment that there was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
from paratrooper_ref.optimizers import Optimizer, State
from paratrooper_ref.variants import FAULTS

BY_LAYER: Final = "steps.by_layer"  # what a backend is like that counts the steps of each layer
LARGEST: Final = "state.largest_v"
TORCH: Final = "https://github.com/pytorch/pytorch/blob/v2.13.0/torch/optim/adam.py"


class Told(NamedTuple):
    """A step of a run: what a backend was told, and what it showed."""

    grads: Grads
    lr: float
    shown: Shown


def remembered(steps: Sequence[Taken], profile: Profile) -> Like | None:
    """Return what explains the last step of a run by those before it, if one of these does."""
    return _by_layer(steps, profile) or _largest(steps, profile)


def _by_layer(steps: Sequence[Taken], profile: Profile) -> Like | None:
    """Return that steps are counted by layer, if that explains the last one."""
    last = steps[-1]
    missed = {
        layer: sum(step.question.grads[layer] is None for step in steps)
        for layer in last.question.state.params
    }
    if not any(missed.values()):
        return None
    try:
        worst = max(_misfits(last, missed, profile))
    except (Unsupported, Fault):  # counted so, a step has no bound
        return None
    return _counted_by_layer(worst) if worst <= 1 else None


def _counted_by_layer(misfit: float) -> Like:
    return Like(
        variant=BY_LAYER, kind="dialect", misfit=misfit, tags=("t",), was="t = t + 1",
        line="t[layer] = t[layer] + 1  # where there is a gradient",
        seen="torch.optim: state['step'] of each parameter", link=TORCH,
    )


def hidden(
    told: Sequence[Told], start: State, optimizer: Optimizer, spec: Mapping[str, Any],
    profile: Profile,
) -> Like | None:
    """Return that steps are counted by layer, if that explains a run that hides its state.

    Each layer is then a run of its own, of the steps for which it has a gradient.
    """
    if all(g is not None for step in told for g in step.grads.values()):
        return None
    worst = 0.0
    for layer in start.params:
        slots: dict[str, Any] = {s: {layer: start.slot(s)[layer]} for s in optimizer.slots()}
        state = replace(start, params={layer: start.params[layer]}, **slots)
        alone = Beside(optimizer, spec, profile, state)
        for step in told:
            grads = {layer: step.grads[layer]}
            if grads[layer] is None:
                continue
            try:
                alone.ask(grads, step.lr)
            except (Unsupported, Fault):  # counted so, a step has no bound
                return None
            held = alone.step(grads, step.lr, {layer: step.shown[layer]})
            worst = max(worst, held.worst)
    return _counted_by_layer(worst) if worst <= 1 else None


def _misfits(step: Taken, missed: Mapping[str, int], profile: Profile) -> Iterator[float]:
    """Yield the error over bound of each layer, if its count is that of its gradients."""
    asked = step.question
    for layer in asked.state.params:
        if asked.grads[layer] is None:
            yield max(share.share for share in step.shares if share.layer == layer)
            continue
        slots: dict[str, Any] = {s: {layer: asked.state.slot(s)[layer]} for s in asked.slots}
        state = replace(
            asked.state, t=asked.state.t - missed[layer],
            params={layer: asked.state.params[layer]}, **slots,
        )
        grads = {layer: asked.grads[layer]}
        alone = Beside(step.optimizer, asked.spec, profile, state)
        alone.ask(grads, asked.lr)
        held = alone.step(grads, asked.lr, {layer: step.shown[layer]})
        yield held.worst


def _largest(steps: Sequence[Taken], profile: Profile) -> Like | None:
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
