"""Hyperparameters: how a field of an optimizer says what it admits, and the refusal.

A field is declared with `real`, `integer`, `flag` or `choice`; `check` holds a value to the
declaration.  A message reads "who needs what, got name=value".
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import numbers
from collections.abc import Iterable
from itertools import takewhile
from typing import Any, NamedTuple


class Range(NamedTuple):
    """The admitted real numbers: from least to most, most itself included or not."""

    least: float
    most: float
    closed: bool

    def __str__(self) -> str:
        if math.isinf(self.most):
            return ("" if self.closed else "finite ") + f"{{}} >= {self.least:g}"
        return f"{self.least:g} <= {{}} {'<=' if self.closed else '<'} {self.most:g}"

    def admits(self, x: float) -> bool:
        """Return whether x is one of them."""
        below = x <= self.most if self.closed else x < self.most
        return self.least <= x and below


def real(
    default: float | str | None,
    least: float = 0.0,
    most: float = math.inf,
    *,
    closed: bool = False,
    words: tuple[str | None, ...] = (),
) -> Any:
    """Declare a real hyperparameter in [least, most), or [least, most] if closed.

    ``words`` are admitted beside the numbers, such as "rectified" or None.  An infinite value
    is admitted where ``most`` is infinite and closed.
    """
    return dataclasses.field(
        default=default, metadata={"range": Range(least, most, closed), "words": words}
    )


def integer(default: int, least: int) -> Any:
    """Declare an integer hyperparameter, at least ``least``."""
    return dataclasses.field(default=default, metadata={"least": least})


def flag(default: bool) -> Any:
    """Declare a hyperparameter that is True or False."""
    return dataclasses.field(default=default, metadata={"words": (False, True)})


def choice(default: str, *words: str) -> Any:
    """Declare a hyperparameter that is one of some words."""
    return dataclasses.field(default=default, metadata={"words": words})


def check(who: str, field: dataclasses.Field[Any], value: Any) -> Any:
    """Return the value as the number, word or flag that the field declares.

    Raises
    ------
    TypeError
        If it should be a number and is of another type.
    ValueError
        If it is out of range, or not a word of the field.
    """
    name, declared = field.name, field.metadata
    words = declared.get("words", ())
    if any(value is word or (isinstance(value, str) and value == word) for word in words):
        return value
    spelled = " or ".join(repr(word) for word in words)
    if "least" in declared:
        if isinstance(value, bool) or not isinstance(value, numbers.Integral):
            msg = f"{who} needs an integer {name}, got {name}={value!r}"
            raise TypeError(msg)
        if value < declared["least"]:
            msg = f"{who} needs {name} >= {declared['least']}, got {name}={value!r}"
            raise ValueError(msg)
        return int(value)
    if "range" not in declared:
        msg = f"{who} needs {name} to be {spelled}, got {name}={value!r}"
        raise ValueError(msg)
    needs = str(declared["range"]).format(name) + (f" or {name} {spelled}" if words else "")
    if isinstance(value, (bool, str)) or not isinstance(value, numbers.Real):
        error = ValueError if isinstance(value, str) else TypeError
        msg = f"{who} needs {needs}, got {name}={value!r}"
        raise error(msg)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not declared["range"].admits(number):
        msg = f"{who} needs {needs}, got {name}={value!r}"
        raise ValueError(msg)
    return number


def nearest(name: str, known: Iterable[str]) -> str:
    """Return what to say of an unknown name: the nearest known one, if any is near, and all."""
    known, plain = list(known), _plain(name)
    meant = max(
        (word for word in known if _near(plain, _plain(word))),
        key=lambda word: _likeness(plain, _plain(word)),
        default=None,
    )
    return ("" if meant is None else f"did you mean {meant!r}? ") + f"known: {', '.join(known)}"


def _plain(name: str) -> str:
    """Return a name without what says nothing: capitals, and the dashes of an option."""
    return name.lower().lstrip("-")


def _near(name: str, word: str) -> bool:
    """Return whether a name may have been meant as a word: a slip, a part, or most of it."""
    likeness, begins = _likeness(name, word), name[:3] == word[:3] and len(name) > 2
    part = len(name) > 3 and name in word
    return likeness >= 0.7 or (begins and likeness >= 0.6) or part or _slip(name, word)


def _likeness(name: str, word: str) -> float:
    return difflib.SequenceMatcher(None, word, name).ratio()


def _slip(name: str, word: str) -> bool:
    """Return whether a letter was added, left out or replaced, or two neighbours were swapped."""
    start = _shared(name, word)
    a, b = name[start:], word[start:]
    end = _shared(a[::-1], b[::-1])
    a, b = a[: len(a) - end], b[: len(b) - end]
    return len(name) > 1 and (max(len(a), len(b)) <= 1 or (len(a) == 2 and a == b[::-1]))


def _shared(a: str, b: str) -> int:
    """Return how many letters two words begin with in common."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
