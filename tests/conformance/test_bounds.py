"""What a profile admits: each clause of a bound, alone and to the last factor."""

from __future__ import annotations

import math
import operator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from paratrooper_ref.arithmetic import EXACT, Undecided, scalar
from paratrooper_ref.arithmetic.running import (
    BFLOAT16,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    LIBM_ROUNDINGS,
    REFERENCE,
    STRETCH,
    Boundless,
    Format,
    Formed,
    Running,
    joined,
)
from paratrooper_ref.conformance import Profile
from paratrooper_ref.conformance.bounds import lines, stored
from paratrooper_ref.golden.bounds import MARGIN, excess, margins, running
from paratrooper_ref.golden.corpus import Corpus
from paratrooper_ref.golden.document import Value
from paratrooper_ref.optimizers import SGD, Adam, Lookahead, Paratrooper, RAdam, State
from paratrooper_ref.optimizers.lift import evaluated
from paratrooper_ref.variants import VARIANTS, changed

REL = 1e-9  # what a bound is stretched by is 2**-40 a time
FLUSHING = Format("float32, flushed", 24, -149, 128, flushes=True)


def near(x: float, rel: float = REL) -> Any:
    """Return what a number is equal to that is so near; `pytest.approx` admits 1e-12 besides."""
    return pytest.approx(x, rel=rel, abs=0)


def one(value: float, error: float = 0.0, format: Format = FLOAT64) -> Running:
    """Return a running number, alone."""
    return Running(value, error, format)


def some(*pairs: tuple[float, float], format: Format = FLOAT64) -> Running:
    """Return an array of running numbers."""
    values, errors = zip(*pairs, strict=True)
    return Running(np.array(values), np.array(errors), format)


# ------------------------------------------------------------------ formats


def test_a_format_knows_its_numbers() -> None:
    """As IEEE 754 and the papers on bfloat16 have them; the bound's own doubles cost 2**-1071."""
    dtypes: tuple[Any, ...] = (np.float64, np.float64, np.float32, np.float16)
    formats = (FLOAT64, REFERENCE, FLOAT32, FLOAT16)
    for format, dtype in zip(formats, dtypes, strict=True):
        info = np.finfo(dtype)
        assert format.unit == float(info.eps) / 2
        assert format.largest == float(info.max)
        assert format.tiny == float(info.smallest_subnormal) / 2 + 2.0**-1071
        flushed = Format("flushed", format.precision, format.least, format.most, flushes=True)
        assert flushed.tiny == float(info.smallest_normal) + 2.0**-1071
    assert BFLOAT16.largest == 3.3895313892515355e38
    assert BFLOAT16.tiny == 2.0**-134 + 2.0**-1071


