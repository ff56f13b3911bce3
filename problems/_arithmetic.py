r"""The few operations a problem is written in, the same in every number system.

A problem uses ``+ - * /`` and what stands here, and therefore runs unchanged on float64,
float32, longdouble, complex128 (for complex steps) and on object arrays of exact fractions
or of balls.  Three rules make that work:

constants  are IEEE doubles, and enter through ``lift``: exactly where the arithmetic can
           hold a double, rounded once where it cannot (float32); counts do too, since NumPy 1
           promotes a float32 array beside a Python integer of more than 16 bits
sums       run through ``total``, in one fixed order, so that float64 results have the same
           bits on every IEEE machine: never ``np.sum``, ``np.dot``, ``@`` or ``einsum``,
           whose order depends on the release, the library and the processor
powers     are written as products: ``x**3`` calls the platform's ``pow``

Division and square root are correctly rounded everywhere; ``exp``, ``cos`` and their like
are not, and a problem that needs one says so (``Problem.transcendental``).
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

# NOTE: one type to the type checker, two meanings to the reader: Floats are float64 arrays, Array
# is an array of whatever arithmetic the caller chose.
Floats = NDArray[np.float64]
Array = NDArray[np.float64]

_BLOCK = 2**20  # products held in memory at once by ``contract``, in elements


def lift(constant: float | Floats, like: Array) -> Array:
    """Return a constant in the arithmetic of ``like``, an array of shape (1,) for one number.

    It is never a scalar, since releases of NumPy differ in how scalars promote.

    Parameters
    ----------
    constant : float or float64 array
        IEEE doubles; what they are is the definition of the problem, whatever decimal
        numbers they were meant to be.
    like : Array
        Its dtype decides; for object arrays the type of its first element, which is called
        with one ``float``.

    Examples
    --------
    >>> from fractions import Fraction
    >>> lift(0.1, np.array([Fraction(1)]))
    array([Fraction(3602879701896397, 36028797018963968)], dtype=object)
    >>> lift(0.1, np.ones(1, np.float32))
    array([0.1], dtype=float32)
    """
    constants = np.atleast_1d(np.asarray(constant, dtype=np.float64))
    if like.dtype != object:
        return constants.astype(like.dtype, copy=False)
    kind = type(like.flat[0])
    lifted = np.empty(constants.shape, dtype=object)
    for place, number in enumerate(constants.ravel().tolist()):
        lifted.flat[place] = kind(number)
    return lifted


def total(x: Array) -> Array:
    """Sum over the last axis, which is kept with length one.

    Neighbours are added, x[2i] + x[2i+1], an odd one out waits, until one is left.  In C::

        for (s = 1; s < n; s *= 2) for (i = 0; i + s < n; i += 2*s) x[i] += x[i+s];

    The error is at most ceil(log2 n) units of roundoff, to first order, times sum |x|.

    Examples
    --------
    >>> print(total(np.array([1.0, 2.0, 3.0])))
    [6.]
    """
    while (n := x.shape[-1]) > 1:
        if n % 2:
            head = x[..., ::2].copy()
            head[..., :-1] += x[..., 1::2]
            x = head
        else:
            x = x[..., ::2] + x[..., 1::2]
    return x


def contract(a: Array, b: Array) -> Array:
    """Sum ``a * b`` over the last axis, which is dropped, in the order of ``total``.

    Large products are formed in halves, cut at a power of two: each half is a subtree of the
    order of ``total``, so the bits do not depend on where, or whether, it is cut.

    Examples
    --------
    >>> print(contract(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([10.0, 1.0])))
    [12. 34.]
    """
    n = a.shape[-1]
    if n == 1 or math.prod(np.broadcast_shapes(a.shape, b.shape)) <= _BLOCK:
        return total(a * b)[..., 0]
    half = 1 << ((n - 1).bit_length() - 1)
    return contract(a[..., :half], b[..., :half]) + contract(a[..., half:], b[..., half:])


def transposed(a: Array) -> Array:
    """Exchange the last two axes, those of a matrix; the others are a batch."""
    return np.swapaxes(a, -1, -2)


def matmul(a: Array, b: Array) -> Array:
    """Multiply matrices, (..., m, k) by (..., k, n); leading axes broadcast.

    Examples
    --------
    >>> print(matmul(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]])))
    [[11.]]
    """
    return contract(a[..., :, None, :], transposed(b)[..., None, :, :])


def matvec(a: Array, x: Array) -> Array:
    """Multiply matrices by vectors, (..., m, k) by (..., k); leading axes broadcast.

    Examples
    --------
    >>> print(matvec(np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([3.0, 4.0])))
    [11.  4.]
    """
    return contract(a, x[..., None, :])


def _dense(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    # NOTE: NumPy may choose another loop, with other last bits, for strided arguments, and a
    # column of a batch is strided where the same column of one row is not.
    return lambda x: function(np.ascontiguousarray(x))


exp, expm1, log1p = (_dense(f) for f in (np.exp, np.expm1, np.log1p))
cos, sin, tanh = (_dense(f) for f in (np.cos, np.sin, np.tanh))
