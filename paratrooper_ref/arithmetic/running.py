"""Running error: numbers with a bound on what rounding may have done to them.

A `Running` holds float64 values and, for each, a bound on how far *any* honest evaluation of
the same operations in a declared `Format` can be from the real number that they define.  Each
operation passes on the errors of its operands, as its partial derivatives tell, and adds its
own: a correctly rounded operation returns x (1 + d) + e with |d| <= unit and |e| <= tiny.

The bound is rigorous, not first order: products of errors are kept, a rounding is charged on
the largest number that may be rounded, |value| + 2 error, and every bound is stretched by
2**-40, more than the arithmetic on the bounds themselves can lose.  It needs no safety factor.

A Running behaves in a rule like an array of shape (*batch, n); one of plain floats may stand in
an object array.  What a comparison cannot decide raises Undecided; clamps need no decision.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np

from paratrooper_ref.arithmetic import ball
from paratrooper_ref.arithmetic.array import total
from paratrooper_ref.arithmetic.scalar import EXACT, START_BITS, Kind, Scalar, Undecided

STRETCH: Final = 1 + 2.0**-40
GOOD_LIBM: Final = 2  # of pow: one unit
MULTIPLIED: Final = 4  # powers up to this are multiplied out, or made by a good pow
MOST_UNITS: Final = 2.0**9  # of roundings in a power: exp of more is no number
LIBM_ROUNDINGS: Final = 8  # exp, sin and their like: 4 units in the last place, as NumPy admits


@dataclass(frozen=True)
class Format:
    """A floating format as the bound sees it, and how it adds, divides and takes roots.

    Parameters
    ----------
    name : str
    precision : int
        Bits of the significand; a rounding errs by at most 2**-precision of the result.
    least : int
        The smallest positive number is 2**least; underflow errs by at most half of it.
    most : int
        Numbers are below 2**most; what is not has no bound.
    sums : {"any", "neighbours"}
        Bound sums for every order of summation, or for the reference's own.
    division, root : float
        Error of a quotient and of a square root, in roundings: 1 where they are correctly
        rounded, 4 where they are good to two units in the last place.
    flushes : bool
        Whether a number below the smallest normal one may become 0, as operand or as result.
    accumulator : Format, optional
        The wider format in which sums are formed before they are rounded to this one.
    """

    name: str
    precision: int
    least: int
    most: int = 1024
    sums: Literal["any", "neighbours"] = "any"
    division: float = 1.0
    root: float = 1.0
    flushes: bool = False
    accumulator: Format | None = None

    @cached_property
    def unit(self) -> float:
        """The unit roundoff."""
        return math.ldexp(1, -self.precision)

    @cached_property
    def tiny(self) -> float:
        """What an underflowing operation may lose; and its bound, of doubles in few operations."""
        lost = math.ldexp(1, self.least + self.precision - 1 if self.flushes else self.least - 1)
        return lost + 8 * math.ldexp(1, -1074)

    @cached_property
    def largest(self) -> float:
        """The largest number."""
        return math.ldexp(2 - math.ldexp(1, 1 - self.precision), self.most - 1)

    def summing(self, n: int) -> float:
        """Return the relative error of a sum of n terms, of the sum of their magnitudes."""
        roundings = n - 1 if self.sums == "any" else (n - 1).bit_length()
        units = roundings * self.unit
        return units / (1 - units) if units < 1 else math.inf

    def nearest(self, x: Any) -> Any:
        """Return the numbers of this format nearest to doubles, ties to even.

        Examples
        --------
        >>> print(BFLOAT16.nearest(np.array([1.00390625, 1.01171875, 1e-45, 1e39])))
        [1.       1.015625 0.            inf]
        """
        x = np.asarray(x, dtype=np.float64)
        _, exponent = np.frexp(x)
        unit = np.maximum(exponent - self.precision, self.least)
        with np.errstate(all="ignore"):
            nearest = np.ldexp(np.rint(np.ldexp(x, -unit)), unit)
            nearest = np.where(abs(nearest) > self.largest, np.copysign(np.inf, x), nearest)
        return nearest if nearest.ndim else float(nearest)

    def holds(self, x: Scalar) -> bool:
        """Return whether an exact scalar is a number of this format."""
        exact = EXACT.enclosed(x, START_BITS)
        found = ball.rounded(exact, self.precision, self.least)
        if exact.rad or found is None:
            return False
        mid, exp = found
        shift = min(exp, exact.exp)
        return mid << (exp - shift) == exact.mid << (exact.exp - shift)


FLOAT64: Final = Format("float64", 53, -1074)
FLOAT32: Final = Format("float32", 24, -149, 128)
FLOAT16: Final = Format("float16", 11, -24, 16)
BFLOAT16: Final = Format("bfloat16", 8, -133, 128)
REFERENCE: Final = Format("float64, neighbours added", 53, -1074, sums="neighbours")
FORMATS: Final = {format.name: format for format in (FLOAT64, FLOAT32, FLOAT16, BFLOAT16)}


class Boundless(Undecided):
    """A comparison of numbers that have no bound: they may overflow, or divide by zero."""


class Running:
    """Values, and bounds on their distance from the real numbers that they stand for.

    Parameters
    ----------
    value : float or float64 array
    error : float or float64 array, of the same shape
        At least |value - real number|, for this value and for any that honest arithmetic in
        the format may have instead; 0 for a number that is given.
    format : Format

    Examples
    --------
    >>> third = Running(1.0, 0.0, FLOAT64) / 3
    >>> 2.0**-53 / 3 <= third.error <= 2.0**-53 / 2.99
    True
    """

    __slots__ = ("error", "format", "value")
    __array_ufunc__ = None  # NumPy leaves mixed operations to us

    def __init__(self, value: Any, error: Any = 0.0, format: Format = REFERENCE) -> None:
        if isinstance(value, np.ndarray) and not isinstance(error, np.ndarray):
            error = np.full(value.shape, error)
        self.value, self.error, self.format = value, error, format

    def __repr__(self) -> str:
        return f"Running({self.value}, {self.error}, {self.format.name})"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the values."""
        return np.shape(self.value)

    def taking(self, x: Any) -> Running:
        """Return a number in this arithmetic: an exact scalar is rounded once, here.

        A plain number is taken to be one of the format.
        """
        if isinstance(x, Running):
            return x if x.format is self.format else x.to(self.format)
        if type(x) is not Scalar:
            return Running(float(x), 0.0, self.format)
        key = ("running", self.format)
        if key not in x.known:
            if isinstance(x.kind, Formed):
                x.known[key] = x.kind.running(x).to(self.format)
                return x.known[key]  # type: ignore[no-any-return]
            value = float(x)
            twice = self.format.unit + FLOAT64.unit  # it comes as a double
            error = 0.0
            if not math.isfinite(value):
                error = math.inf
            elif not self.format.holds(x):
                error = twice * abs(value) * STRETCH + self.format.tiny
            x.known[key] = Running(value, error, self.format)
        known: Running = x.known[key]
        return known

    def _pair(self, other: Any) -> tuple[Running, Running]:
        """Return both operands in the format of their result.

        That is the arrays', where one is a scalar, and otherwise the coarser of the two.
        """
        if not isinstance(other, Running) or other.format is self.format:
            return self._read(), self.taking(other)._read()
        arrays = isinstance(self.value, np.ndarray), isinstance(other.value, np.ndarray)
        ours = self.format.precision <= other.format.precision
        format = self.format if (ours if arrays[0] == arrays[1] else arrays[0]) else other.format
        return self.to(format)._read(), other.to(format)._read()

    def to(self, format: Format) -> Running:
        """Return these numbers in another format, rounded where that is coarser."""
        same = Running(self.value, self.error, format)
        if format.precision >= self.format.precision and format.least <= self.format.least:
            return same
        rounded = same._rounded(self.value, self.error, _not(self._zero()))
        exact = (self.error == 0) & (format.nearest(self.value) == self.value)
        rounded.error = _where(exact, 0.0, rounded.error)
        return rounded

    def _rounded(
        self, value: Any, passed: Any, underflows: Any = True, roundings: float = 1.0
    ) -> Running:
        """Return a result: the errors passed on, one rounding, and what may underflow."""
        unit, size = self.format.unit * roundings, abs(value)
        error = ((1 + 2 * unit) * STRETCH) * passed + (unit * STRETCH) * size
        if underflows is not False:
            error = error + self.format.tiny * underflows
        if self.format.most < FLOAT64.most:
            error = _where(size + 2 * error > self.format.largest, math.inf, error)
        return Running(value, error, self.format)

    def _zero(self) -> Any:
        return (self.value == 0) & (self.error == 0)

    def _read(self) -> Running:
        """Return these numbers as an operation reads them: one too small for it may be 0."""
        if not self.format.flushes:
            return self
        small = (abs(self.value) - self.error < 2 * self.format.tiny) & _not(self._zero())
        return Running(self.value, self.error + self.format.tiny * small, self.format)

    def __add__(self, other: Any) -> Running:
        a, b = self._pair(other)
        passed = a.error + b.error
        result = a._rounded(a.value + b.value, passed, underflows=a.format.flushes)
        result.error = _where(a._zero() | b._zero(), passed, result.error)  # + 0 is exact
        return result

    def __neg__(self) -> Running:
        return Running(-self.value, self.error, self.format)

    def __sub__(self, other: Any) -> Running:
        return self + -(other if isinstance(other, Running) else self.taking(other))

    def __rsub__(self, other: Any) -> Running:
        return self.taking(other) - self

    def __mul__(self, other: Any) -> Running:
        a, b = self._pair(other)
        # a'b' - ab = a (b' - b) + b (a' - a) + (a' - a)(b' - b), where |a| <= |value| + error
        passed = abs(a.value) * b.error + abs(b.value) * a.error + 3 * (a.error * b.error)
        return a._rounded(a.value * b.value, passed, _not(a._zero() | b._zero()))

    def __truediv__(self, other: Any) -> Running:
        a, b = self._pair(other)
        # a'/b' - a/b = (a' - a)/b' - (a/b)(b' - b)/b', where |b'| may be 2 errors below |value|
        quotient = _over(abs(a.value) + a.error, abs(b.value) - b.error)
        passed = _over(a.error + _times(quotient, b.error), abs(b.value) - 2 * b.error)
        may_be_zero = (b.error > 0) & (abs(b.value) <= 2 * b.error)  # and 0/0 is no number
        passed = _where(may_be_zero, math.inf, passed)
        return a._rounded(
            _ratio(a.value, b.value), passed, _not(a._zero()), a.format.division
        )

    def __rtruediv__(self, other: Any) -> Running:
        return self.taking(other) / self

    __radd__ = __add__
    __rmul__ = __mul__

    def __pow__(self, n: int) -> Running:
        if n < 1:
            msg = f"a power of an inexact number needs n >= 1, got n={n}"
            raise ValueError(msg)
        if not isinstance(self.value, np.ndarray):
            return self._power(n)
        result = self
        for _ in range(n - 1):
            result = result * self
        return result

    def _power(self, n: int) -> Running:
        """Return the n-th power of one number, made of products, by libm, or as exp(n log x)."""
        if n == 1:
            return self
        value, unit = _power(self.value, n), self.format.unit
        units = max(n - 1, GOOD_LIBM) * unit
        if n > MULTIPLIED:
            # The logarithm and its product with n are off by their roundings, exp by its own.
            of_logarithm = n * abs(_log(self.value)) * math.expm1((LIBM_ROUNDINGS + 1) * unit)
            units = max(units, LIBM_ROUNDINGS * unit + of_logarithm)
        # |b'^n - b^n| <= n (|value| + 2 error)^(n-1) |b' - b|
        slope = n * _power(abs(self.value) + 2 * self.error, n - 1)
        if units > MOST_UNITS or not math.isfinite(slope):
            return Running(value, math.inf, self.format)
        passed = slope * self.error
        # (1 + u)^k <= exp(k u), of what b' is raised to, whose logarithm is another too.
        passed += math.expm1(units) * (abs(value) + 3 * passed)
        return self._rounded(value, passed, n, roundings=0.0)  # each product may underflow

    def sqrt(self) -> Running:
        """Return the square root; the numbers are known not to be negative."""
        if self.format.flushes:
            self = self._read()
        # |sqrt(x') - sqrt(x)| = |x' - x| / (sqrt(x') + sqrt(x)), and <= sqrt(|x' - x|)
        ends = (self.value - self.error, self.value - 2 * self.error)
        least = _positive(ends[0]) ** 0.5 + _positive(ends[1]) ** 0.5
        passed = _least(_over(self.error, least), self.error**0.5)
        root = _positive(self.value) ** 0.5
        return self._rounded(root, passed, False, self.format.root)

    def _of_libm(self, function: Callable[[float], float], steepest: float) -> Running:
        value = function(self.value)
        passed = steepest * self.error + (LIBM_ROUNDINGS - 1) * self.format.unit * abs(value)
        return self._rounded(value, passed)

    def exp(self) -> Running:
        """Return the exponential of a number."""
        return self._of_libm(math.exp, math.exp(self.value + 2 * self.error))

    def expm1(self) -> Running:
        """Return exp(x) - 1 of a number."""
        return self._of_libm(math.expm1, math.exp(self.value + 2 * self.error))

    def log1p(self) -> Running:
        """Return log(1 + x) of a number."""
        least = 1 + self.value - 2 * self.error
        return self._of_libm(math.log1p, 1 / least if least > 0 else math.inf)

    def sin(self) -> Running:
        """Return the sine of a number."""
        return self._of_libm(math.sin, 1.0)

    def cos(self) -> Running:
        """Return the cosine of a number."""
        return self._of_libm(math.cos, 1.0)

    def tanh(self) -> Running:
        """Return the hyperbolic tangent of a number."""
        return self._of_libm(math.tanh, 1.0)

    def total(self) -> Running:
        """Return the sum over the last axis, kept; in any order, if the format says so."""
        if self.format.accumulator is not None:
            return self.to(self.format.accumulator).total().to(self.format)
        n = self.value.shape[-1]
        passed = self.error.sum(axis=-1, keepdims=True)
        sizes = (abs(self.value) + 2 * self.error).sum(axis=-1, keepdims=True)
        adding = 1 + n * 2.0**-50  # the bounds are added in doubles too
        error = (passed + self.format.summing(n) * sizes) * STRETCH * adding
        if self.format.flushes:
            # Either operand may become 0, and the sum; nothing does where there are zeros alone.
            error = error + 3 * (n - 1) * self.format.tiny * (sizes > 0)
        return Running(total(self.value), error, self.format)

    def at_least(self, lower: Any) -> Running:
        """Return max(lower, x); near a tie the larger of the errors."""
        return _chosen(self, self.taking(lower), np.maximum, 1)

    def at_most(self, upper: Any) -> Running:
        """Return min(upper, x); near a tie the larger of the errors."""
        return _chosen(self, self.taking(upper), np.minimum, -1)

    def unless_zero(self, *norms: Running) -> Running:
        """Return these numbers, and exactly 1 where one of the norms is 0."""
        zero = norms[0].certainly(operator.eq, 0)
        for norm in norms[1:]:
            zero = zero | norm.certainly(operator.eq, 0)
        value, error = np.where(zero, 1.0, self.value), np.where(zero, 0.0, self.error)
        return Running(value, error, self.format)

    def certainly(self, op: Callable[[Any, Any], Any], y: float) -> Any:
        """Return op(x, y); raise Undecided where the error reaches across."""
        near = (abs(self.value - y) <= 2 * self.error) & (self.error > 0)
        if np.any(near):
            if not np.all(np.isfinite(self.error)):
                msg = f"{op.__name__}({self.value}, {y}) is not decided: there is no bound"
                raise Boundless(msg)
            msg = f"{op.__name__}({self.value}, {y}) is not decided: the error is {self.error}"
            raise Undecided(msg)
        return np.asarray(op(self.value, y), dtype=bool)

    def __gt__(self, y: float) -> bool:
        return bool(self.certainly(operator.gt, y))

    def __lt__(self, y: float) -> bool:
        return bool(self.certainly(operator.lt, y))

    def __ne__(self, y: Any) -> Any:
        """Return whether each number is another one."""
        return self.certainly(operator.ne, y)

    def is_finite(self) -> Any:
        """Return whether the values and their errors are finite numbers."""
        return np.isfinite(self.value) & np.isfinite(self.error)


