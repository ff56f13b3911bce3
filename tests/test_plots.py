"""Figures take and return Axes, and show the numbers they are given."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import paratrooper_ref as pr
import problems
from paratrooper_ref import plots
from paratrooper_ref.cli import main
from paratrooper_ref.plots.basins import ELSEWHERE, LOST
from paratrooper_ref.plots.planes import _height, has_plane
from paratrooper_ref.plots.scalars import LONGEST
from paratrooper_ref.plots.style import PALEST

from .vision import VISIONS, apart, least_apart, seen

mpl.use("Agg")

PALED = np.linspace(0, PALEST, 5)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def run() -> pr.Trajectory:
    """Return a short run of Paratrooper in the valley."""
    return pr.run(pr.Paratrooper(lr=1e-2), problems.rosenbrock(), 30)


def test_every_function_draws_on_the_axes_it_is_given(run: pr.Trajectory) -> None:
    """So figures can be composed."""
    draws: list[Callable[[Any], Axes]] = [
        lambda ax: plots.contour(run.problem, ax, points=20),
        lambda ax: plots.path(run, ax),
        lambda ax: plots.losses({"paratrooper": run}, ax),
        lambda ax: plots.line(run, "rho", ax),
        lambda ax: plots.trust(run, ax),
        lambda ax: plots.curves(ax, steps=20),
    ]

    for draw in draws:
        _, ax = plt.subplots()
        assert draw(ax) is ax
        assert isinstance(draw(None), Axes)


def test_path_and_losses_show_the_recorded_numbers(run: pr.Trajectory) -> None:
    """The lines' data are the trajectory's."""
    path = plots.path(run).lines[0]
    losses = plots.losses({"paratrooper": run}).lines[0]

    np.testing.assert_array_equal(path.get_xydata(), run.params["x"])
    np.testing.assert_array_equal(losses.get_ydata(), run.losses)


def test_contour_marks_every_declared_critical_point_by_its_kind() -> None:
    """At each mark of the camel the gradient is zero, and the Hessian has the kind's signs."""
    problem = problems.six_hump_camel()

    ax = plots.contour(problem, points=20)

    kinds = {
        "global minimum": (2, (1, 1)), "local minimum": (4, (1, 1)), "saddle": (7, (-1, 1)),
        "maximum": (2, (-1, -1)),
    }
    marks = {str(line.get_label()): np.asarray(line.get_xydata()) for line in ax.lines}
    assert list(marks) == list(kinds)
    for kind, (count, signs) in kinds.items():
        assert len(marks[kind]) == count
        for point in marks[kind]:
            assert np.abs(problem.grad({"x": point})["x"]).max() < 1e-12
            curvature = np.linalg.eigvalsh(problem.hessian({"x": point}))
            assert tuple(np.sign(curvature).astype(int)) == signs
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == list(kinds)


def test_a_path_that_ends_outside_is_marked_where_it_was_last_on_the_plane() -> None:
    """A cross at the last point inside, where a dot outside would not be seen."""
    problem = problems.himmelblau()
    out = pr.run(pr.SGD(lr=0.05), problem, 1, start={"x": np.array([4.9, 4.9])})
    low, high = plots.planes.plane(problem)
    assert out.stopped is None
    assert not ((out.params["x"][1] > low) & (out.params["x"][1] < high)).all()

    end = plots.path(out).lines[-1]

    assert end.get_marker() == "X"
    np.testing.assert_array_equal(np.ravel(end.get_xydata()), [4.9, 4.9])


def test_a_path_that_diverges_is_drawn_as_far_as_it_was_near() -> None:
    """No point is further than ten boxes away, and the end is a cross within the plane."""
    with pytest.warns(RuntimeWarning, match="ended early"):
        lost = pr.run(
            pr.SGD(lr=0.03), problems.himmelblau(), 9, start={"x": np.array([4.9, -4.9])}
        )

    drawn, _, end = plots.path(lost).lines

    points = np.asarray(drawn.get_xydata())
    recorded = lost.params["x"]
    assert lost.stopped is not None
    assert 1 < len(points) < len(recorded)
    np.testing.assert_array_equal(points, recorded[: len(points)])
    assert np.abs(points).max() <= 100 < np.abs(recorded[len(points)]).max()
    assert end.get_marker() == "X"
    assert np.abs(np.asarray(end.get_xydata())).max() <= 5


def test_no_two_things_have_one_colour() -> None:
    """Each optimizer keeps its own; so does each category."""
    looks = list(plots.LOOKS.values())

    assert len({style.color for style in looks}) == len(looks)
    for palette in (plots.CATEGORIES, plots.AREAS):
        assert len(set(palette)) == len(palette)


