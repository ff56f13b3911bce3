"""The page on the format says what is so: its examples run, and a reader in C agrees with ours."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from paratrooper_ref.golden import schema, text
from paratrooper_ref.golden.arrays import arrays, digest
from paratrooper_ref.golden.bits import to_bfloat16
from paratrooper_ref.golden.bounds import after
from paratrooper_ref.golden.check import Check
from paratrooper_ref.golden.content import content, dump, parse
from paratrooper_ref.golden.corpus import Corpus
from paratrooper_ref.golden.document import LARGE, MOST_GROWTH, Golden, Step, Value
from paratrooper_ref.golden.error import GoldenError
from paratrooper_ref.lines import MODEL_TAGS, TAGS
from paratrooper_ref.optimizers import OPTIMIZERS

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "golden-format.md").read_text("utf-8")
CASES = ("paratrooper/plain-decimal", "ranger/plateau-decimal", "lookahead/layers-dyadic")


@cache
def corpus() -> dict[str, tuple[bytes, Golden]]:
    """Return the core cases that are shipped, by name, and the bytes of each."""
    shipped = Corpus()
    found = {}
    for case, entry in shipped.manifest().cases.items():
        if entry.tier == "core":
            written = shipped.bytes_of(entry)
            found[case] = (written, parse(written, entry.file))
    return found


def steps() -> Iterator[tuple[Golden, Step]]:
    """Yield each step of the core tier."""
    for _, golden in corpus().values():
        for step in golden.steps:
            yield golden, step


def section(title: str) -> str:
    """Return a section of the page."""
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    return str(found)


def block(title: str, language: str) -> str:
    """Return the one block of code of this language in a section."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", section(title), re.DOTALL)
    return str(found)


def table(title: str, *head: str) -> list[list[str]]:
    """Return the cells of the table in a section that has this head."""
    _, mark, rest = section(title).partition("| " + " | ".join(head) + " |\n")
    assert mark, f"no table of {head} in {title}"
    rows = []
    for line in rest.split("\n")[1:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def codes(text: str) -> list[str]:
    """Return what a text has between backquotes."""
    return re.findall(r"`([^`\n]+)`", text)


# --------------------------------------------------------------------------- the reader in C


def compiled(folder: Path, source: Path, *flags: str) -> Path:
    """Return a program in C99, compiled without a warning."""
    cc = shutil.which("cc")
    if cc is None:
        pytest.skip("no C compiler (cc) is there")
    program = folder / source.stem
    words = [cc, "-std=c99", "-Wall", "-Wextra", "-Werror", "-O1", *flags, str(source), "-o"]
    made = subprocess.run([*words, str(program)], capture_output=True, text=True)
    if made.returncode and flags:
        pytest.skip(f"the C compiler lacks {' '.join(flags)}")
    assert made.returncode == 0, made.stderr
    return program


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the reader."""
    return compiled(tmp_path_factory.mktemp("plain"), HERE / "reader.c")


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the reader with checks of every access and of undefined behaviour."""
    flags = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    return compiled(tmp_path_factory.mktemp("sanitized"), HERE / "reader.c", *flags)


def run(program: Path, *arguments: Path) -> subprocess.CompletedProcess[str]:
    """Run a program; a sanitizer that objects ends it with status 99."""
    variables = {
        "ASAN_OPTIONS": "detect_leaks=0:exitcode=99",
        "UBSAN_OPTIONS": "halt_on_error=1:exitcode=99",
    }
    words = [str(program), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, env=variables, timeout=600)


def outcomes(
    program: Path, folder: Path, contents: list[bytes]
) -> list[subprocess.CompletedProcess[str]]:
    """Run a reader on each of some contents."""

    def one(i: int) -> subprocess.CompletedProcess[str]:
        path = folder / f"{i}.json"
        path.write_bytes(contents[i])
        return run(program, path)

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(one, range(len(contents))))


def listing(out: str) -> tuple[dict[str, list[str]], str]:
    """Return the numbers of a listing by name, and the digest."""
    *rows, last = out.splitlines()
    word, found = last.split(" ")
    assert word == "content"
    named: dict[str, list[str]] = {}
    for row in rows:
        name, index, number = row.split(" ")
        numbers = named.setdefault(name, [])
        assert int(index) == len(numbers), row
        numbers.append(number)
    return named, found