def test_a_format_rounds_as_its_dtype_does() -> None:
    """To nearest, ties to even, through subnormal numbers, and to infinity."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=4000) * 2.0 ** rng.integers(-160, 140, 4000)
    ties = np.array([1 + 2.0**-24, 1 + 3 * 2.0**-24, 2.0**-150, 3 * 2.0**-150, 65520.0, 65519.0])
    most = [3.4028235677973366e38, np.inf, -np.inf, np.nan, 0.0]
    given = np.concatenate([x, ties, -ties, most])

    with np.errstate(all="ignore"):
        for format, dtype in ((FLOAT32, np.float32), (FLOAT16, np.float16)):
            np.testing.assert_array_equal(format.nearest(given), given.astype(dtype))
    assert type(FLOAT32.nearest(0.1)) is float


def test_a_format_holds_an_exact_scalar_or_it_does_not() -> None:
    """Bits and range both count."""
    tenth, fine = scalar(EXACT, 0.1), scalar(EXACT, 1 + 2.0**-23)

    assert FLOAT64.holds(tenth)
    assert not FLOAT32.holds(tenth)
    assert FLOAT32.holds(fine)
    assert not FLOAT32.holds(scalar(EXACT, 1 + 2.0**-24))
    assert FLOAT32.holds(scalar(EXACT, 2.0**-149))
    assert FLOAT32.holds(scalar(EXACT, 2.0**70))
    assert not FLOAT32.holds(scalar(EXACT, 2**70 + 1))
    assert FLOAT32.holds(scalar(EXACT, 1 + 2.0**-30) - scalar(EXACT, 2.0**-30))
    assert not FLOAT32.holds(scalar(EXACT, 3 * 2.0**-150))
    assert not FLOAT64.holds(scalar(EXACT, 1) / scalar(EXACT, 3))


def test_a_sum_costs_its_roundings() -> None:
    """In any order all but one of the terms, among neighbours the depth of the tree."""
    neighbours = Format("coarse", 4, -20, sums="neighbours")
    coarse = Format("coarse", 4, -20)

    for n, deep in ((1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (9, 4)):
        assert neighbours.summing(n) == deep / 16 / (1 - deep / 16)
        assert coarse.summing(n) == (n - 1) / 16 / (1 - (n - 1) / 16)
    assert coarse.summing(16) == 15 / 16 / (1 - 15 / 16)
    assert coarse.summing(17) == math.inf


# ------------------------------------------------------------------ how numbers meet


def test_a_scalar_is_rounded_once_where_it_is_taken() -> None:
    """A tenth is no number of float32: one rounding there, and one to the double that it is."""
    taken = one(1.0, format=FLOAT32).taking(scalar(EXACT, 0.1))

    assert taken.value == 0.1
    assert taken.error == (2.0**-24 + 2.0**-53) * 0.1 * STRETCH + FLOAT32.tiny
    assert one(1.0).taking(taken).error == taken.error
    least = one(1.0, format=FLOAT32).taking(scalar(EXACT, 3 * 2.0**-150))
    assert least.error == near(2.0**-150 + 3 * 2.0**-174)
    assert one(1.0, format=FLOAT32).taking(0.1).error == 0
    assert one(1.0, format=FLOAT32).taking(scalar(EXACT, -0.1)).error == taken.error
    assert (one(1.0, format=FLOAT32) - scalar(EXACT, 0.1)).value == 0.9
    assert type(one(1.0).taking(np.float32(0.5)).value) is float
    there = one(1.0, format=FLOAT32).taking(one(0.1))
    assert there.format is FLOAT32
    assert there.error == near(2.0**-24 * 0.1)
    assert one(1.0).taking(one(0.1)).error == 0


def test_the_result_has_the_format_of_the_arrays() -> None:
    """Beside an array a scalar is rounded to it; two of a kind go by the coarser."""
    array, wide = some((0.5, 0.0), format=FLOAT32), some((0.5, 0.0))

    assert (array + one(0.1)).format is FLOAT32
    assert (one(0.1) + array).format is FLOAT32
    assert (one(0.1) - array).format is FLOAT32
    assert (wide + one(0.1, format=FLOAT32)).format is FLOAT64
    assert (one(0.1, format=FLOAT32) + wide).format is FLOAT64
    assert (array + wide).format is FLOAT32
    assert (wide + array).format is FLOAT32
    assert (one(0.1, format=FLOAT32) + one(0.1)).format is FLOAT32
    assert (one(0.1) + one(0.1, format=FLOAT32)).format is FLOAT32
    assert (one(0.1) + one(0.1, format=REFERENCE)).format is FLOAT64
    both = one(1.0) + one(0.1, format=FLOAT16)
    assert both.format is FLOAT16
    assert both.error == near(2.0**-11 * 1.1)


def test_another_format_costs_a_rounding_where_it_is_coarser() -> None:
    """And nothing for numbers that it has, or where it is as fine and reaches as far down."""
    x = some((0.1, 0.0), (0.5, 0.0), (0.5, 2.0**-30), (0.0, 0.0), (0.0, 2.0**-30))

    there = x.to(FLOAT32)
    assert there.error[0] == near(2.0**-24 * 0.1)
    assert there.error[1] == there.error[3] == 0
    assert there.error[2] == near(2.0**-30 + 2.0**-25, rel=1e-6)
    assert there.error[4] == (1 + 2.0**-23) * STRETCH * 2.0**-30 + FLOAT32.tiny
    assert there.to(FLOAT64).error.tolist() == there.error.tolist()
    assert there.to(FLOAT64).format is FLOAT64
    shallow = Format("shallow", 53, -100)
    assert some((2.0**-101, 0.0)).to(shallow).error >= 2.0**-101


def test_a_number_may_stand_on_the_left() -> None:
    x = one(0.75, 2.0**-30)

    for found, value in ((1 - x, 0.25), (1 + x, 1.75), (3 * x, 2.25), (3 / x, 4.0)):
        assert found.value == value
        assert found.error > 2.0**-30 / 1.01


# ------------------------------------------------------------------ what an operation adds


def test_errors_are_passed_on_as_far_as_they_can_be_apart() -> None:
    """The real number is an error away from the value, and so is what another has."""
    a, b = one(1.0, 0.125), one(2.0, 0.25)

    assert (a + b).error == near(0.375)
    assert (a - b).error == near(0.375)
    assert (a * b).error == near(1.25 * 2.5 - 1.125 * 2.25)
    assert (a / b).error == near(1.25 / 1.5 - 1.125 / 1.75)
    assert type((one(1.0) / 3.0).value) is float
    zero = one(0.0)
    assert (zero + one(0.3)).error == (one(0.3) + zero).error == (zero * one(0.3)).error == 0
    assert (one(0.3) * zero).error == (zero / one(0.3)).error == 0
    unsure = one(0.0, 0.25, FLOAT16)  # which is no zero
    assert (unsure + 1.0).error == near((1 + 2.0**-10) * 0.25 + 2.0**-11)
    assert (unsure * 0.5).error > 0.125 + FLOAT16.tiny / 2


def test_what_may_overflow_has_no_bound() -> None:
    """Up to the largest number there is one; in doubles infinity shows by itself."""
    most = FLOAT16.largest

    assert math.isfinite((one(most, format=FLOAT16) * 0.999).error)
    assert (one(most, format=FLOAT16) * 1.0).error == math.inf
    assert (one(most / 2, most / 3, FLOAT16) + 1.0).error == math.inf
    assert math.isfinite((one(most / 2, most / 5, FLOAT16) + 1.0).error)
    assert (one(-most, format=FLOAT16) * 1.1).error == math.inf
    assert one(1.0).taking(scalar(EXACT, 10.0) ** 400).error == math.inf
    assert math.isfinite((one(FLOAT64.largest) * (1 - 2.0**-53)).error)


def test_underflow_is_charged_where_it_may_happen() -> None:
    """Of products and quotients; a sum of numbers of a format is one, however small."""
    small = one(2.0**-149, format=FLOAT32)

    assert (small + small).error == near(2.0**-172)
    assert (small * 0.5).error >= 2.0**-150
    assert (small / 2.0).error >= 2.0**-150
    assert (small * 0.0).error == (one(0.0, format=FLOAT32) / 3.0).error == 0


def test_what_flushes_may_lose_a_normal_number() -> None:
    """As operand and as result; numbers that are certainly large enough, and 0, are read whole."""
    normal = 2.0**-126
    edge = some((2 * normal, 0.0), (1.5 * normal, 0.0), (0.0, 0.0), (3 * normal, 2 * normal),
                format=FLUSHING)

    read = edge._read()
    lost = read.error - edge.error
    assert lost.tolist() == [0, FLUSHING.tiny, 0, FLUSHING.tiny]
    assert some((-2 * normal, 0.0), format=FLUSHING)._read().error.tolist() == [0]
    assert (some((1.0, 0.0), format=FLUSHING) + edge).error[0] >= FLUSHING.tiny
    rooted = some((normal, 0.0), format=FLUSHING).sqrt()
    assert rooted.error >= math.sqrt(normal)  # read as 0
    assert some((normal, 0.0), format=FLOAT32).sqrt().error < 2.0**-86
    for x, y in ((some((1.0, 0.0), format=FLUSHING), normal), (edge, 1.0)):
        assert (x * y).error[0] >= FLUSHING.tiny


def test_an_addition_that_flushes_may_lose_its_operands_and_its_sum() -> None:
    """Whichever of the two flushes, and each addition of a sum."""
    tiny = FLUSHING.tiny
    array = some((2.0**-127, 0.0), (2.0**-128, 0.0), format=FLUSHING)
    small = sum(abs(x) for x in array.value)
    assert array.total().error[0] >= 3 * tiny >= small
    for n in (2, 3, 8):
        many = some(*[(2.0**-130, 2.0**-128)] * n, format=FLUSHING).total()
        assert many.error[0] == near(3 * (n - 1) * tiny + n * 2.0**-128, rel=1e-4)
    assert some((0.0, 0.0), (0.0, 0.0), format=FLUSHING).total().error[0] == 0
    assert some((1.0, 0.0), (1.0, 0.0), format=FLOAT32).total().error[0] < tiny + 2.0**-22
    for x in (one(0.5), one(0.5, format=FLUSHING)):
        assert (x + some((0.25, 0.0), format=FLUSHING)).error[0] == near(
            0.75 * FLUSHING.unit + tiny, rel=1e-6
        )


def test_quotients_and_roots_cost_what_the_format_says() -> None:
    """Four roundings where they are good to two units."""
    rough = Format("rough", 24, -149, 128, division=4.0, root=3.0)
    third = one(1.0, format=rough) / 3.0

    assert third.error == near(4 * 2.0**-24 / 3)
    assert one(2.0, format=rough).sqrt().error == near(3 * 2.0**-24 * 2**0.5)
    assert (one(1.0, format=rough) * 3.0).error == near(3 * 2.0**-24)
    passed = one(1.0, 0.25, Format("rough", 4, -20, division=4.0)) / 1.0
    assert passed.error == near((1 + 2 * 0.25) * 0.25 + 0.25, rel=1e-3)


def test_a_quotient_of_numbers_that_may_be_zero() -> None:
    """Two errors below its value a divisor may be 0; then there is no bound, of 0 / 0 neither."""
    for error, bounded in ((0.499, True), (0.5, False), (0.6, False)):
        assert math.isfinite((one(1.0) / one(1.0, error)).error) is bounded
        assert math.isfinite((some((0.0, 0.0)) / some((1.0, error))).error[0]) is bounded
    assert (one(1.0) / one(0.0)).error == math.inf
    assert (some((1.0, 0.0), (2.0, 0.0)) / one(1.0, 2.0)).error.tolist() == [math.inf] * 2
    assert (one(1.0) / some((1.0, 2.0), (2.0, 0.0))).error.tolist() == [math.inf, near(2.0**-54)]
    assert (one(20.0) / one(5.0, 1.0)).error == near((20 / 4) / 3)
    with np.errstate(divide="ignore", invalid="ignore"):
        endless = some((1.0, 0.0), (-2.0, 0.0)) / 0.0
    assert (endless.value.tolist(), endless.error.tolist()) == ([np.inf, -np.inf], [np.inf] * 2)
    assert (one(-1.0) / one(-4.0)).error == near(2.0**-55)
    assert math.isfinite((one(1.0) / one(-1.0, 0.499)).error)


def test_a_root_near_zero_is_off_by_the_root_of_the_error() -> None:
    """Its slope has no end there."""
    for x in (one(0.0, 0.01), one(-0.005, 0.01)):
        assert x.sqrt().error == near(0.1)
        assert x.sqrt().value == 0
    x = one(0.03, 0.01).sqrt()
    assert x.error == near(0.01 / (0.02**0.5 + 0.01**0.5))
    array = some((0.03, 0.01), (-0.005, 0.01), (-0.5, 1.0)).sqrt()
    assert array.error.tolist() == [x.error, one(-0.005, 0.01).sqrt().error, near(1.0)]


def test_a_high_power_is_bounded_however_it_is_made() -> None:
    """By repeated products, by libm or as exp(n log x); and the base's error n-fold."""
    u, most = 2.0**-53, LIBM_ROUNDINGS
    for base, n, roundings in (
        (0.999, 1000, 999), (0.999, 5, most + 9 * 5 * -math.log(0.999)),
        (0.5, 10, most + 9 * 10 * math.log(2)), (3.0, 5, most + 9 * 5 * math.log(3)),
        (0.5, 4, 3), (-3.0, 5, most), (3.0, 3, 2), (3.0, 2, 2),
    ):
        power = one(base) ** n
        assert power.value == base**n
        assert power.error == near(roundings * u * abs(base) ** n, rel=1e-6), (base, n)
    base, n = 0.999, 1000
    off = one(base, 1e-6) ** n
    assert off.error == near(n * (base + 2e-6) ** (n - 1) * 1e-6, rel=1e-6)
    assert (one(-base, 1e-6) ** n).error == off.error
    coarse = one(0.5, 0.25, Format("coarse", 4, -20)) ** 2  # 1/8 for two roundings, of up to 3/4
    passed = 2 * (0.5 + 2 * 0.25) * 0.25
    assert coarse.error == near(passed + math.expm1(0.125) * (0.25 + 3 * passed), rel=1e-5)
    assert (base + 2e-6) ** n - (base + 1e-6) ** n <= off.error
    assert ((one(3.0, 0.5) ** 1).value, (one(3.0, 0.5) ** 1).error) == (3.0, 0.5)
    # Arrays always are multiplied out.
    assert (some((3.0, 0.0)) ** 5).error[0] == near(4 * u * 243, rel=1e-6)