def test_simulated_vision_is_what_others_found() -> None:
    """White is (100, 0, 0), grey has no hue; three distances are those of two reviews."""
    for vision in VISIONS:
        np.testing.assert_allclose(seen("white", vision), [100, 0, 0], atol=0.01)
        assert np.abs(seen("#777777", vision)[1:]).max() < 0.01
    for vision, one, other, far in (
        ("deuteranopia", "#8c8c8c", "#cc79a7", 8.5), ("protanopia", "#8c8c8c", "#cc79a7", 17),
        ("tritanopia", "#0072b2", "#009e73", 17),
    ):
        found = np.linalg.norm(seen(one, vision) - seen(other, vision))
        assert found == pytest.approx(far, abs=0.5)


def test_optimizers_of_one_kind_of_line_are_told_apart_by_their_colours() -> None:
    """By whatever eyes: any two are 20 apart, or have other dashes."""
    close = [
        (one.label, other.label)
        for one, other in combinations(plots.LOOKS.values(), 2)
        if one.dashes == other.dashes and apart(one.color, other.color) < 20
    ]
    assert close == []


def test_categories_and_areas_are_as_far_apart_as_is_said() -> None:
    """Areas also where both are paled, and from the grey and the dark of starts that are lost."""
    assert least_apart(plots.CATEGORIES) > 24.5
    shades = {
        color: [np.array(mpl.colors.to_rgb(color)) * (1 - white) + white for white in PALED]
        for color in plots.AREAS
    }
    least = min(
        apart(one, other)
        for a, b in combinations(plots.AREAS, 2) for one in shades[a] for other in shades[b]
    )
    assert least > 14
    for color in (ELSEWHERE, LOST):
        assert min(apart(color, one) for some in shades.values() for one in some) > 14


def test_curves_pass_through_the_known_answers() -> None:
    """At beta = (0.95, 0.999): b is least at t = 25, the ceiling opens at 6 and ends near 1.3."""
    b, ceiling = plots.scalar_curves(0.95, 0.999, 2000)

    assert b[0] == 0.63245553203367559
    assert int(np.argmin(b)) + 1 == 25
    assert np.isnan(ceiling[:5]).all()
    assert ceiling[5] == 132.61342622908619
    assert ceiling[1999] == 1.29809734366523824


def test_curves_name_no_ceiling_that_is_not_drawn() -> None:
    """None at beta2 = 0, nor before the sixth step; a single step is a dot."""
    def names(ax: Axes) -> list[str]:
        return ax.get_legend_handles_labels()[1]

    drawn = [r"$b_t$, bias correction", r"$1/b_t$"]
    assert names(plots.curves(steps=6))[:2] == drawn
    assert len(names(plots.curves(steps=6))) == 3
    assert names(plots.curves(beta2=0, steps=50)) == drawn
    one = plots.curves(steps=1)
    assert names(one) == drawn
    assert one.lines[0].get_marker() == "o"
    low, high = one.get_xlim()
    assert low < 1 < high


def test_curves_are_whole_at_every_beta() -> None:
    """At beta2 = 0 the correction is above 1 and its inverse below: neither leaves the axis."""
    ax = plots.curves(beta2=0, steps=50)

    low, high = ax.get_ylim()
    for curve in ax.lines[:2]:
        y = np.asarray(curve.get_ydata(), dtype=float)
        assert low < y.min() < y.max() < high


def test_curves_of_too_many_steps_are_refused() -> None:
    """In a moment, not after minutes."""
    with pytest.raises(ValueError, match="at most 100000, got steps=100000000"):
        plots.curves(steps=100_000_000)