def expected(golden: Golden) -> dict[str, np.ndarray[Any, Any]]:
    """Return what the reader should list."""
    named = arrays(golden)
    del named["about"]
    for i, step in enumerate(golden.steps):
        named[f"steps/{i}/lr"] = np.array(step.lr)
        if step.metric is not None:
            named[f"steps/{i}/metric"] = np.array(step.metric)
    if golden.growth is not None:
        named["growth"] = golden.growth
    return named


def agrees(out: str, golden: Golden) -> None:
    """Hold a listing to a case, bit for bit."""
    found, content_digest = listing(out)
    wanted = expected(golden)
    assert list(found) == sorted(wanted)
    for name, x in wanted.items():
        if x.dtype.kind == "f":
            numbers = np.array([float.fromhex(number) for number in found[name]])
            assert numbers.tobytes() == np.ravel(x).tobytes(), name
        else:
            assert found[name] == [str(a) for a in x.flat], name
    assert content_digest == digest(golden)


def test_the_reader_reads_every_core_case_as_we_do(reader: Path, tmp_path: Path) -> None:
    """Every number bit for bit, and the content digest of the manifest."""
    manifest = Corpus().manifest()
    assert len(corpus()) == manifest.count("core") > 0
    found = outcomes(reader, tmp_path, [written for written, _ in corpus().values()])
    for (case, (_, golden)), ran in zip(corpus().items(), found, strict=True):
        assert (ran.returncode, ran.stderr) == (0, ""), case
        agrees(ran.stdout, golden)
        assert listing(ran.stdout)[1] == manifest.cases[case].content


def as_full(golden: Golden) -> Golden:
    """Return a case with all that only the full tier has, and notes that need escapes."""
    return replace(
        golden,
        tier="full",
        about='"quoted" and \\ ~ /',
        problem={"problem": "p", "arguments": {"inputs": {"lines": [1, -2.5, None]}, "e": []}},
        growth=np.geomspace(1e-16, 5e-324, len(golden.steps)),
    )


def test_the_reader_reads_what_only_full_cases_have(sanitized: Path, tmp_path: Path) -> None:
    """Growth, problems, metrics, and text with escapes."""
    cases = [as_full(corpus()[case][1]) for case in CASES]
    found = outcomes(sanitized, tmp_path, [dump(golden) for golden in cases])
    for golden, ran in zip(cases, found, strict=True):
        assert (ran.returncode, ran.stderr) == (0, "")
        agrees(ran.stdout, golden)


DEFECTS: Mapping[str, tuple[str, str]] = {
    "another format": ("golden 1", "golden 2"),
    "a field of the case": (' "spec"', ' "spac": 1,\n "spec"'),
    "keys out of order": ('"b": {\n     "g"', '"z": {\n     "g"'),
    "a key twice": (' "tier": "core"', ' "tier": "core",\n "tier": "core"'),
    "a missing layer": ('"s": {\n     "g"', '"t": {\n     "g"'),
    "a missing field": (',\n   "t": 1', ""),
    "another slot": ('"slow": {"hi": "3fe', '"t": {"hi": "3fe'),
    "another tag": ('"m_hat"', '"m_hut"'),
    "no hi": ('{"hi": "400d20', '{"ho": "400d20'),
    "not proved": ('"proved": true', '"proved": false'),
    "proved inputs": ('"bff2400000000000"}', '"bff2400000000000", "proved": true}'),
    "upper case": ('"400d200000000000', '"400D200000000000'),
    "a short number": ('"400d200000000000', '"400d20000000000'),
    "a long number": ('"400d200000000000', '"400d2000000000000'),
    "two spaces": ("400d200000000000 ", "400d200000000000  "),
    "one number less": ('"400d200000000000 ', '"'),
    "infinity": ('"400d200000000000', '"7ff0000000000000'),
    "not a number": ('"400d200000000000', '"fff8000000000001'),
    "lo of zero": ('"bff2400000000000"}', '"bff2400000000000", "lo": "0000000000000000"}'),
    "a flag that is none": ('"rectified": false', '"rectified": 0'),
    "a count of steps": ('"steps": 3', '"steps": 4'),
    "a count of values": ('"values": ', '"values": 1'),
    "a fraction": ('"t": 1', '"t": 1.0'),
    "an exponent": ('"t": 1', '"t": 1e0'),
    "a leading zero": ('"t": 1', '"t": 01'),
    "a negative zero": ('"k": 6', '"k": -0'),
    "a long integer": ('"k": 6', '"k": 1000000000000000'),
    "no step of this number": ('"t": 1', '"t": 0'),
    "a warm-up": ('"warmup": null', '"warmup": "auto"'),
    "a wide space": ('"t": 1', '"t":  1'),
    "a tab": ('\n "tier"', '\n\t"tier"'),
    "another margin": ('\n "tier"', '\n  "tier"'),
    "a carriage return": (',\n "tier"', ',\r\n "tier"'),
    "an escaped letter": ('"Three', '"\\u0054hree'),
    "an escaped slash": ('"Three', '"\\/hree'),
    "a control character": ('"Three', '"\x07hree'),
    "no line feed": ('"core"\n}\n', '"core"\n}'),
    "two line feeds": ('"core"\n}\n', '"core"\n}\n\n'),
    "more behind it": ('"core"\n}\n', '"core"\n}\n1'),
    "a shape of zero": ('"shape": [3]', '"shape": [0]'),
    "a large shape": ('"shape": [3]', '"shape": [65536, 65536, 65536, 65536]'),
    "deep nesting": ('"k": 6', '"k": ' + "[" * 5000 + "]" * 5000),
}  # fmt: skip


