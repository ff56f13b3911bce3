"""The verbs of ``paratrooper-ref golden`` do what their help says, for people and for machines."""

import hashlib
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import paratrooper_ref as pr
import problems
from paratrooper_ref.cli import main
from paratrooper_ref.golden import commands, generate
from paratrooper_ref.golden.arrays import arrays
from paratrooper_ref.golden.bits import to_hex
from paratrooper_ref.golden.compare import first_difference
from paratrooper_ref.golden.content import dump, parse
from paratrooper_ref.golden.corpus import (
    CHANGES,
    MANIFEST,
    Corpus,
    Entry,
    dump_manifest,
    entry_of,
    manifest_of,
    shipped,
)
from paratrooper_ref.golden.document import Golden, Value
from paratrooper_ref.golden.export import CONTAINERS, c_header
from paratrooper_ref.golden.make import make
from paratrooper_ref.golden.recipe import Full
from paratrooper_ref.golden.recipes import recipes
from paratrooper_ref.lines import TAGS

TINY, SYNC = "adam/tiny-decimal", "lookahead/first-sync-dyadic"
SWITCH, PLATEAU = "paratrooper/switch-0_9-momentum-decimal", "paratrooper/plateau-decimal"
FROZEN, SHAPES = "adam/frozen-dyadic", "paratrooper/shapes-dyadic"
CORE = (FROZEN, TINY, SYNC, PLATEAU, SHAPES, SWITCH)
LOOP, ABSENT = "rosenbrock/paratrooper", "rosenbrock/adam"
ROOT = Path(pr.__file__).parents[1]
VERBS = ("list", "show", "generate", "verify", "diff", "export", "regenerate")

Array = np.ndarray[Any, Any]


class Outcome(NamedTuple):
    """Exit status, standard output and standard error."""

    status: int
    out: str
    err: str


Run = Callable[..., Outcome]


def seal(folder: Path, entries: list[Entry]) -> None:
    """Write the list of changes and the manifest of some entries."""
    changes = b"# Changes\n\n## 1.0.0\n\nThe first release.\n"
    (folder / CHANGES).write_bytes(changes)
    (folder / MANIFEST).write_bytes(dump_manifest(manifest_of("1.0.0", changes, entries)))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small corpus: six core cases, a short trajectory, and one that is absent."""
    folder = tmp_path_factory.mktemp("corpus")
    known = Corpus().manifest().cases
    for case in CORE:
        path = folder / known[case].file
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(shipped() / known[case].file, path)
    loop = make(
        Full(
            case=LOOP, about="Four steps.", optimizer=pr.Paratrooper(lr=1e-2),
            problem=problems.rosenbrock(), steps=4,
        )
    )
    (folder / "full/rosenbrock").mkdir(parents=True)
    (folder / f"full/{LOOP}.json").write_bytes(dump(loop))
    entries = [known[case] for case in (*CORE, ABSENT)]
    seal(folder, [*entries, entry_of(loop, dump(loop))])
    return folder


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def run(corpus: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a verb on the small corpus in this process."""

    def go(*argv: str | Path, on: Path | None = corpus) -> Outcome:
        capsys.readouterr()
        line = ["golden", *map(str, argv)]
        line += [] if on is None else ["--corpus", str(on)]
        try:
            status = main(line)
        except SystemExit as stopped:
            status = int(stopped.code or 0)
        return Outcome(status, *capsys.readouterr())

    return go


def load(corpus: Path, case: str) -> Golden:
    """Return a case of the small corpus."""
    return Corpus(corpus).load(Corpus(corpus).manifest().cases[case])


