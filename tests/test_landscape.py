"""Slices, directions and convexity, held to closed forms and to independent computations."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import mpmath
import numpy as np
import pytest

import paratrooper_ref as pr
import problems
from paratrooper_ref.landscape import (
    Slice,
    convexity,
    cut,
    eigen_directions,
    interpolation,
    principal_directions,
    random_directions,
    walk_shares,
)
from paratrooper_ref.landscape import points as landscape_points
from problems import Problem, _random
from problems._arithmetic import contract

from .helpers import assert_same_bits

Array = np.ndarray[Any, np.dtype[Any]]
EYE = np.eye(3)
BOOTH = {"x": np.array([1.0, 3.0])}


def bowl(*curvatures: float, least: float = 0.0) -> Problem:
    """Return least + half the sum of a_i x_i^2, of any signs, without a Hessian of its own."""
    a = np.array(curvatures)
    return Problem(
        name="bowl",
        layers={"x": a.shape},
        value=lambda p: least + np.sum(a * p["x"] * p["x"], axis=1) / 2,
        slope=lambda p: {"x": a * p["x"]},
        starts=({"x": np.ones(len(a))},),
        source="ours",
        teaches="signs",
    )


def basis(n: int, *which: int) -> list[dict[str, Array]]:
    """Return unit vectors."""
    return [{"x": np.eye(n)[i]} for i in which]


def added(center: Mapping[str, Any]) -> dict[str, Array]:
    """Return I + W of every layer."""
    return {name: EYE + w for name, w in center.items()}


# --- directions ---------------------------------------------------------------------------------


def test_a_filter_is_a_row_and_gets_the_norm_of_its_row() -> None:
    """Each row of a direction is as long as the row of the weights; vectors have no direction."""
    net = problems.tanh_net()
    center = net.starts[0]

    one, two = random_directions(net, center)

    for name, w in center.items():
        assert one[name].shape == w.shape
        if w.ndim == 1:
            assert not one[name].any()
            continue
        np.testing.assert_allclose(
            np.linalg.norm(one[name], axis=1), np.linalg.norm(w, axis=1), rtol=1e-14
        )
        assert abs(np.vdot(one[name], two[name])) < 0.99 * np.vdot(w, w)


def test_layers_are_normalised_whole_or_not_at_all() -> None:
    """By layer all norms agree, vectors too if asked; "none" leaves the Gaussian draws."""
    net = problems.tanh_net()
    center = {k: w + 0.5 for k, w in net.starts[0].items()}

    (whole,) = random_directions(net, center, count=1, normalise="layer", vectors="layer")
    (draws,) = random_directions(net, center, count=1, normalise="none")

    for name, w in center.items():
        np.testing.assert_allclose(np.linalg.norm(whole[name]), np.linalg.norm(w), rtol=1e-14)
        np.testing.assert_allclose(
            whole[name] / np.linalg.norm(whole[name]), draws[name] / np.linalg.norm(draws[name]),
            rtol=1e-13,
        )


def test_draws_are_gaussian_and_are_not_those_of_the_problem() -> None:
    """A thousand numbers of mean 0 and variance 1, within four standard errors, of both signs."""
    net = problems.linear_net(depth=10, width=10)

    one, two = random_directions(net, net.starts[0], normalise="none")
    x, y = (np.concatenate([w.ravel() for w in d.values()]) for d in (one, two))

    assert abs(x.mean()) < 4 / np.sqrt(1000)
    assert abs(x.var() - 1) < 4 * np.sqrt(2 / 1000)
    assert abs(np.mean(x * y)) < 4 / np.sqrt(1000)
    other = random_directions(net, net.starts[0], normalise="none", seed=1)[0]
    assert not np.array_equal(other["W1"], one["W1"])


def test_normalisation_removes_the_scale_of_layers_and_not_of_units() -> None:
    """By a power of two not a bit changes, by 7 only roundings; a rescaled unit changes much."""
    net = problems.linear_net(depth=3, width=4)
    center = net.starts[0]
    d = np.array([0.25, 0.5, 3.0, 5.0])
    units = {"W1": d[:, None] * center["W1"], "W2": center["W2"] / d, "W3": center["W3"]}

    def losses(at: Mapping[str, Any], normalise: Any) -> Array:
        return cut(net, at, random_directions(net, at, normalise=normalise), points=7).losses

    def scaled(by: float) -> dict[str, Array]:
        return {**center, "W1": by * center["W1"], "W3": center["W3"] / by}

    for normalise in ("filter", "layer"):
        whole = losses(center, normalise)
        assert_same_bits(losses(scaled(8.0), normalise), whole)
        np.testing.assert_allclose(losses(scaled(7.0), normalise), whole, rtol=1e-12)
        assert np.max(np.abs(losses(units, normalise) - whole)) > 0.05 * whole.max()
    assert np.max(np.abs(losses(scaled(8.0), "none") - losses(center, "none"))) > 1


def test_eigenvectors_are_those_of_the_hessian() -> None:
    """H v = lambda v, of norm 1, for the least and the greatest eigenvalue."""
    net = problems.tanh_net()
    center = net.starts[0]

    (low, high), values = eigen_directions(net, center)

    exact = np.linalg.eigvalsh(net.hessian(center))
    assert values[0] < 0 < values[1]
    np.testing.assert_allclose(values, exact[[0, -1]], rtol=1e-12)
    for direction, value in zip((low, high), values, strict=True):
        v = np.concatenate([direction[name].ravel() for name in net.layers])
        assert v[np.argmax(np.abs(v))] > 0
        np.testing.assert_allclose(np.linalg.norm(v), 1, rtol=1e-14)
        np.testing.assert_allclose(net.hessian(center) @ v, value * v, atol=1e-12 * exact[-1])


def test_principal_directions_are_those_of_the_covariance() -> None:
    """Eigenvectors and shares of a path's covariance matrix, formed another way."""
    run = pr.run(pr.SGD(lr=5e-4, momentum=0.9), problems.rosenbrock(n=4), 300)
    path = run.params["x"]

    found = principal_directions(run, count=3)

    values, vectors = np.linalg.eigh(np.cov(path.T))
    np.testing.assert_allclose(found.shares, values[::-1] / values.sum(), rtol=1e-9)
    for i, direction in enumerate(found.directions):
        assert abs(direction["x"] @ vectors[:, -1 - i]) == pytest.approx(1, abs=1e-9)
        np.testing.assert_allclose(
            found.coordinates[:, i], (path - path[-1]) @ direction["x"], atol=1e-13
        )
    assert_same_bits(found.center["x"], path[-1])
    low, high = found.reach(0.0)[0]
    assert (low, high) == (found.coordinates[:, 0].min(), found.coordinates[:, 0].max())
    around_last = principal_directions(run, count=1, centre="last")
    moved = path - path[-1]
    share = np.linalg.eigvalsh(moved.T @ moved)[-1] / np.sum(moved**2)
    assert around_last.shares[0] == pytest.approx(share, rel=1e-12)


