"""Writing a corpus: the same bytes every time, whole or not at all, and never over other values."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import paratrooper_ref as pr
from paratrooper_ref.cli import main
from paratrooper_ref.golden import commands, generate, regenerate, text
from paratrooper_ref.golden.content import parse
from paratrooper_ref.golden.corpus import (
    CHANGES,
    MANIFEST,
    Corpus,
    dump_manifest,
    entry_of,
    manifest_of,
)
from paratrooper_ref.golden.recipe import Full, Recipe
from paratrooper_ref.golden.recipes import recipes

TINY, STILL, SHAPES = "adam/tiny-decimal", "adam/still-dyadic", "adam/shapes-dyadic"
FEW = (SHAPES, STILL, TINY, "sgd/plain-dyadic")
LOOP = "rosenbrock/sgd"

Bytes = dict[str, bytes]
Run = Callable[..., tuple[int, str, list[str]]]


def contents(folder: Path) -> Bytes:
    """Return the bytes of all files."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def visible(folder: Path) -> Bytes:
    """Return the bytes of all files that are not hidden."""
    return {name: x for name, x in contents(folder).items() if "/." not in f"/{name}"}


def times(folder: Path) -> dict[str, int]:
    """Return when each file was written."""
    return {str(p): p.lstat().st_mtime_ns for p in sorted(folder.rglob("*"))}


@pytest.fixture(autouse=True)
def origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let there be four recipes, and no shipped corpus to keep files of."""
    only(monkeypatch, *FEW)
    nowhere = tmp_path / "shipped"
    monkeypatch.setattr(generate, "shipped", lambda: nowhere)
    monkeypatch.setattr(commands, "shipped", lambda: nowhere)
    return nowhere


def only(monkeypatch: pytest.MonkeyPatch, *names: str, **more: Recipe) -> None:
    """Let there be these recipes alone."""
    found = {name: recipes()[name] for name in names} | more
    monkeypatch.setattr(generate, "recipes", lambda: dict(sorted(found.items())))


def with_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be a trajectory of three steps too."""
    recipe = recipes()[LOOP]
    assert isinstance(recipe, Full)
    only(monkeypatch, *FEW, **{LOOP: replace(recipe, steps=3, catches=())})


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Return a path where nothing is yet."""
    return tmp_path / "corpus"


@pytest.fixture
def run(corpus: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a verb on the corpus in this process."""

    def go(*argv: str, jobs: int | None = None) -> tuple[int, str, list[str]]:
        capsys.readouterr()
        line = ["golden", *argv, "--corpus", str(corpus)]
        if argv[0] in ("generate", "verify"):
            line += ["--jobs", str(jobs or 1)]
        try:
            status = main(line)
        except SystemExit as stopped:
            status = int(stopped.code or 0)
        printed = capsys.readouterr()
        return status, printed.out, printed.err.splitlines()

    return go


def assert_verified(run: Run, cases: int = len(FEW)) -> None:
    """Assert that the corpus is proved, and has so many cases."""
    status, out, err = run("verify", "--prove")
    assert (status, err) == (0, [])
    assert out.startswith(f"{cases} cases hold")


# --------------------------------------------------------------------------- generate


def test_generate_makes_a_corpus_that_is_proved(run: Run, corpus: Path) -> None:
    """A manifest, the list of changes, and a file for each case; nothing else."""
    status, out, err = run("generate")

    assert (status, err) == (0, [])
    assert out.startswith("4 cases proved and written, 0 proved and the same")
    assert sorted(contents(corpus)) == sorted(
        [MANIFEST, CHANGES, *(f"core/{case}.json" for case in FEW)]
    )
    assert Corpus(corpus).manifest().corpus == "1.0.0"
    assert_verified(run)


