"""LARS: each layer's learning rate is scaled by its weights' norm over its gradient's.

The form of 2017::

    g̃ = g + λ θ
    D = g̃
    q = 1 if ‖θ‖ ‖D‖ = 0 else ‖θ‖ / (‖g‖ + λ ‖θ‖ + ε)
    T = 1 if ‖θ‖ ‖D‖ = 0 else c q
    if not adapt:
        T = 1
    u = μ u + α T D
    Δ = u
    θ = θ − Δ

The form of 2019::

    g̃ = g + λ θ
    u = μ u + (1 − μ) g̃
    D = u
    q = 1 if ‖θ‖ ‖D‖ = 0 else ‖θ‖ / ‖D‖
    T = q
    if not adapt:
        T = 1
    Δ = α T D
    θ = θ − Δ

A norm of 0 makes the whole local rate 1.

Source
    You, Gitman and Ginsburg, arXiv:1708.03888, Algorithm 1 (2017).  You et al.,
    arXiv:1904.00962, Algorithm 1 (2019), with φ the identity; it has neither the trust
    coefficient nor ε.

Departures
    D1  2017: ε in the ratio's denominator is that of the implementations; 0 recovers the paper.

Known variants
    V1  The norm of g + λ θ in the ratio (optax) instead of the sum of norms.
    V2  λ = 0 switches the ratio off (timm, jettify).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from paratrooper_ref.arithmetic import Names, Number, norm, unless_zero
from paratrooper_ref.optimizers.hyper import choice, real
from paratrooper_ref.optimizers.lift import Rule
from paratrooper_ref.optimizers.optimizer import Optimizer


def lars_2017(
    theta: Number, g: Number, u: Number, *,
    lr: Number, momentum: Number, trust_coefficient: Number, weight_decay: Number,
    eps: Number, adapt: bool = True,
) -> Names:
    """Take one step on one layer; the local names are its lines."""
    regularized = g + weight_decay * theta
    direction = regularized
    weight_norm = norm(theta)
    direction_norm = norm(direction)
    ratio = unless_zero(
        weight_norm / (norm(g) + weight_decay * weight_norm + eps), weight_norm, direction_norm
    )
    trust_ratio = unless_zero(trust_coefficient * ratio, weight_norm, direction_norm)
    if not adapt:
        trust_ratio = 1
    u = momentum * u + lr * trust_ratio * direction
    update = u
    theta = theta - update
    return locals()


def lars_2019(
    theta: Number, g: Number, u: Number, *,
    lr: Number, momentum: Number, weight_decay: Number, adapt: bool = True,
) -> Names:
    """Take one step on one layer; the local names are its lines."""
    regularized = g + weight_decay * theta
    u = momentum * u + (1 - momentum) * regularized
    direction = u
    weight_norm = norm(theta)
    direction_norm = norm(direction)
    ratio = unless_zero(weight_norm / direction_norm, weight_norm, direction_norm)
    trust_ratio = ratio
    if not adapt:
        trust_ratio = 1
    update = lr * trust_ratio * direction
    theta = theta - update
    return locals()


@dataclass(frozen=True, kw_only=True, repr=False)
class LARS(Optimizer):
    """Layer-wise adaptive rate scaling.

    Parameters
    ----------
    lr : float
        Learning rate α, >= 0; in the form of 2017 it is inside the buffer.
    momentum : float
        Decay rate μ of the buffer, in [0, 1).
    trust_coefficient : float
        A gradient adds at most α c times the weights' norm to the buffer, c >= 0 (2017 only).
    weight_decay : float
        L2 coefficient λ, >= 0.
    eps : float
        Added to the ratio's denominator, >= 0 (2017 only).
    form : {"2017", "2019"}
        Which of the published forms.
    """

    algorithm: ClassVar[str] = "lars"
    lr: float = real(0.1)
    momentum: float = real(0.9, most=1)
    trust_coefficient: float = real(1e-3)
    weight_decay: float = real(5e-4)
    eps: float = real(0.0)
    form: str = choice("2017", "2017", "2019")

    def stages(self) -> tuple[Rule, ...]:
        """Return the rules of a step."""
        return (lars_2017,) if self.form == "2017" else (lars_2019,)