def test_both_readers_refuse_what_is_damaged(sanitized: Path, tmp_path: Path) -> None:
    """One defect at a time: a message, exit status 1, no crash."""
    whole = corpus()[CASES[0]][0].decode("ascii")
    damaged = []
    for name, (old, new) in DEFECTS.items():
        assert old in whole, name
        damaged.append(whole.replace(old, new, 1).encode("ascii"))
    damaged += [b"", b"{", b"\0", whole.encode("utf-16"), b"\xef\xbb\xbf" + whole.encode()]
    found = outcomes(sanitized, tmp_path, damaged)
    for name, bad, ran in zip([*DEFECTS, *"12345"], damaged, found, strict=True):
        assert ran.returncode == 1, (name, ran.returncode, ran.stderr)
        assert re.fullmatch(r"reader: .+: .+\n", ran.stderr), (name, ran.stderr)
        with pytest.raises(GoldenError):
            parse(bad, name)


def test_no_part_of_a_file_is_taken_for_a_case(sanitized: Path, tmp_path: Path) -> None:
    """Files that end too early."""
    whole = corpus()[CASES[0]][0]
    places = random.Random(5).sample(range(len(whole)), 150)
    for ran in outcomes(sanitized, tmp_path, [whole[:n] for n in [*places, len(whole) - 1]]):
        assert ran.returncode == 1, ran.stderr


def test_no_byte_can_make_the_reader_crash(sanitized: Path, tmp_path: Path) -> None:
    """Bytes at random: where we accept a file the reader does, and reads the same."""
    random_ = random.Random(7)
    damaged = []
    for _ in range(400):
        whole = bytearray(corpus()[random_.choice(CASES)][0])
        for _ in range(random_.choice((1, 1, 1, 2, 5))):
            place = random_.randrange(len(whole))
            kind = random_.randrange(6)
            digits = [i for i in range(place, min(place + 99, len(whole))) if whole[i] in b"abcdef"]
            if kind > 3 and digits:
                whole[digits[0]] = random_.choice(b"0123456789abcdef")
            elif kind == 0:
                whole[place] = random_.randrange(256)
            elif kind == 1:
                whole[place] = random_.choice(b'0123456789abcdef{}[]," :\\\n-tfn')
            elif kind == 2:
                del whole[place : place + random_.choice((1, 2, 17, 300))]
            else:
                whole[place:place] = whole[place : place + random_.choice((1, 17, 80))]
        damaged.append(bytes(whole))
    accepted = 0
    for bad, ran in zip(damaged, outcomes(sanitized, tmp_path, damaged), strict=True):
        assert ran.returncode in (0, 1), ran.stderr
        try:
            golden = parse(bad, "damaged")
        except GoldenError:
            continue
        accepted += 1
        assert ran.returncode == 0, ran.stderr
        agrees(ran.stdout, golden)
    assert 20 < accepted < 200


def test_the_reader_asks_for_one_file(reader: Path, tmp_path: Path) -> None:
    """No argument is a mistake of the caller, a file that is not there one of the folder."""
    assert run(reader).returncode == 2
    assert run(reader, tmp_path / "none.json").returncode == 1


