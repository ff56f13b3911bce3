"""Hyperparameters that an implementation does not have, and the values that need no name."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, Final

from paratrooper_ref.conformance.backend import Unsupported

NEUTRAL: Final[Mapping[str, Any]] = {
    "weight_decay": 0.0, "l2": 0.0,
    "momentum": 0.0, "dampening": 0.0, "nesterov": False,
    "form": "2017",
    "warmup": "momentum", "eps_inside_root": False,
    "norm_lower": 0.0, "norm_upper": math.inf, "lower": 0.0, "upper": math.inf, "adapt": True,
}
"""By hyperparameter, the value at which an algorithm is what it is without it."""


def refuse_lacking(
    hyper: Mapping[str, Any], named: Collection[str], fixed: Mapping[str, Any] | None = None
) -> None:
    """Refuse hyperparameters that an implementation does not name, unless they are neutral.

    Those in ``fixed`` are let through: whether a step depends on them is known to the reference.

    Raises
    ------
    Unsupported
        For the first of the others.

    Examples
    --------
    >>> refuse_lacking({"lr": 0.1, "weight_decay": 0.0}, {"lr"})
    >>> refuse_lacking({"lr": 0.1, "weight_decay": 0.5}, {"lr"})
    Traceback (most recent call last):
    paratrooper_ref.conformance.backend.Unsupported: has no weight_decay
    """
    for name, value in hyper.items():
        free = name in NEUTRAL and value == NEUTRAL[name]
        if not (free or name in named or name in (fixed or {})):
            raise Unsupported(f"has no {name}")
