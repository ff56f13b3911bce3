"""Every problem is held to its own declaration, in every arithmetic it claims to run in.

The tests escalate, from the operations over the declarations to single facts: repair the first
one that fails.
"""

import copy
import hashlib
import inspect
import json
import math
import os
import pickle
import subprocess
import sys
import tracemalloc
from fractions import Fraction
from typing import Any

import flint
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

import problems
from problems import Problem, _arithmetic, _random
from problems._arithmetic import lift, matmul, total
from problems._construct import rotation

Floats = NDArray[np.float64]
Point = dict[str, NDArray[Any]]

EPS = 2.0**-52


def cases() -> list[Problem]:
    """Return every problem of the catalogue, and some with other arguments."""
    p = problems
    return [
        *(make() for make in p.CATALOGUE.values()),
        p.quadratic_bowl(kappa=1e6, n=7, rotation=3, shift=[1, -2, 3, 0.5, 0, 7, -0.1]),
        p.quadratic_bowl(rotation=None, shift=0),
        *(p.rosenbrock(n=n) for n in range(3, 10)),
        p.rosenbrock(a=-0.3, b=7.5),
        p.styblinski_tang(n=1),
        p.styblinski_tang(n=5),
        p.rastrigin(n=1),
        p.rastrigin(n=3),
        p.ackley(n=1),
        p.ackley(n=5),
        p.monkey_saddle(confined=False),
        p.welsch(n=3, eps=0),
        p.geman_mcclure(n=4),
        p.rayleigh_quotient(n=2, rotation=None),
        p.rayleigh_quotient(n=6, kappa=1e3, rotation=5),
        p.scalar_factorisation(s=2.3),
        p.layered_quadratic(scales=[0.3, 7], width=1),
        p.linear_regression(n=25, d=4, kappa=50, decades=3, mean=2, noise=0.5, seed=1),
        p.linear_regression(n=12, d=1, kappa=1, noise=0),
        p.diabetes(standardise=False),
        p.logistic_regression(n=30, d=2, ridge=0.3, seed=2),
        p.linear_net(depth=1, width=2),
        p.linear_net(depth=2, skip="block", samples=7),
        p.linear_net(depth=4, width=2, skip="block", seed=3),
        p.linear_net(depth=4, width=2, skip="layer", samples=5),
        p.linear_net(depth=5, width=1),
        p.tanh_net(depth=1, width=2, samples=5),
        p.tanh_net(depth=3, width=3, skip=True, samples=11, seed=4),
        p.noisy_quadratic(n=5, noise=0.3, shift=[1, 2, 3, 4, -5], seed=6),
        p.minibatch(p.linear_regression(n=25, d=3), size=4, seed=5),
        p.minibatch(p.linear_net(samples=9), size=3),
        p.minibatch(p.tanh_net(samples=10), size=4),
        p.gradient_noise(p.minibatch(p.logistic_regression(n=30, d=2), size=30), sigma=0.1),
        p.gradient_noise(p.scalar_factorisation(), sigma=2, seed=9),
        p.shifted(p.rastrigin(), by=[1.5, -2]),
        p.rotated(p.styblinski_tang(n=3), seed=8),
        p.rotated(p.shifted(p.six_hump_camel(), by=0.75)),
        p.shifted(p.rotated(p.noisy_quadratic(n=3), seed=1), by=[1, 2, 3]),
        p.rotated(p.rayleigh_quotient(), seed=2),
    ]


CASES = cases()
EXACT = [p for p in CASES if not p.transcendental]
STOCHASTIC = [p for p in CASES if p.stochastic]


def named(these: list[Problem]) -> pytest.MarkDecorator:
    """Parametrise a test over problems."""
    return pytest.mark.parametrize("problem", these, ids=[p.name for p in these])


def flat(problem: Problem, params: Any) -> NDArray[Any]:
    """Concatenate the layers, in order, into the last axis."""
    pieces = []
    for name, shape in problem.layers.items():
        batch = params[name].shape[: params[name].ndim - len(shape)]
        pieces.append(params[name].reshape(*batch, -1))
    return np.concatenate(pieces, axis=-1)


def unflat(problem: Problem, vector: NDArray[Any]) -> Point:
    """Cut the last axis into layers."""
    point, end = {}, 0
    for name, shape in problem.layers.items():
        start, end = end, end + math.prod(shape)
        point[name] = vector[..., start:end].reshape(vector.shape[:-1] + shape)
    return point


def points(problem: Problem, count: int, seed: int = 0) -> Floats:
    """Return points around the start and the first minimizer, on the scale of these, (count, n)."""
    rng = np.random.default_rng(seed)
    start: Floats = flat(problem, problem.starts[0])
    end: Floats = flat(problem, problem.minimizers[0]) if problem.minimizers else start
    reach: Floats = 0.3 * np.abs(end) + np.abs(start - end) + 0.05 * np.max(np.abs(end - start))
    between = start + rng.uniform(-0.2, 1.2, (count, 1)) * (end - start)
    away: Floats = rng.standard_normal((count, len(start)))
    return between + 0.5 * reach * away


def complex_steps(problem: Problem, x: Floats, function: Any) -> NDArray[Any]:
    """Return the derivatives of a function of ``x``, shape (n, ...): row i along coordinate i."""
    h = 1e-30
    rows = x + 1j * h * np.eye(len(x))
    return np.asarray(function(unflat(problem, rows)).imag) / h


def sensitivity(problem: Problem, x: Floats, h: Floats) -> Floats:
    """Return how far one relative rounding of every coordinate moves the gradient."""
    g: Floats = flat(problem, problem.grad(unflat(problem, x)))
    return np.abs(h) @ np.abs(x) + np.abs(g)


def balls(x: Floats) -> NDArray[Any]:
    """Return exact balls, arb, of the same values."""
    return lifted(x, flint.arb)


def lifted(x: Floats, kind: Any) -> NDArray[Any]:
    """Return an object array of ``kind`` with the same values."""
    result = np.empty(x.shape, dtype=object)
    for place, value in enumerate(x.ravel().tolist()):
        result.flat[place] = kind(value)
    return result


def middle(ball: Any) -> float:
    """Return the double next to the middle of a ball."""
    return float(ball.mid())


