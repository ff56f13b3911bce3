"""Numbers to check by hand: the specification's table, and first steps with small fractions.

Hyperparameters here are dyadic and roots perfect, so every value below is exact, and the
comparisons are for equality.
"""

import itertools
import math
from ast import literal_eval
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import paratrooper_ref as pr
from paratrooper_ref.arithmetic import EXACT, Scalar, scalar
from paratrooper_ref.optimizers.warmup import first_batch
from tests import oracle
from tests.helpers import RECTIFIED, named

# t, rho, b, r, R for the doubles nearest to beta = (0.95, 0.999): the specification, section 3.
TABLE = """
1     1                   0.63245553203367559  -                    10
5     4.9959980004016012  0.31226370587524366  -                    10
6     5.9941637516567173  0.29203677870034335  0.025821112801865228 132.61342622908619
25    24.895949051987293  0.21750255412696061  0.098195581589578448 46.821324180899702
151   147.19954424226527  0.37461807912294091  0.26622333919065617  10.026864381610604
152   148.14905763842316  0.37575672899997817  0.26711629448908055  9.9630624362191396
1000  835.96737561079344  0.79517581403676777  0.64532565233806561  1.9487579897148763
2000  1373.6534979907649  0.92994627511620292  0.82839006097190246  1.29809734366523824
10000 1998.0964922659898  0.99997741307192682  0.99977330493435133  1.00024933902783
"""
ROWS = [line.split() for line in TABLE.strip().splitlines()]


def at(t: int, **hyper: Any) -> dict[str, Any]:
    """Return the lines of step t of Paratrooper, from a state made up for it."""
    optimizer = pr.Paratrooper(**{"warmup": "momentum", **hyper})
    x = {"x": np.array([3.0, 4.0])}
    state = pr.State(params=x, t=t - 1, m=x, v=x, slow=x)
    _, lines = optimizer.step(state, {"x": np.array([1.0, 1.0])})
    return lines["x"]


def formulas(t: int, beta1: float, beta2: float) -> dict[str, Scalar]:
    """Return the specification's section 2, in exact scalars, written once more."""
    one, two = scalar(EXACT, beta1), scalar(EXACT, beta2)
    rho_inf = 2 / (1 - two) - 1
    rho = rho_inf - 2 * t * two**t / (1 - two**t)
    b = (1 - two**t).sqrt() / (1 - one**t)
    r = ((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)).sqrt()
    return {"rho": rho, "b": b, "r": r, "R": 1 / (r * b)}


def digits(text: str) -> int:
    """Return how many significant digits a number is written with."""
    return len(text.replace(".", "").lstrip("0"))


def agrees(x: float, text: str) -> bool:
    """Return whether x is the double that 17 digits name, or rounds to the fewer given."""
    if digits(text) >= 17 or "." not in text:
        return x == float(text)
    return f"{x:.{digits(text)}g}" == f"{float(text):.{digits(text)}g}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_table_as_recorded_lines(row: list[str]) -> None:
    """The lines of a step are the table's digits, 17 of which name one double."""
    t, rho, b, r, ceiling = row

    lines = at(int(t))

    assert agrees(lines["rho"], rho)
    assert agrees(lines["cap"], ceiling)
    assert lines["rectified"] == (r != "-") == (int(t) >= 6)
    if lines["rectified"]:
        assert agrees(lines["rectification"], r)
        assert agrees(lines["bias_correction"], b)
    else:
        assert not {"rectification", "bias_correction"} & lines.keys()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_table_as_direct_expressions(row: list[str]) -> None:
    """The same formulas in exact scalars give the same digits; b_t exists where r_t does not."""
    t, rho, b, r, ceiling = row

    found = formulas(int(t), 0.95, 0.999)

    assert agrees(float(found["rho"]), rho)
    assert agrees(float(found["b"]), b)
    if r != "-":
        assert agrees(float(found["r"]), r)
        assert agrees(float(found["R"]), ceiling)


def test_ceiling_crosses_ten_between_151_and_152() -> None:
    """R falls from its jump at t = 6 all the way, so it crosses 10 once."""
    ceilings = {t: float(formulas(t, 0.95, 0.999)["R"]) for t in range(6, 400)}

    assert all(a > b for a, b in itertools.pairwise(ceilings.values()))
    assert [t for t in ceilings if ceilings[t] > 10][-1] == 151
    assert at(151)["cap"] > 10 > at(152)["cap"]
    assert at(1)["cap"] == at(5)["cap"] == 10
    assert at(6)["cap"] == max(ceilings.values())


