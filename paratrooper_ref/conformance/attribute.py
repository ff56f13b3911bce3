"""Which known variant, single edit or constant explains what a backend has done."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np

from paratrooper_ref.conformance import bounds, wanted
from paratrooper_ref.conformance.edits import edits
from paratrooper_ref.conformance.gate import Taken, with_hyper
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.conformance.verdict import Like
from paratrooper_ref.optimizers import Optimizer
from paratrooper_ref.optimizers.lift import evaluated
from paratrooper_ref.variants import VARIANTS, Variant, VariantError, changed

FEW: Final = 6  # steps on which candidates are tried before all
MANY: Final = 60
APART: Final = 100.0  # bounds away, in plain doubles, from which on a candidate is out
ERRORS: Final = (ArithmeticError, LookupError, NameError, TypeError, ValueError, AttributeError)


def likes(taken: Iterable[Taken], profile: Profile) -> list[Like]:
    """Return the known variants that explain every step, best first; failing that, edits.

    ``misfit`` is the largest error over bound of what a variant says; at most 1, it explains.

    Parameters
    ----------
    taken : iterable of Taken
        Steps of one backend, those that depart and others.
    profile : Profile
    """
    steps = sorted(taken, key=lambda step: -step.worst)
    off = [step for step in steps if step.worst > 1]
    if not off:
        return []
    few, many = _spread(off, FEW), [*_spread(off, MANY), *steps[len(off) :]]
    fits = [v for v in VARIANTS.values() if v.kind != "form" and v.fits(off[0].optimizer)]
    found = _explaining(fits, few, many, profile)
    return found or _explaining(list(edits(off[0].optimizer)), few, many, profile)


def _explaining(
    variants: list[Variant], few: list[Taken], many: list[Taken], profile: Profile
) -> list[Like]:
    left = [v for v in variants if all(_plausible(v, step, profile) for step in few)]
    left = [v for v in left if misfit(v, few, profile) <= 1]
    found = [(misfit(v, many, profile), v) for v in left]
    return [
        Like(variant=v.name, kind=v.kind, misfit=worst, line=v.line, seen=v.seen, link=v.link)
        for worst, v in sorted(found, key=lambda pair: pair[0]) if worst <= 1
    ]


def misfit(variant: Variant, steps: Sequence[Taken], profile: Profile) -> float:
    """Return the largest error over bound of a variant, as if it were what is published."""
    worst = 0.0
    for step in steps:
        if variant.fits(step.optimizer):
            other = changed(step.optimizer, variant)
            worst = max(worst, _off(other, step, profile))
        else:
            worst = max(worst, step.worst)
        if worst > 1:
            break
    return worst


def _off(other: Optimizer, step: Taken, profile: Profile) -> float:
    """Return the largest error over bound of what was shown, if this were the optimizer."""
    asked = step.question
    try:
        with np.errstate(all="ignore"):
            names = bounds.lines(
                other, asked.state, asked.grads, asked.lr, profile, guesses=True
            )
    except ERRORS:
        return math.inf
    stretch, worst = 1 + 2.0 ** (profile.format.precision - 53), 0.0
    for layer, found in names.items():
        for slot in ("theta", *asked.slots) if layer else ():
            got = step.shown[layer].get(slot)
            if got is None:
                continue
            number = wanted.Number(np.ravel(found[slot].value), np.zeros(1), np.zeros(1))
            error = found[slot].error * stretch
            if not np.all(np.isfinite(error)):
                return math.inf
            worst = max(worst, float(wanted.share(wanted.distance(got, number), error).max()))
    return worst


def _plausible(variant: Variant, step: Taken, profile: Profile) -> bool:
    """Return whether plain doubles do not rule a variant out."""
    if not variant.fits(step.optimizer):
        return False
    try:
        names = _doubles(changed(step.optimizer, variant), step)
    except (*ERRORS, VariantError):
        return False
    for layer, found in names.items():
        for slot in ("theta", *step.question.slots):
            got = step.shown[layer].get(slot)
            if got is None:
                continue
            value = np.ravel(found[slot])
            rounding = profile.stored(slot).unit * np.abs(value)
            error = np.maximum(step.bounds[layer][slot].error, rounding)
            if not np.all(np.abs(np.ravel(got) - value) <= APART * error):
                return False
    return True


def _doubles(other: Optimizer, step: Taken) -> dict[str, dict[str, Any]]:
    asked = step.question
    names, _ = evaluated(other, asked.state, asked.grads, asked.lr, lambda layer, slot, x: x)
    return names


def _spread(steps: list[Taken], most: int) -> list[Taken]:
    """Return some steps, from end to end."""
    if len(steps) <= most:
        return steps
    return [steps[round(i * (len(steps) - 1) / (most - 1))] for i in range(most)]


def constants(taken: Iterable[Taken], profile: Profile) -> dict[str, list[tuple[float, float]]]:
    """Return hyperparameters with which, at another value, every step would be right.

    Each with (its value, the value that explains) of one case after another.
    """
    off = _spread([step for step in taken if step.worst > 1], FEW)
    if not off:
        return {}
    found = {}
    for name, value in off[0].optimizer.hyper().items():
        if type(value) is not float or not math.isfinite(value):
            continue
        pairs = [_solved(name, step, profile) for step in off]
        if all(pair is not None for pair in pairs):
            found[name] = [pair for pair in pairs if pair is not None]
    return found


def _solved(name: str, step: Taken, profile: Profile) -> tuple[float, float] | None:
    """Return the value of a hyperparameter that explains a step, if there is one."""
    optimizer = step.optimizer
    value = optimizer.hyper().get(name)
    at = max(step.shares, key=lambda s: s.share)
    if type(value) is not float or any(name in dict(own) for _, own in optimizer.layers):
        return None

    def off(x: float) -> float:
        asked = step.question
        lr = x if name == "lr" else asked.lr
        other = optimizer if name == "lr" else with_hyper(optimizer, {name: x})
        names, _ = evaluated(other, asked.state, asked.grads, lr, lambda layer, slot, a: a)
        return float(np.ravel(names[at.layer][at.tag])[at.index]) - at.got

    start = step.question.lr if name == "lr" else value
    x = _root(off, start)
    if x is None:
        return None
    asked = step.question
    lr = x if name == "lr" else asked.lr
    other = optimizer if name == "lr" else with_hyper(optimizer, {name: x})
    moved = Taken(**{**vars(step), "question": type(asked)(**{**vars(asked), "lr": lr})})
    return (start, x) if _off(other, moved, profile) <= 1 else None


def _root(function: Callable[[float], float], start: float) -> float | None:
    """Return a zero near a number, by secants."""
    try:
        a, b = start, start * (1 + 2.0**-20) or 2.0**-20
        f, g = function(a), function(b)
        for _ in range(40):
            if g == 0 or f == g:
                break
            a, b, f = b, b - g * (b - a) / (g - f), g
            g = function(b)
    except ERRORS:
        return None
    return b if math.isfinite(b) and b != start else None
