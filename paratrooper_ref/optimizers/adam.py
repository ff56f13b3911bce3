"""Adam: steps scaled by running moments of the gradient; weight decay is part of the loss.

For one layer, at step t::

    g̃ = g + λ θ
    m = β1 m + (1 − β1) g̃
    v = β2 v + (1 − β2) g̃²
    m̂ = m / (1 − β1^t)
    v̂ = v / (1 − β2^t)
    s = √v̂ + ε
    D = m̂ / s
    Δ = α D
    θ = θ − Δ

Source
    Kingma and Ba, arXiv:1412.6980, Algorithm 1; the paper has no decay.

Known variants
    V1  ε added before the bias correction, √v + ε (Keras, and the paper's remark on speed).
    V2  ε inside the root (optax's eps_root).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from paratrooper_ref.arithmetic import Names, Number, sqrt
from paratrooper_ref.optimizers.hyper import real
from paratrooper_ref.optimizers.lift import Rule
from paratrooper_ref.optimizers.optimizer import Optimizer


def adam(
    t: int, theta: Number, g: Number, m: Number, v: Number, *,
    lr: Number, beta1: Number, beta2: Number, eps: Number, weight_decay: Number,
) -> Names:
    """Take one step of Adam on one layer; the local names are its lines."""
    regularized = g + weight_decay * theta
    m = beta1 * m + (1 - beta1) * regularized
    v = beta2 * v + (1 - beta2) * (regularized * regularized)
    beta1_t = beta1**t
    beta2_t = beta2**t
    m_hat = m / (1 - beta1_t)
    v_hat = v / (1 - beta2_t)
    denominator = sqrt(v_hat) + eps
    direction = m_hat / denominator
    update = lr * direction
    theta = theta - update
    return locals()


@dataclass(frozen=True, kw_only=True, repr=False)
class Adam(Optimizer):
    """Adaptive moment estimation, with L2 decay.

    Parameters
    ----------
    lr : float
        Learning rate α, >= 0.
    beta1, beta2 : float
        Decay rates of the first and second moment, in [0, 1).
    eps : float
        Added to the root of the second moment, >= 0.
    weight_decay : float
        L2 coefficient λ, >= 0.
    """

    algorithm: ClassVar[str] = "adam"
    lr: float = real(1e-3)
    beta1: float = real(0.9, most=1)
    beta2: float = real(0.999, most=1)
    eps: float = real(1e-8)
    weight_decay: float = real(0.0)

    def stages(self) -> tuple[Rule, ...]:
        """Return the rules of a step."""
        return (adam,)