@pytest.mark.parametrize("format", [FLOAT32, BFLOAT16])
@pytest.mark.parametrize("n", [5, 10, 100, 1000])
@pytest.mark.parametrize("base", [0.25, 0.9, 0.999])
def test_powers_in_every_way_are_within_their_bound(base: float, n: int, format: Format) -> None:
    """Functions off by up to seven roundings, and their result's, to either side."""
    given = format.nearest(base)
    bound = (Running(base, abs(base - given), format) ** n).error

    def rounded(x: float, roundings: float = 0.0) -> float:
        return float(format.nearest(x * (1 + roundings * format.unit)))

    product = given
    for _ in range(n - 1):
        product = rounded(product * given)
    ways = [product]
    for off in (-7.0, 0.0, 7.0):
        logarithm = rounded(n * rounded(math.log(given), off)) if given < 1 else 0.0
        ways += [rounded(math.pow(given, n), off), rounded(math.exp(logarithm), -off)]
    assert max(abs(way - base**n) for way in ways) <= bound


def test_a_power_that_is_no_number_has_no_bound() -> None:
    """Nor has one of so many roundings that exp of them is none."""
    coarse = Format("coarse", 8, -133)
    assert math.isfinite((one(0.9, format=coarse) ** 100_000).error)
    assert (one(0.9, format=coarse) ** 200_000).error == math.inf
    assert math.isfinite((one(2.0) ** 600).error)
    assert (one(1e200) ** 7).error == (one(-1e200) ** 7).error == math.inf
    assert ((one(1e200) ** 7).value, (one(-1e200) ** 7).value) == (math.inf, -math.inf)
    assert (one(-1e200) ** 8).value == math.inf
    assert (one(0.0) ** 9).error <= 9 * FLOAT64.tiny