class Formed(Kind):
    """Scalars as backends form them, with a bound on what their roundings do.

    Parameters
    ----------
    format : Format
        What is formed of t.
    constants : Format
        What is formed of hyperparameters alone, which enter in this format: float64 where a
        host computes ``1 - beta`` before an array's arithmetic sees it.
    guesses : bool
        Whether a comparison that this arithmetic does not decide is answered as real numbers
        have it.
    """

    def __init__(self, format: Format, constants: Format, *, guesses: bool = False) -> None:
        self.format, self.constants, self.guesses = format, constants, guesses

    def running(self, x: Scalar) -> Running:
        """Return a scalar with its running error."""
        if "formed" not in x.known:
            with np.errstate(all="ignore"):
                x.known["formed"] = self._running(x)
        known: Running = x.known["formed"]
        return known

    def _running(self, x: Scalar) -> Running:
        if x.op == "number":
            value = float(x.args[0])
            return Running(value, abs(value - self.constants.nearest(value)), self.constants)
        parts = [self.running(arg) for arg in x.args if type(arg) is Scalar]
        if x.op == "pow":
            result = parts[0].to(self.format) ** x.args[1]
        elif x.op == "joined":
            result = joined(*parts)
        elif x.op == "sqrt":
            result = parts[0].sqrt()
        else:
            result = getattr(operator, x.op)(*parts)
        assert isinstance(result, Running)
        return result

    def to_dtype(self, x: Scalar, dtype: np.dtype[Any]) -> Any:
        """Return the value alone, as a scalar of this dtype."""
        return dtype.type(self.running(x).value)

    def to_number(self, x: Scalar, number: type) -> Any:
        """Return the value alone, as another number."""
        return number(self.running(x).value)

    def compare(self, op: Callable[[Any, Any], bool], x: Scalar, y: Scalar) -> bool:
        """Return op(x, y); raise Undecided where an honest evaluation may say otherwise."""
        real = float(EXACT.like(x) - EXACT.like(y))
        a, b = self.running(x), self.running(y)
        reach = (a.error + b.error) * STRETCH
        if not self.guesses and reach > 0 and abs(real) <= reach:
            msg = (
                f"{op.__name__}({a.value!r}, {b.value!r}) is not decided where scalars are formed "
                f"in {self.format.name}: the first may be off by {a.error:.2g}"
            )
            raise Undecided(msg)
        return op(real, 0)


