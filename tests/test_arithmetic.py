"""Balls enclose, scalars are rounded correctly, sums keep their order, nothing is guessed."""

import math
import operator
from fractions import Fraction
from typing import Any

import flint
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from paratrooper_ref.arithmetic import (
    EXACT,
    Scalar,
    Undecided,
    at_least,
    at_most,
    ball,
    certainly,
    clamp,
    finite,
    kind,
    norm,
    scalar,
    sqrt,
    total,
    unless_zero,
)
from paratrooper_ref.arithmetic.ball import Ball, Unbounded
from paratrooper_ref.arithmetic.running import FLOAT32, FLOAT64, Formed

Array = np.ndarray[Any, np.dtype[Any]]
doubles = st.floats(allow_nan=False, allow_infinity=False)
calm = st.floats(-1e30, 1e30).filter(lambda x: x == 0 or abs(x) > 1e-30)
FLOATS = [np.float16, np.float32, np.float64, np.longdouble]


def exact(x: float) -> Scalar:
    """Return a double as an exact scalar."""
    return scalar(EXACT, x)


def rational(b: Ball, side: int = 0) -> Fraction:
    """Return an end of a ball, or its middle, as a rational."""
    return (b.mid + side * b.rad) * Fraction(2) ** b.exp


def holds(b: Ball, x: Fraction) -> bool:
    """Return whether a ball contains a rational."""
    return rational(b, -1) <= x <= rational(b, 1)


balls = st.builds(
    Ball, st.integers(-(2**90), 2**90), st.just(0) | st.integers(0, 2**20), st.integers(-120, 40)
)
points = st.tuples(balls, st.fractions(-1, 1)).map(
    lambda bx: (bx[0], rational(bx[0]) + bx[1] * bx[0].rad * Fraction(2) ** bx[0].exp)
)


ONE, THREE = (Ball(1, 0, 0), Fraction(1)), (Ball(3, 0, 0), Fraction(3))


@example(ONE, THREE, "truediv", 20)  # no radius to hide the remainder in
@given(points, points, st.sampled_from(["add", "sub", "mul", "truediv"]), st.integers(10, 120))
def test_an_operation_of_balls_holds_that_of_their_points(
    a: tuple[Ball, Fraction], b: tuple[Ball, Fraction], name: str, bits: int
) -> None:
    """Any numbers of the two balls give a number of the result's: checked in rationals."""
    try:
        result = getattr(ball, name)(a[0], b[0], bits)
    except Unbounded:
        assert name == "truediv"
        assert holds(b[0], Fraction(0))
        return

    assert holds(result, getattr(operator, name)(a[1], b[1]))
    assert result.mid.bit_length() <= bits + 1


@given(points, st.integers(10, 120))
def test_the_root_of_a_ball_holds_the_roots(a: tuple[Ball, Fraction], bits: int) -> None:
    """The squares of the result's ends are on either side of the number."""
    try:
        result = ball.sqrt(a[0], bits)
    except Unbounded:
        assert rational(a[0], -1) < 0
        return

    low, high = max(rational(result, -1), Fraction(0)), rational(result, 1)
    assert low * low <= a[1] <= high * high


@given(points, st.integers(0, 40), st.integers(20, 120))
def test_the_power_of_a_ball_holds_the_powers(
    a: tuple[Ball, Fraction], n: int, bits: int
) -> None:
    """By repeated squaring, in whatever few bits."""
    assert holds(ball.power(a[0], n, bits), a[1] ** n)


@given(st.floats(-3.99, 3.99), st.integers(30, 300))
def test_the_cosine_is_enclosed(x: float, bits: int) -> None:
    """Against python-flint's enclosure with more bits; both must overlap, ours be tight."""
    result = ball.cos(ball.exactly(x), bits)

    with flint.ctx.workprec(600):
        true = flint.arb(x).cos()
        middle = flint.arb(result.mid) * flint.arb(2) ** result.exp
        radius = flint.arb(result.rad) * flint.arb(2) ** result.exp
        assert abs(true - middle) <= radius
    assert rational(result, 1) - rational(result, -1) <= Fraction(2) ** (8 - bits)