def test_the_command_refuses_the_steps_that_the_figure_refuses(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """There is one limit, which both name."""
    with pytest.raises(ValueError, match=f"at most {LONGEST}, got steps={LONGEST + 1}"):
        plots.scalar_curves(0.95, 0.999, LONGEST + 1)

    assert main(["plot", "curves", "--steps", str(LONGEST + 1)]) == 2
    assert f"from 1 to {LONGEST}, got --steps={LONGEST + 1}" in capsys.readouterr().err


def test_what_cannot_be_drawn_is_named(run: pr.Trajectory, tmp_path: Path) -> None:
    """A problem without a plane, an unrecorded line, a run without a trust ratio."""
    plain = pr.run(pr.Adam(), problems.diabetes(), 2)

    with pytest.raises(ValueError, match="two parameters and a domain, got diabetes"):
        plots.contour(problems.diabetes())
    one = pr.run(pr.Adam(), problems.rastrigin(n=1), 2)
    draws: list[Callable[[], object]] = [
        lambda: plots.contour(one.problem), lambda: plots.path(one),
        lambda: plots.attraction(one.optimizer, one.problem),
    ]
    for draw in draws:
        with pytest.raises(ValueError, match=r"landscape\.cut returns a slice, which plots\.sli"):
            draw()
    with pytest.raises(ValueError, match="those that compare returns, got none"):
        plots.sweep([])
    with pytest.raises(ValueError, match="got 'rhoo' in 'x'; recorded: "):
        plots.line(run, "rhoo")
    with pytest.raises(ValueError, match=r"got 'm' in 'W'; its layers: \['x'\]"):
        plots.line(run, "m", layer="W")
    with pytest.raises(ValueError, match="losses needs trajectories by name, got none"):
        plots.losses({})
    batch = pr.run(pr.Adam(), problems.booth(), 2, start={"x": np.ones((3, 2))})
    with pytest.raises(ValueError, match=r"got a batch of shape \(3,\); run one start alone"):
        plots.path(batch)
    with pytest.raises(ValueError, match="trust needs a recorded trust ratio, got a run of Adam"):
        plots.trust(plain)
    with pytest.raises(ValueError, match="path needs recorded parameters, got record='loss'"):
        plots.path(pr.run(pr.Adam(), problems.booth(), 2, record="loss"))


def test_figures_of_a_notebook_are_all_shown(tmp_path: Path) -> None:
    """A backend that switches something on as it begins finds it on after the first figure."""
    (tmp_path / "begins.py").write_text(
        "import matplotlib\n"
        "from matplotlib.backends.backend_agg import FigureCanvas, FigureManager\n"
        "matplotlib.interactive(True)\n"
    )
    script = (
        "import matplotlib\n"
        "from paratrooper_ref import plots\n"
        "plots.curves(steps=2)\n"
        "print(matplotlib.is_interactive())\n"
    )
    place = {"MPLBACKEND": "module://begins", "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}"}
    ended = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **place}, capture_output=True,
        text=True, check=False,
    )
    assert ended.stdout == "True\n", ended.stderr


def test_a_plane_may_be_two_numbers_of_two_layers() -> None:
    """They are the axes, and a path and its minimizers stand where the numbers are."""
    problem = problems.scalar_factorisation()
    run = pr.run(pr.SGD(lr=0.01), problem, 5)

    ax = plots.path(run, plots.contour(problem, points=20))

    assert (ax.get_xlabel(), ax.get_ylabel()) == ("a", "b")
    drawn = next(line for line in ax.lines if line.get_label() == "SGD")
    np.testing.assert_array_equal(drawn.get_xdata(), run.params["a"])
    np.testing.assert_array_equal(drawn.get_ydata(), run.params["b"])
    stars = next(line for line in ax.lines if line.get_label() == "global minimum")
    assert np.shape(stars.get_xydata()) == (len(problem.minimizers), 2)
    np.testing.assert_allclose(np.prod(np.asarray(stars.get_xydata()), axis=1), 1.0)


@pytest.mark.parametrize("name", [n for n, make in problems.CATALOGUE.items() if has_plane(make())])
def test_a_plane_is_shaded_whatever_the_loss_is_like(name: str) -> None:
    """Of one that levels off too: no plane is white, and none is all valley."""
    ax = plots.contour(problems.CATALOGUE[name](), points=80, legend=False)
    figure = ax.get_figure()
    assert isinstance(figure, Figure)
    figure.set_layout_engine("none")
    ax.set_position((0, 0, 1, 1))
    ax.axis("off")

    canvas = FigureCanvasAgg(figure)

    canvas.draw()

    picture = np.asarray(canvas.buffer_rgba())[..., :3].astype(float)
    shade = 255 - picture.mean(axis=-1)
    assert 0.2 < np.mean(shade > 30) < 0.7
    assert np.mean(shade < 12) < 0.4


def test_heights_ascend_with_the_loss() -> None:
    """So that a level set of the heights is one of the loss; a plane of one loss is level."""
    loss = np.array([[3.0, 1.0, 7.0], [1.0, 1e9, 3.0]])

    height = _height(loss, 1.0)

    order = np.argsort(loss, axis=None)
    rises = np.diff(height.ravel()[order])
    np.testing.assert_array_equal(rises > 0, np.diff(loss.ravel()[order]) > 0)
    assert height.min() == 0
    assert height.max() <= 1
    assert np.ptp(_height(np.ones((2, 2)), 0.0)) == 0


def test_lines_around_ripples_are_pale() -> None:
    """Those of Ackley's plane would fill it; the floor of a valley has few."""
    smooth, rippled = (
        float(plots.contour(problem).collections[-1].get_alpha() or 0)
        for problem in (problems.rosenbrock(), problems.ackley())
    )

    assert smooth == 0.55
    assert 0 < rippled < 0.1