def process(*argv: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, in an empty folder."""
    return subprocess.run(
        [sys.executable, "-m", "paratrooper_ref", *map(str, argv)],
        capture_output=True, text=True, check=False, env=environment(), **options,
    )


def environment() -> dict[str, str]:
    """Return an environment in which another process finds the package from any folder."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


# --------------------------------------------------------------------------- usage


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_of_each_verb(verb: str, run: Run) -> None:
    """It says what the verb does, and which options there are."""
    status, out, err = run(*([verb] if verb else []), "--help", on=None)

    assert (status, err) == (0, "")
    assert f"usage: paratrooper-ref golden{f' {verb}' if verb else ''} " in out
    if verb:
        assert "--corpus" in out
    else:
        assert all(re.search(rf"^ +{name}\b", out, re.MULTILINE) for name in VERBS)
    assert max(map(len, out.splitlines())) < 200


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "required: VERB"),
        (["verfy"], "did you mean 'verify'"),
        (["verify", "--proof"], "--proof; did you mean '--prove'"),
        (["verify", "--jobs", "many"], "--jobs"),
        (["verify", "--jobs", "1.5"], "--jobs"),
        (["verify", "--jobs", "0"], "1 or more"),
        (["generate", "--jobs", "-3"], "1 or more"),
        (["list", "--catches", "adam.eps_hatt"], "did you mean 'adam.eps_hat'"),
        (["verify", "extra"], "unrecognized arguments: extra"),
        (["show"], "required: case"),
        (["show", TINY, "--step", "one"], "--step"),
        (["show", TINY, "--step", "3"], "unknown step 3; known: 11, 12"),
        (["show", TINY, "--layer", "v"], "unknown layer v; known: w, b, s"),
        (["show", TINY, "--line", "rhoo"], "unknown line rhoo; did you mean 'rho'"),
        (["show", TINY, "--line", "trust_ratio"], "trust_ratio"),  # Adam has none
        (["show", "adam/tiny-decimel"], f"did you mean '{TINY}'"),
        (["show", "../MANIFEST"], "unknown case '../MANIFEST'"),
        (["show", ABSENT], "is not generated in"),
        (["list", "adm/*"], "no case matches 'adm/*'"),
        (["diff"], "required: a"),
        (["diff", "adam/tiny-decimel"], f"did you mean '{TINY}'"),
        (["diff", TINY, "adam/tiny-decimel"], f"did you mean '{TINY}'"),
        (["diff", TINY, "missing.json"], "missing.json"),
        (["diff", ABSENT], "is not generated in"),
        (["diff", "."], MANIFEST),
        (["export"], "required: --to"),
        (["export", "--to", "npy"], "did you mean 'npz'"),
        (["export", "adm/*", "--to", "npz"], "no case matches 'adm/*'"),
        (["export", TINY, "adm/*", "--to", "npz"], "no case matches 'adm/*'"),
        (["export", TINY, "--to", "npz", "--out", "/dev/null"], "/dev/null"),
        (["export", TINY, "--to", "npz", "--out", "/proc/none"], "/proc/none"),
        (["export", ABSENT, "--to", "npz"], "is not generated in"),
        (["export", "rosenbrock/*", "--to", "npz"], "is not generated in"),
        (["regenerate"], "needs cases and --reason, or --accept"),
        (["generate", "--tier", "cor"], "did you mean 'core'"),
        (["generate", "--corpus", "/dev/null"], "golden needs a folder, got --corpus=/dev/null"),
    ],
)
def test_bad_usage_is_one_line_and_status_2(
    argv: list[str], said: str, run: Run, tmp_path: Path
) -> None:
    """With the nearest name; nothing on stdout, nothing written."""
    bare = not argv or "--corpus" in argv
    status, out, err = run(*argv, on=None) if bare else run(*argv)

    assert status == 2
    assert err.startswith("paratrooper-ref")
    assert err.count("\n") == 1
    assert said in err
    assert len(err) < 600
    assert out == ""
    assert list((tmp_path / "here").iterdir()) == []


# --------------------------------------------------------------------------- list, show


def test_list_tells_each_case(run: Run, corpus: Path) -> None:
    """A row each, and how many there are; the absent one is listed too."""
    status, out, err = run("list")

    rows = out.splitlines()
    assert (status, err) == (0, "")
    assert rows[0].split() == ["case", "tier", "steps", "numbers", "catches", "about"]
    assert [row.split()[0] for row in rows[1:-2]] == sorted((*CORE, LOOP, ABSENT))
    assert rows[-1] == "8 of 8 cases, corpus 1.0.0"
    golden = load(corpus, TINY)
    (row,) = (row for row in rows if row.startswith(f"{TINY} "))
    facts = ["core", "2", str(golden.values), str(len(golden.catches))]
    assert row.split()[1:5] == facts
    assert row.endswith(golden.about)
    (row,) = (row for row in rows if row.startswith(f"{ABSENT} "))
    assert row.endswith("not generated here")


def test_list_in_json_says_the_same(run: Run, corpus: Path) -> None:
    """Each case with its digests, and the corpus with its own."""
    table = run("list", "*ara*").out.splitlines()[1:-2]
    status, out, _ = run("list", "*ara*", "--json")

    found = json.loads(out)
    assert status == 0
    manifest = Corpus(corpus).manifest()
    assert (found["corpus"], found["digest"]) == ("1.0.0", manifest.digest)
    assert len(found["cases"]) == len(table) == 4
    for row, line in zip(found["cases"], table, strict=True):
        entry = manifest.cases[row["case"]]
        assert {name: row[name] for name in vars(entry)} == vars(entry)
        golden = load(corpus, row["case"])
        assert (row["about"], row["catches"]) == (golden.about, list(golden.catches))
        assert line.split()[:4] == [row["case"], row["tier"], str(row["steps"]), str(row["values"])]


@pytest.mark.parametrize("case", [*CORE, LOOP])
def test_show_tells_all_in_decimal_in_bits_and_what_remains(
    case: str, run: Run, corpus: Path
) -> None:
    """Each stored number has a row with its shortest decimal, its pattern, and its remainder."""
    golden = load(corpus, case)

    status, out, err = run("show", case)

    assert (status, err) == (0, "")
    rows = [row.split() for row in out.splitlines()]
    for fact in (case, golden.about, *golden.catches, *golden.layers, repr(golden.optimizer)):
        assert str(fact) in out
    for step in golden.steps:
        assert f"step {step.t}, rate {step.lr!r}" in out
        if step.metric is not None:
            assert f"metric {step.metric!r}" in out
        for layer, given in step.inputs.items():
            for slot, value in given.items():
                if value is None:
                    assert any(row[:3] == [layer, "input", "g"] and "(frozen)" in row
                               for row in rows)
                    continue
                assert_rows(rows, [layer, "input"], slot, value)
            for tag, line in step.lines[layer].items():
                if isinstance(line, Value):
                    assert_rows(rows, [layer], tag, line)
                else:
                    assert [layer, tag, TAGS[tag].symbol, str(line)] in rows
        for tag, value in step.model.items():
            assert_rows(rows, [], tag, value)