def joined(first: Any, *others: Any) -> Any:
    """Return numbers evaluated in one of several ways, with a bound that covers all of them.

    All stand for the same real numbers; a way that cannot (another line that it takes for
    granted is changed) is left out.  So is one that has no bound where the first has one: it
    divides by zero, or overflows, and is not taken by whoever gets through.

    Examples
    --------
    >>> third = Running(1.0, 0.0, FLOAT64) / 3
    >>> twice = joined(third, third * 2 / 2)
    >>> twice.value == third.value, twice.error > third.error
    (True, True)
    """
    if type(first) is Scalar:
        return first.kind.joined(first, *others)
    if not isinstance(first, Running):
        return first
    error = first.error
    for other in others:
        other = first.taking(other)
        apart = abs(other.value - first.value)
        reach = other.error + apart
        same = apart <= first.error + other.error
        error = _where(np.isfinite(reach) & (reach > error) & same, reach, error)
    return Running(first.value, error, first.format)


def _chosen(x: Running, bound: Running, op: Any, sign: int) -> Running:
    value = op(bound.value, x.value)
    gap = sign * (x.value - bound.value)
    gap = np.where(np.isnan(gap), np.inf, gap)  # both are infinite
    reach = 2 * (x.error + bound.error)
    larger = np.maximum(x.error, bound.error)
    error = np.where(gap > reach, x.error, np.where(gap < -reach, bound.error, larger))
    return Running(value, error, x.format)


