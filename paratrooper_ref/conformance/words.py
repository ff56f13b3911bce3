"""Arrays as text that loses nothing: hexadecimal bit patterns between spaces."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

DIGITS: Final = {"float64": 16, "float32": 8, "float16": 4, "bfloat16": 4}


def in_memory(dtype: str) -> np.dtype[Any]:
    """Return NumPy's dtype for arrays of a dtype: bfloat16 numbers are kept as float32."""
    return np.dtype("float32" if dtype == "bfloat16" else dtype)


def to_words(x: Any, dtype: str) -> str:
    """Return numbers, in row-major order, as bit patterns of a dtype, sign bit first.

    Raises
    ------
    ValueError
        If x is an array of another dtype, or holds what is no number of this one.

    Examples
    --------
    >>> to_words(np.float32([1.0, -0.0]), "float32")
    '3f800000 80000000'
    >>> to_words(np.float32([1.0, -0.0]), "bfloat16")
    '3f80 8000'
    """
    x = np.ravel(np.asarray(x))
    kind = in_memory(dtype)
    if x.dtype != kind:
        msg = f"an array of {dtype} needs to come as {kind}, got {x.dtype}; convert it"
        raise ValueError(msg)
    if dtype == "bfloat16":
        bits = x.view(np.uint32)
        if np.any(bits & 0xFFFF):
            x = x[bits & 0xFFFF != 0]
            msg = f"bfloat16 needs numbers of 8 significant bits, got {x[0]!r}; round it"
            raise ValueError(msg)
        x = (bits >> 16).astype(np.uint16)
    payload: bytes = x.astype(x.dtype.newbyteorder(">")).tobytes()
    return payload.hex(" ", DIGITS[dtype] // 2)


def from_words(text: str, dtype: str) -> Array:
    """Return the numbers of a text as `to_words` writes it, as an array with one axis.

    Raises
    ------
    ValueError
        If it is not written so.

    Examples
    --------
    >>> from_words("3f80 8000", "bfloat16")
    array([ 1., -0.], dtype=float32)
    """
    digits = DIGITS[dtype]
    try:
        payload = bytes.fromhex(text)
    except ValueError:
        payload = b""
    if not payload or len(payload) % (digits // 2) or payload.hex(" ", digits // 2) != text:
        msg = f"numbers of {dtype} are groups of {digits} digits 0-9a-f, single spaces between them"
        raise ValueError(msg)
    if dtype == "bfloat16":
        return (np.frombuffer(payload, ">u2").astype(np.uint32) << 16).view(np.float32)
    kind = in_memory(dtype)
    return np.frombuffer(payload, kind.newbyteorder(">")).astype(kind)
