"""A corpus on disk: a manifest, and a file for each case that it lists."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from paratrooper_ref.golden import text
from paratrooper_ref.golden.arrays import digest
from paratrooper_ref.golden.content import parse
from paratrooper_ref.golden.document import Golden
from paratrooper_ref.golden.error import GoldenError
from paratrooper_ref.golden.schema import validate
from paratrooper_ref.optimizers.hyper import nearest

FORMAT: Final = "paratrooper-ref golden manifest 1"
MANIFEST: Final = "MANIFEST.json"
CHANGES: Final = "CHANGES.md"
TIERS: Final = ("core", "full")


def shipped() -> Path:
    """Return the folder of the corpus that comes with the package."""
    return Path(str(resources.files("paratrooper_ref.golden") / "corpus"))


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What the manifest says of a case: its size, and digests of its bytes and its content."""

    case: str
    tier: str
    steps: int
    values: int
    bytes: int
    sha256: str
    content: str

    @property
    def file(self) -> str:
        """The case's file, relative to the corpus."""
        return f"{self.tier}/{self.case}.json"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The corpus version, and an entry for each case, by name."""

    corpus: str
    changes: str
    cases: Mapping[str, Entry]

    @property
    def digest(self) -> str:
        """The content digest of the corpus: that of its version and its cases' contents."""
        rows = [self.corpus, *(f"{e.tier} {e.case} {e.content}" for e in self.cases.values())]
        return sha256("".join(f"{row}\n" for row in rows).encode())

    def count(self, tier: str) -> int:
        """Return how many cases a tier has."""
        return sum(entry.tier == tier for entry in self.cases.values())


def nearest_case(name: str, cases: Mapping[str, Entry]) -> str:
    """Return what to say of an unknown name: the nearest known case, and where all are."""
    mean = nearest(name, cases).partition("known:")[0]
    return f"{mean}golden list shows all {len(cases)}"