def _where(condition: Any, x: Any, y: Any) -> Any:
    if isinstance(condition, np.ndarray):
        return np.where(condition, x, y)
    return x if condition else y


def _not(x: Any) -> Any:
    return ~x if isinstance(x, np.ndarray) else not x


def _power(x: float, n: int) -> float:
    """Return a power, infinite where it is beyond the doubles."""
    try:
        return math.pow(x, n)
    except OverflowError:
        return math.copysign(math.inf, x) if n % 2 else math.inf


def _log(x: float) -> float:
    """Return the logarithm, of positive numbers: powers of others are made of products."""
    return math.log(x) if x > 0 else 0.0


def _positive(x: Any) -> Any:
    return np.maximum(x, 0.0) if isinstance(x, np.ndarray) else max(x, 0.0)


def _least(x: Any, y: Any) -> Any:
    return np.minimum(x, y) if isinstance(x, np.ndarray) else min(x, y)


def _times(x: Any, y: Any) -> Any:
    """Return x * y, and 0 where y is 0, for an infinite x."""
    return _where(y == 0, 0.0, x * y)


def _over(x: Any, y: Any) -> Any:
    """Return x / y, 0 for 0 / 0, and otherwise infinity where y is not positive."""
    if isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
        quotient = np.divide(x, np.where(y > 0, y, 1.0))
        return np.where(y > 0, quotient, np.where(x == 0, 0.0, np.inf))
    return x / y if y > 0 else math.inf if x else 0.0


def _ratio(x: Any, y: Any) -> Any:
    """Return x / y as IEEE 754 has it: whoever divides by zero throws it away."""
    if isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
        return np.divide(x, y)
    if y:
        return x / y
    with np.errstate(all="ignore"):
        return float(np.divide(x, y))
