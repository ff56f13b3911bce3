"""The exact recursions are the optimizers' own, and the closed forms are their fixed points."""

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from importlib import import_module
from itertools import combinations, product
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import paratrooper_ref as pr
import problems
from paratrooper_ref import noise_floor as nf
from paratrooper_ref import plots
from paratrooper_ref.noise_floor import EMA, Average, Modes, Tail, after, steady

from .vision import apart

mpl.use("Agg")

MODES = Modes(curvature=[1.0, 0.4, 0.05], noise=[1.0, 0.3, 2.0], gap=[1.0, -2.0, 3.0])
METHODS: dict[str, tuple[pr.Optimizer, Average]] = {
    "sgd": (pr.SGD(lr=0.3), None),
    "momentum": (pr.SGD(lr=0.3, momentum=0.7), None),
    "dampened": (pr.SGD(lr=0.3, momentum=0.7, dampening=0.4), None),
    "nesterov": (pr.SGD(lr=0.3, momentum=0.7, nesterov=True), None),
    "lookahead": (pr.Lookahead(inner=pr.SGD(lr=0.3), k=3, alpha=0.4), None),
    "lookahead of momentum": (
        pr.Lookahead(inner=pr.SGD(lr=0.3, momentum=0.6, dampening=0.2), k=3, alpha=0.7),
        None,
    ),
    "ema": (pr.SGD(lr=0.3), EMA(decay=0.8)),
    "tail": (pr.SGD(lr=0.3), Tail(last=4)),
    "ema of lookahead": (
        pr.Lookahead(inner=pr.SGD(lr=0.3, momentum=0.5), k=3, alpha=0.5),
        EMA(decay=0.6),
    ),
    "tail of lookahead": (pr.Lookahead(inner=pr.SGD(lr=0.3), k=3, alpha=0.5), Tail(last=5)),
}
each_method = pytest.mark.parametrize(("optimizer", "average"), METHODS.values(), ids=METHODS)
EVERY_RATE = np.array([0.01, 0.3, 1.0, 1.7, 1.99])


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def averaged(average: Average, path: list[Any]) -> Any:
    """Return the average of a path of iterates, summed up from its definition."""
    if isinstance(average, Tail):
        return sum(path[-average.last :]) / average.last
    assert average is not None
    d, m = average.decay, len(path) - 1
    return d**m * path[0] + (1 - d) * sum(d ** (m - i) * path[i] for i in range(1, m + 1))


# ----------------------------------------------------------------- the recursion is the optimizer


@each_method
@pytest.mark.parametrize("steps", [5, 8, 9])
def test_the_recursion_is_exact_for_every_sequence_of_two_point_noise(
    optimizer: pr.Optimizer, average: Average, steps: int
) -> None:
    """Mean and variance over all 2^steps runs of the optimizer itself, each equally likely."""
    signs = np.array(list(product((-1.0, 1.0), repeat=steps)))
    state = optimizer.init({"x": np.tile(MODES.gap, (len(signs), 1))}, batch_axes=1)
    path = [state.params["x"]]
    for t in range(steps):
        w = signs[:, t, None] * np.sqrt(MODES.noise)
        state, _ = optimizer.step(state, {"x": MODES.curvature * state.params["x"] + w})
        path.append(state.params["x"])
    found = {"theta": path[-1]} | {slot: state.slot(slot)["x"] for slot in optimizer.slots()}
    found |= {"average": averaged(average, path)} if average else {}

    moments = after(optimizer, MODES, steps, average=average)

    assert moments.names == tuple(found)
    for name, x in found.items():
        mean, variance = moments.of(name)
        assert_allclose(mean, x.mean(axis=0), rtol=1e-12, atol=1e-14)
        assert_allclose(variance, x.var(axis=0), rtol=1e-12, atol=1e-14)
    x = found["average" if average else "theta"]
    loss = (MODES.curvature * x**2).sum(axis=1).mean() / 2
    assert_allclose(moments.excess(), loss, rtol=1e-12)