@pytest.mark.parametrize("rows", [2, 3, 10, 101])
def test_the_shares_of_a_random_walk_are_those_of_its_kernel(rows: int) -> None:
    """The Gram matrix of a walk in many dimensions is min(s, t), centred or from its last point."""
    s = np.arange(rows)
    kernel = np.minimum.outer(s, s).astype(float)
    middle = np.eye(rows) - 1 / rows
    from_last = np.minimum.outer(s[::-1], s[::-1]).astype(float)

    for centre, gram in (("mean", middle @ kernel @ middle), ("last", from_last)):
        values = np.linalg.eigvalsh(gram)[::-1][: rows - 1]
        shares = walk_shares(rows, rows - 1, centre=centre)  # type: ignore[arg-type]
        np.testing.assert_allclose(shares, values / values.sum(), rtol=1e-9)
        assert shares.sum() == pytest.approx(1)


def test_long_walks_have_the_shares_that_are_quoted() -> None:
    """6 / (pi k)^2 around the mean, 8 / (pi (2 k - 1))^2 around the last point."""
    k = np.arange(1, 5)

    np.testing.assert_allclose(walk_shares(100_000, 4), 6 / (np.pi * k) ** 2, rtol=1e-4)
    np.testing.assert_allclose(
        walk_shares(100_000, 4, centre="last"), 8 / (np.pi * (2 * k - 1)) ** 2, rtol=1e-4
    )


# --- slices -------------------------------------------------------------------------------------


def test_a_slice_is_the_loss_at_its_points() -> None:
    """Each of a grid that is not square, in digits of mpmath: rows go with the first direction."""
    one, two = {"x": np.array([1.0, 0.5])}, {"x": np.array([-0.25, 2.0])}

    plane = cut(problems.rosenbrock(), BOOTH, [one, two], radius=(1.0, (-2.0, 0.5)), points=(5, 4))

    assert plane.losses.shape == (5, 4)
    with mpmath.workdps(40):
        for i, a in enumerate(plane.coordinates[0]):
            for j, b in enumerate(plane.coordinates[1]):
                x, y = (
                    mpmath.mpf(BOOTH["x"][k]) + a * mpmath.mpf(one["x"][k]) + b * two["x"][k]
                    for k in (0, 1)
                )
                exact = 100 * (y - x**2) ** 2 + (1 - x) ** 2
                assert plane.losses[i, j] == pytest.approx(float(exact), rel=1e-12)


