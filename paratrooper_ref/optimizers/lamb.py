"""LAMB: Adam's direction, as long in each layer as the layer's weights.

For one layer, at step t::

    m = β1 m + (1 − β1) g
    v = β2 v + (1 − β2) g²
    m̂ = m / (1 − β1^t)
    v̂ = v / (1 − β2^t)
    s = √v̂ + ε
    D = m̂ / s + λ θ
    φ(‖θ‖) = min(γ_hi, max(γ_lo, ‖θ‖))
    q = 1 if ‖θ‖ ‖D‖ = 0 else φ(‖θ‖) / ‖D‖
    T = 1 if ‖θ‖ ‖D‖ = 0 else max(lo, min(hi, q))
    if not adapt:
        T = 1
    Δ = α T D
    θ = θ − Δ

A norm of 0 makes the trust ratio 1.

Source
    You et al., arXiv:1904.00962, Algorithm 2: φ(z) = min(max(z, γ_lo), γ_hi), by default the
    identity.  Daniel Han clamps the ratio instead: lower=0, upper=10; his page prints it with
    squared norms here and plain ones in his final algorithm, and plain ones are the paper's.

Known variants
    V1  No bias correction (cybertronai, an earlier version of the paper).
    V2  ‖θ‖ clamped to [0, 10] (cybertronai): norm_lower=0, norm_upper=10.
    V3  λ = 0 switches the ratio off (apex, timm).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import ClassVar

from paratrooper_ref.arithmetic import (
    Names,
    Number,
    at_least,
    at_most,
    clamp,
    norm,
    sqrt,
    unless_zero,
)
from paratrooper_ref.optimizers.hyper import real
from paratrooper_ref.optimizers.lift import Rule
from paratrooper_ref.optimizers.optimizer import Optimizer


def lamb(
    t: int, theta: Number, g: Number, m: Number, v: Number, *,
    lr: Number, beta1: Number, beta2: Number, eps: Number, weight_decay: Number,
    norm_lower: Number, norm_upper: Number, lower: Number, upper: Number, adapt: bool = True,
) -> Names:
    """Take one step on one layer; the local names are its lines."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * (g * g)
    beta1_t = beta1**t
    beta2_t = beta2**t
    m_hat = m / (1 - beta1_t)
    v_hat = v / (1 - beta2_t)
    denominator = sqrt(v_hat) + eps
    direction = m_hat / denominator + weight_decay * theta
    weight_norm = norm(theta)
    direction_norm = norm(direction)
    phi = at_most(norm_upper, at_least(norm_lower, weight_norm))
    ratio = unless_zero(phi / direction_norm, weight_norm, direction_norm)
    trust_ratio = unless_zero(clamp(lower, ratio, upper), weight_norm, direction_norm)
    if not adapt:
        trust_ratio = 1
    update = lr * trust_ratio * direction
    theta = theta - update
    return locals()


@dataclass(frozen=True, kw_only=True, repr=False)
class LAMB(Optimizer):
    """Layer-wise adaptive moments.

    Parameters
    ----------
    lr, beta1, beta2, eps : float
        As in `Adam`.
    weight_decay : float
        Decay λ, part of the direction, >= 0.
    norm_lower, norm_upper : float
        Bounds γ_lo, γ_hi on the weights' norm in the ratio, >= 0; the upper may be infinite.
    lower, upper : float
        Bounds on the ratio, >= 0; the upper may be infinite.
    """

    algorithm: ClassVar[str] = "lamb"
    lr: float = real(1e-3)
    beta1: float = real(0.9, most=1)
    beta2: float = real(0.999, most=1)
    eps: float = real(1e-6)
    weight_decay: float = real(1e-2)
    norm_lower: float = real(0.0)
    norm_upper: float = real(inf, closed=True)
    lower: float = real(0.0)
    upper: float = real(inf, closed=True)

    def stages(self) -> tuple[Rule, ...]:
        """Return the rules of a step."""
        return (lamb,)