def test_the_recursion_is_exact_against_fractions() -> None:
    """Lookahead of dampened momentum, written out once more, over all noise of five steps."""
    a, s, gap = Fraction(3, 4), Fraction(1, 2), Fraction(2)
    lr, mu, tau, alpha = Fraction(1, 4), Fraction(1, 2), Fraction(1, 8), Fraction(1, 4)
    k, steps = 2, 5
    ends = []
    for signs in product((-1, 1), repeat=steps):
        x = slow = gap
        u = Fraction(0)
        for t, sign in enumerate(signs, start=1):
            g = a * x + sign * s
            u = g if t == 1 else mu * u + (1 - tau) * g
            x -= lr * u
            if t % k == 0:
                x = slow = slow + alpha * (x - slow)
        ends.append(x)
    mean = sum(ends) / len(ends)
    variance = sum((x - mean) ** 2 for x in ends) / len(ends)
    inner = pr.SGD(lr=float(lr), momentum=float(mu), dampening=float(tau))
    mode = Modes(curvature=[float(a)], noise=float(s**2), gap=float(gap))

    moments = after(pr.Lookahead(inner=inner, k=k, alpha=float(alpha)), mode, steps)

    assert_allclose(moments.of("theta"), [[float(mean)], [float(variance)]], rtol=1e-14)


@each_method
def test_runs_on_the_noisy_quadratic_have_these_moments(
    optimizer: pr.Optimizer, average: Average
) -> None:
    """Standardised, rows times modes are independent normals: chi-square and normal, at 1e-4."""
    rows, n, steps = 400, 6, 20
    problem = problems.noisy_quadratic(n=n, noise=0.7, shift=0.5, seed=range(rows))
    start = {"x": np.full((rows, n), 1.5)}
    run = pr.run(optimizer, problem, steps, start=start, record="all")
    path = list(run.params["x"] - 0.5)
    found = {"theta": path[-1]} | {slot: run.state.slot(slot)["x"] for slot in optimizer.slots()}
    if "slow" in found:
        found["slow"] = found["slow"] - 0.5
    found |= {"average": averaged(average, path)} if average else {}

    moments = after(optimizer, Modes.of(problem), steps, average=average)

    for name, x in found.items():
        mean, variance = moments.of(name)
        z = (x - mean) / np.sqrt(variance)
        low, high = stats.chi2.ppf([5e-5, 1 - 5e-5], z.size)
        assert low < (z**2).sum() < high
        assert abs(z.sum()) < stats.norm.ppf(1 - 5e-5) * np.sqrt(z.size)
    if not average:
        losses = run.losses[-1] - problem.minimum
        error = stats.norm.ppf(1 - 5e-5) * moments.spread() / np.sqrt(rows)
        assert abs(losses.mean() - moments.excess()) < error


def test_the_spread_is_that_of_noncentral_chi_squares() -> None:
    """A Gaussian squared over its variance V is one, of noncentrality E² / V."""
    moments = after(pr.SGD(lr=0.3), MODES, 7)
    mean, variance = moments.of()

    terms = stats.ncx2.var(1, mean**2 / variance) * (MODES.curvature * variance / 2) ** 2

    assert_allclose(moments.spread(), np.sqrt(terms.sum()), rtol=1e-12)


def test_long_runs_have_the_closed_form_of_their_powers() -> None:
    """E = r^t and V = (1 − r^2t) V* for SGD; the same in λ and cycles for Lookahead."""
    a, q, lr, k, alpha = 0.05, 2.0, 0.3, 5, 0.4
    mode = Modes(curvature=[a], noise=q)
    r, factor = 1 - lr * a, 1 - alpha + alpha * (1 - lr * a) ** k

    plain = after(pr.SGD(lr=lr), mode, 203).of("theta")
    slow = after(pr.Lookahead(inner=pr.SGD(lr=lr), k=k, alpha=alpha), mode, 203).of("slow")

    v = nf.sgd_variance(a, q, lr)
    assert_allclose(plain, [[r**203], [(1 - r**406) * v]], rtol=1e-12)
    v = nf.lookahead_variance(a, q, lr, k=k, alpha=alpha)
    assert_allclose(slow, [[factor**40], [(1 - factor**80) * v]], rtol=1e-12)


