"""Running error: the bound holds for every honest evaluation, and is no wider than it has to be."""

import itertools
import math
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import flint
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import paratrooper_ref as pr
from paratrooper_ref.arithmetic import (
    EXACT,
    Undecided,
    at_least,
    at_most,
    certainly,
    clamp,
    norm,
    scalar,
    sqrt,
    total,
    unless_zero,
)
from paratrooper_ref.arithmetic.running import (
    FLOAT32,
    FLOAT64,
    REFERENCE,
    Format,
    Running,
)
from paratrooper_ref.golden.certify import balls
from paratrooper_ref.optimizers.lift import evaluated
from tests.helpers import FAMILY, draw

Array = np.ndarray[Any, np.dtype[Any]]

# In a coarse format a rounding is as large as the errors; in a fine one it hides nothing.
COARSE, FINE = Format("four bits", 4, -20), Format("fifty bits", 50, -1074)
SHAPES: dict[str, tuple[int, ...]] = {"w": (3, 2), "b": (), "v": (1,), "l": (40,)}

magnitudes = st.floats(0.01, 100.0)
signs = st.sampled_from([-1.0, 1.0])
shares = st.floats(-1.0, 1.0)
parts = st.floats(0.0, 0.3)
numbers = st.builds(lambda m, s, p: (s * m, p * m), magnitudes, signs, parts)


def inexact(value: float, error: float, format: Format = COARSE) -> Running:
    """Return a running number that may be off by an error."""
    return Running(value, error, format)


def reached(exact: Fraction, share: float, format: Format = COARSE) -> Fraction:
    """Return what a rounding may make of a number: a share of its unit away."""
    return exact * (1 + Fraction(share) * Fraction(format.unit))


OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
}


@pytest.mark.parametrize("name", OPERATIONS)
@given(a=numbers, b=numbers, at=st.tuples(shares, shares, shares), true=st.tuples(shares, shares))
def test_an_operation_is_bounded_wherever_its_operands_are(
    name: str,
    a: tuple[float, float],
    b: tuple[float, float],
    at: tuple[float, float, float],
    true: tuple[float, float],
) -> None:
    """The real operands and the honest ones lie anywhere within the errors; so does the result."""
    operation = OPERATIONS[name]
    result = operation(inexact(*a), inexact(*b))
    real = [Fraction(v) + Fraction(e) * Fraction(s) for (v, e), s in zip((a, b), true, strict=True)]
    honest = [
        r + Fraction(e) * Fraction(s) for r, (_, e), s in zip(real, (a, b), at[:2], strict=True)
    ]
    assume(name != "truediv" or all(abs(x) > 0 for x in (real[1], honest[1])))

    got = reached(operation(*honest), at[2])

    assert math.isinf(result.error) or abs(got - operation(*real)) <= Fraction(result.error)


CORNERS = [(1.0, 0.3), (-2.0, 0.5), (0.7, 0.2), (3.0, 0.0), (0.9, 0.3)]


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("format", [COARSE, FINE], ids=lambda f: f.name)
def test_an_operation_is_bounded_in_every_corner(name: str, format: Format) -> None:
    """Operands and roundings as far off as they may be, in all directions."""
    operation, tight = OPERATIONS[name], 0.0
    for a, b in itertools.product(CORNERS, CORNERS):
        result = operation(inexact(*a, format), inexact(*b, format))
        for true_a, true_b, off_a, off_b, push in itertools.product((-1, 1), repeat=5):
            real = [Fraction(v) + s * Fraction(e) for (v, e), s in ((a, true_a), (b, true_b))]
            got = [
                r + s * Fraction(e)
                for r, (_, e), s in zip(real, (a, b), (off_a, off_b), strict=True)
            ]
            off = abs(reached(operation(*got), push, format) - operation(*real))
            assert off <= Fraction(result.error), (a, b, true_a, true_b, off_a, off_b, push)
            tight = max(tight, float(off) / result.error if result.error else 0.0)
    assert tight > 0.9  # and no wider than it has to be


@pytest.mark.parametrize("format", [COARSE, FINE], ids=lambda f: f.name)
def test_a_root_is_bounded_in_every_corner(format: Format) -> None:
    """Roots of exact squares, so that nothing but the bound is rounded."""
    tight = 0.0
    for real, honest in itertools.product((0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0), repeat=2):
        error = abs(honest * honest - real * real)
        for value in {real * real, max(0.0, real * real - error), real * real + error}:
            result = inexact(value, error, format).sqrt()
            for push in (-1, 1):
                off = abs(reached(Fraction(honest), push, format) - Fraction(real))
                assert off <= Fraction(result.error), (value, error, real, honest)
                tight = max(tight, float(off) / result.error if result.error else 0.0)
    assert tight > 0.9