def assert_rows(rows: list[list[str]], head: list[str], tag: str, value: Value) -> None:
    """Assert that each number of a value has its row."""
    for i, (hi, lo) in enumerate(zip(value.hi.tolist(), value.lo.tolist(), strict=True)):
        place = tag if value.size == 1 else f"{tag}[{i}]"
        tail = [repr(hi), to_hex(hi), *([f"{lo:+.3g}"] if lo else [])]
        assert any(row[: len(head) + 1] == [*head, place] and row[-len(tail) :] == tail
                   for row in rows), (head, place, tail)


def test_show_only_what_is_asked_for(run: Run, corpus: Path) -> None:
    """A step, a layer, a line: in any combination."""
    whole = run("show", TINY).out.splitlines()
    out = run("show", TINY, "--step", "12", "--layer", "b", "--line", "v_hat").out.splitlines()

    assert "step 12, rate 0.001" in out
    assert "step 11, rate 0.001" not in out
    table = [row.split() for row in out[out.index("step 12, rate 0.001") + 2 :]]
    assert [row[:2] for row in table] == [["b", f"v_hat[{i}]"] for i in range(3)]
    value = load(corpus, TINY).steps[1].lines["b"]["v_hat"]
    assert isinstance(value, Value)
    assert [row[-2] for row in table] == to_hex(value.hi).split()
    assert set(map(tuple, table)) <= {tuple(row.split()) for row in whole}


def test_show_in_json_is_the_content(run: Run, corpus: Path) -> None:
    """All of it, as the file has it."""
    for case in CORE:
        status, out, _ = run("show", case, "--json")

        assert status == 0
        assert json.loads(out) == json.loads((corpus / f"core/{case}.json").read_bytes())


def test_show_in_json_only_what_is_asked_for(run: Run, corpus: Path) -> None:
    """The filters hold for machines too."""
    argv = ("show", TINY, "--step", "12", "--layer", "b", "--line", "v_hat", "--json")

    found = json.loads(run(*argv).out)

    (step,) = found["steps"]
    assert step["t"] == 12
    assert {layer: list(lines) for layer, lines in step["lines"].items()} == {"b": ["v_hat"]}


# --------------------------------------------------------------------------- verify, generate


def test_verify_says_what_holds(run: Run, corpus: Path) -> None:
    """Status 0; text and JSON say the same."""
    manifest = Corpus(corpus).manifest()
    numbers = sum(load(corpus, case).values for case in (*CORE, LOOP))
    for more, how in (
        ([], "within the bounds of the reference"), (["--prove"], "proved again, digit by digit")
    ):
        status, out, err = run("verify", "--jobs", "1", *more)
        assert (status, err) == (0, "")
        assert out.splitlines() == [
            f"7 cases hold: {numbers} numbers {how}",
            "1 cases of the full tier are pinned, and not generated here",
            f"corpus 1.0.0, content sha256:{manifest.digest}",
        ]

        status, out, err = run("verify", "--jobs", "1", "--json", *more)
        assert (status, err) == (0, "")
        assert json.loads(out) == {
            "holds": True, "proved": bool(more), "corpus": "1.0.0", "digest": manifest.digest,
            "held": {"core": 6, "full": 1}, "absent": {"core": 0, "full": 1}, "values": numbers,
            "errors": [], "waiting": [],
        }


def test_verify_of_damage_is_status_1(run: Run, corpus: Path, tmp_path: Path) -> None:
    """Text and JSON name the same file, field and reason."""
    copy = tmp_path / "copy"
    shutil.copytree(corpus, copy)
    (copy / f"core/{TINY}.json").unlink()
    file = f"core/{TINY}.json"
    reason = "is listed in MANIFEST.json and missing"

    status, out, err = run("verify", "--jobs", "1", on=copy)
    assert (status, err) == (1, f"paratrooper-ref: {file}: {reason}\n")
    assert out.startswith("6 cases hold")
    assert "\n1 do not hold\n" in out
    status, out, err = run("verify", "--jobs", "1", "--json", on=copy)
    assert (status, err) == (1, f"paratrooper-ref: {file}: {reason}\n")
    found = json.loads(out)
    assert found["errors"] == [{"file": file, "field": "", "reason": reason}]
    assert found["holds"] is False


def test_verify_of_nothing_is_status_3(run: Run, corpus: Path, tmp_path: Path) -> None:
    """Digests alone are nothing that was checked."""
    empty = tmp_path / "empty"
    empty.mkdir()
    seal(empty, [Corpus(corpus).manifest().cases[ABSENT]])

    for more in ([], ["--prove"], ["--json"]):
        status, out, err = run("verify", *more, on=empty)
        assert (status, err) == (3, "")
    assert json.loads(out)["holds"] is False


def test_verify_takes_any_number_of_processes(run: Run) -> None:
    """The report does not depend on it."""
    found = {run("verify", "--prove", "--jobs", jobs) for jobs in ("1", "2", "3")}

    assert len(found) == 1


