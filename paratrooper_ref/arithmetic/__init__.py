"""The number systems a step can be evaluated in.

An arithmetic is a pair: how the scalars that all layers share are formed
(`paratrooper_ref.arithmetic.scalar`), and what the arrays hold
(`paratrooper_ref.arithmetic.array`).  The rules of `paratrooper_ref.optimizers` are written
in operators and the functions named here, and know of neither.
"""

from paratrooper_ref.arithmetic.array import (
    at_least,
    at_most,
    certainly,
    clamp,
    finite,
    norm,
    sqrt,
    total,
    unless_zero,
)
from paratrooper_ref.arithmetic.number import Names, Number
from paratrooper_ref.arithmetic.scalar import EXACT, Kind, Scalar, Undecided, kind, scalar

__all__ = [
    "EXACT",
    "Kind",
    "Names",
    "Number",
    "Scalar",
    "Undecided",
    "at_least",
    "at_most",
    "certainly",
    "clamp",
    "finite",
    "kind",
    "norm",
    "scalar",
    "sqrt",
    "total",
    "unless_zero",
]
