"""Curves over steps: batches are medians in bands, and nothing that diverged is hidden."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import paratrooper_ref as pr
import problems
from paratrooper_ref import plots
from paratrooper_ref.comparison import Entry, compare
from paratrooper_ref.lines import MODEL_TAGS, TAGS
from paratrooper_ref.plots.spread import quantiles
from paratrooper_ref.plots.style import alone
from tests.helpers import FAMILY, draw

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def starts(runs: int, scale: float = 4.0) -> dict[str, Any]:
    """Return a batch of starts for a problem with two parameters."""
    return {"x": draw(7, runs, 2, scale=scale)}


def y_of(line: Any) -> Any:
    return np.asarray(line.get_ydata(), dtype=float)


def edges(ax: Axes, t: int) -> tuple[float, float]:
    """Return the lower and upper edge of the band at a step."""
    (shade,) = ax.collections
    points = shade.get_paths()[0].vertices
    y = np.asarray(points)[np.asarray(points)[:, 0] == t, 1]
    return float(y.min()), float(y.max())


def test_quantiles_are_those_of_numpy_where_all_is_finite() -> None:
    """With absent values too; one column or many."""
    values = draw(1, 40, 11)
    values[draw(2, 40, 11) > 0.5] = np.nan
    values[3] = np.nan
    some = ~np.isnan(values).all(axis=1)

    found = quantiles(values, (0.0, 0.1, 0.37, 0.5, 0.9, 1.0))

    wanted = np.nanquantile(values[some], (0.0, 0.1, 0.37, 0.5, 0.9, 1.0), axis=1)
    np.testing.assert_allclose(found[:, some], wanted, rtol=0, atol=1e-15)
    assert np.isnan(found[:, ~some]).all()
    np.testing.assert_array_equal(quantiles(values[:, :1])[1], values[:, 0])


def test_a_quantile_beside_infinity_is_no_nan() -> None:
    """Three of five are lost: the first decile is finite, the median and the ninth are not."""
    values = np.array([[np.inf, 1.0, np.inf, 2.0, np.inf], [np.inf, 1.0, 2.0, 3.0, 4.0]])

    low, middle, high = quantiles(values)

    np.testing.assert_allclose(low, [1.4, 1.4], rtol=1e-15)
    np.testing.assert_array_equal(middle, [np.inf, 3.0])
    np.testing.assert_array_equal(high, [np.inf, np.inf])


def test_losses_of_a_batch_are_a_median_in_a_band() -> None:
    """The median and the deciles of the runs' losses, as NumPy has them."""
    batch = pr.run(pr.Adam(lr=0.1), problems.himmelblau(), 12, start=starts(9))

    ax = plots.losses({"adam": batch})

    np.testing.assert_allclose(y_of(ax.lines[0]), np.median(batch.losses, axis=1), rtol=1e-14)
    low, high = edges(ax, 7)
    assert low == pytest.approx(np.quantile(batch.losses[7], 0.1), rel=1e-12)
    assert high == pytest.approx(np.quantile(batch.losses[7], 0.9), rel=1e-12)
    assert "median, 10 to 90 %" in ax.get_ylabel()


def test_a_run_that_was_lost_counts_as_infinitely_high() -> None:
    """It is not left out of the median, as if those that are left were all."""
    problem = problems.himmelblau()
    begun = {"x": np.array([[3.1, 2.0], [4.9, 4.9], [4.95, 4.9]])}
    with pytest.warns(RuntimeWarning, match="2 of 3 rows"):
        batch = pr.run(pr.SGD(lr=0.03), problem, 60, start=begun)
    assert batch.alive is not None
    gone = ~batch.alive[:, 1] & ~batch.alive[:, 2]

    median = y_of(plots.losses({"sgd": batch}).lines[0])

    assert gone[-1]
    assert np.isnan(median[gone]).all()
    np.testing.assert_array_equal(median[:2], np.median(batch.losses[:2], axis=1))


def test_a_row_that_was_lost_at_a_finite_loss_is_lost() -> None:
    """A rate so large that the first step overflows: two of three are gone, the third stays put."""
    problem = problems.himmelblau()
    begun = {"x": np.array([[3.0, 2.0], [1.0, 1.0], [0.0, 2.0]])}
    with pytest.warns(RuntimeWarning, match="2 of 3 rows"):
        batch = pr.run(pr.SGD(lr=1e308), problem, 2, start=begun)
    assert np.isfinite(batch.losses).all()

    median = y_of(plots.losses({"sgd": batch}).lines[0])
    element = y_of(plots.line(batch, "theta").lines[0])

    assert median[0] == np.median(batch.losses[0])
    assert np.isnan(median[1:]).all()
    np.testing.assert_array_equal(element[1:], [3.0, 3.0])  # of those that are left


