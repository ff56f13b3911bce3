"""The dialect that a backend means to be: a variant, or several, joined as reports join them."""

from __future__ import annotations

from typing import Final

from paratrooper_ref.conformance.backend import Unsupported
from paratrooper_ref.optimizers import Optimizer
from paratrooper_ref.optimizers.hyper import nearest
from paratrooper_ref.variants import VARIANTS, Variant, VariantError, changed

AND: Final = " and "


def variants_of(dialect: str | None) -> tuple[Variant, ...]:
    """Return the variants that a dialect consists of.

    Raises
    ------
    ValueError
        If one of them is not known.

    Examples
    --------
    >>> [v.name for v in variants_of("adam.eps_hat and adam.betas_swapped")]
    ['adam.eps_hat', 'adam.betas_swapped']
    """
    names = [] if dialect is None else dialect.split(AND)
    for name in names:
        if name not in VARIANTS:
            near = nearest(name, VARIANTS).partition("known:")[0]
            msg = f"conformance needs a known variant, got dialect={name!r}; {near}"
            raise ValueError(msg + "paratrooper-ref variants lists them")
    return tuple(VARIANTS[name] for name in names)


def spoken(optimizer: Optimizer, dialect: str | None) -> Optimizer:
    """Return the optimizer in a dialect.

    Raises
    ------
    Unsupported
        If it has none of the lines of one of the variants, or two of them change the same line.
    ValueError
        If one is not known.
    """
    for variant in variants_of(dialect):
        if not variant.fits(optimizer):
            runs = " and ".join(rule.__name__ for rule in optimizer.stages())
            msg = f"{variant.name} is no variant of {runs}, but of {' or '.join(variant.rules)}"
            raise Unsupported(msg)
        try:
            optimizer = changed(optimizer, variant)
        except VariantError as error:
            raise Unsupported(str(error)) from None
    return optimizer
