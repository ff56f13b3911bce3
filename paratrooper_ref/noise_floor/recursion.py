"""The linear recursion: how mean and covariance of a state go on, and where they settle.

A step is s ← F s + b w, with noise w of mean 0 and variance q that is independent of s.  Whatever
its distribution::

    E s  ← F E s
    C    ← F C F' + q b b'            C the covariance of s

Steps compose: after (F_1, N_1) and then (F_2, N_2) the transition is F_2 F_1 and the covariance of
the noise F_2 N_1 F_2' + N_2.  So k steps are squared, and a million of them cost some twenty
products.  Where all |eigenvalues of F| < 1 the covariance settles at C = F C F' + N.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paratrooper_ref.optimizers.state import Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Recursion:
    """One or more steps, s ← F s + noise, where the noise is independent of s.

    Parameters
    ----------
    transition : array, shape (..., modes, d, d)
        The matrix F.
    noise : array, shape (..., modes, d, d)
        The covariance of the noise.
    """

    transition: Array
    noise: Array

    def then(self, later: Recursion) -> Recursion:
        """Return these steps followed by later ones."""
        return Recursion(
            transition=later.transition @ self.transition, noise=later.carried(self.noise)
        )

    def times(self, count: int) -> Recursion:
        """Return these steps ``count`` >= 1 times over, by squaring."""
        if count == 1:
            return self
        half = self.times(count // 2)
        twice = half.then(half)
        return twice.then(self) if count % 2 else twice

    def carried(self, covariance: Array) -> Array:
        """Return the covariance F C F' + noise after these steps."""
        moved: Array = self.transition @ covariance @ self.transition.swapaxes(-1, -2)
        return moved + self.noise

    @property
    def stable(self) -> Array:
        """Whether a mode forgets where it began: all |eigenvalues of F| < 1."""
        radius = np.abs(np.linalg.eigvals(self.transition)).max(axis=-1)
        return np.asarray(radius < 1)

    def fixed_point(self) -> Array:
        """Return the covariance C = F C F' + noise, inf in modes that have none.

        The linear system (I − F ⊗ F) vec C = vec noise.
        """
        *lead, d, _ = self.transition.shape
        stable = self.stable[..., None, None]
        f = np.where(stable, self.transition, 0.0)
        pairs = f[..., :, None, :, None] * f[..., None, :, None, :]
        kron = pairs.reshape(*lead, d * d, d * d)
        flat = np.broadcast_to(self.noise, f.shape).reshape(*lead, d * d, 1)
        solved = np.linalg.solve(np.eye(d * d) - kron, flat).reshape(f.shape)
        return np.where(stable, solved, np.inf)
