"""The random numbers of ``problems`` are what their documentation says, on every machine."""

import math
from collections import Counter
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from problems import _random

WORD = st.integers(0, 2**32 - 1)

# Known answers of Random123 (tests/kat_vectors, lines "philox4x32 10"): counter, key, result.
KNOWN = [
    (
        "00000000 00000000 00000000 00000000",
        "00000000 00000000",
        "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    ),
    (
        "ffffffff ffffffff ffffffff ffffffff",
        "ffffffff ffffffff",
        "408f276d 41c83b0e a20bc7c6 6d5451fd",
    ),
    (
        "243f6a88 85a308d3 13198a2e 03707344",
        "a4093822 299f31d0",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


PINNED = [
    ["0x1.df6ee648b4521p-1", "0x1.09cd4bc352044p-2"],
    ["0x1.8c3cd0ab92cbfp-1", "-0x1.6e90d27252942p-2"],
    ["0x1.4237f28edee79p-1", "0x1.e595f2e4da5dfp+0"],
]


def plain_philox(counter: list[int], key: list[int], bits: int = 32) -> list[int]:
    """Philox4xW-10 on Python integers, for W = 32 and 64: the two differ in constants alone."""
    multipliers, weyl = {
        32: ((0xD2511F53, 0xCD9E8D57), (0x9E3779B9, 0xBB67AE85)),
        64: (
            (0xD2E7470EE14C6C93, 0xCA5A826395121157),
            (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B),
        ),
    }[bits]
    mask = 2**bits - 1
    for _ in range(10):
        (high0, low0), (high1, low1) = (
            divmod(m * c, 2**bits) for m, c in zip(multipliers, counter[::2], strict=True)
        )
        counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0]
        key = [(k + w) & mask for k, w in zip(key, weyl, strict=True)]
    return counter


def plain_block(seed: int, step: int, stream: int, index: int, attempt: int = 0) -> tuple[int, int]:
    """Return the two 64-bit words of an address, as the module's documentation lays them out."""
    w = plain_philox([index, attempt, stream, step], [seed % 2**32, seed // 2**32])
    return w[1] << 32 | w[0], w[3] << 32 | w[2]


def plain_log(s: float) -> float:
    """Evaluate the documented logarithm on Python floats."""
    m, e = math.frexp(s)
    if m < 0.7071067811865476:
        m, e = 2 * m, e - 1
    z = (m - 1) / (m + 1)
    q = z * z
    p = 1 / 25
    for k in range(23, 1, -2):
        p = 1 / k + q * p
    return e * 0.6931471803691238 + (2 * z + (2 * z * q * p + e * 1.9082149292705877e-10))


def plain_normals(seed: int, step: int, stream: int, n: int) -> list[float]:
    """Follow the documented polar method, one number at a time."""
    result: list[float] = []
    for j in range((n + 1) // 2):
        attempt, s = 0, 2.0
        while s >= 1:
            x, y = (
                2 * (((word >> 12) + 0.5) * 2.0**-52) - 1
                for word in plain_block(seed, step, stream, j, attempt)
            )
            s, attempt = x * x + y * y, attempt + 1
        f = math.sqrt(-2 * plain_log(s) / s)
        result += [x * f, y * f]
    return result[:n]


def words(*values: int) -> tuple[Any, ...]:
    """Return each value as an array of one word."""
    return tuple(np.array([value], dtype=np.uint64) for value in values)


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_philox_gives_the_published_answers(counter: str, key: str, expected: str) -> None:
    """Random123 publishes them so that every implementation can be held to the same numbers."""
    got = _random.philox(
        words(*(int(w, 16) for w in counter.split())), words(*(int(w, 16) for w in key.split()))
    )

    assert " ".join(f"{int(w[0]):08x}" for w in got) == expected


def test_the_plain_philox_has_the_structure_of_numpys() -> None:
    """With 64-bit constants it is Philox4x64-10, which NumPy implements on its own."""
    key, counter = [0x0123456789ABCDEF, 0xFEDCBA9876543210], [1, 2, 3, 4]
    numpys = np.random.Philox(
        key=np.array(key, np.uint64), counter=np.array([0, *counter[1:]], np.uint64)
    )

    assert numpys.random_raw(4).tolist() == plain_philox(counter, key, bits=64)


@given(st.lists(WORD, min_size=4, max_size=4), st.lists(WORD, min_size=2, max_size=2))
def test_philox_agrees_with_plain_integers(counter: list[int], key: list[int]) -> None:
    """Products of 32-bit words fit in uint64, so nothing is lost in NumPy's arithmetic."""
    got = _random.philox(words(*counter), words(*key))

    assert [int(w[0]) for w in got] == plain_philox(counter, key)


@given(st.integers(0, 2**64 - 1), WORD, st.integers(0, 9), st.integers(1, 9))
def test_an_address_is_laid_out_as_documented(seed: int, step: int, stream: int, n: int) -> None:
    """Index, attempt, stream and step fill the counter in this order, the seed the key."""
    index = np.arange(n, dtype=np.uint64)
    seeds, steps = words(seed, step)
    a, b = _random.blocks(seeds, steps, stream, index, 3)

    assert list(zip(a.tolist(), b.tolist(), strict=True)) == [
        plain_block(seed, step, stream, i, 3) for i in range(n)
    ]


def test_uniforms_lie_inside_the_unit_interval() -> None:
    """The half unit added keeps 0 and 1 out at both ends, and 53 bits hold it exactly."""
    ends = _random._unit(np.array([0, 2**64 - 1], dtype=np.uint64))
    drawn = _random.uniforms(5, 2, _random.DATA, 100_000)

    assert ends.tolist() == [2.0**-53, 1 - 2.0**-53]
    assert [float(u) for u in drawn[:3]] == [
        ((plain_block(5, 2, _random.DATA, i)[0] >> 12) + 0.5) * 2.0**-52 for i in range(3)
    ]
    assert stats.kstest(drawn, "uniform").pvalue > 1e-3


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_permutation_sorts_the_words(seed: int, step: int, n: int) -> None:
    """Every index has a word of its own, so sorting by words is a permutation of all."""
    drawn = _random.permutation(seed, step, _random.ORDER, n).tolist()

    expected = sorted(range(n), key=lambda i: plain_block(seed, step, _random.ORDER, i)[0])
    assert drawn == expected


def test_permutations_are_equally_likely() -> None:
    """Words are independent and uniform: a chi-square test over the six orders of three."""
    orders = _random.permutation(tuple(range(6000)), 1, _random.ORDER, 3)
    counts = Counter(map(tuple, orders.tolist()))

    assert len(counts) == 6
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_normals_are_those_of_the_documentation(seed: int, step: int, n: int) -> None:
    """One step at a time in Python floats, or many in arrays: the same IEEE operations."""
    drawn = _random.normals(seed, step, _random.NOISE, n)

    assert drawn.tolist() == plain_normals(seed, step, _random.NOISE, n)


def test_normals_are_normal() -> None:
    """The polar method is exact for exact uniforms; retries must not favour any direction."""
    drawn = _random.normals(11, 4, _random.NOISE, 200_000)

    assert stats.kstest(drawn, "norm").pvalue > 1e-3
    assert abs(stats.pearsonr(drawn[::2], drawn[1::2]).statistic) < 5 / math.sqrt(len(drawn) / 2)
    assert abs(float(np.mean(drawn**4)) - 3) < 5 * math.sqrt(96 / len(drawn))


def test_normals_pinned() -> None:
    """A change of any of these is a change of every stochastic trajectory ever stored."""
    addresses = ((0, 0, 0), (7, 3, 4), (2**63, 9, 1))
    drawn = [_random.normals(*address, 2).tolist() for address in addresses]

    assert [[x.hex() for x in pair] for pair in drawn] == PINNED


def test_normals_do_not_depend_on_what_is_drawn_with_them() -> None:
    """Each is a function of its address: neither length, step batching nor other rows enter."""
    long = _random.normals(3, 1000, _random.NOISE, 10)
    rows = _random.normals((1, 3, 2), 1000, _random.NOISE, 10)
    alone = _random._normals.__wrapped__(3, 1000, 1, _random.NOISE, 10)[0, 0]

    assert _random.normals(3, 1000, _random.NOISE, 7).tolist() == long[:7].tolist()
    assert rows[1].tolist() == long.tolist() == alone.tolist()
    assert rows[0].tolist() != long.tolist()


def test_streams_steps_and_seeds_differ() -> None:
    """They are parts of the counter and the key, and Philox is a bijection for every key."""
    drawn = [
        _random.normals(*address, 1)[0]
        for address in ((1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2), (1 + 2**32, 1, 1))
    ]

    assert len(set(drawn)) == len(drawn)


def test_large_draws_are_not_kept() -> None:
    """Only draws that share an array with other steps are worth memory."""
    _random._normals.cache_clear()
    _random.normals(1, 1, _random.NOISE, 100_000)
    assert _random._normals.cache_info().currsize == 0

    _random.normals(1, 1, _random.NOISE, 10)
    assert _random._normals.cache_info().currsize == 1


def test_log_errs_by_at_most_two_units_in_the_last_place() -> None:
    """Twelve terms leave 2e-18, the rest is the rounding of z and of the last additions."""
    rng = np.random.default_rng(0)
    s = np.concatenate(
        [
            rng.uniform(0, 1, 3000),
            1 - 2.0 ** -np.arange(1.0, 54),
            2.0 ** -rng.uniform(0, 1000, 2000),
            math.sqrt(0.5) * (1 + 2.0**-52 * np.arange(-300, 300)),
        ]
    )
    got = _random.log(s)

    with mpmath.workprec(160):
        for x, y in zip(s.tolist(), got.tolist(), strict=True):
            error = abs(mpmath.log(mpmath.mpf(x)) - mpmath.mpf(y))
            assert error <= 2 * math.ulp(y), x.hex()
    assert got.tolist() == [plain_log(x) for x in s.tolist()]
    assert _random.log(np.array([1.0])).tolist() == [0.0]


@pytest.mark.parametrize("step", [-1, 2**32])
def test_a_step_beyond_the_counter_is_refused(step: int) -> None:
    """A step is one 32-bit word: beyond, it would alias another address."""
    with pytest.raises(ValueError, match=r"a random number needs a step in \[0, 2\*\*32\)"):
        _random.normals(0, step, _random.NOISE, 1)
