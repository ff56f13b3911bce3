"""RAdam: Adam that waits until its second moment can be trusted.

For one layer, at step t::

    g̃ = g + λ θ
    m = β1 m + (1 − β1) g̃
    v = β2 v + (1 − β2) g̃²
    ρ∞ = 2 / (1 − β2) − 1
    ρ = ρ∞ − 2 t β2^t / (1 − β2^t)
    rectified = ρ > ρ_min
    if rectified:
        r = √((ρ − 4) (ρ − 2) ρ∞ / ((ρ∞ − 4) (ρ∞ − 2) ρ))
        b = √(1 − β2^t) / (1 − β1^t)
        s = √v + ε
        D = r b m / s
    otherwise, if warmup is "momentum":
        m̂ = m / (1 − β1^t)
        D = m̂
    Δ = α D
    θ = θ − Δ

Otherwise θ stays; the moments advance.

Source
    Liu et al., arXiv:1908.03265, Algorithm 2.

Departures
    D1  The paper has no ε.  It is added to √v, before the bias correction, as torch and the
        authors' code have it; ε = 0 recovers the paper.
    D2  Decay is ours (L2); λ = 0 recovers the paper.

Known variants
    V1  The switch at ρ > 5 (torch, optax): a step later where β2 >= 0.9, more below.
    V2  No step before the switch (the authors' later default): warmup="none".
    V3  √v̂ + ε (optax, fastai, TensorFlow Addons).
    V4  ρ in float32 (optax, torch's capturable RAdam): ρ is the difference of two numbers
        near ρ∞; at β2 = 0.9995 and 0.9999 they were seen to take the wrong branch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from paratrooper_ref.arithmetic import Names, Number, sqrt
from paratrooper_ref.optimizers.hyper import choice, real
from paratrooper_ref.optimizers.lift import Rule
from paratrooper_ref.optimizers.optimizer import Optimizer


def radam(
    t: int, theta: Number, g: Number, m: Number, v: Number, *,
    lr: Number, beta1: Number, beta2: Number, eps: Number, weight_decay: Number,
    threshold: Number, warmup: str,
) -> Names:
    """Take one step of RAdam on one layer; the local names are its lines."""
    regularized = g + weight_decay * theta
    m = beta1 * m + (1 - beta1) * regularized
    v = beta2 * v + (1 - beta2) * (regularized * regularized)
    beta1_t = beta1**t
    beta2_t = beta2**t
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * t * beta2_t / (1 - beta2_t)
    rectified = rho > threshold
    if rectified:
        rectification = sqrt(
            (rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)
        )
        bias_correction = sqrt(1 - beta2_t) / (1 - beta1_t)
        denominator = sqrt(v) + eps
        direction = rectification * bias_correction * m / denominator
    elif warmup == "momentum":
        m_hat = m / (1 - beta1_t)
        direction = m_hat
    else:
        return locals()
    update = lr * direction
    theta = theta - update
    return locals()


@dataclass(frozen=True, kw_only=True, repr=False)
class RAdam(Optimizer):
    """Rectified Adam, with L2 decay.

    Parameters
    ----------
    lr, beta1, beta2, weight_decay : float
        As in `Adam`.
    eps : float
        Added to √v, the root of the second moment without bias correction, >= 0.
    threshold : float
        The rectified branch is taken where ρ > threshold, >= 4.
    warmup : {"momentum", "none", "auto"}
        Before that: steps along the momentum, none, or chosen from the first gradient
        (`paratrooper_ref.optimizers.warmup`).
    """

    algorithm: ClassVar[str] = "radam"
    lr: float = real(1e-3)
    beta1: float = real(0.9, most=1)
    beta2: float = real(0.999, most=1)
    eps: float = real(1e-8)
    weight_decay: float = real(0.0)
    threshold: float = real(4.0, least=4)
    warmup: str = choice("momentum", "momentum", "none", "auto")

    def stages(self) -> tuple[Rule, ...]:
        """Return the rules of a step."""
        return (radam,)