def test_functions_of_libm_pass_on_the_steepest_slope() -> None:
    """Anywhere that the argument may be: two errors beyond its value."""
    x, off = 0.5, 0.01
    slopes = {
        "exp": math.exp(x + 2 * off), "expm1": math.exp(x + 2 * off),
        "log1p": 1 / (1 + x - 2 * off), "sin": 1.0, "cos": 1.0, "tanh": 1.0,
    }
    for name, slope in slopes.items():
        found = getattr(one(x, off), name)()
        assert found.error == near(slope * off, rel=1e-9), name
        assert found.value == getattr(math, name)(x)
        assert getattr(one(-x, 0.0), name)().error == near(
            LIBM_ROUNDINGS * 2.0**-53 * abs(getattr(math, name)(-x))
        )
        assert getattr(one(0.0, format=FLOAT32), name)().error >= 2.0**-150, name
    assert one(-0.5, 0.25).log1p().error == math.inf
    assert math.isfinite(one(-0.5, 0.2499).log1p().error)


def test_a_sum_is_formed_in_its_accumulator() -> None:
    """There it costs the accumulator's roundings, then one to come back."""
    wide = Format("bfloat16", 8, -133, 128, accumulator=FLOAT32)
    x = np.full(1024, 1.0)

    plain, better = (Running(x, np.zeros(1024), f).total() for f in (BFLOAT16, wide))
    assert plain.error == math.inf
    assert better.format is wide
    assert better.error[0] == near(1023 * 2.0**-24 * 1024 + 2.0**-8 * 1024, rel=1e-2)


