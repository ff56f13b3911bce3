"""AdamW: Adam whose weight decay is no part of the gradient.

For one layer, at step t::

    m = β1 m + (1 − β1) g
    v = β2 v + (1 − β2) g²
    m̂ = m / (1 − β1^t)
    v̂ = v / (1 − β2^t)
    s = √v̂ + ε
    D = m̂ / s + λ θ
    Δ = α D
    θ = θ − Δ

Source
    Loshchilov and Hutter, arXiv:1711.05101, Algorithm 2; torch.optim.AdamW.

Departures
    D1  λ θ is scaled by the learning rate, as torch has it; the paper scales it by the
        schedule's factor alone.

Known variants
    V1  θ (1 − α λ) first, then the step (torch): equal, other roundings.
    V2  Decay not scaled by the learning rate (TensorFlow Addons).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from paratrooper_ref.arithmetic import Names, Number, sqrt
from paratrooper_ref.optimizers.hyper import real
from paratrooper_ref.optimizers.lift import Rule
from paratrooper_ref.optimizers.optimizer import Optimizer


def adamw(
    t: int, theta: Number, g: Number, m: Number, v: Number, *,
    lr: Number, beta1: Number, beta2: Number, eps: Number, weight_decay: Number,
) -> Names:
    """Take one step of AdamW on one layer; the local names are its lines."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * (g * g)
    beta1_t = beta1**t
    beta2_t = beta2**t
    m_hat = m / (1 - beta1_t)
    v_hat = v / (1 - beta2_t)
    denominator = sqrt(v_hat) + eps
    direction = m_hat / denominator + weight_decay * theta
    update = lr * direction
    theta = theta - update
    return locals()


@dataclass(frozen=True, kw_only=True, repr=False)
class AdamW(Optimizer):
    """Adam with decoupled decay.

    Parameters
    ----------
    lr, beta1, beta2, eps : float
        As in `Adam`.
    weight_decay : float
        Decoupled decay λ, scaled by the learning rate, >= 0.
    """

    algorithm: ClassVar[str] = "adamw"
    lr: float = real(1e-3)
    beta1: float = real(0.9, most=1)
    beta2: float = real(0.999, most=1)
    eps: float = real(1e-8)
    weight_decay: float = real(1e-2)

    def stages(self) -> tuple[Rule, ...]:
        """Return the rules of a step."""
        return (adamw,)