def test_combined_correction_is_smallest_at_25() -> None:
    """b_t falls while m warms up faster than v, then rises to 1."""
    curve = [float(formulas(t, 0.95, 0.999)["b"]) for t in range(1, 2001)]

    assert curve.index(min(curve)) + 1 == 25
    assert curve[:25] == sorted(curve[:25], reverse=True)
    assert curve[24:] == sorted(curve[24:])
    assert [round(1 / x, 2) for x in (curve[0], min(curve), curve[-1])] == [1.58, 4.6, 1.08]


def test_ceiling_below_one_leaves_a_ratio_of_one() -> None:
    """For beta = (0.99, 0.9) R is 0.335 at t = 6, and max comes last."""
    lines = at(6, beta1=0.99, beta2=0.9)

    assert lines["cap"] == 0.33502704634966546
    assert lines["trust_ratio"] == 1
    assert at(6, beta1=0.99, beta2=0.9, lower=0.0)["trust_ratio"] == lines["cap"]


@pytest.mark.parametrize(
    ("hyper", "first"),
    [
        (("radam", {}), 5),
        (("radam", {"threshold": 5.0}), 6),
        (("radamw", {}), 6),
        (("ranger", {}), 6),
        (("rangerlars", {}), 6),
        (("paratrooper", {"warmup": "momentum"}), 6),
        (("radamw", {"beta2": 0.9}), 6),
        (("radamw", {"beta2": 0.9, "threshold": 4.0}), 5),
        (("radamw", {"beta2": 0.75}), 8),
        (("radamw", {"beta2": 0.6875}), 11),
    ],
    ids=str,
)
def test_first_rectified_step(hyper: tuple[str, dict[str, Any]], first: int) -> None:
    """RAdam's paper switches at rho > 4, everything after it at rho > 5, one step later."""
    optimizer = named(*hyper)
    state = optimizer.init({"x": np.array([1.0])})
    seen = []

    for _ in range(first):
        state, lines = optimizer.step(state, {"x": np.array([1.0])})
        seen.append(lines["x"]["rectified"])

    assert seen == [False] * (first - 1) + [True]


@pytest.mark.parametrize("name", RECTIFIED)
def test_a_step_at_the_threshold_is_not_rectified(name: str) -> None:
    """No exact rho is a double from 4 up; one formed in double precision can meet its threshold."""
    x = {"x": np.array([1.0])}

    def step(threshold: float) -> dict[str, Any]:
        optimizer = named(name, {"threshold": threshold, "warmup": "momentum"})
        slots: dict[str, Any] = dict.fromkeys(optimizer.slots(), x)
        state = pr.State(params=x, t=6, scalars="float64", warmup="momentum", **slots)
        return optimizer.step(state, x)[1]["x"]

    rho = step(4.0)["rho"]
    assert step(float(rho))["rectified"] is False
    assert step(float(np.nextafter(rho, 0.0)))["rectified"] is True


Row = dict[str, Any]


def check(
    optimizer: pr.Optimizer,
    theta: list[float],
    gradients: list[list[float]],
    *expected: Row,
) -> None:
    """Assert that the lines of the steps from theta have exactly these values."""
    state = optimizer.init({"x": np.array(theta, dtype=float)})
    for gradient, row in zip(gradients, expected, strict=True):
        state, lines = optimizer.step(state, {"x": np.array(gradient, dtype=float)})
        for tag, value in row.items():
            assert_array_equal(lines["x"][tag], value, err_msg=tag)
        assert_array_equal(state.params["x"], lines["x"]["theta"])


def test_sgd_is_the_gradient_step() -> None:
    """4 - 0.5 * 3 = 2.5."""
    check(pr.SGD(lr=0.5), [4], [[3]], {"u": [3], "direction": [3], "update": [1.5], "theta": [2.5]})


def test_sgd_buffer_starts_at_the_gradient_and_then_is_dampened() -> None:
    """Dampening skips the first step: u = 3 + 4/4 = 4, then u = 4/2 + (1 - 1/4) (1 + 2/4)."""
    optimizer = pr.SGD(lr=0.5, momentum=0.5, dampening=0.25, weight_decay=0.25)

    check(
        optimizer, [4], [[3], [1]],
        {"g": [3], "regularized": [4], "u": [4], "direction": [4], "theta": [2]},
        {"g": [1], "regularized": [1.5], "u": [3.125], "update": [1.5625], "theta": [0.4375]},
    )