def test_generate_writes_the_same_bytes_however_it_works(
    run: Run, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From one process and two, and when folders list their files the other way round."""
    run("generate")
    one = contents(corpus)
    corpus.rename(tmp_path / "one")
    run("generate", jobs=2)
    two = contents(corpus)
    corpus.rename(tmp_path / "two")

    def backwards(listed: Callable[..., Iterator[Path]]) -> Callable[..., Iterator[Path]]:
        return lambda *args: iter(sorted(listed(*args), reverse=True))

    for name in ("iterdir", "rglob", "glob"):
        monkeypatch.setattr(Path, name, backwards(getattr(Path, name)))
    recipe_list = vars(generate)["recipes"]()
    monkeypatch.setattr(generate, "recipes", lambda: dict(reversed(recipe_list.items())))
    run("generate")

    assert two == one
    assert contents(corpus) == one


@pytest.mark.parametrize("jobs", [1, 2])
def test_generate_again_writes_nothing(jobs: int, run: Run, corpus: Path) -> None:
    """Neither files nor folders nor the manifest are touched."""
    run("generate")
    before = times(corpus)

    status, out, err = run("generate", "--json", jobs=jobs)

    assert (status, err) == (0, [])
    found = json.loads(out)
    assert (found["written"], sorted(found["identical"])) == ([], sorted(FEW))
    assert times(corpus) == before


def test_generate_keeps_what_is_as_shipped(
    run: Run, corpus: Path, origin: Path, tmp_path: Path
) -> None:
    """Files that are the shipped ones to the last byte are not computed; others are."""
    run("generate")
    corpus.rename(origin)
    run("generate")
    (corpus / f"core/{TINY}.json").unlink()

    status, out, _ = run("generate", "--json")

    found = json.loads(out)
    assert status == 0
    assert found["written"] == [TINY]
    assert sorted(found["kept"]) == sorted(set(FEW) - {TINY})
    assert found["as_shipped"] is True
    assert contents(corpus) == contents(origin)


def test_generate_takes_up_new_cases(
    run: Run, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They raise the minor version, once."""
    only(monkeypatch, *FEW[:3])
    run("generate")
    old = contents(corpus)
    only(monkeypatch, *FEW)

    for _ in range(2):
        assert run("generate")[0] == 0
        assert Corpus(corpus).manifest().corpus == "1.1.0"
    new = contents(corpus)
    assert all(new[name] == x for name, x in old.items() if name.startswith("core/"))
    assert_verified(run)


def test_generate_asks_for_the_tier_that_has_no_digests(
    run: Run, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both tiers at once; then one of them keeps the digests of the other."""
    with_loop(monkeypatch)
    status, _, err = run("generate")
    assert (status, len(err)) == (1, 1)
    assert "generate the tier full too" in err[0]
    assert not (corpus / MANIFEST).exists()

    assert run("generate", "--tier", "all")[0] == 0
    whole = contents(corpus)
    assert f"full/{LOOP}.json" in whole
    assert_verified(run, 5)
    for tier in ("core", "full", "all"):
        assert run("generate", "--tier", tier)[0] == 0
        assert contents(corpus) == whole


def tamper(
    corpus: Path, case: str, change: Callable[[dict[str, Any]], object], *, seal: bool = True
) -> None:
    """Change a stored case, and all the hashes of it."""
    entry = Corpus(corpus).manifest().cases[case]
    path = corpus / entry.file
    content = json.loads(path.read_bytes())
    change(content)
    path.write_bytes(text.write(content))
    if not seal:
        return
    manifest = Corpus(corpus).manifest()
    entries = {**manifest.cases, case: entry_of(parse(path.read_bytes(), case), path.read_bytes())}
    changes = (corpus / CHANGES).read_bytes()
    written = dump_manifest(manifest_of(manifest.corpus, changes, entries.values()))
    (corpus / MANIFEST).write_bytes(written)


def other_value(content: dict[str, Any]) -> None:
    """Move the last bit of a proved number."""
    line = content["steps"][0]["lines"]["w" if "w" in content["steps"][0]["lines"] else "c"]["m"]
    first, space, rest = line["hi"].partition(" ")
    line["hi"] = f"{int(first, 16) ^ 1:016x}{space}{rest}"


def other_note(content: dict[str, Any]) -> None:
    """Change what a case is about."""
    content["about"] = "Something else."


@pytest.mark.parametrize("seal", [True, False])
@pytest.mark.parametrize("change", [other_value, other_note])
def test_generate_never_overwrites_a_changed_case(
    change: Callable[[dict[str, Any]], object], seal: bool, run: Run, corpus: Path
) -> None:
    """It names the case and the way, writes what is missing, and leaves the manifest."""
    run("generate")
    tamper(corpus, TINY, change, seal=seal)
    (corpus / f"core/{STILL}.json").unlink()
    before = contents(corpus)

    status, _, err = run("generate")

    assert (status, len(err)) == (1, 1)
    assert err[0].startswith(f"paratrooper-ref: {TINY}: ")
    assert "golden regenerate" in err[0]
    after = contents(corpus)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() <= {f"core/{STILL}.json"}


def test_generate_says_in_json_what_has_changed(run: Run, corpus: Path) -> None:
    """--json is JSON in failure too."""
    run("generate")
    tamper(corpus, TINY, other_value)

    status, out, _ = run("generate", "--json")

    assert status == 1
    assert json.loads(out)["changed"] == [TINY]


def test_generate_refuses_a_damaged_manifest(run: Run, corpus: Path) -> None:
    """It holds versions that would be lost."""
    run("generate")
    path = corpus / MANIFEST
    path.write_bytes(path.read_bytes()[:-9])
    before = contents(corpus)

    status, _, err = run("generate")

    assert (status, len(err)) == (1, 1)
    assert MANIFEST in err[0]
    assert contents(corpus) == before


@pytest.mark.parametrize("name", ["thesis.tex", "core/thesis.tex", "core/adam/thesis.json"])
def test_generate_keeps_out_of_foreign_folders(name: str, run: Run, corpus: Path) -> None:
    """What it has not made is not mixed with a corpus."""
    (corpus / name).parent.mkdir(parents=True)
    (corpus / name).write_text("years of work")

    status, _, err = run("generate")

    assert (status, len(err)) == (2, 1)
    assert "thesis" in err[0]
    assert list(contents(corpus)) == [name]


def test_generate_minds_no_hidden_files(run: Run, corpus: Path) -> None:
    """Such as those that a desktop, a version control or a kill has left."""
    left = ("core/adam/.tiny-decimal.json.7.part", ".MANIFEST.json.7.part", ".DS_Store")
    for name in left:
        (corpus / name).parent.mkdir(parents=True, exist_ok=True)
        (corpus / name).write_bytes(b"half of")

    assert run("generate")[0] == 0
    assert_verified(run)
    assert {name: (corpus / name).read_bytes() for name in left} == dict.fromkeys(left, b"half of")


@pytest.mark.parametrize("path", ["/proc/corpus", "/dev/null/corpus", "file", "file/corpus"])
def test_generate_into_a_path_that_is_no_folder(
    path: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One line and status 2."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("in the way")

    status = main(["golden", "generate", "--jobs", "1", "--corpus", path])

    printed = capsys.readouterr()
    assert (status, printed.out, printed.err.count("\n")) == (2, "", 1)
    assert contents(tmp_path) == {"file": b"in the way"}


@contextmanager
def nobody() -> Iterator[None]:
    """Be a user who may not write here, root or not."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_generate_into_a_folder_that_may_not_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line and status 2."""
    there = tmp_path / "there"
    there.mkdir()
    there.chmod(0o555)
    monkeypatch.chdir(there)

    with nobody():
        status = main(["golden", "generate", "--jobs", "1", "--corpus", "corpus"])

    printed = capsys.readouterr()
    assert (status, printed.out, printed.err.count("\n")) == (2, "", 1)
    assert "Permission denied" in printed.err
    assert contents(tmp_path) == {}


# --------------------------------------------------------------------------- interruptions


def full_disk_at(
    monkeypatch: pytest.MonkeyPatch, nth: int, error: BaseException | None = None
) -> None:
    """Let the n-th file find no space when its bytes go to the disk."""
    count = 0

    def fsync(descriptor: int) -> None:
        nonlocal count
        count += 1
        if count == nth:
            raise error or OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize("nth", range(1, 7))
def test_a_full_disk_leaves_whole_files(
    nth: int, run: Run, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it happens; when there is space again the same corpus comes of it."""
    run("generate")
    whole = contents(corpus)
    for name in whole:
        (corpus / name).unlink()
    with monkeypatch.context() as full:
        full_disk_at(full, nth)
        status, out, err = run("generate")

    assert (status, out, len(err)) == (2, "", 1)
    assert "No space left on device" in err[0]
    assert contents(corpus).items() <= whole.items()
    assert len(contents(corpus)) == nth - 1
    assert run("generate")[0] == 0
    assert contents(corpus) == whole


def test_a_full_disk_leaves_the_old_manifest(
    run: Run, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old one is whole until the new one is."""
    only(monkeypatch, *FEW[:3])
    run("generate")
    old = contents(corpus)
    only(monkeypatch, *FEW)
    with monkeypatch.context() as full:
        full_disk_at(full, 2)
        assert run("generate")[0] == 2

    after = contents(corpus)
    assert {name: after[name] for name in old} == old
    assert run("generate")[0] == 0
    assert_verified(run)


SCRIPT = """
import os, signal, sys
from pathlib import Path
from paratrooper_ref.golden import commands, generate
from paratrooper_ref.golden.recipes import recipes

names, origin, setting, *argv = sys.argv[1:]
groups = tuple(names.split(","))
small = [name for name in recipes() if name.startswith(groups) and name.endswith("-dyadic")]
small = [name for name in small if "/wide" not in name]
found = {name: recipes()[name] for name in small}
generate.recipes = lambda: found
generate.shipped = commands.shipped = lambda: Path(origin)
exec(setting)
from paratrooper_ref.cli import main
sys.exit(main(["golden", *argv]))
"""
KILLED_IN_WRITING = """
whole = os.fsync
count = [{nth}]
def fsync(descriptor):
    count[0] -= 1
    if not count[0]:
        os.ftruncate(descriptor, 100)
        os.kill(os.getpid(), signal.SIGKILL)
    whole(descriptor)
os.fsync = fsync
"""
SMALL_FILES = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))"
MANY = "adam/,sgd/"


def command(corpus: Path, names: str, *argv: str, setting: str = "") -> list[str]:
    """Return a command line for a process of its own with these recipes."""
    origin = str(corpus.parent / "shipped")
    return [
        sys.executable, "-c", SCRIPT, names, origin, setting, *argv, "--corpus", str(corpus)
    ]


def started(corpus: Path, *argv: str) -> subprocess.Popen[str]:
    """Start generating many cases, in a group of processes of its own."""
    return subprocess.Popen(
        command(corpus, MANY, "generate", *argv),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        cwd=Path(pr.__file__).parents[1],
    )


def wait_for(corpus: Path, files: int, process: subprocess.Popen[str]) -> None:
    """Wait until so many cases are there, or the process is done."""
    until = time.monotonic() + 30
    while process.poll() is None and len(list(corpus.rglob("*.json"))) < files:
        assert time.monotonic() < until
        time.sleep(0.005)


def members(group: int) -> list[int]:
    """Return the processes of a group that are still at work."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgrp = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(pgrp) == group and state != "Z":
            found.append(int(path.parent.name))
    return found


def lasting(group: int, seconds: float = 5) -> list[int]:
    """Return the processes of a group that are still there after a while."""
    until = time.monotonic() + seconds
    while members(group) and time.monotonic() < until:
        time.sleep(0.05)
    return members(group)


def end(group: int) -> None:
    """End what is left of a group that a test has started."""
    for pid in members(group):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Bytes:
    """Return the bytes of a corpus that was generated without interruption."""
    corpus = tmp_path_factory.mktemp("many") / "corpus"
    done = subprocess.run(
        command(corpus, MANY, "generate", "--jobs", "2"),
        capture_output=True, text=True, check=True, cwd=Path(pr.__file__).parents[1],
    )
    assert done.stderr == ""
    return contents(corpus)


def resumed(corpus: Path) -> Bytes:
    """Generate again to the end; return what is there, but for hidden files."""
    done = subprocess.run(
        command(corpus, MANY, "generate", "--jobs", "1"),
        capture_output=True, text=True, check=False, cwd=Path(pr.__file__).parents[1],
    )
    assert (done.returncode, done.stderr) == (0, "")
    return visible(corpus)


def test_generate_after_kills_at_random_moments(corpus: Path, many: Bytes) -> None:
    """SIGKILL, several times over, with one process and two: whole files, the same in the end."""
    source = random.Random(3)
    files = 0
    for jobs in ("1", "2", "1"):
        process = started(corpus, "--jobs", jobs)
        try:
            wait_for(corpus, files + source.randrange(1, 9), process)
            time.sleep(source.random() / 50)
            process.kill()
            process.wait(10)
            found = visible(corpus)
            assert found.items() <= many.items()
            assert len(found) >= files
            files = len(found)
        finally:
            end(process.pid)
            process.communicate()

    assert resumed(corpus) == many


@pytest.mark.parametrize("nth", [1, 5])
def test_a_kill_in_the_middle_of_a_file_leaves_no_half_file(
    nth: int, corpus: Path, many: Bytes, run: Run
) -> None:
    """What is half written is hidden, in nobody's way, and goes with the next run."""
    killed = subprocess.run(
        command(
            corpus, MANY, "generate", "--jobs", "1", setting=KILLED_IN_WRITING.format(nth=nth)
        ),
        capture_output=True, text=True, check=False, cwd=Path(pr.__file__).parents[1],
    )

    assert killed.returncode == -signal.SIGKILL
    left = contents(corpus).keys() - visible(corpus).keys()
    assert len(left) == 1
    assert visible(corpus).items() <= many.items()
    assert len(visible(corpus)) == nth - 1
    assert resumed(corpus) == many
    assert not left & contents(corpus).keys()  # the next run has swept it up
    status, _, err = run("verify")
    assert (status, err) == (0, [])


def test_a_file_that_cannot_be_written_to_its_end(corpus: Path, many: Bytes) -> None:
    """The system itself stops a file after 5000 bytes: one line, status 2, nothing half."""
    done = subprocess.run(
        command(corpus, MANY, "generate", "--jobs", "1", setting=SMALL_FILES),
        capture_output=True, text=True, check=False, cwd=Path(pr.__file__).parents[1],
    )

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "File too large" in done.stderr
    assert contents(corpus).items() <= many.items()
    assert resumed(corpus) == many


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_generate_after_an_interruption_from_the_keyboard(
    jobs: str, corpus: Path, many: Bytes
) -> None:
    """One line, status 130, no traceback of any process, nothing hidden left."""
    process = started(corpus, "--jobs", jobs)
    try:
        wait_for(corpus, 4, process)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to all of them
        out, err = process.communicate(timeout=200)
        left = lasting(process.pid)
    finally:
        end(process.pid)

    assert (process.returncode, out) == (130, "")
    assert err == "paratrooper-ref: interrupted\n"
    assert contents(corpus).items() <= many.items()
    assert left == []
    assert resumed(corpus) == many


def test_an_interruption_while_processes_start(corpus: Path) -> None:
    """They are not told of it before they can listen: no traceback from any of them."""
    told = []
    for share in range(3):
        process = started(corpus, "--jobs", "2")
        try:
            until = time.monotonic() + 20
            while len(members(process.pid)) < 3 and time.monotonic() < until:
                time.sleep(0.002)
            time.sleep(share / 20)
            os.killpg(process.pid, signal.SIGINT)
            _, err = process.communicate(timeout=200)
        finally:
            end(process.pid)
        told.append((process.returncode, err.splitlines()[-1:], err.count("\n")))

    assert told == [(130, ["paratrooper-ref: interrupted"], 1)] * 3


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_outlives_the_one_that_is_killed(kill: signal.Signals, corpus: Path) -> None:
    """Workers that wait for ever would hold on to memory, and to a pipe that somebody reads."""
    process = started(corpus, "--jobs", "2")
    try:
        wait_for(corpus, 3, process)
        process.send_signal(kill)
        process.wait(10)
        left = lasting(process.pid)
    finally:
        end(process.pid)
        process.communicate()

    assert left == []


# --------------------------------------------------------------------------- regenerate


def test_a_proposal_needs_a_reason_and_a_case(run: Run, corpus: Path) -> None:
    """Status 2 and one line, with the nearest name; nothing is written."""
    run("generate")
    tamper(corpus, TINY, other_value)
    before = times(corpus)

    for argv, said in (
        ([], "needs cases and --reason, or --accept"),
        ([TINY], "needs cases and --reason, or --accept"),
        (["--reason", "x"], "needs cases and --reason, or --accept"),
        ([TINY, "--reason", ""], "needs a reason"),
        ([TINY, "--reason", " \n\t"], "needs a reason"),
        (["adam/tini-decimal", "--reason", "x"], f"did you mean '{TINY}'"),
        ([TINY, "adam/none", "--reason", "x"], "unknown case 'adam/none'"),
        ([TINY, "../MANIFEST", "--reason", "x"], "unknown case"),
        (["--accept", "--reason", "x"], "not with --accept"),
        (["--accept"], "there is no proposal"),
        (["--accept", TINY], f"there is no proposal for {TINY}"),
    ):
        status, out, err = run("regenerate", *argv)
        assert (status, out, len(err)) == (2, "", 1), argv
        assert said in err[0]
        assert times(corpus) == before


def test_a_case_that_has_not_changed_is_not_proposed(run: Run, corpus: Path) -> None:
    """It says so, writes nothing, and takes back an older proposal."""
    run("generate")
    before = contents(corpus)
    (corpus / f"core/{TINY}.json.rej").write_bytes(b"older")

    status, out, err = run("regenerate", TINY, STILL, "--reason", "to see")

    assert (status, err) == (0, [])
    assert out.count("nothing to change") == 2
    assert contents(corpus) == before


def test_a_pinned_case_that_is_not_generated_has_not_changed(
    run: Run, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its digest in the manifest tells: no proposal, and no new major version."""
    with_loop(monkeypatch)
    run("generate", "--tier", "all")
    (corpus / f"full/{LOOP}.json").unlink()
    before = contents(corpus)

    status, out, err = run("regenerate", LOOP, "--reason", "to see")

    assert (status, err) == (0, [])
    assert "nothing to change" in out
    assert contents(corpus) == before


def test_a_changed_case_is_left_beside_the_old_one(run: Run, corpus: Path) -> None:
    """The old one stays golden; verify reports the proposal and otherwise passes over it."""
    run("generate")
    tamper(corpus, TINY, other_value)
    before = contents(corpus)

    status, out, err = run("regenerate", TINY, "--reason", "The bit\nwas wrong.")

    assert (status, err) == (0, [])
    assert "step 11, layer w, m[0]: " in out
    assert "1 units in the last place" in out
    assert f"{TINY}.json.rej" in out
    after = contents(corpus)
    assert after.keys() - before.keys() == {f"core/{TINY}.json.rej"}
    assert {name: after[name] for name in before} == before
    proposal = json.loads(after[f"core/{TINY}.json.rej"])
    assert proposal["reason"] == "The bit was wrong."
    status, out, err = run("verify")
    assert (status, err) == (0, [])
    assert f"waits to be accepted, and does not count: core/{TINY}.json.rej" in out
    _, out, _ = run("verify", "--json")
    assert json.loads(out)["waiting"] == [f"core/{TINY}.json.rej"]
    assert run("generate")[0] == 1
    assert run("list")[0] == 0


@pytest.mark.parametrize(("change", "version"), [(other_value, "2.0.0"), (other_note, "1.0.1")])
def test_accept_installs_a_proposal(
    change: Callable[[dict[str, Any]], object], version: str, run: Run, corpus: Path
) -> None:
    """File, list of changes, version and manifest; it is what generate would make."""
    run("generate")
    whole = contents(corpus)
    tamper(corpus, TINY, change)
    run("regenerate", TINY, "--reason", "It was wrong.")

    status, out, err = run("regenerate", "--accept")

    assert (status, err) == (0, [])
    assert out == f"installed {TINY}; the corpus is {version} now\n"
    after = contents(corpus)
    assert after.keys() == whole.keys()
    assert all(after[name] == whole[name] for name in whole if name.startswith("core/"))
    changes = after[CHANGES].decode()
    assert changes.startswith(f"# Changes of the golden corpus\n\n## {version}\n\n- `{TINY}`: It")
    assert changes.endswith(whole[CHANGES].decode().partition("## ")[2])
    assert Corpus(corpus).manifest().corpus == version
    assert_verified(run)
    assert run("generate")[0] == 0
    assert contents(corpus) == after


def test_accept_of_one_leaves_the_others(run: Run, corpus: Path) -> None:
    """Values of one and a note of another: each has its version."""
    run("generate")
    tamper(corpus, TINY, other_value)
    tamper(corpus, SHAPES, other_note)
    run("regenerate", TINY, SHAPES, "--reason", "x")

    assert run("regenerate", "--accept", SHAPES)[0] == 0
    assert Corpus(corpus).manifest().corpus == "1.0.1"
    assert (corpus / f"core/{TINY}.json.rej").is_file()
    assert run("regenerate", "--accept")[0] == 0
    assert Corpus(corpus).manifest().corpus == "2.0.0"
    assert_verified(run)


def proposed(run: Run, corpus: Path) -> None:
    """Leave two proposals, one of values and one of a note."""
    run("generate")
    tamper(corpus, TINY, other_value)
    tamper(corpus, SHAPES, other_note)
    assert run("regenerate", TINY, SHAPES, "--reason", "It was wrong.")[0] == 0


@pytest.fixture
def accepted(run: Run, corpus: Path, tmp_path: Path) -> Bytes:
    """Return what an accept without interruption makes; leave the corpus as before it."""
    proposed(run, corpus)
    before = contents(corpus)
    assert run("regenerate", "--accept")[0] == 0
    after = contents(corpus)
    for name, written in before.items():
        (corpus / name).write_bytes(written)
    return after


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left")])
@pytest.mark.parametrize("nth", range(1, 5))
def test_accept_that_is_interrupted_can_be_repeated(
    nth: int,
    error: BaseException,
    run: Run,
    corpus: Path,
    accepted: Bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before any of its four files: the second time ends as the first would have."""
    with monkeypatch.context() as broken:
        full_disk_at(broken, nth, error)
        status, out, err = run("regenerate", "--accept")
    assert (status, out, len(err)) == (130 if isinstance(error, KeyboardInterrupt) else 2, "", 1)

    assert run("regenerate", "--accept")[0] == 0

    assert_verified(run)
    assert contents(corpus) == accepted


@pytest.mark.parametrize("nth", [1, 2])
def test_accept_that_is_interrupted_at_its_end(
    nth: int, run: Run, corpus: Path, accepted: Bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All is installed, and a proposal is still there: it does not raise the version again."""
    unlink = Path.unlink
    count = 0

    def interrupted(path: Path, missing_ok: bool = False) -> None:
        nonlocal count
        count += path.name.endswith(".rej")
        if count == nth:
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", interrupted)
        assert run("regenerate", "--accept")[0] == 130

    status, _, err = run("regenerate", "--accept")
    assert (status, err) == (0, [])
    assert_verified(run)
    assert contents(corpus) == accepted


def rejected(corpus: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a proposal."""
    path = corpus / f"core/{TINY}.json.rej"
    content = json.loads(path.read_bytes())
    change(content)
    path.write_bytes(text.write(content))


def moved(corpus: Path) -> None:
    """Let a proposal lie beside another case."""
    (corpus / f"core/{TINY}.json.rej").rename(corpus / f"core/{STILL}.json.rej")


def rewritten(written: bytes) -> Callable[[Path], None]:
    """Return what puts other bytes in place of a proposal."""

    def damage(corpus: Path) -> None:
        (corpus / f"core/{TINY}.json.rej").write_bytes(written)

    return damage


def put(name: str, value: Any) -> Callable[[Path], None]:
    """Return what sets a field of a proposal, or of its case."""

    def change(content: dict[str, Any]) -> None:
        place = content["case"] if name.startswith("case.") else content
        place[name.removeprefix("case.")] = value

    return lambda corpus: rejected(corpus, change)


def a_folder(corpus: Path) -> None:
    """Put a folder in place of a proposal."""
    (corpus / f"core/{TINY}.json.rej").unlink()
    (corpus / f"core/{TINY}.json.rej").mkdir()


def a_pipe(corpus: Path) -> None:
    """Put a pipe that nobody writes to in place of a proposal."""
    (corpus / f"core/{TINY}.json.rej").unlink()
    os.mkfifo(corpus / f"core/{TINY}.json.rej")


PROPOSALS: Mapping[str, Callable[[Path], None]] = {
    "empty": rewritten(b""),
    "cut off": rewritten(b'{\n "case": {'),
    "no object": rewritten(b"[]\n"),
    "no case": rewritten(b'{"reason": "x"}\n'),
    "not canonical": rewritten(b'{"case":1,"reason":"x"}'),
    "a case of no kind": rewritten(b'{"case": 1, "reason": "x"}\n'),
    "nested": rewritten(b"[" * 5000),
    "too large": rewritten(b" " * ((1 << 24) + 1)),
    "a folder": a_folder,
    "a pipe": a_pipe,
    "a reason that is no text": put("reason", 5),
    "no reason": put("reason", ""),
    "a reason that is a section": put("reason", "x\n\n## 9.9.9\n\n- all is well"),
    "a reason with a surrogate": put("reason", "\ud800"),
    "a reason that steers a terminal": put("reason", "\x1b[2J"),
    "another field": put("more", 1),
    "another case": put("case.case", STILL),
    "an unknown case": put("case.case", "adam/none"),
    "another tier": put("case.tier", "full"),
    "another version": put("case.format", "paratrooper-ref golden 9"),
    "values that are not proved": lambda c: rejected(c, lambda x: other_value(x["case"])),
    "a wrong count": put("case.count", {"steps": 2, "values": 1}),
    "beside another case": moved,
}


@pytest.mark.parametrize("damage", PROPOSALS)
def test_a_damaged_proposal_is_refused(damage: str, run: Run, corpus: Path) -> None:
    """One line that names it, status 1; nothing is installed, of the other one neither."""
    proposed(run, corpus)
    PROPOSALS[damage](corpus)
    before = times(corpus)

    def late(signum: int, frame: object) -> None:
        pytest.fail("it waits")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(100)
    try:
        status, out, err = run("regenerate", "--accept")
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    assert (status, out, len(err)) == (1, "", 1)
    assert ".json.rej: " in err[0]
    assert times(corpus) == before


def test_accept_holds_the_old_case_to_the_manifest(run: Run, corpus: Path) -> None:
    """A file damaged since then is not silently what the change is told against."""
    proposed(run, corpus)
    path = corpus / f"core/{TINY}.json"
    path.write_bytes(path.read_bytes()[:50])
    before = times(corpus)

    status, out, err = run("regenerate", "--accept")

    assert (status, out, len(err)) == (1, "", 1)
    assert "tiny-decimal.json" in err[0]
    assert times(corpus) == before


def test_what_this_file_replaces_is_in_use() -> None:
    """A proposal is made from the same recipes."""
    assert vars(regenerate)["proved_bytes"] is generate.proved_bytes
    assert generate.proved_bytes.__globals__ is vars(generate)


def test_what_the_killed_have_left_is_swept_up(run: Run, corpus: Path) -> None:
    """Hidden parts of files go with the next run, but for those of a process that runs."""
    run("generate")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    names = [f"core/adam/.tiny-decimal.json.{pid}.part" for pid in (gone.pid, os.getpid())]
    for name in names:
        (corpus / name).write_bytes(b"half")

    assert run("generate")[0] == 0

    assert [(corpus / name).exists() for name in names] == [False, True]