@given(a=numbers, at=st.tuples(shares, shares), true=shares)
def test_a_root_is_bounded_too(
    a: tuple[float, float], at: tuple[float, float], true: float
) -> None:
    """Squares are compared, since roots are no fractions."""
    value, error = abs(a[0]), a[1]
    result = inexact(value, error).sqrt()
    real = Fraction(value) + Fraction(error) * Fraction(true)
    honest = real + Fraction(error) * Fraction(at[0])
    assume(honest >= 0)
    flint.ctx.prec = 100

    root = flint.arb(flint.fmpq(honest.numerator, honest.denominator)).sqrt()
    got = root * (1 + flint.arb(at[1] * COARSE.unit))
    off = abs(got - flint.arb(flint.fmpq(real.numerator, real.denominator)).sqrt())

    assert not off > flint.arb(result.error)


@given(values=st.lists(numbers, min_size=1, max_size=9), seed=st.integers(0, 99))
def test_a_sum_is_bounded_in_any_order(values: list[tuple[float, float]], seed: int) -> None:
    """One after the other, in a shuffled order, each addition rounded as far as it may be."""
    x = Running(np.array([v for v, _ in values]), np.array([e for _, e in values]), COARSE)
    result = x.total()
    order = np.random.default_rng(seed).permutation(len(values))
    push = 1 if seed % 2 else -1
    got = None
    for i in order:
        term = Fraction(values[i][0]) + push * Fraction(values[i][1])
        got = term if got is None else reached(got + term, push)

    real = sum(Fraction(v) for v, _ in values)
    assert got is not None
    assert abs(got - real) <= Fraction(float(result.error[0]))


@given(
    x=numbers, lower=numbers, upper=numbers,
    at=st.tuples(shares, shares, shares), true=st.tuples(shares, shares, shares),
)
def test_a_clamp_is_bounded_across_its_ties(
    x: tuple[float, float],
    lower: tuple[float, float],
    upper: tuple[float, float],
    at: tuple[float, ...],
    true: tuple[float, ...],
) -> None:
    """Max comes last; nothing is decided, and the bound holds on both sides."""
    arrays = [Running(np.array([v]), np.array([e]), COARSE) for v, e in (x, lower, upper)]
    result = at_least(arrays[1], at_most(arrays[2], arrays[0]))
    given_ = (x, lower, upper)
    real = [v + e * s for (v, e), s in zip(given_, true, strict=True)]
    got = [r + e * s for r, (_, e), s in zip(real, given_, at, strict=True)]

    def clamped(x: float, lower: float, upper: float) -> float:
        return max(lower, min(upper, x))

    slack = 1e-12 * 200
    assert abs(clamped(*got) - clamped(*real)) <= float(result.error[0]) + slack


def test_a_clamp_is_bounded_in_every_corner() -> None:
    """Near a tie, where either side may have been taken."""
    for x, bound in itertools.product([(1.0, 0.3), (1.4, 0.1), (1.9, 0.3), (2.3, 0.2)], repeat=2):
        numbers_ = [Running(np.array([v]), np.array([e]), FINE) for v, e in (x, bound)]
        for op, pick in ((at_least, max), (at_most, min)):
            result = float(op(numbers_[1], numbers_[0]).error[0])
            for signs_ in itertools.product((-1, 1), repeat=4):
                real = [v + s * e for (v, e), s in zip((x, bound), signs_[:2], strict=True)]
                pairs = zip(real, (x, bound), signs_[2:], strict=True)
                got = [r + s * e for r, (_, e), s in pairs]
                assert abs(pick(got) - pick(real)) <= result + 1e-12, (x, bound, signs_)


def test_one_rounding_is_one_unit() -> None:
    """The bound of a single operation on given numbers is what IEEE 754 promises, no more."""
    a, b = inexact(3.0, 0.0, FLOAT64), inexact(7.0, 0.0, FLOAT64)

    for result in (a + b, a * b, a / b, a.sqrt()):
        assert result.error / (2.0**-53 * abs(result.value)) == pytest.approx(1, rel=1e-10)


def test_what_is_exact_stays_exact() -> None:
    """Zeros, sums with zero, and scalars that the format holds."""
    zero, some = Running(np.zeros(2)), Running(np.array([0.3, 1e-300]))

    for exact in (zero * some, zero / some, zero + zero, zero.total(), norm(zero), -zero):
        assert not exact.error.any()
    assert not (some + zero).error.any()
    assert not some.taking(scalar(EXACT, 0.1)).error  # a double is a number of float64
    assert not Running(1.0, 0.0, FLOAT32).taking(scalar(EXACT, 0.5)).error
    assert Running(1.0, 0.0, FLOAT32).taking(scalar(EXACT, 0.1)).error > 0.1 * 2.0**-25
    assert some.taking(1 - scalar(EXACT, 0.999) ** 7).error > 0