def test_sgd_nesterov_adds_the_decayed_buffer_once_more() -> None:
    """D = g + u/2: 4 + 2 = 6 with u = 4, then 2 + 4/2 = 4 with u = 2 + 2."""
    check(
        pr.SGD(lr=0.25, momentum=0.5, nesterov=True), [4], [[4], [2]],
        {"u": [4], "direction": [6], "update": [1.5], "theta": [2.5]},
        {"u": [4], "direction": [4], "update": [1], "theta": [1.5]},
    )


def test_adam_step_by_hand() -> None:
    """At t = 1 m̂ = g and v̂ = g², so D = 3/(3 + 1); at t = 2 both are weighted means.

    beta = 1/2: m = 3/2, v = 9/2, 1 - beta^t = 1/2; then m = 3/4 - 3/2 = -3/4, v = 9/4 + 9/2,
    1 - beta^t = 3/4, so m̂ = -1, v̂ = 9, D = -1/(3 + 1).
    """
    optimizer = pr.Adam(lr=0.5, beta1=0.5, beta2=0.5, eps=1.0)

    check(
        optimizer, [2], [[3], [-3]],
        {"m": [1.5], "v": [4.5], "beta1_t": 0.5, "m_hat": [3], "v_hat": [9], "denominator": [4],
         "direction": [0.75], "update": [0.375], "theta": [1.625]},
        {"m": [-0.75], "v": [6.75], "beta2_t": 0.25, "m_hat": [-1], "v_hat": [9],
         "direction": [-0.25], "update": [-0.125], "theta": [1.75]},
    )


def test_adam_decay_enters_the_moments() -> None:
    """L2: g̃ = 2 + 2/2 = 3, and the step is that of a gradient of 3."""
    optimizer = pr.Adam(lr=0.5, beta1=0.5, beta2=0.75, eps=1.0, weight_decay=0.5)

    check(
        optimizer, [2], [[2]],
        {"g": [2], "regularized": [3], "m": [1.5], "v": [2.25], "direction": [0.75],
         "theta": [1.625]},
    )


def test_adamw_decay_stays_out_of_the_moments() -> None:
    """D = 3/(3 + 1) + 2/2 = 1.75; the moments know nothing of theta."""
    optimizer = pr.AdamW(lr=0.5, beta1=0.5, beta2=0.75, eps=1.0, weight_decay=0.5)

    check(
        optimizer, [2], [[3]],
        {"m": [1.5], "v": [2.25], "m_hat": [3], "v_hat": [9], "direction": [1.75],
         "update": [0.875], "theta": [1.125]},
    )


@pytest.mark.parametrize("family", [pr.RAdam, pr.RAdamW])
def test_radam_first_steps_are_along_the_momentum(family: type[Any]) -> None:
    """rho_1 = 1 whatever beta2 is, so D = m̂ = g: 3, then (3/4 + 6/2) / (3/4) = 5."""
    optimizer = family(lr=0.5, beta1=0.5, beta2=0.5, weight_decay=0)

    check(
        optimizer, [2], [[3], [6]],
        {"rho_inf": 3, "rho": 1, "rectified": False, "m": [1.5], "v": [4.5], "direction": [3],
         "update": [1.5], "theta": [0.5]},
        {"rho": 3 - 4 * 0.25 / 0.75, "m": [3.75], "m_hat": [5], "direction": [5],
         "theta": [-2]},
    )


def test_radam_decay_is_l2_and_radamw_decay_is_not() -> None:
    """RAdam: D = g̃ = 2 + 2/2.  RAdamW: D = g + 2/2 with m of g alone; with l2 both: 3 + 1."""
    shared: dict[str, Any] = {"lr": 0.5, "beta1": 0.5, "beta2": 0.5, "weight_decay": 0.5}

    check(pr.RAdam(**shared), [2], [[2]], {"regularized": [3], "m": [1.5], "direction": [3]})
    check(pr.RAdamW(**shared), [2], [[2]], {"regularized": [2], "m": [1], "direction": [3]})
    check(
        pr.RAdamW(**shared, l2=0.5), [2], [[2]],
        {"regularized": [3], "m": [1.5], "v": [4.5], "direction": [4], "theta": [0]},
    )