def test_what_the_layer_has_of_its_own_counts() -> None:
    """The noisy quadratic has one layer, x."""
    own = pr.SGD(lr=0.1).for_layers({"x": {"lr": 0.3, "momentum": 0.5}})

    found = after(own, MODES, 9).excess()

    assert_allclose(found, after(pr.SGD(lr=0.3, momentum=0.5), MODES, 9).excess(), rtol=1e-14)


def test_an_array_of_rates_gives_what_each_rate_gives() -> None:
    """Its axes lead."""
    optimizer = pr.Lookahead(inner=pr.SGD(momentum=0.5), k=3, alpha=0.4)
    rates = [[0.1, 0.2], [0.3, 0.4]]

    together = after(optimizer, MODES, 17, average=EMA(decay=0.5), lr=rates).excess()

    alone = [
        [after(optimizer, MODES, 17, average=EMA(decay=0.5), lr=lr).excess() for lr in row]
        for row in rates
    ]
    assert_allclose(together, alone, rtol=1e-13)


# ------------------------------------------------------------------------------ the steady state


@each_method
def test_the_steady_state_is_what_the_recursion_tends_to(
    optimizer: pr.Optimizer, average: Average
) -> None:
    """From any start, in each phase of a cycle."""
    k = optimizer.hyper().get("k", 1)

    for phase in range(k):
        late = after(optimizer, MODES, 3000 * k + phase, average=average)
        settled = steady(optimizer, MODES, average=average, phase=phase)

        assert_allclose(late.covariance, settled.covariance, rtol=1e-9, atol=1e-12)
        assert_allclose(late.mean, 0, atol=1e-12)


def test_closed_forms_are_fixed_points() -> None:
    """SGD, momentum with and without dampening, the two averages: at slow and at fast rates."""
    a, q = MODES.curvature, MODES.noise
    for lr in EVERY_RATE:
        sgd = pr.SGD(lr=lr)
        forms: list[tuple[Any, pr.Optimizer, Average]] = [
            (nf.sgd_variance(a, q, lr), sgd, None),
            (nf.ema_variance(a, q, lr, 0.9), sgd, EMA(decay=0.9)),
            (nf.tail_variance(a, q, lr, 7), sgd, Tail(last=7)),
        ]
        for mu, tau in ((0.5, 0.0), (0.9, 0.0), (0.9, 0.9), (0.3, 0.6)):
            method = pr.SGD(lr=lr, momentum=mu, dampening=tau)
            forms.append((nf.momentum_variance(a, q, lr, mu, tau), method, None))
        for form, optimizer, average in forms:
            variance = steady(optimizer, MODES, average=average).of()[1]
            assert_allclose(form, variance, rtol=1e-9)


@pytest.mark.parametrize("k", [1, 2, 5, 6])
@pytest.mark.parametrize("alpha", [0.05, 0.5, 0.9, 1.0])
def test_lookahead_settles_at_its_closed_form(k: int, alpha: float) -> None:
    """At a synchronisation, and as SGD's variance times the ratio; for odd k beyond SGD too."""
    limit = nf.largest_rate(1.0, k=k, alpha=alpha)
    for lr in (0.01, 0.3, 1.0, 1.99, 0.99 * limit):
        look = pr.Lookahead(inner=pr.SGD(lr=lr), k=k, alpha=alpha)
        a, q, r = MODES.curvature, MODES.noise, 1 - lr * MODES.curvature

        variance = steady(look, MODES).of("slow")[1]

        assert_allclose(nf.lookahead_variance(a, q, lr, k=k, alpha=alpha), variance, rtol=1e-9)
        if lr < 2:
            ratio = nf.lookahead_ratio(r, k=k, alpha=alpha)
            assert_allclose(ratio * nf.sgd_variance(a, q, lr), variance, rtol=1e-9)


def test_the_ratio_is_not_the_square_of_alpha() -> None:
    """Between α / (2 − α), where a cycle forgets, and α, where it hardly moves; below 1."""
    for alpha in (0.05, 0.3, 0.5, 0.8):
        ratios = nf.lookahead_ratio(np.linspace(0, 1, 101), k=5, alpha=alpha)

        assert_allclose([ratios[0], ratios[-1]], [alpha / (2 - alpha), alpha])
        assert np.all(np.diff(ratios) > 0)
        assert np.all((ratios > alpha**2) & (ratios < 1))


