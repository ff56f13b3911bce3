"""What is solved: the modes of a noisy quadratic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from problems import Problem


@dataclass(frozen=True, kw_only=True, eq=False)
class Modes:
    """The modes of a noisy quadratic: all that its expected losses depend on.

    Parameters
    ----------
    curvature : array, shape (n,)
        The eigenvalues a of the Hessian, > 0.
    noise : array, shape (n,), or float
        The variance q of the gradient's noise in each mode, >= 0.
    gap : array, shape (n,), or float
        Where runs begin, measured from the minimizer.

    Examples
    --------
    >>> import problems
    >>> modes = Modes.of(problems.noisy_quadratic(n=4))
    >>> print(modes.curvature.round(3), modes.noise.round(3), modes.gap)
    [1.    0.5   0.333 0.25 ] [1.    0.5   0.333 0.25 ] [1. 1. 1. 1.]
    """

    curvature: Any
    noise: Any
    gap: Any = 1.0

    def __post_init__(self) -> None:
        a = np.array(self.curvature, dtype=np.float64)
        if a.ndim != 1 or not a.size or not np.all((a > 0) & np.isfinite(a)):
            msg = f"Modes needs finite curvatures > 0, of shape (n,), got curvature={a}"
            raise ValueError(msg)
        object.__setattr__(self, "curvature", a)
        for name, least in (("noise", 0.0), ("gap", -np.inf)):
            given = np.array(getattr(self, name), dtype=np.float64)
            good = given.shape in ((), a.shape) and np.all(np.isfinite(given) & (given >= least))
            if not good:
                msg = f"Modes needs one finite {name} a mode{', >= 0' * (least == 0)}, got {given}"
                raise ValueError(msg)
            object.__setattr__(self, name, np.broadcast_to(given, a.shape).copy())

    @classmethod
    def of(cls, problem: Problem) -> Modes:
        """Return the modes of a `problems.noisy_quadratic`, from its start.

        Its centre has the variances noise² / a, so its gradient has a² of that.

        Raises
        ------
        ValueError
            If the problem is another.
        """
        if problem.spec.get("problem") != "noisy_quadratic":
            msg = (
                f"Modes.of needs a problem made by problems.noisy_quadratic, got {problem.name}; "
                "of another quadratic, Modes(curvature=..., noise=..., gap=...)"
            )
            raise ValueError(msg)
        start, minimizer = problem.starts[0], problem.minimizers[0]
        a = np.diag(problem.hessian(start))
        noise = float(problem.spec["arguments"]["noise"])
        return cls(curvature=a, noise=a * noise**2, gap=start["x"] - minimizer["x"])
