"""Where two cases differ first, for people: step, layer, line, in decimal, hex and units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from paratrooper_ref.golden.bits import to_hex
from paratrooper_ref.golden.corpus import MANIFEST, Corpus, Entry
from paratrooper_ref.golden.document import Golden, Value
from paratrooper_ref.lines import MODEL_TAGS, TAGS


class Difference(NamedTuple):
    """One place where two cases differ.

    ``step``, ``layer`` and ``line`` are None outside of steps; ``ulps`` counts the doubles from
    one to the other, across zero too, and is None where they are no doubles.
    """

    case: str
    step: int | None
    layer: str | None
    line: str
    a: str
    b: str
    ulps: int | None

    def __str__(self) -> str:
        place = "" if self.step is None else f"step {self.step}, "
        place += f"layer {self.layer}, " if self.layer else ""
        steps = "" if self.ulps is None else f", {self.ulps:+d} units in the last place"
        return f"{self.case}: {place}{self.line}: {self.a} became {self.b}{steps}"


def first_difference(a: Golden, b: Golden) -> Difference | None:
    """Return the first difference of two cases, in the order in which things are computed."""
    return next(differences(a, b), None)


def corpora(a: Corpus, b: Corpus) -> tuple[list[Difference], int]:
    """Return the first difference of each case of two corpora, and how many are the same.

    Of a case that is not generated its digest counts.
    """
    mine, theirs = a.manifest(), b.manifest()
    found: list[Difference] = []
    same = 0
    for name in sorted(mine.cases.keys() | theirs.cases.keys()):
        pair = [m.cases.get(name) for m in (mine, theirs)]
        if None in pair:
            sides = ["there" if entry else "not there" for entry in pair]
            found.append(Difference(name, None, None, "case", sides[0], sides[1], None))
            continue
        difference = _of_entries(a, b, *pair)  # type: ignore[arg-type]
        if difference is None:
            same += 1
        else:
            found.append(difference)
    for name in ("corpus", "changes"):
        x, y = getattr(mine, name), getattr(theirs, name)
        if x != y:
            found.append(Difference(MANIFEST, None, None, name, x, y, None))
    return found, same


def _of_entries(a: Corpus, b: Corpus, one: Entry, other: Entry) -> Difference | None:
    if a.present(one) and b.present(other):
        if a.bytes_of(one) == b.bytes_of(other):
            return None
        return first_difference(a.load(one), b.load(other))
    if one.sha256 == other.sha256:
        return None
    return Difference(one.case, None, None, "sha256", one.sha256, other.sha256, None)


def differences(a: Golden, b: Golden) -> Iterator[Difference]:
    """Yield the differences of two cases, of each line the first one."""
    for name in ("layers", "spec", "problem", "schedule"):
        yield from _fact(a.case, name, getattr(a, name), getattr(b, name))
    for one, other in zip(a.steps, b.steps, strict=False):
        where = (a.case, one.t)
        for name in ("t", "lr", "metric", "warmup"):
            x, y = getattr(one, name), getattr(other, name)
            if x != y:
                yield Difference(*where, None, name, _shown(x), _shown(y), _ulps(x, y))
        for layer, given in one.inputs.items():
            other_given = other.inputs.get(layer, {})
            for slot in _ordered({**given, **other_given}):
                values = (given.get(slot), other_given.get(slot))
                yield from _line((*where, layer), f"input {slot}", *values)
        for tag in MODEL_TAGS:
            yield from _line((*where, None), tag, one.model.get(tag), other.model.get(tag))
        for layer, lines in one.lines.items():
            other_lines = other.lines.get(layer, {})
            for tag in _ordered({**lines, **other_lines}):
                pair = (lines.get(tag), other_lines.get(tag))
                yield from _line((*where, layer), tag, *pair)
    yield from _fact(a.case, "steps", len(a.steps), len(b.steps))
    yield from _growth(a, b)
    for name in ("about", "catches", "tier"):
        yield from _fact(a.case, name, getattr(a, name), getattr(b, name))


def _ordered(lines: Mapping[str, Any]) -> list[str]:
    return [tag for tag in TAGS if tag in lines]


def _fact(case: str, name: str, a: Any, b: Any) -> Iterator[Difference]:
    """Yield the first difference of two facts, by its place within them."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if name == "layers" and list(a) != list(b):  # their order counts
            yield Difference(case, None, None, name, ", ".join(a), ", ".join(b), None)
            return
        for key in dict.fromkeys([*a, *b]):
            if (key in a) != (key in b) or a[key] != b[key]:
                yield from _fact(case, f"{name}.{key}", a.get(key), b.get(key))
                return
    elif a != b:
        yield Difference(case, None, None, name, _shown(a), _shown(b), None)


def _growth(a: Golden, b: Golden) -> Iterator[Difference]:
    if a.growth is None or b.growth is None or a.growth.size != b.growth.size:
        sizes = [None if x is None else x.size for x in (a.growth, b.growth)]
        yield from _fact(a.case, "growth", *sizes)
        return
    for i in np.flatnonzero(a.growth != b.growth)[:1]:
        x, y = float(a.growth[i]), float(b.growth[i])
        yield Difference(a.case, a.steps[i].t, None, "growth", _shown(x), _shown(y), _ulps(x, y))


def _shown(x: Any) -> str:
    """Return a double in decimal and hexadecimal, anything else in short."""
    if isinstance(x, float):
        return f"{x!r} ({to_hex(x)})"
    shown = str(x)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _line(where: tuple[str, int, str | None], tag: str, a: Any, b: Any) -> Iterator[Difference]:
    case, step, layer = where
    if not (isinstance(a, Value) and isinstance(b, Value)):
        if a is not b:
            kinds = ["numbers" if isinstance(x, Value) else _shown(x) for x in (a, b)]
            yield Difference(case, step, layer, tag, kinds[0], kinds[1], None)
        return
    if a.size != b.size:
        sizes = [f"{x.size} numbers" for x in (a, b)]
        yield Difference(case, step, layer, tag, sizes[0], sizes[1], None)
        return
    for part in Value._fields:
        x, y = getattr(a, part), getattr(b, part)
        wrong = np.flatnonzero(x.view(np.uint64) != y.view(np.uint64))
        if wrong.size:
            i = int(wrong[0])
            name = f"{tag}[{i}]" + (" (what remains)" if part == "lo" else "")
            shown = [_shown(float(z[i])) for z in (x, y)]
            ulps = _ulps(float(x[i]), float(y[i]))
            yield Difference(case, step, layer, name, shown[0], shown[1], ulps)
            return


def _ulps(x: Any, y: Any) -> int | None:
    """Return how many doubles further y is than x; exact, whatever their signs.

    Examples
    --------
    >>> _ulps(-5e-324, 5e-324), _ulps(1.0, 1.0000000000000002)
    (2, 1)
    """
    if not (isinstance(x, float) and isinstance(y, float)):
        return None
    return _rank(y) - _rank(x)


def _rank(x: float) -> int:
    bits = int(to_hex(x), 16)
    return bits if bits < 1 << 63 else (1 << 63) - bits