@pytest.mark.parametrize(("inside", "root"), [(True, 5.0), (False, 3 + 16.0)])
def test_rectified_step_by_hand(inside: bool, root: float) -> None:
    """With v = 9 and eps = 16 the divisor is sqrt(9 + 16) = 5, or 3 + 16 with eps outside.

    At t = 6 of beta = (0.95, 0.999) r and b are in the table; D = r b m / d + lambda theta.
    """
    optimizer = pr.RAdamW(
        lr=1, beta1=0.95, eps=16, weight_decay=0.25, eps_inside_root=inside, threshold=5
    )
    x = {"x": np.array([8.0])}
    state = pr.State(params=x, t=5, m={"x": np.array([2.0])}, v={"x": np.array([9.0])})

    _, lines = optimizer.step(state, {"x": np.array([3.0])})

    row = lines["x"]
    assert abs(float(row["v"][0]) - 9) < 4e-15  # 0.999 * 9 + 0.001 * 9
    assert abs(float(row["m"][0]) - (0.95 * 2 + 0.05 * 3)) < 1e-15
    assert abs(float(row["denominator"][0]) - root) < 4e-15
    scale = 0.025821112801865228 * 0.29203677870034335
    assert abs(float(row["direction"][0]) - (scale * 2.05 / root + 2)) < 1e-15


def test_rectified_step_under_a_constant_gradient_is_r() -> None:
    """With eps = 0 and one gradient g all along, b m / sqrt(v) is its sign, so D = r_t sign(g)."""
    optimizer = pr.RAdam(beta1=0.95, eps=0)
    state = optimizer.init({"x": np.array([0.0, 0.0])})
    gradient = {"x": np.array([7.0, -0.125])}

    for _ in range(25):
        state, lines = optimizer.step(state, gradient)

    r = 0.098195581589578448  # the table's, at t = 25
    assert np.all(abs(lines["x"]["direction"] / [r, -r] - 1) < 1e-14)


def test_warm_up_without_steps_moves_the_moments_alone() -> None:
    """Where rho <= threshold and warmup is "none" nothing is subtracted, not even decay."""
    optimizer = pr.RAdamW(lr=0.5, beta1=0.5, beta2=0.75, weight_decay=0.5, warmup="none")
    state = optimizer.init({"x": np.array([2.0])})

    state, lines = optimizer.step(state, {"x": np.array([4.0])})

    assert list(lines["x"]) == [
        "g", "regularized", "m", "v", "beta1_t", "beta2_t", "rho_inf", "rho", "rectified", "lr",
        "theta",
    ]
    assert state.params["x"] == 2
    assert state.m is not None
    assert state.v is not None
    assert state.m["x"] == 2
    assert state.v["x"] == 4


def test_lars_2017_by_hand() -> None:
    """Ratio 5/(5 + 5/2 + 5/2) = 1/2 with the sum of norms, T = q/4, the rate in the buffer.

    g̃ = (-3, 4) + (3, 4)/2 = (-1.5, 6); u = lr T g̃ = g̃/16; theta = (3, 4) - u.  Then, with the
    buffer: u' = u/2 + lr T' g̃'.
    """
    optimizer = pr.LARS(lr=0.5, momentum=0.5, trust_coefficient=0.25, weight_decay=0.5, eps=2.5)

    check(
        optimizer, [3, 4], [[-3, 4]],
        {"regularized": [-1.5, 6], "direction": [-1.5, 6], "weight_norm": 5, "ratio": 0.5,
         "trust_ratio": 0.125, "u": [-0.09375, 0.375], "update": [-0.09375, 0.375],
         "theta": [3.09375, 3.625]},
    )
    # One weight: |theta| / |g| = 4/2, T = 2 c = 1/2, u = 1/2 2/2; then 3.5/7 c = 1/8 and
    # u = 1/4 + 1/2 1/8 7.
    check(
        pr.LARS(lr=0.5, momentum=0.5, trust_coefficient=0.25, weight_decay=0), [4], [[2], [7]],
        {"ratio": 2, "trust_ratio": 0.5, "u": [0.5], "theta": [3.5]},
        {"ratio": 0.5, "trust_ratio": 0.125, "u": [0.6875], "theta": [2.8125]},
    )


def test_lars_2019_by_hand() -> None:
    """The buffer is (1 - 1/2) g̃ = (6, 8), T = 5/10, and the rate is outside the buffer."""
    optimizer = pr.LARS(form="2019", lr=0.5, momentum=0.5, weight_decay=1)

    check(
        optimizer, [3, 4], [[9, 12]],
        {"regularized": [12, 16], "u": [6, 8], "direction": [6, 8], "weight_norm": 5,
         "direction_norm": 10, "ratio": 0.5, "trust_ratio": 0.5, "update": [1.5, 2],
         "theta": [1.5, 2]},
    )


