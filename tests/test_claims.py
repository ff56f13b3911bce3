"""The claims are decided by a rule that is right where the answer is known."""

import json
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats

import paratrooper_ref as pr
import problems
from paratrooper_ref import plots
from paratrooper_ref.claims import CLAIMS, SETTINGS, decide, floors, skips
from paratrooper_ref.claims.altered import scaled, stacked
from paratrooper_ref.claims.arms import DECAY, arms
from paratrooper_ref.claims.cells import Cell, Curves, measured
from paratrooper_ref.claims.measure import declared, measure
from paratrooper_ref.claims.pictured import pictured
from paratrooper_ref.claims.rows import best, compared, rows, untrained
from paratrooper_ref.claims.statistics import (
    Change,
    End,
    Noise,
    Statistic,
    Window,
    around_cuts,
)
from paratrooper_ref.claims.table import Comparison
from paratrooper_ref.claims.words import report, verdict
from paratrooper_ref.cli import main
from paratrooper_ref.intervals import interval, student
from paratrooper_ref.plots.claims import VERDICTS
from problems import _random

from .vision import apart

mpl.use("Agg")
STORED = Path(__file__).parent.parent / "docs" / "claims.json"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    plt.close("all")


def normals(seed: int, *shape: int) -> Any:
    """Return standard normals."""
    return _random.normals(seed, 0, _random.NOISE, int(np.prod(shape))).reshape(shape)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize("degrees", [*range(1, 12), 29, 30, 199])
def test_the_quantile_of_t_is_scipys(degrees: int, confidence: float) -> None:
    """For odd and even degrees of freedom."""
    wanted = stats.t.ppf((1 + confidence) / 2, degrees)

    assert student(confidence, degrees) == pytest.approx(wanted, rel=1e-11)


def test_the_interval_is_scipys() -> None:
    """Mean, standard error with n - 1, and quantile, put together."""
    x = normals(1, 10) * 3 + 2

    found = interval(x)

    wanted = stats.t.interval(0.95, 9, loc=x.mean(), scale=stats.sem(x))
    assert (found.low, found.high) == pytest.approx(wanted, rel=1e-12)
    assert found.mean == pytest.approx(x.mean(), rel=1e-14)


def test_the_interval_covers_the_mean_as_often_as_it_says() -> None:
    """Of 4000 intervals for the mean 0, 95 % up to four standard errors of that share."""
    found = [interval(row) for row in normals(2, 4000, 10)]

    covered = np.mean([i.low < 0 < i.high for i in found])
    assert abs(covered - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 4000)


def test_the_verdict_is_decided_by_the_interval_and_the_margin() -> None:
    """An interval below the margin holds, above it fails, around it is undecided."""
    x = np.array([-1.0, 0.0, 1.0])  # mean 0, s = 1: the interval is ± 4.3027 / √3 = ± 2.4841

    assert decide(x - 2.49).word == "holds"
    assert decide(x - 2.48).word == "undecided"
    assert decide(x + 2.48).word == "undecided"
    assert decide(x + 2.49).word == "fails"
    assert decide(x, margin=2.49).word == "holds"
    assert decide(x, margin=-2.49).word == "fails"
    assert decide(np.zeros(3)).word == "undecided"


def test_seeds_without_a_number_are_left_out_and_half_of_them_leave_it_unmeasured() -> None:
    """Three of four decide; two of four do not, nor does one."""
    x = np.array([-1.0, -1.1, -0.9, np.nan])

    three = decide(x)
    assert (three.word, three.difference) == ("holds", interval(x[:3]))
    assert decide(np.array([-1.0, -1.1, np.nan, np.nan])).word == "unmeasured"
    assert decide(np.array([-1.0, np.nan])) == decide(np.full(2, np.nan))
    assert decide(np.array([-1.0, np.nan])).word == "unmeasured"


def test_a_constant_factor_between_paired_runs_is_found_through_common_noise() -> None:
    """Runs that differ by a factor of 2 hold, though each seed's level varies by far more."""
    level = np.repeat(3 * normals(3, 1, 10), 101, axis=0)
    high = Curves(decades=level + 0.01 * normals(4, 101, 10))
    low = Curves(decades=level - np.log10(2) + 0.01 * normals(5, 101, 10))
    high.decades[0] = low.decades[0] = 20.0

    lower = Comparison(says="", of="", against="", by=End())
    found = compared(lower, low, high)
    assert found.word == "holds"
    assert found.difference is not None
    assert found.difference.mean == pytest.approx(-np.log10(2), abs=0.01)
    assert compared(lower, high, low).word == "fails"
    assert compared(lower, high, high).word == "undecided"