def test_a_sum_passes_on_every_error() -> None:
    """And charges roundings of the largest numbers that may be added."""
    coarse = Format("coarse", 10, -20)
    x = Running(np.array([1.0, -2.0, 4.0]), np.array([0.1, 0.2, 0.3]), coarse)

    share = 2 / 1024 / (1 - 2 / 1024)
    assert x.total().error[0] == near(0.6 + share * (7 + 2 * 0.6))
    assert x.total().value.tolist() == [3.0]
    rows = Running(np.stack([x.value, x.value]), np.stack([x.error, 0 * x.error]), coarse).total()
    assert rows.value.tolist() == [[3.0], [3.0]]
    assert rows.error[0] == x.total().error
    assert rows.error[1] == near(share * 7)


def test_a_clamp_passes_on_the_error_of_what_wins() -> None:
    """Where it is sure; within twice both errors the larger."""
    x, y = (1.0, 0.1), (2.0, 0.2)

    def errors(a: tuple[float, float], b: tuple[float, float]) -> list[float]:
        pair = some(a), some(b)
        return [float(pair[0].at_least(pair[1]).error[0]), float(pair[0].at_most(pair[1]).error[0])]

    assert errors(x, y) == [0.2, 0.1]
    assert errors(y, x) == [0.2, 0.1]
    assert errors((1.0, 0.25), (2.0, 0.25 + 2**-40)) == [0.25 + 2**-40] * 2
    assert errors((1.0, 0.3), (2.0, 0.1)) == [0.1, 0.3]
    assert errors((1.0, 0.4), (2.0, 0.1)) == [0.4, 0.4]  # a tie that is not decided
    assert errors((1.0, 0.1), (2.0, 0.4)) == [0.4, 0.4]
    with np.errstate(invalid="ignore"):
        assert errors((np.inf, 0.0), (np.inf, 0.5)) == [0.0, 0.0]  # a bound that never binds


def test_numbers_are_others_where_that_is_decided() -> None:
    sure: Any = some((0.0, 0.0), (1.0, 0.25))
    unsure: Any = some((0.25, 0.25))
    assert (sure != 0).tolist() == [False, True]
    with pytest.raises(Undecided):
        _ = unsure != 0


def test_a_comparison_is_decided_beyond_two_errors() -> None:
    """Of any sign; exact numbers always."""
    assert (one(1.0, 0.24) > 0.5) is True
    assert (one(1.0, 0.24) > 1.5) is False
    assert (one(1.0, 0.24) < 1.5) is True
    assert (one(1.0, 0.24) < 0.5) is False
    for y in (0.5, 1.5):
        with pytest.raises(Undecided):
            bool(one(1.0, 0.25) > y)
    assert bool(one(1.0) > 0.5)
    assert not bool(one(1.0) > 1.0)
    assert not bool(one(1.0) < 1.0)
    with pytest.raises(Boundless):
        bool(one(1.0, math.inf) > 0.5)
    for unsure, error in ((0.25, Undecided), (math.inf, Boundless)):
        with pytest.raises(error) as caught:  # one is enough
            some((1.0, 0.0), (1.0, unsure)).certainly(operator.eq, 0.75)
        assert type(caught.value) is error
    assert some((1.0, 0.0), (2.0, 0.0)).certainly(operator.eq, 1).tolist() == [True, False]


def test_a_norm_of_zero_makes_exactly_one() -> None:
    """Of any of the norms, and nothing else."""
    x, zero, two = some((3.0, 0.1)), some((0.0, 0.0)), some((2.0, 0.1))

    for norms in ((zero, two), (two, zero), (zero, zero)):
        one_ = x.unless_zero(*norms)
        assert (one_.value.tolist(), one_.error.tolist()) == ([1.0], [0.0])
    kept = x.unless_zero(two, two)
    assert (kept.value.tolist(), kept.error.tolist()) == ([3.0], [0.1])