class Dual:
    """A number a + b e with e*e = 0, exact: arithmetic on it differentiates without rounding."""

    def __init__(self, a: Any, b: Any = 0) -> None:
        self.a, self.b = Fraction(a), Fraction(b)

    @staticmethod
    def of(x: Any) -> "Dual":
        """Return x as a dual number."""
        return x if isinstance(x, Dual) else Dual(x)

    def __neg__(self) -> "Dual":
        return Dual(-self.a, -self.b)

    def __add__(self, other: Any) -> "Dual":
        o = Dual.of(other)
        return Dual(self.a + o.a, self.b + o.b)

    def __sub__(self, other: Any) -> "Dual":
        return self + (-Dual.of(other))

    def __mul__(self, other: Any) -> "Dual":
        o = Dual.of(other)
        return Dual(self.a * o.a, self.a * o.b + self.b * o.a)

    def __truediv__(self, other: Any) -> "Dual":
        o = Dual.of(other)
        return self * Dual(1 / o.a, -o.b / (o.a * o.a))

    def __rsub__(self, other: Any) -> "Dual":
        return Dual.of(other) - self

    def __rtruediv__(self, other: Any) -> "Dual":
        return Dual.of(other) / self

    __radd__, __rmul__ = __add__, __mul__


def test_total_adds_in_the_documented_order() -> None:
    """The documentation gives the order as a loop in C; these are the same additions."""
    rng = np.random.default_rng(0)
    for n in range(1, 70):
        x = rng.standard_normal(n) * 10.0 ** rng.integers(-9, 9, n)
        y, s = x.tolist(), 1
        while s < n:
            for i in range(0, n - s, 2 * s):
                y[i] += y[i + s]
            s *= 2

        assert total(x).tolist() == [y[0]]
        assert total(np.stack([x, 2 * x])).tolist() == [[y[0]], [2 * y[0]]]