@given(doubles)
def test_what_is_representable_stays_exact(x: float) -> None:
    """A ball that nothing was cut off has radius 0: sums, products and roots of squares."""
    a = ball.exactly(x)

    assert rational(a) == Fraction(x)
    assert ball.sub(a, a, 100) == Ball(0, 0, ball.sub(a, a, 100).exp)
    assert ball.mul(a, a, 200).rad == 0
    root = ball.sqrt(ball.mul(a, a, 200), 200)
    assert (root.rad, rational(root)) == (0, abs(Fraction(x)))


def rounds(x: Fraction, dtype: Any) -> Fraction:
    """Return the number of a dtype nearest to x by search, ties to the even mantissa."""
    info = np.finfo(dtype)
    precision, least = info.nmant + 1, int(info.minexp) - info.nmant
    if x == 0:
        return x
    top = math.floor(math.log2(abs(x.numerator))) - math.floor(math.log2(x.denominator))
    while abs(x) >= Fraction(2) ** (top + 1):
        top += 1
    while abs(x) < Fraction(2) ** top:
        top -= 1
    unit = max(top + 1 - precision, least)
    n = round(x / Fraction(2) ** unit)  # Python rounds rationals half to even
    return Fraction(n) * Fraction(2) ** unit


@pytest.mark.parametrize("dtype", FLOATS)
@given(
    st.one_of(
        st.fractions(max_denominator=10**6),
        st.builds(lambda m, e: Fraction(m) * Fraction(2) ** e, st.integers(-(2**70), 2**70),
                  st.integers(-180, -60)),
    )
)
def test_a_scalar_is_rounded_to_the_nearest(dtype: Any, x: Fraction) -> None:
    """A quotient meets an array as the float nearest to it, ties to even, subnormals too."""
    wanted = rounds(x, dtype)

    met = (exact(x.numerator) / exact(x.denominator)).met(np.ones(1, dtype))

    assert type(met) is dtype
    if abs(wanted) <= Fraction(*np.finfo(dtype).max.as_integer_ratio()):
        assert Fraction(*met.as_integer_ratio()) == wanted
    else:
        assert np.isinf(met)


def test_ties_and_far_ends_are_decided() -> None:
    """1 - 2**-54 lies half way to the next double below 1, and 1 is even; powers underflow to 0."""
    assert float(1 - exact(2.0**-54)) == 1.0
    assert float(1 - exact(3 * 2.0**-54)) == 1.0 - 2.0**-52
    assert float(1 - exact(2.0**-1000)) == 1.0
    assert float(exact(0.5) ** 1074) == 5e-324
    assert float(exact(0.5) ** 1075) == 0.0
    assert float(exact(0.999) ** 10**9) == 0.0
    assert float(1 - exact(0.999) ** 10**9) == 1.0
    assert 1 - exact(0.999) ** 10**6 < 1 - exact(0.5) ** 10**4


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("away", [20, 300, 5000])
def test_beside_a_tie_a_scalar_is_rounded_once(dtype: Any, sign: int, away: int) -> None:
    """Half a unit and 2**-away of it: down below a tie, up above it, to the even one at it.

    Among subnormal numbers a first rounding to the dtype's precision would make a tie of it; and
    a ball of 256 bits may hold both sides of it, whatever its sign.
    """
    info = np.finfo(dtype)
    unit = exact(0.5) ** (info.nmant - int(info.minexp))  # of the subnormal numbers
    ulp = exact(0.5) ** int(info.nmant)  # of those from 1
    array = np.ones(1, dtype)

    for half, below, at, above in ((0.5, 0, 0, 1), (1.5, 1, 2, 2), (2.5, 2, 2, 3)):
        for side, whole in ((-1, below), (0, at), (1, above)):
            x = half + side * exact(0.5) ** away
            subnormal, normal = (sign * (x * unit)).met(array), (sign * (1 + x * ulp)).met(array)
            assert subnormal == sign * whole * info.smallest_subnormal
            assert normal == sign * (1 + whole * info.eps)
            assert type(subnormal) is type(normal) is dtype


