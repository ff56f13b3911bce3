"""How far an honest backend may be from a step, line by line, for the profile it declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from paratrooper_ref.arithmetic import Undecided
from paratrooper_ref.arithmetic.running import Running, joined
from paratrooper_ref.conformance.alike import alike
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.optimizers import Optimizer, State
from paratrooper_ref.optimizers.lift import evaluated
from paratrooper_ref.optimizers.state import STORED
from paratrooper_ref.variants import FORMS, heard

Floats = np.ndarray[Any, np.dtype[np.float64]]
Lines = dict[str, dict[str, Any]]

Heard = Callable[[str, str, Any], Any]


def lines(
    optimizer: Optimizer,
    state: State,
    grads: Mapping[str, Any],
    lr: float | None,
    profile: Profile,
    *,
    errors: Mapping[str, Mapping[str, Floats]] | None = None,
    hear: Heard | None = None,
    guesses: bool = False,
) -> Lines:
    """Return the lines of a step as `Running` numbers: values and the profile's bounds.

    Parameters
    ----------
    optimizer, state, grads, lr
        The step; arrays are doubles.
    profile : Profile
    errors : mapping of layer to slot to array, optional
        How far inputs may already be off ("g" is the gradient); nothing where it is left out.
    hear : callable, optional
        ``hear(layer, tag, value)`` is told every line in turn; the step goes on with what it
        returns.
    guesses : bool
        Whether a branch that is not decided is taken as real numbers have it.

    Raises
    ------
    Undecided
        Where an honest backend of this profile may take either branch, with the line before it.
    """
    format, off = profile.format, errors or {}
    last = ""
    asked = state, grads
    one = alike(optimizer, state, grads, off) if hear is None else None
    if one is not None:
        asked, off = (one.state, one.grads), one.errors

    def number(layer: str, slot: str, x: Floats) -> Running:
        error = off.get(layer, {}).get(slot)
        return Running(x, 0.0 if error is None else np.reshape(error, x.shape), format)

    def told(layer: str) -> dict[str, Any]:
        def line(name: str, first: Any, *others: Any) -> Any:
            nonlocal last
            last = f"after {name} of layer {layer!r}, "
            value = joined(first, *others)
            if name in STORED and isinstance(value, Running):
                value = stored(value, profile, name)
            return value if hear is None else hear(layer, name, value)

        return {"line": line}

    try:
        found, model = evaluated(
            listening(optimizer, profile.forms), *asked, lr, number,
            profile.kind(guesses=guesses), told,
        )
    except Undecided as error:
        msg = f"{last}{error}"
        raise type(error)(msg) from None
    return {**(found if one is None else one.apart(found)), "": model}


def stored(x: Running, profile: Profile, slot: str) -> Running:
    """Return numbers that are stored in a slot, and may be read there or in a register."""
    format = profile.stored(slot)
    if format.precision >= x.format.precision:
        return x
    there = x.to(format)
    return Running(x.value, there.error, x.format)


@lru_cache(maxsize=4096)
def listening(optimizer: Optimizer, forms: bool) -> Optimizer:
    """Return an optimizer whose lines can be heard."""
    return heard(optimizer, FORMS if forms else ())