def test_what_too_few_seeds_have_is_said_in_the_words_of_the_number() -> None:
    """A run not trained, one up to its start in the end, a rate never cut."""
    still, falling = np.ones((101, 10)), np.linspace(1, 0, 101)[:, None] * np.ones(10)
    loud = falling.copy()
    loud[-2] = 1.0
    for by, decades, word in (
        (End(), still, "not trained"),
        (Noise(), loud, "up to its start"),
        (Change(), falling, "no cut"),
    ):
        curves = Curves(decades=decades, cuts=((),) * 10)
        both = Comparison(says="", of="a", against="a", by=by)
        found = rows(both, "regression", {"a": [(0.1, curves)]})
        assert [row["verdict"] for row in found] == ["unmeasured"]
        assert verdict(found[0], {"lacking": both.by.lacking}) == word


def test_two_runs_that_stand_still_are_not_level() -> None:
    """Within any margin they would be; one that trains is lower than one that does not."""
    still = Curves(decades=np.ones((101, 10)))
    falling = Curves(decades=np.linspace(1, 0, 101)[:, None] * np.ones(10))
    level = Comparison(says="", of="", against="", by=End(), margin=0.1)

    assert compared(level, still, still) == decide(np.full(10, np.nan))
    assert compared(level, falling, still).word == "holds"
    assert compared(level, still, falling).word == "fails"
    assert compared(level, falling, falling).word == "holds"


def test_windows_and_the_end_are_means_over_their_epochs() -> None:
    """Of decades 0, -1, -2, ..., by hand."""
    curves = Curves(decades=-np.arange(101.0)[:, None] * np.ones(2))

    np.testing.assert_array_equal(Window(1, 60)(curves), [-30.5, -30.5])
    np.testing.assert_array_equal(Window(25, 25)(curves), [-25, -25])
    np.testing.assert_array_equal(End()(curves), [-95.5, -95.5])


def test_noise_is_the_standard_deviation_of_a_loss_whatever_its_trend() -> None:
    """A falling loss with noise of 1e-3: the noise is found, the fall is not."""
    epochs = np.arange(2001)[:, None]
    losses = 9 - 4e-3 * epochs + 1e-3 * normals(6, 2001, 4)
    losses[0] = 10

    noise = Noise()(Curves(decades=np.log10(losses)))

    np.testing.assert_allclose(10**noise, 1e-3, rtol=0.2)  # 200 jumps: 6 % is one deviation
    still = Noise()(Curves(decades=np.ones((101, 1))))
    np.testing.assert_array_equal(still, [np.nan])  # never below its start: neither loud nor quiet
    losses[-3] = losses[0]  # once as high, or higher: how high is not known
    assert np.isnan(Noise()(Curves(decades=np.log10(losses)))).all()


def test_relative_noise_is_the_same_for_runs_that_differ_by_a_factor() -> None:
    """And noise itself is larger by that factor."""
    low = np.concatenate([np.full((1, 4), 9.0), 0.01 * normals(7, 200, 4)])
    high = low + np.log10(50)

    noise, relative = Noise(), Noise(relative=True)
    of_low, of_high = Curves(decades=low), Curves(decades=high)
    np.testing.assert_allclose(relative(of_low), relative(of_high), rtol=1e-12)
    np.testing.assert_allclose(noise(of_high) - noise(of_low), np.log10(50), rtol=1e-12)
    np.testing.assert_allclose(10 ** relative(of_low), 0.01, rtol=0.5)  # of 19 jumps


def test_the_change_at_a_cut_is_after_less_before() -> None:
    """A step down by 0.7 five epochs after a cut at 30, and nothing at a second cut."""
    decades = np.zeros((101, 3))
    decades[36:, 0] = -0.7
    curves = Curves(decades=decades, cuts=((30, 60), (), (95,)))

    np.testing.assert_allclose(Change()(curves), [-0.35, np.nan, np.nan])
    first, *none = around_cuts(curves)
    assert [first.shape, *(x.shape for x in none)] == [(2, 15), (0, 15), (0, 15)]
    np.testing.assert_allclose(first[0], [0] * 10 + [-0.7] * 5)
    np.testing.assert_allclose(first[1], 0)


def test_a_cut_before_the_fifth_epoch_is_left_out() -> None:
    """There is nothing to compare it with."""
    decades = np.linspace(3, 0, 101)[:, None] * np.ones(2)

    assert np.isnan(Change()(Curves(decades=decades, cuts=((3,), (4,))))).tolist() == [True, False]


