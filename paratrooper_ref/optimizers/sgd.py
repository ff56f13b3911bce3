"""SGD: gradient descent with momentum (the heavy ball), Nesterov's variant, dampening.

For one layer, at step t::

    g̃ = g + λ θ
    u = g̃ if t = 1 else μ u + (1 − τ) g̃
    D = g̃ + μ u if nesterov else u
    Δ = α D
    θ = θ − Δ

Source
    Polyak (1964) for momentum, Nesterov (1983) for the look ahead; the buffer, its first
    value and the dampening are those of torch.optim.SGD.

Known variants
    V1  A learning rate inside the buffer, u = μ u + α g̃ (optax's LARS; Keras, of the raw
        gradient): the same until the rate changes.
    V2  torch's buffer begins with a parameter's first gradient, whatever t is, and its
        dampening is ignored where the momentum is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from paratrooper_ref.arithmetic import Names, Number
from paratrooper_ref.optimizers.hyper import flag, real
from paratrooper_ref.optimizers.lift import Rule
from paratrooper_ref.optimizers.optimizer import Optimizer


def sgd(
    t: int, theta: Number, g: Number, u: Number, *,
    lr: Number, momentum: Number, dampening: Number, nesterov: bool, weight_decay: Number,
) -> Names:
    """Take one step on one layer; the local names are its lines."""
    regularized = g + weight_decay * theta
    u = regularized if t == 1 else momentum * u + (1 - dampening) * regularized
    direction = regularized + momentum * u if nesterov else u
    update = lr * direction
    theta = theta - update
    return locals()


@dataclass(frozen=True, kw_only=True, repr=False)
class SGD(Optimizer):
    """Stochastic gradient descent with momentum.

    Parameters
    ----------
    lr : float
        Learning rate α, >= 0.
    momentum : float
        Decay rate μ of the buffer, in [0, 1).
    dampening : float
        Share τ of each gradient after the first that stays out of the buffer, in [0, 1].
    nesterov : bool
        Step along the gradient plus the decayed buffer.
    weight_decay : float
        L2 coefficient λ, >= 0.
    """

    algorithm: ClassVar[str] = "sgd"
    lr: float = real(1e-2)
    momentum: float = real(0.0, most=1)
    dampening: float = real(0.0, most=1, closed=True)
    nesterov: bool = flag(False)
    weight_decay: float = real(0.0)

    def stages(self) -> tuple[Rule, ...]:
        """Return the rules of a step."""
        return (sgd,)
