"""Change a golden case, in two steps: propose with a reason, then accept.

A proposal is a file beside the case that says all that `accept` needs, so an accept that was
interrupted can be called again and ends as it would have.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from paratrooper_ref.files import replacing
from paratrooper_ref.golden import text
from paratrooper_ref.golden.check import Check
from paratrooper_ref.golden.compare import first_difference
from paratrooper_ref.golden.content import content, dump, from_content, parse
from paratrooper_ref.golden.corpus import (
    CHANGES,
    MANIFEST,
    Corpus,
    Entry,
    Manifest,
    entry_of,
    manifest_of,
    nearest_case,
    sha256,
)
from paratrooper_ref.golden.document import Golden
from paratrooper_ref.golden.error import GoldenError
from paratrooper_ref.golden.generate import (
    known_cases,
    next_version,
    proved_bytes,
    write_manifest,
)
from paratrooper_ref.golden.prove import prove_again

ENDING: Final = ".rej"
PARTS: Final = ("patch", "major")  # notes, or values: what a proposal raises of the version


class Proposal(NamedTuple):
    """A changed case: where it differs first, what it raises, why, and the file that says so."""

    new: Golden
    difference: str
    part: str
    reason: str
    file: Path


def propose(corpus: Corpus, case: str, reason: str) -> Proposal | None:
    """Prove a case anew; where it has changed leave it beside the old one, with the reason.

    The old file stays the golden one until `accept`.  None if the case is what it was.

    Raises
    ------
    ValueError
        If the case is unknown, or the reason is empty.
    GoldenError
        If the old case is damaged, or the new one does not catch what it says.
    Unproved
        If the new case is not admitted.
    """
    reason = " ".join(reason.split())
    if not reason or not reason.isprintable():
        msg = "regenerate needs a reason, got none that can be read; say what was wrong before"
        raise ValueError(msg)
    entry = known_entry(corpus, case)
    path = corpus.folder / entry.file
    beside = path.with_name(path.name + ENDING)
    old = corpus.load(entry) if corpus.present(entry) else None
    written = proved_bytes(case)
    if sha256(written) == entry.sha256:
        beside.unlink(missing_ok=True)
        return None
    new = parse(written, entry.file)
    first = first_difference(old, new) if old else None
    proposal = Proposal(
        new=new,
        difference=str(first) if first else "values, compared by digest",
        part=PARTS[0] if old and _same_values(old, new) else PARTS[1],
        reason=reason,
        file=beside,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(beside) as file:
        found = {name: getattr(proposal, name) for name in ("difference", "part", "reason")}
        file.write(text.write({"case": content(new), **found}))
    return proposal


def known_entry(corpus: Corpus, case: str) -> Entry:
    """Return the entry of a case that the corpus lists and that has a recipe.

    Raises
    ------
    ValueError
        If it is not known.
    """
    cases = corpus.manifest().cases
    if case not in cases or case not in known_cases():
        msg = f"unknown case {case!r}; {nearest_case(case, cases)}"
        raise ValueError(msg)
    return cases[case]


def _same_values(old: Golden, new: Golden) -> bool:
    """Return whether only notes differ: what the case is about and what it catches."""
    return dump(replace(old, about=new.about, catches=new.catches)) == dump(new)


@dataclass(frozen=True)
class Accepted:
    """What `accept` has installed."""

    cases: tuple[str, ...]
    corpus: str


def accept(corpus: Corpus, cases: tuple[str, ...] = ()) -> Accepted:
    """Install what `propose` has left: files, list of changes, version and manifest.

    Each proposal is verified and proved first.  Changed values raise the major version, notes
    the patch.

    Raises
    ------
    ValueError
        If there is no proposal, or none of a case asked for.
    GoldenError
        If a proposal, or a file that it replaces, is damaged; then nothing is installed.
    """
    manifest = corpus.manifest()
    every = {}
    for path in corpus.rejected():
        proposal = _proposal(corpus, manifest, path)
        every[proposal.new.case] = proposal
    found = {case: every[case] for case in sorted(every) if not cases or case in cases}
    missing = [case for case in cases if case not in found] or ([] if found else ["any case"])
    if missing:
        msg = f"there is no proposal for {missing[0]}; make one with regenerate CASE --reason"
        raise ValueError(msg)
    entries = {case: entry_of(p.new, dump(p.new)) for case, p in found.items()}
    if any(manifest.cases[case] != entry for case, entry in entries.items()):
        manifest = _install(corpus, manifest, found, entries)
    for proposal in found.values():
        proposal.file.unlink()
    return Accepted(tuple(found), manifest.corpus)


def _install(
    corpus: Corpus, manifest: Manifest, found: dict[str, Proposal], entries: dict[str, Entry]
) -> Manifest:
    parts = {proposal.part for proposal in found.values()}
    version = next_version(manifest.corpus, max(parts, key=PARTS.index))
    rows = [f"- `{case}`: {p.reason} ({p.difference})" for case, p in found.items()]
    changes = _changes(corpus, manifest, version, rows)
    for case, proposal in found.items():
        with replacing(corpus.folder / entries[case].file) as file:
            file.write(dump(proposal.new))
    with replacing(corpus.folder / CHANGES) as file:
        file.write(changes)
    new = manifest_of(version, changes, {**manifest.cases, **entries}.values())
    write_manifest(corpus.folder, new)
    return new


def _changes(corpus: Corpus, manifest: Manifest, version: str, rows: list[str]) -> bytes:
    """Return the list of changes with a section for this version on top, in place of an old one."""
    before = text.load(corpus.folder / CHANGES, CHANGES).decode("utf-8", "replace")
    head, _, rest = before.partition("\n## ")
    if rest.startswith(f"{version}\n"):  # left by an accept that was interrupted
        rest = rest.partition("\n## ")[2]
    if sha256(f"{head}\n## {rest}".encode()) != manifest.changes:
        raise GoldenError(CHANGES, "", f"is not the file of {MANIFEST}: another SHA-256")
    section = "\n".join(rows)
    return f"{head}\n## {version}\n\n{section}\n\n## {rest}".encode()


def _proposal(corpus: Corpus, manifest: Manifest, path: Path) -> Proposal:
    """Read a proposal, hold it to its proof, and what it replaces to the manifest."""
    name = path.relative_to(corpus.folder).as_posix()
    found = text.read(text.load(path, name), name)
    if not isinstance(found, dict) or found.keys() != {"case", "difference", "part", "reason"}:
        raise GoldenError(name, "", "is no proposal: case, difference, part and reason are needed")
    for field in ("difference", "reason"):
        said: Any = found[field]
        if not isinstance(said, str) or not said.strip() or not said.isprintable():
            raise GoldenError(name, field, "needs to be a line of text")
    if found["part"] not in PARTS:
        raise GoldenError(name, "part", f"needs to be {' or '.join(PARTS)}")
    new = from_content(found["case"], name)
    entry = manifest.cases.get(new.case)
    if entry is None or entry.tier != new.tier or f"{entry.file}{ENDING}" != name:
        raise GoldenError(name, "case.case", f"is {new.case!r}, which does not belong here")
    if corpus.present(entry):
        old = text.load(corpus.folder / entry.file, entry.file)
        if sha256(old) not in (entry.sha256, sha256(dump(new))):
            raise GoldenError(entry.file, "", f"is not the file of {MANIFEST}: another SHA-256")
    Check(new, name).all()
    prove_again(new, name)
    return Proposal(new, found["difference"], found["part"], found["reason"], path)