@pytest.mark.parametrize(
    ("bounds", "ratio", "trust"),
    [
        ({}, 2.0, 2.0),
        ({"upper": 1.5}, 2.0, 1.5),
        ({"lower": 3.0}, 2.0, 3.0),
        ({"norm_upper": 1.0}, 0.5, 0.5),
        ({"norm_lower": 8.0}, 4.0, 4.0),
        ({"norm_lower": 8.0, "norm_upper": 1.0}, 0.5, 0.5),  # min comes last in phi
        ({"lower": 3.0, "upper": 1.5}, 2.0, 3.0),  # max comes last in the ratio
    ],
    ids=str,
)
def test_lamb_by_hand(bounds: dict[str, Any], ratio: float, trust: float) -> None:
    """D = 1/(1 + 1) + 2/4 = 1 in each of four elements: norms 4 and 2, ratio 2."""
    optimizer = pr.LAMB(lr=0.25, beta1=0.5, beta2=0.75, eps=1, weight_decay=0.25, **bounds)

    check(
        optimizer, [2, 2, 2, 2], [[1, 1, 1, 1]],
        {"m_hat": [1] * 4, "v_hat": [1] * 4, "denominator": [2] * 4, "direction": [1] * 4,
         "weight_norm": 4, "direction_norm": 2, "ratio": ratio, "trust_ratio": trust,
         "update": [trust / 4] * 4, "theta": [2 - trust / 4] * 4},
    )


SMALL: dict[str, Any] = {"lr": 0.25, "beta1": 0.5, "beta2": 0.875}


def test_ranger_by_hand() -> None:
    """A momentum step, then a half of it at k = 1: D = 2 + 4/4 = 3, 4 - 3/4, (4 + 3.25)/2."""
    optimizer = pr.Ranger(**SMALL, weight_decay=0.25, k=1)

    check(
        optimizer, [4], [[2]],
        {"regularized": [2], "m": [1], "v": [0.5], "m_hat": [2], "direction": [3],
         "update": [0.75], "fast": [3.25], "slow": [3.625], "theta": [3.625]},
    )


@pytest.mark.parametrize(
    ("gradient", "lower", "ratio", "trust"),
    [(-0.75, 0, 16, 10), (7, 0, 0.5, 0.5), (7, 1, 0.5, 1), (1, 0, 2, 2), (1, 3, 2, 3)],
)
def test_rangerlars_by_hand(gradient: float, lower: float, ratio: float, trust: float) -> None:
    """D = g + 4/4 and q = 4/|D|, so g = -0.75, 7, 1 give 16, 1/2, 2; T is q in [lower, 10]."""
    optimizer = pr.RangerLars(**SMALL, weight_decay=0.25, lower=lower, k=2)

    check(
        optimizer, [4], [[gradient]],
        {"direction": [gradient + 1], "weight_norm": 4, "direction_norm": gradient + 1,
         "ratio": ratio, "trust_ratio": trust, "fast": [4 - 0.25 * trust * (gradient + 1)],
         "theta": [4 - 0.25 * trust * (gradient + 1)]},
    )


def test_paratrooper_by_hand() -> None:
    """Decay twice: g̃ = g + theta/2 = (-3, -4), D = g̃ + theta/2 = (-1.5, -2), norms 5 and 2.5.

    h = mean(g²) / ((1/2) / (1/16))² = 28.125/64 <= 1/2: momentum steps.
    """
    optimizer = pr.Paratrooper(
        lr=0.25, beta1=0.5, beta2=0.9375, weight_decay=0.5, k=1, alpha=0.25
    )
    state = optimizer.init({"x": np.array([3.0, 4.0])})

    after, lines = optimizer.step(state, {"x": np.array([-4.5, -6.0])})

    assert lines.model == {"h": 28.125 / 64}
    assert after.warmup == "momentum"
    check(
        optimizer, [3, 4], [[-4.5, -6]],
        {"g": [-4.5, -6], "regularized": [-3, -4], "m": [-1.5, -2], "v": [0.5625, 1],
         "m_hat": [-3, -4], "direction": [-1.5, -2], "weight_norm": 5, "direction_norm": 2.5,
         "ratio": 2, "cap": 10, "trust_ratio": 2, "lr": 0.25, "update": [-0.75, -1],
         "fast": [3.75, 5], "slow": [3.1875, 4.25], "theta": [3.1875, 4.25]},
    )