def test_fast_weights_forget_the_slow_ones_within_a_cycle() -> None:
    """V_j = r^2j V_slow + (1 − r^2j) V_SGD: the saw-tooth."""
    lr, k, a = 0.3, 6, MODES.curvature
    look = pr.Lookahead(inner=pr.SGD(lr=lr), k=k, alpha=0.5)
    sgd = nf.sgd_variance(a, MODES.noise, lr)
    slow = nf.lookahead_variance(a, MODES.noise, lr, k=k, alpha=0.5)

    for j in range(k):
        settled = steady(look, MODES, phase=j)
        kept = (1 - lr * a) ** (2 * j)
        assert_allclose(settled.of("theta")[1], kept * slow + (1 - kept) * sgd, rtol=1e-10)
        assert_allclose(settled.of("slow")[1], slow, rtol=1e-10)


# ------------------------------------------------------------------------------------- stability


def test_the_largest_rate_has_the_shape_of_curvature_and_alpha() -> None:
    """Of even k too, where it does not depend on alpha."""
    for k in (5, 6):
        found = nf.largest_rate([[1.0], [2.0]] @ np.eye(1), k=k, alpha=[0.1, 0.5, 1.0])
        assert found.shape == (2, 3)
        assert_allclose(found[0], 2 * found[1])
        assert isinstance(nf.largest_rate(1.0, k=k, alpha=0.5), float)


@pytest.mark.parametrize("k", range(1, 10))
@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.9, 1.0])
def test_the_largest_rate_is_where_the_recursion_stops_settling(k: int, alpha: float) -> None:
    """Found by a scan of rates: 2 / L for even k, more for odd k and α < 1."""
    modes = Modes(curvature=[1.0, 0.3], noise=1.0)
    look = pr.Lookahead(inner=pr.SGD(), k=k, alpha=alpha)
    limit = nf.largest_rate(1.0, k=k, alpha=alpha)
    rates = np.linspace(0.01, 1.5 * limit, 1501)

    settles = np.isfinite(steady(look, modes, lr=rates).excess())

    assert np.array_equal(settles, rates < limit)
    assert limit == 2 if k % 2 == 0 or alpha == 1 else limit > 2


def test_lookahead_survives_a_rate_at_which_sgd_explodes() -> None:
    """With k = 5, α = 1/2 up to 2.2457 / L, not beyond; with k = 6 not even there."""
    problem = problems.noisy_quadratic(n=3, noise=0.0)
    limit = nf.largest_rate(1.0, k=5, alpha=0.5)

    def excess(k: int, lr: float) -> float:
        look = pr.Lookahead(inner=pr.SGD(lr=lr), k=k, alpha=0.5)
        return float(pr.run(look, problem, 600, record="loss").losses[-1])

    assert excess(5, 0.99 * limit) < 1e-10
    assert excess(5, 1.01 * limit) > 1e10
    assert excess(6, 0.99 * limit) > 1e10
    assert excess(1, 2.01) < 1e-10
    assert float(pr.run(pr.SGD(lr=2.01), problem, 600, record="loss").losses[-1]) > 1e4


def test_what_does_not_settle_is_infinite() -> None:
    """In the mode that does not, and so in the sum; powers that overflow are too."""
    moments = steady(pr.SGD(lr=3.0), MODES)

    assert np.isfinite(moments.of()[1]).tolist() == [False, True, True]
    assert moments.excess() == np.inf
    assert after(pr.SGD(lr=30.0), MODES, 5000).excess() == np.inf
    assert steady(pr.Lookahead(inner=pr.SGD(), alpha=0.0), MODES).excess() == np.inf


def test_a_square_that_overflows_is_infinite_without_a_word() -> None:
    """Where the mean is finite and its square is not, as anywhere else."""
    moments = after(pr.SGD(lr=30.0), MODES, 120)

    assert np.isfinite(moments.mean).all()
    assert moments.excess() == np.inf
    assert moments.spread() == np.inf


