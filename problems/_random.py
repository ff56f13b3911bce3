r"""Random numbers that are the same everywhere: addressed, not drawn.

A number is a pure function of (seed, step, stream, index).  Nothing is carried from step to
step, so a run can be resumed at any step, rows of a batch are independent of one another, and
neither NumPy's streams nor the platform's libm enter.  To reproduce them in C (with
``-ffp-contract=off``)::

    block(index, attempt, stream, step; seed):
        counter = {index, attempt, stream, step}        four words of 32 bits
        key     = {seed mod 2^32, seed div 2^32}        two words of 32 bits
        ten times:
            hi0:lo0 = 0xD2511F53 * counter[0]           64-bit products
            hi1:lo1 = 0xCD9E8D57 * counter[2]
            counter = {hi1 ^ counter[1] ^ key[0], lo1, hi0 ^ counter[3] ^ key[1], lo0}
            key     = {key[0] + 0x9E3779B9, key[1] + 0xBB67AE85}
        return a = counter[1]:counter[0], b = counter[3]:counter[2]     two words of 64 bits

    uniform i        ((a >> 12) + 0.5) * 2^-52, a from block(i, 0): in (0, 1), never 0 or 1
    permutation      the indices i, sorted by the word a of block(i, 0), ties by i
    normals 2j, 2j+1 for attempt = 0, 1, ... until s < 1:
                         x = 2 u(a) - 1, y = 2 u(b) - 1, s = x*x + y*y, from block(j, attempt)
                     f = sqrt(-2 log(s) / s);  2j is x*f, 2j+1 is y*f

    log(s)           m * 2^e = s with sqrt(1/2) <= m < sqrt(2), z = (m - 1)/(m + 1), q = z*z
                     p = 1/3 + q (1/5 + q (1/7 + ... + q/25))           Horner, as written
                     e*HIGH + (2 z + (2 z q p + e*LOW))

Uniforms are multiples of 2^-53, so ``2 u - 1`` is exact, and ``log`` errs by at most two units
in the last place.  Streams keep the uses of one seed apart: see the constants.

Source  Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011
        (Philox4x32-10); Marsaglia and Bray, SIAM Review 6 (1964) 260-264 (the polar method).
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from problems._arithmetic import Floats
from problems._checks import Seed

Words = NDArray[np.uint64]

DATA, ROTATION, START, ORDER, NOISE, CENTRE = range(6)  # streams

_MASK, _32 = np.uint64(0xFFFFFFFF), np.uint64(32)
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)

_UNIT = 2.220446049250313e-16  # 2^-52
_SQRT_HALF = 0.7071067811865476
_LN2_HIGH = 0.6931471803691238  # its last 21 bits are zero: e*HIGH is exact
_LN2_LOW = 1.9082149292705877e-10  # HIGH + LOW is log 2 to 85 bits
_ATANH: list[float] = [1 / k for k in range(25, 1, -2)]

_STEPS_AT_ONCE = 2048  # normals made in one go, where several steps fit


def philox(
    counter: tuple[Words, Words, Words, Words], key: tuple[Words, Words]
) -> tuple[Words, Words, Words, Words]:
    """Apply Philox4x32-10 to arrays of 32-bit words, held in uint64, of one shape.

    Examples
    --------
    >>> zero = np.zeros(1, np.uint64)
    >>> [hex(int(word[0])) for word in philox((zero, zero, zero, zero), (zero, zero))]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for _ in range(10):
        p0, p1 = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c1 = (p1 >> _32) ^ c1 ^ k0, p1 & _MASK
        c2, c3 = (p0 >> _32) ^ c3 ^ k1, p0 & _MASK
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return c0, c1, c2, c3


def blocks(
    seed: Words, step: Words, stream: int, index: Words, attempt: int
) -> tuple[Words, Words]:
    """Return the two 64-bit words of each address; seed, step and index broadcast."""
    seed, step, index = np.broadcast_arrays(seed, step, index)
    rest = (np.full_like(index, attempt), np.full_like(index, stream), step)
    w0, w1, w2, w3 = philox((index, *rest), (seed & _MASK, seed >> _32))
    return (w1 << _32) | w0, (w3 << _32) | w2