def test_paratrooper_rectified_by_hand() -> None:
    """At t = 6 T is the ratio of the norms where that is below 132.6, and 132.6 where not.

    theta = 1024 with direction about r b / 5: the ratio is some 1e5, so the ceiling holds.
    """
    optimizer = pr.Paratrooper(lr=2.0**-10, eps=16.0, weight_decay=0.0, warmup="momentum")
    x = {"x": np.array([1024.0])}
    state = pr.State(
        params=x, t=5, m={"x": np.array([1.0])}, v={"x": np.array([9.0])}, slow=x
    )

    after, lines = optimizer.step(state, {"x": np.array([1.0])})

    row = lines["x"]
    assert row["trust_ratio"] == row["cap"] == 132.61342622908619
    # 1/(r b) undoes r b: the step is lr m / sqrt(v + 16), sqrt(0.999 * 9 + 0.001 + 16) = 4.9992.
    assert abs(float(row["update"][0]) * 2**10 - 1 / math.sqrt(24.992)) < 1e-14
    assert_array_equal(row["slow"], (1024 + row["fast"]) / 2)  # t = 6 synchronises
    assert_array_equal(after.params["x"], row["slow"])


@pytest.mark.parametrize(
    ("first", "h", "warmup"),
    [
        ([2.0, 0.0], 0.5, "momentum"),
        ([np.nextafter(2, 0), 0.0], 0.5 - 2.0**-53, "momentum"),
        ([2.0, 2.0**-25], 0.5 + 2.0**-53, "none"),
        ([2.0, 2.0**-26], 0.5, "momentum"),  # Σg² is rounded: 4 + 2^-52 is 4 in double
    ],
    ids=["at", "below", "above", "rounded"],
)
@pytest.mark.parametrize("algorithm", RECTIFIED)
def test_first_batch_rule_at_one_half(
    algorithm: str, first: list[float], h: float, warmup: str
) -> None:
    """(1 - β1)/(1 - β2) = 2, so h = (g1² + g2²)/8, and h <= 1/2 means momentum, 1/2 included."""
    optimizer = named(algorithm, {"beta1": 0.5, "beta2": 0.75, "warmup": "auto"})
    one = optimizer.init({"x": np.array([1.0, 2.0])})
    two = optimizer.init({"x": np.array([1.0]), "y": np.array(2.0)})

    as_one = optimizer.step(one, {"x": np.array(first)})
    as_two = optimizer.step(two, {"x": np.array(first[:1]), "y": np.array(first[1])})

    for state, lines in (as_one, as_two):
        assert abs(lines.model["h"] - h) <= 2.0**-53
        assert (lines.model["h"] > 0.5) == (h > 0.5)
        assert state.warmup == warmup
        assert ("direction" in lines["x"]) == (warmup == "momentum")


def test_first_batch_rule_takes_the_raw_gradient() -> None:
    """The rule knows the gradient alone: decay of 8 on weights of 100 does not enter."""
    optimizer = pr.Paratrooper(beta1=0.5, beta2=0.75, weight_decay=8.0)
    state = optimizer.init({"x": np.array([100.0, 100.0])})

    _, lines = optimizer.step(state, {"x": np.array([1.0, 1.0])})

    assert lines.model["h"] == 0.25


def test_first_batch_rule_counts_the_elements_of_each_trajectory() -> None:
    """Three trajectories of a vector of two and a number: h = Σg²/12 of each, by itself."""
    vector, single = np.array([[1.0, 1.0], [2.0, 2.0], [0.0, 0.0]]), np.array([[1.0], [2.0], [6.0]])

    found = first_batch([vector, single], beta1=0.5, beta2=0.75)

    assert found["h"].tolist() == [[0.25], [1.0], [3.0]]
    assert found["small"].tolist() == [[True], [False], [False]]


ADAPTIVE: dict[str, tuple[pr.Optimizer, float]] = {
    # What the ratio would be: 0 or infinite, clamped away from 1.
    "lars 2017": (pr.LARS(lr=0.5, momentum=0.5, weight_decay=0, trust_coefficient=0.25), 0.5),
    "lars 2019": (pr.LARS(lr=0.5, momentum=0.5, weight_decay=0, form="2019"), 0.5),
    "lamb": (pr.LAMB(lr=0.5, eps=1.0, weight_decay=0, norm_lower=2.0, lower=3.0), 0.5),
    "rangerlars": (pr.RangerLars(lr=0.5, weight_decay=0, lower=2.0), 0.5),
    "paratrooper": (pr.Paratrooper(lr=0.5, weight_decay=0, lower=2.0, cap=7.0), 0.5),
}


