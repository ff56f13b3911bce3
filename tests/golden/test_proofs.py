"""Proofs: what is called proved is the nearest double, and what is not decided is not admitted."""

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import flint
import numpy as np
import pytest

import paratrooper_ref as pr
import problems
from paratrooper_ref.arithmetic import ball
from paratrooper_ref.golden import certify
from paratrooper_ref.golden.bits import to_bfloat16, to_hex
from paratrooper_ref.golden.bounds import MARGIN, excess, margins
from paratrooper_ref.golden.certify import Open, balls, rounded, working
from paratrooper_ref.golden.check import Check
from paratrooper_ref.golden.content import dump, parse
from paratrooper_ref.golden.document import Golden, Value
from paratrooper_ref.golden.error import GoldenError, Unproved
from paratrooper_ref.golden.make import growth, loop, make
from paratrooper_ref.golden.prove import claims, prove_again
from paratrooper_ref.golden.recipe import Core, Feed, Full, begin, draw
from paratrooper_ref.golden.recipes import recipes
from paratrooper_ref.golden.recipes.hunts import HUNTS, LATER
from paratrooper_ref.variants import VARIANTS
from tests.helpers import FAMILY

SMALLEST = 2.0**-1074


def around(mid: str | float, rad: float = 0.0) -> Any:
    """Return a ball."""
    return flint.arb(mid, rad) if rad else flint.arb(mid)


def one(x: Any) -> tuple[float, float]:
    """Return the proved doubles of one ball."""
    value = rounded(np.array([x], dtype=object))
    return float(value.hi[0]), float(value.lo[0])


def nearest(x: Fraction) -> float:
    """Return the double nearest to a fraction, by Python's own division."""
    return x.numerator / x.denominator


# --------------------------------------------------------------------------- rounding


def exact_numbers() -> list[Fraction]:
    """Return numbers of all sizes with up to 300 bits, ties and powers of two among them."""
    rng = np.random.default_rng(1)
    found = [Fraction(0), Fraction(1), Fraction(2) ** 52]
    found += [Fraction(1, 2**1074), Fraction(3, 2**1074)]
    for _ in range(400):
        bits = int(rng.integers(1, 300))
        mid = int.from_bytes(rng.bytes(38)) >> (304 - bits) | 1
        found.append(Fraction(mid) * Fraction(2) ** int(rng.integers(-1100, 600)))
    for e in (-1000, -3, 0, 7, 900):
        unit = Fraction(2) ** (e - 52)
        base = Fraction(2) ** e
        found += [base + unit / 2, base + 3 * unit / 2, base - unit / 4]
        found += [base - unit / 2 + unit / 2**80, base + unit / 2 + unit / 2**90]
        found += [base - unit / 4 - unit / 2**70]
    return [sign * x for x in found for sign in (1, -1)]


def test_exact_numbers_are_rounded_as_the_definition_says() -> None:
    """Nearest double, ties to even, and again of what remains, subnormal numbers too."""
    flint.ctx.prec = 2400
    for x in exact_numbers():
        exact = flint.arb(x.numerator) / flint.arb(x.denominator)  # a power of two
        hi = nearest(x)
        assert one(exact) == (hi, nearest(x - Fraction(hi))), x


def test_balls_are_rounded_only_if_all_their_numbers_agree() -> None:
    """A radius that reaches over a boundary leaves the number open; one that does not, not."""
    with working(300):
        tie = flint.arb(1) + flint.arb(2) ** -53
        assert one(tie) == (1.0, 2.0**-53)  # exact: to even
        for shift in (2.0**-100, -(2.0**-100)):
            moved = tie + flint.arb(shift) + around(0, 2.0**-120)
            assert one(moved)[0] == (1.0 if shift < 0 else 1 + 2.0**-52)
        with pytest.raises(Open):
            one(tie + around(0, 2.0**-120))
        with pytest.raises(Open):
            one(around(1, 2.0**-60))  # hi is known, what remains is not
        with pytest.raises(Open):
            one(around(0, 1e-300))
        with pytest.raises(Open):
            one(flint.arb("nan"))
    with working(2400):
        third = flint.arb(1) / 3 * 3
        assert not third.is_exact()
        assert one(third) == (1.0, 0.0)  # what remains is below half the smallest double


