"""The figure that a run leaves: every optimizer has its name and its row, on a phone too."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

import paratrooper_ref as pr
import problems
from paratrooper_ref import plots
from paratrooper_ref.comparison import Entry, compare
from paratrooper_ref.optimizers import OPTIMIZERS
from paratrooper_ref.plots.names import apart, beside
from paratrooper_ref.plots.style import axes

FAMILY = {"sgd": pr.SGD(), "adam": pr.Adam(), "paratrooper": pr.Paratrooper()}
BOTH = [problems.rosenbrock(), problems.diabetes()]


def entry(name: str, rates: list[float], finals: list[float]) -> Entry:
    """Return an entry of booth, whose loss begins at 170 above its minimum."""
    at = rates[int(np.argmin(finals))]
    run = pr.run(pr.SGD(lr=at), problems.booth(), 1, record="loss")
    return Entry(name=name, rates=tuple(rates), finals=tuple(finals), best=run)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def points(ax: Axes, mark: str) -> list[Any]:
    """Return what is drawn with a mark."""
    return [np.asarray(x.get_xydata()).tolist() for x in ax.lines if x.get_marker() == mark]


def titles(figure: Figure) -> list[str]:
    return [ax.get_title(loc="left") for ax in figure.axes]


def names(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_overview_shows_each_problem_once_and_where_its_rates_end() -> None:
    """A plane for the valley, losses for the regression, and a row an optimizer for both."""
    entries = compare(FAMILY, BOTH, 5)

    figure = plots.overview(entries)

    paths, curves = "rosenbrock: the way down", "diabetes: the loss"
    assert titles(figure) == [paths, curves, "rosenbrock", "diabetes"]
    plane, losses, left, right = figure.axes
    assert len([line for line in plane.lines if line.get_label() in names(losses)]) == 3
    assert {*names(losses)} == {"SGD", "Adam", "Paratrooper"}
    assert [text.get_text() for text in left.get_yticklabels()] == ["SGD", "Adam", "Paratrooper"]
    for ax, group in ((left, entries[:3]), (right, entries[3:])):
        assert names(ax) == [f"{e.lr:g}" for e in group] + ["rate"]
    signs = [text.get_text() for text in figure.legends[0].get_texts()]
    assert signs == ["the best, at this rate", "another rate", "some did not stay finite"]


def test_at_one_rate_overview_shows_the_losses_of_all_problems() -> None:
    """There is no sweep; and the plane needs the names that are beside the losses."""
    figure = plots.overview(compare(FAMILY, BOTH, 5, multiples=(1.0,)))

    paths, curves = "rosenbrock: the way down", "diabetes: the loss"
    assert titles(figure) == [paths, "rosenbrock: the loss", curves]
    assert not figure.legends


def test_what_is_restless_is_drawn_below_what_is_calm() -> None:
    """A run that jumps about would hide the others, on the plane and among the losses."""
    wild, calm = pr.SGD(lr=0.005), pr.SGD(lr=0.0005)
    entries = compare({"calm": calm, "wild": wild}, [problems.rosenbrock()], 30, multiples=(1.0,))

    plane, losses = plots.overview(entries).axes

    for ax in (plane, losses):
        drawn = [line.get_label() for line in ax.lines if line.get_label() in ("calm", "wild")]
        assert drawn == ["wild", "calm"]


def test_letters_of_the_overview_are_legible_on_a_phone() -> None:
    """At 390 points across none is below 8.5 points, or cut, or over another name."""
    family = {name: make() for name, make in OPTIMIZERS.items() if name != "lookahead"}
    family["lookahead(radamw)"] = pr.Lookahead(inner=pr.RAdamW())
    figure = plots.overview(compare(family, BOTH, 2, multiples=(1.0, 2.0)))

    figure.canvas.draw()

    wide = figure.get_figwidth() * 72
    texts = [*figure.legends[0].get_texts()]
    for ax in figure.axes:
        texts += [*ax.texts, *ax.get_xticklabels(), *ax.get_yticklabels()]
    assert len(texts) > 80
    for text in texts:
        assert float(text.get_fontsize()) * 390 / wide >= 8.5, text
        box = text.get_window_extent()
        assert box.x0 >= 0, text
        assert box.x1 <= figure.bbox.width, text
    line = 12.5 / 72 * figure.dpi
    for names_of in (figure.axes[1].texts, figure.axes[2].get_yticklabels()):
        boxes = [Text.get_window_extent(text) for text in names_of]  # without the line to a curve
        middles = sorted((box.y0 + box.y1) / 2 for box in boxes)
        assert all(b - a >= line for a, b in pairwise(middles))


def test_ends_draws_the_best_of_each_row_and_the_others() -> None:
    """From the least loss on; a rate that was lost is a cross, one below the floor is at it."""
    rows = [
        entry("sgd", [0.1, 1.0, 10.0], [4.0, 2.0, np.inf]),
        entry("adam", [0.1, 1.0, 10.0], [40.0, 1e-30, 3e8]),
    ]

    ax = plots.ends(rows, floor=1e-10)

    assert points(ax, "o") == [[[2.0, 0.0]], [[1e-10, 1.0]]]
    assert points(ax, "|") == [[[4.0, 0.0], [2.0, 0.0]], [[40.0, 1.0], [1e-10, 1.0]]]
    assert points(ax, "x") == [[[1.0, 0.0]]]
    assert ax.get_xlim()[1] == 20 * 170
    assert ax.get_xlabel() == "loss above the minimum"
    assert names(ax) == ["1", "1", "rate"]


def test_ends_shows_a_best_at_the_edge_hollow_and_says_so() -> None:
    """In the row, and among the signs of the overview."""
    rows = [entry("sgd", [0.1, 1.0], [4.0, 2.0]), entry("adam", [0.1, 1.0, 2.0], [4.0, 2.0, 3.0])]

    ax, figure = plots.ends(rows), plots.overview([replace_path(row) for row in rows])

    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [dot.get_markerfacecolor() == "white" for dot in dots] == [True, False]
    signs = [text.get_text() for text in figure.legends[0].get_texts()]
    assert signs == ["the best, at this rate", "another rate", "the best, at the edge"]


def replace_path(row: Entry) -> Entry:
    """Return the entry with its run recorded whole, as compare has it."""
    return replace(row, best=pr.run(row.best.optimizer, row.best.problem, 1))


def test_ends_of_runs_that_were_all_lost_is_a_cross_and_no_rate() -> None:
    """Nothing to draw, and nothing fails."""
    ax = plots.ends([entry("sgd", [0.1, 1.0], [np.inf, np.inf])])

    assert names(ax) == ["none", "rate"]
    assert [line.get_marker() for line in ax.lines] == ["x"]


def test_ends_of_several_problems_or_none_are_refused() -> None:
    """They share no axis."""
    with pytest.raises(ValueError, match="ends needs entries of one problem, got those of none"):
        plots.ends([])
    with pytest.raises(ValueError, match="of one problem, got those of rosenbrock, diabetes"):
        plots.ends(compare({"sgd": pr.SGD()}, BOTH, 1, multiples=(1.0,)))


def test_names_stand_at_the_ends_of_their_curves() -> None:
    """As far as there is room; of a curve that ends early the line to its name begins there."""
    ax = axes(None)
    ax.plot([0, 1, 2], [0, 1, 8], label="high, lost")
    ax.plot([0, 1, 2], [0, 1, np.nan], label="low")
    ax.plot([0, 2], [5, 5])
    ax.set(xlim=(0, 2), ylim=(0, 10))

    beside(ax)

    found: dict[str, Any] = {text.get_text(): text for text in ax.texts}
    assert {*found} == {"high", "low"}
    np.testing.assert_allclose(found["high"].xy, (1.0, 0.8))
    np.testing.assert_allclose(found["low"].xy, (0.5, 0.1))
    np.testing.assert_allclose(found["high"].get_position(), (1.06, 0.8))


@given(
    wishes=st.lists(st.floats(0, 1), min_size=1, max_size=7).map(sorted),
    gap=st.floats(0.01, 0.15),
    moves=st.lists(st.floats(-0.2, 0.2), min_size=7, max_size=7),
)
def test_places_are_the_nearest_ones_that_are_apart(
    wishes: list[float], gap: float, moves: list[float]
) -> None:
    """Within the interval, a gap between them, and none that is so is nearer."""
    found = apart(np.array(wishes), gap)

    assert found.min() >= 0
    assert found.max() <= 1 + 1e-12
    assert (np.diff(found) >= gap - 1e-12).all()
    other = np.clip(np.sort(found + moves[: len(found)]), 0, 1)
    for i in range(1, len(other)):
        other[i] = max(other[i], other[i - 1] + gap)
    if other[-1] <= 1:
        assert ((found - wishes) ** 2).sum() <= ((other - wishes) ** 2).sum() + 1e-12


def test_nothing_is_no_overview() -> None:
    """In place of a figure without panels."""
    with pytest.raises(ValueError, match="overview needs entries of a comparison, got none"):
        plots.overview([])


def test_places_that_do_not_fit_begin_at_the_bottom() -> None:
    """They keep their gaps."""
    np.testing.assert_allclose(apart(np.array([0.5, 0.5, 0.6]), 0.7), [0.0, 0.7, 1.4])