# --------------------------------------------------------------------------- the page's examples


def test_the_example_in_c_reads_the_doubles_beside_it(tmp_path: Path) -> None:
    """The function of the page, compiled, gives the numbers that the page gives."""
    pairs = re.findall(r"`([0-9a-f]{16})` is\s+([-0-9.e]*[0-9])", section("Numbers"))
    assert len(pairs) == 4
    heads = "".join(f"#include <{name}.h>\n" for name in ("stdint", "stdio", "stdlib", "string"))
    prints = "".join(f'printf("%.17g\\n", from_hex("{word}"));' for word, _ in pairs)
    source = tmp_path / "example.c"
    source.write_text(f"{heads}{block('Numbers', 'c')}int main(void) {{ {prints} return 0; }}\n")
    ran = run(compiled(tmp_path, source))
    assert ran.stdout.split() == [number for _, number in pairs]


def test_the_example_of_a_case_is_one(reader: Path, tmp_path: Path) -> None:
    """It is canonical, holds to the reference, and our reader and that in C agree on it."""
    written = block("Example", "json").encode("ascii")
    golden = parse(written, "example")
    assert dump(golden) == written
    assert golden.case not in Corpus().manifest().cases
    Check(golden, "example").all()
    _exactly(golden)
    (ran,) = outcomes(reader, tmp_path, [written])
    agrees(ran.stdout, golden)


def _exactly(golden: Golden) -> None:
    """Hold each value of the example to the page's definition, in rational numbers."""
    (step,) = golden.steps
    lr, momentum, decay = (
        Fraction(golden.spec["hyper"][name]) for name in ("lr", "momentum", "weight_decay")
    )
    for i in range(2):
        given = {slot: Fraction(x.hi[i]) for slot, x in step.inputs["w"].items() if x is not None}
        regularized = given["g"] + decay * given["theta"]
        u = momentum * given["u"] + regularized
        numbers = {"regularized": regularized, "u": u, "direction": u, "update": lr * u, "lr": lr}
        numbers |= {"g": given["g"], "theta": given["theta"] - lr * u}
        assert numbers.keys() == step.lines["w"].keys()
        for tag, x in numbers.items():
            line = step.lines["w"][tag]
            assert isinstance(line, Value)
            place = i if line.size > 1 else 0
            hi, lo = line.hi[place], line.lo[place]
            assert (hi, lo) == (float(x), float(x - Fraction(hi))), tag


def test_the_content_digest_is_that_of_the_entries_shown() -> None:
    """The bytes are put together as the page says, from nothing but the page."""
    said = section("Content digest")
    lines = block("Example", "json").splitlines(keepends=True)
    begin = lines.index(' "steps": [\n') + 1
    end = lines.index("  }\n", begin)
    assert f"the {end + 1 - begin} lines of its step" in said
    (step,) = re.findall(r"`(  \{.*\})`", said)
    about = "".join([*lines[:begin], f"{step}\n", *lines[end + 1 :]]).encode("ascii")
    stream = b""
    names = []
    for row in block("Content digest", "text").splitlines():
        name, kind, shape, payload = row.split("␀")
        names.append(name.encode())
        stream += f"{name}\0{kind}\0{shape}\0".encode()
        if name == "about":
            assert (kind, shape, payload) == ("u1", str(len(about)), "(the text)")
            stream += about
        else:
            stream += bytes.fromhex(payload)
    assert names == sorted(names)
    ((length, sha),) = re.findall(r"They are (\d+) bytes, and `content` is\s+`(\w+)`", said)
    assert len(stream) == int(length)
    assert hashlib.sha256(stream).hexdigest() == sha
    assert digest(parse(block("Example", "json").encode("ascii"), "example")) == sha


def test_the_digests_of_the_manifest_are_what_the_page_says() -> None:
    """Both rules of the page, done with its text alone."""
    folder = Corpus().folder
    written = (folder / "MANIFEST.json").read_bytes()
    said = json.loads(written)
    begin = written.index(b'"licence": "MIT"') + len(b'"licence": "MIT"')
    (size,) = map(int, re.findall(r"take (\d+) bytes", section("Manifest")))
    cut = written[begin : begin + size]
    assert re.fullmatch(rb',\n "sha256": "[0-9a-f]{64}"', cut)
    rest = written[:begin] + written[begin + size :]
    assert hashlib.sha256(rest).hexdigest() == said["sha256"] == cut[-65:-1].decode()

    rows = [f"{entry['tier']} {entry['case']} {entry['content']}" for entry in said["cases"]]
    lines = "".join(f"{row}\n" for row in [said["corpus"], *rows])
    assert hashlib.sha256(lines.encode("ascii")).hexdigest() == said["digest"]

    changes = (folder / "CHANGES.md").read_bytes()
    assert hashlib.sha256(changes).hexdigest() == said["changes"]
    cases = [entry["case"].encode() for entry in said["cases"]]
    assert cases == sorted(set(cases))