def test_the_fast_way_and_the_definition_agree() -> None:
    """Where the array way proves a number, integers prove the same."""
    rng = np.random.default_rng(2)
    with working(200):
        numbers = [
            flint.arb(float(rng.normal())).exp() * flint.arb(2) ** int(rng.integers(-1080, 900))
            for _ in range(500)
        ]
        numbers += [flint.arb(2) ** -1074 * flint.arb(k) / 8 for k in range(1, 40)]
    value = rounded(np.array(numbers, dtype=object))
    for x, hi, lo in zip(numbers, value.hi, value.lo, strict=True):
        assert certify._slowly(x) == (hi, lo)


def test_a_number_too_large_for_a_double_is_refused() -> None:
    """It is no golden value."""
    with pytest.raises(Unproved, match="too large"):
        one(flint.arb(2) ** 1024)


def test_bfloat16_is_rounded_to_even() -> None:
    """Against integers, for numbers and ties of all sizes."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=4000) * 2.0 ** rng.integers(-140, 100, size=4000)
    halves = 1 + (2 * rng.integers(0, 128, size=500) + 1) / 256
    ties = halves * 2.0 ** rng.integers(-100, 100, size=500)
    for a in [*x, *ties, 0.0, 2.0**-133, 2.0**-134, 1.5 * 2.0**-134, -(2.0**-134)]:
        number = ball.exactly(float(a))
        mid, exp = ball.nearest(abs(number.mid), number.exp, 8, -133)
        assert to_bfloat16(a) == math.copysign(math.ldexp(mid, exp), a)
    with pytest.raises(OverflowError, match="bfloat16"):
        to_bfloat16(2.0**128)


def test_two_doubles_make_one_exact_ball() -> None:
    """However far apart they are."""
    x = balls(np.array([1.0, 1e300]), np.array([SMALLEST, -1e-300]))

    assert all(a.is_exact() for a in x)
    with working(2400):
        assert x[0] - 1 == flint.arb(SMALLEST)
        assert x[1] - flint.arb(1e300) == flint.arb(-1e-300)


# --------------------------------------------------------------------------- cases


def simple(optimizer: pr.Optimizer, steps: int = 2, **options: Any) -> Core:
    """Return a recipe with two layers and drawn gradients."""
    params = {"w": draw("w", 2, 2), "b": draw("b", 3)}
    feeds = [{"w": draw(f"g{i}", 2, 2), "b": draw(f"h{i}", 3)} for i in range(steps)]
    return Core(
        case="test/case-decimal", about="a test", optimizer=optimizer,
        start=begin(optimizer, params), feeds=tuple(Feed(grads=g) for g in feeds), **options,
    )


def test_sgd_is_proved_to_be_what_fractions_say() -> None:
    """No root, no division: every line of it is exact, and rounded once."""
    golden = make(simple(pr.SGD(lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.7)))
    lr, mu, tau, decay = (Fraction(x) for x in (0.1, 0.9, 0.3, 0.7))
    for step in golden.steps:
        for layer, given in step.inputs.items():
            for i in range(given["theta"].size):  # type: ignore[union-attr]
                theta, g, u = (Fraction(given[s].hi[i]) for s in ("theta", "g", "u"))  # type: ignore[union-attr]
                g += decay * theta
                u = g if step.t == 1 else mu * u + (1 - tau) * g
                for tag, x in (("regularized", g), ("u", u), ("theta", theta - lr * u)):
                    line = step.lines[layer][tag]
                    assert isinstance(line, Value)
                    hi = nearest(x)
                    assert (line.hi[i], line.lo[i]) == (hi, nearest(x - Fraction(hi)))


@pytest.mark.parametrize("name", FAMILY)
def test_every_optimizer_makes_a_case_that_holds(name: str) -> None:
    """Proved, written, read, verified and proved again."""
    golden = make(simple(FAMILY[name]))

    again = parse(dump(golden), "case")

    assert dump(again) == dump(golden)
    Check(again, "case").all()
    prove_again(again, "case")


def test_a_number_between_two_doubles_rejects_the_case_with_its_name() -> None:
    """With one element the trust ratio cancels: the step is 0.001 times 8 bits, here a tie."""
    optimizer = pr.LAMB(weight_decay=0.0)
    for k in range(128, 256):
        exact = Fraction(k, 128) * Fraction(0.001)
        if Fraction(nearest(exact)) != exact and _is_tie(exact):
            break
    start = begin(optimizer, {"s": np.array(k / 128)})
    recipe = Core(
        case="lamb/tie-decimal", about="a tie", optimizer=optimizer, start=start,
        feeds=(Feed(grads={"s": np.array(3.0)}),),
    )

    with pytest.raises(Unproved, match="lamb/tie-decimal is not admitted: step 1 is not decided"):
        make(recipe)


def _is_tie(x: Fraction) -> bool:
    below = nearest(x)
    neighbours = (math.nextafter(below, math.inf), math.nextafter(below, -math.inf))
    return any(x - Fraction(below) == Fraction(n) - x for n in neighbours)


def test_a_branch_on_its_threshold_rejects_the_case_with_its_name() -> None:
    """Here h is 1/2 exactly, by way of (1/3)**2 times 9: no number of bits decides h <= 1/2."""
    optimizer = pr.RAdam(beta1=0.75, beta2=0.25, warmup="auto")
    g = np.zeros(9)
    g[:2] = 0.5
    recipe = Core(
        case="radam/on-the-edge", about="h = 1/2", optimizer=optimizer,
        start=begin(optimizer, {"w": np.ones(9)}), feeds=(Feed(grads={"w": g}),),
    )

    with pytest.raises(Unproved, match=r"radam/on-the-edge is not admitted.*not decided"):
        make(recipe)


def test_a_norm_that_may_be_zero_rejects_the_case_with_its_name() -> None:
    """The direction is (1/3) / (1/3) - 1: zero in truth, and no ball around it says so."""
    optimizer = pr.LAMB(beta1=0.5, beta2=0.125, eps=0.0, weight_decay=1.0)
    slots = {"m": {"w": np.array([0.25])}, "v": {"w": np.array([0.4375])}}
    recipe = Core(
        case="lamb/zero-or-not", about="a norm", optimizer=optimizer,
        start=begin(optimizer, {"w": np.array([-1.0])}, 1, **slots),  # type: ignore[arg-type]
        feeds=(Feed(grads={"w": np.array([0.25])}),),
    )

    with pytest.raises(Unproved, match="lamb/zero-or-not is not admitted: step 2 is not decided"):
        make(recipe)


def test_a_row_that_stands_still_is_no_growth(monkeypatch: pytest.MonkeyPatch) -> None:
    """A moved trajectory that is lost to NaN is not taken for one that keeps its distance."""
    problem = problems.rosenbrock()
    slope = problem.slope

    def lost(params: Any) -> Any:
        found = slope(params)
        if len(found["x"]) > 1 and flint.ctx.prec < 2000:
            found["x"][1, 0] = flint.arb("nan")
        return found

    recipe = closed(pr.SGD(lr=1e-3), problem, steps=5)
    wanted = growth(recipe, [1e-3] * 5)
    recipe = closed(pr.SGD(lr=1e-3), replace(problem, slope=lost), steps=5)

    assert np.array_equal(growth(recipe, [1e-3] * 5), wanted)


def test_more_bits_are_taken_where_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same doubles from any number of bits to begin with, and none from too few."""
    recipe = simple(pr.Paratrooper())
    wanted = dump(make(recipe))
    for bits in (64, 500, 2000):
        monkeypatch.setattr(certify, "START_BITS", bits)
        assert dump(make(recipe)) == wanted
    monkeypatch.setattr(certify, "START_BITS", 64)
    monkeypatch.setattr(certify, "MOST_BITS", 64)
    with pytest.raises(Unproved, match="64 bits"):
        make(recipe)