def test_each_file_stands_on_those_that_the_head_names_before_it() -> None:
    """So imports go one way, and a reader can begin at the top."""
    assert nf.__file__ is not None
    head = re.findall(r"^    (\w+) {2,}\w", nf.__doc__ or "", re.MULTILINE)
    folder = Path(nf.__file__).parent

    assert sorted(head) == sorted(path.stem for path in folder.glob("[a-z]*.py"))
    for i, name in enumerate(head):
        text = (folder / f"{name}.py").read_text("utf-8")
        used = re.findall(r"from paratrooper_ref\.noise_floor\.([a-z]\w*) import", text)
        assert set(used) <= set(head[:i]), name


# ------------------------------------------------------------------- expected loss against floor


def test_lookahead_lowers_the_expected_loss_at_a_matched_floor() -> None:
    """On the spectrum 1/i, after 1,000 steps; and an average of SGD's weights is lower still."""
    modes = Modes(curvature=1 / np.arange(1.0, 201), noise=1 / np.arange(1.0, 201))
    rates, floors = np.geomspace(1e-3, 1.9, 40), np.geomspace(0.02, 0.2, 5)
    looks = [pr.Lookahead(inner=pr.SGD(), k=5, alpha=alpha) for alpha in (0.05, 0.2, 0.5)]

    sgd = nf.envelope([nf.curve(pr.SGD(), modes, rates, 1000)], floors)
    look = nf.envelope([nf.curve(each, modes, rates, 1000) for each in looks], floors)
    decays = (0.99, 0.995, 0.998)
    means = [nf.curve(pr.SGD(), modes, rates, 1000, average=EMA(decay=d)) for d in decays]

    assert np.all(look < sgd)
    assert np.nanmin([each.losses for each in means]) < 0.8 * look.min()


def test_a_curve_takes_both_losses_at_the_same_phase_of_a_cycle() -> None:
    """Two steps after a synchronisation, where the fast weights are noisier."""
    look, rates = pr.Lookahead(inner=pr.SGD(), k=5), np.array([0.1, 0.4])

    found = nf.curve(look, MODES, rates, 4002)

    assert_allclose(found.floors, steady(look, MODES, lr=rates, phase=2).excess())
    assert_allclose(found.losses, found.floors, rtol=1e-6)


def test_an_envelope_is_the_lowest_curve_where_there_is_one() -> None:
    """Between two points a curve is straight in the logarithms."""
    floors = np.array([0.5, 1.0, 2.0, 4.0, 8.0])
    one = nf.Curve(rates=np.ones(2), floors=np.array([1.0, 4.0]), losses=np.array([1.0, 16.0]))
    two = nf.Curve(
        rates=np.ones(3), floors=np.array([2.0, 4.0, np.inf]), losses=np.array([5.0, 5.0, 1.0])
    )

    lowest = nf.envelope([one, two], floors)

    assert_allclose(lowest, [np.nan, 1.0, 4.0, 5.0, np.nan])


# ---------------------------------------------------------------------------------- docs/noise.py


@pytest.fixture(scope="module")
def page() -> ModuleType:
    """Return docs/noise.py, which writes the page of that name."""
    return import_module("noise")


def test_the_lowest_loss_of_the_page_is_below_all_of_a_wider_and_denser_grid(
    page: ModuleType,
) -> None:
    """With 10 directions; and within 0.1 % of its lowest, for the tail at its end."""
    modes = Modes.of(problems.noisy_quadratic(n=10))
    rates = np.geomspace(3e-3, 1.9, 300)

    def least(optimizer: pr.Optimizer, average: Average = None, scale: float = 1) -> float:
        reached = after(optimizer, modes, 1000, average=average, lr=scale * rates).excess()
        return float(np.nanmin(reached))

    shares = np.geomspace(5e-4, 1, 120)
    dense = {
        "SGD": least(pr.SGD()),
        "momentum": min(least(pr.SGD(momentum=1 - x), scale=x) for x in shares),
        "Lookahead": min(least(pr.Lookahead(inner=pr.SGD(), k=5, alpha=x)) for x in shares),
        "EMA": min(least(pr.SGD(), EMA(decay=1 - x)) for x in shares),
        "tail": min(least(pr.SGD(), Tail(last=m)) for m in (1, 10, 800, 950, 990, 999, 1000)),
    }

    for name, lowest in dense.items():
        found = page.best(name, 10)
        assert 0.999 * lowest < found.loss < 1.00001 * lowest, name
        assert found.edge == (name == "tail")


