"""Scalars: the numbers that every layer shares, such as beta2**t or rho.

A scalar is written like any number, ``rho_inf - 2 * t * beta2_t / (1 - beta2_t)``, and is
rounded *once*, where it meets an array or is asked for.  How it is formed before that is its
kind, and the kinds are the scalar modes of a run:

``"exact"``
    a real number: an expression evaluated in balls, with bits added until its rounding (or a
    comparison) is decided.  The reference.
``"float64"``
    every operation rounded to double, as a careful backend does on the host.
``"array"``
    every operation rounded to the dtype of the arrays, hyperparameters included.  (optax and
    torch's capturable RAdam mix: 2 / (1 - beta2) in double, beta2**t in the arrays' dtype.)

In the two naive kinds ``beta**t`` is the correctly rounded power of the rounded beta, as a
good libm's is, and the same on every machine.
"""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import numpy as np

from paratrooper_ref.arithmetic import ball
from paratrooper_ref.arithmetic.ball import Ball, Unbounded

START_BITS: Final = 256
MOST_BITS: Final = 1 << 15


class Undecided(ArithmeticError):
    """A comparison or rounding whose outcome the arithmetic cannot decide."""


class Kind(ABC):
    """How scalars are formed: what they are worth in an array, and how they compare."""

    @abstractmethod
    def to_dtype(self, x: Scalar, dtype: np.dtype[Any]) -> Any:
        """Return x as a scalar of this floating dtype, rounded to it once."""

    @abstractmethod
    def to_number(self, x: Scalar, number: type) -> Any:
        """Return x in a number system of Python objects, such as Fraction or arb."""

    @abstractmethod
    def compare(self, op: Callable[[Any, Any], bool], x: Scalar, y: Scalar) -> bool:
        """Return op(x, y) for an ordering op; raise Undecided rather than guess."""

    def like(self, x: Scalar) -> Scalar:
        """Return the expression of a scalar as one of this kind."""
        args = (self.like(arg) if type(arg) is Scalar else arg for arg in x.args)
        return _node(self, x.op, *args)

    def joined(self, first: Scalar, *others: Scalar) -> Scalar:
        """Return one real number written in several ways."""
        return _node(self, "joined", first, *others)