def test_a_single_run_that_diverged_ends_in_a_cross() -> None:
    """At the last step that is within the picture: twenty times the loss at the start."""
    problem, optimizer = problems.quadratic_bowl(kappa=2), pr.SGD(lr=1.15)
    with pytest.warns(RuntimeWarning, match="ended early"):
        lost = pr.run(optimizer, problem, 3000, record="loss")
    assert ((lost.losses > 20 * lost.losses[0]) & (lost.losses < 40)).any()

    curve, cross = plots.losses({"sgd": lost}).lines

    within = np.flatnonzero(lost.losses <= 20 * lost.losses[0])[-1]
    assert cross.get_marker() == "X"
    assert np.asarray(cross.get_xydata()).tolist() == [[within, lost.losses[within]]]
    np.testing.assert_array_equal(y_of(curve), np.minimum(lost.losses, 1e150))
    assert lost.losses.max() > 1e300


def test_the_name_of_a_run_that_diverged_says_when() -> None:
    """And the cross, at the very start, is whole within the axes."""
    with pytest.warns(RuntimeWarning, match="ended early"):
        lost = pr.run(pr.SGD(lr=10), problems.rosenbrock(), 100)
    whole = pr.run(pr.Adam(), problems.rosenbrock(), 100)

    ax = plots.losses({"sgd": lost, "adam": whole})

    assert ax.get_legend_handles_labels()[1] == [
        f"SGD, not finite after step {lost.t[-1]}", "Adam",
    ]
    (cross,) = (mark for mark in ax.lines if mark.get_marker() == "X")
    assert np.asarray(cross.get_xydata())[0].tolist() == [0, lost.losses[0]]
    ax.figure.canvas.draw()
    place = ax.transData.transform(cross.get_xydata())[0]
    radius = cross.get_markersize() / 2 * ax.figure.dpi / 72
    box = ax.get_window_extent()
    assert box.x0 <= place[0] - radius
    assert box.y0 <= place[1] - radius
    plain = plots.losses({"adam": whole})
    plain.figure.canvas.draw()
    assert plain.get_xlim() == (0, 100)  # without marks, from edge to edge


def test_a_median_that_was_lost_ends_in_a_cross_and_the_name_says_how_many() -> None:
    """A median that holds has no cross, though a run is lost; of a whole batch nothing is said."""
    problem = problems.himmelblau()
    bad, worse, good = [4.9, 4.9], [4.95, 4.9], [3.1, 2.0]
    found = {}
    for name, begun in {"two": (good, bad, worse), "one": (good, good, bad)}.items():
        with pytest.warns(RuntimeWarning, match="of 3 rows"):
            found[name] = pr.run(pr.SGD(lr=0.03), problem, 60, start={"x": np.array(begun)})
    found["none"] = pr.run(pr.SGD(lr=0.03), problem, 60, start={"x": np.array([good, good])})

    ax = plots.losses(found)

    names = ax.get_legend_handles_labels()[1]
    assert names == ["two, 2 of 3 not finite", "one, 1 of 3 not finite", "none"]
    (cross,) = (mark for mark in ax.lines if mark.get_marker() == "X")
    ((t, height),) = np.asarray(cross.get_xydata())
    middle = np.median(found["two"].losses, axis=1)
    assert height == middle[int(t)]
    top = 20 * max(np.median(run.losses[0]) for run in found.values())
    assert (~(middle[int(t) + 1:] <= top)).all()


@pytest.mark.parametrize("batch", [False, True])
def test_slow_weights_are_seen_where_they_are_synchronised(batch: bool) -> None:
    """A dot at every sixth step, which a line between absent values would not show."""
    start = starts(5) if batch else None
    run = pr.run(pr.Paratrooper(lr=0.01), problems.rosenbrock(), 20, start=start)

    ax = plots.line(run, "slow")

    for i, curve in enumerate(ax.lines):
        assert curve.get_marker() == "o"
        dots = np.asarray(curve.get_markevery())
        assert np.flatnonzero(dots).tolist() == [6, 12, 18]
        wanted = run.lines["x"]["slow"][dots][..., i]
        wanted = np.median(wanted, axis=1) if batch else wanted
        np.testing.assert_allclose(y_of(curve)[dots], wanted, rtol=1e-14)
    # A band that would have no width is a bar at each dot.
    bars = [shade.get_segments() for shade in ax.collections if hasattr(shade, "get_segments")]
    assert [len(segments) for segments in bars] == ([3, 3] if batch else [])


