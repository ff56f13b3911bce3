"""Balls with integer midpoints: a number known to lie within a radius.

A ball is every real number in ``[mid - rad, mid + rad] * 2**exp``.  Each operation returns
a ball that contains the result for every choice of numbers in its arguments, with a
midpoint of about ``bits`` bits; where nothing was cut off the radius stays 0, so what is
exactly representable stays exact and a tie is seen to be a tie.

The scalars of a step are evaluated in it, in as many bits as their rounding takes to be
decided (`paratrooper_ref.arithmetic.scalar`).  Arrays never are: for them there is
python-flint's ``arb``.
"""

from __future__ import annotations

import math
from typing import NamedTuple


class Unbounded(ArithmeticError):
    """A ball that must not contain zero (a divisor) or a negative number (under a root) does."""


class Ball(NamedTuple):
    """The real numbers in ``[mid - rad, mid + rad] * 2**exp``."""

    mid: int
    rad: int
    exp: int


def exactly(x: float | int) -> Ball:
    """Return the ball that holds x alone; every double is one."""
    numerator, denominator = x.as_integer_ratio()
    return Ball(numerator, 0, 1 - denominator.bit_length())


def _shifted(mid: int, rad: int, exp: int, drop: int) -> Ball:
    """Drop low bits; what the midpoint loses (less than one unit) goes into the radius."""
    if drop <= 0:
        return Ball(mid, rad, exp)
    if drop > mid.bit_length():  # less than one unit is left; never write out 2**drop
        return Ball(0, -(-rad >> drop) + (mid != 0), exp + drop)
    kept = mid >> drop
    return Ball(kept, -(-rad >> drop) + (kept << drop != mid), exp + drop)


def _trimmed(mid: int, rad: int, exp: int, bits: int) -> Ball:
    return _shifted(mid, rad, exp, mid.bit_length() - bits)


def add(a: Ball, b: Ball, bits: int) -> Ball:
    """Return a ball around a + b."""
    if not a.mid and not a.rad:
        return _trimmed(*b, bits)
    if not b.mid and not b.rad:
        return _trimmed(*a, bits)
    # NOTE: 1 - 2**-1000000 must not be written out, so digits far below the larger go first.
    top = max((abs(x.mid) + x.rad).bit_length() + x.exp for x in (a, b))
    a, b = (_shifted(*x, top - 2 * bits - x.exp) for x in (a, b))
    exp = min(a.exp, b.exp)
    mid = (a.mid << (a.exp - exp)) + (b.mid << (b.exp - exp))
    rad = (a.rad << (a.exp - exp)) + (b.rad << (b.exp - exp))
    return _trimmed(mid, rad, exp, bits)


def sub(a: Ball, b: Ball, bits: int) -> Ball:
    """Return a ball around a - b."""
    return add(a, Ball(-b.mid, b.rad, b.exp), bits)


def mul(a: Ball, b: Ball, bits: int) -> Ball:
    """Return a ball around a * b."""
    rad = abs(a.mid) * b.rad + abs(b.mid) * a.rad + a.rad * b.rad
    return _trimmed(a.mid * b.mid, rad, a.exp + b.exp, bits)


def truediv(a: Ball, b: Ball, bits: int) -> Ball:
    """Return a ball around a / b; raise Unbounded where b may be zero."""
    least = abs(b.mid) - b.rad
    if least <= 0:
        raise Unbounded
    shift = max(0, bits + b.mid.bit_length() - a.mid.bit_length())
    mid, rest = divmod(a.mid << shift, b.mid)
    spread = (a.rad << shift) + (abs(mid) + 1) * b.rad
    return _trimmed(mid, -(-spread // least) + (rest != 0), a.exp - b.exp - shift, bits)


def sqrt(a: Ball, bits: int) -> Ball:
    """Return a ball around the root of a; raise Unbounded where a may be negative."""
    if a.mid < a.rad:
        raise Unbounded
    if not a.mid:
        return Ball(0, 0, 0)
    shift = max(0, 2 * bits - a.mid.bit_length())
    shift += (a.exp - shift) % 2
    mid, rad = a.mid << shift, a.rad << shift
    root, least = math.isqrt(mid), math.isqrt(mid - rad)
    # |sqrt(m + r) - sqrt(m)| <= |r| / sqrt(m - |r|), and <= sqrt(|r|)
    spread = -(-rad // least) if least else math.isqrt(rad) + 1
    return Ball(root, spread + (root * root != mid), (a.exp - shift) // 2)


def power(a: Ball, n: int, bits: int) -> Ball:
    """Return a ball around a**n for n >= 0, by repeated squaring: logarithmic in n."""
    bits += n.bit_length() + 8
    result = Ball(1, 0, 0)
    for digit in bin(n)[2:]:
        result = mul(result, result, bits)
        if digit == "1":
            result = mul(result, a, bits)
    return result


def cos(a: Ball, bits: int) -> Ball:
    """Return a ball around cos(a), for |a| < 4."""
    # Halve the angle until the series is short, then undo it with cos 2x = 2 cos^2 x - 1.
    halvings = 8
    bits += 2 * halvings + 16
    square = mul(a, a, bits)
    square = square._replace(exp=square.exp - 2 * halvings)
    term = result = Ball(1, 0, 0)
    n = 0
    while term.mid.bit_length() + term.exp > -bits:
        n += 2
        term = truediv(mul(term, square, bits), Ball(-n * (n - 1), 0, 0), bits)
        result = add(result, term, bits)
    # The terms alternate and shrink, so the last one bounds those left out.
    result = add(result, Ball(0, abs(term.mid) + term.rad, term.exp), bits)
    for _ in range(halvings):
        result = mul(result, result, bits)
        result = sub(result._replace(exp=result.exp + 1), Ball(1, 0, 0), bits)
    return result


def sign(a: Ball) -> int | None:
    """Return -1, 0 or 1, or None where the ball does not tell."""
    if a.rad == 0:
        return (a.mid > 0) - (a.mid < 0)
    if abs(a.mid) > a.rad:
        return 1 if a.mid > 0 else -1
    return None


def nearest(mid: int, exp: int, precision: int, least: int) -> tuple[int, int]:
    """Round ``mid * 2**exp`` to ``precision`` bits, ties to even, in units of 2**least or more.

    Returns the rounded number as (integer, exponent).
    """
    drop = max(mid.bit_length() - precision, least - exp)
    if drop <= 0:
        return mid, exp
    if drop > mid.bit_length() + 1:  # less than half a unit; the mask could be huge
        return 0, exp + drop
    half, mask = 1 << (drop - 1), (1 << drop) - 1
    kept, rest = mid >> drop, mid & mask
    kept += rest > half or (rest == half and kept & 1 == 1)
    return kept, exp + drop


def rounded(a: Ball, precision: int, least: int) -> tuple[int, int] | None:
    """Round every number of the ball; return (integer, exponent), or None if they disagree."""
    lower, upper = (
        nearest(a.mid + side * a.rad, a.exp, precision, least) for side in (-1, 1)
    )
    (p, e), (q, f) = lower, upper
    same = p << max(0, e - f) == q << max(0, f - e)
    return upper if same else None
