"""What problems are built from: spectra, rotations and data, the same bits everywhere.

Constants that need the platform's ``pow`` are rounded to twelve decimal digits, which no
honest libm changes; everything else is ``+ - * /`` and square roots in the order of ``total``.
"""

import numpy as np

from problems import _random
from problems._arithmetic import Floats, contract, matmul, total


def twelve_digits(x: float) -> float:
    """Return ``x`` rounded to twelve significant decimal digits.

    Examples
    --------
    >>> twelve_digits(2**0.5)
    1.41421356237
    """
    return float(f"{x:.12g}")


def spectrum(low: float, high: float, n: int) -> list[float]:
    """Return ``n`` numbers from ``low`` to ``high``, evenly spaced in their logarithms.

    Examples
    --------
    >>> spectrum(1, 100, 3)
    [1.0, 10.0, 100.0]
    """
    if n == 1:
        return [float(low)]
    inside = [twelve_digits(low * (high / low) ** (i / (n - 1))) for i in range(1, n - 1)]
    return [float(low), *inside, float(high)]


def rotation(n: int, seed: int | None) -> Floats:
    """Return a rotation: orthogonal up to rounding, determinant one.

    A product of Householder reflections of normals, uniform over all rotations (Stewart, SIAM
    Journal on Numerical Analysis 17 (1980) 403-409).  In two dimensions seed 0 is the rotation
    by the angle of the triangle 3-4-5, for golden files; ``None`` is the identity.

    Examples
    --------
    >>> rotation(2, 0)
    array([[ 0.8, -0.6],
           [ 0.6,  0.8]])
    """
    q, sign = np.eye(n), 1.0
    if seed is None:
        return q
    if n == 2 and seed == 0:
        return np.array([[0.8, -0.6], [0.6, 0.8]])
    for k in range(n - 1):
        v = _random.normals(seed, k, _random.ROTATION, n - k).copy()
        side = 1.0 if v[0] >= 0 else -1.0
        v[0] += side * np.sqrt(total(v * v))[0]
        # The reflection I - 2 v v' / v'v takes e_1 to the direction of the normals, up to
        # ``-side``; it has determinant -1, and so the block below has -(-side)^(n - k).
        tail = q[:, k:]
        q[:, k:] = -side * (tail - 2 * contract(tail, v)[:, None] * v / total(v * v))
        sign *= -1.0 if (n - k) % 2 == 0 else side
    q[:, -1] *= sign
    return q


def symmetric(eigenvalues: list[float], q: Floats) -> Floats:
    """Return the matrix with these eigenvalues and with eigenvectors the columns of ``q``."""
    a = matmul(q * np.array(eigenvalues), q.T)
    return (a + a.T) / 2


def whitened(z: Floats) -> Floats:
    """Return the columns of ``z`` centred, made orthogonal, and scaled to mean square one.

    Gram and Schmidt's process, run twice: once leaves a part of the size of the condition
    number times a rounding, twice a few roundings.
    """
    z = z.copy()
    for _ in range(2):
        for j in range(z.shape[1]):
            column = standardised(z[:, j])
            if j:
                before = z[:, :j]
                shares = contract(before.T, column) / len(column)
                column = standardised(column - contract(before, shares))
            z[:, j] = column
    return z


def standardised(column: Floats) -> Floats:
    """Return ``column`` shifted and scaled to mean 0 and mean square 1.

    Examples
    --------
    >>> standardised(np.array([1.0, 3.0]))
    array([-1.,  1.])
    """
    column = column - total(column) / len(column)
    return column / np.sqrt(total(column * column) / len(column))