# --------------------------------------------------------------------------- the page's facts


def properties(of: Any) -> Iterator[str]:
    """Yield all names of fields in a schema."""
    if isinstance(of, dict):
        if isinstance(of.get("properties"), dict):
            yield from of["properties"]
        for part in of.values():
            yield from properties(part)


@pytest.mark.parametrize("name", ["case", "manifest"])
def test_every_field_of_a_schema_is_named_on_the_page(name: str) -> None:
    """And every format."""
    whole = json.loads(schema.text(name))
    names = set(properties(whole))
    assert names - set(codes(PAGE)) == set()
    assert f"`{whole['properties']['format']['const']}`" in PAGE
    for title in {"case": ("A case", "A step"), "manifest": ("Manifest",)}[name]:
        rows = table(title, "Field", "Type", "Meaning")
        kinds = {codes(field)[0]: kind for field, kind, _ in rows}
        part = whole["$defs"]["step"] if title == "A step" else whole
        assert kinds.keys() == part["properties"].keys()
        for field, kind in kinds.items():
            assert ("absent" in kind) == (field not in part["required"]), field


def test_every_algorithm_and_hyperparameter_is_named_on_the_page() -> None:
    """In the table, or as a field of `lookahead`."""
    rows = table("A case", "Hyperparameter", "Written as", "Meaning")
    named = {name for row in rows for name in codes(row[0])}
    known = {f.name for family in OPTIMIZERS.values() for f in fields(family) if f.metadata}
    assert named == known | {"adapt"}
    assert set(OPTIMIZERS) <= set(codes(section("A case")))


def test_the_table_of_tags_is_that_of_the_code() -> None:
    """Tag, symbol, extent, meaning, in the same order."""
    rows = table("Lines", "Tag", "Symbol", "Extent", "Meaning", "There")
    found = [(codes(tag)[0], *rest) for tag, *rest, _ in rows]
    assert found == [(k, x.symbol, x.extent, x.meaning) for k, x in TAGS.items()]
    assert list(MODEL_TAGS) == ["h"]


def conditions() -> dict[str, Callable[[str, bool, bool, bool], bool]]:
    """Return the column "There" as functions of algorithm, moving, rectified, synchronising."""
    letters = dict(re.findall(r"\b([ARTL]) (?:are )?((?:`\w+`(?:,\s)?)+)", section("Lines")))
    assert sorted(letters) == ["A", "L", "R", "T"]

    def algorithms(words: str) -> set[str]:
        if words in letters:
            return set(codes(letters[words]))
        if words.startswith("all"):
            return set(OPTIMIZERS) - {"lookahead"} - set(codes(words))
        return set(codes(words))

    def made(cell: str) -> Callable[[str, bool, bool, bool], bool]:
        def there(algorithm: str, moving: bool, rectified: bool, syncs: bool) -> bool:
            holds = {
                "": True,
                "moving": moving,
                "rectified": rectified,
                "moving and not rectified": moving and not rectified,
                "t mod k = 0": syncs,
            }
            parts = [part.partition(" where ") for part in cell.split("; ")]
            return any(algorithm in algorithms(who) and holds[when] for who, _, when in parts)

        return there

    rows = table("Lines", "Tag", "Symbol", "Extent", "Meaning", "There")
    return {codes(row[0])[0]: made(row[-1]) for row in rows}


def outer_and_inner(golden: Golden) -> tuple[list[str], dict[str, Any]]:
    """Return the algorithms of a case, and all its shared hyperparameters."""
    spec = golden.spec
    inner = spec["hyper"].get("inner", {"hyper": {}})
    names = [spec["algorithm"], *([inner["algorithm"]] if "algorithm" in inner else [])]
    return names, inner["hyper"] | spec["hyper"]