@pytest.mark.parametrize("block", [1, 5, 64, 2**20])
def test_products_do_not_depend_on_how_they_are_cut(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Halves cut at a power of two are subtrees of the order of ``total``."""
    monkeypatch.setattr(_arithmetic, "_BLOCK", block)
    rng = np.random.default_rng(1)
    for n in range(1, 40):
        a, b = rng.standard_normal((3, 4, n)), rng.standard_normal((n, 2))
        expected = total(a[..., :, None, :] * b.T[:, :])[..., 0]

        assert np.array_equal(matmul(a, b), expected)
        assert np.allclose(matmul(a, b), a @ b, rtol=1e-13, atol=1e-13)


def test_constants_are_lifted_exactly_or_rounded_once() -> None:
    """A constant is a double; an arithmetic that holds doubles must not change it."""
    data = np.array([[0.1, -2.5], [1e-300, 3.0]])

    for dtype in ("longdouble", "complex"):
        assert np.array_equal(lift(data, np.ones(1, dtype)).real.astype(float), data)
    assert np.array_equal(lift(data, np.ones(1, np.float32)), data.astype(np.float32))
    assert lift(data, lifted(np.ones(1), Fraction)).tolist() == [
        [Fraction(x) for x in row] for row in data.tolist()
    ]
    ball = lift(0.1, balls(np.ones(1)))[0]
    assert ball.is_exact()
    assert float(ball) == 0.1


def test_counts_do_not_promote_single_precision() -> None:
    """NumPy 1 makes float64 of float32 beside a Python integer of more than 16 bits."""
    large = problems.linear_regression(n=40_000, d=1)
    x = {name: start.astype(np.float32) for name, start in large.starts[0].items()}

    assert large.loss(x).dtype == large.grad(x)["w"].dtype == np.float32


def test_elementary_functions_see_dense_arrays() -> None:
    """Their loops for strided arrays may round differently, and columns of a batch are strided."""
    dense = _arithmetic._dense(lambda x: np.array(x.flags.c_contiguous, dtype=float))

    assert dense(np.ones((4, 3))[:, 1]) == 1


@pytest.mark.parametrize("n", [1, 2, 3, 8, 33])
def test_rotations_are_orthogonal_with_determinant_one(n: int) -> None:
    """A product of reflections, with the signs that make their number even."""
    for seed in range(4):
        q = rotation(n, seed)
        assert np.max(np.abs(q @ q.T - np.eye(n))) <= 4 * n * EPS
        assert abs(np.linalg.det(q) - 1) <= 1e-12


def test_rotations_favour_no_direction() -> None:
    """Under the uniform measure every entry of a 3 x 3 rotation is uniform on [-1, 1]."""
    entries = np.array([rotation(3, seed).ravel() for seed in range(1, 401)])

    for column in entries.T:
        assert stats.kstest(column, "uniform", args=(-1, 2)).pvalue > 1e-3


@named(CASES)
def test_declaration_is_complete(problem: Problem) -> None:
    """Names, sources and points are what callers print, plot and start from."""
    assert problem.name == problem.name.strip() != ""
    assert problem.source
    assert problem.teaches
    assert problem.starts
    assert problem.size == sum(math.prod(shape) for shape in problem.layers.values())
    critical = [c.params for c in problem.critical_points]
    for point in (*problem.starts, *problem.minimizers, *critical):
        assert list(point) == list(problem.layers)
        for name, shape in problem.layers.items():
            assert point[name].shape == shape
            assert point[name].dtype == np.float64
            assert np.all(np.isfinite(point[name]))
            assert not point[name].flags.writeable
    if problem.domain is not None:
        assert list(problem.domain) == list(problem.layers)
        for name, (low, high) in problem.domain.items():
            assert low.shape == high.shape == problem.layers[name]
            assert np.all(low < high)
    assert (problem.minimum is None) == (not problem.minimizers)
    assert problem.stochastic == (problem.seed is not None)


@named(CASES)
def test_loss_at_the_starts_is_finite_and_above_the_minimum(problem: Problem) -> None:
    """A run must be able to begin, and to gain something."""
    for start in problem.starts:
        loss = problem.loss(start)
        assert isinstance(loss, np.float64)
        assert np.isfinite(loss)
        assert all(np.isfinite(g).all() for g in problem.grad(start).values())
        if problem.minimum is not None:
            assert loss > problem.minimum


@named(CASES)
def test_gradient_is_the_derivative_of_the_loss(problem: Problem) -> None:
    """A complex step subtracts nothing, so it is exact up to roundings of the loss itself."""
    for x in points(problem, 4):
        g = flat(problem, problem.grad(unflat(problem, x)))
        expected = complex_steps(problem, x, problem.loss)

        bound = 1e-13 * sensitivity(problem, x, problem.hessian(unflat(problem, x)))
        assert np.all(np.abs(g - expected) <= bound)


@named(EXACT)
def test_gradient_is_exactly_the_derivative_of_the_loss(problem: Problem) -> None:
    """Without roundings the two must agree to the last digit; only rational problems can."""
    rng = np.random.default_rng(1)
    x = np.round(8 * points(problem, 1)[0]) / 8 + 0.125
    along = rng.integers(1, 9, problem.size).astype(float)
    dual = lifted(x, Dual)
    for element, b in zip(dual, along.tolist(), strict=True):
        element.b = Fraction(b)

    derivative = problem.loss(unflat(problem, dual)).b
    slopes = flat(problem, problem.grad(unflat(problem, lifted(x, Fraction))))

    assert derivative == sum(g * Fraction(b) for g, b in zip(slopes, along.tolist(), strict=True))


@named(CASES)
def test_hessian_is_the_derivative_of_the_gradient(problem: Problem) -> None:
    """Formulas and the generic complex steps must give the same symmetric matrix."""
    for x in points(problem, 2, seed=1):
        h = problem.hessian(unflat(problem, x))
        expected = complex_steps(problem, x, lambda p: flat(problem, problem.grad(p)))

        assert h.dtype == np.float64
        assert h.shape == (problem.size, problem.size)
        assert np.array_equal(h, h.T)
        assert np.all(np.abs(h - expected) <= 1e-13 * np.max(np.abs(h)))


@named([p for p in CASES if p.minimizers])
def test_minimizers_have_the_declared_minimum(problem: Problem) -> None:
    """The loss is flat there, so rounding a minimizer changes it by squares of roundings only."""
    assert problem.minimum is not None
    for point in problem.minimizers:
        assert abs(problem.loss(point) - problem.minimum) <= 1e-12 * max(1, abs(problem.minimum))


@named([p for p in CASES if p.minimizers and p.smooth])
def test_minimizers_are_critical_and_convex(problem: Problem) -> None:
    """At a smooth minimum the gradient is zero and no eigenvalue of the Hessian negative."""
    for point in problem.minimizers:
        g, h = flat(problem, problem.grad(point)), problem.hessian(point)

        scale = np.max(np.abs(h))
        assert np.max(np.abs(g)) <= 1e-12 * scale * max(1, np.max(np.abs(flat(problem, point))))
        assert np.linalg.eigvalsh(h)[0] >= -1e-13 * problem.size * scale


@named([p for p in CASES if p.smooth])
def test_declared_points_are_good_to_the_last_digit(problem: Problem) -> None:
    """A correctly rounded coordinate moves the gradient by at most |H| times half a last digit.

    The gradient is evaluated in ball arithmetic.  Points that the factory computes, from data or
    by a rotation, are allowed a few roundings of the largest coordinate.
    """
    makers = ("rotated", "rayleigh", "linear_net", "linear_regression", "diabetes", "logistic")
    computed = any(maker in problem.name for maker in makers)
    for point in (*problem.minimizers, *(c.params for c in problem.critical_points)):
        x = flat(problem, point)
        with flint.ctx.workprec(300):
            g = flat(problem, problem.grad(unflat(problem, balls(x))))
        size = np.full_like(x, 4 * np.max(np.abs(x))) if computed else np.abs(x) / 2
        allowed = EPS * np.abs(problem.hessian(point)) @ size
        assert np.all(np.abs([middle(one) for one in g]) <= allowed)


@named([p for p in CASES if p.minimizers or p.critical_points])
def test_declared_values_are_good_to_the_last_digits(problem: Problem) -> None:
    """The loss in ball arithmetic, and a gradient of zero: the digits of the point do not enter."""
    declared = [(point, problem.minimum) for point in problem.minimizers]
    declared += [(c.params, c.value) for c in problem.critical_points]
    for point, value in declared:
        assert value is not None
        with flint.ctx.workprec(300):
            loss = problem.loss(unflat(problem, balls(flat(problem, point))))
            error = middle(abs(loss - value))
        roundings = problem.samples or problem.size
        assert error <= (2 + math.log2(roundings)) * EPS * max(abs(value), 1e-3)


@named([p for p in CASES if p.critical_points])
def test_critical_points_are_of_the_declared_kind(problem: Problem) -> None:
    """Eigenvalues decide; where they are zero, the losses around do."""
    rng = np.random.default_rng(2)
    for critical in problem.critical_points:
        x, h = flat(problem, critical.params), problem.hessian(critical.params)
        scale = max(1.0, abs(critical.value))
        assert abs(problem.loss(critical.params) - critical.value) <= 1e-12 * scale
        assert problem.minimum is None or critical.value > problem.minimum

        eigenvalues = np.linalg.eigvalsh(h)
        tiny = 1e-9 * max(1.0, np.max(np.abs(eigenvalues)))
        up, down = np.any(eigenvalues > tiny), np.any(eigenvalues < -tiny)
        if not (up or down):  # degenerate: look around
            around = x + 0.5 * rng.standard_normal((2000, len(x)))
            losses = problem.loss(unflat(problem, around))
            up, down = np.any(losses > critical.value), np.any(losses < critical.value)
        assert (
            critical.kind
            == {
                (True, False): "minimum",
                (True, True): "saddle",
                (False, True): "maximum",
            }[bool(up), bool(down)]
        )


@named([p for p in CASES if p.minimum is not None])
def test_local_searches_never_end_below_the_minimum(problem: Problem) -> None:
    """A zoo falsifies itself: a lower value found from anywhere would disprove the declaration."""
    assert problem.minimum is not None

    def objective(x: Floats) -> tuple[float, Floats]:
        params = unflat(problem, x)
        return float(problem.loss(params)), flat(problem, problem.grad(params))

    lowest = math.inf
    starts = [*points(problem, 6, seed=3)]
    if problem.domain is not None:
        low, high = (flat(problem, {k: v[i] for k, v in problem.domain.items()}) for i in (0, 1))
        starts += [*np.random.default_rng(3).uniform(low, high, (6, len(low)))]
    for x in starts:
        found = optimize.minimize(
            objective, x, jac=True, method="L-BFGS-B", options={"maxiter": 60}
        )
        lowest = min(lowest, float(found.fun))
    assert lowest >= problem.minimum - 1e-12 * max(1, abs(problem.minimum))


@named(CASES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.longdouble])
def test_rows_of_a_batch_have_the_bits_they_have_alone(problem: Problem, dtype: Any) -> None:
    """Every operation is elementwise or a sum over the last axis, in an order that is fixed."""
    x = points(problem, 6).astype(dtype)
    batch = unflat(problem, x.reshape(2, 3, -1))
    losses, slopes = problem.loss(batch), problem.grad(batch, t=3)

    assert losses.shape == (2, 3)
    for name, shape in problem.layers.items():
        assert slopes[name].shape == (2, 3, *shape)
    strided = unflat(problem, np.asfortranarray(x))
    assert problem.loss(strided).tolist() == losses.ravel().tolist()
    for i, j in np.ndindex(2, 3):
        alone = {name: rows[i, j] for name, rows in batch.items()}
        assert problem.loss(alone) == losses[i, j]
        for name, g in problem.grad(alone, t=3).items():
            assert np.array_equal(g, slopes[name][i, j])


@named(CASES)
@pytest.mark.parametrize(
    "dtype", [np.float16, np.float32, np.longdouble, np.complex64, np.complex128]
)
def test_dtype_is_preserved(problem: Problem, dtype: Any) -> None:
    """Constants are lifted into the arithmetic of the parameters, never the other way round."""
    x = points(problem, 2).astype(dtype)
    with np.errstate(all="ignore"):  # float16 overflows
        loss, slopes = problem.loss(unflat(problem, x)), problem.grad(unflat(problem, x), t=2)
        single = problem.loss(unflat(problem, x[0]))

    assert loss.dtype == single.dtype == dtype
    assert isinstance(single, np.generic)
    for name, g in slopes.items():
        assert g.dtype == dtype
        assert isinstance(g, np.ndarray)
        assert not np.shares_memory(g, unflat(problem, x)[name])
    if dtype in (np.float32, np.longdouble):
        expected = problem.loss(unflat(problem, x.astype(np.float64)))
        close = 1e-3 if dtype is np.float32 else 1e-12
        assert np.allclose(
            loss.astype(np.float64), expected, rtol=close, atol=close * abs(expected[0])
        )


@named(EXACT)
def test_fractions_are_exact(problem: Problem) -> None:
    """Rational problems use + - * / alone, so floats differ from fractions by roundings only."""
    x = points(problem, 1, seed=4)[0]
    params = unflat(problem, x)
    loss = problem.loss(unflat(problem, lifted(x, Fraction)))
    slopes = flat(problem, problem.grad(unflat(problem, lifted(x, Fraction)), t=2))

    assert type(loss) is Fraction
    assert {type(g) for g in slopes} == {Fraction}
    h = problem.hessian(params)
    drawn = flat(problem, problem.grad(params, t=2))
    scale = sensitivity(problem, x, h) + np.abs(drawn)
    assert np.all(np.abs(drawn - [float(g) for g in slopes]) <= 1e-13 * scale)
    floor = abs(problem.loss(params)) + np.abs(x) @ scale
    assert abs(problem.loss(params) - float(loss)) <= 1e-13 * floor


@named(CASES)
def test_balls_enclose_the_truth(problem: Problem) -> None:
    """Coarse balls must contain fine ones, and the double lies a few roundings away."""
    x = points(problem, 1, seed=5)[0]
    params = unflat(problem, x)

    def evaluate(bits: int) -> Any:
        with flint.ctx.workprec(bits):
            p = unflat(problem, balls(x))
            return [problem.loss(p), *flat(problem, problem.grad(p, t=2))]

    doubles = [problem.loss(params), *flat(problem, problem.grad(params, t=2))]
    scale = sensitivity(problem, x, problem.hessian(params)) + np.abs(doubles[1:])
    scales = [abs(doubles[0]) + np.abs(x) @ scale, *scale]
    for coarse, fine, double, size in zip(
        evaluate(60), evaluate(300), doubles, scales, strict=True
    ):
        assert type(fine) is flint.arb
        assert coarse.contains(fine)
        assert float(fine.rad()) <= 1e-70 * size
        assert abs(double - middle(fine)) <= 1e-13 * size


@named(EXACT)
def test_balls_contain_the_fraction(problem: Problem) -> None:
    """The two exact arithmetics share the problem and nothing else."""
    x = points(problem, 1, seed=6)[0]
    exact = problem.loss(unflat(problem, lifted(x, Fraction)))
    with flint.ctx.workprec(80):
        ball = problem.loss(unflat(problem, balls(x)))
        assert ball.contains(flint.arb(flint.fmpq(exact.numerator, exact.denominator)).mid())


@named(CASES)
def test_spec_rebuilds_the_problem(problem: Problem) -> None:
    """A stored trajectory holds JSON, and must find the very same landscape and draws again."""
    text = json.dumps(problem.spec, allow_nan=False)
    again = problems.build(json.loads(text))

    assert json.dumps(again.spec) == text
    makers = {**problems.CATALOGUE, **problems.WRAPPERS}
    every = inspect.signature(makers[problem.spec["problem"]]).parameters
    assert list(problem.spec["arguments"]) == list(every)  # defaults may change one day
    assert again.name == problem.name
    x = unflat(problem, points(problem, 3))
    assert again.loss(x).tobytes() == problem.loss(x).tobytes()
    for t in (0, 1, 9):
        for g, h in zip(again.grad(x, t).values(), problem.grad(x, t).values(), strict=True):
            assert g.tobytes() == h.tobytes()
    for field in ("layers", "seed", "samples", "steps_per_epoch", "minimum", "teaches", "source"):
        assert getattr(again, field) == getattr(problem, field)
    for one, two in zip(
        again.starts + again.minimizers, problem.starts + problem.minimizers, strict=True
    ):
        assert flat(problem, one).tobytes() == flat(problem, two).tobytes()
    assert pickle.loads(pickle.dumps(problem)).spec == copy.deepcopy(problem).spec == problem.spec


@named(STOCHASTIC)
def test_a_draw_is_addressed_by_seed_and_step(problem: Problem) -> None:
    """Resuming at a step must find the draw of that step, and t = 0 is the expectation."""
    x = dict(problem.starts[0])
    first, again, next_one, mean = (flat(problem, problem.grad(x, t)) for t in (1, 1, 2, 0))
    other = problems.build(
        {**problem.spec, "arguments": {**problem.spec["arguments"], "seed": 12345}}
        if "seed" in problem.spec["arguments"]
        else problem.spec
    )

    assert np.array_equal(first, again)
    assert not np.array_equal(first, next_one)
    assert not np.array_equal(first, mean)
    assert np.array_equal(first, flat(problem, other.grad(x, 1))) == (other.spec == problem.spec)


@named([p for p in CASES if not p.stochastic])
def test_deterministic_problems_ignore_the_step(problem: Problem) -> None:
    """There is nothing to draw, and callers need not know."""
    g, h = (flat(problem, problem.grad(problem.starts[0], t)) for t in (0, 5))

    assert np.array_equal(g, h)


@named([p for p in STOCHASTIC if "seed" in p.spec["arguments"]])
def test_row_i_of_many_seeds_is_the_run_with_seed_i(problem: Problem) -> None:
    """Seeds are keys of their own, so runs in a batch and alone see the same draws."""
    seeds = [4, 2**64 - 1, 0]
    arguments = problem.spec["arguments"]
    batch = problems.build({**problem.spec, "arguments": {**arguments, "seed": seeds}})
    x = points(problem, 3)

    for t in (1, 8):
        slopes = flat(problem, batch.grad(unflat(problem, x), t))
        for row, seed in enumerate(seeds):
            alone = problems.build({**problem.spec, "arguments": {**arguments, "seed": seed}})
            g = flat(problem, alone.grad(unflat(problem, x[row]), t))
            assert np.array_equal(g, slopes[row])
    with pytest.raises(ValueError, match=r"needs a batch of shape \(3,\), one row for each"):
        batch.grad(problem.starts[0], 1)
    assert np.isfinite(batch.loss(problem.starts[0]))


@pytest.mark.parametrize("size", [1, 4, 5, 9, 10])
def test_an_epoch_of_minibatches_sees_every_sample_once(size: int) -> None:
    """Weighted by their sizes, the gradients of an epoch add up to the full one exactly."""
    whole = problems.linear_regression(n=10, d=2)
    parts = problems.minibatch(whole, size=size, seed=3)
    x = unflat(whole, lifted(points(whole, 1)[0], Fraction))
    steps = parts.steps_per_epoch or 0
    assert steps == math.ceil(10 / size)
    sizes = [min(size, 10 - size * i) for i in range(steps)]

    full = flat(whole, whole.grad(x))
    epochs = []
    for epoch in range(3):
        drawn = [flat(parts, parts.grad(x, 1 + epoch * steps + i)) for i in range(steps)]
        weighted = np.array([n * g for n, g in zip(sizes, drawn, strict=True)])
        assert total(weighted.T)[..., 0].tolist() == (10 * full).tolist()
        epochs.append([g.tolist() for g in drawn])
    assert size == 10 or epochs[0] != epochs[1] != epochs[2]


@pytest.mark.parametrize(
    "whole",
    [problems.logistic_regression(n=9, d=2), problems.tanh_net(samples=9), problems.diabetes()],
)
def test_minibatches_of_everything_are_the_full_gradient(whole: Problem) -> None:
    """The order of the samples changes the roundings of a mean and nothing else."""
    parts = problems.minibatch(whole, size=whole.samples or 0)
    x = unflat(whole, points(whole, 1)[0])

    assert np.allclose(flat(whole, parts.grad(x, 1)), flat(whole, whole.grad(x)), rtol=1e-12)


def test_gradient_noise_is_sigma_times_the_addressed_normals() -> None:
    """The documentation promises g + sigma z, z counted over all layers in order."""
    bowl = problems.layered_quadratic(scales=[1, 2], width=2)
    noisy = problems.gradient_noise(bowl, sigma=0.5, seed=8)
    x = bowl.starts[0]

    added = flat(bowl, noisy.grad(x, 6)) - flat(bowl, bowl.grad(x))
    assert np.allclose(added, 0.5 * _random.normals(8, 6, _random.NOISE, 4), rtol=0, atol=1e-15)
    parts = problems.minibatch(problems.linear_net(samples=6), size=2)
    both, x = problems.gradient_noise(parts, sigma=0), unflat(parts, points(parts, 1)[0])
    assert np.array_equal(flat(parts, both.grad(x, 4)), flat(parts, parts.grad(x, 4)))
    assert both.steps_per_epoch == 3


def test_the_noisy_quadratic_is_the_mean_of_its_draws() -> None:
    """Loss and gradient are expectations over the centre: 20,000 draws, five standard errors."""
    n, runs = 4, 20_000
    model = problems.noisy_quadratic(n=n, noise=0.7, shift=[1, 2, 3, 4], seed=range(runs))
    a = np.diag(model.hessian(model.starts[0]))
    x = {"x": np.array([0.3, 2.0, -1.0, 5.0])}
    drawn = model.grad({"x": np.tile(x["x"], (runs, 1))}, t=1)["x"]
    losses = np.sum(drawn * drawn / a, axis=1) / 2  # (x - c)'A(x - c)/2, the gradient A(x - c)

    assert np.all(np.abs(drawn.mean(0) - model.grad(x)["x"]) <= 5 * 0.7 * np.sqrt(a / runs))
    assert np.allclose(drawn.var(0), 0.49 * a, rtol=5 * math.sqrt(2 / runs))
    assert abs(losses.mean() - model.loss(x)) <= 5 * losses.std() / math.sqrt(runs)
    assert model.minimum == pytest.approx(n * 0.49 / 2, rel=1e-15)


def eigenvalues(problem: Problem, point: Any = None) -> Floats:
    """Return the eigenvalues of the Hessian, at the first minimizer unless told otherwise."""
    values = np.linalg.eigvalsh(problem.hessian(problem.minimizers[0] if point is None else point))
    return np.asarray(values)


def test_condition_numbers() -> None:
    """What the documentation says of the curvature at the minimum, from the Hessian there."""
    p = problems
    for problem, kappa, digits in (
        (p.quadratic_bowl(kappa=1e4, n=5, rotation=1), 1e4, 1e-11),
        (p.rosenbrock(), 2508.0096, 1e-7),
        (p.booth(), 9, 1e-14),
        (p.matyas(), 25, 1e-13),
        (p.beale(), 162.47, 1e-4),
        (p.layered_quadratic(), 2.5e9, 1e-14),
        (p.linear_regression(kappa=118), 118, 1e-12),
        (p.linear_regression(n=40, d=3, kappa=7), 7, 1e-12),
        (p.noisy_quadratic(n=50), 50, 1e-14),
        (p.diabetes(), 470, 1e-2),
    ):
        low, high = eigenvalues(problem)[[0, -1]]
        assert high / low == pytest.approx(kappa, rel=digits), problem.name
    columns = p.linear_regression(n=60, d=4, decades=3, mean=2)
    h = columns.hessian(columns.starts[0])
    assert h[-1, :4] == pytest.approx([2, 20, 200, 2000], rel=1e-13)
    assert np.diag(h)[:4] == pytest.approx(np.diag(h)[0] * np.array([1, 1e2, 1e4, 1e6]), rel=1e-12)
    ratios = [
        high / low for low, high in (eigenvalues(p.branin(), m) for m in p.branin().minimizers)
    ]
    assert ratios == pytest.approx([25.9, 6.4, 6.7], abs=0.05)
    assert eigenvalues(p.powell_singular()) == pytest.approx([0, 0, 20, 202])


def test_the_six_hump_camel_and_himmelblau_are_complete() -> None:
    """Bezout: gradients of degrees 5 and 3, or 3 and 3, vanish at no more than 15 or 9 points."""
    for problem, degree in ((problems.six_hump_camel(), 15), (problems.himmelblau(), 9)):
        declared = [*problem.minimizers, *(c.params for c in problem.critical_points)]
        assert len({tuple(np.round(flat(problem, p), 6)) for p in declared}) == degree


def test_diabetes_is_the_study() -> None:
    """442 patients and ten variables; least squares by another route gives the same minimum."""
    raw, standard = problems.diabetes(standardise=False), problems.diabetes()
    path = os.path.join(os.path.dirname(problems.__file__), "data", "diabetes.csv")
    with open(path, encoding="utf-8") as file:
        digest = hashlib.sha256(file.read().encode()).hexdigest()
    assert digest == "861964c468642a32978c7053ff452a64b79977dba1d00c3d4349dbf4ef9d2090"
    table = np.loadtxt(path, delimiter=",", skiprows=1)
    assert table.shape == (442, 11)

    target = table[:, 10]
    bordered = np.column_stack([table[:, :10], np.ones(442)])
    hat = np.linalg.qr(bordered)[0]
    residual = target - hat @ (hat.T @ target)
    assert raw.minimum == pytest.approx(residual @ residual / 884, rel=1e-12)
    assert standard.minimum == pytest.approx(residual @ residual / 884 / target.var(), rel=1e-12)
    assert standard.loss(standard.starts[0]) == pytest.approx(0.5, rel=1e-14)
    assert np.diag(standard.hessian(standard.starts[0])) == pytest.approx(np.ones(11), rel=1e-14)
    assert raw.loss(raw.starts[0]) == pytest.approx(np.mean(target**2) / 2, rel=1e-14)


def test_skips_per_layer_translate_the_landscape() -> None:
    """M = I + W is the plain net at I + W, in every bit of loss and gradient."""
    plain, skip = problems.linear_net(depth=4), problems.linear_net(depth=4, skip="layer")
    x = unflat(skip, points(skip, 5))
    moved = {name: w + np.eye(3) for name, w in x.items()}

    assert np.array_equal(skip.loss(x), plain.loss(moved))
    assert np.array_equal(flat(skip, skip.grad(x)), flat(plain, plain.grad(moved)))


def test_linear_nets_at_zero() -> None:
    """Three plain layers or more have no curvature there; blocks have +- the values of B - I."""
    for depth in (3, 4):
        net = problems.linear_net(depth=depth)
        assert not net.hessian(net.critical_points[0].params).any()
    roots = np.array([0.4, 1, 2.5])
    for skip, strengths in (("none", roots), ("block", roots - 1)):
        net = problems.linear_net(depth=2, skip=skip)
        expected = np.repeat(np.concatenate([strengths, -strengths]), 3)
        zero = net.critical_points[0].params
        assert eigenvalues(net, zero) == pytest.approx(np.sort(expected), abs=1e-10)
        assert net.loss(zero) == pytest.approx(np.sum(strengths**2) / 2, rel=1e-10)
    skips = problems.linear_net(skip="layer")
    assert skips.loss(skips.starts[0]) == pytest.approx(np.sum((roots - 1) ** 2) / 2, rel=1e-10)
    assert skips.grad(skips.starts[0])["W2"].any()
    assert not skips.critical_points


def test_tanh_nets_have_two_targets_of_size_one() -> None:
    """At zero parameters the loss is half the mean square of the targets, noise included."""
    net = problems.tanh_net(samples=20_000, noise=0.5)
    zero = {name: 0 * start for name, start in net.starts[0].items()}

    assert net.loss(zero) == pytest.approx((2 + 2 * 0.25) / 2, rel=0.03)


def test_facts_of_scale() -> None:
    """Sharpness a*a + b*b, gradients orthogonal to weights, slopes of a kink: from the formulas."""
    product = problems.scalar_factorisation()
    assert eigenvalues(product, product.minimizers[2]) == pytest.approx([0, 16 + 1 / 16])

    quotient = problems.rayleigh_quotient(n=5)
    w = points(quotient, 1)[0]
    g = quotient.grad({"w": w})["w"]
    assert abs(g @ w) <= 1e-13
    assert quotient.grad({"w": 4 * w})["w"].tolist() == (g / 4).tolist()
    assert quotient.loss({"w": 4 * w}) == quotient.loss({"w": w})

    for n in (1, 4):
        kink = problems.ackley(n=n)
        slope = kink.loss({"x": np.full(n, 1e-9 / math.sqrt(n))}) / 1e-9
        assert slope == pytest.approx(4 / math.sqrt(n), rel=1e-5)
        assert not kink.grad({"x": np.zeros(n)})["x"].any()


def test_logistic_curvature_is_largest_at_zero() -> None:
    """p(1 - p) is at most 1/4, attained where every score is 0."""
    problem = problems.logistic_regression(ridge=0.01)
    x = points(problem, 20)
    top = eigenvalues(problem, problem.starts[0])[-1]

    assert all(eigenvalues(problem, unflat(problem, row))[-1] <= top for row in x)
    far = {"w": np.full(5, 1e4), "b": np.array([1e5])}
    assert np.isfinite(problem.loss(far))
    assert np.isfinite(flat(problem, problem.grad(far))).all()


def test_transforms_move_and_turn_the_same_landscape() -> None:
    """Shifted there and back is the same loss; a rotation keeps eigenvalues and distances."""
    camel = problems.six_hump_camel()
    there = problems.shifted(camel, by=[0.5, -2])
    back = problems.shifted(there, by=[-0.5, 2])
    turned = problems.rotated(camel, seed=3)
    x = np.array([0.25, 1.5])

    assert back.loss({"x": x}) == camel.loss({"x": x})
    assert there.loss({"x": x + np.array([0.5, -2])}) == camel.loss({"x": x})
    q = rotation(2, 3)
    assert turned.loss({"x": q @ x}) == pytest.approx(camel.loss({"x": x}), rel=1e-13)
    assert turned.grad({"x": q @ x})["x"] == pytest.approx(q @ camel.grad({"x": x})["x"], rel=1e-12)
    for one, two in zip(camel.critical_points, turned.critical_points, strict=True):
        values = eigenvalues(turned, two.params)
        assert values == pytest.approx(eigenvalues(camel, one.params), rel=1e-12)
    assert camel.domain is not None
    assert turned.domain is not None
    corners = np.array([[a, b] for a in (-3, 3) for b in (-2, 2)]) @ q.T
    assert turned.domain["x"][0] == pytest.approx(corners.min(0))
    assert turned.domain["x"][1] == pytest.approx(corners.max(0))


def test_a_batch_of_a_thousand_rows_is_cheap_in_memory() -> None:
    """Products are formed in blocks of 2**20, not (rows, samples, features) at once."""
    problem = problems.linear_regression()
    x = unflat(problem, points(problem, 1000))
    tracemalloc.start()
    problem.grad(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 64 * 2**20


def test_names_show_the_arguments_that_matter() -> None:
    """A name is what plots and tables print: defaults would only be noise."""
    p: Any = problems

    assert p.rosenbrock().name == "rosenbrock"
    assert p.rosenbrock(5).name == p.rosenbrock(n=np.int64(5)).name == "rosenbrock(n=5)"
    nested = p.minibatch(p.linear_net(samples=40, skip="layer"), size=8, seed=range(9))
    assert nested.name == (
        "minibatch(linear_net(skip='layer', samples=40), size=8, seed=[0, 1, 2, ... 9 in all])"
    )
    assert repr(nested) == f"<problem {nested.name}>"
    assert list(p.CATALOGUE) == [make.__name__ for make in p.CATALOGUE.values()]
    assert set(p.CATALOGUE) | set(p.WRAPPERS) <= set(p.__all__)


def by_hand(**changes: Any) -> Problem:
    """Return a problem that no factory made."""
    return Problem(
        **{
            "layers": {"x": (2,)},
            "value": lambda p: total(p["x"] * p["x"])[..., 0],
            "slope": lambda p: {"x": 2 * p["x"]},
            "source": "ours",
            "teaches": "nothing",
            "starts": ({"x": [1, 2]},),
            **changes,
        }
    )


P: Any = problems  # what the type checker would refuse must be refused at run time, too
ONE = np.ones(2)
REFUSALS: list[tuple[Any, type[Exception], str]] = [
    (lambda: P.rosenbrock(n=1), ValueError, "rosenbrock needs n in [2, 1000000], got n=1"),
    (lambda: P.rosenbrock(n=2.5), TypeError, "rosenbrock needs an integer n, got n=2.5"),
    (lambda: P.rosenbrock(n=True), TypeError, "rosenbrock needs an integer n, got n=True"),
    (lambda: P.rosenbrock(b=0), ValueError, "rosenbrock needs b > 0, got b=0"),
    (lambda: P.rosenbrock(a=math.nan), ValueError, "rosenbrock needs a finite a, got a=nan"),
    (lambda: P.rosenbrock(a="1"), TypeError, "rosenbrock needs a number a, got a='1'"),
    (lambda: P.rosenbrock(n=3, a=2), ValueError, "rosenbrock needs a=1 where n > 2"),
    (lambda: P.quadratic_bowl(kappa=0.5), ValueError, "quadratic_bowl needs kappa >= 1"),
    (lambda: P.quadratic_bowl(shift=[1, 2, 3]), ValueError, "needs shift of length 2"),
    (lambda: P.quadratic_bowl(rotation=-1), ValueError, "quadratic_bowl needs seed in [0, "),
    (lambda: P.monkey_saddle(confined=1), TypeError, "needs confined to be True or False"),
    (lambda: P.welsch(eps=-1), ValueError, "welsch needs eps >= 0, got eps=-1"),
    (lambda: P.rayleigh_quotient(kappa=1), ValueError, "rayleigh_quotient needs kappa > 1"),
    (lambda: P.scalar_factorisation(s=0), ValueError, "scalar_factorisation needs s > 0"),
    (lambda: P.layered_quadratic(scales=[]), ValueError, "needs the number of scales in"),
    (lambda: P.layered_quadratic(scales=[1, 0]), ValueError, "needs scales[1] > 0"),
    (lambda: P.layered_quadratic(scales="ab"), TypeError, "needs a number scales, got scales='"),
    (lambda: P.linear_regression(n=5, d=4), ValueError, "needs n (at least d + 2) in [6, "),
    (lambda: P.linear_net(skip="both"), ValueError, "linear_net needs skip to be one of none"),
    (lambda: P.linear_net(skip="block"), ValueError, "needs an even depth for skip='block'"),
    (lambda: P.tanh_net(width=1), ValueError, "tanh_net needs width in [2, "),
    (lambda: P.minibatch(P.booth()), ValueError, "minibatch needs a problem with samples, got b"),
    (lambda: P.minibatch(P.linear_net()), ValueError, "minibatch needs a problem with samples"),
    (
        lambda: P.minibatch(P.minibatch(P.diabetes())),
        ValueError,
        "minibatch needs a problem with samples, got minibatch(diabetes)",
    ),
    (lambda: P.minibatch("diabetes"), TypeError, "minibatch needs a problem, got problem='d"),
    (
        lambda: P.build({"problem": "shifted", "arguments": {"by": 1}}),
        ValueError,
        "shifted needs arguments among problem, by (always problem), got arguments={'by': 1}",
    ),
    (lambda: P.minibatch(P.diabetes(), size=443), ValueError, "needs size in [1, 442], got"),
    (lambda: P.minibatch(P.diabetes(), seed=[]), ValueError, "needs at least one seed"),
    (lambda: P.minibatch(P.diabetes(), seed=2**64), ValueError, "minibatch needs seed in [0, "),
    (lambda: P.gradient_noise(P.booth(), sigma=-1), ValueError, "needs sigma >= 0"),
    (lambda: P.gradient_noise(by_hand()), TypeError, "needs a problem made by a factory, got"),
    (lambda: P.shifted(P.diabetes()), ValueError, "shifted needs a problem with one layer"),
    (lambda: P.rotated(P.scalar_factorisation()), ValueError, "rotated needs a problem with one"),
    (lambda: P.build([]), ValueError, "build needs {"),
    (lambda: P.build({"problem": "booth"}), ValueError, "build needs {"),
    (
        lambda: P.build({"problem": "eval", "arguments": {}}),
        ValueError,
        "build needs one of the problems ackley, beale, ",
    ),
    (
        lambda: P.build({"problem": "booth", "arguments": {"n": 2}}),
        ValueError,
        "booth needs arguments among (none), got arguments={'n': 2}",
    ),
    (lambda: P.booth().loss([1.0, 2.0]), TypeError, "booth.loss needs a mapping of layer names"),
    (
        lambda: P.booth().grad({"w": ONE}),
        ValueError,
        "booth.grad needs exactly the layers x, got missing=['x'], unknown=['w']",
    ),
    (
        lambda: P.booth().loss({"x": np.ones(3)}),
        ValueError,
        "booth.loss needs layer x of shape (..., 2), got (3,)",
    ),
    (
        lambda: P.booth().loss({"x": np.array([1, 2])}),
        TypeError,
        "booth.loss needs floating-point arrays, got layer x of dtype int64; write 1.0 for 1",
    ),
    (
        lambda: P.booth().loss({"x": np.array([Fraction(1), 2], dtype=object)}),
        TypeError,
        "booth.loss needs object arrays of one exact type, got layer x of Fraction, int",
    ),
    (
        lambda: P.booth().loss({"x": np.array([1.0, 2.0], dtype=object)}),
        TypeError,
        "got layer x of float; convert every element",
    ),
    (
        lambda: P.scalar_factorisation().loss({"a": ONE, "b": np.ones(3)}),
        ValueError,
        "scalar_factorisation.loss needs the same batch axes on all layers, got a: (2,), b: (3,)",
    ),
    (
        lambda: P.scalar_factorisation().loss({"a": ONE, "b": ONE.astype(np.float32)}),
        ValueError,
        "needs the same dtype on all layers, got a: float64, b: float32",
    ),
    (
        lambda: P.booth().hessian({"x": np.ones((3, 2))}),
        ValueError,
        "booth.hessian needs layer x of shape (2,), got (3, 2)",
    ),
    (
        lambda: P.noisy_quadratic().grad({"x": np.ones(100)}, t=-1),
        ValueError,
        "noisy_quadratic.grad needs a step t >= 1 (or 0, the expectation), got t=-1",
    ),
    (lambda: by_hand(starts=({"x": [1]},)), ValueError, "needs layer x of shape (2,), got (1,)"),
    (lambda: pickle.dumps(by_hand()), TypeError, "unnamed was not made by a factory"),
    (
        lambda: by_hand(value=lambda p: np.float64(2) * p["x"][:, 0].astype(float)).loss(
            {"x": ONE.astype(np.float32)}
        ),
        TypeError,
        "unnamed.loss needs its author's result to be float32 of shape (1,), got float64",
    ),
    (
        lambda: by_hand(slope=lambda p: {"x": 2 * p["x"].real}).hessian({"x": ONE}),
        TypeError,
        "unnamed.hessian needs its author's result to be complex128 of shape (2, 2), got float64",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSALS, ids=[m for _, _, m in REFUSALS])
def test_refusals_say_what_is_needed(call: Any, error: type[Exception], message: str) -> None:
    """Who needs what, got which: before anything is built or evaluated."""
    with pytest.raises(error) as caught:
        call()

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# Losses, gradients and draws of every problem that promises equal bits, data and starts of all.
DIGEST = """
import hashlib
import numpy as np
import problems
from problems._random import normals

made = [make() for make in problems.CATALOGUE.values()]
made += [problems.rosenbrock(n=7), problems.quadratic_bowl(n=9, rotation=4, kappa=1e5)]
made += [problems.linear_net(depth=4, skip="block", samples=20), problems.rotated(made[8], seed=3)]
made += [problems.minibatch(problems.diabetes(standardise=False), size=50)]
made += [problems.gradient_noise(problems.linear_regression(n=60, d=5, decades=2, mean=3))]
sha = hashlib.sha256()
for p in made:
    for start in p.starts:
        for name, array in start.items():
            sha.update(array.tobytes())
        if p.transcendental:
            continue
        for dtype in (np.float64, np.float32):
            batch = {
                k: (a + (1 + abs(a)) * normals(17, 3, 9, 5 * a.size).reshape(5, *a.shape) / 4)
                .astype(dtype)
                for k, a in start.items()
            }
            sha.update(p.loss(batch).tobytes())
            for t in (0, 1, 7):
                for g in p.grad(batch, t).values():
                    sha.update(g.tobytes())
print(sha.hexdigest())
try:
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
except ImportError:  # NumPy 1
    from numpy.core._multiarray_umath import __cpu_dispatch__, __cpu_features__
print(*[name for name in __cpu_dispatch__ if __cpu_features__[name]])
"""

BITS = "150747f86a6538eae85e14d6e2cb0183545a60b2492a4ad89f3b2659d31b5769"


def test_bits_are_the_same_on_every_machine() -> None:
    """IEEE operations in a fixed order leave nothing to the processor or to NumPy's release.

    Once with every feature of the processor that NumPy can use, once with none of them.
    """

    def run(disabled: str) -> list[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "NPY_DISABLE_CPU_FEATURES": disabled,
        }
        command = [sys.executable, "-c", DIGEST]
        ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        return ran.stdout.split("\n")

    digest, features, _ = run("")
    plain, none, _ = run(features)

    assert digest == plain == BITS
    assert none == ""
