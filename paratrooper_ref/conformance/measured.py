"""A table that is measured of the corpus: shipped as data, measured again, held to what is stored.

What such tables share: their file, `verify` and `update`, what these find, and what measuring
needs of a case.  What a table says and what has to hold of it are its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from paratrooper_ref.arithmetic import Undecided
from paratrooper_ref.conformance import bounds
from paratrooper_ref.conformance.profile import Profile
from paratrooper_ref.files import replacing
from paratrooper_ref.golden import text
from paratrooper_ref.golden.corpus import Corpus, Manifest
from paratrooper_ref.golden.document import Golden
from paratrooper_ref.optimizers import Optimizer, State

PACKAGE: Final = "paratrooper_ref.conformance"

Given = tuple[State, Any, float]
Progress = Callable[[int, int], object]
Table = TypeVar("Table")
Found = TypeVar("Found")


@dataclass
class Findings(ABC, Generic[Table]):
    """What `verify` or `update` has found: the table as it is now, and what is wrong."""

    table: Table
    errors: list[str] = field(default_factory=list)
    file: str = ""

    @property
    @abstractmethod
    def is_empty(self) -> bool:
        """Whether there was nothing to look at."""

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.errors

    @property
    def exit_code(self) -> int:
        """0 if it holds, 1 if not, 3 if there was nothing to look at."""
        return 3 if self.is_empty else int(not self.holds)

    def told(self, said: Iterable[str], ends: str) -> str:
        """Return what is wrong, what else is said, where the table was written, and an ending."""
        written = [f"written to {self.file}"] if self.file else []
        return "\n".join([*self.errors, *said, *written, ends])


@dataclass(frozen=True)
class Measured(Generic[Table, Found]):
    """A table that comes with the package.

    Parameters
    ----------
    name : str
        That of its file.
    parse, dump : callable
        ``parse(bytes, name)`` reads it from canonical bytes, ``dump(table)`` returns them.
    measured : callable
        ``measured(corpus, jobs=, progress=)`` returns what it is now.
    defects : callable
        ``defects(table)`` yields what is wrong with it in itself.
    differences : callable
        ``differences(stored, now)`` yields where it is stale.
    found : callable
        ``found(table, errors, file)`` makes of this what `verify` and `update` return.
    """

    name: str
    parse: Callable[[bytes, str], Table]
    dump: Callable[[Table], bytes]
    measured: Callable[..., Table]
    defects: Callable[[Table], Iterable[str]]
    differences: Callable[[Table, Table], Iterable[str]]
    found: Callable[[Table, list[str], str], Found]

    def shipped(self) -> Path:
        """Return the file that comes with the package."""
        return Path(str(resources.files(PACKAGE) / "data" / self.name))

    def load(self, file: Path | None = None) -> Table:
        """Read the table, by default the one that comes with the package.

        Raises
        ------
        GoldenError
            If it cannot be read, or is damaged.
        """
        path = self.shipped() if file is None else file
        return self.parse(text.load(path, path.name), path.name)

    def verify(
        self, progress: Progress | None = None, *, corpus: Corpus | None = None,
        file: Path | None = None, jobs: int = 2,
    ) -> Found:
        """Measure the table again and hold the stored one to it.

        Raises
        ------
        GoldenError
            If the stored table or the corpus is damaged.
        """
        stored, now = self.load(file), self._now(progress, corpus, jobs)
        return self.found(now, [*self.defects(now), *self.differences(stored, now)], "")

    def update(
        self, file: Path | None = None, progress: Progress | None = None, *,
        corpus: Corpus | None = None, jobs: int = 2,
    ) -> Found:
        """Measure the table and write it, by default where the package has it."""
        now = self._now(progress, corpus, jobs)
        path = self.shipped() if file is None else file
        with replacing(path) as opened:
            opened.write(self.dump(now))
        return self.found(now, list(self.defects(now)), str(path))

    def _now(self, progress: Progress | None, corpus: Corpus | None, jobs: int) -> Table:
        return self.measured(Corpus() if corpus is None else corpus, jobs=jobs, progress=progress)


# --------------------------------------------------------------------------- of a case


def loaded(folder: Path, case: str) -> Golden:
    """Return a case of the corpus in a folder, whose manifest a process reads once."""
    corpus, manifest = _opened(folder)
    return corpus.load(manifest.cases[case])


@lru_cache(maxsize=2)
def _opened(folder: Path) -> tuple[Corpus, Manifest]:
    corpus = Corpus(folder)
    return corpus, corpus.manifest()


def decided(optimizer: Optimizer, given: Given, profile: Profile) -> bounds.Lines | None:
    """Return the bounds of a step; None where an honest backend may take either branch.

    There, nothing that it does is a mistake.
    """
    try:
        return bounds.lines(optimizer, *given, profile)
    except Undecided:
        return None
