"""The optimizers of the core tier, each in published decimal and in dyadic numbers.

Dyadic hyperparameters are exact in bfloat16, and so in every format: what a backend is off there
is not the rounding of 0.999.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from paratrooper_ref.optimizers import (
    LAMB,
    LARS,
    SGD,
    Adam,
    AdamW,
    Lookahead,
    Optimizer,
    Paratrooper,
    RAdam,
    RAdamW,
    Ranger,
    RangerLars,
)

# 1 - 2**-8 has eight bits, the most that bfloat16 holds.
_MOMENTS: Final[dict[str, Any]] = {"beta1": 0.875, "beta2": 1 - 2.0**-8}
_RATE: Final[dict[str, Any]] = {"lr": 2.0**-6}
_ADAM: Final[dict[str, Any]] = {**_RATE, **_MOMENTS, "eps": 2.0**-20}
_DECAY: Final[dict[str, Any]] = {"weight_decay": 2.0**-5}
_SLOW: Final[dict[str, Any]] = {"k": 3, "alpha": 0.75}

DECIMAL: Final[dict[str, Optimizer]] = {
    "sgd": SGD(momentum=0.9, dampening=0.1, weight_decay=1e-2),
    "nesterov": SGD(momentum=0.9, nesterov=True, weight_decay=1e-2),
    "adam": Adam(weight_decay=1e-2),
    "adamw": AdamW(),
    "radam": RAdam(weight_decay=1e-2),
    "radamw": RAdamW(l2=1e-2, weight_decay=2e-2),
    "lars": LARS(eps=1e-8),
    "lars_2019": LARS(form="2019", weight_decay=5e-4),
    "lamb": LAMB(),
    "lookahead": Lookahead(inner=AdamW(), k=5, alpha=0.8),
    "ranger": Ranger(weight_decay=1e-2, l2=1e-3),
    "rangerlars": RangerLars(weight_decay=1e-2, l2=1e-3, lower=0.1),
    "paratrooper": Paratrooper(),
}
"""Published numbers; a decay or a bound where the default of 0 would leave a line idle."""

DYADIC: Final[dict[str, Optimizer]] = {
    "sgd": SGD(**_RATE, momentum=0.875, dampening=0.125, **_DECAY),
    "nesterov": SGD(**_RATE, momentum=0.875, nesterov=True, **_DECAY),
    "adam": Adam(**_ADAM, **_DECAY),
    "adamw": AdamW(**_ADAM, **_DECAY),
    "radam": RAdam(**_ADAM, **_DECAY),
    "radamw": RAdamW(**_ADAM, **_DECAY, l2=2.0**-6),
    "lars": LARS(**_RATE, **_DECAY, momentum=0.875, trust_coefficient=2.0**-4, eps=2.0**-10),
    "lars_2019": LARS(**_RATE, **_DECAY, momentum=0.875, trust_coefficient=1.0, form="2019"),
    "lamb": LAMB(**_ADAM, **_DECAY),
    "lookahead": Lookahead(inner=SGD(**_RATE, momentum=0.875), **_SLOW),
    "ranger": Ranger(**_ADAM, **_DECAY, **_SLOW, l2=2.0**-6),
    "rangerlars": RangerLars(
        **_ADAM, **_DECAY, **_SLOW, l2=2.0**-6, lower=0.125, upper=8.0
    ),
    "paratrooper": Paratrooper(**_ADAM, **_DECAY, **_SLOW),
}

PUBLISHED: Final[dict[str, Any]] = {
    "radamw": replace(DECIMAL["radamw"], l2=0.0),  # type: ignore[call-arg]
    "ranger": replace(DECIMAL["ranger"], l2=0.0),  # type: ignore[call-arg]
    "rangerlars": replace(DECIMAL["rangerlars"], l2=0.0, lower=0.0),  # type: ignore[call-arg]
}
"""Without the second decay and the bound that most packages lack."""

SETTINGS: Final = {"decimal": DECIMAL, "dyadic": DYADIC}

BETAS2: Final = {
    "decimal": {"0_9": 0.9, "0_99": 0.99, "0_999": 0.999, "0_9999": 0.9999},
    "dyadic": {"7_8": 0.875, "31_32": 1 - 2.0**-5, "255_256": 1 - 2.0**-8},
}
"""Second decay rates at whose rectification switch there are cases, by the name they have there."""
