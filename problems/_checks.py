"""Checks of factory arguments: who needs what, what it got, and how to fix it.

They run before anything is built, and return plain Python numbers.
"""

import math
from collections.abc import Collection, Sequence
from numbers import Real

import numpy as np
from numpy.typing import NDArray

Seed = int | tuple[int, ...]


def integer(who: str, name: str, value: object, low: int, high: int = 1_000_000) -> int:
    """Return ``value`` as an int in [low, high].

    Examples
    --------
    >>> integer("rosenbrock", "n", 1, 2)
    Traceback (most recent call last):
    ValueError: rosenbrock needs n in [2, 1000000], got n=1
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        msg = f"{who} needs an integer {name}, got {name}={value!r}"
        raise TypeError(msg)
    if not low <= value <= high:
        msg = f"{who} needs {name} in [{low}, {high}], got {name}={value}"
        raise ValueError(msg)
    return int(value)


def number(
    who: str,
    name: str,
    value: object,
    *,
    above: float = -math.inf,
    low: float = -math.inf,
    high: float = math.inf,
) -> float:
    """Return ``value`` as a finite float > above and in [low, high].

    Examples
    --------
    >>> number("quadratic_bowl", "kappa", 0.5, low=1)
    Traceback (most recent call last):
    ValueError: quadratic_bowl needs kappa >= 1, got kappa=0.5
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        msg = f"{who} needs a number {name}, got {name}={value!r}"
        raise TypeError(msg)
    result = float(value)
    if not math.isfinite(result):
        msg = f"{who} needs a finite {name}, got {name}={value}"
        raise ValueError(msg)
    for holds, condition in (
        (result > above, f"> {above}"),
        (result >= low, f">= {low}"),
        (result <= high, f"<= {high}"),
    ):
        if not holds:
            msg = f"{who} needs {name} {condition}, got {name}={value}"
            raise ValueError(msg)
    return result


def vector(who: str, name: str, value: object, n: int) -> NDArray[np.float64]:
    """Return ``value`` as a float64 vector of length ``n``; one number stands for all.

    Examples
    --------
    >>> vector("shifted", "by", 1, 2)
    array([1., 1.])
    """
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, Sequence) or isinstance(value, str):
        return np.full(n, number(who, name, value))
    if len(value) != n:
        msg = f"{who} needs {name} of length {n}, or one number, got length {len(value)}"
        raise ValueError(msg)
    return np.array([number(who, f"{name}[{i}]", v) for i, v in enumerate(value)])


def flag(who: str, name: str, value: object) -> bool:
    """Return ``value`` if it is True or False."""
    if not isinstance(value, bool | np.bool_):
        msg = f"{who} needs {name} to be True or False, got {name}={value!r}"
        raise TypeError(msg)
    return bool(value)


def choice(who: str, name: str, value: object, among: Collection[str]) -> str:
    """Return ``value`` if it is one of the strings ``among``."""
    if not isinstance(value, str) or value not in among:
        msg = f"{who} needs {name} to be one of {', '.join(among)}, got {name}={value!r}"
        raise ValueError(msg)
    return value


def seed(who: str, value: object) -> int:
    """Return one seed, an integer of 64 bits without sign."""
    return integer(who, "seed", value, 0, 2**64 - 1)


def seeds(who: str, value: object) -> Seed:
    """Return one seed, or a tuple of seeds, one for each row of a batch.

    Examples
    --------
    >>> seeds("minibatch", [3, 4])
    (3, 4)
    """
    if isinstance(value, np.ndarray | range):
        value = list(value)
    if not isinstance(value, Sequence) or isinstance(value, str):
        return seed(who, value)
    if not value:
        msg = f"{who} needs at least one seed, got seed={value!r}"
        raise ValueError(msg)
    return tuple(seed(who, one) for one in value)
