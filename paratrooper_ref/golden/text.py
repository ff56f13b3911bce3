"""Canonical JSON: one text for one content, read with suspicion.

ASCII, sorted keys, a line feed at the end; integers, strings, true, false and null, and no other
numbers.  An object or array that holds another one has a line for each member, indented by one
space more than itself; one that holds none stands on one line.
"""

from __future__ import annotations

import json
import os
import stat
from collections import Counter
from pathlib import Path
from typing import Any, Final, NoReturn

from paratrooper_ref.golden.error import GoldenError

MOST_BYTES: Final = 1 << 24
MOST_DIGITS: Final = 15  # of an integer: any that a double holds
MOST_DEEP: Final = 32  # containers in one another


_word: Final = json.encoder.encode_basestring_ascii
_on_one_line: Final = json.JSONEncoder(sort_keys=True, ensure_ascii=True, allow_nan=False).encode


def write(content: Any) -> bytes:
    r"""Return the bytes of a content.

    Raises
    ------
    RecursionError
        If it nests more than 32 deep.

    Examples
    --------
    >>> print(write({"b": [1, None], "a": "ε"}).decode(), end="")
    {
     "a": "\u03b5",
     "b": [1, null]
    }
    """
    return _text(content, "\n").encode("ascii") + b"\n"


def _text(x: Any, line: str) -> str:
    """Return the text of x; ``line`` begins a line at the margin where x stands."""
    members = x.values() if type(x) is dict else x if type(x) is list else ()
    if not any(type(member) in (dict, list) for member in members):
        return _on_one_line(x)
    inner = line + " "
    if len(inner) > MOST_DEEP:
        raise RecursionError
    if type(x) is list:
        return f"[{inner}{f',{inner}'.join(_text(member, inner) for member in x)}{line}]"
    rows = (f"{_word(key)}: {_text(x[key], inner)}" for key in sorted(x))
    return f"{{{inner}{f',{inner}'.join(rows)}{line}}}"


def load(path: Path, name: str) -> bytes:
    """Return the bytes of a file of reasonable size.

    Raises
    ------
    GoldenError
        If there is no such file, it is a pipe or the like, or it is too large.
    """
    try:
        # A pipe that nobody writes to would be waited for.
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise GoldenError(name, "", "is no regular file")
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise GoldenError(name, "", f"cannot be read: {error.strerror}") from None
    if len(content) > MOST_BYTES:
        raise GoldenError(name, "", f"is larger than {MOST_BYTES >> 20} MiB")
    return content


def read(content: bytes, name: str) -> Any:
    """Return what canonical bytes say.

    Raises
    ------
    GoldenError
        If they are no JSON, nest too deeply, name a key twice, hold a number that is no integer,
        or are not the canonical bytes of what they say.
    """

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(found)
        if len(content) != len(found):
            counted = Counter(key for key, _ in found)
            twice = max(counted, key=counted.__getitem__)
            raise GoldenError(name, twice[:80], "stands twice in one object")
        return content

    def integer(digits: str) -> int:
        if len(digits) > MOST_DIGITS:
            raise GoldenError(name, "", f"has an integer of {len(digits)} digits")
        return int(digits)

    def other(number: str) -> NoReturn:
        raise GoldenError(name, "", f"has the number {number[:40]}; only integers are written so")

    try:
        found = json.loads(
            content.decode("ascii"),
            object_pairs_hook=pairs,
            parse_int=integer,
            parse_float=other,
            parse_constant=other,
        )
        canonical = write(found)
    except UnicodeDecodeError as error:
        raise GoldenError(name, f"byte {error.start}", "is not ASCII") from None
    except json.JSONDecodeError as error:
        what = "the end of the file" if error.pos >= len(content) else f"line {error.lineno}"
        raise GoldenError(name, what, f"no JSON: {error.msg}") from None
    except RecursionError:
        raise GoldenError(name, "", "nests too deeply") from None
    if canonical != content:
        pairs_of = enumerate(zip(content, canonical, strict=False))
        place = next((i for i, (a, b) in pairs_of if a != b), min(len(content), len(canonical)))
        line = content[:place].count(b"\n") + 1
        raise GoldenError(name, f"line {line}", "is not written canonically")
    return found
