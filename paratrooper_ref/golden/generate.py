"""Write a corpus: new files or identical ones, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from paratrooper_ref.files import replacing, sweep
from paratrooper_ref.golden import text
from paratrooper_ref.golden.content import dump, parse
from paratrooper_ref.golden.corpus import (
    CHANGES,
    MANIFEST,
    TIERS,
    Entry,
    Manifest,
    dump_manifest,
    entry_of,
    manifest_of,
    parse_manifest,
    sha256,
    shipped,
)
from paratrooper_ref.golden.error import GoldenError
from paratrooper_ref.golden.make import make
from paratrooper_ref.golden.prove import claims
from paratrooper_ref.golden.recipe import Core
from paratrooper_ref.golden.recipes import recipes
from paratrooper_ref.golden.workers import mapped

FIRST_VERSION: Final = "1.0.0"
FIRST_CHANGES: Final = b"# Changes of the golden corpus\n\n## 1.0.0\n\nThe first release.\n"

Progress = Callable[[int, int], object]


@dataclass
class Generated:
    """What `generate` has done: cases written, found identical, kept, and changed."""

    written: list[str] = field(default_factory=list)
    identical: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    manifest: Manifest | None = None


def proved_bytes(case: str) -> bytes:
    """Return the bytes of a case: proved, and its claims shown to hold.

    Raises
    ------
    Unproved
        If the case is not admitted.
    GoldenError
        If it does not catch what it says.
    """
    golden = make(recipes()[case])
    claims(golden, case)
    return dump(golden)


def generate(
    folder: Path,
    tiers: Sequence[str] = ("core",),
    *,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Generated:
    """Prove the cases of some tiers and write what is not there yet.

    Files are written one by one, each whole or not at all, the manifest last.  What an interrupted
    run has left is taken up again: a file that is the shipped one to the last byte is kept (but in
    the shipped corpus itself); any other is computed, compared, and never overwritten.

    Parameters
    ----------
    folder : Path
        The corpus; made if it is not there.
    tiers : sequence of {"core", "full"}
        The entries of other tiers come from the manifest in the folder, or the shipped one.
    jobs : int
        Processes to use; the bytes do not depend on it.
    progress : callable, optional
        Called with the number of cases done and of all cases.

    Raises
    ------
    GoldenError
        If the folder's manifest is damaged, lists a case that has no recipe, or a tier that is
        not asked for has no entries.
    OSError
        If the folder cannot be written to.
    """
    here, origin = _manifest(folder), _manifest(shipped())
    sweep(folder)
    resumes = folder.resolve() != shipped().resolve()
    pinned = {**(origin.cases if origin else {}), **(here.cases if here else {})}
    names = [name for name in recipes() if _tier(name) in tiers]
    orphans = sorted((here.cases if here else {}).keys() - recipes().keys())
    if orphans:
        raise GoldenError(MANIFEST, "cases", f"lists {orphans[0]}, which has no recipe")
    done = Generated()
    entries: dict[str, Entry] = {}
    todo: list[str] = []
    for name in names:
        path = folder / file_of(name)
        known = origin.cases.get(name) if origin else None
        if known and resumes and path.is_file() and sha256(path.read_bytes()) == known.sha256:
            done.kept.append(name)
            entries[name] = known
        else:
            todo.append(name)
    for i, written in enumerate(mapped(proved_bytes, todo, jobs)):
        name = todo[i]
        path = folder / file_of(name)
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as file:
                file.write(written)
            done.written.append(name)
        elif path.read_bytes() == written:
            done.identical.append(name)
        else:
            done.changed.append(name)
        entries[name] = entry_of(parse(written, name), written)
        if progress is not None:
            progress(i + 1, len(todo))
    if done.changed:
        return done
    for name in recipes():
        if _tier(name) not in tiers:
            if name not in pinned:
                reason = f"has no digest of {name} yet; generate the tier {_tier(name)} too"
                raise GoldenError(MANIFEST, "", reason)
            entries[name] = pinned[name]
    done.manifest = _finish(folder, here or origin, origin, entries)
    return done


def _finish(
    folder: Path, before: Manifest | None, origin: Manifest | None, entries: dict[str, Entry]
) -> Manifest:
    """Write the list of changes and the manifest; new cases raise the minor version."""
    path = folder / CHANGES
    first = (shipped() / CHANGES).read_bytes() if origin else FIRST_CHANGES
    changes = path.read_bytes() if path.is_file() else first
    version = FIRST_VERSION if before is None else before.corpus
    added = sorted(entries.keys() - before.cases.keys()) if before else []
    if added:
        version = next_version(version, "minor")
        head, _, rest = changes.decode().partition("\n## ")
        if rest.startswith(f"{version}\n"):  # left by a run that was interrupted
            rest = rest.partition("\n## ")[2]
        rows = "\n".join(f"- new: `{case}`" for case in added)
        changes = f"{head}\n## {version}\n\n{rows}\n\n## {rest}".encode()
    if not path.is_file() or path.read_bytes() != changes:
        with replacing(path) as file:
            file.write(changes)
    manifest = manifest_of(version, changes, entries.values())
    write_manifest(folder, manifest)
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a manifest, if its bytes are not there already."""
    path, written = folder / MANIFEST, dump_manifest(manifest)
    if path.is_file() and path.read_bytes() == written:
        return
    with replacing(path) as file:
        file.write(written)


def next_version(version: str, part: str) -> str:
    """Return the next version: "major" for changed values, "minor" for new cases, or "patch".

    Examples
    --------
    >>> next_version("1.2.3", "minor")
    '1.3.0'
    """
    numbers = [int(number) for number in version.split(".")]
    place = ("major", "minor", "patch").index(part)
    numbers[place:] = [numbers[place] + 1, *[0] * (2 - place)]
    return ".".join(map(str, numbers))


def _tier(name: str) -> str:
    return TIERS[0] if isinstance(recipes()[name], Core) else TIERS[1]


def known_cases() -> list[str]:
    """Return the names of all cases that have a recipe."""
    return list(recipes())


def files() -> set[str]:
    """Return the files of all cases, relative to the corpus."""
    return {file_of(case) for case in known_cases()}


def file_of(case: str) -> str:
    """Return the file of a case, relative to the corpus."""
    return f"{_tier(case)}/{case}.json"


def _manifest(folder: Path) -> Manifest | None:
    path = folder / MANIFEST
    return parse_manifest(text.load(path, str(path)), str(path)) if path.is_file() else None