def goes_by(golden: Golden, step: Step) -> str | None:
    """Return how a step warms up, as the page says."""
    _, hyper = outer_and_inner(golden)
    told: str | None = hyper.get("warmup")
    if told != "auto":
        return told
    if step.warmup is not None or all(x["g"] is None for x in step.inputs.values()):
        return step.warmup
    h = step.model["h"]
    return "momentum" if h.hi[0] < 0.5 or (h.hi[0] == 0.5 and h.lo[0] <= 0) else "none"


def test_lines_are_there_where_the_page_says() -> None:
    """In every step of every core case; and every condition of the table occurs both ways."""
    there = conditions()
    seen: dict[str, set[bool]] = {tag: set() for tag in TAGS}
    for golden, step in steps():
        names, _ = outer_and_inner(golden)
        for layer, lines in step.lines.items():
            if step.inputs[layer]["g"] is None:
                assert not lines
                continue
            rectified = lines.get("rectified") is True
            moving = "rectified" not in lines or rectified or goes_by(golden, step) != "none"
            k = golden.optimizer.hyper(layer).get("k", step.t + 1)
            syncs = step.t % k == 0
            facts = (moving, rectified, syncs)
            has = {tag for tag in TAGS if any(there[tag](name, *facts) for name in names)}
            for tag in TAGS:
                seen[tag].add(tag in has)
            if math.prod(golden.layers[layer]) > LARGE:
                small = {tag for tag in has if TAGS[tag].extent != "element"}
                has = small | (has & step.inputs[layer].keys() - {"g"})
            assert lines.keys() == has, (golden.case, step.t, layer)
    always = {tag for tag, found in seen.items() if found == {True}}
    assert always == {"g", "lr", "theta"}
    assert f"more than {LARGE} elements" in " ".join(section("Lines").split())


def test_warm_up_is_chosen_as_the_page_says() -> None:
    """The next step says how this one went; h is there where it was chosen, with its value."""
    chosen = set()
    for golden, step in steps():
        _, hyper = outer_and_inner(golden)
        place = golden.steps.index(step)
        moving = {name: x["g"] for name, x in step.inputs.items() if x["g"] is not None}
        if "warmup" not in hyper:
            assert step.warmup is None
        if place + 1 < len(golden.steps):
            assert golden.steps[place + 1].warmup == goes_by(golden, step)
        chooses = hyper.get("warmup") == "auto" and step.warmup is None and bool(moving)
        assert list(step.model) == (["h"] if chooses else [])
        if chooses:
            g = np.concatenate([value.hi for value in moving.values()])
            scale = ((1 - hyper["beta1"]) / (1 - hyper["beta2"])) ** 2
            np.testing.assert_allclose(step.model["h"].hi, np.mean(g * g) / scale, rtol=1e-12)
            chosen.add(goes_by(golden, step))
    assert chosen == {"momentum", "none"}


SLOTS = {"sgd": {"u"}, "lars": {"u"}, "lookahead": {"slow"}} | {
    name: {"m", "v", "slow"} for name in ("ranger", "rangerlars", "paratrooper")
}


def test_inputs_are_what_the_page_says() -> None:
    """Slots, bfloat16 numbers, what comes from the step before; zeros without a sign."""
    chains = 0
    for golden, step in steps():
        names, _ = outer_and_inner(golden)
        slots = set().union(*(SLOTS.get(name, {"m", "v"}) for name in names))
        place = golden.steps.index(step)
        before = golden.steps[place - 1] if place else None
        assert before is None or step.t == before.t + 1
        for layer, given in step.inputs.items():
            assert given.keys() == {"theta", "g"} | slots
            for slot, value in given.items():
                if value is None:
                    assert slot == "g"
                    continue
                assert not value.lo.any()
                assert np.array_equal(to_bfloat16(value.hi), value.hi)
                with np.errstate(over="raise"):
                    assert np.array_equal(value.hi.astype(np.float32), value.hi)
                if before is not None and slot != "g":
                    left = after(before, layer, slot).hi
                    assert np.array_equal(to_bfloat16(left), value.hi)
                    chains += 1
            for x in (*given.values(), *step.lines[layer].values()):
                if isinstance(x, Value):
                    assert not np.signbit(x.hi[x.hi == 0]).any()
                    assert not np.signbit(x.lo[x.lo == 0]).any()
    assert chains > 1000