def _words(seed: Seed, step: int, stream: int, n: int) -> Words:
    first, _ = blocks(_column(seed), _step(step), stream, np.arange(n, dtype=np.uint64), 0)
    return first if isinstance(seed, tuple) else first[0]


def _column(seed: Seed) -> Words:
    return np.array(seed, dtype=np.uint64).reshape(-1, 1)


def _step(step: int) -> Words:
    if not 0 <= step < 2**32:
        msg = f"a random number needs a step in [0, 2**32), got step={step}"
        raise ValueError(msg)
    return np.array([step], dtype=np.uint64)


def _unit(word: Words) -> Floats:
    return ((word >> np.uint64(12)).astype(np.float64) + 0.5) * _UNIT


def uniforms(seed: Seed, step: int, stream: int, n: int) -> Floats:
    """Return ``n`` numbers uniform in (0, 1); with a tuple of seeds, one row for each.

    Examples
    --------
    >>> uniforms(0, 0, DATA, 2).tolist()
    [0.8805201978886142, 0.36209111566940344]
    """
    return _unit(_words(seed, step, stream, n))


def permutation(seed: Seed, step: int, stream: int, n: int) -> NDArray[np.intp]:
    """Return the numbers 0 to n - 1 in random order; with a tuple of seeds, one row for each.

    Examples
    --------
    >>> permutation(0, 0, ORDER, 5).tolist()
    [2, 0, 3, 4, 1]
    """
    return np.argsort(_words(seed, step, stream, n), axis=-1, kind="stable")


def normals(seed: Seed, step: int, stream: int, n: int) -> Floats:
    """Return ``n`` standard normals, read-only; with a tuple of seeds, one row for each.

    Examples
    --------
    >>> normals(0, 0, DATA, 2).tolist()
    [0.9363929713964901, 0.25957220439568496]
    >>> normals(7, 5, DATA, 3).tolist() == normals(7, 5, DATA, 4)[:3].tolist()
    True
    """
    _step(step)
    rows = len(seed) if isinstance(seed, tuple) else 1
    several = 1 << max(0, (_STEPS_AT_ONCE // (rows * n)).bit_length() - 1)
    make = _normals if several > 1 else _normals.__wrapped__  # large draws are not kept
    made: Floats = make(seed, step // several * several, several, stream, n)[step % several]
    return made if isinstance(seed, tuple) else made[0]


@lru_cache(maxsize=16)
def _normals(seed: Seed, first: int, several: int, stream: int, n: int) -> Floats:
    """Make the normals of ``several`` steps, of shape (several, rows, n)."""
    column = _column(seed)
    steps = np.arange(first, first + several, dtype=np.uint64).reshape(-1, 1, 1)
    pairs = np.arange((n + 1) // 2, dtype=np.uint64)
    address = [np.ravel(a) for a in np.broadcast_arrays(column, steps, pairs)]
    result = np.empty((address[0].size, 2))
    waiting, attempt = np.arange(address[0].size), 0
    while waiting.size:
        a, b = blocks(
            address[0][waiting], address[1][waiting], stream, address[2][waiting], attempt
        )
        x, y = 2 * _unit(a) - 1, 2 * _unit(b) - 1
        s = x * x + y * y
        inside = s < 1
        x, y, s = x[inside], y[inside], s[inside]
        f = np.sqrt(-2 * log(s) / s)
        result[waiting[inside], 0], result[waiting[inside], 1] = x * f, y * f
        waiting, attempt = waiting[~inside], attempt + 1
    made = result.reshape(several, len(column), -1)[..., :n]
    made.setflags(write=False)
    return made


def log(s: Floats) -> Floats:
    """Return the natural logarithm of positive normal numbers, by IEEE operations alone.

    Examples
    --------
    >>> log(np.array([0.5, 1.0])).tolist()
    [-0.6931471805599453, 0.0]
    """
    m, e = np.frexp(s)
    low = m < _SQRT_HALF
    m, exponent = np.where(low, 2 * m, m), np.where(low, e - 1, e).astype(np.float64)
    z: Floats = (m - 1) / (m + 1)
    q = z * z
    p = np.full_like(z, _ATANH[0])
    for coefficient in _ATANH[1:]:
        p = coefficient + q * p
    return exponent * _LN2_HIGH + (2 * z + (2 * z * q * p + exponent * _LN2_LOW))
