"""Paratrooper as kernels of Pallas, written from its published algorithm alone.

For one layer, at step t, with what is formed of t alone on the host::

    first:   g = g + λ2 θ
             m = β1 m + (1 - β1) g;   v = β2 v + (1 - β2) g²
             D = scale m / √(v + ε) + λ θ
    between: T = 1 if ‖θ‖ = 0 or ‖D‖ = 0, else max(lower, min(R, ‖θ‖ / ‖D‖))
    second:  θ = θ - α T D
             t mod k = 0:  φ = (1 - a) φ + a θ,   θ = φ

Two kernels, since no element can move before all of them are in the norms.

Source: Daniel Han, "State of The Art Optimizers", final algorithm.
"""

from __future__ import annotations

from functools import partial
from math import sqrt
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl


def _direction(
    scalars: Any, theta: Any, g: Any, m: Any, v: Any, new_m: Any, new_v: Any, direction: Any, *,
    rectified: bool, inside: bool,
) -> None:
    l2, beta1, less1, beta2, less2, scale, eps, weight_decay = (scalars[i] for i in range(8))
    regularized = g[...] + l2 * theta[...]
    new_m[...] = beta1 * m[...] + less1 * regularized
    new_v[...] = beta2 * v[...] + less2 * (regularized * regularized)
    adapted = scale * new_m[...]
    if rectified and inside:
        adapted /= jnp.sqrt(new_v[...] + eps)
    elif rectified:
        adapted /= jnp.sqrt(new_v[...]) + eps
    direction[...] = adapted + weight_decay * theta[...]


def _move(
    scalars: Any, theta: Any, direction: Any, slow: Any, new_theta: Any, new_slow: Any, *,
    synchronises: bool,
) -> None:
    rate, alpha, rest = (scalars[i] for i in range(3))
    new_theta[...] = theta[...] - rate * direction[...]
    new_slow[...] = slow[...]
    if synchronises:
        new_slow[...] = rest * slow[...] + alpha * new_theta[...]
        new_theta[...] = new_slow[...]


@partial(jax.jit, static_argnames=("rectified", "inside", "moves", "synchronises"))
def _step(
    theta: Any, g: Any, m: Any, v: Any, slow: Any, scalars: Any, bounds: Any, adapt: Any, *,
    rectified: bool, inside: bool, moves: bool, synchronises: bool,
) -> dict[str, Any]:
    like: Any = jax.ShapeDtypeStruct(theta.shape, theta.dtype)  # type: ignore[no-untyped-call]
    m, v, direction = pl.pallas_call(
        partial(_direction, rectified=rectified, inside=inside),
        out_shape=(like, like, like), interpret=True,
    )(scalars[:8], theta, g, m, v)

    lr, (lower, ceiling) = scalars[8], bounds
    weights, length = jnp.sqrt(jnp.sum(theta**2)), jnp.sqrt(jnp.sum(direction**2))
    ratio = jnp.maximum(lower, jnp.minimum(ceiling, weights / length))
    ratio = jnp.where(adapt & (weights > 0) & (length > 0), ratio, 1)
    rate = lr * ratio if moves else jnp.zeros_like(lr)

    theta, slow = pl.pallas_call(
        partial(_move, synchronises=synchronises), out_shape=(like, like), interpret=True,
    )(jnp.stack([rate, *scalars[9:]]), theta, direction, slow)
    return {"theta": theta, "m": m, "v": v, "slow": slow}


def first_batch(gradients: list[Any], beta1: float, beta2: float) -> str:
    """Choose whether there are steps before the rectified branch opens."""
    squares = sum(float(jnp.sum(g * g)) for g in gradients)
    h = squares / (sum(g.size for g in gradients) * ((1 - beta1) / (1 - beta2)) ** 2)
    return "momentum" if h <= 0.5 else "none"


def paratrooper(
    theta: Any, g: Any, m: Any, v: Any, slow: Any, t: int, lr: float, beta1: float, beta2: float,
    eps: float, weight_decay: float, l2: float, threshold: float, warmup: str,
    eps_inside_root: bool, k: int, alpha: float, lower: float, cap: float | str,
    adapt: bool = True,
) -> Any:
    """Take a step of one layer, on arrays of one axis; the kernels are interpreted."""
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
    rectified = rho > threshold
    scale, ceiling = 1 / (1 - beta1**t), 10.0
    if rectified:
        r = sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
        scale = r * sqrt(1 - beta2**t) / (1 - beta1**t)
        ceiling = 1 / scale
    ceiling = ceiling if isinstance(cap, str) else cap

    scalars = (
        l2, beta1, 1 - beta1, beta2, 1 - beta2, scale, eps, weight_decay, lr, alpha, 1 - alpha
    )
    return _step(
        theta, g, m, v, slow, jnp.array(scalars, theta.dtype),
        jnp.array((lower, ceiling), theta.dtype), adapt, rectified=rectified,
        inside=eps_inside_root, moves=rectified or warmup == "momentum", synchronises=t % k == 0,
    )
