"""Paratrooper: a trust ratio whose ceiling opens wide and comes down to 1.

For one layer, at step t::

    g̃ = g + λ2 θ
    m = β1 m + (1 − β1) g̃
    v = β2 v + (1 − β2) g̃²
    scheduled = R is "rectified"
    R = 10 if scheduled else R
    ρ∞ = 2 / (1 − β2) − 1
    ρ = ρ∞ − 2 t β2^t / (1 − β2^t)
    rectified = ρ > ρ_min
    if rectified:
        r = √((ρ − 4) (ρ − 2) ρ∞ / ((ρ∞ − 4) (ρ∞ − 2) ρ))
        b = √(1 − β2^t) / (1 − β1^t)
        s = √(v + ε) if eps_inside_root else √v + ε
        D = r b m / s + λ θ
        R = 1 / (r b) if scheduled else R
    otherwise, if warmup is "momentum":
        m̂ = m / (1 − β1^t)
        D = m̂ + λ θ
    q = 1 if ‖θ‖ ‖D‖ = 0 else ‖θ‖ / ‖D‖
    T = 1 if ‖θ‖ ‖D‖ = 0 else max(lo, min(R, q))
    if not adapt:
        T = 1
    Δ = α T D
    θ = θ − Δ

Then Lookahead, as in Ranger.  A norm of 0 makes the trust ratio 1.  Where the rule is not
rectified and warmup is "none" θ stays; the moments advance.

So the ceiling R starts at 10, jumps to 132.6 when the rectified branch opens (t = 6 at the
defaults), falls below 10 at t = 152 and tends to 1, where the step is Ranger's.  Below 1 (small
β2) the lower bound wins: max comes last.

Source
    Daniel Han, "State of The Art Optimizers", final algorithm, with decay both as L2 and
    decoupled, ε inside the root, and the first-batch rule of
    `paratrooper_ref.optimizers.warmup`.

Departures
    D1  The source writes ρ >= 5; ρ never equals 5 (`paratrooper_ref.optimizers.radamw`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from paratrooper_ref.arithmetic import Names, Number, clamp, norm, sqrt, unless_zero
from paratrooper_ref.optimizers.hyper import choice, flag, integer, real
from paratrooper_ref.optimizers.lift import Rule
from paratrooper_ref.optimizers.lookahead import lookahead
from paratrooper_ref.optimizers.optimizer import Optimizer


def paratrooper(
    t: int, theta: Number, g: Number, m: Number, v: Number, *,
    lr: Number, beta1: Number, beta2: Number, eps: Number, weight_decay: Number, l2: Number,
    threshold: Number, warmup: str, eps_inside_root: bool, lower: Number, cap: Number | int | str,
    adapt: bool = True,
) -> Names:
    """Take one fast step on one layer; the local names are its lines."""
    regularized = g + l2 * theta
    m = beta1 * m + (1 - beta1) * regularized
    v = beta2 * v + (1 - beta2) * (regularized * regularized)
    scheduled = cap == "rectified"
    cap = 10 if scheduled else cap
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
        cap = 1 / (rectification * bias_correction) if scheduled else cap
    elif warmup == "momentum":
        m_hat = m / (1 - beta1_t)
        direction = m_hat + weight_decay * theta
    else:
        return locals()
    weight_norm = norm(theta)
    direction_norm = norm(direction)
    ratio = unless_zero(weight_norm / direction_norm, weight_norm, direction_norm)
    trust_ratio = unless_zero(clamp(lower, ratio, cap), weight_norm, direction_norm)
    if not adapt:
        trust_ratio = 1
    update = lr * trust_ratio * direction
    theta = theta - update
    return locals()


@dataclass(frozen=True, kw_only=True, repr=False)
class Paratrooper(Optimizer):
    """Ranger with a layer-wise trust ratio under a falling ceiling.

    Parameters
    ----------
    lr, beta1, beta2, eps, weight_decay, threshold, eps_inside_root, k, alpha
        As in `Ranger`.
    l2 : float or None
        L2 coefficient λ2, >= 0; None for the value of weight_decay.
    warmup : {"auto", "momentum", "none"}
        As in `RAdam`; "auto" asks the first gradient.
    lower : float
        Lower bound on the trust ratio, >= 0; it wins over the ceiling.
    cap : "rectified" or float
        The ceiling R: 1 / (r b) once rectified and 10 before, or a constant, >= 0.
    """

    algorithm: ClassVar[str] = "paratrooper"
    lr: float = real(1e-3)
    beta1: float = real(0.95, most=1)
    beta2: float = real(0.999, most=1)
    eps: float = real(1e-8)
    weight_decay: float = real(1e-3)
    l2: float | None = real(None, words=(None,))
    threshold: float = real(5.0, least=4)
    warmup: str = choice("auto", "auto", "momentum", "none")
    eps_inside_root: bool = flag(True)
    k: int = integer(6, least=1)
    alpha: float = real(0.5, most=1, closed=True)
    lower: float = real(1.0)
    cap: float | str = real("rectified", closed=True, words=("rectified",))

    def stages(self) -> tuple[Rule, ...]:
        """Return the rules of a step."""
        return (paratrooper, lookahead)