def test_a_single_time_is_a_dot() -> None:
    """The losses of no step; the parameters of the only step before the end."""
    none = plots.losses({"adam": pr.run(pr.Adam(), problems.rosenbrock(), 0)})
    with pytest.warns(RuntimeWarning, match="ended early"):
        lost = pr.run(pr.SGD(lr=1e300), problems.rosenbrock(), 5)
    one = plots.line(lost, "theta")

    assert len(none.lines) == 1
    for curve, where in ((none.lines[0], 0), *((curve, 1) for curve in one.lines)):
        assert curve.get_marker() == "o"
        assert np.flatnonzero(curve.get_markevery()).tolist() == [where]
        assert np.isfinite(y_of(curve)[where])


def test_neighbours_need_no_dots() -> None:
    """What a line shows has none; beside an absent value only what stands alone."""
    y = np.array([1.0, np.nan, 2.0, 3.0, np.inf, 4.0, np.nan])

    assert alone(y).tolist() == [True, False, False, False, False, True, False]
    assert not alone(np.arange(3.0)).any()
    assert alone(np.ones(1)).tolist() == [True]


@pytest.mark.parametrize("name", ["sgd nesterov", "adam", "lars 2017", "paratrooper"])
@pytest.mark.parametrize("batch", [False, True])
def test_every_recorded_line_can_be_drawn(name: str, batch: bool) -> None:
    """In every layer, of a step, a layer or an element, alone or in a batch: the same numbers."""
    problem = problems.tanh_net(depth=1)
    start = {k: draw(3, 5, *shape) for k, shape in problem.layers.items()} if batch else None
    run = pr.run(FAMILY[name], problem, 8, start=start)
    runs = 5 if batch else 1

    for layer, tags in run.lines.items():
        for tag, recorded in tags.items():
            ax = plots.line(run, tag, Figure().subplots(), layer=layer)
            per_run = batch and recorded.ndim > 1
            table = recorded.astype(float).reshape(9, runs if per_run else 1, -1)
            many = table.shape[2] > 8
            wanted = np.median(table.reshape(9, -1, 1) if many else table, axis=1)
            wanted[~np.isfinite(wanted)] = np.nan
            assert len(ax.lines) == wanted.shape[1]
            for curve, column in zip(ax.lines, wanted.T, strict=True):
                np.testing.assert_allclose(y_of(curve), column, rtol=1e-14)
            assert ("median" in ax.get_ylabel()) == (many or per_run)
            assert TAGS[tag].tex in ax.get_ylabel()


def test_a_line_of_the_model_can_be_drawn() -> None:
    """The size h is known at the first step alone."""
    run = pr.run(pr.Paratrooper(), problems.rosenbrock(), 3)

    ax = plots.line(run, "h")

    np.testing.assert_array_equal(y_of(ax.lines[0]), run.model["h"])
    assert ax.get_title(loc="left") or ax.get_title() == MODEL_TAGS["h"].meaning


def test_trust_shows_each_layer_and_a_cap_of_its_own() -> None:
    """One ceiling where all layers have one; where a layer has another, both are named."""
    net = problems.linear_net()
    plain = pr.run(pr.Paratrooper(lr=0.01), net, 20)
    own = pr.run(pr.Paratrooper(lr=0.01).for_layers({"W1": {"cap": 3.0}}), net, 20)

    drawn = {str(c.get_label()): y_of(c) for c in plots.trust(plain).lines}
    with_own = {str(c.get_label()): y_of(c) for c in plots.trust(own).lines}

    for layer in net.layers:
        np.testing.assert_array_equal(
            drawn[f"T, layer {layer}"], plain.lines[layer]["trust_ratio"]
        )
    np.testing.assert_array_equal(drawn["ceiling R"], plain.lines["W1"]["cap"])
    assert len(drawn) == 4
    assert set(with_own["ceiling R, layer W1"][1:]) == {3.0}
    np.testing.assert_array_equal(with_own["ceiling R, layer W2, W3"], own.lines["W2"]["cap"])