def test_a_number_is_finite_with_its_bound() -> None:
    """Both have to be."""
    assert some((1.0, 0.0), (np.inf, 0.0), (1.0, np.inf)).is_finite().tolist() == [
        True, False, False,
    ]


# ------------------------------------------------------------------ scalars


def test_numbers_that_round_to_the_same_are_not_compared() -> None:
    """The errors of both count: they reach each other, from either side of a float32."""
    single = Formed(FLOAT32, FLOAT32)
    low, high = scalar(single, 0.1), scalar(single, 0.1 + 1.9e-9)
    assert single.running(low).error < 1.9e-9 > single.running(high).error
    for compare, x, y in ((operator.lt, low, high), (operator.gt, high, low)):
        with pytest.raises(Undecided):
            compare(x, y)
    assert low < scalar(single, 0.125)
    guessing = Formed(FLOAT32, FLOAT32, guesses=True)
    assert scalar(guessing, 0.1) < scalar(guessing, 0.1 + 1.9e-9)


def test_a_first_batch_is_asked_in_this_arithmetic_too() -> None:
    """Loud or quiet, or not at all where nothing has a gradient."""
    optimizer = Paratrooper()
    start = optimizer.init({"w": np.ones(2)})
    for size, warmup in ((2.0**-6, "momentum"), (2.0**6, "none")):
        names, model = evaluated(
            optimizer, start, {"w": np.full(2, size)}, None,
            lambda layer, slot, x: Running(x, 0.0, FLOAT64),
        )
        assert names["w"]["warmup"] == warmup
        assert bool(model["small"].all()) is (warmup == "momentum")
    found = evaluated(optimizer, start, {"w": None}, None, lambda layer, slot, x: Running(x))
    assert found == ({}, {})


def test_a_first_batch_has_constants_as_they_are_formed() -> None:
    """In the arrays' dtype its h is off by what that makes of the betas."""
    optimizer = Paratrooper()
    start, grads = optimizer.init({"w": np.ones(2)}), {"w": np.ones(2)}
    double, single = (
        lines(optimizer, start, grads, None, Profile(scalars=scalars))[""]["h"]
        for scalars in ("float64", "array")
    )
    assert single.error > 2 * double.error > 0


def test_forms_may_ask_for_the_weights_before_a_step() -> None:
    """With their error, and in plain arithmetic too."""
    optimizer = Lookahead(inner=SGD(lr=0.25), k=1, alpha=0.5)
    start, grads = optimizer.init({"w": np.array([1.0, 3.0])}), {"w": np.array([1.0, 2.0])}
    errors = {"w": {"theta": np.array([0.0, 0.5])}}
    found = lines(optimizer, start, grads, None, Profile(), errors=errors)["w"]["theta"]
    assert 0 < found.error[0] < 2.0**-20
    assert found.error[1] >= 0.5
    updated = changed(optimizer, VARIANTS["lookahead.by_update"])
    state, _ = updated.step(start, grads)
    assert state.params["w"].tolist() == found.value.tolist() == [0.875, 2.75]


def test_scalars_are_formed_with_a_bound() -> None:
    """Constants in theirs, what t is in in the other."""
    mixed = Formed(FLOAT32, FLOAT64)
    beta = scalar(mixed, 0.9)

    assert mixed.running(beta).error == 0
    assert type(mixed.running(scalar(mixed, 3)).value) is float
    assert mixed.running(1 - beta).error == near(2.0**-53 * 0.1)
    power = mixed.running(beta**3)
    assert power.format is FLOAT32
    assert power.error == near((3 * 0.9 * 0.81 + 2 * 0.729) * 2.0**-24, rel=1e-6)
    assert mixed.running((1 - beta).sqrt()).value == (1 - 0.9) ** 0.5
    whole = Formed(FLOAT32, FLOAT32)
    there = whole.running(scalar(whole, 0.9))
    assert (there.value, there.error) == (0.9, 0.9 - float(np.float32(0.9)))
    assert whole.running(scalar(whole, 0.1)).error == float(np.float32(0.1)) - 0.1
    assert mixed.to_number(beta, Fraction) == Fraction(0.9)
    assert mixed.to_dtype(beta, np.dtype(np.float32)) == np.float32(0.9)


def test_a_comparison_of_scalars_is_decided_outside_its_reach() -> None:
    """By real numbers; within the reach it is refused, or guessed as they have it."""
    sure, guess = Formed(FLOAT64, FLOAT64), Formed(FLOAT64, FLOAT64, guesses=True)
    for kind in (sure, guess):
        third = scalar(kind, 1) / scalar(kind, 3)
        assert third > 0.3
        assert not third > 0.34
        assert scalar(kind, 5) >= 5
        assert not scalar(kind, 5) > 5
    third, double = scalar(sure, 1) / scalar(sure, 3), 1 / 3
    with pytest.raises(Undecided, match="not decided where scalars are formed in float64"):
        assert third > double
    third = scalar(guess, 1) / scalar(guess, 3)
    assert third > double  # the double is below
    assert not third < double