def test_underflow_is_charged() -> None:
    """A product that vanishes is off by up to the least number of its format."""
    small = Running(np.array([1e-30]), np.array([0.0]), FLOAT32)

    assert (small * small).error[0] >= 2.0**-150
    assert Running(1e-200).__mul__(1e-200).error >= 2.0**-1074


def test_what_an_error_straddles_is_not_decided() -> None:
    """A norm that may be zero, a number that may be on either side."""
    near = Running(np.array([1e-20]), np.array([1e-19]))

    with pytest.raises(Undecided, match="not decided"):
        unless_zero(near, near)
    with pytest.raises(Undecided, match="le"):
        certainly(operator.le, near, 0.0)
    with pytest.raises(Undecided):
        bool(Running(1.0, 0.1) > 1.05)
    assert certainly(operator.le, near, 1.0).all()
    assert unless_zero(near, Running(np.zeros(1))).value == 1
    assert unless_zero(near, Running(np.zeros(1))).error == 0


def test_what_has_no_bound_does_not_pass_for_exact() -> None:
    """A NaN among the errors stays one, through every operation and clamp."""
    lost = Running(np.array([1.0]), np.array([np.nan]))

    for result in (lost + lost, lost * lost, at_least(0.0, lost), at_most(9.0, lost)):
        assert np.isnan(result.error).all()
    for n in (0, -1):
        with pytest.raises(ValueError, match="n >= 1"):
            lost**n
    assert FLOAT32.summing(2**24 + 2) == math.inf


def test_products_of_tiny_errors_are_charged() -> None:
    """Near the smallest double the bound itself underflows; it is wide enough all the same."""
    a = Running(2.405819619214451e-166, 2.2635261135128938e-164, FLOAT64)
    b = Running(3.5006700136491486e-159, 9.658784878263247e-161, FLOAT64)

    for true_a, true_b, off_a, off_b in itertools.product((-1, 1), repeat=4):
        x, y = Fraction(a.value) + true_a * Fraction(a.error), Fraction(b.value)
        y += true_b * Fraction(b.error)
        got = (x + off_a * Fraction(a.error)) * (y + off_b * Fraction(b.error))
        honest = Fraction(got.numerator / got.denominator)
        assert abs(honest - x * y) <= Fraction((a * b).error)


def test_a_divisor_that_may_be_zero_has_no_bound() -> None:
    """The error is infinite, so that nothing is held against it, and 0 / 0 is nobody's."""
    quotient = Running(np.array([1.0])) / Running(np.array([1.0]), np.array([0.5]))

    assert quotient.error == math.inf
    assert not quotient.is_finite().any()
    assert Running(0.0) .__mul__(3.0).error == 0


def test_a_bound_on_libm_is_four_units() -> None:
    """As many as NumPy admits; the argument's error is passed on with the slope."""
    x = Running(0.5)

    for name in ("exp", "expm1", "log1p", "sin", "cos", "tanh"):
        value, exact = getattr(x, name)(), getattr(flint.arb(0.5), name)()
        assert abs(float(exact) - value.value) <= value.error
        assert value.error / (8 * 2.0**-53 * abs(value.value)) == pytest.approx(1, rel=1e-9)
        wide = getattr(Running(0.5, 0.1), name)()
        for end in (0.4, 0.6):
            assert abs(float(getattr(flint.arb(end), name)()) - value.value) <= wide.error


# --------------------------------------------------------------------------- whole steps


def states(optimizer: pr.Optimizer, seed: int) -> tuple[pr.State, dict[str, Array]]:
    """Return a state and gradients of widely varying sizes, exact in float32."""
    rng = np.random.default_rng(seed)

    def some(shape: tuple[int, ...], low: float, high: float) -> Array:
        x = rng.normal(size=shape) * 10.0 ** rng.uniform(low, high)
        return np.asarray(x, dtype=np.float32).astype(np.float64)

    params = {k: some(s, -3, 2) for k, s in SHAPES.items()}
    slots = {}
    for slot in optimizer.slots():
        slots[slot] = {k: some(s, -3, 1) for k, s in SHAPES.items()}
        if slot == "v":
            slots[slot] = {k: np.asarray(abs(x)) for k, x in slots[slot].items()}
    t = int(rng.choice([0, 3, 4, 5, 6, 10, 150, 100_000]))
    state = pr.State(params=params, t=t, warmup="momentum", **slots)  # type: ignore[arg-type]
    return state, {k: some(s, -4, 2) for k, s in SHAPES.items()}


