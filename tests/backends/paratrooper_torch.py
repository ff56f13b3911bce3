"""Paratrooper for torch, written from its published algorithm alone.

Once, on the first gradient of the whole model, d elements::

    h = Σg² / (d ((1 - β1) / (1 - β2))²);   h > 1/2: no steps before the rectified branch opens

Then for each parameter, at step t (one count for all)::

    g = g + λ2 θ
    m = β1 m + (1 - β1) g;   v = β2 v + (1 - β2) g²
    ρ > threshold:  D = r b m / √(v + ε) + λ θ,   R = 1 / (r b)
    before:         D = m / (1 - β1^t) + λ θ,     R = 10
    T = 1 if ‖θ‖ = 0 or ‖D‖ = 0, else max(lower, min(R, ‖θ‖ / ‖D‖))
    θ = θ - α T D
    t mod k = 0:    φ = (1 - a) φ + a θ,   θ = φ

Source: Daniel Han, "State of The Art Optimizers", final algorithm.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from math import sqrt
from typing import Any, NamedTuple

import torch
from torch import Tensor

Group = dict[str, Any]
State = dict[str, Any]


class Paratrooper(torch.optim.Optimizer):
    """Ranger with a trust ratio for each parameter, under a ceiling that comes down to 1.

    Groups may differ in everything but ``warmup``, and switch the trust ratio off by
    ``adapt=False``.  Where ``warmup`` is "auto" the first gradient puts its choice in its place.
    A parameter whose gradient is None stands still; the count of steps goes on for it too.
    """

    def __init__(
        self, params: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.95, 0.999),
        eps: float = 1e-8, weight_decay: float = 1e-3, l2: float | None = None, k: int = 6,
        alpha: float = 0.5, threshold: float = 5.0, warmup: str = "auto", lower: float = 1.0,
        cap: float | str = "rectified", eps_inside_root: bool = True, foreach: bool = False,
        adapt: bool = True,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "l2": l2, "k": k,
            "alpha": alpha, "threshold": threshold, "warmup": warmup, "lower": lower, "cap": cap,
            "eps_inside_root": eps_inside_root, "foreach": foreach, "adapt": adapt,
        })

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step; return the loss that the closure returns, if one is given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        t = self._count()
        self._choose_warmup()
        for group in self.param_groups:
            moving = [p for p in group["params"] if p.grad is not None]
            if moving:
                update = many if group["foreach"] else one_by_one
                grads, states = [p.grad for p in moving], [self.state[p] for p in moving]
                update(t, group, shared(t, group), moving, grads, states)
        return loss

    def _count(self) -> int:
        """Return the number of this step; make the state of parameters that have none."""
        t = 1 + max((int(state["step"]) for state in self.state.values() if state), default=0)
        for p in (p for group in self.param_groups for p in group["params"]):
            if not self.state[p]:
                self.state[p] |= {
                    "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p),
                    "slow_buffer": p.detach().clone(),
                }
            self.state[p]["step"] = t
        return t

    def _choose_warmup(self) -> None:
        """Let the first gradient choose, once, for all groups; they keep the choice."""
        undecided = [group for group in self.param_groups if group["warmup"] == "auto"]
        chosen = {group["warmup"] for group in self.param_groups} - {"auto"}
        grads = [p.grad for group in self.param_groups for p in group["params"]]
        grads = [g for g in grads if g is not None]
        if not undecided or not (chosen or grads):
            return
        if not chosen:
            chosen = {first_batch(grads, *self.defaults["betas"])}
        for group in undecided:
            (group["warmup"],) = chosen
            if chosen == {"none"} and 2 / (1 - group["betas"][1]) - 1 <= group["threshold"]:
                msg = "Paratrooper never moves: rho stays below its threshold; raise beta2"
                warnings.warn(msg, stacklevel=4)


def first_batch(grads: list[Tensor], beta1: float, beta2: float) -> str:
    """Return how a model with these first gradients is to warm up."""
    squares = sum(torch.linalg.vector_norm(g).item() ** 2 for g in grads)
    h = squares / (sum(g.numel() for g in grads) * ((1 - beta1) / (1 - beta2)) ** 2)
    return "momentum" if h <= 0.5 else "none"


class Shared(NamedTuple):
    """What the parameters of a group share in a step, formed in double."""

    moves: bool
    rectified: bool
    scale: float  # D = scale m / s + λ θ once rectified, scale m + λ θ before
    cap: float
    l2: float


def shared(t: int, group: Group) -> Shared:
    """Return the branch of step t, and its scalars."""
    beta1, beta2 = group["betas"]
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
    rectified = rho > group["threshold"]
    scale, cap = 1 / (1 - beta1**t), 10.0
    if rectified:
        r = sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
        scale = r * (sqrt(1 - beta2**t) / (1 - beta1**t))
        cap = 1 / scale
    return Shared(
        moves=rectified or group["warmup"] == "momentum",
        rectified=rectified,
        scale=scale,
        cap=cap if group["cap"] == "rectified" else group["cap"],
        l2=group["weight_decay"] if group["l2"] is None else group["l2"],
    )


def trust_ratio(group: Group, by: Shared, weights: Tensor, direction: Tensor) -> Tensor:
    """Return T of two norms; max comes last, and a norm of 0 makes it 1."""
    ratio = (weights / direction).clamp(max=by.cap).clamp(min=group["lower"])
    trusted = (weights != 0) & (direction != 0) & group["adapt"]
    return torch.where(trusted, ratio, torch.ones_like(ratio))


def one_by_one(
    t: int, group: Group, by: Shared, params: list[Tensor], grads: list[Tensor],
    states: list[State],
) -> None:
    """Update parameters in turn."""
    beta1, beta2 = group["betas"]
    for theta, grad, state in zip(params, grads, states, strict=True):
        m, v, slow = state["exp_avg"], state["exp_avg_sq"], state["slow_buffer"]
        g = grad.add(theta, alpha=by.l2)
        m.mul_(beta1).add_(g, alpha=1 - beta1)
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        if by.moves:
            direction = m * by.scale
            if by.rectified and group["eps_inside_root"]:
                direction /= (v + group["eps"]).sqrt()
            elif by.rectified:
                direction /= v.sqrt() + group["eps"]
            direction.add_(theta, alpha=group["weight_decay"])
            norms = torch.linalg.vector_norm(theta), torch.linalg.vector_norm(direction)
            theta -= group["lr"] * trust_ratio(group, by, *norms) * direction
        if t % group["k"] == 0:
            slow.mul_(1 - group["alpha"]).add_(theta, alpha=group["alpha"])
            theta.copy_(slow)


def many(
    t: int, group: Group, by: Shared, params: list[Tensor], grads: list[Tensor],
    states: list[State],
) -> None:
    """Update all parameters line by line."""
    beta1, beta2 = group["betas"]
    m, v, slow = ([s[name] for s in states] for name in ("exp_avg", "exp_avg_sq", "slow_buffer"))
    g = torch._foreach_add(grads, params, alpha=by.l2)
    torch._foreach_mul_(m, beta1)
    torch._foreach_add_(m, g, alpha=1 - beta1)
    torch._foreach_mul_(v, beta2)
    torch._foreach_addcmul_(v, g, g, value=1 - beta2)
    if by.moves:
        direction = torch._foreach_mul(m, by.scale)
        if by.rectified and group["eps_inside_root"]:
            torch._foreach_div_(direction, torch._foreach_sqrt(torch._foreach_add(v, group["eps"])))
        elif by.rectified:
            torch._foreach_div_(direction, torch._foreach_add(torch._foreach_sqrt(v), group["eps"]))
        torch._foreach_add_(direction, params, alpha=group["weight_decay"])
        norms = zip(torch._foreach_norm(params), torch._foreach_norm(direction), strict=True)
        rates = [group["lr"] * trust_ratio(group, by, *pair) for pair in norms]
        torch._foreach_mul_(direction, rates)
        torch._foreach_sub_(params, direction)
    if t % group["k"] == 0:
        torch._foreach_mul_(slow, 1 - group["alpha"])
        torch._foreach_add_(slow, params, alpha=group["alpha"])
        torch._foreach_copy_(params, slow)