def test_rates_are_what_the_page_says() -> None:
    """The shared one, or that of the layer in proportion; dyadic cases are exact in bfloat16."""
    own_rates = 0
    for golden, step in steps():
        _, hyper = outer_and_inner(golden)
        own = golden.spec.get("layers", {})
        for layer, lines in step.lines.items():
            if "lr" not in lines:
                continue
            rate = lines["lr"]
            assert isinstance(rate, Value)
            if "lr" in own.get(layer, {}):
                share = Fraction(own[layer]["lr"]) / Fraction(hyper["lr"])
                wanted = float(share * Fraction(step.lr))
                own_rates += 1
            else:
                wanted = step.lr
            assert (rate.hi[0], rate.lo[0]) == (wanted, 0), (golden.case, layer)
            if golden.case.endswith("-dyadic"):
                assert to_bfloat16(rate.hi)[0] == rate.hi[0], golden.case
        unused = {"trust_coefficient", "eps"} if hyper.get("form") == "2019" else set()
        numbers = [x for k, x in hyper.items() if isinstance(x, float) and k not in unused]
        if golden.case.endswith("-dyadic"):
            assert all(math.isinf(x) or to_bfloat16([x])[0] == x for x in numbers), golden.case
    assert own_rates > 10


def test_limits_are_what_the_page_says() -> None:
    """Depth, sizes, and the bound on growth."""

    def depth(x: Any) -> int:
        parts = x.values() if isinstance(x, dict) else x if isinstance(x, list) else None
        return 0 if parts is None else 1 + max(map(depth, parts), default=0)

    deepest = max(depth(json.loads(written)) for written, _ in corpus().values())
    flat = " ".join(PAGE.split())
    assert f"nest at most {deepest} deep in the core tier" in flat
    assert f"({text.MOST_BYTES} bytes)" in flat
    assert f"at most {text.MOST_DIGITS} characters" in flat
    assert f"None is above {MOST_GROWTH:.0e}".replace("e-09", "e-9") in flat
    with pytest.raises(GoldenError, match="only integers"):
        text.read(b"1.0\n", "x")


# --------------------------------------------------------------------------- the validator


