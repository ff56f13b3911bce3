"""RAdamW: RAdam with decoupled decay, and the switch of its authors' code.

For one layer, at step t::

    g̃ = g + λ2 θ
    m = β1 m + (1 − β1) g̃
    v = β2 v + (1 − β2) g̃²
    ρ∞ = 2 / (1 − β2) − 1
    ρ = ρ∞ − 2 t β2^t / (1 − β2^t)
    rectified = ρ > ρ_min
    if rectified:
        r = √((ρ − 4) (ρ − 2) ρ∞ / ((ρ∞ − 4) (ρ∞ − 2) ρ))
        b = √(1 − β2^t) / (1 − β1^t)
        s = √(v + ε) if eps_inside_root else √v + ε
        D = r b m / s + λ θ
    otherwise, if warmup is "momentum":
        m̂ = m / (1 − β1^t)
        D = m̂ + λ θ
    Δ = α D
    θ = θ − Δ

Otherwise θ stays; the moments advance.

Source
    Code LiyuanLucasLiu/RAdam, radam/radam.py, of Liu et al., arXiv:1908.03265.  With
    ``eps_inside_root`` and ``l2``: Daniel Han, "RAdam Rectified Adam".

Departures
    D1  The code writes ρ >= 5; ρ never equals 5 for a double β2.  (With
        β2 = p / 2^q, p odd, and t >= 3, ρ = 5 would make 2^(q t) divide
        (t − 2) 2^q − (t − 3) p, which lies between 0 and 2^(q t); and ρ_1 = 1, ρ_2 < 2.)
    D2  Its later default takes no step below the switch: warmup="none", which leaves out the
        decay too.

Known variants
    V1  √v̂ + ε (optax, fastai, TensorFlow Addons).
    V2  λ θ inside the corrected direction, so scaled by r b or by 1 / (1 − β1^t) (Ranger 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from paratrooper_ref.arithmetic import Names, Number, sqrt
from paratrooper_ref.optimizers.hyper import choice, flag, real
from paratrooper_ref.optimizers.lift import Rule
from paratrooper_ref.optimizers.optimizer import Optimizer


def radamw(
    t: int, theta: Number, g: Number, m: Number, v: Number, *,
    lr: Number, beta1: Number, beta2: Number, eps: Number, weight_decay: Number, l2: Number,
    threshold: Number, warmup: str, eps_inside_root: bool,
) -> Names:
    """Take one step of RAdamW on one layer; the local names are its lines."""
    regularized = g + l2 * theta
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
        denominator = sqrt(v + eps) if eps_inside_root else sqrt(v) + eps
        direction = rectification * bias_correction * m / denominator + weight_decay * theta
    elif warmup == "momentum":
        m_hat = m / (1 - beta1_t)
        direction = m_hat + weight_decay * theta
    else:
        return locals()
    update = lr * direction
    theta = theta - update
    return locals()


@dataclass(frozen=True, kw_only=True, repr=False)
class RAdamW(Optimizer):
    """Rectified Adam with decoupled decay.

    Parameters
    ----------
    lr, beta1, beta2, eps, threshold, warmup
        As in `RAdam`.
    weight_decay : float
        Decoupled decay λ, scaled by the learning rate, >= 0.
    l2 : float
        L2 coefficient λ2, >= 0.
    eps_inside_root : bool
        Divide by √(v + ε) instead of √v + ε.
    """

    algorithm: ClassVar[str] = "radamw"
    lr: float = real(1e-3)
    beta1: float = real(0.9, most=1)
    beta2: float = real(0.999, most=1)
    eps: float = real(1e-8)
    weight_decay: float = real(1e-3)
    l2: float = real(0.0)
    threshold: float = real(5.0, least=4)
    warmup: str = choice("momentum", "momentum", "none", "auto")
    eps_inside_root: bool = flag(False)

    def stages(self) -> tuple[Rule, ...]:
        """Return the rules of a step."""
        return (radamw,)