def test_momentum_is_below_lookahead_with_ten_directions_and_above_with_a_hundred(
    page: ModuleType,
) -> None:
    """At their lowest, and at the floor of SGD's lowest loss too, over 11 % below SGD's there."""
    for n, sign in ((10, 1), (100, -1)):
        floor = page.best("SGD", n).floor
        look, momentum = page.best("Lookahead", n), page.best("momentum", n)
        assert np.sign(look.loss - momentum.loss) == sign
        look, momentum = page.best_at("Lookahead", n, floor), page.best_at("momentum", n, floor)
        assert np.sign(look.loss - momentum.loss) == sign
        assert_allclose([look.floor, momentum.floor], floor, rtol=1e-5)
        assert (momentum.loss < 0.89 * page.best("SGD", n).loss) == (n == 10)


def test_a_setting_at_the_end_of_its_range_is_marked(page: ModuleType) -> None:
    """Its number, as far as the range goes, or its rate: an EMA at a floor above its own."""
    narrow = page.FAMILIES["momentum"]._replace(far=0.02)
    number, edge = page.searched_over(narrow, lambda s: page.loss(page.momentum(s), 10, 0.018 * s))

    assert (number, edge) == (0.02, True)
    assert page.star(page.best_at("EMA", 10, 0.02)) == "*"
    assert page.star(page.best_at("EMA", 10, 0.005)) == ""


def test_the_page_refuses_what_is_untrue_or_lost(page: ModuleType) -> None:
    """Sentences may run over lines."""
    said = [page.Said("One is two.", False), page.Said("Four is 2 + 2.", True)]

    assert page.wrong("One is two.  Four is\n  2 + 2.", said) == ["no longer true: One is two."]
    assert page.wrong("One is two.", said[1:]) == ["not on the page: Four is 2 + 2."]


# ---------------------------------------------------------------------------------------- figures


def test_figures_draw_on_the_axes_they_are_given() -> None:
    """So that they can be composed; without Axes they make their own."""
    look = pr.Lookahead(inner=pr.SGD(lr=0.5), k=5)
    line = (np.array([0.1, 1.0]), np.array([2.0, 1.0]))
    draws: list[Callable[[Any], Any]] = [
        lambda ax: plots.expected_losses({"SGD": line}, ax),
        lambda ax: plots.variance_ratio(ax, k=5),
        lambda ax: plots.saw_tooth(look, MODES, ax),
        lambda ax: plots.largest_rates(ax),
    ]

    for draw in draws:
        _, ax = plt.subplots()
        assert draw(ax) is ax
        assert draw(None) is not ax


def test_figures_show_the_numbers_of_the_recursion() -> None:
    """The saw-tooth's phases and levels, the ratio at a rate of 1, the limit at α = 1/2."""
    sgd = pr.SGD(lr=0.5)
    look = pr.Lookahead(inner=sgd, k=5, alpha=0.5)

    drawn = plots.saw_tooth(look, MODES).lines
    teeth = {line.get_label(): np.asarray(line.get_xydata())[:, 1] for line in drawn}
    ratio = np.asarray(plots.variance_ratio(k=5, alphas=(0.5,)).lines[0].get_xydata())
    limits = np.asarray(plots.largest_rates(periods=(5,)).lines[0].get_xydata())

    phases = [steady(look, MODES, phase=j).excess() for j in (0, 1, 2, 3, 4)]
    assert_allclose(teeth["weights after each step"], phases * 3 + phases[:1])
    assert_allclose(teeth["slow weights"], phases[0])
    assert_allclose(teeth["SGD alone"], steady(sgd, MODES).excess())
    assert_allclose(np.interp(1.0, ratio[:, 0], ratio[:, 1]), 1 / 3)
    assert_allclose(limits[:, 1], [nf.largest_rate(1.0, k=5, alpha=x) for x in limits[:, 0]])


