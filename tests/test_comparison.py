"""Optimizers are compared at their best rates, wherever those are, and it is said where none is."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import paratrooper_ref as pr
import problems
from paratrooper_ref.comparison import DECADE, GRID, MULTIPLES, Entry, compare, save, table

STEPS = 3


def bowl(best: float, steps: int = STEPS, **options: Any) -> Entry:
    """Return a sweep of gradient descent on |x|^2 / 2, its best rate so many times its own.

    A step multiplies the distance by 1 - lr, so the best rate is 1.
    """
    problem = problems.quadratic_bowl(kappa=1, rotation=None)
    (entry,) = compare({"sgd": pr.SGD(lr=1 / best)}, [problem], steps, **options)
    return entry


def multiples(entry: Entry, best: float) -> list[float]:
    """Return which multiples of its own rate were tried."""
    return [float(f"{rate * best:.6g}") for rate in entry.rates]


def test_multiples_are_three_a_decade() -> None:
    """Five decades to either side, of which three are tried in any case."""
    np.testing.assert_allclose(GRID[::3], 10.0 ** np.arange(-5, 6), rtol=1e-15)
    np.testing.assert_allclose(GRID[1::3], 2 * 10.0 ** np.arange(-5, 5), rtol=1e-15)
    np.testing.assert_allclose(GRID[2::3], 5 * 10.0 ** np.arange(-5, 5), rtol=1e-15)
    assert MULTIPLES == (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


@pytest.mark.parametrize("best", [2e-5, 1e-4, 0.02, 0.1, 0.5, 1.0, 20.0, 100.0, 1000.0, 5e4])
def test_the_best_rate_is_found_far_from_an_optimizers_own(best: float) -> None:
    """A decade on either side of it is tried, nothing between is left out, nor more than that."""
    entry = bowl(best)

    assert entry.lr == pytest.approx(1, rel=1e-11)
    assert entry.edge is None
    at = GRID.index(best)
    needed = {*MULTIPLES, *GRID[max(0, at - DECADE) : at + DECADE + 1]}
    found = multiples(entry, best)
    assert found == [m for m in GRID if min(needed) <= m <= max(needed)]
    factor = (1 - np.array(entry.rates)) ** (2 * STEPS)
    np.testing.assert_allclose(entry.finals, factor * entry.best.losses[0], rtol=1e-5, atol=1e-60)


def test_a_valley_beyond_a_ridge_of_the_sweep_is_seen() -> None:
    """LAMB's best in Rosenbrock's valley, of the whole grid: past rates that end higher."""
    lamb, valley = {"lamb": pr.LAMB()}, [problems.rosenbrock()]

    (searched,), (whole,) = compare(lamb, valley, 500), compare(lamb, valley, 500, multiples=GRID)

    assert searched.lr == whole.lr
    at = searched.rates.index(searched.lr)
    assert searched.finals[at - 3] < searched.finals[at - 2] > searched.finals[at]


@pytest.mark.parametrize(("best", "edge", "rate"), [(1e7, "highest", 1e-2), (1e-8, "lowest", 1e3)])
def test_a_best_beyond_all_that_is_tried_is_said_to_be_at_the_edge(
    best: float, edge: str, rate: float, tmp_path: Path
) -> None:
    """In the entry, in the summary, and in the table; it ends where the grid does."""
    entry = bowl(best)

    assert entry.edge == edge
    assert entry.lr == pytest.approx(rate, rel=1e-11)
    end = -1 if edge == "highest" else 0
    assert multiples(entry, best)[end] == GRID[end]
    assert f"at the edge: {edge} rate" in table([entry])
    (row,) = json.loads(save([entry], tmp_path)[-1].read_text())
    assert row["edge"] == edge
    inside = bowl(1.0)
    assert inside.summary()["edge"] is None
    assert "edge" not in table([inside])


def test_where_no_run_stays_finite_lower_rates_are_tried() -> None:
    """Down to the first that do; if there is none the run at its own rate says what happened."""
    found, none = bowl(1e-4, 500), bowl(1e-12, 500)

    assert found.lr == pytest.approx(1, rel=1e-11)
    assert multiples(none, 1e-12) == [m for m in GRID if m <= 100]
    assert set(none.finals) == {math.inf}
    assert none.edge is None
    assert none.lr == 1e12
    assert none.best.stopped is not None
    assert bowl(1e-12, 500, multiples=(1.0, 2.0)).edge is None


def test_of_equal_rates_an_optimizers_own_is_the_best() -> None:
    """Without a step all end alike: there is nothing to look for."""
    entry = bowl(1e-3, 0)

    assert entry.lr == 1e3
    assert multiples(entry, 1e-3) == [*MULTIPLES]
    assert entry.edge is None


@pytest.mark.parametrize(
    ("asked", "edge"),
    [((2.0, 1.0, 0.5), None), ((1.0, 2.0), "lowest"), ((0.1, 0.5), "highest"), ((1.0,), None)],
)
def test_multiples_that_are_asked_for_are_all_that_is_tried(
    asked: tuple[float, ...], edge: str | None
) -> None:
    """In their order; one alone has no edge."""
    entry = bowl(1.0, multiples=asked)

    assert entry.rates == asked
    assert entry.edge == edge
    assert entry.lr == min(asked, key=lambda rate: abs(rate - 1))


def test_a_best_that_is_also_reached_between_the_ends_is_at_no_edge() -> None:
    """Rates so small that nothing moves end alike, to the bit."""
    entry = bowl(1e-300, multiples=(1e-320, 1e-319, 1e-318))

    assert len(set(entry.finals)) == 1
    assert entry.edge is None


def test_a_comparison_does_not_depend_on_the_number_of_processes() -> None:
    """Where the grid is widened too; and the progress ends at its whole."""
    family = {"adam": pr.Adam(), "sgd": pr.SGD(lr=1e-4), "still": pr.SGD(lr=1e-9)}
    valleys = [problems.booth(), problems.beale()]
    seen: list[list[tuple[int, int]]] = [[], []]

    one, two = (
        compare(family, valleys, 9, jobs=jobs, progress=lambda *x, to=to: to.append(x))
        for jobs, to in zip((1, 2), seen, strict=True)
    )

    assert [entry.summary() for entry in one] == [entry.summary() for entry in two]
    assert any(len(entry.rates) > len(MULTIPLES) for entry in one)
    assert any(entry.edge for entry in one)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.best.losses, b.best.losses)
    runs = sum(len(entry.rates) + 1 for entry in one)
    assert seen[0] == seen[1]
    assert seen[0][-1] == (runs, runs)
    assert [done for done, _ in seen[0]] == [*range(1, runs + 1)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"multiples": ()}, r"needs multiples .* to try, each once, got multiples=\(\)"),
        ({"multiples": (1, 1.0)}, r"each once, got multiples=\(1, 1\.0\)"),
        ({"jobs": 0}, "at least one process, got jobs=0"),
    ],
)
def test_what_cannot_be_compared_is_refused(options: dict[str, Any], said: str) -> None:
    """There is no best of none, a rate counts once, and somebody has to run."""
    with pytest.raises(ValueError, match=said):
        bowl(1.0, **options)
