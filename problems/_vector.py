"""Problems whose parameters are one vector: what an author writes for the classical ones."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from problems._arithmetic import Array, Floats
from problems._problem import CriticalPoint, Kind, Problem


def vector_problem(
    *,
    n: int,
    value: Callable[[Array], Array],
    slope: Callable[[Array], Array],
    source: str,
    teaches: str,
    starts: Sequence[Any],
    curvature: Callable[[Floats], Floats] | None = None,
    minimizers: Sequence[Any] = (),
    minimum: float | None = None,
    critical_points: Sequence[tuple[Any, float, Kind]] = (),
    domain: tuple[Any, Any] | None = None,
    smooth: bool = True,
    transcendental: bool = False,
    layer: str = "x",
) -> Problem:
    """Return a problem with a single layer of shape (n,).

    ``value`` and ``slope`` map (rows, n) to (rows,) and (rows, n); ``curvature`` maps (n,) to
    (n, n).  Points are vectors, the two corners of ``domain`` vectors or numbers.

    Examples
    --------
    >>> p = vector_problem(
    ...     n=1,
    ...     value=lambda x: x[:, 0] * x[:, 0],
    ...     slope=lambda x: 2 * x,
    ...     source="ours",
    ...     teaches="nothing",
    ...     starts=[[3.0]],
    ... )
    >>> print(p.loss({"x": np.array([3.0])}), p.hessian({"x": np.array([3.0])}))
    9.0 [[2.]]
    """
    return Problem(
        layers={layer: (n,)},
        value=lambda params: value(params[layer]),
        slope=lambda params: {layer: slope(params[layer])},
        curvature=None if curvature is None else lambda point: curvature(point[layer]),
        source=source,
        teaches=teaches,
        starts=tuple({layer: p} for p in starts),
        minimizers=tuple({layer: p} for p in minimizers),
        minimum=minimum,
        critical_points=tuple(
            CriticalPoint(params={layer: p}, value=value, kind=kind)
            for p, value, kind in critical_points
        ),
        domain=None
        if domain is None
        else {layer: (np.broadcast_to(domain[0], n), np.broadcast_to(domain[1], n))},
        smooth=smooth,
        transcendental=transcendental,
    )