def test_the_best_rate_has_the_lowest_median_of_the_number_judged() -> None:
    """One seed in three that is far lower does not make a rate the best."""
    lucky = Curves(decades=np.tile([-9.0, 1.0, 1.0], (101, 1)))
    steady = Curves(decades=np.tile([0.0, 0.0, 0.0], (101, 1)))

    assert best([(0.1, lucky), (0.3, steady)], End())[0] == 0.3
    assert best([(0.1, steady), (0.3, steady)], End())[0] == 0.1  # the lower one of equals


def test_a_start_chooses_by_the_start_and_noise_by_the_end() -> None:
    """One rate starts lower, the other ends lower; each side of a comparison has its own number."""
    fast = Curves(decades=np.concatenate([[[9.0] * 10], np.full((100, 10), 1.0)]))
    slow = Curves(decades=np.linspace(9, 0, 101)[:, None] * np.ones(10))
    table = {"a": [(0.1, slow), (0.3, fast)]}

    def chosen(by: Statistic, against_by: Statistic | None = None) -> list[float]:
        both = Comparison(says="", of="a", against="a", by=by, against_by=against_by)
        found: list[float] = rows(both, "regression", table)[-1]["rates"]
        return found

    assert chosen(Window(1, 25)) == [0.3, 0.3]
    assert chosen(End()) == chosen(Noise()) == chosen(Change()) == [0.1, 0.1]
    assert chosen(Window(25, 25), Window(100, 100)) == [0.3, 0.1]


def test_a_best_rate_at_the_edge_of_those_tried_is_marked() -> None:
    """The lowest of three, and one in the middle."""
    low, high = (Curves(decades=np.full((101, 10), x)) for x in (0.0, 1.0))
    table = {
        "a": [(0.1, low), (0.3, high), (1.0, high)], "b": [(0.1, high), (0.3, low), (1.0, high)]
    }

    *equal, at_best = rows(
        Comparison(says="", of="a", against="b", by=End()), "regression", table
    )

    assert (at_best["rates"], at_best["edges"]) == ([0.1, 0.3], [True, False])
    assert [row["at"] for row in equal] == [0.1, 0.3, 1.0]
    assert not any(row["edges"] for row in equal)


@pytest.mark.parametrize(
    "cell",
    [Cell("radamw", "columns", 1.0, 10, 3), Cell("radamw(h=1.038)", "diabetes", 0.1, 10, 3)],
)
def test_a_run_that_goes_astray_counts_as_its_start(cell: Cell) -> None:
    """Whether the loss is not finite any more or only high; nothing is NaN."""
    curves = measured(cell)

    assert np.isfinite(curves.decades).all()
    np.testing.assert_array_equal(curves.decades, np.tile(curves.decades[0], (4, 1)))
    assert untrained(curves).all()


@pytest.mark.parametrize("arm", ["ranger", "paratrooper"])
def test_a_row_of_a_batch_is_the_run_of_its_seed_alone(arm: str) -> None:
    """Until the first cut a run with reduction on plateau has the bits of one without."""
    together = measured(Cell(arm, "diabetes", 0.01, 10, 8)).decades
    alone = measured(Cell(f"{arm}(plateau)", "diabetes", 0.01, 10, 8))

    assert alone.cuts == ((),) * 10
    np.testing.assert_array_equal(alone.decades, together)
    assert len({*together[-1].tolist()}) == 10


def test_a_cell_is_what_the_library_gives() -> None:
    """The excess after each epoch is that of `run` with the setting's problem and start."""
    setting = SETTINGS["regression"]
    problem = setting.make(3)
    assert problem.steps_per_epoch == 5

    alone = pr.run(
        pr.AdamW(lr=0.1, weight_decay=DECAY), problem, 20, start=setting.start(3), record="loss"
    )

    decades = measured(Cell("adamw", "regression", 0.1, 10, 4)).decades[:, 2]
    np.testing.assert_array_equal(10**decades, 10 ** np.log10(alone.losses[::5] - problem.minimum))


def test_each_seed_has_a_start_of_its_own() -> None:
    """Uniform in ±1/√d for a regression; for a net what that net has with that seed."""
    for name, setting in SETTINGS.items():
        starts = setting.starts(range(1, 61))
        flat = np.concatenate([x.reshape(60, -1) for x in starts.values()], axis=1)
        assert len({*flat[:, 0].tolist()}) == 60
        if not name.endswith("net"):
            d = starts["w"].shape[1]
            assert np.abs(flat).max() <= 1 / np.sqrt(d)
            assert flat.std() == pytest.approx(1 / np.sqrt(3 * d), rel=0.05)
    net = problems.tanh_net(depth=2, width=4, samples=64, seed=7).starts[0]
    for layer, x in SETTINGS["tanh-net"].start(7).items():
        np.testing.assert_array_equal(x, net[layer])


