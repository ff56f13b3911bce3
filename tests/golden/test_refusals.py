"""Damaged files are refused in one line: file, field, reason; the others are checked all the same.

Each test works on a small corpus of its own: eight cases of the core tier, a trajectory of four
steps, and one of the full tier that is pinned and not there.  Most damage is sealed again with
honest sizes and digests, so that what is refused is the content itself.
"""

import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import paratrooper_ref as pr
import problems
from paratrooper_ref.cli import main
from paratrooper_ref.golden import text
from paratrooper_ref.golden.bits import from_hex, to_hex
from paratrooper_ref.golden.bounds import MARGIN, margins
from paratrooper_ref.golden.content import dump, parse
from paratrooper_ref.golden.corpus import (
    CHANGES,
    MANIFEST,
    Corpus,
    Entry,
    dump_manifest,
    entry_of,
    manifest_of,
    sha256,
    shipped,
)
from paratrooper_ref.golden.document import Golden, Step
from paratrooper_ref.golden.error import GoldenError
from paratrooper_ref.golden.make import make, step_again
from paratrooper_ref.golden.recipe import Full
from paratrooper_ref.golden.verify import verify
from paratrooper_ref.variants import VARIANTS

TINY = "adam/tiny-decimal"
NO_RATE = "adam/no-rate-dyadic"
PLATEAU = "paratrooper/plateau-decimal"
SWITCH = "paratrooper/switch-0_9-momentum-decimal"
STILL = "paratrooper/still-dyadic"
SYNC = "lookahead/first-sync-dyadic"
CORE = (
    "adam/frozen-dyadic", NO_RATE, TINY, "adam/zero-weights-dyadic", SYNC, PLATEAU, STILL, SWITCH,
)
LOOP = "rosenbrock/paratrooper"
ABSENT = "rosenbrock/adam"
HELD = len(CORE) + 1
NAN = "7ff8000000000000"
INFINITY = "7ff0000000000000"
NEGATIVE_ZERO = "8000000000000000"

Content = dict[str, Any]
Edit = Callable[[Content], object]
Listing = dict[str, tuple[int, int, int]]


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Fail what takes longer, also where it waits for a reader or a writer that never comes.

    The seconds are those of a quiet machine, and ten times as many on a busy one.
    """
    seconds *= 10

    def late(signum: int, frame: object) -> None:
        pytest.fail(f"it takes more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Folder:
    """A corpus that can be damaged, and sealed again."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, case: str) -> Path:
        """Return the file of a case."""
        return self.path / ("full" if case in (LOOP, ABSENT) else "core") / f"{case}.json"

    def name(self, case: str) -> str:
        """Return how messages call the file of a case."""
        return self.file(case).relative_to(self.path).as_posix()

    def content(self, case: str) -> Content:
        """Return what a case says."""
        found: Content = json.loads(self.file(case).read_bytes())
        return found

    def golden(self, case: str) -> Golden:
        """Return a case as an object."""
        return parse(self.file(case).read_bytes(), case)

    def entries(self) -> list[Entry]:
        """Return what the manifest lists."""
        found = json.loads((self.path / MANIFEST).read_bytes())
        return [Entry(**entry) for entry in found["cases"]]

    def put(self, case: str, written: bytes) -> None:
        """Write a case, and a manifest with its size and digests."""
        self.file(case).write_bytes(written)
        entries = [self._entry(e, written) if e.case == case else e for e in self.entries()]
        self.seal(entries)

    def put_alone(self, before: Entry, written: bytes) -> None:
        """Write a case, and a manifest of nothing else."""
        self.file(before.case).write_bytes(written)
        self.seal([self._entry(before, written)])

    def _entry(self, before: Entry, written: bytes) -> Entry:
        try:
            made = entry_of(parse(written, before.case), written)
        except (GoldenError, RecursionError):
            return replace(before, bytes=len(written), sha256=sha256(written))
        return replace(made, case=before.case, tier=before.tier)

    def seal(self, entries: list[Entry]) -> None:
        """Write the manifest of some entries."""
        manifest = manifest_of("1.0.0", (self.path / CHANGES).read_bytes(), entries)
        (self.path / MANIFEST).write_bytes(dump_manifest(manifest))

    def resize(self, case: str, size: int) -> None:
        """Write a manifest with another size of a case."""
        found = json.loads((self.path / MANIFEST).read_bytes())["cases"]
        sizes = {entry["case"]: entry["bytes"] for entry in found} | {case: size}
        self.seal([Entry(**{**entry, "bytes": sizes[entry["case"]]}) for entry in found])

    def edit(self, case: str, change: Edit) -> None:
        """Change the content of a case."""
        content = self.content(case)
        change(content)
        self.put(case, text.write(content))

    def listing(self) -> Listing:
        """Return kind, size and time of whatever is there."""
        found = {}
        for path in [self.path, *self.path.rglob("*")]:
            about = path.lstat()
            found[str(path)] = (about.st_mode, about.st_size, about.st_mtime_ns)
        return found


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small corpus that holds."""
    folder = tmp_path_factory.mktemp("pristine")
    known = Corpus().manifest().cases
    entries = [known[case] for case in (*CORE, ABSENT)]
    for case in CORE:
        path = folder / known[case].file
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(shipped() / known[case].file, path)
    loop = Full(
        case=LOOP,
        about="Four steps.",
        optimizer=pr.Paratrooper(lr=1e-2),
        problem=problems.rosenbrock(),
        steps=4,
        schedule=pr.LinearWarmup(steps=3),
    )
    golden = make(loop)
    (folder / "full/rosenbrock").mkdir(parents=True)
    (folder / f"full/{LOOP}.json").write_bytes(dump(golden))
    (folder / CHANGES).write_bytes(b"# Changes\n\n## 1.0.0\n\nThe first release.\n")
    Folder(folder).seal([*entries, entry_of(golden, dump(golden))])
    return folder


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Iterator[Folder]:
    """Yield a copy of the small corpus; what is done with it may not take for ever."""
    shutil.copytree(pristine, tmp_path / "corpus")
    with within(60):
        yield Folder(tmp_path / "corpus")


class Outcome(NamedTuple):
    """Exit status, standard output, and the lines on standard error."""

    status: int
    out: str
    err: list[str]


def golden(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> Outcome:
    """Run a verb of ``paratrooper-ref golden`` in this process."""
    capsys.readouterr()
    try:
        status = main(["golden", *map(str, argv)])
    except SystemExit as stopped:
        status = int(stopped.code or 0)
    printed = capsys.readouterr()
    return Outcome(status, printed.out, printed.err.splitlines())


def checked(capsys: pytest.CaptureFixture[str], folder: Folder, *more: str) -> Outcome:
    """Run verify, which writes nothing."""
    before = folder.listing()
    outcome = golden(capsys, "verify", "--corpus", folder.path, "--jobs", "1", *more)
    assert folder.listing() == before
    return outcome


def assert_refused(
    capsys: pytest.CaptureFixture[str],
    folder: Folder,
    file: str,
    *said: str,
    more: tuple[str, ...] = (),
    others: int = HELD - 1,
) -> None:
    """Assert that verify names the one file, says why, and has looked at the others."""
    status, out, err = checked(capsys, folder, *more)

    assert status == 1, (out, err)
    assert len(err) == 1, err
    assert err[0].startswith(f"paratrooper-ref: {file}: "), err
    for part in said:
        assert part in err[0]
    assert "cannot be checked" not in err[0]  # the field would be missing
    assert len(err[0]) < 1500
    assert err[0].isascii()
    assert err[0].isprintable()
    assert out.startswith(f"{others} cases hold")


def test_the_small_corpus_holds(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """What the other tests damage is whole before."""
    for more in ((), ("--prove",)):
        status, out, err = checked(capsys, folder, *more)

        assert (status, err) == (0, [])
        assert out.startswith(f"{HELD} cases hold")
        assert "1 cases of the full tier are pinned, and not generated here" in out


# --------------------------------------------------------------------------- bytes


def nested(depth: int) -> bytes:
    """Return lists in lists, in the canonical form where that is not too long."""
    if depth > 2000:
        return b"[" * depth + b"]" * depth + b"\n"
    opened = "".join("[\n" + " " * i for i in range(1, depth))
    closed = "".join("\n" + " " * i + "]" for i in reversed(range(depth - 1)))
    return f"{opened}[]{closed}\n".encode()


def many_keys(written: bytes) -> bytes:
    """Return an object of very many keys, the last one twice."""
    rows = ",".join(f'"k{i}":1' for i in range(100_000))
    return f'{{{rows},"k99999":1}}\n'.encode()


BYTES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut off": (lambda b: b[:-100], "no JSON"),
    "cut to one byte": (lambda b: b[:1], "no JSON"),
    "empty": (lambda b: b"", "no JSON"),
    "zeros": (lambda b: bytes(len(b)), "no JSON"),
    "a line more": (lambda b: b + b"\n", "not written canonically"),
    "a line less": (lambda b: b[:-1], "not written canonically"),
    "text behind": (lambda b: b + b"{}\n", "no JSON: Extra data"),
    "other indentation": (lambda b: b.replace(b"\n  ", b"\n   ", 1), "not written canonically"),
    "other order": (
        lambda b: (json.dumps(json.loads(b), indent=1) + "\n").encode(), "not written canonically"
    ),
    "CRLF": (lambda b: b.replace(b"\n", b"\r\n"), "not written canonically"),
    "BOM": (lambda b: b"\xef\xbb\xbf" + b, "byte 0: is not ASCII"),
    "UTF-16": (lambda b: b.decode().encode("utf-16"), "byte 0: is not ASCII"),
    "UTF-16 without a mark": (lambda b: b.decode().encode("utf-16-le"), "no JSON"),
    "Latin-1": (lambda b: b.replace(b'"', b'"\xe9', 1), "is not ASCII"),
    "a letter escaped": (lambda b: b.replace(b'"format"', b'"\\u0066ormat"'), "canonically"),
    "a key twice": (lambda b: b.replace(b"{\n", b'{\n "format": 1,\n', 1), "format: stands twice"),
    "100000 keys and one twice": (many_keys, "k99999: stands twice"),
    "a number of 16 digits": (lambda b: b'{"format": 1' + b"0" * 15 + b"}\n", "16 digits"),
    "a number of 5000 digits": (lambda b: b'{"format": 1' + b"0" * 4999 + b"}\n", "5000 digits"),
    "a negative zero": (lambda b: b'{"format": -0}\n', "not written canonically"),
    "a float": (lambda b: b'{"format": 1.0}\n', "the number 1.0"),
    "an exponent": (lambda b: b'{"format": 1e400}\n', "the number 1e400"),
    "NaN": (lambda b: b'{"format": NaN}\n', "the number NaN"),
    "Infinity": (lambda b: b'{"format": -Infinity}\n', "the number -Infinity"),
    "no object": (lambda b: b"[]\n", "needs to be of type object"),
    "null": (lambda b: b"null\n", "needs to be of type object"),
    "a text": (lambda b: b'"\\ud800"\n', "needs to be of type object"),
    "a surrogate as a key": (lambda b: b'{"\\ud800": 1}\n', "lacks"),
    "another version": (
        lambda b: b.replace(b'"format": "paratrooper-ref golden', b'"format": "paratrooper-ref x'),
        "format: is 'paratrooper-ref x",
    ),
    "a version in an escape": (
        lambda b: b.replace(b'"format": "p', b'"format": "\\u001b[2J\\n'), "format: is "
    ),
    "a format that is no text": (lambda b: b'{\n "format": [1]\n}\n', "lacks"),
    "too large": (lambda b: b + b" " * (1 << 24), "is larger than 16 MiB"),
    "nested 100 deep": (lambda b: nested(100), ""),
    "nested 250 deep": (lambda b: nested(250), ""),
    "nested 900 deep": (lambda b: nested(900), "nests too deeply"),
    "nested 2000 deep": (lambda b: nested(2000), "nests too deeply"),
    "nested 100000 deep": (lambda b: nested(100_000), "nests too deeply"),
}


@pytest.mark.parametrize("damage", BYTES)
def test_damaged_bytes_of_a_case(
    damage: str, folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even where the manifest has the size and SHA-256 of the damaged bytes."""
    change, said = BYTES[damage]
    with within(5):
        folder.put(TINY, change(folder.file(TINY).read_bytes()))
    if damage in ("too large", "empty"):  # sizes that a manifest may not have
        said = "is larger than 16 MiB" if damage == "too large" else "has 0 bytes"
        folder.resize(TINY, 1)

    with within(20):
        assert_refused(capsys, folder, folder.name(TINY), said)


