"""Expected failures: in the backend's own repository, each with a reason, strict both ways.

A TOML file of tables ``[[expect]]``::

    [[expect]]
    id = "radam/switch-*"
    verdict = "departs"
    line = "theta"
    variant = "radam.threshold_5"
    reason = "the switch of our checkpoints"
    link = "https://example.org/issues/12"
    until = 2027-06-30

``id`` is a pattern of cases, and has to match some that were run; ``line`` (for what departs) and
``variant`` are the fingerprint: another line, or another likeness, is another failure.
"""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from paratrooper_ref.conformance.verdict import CONFORMS, DEPARTS, VERDICTS, Result
from paratrooper_ref.optimizers.hyper import nearest


class ExpectationError(ValueError):
    """A file of expectations does not say what it has to."""


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What some cases are expected to come to, and why.

    Parameters
    ----------
    id : str
        A pattern of names of cases.
    verdict : str
        One of `VERDICTS`, but for "conforms".
    reason, link : str
        Why, and where that can be read.
    until : date
        The last day on which it is expected.
    line : str, optional
        The tag of the first line that departs; needed where the verdict is "departs".
    variant : str, optional
        The variant that it has to look like.
    """

    id: str
    verdict: str
    reason: str
    link: str
    until: datetime.date
    line: str | None = None
    variant: str | None = None

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS or self.verdict == CONFORMS:
            known = nearest(str(self.verdict), [v for v in VERDICTS if v != CONFORMS])
            msg = f"an expectation needs a verdict, got verdict={self.verdict!r}; {known}"
            raise ExpectationError(msg)
        for name in ("id", "reason", "link"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                msg = f"an expectation needs its {name}, got {name}={value!r}"
                raise ExpectationError(msg)
        until: object = self.until
        if type(until) is not datetime.date:  # a datetime is one too, and does not compare
            msg = f"an expectation needs a date, such as 2027-06-30, got until={until!r}"
            raise ExpectationError(msg)
        if (self.verdict == DEPARTS) != (self.line is not None):
            msg = f'line belongs to what departs, and to all of it; {self.id!r} {self.verdict}'
            raise ExpectationError(msg)

    def differs(self, result: Result) -> str:
        """Return how a result is another than this, or nothing."""
        if result.verdict != self.verdict:
            return f"{result.verdict}, expected {self.verdict}"
        if self.line is not None and result.departure is not None:
            line = result.departure.at.tag
            if line != self.line:
                return f"departs first at {line}, expected {self.line}"
        if self.variant is not None and self.variant not in [x.variant for x in result.likes]:
            likes = ", ".join(x.variant for x in result.likes) or "no known variant"
            return f"looks like {likes}, expected {self.variant}"
        return ""


@dataclass(frozen=True)
class Matched:
    """Results held against expectations: which are as expected, and what is wrong with the rest.

    ``expected`` maps cases to their expectation; ``problems`` are sentences.
    """

    expected: Mapping[str, Expectation]
    problems: tuple[str, ...]


def read(path: str | Path) -> tuple[Expectation, ...]:
    """Return the expectations of a file.

    Raises
    ------
    ExpectationError
        If it cannot be read, or an entry lacks something or has something unknown.
    """
    try:
        found = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"expectations need a TOML file, got {path}: {error}"
        raise ExpectationError(msg) from None
    entries = found.get("expect", [])
    if set(found) - {"expect"} or not isinstance(entries, list):
        msg = f"expectations need tables [[expect]], got {', '.join(found) or 'none'} in {path}"
        raise ExpectationError(msg)
    return tuple(_entry(entry, f"{path}, entry {i + 1}") for i, entry in enumerate(entries))


def _entry(entry: Any, where: str) -> Expectation:
    known = [f.name for f in fields(Expectation)]
    needed = [f.name for f in fields(Expectation) if f.name not in ("line", "variant")]
    if not isinstance(entry, dict):
        msg = f"{where}: needs a table, got {entry!r}"
        raise ExpectationError(msg)
    for name in entry:
        if name not in known:
            msg = f"{where}: unknown {name!r}; {nearest(name, known)}"
            raise ExpectationError(msg)
    if missing := [name for name in needed if name not in entry]:
        msg = f"{where}: needs {', '.join(missing)}"
        raise ExpectationError(msg)
    try:
        return Expectation(**entry)
    except ExpectationError as error:
        msg = f"{where}: {error}"
        raise ExpectationError(msg) from None


def match(
    results: Iterable[Result], expectations: Iterable[Expectation], today: datetime.date
) -> Matched:
    """Hold results against expectations.

    An expectation that matches nothing, has run out, or meets a case that conforms or fails in
    another way, is a problem.
    """
    results = list(results)
    expected: dict[str, Expectation] = {}
    problems = []
    for expectation in expectations:
        matching = [r for r in results if fnmatchcase(r.case, expectation.id)]
        if not matching:
            problems.append(f'"{expectation.id}" is expected, and no case has such a name')
        if expectation.until < today:
            problems.append(f'"{expectation.id}" was expected until {expectation.until}')
            continue
        for result in matching:
            differs = expectation.differs(result)
            if differs:
                problems.append(f"{result.case}: {differs}")
            else:
                expected[result.case] = expectation
    return Matched(expected, tuple(problems))
