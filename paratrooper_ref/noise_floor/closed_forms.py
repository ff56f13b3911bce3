"""Steady variances in closed form.

With r = 1 − γ a and γ the learning rate::

    SGD        V = γ q / (a (2 − γ a)),  from V = r² V + γ² q
    momentum   V = γ' q (1 + μ) / (a (1 − μ) (2 (1 + μ) − γ' a)),  γ' = γ (1 − τ)
    Lookahead  V = α γ² q (1 + r² + ... + r^(2k−2)) / ((1 − r^k) (2 (1 − α) + α (1 + r^k)))
    EMA        V = V_SGD (1 − d) (1 + r d) / ((1 + d) (1 − r d)),  d the decay
    tail       V = V_SGD ((1 + r) / (1 − r) − 2 r (1 − r^m) / (m (1 − r)²)) / m,  m iterates

Each function derives its own.  They are formulas and no more: beyond the rate at which a method
settles they give numbers that mean nothing.
"""

from __future__ import annotations

from typing import Any


def sgd_variance(curvature: Any, noise: Any, lr: Any) -> Any:
    """Return the steady variance of SGD, γ q / (a (2 − γ a)).

    x ← r x − γ w has V = r² V + γ² q, and 1 − r² = γ a (2 − γ a).  For 0 < γ a < 2.

    Examples
    --------
    >>> print(sgd_variance(curvature=1, noise=1, lr=0.5))
    0.3333333333333333
    """
    return lr * noise / (curvature * (2 - lr * curvature))


def momentum_variance(
    curvature: Any, noise: Any, lr: Any, momentum: Any, dampening: Any = 0.0
) -> Any:
    """Return the steady variance of SGD with momentum.

    u' = μ u + a x + w and x' = x − γ u'.  Let U = E[u²].  From E[x'²] = E[x²] follows
    E[x u'] = γ U / 2, hence E[x u] = E[x' u'] = −γ U / 2, and E[x u'] = μ E[x u] + a V gives
    a V = γ U (1 + μ) / 2.  Put both into U = μ² U + 2 μ a E[x u] + a² V + q and solve:
    U = 2 q / ((1 − μ) (2 (1 + μ) − γ a)).  Dampening scales u, so it is a smaller rate
    γ (1 − τ).  For 0 < γ (1 − τ) a < 2 (1 + μ).

    Examples
    --------
    >>> print(momentum_variance(curvature=1, noise=1, lr=0.5, momentum=0.5))
    0.6
    """
    lr = lr * (1 - dampening)
    slack = 2 * (1 + momentum) - lr * curvature
    return lr * noise * (1 + momentum) / (curvature * (1 - momentum) * slack)


def lookahead_variance(curvature: Any, noise: Any, lr: Any, *, k: int, alpha: Any) -> Any:
    """Return the steady variance of Lookahead(SGD) at a synchronisation.

    A cycle is φ ← λ φ + α n with λ = 1 − α + α r^k, and n the noise of k fast steps, of
    variance γ² q S, S = 1 + r² + ... + r^(2k−2).  So V = α² γ² q S / (1 − λ²), and
    1 − λ² = α (1 − r^k) (2 (1 − α) + α (1 + r^k)).  For rates below `largest_rate`.

    Examples
    --------
    >>> print(round(lookahead_variance(1, 1, 0.5, k=5, alpha=0.5), 6))
    0.113402
    """
    r = 1 - lr * curvature
    noises = sum(r ** (2 * i) for i in range(k))
    slack = (1 - r**k) * (2 * (1 - alpha) + alpha * (1 + r**k))
    return alpha * lr**2 * noise * noises / slack


def lookahead_ratio(r: Any, *, k: int, alpha: Any) -> Any:
    """Return how Lookahead scales SGD's steady variance, α (1 + r^k) / (α (1 + r^k) + 2 (1 − α)).

    From `lookahead_variance` with S = (1 − r^(2k)) / (1 − r²).  It is α / (2 − α) where r^k
    has died out and α where r is near 1, at a rate or a curvature near 0.

    Examples
    --------
    >>> print(lookahead_ratio(0.0, k=5, alpha=0.5), lookahead_ratio(1.0, k=5, alpha=0.5))
    0.3333333333333333 0.5
    """
    kept = alpha * (1 + r**k)
    return kept / (kept + 2 * (1 - alpha))


def ema_variance(curvature: Any, noise: Any, lr: Any, decay: Any) -> Any:
    """Return the steady variance of an exponential moving average of SGD's weights.

    m' = d m + (1 − d) x'.  K = E[m x] obeys K = d r K + (1 − d) V, and the variance M of m
    M = d² M + 2 d (1 − d) r K + (1 − d)² V.  Solve both.  For 0 < γ a < 2.

    Examples
    --------
    >>> print(round(ema_variance(1, 1, 0.5, decay=0.5), 6))
    0.185185
    """
    r = 1 - lr * curvature
    shrunk = (1 - decay) * (1 + r * decay) / ((1 + decay) * (1 - r * decay))
    return sgd_variance(curvature, noise, lr) * shrunk


def tail_variance(curvature: Any, noise: Any, lr: Any, last: int) -> Any:
    """Return the steady variance of the plain average of SGD's last m iterates.

    Iterates j apart have the covariance V r^j, so it is V / m² times the sum over all pairs,
    m + 2 Σ (m − j) r^j for j from 1 to m − 1 = m (1 + r) / (1 − r) − 2 r (1 − r^m) / (1 − r)².

    Examples
    --------
    >>> print(tail_variance(1, 1, 0.5, last=1))
    0.3333333333333333
    """
    r = 1 - lr * curvature
    pairs = last * (1 + r) / (1 - r) - 2 * r * (1 - r**last) / (1 - r) ** 2
    return sgd_variance(curvature, noise, lr) * pairs / last**2