def sha256(content: bytes) -> str:
    """Return the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def entry_of(golden: Golden, written: bytes) -> Entry:
    """Return the entry of a case and its bytes."""
    return Entry(
        case=golden.case,
        tier=golden.tier,
        steps=len(golden.steps),
        values=golden.values,
        bytes=len(written),
        sha256=sha256(written),
        content=digest(golden),
    )


def manifest_of(corpus: str, changes: bytes, entries: Iterable[Entry]) -> Manifest:
    """Return the manifest of some entries, sorted by name."""
    cases = {entry.case: entry for entry in sorted(entries, key=lambda e: e.case)}
    return Manifest(corpus=corpus, changes=sha256(changes), cases=cases)


def dump_manifest(manifest: Manifest) -> bytes:
    """Return the canonical bytes of a manifest, sealed by the SHA-256 of all that it says."""
    found = _content(manifest)
    return text.write(found | {"sha256": sha256(text.write(found))})


def _content(manifest: Manifest) -> dict[str, Any]:
    return {
        "cases": [dict(vars(entry)) for entry in manifest.cases.values()],
        "changes": manifest.changes,
        "corpus": manifest.corpus,
        "count": {tier: manifest.count(tier) for tier in TIERS},
        "digest": manifest.digest,
        "format": FORMAT,
        "licence": "MIT",
    }


def parse_manifest(written: bytes, file: str = MANIFEST) -> Manifest:
    """Return the manifest that canonical bytes hold.

    Raises
    ------
    GoldenError
        If they are none of this format, or its digests and counts are not those of its content.
    """
    found = text.read(written, file)
    version = found.get("format") if isinstance(found, dict) else None
    if isinstance(version, str) and version != FORMAT:
        raise GoldenError(file, "format", f"is {version[:60]!r}, this release reads {FORMAT!r}")
    validate(found, "manifest", file)
    names = [entry["case"] for entry in found["cases"]]
    if names != sorted(set(names)):
        raise GoldenError(file, "cases", "need to be sorted by name, each once")
    cases = {entry["case"]: Entry(**entry) for entry in found["cases"]}
    manifest = Manifest(corpus=found["corpus"], changes=found["changes"], cases=cases)
    rest = {key: value for key, value in found.items() if key != "sha256"}
    for field, holds in (
        ("count", found["count"] == {tier: manifest.count(tier) for tier in TIERS}),
        ("digest", found["digest"] == manifest.digest),
        ("sha256", found["sha256"] == sha256(text.write(rest))),
    ):
        if not holds:
            raise GoldenError(file, field, "is not that of the cases listed")
    return manifest


class Corpus:
    """A corpus in a folder, by default the one that comes with the package.

    Raises
    ------
    NotADirectoryError, FileNotFoundError
        If there is no such folder, or no corpus in it.

    Examples
    --------
    >>> corpus = Corpus()
    >>> golden = corpus.load(corpus.manifest().cases["adam/plain-decimal"])
    >>> step = golden.steps[0]
    >>> state, lines = golden.optimizer.step(golden.state(step), golden.gradients(step), step.lr)
    >>> wanted = step.lines["b"]["theta"]
    >>> print(abs((state.params["b"] - wanted.hi) - wanted.lo).max() < 1e-15)
    True
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = shipped() if folder is None else folder
        if not self.folder.is_dir():
            msg = f"a corpus is a folder with {MANIFEST}, got {self.folder}, which is no folder"
            raise NotADirectoryError(msg)
        if not any((self.folder / name).exists() for name in (MANIFEST, *TIERS)):
            msg = f"a corpus is a folder with {MANIFEST}, got {self.folder}, which has none"
            raise FileNotFoundError(msg)

    def manifest(self) -> Manifest:
        """Read the manifest; see `parse_manifest`."""
        if not os.path.lexists(self.folder / MANIFEST):
            reason = "cannot be read: it is not there; generate writes it last"
            raise GoldenError(MANIFEST, "", reason)
        return parse_manifest(text.load(self.folder / MANIFEST, MANIFEST))

    def bytes_of(self, entry: Entry) -> bytes:
        """Read the bytes of a case, and hold them to its entry.

        Raises
        ------
        GoldenError
            If they are not there, or other ones.
        """
        written = text.load(self.folder / entry.file, entry.file)
        if len(written) != entry.bytes:
            reason = f"has {len(written)} bytes, {MANIFEST} says {entry.bytes}"
            raise GoldenError(entry.file, "", reason)
        if sha256(written) != entry.sha256:
            raise GoldenError(entry.file, "", f"is not the file of {MANIFEST}: another SHA-256")
        return written

    def load(self, entry: Entry) -> Golden:
        """Read a case, and hold it to its entry.

        Raises
        ------
        GoldenError
            If it is damaged, or is not what the entry says.
        """
        written = self.bytes_of(entry)
        golden = parse(written, entry.file)
        actual = entry_of(golden, written)
        for field in ("case", "tier", "steps", "values", "content"):
            if getattr(actual, field) != getattr(entry, field):
                raise GoldenError(entry.file, field, f"is not what {MANIFEST} says")
        return golden

    def present(self, entry: Entry) -> bool:
        """Return whether something lies where the case's file belongs."""
        return os.path.lexists(self.folder / entry.file)

    def rejected(self) -> list[Path]:
        """Return the results of `regenerate` that wait to be accepted."""
        return sorted(self.folder.rglob("*.rej"))

    def strangers(self, manifest: Manifest) -> list[str]:
        """Return the files that the manifest does not list; hidden ones do not count."""
        return strangers(self.folder, {entry.file for entry in manifest.cases.values()})


def strangers(folder: Path, known: Set[str]) -> list[str]:
    """Return what lies in a folder and belongs to no corpus with these files."""
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        hidden = any(part.startswith(".") for part in Path(name).parts)
        holder = path.is_dir() and not path.is_symlink()
        if not hidden and not holder and path.suffix != ".rej":
            found += [name] if name not in {MANIFEST, CHANGES, *known} else []
    return found


__all__ = ["Corpus", "Entry", "Manifest", "shipped"]