@pytest.fixture
def two_recipes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let there be two recipes, and no shipped corpus."""
    found = {name: recipes()[name] for name in (FROZEN, TINY)}
    monkeypatch.setattr(generate, "recipes", lambda: found)
    for module in (generate, commands):
        monkeypatch.setattr(module, "shipped", lambda: tmp_path / "nowhere")


@pytest.mark.usefixtures("two_recipes")
def test_generate_says_what_it_has_done(run: Run, tmp_path: Path) -> None:
    """By default into golden-corpus; text and JSON say the same."""
    folder = tmp_path / "here" / "golden-corpus"

    status, out, err = run("generate", "--jobs", "1", on=None)

    digest = Corpus(folder).manifest().digest
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "2 cases proved and written, 0 proved and the same as before, 0 kept, in golden-corpus",
        f"corpus 1.0.0, content sha256:{digest}",
        "the shipped corpus is another one",
    ]
    status, out, err = run("generate", "--jobs", "1", "--json", on=None)
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert found["identical"] == [FROZEN, TINY]
    assert (found["written"], found["kept"]) == ([], [])
    assert (found["digest"], found["as_shipped"]) == (digest, False)


# --------------------------------------------------------------------------- diff


def changed(
    golden: Golden, step: int, layer: str, tag: str, change: Callable[[Value], Value]
) -> Golden:
    """Return a case with another line in one step."""
    steps = list(golden.steps)
    line = steps[step].lines[layer][tag]
    assert isinstance(line, Value)
    lines = {**steps[step].lines, layer: {**steps[step].lines[layer], tag: change(line)}}
    steps[step] = replace(steps[step], lines=lines)
    return replace(golden, steps=tuple(steps))


def to(*numbers: float) -> Callable[[Value], Value]:
    """Return what puts other numbers first in a line, without remainders."""

    def change(value: Value) -> Value:
        hi = value.hi.copy()
        hi[: len(numbers)] = numbers
        return Value(hi, np.zeros(hi.size))

    return change


def difference(a: Golden, b: Golden, run: Run, tmp_path: Path) -> dict[str, Any]:
    """Return the one difference of two files; the text says the same as the JSON."""
    (tmp_path / "a.json").write_bytes(dump(a))
    (tmp_path / "b.json").write_bytes(dump(b))
    argv = ("diff", tmp_path / "a.json", tmp_path / "b.json")
    status, out, err = run(*argv, "--json")
    assert (status, err) == (1, "")
    found = json.loads(out)
    (row,) = found["differences"]
    assert found["same"] == 0
    status, out, err = run(*argv)
    assert (status, err) == (1, "")
    text, count = out.splitlines()
    assert count == "0 cases are the same, 1 differ"
    assert f"{row['line']}: {row['a']} became {row['b']}" in text
    assert row["case"] in text
    for name in ("step", "layer"):
        assert (f"{name} " in text.partition(" became ")[0]) == (row[name] is not None)
    result: dict[str, Any] = row
    return result


NEAR = float(np.nextafter(np.nextafter(1.0, 2.0), 2.0))


@pytest.mark.parametrize(
    ("before", "after", "ulps"),
    [
        (1.0, NEAR, 2),
        (NEAR, 1.0, -2),
        (-1.0, -NEAR, -2),
        (5e-324, -5e-324, -2),
        (-5e-324, 5e-324, 2),
        (0.0, 5e-324, 1),
        (1.0, -1.0, -2 * 0x3FF0000000000000),
        (2.2250738585072014e-308, 2.225073858507201e-308, -1),
        (-1.7976931348623157e308, 1.7976931348623157e308, 2 * 0x7FEFFFFFFFFFFFFF),
    ],
)
def test_diff_counts_doubles_across_zero_and_signs(
    before: float, after: float, ulps: int, run: Run, corpus: Path, tmp_path: Path
) -> None:
    """From one to the other, exactly; with both numbers in decimal and in bits."""
    golden = load(corpus, TINY)
    a = changed(golden, 0, "s", "theta", to(before))
    b = changed(golden, 0, "s", "theta", to(after))

    row = difference(a, b, run, tmp_path)

    assert (row["case"], row["step"], row["layer"]) == (TINY, 11, "s")
    assert row["line"] == "theta[0]"
    assert row["a"] == f"{before!r} ({to_hex(before)})"
    assert row["b"] == f"{after!r} ({to_hex(after)})"
    assert row["ulps"] == ulps
    out = run("diff", tmp_path / "a.json", tmp_path / "b.json").out
    assert f"{ulps:+d} units in the last place" in out


def test_zeros_of_two_signs_are_no_double_apart(corpus: Path) -> None:
    """They are two patterns, and a difference all the same."""
    golden = load(corpus, TINY)
    a, b = (changed(golden, 0, "s", "theta", to(zero)) for zero in (0.0, -0.0))

    found = first_difference(a, b)

    assert found is not None
    assert (found.a, found.b) == ("0.0 (0000000000000000)", "-0.0 (8000000000000000)")
    assert found.ulps == 0


def test_diff_names_the_first_step_layer_and_line(
    run: Run, corpus: Path, tmp_path: Path
) -> None:
    """In the order in which things are computed, whatever else differs further on."""
    golden = load(corpus, TINY)
    other = golden
    for step, layer, tag in (
        (1, "s", "theta"), (1, "w", "m"), (0, "s", "m_hat"), (0, "s", "v"), (0, "b", "theta"),
        (0, "b", "v"), (0, "w", "theta"), (0, "w", "m"),
    ):
        other = changed(other, step, layer, tag, to(1.0))
        row = difference(golden, other, run, tmp_path)

        assert (row["step"], row["layer"]) == (11 + step, layer)
        assert row["line"] == f"{tag}[0]"
    given = other.steps[0].inputs["s"]
    inputs = {**other.steps[0].inputs, "s": {**given, "v": Value(np.ones(1), np.zeros(1))}}
    steps = (replace(other.steps[0], inputs=inputs), other.steps[1])
    row = difference(golden, replace(other, steps=steps), run, tmp_path)
    assert (row["step"], row["layer"], row["line"]) == (11, "s", "input v[0]")


def test_diff_names_the_number_within_a_line(run: Run, corpus: Path, tmp_path: Path) -> None:
    """And whether it is the nearest double or what remains of it."""
    golden = load(corpus, TINY)

    def last(value: Value) -> Value:
        hi = value.hi.copy()
        hi[4] = np.nextafter(hi[4], np.inf)
        return Value(hi, value.lo)

    def remainder(value: Value) -> Value:
        lo = value.lo.copy()
        lo[2] = -lo[2]
        return Value(value.hi, lo)

    row = difference(golden, changed(golden, 1, "w", "v_hat", last), run, tmp_path)
    assert (row["step"], row["layer"], row["line"], row["ulps"]) == (12, "w", "v_hat[4]", 1)
    row = difference(golden, changed(golden, 1, "b", "v_hat", remainder), run, tmp_path)
    assert (row["step"], row["layer"], row["line"]) == (12, "b", "v_hat[2] (what remains)")


def test_diff_of_a_rate_has_bits_and_units(run: Run, corpus: Path, tmp_path: Path) -> None:
    """As any double; a rate is one."""
    golden = load(corpus, PLATEAU)
    rate = golden.steps[2].lr
    other = float(np.nextafter(rate, 1))
    steps = list(golden.steps)
    steps[2] = replace(steps[2], lr=other)

    row = difference(golden, replace(golden, steps=tuple(steps)), run, tmp_path)

    assert (row["step"], row["layer"], row["line"]) == (steps[2].t, None, "lr")
    assert (row["a"], row["b"]) == (f"{rate!r} ({to_hex(rate)})", f"{other!r} ({to_hex(other)})")
    assert row["ulps"] == 1


def test_diff_of_a_hyperparameter_names_it(run: Run, corpus: Path, tmp_path: Path) -> None:
    """The two sides of a difference are not the same words."""
    golden = load(corpus, TINY)
    hyper = {**golden.spec["hyper"], "weight_decay": 0.5}

    row = difference(golden, replace(golden, spec={**golden.spec, "hyper": hyper}), run, tmp_path)

    assert row["a"] != row["b"]
    assert "weight_decay" in row["line"] + row["a"] + row["b"]
    assert "0.5" in row["b"]


def test_diff_of_growth_names_a_step(run: Run, corpus: Path, tmp_path: Path) -> None:
    """The last of them differs, and the two sides say so."""
    golden = load(corpus, LOOP)
    assert golden.growth is not None
    grown = golden.growth.copy()
    grown[-1] = np.nextafter(grown[-1], 1)

    row = difference(golden, replace(golden, growth=grown), run, tmp_path)

    assert "growth" in row["line"]
    assert row["a"] != row["b"]


def test_diff_of_facts_and_flags(run: Run, corpus: Path, tmp_path: Path) -> None:
    """What a case is about, a flag, a frozen layer, a step less."""
    golden = load(corpus, SWITCH)
    assert difference(golden, replace(golden, about="x"), run, tmp_path)["line"] == "about"
    row = difference(golden, replace(golden, steps=golden.steps[:2]), run, tmp_path)
    assert (row["line"], row["a"], row["b"]) == ("steps", "3", "2")
    steps = list(golden.steps)
    lines = steps[1].lines["w"]
    steps[1] = replace(steps[1], lines={"w": {**lines, "rectified": not lines["rectified"]}})
    row = difference(golden, replace(golden, steps=tuple(steps)), run, tmp_path)
    assert (row["step"], row["layer"], row["line"]) == (steps[1].t, "w", "rectified")
    assert {row["a"], row["b"]} == {"True", "False"}


def test_diff_of_what_is_the_same(run: Run, corpus: Path, tmp_path: Path) -> None:
    """A name, a file, a proposal, two names, two corpora: status 0."""
    copy = tmp_path / "copy"
    shutil.copytree(corpus, copy)
    golden = load(corpus, TINY)
    rej = tmp_path / "tiny-decimal.json.rej"
    rej.write_text(json.dumps({"case": json.loads(dump(golden)), "reason": "x"}))
    from paratrooper_ref.golden import text

    rej.write_bytes(text.write(json.loads(rej.read_text())))

    for argv, same in (
        ([TINY], 1), ([TINY, TINY], 1), ([copy / f"core/{TINY}.json"], 1), ([rej], 1),
        ([TINY, rej], 1), ([copy], 8), ([copy, corpus], 8), ([corpus, copy], 8),
    ):
        status, out, err = run("diff", *argv)
        assert (status, out, err) == (0, f"{same} cases are the same, 0 differ\n", "")
        status, out, err = run("diff", "--json", *argv)
        assert json.loads(out) == {"same": same, "differences": []}


def test_diff_of_two_corpora(run: Run, corpus: Path, tmp_path: Path) -> None:
    """Each case that differs, is missing on one side, or has another digest has its line."""
    other = tmp_path / "other"
    shutil.copytree(corpus, other)
    golden = changed(load(corpus, TINY), 1, "b", "m", to(1.0))
    (other / f"core/{TINY}.json").write_bytes(dump(golden))
    entries = dict(Corpus(corpus).manifest().cases)
    entries[TINY] = entry_of(golden, dump(golden))
    entries[ABSENT] = replace(entries[ABSENT], sha256="0" * 64)
    del entries[SYNC]
    (other / f"core/{SYNC}.json").unlink()
    seal(other, list(entries.values()))

    status, out, err = run("diff", other)
    assert (status, err) == (1, "")
    rows = out.splitlines()
    assert rows[0].startswith(f"{TINY}: step 12, layer b, m[0]: ")
    assert rows[1].startswith(f"{SYNC}: case: there became not there")
    assert rows[2].startswith(f"{ABSENT}: sha256: ")
    assert rows[3] == "5 cases are the same, 3 differ"
    status, out, err = run("diff", other, corpus, "--json")
    assert status == 1
    found = json.loads(out)
    assert found["same"] == 5
    assert [row["case"] for row in found["differences"]] == [TINY, SYNC, ABSENT]
    assert found["differences"][1]["a"] == "not there"


def test_diff_sees_a_change_of_the_list_of_changes(
    run: Run, corpus: Path, tmp_path: Path
) -> None:
    """Two corpora with another history are not the same."""
    other = tmp_path / "other"
    shutil.copytree(corpus, other)
    changes = b"# Changes\n\n## 1.0.0\n\nAnother one.\n"
    (other / CHANGES).write_bytes(changes)
    manifest = Corpus(corpus).manifest()
    written = dump_manifest(manifest_of("1.0.0", changes, manifest.cases.values()))
    (other / MANIFEST).write_bytes(written)

    assert run("diff", other).status == 1


def test_every_single_change_is_a_difference(corpus: Path) -> None:
    """No bit of a stored line can differ without a word."""
    for case in (*CORE, LOOP):
        golden = load(corpus, case)
        assert first_difference(golden, golden) is None
        for i, step in enumerate(golden.steps):
            for layer, lines in step.lines.items():
                for tag, line in lines.items():
                    if not isinstance(line, Value):
                        continue

                    def flip(value: Value) -> Value:
                        bits = value.hi.copy().view(np.uint64)
                        bits[-1] ^= np.uint64(1)
                        return Value(bits.view(np.float64), value.lo)

                    found = first_difference(golden, changed(golden, i, layer, tag, flip))
                    assert found is not None
                    assert (found.step, found.layer) == (step.t, layer)
                    assert found.line == f"{tag}[{line.size - 1}]"


# --------------------------------------------------------------------------- export


def content_digest(named: Mapping[str, Array]) -> str:
    """Return the content digest, written from its description alone."""
    whole = hashlib.sha256()
    for name in sorted(named):
        x = named[name]
        kind = {"float64": b"f8", "uint8": b"u1"}[x.dtype.name]
        shape = ",".join(str(n) for n in x.shape).encode()
        payload = b"".join(
            bytes([value]) if kind == b"u1" else bytes.fromhex(to_hex(value))
            for value in x.ravel().tolist()
        )
        whole.update(b"\0".join((name.encode(), kind, shape, payload)))
    return whole.hexdigest()


def exported(run: Run, to: str, *cases: str) -> dict[str, Path]:
    """Export cases into the default folder; return the files by case."""
    status, out, err = run("export", *cases, "--to", to)
    assert (status, err) == (0, "")
    found = sorted(Path("golden-export").iterdir())
    assert out.startswith(f"{len(found)} cases in golden-export; derived copies")
    ending = CONTAINERS[to][0]
    names = {path.name.removesuffix(ending).replace("-", "/", 1): path for path in found}
    assert all(path.name.endswith(ending) for path in found)
    return names


def test_export_to_npz_reads_back(run: Run, corpus: Path) -> None:
    """Without pickle; the digest of what is read is that of the manifest."""
    entries = Corpus(corpus).manifest().cases
    files = exported(run, "npz")
    assert sorted(files) == sorted(CORE)
    for case, path in files.items():
        with np.load(path, allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files}
        assert str(found.pop("digest")) == entries[case].content
        assert content_digest(found) == entries[case].content
        golden = load(corpus, case)
        theta = golden.steps[0].inputs
        for layer, shape in golden.layers.items():
            value = theta[layer]["theta"]
            assert value is not None
            read = found[f"steps/0/inputs/{layer}/theta/hi"]
            assert read.shape == shape
            np.testing.assert_array_equal(read.ravel(), value.hi)


def test_export_to_safetensors_reads_back(run: Run, corpus: Path) -> None:
    """By the rules of that format, and with the same digest."""
    entries = Corpus(corpus).manifest().cases
    files = exported(run, "safetensors", "*/*-dyadic", LOOP)
    assert sorted(files) == sorted((FROZEN, SYNC, SHAPES, LOOP))
    for case, path in files.items():
        written = path.read_bytes()
        size = int.from_bytes(written[:8], "little")
        header = written[8 : 8 + size]
        assert size % 8 == 0
        assert header.startswith(b"{")
        head = json.loads(header)
        payload = written[8 + size :]
        about = head.pop("__metadata__")
        assert all(isinstance(value, str) for value in about.values())
        assert about == {"case": case, "content-sha256": entries[case].content}
        named = {}
        end = 0
        for name, entry in sorted(head.items(), key=lambda item: item[1]["data_offsets"]):
            start, stop = entry["data_offsets"]
            assert start == end  # no holes, no overlap
            dtype: np.dtype[Any] = np.dtype({"F64": "<f8", "U8": "u1"}[entry["dtype"]])
            assert start % dtype.itemsize == 0
            x = np.frombuffer(payload[start:stop], dtype=dtype)
            named[name] = x.reshape(entry["shape"]).astype(dtype.newbyteorder("="))
            end = stop
        assert end == len(payload)
        assert content_digest(named) == entries[case].content


PRINTER = """
#include "{first}"
#include "{first}"
#include "{second}"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
int main(void) {{
    size_t i; double x;
{rows}
    return 0;
}}
"""
ROW = """    for (i = 0; i < sizeof {name} / sizeof *{name}; i++) {{
        printf("{name} %016" PRIx64 "\\n", (uint64_t){name}[i]);
    }}"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_export_to_a_c_header_compiles(run: Run, corpus: Path) -> None:
    """Without warnings, twice in one unit, beside another one; each pattern arrives."""
    entries = Corpus(corpus).manifest().cases
    files = exported(run, "c-header", TINY, SWITCH)
    golden = load(corpus, SWITCH)
    stem = re.sub(r"[^A-Za-z0-9]", "_", SWITCH)
    expected = []
    rows = [
        f"    puts({stem.upper()}_CONTENT_SHA256);",
        f'    printf("%d\\n", {stem.upper()}_STEPS);',
    ]
    for name, x in arrays(golden).items():
        if name == "about":
            continue
        called = "__".join([stem, *name.split("/")])
        rows.append(ROW.format(name=called))
        words = to_hex(x).split() if x.dtype.kind == "f" else [f"{int(a):016x}" for a in x.flat]
        expected += [f"{called} {word}" for word in words]
    rows.append(f"    x = 0; memcpy(&x, {stem}__steps__0__lines__w__m__hi, sizeof x);")
    rows.append('    printf("%.17g\\n", x);')
    source = PRINTER.format(
        first=files[SWITCH].name, second=files[TINY].name, rows="\n".join(rows)
    )
    Path("golden-export/printer.c").write_text(source)

    subprocess.run(
        ["cc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-Wno-unused-variable",
         "-Wno-unused-const-variable", "-o", "printer", "golden-export/printer.c"],
        check=True,
    )
    done = subprocess.run(["./printer"], capture_output=True, text=True, check=True)

    lines = done.stdout.splitlines()
    assert lines[0] == entries[SWITCH].content
    assert lines[1] == str(len(golden.steps))
    assert lines[2:-1] == expected
    first = golden.steps[0].lines["w"]["m"]
    assert isinstance(first, Value)
    assert float(lines[-1]) == first.hi[0]


