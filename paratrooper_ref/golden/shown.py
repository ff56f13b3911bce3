"""What the verbs of ``golden`` print: tables for people, plain data for machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from paratrooper_ref.golden.bits import to_hex
from paratrooper_ref.golden.content import content
from paratrooper_ref.golden.corpus import Corpus, Entry
from paratrooper_ref.golden.document import Golden, Step, Value
from paratrooper_ref.golden.verify import Report
from paratrooper_ref.lines import MODEL_TAGS, TAGS


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as a text table."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def listed(corpus: Corpus, entry: Entry) -> dict[str, Any]:
    """Return what the list says of a case."""
    if entry.tier == "full" and not corpus.present(entry):
        return {**vars(entry), "about": "not generated here", "catches": None}
    golden = corpus.load(entry)
    return {**vars(entry), "about": golden.about, "catches": list(golden.catches)}


def chosen_content(
    golden: Golden, step: int | None, layer: str | None, line: str | None
) -> dict[str, Any]:
    """Return the content of a case with the steps, layers and lines that are asked for."""
    found = content(golden)
    found["steps"] = [one for one in found["steps"] if step in (None, one["t"])]
    for one in found["steps"]:
        for part in ("inputs", "lines"):
            one[part] = {name: x for name, x in one[part].items() if layer in (None, name)}
        if line is not None:
            for name, lines in one["lines"].items():
                one["lines"][name] = {tag: x for tag, x in lines.items() if tag == line}
    return found


def step_rows(step: Step, layer: str | None, line: str | None) -> Iterator[str]:
    """Yield a step as text: a head, and a table of the inputs and lines that are asked for."""
    metric = "" if step.metric is None else f", metric {step.metric!r}"
    warmup = "" if step.warmup is None else f", warming up by {step.warmup}"
    yield f"step {step.t}, rate {step.lr!r}{metric}{warmup}"
    rows: list[tuple[str, ...]] = [("", "", "", "nearest double", "bits", "what remains")]
    parts: list[tuple[str, str, str, Any]] = []
    for tag, value in step.model.items():
        parts.append(("", tag, MODEL_TAGS[tag].symbol, value))
    for name, given in step.inputs.items():
        if layer in (None, name):
            slots = [slot for slot in TAGS if slot in given]
            parts += [(name, f"input {s}", TAGS[s].symbol, given[s]) for s in slots]
            lines = step.lines[name].items()
            parts += [(name, tag, TAGS[tag].symbol, found) for tag, found in lines]
    for name, tag, symbol, held in parts:
        if line in (None, tag):
            rows += _value_rows(name, tag, symbol, held)
    yield columns(rows)


def _value_rows(layer: str, tag: str, symbol: str, value: Any) -> Iterator[tuple[str, ...]]:
    if not isinstance(value, Value):
        yield layer, tag, symbol, "none (frozen)" if value is None else str(value), "", ""
        return
    for i, (hi, lo) in enumerate(zip(value.hi.tolist(), value.lo.tolist(), strict=True)):
        place = tag if value.size == 1 else f"{tag}[{i}]"
        rest = f"{lo:+.3g}" if lo else ""
        yield layer, place, symbol, repr(hi), to_hex(hi), rest


def summary(report: Report, *, prove: bool) -> dict[str, Any]:
    """Return a report of `verify` as plain data."""
    return {
        "holds": report.holds,
        "proved": prove,
        "corpus": report.corpus,
        "digest": report.digest,
        "held": report.held,
        "absent": report.absent,
        "values": report.values,
        "errors": [{"file": e.file, "field": e.field, "reason": e.reason} for e in report.errors],
        "waiting": report.waiting,
    }


def told(report: Report, *, prove: bool) -> Iterator[str]:
    """Yield the lines that say what `verify` has found."""
    how = "proved again, digit by digit" if prove else "within the bounds of the reference"
    whole = sum(report.held.values())
    yield f"{whole} cases hold: {report.values} numbers {how}"
    if report.absent["full"]:
        yield f"{report.absent['full']} cases of the full tier are pinned, and not generated here"
    for name in report.waiting:
        yield f"waits to be accepted, and does not count: {name}"
    if report.errors:
        yield f"{len(report.errors)} do not hold"
    if report.digest:
        yield f"corpus {report.corpus}, content sha256:{report.digest}"