def test_grids_are_symmetric_and_hold_the_center() -> None:
    """To the bit, for any odd number of points."""
    for points in (3, 51, 101):
        line = cut(problems.booth(), BOOTH, basis(2, 0), radius=0.7, points=points)
        (c,) = line.coordinates
        assert_same_bits(c, -c[::-1] + 0.0)
        assert c[points // 2] == 0
        assert c[-1] == 0.7
        assert line.losses[points // 2] == problems.booth().loss(BOOTH)


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses and gradients have the same bits however many are formed at once."""
    net = problems.tanh_net(depth=3)
    directions = random_directions(net, net.starts[0])
    whole = cut(net, net.starts[0], directions, points=9)
    measured = convexity(whole, chords=50, minimum=0.0, spectra=False)

    monkeypatch.setattr(landscape_points, "_NUMBERS", 7 * net.size)
    asked = list(landscape_points.blocks(net, 20))
    again = cut(net, net.starts[0], directions, points=9)

    assert [s.stop - s.start for s in asked] == [7, 7, 6]
    assert_same_bits(again.losses, whole.losses)
    assert convexity(again, chords=50, minimum=0.0, spectra=False).pl == measured.pl


def test_projection_finds_coordinates_along_oblique_directions() -> None:
    """Points of the plane come back, with distance 0; others with the length of the rest."""
    net = problems.tanh_net()
    plane = cut(net, net.starts[0], random_directions(net, net.starts[0]), points=3)
    wanted = np.array([[0.3, -0.7], [2.0, 0.0], [-1.0, 1.5]])

    on, off = plane.at(wanted), plane.at(wanted)
    off["b1"] = off["b1"] + 0.25  # type: ignore[index]  # biases: orthogonal to every direction
    on_plane, no_distance = plane.project(on)
    beside, distance = plane.project(off)

    np.testing.assert_allclose(on_plane, wanted, atol=1e-13)
    np.testing.assert_allclose(beside, wanted, atol=1e-13)
    assert no_distance.max() < 1e-12
    np.testing.assert_allclose(distance, 0.5, rtol=1e-12)  # four biases of 0.25


def test_projection_is_the_nearest_point() -> None:
    """The normal equations hold, and what is left is orthogonal to the slice."""
    net = problems.linear_net(depth=2)
    plane = cut(net, net.starts[0], random_directions(net, net.starts[0]), points=3)
    point = {"W1": np.ones((3, 3)), "W2": np.arange(9.0).reshape(3, 3)}

    coordinates, distance = plane.project(point)

    nearest = plane.at(coordinates)
    rest = {k: point[k] - nearest[k] for k in point}
    for direction in plane.directions:
        assert sum(np.vdot(rest[k], direction[k]) for k in rest) == pytest.approx(0, abs=1e-12)
    assert distance == pytest.approx(np.sqrt(sum(np.vdot(r, r) for r in rest.values())))


def test_interpolation_passes_both_ends() -> None:
    """The loss at 0 and 1 is that of the two points, and 0 and 1 are among the coordinates."""
    hills = problems.himmelblau()
    one, two = hills.minimizers[:2]

    line = interpolation(hills, one, two)

    (c,) = line.coordinates
    assert line.losses[c == 0].size == line.losses[c == 1].size == 1
    assert line.losses[c == 0] == hills.loss(one)
    assert line.losses[c == 1] == pytest.approx(hills.loss(two), abs=1e-12)
    assert line.losses[(c > 0) & (c < 1)].max() > 1


# --- convexity ----------------------------------------------------------------------------------


def test_a_convex_loss_violates_nothing_and_a_concave_one_everything() -> None:
    """Half of a_1 x^2 + a_2 y^2, all a positive, zero and positive, or negative."""
    directions = [{"x": np.array([1.0, 0.25])}, {"x": np.array([-2.0, 1.0])}]

    for curvatures, share in (((1.0, 3.0), 0.0), ((0.0, 2.0), 0.0), ((-1.0, -0.5), 1.0)):
        problem = bowl(*curvatures)
        plane = cut(problem, {"x": np.zeros(2)}, directions, points=7)
        found = convexity(plane, chords=500)
        assert found.ratio is not None
        assert found.negative_mass is not None
        assert (found.ratio == share).all()
        assert (found.negative_mass == share).all()
        assert (found.slice_curvature, found.midpoint, found.star) == (share, share, share)
        assert found.indefinite == 0


def test_a_grid_that_misses_every_wave_says_how_fast_curvature_would_have_to_change() -> None:
    """Rastrigin's curves up at integers, by 2 + 40 pi^2, and down between, by 40 pi^2 - 2."""
    waves, center = problems.rastrigin(n=1), {"x": np.zeros(1)}

    coarse = convexity(cut(waves, center, basis(1, 0), radius=2.0, points=5), chords=50)
    fine = convexity(cut(waves, center, basis(1, 0), radius=2.0, points=41), chords=50)

    assert coarse.slice_curvature == 0 < coarse.midpoint
    assert coarse.reach == 0.5
    assert coarse.lowest_within == pytest.approx(2 + 40 * np.pi**2)
    assert coarse.unseen == pytest.approx(4 + 80 * np.pi**2)
    assert coarse.unseen < 80 * np.pi**3  # the third derivative: it is not excluded, and happens
    assert "down at no grid point, and between them (up to 0.5 from one) only if" in str(coarse)
    assert fine.slice_curvature > 0 == fine.unseen
    assert fine.lowest_within == pytest.approx(2 - 40 * np.pi**2)
    assert str(fine).startswith(f"curves down at {fine.slice_curvature:.3g} of the grid points; ")


@pytest.mark.parametrize("change", [0.99, 1.01])
def test_curvature_that_changes_more_slowly_than_that_is_not_missed(change: float) -> None:
    """It is the least that can be: 2 at even numbers, falling from there in straight lines to odd.

    Along a direction of norm 3, in steps of 2 / 3.
    """
    def bent(x: Any) -> Any:
        away = np.abs(x - 2 * np.round(x / 2))
        return 2 - 2 * change * away

    tent = Problem(
        name="tent", layers={"x": (1,)}, source="ours", teaches="what a grid does not see",
        value=lambda p: np.sum(p["x"] ** 2, axis=1), slope=lambda p: {"x": 2 * p["x"]},
        curvature=lambda p: bent(p["x"]).reshape(1, 1), starts=({"x": np.ones(1)},),
    )
    direction = {"x": np.array([3.0])}

    coarse = convexity(cut(tent, {"x": np.zeros(1)}, direction, radius=2.0, points=7), chords=9)
    fine = convexity(cut(tent, {"x": np.zeros(1)}, direction, radius=2.0, points=85), chords=9)

    assert coarse.slice_curvature == 0
    assert coarse.unseen == pytest.approx(2)
    assert (fine.slice_curvature > 0) == (2 * change > coarse.unseen)


def test_no_point_is_farther_from_the_grid_than_its_reach() -> None:
    """Of a plane along oblique directions of other lengths; half a diagonal where they are not."""
    oblique = [{"x": np.array([2.0, 0.5, 0.0])}, {"x": np.array([1.0, 0.0, 3.0])}]
    upright = basis(3, 0, 2)
    draws = _random.uniforms(1, 0, 0, 5000).reshape(-1, 2)
    for directions, shape, least in ((oblique, (4, 7), 0.8), (upright, (4, 9), 0.97)):
        plane = cut(bowl(1.0, 1.0, 1.0), {"x": np.zeros(3)}, directions, points=shape)
        reach = convexity(plane, chords=1).reach
        grid = plane.at(plane.grid.reshape(-1, 2))["x"]
        points = plane.at(2 * draws - 1)["x"]
        nearest = np.linalg.norm(points[:, None] - grid, axis=-1).min(axis=1)
        assert least * reach < nearest.max() <= reach
    assert reach == pytest.approx(np.hypot(2 / 3, 2 / 8) / 2)


def test_what_rounding_explains_is_no_violation() -> None:
    """(u x)^2 / 2 is convex and flat across u, where its Hessian has eigenvalues of either sign."""
    u = np.sqrt([2.0, 3.0, 5.0, 7.0, 11.0])
    gutter = dataclasses.replace(
        bowl(1.0, 1.0, 1.0, 1.0, 1.0),
        value=lambda p: (p["x"] @ u) ** 2 / 2,
        slope=lambda p: {"x": (p["x"] @ u)[:, None] * u},
    )
    across = np.array([u[1], -u[0], 0, 0, 0]), np.array([0, 0, u[3], -u[2], 0])
    plane = cut(gutter, {"x": np.ones(5)}, [{"x": d} for d in across], points=5)

    found = convexity(plane, chords=300, minimum=0.0)

    assert found.ratio is not None
    assert not found.ratio.any()
    assert (found.slice_curvature, found.midpoint) == (0, 0)
    assert np.linalg.eigvalsh(np.outer(u, u))[0] < 0  # so that the test can fail
    assert np.ptp(plane.losses) > 0


def test_eigenvalues_of_a_quadratic_are_its_curvatures() -> None:
    """Of -1, 2, 4: ratio 1/4, negative mass 1/7, lowest over highest -1/4, everywhere."""
    plane = cut(bowl(-1.0, 2.0, 4.0), {"x": np.ones(3)}, basis(3, 1, 2), points=3)

    found = convexity(plane, chords=10)

    for map_, value in (
        (found.lowest, -1.0), (found.highest, 4.0), (found.ratio, 0.25),
        (found.negative_mass, 1 / 7), (found.quotient, -0.25),
    ):
        assert map_ is not None
        np.testing.assert_allclose(map_, np.full((3, 3), value), rtol=1e-15)
    assert (found.slice_curvature, found.midpoint) == (0, 0)  # the slice misses the concave axis


def test_a_saddle_shows_in_a_slice_that_holds_its_axis() -> None:
    """Every point of the plane of curvatures -1 and 4 is indefinite, of -1 and -2 it is not."""
    saddle = convexity(cut(bowl(-1.0, 4.0), BOOTH, basis(2, 0, 1), points=3), chords=10)
    hill = convexity(cut(bowl(-1.0, -2.0), BOOTH, basis(2, 0, 1), points=3), chords=10)

    assert (saddle.slice_curvature, saddle.indefinite) == (1, 1)
    assert (hill.slice_curvature, hill.indefinite) == (1, 0)


def test_signs_do_not_depend_on_the_length_of_directions() -> None:
    """A direction of 1e-9 beside one of 1 curves down as much as one of 1: Sylvester's law."""
    short = [{"x": np.array([1.0, 0.0])}, {"x": np.array([1e-9, 1e-9])}]

    found = convexity(cut(bowl(4.0, -1.0), BOOTH, short, points=3), chords=10, spectra=False)

    assert (found.slice_curvature, found.indefinite) == (1, 1)


def test_measures_of_a_double_well_are_its_closed_forms() -> None:
    """-y^2/2 + y^4/4 on [-2, 2], seen from the well at 1.

    It curves down where 3 y^2 < 1.  A chord with middle m and half length d is violated where
    3 m^2 + d^2/2 < 1, an ellipse: a share of pi sqrt(2/3) / 8.  The gradient y (y^2 - 1) times
    y - 1 is negative on (-1, 0): a quarter.
    """
    well, chords = problems.double_well(), 40_000
    up = {"x": np.array([0.0, 1.0])}
    line = cut(well, up, up, radius=[(-3.0, 1.0)], points=401)

    found = convexity(line, chords=chords, spectra=False)

    y = 1 + line.coordinates[0]
    assert found.slice_curvature == np.mean(3 * y**2 < 1)
    for share, exact in ((found.midpoint, np.pi * np.sqrt(2 / 3) / 8), (found.star, 0.25)):
        assert abs(share - exact) < 4 * np.sqrt(exact * (1 - exact) / chords)


def test_the_ratio_of_a_double_well_follows_its_second_derivative() -> None:
    """The Hessian is diag(1, 3 y^2 - 1): ratio and mass at y = 0, 1/2, 1 are known."""
    line = cut(
        problems.double_well(), {"x": [0.0, 0.0]}, basis(2, 1), radius=[(0.0, 1.0)], points=3
    )

    found = convexity(line, chords=10)

    assert found.ratio is not None
    assert found.negative_mass is not None
    np.testing.assert_allclose(found.ratio, [1, 0.25, 0], rtol=1e-15)
    np.testing.assert_allclose(found.negative_mass, [1 / 2, 1 / 5, 0], rtol=1e-15)


def test_the_pl_constant_of_a_quadratic_is_its_least_curvature() -> None:
    """Exactly where all are equal; else from above, and near where the slice holds that axis."""
    plane = [{"x": np.array([1.0, 0.0])}, {"x": np.array([0.0, 0.2])}]

    equal = convexity(cut(bowl(3.0, 3.0), BOOTH, plane, points=3), minimum=0.0)
    unequal = convexity(cut(bowl(1.0, 5.0), {"x": [0.0, 0.0]}, plane, points=3), minimum=0.0)
    unknown = convexity(cut(bowl(1.0, 5.0), BOOTH, plane, points=3))

    raised = convexity(cut(bowl(3.0, 3.0, least=8.0), BOOTH, plane, points=3), minimum=8.0)
    assert equal.pl == pytest.approx(3, rel=1e-12)
    assert raised.pl == pytest.approx(3, rel=1e-9)
    assert 1 <= unequal.pl < 1.001
    assert np.isnan(unknown.pl)


def test_a_minimum_that_rounding_hides_does_not_count() -> None:
    """At the minimizer of a loss that never reaches 0 exactly, 0 / 0 is no constant."""
    problem = problems.quadratic_bowl(kappa=10.0)
    (minimizer,) = problem.minimizers
    tiny = {"x": 1e-9 * np.ones(problem.size)}

    found = convexity(cut(problem, minimizer, tiny, points=3), spectra=False)

    least = np.linalg.eigvalsh(problem.hessian(minimizer))[0]
    assert np.isnan(found.pl) or found.pl >= least * (1 - 1e-6)


def test_slice_curvature_agrees_with_differences_of_the_loss() -> None:
    """Of (a b - s)^2 / 2 along oblique directions: second differences in 40 digits, same signs."""
    problem = problems.scalar_factorisation()
    one, two = {"a": 1.0, "b": 0.25}, {"a": -0.5, "b": 1.0}
    plane = cut(problem, {"a": 0.5, "b": 0.5}, [one, two], radius=2.0, points=7)  # type: ignore[list-item]
    target = float(np.prod([*problem.minimizers[0].values()]))

    def loss(s: Any, t: Any) -> Any:
        a, b = 0.5 + s - t / 2, 0.5 + s / 4 + t
        return (a * b - target) ** 2 / 2

    down = []
    with mpmath.workdps(40):
        h = mpmath.mpf(10) ** -12
        for s, t in plane.grid.reshape(-1, 2):
            s, t = mpmath.mpf(s), mpmath.mpf(t)
            second = [
                (loss(s + h * i, t + h * j) - 2 * loss(s, t) + loss(s - h * i, t - h * j)) / h**2
                for i, j in ((1, 0), (0, 1), (1, 1))
            ]
            mixed = (second[2] - second[0] - second[1]) / 2
            values = mpmath.eigsy(mpmath.matrix([[second[0], mixed], [mixed, second[1]]]))[0]
            down.append(min(values) < 0)

    assert 0 < np.mean(down) < 1
    assert convexity(plane, chords=10).slice_curvature == np.mean(down)


def test_slice_curvature_of_a_net_is_that_of_its_hessian_projected() -> None:
    """D H D' at every grid point, from the problem's own Hessian there; and of both signs."""
    net = problems.tanh_net()
    plane = cut(net, net.starts[0], random_directions(net, net.starts[0]), points=(5, 4))

    down, saddle = [], []
    for coordinates in plane.grid.reshape(-1, 2):
        within = plane.basis @ net.hessian(plane.at(coordinates)) @ plane.basis.T
        low, high = np.linalg.eigvalsh(within)
        down.append(low < 0)
        saddle.append(low < 0 < high)

    found = convexity(plane, chords=10)
    assert 0 < np.mean(down) < 1
    assert found.slice_curvature == np.mean(down)
    assert found.indefinite == np.mean(saddle)
    assert found.lowest is not None
    corner = np.linalg.eigvalsh(net.hessian(plane.at(plane.grid[4, 0])))
    assert found.lowest[4, 0] == pytest.approx(corner[0], rel=1e-9)


# --- the null test ------------------------------------------------------------------------------


def nets(depth: int) -> tuple[Problem, Problem]:
    """Return a linear net without and with a skip connection around each layer."""
    return problems.linear_net(depth=depth), problems.linear_net(depth=depth, skip="layer")


@pytest.mark.parametrize("depth", [2, 4, 8])
def test_a_skip_in_a_linear_net_is_a_translation(depth: int) -> None:
    """Normalised by I + W, slices of the net with skips are those of the plain net.

    They differ by one rounding of each weight: I + (W + d) is not (I + W) + d.
    """
    plain, skip = nets(depth)
    w = skip.starts[1]

    one = cut(plain, added(w), random_directions(plain, added(w)), points=7)
    two = cut(skip, w, random_directions(skip, w, reference=added(w)), points=7)
    zoomed = cut(skip, w, random_directions(skip, w), points=7)

    np.testing.assert_allclose(two.losses, one.losses, rtol=1e-11, atol=1e-13 * one.losses.max())
    assert zoomed.losses.max() < one.losses.max() / 2  # by W alone the slice is a smaller one
    a, b, c = (convexity(s, chords=100) for s in (one, two, zoomed))
    for name in ("slice_curvature", "midpoint", "star"):
        assert getattr(b, name) == getattr(a, name)
    assert a.ratio is not None
    assert b.ratio is not None
    np.testing.assert_allclose(b.ratio, a.ratio, atol=1e-10)
    np.testing.assert_allclose(b.pl, a.pl, rtol=1e-9)
    assert abs(c.pl / a.pl - 1) > 0.1


@pytest.mark.parametrize("depth", [2, 5])
def test_the_translation_has_the_same_bits_where_sums_are_exact(depth: int) -> None:
    """With weights and directions in multiples of 2^-20, I + W + d is exact in either order."""
    plain, skip = nets(depth)

    def coarse(layers: Mapping[str, Any]) -> dict[str, Array]:
        return {k: np.round(np.asarray(x) * 2**20) / 2**20 for k, x in layers.items()}

    w = coarse(skip.starts[1])
    directions = [coarse(d) for d in random_directions(skip, w, reference=added(w))]
    slices = [
        cut(problem, center, directions, points=9)
        for problem, center in ((plain, added(w)), (skip, w))
    ]
    found = [convexity(s, chords=1) for s in slices]

    assert_same_bits(slices[1].losses, slices[0].losses)
    for name in ("lowest", "highest", "ratio", "negative_mass", "slice_curvature", "indefinite"):
        assert_same_bits(getattr(found[1], name), getattr(found[0], name), name)


# --- what cannot be -----------------------------------------------------------------------------


def test_a_problem_with_one_parameter_has_lines_and_no_planes() -> None:
    """It is said so, and the line works."""
    one = bowl(2.0)
    x = {"x": np.ones(1)}

    with pytest.raises(ValueError, match="bowl with 1 and count=2; cut it along one"):
        random_directions(one, x, normalise="none")
    with pytest.raises(ValueError, match="for a plane, got bowl with one; give one direction"):
        cut(one, x, [x, x])
    with pytest.raises(ValueError, match="eigen_directions needs as many parameters"):
        eigen_directions(one, x)
    line = cut(one, x, random_directions(one, x, count=1, vectors="layer"), points=3)
    np.testing.assert_allclose(np.sort(line.losses), [0, 1, 4], atol=1e-15)


def test_directions_of_zero_norm_are_refused() -> None:
    """Each with its own remedy."""
    booth, skip = problems.booth(), nets(2)[1]
    zero = {"x": np.zeros(2)}

    with pytest.raises(ValueError, match=r"got directions\[1\] of norm 0"):
        cut(booth, BOOTH, [BOOTH, zero])
    with pytest.raises(ValueError, match="span a plane, got parallel ones"):
        cut(booth, BOOTH, [BOOTH, {"x": -3 * BOOTH["x"]}])
    with pytest.raises(ValueError, match="no layer is a matrix; take vectors='layer'"):
        random_directions(booth, BOOTH)
    with pytest.raises(ValueError, match="all weights are zero; give a reference="):
        random_directions(skip, skip.starts[0])
    with pytest.raises(ValueError, match="got one twice: the direction would be zero"):
        interpolation(booth, BOOTH, BOOTH)
    assert random_directions(skip, skip.starts[0], reference=added(skip.starts[0]))


def test_what_diverged_is_refused() -> None:
    """A run that ended early, points that are not finite, a slice that overflows."""
    valley = problems.rosenbrock()
    with pytest.warns(RuntimeWarning, match="ended early"):
        run = pr.run(pr.SGD(lr=1.0), valley, 50)
    plane = cut(valley, {"x": [1.0, 1.0]}, basis(2, 0, 1), points=3)

    with pytest.raises(ValueError, match=r"one that diverged: .*; lower its lr"):
        principal_directions(run)
    halted = dataclasses.replace(pr.run(pr.SGD(lr=1e-3), valley, 3), stopped="a slot overflowed")
    with pytest.raises(ValueError, match="diverged: a slot overflowed"):
        principal_directions(halted)
    with pytest.raises(ValueError, match=r"nan or inf in row 1 of 2; of a run that diverged"):
        plane.project({"x": np.array([[1.0, 1.0], [np.inf, 1.0]])})
    with pytest.raises(ValueError, match="cut needs finite parameters of rosenbrock"):
        cut(valley, {"x": [np.nan, 1.0]}, basis(2, 0))
    far = cut(valley, {"x": [1.0, 1.0]}, basis(2, 0), radius=1e100, points=3)
    with pytest.raises(ValueError, match="got 2 of 3 that are not; take a smaller radius"):
        convexity(far)


def test_paths_without_a_plane_are_refused() -> None:
    """Batches, unrecorded parameters, a run that stood still, one that went straight."""
    booth, run = problems.booth(), pr.run
    start = {"x": np.zeros((2, 2))}

    for trajectory, why in (
        (run(pr.SGD(), booth, 2, start=start), "got a batch of shape"),
        (run(pr.SGD(), booth, 2, record="loss"), "recorded parameters, got record='loss'"),
        (run(pr.SGD(), booth, 2, start=BOOTH), "that moved, got 3 rows at one point"),
        (run(pr.SGD(), booth, 1), "of 2 dimensions or more, got one of 1"),
    ):
        with pytest.raises(ValueError, match=why):
            principal_directions(trajectory)


def broken(slope: Any) -> Problem:
    """Return the sum of x^4/4 with a gradient of its own."""
    return Problem(
        name="broken",
        layers={"x": (2,)},
        value=lambda p: np.sum(p["x"] ** 4, axis=1) / 4,
        slope=slope,
        starts=({"x": np.ones(2)},),
        source="ours",
        teaches="what a complex step cannot see",
    )


@pytest.mark.parametrize(
    ("problem", "at", "why"),
    [
        (problems.ackley(), [0.0, 0.0], "of ackley, got one that is not finite"),
        (broken(lambda p: {"x": np.fabs(p["x"]) ** 3}), [1.0, 2.0], r"got one \(ufunc 'fabs'"),
        (broken(lambda p: {"x": p["x"].real ** 3}), [1.0, 2.0], "to be complex128"),
        (
            broken(lambda p: {"x": p["x"] * np.abs(p["x"]) ** 2}),
            [1.0, 2.0],
            "differs from differences of its gradient",
        ),
    ],
    ids=["a kink", "no complex numbers", "real parts", "an absolute value"],
)
def test_problems_without_a_hessian_are_refused(problem: Problem, at: Any, why: str) -> None:
    """One with a kink there, one that drops imaginary parts, one that is wrong without a word."""
    with pytest.raises(ValueError, match=why):
        eigen_directions(problem, {"x": at})
    with pytest.raises(ValueError, match=f"convexity needs a Hessian.*{why}"):
        convexity(cut(problem, {"x": at}, basis(2, 0), radius=0.1, points=3))


def test_a_hessian_that_is_wrong_beside_the_center_is_refused() -> None:
    """The gradient of 3 x^2 - |x|^3 calls abs: by complex steps it is right at 0 and only there.

    At 1.9 the loss curves down, by 6 - 6 * 1.9 = -5.4, and would be said to curve up by 0.3.
    """
    cubes = dataclasses.replace(
        broken(lambda p: {"x": 6 * p["x"] - 3 * p["x"] * np.abs(p["x"])}),
        value=lambda p: np.sum(3 * p["x"] ** 2 - np.abs(p["x"]) ** 3, axis=1),
    )
    center = {"x": np.zeros(2)}

    assert eigen_directions(cubes, center).values == (6.0, 6.0)
    for directions in (basis(2, 0), basis(2, 0, 1)):
        plane = cut(cubes, center, directions, radius=1.9, points=5)
        with pytest.raises(ValueError, match=r"convexity needs .* differs from differences"):
            convexity(plane, chords=10, spectra=False)


def test_a_hessian_that_vanishes_is_no_wrong_one() -> None:
    """Differences of x^3 at 0 are not 0; how far off they are is known from half the step."""
    quartic = broken(lambda p: {"x": p["x"] * p["x"] * p["x"]})
    found = convexity(cut(quartic, {"x": np.zeros(2)}, basis(2, 0, 1), points=5), chords=100)

    assert (found.slice_curvature, found.midpoint, found.star) == (0.0, 0.0, 0.0)
    assert found.ratio is not None
    assert not found.ratio.any()


def test_an_inside_that_is_wrong_is_found_where_center_and_ends_are_right() -> None:
    """abs(x)^3 within, and nothing but 6 x beyond 1.5."""
    def slope(p: Mapping[str, Any]) -> dict[str, Any]:
        x = p["x"]
        return {"x": 6 * x - np.where(np.abs(x) < 1.5, 3 * x * np.abs(x), 0.0)}

    line = cut(broken(slope), {"x": np.zeros(2)}, basis(2, 0), radius=1.9, points=7)
    with pytest.raises(ValueError, match="differs from differences"):
        convexity(line, chords=10)


def test_norms_neither_overflow_nor_vanish() -> None:
    """Of 3, 4 times any power of two it is 5 times that, and its bits are those of near numbers."""
    draws = landscape_points.norm(np.array([[3.0, 4.0]]) * np.ldexp(1.0, -1000))
    assert_same_bits(draws, np.ldexp([5.0], -1000))
    for exponent in (-1070, -600, 0, 600, 1020):
        vector = np.ldexp([3.0, 4.0], exponent)
        assert landscape_points.norm(vector) == np.ldexp(5.0, exponent)
    rows = np.stack([np.linspace(-1, 2, 7), np.geomspace(1e-9, 1, 7)])
    assert_same_bits(landscape_points.norm(rows), np.sqrt(contract(rows, rows)))
    assert landscape_points.norm(np.zeros(3)) == 0
    assert landscape_points.norm(np.full(4, 1.7e308)) == np.inf


def test_points_far_and_near_are_projected() -> None:
    """Rows 1e290 away overflow nothing; points 1e-200 apart have a line."""
    booth = problems.booth()
    line = cut(booth, BOOTH, {"x": np.array([2.0, 0.0])}, points=3)
    rows = np.array([[1.0, 0.25], [4e290, 3e290], [0.0, 0.0]])
    coordinates, distance = line.project({"x": BOOTH["x"] + rows})
    np.testing.assert_allclose(coordinates[:, 0], [0.5, 2e290, 0.0], rtol=1e-14)
    np.testing.assert_allclose(distance, [0.25, 3e290, 0.0], rtol=1e-14)

    short = interpolation(booth, {"x": [0.0, 0.0]}, {"x": [1e-200, 0.0]})
    coordinates, distance = short.project({"x": [[3e-200, 0.0], [1.0, 2.0]]})
    np.testing.assert_allclose(coordinates[:, 0], [3, 1e200], rtol=1e-14)
    np.testing.assert_allclose(distance, [0, 2], rtol=1e-14)
    with pytest.raises(ValueError, match="projection overflows in row 1 of 2; of a run that div"):
        short.project({"x": [[3e-200, 0.0], [1e200, 0.0]]})
    with pytest.raises(ValueError, match="projection overflows in row 0 of 1"):
        cut(booth, {"x": [-1e308, 0.0]}, basis(2, 0)).project({"x": [[1.7e308, 0.0]]})


def test_a_direction_may_be_long_and_is_not_called_parallel() -> None:
    """Of norm 1e200 one is a line, two a plane; what has no finite norm is refused as that."""
    booth = problems.booth()
    far = [{"x": 1e200 * d["x"]} for d in basis(2, 0, 1)]

    assert cut(booth, BOOTH, far[0], points=3).losses[1] == 0
    assert cut(booth, BOOTH, far, points=3).losses[1, 1] == 0
    with pytest.raises(ValueError, match="got parallel ones"):
        cut(booth, BOOTH, [far[0], *basis(2, 0)])
    with pytest.raises(ValueError, match=r"finite norm .*, got directions\[0\] of norm inf"):
        cut(booth, BOOTH, {"x": np.full(2, 1.7e308)})


def test_arguments_are_named() -> None:
    """Counts, kinds, intervals, shapes, layers."""
    net = problems.tanh_net()
    center: dict[str, Any] = dict(net.starts[0])

    for call, why in (
        (lambda: random_directions(net, center, normalise="rows"), "normalise to be one of"),  # type: ignore[arg-type]
        (lambda: random_directions(net, center, vectors="unit"), "vectors to be one of"),  # type: ignore[arg-type]
        (lambda: random_directions(net, center, count=51), "with 50 and count=51; take count=50"),
        (lambda: random_directions(net, center, count=0), r"count in \[1"),
        (lambda: random_directions(net, {"x": 1.0}), "exactly the layers"),
        (lambda: cut(net, center, []), "one or two directions, got 0"),
        (lambda: cut(net, center, center, radius=-1.0), "radius > 0"),
        (lambda: cut(net, center, center, radius=[(1.0, 1.0)]), "low < high"),
        (lambda: cut(net, center, center, points=[3, 3]), "one points for each of 1"),
        (lambda: cut(net, center, center, points=1), r"points in \[2"),
        (lambda: cut(net, center, center, points=2).at(1.0), r"of shape \(..., 1\)"),
        (lambda: walk_shares(3, 3), r"count in \[1, 2\]"),
    ):
        with pytest.raises(ValueError, match=why):
            call()
    line: Slice = cut(net, center, center, points=2)
    with pytest.raises(ValueError, match="spectra=True"):
        convexity(line, chords=1, spectra=False).quotient  # noqa: B018
    assert repr(line) == "<slice of tanh_net, 2 points>"
