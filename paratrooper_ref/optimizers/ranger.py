"""Ranger: Lookahead around RAdamW.

Each step is a step of `paratrooper_ref.optimizers.radamw.radamw`, then one of
`paratrooper_ref.optimizers.lookahead.lookahead`; there is nothing else.

Source
    Wright, lessw2020/Ranger-Deep-Learning-Optimizer; Daniel Han, "State of The Art
    Optimizers", whose page puts ε inside the root and adds L2 as well: ``eps_inside_root`` and
    ``l2``, set so in Paratrooper alone.

Known variants
    V1  ε = 1e-5 (the Ranger code), and gradient centralisation (since 2020).
    V2  Slow weights that start late, see `Lookahead`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from paratrooper_ref.optimizers.hyper import choice, flag, integer, real
from paratrooper_ref.optimizers.lift import Rule
from paratrooper_ref.optimizers.lookahead import lookahead
from paratrooper_ref.optimizers.optimizer import Optimizer
from paratrooper_ref.optimizers.radamw import radamw


@dataclass(frozen=True, kw_only=True, repr=False)
class Ranger(Optimizer):
    """Rectified Adam with decoupled decay, and slow weights.

    Parameters
    ----------
    lr, beta1, beta2, eps, weight_decay, l2, threshold, warmup, eps_inside_root
        As in `RAdamW`, with beta1 = 0.95.
    k, alpha
        As in `Lookahead`.
    """

    algorithm: ClassVar[str] = "ranger"
    lr: float = real(1e-3)
    beta1: float = real(0.95, most=1)
    beta2: float = real(0.999, most=1)
    eps: float = real(1e-8)
    weight_decay: float = real(1e-3)
    l2: float = real(0.0)
    threshold: float = real(5.0, least=4)
    warmup: str = choice("momentum", "momentum", "none", "auto")
    eps_inside_root: bool = flag(False)
    k: int = integer(6, least=1)
    alpha: float = real(0.5, most=1, closed=True)

    def stages(self) -> tuple[Rule, ...]:
        """Return the rules of a step."""
        return (radamw, lookahead)