def test_joined_forms_are_all_within_the_bound() -> None:
    """The first keeps its value; what stands for another number, or has no bound, is left out."""
    first = one(1.0, 0.1)

    assert joined(first, one(1.05, 0.1)).error == near(0.15)
    assert joined(first, one(1.05, 0.1)).value == 1.0
    assert joined(first, one(0.95, 0.1)).error == near(0.15)
    assert joined(first, one(0.95, 0.1), one(1.0, 0.3)).error == near(0.3)
    assert joined(first, one(1.01, 0.01)).error == 0.1
    assert joined(first, one(1.3, 0.1)).error == 0.1  # 0.3 apart: another number
    assert joined(one(1.0, 0.125), one(1.25, 0.125)).error == 0.375
    assert joined(first, one(1.0, math.inf)).error == 0.1
    arrays = joined(some((1.0, 0.1), (2.0, 0.1)), some((1.1, 0.1), (5.0, 0.1)))
    assert arrays.error.tolist() == [near(0.2), 0.1]
    assert joined(True, False) is True
    assert joined(first, 1.05).error == 0.1


# ------------------------------------------------------------------ of the corpus


def test_what_a_double_leaves_out_is_an_error_of_any_sign() -> None:
    """A case is bounded from what it stores, not from the doubles alone."""
    corpus = Corpus()
    golden = corpus.load(corpus.manifest().cases["adam/plain-decimal"])
    step = golden.steps[-1]

    def errors(sign: float) -> list[list[float]]:
        inputs = {
            layer: {
                k: None if x is None else Value(x.hi, np.full(x.hi.shape, sign * 2.0**-40))
                for k, x in of.items()
            }
            for layer, of in step.inputs.items()
        }
        found = running(golden, replace(step, inputs=inputs), FLOAT64)
        return [found[layer][slot].error.tolist() for layer in inputs for slot in ("theta", "m")]

    assert errors(1.0) == errors(-1.0) != errors(0.0)


def test_a_margin_is_how_far_a_variant_is_away_where_it_shows() -> None:
    """Where eps is 0 it does not matter where it stands."""
    corpus, variant = Corpus(), VARIANTS["adam.eps_hat"]

    def margin(name: str) -> float:
        return margins(corpus.load(corpus.manifest().cases[name]), [variant])[variant.name]

    assert margin("adam/tiny-decimal") > MARGIN
    assert margin("adam/no-eps-decimal") < 1


def test_margins_look_no_further_than_is_enough() -> None:
    """Steps are looked at until all variants are away enough, in the format that sees least."""
    corpus = Corpus()
    golden = corpus.load(corpus.manifest().cases["adam/plain-decimal"])
    late = VARIANTS["adam.beta2_power_behind"]  # right at the first step
    at_once = VARIANTS["adam.v_uncorrected"]
    first = replace(golden, steps=golden.steps[:1])

    least = margins(first, [late])[late.name]
    assert least < 1
    assert margins(golden, [late])[late.name] > MARGIN
    assert margins(golden, [late], enough=least)[late.name] == least
    both = margins(golden, [late, at_once], enough=1.0)
    assert both[late.name] > 1
    assert both[at_once.name] <= margins(golden, [at_once])[at_once.name]
    one, two = (margins(golden, [late], (format,))[late.name] for format in (FLOAT64, FLOAT32))
    assert margins(golden, [late])[late.name] == min(one, two) < max(one, two)


def test_an_excess_is_of_numbers_in_the_order_of_the_layer() -> None:
    wanted = Value(np.array([1.0, 2.0]), np.zeros(2))
    got, error = np.array([[1.5], [2.0]]), np.array([[0.25], [0.125]])
    assert excess(got, wanted, error, undecided=0.0) == 2.0
    assert excess(got[::-1], wanted, error, undecided=0.0) == 4.0
    assert excess(np.array([1.0, 2.0]), wanted, error, undecided=0.0) == 0.0


# ------------------------------------------------------------------ steps


def sgd_state(**more: Any) -> tuple[State, dict[str, Any]]:
    """Return a state and a gradient of one layer."""
    state = State(params={"w": np.array([1.0, 2.0])}, t=4, u={"w": np.array([0.5, 0.25])}, **more)
    return state, {"w": np.array([0.125, 0.5])}