@given(st.floats(0.5, 1, exclude_max=True), st.integers(1, 10**9))
def test_a_power_is_correctly_rounded_at_any_t(beta: float, t: int) -> None:
    """Against a ball of 400 bits of python-flint: all of it rounds to our double."""
    found = float(exact(beta) ** t)

    with flint.ctx.workprec(400):
        true = flint.arb(beta) ** t
        ulp = math.ulp(found)
        assert abs(true - found) <= flint.arb(ulp) / 2


def test_equal_numbers_that_no_digits_part_are_undecided() -> None:
    """(√2)² and 2 agree in every digit: a comparison of them raises, it never guesses."""
    two = exact(2).sqrt() * exact(2).sqrt()

    for compare in (operator.lt, operator.le, operator.gt, operator.ge):
        with pytest.raises(Undecided, match="is not decided by 32768 bits"):
            compare(two, 2)
    assert two > 2 - exact(2.0**-900)


def test_bits_are_added_until_it_is_decided() -> None:
    """What 25000 bits tell apart is told apart; a divisor that seems to be 0 at first is none."""
    tiny = exact(0.5) ** 25_000

    assert 1 + tiny > 1
    assert float(1 / ((exact(0.5) ** 300 + 1) - 1)) == 2.0**300


def test_equal_expressions_are_one_object() -> None:
    """What one layer has evaluated the next one looks up, however much lies between."""

    def polynomial() -> Scalar:
        x, p = exact(0.1), exact(0)
        for k in range(50):
            p = p * x + k
        return p

    assert polynomial() is polynomial()
    assert polynomial() is not polynomial() + 1


def test_a_scalar_shows_its_expression() -> None:
    """A number is shown as it is, an operation by its name."""
    # Numbers that no other test has: 3 and 3.0 are one, and shown as whichever came first.
    assert repr((exact(0.28125) + exact(10.40625)).sqrt()) == "sqrt(add(0.28125, 10.40625))"


def test_integers_of_numpy_become_those_of_python() -> None:
    """Whichever of two equal integers comes first, its powers have all their bits."""
    one = scalar(EXACT, np.int64(3_037_000_501))

    assert type(one.args[0]) is int
    assert (one * one) / 1 > 2.0**63


def test_an_exact_scalar_of_several_forms_is_the_first() -> None:
    """Real numbers have no roundings, so forms are one; also inside of what is done with them."""
    formed = Formed(FLOAT32, FLOAT64)
    x = scalar(formed, 3)
    found = EXACT.like(formed.joined(x / 7, x * (1 / scalar(formed, 7)), x / 8) + x)

    assert found is exact(3) / 7 + exact(3)
    assert EXACT.joined(exact(3), exact(4)) is exact(3)


def test_naive_scalars_beyond_their_dtype() -> None:
    """What overflows stays infinite, in its powers too; of several forms the first counts."""
    half = kind("array", np.dtype(np.float16))

    assert float(scalar(half, 1e6) ** 2) == math.inf
    assert float(half.joined(scalar(half, 0.1), scalar(half, 0.3))) == float(np.float16(0.1))


def test_a_scalar_meets_each_number_system_in_its_own_way() -> None:
    """Fractions are exact, balls enclose, floats are rounded once; roots need a root."""
    third = exact(1) / 3
    fractions = np.array([Fraction(1, 7)], dtype=object)
    arbs = np.array([flint.arb(1)], dtype=object)

    assert (third * fractions)[0] == Fraction(1, 21)
    assert (fractions / third)[0] == Fraction(3, 7)
    assert (third - arbs)[0].overlaps(flint.arb(-2) / 3)
    naive = scalar(kind("array", np.dtype(np.float32)), 0.999)
    assert (naive * fractions)[0] == Fraction(float(np.float32(0.999))) / 7
    assert (third * np.ones(1, np.float32)).dtype == np.float32
    with pytest.raises(TypeError, match="takes a sqrt, and Fraction has none"):
        exact(2).sqrt() * fractions


