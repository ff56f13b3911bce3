"""Hold a whole corpus to its manifest, its schema, the reference, and its proofs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from paratrooper_ref.golden import text
from paratrooper_ref.golden.certify import arb
from paratrooper_ref.golden.check import Check
from paratrooper_ref.golden.corpus import CHANGES, MANIFEST, Corpus, Entry, Manifest, sha256
from paratrooper_ref.golden.error import GoldenError
from paratrooper_ref.golden.prove import prove_again
from paratrooper_ref.golden.workers import mapped


@dataclass
class Report:
    """What `verify` has found.

    Parameters
    ----------
    corpus, digest : str
        Version and content digest, as the manifest has them.
    held, absent : mapping of tier to count
        Cases that hold; cases of the full tier that are not generated.
    values : int
        Proved numbers in the cases that hold.
    errors : list of GoldenError
    waiting : list of str
        Proposals of `regenerate` that are not accepted.
    """

    corpus: str = ""
    digest: str = ""
    held: dict[str, int] = field(default_factory=lambda: {"core": 0, "full": 0})
    absent: dict[str, int] = field(default_factory=lambda: {"core": 0, "full": 0})
    values: int = 0
    errors: list[GoldenError] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong, and something was looked at."""
        return not self.errors and bool(sum(self.held.values()))


def verify(
    corpus: Corpus,
    *,
    prove: bool = False,
    jobs: int = 1,
    progress: Callable[[int, int], object] | None = None,
) -> Report:
    """Read every byte of a corpus and hold it to what it should be.

    NumPy alone: schema, counts, digests, and each stored value against the float64 reference,
    evaluated again, within its error bound.  With ``prove``, which needs python-flint: the balls
    and the exact gradients are computed again and compared to the last bit, and every claim of a
    case is shown to hold.

    Errors are gathered in the report, one a file; nothing is written.

    Raises
    ------
    ImportError
        If proofs are asked for and python-flint is not installed.
    """
    if prove:
        arb()
    report = Report()
    try:
        manifest = corpus.manifest()
        report.corpus, report.digest = manifest.corpus, manifest.digest
        if sha256(text.load(corpus.folder / CHANGES, CHANGES)) != manifest.changes:
            raise GoldenError(CHANGES, "", f"is not the file of {MANIFEST}: another SHA-256")
    except GoldenError as error:
        report.errors.append(error)
        return report
    for name in corpus.strangers(manifest):
        report.errors.append(GoldenError(name, "", f"is not listed in {MANIFEST}"))
    report.waiting = [path.relative_to(corpus.folder).as_posix() for path in corpus.rejected()]
    there = _there(corpus, manifest, report)
    asked = [(corpus.folder, entry, prove) for entry in there]
    for i, found in enumerate(mapped(_checked, asked, jobs)):
        entry = there[i]
        if found is None:
            report.held[entry.tier] += 1
            report.values += entry.values
        else:
            report.errors.append(found)
        if progress is not None:
            progress(i + 1, len(asked))
    return report


def _there(corpus: Corpus, manifest: Manifest, report: Report) -> list[Entry]:
    there = []
    for entry in manifest.cases.values():
        if corpus.present(entry):
            there.append(entry)
        elif entry.tier == "core":
            missing = f"is listed in {MANIFEST} and missing"
            report.errors.append(GoldenError(entry.file, "", missing))
        else:
            report.absent[entry.tier] += 1
    return there


def _checked(job: tuple[Path, Entry, bool]) -> GoldenError | None:
    folder, entry, prove = job
    try:
        golden = Corpus(folder).load(entry)
        Check(golden, entry.file).all()
        if prove:
            prove_again(golden, entry.file)
    except GoldenError as error:
        return error
    except Exception as error:  # whatever a file may hold, the others are looked at too
        return GoldenError(entry.file, "", f"cannot be checked: {type(error).__name__}: {error}")
    return None
