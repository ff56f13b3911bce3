"""What is compared: optimizers as published, at one weight decay, with what goes around them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from paratrooper_ref.optimizers import (
    AdamW,
    Lookahead,
    Optimizer,
    Paratrooper,
    RAdamW,
    Ranger,
    RangerLars,
)

# Of every optimizer, unless asked otherwise.  With each one's own default AdamW would decay ten
# times as fast as the others, and its comparison with RAdamW would be one of decays.
DECAY: Final = 1e-3
MOMENTS_OF_H: Final = (0.314, 0.452, 0.707, 1.038)  # the source's four


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way of training.

    Parameters
    ----------
    name : str
    optimizer : Optimizer
        Its learning rate is swept.
    plateau : bool
        Whether the rate is cut on plateaus of the loss, with torch's defaults.
    h : float or None
        The loss is multiplied by a constant that gives the first batches this h on average.
    """

    name: str
    optimizer: Optimizer
    plateau: bool = False
    h: float | None = None


@cache
def arms(decay: float = DECAY) -> dict[str, Arm]:
    """Return the arms by name, all with one weight decay, >= 0; at 0 nothing decays."""
    ranger, paratrooper = Ranger(weight_decay=decay), Paratrooper(weight_decay=decay)
    radamw = RAdamW(weight_decay=decay)
    still = RAdamW(weight_decay=decay, warmup="none")
    every = (
        Arm(name="adamw", optimizer=AdamW(weight_decay=decay)),
        Arm(name="radamw", optimizer=radamw),
        Arm(name="lookahead(radamw)", optimizer=Lookahead(inner=radamw)),
        Arm(name="ranger", optimizer=ranger),
        Arm(name="rangerlars(lo=0)", optimizer=RangerLars(weight_decay=decay, lower=0)),
        Arm(name="rangerlars(lo=1)", optimizer=RangerLars(weight_decay=decay, lower=1)),
        Arm(name="paratrooper", optimizer=paratrooper),
        Arm(name="ranger(plateau)", optimizer=ranger, plateau=True),
        Arm(name="paratrooper(plateau)", optimizer=paratrooper, plateau=True),
        *(Arm(name=f"radamw(h={h})", optimizer=radamw, h=h) for h in MOMENTS_OF_H),
        *(Arm(name=f"radamw(still, h={h})", optimizer=still, h=h) for h in MOMENTS_OF_H),
    )
    return {arm.name: arm for arm in every}