def test_naive_scalars_round_at_every_operation() -> None:
    """1 - beta of a float32 beta is off by 1.3e-5; the same expression in doubles is not."""
    single = kind("array", np.dtype(np.float32))
    double = kind("float64", np.dtype(np.float32))

    narrow = float(1 - scalar(single, 0.999))
    wide = float(1 - scalar(double, 0.999))

    assert narrow == float(np.float32(1) - np.float32(0.999))
    assert wide == 1 - 0.999
    assert 1e-5 < abs(narrow / 0.001 - 1) < 2e-5
    assert float(scalar(single, 0.999) ** 5) == float(np.float32(float(np.float32(0.999)) ** 5))
    assert scalar(single, 2.0).sqrt() > scalar(single, 1.4)


def test_unknown_modes_are_refused() -> None:
    """A mode is one of three, and objects have no dtype to be naive in."""
    with pytest.raises(ValueError, match="got scalars='double' with float64 arrays"):
        kind("double", np.dtype(np.float64))
    with pytest.raises(ValueError, match="got scalars='array' with object arrays"):
        kind("array", np.dtype(object))


def in_c(x: list[float]) -> float:
    """Return the sum as the C loop of total's docstring has it."""
    x, n, s = list(x), len(x), 1
    while s < n:
        for i in range(0, n - s, 2 * s):
            x[i] += x[i + s]
        s *= 2
    return x[0]


@given(st.lists(calm, min_size=1, max_size=70))
def test_total_adds_in_the_order_of_its_c_loop(x: list[float]) -> None:
    """Neighbours first, an odd one waits: the same additions, so the same bits."""
    assert total(np.array(x)).tolist() == [in_c(x)]


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 10**6))
def test_total_of_chunks_is_the_total(k: int, chunks: int, seed: int) -> None:
    """A chunk of 2**k neighbours is a subtree of the sum."""
    x = np.random.default_rng(seed).normal(size=chunks * 2**k)

    parts = np.concatenate([total(part) for part in x.reshape(chunks, -1)])

    assert total(parts).tobytes() == total(x).tobytes()


@pytest.mark.parametrize("n", [1, 2, 3, 1000, 10**6 + 1])
def test_total_is_within_its_bound(n: int) -> None:
    """At most ceil(log2 n) roundings of the sum of magnitudes."""
    x = np.random.default_rng(n).standard_cauchy(size=n)

    error = abs(Fraction(float(total(x)[0])) - sum(map(Fraction, x.tolist())))

    levels = math.ceil(math.log2(n)) if n > 1 else 0
    assert error <= levels * Fraction(2) ** -53 * Fraction(math.fsum(abs(x))) * Fraction(101, 100)


def test_total_keeps_rows_apart_and_dtypes() -> None:
    """The last axis is summed and kept; a row of a batch has the bits it has alone."""
    rows = np.random.default_rng(0).normal(size=(4, 3, 13)).astype(np.float32)

    sums = total(rows)

    assert (sums.shape, sums.dtype) == ((4, 3, 1), np.float32)
    for i in np.ndindex(4, 3):
        assert sums[i].tobytes() == total(rows[i]).tobytes()


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(-5, 5))
def test_clamp_takes_the_maximum_last(lower: float, x: float, upper: float) -> None:
    """max(lo, min(hi, x)): where hi < lo the lower bound wins, which np.clip gets wrong."""
    bounds = exact(lower), exact(upper)

    floats = clamp(bounds[0], np.array([x]), bounds[1])
    fractions = clamp(bounds[0], np.array([Fraction(x)], dtype=object), bounds[1])
    arbs = clamp(bounds[0], np.array([flint.arb(x)], dtype=object), bounds[1])

    wanted = max(lower, min(upper, x))
    assert floats[0] == fractions[0] == wanted
    assert arbs[0] == wanted