@pytest.mark.parametrize("damage", BYTES)
def test_damaged_bytes_of_the_manifest(
    damage: str, folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is nothing to hold the cases to, and no verb goes on."""
    change, said = BYTES[damage]
    path = folder.path / MANIFEST
    path.write_bytes(change(path.read_bytes()))

    with within(10):
        assert_refused(capsys, folder, MANIFEST, said, others=0)
        for verb in (["list"], ["show", TINY], ["export", "--to", "npz"], ["diff", TINY]):
            status, out, err = golden(capsys, *verb, "--corpus", folder.path)

            assert (status, out, len(err)) == (1, "", 1)
            assert err[0].startswith(f"paratrooper-ref: {MANIFEST}: ")
            assert said in err[0]


@pytest.mark.parametrize("damage", ["cut off", "empty", "zeros", "a line more", "CRLF", "BOM"])
def test_damage_that_is_not_sealed(
    damage: str, folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    """The manifest tells size and SHA-256."""
    path = folder.file(TINY)
    path.write_bytes(BYTES[damage][0](path.read_bytes()))

    same_size = damage == "zeros"
    said = "another SHA-256" if same_size else f"bytes, {MANIFEST} says"
    assert_refused(capsys, folder, folder.name(TINY), said)


# --------------------------------------------------------------------------- content


def put(path: str, value: Any) -> Edit:
    """Return an edit that sets a field, such as "steps.0.t"."""

    def change(content: Content) -> None:
        *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
        place: Any = content
        for part in parents:
            place = place[part]
        place[last] = value

    return change


def drop(path: str) -> Edit:
    """Return an edit that removes a field."""

    def change(content: Content) -> None:
        *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
        place: Any = content
        for part in parents:
            place = place[part]
        del place[last]

    return change


def deep_arguments(depth: int, inner: Any = 1) -> Any:
    """Return arguments of a problem that nest."""
    for _ in range(depth):
        inner = [inner]
    return {"problem": "rosenbrock", "arguments": {"n": inner}}


def deep_objects(depth: int) -> Any:
    """Return arguments of a problem that nest in objects."""
    made: Any = {"problem": "rosenbrock", "arguments": {}}
    for _ in range(depth):
        made = {"problem": "shifted", "arguments": {"problem": made}}
    return made


def deep_spec(depth: int) -> Any:
    """Return a spec that goes around others."""
    made: Any = {"algorithm": "adam", "hyper": {}}
    for _ in range(depth):
        hyper = {"alpha": "3fe0000000000000", "inner": made, "k": 5}
        made = {"algorithm": "lookahead", "hyper": hyper}
    return made


HI = "steps.0.lines.w.m.hi"
EDITS: dict[str, tuple[str, Edit, tuple[str, ...]]] = {
    # numbers
    "NaN in a line": (TINY, put("steps.0.lines.s.m.hi", NAN), ("steps[0].lines.s.m.hi", "match")),
    "-NaN in a line": (TINY, put("steps.0.lines.s.m.hi", "fff8000000000001"), ("lines.s.m.hi",)),
    "inf in a line": (TINY, put("steps.0.lines.s.m.hi", INFINITY), ("steps[0].lines.s.m.hi",)),
    "-inf in a line": (TINY, put("steps.0.lines.s.m.hi", "fff0000000000000"), ("s.m.hi",)),
    "NaN in lo": (TINY, put("steps.0.lines.s.m.lo", NAN), ("steps[0].lines.s.m.lo",)),
    "NaN in an input": (TINY, put("steps.0.inputs.s.g", {"hi": NAN}), ("steps[0].inputs.s.g",)),
    "inf in an input": (TINY, put("steps.0.inputs.s.theta.hi", INFINITY), ("inputs.s.theta.hi",)),
    "NaN as rate": (TINY, put("steps.0.lr", NAN), ("steps[0].lr",)),
    "inf as rate": (TINY, put("steps.0.lr", INFINITY), ("steps[0].lr",)),
    "NaN as metric": (PLATEAU, put("steps.0.metric", NAN), ("steps[0].metric",)),
    "NaN in the growth": (LOOP, put("growth", " ".join([NAN] * 4)), ("growth",)),
    "NaN in the spec": (TINY, put("spec.hyper.eps", NAN), ("spec.hyper.eps",)),
    "NaN in the spec of a layer": (TINY, put("spec.layers", {"w": {"lr": NAN}}), ("spec.layers",)),
    "NaN in the schedule": (
        PLATEAU, put("schedule.arguments.factor", NAN), ("schedule.arguments.factor",)
    ),
    "-inf in the spec": (TINY, put("spec.hyper.eps", "fff0000000000000"), ("spec.hyper.eps",)),
    "too many digits": (TINY, put("steps.0.lines.s.m.hi", "0" * 17), ("steps[0].lines.s.m.hi",)),
    "too few digits": (TINY, put("steps.0.lines.s.m.hi", "0" * 15), ("steps[0].lines.s.m.hi",)),
    "capital digits": (TINY, put("steps.0.lines.s.m.hi", "3E20" + "0" * 12), ("lines.s.m.hi",)),
    "a line feed behind": (TINY, put("steps.0.lines.s.m.hi", "3e20" + "0" * 12 + "\n"), ("m.hi",)),
    "a space behind": (TINY, put("steps.0.lines.s.m.hi", "3e20" + "0" * 12 + " "), ("s.m.hi",)),
    "two spaces between": (
        TINY, put("steps.0.lines.b.m.hi", "  ".join(["0" * 16] * 3)), ("steps[0].lines.b.m.hi",)
    ),
    "an Arabic digit": (TINY, put("steps.0.lines.s.m.hi", "\u0663" * 16), ("lines.s.m.hi",)),
    "no text": (TINY, put("steps.0.lines.s.m.hi", 0), ("lines.s.m.hi", "type string")),
    "one number too many": (TINY, put("steps.0.lines.s.m.hi", "0" * 16 + " " + "0" * 16), ("1",)),
    "a number of none": (TINY, put("steps.0.lines.s.m.hi", ""), ("steps[0].lines.s.m.hi",)),
    "lo without need": (TINY, put("steps.0.lines.s.lr.lo", "0" * 16), ("s.lr.lo", "left out")),
    "-0 as lo": (TINY, put("steps.0.lines.s.lr.lo", "8" + "0" * 15), ("s.lr.lo",)),
    "lo too large": (TINY, put("steps.0.lines.s.lr.lo", "3f" + "0" * 14), ("s.lr.lo", "half")),
    "not proved": (TINY, put("steps.0.lines.s.m.proved", False), ("s.m.proved",)),
    "1 for true": (TINY, put("steps.0.lines.s.m.proved", 1), ("s.m.proved",)),
    "a flag that is a number": (SWITCH, put("steps.0.lines.w.rectified", 0), ("rectified",)),
    "a flag of a line": (TINY, put("steps.0.lines.s.m", True), ("steps[0].lines.s.m",)),
    # facts
    "a surrogate in a text": (TINY, put("about", "\ud800"), ("about",)),
    "a surrogate as a key within": (TINY, put("spec.hyper.\ud800", 1), ("spec.hyper",)),
    "an escape in a text": (TINY, put("about", "\x1b[2Jall is well"), ("about",)),
    "two lines in a text": (TINY, put("about", "one\ntwo"), ("about",)),
    "no text about it": (TINY, put("about", ""), ("about",)),
    "a long text": (TINY, put("about", "x" * 401), ("about", "401 characters")),
    "another field": (TINY, put("host", "here"), ("host", "is not a field")),
    "another field in a step": (TINY, put("steps.0.time", 1), ("steps[0].time",)),
    "another line": (TINY, put("steps.0.lines.w.momentum", True), ("lines.w.momentum",)),
    "another slot": (TINY, put("steps.0.inputs.w.x", {"hi": "0" * 16}), ("inputs.w.x",)),
    "a slot of others": (
        TINY, put("steps.0.inputs.s.u", {"hi": "0" * 16}), ("steps[0].inputs.s", "g, m, theta, v")
    ),
    "no steps": (TINY, put("steps", []), ("steps", "0 items")),
    "a long name": (TINY, put("case", "a/" + "b" * 79), ("case",)),
    "another case": (TINY, put("case", "adam/other"), ("case", MANIFEST)),
    "the name of another case": (TINY, put("case", STILL), ("case", MANIFEST)),
    "a path as a name": (TINY, put("case", "adam/../../x"), ("case",)),
    "another tier": (TINY, put("tier", "full"), ("tier", MANIFEST)),
    "no tier": (TINY, put("tier", "middle"), ("tier",)),
    "a claim twice": (TINY, put("catches", ["adam.x", "adam.x"]), ("catches", "twice")),
    "an unknown claim": (TINY, put("catches", ["adam.nonsense"]), ("catches[0]", "adam.nonsense")),
    "a claim of others": (TINY, put("catches", ["lookahead.nonsense"]), ("catches[0]",)),
    "a claim that is no name": (TINY, put("catches", ["../adam"]), ("catches[0]",)),
    "more steps counted": (TINY, put("count.steps", 3), ("count.steps", "says 3", "has 2")),
    "fewer values counted": (TINY, put("count.values", 217), ("count.values", "says 217")),
    "a negative count": (TINY, put("count.values", -1), ("count.values",)),
    "a count that is true": (TINY, put("count.steps", True), ("count.steps",)),
    # layers
    "a huge shape": (TINY, put("layers.0.shape", [65536] * 8), ("inputs.w", "numbers, the layer")),
    "a shape too large": (TINY, put("layers.0.shape", [65537]), ("layers[0].shape[0]",)),
    "a shape of nothing": (TINY, put("layers.0.shape", [0]), ("layers[0].shape[0]",)),
    "a negative shape": (TINY, put("layers.0.shape", [-3, -2]), ("layers[0].shape[0]",)),
    "nine axes": (TINY, put("layers.0.shape", [1] * 9), ("layers[0].shape", "9 items")),
    "a layer twice": (TINY, lambda c: c["layers"].append(c["layers"][0]), ("layers", "twice")),
    "a layer without numbers": (
        TINY, lambda c: c["layers"].append({"name": "x", "shape": [1]}), ("steps[0].inputs",)
    ),
    "a layer as a path": (TINY, put("layers.0.name", "../w"), ("layers[0].name",)),
    "no layers": (TINY, put("layers", []), ("layers", "0 items")),
    # spec
    "an unknown algorithm": (TINY, put("spec.algorithm", "adamx"), ("spec", "adamx", "'adam'")),
    "an unknown hyperparameter": (TINY, put("spec.hyper.beta3", 1), ("spec", "beta3")),
    "a hyperparameter less": (TINY, drop("spec.hyper.eps"), ("spec", "every hyperparameter")),
    "beta1 of 2": (TINY, put("spec.hyper.beta1", to_hex(2.0)), ("spec", "beta1 < 1")),
    "beta1 of -1": (TINY, put("spec.hyper.beta1", to_hex(-1.0)), ("spec", "beta1")),
    "beta1 that is true": (TINY, put("spec.hyper.beta1", True), ("spec", "beta1")),
    "beta1 that is a word": (TINY, put("spec.hyper.beta1", "large"), ("spec", "beta1")),
    "beta1 that is a list": (TINY, put("spec.hyper.beta1", ["0" * 16]), ("spec.hyper.beta1",)),
    "no beta1": (TINY, put("spec.hyper.beta1", None), ("spec", "beta1")),
    "an infinite eps": (TINY, put("spec.hyper.eps", INFINITY), ("spec", "finite eps")),
    "a negative k": (SYNC, put("spec.hyper.k", -1), ("spec", "k")),
    "a huge k": (SYNC, put("spec.hyper.k", 1 << 31), ("spec.hyper.k",)),
    "k in hexadecimal": (SYNC, put("spec.hyper.k", to_hex(3.0)), ("spec",)),
    "a double as an integer": (STILL, put("spec.hyper.lower", 1), ("spec",)),
    "a flag as an integer": (STILL, put("spec.hyper.eps_inside_root", 1), ("spec",)),
    "an unknown word": (STILL, put("spec.hyper.warmup", "perhaps"), ("spec", "perhaps")),
    "a layer of the spec alone": (
        TINY, put("spec.layers", {"x": {"lr": to_hex(0.5)}}), ("steps[0]", "'x'")
    ),
    "an inner spec of others": (TINY, put("spec.hyper.inner", deep_spec(0)), ("spec", "inner")),
    "an inner spec that is missing": (SYNC, put("spec.hyper.inner", None), ("spec.hyper.inner",)),
    "an inner spec 2 deep": (SYNC, put("spec", deep_spec(2)), ("spec",)),
    # steps
    "a rate below zero": (TINY, put("steps.0.lr", to_hex(-1.0)), ("steps[0]", "lr")),
    "a rate of no line": (TINY, put("steps.0.lr", to_hex(0.5)), ("steps[0].lines",)),
    "a rate of -0": (NO_RATE, put("steps.0.lr", NEGATIVE_ZERO), ("steps[0].lr",)),
    "a hyperparameter of -0": (NO_RATE, put("spec.hyper.lr", NEGATIVE_ZERO), ("spec",)),
    "a metric of -0": (PLATEAU, put("steps.3.metric", NEGATIVE_ZERO), ("steps[3]",)),
    "growth of -0": (LOOP, put("growth", " ".join([NEGATIVE_ZERO] * 4)), ("growth",)),
    "step 0": (TINY, put("steps.0.t", 0), ("steps[0].t",)),
    "a step left out": (TINY, put("steps.1.t", 13), ("steps[1].t", "follow 11")),
    "a step beyond all": (TINY, put("steps.1.t", 10**12 + 1), ("steps[1].t",)),
    "a late step": (TINY, lambda c: [s.update(t=10**12 - 1 + i) for i, s in enumerate(c["steps"])],
        ("steps[0].lines",)),
    "no bfloat16": (TINY, put("steps.0.inputs.s.g.hi", "be50a00000000001"), ("s.g", "bfloat16")),
    "too large for bfloat16": (TINY, put("steps.0.inputs.s.g.hi", to_hex(1e300)), ("inputs.s.g",)),
    "lo in an input": (TINY, put("steps.0.inputs.s.g.lo", "0" * 15 + "1"), ("s.g", "bfloat16")),
    "no gradient": (TINY, put("steps.0.inputs.s.g", None), ("steps[0].lines.s",)),
    "an input that is none": (TINY, put("steps.0.inputs.s.theta", None), ("inputs.s.theta",)),
    "an input that is missing": (TINY, drop("steps.0.inputs.s.v"), ("steps[0].inputs.s",)),
    "a layer less": (TINY, drop("steps.1.inputs.s"), ("steps[1].inputs", "layers b, s, w")),
    "an input changed": (
        TINY, put("steps.1.inputs.s.m.hi", to_hex(1.0)), ("steps[1].inputs.s.m", "step 11")
    ),
    "a flag turned": (SWITCH, put("steps.0.lines.w.rectified", True), ("lines.w.rectified",)),
    "a line less": (
        TINY, lambda c: (drop("steps.0.lines.s.m_hat")(c), put("count.values", 217)(c)),
        ("steps[0].lines.s", "m_hat"),
    ),
    "a line more": (
        TINY,
        lambda c: (put("steps.0.lines.s.rho", c["steps"][0]["lines"]["s"]["lr"])(c),
            put("count.values", 219)(c)),
        ("steps[0].lines.s", "rho"),
    ),
    "a warm-up without need": (TINY, put("steps.0.warmup", "none"), ("steps[0]", "warmup")),
    "a warm-up of no kind": (PLATEAU, put("steps.0.warmup", "auto"), ("steps[0].warmup",)),
    "a warm-up that changes": (PLATEAU, put("steps.3.warmup", "none"), ("warmup",)),
    "a metric without a schedule": (TINY, put("steps.0.metric", "0" * 16), ("schedule", "metric")),
    # schedule, problem, growth
    "no schedule": (PLATEAU, drop("schedule"), ("schedule", "missing")),
    "an unknown schedule": (PLATEAU, put("schedule.schedule", "plato"), ("schedule", "plato")),
    "half a schedule": (PLATEAU, drop("schedule.arguments.factor"), ("schedule", "every argument")),
    "a schedule out of range": (
        PLATEAU, put("schedule.arguments.factor", to_hex(7.0)), ("schedule", "factor")
    ),
    "a schedule that never ends": (
        LOOP, put("schedule.arguments.steps", 2**31 - 1), ("steps[0].lr", "the schedule says")
    ),
    "an unasked metric": (LOOP, put("steps.0.metric", "0" * 16), ("steps[0].metric",)),
    "no metric": (PLATEAU, drop("steps.3.metric"), ("steps[3].metric",)),
    "a problem for a core case": (
        TINY, put("problem", {"problem": "rosenbrock", "arguments": {}}), ("problem", "full tier")
    ),
    "growth for a core case": (TINY, put("growth", "0" * 16 + " " + "0" * 16), ("growth",)),
    "no problem": (LOOP, drop("problem"), ("problem", "full tier")),
    "no growth": (LOOP, drop("growth"), ("growth", "full tier")),
    "growth of three": (LOOP, put("growth", " ".join(["0" * 16] * 3)), ("growth", "4 numbers")),
    "growth that is not admitted": (LOOP, put("growth", to_hex([1e-3] * 4)), ("growth",)),
    "negative growth": (LOOP, put("growth", to_hex([-1.0] * 4)), ("growth",)),
    "an unknown problem": (LOOP, put("problem.problem", "rosenbrok"), ("problem", "rosenbrok")),
    "another problem": (LOOP, put("problem.problem", "styblinski_tang"), ("problem",)),
    "other layers": (
        LOOP, put("problem", {"problem": "linear_net", "arguments": {}}), ("layers", "linear_net")
    ),
    "an argument too many": (LOOP, put("problem.arguments.m", 1), ("problem", "m")),
    "an argument out of range": (LOOP, put("problem.arguments.n", -1), ("problem", "n=-1")),
    "an argument too large": (LOOP, put("problem.arguments.n", 2**31 - 1), ("problem", "n=")),
    "an argument larger than that": (LOOP, put("problem.arguments.n", 10**14), ("problem",)),
    "not the start of the problem": (LOOP, drop("steps.0"), ("steps[0]",)),
}


def numbers(step: Content) -> int:
    """Return how many proved numbers the step before this one holds (of Rosenbrock's valley)."""
    found = 0
    for lines in (step.get("model", {}), *step["lines"].values()):
        found += sum(len(line["hi"].split()) for line in lines.values() if isinstance(line, dict))
    return found


@pytest.mark.parametrize("damage", EDITS)
def test_damaged_content(
    damage: str,
    folder: Folder,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Canonical and sealed again, and not so."""
    monkeypatch.chdir(tmp_path)
    case, change, said = EDITS[damage]
    if damage == "not the start of the problem":
        content = folder.content(case)
        first = content["steps"].pop(0)
        content["growth"] = content["growth"][17:]
        content["count"] = {"steps": 3, "values": content["count"]["values"] - numbers(first)}
        folder.put(case, text.write(content))
    else:
        folder.edit(case, change)

    with within(20):
        assert_refused(capsys, folder, folder.name(case), *said)
        for verb in READERS[1:4]:
            argv = [part.format(case=case, file=folder.file(case)) for part in verb]
            status, _, err = golden(capsys, *argv, "--corpus", folder.path)

            assert status in (0, 1), err  # they do not evaluate anything
            assert len(err) == status


def canonical(depth: int, content: Content) -> bytes:
    """Return the canonical bytes of what nests more deeply than is admitted."""
    names = vars(text)
    deep, stack = names["MOST_DEEP"], sys.getrecursionlimit()
    names["MOST_DEEP"] = 10 * depth + 100
    sys.setrecursionlimit(stack + 20 * depth)
    try:
        return text.write(content)
    finally:
        names["MOST_DEEP"] = deep
        sys.setrecursionlimit(stack)


@pytest.mark.parametrize("depth", [10, 20, 30, 100, 250, 300, 900, 2000])
@pytest.mark.parametrize("kind", ["lists", "problems", "specs"])
def test_content_that_nests(
    kind: str,
    depth: int,
    folder: Folder,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """At any depth, and for each verb that reads it: one line and no traceback."""
    monkeypatch.chdir(tmp_path)
    content = folder.content(LOOP)
    if kind == "lists":
        content["problem"] = deep_arguments(depth)
    elif kind == "problems":
        content["problem"] = deep_objects(depth // 2)
    else:
        content["spec"] = deep_spec(depth // 2)
    folder.put(LOOP, canonical(depth, content))

    with within(20):
        assert_refused(capsys, folder, folder.name(LOOP))
        for verb in READERS:
            argv = [part.format(case=LOOP, file=folder.file(LOOP)) for part in verb]
            status, _, err = golden(capsys, *argv, "--corpus", folder.path)

            assert status in (0, 1)
            assert len(err) == status


READERS = (
    ["list"],
    ["show", "{case}"],
    ["show", "{case}", "--json"],
    ["export", "{case}", "--to", "npz"],
    ["diff", "{file}"],
)


@pytest.mark.parametrize("verb", READERS, ids=" ".join)
@pytest.mark.parametrize(
    "damage", ["cut off", "UTF-16", "too large", "another version", "nested 900 deep", "a float"]
)
def test_each_verb_refuses_damaged_bytes(
    damage: str,
    verb: list[str],
    folder: Folder,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """In the same one line as verify, and nothing is exported."""
    monkeypatch.chdir(tmp_path)
    change, _ = BYTES[damage]
    folder.put(TINY, change(folder.file(TINY).read_bytes()))
    if damage == "too large":
        folder.resize(TINY, 1)
    argv = [part.format(case=TINY, file=folder.file(TINY)) for part in verb]

    with within(10):
        status, out, err = golden(capsys, *argv, "--corpus", folder.path)

    assert (status, out, len(err)) == (1, "", 1)
    assert "tiny-decimal.json: " in err[0]
    assert list(tmp_path.rglob("*.npz")) == []


@pytest.mark.parametrize("about", ["\ud800", "\x1b[2J", "a\nb", "\u202e", "\x00"])
def test_a_text_does_no_harm(
    about: str, folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a file says of itself cannot steer a terminal, or stop the listing."""
    folder.edit(TINY, put("about", about))

    for verb in (["list", TINY], ["show", TINY]):
        status, out, err = golden(capsys, *verb, "--corpus", folder.path)

        assert status in (0, 1)
        assert len(err) == status
        assert all(line.isprintable() for line in out.split("\n"))
        assert about not in out


# --------------------------------------------------------------------------- honest hashes


def last_again(golden: Golden, **changes: Any) -> Golden:
    """Return a case whose last step is another one, proved anew: all of its lines hold."""
    step, _ = step_again(golden, replace(golden.steps[-1], **changes))
    return replace(golden, steps=(*golden.steps[:-1], step))


def test_a_rate_that_the_schedule_does_not_give(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line is proved at that rate; the schedule alone tells."""
    found = folder.golden(PLATEAU)
    changed = last_again(found, lr=math.nextafter(found.steps[-1].lr, 1))
    folder.put(PLATEAU, dump(changed))

    assert_refused(capsys, folder, folder.name(PLATEAU), "steps[7].lr", "the schedule says")


@pytest.mark.parametrize("slot", ["theta", "u", "slow"])
def test_an_input_that_the_step_before_has_not_left(
    slot: str, folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line is proved from it; only the chain is broken."""
    found = folder.golden(SYNC)
    step = found.steps[-1]
    value = step.inputs["w"][slot]
    assert value is not None
    other = value._replace(hi=value.hi * 2)
    changed = last_again(found, inputs={"w": {**step.inputs["w"], slot: other}})
    folder.put(SYNC, dump(changed))

    place = f"steps[{len(found.steps) - 1}].inputs.w.{slot}"
    assert_refused(capsys, folder, folder.name(SYNC), place, f"step {step.t - 1}")


def test_a_step_that_does_not_follow(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """Each line is proved at that number; it is not the next one."""
    found = folder.golden(TINY)
    folder.put(TINY, dump(last_again(found, t=found.steps[-1].t + 1)))

    assert_refused(capsys, folder, folder.name(TINY), "steps[1].t", "follow")


def test_a_warm_up_that_the_step_before_has_not_chosen(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line is proved under it; the step before leads elsewhere."""
    found = folder.golden(PLATEAU)
    folder.put(PLATEAU, dump(last_again(found, warmup="none")))

    assert_refused(capsys, folder, folder.name(PLATEAU), "warmup", "momentum")


def test_a_claim_that_does_not_hold(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """The numbers do, and --prove alone evaluates variants."""
    found = folder.golden(TINY)
    fitting = [v for v in VARIANTS.values() if v.fits(found.optimizer)]
    shares = margins(found, fitting)
    hidden = min(shares, key=lambda name: shares[name])
    assert shares[hidden] < MARGIN
    folder.put(TINY, dump(replace(found, catches=(*found.catches, hidden))))

    assert checked(capsys, folder).status == 0
    said = (f"catches[{len(found.catches)}]", hidden)
    assert_refused(capsys, folder, folder.name(TINY), *said, more=("--prove",))


def test_a_claim_of_another_optimizer(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """A variant that does not concern the optimizer is refused by --prove at the latest."""
    found = folder.golden(TINY)
    odd = next(name for name, v in VARIANTS.items() if not v.fits(found.optimizer))
    folder.put(TINY, dump(replace(found, catches=(odd,))))

    assert_refused(capsys, folder, folder.name(TINY), "catches[0]", odd, more=("--prove",))


def test_growth_that_is_not_the_proved_one(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last bit of it."""
    found = folder.golden(LOOP)
    assert found.growth is not None
    grown = found.growth.copy()
    grown[2] = np.nextafter(grown[2], 1)
    folder.put(LOOP, dump(replace(found, growth=grown)))

    assert_refused(capsys, folder, folder.name(LOOP), "growth", more=("--prove",))


def test_a_trajectory_of_another_start(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """All of it is proved, but not from the problem's customary start."""
    optimizer = pr.Paratrooper(lr=1e-2)
    elsewhere = replace(problems.rosenbrock(), starts=({"x": np.array([0.5, 0.25])},))
    loop = Full(case=LOOP, about="x", optimizer=optimizer, problem=elsewhere, steps=4)
    folder.put(LOOP, dump(make(loop)))

    for more in (("--prove",), ()):
        assert_refused(capsys, folder, folder.name(LOOP), "steps[0].inputs.x", more=more)


# --------------------------------------------------------------------------- manifest


def sealed(content: Content) -> bytes:
    """Return a manifest with the SHA-256 of what it says, whether that is so or not."""
    rest = {key: value for key, value in content.items() if key != "sha256"}
    return text.write(rest | {"sha256": sha256(text.write(rest))})


LISTED: dict[str, tuple[Edit, tuple[str, ...]]] = {
    "a digest too short": (put("cases.0.sha256", "0" * 63), ("cases[0].sha256",)),
    "a digest too long": (put("cases.0.content", "0" * 65), ("cases[0].content",)),
    "a digest in capitals": (put("cases.0.content", "A" * 64), ("cases[0].content",)),
    "a digest with a line feed": (put("cases.0.sha256", "0" * 64 + "\n"), ("cases[0].sha256",)),
    "a digest of none": (put("digest", ""), ("digest",)),
    "a digest of another content": (put("digest", "0" * 64), ("digest",)),
    "a short digest of changes": (put("changes", "0" * 8), ("changes",)),
    "a case twice": (lambda c: c["cases"].insert(0, c["cases"][0]), ("cases", "each once")),
    "a case twice, of both tiers": (
        lambda c: c["cases"].insert(0, {**c["cases"][0], "tier": "full"}), ("cases", "each once")
    ),
    "another order": (lambda c: c["cases"].reverse(), ("cases", "sorted")),
    "a way out": (put("cases.0.case", "../../etc/passwd"), ("cases[0].case",)),
    "a way out of a group": (put("cases.0.case", "adam/../x"), ("cases[0].case",)),
    "a way from the root": (put("cases.0.case", "/etc/passwd"), ("cases[0].case",)),
    "a backslash": (put("cases.0.case", "adam\\x"), ("cases[0].case",)),
    "a name with a dot": (put("cases.0.case", "adam/."), ("cases[0].case",)),
    "a name with a line feed": (put("cases.0.case", "adam/x\n"), ("cases[0].case",)),
    "a name with a zero": (put("cases.0.case", "adam/x\0"), ("cases[0].case",)),
    "another tier": (put("cases.0.tier", ".."), ("cases[0].tier",)),
    "a count that lies": (put("count.core", HELD + 1), ("count",)),
    "a count that is negative": (put("count.full", -1), ("count.full",)),
    "a count that is true": (put("count.full", True), ("count.full",)),
    "a huge size": (put("cases.0.bytes", (1 << 24) + 1), ("cases[0].bytes",)),
    "no size": (drop("cases.0.bytes"), ("cases[0]", "bytes")),
    "no cases": (put("cases", []), ("cases", "0 items")),
    "cases by name": (put("cases", {}), ("cases", "type array")),
    "another licence": (put("licence", "none"), ("licence",)),
    "half a version": (put("corpus", "1.0"), ("corpus",)),
    "a version with zeros": (put("corpus", "01.0.0"), ("corpus",)),
    "a version beyond all": (put("corpus", "1.0.1000000"), ("corpus",)),
    "another field": (put("host", "here"), ("host",)),
    "another format": (put("format", "paratrooper-ref golden manifest 2"), ("format", "reads")),
}


@pytest.mark.parametrize("damage", LISTED)
def test_a_damaged_list(damage: str, folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """Sealed, and refused for what it says."""
    change, said = LISTED[damage]
    path = folder.path / MANIFEST
    content = json.loads(path.read_bytes())
    change(content)
    path.write_bytes(sealed(content))

    assert_refused(capsys, folder, MANIFEST, *said, others=0)


def test_a_list_with_another_seal(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """Its own SHA-256 is checked."""
    path = folder.path / MANIFEST
    content = json.loads(path.read_bytes())
    path.write_bytes(text.write({**content, "sha256": "0" * 64}))

    assert_refused(capsys, folder, MANIFEST, "sha256", others=0)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("bytes", 1, "bytes, MANIFEST.json says 1"),
        ("sha256", "0" * 64, "another SHA-256"),
        ("content", "0" * 64, "content: is not what MANIFEST.json says"),
        ("steps", 99, "steps: is not what MANIFEST.json says"),
        ("values", 99, "values: is not what MANIFEST.json says"),
    ],
)
def test_an_entry_that_lies(
    field: str, value: Any, said: str, folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of its facts is held to the file."""
    changed = [replace(e, **{field: value}) if e.case == TINY else e for e in folder.entries()]
    folder.seal(changed)

    assert_refused(capsys, folder, folder.name(TINY), said)


def test_files_that_have_changed_places(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    """A case has the name of its file."""
    written = folder.file(STILL).read_bytes()
    facts = {e.case: e for e in folder.entries()}
    folder.file(TINY).write_bytes(written)
    folder.seal([
        replace(facts[STILL], case=TINY) if e.case == TINY else e for e in folder.entries()
    ])

    assert_refused(capsys, folder, folder.name(TINY), "case: is not what MANIFEST.json says")


def test_a_case_that_is_missing(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """The core tier is whole; of the full one a case may be not generated."""
    folder.file(TINY).unlink()

    assert_refused(capsys, folder, folder.name(TINY), "listed in MANIFEST.json and missing")


def test_a_case_that_is_not_listed(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever else lies in the folder counts as damage, but for hidden files."""
    folder.seal([entry for entry in folder.entries() if entry.case != TINY])
    assert_refused(capsys, folder, folder.name(TINY), "not listed in MANIFEST.json")

    folder.file(TINY).rename(folder.path / ".hidden.json")
    assert checked(capsys, folder).status == 0
    (folder.path / "core/adam/notes.txt").write_text("not a case")
    assert_refused(capsys, folder, "core/adam/notes.txt", "not listed", others=HELD - 1)


def test_a_stranger_with_an_odd_name(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, and printable, whatever the file is called."""
    odd = os.fsdecode(b"a\nb\xff\x1b.json")
    (folder.path / "core" / odd).write_bytes(b"")

    status, out, err = checked(capsys, folder)
    assert (status, len(err)) == (1, 1)
    assert err[0].isascii()
    assert err[0].isprintable()
    assert out.startswith(f"{HELD} cases hold")
    status, out, err = checked(capsys, folder, "--json")
    assert len(json.loads(out)["errors"]) == 1


def test_changes_that_are_not_those_of_the_list(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    """Changed, missing, too large: the list of changes is held to the manifest too."""
    path = folder.path / CHANGES
    for written in (b"", path.read_bytes() + b"\n", b" " * ((1 << 24) + 1)):
        path.write_bytes(written)
        status, _, err = checked(capsys, folder)
        assert (status, len(err)) == (1, 1)
        assert err[0].startswith(f"paratrooper-ref: {CHANGES}: ")
    path.unlink()
    status, _, err = checked(capsys, folder)
    assert (status, len(err)) == (1, 1)
    assert err[0].startswith(f"paratrooper-ref: {CHANGES}: cannot be read")


def test_every_damaged_file_has_a_line(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """In the order of the list, whatever the number of processes; the rest holds."""
    for case in (SWITCH, TINY, LOOP):
        written = folder.file(case).read_bytes()
        folder.file(case).write_bytes(written[:-1])

    found = [checked(capsys, folder), checked(capsys, folder, "--jobs", "2")]

    assert found[0] == found[1]
    status, out, err = found[0]
    assert status == 1
    names = [line.split(": ")[1] for line in err]
    assert names == [folder.name(case) for case in (TINY, SWITCH, LOOP)]
    assert out.startswith(f"{HELD - 3} cases hold")
    assert "3 do not hold" in out


# --------------------------------------------------------------------------- what is no file


def fifo(path: Path) -> None:
    """Make a pipe that nobody writes to."""
    os.mkfifo(path)


def circle(path: Path) -> None:
    """Make a link to itself."""
    path.symlink_to(path)


def nowhere(path: Path) -> None:
    """Make a link to nothing."""
    path.symlink_to(path.parent / "nothing")


def endless(path: Path) -> None:
    """Make a link to a file without end."""
    path.symlink_to("/dev/zero")


ODD: dict[str, Callable[[Path], None]] = {
    "a folder": Path.mkdir, "a pipe": fifo, "a loop": circle, "nowhere": nowhere, "zero": endless,
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("case", [TINY, LOOP])
def test_what_is_no_file_in_place_of_a_case(
    case: str, odd: str, folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing waits for a writer; a case of the full tier is not "absent" either."""
    folder.file(case).unlink()
    ODD[odd](folder.file(case))

    with within(5):
        assert_refused(capsys, folder, folder.name(case))


@pytest.mark.parametrize("verb", READERS[:4], ids=" ".join)
@pytest.mark.parametrize("odd", ODD)
def test_no_verb_reads_what_is_no_file(
    odd: str,
    verb: list[str],
    folder: Folder,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """One line for each verb, and no waiting."""
    monkeypatch.chdir(tmp_path)
    folder.file(TINY).unlink()
    ODD[odd](folder.file(TINY))

    with within(5):
        argv = [part.format(case=TINY) for part in verb]
        status, _, err = golden(capsys, *argv, "--corpus", folder.path)

    assert (status, len(err)) == (1, 1)
    assert err[0].startswith(f"paratrooper-ref: {folder.name(TINY)}: ")


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", [MANIFEST, CHANGES])
def test_what_is_no_file_in_place_of_the_list(
    name: str, odd: str, folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same for the manifest and the list of changes."""
    (folder.path / name).unlink()
    ODD[odd](folder.path / name)

    with within(5):
        assert_refused(capsys, folder, name, others=0)


@pytest.mark.parametrize("odd", ["a pipe", "a loop", "nowhere", "zero"])
def test_what_is_no_file_beside_the_cases(
    odd: str, folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not listed, so it is named."""
    ODD[odd](folder.path / "core/adam/more.json")

    with within(5):
        assert_refused(capsys, folder, "core/adam/more.json", "not listed", others=HELD)


def test_a_loop_of_folders_does_not_hang(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    """A link to the folder above it is not followed round and round."""
    (folder.path / "core/adam/up").symlink_to("..", target_is_directory=True)

    with within(5):
        status, out, err = checked(capsys, folder)

    assert len(err) == status
    assert out.startswith(f"{HELD} cases hold")


def test_a_file_that_may_not_be_read(
    folder: Folder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Permission is a reason like others (root gives up its own for this)."""
    for path in folder.path.rglob("*"):
        path.chmod(0o755)
    folder.file(TINY).chmod(0)
    folder.path.chmod(0o755)
    monkeypatch.chdir(folder.path)
    here = Folder(Path())
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        assert_refused(capsys, here, here.name(TINY), "cannot be read: Permission denied")
    finally:
        if root:
            os.seteuid(0)


VERBS = (
    ["verify"], ["list"], ["show", TINY], ["diff", TINY], ["export", "--to", "npz"],
    ["regenerate", TINY, "--reason", "x"], ["regenerate", "--accept"],
)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
@pytest.mark.parametrize("path", ["missing", "file", "empty", "missing/deeper", "file/deeper"])
def test_a_path_that_is_no_corpus_is_status_2(
    path: str,
    verb: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One line that names it, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("not a corpus")
    before = Folder(tmp_path).listing()

    status, out, err = golden(capsys, *verb, "--corpus", path)

    assert (status, out, len(err)) == (2, "", 1)
    assert path in err[0]
    assert MANIFEST in err[0]
    assert Folder(tmp_path).listing() == before


# --------------------------------------------------------------------------- as processes

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
from paratrooper_ref.cli import main
sys.exit(main(sys.argv[1:]))
"""


def process(*argv: str | Path, seconds: float = 200) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, within 3 GiB."""
    return subprocess.run(
        [sys.executable, "-c", LIMITED, "golden", *map(str, argv)],
        capture_output=True, text=True, timeout=seconds, check=False,
        cwd=Path(pr.__file__).parents[1], env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )


def test_a_process_refuses_in_one_line_a_file(folder: Folder) -> None:
    """With its exit status, and no traceback."""
    folder.put(TINY, b"[" * 100_000)
    folder.file(STILL).write_bytes(b"")
    folder.edit(PLATEAU, put("layers.0.shape", [65536] * 8))
    before = folder.listing()

    done = process("verify", "--corpus", folder.path, "--jobs", "2")

    assert done.returncode == 1
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == [
        folder.name(case) for case in (TINY, PLATEAU, STILL)
    ]
    assert done.stdout.startswith(f"{HELD - 3} cases hold")
    assert folder.listing() == before


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("linear_regression", {"n": 1_000_000, "d": 1000}),
        ("linear_net", {"depth": 1000, "width": 200, "samples": 1_000_000}),
        ("layered_quadratic", {"scales": [to_hex(1.0)] * 4096, "width": 1_000_000}),
    ],
)
def test_a_file_cannot_make_verify_eat_the_machine(
    name: str, arguments: dict[str, Any], folder: Folder
) -> None:
    """Arguments that are admitted one by one: gigabytes, or minutes, from a few bytes."""
    folder.edit(LOOP, put("problem", {"problem": name, "arguments": arguments}))

    try:
        done = process("verify", "--corpus", folder.path, "--jobs", "1", seconds=80)
    except subprocess.TimeoutExpired:
        pytest.fail("it takes more than 8 s")

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"paratrooper-ref: {folder.name(LOOP)}: ")
    assert "MemoryError" not in done.stderr


def test_verify_needs_numpy_alone(folder: Folder) -> None:
    """Without python-flint and matplotlib it holds; what needs proofs says so, status 2."""
    code = (
        "import sys; sys.modules['flint'] = sys.modules['matplotlib'] = None\n"
        "from paratrooper_ref.cli import main; sys.exit(main(sys.argv[1:]))"
    )

    def run(*argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, "golden", *argv, "--corpus", str(folder.path)],
            capture_output=True, text=True, check=False, cwd=Path(pr.__file__).parents[1],
        )

    assert run("verify", "--jobs", "2").returncode == 0
    for argv in (["verify", "--prove"], ["generate"], ["regenerate", TINY, "--reason", "x"]):
        done = run(*argv)
        assert done.returncode == 2
        assert done.stderr == (
            "paratrooper-ref: proofs need python-flint: install it (the extra 'prove')\n"
        )


# --------------------------------------------------------------------------- random digits


@pytest.mark.slow
def test_random_flips_are_all_caught(folder: Folder) -> None:
    """400 single digits or bits in all files: the damaged one is named, and no other one."""
    for case in (SWITCH, PLATEAU, NO_RATE, "adam/frozen-dyadic"):
        folder.file(case).unlink()
    folder.seal([e for e in folder.entries() if folder.file(e.case).exists() or e.case == ABSENT])
    source = random.Random(20)
    paths = sorted(p for p in folder.path.rglob("*") if p.is_file())
    for _ in range(400):
        path = source.choice(paths)
        whole = path.read_bytes()
        place = source.randrange(len(whole))
        digits = [i for i in range(len(whole)) if chr(whole[i]) in "0123456789abcdef"]
        if source.random() < 0.5 and digits:
            place = source.choice(digits)
            new = ord(source.choice("0123456789abcdef".replace(chr(whole[place]), "")))
        else:
            new = whole[place] ^ 1 << source.randrange(8)
        path.write_bytes(whole[:place] + bytes([new]) + whole[place + 1 :])

        report = verify(Corpus(folder.path))

        name = path.relative_to(folder.path).as_posix()
        assert [e.file for e in report.errors] == [name], (name, place, new)
        path.write_bytes(whole)
    assert verify(Corpus(folder.path)).holds


class Place(NamedTuple):
    """A number or flag of a step: what kind, where, and the how-many-th there."""

    kind: str
    path: tuple[str | int, ...]
    number: int


def places(content: Content) -> Iterator[Place]:
    """Yield the proved numbers and flags, and the inputs that a step before has left."""
    for i, step in enumerate(content["steps"]):
        tables: dict[tuple[str | int, ...], Content] = {
            ("steps", i, "lines", layer): lines for layer, lines in step["lines"].items()
        }
        tables["steps", i, "model"] = step.get("model", {})
        for path, lines in tables.items():
            for tag, line in lines.items():
                if isinstance(line, bool):
                    yield Place("flag", (*path, tag), 0)
                else:
                    yield from _words((*path, tag), line)
        for layer, given in step["inputs"].items():
            for slot, value in given.items():
                if i and slot != "g":
                    yield from _words(("steps", i, "inputs", layer, slot), value, "input ")
        if "schedule" in content:
            yield Place("lr", ("steps", i, "lr"), 0)


def _words(path: tuple[str | int, ...], value: Content, kind: str = "") -> Iterator[Place]:
    for part in ("hi", "lo"):
        for index in range(len(value.get(part, "").split())):
            yield Place(kind + part, (*path, part), index)


def flipped(content: Content, place: Place, bit: int) -> int | None:
    """Flip a bit; return how many doubles the number has moved, if it is one."""
    target: Any = content
    for part in place.path[:-1]:
        target = target[part]
    found = target[place.path[-1]]
    if isinstance(found, bool):
        target[place.path[-1]] = not found
        return None
    words = found.split()
    old = int(words[place.number], 16)
    words[place.number] = f"{old ^ 1 << bit:016x}"
    target[place.path[-1]] = " ".join(words)
    ranks = [x if x < 1 << 63 else (1 << 63) - x for x in (old, old ^ 1 << bit)]
    return abs(ranks[1] - ranks[0])


def caught(written: bytes, before: Entry, folder: Path) -> tuple[bool, bool]:
    """Return whether verify, and verify --prove, refuse a case with honest hashes."""
    Folder(folder).put_alone(before, written)
    seen = not verify(Corpus(folder)).holds
    return seen, seen or not verify(Corpus(folder), prove=True).holds


@pytest.fixture
def single(folder: Folder, tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that makes a corpus of one case."""

    def make_one(case: str) -> Path:
        path = tmp_path / "single" / case.replace("/", "-")
        Folder(path).file(case).parent.mkdir(parents=True)
        shutil.copyfile(folder.path / CHANGES, path / CHANGES)
        return path

    return make_one


@pytest.mark.slow
def test_random_flips_with_honest_hashes(
    folder: Folder, single: Callable[[str], Path]
) -> None:
    """The mathematics alone: --prove sees each one; verify all but the last bits.

    What plain verify cannot see: the remainders lo, and hi by less than what honest doubles may
    differ by, here a few units in the last place.
    """
    source = random.Random(7)
    cases = (*CORE, LOOP)
    contents = {case: folder.content(case) for case in cases}
    found = {case: list(places(contents[case])) for case in cases}
    entries = {entry.case: entry for entry in folder.entries()}
    corpora = {case: single(case) for case in cases}
    unseen: list[int] = []
    missed = []
    for _ in range(500):
        case = source.choice(cases)
        kind = source.choice(sorted({place.kind for place in found[case]}))
        place = source.choice([p for p in found[case] if p.kind == kind])
        content = json.loads(json.dumps(contents[case]))
        bit = source.randrange(64)
        moved = flipped(content, place, bit)

        plain, proved = caught(text.write(content), entries[case], corpora[case])

        if not proved:
            missed.append((case, place, bit))
        if not plain and place.kind == "hi":
            assert moved is not None
            unseen.append(moved)
        if not plain:
            assert place.kind in ("hi", "lo"), (case, place, bit)
    assert missed == []
    assert max(unseen) < 64  # and there are such
    assert len(unseen) < 60


@pytest.mark.slow
@pytest.mark.parametrize("case", [STILL, SYNC])
def test_each_bit_that_counts_is_caught(
    case: str, folder: Folder, single: Callable[[str], Path]
) -> None:
    """--prove sees the last bit and the sign of every hi and lo, those of zeros too."""
    whole = folder.content(case)
    (entry,) = (entry for entry in folder.entries() if entry.case == case)
    corpus = single(case)
    missed = []
    count = 0
    for place in places(whole):
        for bit in (0, 63) if place.kind in ("hi", "lo", "input hi", "input lo") else (0,):
            content = json.loads(json.dumps(whole))
            flipped(content, place, bit)
            count += 1
            made = Folder(corpus)
            made.put_alone(entry, text.write(content))
            if verify(Corpus(corpus), prove=True).holds:
                missed.append((".".join(map(str, place.path)), place.number, bit))
    assert count > 200
    assert missed == [], f"{len(missed)} of {count}"


def test_a_zero_has_no_sign(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """A proved 0 is +0: another pattern is not the proved one."""
    def negate(content: Content) -> None:
        g = content["steps"][0]["lines"]["w"]["g"]
        words = g["hi"].split()
        assert "0" * 16 in words
        g["hi"] = " ".join("8" + w[1:] if w == "0" * 16 else w for w in words)

    folder.edit(STILL, negate)

    assert_refused(capsys, folder, folder.name(STILL), more=("--prove",))


def test_steps_are_read_as_they_are_written(folder: Folder) -> None:
    """The helpers of this file do no damage of their own."""
    for case in (*CORE, LOOP):
        found = folder.golden(case)
        assert dump(found) == folder.file(case).read_bytes()
        assert text.write(folder.content(case)) == folder.file(case).read_bytes()
        assert isinstance(found.steps[0], Step)
        again = last_again(found) if found.tier == "core" else found
        assert dump(again) == dump(found)
        assert from_hex(to_hex(found.steps[0].lr)) == found.steps[0].lr