@pytest.mark.parametrize("name", ADAPTIVE)
def test_zero_weights_have_a_trust_ratio_of_one(name: str) -> None:
    """Where the norm of theta is 0 the whole local rate is 1, coefficient and bounds included.

    Otherwise weights that start at 0 would stay there.
    """
    optimizer, lr = ADAPTIVE[name]
    state = optimizer.init({"x": np.zeros(2), "y": np.array([3.0, 4.0])})

    after, lines = optimizer.step(state, {"x": np.array([1.0, 1.0]), "y": np.array([1.0, 1.0])})

    assert lines["x"]["ratio"] == lines["x"]["trust_ratio"] == 1
    assert lines["x"]["weight_norm"] == 0
    assert_array_equal(lines["x"]["update"], lr * lines["x"]["direction"])
    assert_array_equal(after.params["x"], -lines["x"]["update"])
    assert lines["y"]["trust_ratio"] != 1  # beside it the rule goes on


@pytest.mark.parametrize("name", ADAPTIVE)
def test_zero_directions_have_a_trust_ratio_of_one(name: str) -> None:
    """Where the norm of D is 0 the ratio would be 1/0; it is 1, and nothing moves."""
    optimizer, _ = ADAPTIVE[name]
    x = np.array([3.0, 4.0])
    state = optimizer.init({"x": x})

    after, lines = optimizer.step(state, {"x": np.zeros(2)})

    assert lines["x"]["direction_norm"] == 0
    assert lines["x"]["ratio"] == lines["x"]["trust_ratio"] == 1
    assert_array_equal(after.params["x"], x)


@pytest.mark.parametrize(("k", "alpha"), [(1, 0.25), (2, 0.5), (5, 0.75)])
def test_lookahead_synchronises_on_multiples_of_k(k: int, alpha: float) -> None:
    """At k - 1 and k + 1 theta is the fast one; at k it is (1 - a) φ + a fast, φ the start.

    With lr = 1 and gradients of -1 the fast weights count steps.
    """
    optimizer = pr.Lookahead(inner=pr.SGD(lr=1), k=k, alpha=alpha)
    state = optimizer.init({"x": np.array([0.0])})
    theta, slow = 0.0, 0.0

    for t in range(1, 3 * k + 2):
        state, lines = optimizer.step(state, {"x": np.array([-1.0])})

        fast = theta + 1
        synchronised = t in range(k, 99, k)
        slow = (1 - alpha) * slow + alpha * fast if synchronised else slow
        theta = slow if synchronised else fast
        assert lines["x"]["fast"] == fast
        assert ("slow" in lines["x"]) == synchronised
        assert state.params["x"] == theta == lines["x"]["theta"]
        assert state.slow is not None
        assert state.slow["x"] == slow


def test_lookahead_keeps_the_inner_moments() -> None:
    """A synchronisation moves theta and φ; m and v are as if there were none."""
    inner = pr.AdamW(beta1=0.5, weight_decay=0)
    with_slow, without = pr.Lookahead(inner=inner, k=2), inner
    a, b = (o.init({"x": np.array([1.0])}) for o in (with_slow, without))

    for g in (1.0, -3.0, 2.0):
        a, _ = with_slow.step(a, {"x": np.array([g])})
        b, _ = without.step(b, {"x": np.array([g])})

    assert a.m == b.m
    assert a.v == b.v
    assert a.params["x"] != b.params["x"]