def test_dots_and_faint_curves_are_drawn_where_they_are_given() -> None:
    """A dot with its interval, a curve without a name in the legend."""
    one = nf.curve(pr.SGD(), MODES, [0.1, 0.5, 1.0], 50)
    line = (one.floors, one.losses)

    dot = (one.floors[1:2], 2 * one.losses[1:2], np.array([0.1]))

    ax = plots.expected_losses({"SGD": line}, faint=[one], dots={"SGD": dot})
    beside = plots.expected_losses({"SGD": line}, faint=[one], dots={"SGD": dot}, relative="SGD")

    drawn = [np.asarray(each.get_xydata()) for each in ax.lines]
    assert_allclose(drawn[0], drawn[1])
    assert any(each.tolist() == np.transpose(dot[:2]).tolist() for each in drawn)
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["SGD", "the floor itself"]
    heights = [np.asarray(each.get_xydata())[:, 1] for each in beside.lines]
    assert_allclose([*heights[0], *heights[1]], 1)
    assert any(each.shape == (1,) and abs(each[0] - 2) < 1e-12 for each in heights)
    (bar,) = (each for each in beside.collections if len(each.get_paths()) == 1)
    ends = np.asarray(bar.get_paths()[0].vertices)
    assert_allclose(np.ptp(ends[:, 1]), 0.2 / one.losses[1])


def test_methods_of_like_colours_have_other_dashes() -> None:
    """Whatever kind of cone is missing; a distance of at least 20 if only the colour differs."""
    line = (np.array([0.1, 1.0]), np.array([2.0, 1.0]))
    names = ("SGD", "momentum", "Lookahead", "EMA")

    drawn = plots.expected_losses(dict.fromkeys(names, line)).lines[:4]

    assert tuple(each.get_label() for each in drawn) == names
    for one, two in combinations(drawn, 2):
        far = apart(one.get_color(), two.get_color())
        dashes = {repr(vars(each)["_unscaled_dash_pattern"]) for each in (one, two)}
        assert far >= 20 or len(dashes) == 2, (one.get_label(), two.get_label(), far)


# -------------------------------------------------------------------------- formulas of the page

GROUP = r"\{([^{}]*)\}"


def evaluated(tex: str, names: dict[str, float]) -> float:
    """Return the value of a formula in TeX, where a product is one thing beside another."""
    tex = re.sub(r"V_\{\\text\{(\w+)\}\}", r" \1 ", tex)
    tex = re.sub(r"\\left|\\right|\\[,;]", " ", tex)
    before = ""
    while tex != before:  # from the innermost braces outwards
        before = tex
        tex = re.sub(rf"\^{GROUP}", r"^(\1)", tex)
        tex = re.sub(rf"\\frac\s*{GROUP}\s*{GROUP}", r"((\1)/(\2))", tex)
    words = re.findall(r"\\?[A-Za-z]+|\d+|[-+/()^]", tex)
    assert "".join(words) == re.sub(r"\s", "", tex), tex
    code = ""
    for last, word in zip(["+", *words], words, strict=False):
        beside = last not in "+-/(^" and word not in "+-/)^"
        code += ("*" if beside else "") + word.lstrip("\\").replace("^", "**")
    return float(eval(code, {}, names))


def test_the_formulas_of_the_page_are_those_of_the_package() -> None:
    """As they stand, in TeX: the closed forms, the weights in mid-cycle, and the largest rate."""
    page = (Path(__file__).parents[1] / "docs" / "noise.md").read_text("utf-8")
    shown = re.findall(r"\$\$\n(?:V_\{\\text\{(\w+)\}\} =|\\gamma <)((?:.|\n)*?) [.,]\n\$\$", page)
    formulas = {name or "largest": tex for name, tex in shown}
    a, q, lr, k, j, m = 0.7, 1.3, 0.9, 5, 3, 4
    names = {"a": a, "q": q, "gamma": lr, "k": k, "j": j, "m": m, "r": 1 - lr * a, "L": a}
    names |= {"alpha": 0.4, "mu": 0.6, "d": 0.8}

    for name in ("SGD", "slow"):
        names[name] = evaluated(formulas[name], names)
    found = {name: evaluated(tex, names) for name, tex in formulas.items()}

    look = pr.Lookahead(inner=pr.SGD(lr=lr), k=k, alpha=0.4)
    wanted = {
        "SGD": nf.sgd_variance(a, q, lr),
        "momentum": nf.momentum_variance(a, q, lr, 0.6),
        "slow": nf.lookahead_variance(a, q, lr, k=k, alpha=0.4),
        "fast": steady(look, Modes(curvature=[a], noise=q), phase=j).of("theta")[1][0],
        "EMA": nf.ema_variance(a, q, lr, 0.8),
        "tail": nf.tail_variance(a, q, lr, m),
        "largest": nf.largest_rate(a, k=k, alpha=0.4),
    }
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert_allclose(found[name], value, rtol=1e-12, err_msg=name)


