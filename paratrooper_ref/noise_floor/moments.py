"""Mean and covariance of a state, and the expected loss that they come to.

In a mode of curvature a, x measured from its minimizer::

    expected loss above the minimum = Σ a E[x²] / 2 = Σ a (E[x]² + V[x]) / 2 over the modes

and where x is Gaussian V[x²] = 2 V² + 4 E² V, so the loss of single runs spreads by
sqrt(Σ a² (2 V² + 4 E² V)) / 2, the modes being independent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from paratrooper_ref.optimizers.state import Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """Mean and covariance of the state, by mode.

    Parameters
    ----------
    names : tuple of str
        What the state holds: theta, the optimizer's slots, and the average if there is one.
    curvature : array, shape (modes,)
    mean : array, shape (..., modes, d)
        Measured from the minimizer.
    covariance : array, shape (..., modes, d, d)
    """

    names: tuple[str, ...]
    curvature: Array
    mean: Array
    covariance: Array

    def of(self, name: str | None = None) -> tuple[Array, Array]:
        """Return mean and variance, of shape (..., modes), of a member of the state.

        By default of the average if there is one, or else of θ.

        Raises
        ------
        ValueError
            If the state has no such member.
        """
        name = name or ("average" if "average" in self.names else "theta")
        if name not in self.names:
            msg = f"Moments.of needs one of {', '.join(self.names)}, got name={name!r}"
            raise ValueError(msg)
        i = self.names.index(name)
        return self.mean[..., i], self.covariance[..., i, i]

    def excess(self, name: str | None = None) -> Any:
        """Return the expected loss above the minimum, of shape (...)."""
        mean, variance = self.of(name)
        with np.errstate(over="ignore"):  # what overflows is infinite
            return (self.curvature * (mean**2 + variance)).sum(axis=-1) / 2

    def spread(self, name: str | None = None) -> Any:
        """Return the standard deviation of that loss over runs, if the noise is Gaussian.

        Then V[x²] = 2 V² + 4 E² V.
        """
        mean, variance = self.of(name)
        with np.errstate(over="ignore"):
            squares = 2 * variance**2 + 4 * mean**2 * variance
            return np.sqrt((self.curvature**2 * squares).sum(axis=-1)) / 2
