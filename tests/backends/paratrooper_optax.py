"""Paratrooper for optax, written from its published algorithm alone.

Once, on the first gradient of the whole model, d elements::

    h = Σg² / (d ((1 - β1) / (1 - β2))²);   h > 1/2: no steps before the rectified branch opens

Then for each leaf, at step t::

    g = g + λ2 θ
    m = β1 m + (1 - β1) g;   v = β2 v + (1 - β2) g²
    ρ > threshold:  D = r b m / √(v + ε) + λ θ,   R = 1 / (r b)
    before:         D = m / (1 - β1^t) + λ θ,     R = 10
    T = 1 if ‖θ‖ = 0 or ‖D‖ = 0, else max(lower, min(R, ‖θ‖ / ‖D‖))
    θ = θ - α T D
    t mod k = 0:    φ = (1 - a) φ + a θ,   θ = φ

What depends on t alone is formed in double, whatever the leaves are, and rounded where it meets
them: ρ near its threshold is a small difference of large numbers.

Source: Daniel Han, "State of The Art Optimizers", final algorithm.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

UNDECIDED, MOMENTUM, NONE = range(3)


class ParatrooperState(NamedTuple):
    """Steps taken, what the first gradient has chosen, both moments, the slow weights."""

    count: Any
    warmup: Any
    mu: Any
    nu: Any
    slow: Any


class Scalars(NamedTuple):
    """What depends on t alone: the branch, the factor of m in D, the ceiling."""

    rectified: Any
    scale: Any
    cap: Any


def paratrooper(
    learning_rate: float = 1e-3, b1: float = 0.95, b2: float = 0.999, eps: float = 1e-8,
    weight_decay: float = 1e-3, l2: float | None = None, threshold: float = 5.0,
    warmup: str = "auto", eps_inside_root: bool = True, k: int = 6, alpha: float = 0.5,
    lower: float = 1.0, cap: float | str = "rectified", adapt: bool = True,
) -> optax.GradientTransformation:
    """Return Ranger with a trust ratio for each leaf, under a ceiling that comes down to 1.

    A leaf whose gradient is None stands still; the count of steps goes on for it too.
    """
    l2 = weight_decay if l2 is None else l2

    def init(params: Any) -> ParatrooperState:
        told = {"auto": UNDECIDED, "momentum": MOMENTUM, "none": NONE}[warmup]
        zeros = jax.tree.map(jnp.zeros_like, params)
        return ParatrooperState(
            jnp.zeros((), jnp.int32), jnp.asarray(told, jnp.int8), zeros, zeros, params
        )

    def chosen(before: Any, grads: Any) -> Any:
        moving = jax.tree.leaves(grads)
        if warmup != "auto" or not moving:
            return before
        elements = sum(g.size for g in moving)
        h = sum(jnp.sum(g * g) for g in moving) / (elements * ((1 - b1) / (1 - b2)) ** 2)
        return jnp.where(before == UNDECIDED, jnp.where(h <= 0.5, MOMENTUM, NONE), before)

    def scalars(count: Any) -> Scalars:
        with jax.enable_x64(True):
            t = count.astype(jnp.float64)
            rho_inf = 2 / (1 - b2) - 1
            rho = rho_inf - 2 * t * b2**t / (1 - b2**t)
            rectified = rho > threshold
            rho = jnp.where(rectified, rho, 5.0)
            r = jnp.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
            rb = r * jnp.sqrt(1 - b2**t) / (1 - b1**t)
            scale = jnp.where(rectified, rb, 1 / (1 - b1**t))
            ceiling = jnp.where(rectified, 1 / rb, 10.0) if cap == "rectified" else cap
        return Scalars(rectified, scale, ceiling)

    def leaf(t: Any, s: Scalars, moves: Any, theta: Any, g: Any, m: Any, v: Any, slow: Any) -> Any:
        if g is None:
            return jnp.zeros_like(theta), m, v, slow
        scale, ceiling = jnp.asarray(s.scale, theta.dtype), jnp.asarray(s.cap, theta.dtype)
        g = g + l2 * theta
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * (g * g)
        root = jnp.sqrt(v + eps) if eps_inside_root else jnp.sqrt(v) + eps
        direction = scale * m / jnp.where(s.rectified, root, 1) + weight_decay * theta
        weights, length = jnp.sqrt(jnp.sum(theta * theta)), jnp.sqrt(jnp.sum(direction**2))
        ratio = jnp.maximum(lower, jnp.minimum(ceiling, weights / length))
        ratio = jnp.where(adapt & (weights > 0) & (length > 0), ratio, 1)
        change = jnp.where(moves, -learning_rate * ratio * direction, 0)
        synchronised = (1 - alpha) * slow + alpha * (theta + change)
        change = jnp.where(t % k == 0, synchronised - theta, change)
        return change, m, v, jnp.where(t % k == 0, synchronised, slow)

    def update(grads: Any, state: ParatrooperState, params: Any) -> tuple[Any, ParatrooperState]:
        t, choice = state.count + 1, chosen(state.warmup, grads)
        s = scalars(t)
        moves = s.rectified | (choice == MOMENTUM)
        found = jax.tree.map(
            lambda *leaves: leaf(t, s, moves, *leaves),
            params, grads, state.mu, state.nu, state.slow,
        )
        parts = jax.tree.structure(("change", "mu", "nu", "slow"))
        change, mu, nu, slow = jax.tree.transpose(jax.tree.structure(params), parts, found)
        return change, ParatrooperState(t, choice, mu, nu, slow)

    return optax.GradientTransformation(init, update)