def test_layers_of_one_trust_ratio_are_all_seen() -> None:
    """Their marks stand at steps of their own, and six layers are named beside the axes."""
    run = pr.run(pr.Paratrooper(lr=0.01), problems.tanh_net(), 60)

    ax = plots.trust(run)

    curves = [line for line in ax.lines if str(line.get_label()).startswith("T,")]
    assert len(curves) == 6
    assert len({curve.get_marker() for curve in curves}) == 6
    rows: list[int] = []
    for curve in curves:
        first, apart = curve.get_markevery()
        rows += range(first, len(run.t), apart)
    assert len(rows) == len(set(rows)) > 6 * 4
    ax.figure.canvas.draw()
    legend = ax.get_legend()
    assert legend is not None
    assert not legend.get_window_extent().overlaps(ax.get_window_extent())


def entry(name: str, rates: list[float], finals: list[float]) -> Entry:
    run = pr.run(pr.SGD(), problems.booth(), 1, record="loss")
    return Entry(name=name, rates=tuple(rates), finals=tuple(finals), best=run)


def test_sweeps_of_one_name_are_a_median_in_a_band_with_losses_marked() -> None:
    """A rate at which one of the seeds did not stay finite has a cross; the dot is the best."""
    rates = [0.01, 0.1, 1.0]
    seeds = [[9.0, 2.0, 1.5], [8.0, 1.0, 7.0], [7.0, 3.0, np.inf]]

    ax = plots.sweep([entry("sgd", rates, finals) for finals in seeds])

    curve, dot = ax.lines
    np.testing.assert_allclose(y_of(curve), [8.0, 2.0, 7.0], rtol=1e-15)
    assert np.asarray(dot.get_xydata()).tolist() == [[0.1, 2.0]]
    crosses = np.concatenate([np.asarray(c.get_offsets()) for c in ax.collections[1:]])
    assert crosses[:, 0].tolist() == [1.0]
    with pytest.raises(ValueError, match="a rate in common of all entries of a name, got none"):
        plots.sweep([entry("sgd", rates, seeds[0]), entry("sgd", [0.2], [1.0])])


def test_sweeps_of_one_name_are_drawn_at_the_rates_that_they_share() -> None:
    """Where one seed was searched further than another."""
    far, near = entry("sgd", [0.1, 1, 2], [4, 2, 1]), entry("sgd", [0.01, 0.1, 1], [9, 8, 6])

    ax = plots.sweep([far, near])

    assert np.asarray(ax.lines[0].get_xydata()).tolist() == [[0.1, 6.0], [1.0, 4.0]]


@pytest.mark.parametrize(
    ("finals", "mark"), [([3, 1, 2], "o"), ([1, 2, 3], "<"), ([3, 2, 1], ">"), ([1, 1, 1], "o")]
)
def test_a_best_at_the_edge_of_a_sweep_points_outward(finals: list[float], mark: str) -> None:
    """A triangle where a better rate may lie beyond; a dot where it does not."""
    ax = plots.sweep([entry("sgd", [0.1, 1, 10], finals)])

    assert ax.lines[1].get_marker() == mark


def test_a_sweep_says_what_its_losses_are_above() -> None:
    """The minimum where it is known for all; the loss itself where for one it is not."""
    known = entry("sgd", [0.1], [3.0])
    bare = replace(problems.booth(), minimum=None)
    run = pr.run(pr.Adam(), bare, 1, record="loss")
    unknown = Entry(name="adam", rates=(0.1,), finals=(2.0,), best=run)
    raised = replace(problems.booth(), minimum=1.0)
    run = pr.run(pr.SGD(), raised, 1, record="loss")
    above = Entry(name="sgd", rates=(0.1,), finals=(3.0,), best=run)

    both, one, mixed = (plots.sweep(e) for e in ([known], [above], [above, unknown]))

    assert both.get_ylabel() == one.get_ylabel() == "final loss above the minimum"
    assert mixed.get_ylabel() == "final loss"
    assert [y_of(ax.lines[0]).tolist() for ax in (both, one, mixed)] == [[3.0], [2.0], [3.0]]


def test_a_sweep_of_single_runs_shows_their_finals() -> None:
    """One curve an optimizer, with what compare has found."""
    found = compare({"sgd": pr.SGD(), "adam": pr.Adam()}, [problems.rosenbrock()], 20)

    ax = plots.sweep(found)

    for row, curve in zip(found, (ax.lines[0], ax.lines[2]), strict=True):
        finals = np.array(row.finals)
        np.testing.assert_array_equal(
            y_of(curve), np.where(np.isfinite(finals), finals, np.nan)
        )
