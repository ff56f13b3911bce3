"""Paratrooper as Triton kernels: one up to the norms, and one from the norms on.

The first makes the moments and the direction, and sums squares block by block; the second
scales the direction by the trust ratio, steps, and synchronises.  A norm needs every block, so
there is no way to do with one.

Scalars come as an array in the dtype of the parameters: Triton makes a float32 of a Python float.

With TRITON_INTERPRET=1, set before the import, the kernels run on a CPU, with operations that
are correctly rounded.  Compiled for NVIDIA's GPUs they divide and take roots in float32 by
div.full and sqrt.approx.ftz: Profile(division=2, root=1, flush=True).
"""

from __future__ import annotations

import torch
import triton  # type: ignore[import-untyped,import-not-found,unused-ignore]
import triton.language as tl  # type: ignore[import-untyped,import-not-found,unused-ignore]
from torch import Tensor

from tests.backends.paratrooper_torch import shared

BLOCK = 1024


@triton.jit  # type: ignore[untyped-decorator]
def direct(  # type: ignore[no-untyped-def]
    theta_at, g_at, m_at, v_at, direction_at, squares_at, scalars_at, n,
    MOVES: tl.constexpr, RECTIFIED: tl.constexpr, INSIDE: tl.constexpr, BLOCK: tl.constexpr,
):
    """Make m, v and D of a block, and its share of the squares of both norms."""
    beta1, rest1 = tl.load(scalars_at), tl.load(scalars_at + 1)
    beta2, rest2 = tl.load(scalars_at + 2), tl.load(scalars_at + 3)
    eps, decay, l2 = tl.load(scalars_at + 4), tl.load(scalars_at + 5), tl.load(scalars_at + 6)
    scale = tl.load(scalars_at + 7)
    block = tl.program_id(0)
    i = block.to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    there = i < n
    theta = tl.load(theta_at + i, mask=there, other=0.0)
    g = tl.load(g_at + i, mask=there, other=0.0) + l2 * theta
    m = beta1 * tl.load(m_at + i, mask=there, other=0.0) + rest1 * g
    # Beyond the layer all is 0 but v: D is 0 there, and not 0 / 0 without eps.
    v = beta2 * tl.load(v_at + i, mask=there, other=1.0) + rest2 * (g * g)
    tl.store(m_at + i, m, mask=there)
    tl.store(v_at + i, v, mask=there)
    if MOVES:
        direction = scale * m
        if RECTIFIED and INSIDE:
            direction = direction / tl.sqrt(v + eps)
        elif RECTIFIED:
            direction = direction / (tl.sqrt(v) + eps)
        direction = direction + decay * theta
        tl.store(direction_at + i, direction, mask=there)
        tl.store(squares_at + 2 * block, tl.sum(theta * theta, axis=0))
        tl.store(squares_at + 2 * block + 1, tl.sum(direction * direction, axis=0))


@triton.jit  # type: ignore[untyped-decorator]
def move(  # type: ignore[no-untyped-def]
    theta_at, slow_at, direction_at, squares_at, scalars_at, n,
    MOVES: tl.constexpr, ADAPT: tl.constexpr, SYNC: tl.constexpr, BLOCK: tl.constexpr,
):
    """Take the step of a block, and synchronise it with its slow weights."""
    cap, lower = tl.load(scalars_at + 8), tl.load(scalars_at + 9)
    rate = tl.load(scalars_at + 10)
    kept, alpha = tl.load(scalars_at + 11), tl.load(scalars_at + 12)
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    there = i < n
    theta = tl.load(theta_at + i, mask=there, other=0.0)
    if MOVES:
        if ADAPT:
            weights, step = tl.sqrt(tl.load(squares_at)), tl.sqrt(tl.load(squares_at + 1))
            whole = tl.where(step > 0, step, 1.0)  # the ratio is thrown away where it is 0
            ratio = tl.maximum(lower, tl.minimum(cap, weights / whole))  # max comes last
            rate = rate * tl.where((weights == 0.0) | (step == 0.0), 1.0, ratio)
        theta = theta - rate * tl.load(direction_at + i, mask=there, other=0.0)
    if SYNC:
        slow = kept * tl.load(slow_at + i, mask=there, other=0.0) + alpha * theta
        tl.store(slow_at + i, slow, mask=there)
        theta = slow
    tl.store(theta_at + i, theta, mask=there)


def update(
    theta: Tensor, g: Tensor, m: Tensor, v: Tensor, slow: Tensor, t: int, lr: float,
    beta1: float, beta2: float, eps: float, weight_decay: float, l2: float, k: int, alpha: float,
    threshold: float, warmup: str, lower: float, cap: float | str, eps_inside_root: bool,
    adapt: bool = True,
) -> None:
    """Take a step of one layer, in place; all tensors are contiguous."""
    by = shared(t, {
        "betas": (beta1, beta2), "threshold": threshold, "warmup": warmup, "cap": cap, "l2": l2,
    })
    scalars = theta.new_tensor([
        beta1, 1 - beta1, beta2, 1 - beta2, eps, weight_decay, by.l2, by.scale, by.cap, lower, lr,
        1 - alpha, alpha,
    ])
    n = theta.numel()
    blocks = triton.cdiv(n, BLOCK)
    direction, squares = torch.empty_like(theta), theta.new_zeros(blocks, 2)
    direct[(blocks,)](
        theta, g, m, v, direction, squares, scalars, n,
        MOVES=by.moves, RECTIFIED=by.rectified, INSIDE=eps_inside_root, BLOCK=BLOCK,
    )
    move[(blocks,)](
        theta, slow, direction, squares.sum(dim=0), scalars, n,
        MOVES=by.moves, ADAPT=adapt, SYNC=t % k == 0, BLOCK=BLOCK,
    )