def test_names_in_a_c_header_are_all_different(corpus: Path) -> None:
    """Whatever layers are called: w with a trust_ratio, and w_trust with a ratio."""
    golden = load(corpus, SHAPES)
    names = dict(zip(golden.layers, ("w", "w_trust", "c", "n", "z"), strict=True))
    steps = tuple(
        replace(
            step,
            inputs={names[layer]: x for layer, x in step.inputs.items()},
            lines={names[layer]: x for layer, x in step.lines.items()},
        )
        for step in golden.steps
    )
    layers = {names[layer]: shape for layer, shape in golden.layers.items()}
    written = c_header(replace(golden, layers=layers, steps=steps)).decode()

    declared = re.findall(r"^static const \w+ (\w+)\[", written, re.MULTILINE)
    assert len(declared) > 50
    assert len(set(declared)) == len(declared)


def test_export_writes_the_same_bytes_again(run: Run) -> None:
    """Over what it has written; no date or host in it."""
    for to in CONTAINERS:
        first = {c: p.read_bytes() for c, p in exported(run, to, TINY).items()}
        assert {c: p.read_bytes() for c, p in exported(run, to, TINY).items()} == first
        shutil.rmtree("golden-export")


def test_export_of_damage_writes_no_file_of_it(run: Run, corpus: Path, tmp_path: Path) -> None:
    """A derived copy of a damaged case would look like a whole one."""
    copy = tmp_path / "copy"
    shutil.copytree(corpus, copy)
    (copy / f"core/{TINY}.json").write_bytes(b"")

    status, out, err = run("export", TINY, "--to", "npz", on=copy)

    assert (status, out, err.count("\n")) == (1, "", 1)
    assert f"core/{TINY}.json: " in err
    assert list(tmp_path.rglob("*.npz")) == []


