r"""The same problem elsewhere: moved or turned, with its facts.

shifted   loss(x - by): for methods that the origin flatters, such as those with trust ratios
rotated   loss(Q'x), gradient Q g, Hessian Q H Q': for methods that the axes flatter, such as Adam

Both take problems with one layer of shape (n,), stochastic ones too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from problems._arithmetic import Array, Floats, lift, matmul, matvec
from problems._checks import seed as one_seed
from problems._checks import vector
from problems._construct import rotation as rotation_matrix
from problems._factory import factory
from problems._params import Params, Point
from problems._problem import CriticalPoint, Problem

Move = Callable[[Array], Array]
Slope = Callable[..., Params]


@factory
def shifted(problem: Problem, by: float | Sequence[float] = 1.0) -> Problem:
    """Return ``problem`` moved by ``by``, one number or one for each coordinate.

    Examples
    --------
    >>> import problems
    >>> p = shifted(problems.rastrigin(), by=[1, -2])
    >>> print(p.minimizers[0]["x"], p.loss(p.minimizers[0]))
    [ 1. -2.] 0.0
    """
    layer, n = _single("shifted", problem)
    move = vector("shifted", "by", by, n)
    moved = _moved(
        problem,
        layer,
        there=lambda x: x + move,
        back=lambda x: x - lift(move, x),
        turn=lambda g: g,
        turn_hessian=lambda h: h,
    )
    if problem.domain is None:
        return moved
    low, high = problem.domain[layer]
    return replace(moved, domain={layer: (low + move, high + move)})


@factory
def rotated(problem: Problem, seed: int = 0) -> Problem:
    """Return ``problem`` turned about the origin by a random rotation.

    In two dimensions seed 0 is the rotation with cosine 0.8 and sine 0.6.  The domain becomes
    the smallest box around the rotated one.

    Examples
    --------
    >>> import problems
    >>> print(rotated(problems.booth()).minimizers[0]["x"])
    [-1.  3.]
    """
    layer, n = _single("rotated", problem)
    q = rotation_matrix(n, one_seed("rotated", seed))
    moved = _moved(
        problem,
        layer,
        there=lambda x: matvec(q, x),
        back=lambda x: matvec(lift(q.T, x), x),
        turn=lambda g: matvec(lift(q, g), g),
        turn_hessian=lambda h: matmul(matmul(q, h), q.T),
    )
    if problem.domain is None:
        return moved
    low, high = problem.domain[layer]
    centre, reach = matvec(q, (low + high) / 2), matvec(abs(q), (high - low) / 2)
    return replace(moved, domain={layer: (centre - reach, centre + reach)})


def _single(who: str, problem: Problem) -> tuple[str, int]:
    shapes = list(problem.layers.items())
    if len(shapes) != 1 or len(shapes[0][1]) != 1:
        listed = ", ".join(f"{name}: {shape}" for name, shape in shapes)
        msg = f"{who} needs a problem with one layer of shape (n,), got {problem.name}, {listed}"
        raise ValueError(msg)
    return shapes[0][0], problem.size


def _moved(
    problem: Problem,
    layer: str,
    *,
    there: Move,
    back: Move,
    turn: Move,
    turn_hessian: Callable[[Floats], Floats],
) -> Problem:
    def inside(params: Params) -> Params:
        return {layer: back(params[layer])}

    def slope(of: Slope | None) -> Any:
        if of is None:
            return None
        return lambda params, *draw: {layer: turn(of(inside(params), *draw)[layer])}

    def point(p: Point) -> Mapping[str, Floats]:
        return {layer: there(p[layer])}

    return replace(
        problem,
        value=lambda params: problem.value(inside(params)),
        slope=slope(problem.slope),
        sample_slope=slope(problem.sample_slope),
        noisy_slope=slope(problem.noisy_slope),
        curvature=lambda p: turn_hessian(problem.hessian({layer: back(p[layer])})),
        starts=tuple(point(p) for p in problem.starts),
        minimizers=tuple(point(p) for p in problem.minimizers),
        critical_points=tuple(
            CriticalPoint(params=point(c.params), value=c.value, kind=c.kind)
            for c in problem.critical_points
        ),
    )