# --------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Modes.of(problems.booth()), ValueError, "noisy_quadratic, got booth; of another"),
        (lambda: Modes(curvature=[1.0, 0.0], noise=1.0), ValueError, "curvatures > 0, of shape"),
        (lambda: Modes(curvature=[1.0], noise=-1.0), ValueError, "one finite noise a mode, >= 0"),
        (lambda: Modes(curvature=[1.0], noise=[1.0, 2.0]), ValueError, "noise a mode"),
        (lambda: Modes(curvature=[1.0], noise=1.0, gap=np.nan), ValueError, "gap a mode, got nan"),
        (lambda: EMA(decay=1.0), ValueError, r"decay in \[0, 1\), got decay=1.0"),
        (lambda: EMA(decay="1"), ValueError, "got decay='1'"),  # type: ignore[arg-type]
        (lambda: Tail(last=0), ValueError, "integer last >= 1, got last=0"),
        (lambda: after(pr.Adam(), MODES, 3), TypeError, r"SGD or Lookahead\(SGD\).* got Adam"),
        (lambda: after(3, MODES, 3), TypeError, "got 3"),  # type: ignore[arg-type]
        (lambda: after(pr.SGD(weight_decay=0.1), MODES, 3), ValueError, "needs weight_decay=0"),
        (lambda: after(pr.SGD(), MODES, -1), ValueError, "integer steps >= 0, got steps=-1"),
        (lambda: after(pr.SGD(), MODES, 3, lr=[0.1, -1]), ValueError, "finite rates >= 0"),
        (lambda: after(pr.SGD(), MODES, 3, average=Tail(last=4)), ValueError, "last=4, steps=3"),
        (lambda: after(pr.SGD(), MODES, 3, average=0.9), TypeError, "or None, got 0.9"),  # type: ignore[arg-type]
        (lambda: after(pr.SGD(), MODES, 3).of("slow"), ValueError, "theta, u, got name='slow'"),
        (lambda: steady(pr.SGD(), MODES, phase=1), ValueError, r"phase in \[0, 1\), got phase=1"),
        (
            lambda: plots.expected_losses({}, relative="SGD"),
            ValueError,
            r"relative among \[\], got relative='SGD'",
        ),
        (lambda: plots.saw_tooth(pr.SGD(), MODES), ValueError, "saw_tooth needs a Lookahead, got"),
        (lambda: nf.largest_rate(1.0, k=0), ValueError, "integer k >= 1"),
        (lambda: nf.largest_rate(1.0, k=5, alpha=0.0), ValueError, r"alpha in \(0, 1\]"),
        (lambda: nf.largest_rate(-1.0), ValueError, r"a curvature > 0, got curvature=-1\.0"),
    ],
)
def test_what_is_not_admitted_is_named(
    call: Callable[[], object], error: type[Exception], message: str
) -> None:
    """Who needs what, and what was got."""
    with pytest.raises(error, match=message):
        call()


def test_no_steps_leave_the_start() -> None:
    """Mean the gap, variance 0, an average equal to θ."""
    moments = after(pr.SGD(), MODES, 0, average=EMA(decay=0.9))

    assert_allclose(moments.of("theta"), [MODES.gap, np.zeros(3)])
    assert_allclose(moments.of("average"), [MODES.gap, np.zeros(3)])