# --------------------------------------------------------------------------- pipes, terminals


def test_no_progress_in_a_pipe(corpus: Path, tmp_path: Path) -> None:
    """Standard error stays empty."""
    for argv in (["verify", "--jobs", "2"], ["export", "--to", "npz"], ["list"]):
        done = process("golden", *argv, "--corpus", corpus, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")


def on_a_terminal(*argv: str | Path, cwd: Path) -> tuple[int, str]:
    """Run with standard error on a terminal; return status and what was seen there."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "paratrooper_ref", *map(str, argv)],
        stdout=subprocess.DEVNULL, stderr=theirs, cwd=cwd, env=environment(),
    ) as child:
        os.close(theirs)
        seen = b""
        while select.select([ours], [], [], 30)[0]:
            try:
                part = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            seen += part
    os.close(ours)
    return child.returncode, seen.decode()


def test_progress_on_a_terminal(corpus: Path, tmp_path: Path) -> None:
    """A bar that grows to the end, and is wiped away."""
    for argv, word in (
        (["verify", "--jobs", "1"], "verifying"),
        (["verify", "--prove", "--jobs", "2"], "proving"),
        (["export", "--to", "npz"], "exporting"),
    ):
        status, seen = on_a_terminal("golden", *argv, "--corpus", corpus, cwd=tmp_path)

        assert status == 0
        assert f"\r{word} " in seen
        percents = [int(n) for n in re.findall(r"(\d+) %", seen)]
        assert percents == sorted(percents)
        assert percents[-1] == 100
        assert seen.endswith("\r\x1b[K")


def test_a_line_on_a_terminal_is_not_in_the_bar(corpus: Path, tmp_path: Path) -> None:
    """The bar is wiped away before a damaged file is named."""
    copy = tmp_path / "copy"
    shutil.copytree(corpus, copy)
    (copy / f"core/{TINY}.json").write_bytes(b"")

    status, seen = on_a_terminal("golden", "verify", "--jobs", "1", "--corpus", copy, cwd=tmp_path)

    assert status == 1
    line = seen.rpartition("\x1b[K")[2]
    assert line.startswith("paratrooper-ref: core/")
    assert line.count("\n") == 1


@pytest.mark.parametrize(
    "argv", [["list"], ["list", "--json"], ["show", TINY], ["show", TINY, "--json"], ["verify"]]
)
def test_a_reader_that_has_seen_enough(argv: list[str], corpus: Path, tmp_path: Path) -> None:
    """A closed pipe is no error, and nobody is told of it; but a check has not passed."""
    with subprocess.Popen(
        [sys.executable, "-m", "paratrooper_ref", "golden", *argv, "--corpus", str(corpus)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, env=environment(),
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        err = child.stderr.read()

    assert (child.returncode, err) == (141 if argv == ["verify"] else 0, b"")


def test_head_of_a_list(corpus: Path, tmp_path: Path) -> None:
    """As a person would ask for it in a shell."""
    done = subprocess.run(
        f"'{sys.executable}' -m paratrooper_ref golden list --corpus '{corpus}' | head -1",
        shell=True, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment(),
    )

    assert done.stdout.split() == ["case", "tier", "steps", "numbers", "catches", "about"]
    assert done.stderr == ""


def test_output_is_plain_in_any_locale(corpus: Path, tmp_path: Path) -> None:
    """Symbols of lines are Greek: where they cannot be written the numbers still are."""
    env = {**environment(), "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0",
           "PYTHONIOENCODING": "ascii"}
    for argv in (["show", SWITCH], ["list"], ["verify"]):
        done = subprocess.run(
            [sys.executable, "-m", "paratrooper_ref", "golden", *argv, "--corpus", str(corpus)],
            capture_output=True, text=True, check=False, cwd=tmp_path, env=env,
        )
        assert (done.returncode, done.stderr) == (0, "")


# --------------------------------------------------------------------------- a new user


def test_a_new_user_in_an_empty_folder(run: Run, tmp_path: Path) -> None:
    """The shipped corpus is there without a word; nothing is written but what is asked for."""
    here = tmp_path / "here"
    status, out, err = run("list", on=None)
    assert (status, err) == (0, "")
    cases = [row.split()[0] for row in out.splitlines()[1:-2]]
    assert len(cases) > 400
    assert run("show", cases[-1] if "/" not in cases[-1] else TINY, on=None).status == 0
    assert run("diff", TINY, on=None).status == 0
    assert list(here.iterdir()) == []
    assert run("export", TINY, "--to", "npz", on=None).status == 0
    assert [path.name for path in here.iterdir()] == ["golden-export"]


def test_the_shipped_corpus_is_verified_from_any_folder(tmp_path: Path) -> None:
    """By the command a new user types first."""
    done = process("golden", "verify", cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(r"5\d\d cases hold: \d+ numbers within the bounds", done.stdout)
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_what_is_exported_is_what_is_shown(run: Run, corpus: Path) -> None:
    """The facts in a copy are those of the case."""
    (path,) = exported(run, "npz", PLATEAU).values()
    with np.load(path, allow_pickle=False) as archive:
        facts = json.loads(archive["about"].tobytes())
    shown = json.loads(run("show", PLATEAU, "--json").out)
    for step in shown["steps"]:
        for part in ("inputs", "lines", "model"):
            step.pop(part, None)
    assert facts == shown
    assert parse((corpus / f"core/{PLATEAU}.json").read_bytes(), "x").case == facts["case"]


def test_list_finds_what_catches_a_variant(run: Run, corpus: Path) -> None:
    """By a pattern of its name."""
    status, out, err = run("list", "--catches", "adam.eps*", "--json")

    cases = [row["case"] for row in json.loads(out)["cases"]]
    assert (status, err) == (0, "")
    assert TINY in cases
    assert len(cases) < len(Corpus(corpus).manifest().cases)
    assert all("adam.eps" in " ".join(load(corpus, case).catches) for case in cases)


def test_export_of_a_damaged_case_writes_nothing(run: Run, corpus: Path) -> None:
    """Of none of those asked for."""
    (corpus / f"core/{TINY}.json").write_bytes(b"{}")

    status, _, err = run("export", "--to", "npz")

    assert (status, err.count("\n")) == (1, 1)
    assert not Path("golden-export").exists()


def test_a_check_that_is_not_heard_does_not_pass(corpus: Path, tmp_path: Path) -> None:
    """Who closes the pipe before the end gets no 0, whatever was found."""
    (corpus / f"core/{TINY}.json").write_bytes(b"{}")
    command = f"{sys.executable} -m paratrooper_ref golden verify --jobs 1 --corpus {corpus} 2>&1"

    done = subprocess.run(
        ["bash", "-c", f"{command} | true; echo ${{PIPESTATUS[0]}}"],
        capture_output=True, text=True, check=True, cwd=tmp_path, env=environment(),
    )

    assert done.stdout.strip() in ("1", "141")