def places(x: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths to all parts of a content."""
    yield path
    if isinstance(x, dict):
        for key in x:
            yield from places(x[key], (*path, key))
    elif isinstance(x, list):
        for i in range(len(x)):
            yield from places(x[i], (*path, i))


def changed_string(x: str, random_: random.Random) -> str:
    """Return a string that is a little or wholly different."""
    place = random_.randrange(len(x)) if x else 0
    before, behind = x[:place], x[place + 1 :]
    if random_.random() < 0.4:
        return before + random_.choice("0123456789abcdef") + behind
    return random_.choice(
        [
            x + "\n", "\n" + x, x + " ", before + "\n" + x[place:], x[:-1], x + x[-1:], "",
            before + random_.choice("_/- Zé\n") + behind, before + behind, x.upper(), x + x,
            x * 50, x + " " + x, x.replace(" ", "  "), "7ff0000000000000", "fff0000000000000",
            "7ff8000000000000", "fff8000000000001", "7fefffffffffffff", "8000000000000000",
            "3ff0000000000000",
            "3ff00000000000000", x + " 7ff0000000000000", x + " ffffffffffffffff",
            x + " 3ff0000000000000", "a" * 40, "a" * 41, "a/" + "b" * 78, "a/" + "b" * 79, "a.b",
            "a.b.c", "1.0.0", "01.0.0",
        ]
    )  # fmt: skip


def changed_number(x: int, random_: random.Random) -> int:
    """Return another integer, in range or not."""
    if random_.random() < 0.4:
        return x + 1
    return random_.choice(
        [x + 1, x - 1, -x, 0, -1, 1, 65536, 65537, 100000, 100001, 10**12, 10**12 + 1, 2**31 - 1,
         2**31, -(2**31), -(2**31) - 1, 10**8, 10**8 + 1, 16777216, 16777217, 10**30]
    )  # fmt: skip


ANYTHING: list[Any] = [
    None, True, False, 0, 1, -1, "", "a", "core", "full", "none", "3ff0000000000000", [], [1],
    ["a", "a"], {}, {"a": 1}, {"hi": "3ff0000000000000"}, {"hi": "3ff0", "proved": True},
    {"hi": "3ff0000000000000", "proved": True}, {"algorithm": "sgd", "hyper": {}},
    {"problem": "p", "arguments": {"a": [[{"b": "c"}]]}},
]  # fmt: skip


def changed_key(key: str, random_: random.Random) -> str:
    """Return another name of a field."""
    names = ["hi", "lo", "proved", "model", "metric", "layers", "schedule", "growth", "u", "cap"]
    return random_.choice([key + "\n", key.upper(), key + "x", "_" + key, "", key * 41, *names])


def mutated(whole: Any, random_: random.Random) -> Any:
    """Return a content with one to three changes."""
    found = {"root": copy.deepcopy(whole)}
    for _ in range(random_.choice((1, 1, 2, 3))):
        deepest = random_.choice((3, 4, 99))
        *above, last = random_.choice([p for p in places(found) if 0 < len(p) <= deepest])
        owner: Any = found
        for part in above:
            owner = owner[part]
        x = owner[last]
        kinds = ["anything"]
        kinds += ["remove", "remove"] if above else []
        kinds += ["rename"] * 2 if above and isinstance(owner, dict) else []
        kinds += ["alter"] * 12 if isinstance(x, (str, int, list, dict)) else []
        kind = random_.choice(kinds)
        if kind == "anything":
            owner[last] = copy.deepcopy(random_.choice(ANYTHING))
        elif kind == "remove":
            del owner[last]
        elif kind == "rename":
            owner[changed_key(last, random_)] = owner.pop(last)
        elif isinstance(x, bool):
            owner[last] = not x
        elif isinstance(x, str):
            owner[last] = changed_string(x, random_)
        elif isinstance(x, int):
            owner[last] = changed_number(x, random_)
        elif isinstance(x, list):
            longer = [*x, copy.deepcopy(random_.choice([*x, *ANYTHING]))]
            owner[last] = random_.choice([longer, x[::-1], x * 2, x * 9, x * 65, x[1:], []])
        else:
            x[changed_key("w", random_)] = copy.deepcopy(random_.choice([*x.values(), *ANYTHING]))
    return found["root"]


def contents() -> Iterator[tuple[str, Any]]:
    """Yield what is to be changed: short cases of all kinds, and a short manifest."""
    yield "case", json.loads(block("Example", "json"))
    for case in CASES:
        golden = corpus()[case][1]
        layer, shape = list(golden.layers.items())[-1]
        for step in golden.steps[:2]:
            inputs, lines = {layer: step.inputs[layer]}, {layer: step.lines[layer]}
            one = replace(step, inputs=inputs, lines=lines)
            short = replace(golden, layers={layer: shape}, steps=(one,))
            yield "case", content(short)
            yield "case", content(as_full(short))
    manifest = json.loads((Corpus().folder / "MANIFEST.json").read_bytes())
    for n in (1, 2, 2, 2):
        yield "manifest", manifest | {"cases": manifest["cases"][:n]}


def admitted(found: Any, name: str) -> bool:
    """Return whether our validator admits a content."""
    try:
        schema.validate(found, name, "x")
    except GoldenError:
        return False
    return True


def test_our_validator_is_equal_to_jsonschema() -> None:
    """On contents of the right form, and on thousands of changed ones: the same verdict.

    Floats are left out: jsonschema takes 1.0 for an integer, and the text has no such number.
    """
    random_ = random.Random(11)
    kinds = {}
    for name in ("case", "manifest"):
        whole = json.loads(schema.text(name))
        jsonschema.Draft202012Validator.check_schema(whole)
        kinds[name] = jsonschema.Draft202012Validator(whole)
    counted = {(name, verdict): 0 for name in kinds for verdict in (True, False)}
    for name, whole in contents():
        assert admitted(whole, name)
        assert kinds[name].is_valid(whole)
        for _ in range(120):
            found = mutated(whole, random_)
            verdict = admitted(found, name)
            assert verdict == kinds[name].is_valid(found), found
            counted[name, verdict] += 1
    assert min(counted.values()) > 60, counted


def test_references_stand_alone() -> None:
    """Our validator looks at nothing beside a $ref, so nothing may be there."""

    def alone(x: Any) -> bool:
        if isinstance(x, dict):
            return ("$ref" not in x or len(x) == 1) and all(map(alone, x.values()))
        return not isinstance(x, list) or all(map(alone, x))

    for name in ("case", "manifest"):
        assert alone(json.loads(schema.text(name)))
