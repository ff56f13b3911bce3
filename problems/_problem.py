"""A problem: a loss, its exact gradient, and facts about them that tests can hold it to."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from problems._arithmetic import Array, Floats
from problems._checks import Seed
from problems._params import AnyArray, Params, Point, as_point, as_rows

Kind = Literal["minimum", "saddle", "maximum"]

_STEP = 2.0**-100  # of the complex step: its square vanishes beside any number in use


@dataclass(frozen=True, kw_only=True, eq=False)
class CriticalPoint:
    """A point where the gradient vanishes.

    Parameters
    ----------
    params : mapping of layer name to float64 array
    value : float
        The loss there.
    kind : {"minimum", "saddle", "maximum"}
        A minimum is a local one; degenerate points count by what the loss does around them.
    """

    params: Point
    value: float
    kind: Kind


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """A declaration of testable facts about a loss and its gradient.

    Made by a factory such as ``problems.rosenbrock(n=2)``.  ``loss``, ``grad`` and ``hessian``
    are what callers use; ``value``, ``slope`` and ``curvature`` are what an author writes, on
    arrays that have exactly one leading axis, of rows.

    Parameters
    ----------
    layers : mapping of str to tuple of int
        Layer names and shapes, in order; what layerwise methods take as layers.
    value : callable
        ``{layer: (rows, *shape)} -> (rows,)``.
    slope : callable
        ``{layer: (rows, *shape)} -> {layer: (rows, *shape)}``, the gradient of ``value``.
    source, teaches : str
        Where the problem is from, and what it is there to show.
    starts : tuple of points
        Where runs usually begin, the customary start first.
    minimizers : tuple of points
        Global minimizers: all of them, or where there are infinitely many, some.
    minimum : float or None
        The loss at the minimizers; None where it is unknown or there is none.
    critical_points : tuple of CriticalPoint
        Further known critical points; the minimizers are not repeated.
    domain : mapping of layer name to (low, high), or None
        A box worth looking at.
    curvature : callable or None
        ``{layer: shape} -> (n, n)``, the Hessian at one float64 point.
    smooth : bool
        False where some point of interest has no derivative.
    transcendental : bool
        True where the loss or gradient calls exp, cos or their like.  These differ in the last
        bit between platforms, so such a problem is exempt from bit equality in float64, and it
        cannot be evaluated in fractions.  All others give the same bits on every IEEE machine.
    samples : int or None
        The number of data points, for a loss that is a mean over them.
    sample_slope : callable or None
        ``(params, indices) -> gradient`` of the mean over those data points, indices of shape
        (size,) for all rows or (rows, size).
    noisy_slope : callable or None
        ``(params, t) -> gradient`` as drawn at step t >= 1; None for a deterministic problem.
    seed : int, tuple of int or None
        Of the draws.  A tuple has one seed for each row of a single batch axis.
    steps_per_epoch : int or None
        Of a problem that passes through data.
    name, spec : str, mapping
        Written by the factory: ``problems.build(problem.spec)`` makes the problem again.

    Examples
    --------
    >>> import problems
    >>> p = problems.rosenbrock()
    >>> print(p.loss(p.starts[0]), p.grad(p.starts[0])["x"])
    24.199999999999996 [-215.6  -88. ]
    """

    layers: Mapping[str, tuple[int, ...]]
    value: Callable[[Params], Array]
    slope: Callable[[Params], Params]
    source: str
    teaches: str
    starts: tuple[Point, ...]
    minimizers: tuple[Point, ...] = ()
    minimum: float | None = None
    critical_points: tuple[CriticalPoint, ...] = ()
    domain: Mapping[str, tuple[Any, Any]] | None = None
    curvature: Callable[[Point], Floats] | None = None
    smooth: bool = True
    transcendental: bool = False
    samples: int | None = None
    sample_slope: Callable[[Params, NDArray[np.intp]], Params] | None = None
    noisy_slope: Callable[[Params, int], Params] | None = None
    seed: Seed | None = None
    steps_per_epoch: int | None = None
    name: str = "unnamed"
    spec: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        layers = MappingProxyType({name: tuple(shape) for name, shape in self.layers.items()})
        declared = {
            "layers": layers,
            "starts": tuple(as_point(self.name, layers, p) for p in self.starts),
            "minimizers": tuple(as_point(self.name, layers, p) for p in self.minimizers),
            "critical_points": tuple(
                CriticalPoint(
                    params=as_point(self.name, layers, c.params), value=float(c.value), kind=c.kind
                )
                for c in self.critical_points
            ),
        }
        if self.domain is not None:
            low, high = (
                as_point(self.name, layers, {k: v[i] for k, v in self.domain.items()})
                for i in (0, 1)
            )
            declared["domain"] = MappingProxyType({k: (low[k], high[k]) for k in layers})
        for name, value in declared.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"<problem {self.name}>"

    def __reduce__(self) -> tuple[Callable[..., "Problem"], tuple[Mapping[str, Any]]]:
        from problems._factory import build

        if not self.spec:
            msg = f"{self.name} was not made by a factory, so it cannot be copied or pickled"
            raise TypeError(msg)
        return build, (self.spec,)

    @property
    def size(self) -> int:
        """The number of parameters, over all layers."""
        return sum(math.prod(shape) for shape in self.layers.values())

    @property
    def stochastic(self) -> bool:
        """Whether ``grad(params, t)`` depends on t >= 1."""
        return self.noisy_slope is not None

    def loss(self, params: Mapping[str, AnyArray]) -> Any:
        """Return the loss, for a stochastic problem the expected or full one.

        Parameters
        ----------
        params : mapping of layer name to array of shape (*batch, *layer shape)
            All of one dtype: floating, complex, or object.

        Returns
        -------
        scalar, or array of shape batch
            Of the dtype of the parameters, and with the bits each row has alone.  Overflow
            follows ``np.errstate``, as in any NumPy expression.
        """
        rows, batch, dtype = as_rows(f"{self.name}.loss", self.layers, params)
        value = self.value(rows)
        self._same("loss", value, dtype, (math.prod(batch),))
        return value.reshape(batch)[()]

    def grad(self, params: Mapping[str, AnyArray], t: int = 0) -> dict[str, AnyArray]:
        """Return the gradient of every layer, in new arrays of the parameters' shapes and dtype.

        Parameters
        ----------
        params : mapping of layer name to array
            As for ``loss``.
        t : int
            The step whose random draw is meant, from 1.  At 0 the gradient is that of ``loss``,
            as it is at any t for a deterministic problem.
        """
        rows, batch, dtype = as_rows(f"{self.name}.grad", self.layers, params)
        if self.noisy_slope is None or t == 0:
            slope = self.slope(rows)
        else:
            self._draw_is_defined(t, batch)
            slope = self.noisy_slope(rows, t)
        result = {}
        for name, shape in self.layers.items():
            self._same("grad", slope[name], dtype, (math.prod(batch), *shape))
            result[name] = slope[name].reshape(batch + shape)
        return result

    def hessian(self, params: Mapping[str, AnyArray]) -> Floats:
        """Return the Hessian at one point, (n, n) over the layers' elements in order, float64.

        From the author's formula, or else by complex steps of the gradient, which are exact to
        rounding since nothing is subtracted.
        """
        point = as_point(f"{self.name}.hessian", self.layers, params)
        if self.curvature is not None:
            hessian = self.curvature(point)
        else:
            flat = np.concatenate([point[name].ravel() for name in self.layers])
            steps = flat + 1j * _STEP * np.eye(self.size)
            slope = self.slope(self.split(steps))
            for name, shape in self.layers.items():  # a real one would be a Hessian of zeros
                self._same("hessian", slope[name], steps.dtype, (self.size, *shape))
            rows = [slope[name].reshape(self.size, -1) for name in self.layers]
            hessian = np.concatenate(rows, axis=1).imag / _STEP
        return (hessian + hessian.T) / 2

    def split(self, rows: Array) -> Params:
        """Cut (rows, n) into the layers."""
        pieces, end = {}, 0
        for name, shape in self.layers.items():
            start, end = end, end + math.prod(shape)
            pieces[name] = rows[:, start:end].reshape(-1, *shape)
        return pieces

    def _draw_is_defined(self, t: int, batch: tuple[int, ...]) -> None:
        if t < 0 or t != int(t):
            msg = f"{self.name}.grad needs a step t >= 1 (or 0, the expectation), got t={t!r}"
            raise ValueError(msg)
        if isinstance(self.seed, tuple) and batch != (len(self.seed),):
            msg = (
                f"{self.name}.grad needs a batch of shape ({len(self.seed)},), one row for each "
                f"seed, got {batch}"
            )
            raise ValueError(msg)

    def _same(self, who: str, result: Array, dtype: Any, shape: tuple[int, ...]) -> None:
        if result.dtype != dtype or result.shape != shape:
            msg = (
                f"{self.name}.{who} needs its author's result to be {dtype} of shape {shape}, got "
                f"{result.dtype} of shape {result.shape}; lift every constant"
            )
            raise TypeError(msg)