def test_each_seed_has_data_of_its_own_where_they_are_made() -> None:
    """The same optimizer from the same point sees other gradients, but for the diabetes study."""
    for name, setting in SETTINGS.items():
        one, two = setting.make(1), setting.make(2)
        point = setting.start(1)
        layer = next(iter(point))
        assert (one.loss(point) == two.loss(point)) == (name == "diabetes")
        both = setting.make([1, 2])
        twice = {key: np.stack([x, x]) for key, x in point.items()}
        np.testing.assert_array_equal(both.loss(twice), [one.loss(point), two.loss(point)])
        for t in (0, 1, 7):
            np.testing.assert_array_equal(
                both.grad(twice, t)[layer],
                [one.grad(point, t)[layer], two.grad(point, t)[layer]],
            )


def test_problems_of_other_layers_or_minima_are_not_stacked() -> None:
    """A row would have another shape, or its excess another zero."""
    one, *others = (
        problems.minibatch(problem) for problem in (
            problems.linear_regression(), problems.linear_regression(n=50, d=5),
            problems.linear_regression(noise=2),
        )
    )
    for other in others:
        with pytest.raises(ValueError, match="stacked needs problems of the same layers and"):
            stacked([one, other])
    for none in ([], [problems.linear_regression()]):
        with pytest.raises(ValueError, match=r"stacked needs stochastic problems, got \["):
            stacked(none)


def test_raised_targets_move_the_minimum_to_an_intercept_of_22_and_a_half() -> None:
    """Loss and gradients at the raised intercept are those of the regression at its own."""
    far, near = SETTINGS["prices"].make(4), SETTINGS["regression"].make(4)
    point = SETTINGS["prices"].start(1)
    above = {**point, "b": point["b"] + 21.5}

    assert far.loss(above) == pytest.approx(near.loss(point), rel=1e-14)
    assert far.grad(above)["w"] == pytest.approx(near.grad(point)["w"], rel=1e-12)
    best_point = far.minimizers[0]
    assert best_point["b"] == pytest.approx([22.5])
    assert np.abs(far.grad(best_point)["w"]).max() < 1e-12
    assert far.steps_per_epoch == 16
    drawn = np.mean([far.grad(point, t)["b"] for t in range(1, 17)])
    assert drawn == pytest.approx(far.grad(point)["b"][0], rel=0.05)