def test_large_layers_keep_state_and_single_numbers() -> None:
    """Of 65 elements or more."""
    for n, kept in ((64, True), (65, False)):
        start = begin(pr.LAMB(), {"w": draw("w", n)})
        feeds = (Feed(grads={"w": draw("g", n)}),)
        golden = make(
            Core(case="lamb/wide-decimal", about="x", optimizer=pr.LAMB(), start=start, feeds=feeds)
        )
        lines = golden.steps[0].lines["w"]
        assert ("direction" in lines) is kept
        assert {"theta", "m", "v", "ratio", "trust_ratio", "weight_norm", "lr"} <= lines.keys()


# --------------------------------------------------------------------------- closed loops


def closed(optimizer: pr.Optimizer, problem: Any, steps: int = 30, **options: Any) -> Full:
    """Return the recipe of a trajectory."""
    return Full(
        case="test/loop", about="a test", optimizer=optimizer, problem=problem, steps=steps,
        **options,
    )


@pytest.mark.parametrize(
    "problem",
    [
        problems.rosenbrock(), problems.ackley(), problems.rastrigin(),
        problems.linear_net(width=2),
        problems.tanh_net(depth=1, width=2, samples=8), problems.layered_quadratic(),
        problems.minibatch(problems.diabetes(), size=16), problems.logistic_regression(n=2),
    ],
    ids=lambda p: p.name,
)
def test_trajectories_are_proved_and_the_float64_run_is_near(problem: Any) -> None:
    """Transcendental problems too; every stored number, verified and proved again."""
    golden = make(closed(pr.Paratrooper(lr=1e-3), problem))

    Check(golden, "loop").all()
    prove_again(golden, "loop")
    run = pr.run(pr.Paratrooper(lr=1e-3), problem, 30)
    for layer in golden.layers:
        stored = golden.steps[-1].lines[layer].get("theta", golden.steps[-1].inputs[layer]["theta"])
        assert isinstance(stored, Value)
        got = np.ravel(run.params[layer][-1])
        assert np.max(np.abs(got - stored.hi)) <= 1e-12 * np.max(np.abs(stored.hi))


