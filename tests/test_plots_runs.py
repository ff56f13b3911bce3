"""Curves over steps: batches are medians in bands, and nothing that diverged is hidden."""

from collections.abc import Iterator
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
    with pytest.raises(ValueError, match="the same rates in all entries of a name"):
        plots.sweep([entry("sgd", rates, seeds[0]), entry("sgd", [0.2], [1.0])])


def test_a_sweep_of_single_runs_shows_their_finals() -> None:
    """One curve an optimizer, with what compare has found."""
    found = compare({"sgd": pr.SGD(), "adam": pr.Adam()}, [problems.rosenbrock()], 20)

    ax = plots.sweep(found)

    for row, curve in zip(found, (ax.lines[0], ax.lines[2]), strict=True):
        finals = np.array(row.finals)
        np.testing.assert_array_equal(
            y_of(curve), np.where(np.isfinite(finals), finals, np.nan)
        )
