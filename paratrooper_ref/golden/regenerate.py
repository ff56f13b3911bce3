"""Change a golden case, in two steps: propose with a reason, then accept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from paratrooper_ref.files import replacing
from paratrooper_ref.golden import text
from paratrooper_ref.golden.compare import Difference, first_difference
from paratrooper_ref.golden.corpus import CHANGES, Corpus, entry_of, manifest_of
from paratrooper_ref.golden.document import Golden, content, dump, from_content, parse
from paratrooper_ref.golden.error import GoldenError
from paratrooper_ref.golden.generate import proved_bytes, raised, write_manifest

ENDING = ".rej"


class Proposal(NamedTuple):
    """What `propose` has found: where the case first differs, and the file that says so."""

    case: str
    difference: Difference | None
    file: Path | None


def propose(corpus: Corpus, case: str, reason: str) -> Proposal:
    """Prove a case anew; where it has changed leave it beside the old one, with the reason.

    The old file stays the golden one until `accept`.

    Raises
    ------
    ValueError
        If the case is unknown, or the reason is empty.
    """
    if not reason.strip():
        msg = "regenerate needs a reason, got an empty one; say what was wrong before"
        raise ValueError(msg)
    entry = corpus.manifest().cases[case]
    path = corpus.folder / entry.file
    beside = path.with_name(path.name + ENDING)
    written = proved_bytes(case)
    if path.is_file() and path.read_bytes() == written:
        beside.unlink(missing_ok=True)
        return Proposal(case, None, None)
    new = parse(written, entry.file)
    old = corpus.load(entry) if corpus.present(entry) else None
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(beside) as file:
        file.write(text.write({"case": content(new), "reason": " ".join(reason.split())}))
    return Proposal(case, first_difference(old, new) if old else None, beside)


@dataclass(frozen=True)
class Accepted:
    """What `accept` has installed."""

    cases: tuple[str, ...]
    corpus: str


def accept(corpus: Corpus, cases: tuple[str, ...] = ()) -> Accepted:
    """Install what `propose` has left: files, list of changes, version and manifest.

    Changed values raise the major version, anything else the patch.  If it is interrupted the
    proposals are still there, and it can be called again.

    Raises
    ------
    ValueError
        If there is no proposal, or none of a case asked for.
    GoldenError
        If a proposal is damaged.
    """
    found = {}
    for path in corpus.rejected():
        new, reason = _proposal(path)
        if not cases or new.case in cases:
            found[new.case] = (path, new, reason)
    missing = [case for case in cases if case not in found] or ([] if found else ["any case"])
    if missing:
        msg = f"there is no proposal for {missing[0]}; make one with regenerate CASE --reason"
        raise ValueError(msg)
    manifest = corpus.manifest()
    entries, rows, part = dict(manifest.cases), [], "patch"
    for case, (path, new, reason) in sorted(found.items()):
        old_path = path.with_name(path.name.removesuffix(ENDING))
        old = parse(old_path.read_bytes(), old_path.name) if old_path.is_file() else None
        part = part if old is not None and _same_values(old, new) else "major"
        written = dump(new)
        with replacing(old_path) as file:
            file.write(written)
        entries[case] = entry_of(new, written)
        difference = first_difference(old, new) if old else None
        rows.append(f"- `{case}`: {reason}" + (f" ({difference})" if difference else ""))
    version = raised(manifest.corpus, part)
    changes = _with_changes((corpus.folder / CHANGES).read_bytes(), version, rows)
    with replacing(corpus.folder / CHANGES) as file:
        file.write(changes)
    write_manifest(corpus.folder, manifest_of(version, changes, entries.values()))
    for path, _, _ in found.values():
        path.unlink()
    return Accepted(tuple(sorted(found)), version)


def _proposal(path: Path) -> tuple[Golden, str]:
    found = text.read(text.load(path, path.name), path.name)
    if not isinstance(found, dict) or found.keys() != {"case", "reason"}:
        raise GoldenError(path.name, "", "is no proposal: it needs a case and a reason")
    return from_content(found["case"], path.name), str(found["reason"])


def _same_values(old: Golden, new: Golden) -> bool:
    """Return whether only notes differ: what the case is about and what it catches."""
    noted = replace(old, about=new.about, catches=new.catches)
    return dump(noted) == dump(new)


def _with_changes(before: bytes, version: str, rows: list[str]) -> bytes:
    """Return the list of changes with a new section on top."""
    head, mark, rest = before.decode().partition("\n## ")
    section = "\n".join(rows)
    return f"{head}\n## {version}\n\n{section}\n{mark}{rest}".encode()

