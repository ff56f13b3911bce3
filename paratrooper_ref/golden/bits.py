"""Doubles as the corpus writes them, in hexadecimal; and the bfloat16 numbers among them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DIGITS: Final = 16


def to_hex(x: Any) -> str:
    """Return doubles, in row-major order, as hexadecimal bit patterns between spaces.

    Examples
    --------
    >>> to_hex([1.0, -0.0])
    '3ff0000000000000 8000000000000000'
    """
    flat = np.ravel(np.asarray(x, dtype=np.float64)).astype(">f8").tobytes()
    return flat.hex(" ", 8)


def from_hex(text: str) -> Floats:
    """Return the doubles of a text as `to_hex` writes it, as an array with one axis.

    Raises
    ------
    ValueError
        If it is not written so.

    Examples
    --------
    >>> from_hex("3ff0000000000000 8000000000000000")
    array([ 1., -0.])
    """
    payload = bytes.fromhex(text)
    if not payload or len(payload) % 8 or payload.hex(" ", 8) != text:
        msg = f"groups of {DIGITS} hexadecimal digits are needed, single spaces between them"
        raise ValueError(msg)
    return np.frombuffer(payload, dtype=">f8").astype(np.float64)


def to_bfloat16(x: Any) -> Floats:
    """Return the bfloat16 numbers nearest to doubles, ties to even, as doubles.

    Raises
    ------
    OverflowError
        If one is too large.

    Examples
    --------
    >>> to_bfloat16([1.00390625, 1.01171875, 1e-40])  # two ties; a subnormal number
    array([1.00000000e+00, 1.01562500e+00, 9.18354962e-41])
    """
    x = np.asarray(x, dtype=np.float64)
    _, exponent = np.frexp(x)
    unit = np.maximum(exponent - 8, -133)  # 8 bits of significand, the least is 2**-133
    rounded = np.ldexp(np.rint(np.ldexp(x, -unit)), unit)
    if not np.all(np.abs(rounded) < 2.0**128):
        msg = "a number is too large for bfloat16, or is none"
        raise OverflowError(msg)
    return np.asarray(rounded) + 0.0  # no -0


def is_bfloat16(x: Floats) -> bool:
    """Return whether doubles are bfloat16 numbers."""
    try:
        return bool(np.array_equal(to_bfloat16(x), x))
    except OverflowError:
        return False


def ulp(x: Any) -> Floats:
    """Return the distance of doubles to the next ones away from zero."""
    return np.asarray(np.spacing(np.abs(np.asarray(x, dtype=np.float64))))