def test_the_growth_of_a_linear_iteration_is_its_eigenvalue() -> None:
    """Gradient descent on a parabola: each step multiplies a change by 1 - lr * curvature."""
    problem = problems.quadratic_bowl(kappa=4, n=2, rotation=None, shift=0.0)
    recipe = closed(pr.SGD(lr=0.125), problem, steps=5)
    start = {k: np.max(np.abs(x)) for k, x in problem.starts[0].items()}["x"]
    found = growth(recipe, [0.125] * 5)
    unit = np.spacing(start) / start

    slowest = max(abs(1 - 0.125 * curvature) for curvature in (1, 4))
    for t, grown in enumerate(found, start=1):
        assert grown / (unit * slowest**t) == pytest.approx(1, rel=1e-9)


def test_what_forgets_its_start_is_refused() -> None:
    """LARS on a net whose layers start near zero: after 48 steps no digit of the start is left."""
    net = problems.linear_net(depth=3, width=2, samples=8, skip="layer")
    recipe = closed(pr.LARS(lr=1.0, trust_coefficient=1e-2), net, steps=60)

    with pytest.raises(Unproved, match="test/loop is not admitted: a change of the start"):
        make(recipe)


def test_schedules_and_metrics_are_part_of_a_trajectory() -> None:
    """The metric is the proved loss, the rates those of the schedule."""
    schedule = pr.ReduceOnPlateau(epoch=3, patience=0, factor=0.5, threshold=0.99)
    golden = make(closed(pr.SGD(lr=2e-3), problems.rosenbrock(), steps=12, schedule=schedule))

    asked = [step.t for step in golden.steps if step.metric is not None]
    assert asked == [4, 7, 10]
    assert len({step.lr for step in golden.steps}) > 1
    Check(golden, "loop").all()
    prove_again(golden, "loop")


