"""Figures of landscapes take and return Axes, and show the numbers they are given."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes

import paratrooper_ref as pr
import problems
from paratrooper_ref import plots
from paratrooper_ref.landscape import (
    Slice,
    convexity,
    cut,
    interpolation,
    principal_directions,
    random_directions,
)

from .vision import least_apart

mpl.use("Agg")

NET = problems.tanh_net()


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def run() -> pr.Trajectory:
    """Return a short run."""
    return pr.run(pr.Adam(lr=0.02), NET, 60)


@pytest.fixture(scope="module")
def plane(run: pr.Trajectory) -> Slice:
    """Return the plane of its principal directions, of another number of points each way."""
    found = principal_directions(run)
    return cut(NET, found.center, found.directions, radius=found.reach(), points=(7, 5))


def line(seed: int = 0) -> Slice:
    """Return a line through the start."""
    (direction,) = random_directions(NET, NET.starts[0], count=1, seed=seed)
    return cut(NET, NET.starts[0], direction, points=5)


def heights(ax: Any) -> list[float]:
    """Return the heights of bars."""
    return [bar.get_height() for bar in ax.patches]


def test_every_function_draws_on_the_axes_it_is_given(run: pr.Trajectory, plane: Slice) -> None:
    """So figures can be composed."""
    found = convexity(plane, chords=10)
    draws: list[Callable[[Any], Axes]] = [
        lambda ax: plots.slice_map(plane, ax),
        lambda ax: plots.slice_map(plane, ax, trajectory=run, limits=(0.0, 9.0), bar=False),
        lambda ax: plots.slice_lines({"one": line(), "two": line(1)}, ax),
        lambda ax: plots.ratio_map(plane, found, ax),
        lambda ax: plots.principal_shares(principal_directions(run), ax),
        lambda ax: plots.against_depth((2, 4), {"plain": [(0.5, 0.4, 0.6), (0.7, 0.6, 0.8)]}, ax),
    ]

    for draw in draws:
        _, ax = plt.subplots()
        assert draw(ax) is ax
        assert isinstance(draw(None), Axes)
    solid: Any = plt.figure().add_subplot(projection="3d")
    assert plots.slice_surface(plane, solid) is solid
    assert isinstance(plots.slice_surface(plane), Axes)


def test_the_first_direction_runs_along_x(plane: Slice) -> None:
    """A ratio that is 1 at one point of the grid is drawn there, not at its transpose."""
    found = convexity(plane, chords=10)
    assert found.ratio is not None
    found.ratio[...] = 0.0
    found.ratio[6, 1] = 1.0

    ax = plots.ratio_map(plane, found, bar=False)

    (drawn,) = ax.collections
    cells = np.asarray(drawn.get_array())
    assert cells.shape == (5, 7)
    assert np.argwhere(cells).tolist() == [[1, 6]]
    low, high = ax.get_xlim()
    assert low < plane.coordinates[0][0] < plane.coordinates[0][-1] < high


def test_levels_of_a_map_are_crossed_along_the_first_direction(plane: Slice) -> None:
    """Of a loss that grows with the first coordinate alone each level is upright, in order."""
    x, y = plane.coordinates
    ramp = Slice(
        problem=NET, center=plane.center, directions=plane.directions, coordinates=(x, y),
        losses=np.add.outer(x - x[0], 0 * y),
    )

    ax = plots.slice_map(ramp, bar=False)

    levels = [np.asarray(p.vertices) for p in ax.collections[-1].get_paths() if len(p)]
    upright = [np.ptp(level[:, 0]) for level in levels]
    assert len(upright) > 10
    assert max(upright) < 1e-9 * np.ptp(x)
    assert (np.diff([level[0, 0] for level in levels]) > 0).all()


def test_dots_of_a_run_have_its_own_losses(run: pr.Trajectory, plane: Slice) -> None:
    """Each dot is where the run is projected, in the colour of the loss it had, not of the map."""
    ax = plots.slice_map(plane, trajectory=run)

    dots = ax.collections[-1]
    coordinates, distance = plane.project(run.params)
    shown = np.asarray(dots.get_offsets())
    rows = [int(np.flatnonzero((coordinates == point).all(axis=1))[0]) for point in shown]
    values = np.asarray(dots.get_array())
    assert rows[0] == 0
    assert rows[-1] == len(run.t) - 1
    assert np.ptp(10**values - run.losses[rows]) < 1e-9  # heights are logs of shifted losses
    assert np.ptp(values) > 0.1
    assert f"{distance.max():.2g}" in ax.get_title(loc="left")
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), coordinates)


def test_a_run_in_its_plane_is_said_to_be_there() -> None:
    """Two parameters have no other plane."""
    booth = problems.booth()
    path = pr.run(pr.SGD(lr=0.02), booth, 10)
    plane = cut(booth, booth.minimizers[0], [{"x": np.eye(2)[i]} for i in (0, 1)], radius=9.0)

    ax = plots.slice_map(plane, trajectory=path)

    assert ax.get_title(loc="left") == "the run is in the plane"


def test_lines_show_their_losses() -> None:
    """On a logarithmic axis where all are positive, on a plain one otherwise."""
    one, well = line(), problems.double_well()

    shown = plots.slice_lines({"a line": one})
    plain = plots.slice_lines({"wells": interpolation(well, *well.minimizers)})

    np.testing.assert_array_equal(shown.lines[0].get_ydata(), one.losses)
    np.testing.assert_array_equal(shown.lines[0].get_xdata(), one.coordinates[0])
    assert (shown.get_yscale(), plain.get_yscale()) == ("log", "linear")


def test_shares_stand_beside_those_of_a_random_walk(run: pr.Trajectory) -> None:
    """Bars are the run's, dots the walk's."""
    found = principal_directions(run)

    ax = plots.principal_shares(found)

    np.testing.assert_array_equal(heights(ax), found.shares[:10])
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), found.null[:10])


def test_bars_carry_their_intervals() -> None:
    """The middle is the mean, the whisker runs from low to high."""
    ax = plots.against_depth((2, 4), {"plain": [(0.5, 0.4, 0.7), (0.8, 0.6, 0.9)]})

    assert heights(ax) == [0.5, 0.8]
    (whiskers,) = (c for c in ax.collections if len(c.get_paths()) == 2)
    ends = [np.asarray(path.vertices)[:, 1] for path in whiskers.get_paths()]
    np.testing.assert_allclose(ends, [[0.4, 0.7], [0.6, 0.9]], rtol=1e-12)


def test_a_slice_that_overflows_in_part_is_drawn_and_one_that_is_nowhere_finite_is_not() -> None:
    """What is not finite is left blank."""
    valley = problems.rosenbrock()
    far = [{"x": np.array([1e60, 0.0])}, {"x": np.array([0.0, 1.0])}]
    partly = cut(valley, {"x": [1.0, 1.0]}, far, radius=1e60, points=5)
    nowhere = Slice(
        problem=valley, center=partly.center, directions=partly.directions,
        coordinates=partly.coordinates, losses=np.full((5, 5), np.inf),
    )

    assert not np.isfinite(partly.losses).all()
    plots.slice_map(partly)
    with pytest.raises(ValueError, match="needs some that are finite, got none"):
        plots.slice_map(nowhere)


AXES = [{"x": np.eye(2)[i]} for i in (0, 1)]


def map_of_a_run(rows: Any, radius: float = 1.0) -> Any:
    """Return a map of booth around 0, and a run on it that was at these points."""
    booth = problems.booth()
    run = pr.run(pr.SGD(lr=1e-3), booth, len(rows) - 1)
    run = dataclasses.replace(run, params={"x": np.array(rows, dtype=float)})
    return plots.slice_map(cut(booth, {"x": [0.0, 0.0]}, AXES, radius=radius), trajectory=run)


def test_a_run_that_diverged_is_drawn_to_the_edge() -> None:
    """Its rows out to 1e290 are counted; map, scale and distance are those of what is in view."""
    valley = problems.rosenbrock()
    with pytest.warns(RuntimeWarning, match="ended early"):
        run = pr.run(pr.SGD(lr=1.0), valley, 100)
    plane = cut(valley, {"x": [0.0, 0.0]}, AXES, points=21, radius=2.0)

    ax = plots.slice_map(plane, trajectory=run)
    ax.figure.canvas.draw()

    beyond = int(np.sum(np.abs(run.params["x"]).max(axis=1) > 4))
    assert np.abs(run.params["x"]).max() > 1e100
    assert 0 < beyond < len(run.t)
    said = f"the run is in the plane; {beyond} of {len(run.t)} rows are beyond the edge"
    assert ax.get_title(loc="left") == said
    assert np.abs([ax.get_xlim(), ax.get_ylim()]).max() <= 4.5
    assert np.nanmax(np.abs(np.asarray(ax.lines[0].get_xydata()))) < 1e5
    bar: Any = ax.figure.axes[1]
    assert max(float(t.get_text()) for t in bar.get_yticklabels()) < 1e6


def test_a_run_far_outside_does_not_shrink_the_map() -> None:
    """It is widened by what lies within half its width on each side, and by no more."""
    ax = map_of_a_run([[1e4, 0.0], [1.5, 0.5], [0.5, 0.5], [0.2, -0.3]])

    assert ax.get_xlim() == (-1.0, pytest.approx(1.6))
    assert ax.get_ylim() == (-1.0, 1.0)
    assert "1 of 4 rows are beyond the edge" in ax.get_title(loc="left")
    assert len(np.asarray(ax.collections[-1].get_offsets())) == 3
    line = np.asarray(ax.lines[0].get_xydata())
    np.testing.assert_array_equal(line[1:], [[1.5, 0.5], [0.5, 0.5], [0.2, -0.3]])
    np.testing.assert_allclose(line[0], [2000, 0])  # on its way to (1e4, 0)
    with pytest.raises(ValueError, match="comes near the slice, got one of 2 rows that are all"):
        map_of_a_run([[1e4, 0.0], [9.0, 0.0]])


def test_ticks_of_the_scale_are_losses_that_can_be_told_apart() -> None:
    """The first is the least loss, 0 if it is 0; no text stands twice, of one loss just one."""
    for problem, radius, least in (
        (problems.booth(), 1.0, "0"), (problems.styblinski_tang(), 1.0, "-78.3")
    ):
        plane = cut(problem, problem.minimizers[0], AXES, radius=radius)
        bar: Any = plots.slice_map(plane).figure.axes[1]
        texts = [t.get_text() for t in bar.get_yticklabels()]
        losses = [float(t) for t in texts]
        assert len(set(texts)) == len(texts) == 5
        assert losses == sorted(losses)
        assert losses[0] == pytest.approx(plane.losses.min(), rel=1e-2)
        assert losses[-1] == pytest.approx(plane.losses.max(), rel=5e-2)
        assert texts[0] == least
    flat = dataclasses.replace(plane, losses=np.full(plane.losses.shape, 3.0))
    bar = plots.slice_map(flat).figure.axes[1]
    assert [t.get_text() for t in bar.get_yticklabels()] == ["3"]


def test_one_component_is_one_bar_of_the_usual_width() -> None:
    """And the title says one."""
    step = pr.run(pr.SGD(lr=1e-3), problems.rosenbrock(), 1)
    ax = plots.principal_shares(principal_directions(step, count=1))

    low, high = ax.get_xlim()
    (bar,) = (patch for patch in ax.patches)
    assert bar.get_extents().width < 0.2 * ax.bbox.width
    assert high - low > 5
    assert ax.get_title() == "one component: 100%; of a random walk: 100%"


def test_series_are_told_apart_whatever_kind_of_cone_is_missing() -> None:
    """Any two colours are 20 units of CIELAB apart or more."""
    assert least_apart(plots.landscapes.SERIES) > 20


def test_what_cannot_be_drawn_is_named(run: pr.Trajectory, plane: Slice) -> None:
    """Lines and planes, flat Axes, runs of another problem, batches, missing spectra, lengths."""
    other = pr.run(pr.SGD(), problems.booth(), 2)
    batch = pr.run(pr.SGD(), NET, 1, start={k: np.stack([w, w]) for k, w in NET.starts[0].items()})
    bare = pr.run(pr.SGD(), NET, 1, record="loss")
    found = convexity(plane, chords=5, spectra=False)
    lost = dataclasses.replace(line(), losses=np.full(5, np.inf))

    cases: list[tuple[Callable[[], Axes], str]] = [
        (lambda: plots.slice_map(line()), "slice_map needs a slice of two directions, got one"),
        (lambda: plots.slice_surface(line()), "slice_surface needs a slice of two"),
        (lambda: plots.slice_surface(plane, plt.subplots()[1]), "give projection='3d'"),
        (lambda: plots.slice_lines({"p": plane}), "of one direction, got a plane for 'p'"),
        (lambda: plots.slice_lines({"inf": lost}), "are finite, got none for 'inf'; take a small"),
        (lambda: plots.slice_map(plane, trajectory=other), "a run on tanh_net.*, got one on booth"),
        (lambda: plots.slice_map(plane, trajectory=batch), "got a batch of shape"),
        (lambda: plots.slice_map(plane, trajectory=bare), "recorded parameters, got record='loss'"),
        (lambda: plots.ratio_map(plane, found), "points of the slice, got none"),
        (lambda: plots.against_depth((2, 4), {"a": [(1, 0, 2)]}), "each of 2 depths, got 1 for"),
    ]
    for draw, why in cases:
        with pytest.raises(ValueError, match=why):
            draw()
