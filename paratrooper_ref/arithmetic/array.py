"""What a step may do with arrays besides + - * /: a few functions, exact about their order.

They take float arrays of any precision and object arrays of any number with the operations
used: ``flint.arb``, ``fractions.Fraction`` (where no root is taken), ``mpmath.mpf``; what is no
NumPy array, such as `Running`, brings them as methods.  The last axis is the layer; axes before
it are a batch.  Only correctly rounded operations occur, in a
fixed order, so the bits are the same on every IEEE machine and NumPy release.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from numbers import Rational
from typing import Any

import numpy as np

from paratrooper_ref.arithmetic.scalar import Scalar, Undecided, method


def sqrt(x: Any) -> Any:
    """Return the square root of a scalar, or of each element."""
    if not isinstance(x, np.ndarray):
        return x.sqrt()
    if x.dtype.hasobject:
        return _each(lambda a: method(a, "sqrt"), x)
    return np.sqrt(x)


def total(x: Any) -> Any:
    """Return the sum over the last axis, kept: neighbours are added until one is left.

    An odd one out waits for the next round.  In C, in place::

        for (s = 1; s < n; s *= 2)
            for (i = 0; i + s < n; i += 2*s)
                x[i] += x[i+s];

    The error is at most ceil(log2 n) roundings of the sum of magnitudes, to first order; any
    aligned chunk of 2**k elements is a subtree, so chunked sums have the same bits.

    Examples
    --------
    >>> total(np.array([1e16, 1.0, 1.0, 1.0]))  # (1e16 + 1) + (1 + 1)
    array([1.e+16])
    """
    if not isinstance(x, np.ndarray):
        return x.total()
    while (n := x.shape[-1]) > 1:
        pairs = x[..., : n - n % 2 : 2] + x[..., 1::2]
        x = np.concatenate([pairs, x[..., n - 1 :]], axis=-1) if n % 2 else pairs
    return x


def norm(x: Any) -> Any:
    """Return the 2-norm over the last axis, kept.

    Squares are formed as they are: in float64 elements all below 1e-162 have norm 0, and one
    above 1e154 an infinite one.
    """
    return sqrt(total(x * x))


def at_least(lower: Any, x: Any) -> Any:
    """Return max(lower, x) of each element; of balls, the ball of the larger numbers."""
    if not isinstance(x, np.ndarray):
        return x.at_least(lower)
    lower = _bound(lower, x)
    if not x.dtype.hasobject:
        return np.maximum(lower, x)
    return _each(lambda a: a.max(lower) if hasattr(a, "max") else max(a, lower), x)


def at_most(upper: Any, x: Any) -> Any:
    """Return min(upper, x) of each element; of balls, the ball of the smaller numbers."""
    if not isinstance(x, np.ndarray):
        return x.at_most(upper)
    upper = _bound(upper, x)
    if not x.dtype.hasobject:
        return np.minimum(upper, x)
    return _each(lambda a: a.min(upper) if hasattr(a, "min") else min(a, upper), x)


def clamp(lower: Any, x: Any, upper: Any) -> Any:
    """Return max(lower, min(upper, x)), in that order even where upper < lower.

    Sound for balls across a tie: there is nothing to decide.
    """
    return at_least(lower, at_most(upper, x))


def unless_zero(value: Any, *norms: Any) -> Any:
    """Return value, and exactly 1 where one of the norms is 0.

    Raises
    ------
    Undecided
        Where a ball does not tell whether a norm is 0.
    """
    if not isinstance(value, np.ndarray):
        return value.unless_zero(*norms)
    zero = certainly(operator.eq, norms[0], 0)
    for other in norms[1:]:
        zero = zero | certainly(operator.eq, other, 0)
    if not zero.any():
        return value
    one = value.dtype.type(1) if not value.dtype.hasobject else type(norms[0].flat[0])(1)
    return np.where(zero, one, value)


_OPPOSITE = {operator.eq: operator.ne, operator.le: operator.gt}


def certainly(op: Callable[[Any, Any], Any], x: Any, y: float) -> Any:
    """Return op(x, y) of each element as a boolean array.

    Raises
    ------
    Undecided
        Where an element (a ball) answers no to the question and to its opposite.
    """
    if not isinstance(x, np.ndarray):
        return x.certainly(op, y)
    yes = np.asarray(op(x, y), dtype=bool)
    if not x.dtype.hasobject:
        return yes
    no = np.asarray(_OPPOSITE[op](x, y), dtype=bool)
    if not np.all(yes | no | ~finite(x)):  # what is no number is found by whoever asks
        msg = f"{op.__name__}({x}, {y}) is not decided by these balls"
        raise Undecided(msg)
    return yes


def finite(x: Any) -> Any:
    """Return where the elements are finite numbers, as a boolean array."""
    if not x.dtype.hasobject:
        return np.isfinite(x)
    return np.asarray(_each(_is_finite, x), dtype=bool)


def _is_finite(a: Any) -> bool:
    if isinstance(a, Rational):
        return True
    return bool(a.is_finite()) if hasattr(a, "is_finite") else math.isfinite(a)


def _each(function: Callable[[Any], Any], x: Any) -> Any:
    return np.frompyfunc(function, 1, 1)(x)


def _bound(b: Any, x: Any) -> Any:
    if type(b) is Scalar:
        return b.met(x)
    return type(x.flat[0])(b) if x.dtype.hasobject else x.dtype.type(b)
