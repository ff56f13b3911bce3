"""Proofs: the lines of a step in balls, and the doubles that the balls allow.

A step is evaluated on python-flint's ``arb``, real numbers enclosed in balls.  A number is proved
when every number of its ball has the same nearest double `hi`, and every number of the ball of
what remains the same nearest double `lo`; where that is not so, the bits are doubled.  (A remainder
that is 0 in truth is proved as soon as its ball lies within half the smallest double.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import numpy as np

from paratrooper_ref.arithmetic import Undecided, ball
from paratrooper_ref.arithmetic.ball import Ball
from paratrooper_ref.golden.bits import Floats
from paratrooper_ref.golden.document import MODEL, Value
from paratrooper_ref.golden.error import Unproved
from paratrooper_ref.lines import TAGS
from paratrooper_ref.optimizers import Lines, NonFiniteError, Optimizer, State

if TYPE_CHECKING:
    from paratrooper_ref.optimizers.state import Array

Result = TypeVar("Result")

START_BITS: Final = 128
MOST_BITS: Final = 1 << 14
ALL_BITS: Final = 2200  # of the sum of any two doubles


class Open(ArithmeticError):
    """A number that this many bits leave open."""

    def __str__(self) -> str:
        return "a number lies between two doubles, as far as these bits tell"


def arb() -> Any:
    """Return the type of a ball.

    Raises
    ------
    ImportError
        If python-flint is not installed.
    """
    try:
        from flint import arb as kind
    except ImportError:
        msg = "proofs need python-flint: install it (the extra 'prove')"
        raise ImportError(msg) from None
    return kind


@contextmanager
def working(bits: int) -> Iterator[None]:
    """Let balls have so many bits."""
    from flint import ctx

    before = ctx.prec
    ctx.prec = bits
    try:
        yield
    finally:
        ctx.prec = before


def balls(x: Any, lo: Any = None) -> Array:
    """Return an array of exact balls with the same shape, each hi or hi + lo."""
    kind = arb()
    x = np.asarray(x, dtype=np.float64)
    exact = np.frompyfunc(lambda a: kind(float(a)), 1, 1)
    made: Array = exact(np.atleast_1d(x)).reshape(x.shape)
    if lo is not None and np.any(lo):
        with working(ALL_BITS):
            made = made + balls(np.asarray(lo).reshape(x.shape))
    return made


# --------------------------------------------------------------------------- rounding


def rounded(x: Array) -> Value:
    """Return the proved doubles of a flat object array of balls.

    Raises
    ------
    Open
        Where the balls allow several.
    """
    hi = x.astype(np.float64)
    rest = x - hi
    lo = rest.astype(np.float64)
    proved = _within(rest, hi) & _within(rest - lo, lo)
    for i in np.flatnonzero(~proved):
        hi[i], lo[i] = _slowly(x[i])
    return Value(hi + 0.0, lo + 0.0)  # a real number is never -0


def _within(rest: Array, x: Floats) -> Any:
    """Return where |rest| is certainly less than half the distance of x to any other double."""
    with np.errstate(invalid="ignore", over="ignore"):
        half = np.abs(x - np.nextafter(x, 0)) / 2
    return np.asarray(abs(rest) < half, dtype=bool) | np.asarray(rest == 0, dtype=bool)


def _slowly(x: Any) -> tuple[float, float]:
    """Return hi and lo in integers: the definition, for what `_within` leaves open."""
    if not x.is_finite():
        raise Open
    whole = _integers(x)
    try:
        hi = _nearest(whole)
    except OverflowError:
        msg = f"a number is too large for a double: {x}"
        raise Unproved(msg) from None
    given = ball.exactly(hi)
    exp = min(whole.exp, given.exp)
    mid = (whole.mid << (whole.exp - exp)) - (given.mid << (given.exp - exp))
    return hi, _nearest(Ball(mid, whole.rad << (whole.exp - exp), exp))


def _nearest(x: Ball) -> float:
    found = ball.rounded(x, 53, -1074)
    if found is None:
        raise Open
    return math.ldexp(*found)


def _integers(x: Any) -> Ball:
    (mid, e), (rad, f) = (part.man_exp() for part in (x.mid(), x.rad()))
    mid, e, rad, f = (int(a) for a in (mid, e, rad, f))
    exp = min(e, f) if mid and rad else e if mid else f
    return Ball(mid << (e - exp) if mid else 0, rad << (f - exp) if rad else 0, exp)


# --------------------------------------------------------------------------- steps


def decided(attempt: Callable[[int], Result], bits: int, what: str) -> Result:
    """Return what an attempt gives with the first number of bits that suffice.

    Raises
    ------
    Unproved
        If 2**14 do not.
    """
    why = ""
    while bits <= MOST_BITS:
        with working(bits):
            try:
                return attempt(bits)
            except (Open, Undecided, NonFiniteError) as error:  # the root of a ball below 0 is NaN
                why = str(error)
        bits *= 2
    msg = f"{what} is not decided by {MOST_BITS} bits: {why}"
    raise Unproved(msg)


class Proved(NamedTuple):
    """The proved lines of a step, of the layers and of the model, and the state after it.

    ``bits`` is how many it took.
    """

    lines: dict[str, dict[str, Value | bool]]
    model: dict[str, Value]
    after: State
    bits: int


def lines_of(found: Lines) -> tuple[dict[str, dict[str, Value | bool]], dict[str, Value]]:
    """Return the proved doubles of the lines of a step on balls.

    Raises
    ------
    Open
        Where the balls allow several.
    """
    places: list[tuple[str, str, int]] = []
    parts: list[Any] = []
    lines: dict[str, dict[str, Value | bool]] = {layer: {} for layer in found}
    for layer, tagged in [*found.items(), (MODEL, found.model)]:
        for tag, x in tagged.items():
            if isinstance(x, bool):
                lines[layer][tag] = x
                continue
            flat = x.ravel() if isinstance(x, np.ndarray) else np.array([x], dtype=object)
            places.append((layer, tag, flat.size))
            parts.append(flat)
    model: dict[str, Value] = {}
    if parts:
        values = rounded(np.concatenate(parts))
        stops = np.cumsum([size for _, _, size in places])[:-1]
        pieces = zip(np.split(values.hi, stops), np.split(values.lo, stops), strict=True)
        for (layer, tag, _), (hi, lo) in zip(places, pieces, strict=True):
            (lines[layer] if layer else model)[tag] = Value(hi, lo)
    order = list(TAGS)
    return {
        layer: dict(sorted(tagged.items(), key=lambda item: order.index(item[0])))
        for layer, tagged in lines.items()
    }, model


def prove(
    optimizer: Optimizer, state: State, grads: Mapping[str, Array | None], lr: float
) -> Proved:
    """Return the proved lines of one step from exact balls.

    Raises
    ------
    Unproved
        If a number or a branch is not decided by 2**14 bits.
    """

    def attempt(bits: int) -> Proved:
        after, found = optimizer.step(state, grads, lr)
        return Proved(*lines_of(found), after, bits)

    return decided(attempt, START_BITS, f"step {state.t + 1}")
