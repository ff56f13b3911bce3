"""RangerLars (Over9000): Ranger with a trust ratio for each layer.

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
    q = 1 if ‖θ‖ ‖D‖ = 0 else ‖θ‖ / ‖D‖
    T = 1 if ‖θ‖ ‖D‖ = 0 else max(lo, min(hi, q))
    if not adapt:
        T = 1
    Δ = α T D
    θ = θ − Δ

Then Lookahead, as in Ranger.  A norm of 0 makes the trust ratio 1.  Where the rule is not
rectified and warmup is "none" θ stays; the moments advance.

Source
    Daniel Han, "State of The Art Optimizers": hi = 10, with lo = 0 for the original and lo = 1
    as his improvement; after Grankin, mgrankin/over9000.

Known variants
    V1  ‖θ‖ clamped to [0, 10] instead of the ratio, together with V2 (over9000 today).
    V2  The norm of the new weights instead of the direction's.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import ClassVar

from paratrooper_ref.arithmetic import Names, Number, clamp, norm, sqrt, unless_zero
from paratrooper_ref.optimizers.hyper import choice, flag, integer, real
from paratrooper_ref.optimizers.lift import Rule
from paratrooper_ref.optimizers.lookahead import lookahead
from paratrooper_ref.optimizers.optimizer import Optimizer


def rangerlars(
    t: int, theta: Number, g: Number, m: Number, v: Number, *,
    lr: Number, beta1: Number, beta2: Number, eps: Number, weight_decay: Number, l2: Number,
    threshold: Number, warmup: str, eps_inside_root: bool, lower: Number, upper: Number,
    adapt: bool = True,
) -> Names:
    """Take one fast step on one layer; the local names are its lines."""
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
    weight_norm = norm(theta)
    direction_norm = norm(direction)
    ratio = unless_zero(weight_norm / direction_norm, weight_norm, direction_norm)
    trust_ratio = unless_zero(clamp(lower, ratio, upper), weight_norm, direction_norm)
    if not adapt:
        trust_ratio = 1
    update = lr * trust_ratio * direction
    theta = theta - update
    return locals()


@dataclass(frozen=True, kw_only=True, repr=False)
class RangerLars(Optimizer):
    """Ranger with a layer-wise trust ratio between fixed bounds.

    Parameters
    ----------
    lr, beta1, beta2, eps, weight_decay, l2, threshold, warmup, eps_inside_root, k, alpha
        As in `Ranger`.
    lower, upper : float
        Bounds on the trust ratio, >= 0; the upper may be infinite.
    """

    algorithm: ClassVar[str] = "rangerlars"
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
    lower: float = real(0.0)
    upper: float = real(10.0, most=inf, closed=True)

    def stages(self) -> tuple[Rule, ...]:
        """Return the rules of a step."""
        return (rangerlars, lookahead)
