"""What is wrong with a golden file, in one line: file, field, reason."""

from __future__ import annotations

from pathlib import PurePath


class GoldenError(ValueError):
    """A file of the corpus is damaged, incomplete, of another version, or says what is not so.

    Attributes
    ----------
    file : str
    field : str
        Where in the file, such as "steps[2].lines.w.m.hi"; empty for the whole file.
    reason : str
    """

    def __init__(self, file: PurePath | str, field: str, reason: str) -> None:
        super().__init__(str(file), field, reason)
        self.file, self.field, self.reason = str(file), field, reason

    def __str__(self) -> str:
        parts = (self.file, self.field, self.reason)
        line = " ".join(": ".join(part for part in parts if part).split())
        return "".join(c if " " <= c <= "~" else ascii(c)[1:-1] for c in line)


class Unproved(ArithmeticError):
    """A case whose values or branches balls do not decide; it is not admitted."""
