"""The check of counts that several files share."""

from __future__ import annotations

from numbers import Integral


def count(who: str, name: str, value: object, least: int) -> int:
    """Return a value as an int of at least so much, or refuse it."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        msg = f"{who} needs an integer {name} >= {least}, got {name}={value!r}"
        raise ValueError(msg)
    return int(value)