class Scalar:
    """An expression in doubles and integers, of one kind.

    Recent equal expressions are one object, so that layers share what they have in common: the
    first to need ``1 - beta2_t`` evaluates it, the others look it up.  Mixed with an array it
    becomes that array's arithmetic.  Build leaves with `scalar`.
    """

    __slots__ = ("args", "kind", "known", "op")
    __array_ufunc__ = None  # NumPy leaves mixed operations to us

    def __init__(self, kind: Kind, op: str, *args: Any) -> None:
        self.kind, self.op, self.args = kind, op, args
        self.known: dict[Any, Any] = {}  # what it is worth, by bits, by dtype, or naively

    def met(self, array: Any) -> Any:
        """Return this number in the arithmetic of the array: a float is rounded once."""
        if not isinstance(array, np.ndarray):
            return array.taking(self)
        dtype = array.dtype
        if dtype.hasobject:
            return self.kind.to_number(self, type(array.flat[0]))
        if dtype not in self.known:
            self.known[dtype] = self.kind.to_dtype(self, dtype)
        return self.known[dtype]

    def __float__(self) -> float:
        return float(self.kind.to_dtype(self, np.dtype(np.float64)))

    def __repr__(self) -> str:
        if self.op == "number":
            return repr(self.args[0])
        return f"{self.op}({', '.join(map(repr, self.args))})"

    def __pow__(self, n: int) -> Scalar:
        return _node(self.kind, "pow", self, int(n))

    def sqrt(self) -> Scalar:
        """Return the square root."""
        return _node(self.kind, "sqrt", self)

    def cos(self) -> Scalar:
        """Return the cosine, for numbers below 4 (exact kind only)."""
        return _node(self.kind, "cos", self)

    def __add__(self, other: Any) -> Any:
        return _mixed("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return _reflected("add", self, other)

    def __sub__(self, other: Any) -> Any:
        return _mixed("sub", self, other)

    def __rsub__(self, other: Any) -> Any:
        return _reflected("sub", self, other)

    def __mul__(self, other: Any) -> Any:
        return _mixed("mul", self, other)

    def __rmul__(self, other: Any) -> Any:
        return _reflected("mul", self, other)

    def __truediv__(self, other: Any) -> Any:
        return _mixed("truediv", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _reflected("truediv", self, other)

    def __lt__(self, other: Any) -> bool:
        return self.kind.compare(operator.lt, self, _lifted(self.kind, other))

    def __le__(self, other: Any) -> bool:
        return self.kind.compare(operator.le, self, _lifted(self.kind, other))

    def __gt__(self, other: Any) -> bool:
        return self.kind.compare(operator.gt, self, _lifted(self.kind, other))

    def __ge__(self, other: Any) -> bool:
        return self.kind.compare(operator.ge, self, _lifted(self.kind, other))


# One object an expression.  A step makes some 20 of them, so a few hundred steps stay known.
_node = lru_cache(maxsize=1 << 13)(Scalar)


def scalar(kind: Kind, x: float | int | np.integer[Any]) -> Scalar:
    """Return the double (or integer) x, exactly, as a scalar of this kind."""
    # NOTE: 41 and np.int64(41) are one key, and would be one node: only Python's has all its bits.
    return _node(kind, "number", int(x) if isinstance(x, np.integer) else x)


def _lifted(kind: Kind, x: Any) -> Scalar:
    return x if type(x) is Scalar else scalar(kind, x)


def _mixed(op: str, x: Scalar, y: Any) -> Any:
    if type(y) is Scalar or type(y) is int or type(y) is float:
        return _node(x.kind, op, x, _lifted(x.kind, y))
    return getattr(operator, op)(x.met(y), y)


def _reflected(op: str, x: Scalar, y: Any) -> Any:
    if type(y) is int or type(y) is float:
        return _node(x.kind, op, _lifted(x.kind, y), x)
    return getattr(operator, op)(y, x.met(y))


class _Exact(Kind):
    """Real numbers, enclosed in balls."""

    def enclosed(self, x: Scalar, bits: int) -> Ball:
        """Return a ball around x, from about this many bits."""
        if bits not in x.known:
            if x.op == "number":
                x.known[bits] = ball.exactly(x.args[0])
            elif x.op == "pow":
                x.known[bits] = ball.power(self.enclosed(x.args[0], bits), x.args[1], bits)
            else:
                parts = (self.enclosed(arg, bits) for arg in x.args)
                x.known[bits] = getattr(ball, x.op)(*parts, bits)
        return x.known[bits]  # type: ignore[no-any-return]

    def decided(self, question: Callable[[int], Any], wanted: str, *asked: Scalar) -> Any:
        """Ask with more and more bits until the answer is not None."""
        bits = START_BITS
        while bits <= MOST_BITS:
            try:
                answer = question(bits)
            except Unbounded:
                answer = None
            if answer is not None:
                return answer
            bits *= 2
        msg = f"{wanted}{asked} is not decided by {MOST_BITS} bits"
        raise Undecided(msg)

    def like(self, x: Scalar) -> Scalar:
        while x.op == "joined":
            x = x.args[0]
        return super().like(x)

    def joined(self, first: Scalar, *others: Scalar) -> Scalar:
        return first

    def to_dtype(self, x: Scalar, dtype: np.dtype[Any]) -> Any:
        info = np.finfo(dtype)
        precision, least = info.nmant + 1, int(info.minexp) - info.nmant
        mid, exp = self.decided(
            lambda bits: ball.rounded(self.enclosed(x, bits), precision, least),
            "rounding of ",
            x,
        )
        if precision > 53:  # a longdouble: its bits arrive in two halves
            high, low = (np.longdouble(half) for half in divmod(mid, 1 << 32))
            return np.ldexp(np.ldexp(high, 32) + low, exp)
        try:
            number = math.ldexp(mid, exp)
        except OverflowError:
            number = math.copysign(math.inf, mid)
        with np.errstate(over="ignore"):  # too large for the dtype is infinite
            return dtype.type(number)

    def to_number(self, x: Scalar, number: type) -> Any:
        if x.op == "number":
            return number(x.args[0])
        if x.op == "pow":
            return self.to_number(x.args[0], number) ** x.args[1]
        parts = [self.to_number(arg, number) for arg in x.args]
        if x.op in ("sqrt", "cos"):
            return method(parts[0], x.op)
        return getattr(operator, x.op)(*parts)

    def compare(self, op: Callable[[Any, Any], bool], x: Scalar, y: Scalar) -> bool:
        difference = self.decided(
            lambda bits: ball.sign(
                ball.sub(self.enclosed(x, bits), self.enclosed(y, bits), bits)
            ),
            op.__name__,
            x,
            y,
        )
        return op(difference, 0)


class _Naive(Kind):
    """Every operation in one floating dtype."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype

    def value(self, x: Scalar) -> Any:
        """Return what the naive evaluation gives."""
        if "value" not in x.known:
            x.known["value"] = self._value(x)
        return x.known["value"]

    def _value(self, x: Scalar) -> Any:
        if x.op == "number":
            return EXACT.to_dtype(scalar(EXACT, x.args[0]), self.dtype)
        parts = [self.value(arg) for arg in x.args if type(arg) is Scalar]
        if x.op == "pow":
            base = parts[0]
            if not np.isfinite(base):  # not a ball; the powers of inf and nan are themselves
                return base
            return EXACT.to_dtype(scalar(EXACT, base) ** x.args[1], self.dtype)
        if x.op == "sqrt":
            return np.sqrt(parts[0])
        if x.op == "joined":
            return parts[0]
        return getattr(operator, x.op)(*parts)

    def to_dtype(self, x: Scalar, dtype: np.dtype[Any]) -> Any:
        return dtype.type(self.value(x))

    def to_number(self, x: Scalar, number: type) -> Any:
        return number(float(self.value(x)))

    def compare(self, op: Callable[[Any, Any], bool], x: Scalar, y: Scalar) -> bool:
        return bool(op(self.value(x), self.value(y)))


EXACT: Final = _Exact()


@lru_cache
def kind(scalars: str, dtype: np.dtype[Any]) -> Kind:
    """Return the kind of scalar that a mode means for arrays of this dtype.

    Raises
    ------
    ValueError
        Unless scalars is "exact", "float64" or "array", and "array" has a floating dtype.
    """
    if scalars == "exact":
        return EXACT
    if scalars == "float64":
        return _Naive(np.dtype(np.float64))
    if scalars == "array" and not dtype.hasobject:
        return _Naive(dtype)
    msg = (
        'scalars need to be "exact", "float64" or, with floating arrays, "array", '
        f"got scalars={scalars!r} with {dtype} arrays"
    )
    raise ValueError(msg)


def method(x: Any, name: str) -> Any:
    """Call a number's own function, such as its ``sqrt``; say so where it has none."""
    if not hasattr(x, name):
        msg = f"this step takes a {name}, and {type(x).__name__} has none; use floats or arb"
        raise TypeError(msg)
    return getattr(x, name)()