def cast(state: pr.State, convert: Callable[[Array], Array]) -> pr.State:
    """Return a state in another arithmetic."""
    slots = {
        s: {k: convert(x) for k, x in state.slot(s).items()}
        for s in ("m", "v", "u", "slow")
        if getattr(state, s) is not None
    }
    params = {k: convert(x) for k, x in state.params.items()}
    return pr.State(params=params, t=state.t, warmup=state.warmup, **slots)  # type: ignore[arg-type]


def shares_of(
    optimizer: pr.Optimizer, seed: int, format: Format, dtype: type
) -> list[tuple[float, str]]:
    """Return the error of each line of an honest step, over its bound, by tag."""
    flint.ctx.prec = 300
    state, grads = states(optimizer, seed)
    _, exact = optimizer.step(cast(state, balls), {k: balls(g) for k, g in grads.items()})
    cast_grads: dict[str, Array] = {k: g.astype(dtype) for k, g in grads.items()}
    _, got = optimizer.step(cast(state, lambda x: x.astype(dtype)), cast_grads)
    bounds, _ = evaluated(
        optimizer, state, grads, None, lambda layer, slot, x: Running(x, np.zeros_like(x), format)
    )
    found = []
    for layer, lines in got.items():
        for tag, x in lines.items():
            bound = bounds[layer].get(tag)
            if not isinstance(bound, Running):
                continue
            true = np.ravel(np.asarray(exact[layer][tag], dtype=object))
            pairs = zip(true, np.ravel(x), strict=True)
            off = np.array([float(abs(a - flint.arb(float(b)))) for a, b in pairs])
            error = np.broadcast_to(np.ravel(bound.error), off.shape)
            worst = np.max(np.where(off == 0, 0.0, off / np.maximum(error, 5e-324)))
            found.append((float(worst), f"{layer}/{tag} at t = {state.t + 1}"))
    return found


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize(
    ("format", "dtype"), [(REFERENCE, np.float64), (FLOAT64, np.float64), (FLOAT32, np.float32)],
    ids=["reference", "float64", "float32"],
)
def test_steps_stay_within_their_bounds_with_factor_one(
    name: str, format: Format, dtype: type
) -> None:
    """Every line of every rule, in doubles and in float32, against balls; no safety factor."""
    for seed in range(8):
        worst, where = max(shares_of(FAMILY[name], seed, format, dtype))
        assert worst <= 1, where


def test_the_bounds_are_attained() -> None:
    """Somewhere an honest step uses nearly all of its bound: it is not wide."""
    worst = max(max(shares_of(FAMILY["adamw"], seed, REFERENCE, np.float64)) for seed in range(8))

    assert worst[0] > 0.8


@pytest.mark.parametrize("name", FAMILY)
def test_the_values_are_the_references_own(name: str) -> None:
    """Bit for bit: it is the same evaluation, with the error beside it."""
    state, grads = states(FAMILY[name], 5)
    _, lines = FAMILY[name].step(state, grads)
    found, _ = evaluated(
        FAMILY[name], state, grads, None, lambda layer, slot, x: Running(x, np.zeros_like(x))
    )
    for layer, tagged in lines.items():
        for tag, x in tagged.items():
            if isinstance(found[layer].get(tag), Running):
                value = np.broadcast_to(np.ravel(found[layer][tag].value), np.size(x))
                assert np.array_equal(value, np.ravel(x)), (layer, tag)


def test_a_float32_step_is_outside_the_bounds_of_float64() -> None:
    """So the bound tells the two apart."""
    worst, _ = max(shares_of(FAMILY["adam"], 1, FLOAT64, np.float32))

    assert worst > 1e6


def test_the_order_of_sums_is_part_of_a_format() -> None:
    """Any order costs n - 1 roundings, neighbours the logarithm of that."""
    x = draw(3, 1025)

    any_order = Running(x, np.zeros_like(x), FLOAT64).total()
    neighbours = Running(x, np.zeros_like(x), REFERENCE).total()

    assert any_order.value == neighbours.value == total(x)
    assert any_order.error / neighbours.error == pytest.approx(1024 / 11, rel=1e-6)
    sequential = math.fsum(x)
    assert abs(float(np.cumsum(x)[-1]) - sequential) <= any_order.error[0]


def test_functions_of_the_arithmetic_take_running_numbers() -> None:
    """The names that rules use are the names here."""
    x = Running(np.array([4.0, 9.0]))

    assert sqrt(x).value.tolist() == [2, 3]
    assert norm(x).value == pytest.approx(97**0.5)
    assert clamp(0, x, 5.0).value.tolist() == [4, 5]
    assert (1 / x).value.tolist() == [1 / 4, 1 / 9]
    assert (x**2).value.tolist() == [16, 81]
    assert "neighbours" in repr(x)
    assert x.shape == (2,)