def test_a_step_is_bounded_line_by_line() -> None:
    """And the errors of its inputs are passed on, by slot."""
    state, grads = sgd_state()
    sgd, profile = SGD(lr=0.5, momentum=0.5), Profile(forms=False)
    exact = lines(sgd, state, grads, None, profile)["w"]
    off = lines(
        sgd, state, grads, None, profile,
        errors={"w": {"u": np.array([0.0, 0.25]), "g": np.array([0.125, 0.0])}},
    )["w"]

    # 0.5 u + 1 g: two products and their sum, each a rounding.
    roundings = 2.0**-24 * np.array([0.25 + 0.125 + 0.375, 0.125 + 0.5 + 0.625])
    assert exact["u"].value.tolist() == [0.375, 0.625]
    np.testing.assert_allclose(exact["u"].error, roundings, rtol=1e-6)
    np.testing.assert_allclose(off["u"].error, [0.125, 0.125], rtol=1e-5)
    assert off["theta"].error[0] == near(0.0625, rel=1e-5)


def test_what_listens_hears_every_line_and_may_change_it() -> None:
    """In the order of the rule; the step goes on with what it returns."""
    state, grads = sgd_state()
    heard = []

    def hear(layer: str, name: str, value: Any) -> Any:
        heard.append((layer, name))
        return Running(value.value * 2, value.error, value.format) if name == "u" else value

    found = lines(SGD(lr=1.0, momentum=0.5), state, grads, None, Profile(), hear=hear)
    tags = ["regularized", "u", "direction", "update", "theta"]
    assert heard == [("w", tag) for tag in tags]
    assert found["w"]["theta"].value.tolist() == [1 - 0.75, 2 - 1.25]


def test_what_is_stored_is_rounded_to_its_slot() -> None:
    """Where that is coarser; it may be read there or in a register, so the value stays."""
    profile = Profile(slots={"m": "bfloat16", "v": "float64"})
    x = some((0.1, 0.0), format=FLOAT32)

    assert stored(x, profile, "m").error[0] == near(2.0**-8 * 0.1, rel=1e-6)
    assert stored(x, profile, "m").value[0] == 0.1
    assert stored(x, profile, "m").format is FLOAT32
    assert stored(x, profile, "v") is x
    assert stored(x, profile, "theta") is x
    state = State(
        params={"w": np.ones(1)}, t=3, m={"w": np.full(1, 0.5)}, v={"w": np.full(1, 0.5)}
    )
    found = lines(Adam(), state, {"w": np.ones(1)}, None, profile)["w"]
    assert found["m"].error[0] > 2.0**-8 * 0.5
    assert found["v"].error[0] < 2.0**-20


def test_forms_widen_a_bound_and_never_move_a_value() -> None:
    state = State(
        params={"w": np.ones(3)}, t=3, m={"w": np.full(3, 0.1)}, v={"w": np.full(3, 0.3)}
    )
    grads = {"w": np.array([0.3, -0.7, 1e-3])}
    published = lines(Adam(), state, grads, None, Profile(forms=False))["w"]["theta"]
    every = lines(Adam(), state, grads, None, Profile(forms=True))["w"]["theta"]

    assert every.value.tolist() == published.value.tolist()
    assert (every.error >= published.error).all()
    assert (every.error > published.error).any()


def test_a_branch_that_arithmetic_does_not_decide_is_refused_or_guessed() -> None:
    """At rho = threshold, within what a power in float32 may be off."""
    state = State(
        params={"w": np.ones(1)}, t=5, m={"w": np.ones(1)}, v={"w": np.ones(1)}, warmup="momentum"
    )
    rho = 2 / (1 - 0.999) - 1 - 2 * 6 * 0.999**6 / (1 - 0.999**6)
    radam, given = RAdam(threshold=rho), (state, {"w": np.ones(1)}, None, Profile(scalars="array"))
    with pytest.raises(Undecided, match="gt"):
        lines(radam, *given)
    assert isinstance(lines(radam, *given, guesses=True)["w"]["rectified"], bool)
    assert lines(RAdam(threshold=5.0), *given[:3], Profile())["w"]["rectified"] is True


# ------------------------------------------------------------------ golden cases


def test_an_excess_is_a_distance_over_a_bound() -> None:
    """From hi + lo; what is exact has no excess, and a NaN no end of it."""
    wanted = Value(np.array([1.0, 2.0]), np.array([2.0**-60, 0.0]))

    def found(got: list[float], error: list[float], undecided: float = 7.0) -> float:
        return excess(np.array(got), wanted, np.array(error), undecided=undecided)

    assert found([1.0, 2.0], [2.0**-60, 0.0]) == 1
    assert found([1.0, 2.5], [2.0**-59, 0.125]) == 4
    assert found([1.0, 1.5], [2.0**-59, 0.125]) == 4
    assert found([1.0, 2.5], [2.0**-59, 0.0]) == math.inf
    assert found([1.0, np.nan], [1.0, 1.0]) == math.inf
    assert found([1.0, np.inf], [1.0, 1.0]) == math.inf
    assert found([1.0, 2.0], [np.inf, 1.0]) == 7
    assert found([1.0, 2.5], [np.inf, 1.0], undecided=0.0) == 0.5
    assert found([1.0, 2.0], [np.nan, 1.0]) == 7