def test_cuts_are_the_epochs_after_which_the_rate_falls() -> None:
    """Held against the rates that the run itself recorded."""
    curves = measured(Cell("ranger(plateau)", "diabetes", 1.0, 10, 40))
    setting = SETTINGS["diabetes"]
    alone = pr.run(
        pr.Ranger(lr=1.0, weight_decay=DECAY), setting.make(1), 200, start=setting.start(1),
        schedule=pr.ReduceOnPlateau(epoch=5), record="loss",
    )

    falls = [t for t in range(2, 201) if alone.rates[t] < alone.rates[t - 1]]
    assert falls
    assert curves.cuts[0] == tuple((t - 1) // 5 for t in falls)


def test_the_loss_is_scaled_so_that_first_batches_have_the_h_asked_for() -> None:
    """The mean over the seeds of Σg²/d over 100², 100 = (1 - 0.9) / (1 - 0.999)."""
    from paratrooper_ref.claims.cells import _factor

    setting, seeds = SETTINGS["diabetes"], range(1, 11)
    problem = setting.make(seeds)
    factor = _factor(problem, setting, Cell("radamw(h=0.707)", "diabetes", 0.1, 10, 5), 0.707)
    loud = scaled(problem, factor)

    gradients = loud.grad(setting.starts(seeds), t=1)
    flat = np.concatenate([gradients["w"], gradients["b"]], axis=1)
    assert (flat * flat).mean() / 1e4 == pytest.approx(0.707, rel=1e-12)
    point = setting.start(1)
    assert loud.loss(point) == pytest.approx(factor * problem.loss(point), rel=1e-15)


def test_on_columns_h_is_far_above_one_half() -> None:
    """So that the rule keeps all steps back until rho allows them; on the others it is below."""
    seeds = range(1, 11)
    for name in ("regression", "columns", "diabetes"):
        setting = SETTINGS[name]
        gradients = setting.make(seeds).grad(setting.starts(seeds), t=1)
        flat = np.concatenate([gradients["w"], gradients["b"]], axis=1)
        h = (flat * flat).mean(axis=1) / ((1 - 0.95) / (1 - 0.999)) ** 2
        assert h.min() > 100 if name == "columns" else h.max() < 0.5


def test_each_claim_is_of_arms_and_settings_that_there_are() -> None:
    """Numbers 1 to 8, each measured here or said to be elsewhere."""
    assert {claim.number for claim in CLAIMS.values()} == set(range(1, 9))
    for claim in CLAIMS.values():
        assert {*claim.arms} <= {*arms()}
        assert {*claim.settings} <= {*SETTINGS}
        assert bool(claim.comparisons) == bool(claim.settings) != bool(claim.page)
    labels = [claim.label for claim in CLAIMS.values()]
    assert labels == ["1", "2", "3", "4", "5", "6", "7", "8a", "8b"]


@pytest.mark.parametrize("decay", [DECAY, 0.0])
def test_every_arm_has_the_decay_asked_for(decay: float) -> None:
    """Of which Paratrooper has a second one, the L2 term, unless there is none at all."""
    for arm in arms(decay).values():
        hyper = arm.optimizer.hyper()
        assert hyper["weight_decay"] == decay
        assert hyper.get("l2", 0) in ((decay,) if arm.name.startswith("paratrooper") else (0,))


def test_a_cell_without_decay_is_another_run() -> None:
    """From the same start, by the same batches."""
    one, none = (
        measured(Cell("adamw", "regression", 0.1, 10, 4, decay)).decades for decay in (DECAY, 0.0)
    )

    np.testing.assert_array_equal(one[0], none[0])
    assert (one[1:] != none[1:]).all()


def test_with_lo_0_an_intercept_that_starts_below_0_never_gets_above_it() -> None:
    """The step of a layer of one number shrinks with it; with lo = 1 it does not.

    As long as the page's runs: 200 epochs of 16 mini-batches.
    """
    setting, seeds = SETTINGS["prices"], range(1, 11)
    problem, start = setting.make(seeds), setting.starts(seeds)
    below = start["b"][:, 0] < 0

    ends = {
        lower: pr.run(
            pr.RangerLars(lr=0.03, lower=lower, weight_decay=DECAY), problem, 3200, start=start,
            record="loss", every=3200,
        ).state.params["b"][:, 0]
        for lower in (0, 1)
    }

    assert below.sum() == 7
    assert ends[0][below].max() <= 0
    assert ends[0][~below].min() > 0.5
    assert ends[1].min() > 20


def test_the_command_measures_and_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table, the data and a figure a claim; nothing on stderr, which is no terminal here."""
    status = main(["claims", "lookahead", "plateau", "noise", "--rates", "0.3", "--out",
                   "x", "--problem", "regression", "--epochs", "45", "--jobs", "1"])

    said = capsys.readouterr()
    found = json.loads((tmp_path / "x" / "claims.json").read_text())
    assert (status, said.err) == (0, "")
    assert report(found) in said.out
    names = sorted(p.name for p in (tmp_path / "x").iterdir())
    assert names == ["claims.json", "lookahead.png", "noise.png", "plateau.png"]
    assert (tmp_path / "x" / "plateau.png").read_bytes().startswith(b"\x89PNG")
    lookahead, plateau, noise = found["claims"]
    assert [len(c["rows"]) for c in lookahead["comparisons"]] == [1, 1]  # of one rate: no best
    assert any(row["seeds"] > 5 for row in plateau["comparisons"][0]["rows"])
    assert (noise["page"], len(noise["comparisons"][0]["rows"])) == ("docs/noise.md", 6)
    assert "more of it: docs/noise.md" in said.out
    for claim in found["claims"]:
        for comparison in claim["comparisons"]:
            for row in comparison["rows"]:
                assert row["verdict"] in ("holds", "fails", "undecided", "unmeasured")
                assert row["difference"] is None or row["low"] <= row["difference"] <= row["high"]


def test_lookahead_is_below_sgd_by_what_the_page_of_the_noise_floor_found() -> None:
    """Which searches for each floor's rate and alpha, where the claim joins the points of grids."""
    text = (STORED.parent / "noise.md").read_text("utf-8").partition("measured: matched -->")[2]
    page = {}
    for line in text.partition("\n\n")[0].splitlines()[3:]:
        floor, sgd, _, ahead, _ = (float(x) for x in line.strip("|").split("|"))
        page[floor] = np.log10(ahead / sgd)
    several, default = (
        {row["at"]: row["difference"] for row in comparison["rows"]}
        for comparison in floors.comparisons()
    )

    assert {*several} == {*page}
    for floor, wanted in page.items():
        # Its alpha is free, here one of six: never lower, and hardly higher.
        assert wanted - 1e-4 < several[floor] < wanted + 1e-3
        assert several[floor] <= default[floor]


def test_a_pair_of_nets_is_that_of_the_page_of_landscapes() -> None:
    """The same functions measure both; differences are those of the stored numbers."""
    stored = json.loads((STORED.parent / "landscapes.json").read_text("utf-8"))["tanh"]
    (wanted,) = [
        row for row in stored if (row["depth"], row["seed"], row["matched"]) == (2, 3, "pair")
    ]

    found = skips.of_pair((2, 3))

    for variant in ("plain", *skips.BY):
        for metric in skips.METRICS:
            assert found[variant][metric] == pytest.approx(wanted[variant][metric], abs=0.05)
    first = skips.comparisons([found, found])[0]
    difference = found["skip by W"]["star"] - found["plain"]["star"]
    assert first["rows"][0]["difference"] == pytest.approx(difference, rel=1e-5)


def test_without_scipy_the_claim_about_skips_is_left_out_or_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left out of all, and asked for by name it says what to install."""
    from paratrooper_ref.claims import commands

    monkeypatch.setattr(commands, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "scipy", None)

    assert main(["claims", "--list"]) == 0
    said = capsys.readouterr()
    assert "landscapes" not in said.out
    assert said.err == "the claim landscapes is left out, since it needs SciPy\n"
    assert main(["claims", "landscapes"]) == 2
    assert "pip install 'paratrooper-ref[test]'" in capsys.readouterr().err


def test_curves_are_of_the_rates_that_are_compared_or_of_the_best_ends() -> None:
    """One rate is lower at epochs 25 and 120, the other in the end: by hand."""
    fast = Curves(decades=np.concatenate([[[9.0] * 3], np.full((200, 3), 1.0)]))
    slow = Curves(decades=np.concatenate([[[9.0] * 3], np.full((150, 3), 2.0), np.zeros((50, 3))]))

    for name, rate in (("speed", 0.3), ("paratrooper", 0.1)):
        table = {arm: [(0.1, slow), (0.3, fast)] for arm in CLAIMS[name].arms}
        curves = pictured(CLAIMS[name], "regression", table)
        assert {curve["arm"] for curve in curves} == {*table}
        assert {curve["rate"] for curve in curves if curve["best"]} == {rate}


def test_a_claim_of_one_comparison_is_pictured_at_the_rates_that_it_compares() -> None:
    """RangerLars at the best rate for epoch 25, Ranger at the best for 120; others by the end."""
    stored = json.loads(STORED.read_text("utf-8"))["published"]["claims"]
    for claim in stored:
        for row in (
            row for c in claim["comparisons"][:1] for row in c["rows"] if claim["best"]
        ):
            curves = {
                c["arm"]: c["rate"] for c in claim["curves"]
                if c["best"] and c["problem"] == row["problem"]
            }
            if row["best"] and claim["name"] == "speed":
                assert [curves["rangerlars(lo=1)"], curves["ranger"]] == row["rates"]
            elif row["best"] and curves:
                assert curves == claim["best"][row["problem"]]


def test_depths_are_different() -> None:
    """The same one twice would count each pair of nets twice."""
    for depths in ((2, 2), (0,), ()):
        with pytest.raises(ValueError, match=r"different depths >= 1, got depths=\["):
            measure([CLAIMS["landscapes"]], depths=depths)


def test_the_digest_is_of_the_constants_of_the_numbers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another tail, another floor of rounding, another interval, other nets: other data."""
    from paratrooper_ref.claims import cells, statistics, verdicts

    claims = [CLAIMS["speed"], CLAIMS["landscapes"]]
    known = {declared(claims)}
    for file, name in (
        (statistics, "TAIL"), (cells, "LEAST"), (verdicts, "CONFIDENCE"), (skips, "SIDE")
    ):
        monkeypatch.setattr(file, name, 3 * getattr(file, name))
        assert declared(claims) not in known
        known.add(declared(claims))


def test_the_numbers_do_not_depend_on_the_number_of_processes() -> None:
    """Two processes share the work."""
    ask: dict[str, Any] = {"rates": (0.1,), "epochs": 10, "settings": ["diabetes"]}

    one = measure([CLAIMS["lookahead"]], jobs=1, **ask)
    two = measure([CLAIMS["lookahead"]], jobs=2, **ask)

    assert one == two


@pytest.mark.parametrize(
    ("of", "name", "problem", "rate"),
    [
        ("published", "speed", "regression", 0.01),
        ("published", "lookahead", "diabetes", 0.03),
        ("published", "plateau", "diabetes", 0.3),
        ("published", "warmup", "diabetes", 0.01),
        ("undecayed", "paratrooper", "diabetes", 0.1),
        pytest.param("published", "rangerlars", "prices", 0.03, marks=pytest.mark.slow),
        pytest.param("published", "radamw", "columns", 0.1, marks=pytest.mark.slow),
        pytest.param("undecayed", "warmup", "regression", 0.03, marks=pytest.mark.slow),
        pytest.param("long", "paratrooper", "regression", 0.01, marks=pytest.mark.slow),
        pytest.param("long", "lookahead", "diabetes", 0.01, marks=pytest.mark.slow),
    ],
)
def test_numbers_of_the_page_are_recomputed_by_its_commands(
    of: str, name: str, problem: str, rate: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every row of one claim, problem and rate, of each of the three measurements."""
    stored = json.loads(STORED.read_text("utf-8"))[of]
    options = ["--decay", str(stored["decay"]), "--epochs", str(stored["epochs"])]

    main(["claims", name, "--problem", problem, "--rates", str(rate), *options, "--json",
          "--jobs", "1"])

    found = json.loads(capsys.readouterr().out)
    (wanted,) = [claim for claim in stored["claims"] if claim["name"] == name]
    for ours, theirs in zip(
        found["claims"][0]["comparisons"], wanted["comparisons"], strict=True
    ):
        row = ours["rows"][0]
        (same,) = [
            r for r in theirs["rows"]
            if (r["problem"], r["at"], r["best"]) == (problem, rate, False)
        ]
        for key in ("difference", "low", "high"):
            assert row.pop(key) == pytest.approx(same.pop(key), rel=1e-5)
        assert row == same
    i = stored["rates"].index(rate)
    assert found["claims"][0]["starts"][problem] == pytest.approx(wanted["starts"][problem])
    for arm, ends in found["claims"][0]["ends"][problem].items():
        assert ends == pytest.approx([wanted["ends"][problem][arm][i]], rel=1e-5)


def test_the_page_has_what_its_commands_print() -> None:
    """Three measurements of one format: as published, without decay, and of 1000 epochs."""
    stored = json.loads(STORED.read_text("utf-8"))

    settings = {name: (one["decay"], one["epochs"]) for name, one in stored.items()}
    assert settings == {"published": (DECAY, 200), "undecayed": (0, 200), "long": (DECAY, 1000)}
    assert [claim["name"] for claim in stored["published"]["claims"]] == [*CLAIMS]
    for one in stored.values():
        assert one["declared"] == declared([CLAIMS[claim["name"]] for claim in one["claims"]])


@pytest.mark.slow
def test_quick_measures_every_claim(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On one problem, at two rates."""
    assert main(["claims", "--quick", "--out", "all", "--jobs", "1"]) == 0

    assert len([*(tmp_path / "all").glob("*.png")]) == len(CLAIMS) == 9
    assert "8b radamw: RAdamW ends lower than AdamW." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lookahed"], "unknown claim 'lookahed'"),
        (["1", "--rates", "-0.1"], "different learning rates > 0, got rates=[-0.1]"),
        (["1", "--rates", "nan"], "different learning rates > 0, got rates=[nan]"),
        (["1", "--rates", "0.1", "0.1"], "different learning rates"),
        (["1", "--seeds", "9"], "at least 10 seeds, for intervals worth their name, got seeds=9"),
        (["speed", "--epochs", "100"], "the claim speed is about the first 120 epochs or more"),
        (["1", "--epochs", "9"], "the claim lookahead is about the first 10 epochs or more"),
        (["noise", "--problem", "diabetes"], "no problem is needed for noise, got diabetes"),
        (["--list", "--problem", "boston"], "problems among regression,"),
        (["1", "--jobs", "0"], "an integer of 1 or more is needed, got '0'"),
        (["1", "--decay", "-1"], "a weight decay >= 0, got decay=-1.0"),
        (["5", "--problem", "tanh-net"], "the claim plateau needs a problem among regression"),
        (["1", "--problem", "boston"], "claims needs problems among regression, prices"),
        (["1", "--problem", "diabetes", "--problem", "boston"], "problems among regression,"),
        (["1", "--out", "file"], "needs a folder to write to, got --out=file (File exists)"),
        (["1", "--rates", "fast"], "invalid float value: 'fast'"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2, and nothing is written or run."""
    (tmp_path / "file").write_text("")
    try:
        status = main(["claims", *arguments])
    except SystemExit as error:
        status = int(error.code or 0)

    captured = capsys.readouterr()
    assert (status, captured.out) == (2, "")
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_the_claims_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """By number, name and the source's words, measuring nothing."""
    assert main(["claims", "--list"]) == 0
    assert main(["claims", "7", "--list", "--json"]) == 0
    assert main(["claims", "--list", "--problem", "tanh-net"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert not any(line.startswith("5 ") for line in lines[-len(CLAIMS) + 2 :])
    assert lines[6] == "7   landscapes   Skip connections make the surface more convex."


def test_figures_draw_the_numbers_on_the_axes_they_are_given() -> None:
    """Curves as powers of ten, cuts at 0, a line of differences for each comparison."""
    found = measure(
        [CLAIMS["lookahead"]], rates=(0.03, 0.1), epochs=12, settings=["diabetes"]
    )
    (claim,) = found["claims"]
    at_best = [curve for curve in claim["curves"] if curve["best"]]

    _, ax = plt.subplots()
    assert plots.claim_curves(at_best, ax) is ax
    shown = np.asarray(ax.lines[0].get_ydata(), dtype=float)
    np.testing.assert_allclose(shown, 10 ** np.array(at_best[0]["mean"]))
    cell = Cell("lookahead(radamw)", "diabetes", at_best[0]["rate"], 10, 12)
    last = interval(measured(cell).decades[-1])
    seen = [at_best[0][key][-1] for key in ("low", "mean", "high")]
    assert seen == pytest.approx([last.low, last.mean, last.high], rel=1e-5)
    band = np.asarray(ax.collections[0].get_paths()[0].vertices, dtype=float)
    assert 10 ** np.array([last.low, last.high]) == pytest.approx(
        [band[band[:, 0] == 12][:, 1].min(), band[band[:, 0] == 12][:, 1].max()], rel=1e-5
    )
    _, ax = plt.subplots()
    assert plots.claim_differences(claim["comparisons"], "diabetes", ax) is ax
    drawn = ax.containers[0].lines[0].get_ydata()  # type: ignore[attr-defined]
    rows = claim["comparisons"][0]["rows"][:2]
    np.testing.assert_array_equal(drawn, [row["difference"] for row in rows])
    assert len(plots.claim_figure(claim).axes) == 2
    for number in (0, 5):
        with pytest.raises(ValueError, match=f"one to four comparisons, got {number}"):
            plots.claim_differences(number * [claim["comparisons"][0]], "diabetes", ax)
    with pytest.raises(ValueError, match="claim_figure needs a claim that was measured"):
        plots.claim_figure({"name": "noise", "best": {}, "comparisons": [], "curves": []})


def test_exact_numbers_are_drawn_where_they_are() -> None:
    """Floors on a logarithmic axis, without intervals and without a shift."""
    found = floors.comparisons()

    figure = plots.claim_figure({"name": "noise", "best": {}, "comparisons": found, "curves": []})

    (ax,) = figure.axes
    for container, comparison in zip(ax.containers, found, strict=True):
        line = container.lines[0]  # type: ignore[attr-defined]
        np.testing.assert_array_equal(line.get_xdata(), floors.FLOORS)
        wanted = [row["difference"] for row in comparison["rows"]]
        np.testing.assert_array_equal(line.get_ydata(), wanted)
    assert ax.get_xscale() == "log"


def test_the_verdicts_are_all_drawn_in_the_colour_of_their_word() -> None:
    """A bar for each row, a plus for each that holds; the legend says which colour is which."""
    stored = json.loads(STORED.read_text("utf-8"))["published"]
    rows_of_arms = [
        row for claim in stored["claims"] if claim["best"]
        for comparison in claim["comparisons"] for row in comparison["rows"]
    ]

    _, ax = plt.subplots()
    assert plots.claim_verdicts(stored, ax) is ax

    colors = [mpl.colors.to_hex(bar.get_facecolor()) for bar in ax.patches]
    assert len(colors) == len(rows_of_arms)
    for word, (color, _) in VERDICTS.items():
        assert colors.count(color) == sum(row["verdict"] == word for row in rows_of_arms)
    assert len(ax.lines) == colors.count(VERDICTS["holds"][0])
    for one, two in combinations([color for color, _ in VERDICTS.values()], 2):
        assert apart(one, two) > 10
    with pytest.raises(ValueError, match="claim_verdicts needs a claim that compares optimizers"):
        plots.claim_verdicts({"claims": []})