# Specification, section 6; the ranges are those of its formulas: [0, 1) for what is averaged,
# [0, 1] for shares, [4, inf) where r_t exists, infinite bounds where a bound may be absent.
DEFAULTS = """
sgd lr=1e-2 momentum=0 dampening=0 nesterov=False weight_decay=0
adam lr=1e-3 beta1=0.9 beta2=0.999 eps=1e-8 weight_decay=0
adamw lr=1e-3 beta1=0.9 beta2=0.999 eps=1e-8 weight_decay=1e-2
radam lr=1e-3 beta1=0.9 beta2=0.999 eps=1e-8 weight_decay=0 threshold=4 warmup="momentum"
radamw lr=1e-3 beta1=0.9 beta2=0.999 eps=1e-8 weight_decay=1e-3 l2=0 threshold=5 \
    warmup="momentum" eps_inside_root=False
lars lr=0.1 momentum=0.9 trust_coefficient=1e-3 weight_decay=5e-4 eps=0 form="2017"
lamb lr=1e-3 beta1=0.9 beta2=0.999 eps=1e-6 weight_decay=1e-2 norm_lower=0 norm_upper=inf \
    lower=0 upper=inf
lookahead k=6 alpha=0.5
ranger lr=1e-3 beta1=0.95 beta2=0.999 eps=1e-8 weight_decay=1e-3 l2=0 threshold=5 \
    warmup="momentum" eps_inside_root=False k=6 alpha=0.5
rangerlars lr=1e-3 beta1=0.95 beta2=0.999 eps=1e-8 weight_decay=1e-3 l2=0 threshold=5 \
    warmup="momentum" eps_inside_root=False k=6 alpha=0.5 lower=0 upper=10
paratrooper lr=1e-3 beta1=0.95 beta2=0.999 eps=1e-8 weight_decay=1e-3 l2=None threshold=5 \
    warmup="auto" eps_inside_root=True k=6 alpha=0.5 lower=1 cap="rectified"
""".replace("\\\n", "")
RANGES: dict[str, tuple[list[Any], list[Any]]] = {
    # name: (admitted, refused)
    "lr": ([0.0, 1e9], [-1e-9, math.inf]),
    "momentum": ([0.0, 1 - 2.0**-53], [-1e-9, 1.0]),
    "dampening": ([0.0, 1.0], [-1e-9, 1 + 2.0**-52]),
    "weight_decay": ([0.0, 1e9], [-1e-9, math.inf]),
    "l2": ([0.0, 1e9], [-1e-9, math.inf]),
    "beta1": ([0.0, 1 - 2.0**-53], [-1e-9, 1.0]),
    "beta2": ([0.0, 1 - 2.0**-53], [-1e-9, 1.0]),
    "eps": ([0.0, 1e9], [-1e-9, math.inf]),
    "threshold": ([4.0, 1e9], [math.nextafter(4, 0), math.inf]),
    "warmup": (["momentum", "none", "auto"], ["never", "Momentum"]),
    "form": (["2017", "2019"], ["2018", 2017]),
    "trust_coefficient": ([0.0, 1e9], [-1e-9, math.inf]),
    "norm_lower": ([0.0, 1e9], [-1e-9, math.inf]),
    "norm_upper": ([0.0, math.inf], [-1e-9]),
    "lower": ([0.0, 1e9], [-1e-9, math.inf]),
    "upper": ([0.0, math.inf], [-1e-9]),
    "cap": ([0.0, math.inf, "rectified"], [-1e-9, "constant"]),
    "k": ([1, 10**6], [0, -6, 6.0]),
    "alpha": ([0.0, 1.0], [-1e-9, 1 + 2.0**-52]),
}


@pytest.mark.parametrize("row", DEFAULTS.strip().splitlines(), ids=lambda row: row.split()[0])
def test_arguments_and_defaults_are_the_specifications(row: str) -> None:
    """Names, order and values; the oracle, written from the same table, has no others."""
    algorithm, *arguments = row.split()
    pairs = (argument.split("=") for argument in arguments)
    wanted = {name: math.inf if value == "inf" else literal_eval(value) for name, value in pairs}
    inner: dict[str, Any] = {"inner": ("sgd", {})} if algorithm == "lookahead" else {}

    hyper = named(algorithm, inner).spec["hyper"]
    hyper.pop("inner", None)

    assert list(hyper.items()) == list(wanted.items())
    assert oracle.defaults(algorithm) == wanted


@pytest.mark.parametrize("row", DEFAULTS.strip().splitlines(), ids=lambda row: row.split()[0])
def test_ranges_are_those_of_the_formulas(row: str) -> None:
    """The ends that are meant are taken, and the next double is refused."""
    algorithm, *arguments = row.split()
    inner: dict[str, Any] = {"inner": ("sgd", {})} if algorithm == "lookahead" else {}

    for name in (argument.split("=")[0] for argument in arguments):
        if name not in ("nesterov", "eps_inside_root"):
            admitted, refused = RANGES[name]
            for value in admitted:
                assert named(algorithm, {**inner, name: value}).spec["hyper"][name] == value
            for value in [*refused, math.nan, -math.inf]:
                with pytest.raises((ValueError, TypeError), match=f"needs .*{name}.*, got {name}="):
                    named(algorithm, {**inner, name: value})