def test_clamps_of_balls_are_sound_across_a_tie() -> None:
    """Every number of the ball, clamped, is in the clamped ball; nothing has to be decided."""
    wide = np.array([flint.arb(1, 0.5)], dtype=object)  # from 0.5 to 1.5

    capped, raised = at_most(1.0, wide)[0], at_least(1.0, wide)[0]

    for x in (0.5, 0.75, 1.0, 1.5):
        assert capped.contains(flint.arb(min(1.0, x)))
        assert raised.contains(flint.arb(max(1.0, x)))
    assert not capped.contains(flint.arb(1.25))  # and no wider than they must be
    assert not raised.contains(flint.arb(0.75))


def test_clamps_keep_the_number_system() -> None:
    """A bound is made a number of the array's, whatever it was."""
    thirds = np.array([Fraction(1, 3), Fraction(2, 3)], dtype=object)
    assert [type(x) for x in at_least(0.5, thirds)] == [Fraction, Fraction]
    assert at_most(0.5, thirds).tolist() == [Fraction(1, 3), Fraction(1, 2)]
    assert at_least(0.1, np.zeros(1, np.float32)).tolist() == [float(np.float32(0.1))]


def test_clamp_passes_nan_on() -> None:
    """A number that is none stays none: it is refused later, by name."""
    assert np.isnan(clamp(0.0, np.array([math.nan]), 1.0)[0])


def test_unless_zero_is_one_exactly_where_a_norm_is_zero() -> None:
    """Row by row, whatever the value is there."""
    with np.errstate(all="ignore"):
        a, b = np.array([[0.0], [2.0], [3.0]]), np.array([[1.0], [0.0], [4.0]])
        found = unless_zero(a / b, a, b)

    assert found.tolist() == [[1.0], [1.0], [0.75]]
    single = np.array([[2.0], [3.0]], np.float32)
    assert unless_zero(single, np.array([[0.0], [1.0]], np.float32)).dtype == np.float32
    balls = np.array([[flint.arb(2)], [flint.arb(3)]], dtype=object)
    exact_one, other = unless_zero(balls, np.array([[flint.arb(0)], [flint.arb(1)]], dtype=object))
    assert (type(exact_one[0]), exact_one[0] == 1, other[0] == 3) == (flint.arb, True, True)


def test_a_ball_around_zero_does_not_tell_whether_it_is_zero() -> None:
    """Neither x = 0 nor x != 0 is certain: Undecided."""
    unsure = np.array([flint.arb(0, 1e-30)], dtype=object)
    zero, one = (np.array([flint.arb(x)], dtype=object) for x in (0, 1))

    with pytest.raises(Undecided, match="is not decided by these balls"):
        unless_zero(one, unsure)
    assert unless_zero(unsure, zero)[0] == 1
    assert certainly(operator.le, zero, 0.5).tolist() == [True]
    for sure in ([], [flint.arb(0)]):
        some = np.array([*sure, flint.arb(0.5, 1e-9)], dtype=object)
        with pytest.raises(Undecided):
            certainly(operator.le, some, 0.5)


def test_finite_knows_every_number_system() -> None:
    """Balls ask themselves, fractions always are, floats as usual."""
    large = flint.arb(10) ** 400  # finite, and no double
    objects = np.array([Fraction(10) ** 400, flint.arb("nan"), 1.5, math.inf, large], dtype=object)

    assert finite(objects).tolist() == [True, False, True, False, True]
    assert finite(np.array([1.0, math.nan])).tolist() == [True, False]


def test_norm_is_the_root_of_the_total_of_squares() -> None:
    """3, 4, 12 have norm 13, kept as an axis, in floats and in balls."""
    x = np.array([3.0, 4.0, 12.0])

    assert norm(x).tolist() == [13.0]
    assert norm(np.array([flint.arb(a) for a in x], dtype=object))[0] == 13
    assert sqrt(exact(6.25)) > 2.4
