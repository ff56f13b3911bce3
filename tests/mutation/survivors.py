"""Survivors that no test has to kill, each with the reason, in ``survivors.toml``.

::

    [[survivor]]
    file = "arithmetic/running.py"
    line = "value = op(bound.value, x.value)"
    was = "op(bound.value, x.value)"
    now = ["bound.value"]
    why = "what it comes to is the same"

``line`` is the source line on which what is changed begins, without its indentation.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.mutation.mutate import Mutant

FILE: Final = Path(__file__).with_name("survivors.toml")


@dataclass(frozen=True)
class Survivor:
    """A mutant, or several of one expression, that may survive."""

    file: str
    line: str
    was: str
    now: tuple[str, ...]
    why: str

    def matches(self, file: str, mutant: Mutant) -> bool:
        """Return whether it is this one."""
        return (file, mutant.line, mutant.was) == (self.file, self.line, self.was) and (
            mutant.now in self.now
        )


def read(path: Path = FILE) -> list[Survivor]:
    """Return the survivors that are explained."""
    entries = tomllib.loads(path.read_text("utf-8"))["survivor"]
    return [Survivor(**entry | {"now": tuple(entry["now"])}) for entry in entries]


def explanation(survivors: Iterable[Survivor], file: str, mutant: Mutant) -> Survivor | None:
    """Return what explains that a mutant survives, if anything does."""
    return next((s for s in survivors if s.matches(file, mutant)), None)
