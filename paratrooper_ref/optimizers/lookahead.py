"""Lookahead: k fast steps forward, then a part of the way back.

After each step of the inner optimizer::

    θ_fast = θ
    if t mod k = 0:
        φ = (1 − a) φ + a θ_fast
        θ = φ

The inner optimizer's moments are kept across a synchronisation.

Source
    Zhang et al., arXiv:1907.08610, Algorithm 1.  Daniel Han writes μ = 1 − a.

Known variants
    V1  Slow weights made at the first synchronisation (timm, over9000): it does nothing.
    V2  φ + a (θ − φ): equal, other roundings; not exact at a = 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from paratrooper_ref.arithmetic import Names, Number
from paratrooper_ref.optimizers.hyper import integer, real
from paratrooper_ref.optimizers.lift import Rule
from paratrooper_ref.optimizers.optimizer import Optimizer


def lookahead(t: int, theta: Number, slow: Number, *, k: int, alpha: Number) -> Names:
    """Synchronise one layer every k-th step; the local names are its lines."""
    fast = theta
    if t % k == 0:
        slow = (1 - alpha) * slow + alpha * fast
        theta = slow
    return locals()


@dataclass(frozen=True, kw_only=True, repr=False)
class Lookahead(Optimizer):
    """Slow weights around any optimizer.

    Parameters
    ----------
    inner : Optimizer
        What takes the fast steps; not itself a Lookahead.
    k : int
        Fast steps between synchronisations, >= 1.
    alpha : float
        Slow step size a, in [0, 1].
    """

    algorithm: ClassVar[str] = "lookahead"
    inner: Optimizer  # type: ignore[misc]
    k: int = integer(6, least=1)
    alpha: float = real(0.5, most=1, closed=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        inner: object = self.inner
        if not isinstance(inner, Optimizer) or "slow" in inner.slots():
            msg = (
                "Lookahead needs an inner optimizer without slow weights of its own, "
                f"such as AdamW(), got inner={inner!r}"
            )
            raise (ValueError if isinstance(inner, Optimizer) else TypeError)(msg)

    def stages(self) -> tuple[Rule, ...]:
        """Return the rules of a step."""
        return (*self.inner.stages(), lookahead)
