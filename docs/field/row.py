"""What a row of the field report is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

DTYPES: Final = ("float64", "float32", "bfloat16")
LONG: Final = "float32"  # in which runs are taken, and a profile is inferred

Make = Callable[[str], Any]
"""Returns a backend of a dtype; imports what it needs."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """A failure that is known.

    Parameters
    ----------
    cases : str
        A pattern of names.
    verdict : str
    why : str
        What of it there is to know, for people.
    departure : str
        The departure that it is, by name; "" where it is none from the documentation.
    dtypes : sequence of str
        In which it is so.
    most : str
        The largest error over bound that it explains, where it explains none that are larger.
    """

    cases: str
    verdict: str
    why: str
    departure: str = ""
    dtypes: Sequence[str] = DTYPES
    most: str = "inf"

    def says(self, case: str, verdict: str, dtype: str, share: str | None) -> bool:
        """Return whether a failure is this one."""
        return (
            fnmatchcase(case, self.cases) and fnmatchcase(verdict, self.verdict)
            and dtype in self.dtypes and (share is None or not float(share) > float(self.most))
        )


@dataclass(frozen=True, kw_only=True)
class Row:
    """An optimizer of a package, and what it is held to.

    Parameters
    ----------
    name : str
        What the optimizer is called on the page, with its options; unique.
    package : str
        The distribution that it comes with.
    imports : str
        The module that has to be there.
    algorithm : str
    make : callable
    options : mapping of str to str
        What it is asked besides, for people.
    dialect : str, optional
        The variant that it is meant to be.
    documented : str
        What its documentation says, as far as it decides what the optimizer is held to.
    known : sequence of Known
    departures : sequence of str
        Departures from its documentation that no case of the corpus asks for.
    dtypes : sequence of str
    long : sequence of str
        In which it also goes on by itself.
    """

    name: str
    package: str
    imports: str
    algorithm: str
    make: Make
    documented: str
    options: Mapping[str, str] = field(default_factory=dict)
    dialect: str | None = None
    known: Sequence[Known] = ()
    departures: Sequence[str] = ()
    dtypes: Sequence[str] = DTYPES
    long: Sequence[str] = (LONG,)

    def facts(self) -> dict[str, Any]:
        """Return what is said of it before anything is measured, as plain data."""
        return {
            "name": self.name, "package": self.package, "algorithm": self.algorithm,
            "dialect": self.dialect, "documented": self.documented,
            "options": dict(self.options), "dtypes": list(self.dtypes),
            "known": [asdict(known) | {"dtypes": list(known.dtypes)} for known in self.known],
            "departures": list(self.departures),
        }


@dataclass(frozen=True, kw_only=True)
class Departure:
    """Where an optimizer is not what its own documentation says.

    Parameters
    ----------
    name : str
        The file of the reproduction, docs/field/NAME.py.
    package : str
    title : str
    line : str
        Where in its source.
    says, does : str
        The documentation, and the code.
    link : str
        An issue, where there is one; "" else.
    """

    name: str
    package: str
    title: str
    line: str
    says: str
    does: str
    link: str = ""