def test_a_trajectory_takes_more_bits_as_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few bits are not enough, and the doubles are the same."""
    recipe = closed(pr.Adam(lr=1e-2), problems.rosenbrock(), steps=60)
    wanted = [to_hex(step.lines["x"]["theta"].hi) for step in loop(recipe)]  # type: ignore[union-attr]
    monkeypatch.setattr("paratrooper_ref.golden.make.LOOP_BITS", 64)

    again = [to_hex(step.lines["x"]["theta"].hi) for step in loop(recipe)]  # type: ignore[union-attr]

    assert again == wanted


# --------------------------------------------------------------------------- claims


def shipped_like(case: str) -> Golden:
    """Return a case of the corpus, made anew."""
    return make(recipes()[case])


def test_a_claim_that_does_not_hold_is_found() -> None:
    """One that the case cannot show, one of another optimizer, one that nobody knows."""
    golden = shipped_like("adam/zero-weights-decimal")
    claims(golden, "case")

    for name, reason in (
        ("sgd.nesterov_ignored", "no variant of this optimizer"),
        ("adam.no_such", "no variant of this optimizer"),
        ("adam.eps_hat", "bounds away"),
    ):
        with pytest.raises(GoldenError, match=reason) as found:
            claims(replace(golden, catches=(*golden.catches, name)), "case")
        assert found.value.field == f"catches[{len(golden.catches)}]"


def test_the_published_line_is_no_distance_away() -> None:
    """The measure of a claim is 0 or so for what is right."""
    golden = shipped_like("lamb/ratios-dyadic")
    same = replace(VARIANTS["lamb.ratio_inverted"], name="lamb.same")
    same = replace(same, line=same.was)

    assert margins(golden, [same])["lamb.same"] < 1
    assert margins(golden, [VARIANTS["lamb.ratio_inverted"]])["lamb.ratio_inverted"] > 1000


def test_what_has_no_bound_is_neither_within_nor_caught() -> None:
    """Infinity for who has to be sure of the one, 0 for who has to be sure of the other."""
    wanted = Value(np.array([1.0, 1.0]), np.zeros(2))
    for error in (np.inf, np.nan):
        for got in (1.0, 2.0, np.nan, np.inf):
            both = (np.array([1.0, got]), wanted, np.array([0.5, error]))
            assert excess(*both, undecided=np.inf) == np.inf
            assert excess(*both, undecided=0.0) == 0
    crashed = (np.array([1.0, np.nan]), wanted, np.array([0.5, 0.5]))
    assert excess(*crashed, undecided=0.0) == np.inf


def test_every_variant_is_caught_by_the_core_tier() -> None:
    """Each bug and dialect of the table is some case's claim, but younger ones; forms are none.

    Those are in the kill matrix, as all are.
    """
    claimed = {name for recipe in recipes().values() for name in recipe.catches}
    named = {name for patterns in HUNTS.values() for name in patterns}

    whole = {name for name, variant in VARIANTS.items() if variant.kind != "form"}
    assert whole - claimed == LATER - named
    assert claimed <= whole
    assert LATER & named == {
        "first_batch.zeros_left_out", "lamb.direction_norm_unguarded",
        "lars.direction_norm_unguarded", "lars.ratio_at_least_1_at_rest",
        "lars_2019.direction_norm_unguarded", "lookahead.waits", "radam.count_stops",
        "radam.counts_twice",
    }
    assert all(recipe.catches for recipe in recipes().values())
    assert MARGIN >= 4
