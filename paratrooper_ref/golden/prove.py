"""Hold a case to its proof: the balls, the exact gradients and the claims, computed again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import problems
from paratrooper_ref.golden.bounds import MARGIN, margins
from paratrooper_ref.golden.document import Golden, Step, Value
from paratrooper_ref.golden.error import GoldenError, Unproved
from paratrooper_ref.golden.make import growth, loop, step_again
from paratrooper_ref.golden.recipe import Full
from paratrooper_ref.schedules import build_schedule
from paratrooper_ref.variants import VARIANTS


def prove_again(golden: Golden, file: str) -> None:
    """Compute every proved number again, and show that the case catches what it says.

    Raises
    ------
    GoldenError
        At the first number that is not the proved one, or claim that does not hold.
    """
    try:
        if golden.tier == "core":
            for i, step in enumerate(golden.steps):
                _same(step, step_again(golden, step)[0], f"steps[{i}]", file)
        else:
            _closed_loop(golden, file)
    except Unproved as error:
        raise GoldenError(file, "", f"is not proved: {error}") from None
    claims(golden, file)


def claims(golden: Golden, file: str) -> None:
    """Show that each variant that the case names is far outside its bounds.

    Raises
    ------
    GoldenError
        If one is unknown, or nearer than `MARGIN` bounds in float64 or float32.
    """
    for i, name in enumerate(golden.catches):
        if name not in VARIANTS or not VARIANTS[name].fits(golden.optimizer):
            raise GoldenError(file, f"catches[{i}]", f"is no variant of this optimizer: {name}")
    found = margins(golden, [VARIANTS[name] for name in golden.catches], enough=MARGIN)
    for i, name in enumerate(golden.catches):
        if not found[name] >= MARGIN:
            reason = f"does not hold: {name} is only {found[name]:.3g} bounds away"
            raise GoldenError(file, f"catches[{i}]", reason)


def _closed_loop(golden: Golden, file: str) -> None:
    assert golden.problem is not None
    assert golden.growth is not None
    schedule = None if golden.schedule is None else build_schedule(dict(golden.schedule))
    recipe = Full(
        case=golden.case,
        about=golden.about,
        optimizer=golden.optimizer,
        problem=problems.build(golden.problem),
        steps=len(golden.steps),
        schedule=schedule,
    )
    for i, (stored, again) in enumerate(zip(golden.steps, loop(recipe), strict=True)):
        _same(stored, again, f"steps[{i}]", file)
    grown = growth(recipe, [step.lr for step in golden.steps])
    if not np.array_equal(grown, golden.growth):
        raise GoldenError(file, "growth", "is not what the balls say")


def _same(stored: Step, again: Step, where: str, file: str) -> None:
    for field in ("t", "lr", "metric", "warmup"):
        if getattr(stored, field) != getattr(again, field):
            raise GoldenError(file, f"{where}.{field}", "is not what the balls say")
    for layer, given in again.inputs.items():
        _same_values(stored.inputs[layer], given, f"{where}.inputs.{layer}", file)
    for layer, lines in again.lines.items():
        _same_values(stored.lines[layer], lines, f"{where}.lines.{layer}", file)
    _same_values(stored.model, again.model, f"{where}.model", file)


def _same_values(
    stored: Mapping[str, Any], again: Mapping[str, Any], where: str, file: str
) -> None:
    if stored.keys() != again.keys():
        odd = ", ".join(sorted(stored.keys() ^ again.keys()))
        raise GoldenError(file, where, f"has other lines than the balls: {odd}")
    for name, value in again.items():
        found = stored[name]
        if isinstance(value, Value) and isinstance(found, Value):
            for part in Value._fields:
                wrong = np.flatnonzero(getattr(value, part) != getattr(found, part))
                if wrong.size:
                    i = int(wrong[0])
                    got, want = getattr(found, part)[i], getattr(value, part)[i]
                    reason = f"[{i}] is {got!r}, proved {want!r}"
                    raise GoldenError(file, f"{where}.{name}.{part}", reason)
        elif found is not value:
            raise GoldenError(file, f"{where}.{name}", f"is {found}, proved {value}")
