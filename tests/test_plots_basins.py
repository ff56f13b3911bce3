"""Basins of attraction: held to a slow twin, one start at a time in plain Python."""

import importlib
import math
from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

import paratrooper_ref as pr
import problems
from paratrooper_ref import plots

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def descend(x: float, y: float, lr: float, steps: int) -> list[tuple[float, float]]:
    """Return where gradient descent on Himmelblau's function goes, written out."""
    trail = [(x, y)]
    for _ in range(steps):
        u, v = x * x + y - 11, x + y * y - 7
        x, y = x - lr * (4 * x * u + 2 * v), y - lr * (2 * u + 4 * y * v)
        trail.append((x, y))
        if not math.isfinite(x + y) or abs(x) + abs(y) > 1e100:
            break
    return trail


def test_every_start_ends_where_plain_gradient_descent_takes_it() -> None:
    """The minimum, the step of arrival for good, and what became non-finite."""
    lr, steps, points = 0.022, 60, 15
    problem = problems.himmelblau()

    found = plots.attraction(pr.SGD(lr=lr), problem, points=points, steps=steps)

    assert found.radius == pytest.approx(math.hypot(10, 10) / 100)
    minima = [tuple(p["x"]) for p in problem.minimizers]
    lost = 0
    for j, y in enumerate(np.linspace(-5, 5, points)):
        for i, x in enumerate(np.linspace(-5, 5, points)):
            trail = descend(float(x), float(y), lr, steps)
            if len(trail) <= steps:
                lost += 1
                assert not found.alive[j, i]
                assert found.reached[j, i] == -1
                assert np.isnan(found.arrival[j, i])
                continue
            near = [
                [k for k, m in enumerate(minima) if math.dist(point, m) <= found.radius]
                for point in trail
            ]
            wanted = near[-1][0] if near[-1] else -1
            assert found.reached[j, i] == wanted
            if wanted >= 0:
                away = [t for t, here in enumerate(near) if here != [wanted]]
                assert found.arrival[j, i] == (away[-1] + 1 if away else 0)
    assert 0 < lost < points * points / 2
    assert found.share(-1) >= lost / points**2
    assert sum(found.share(k) for k in range(-1, 4)) == pytest.approx(1)


def test_a_start_that_was_lost_has_arrived_nowhere() -> None:
    """Not even where it stood beside a minimum: the first step overflows."""
    optimizer, problem = pr.SGD(lr=1e308), problems.himmelblau()
    found = plots.attraction(optimizer, problem, points=41, steps=3, radius=0.5)

    beside = np.hypot(found.xs - 3, found.ys[:, None] - 2) <= found.radius
    assert np.count_nonzero(found.reached >= 0) == 1  # (3, 2) itself
    assert np.count_nonzero(beside & ~found.alive) > 0
    np.testing.assert_array_equal(found.reached[~found.alive], -1)
    assert np.isnan(found.arrival[~found.alive]).all()


def test_the_map_does_not_depend_on_how_the_run_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paratrooper's slow weights and choice of momentum are carried over the cuts."""
    optimizer, problem = pr.Paratrooper(lr=0.1), problems.six_hump_camel()
    cut = plots.attraction(optimizer, problem, points=9, steps=60)
    module = importlib.import_module("paratrooper_ref.plots.basins")
    monkeypatch.setattr(module, "AT_ONCE", 60)

    whole = plots.attraction(optimizer, problem, points=9, steps=60)

    np.testing.assert_array_equal(cut.reached, whole.reached)
    np.testing.assert_array_equal(cut.arrival, whole.arrival)
    assert len(np.unique(cut.reached)) > 3


def test_basins_shows_a_colour_for_each_minimum_paler_where_it_took_longer() -> None:
    """The picture's cells are the starts, in their places; the legend has the shares."""
    found = plots.attraction(pr.SGD(lr=0.1), problems.double_well(), points=12, steps=80)

    ax = plots.basins(found)

    (image,) = ax.get_images()
    picture = np.asarray(image.get_array())
    left, right, bottom, top = image.get_extent()
    assert image.origin == "lower"
    assert (right - left) / 12 == pytest.approx(found.xs[1] - found.xs[0])
    assert (bottom + top) / 2 == pytest.approx(0)
    # Along y the double well is symmetric: each half goes to the minimum on its side.
    np.testing.assert_array_equal(
        np.take(found.minima[:, 1], found.reached), np.sign(found.ys)[:, None] + 0 * found.xs
    )
    for k, color in enumerate(plots.AREAS[:2]):
        pure = np.array(mpl.colors.to_rgb(color))
        cells, when = picture[found.reached == k], found.arrival[found.reached == k]
        white = ((cells - pure) / (1 - pure)).mean(axis=1)
        np.testing.assert_array_equal(np.argsort(np.argsort(when)), np.argsort(np.argsort(white)))
    texts = [t.get_text() for t in ax.get_legend().get_texts()]  # type: ignore[union-attr]
    assert texts == [f"{n} (0.00, {found.minima[k, 1]:.2f}): 50%" for k, n in enumerate("AB")]


def test_of_undeclared_minima_nothing_is_claimed() -> None:
    """Rastrigin's function has 121 in the domain and declares two; other starts end at others."""
    found = plots.attraction(pr.SGD(lr=0.002), problems.rastrigin(), points=12, steps=50)

    texts = [t.get_text() for t in plots.basins(found).get_legend().get_texts()]  # type: ignore[union-attr]

    share = np.mean(found.reached < 0)
    assert share > 0.9
    assert texts[-1] == f"at none of the declared minima\nafter 50 steps: {share:.0%}"


def test_what_has_no_basins_is_named() -> None:
    """A problem without a plane, a radius that covers two minima, no starts."""
    with pytest.raises(ValueError, match="needs two parameters and a domain"):
        plots.attraction(pr.SGD(), problems.diabetes())
    with pytest.raises(ValueError, match="half the way between two minima of himmelblau, got rad"):
        plots.attraction(pr.SGD(), problems.himmelblau(), radius=3.0)
    with pytest.raises(ValueError, match="got points=1, steps=300"):
        plots.attraction(pr.SGD(), problems.himmelblau(), points=1)
