"""Run mutants of the package's core, each in a copy of the package of its own, one process each.

``python -m tests.mutation --file running.py --sample 100 --seed 1`` goes on where it was ended:
results are kept in a file (``--cache``), by mutant and by the tests that it was held to.  Tests of
a file are run in order until one fails; the fastest stand first.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import importlib.util
import json
import os
import random
import resource
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from paratrooper_ref.files import replacing
from tests.mutation.mutate import Mutant, mutants
from tests.mutation.page import SURVIVED, TIMEOUT, page
from tests.mutation.survivors import explanation, read
from tests.mutation.targets import PACKAGE, TARGETS

ROOT: Final = Path(__file__).absolute().parents[2]
COPIED: Final = ("paratrooper_ref", "problems", "tests", "setup.cfg", "README.md")
LOADED: Final = ("numpy", "pytest", "hypothesis", "flint", "mpmath", "scipy.special", "jsonschema")
MEMORY: Final = 4 << 30
SPARE = 10  # seconds of processor time that a mutant has besides three times what tests take
CACHE: Final = ROOT / "build" / "mutation.json"
PAGE: Final = ROOT / "docs" / "mutation.md"


@dataclass
class Slot:
    """A copy of the package, and the process that runs in it."""

    folder: Path
    pid: int = 0
    pipe: int = -1
    file: str = ""
    mutant: Mutant | None = None
    began: float = field(default_factory=time.monotonic)

    def start(self, file: str, mutant: Mutant | None, seconds: int) -> None:
        """Begin to run the tests of a file in a child: of a mutant, or of the file as it is."""
        self.file, self.mutant, self.began = file, mutant, time.monotonic()
        if mutant is not None:
            self.put(mutant.text)
        self.pipe, told = os.pipe()
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            _child(self.folder, told, TARGETS[file], seconds, writes=mutant is None)
        os.close(told)

    def put(self, text: str) -> None:
        """Write the file, and make sure that what was compiled from another is not used."""
        path = self.folder / PACKAGE / self.file
        path.write_text(text, "utf-8")
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()

    def ended(self, limit: float) -> str | None:
        """Return what came of it: "survived", "timed out" or what has failed; None if it runs."""
        done, status = os.waitpid(self.pid, os.WNOHANG)
        late = time.monotonic() - self.began > limit
        if not done and not late:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # also what it has started
        if not done:
            os.waitpid(self.pid, 0)
        said = os.read(self.pipe, 1 << 12).decode()
        os.close(self.pipe)
        self.pid = 0
        if self.mutant is not None:
            self.put(original(self.file))
        if late or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
            return TIMEOUT
        return said or "a crash"


def source(name: str) -> Path:
    """Return where something that is copied is, without importing it."""
    spec = importlib.util.find_spec(name) if name in (PACKAGE, "problems") else None
    return Path(spec.origin).parent if spec is not None and spec.origin else ROOT / name


def original(file: str) -> str:
    """Return the text of a file of the package."""
    return (source(PACKAGE) / file).read_text("utf-8")


def _child(
    folder: Path, told: int, stages: tuple[str, ...], seconds: int, *, writes: bool
) -> None:
    """Run the stages until one fails, and say which."""
    status = 1
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        os.chdir(folder)
        sys.path[:] = [str(folder), *(p for p in sys.path if Path(p or ".") not in (ROOT, folder))]
        for name in [n for n in sys.modules if n.partition(".")[0] in COPIED]:
            del sys.modules[name]
        sys.dont_write_bytecode = not writes
        failed = next((stage for stage in stages if not _holds(stage)), SURVIVED)
        os.write(told, failed.encode())
        status = 0
    except BaseException as error:  # a mutant may raise anything, at import too
        os.write(told, f"{type(error).__name__} outside of a test".encode())
    finally:
        os._exit(status)


def _holds(stage: str) -> bool:
    kind, _, groups = stage.partition(":")
    if kind == "golden":
        try:
            return _golden(groups.split(","))
        except Exception:  # the corpus does not hold, or cannot be read
            return False
    import hypothesis
    import pytest

    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)  # the least example is no news
    hypothesis.settings.register_profile(
        "mutation", derandomize=True, deadline=None, database=None, phases=phases,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.settings.load_profile("mutation")
    rewritten = "ignore::pytest.PytestAssertRewriteWarning"  # plugins are loaded before the fork
    options = ["-x", "-q", "--tb=no", "--no-header", "-p", "no:cacheprovider", "--noconftest"]
    return pytest.main([*options, "-W", rewritten, *shlex.split(stage)]) == pytest.ExitCode.OK


def _golden(groups: list[str]) -> bool:
    """Hold the core cases of some groups to the reference."""
    check = importlib.import_module(f"{PACKAGE}.golden.check")
    corpus = importlib.import_module(f"{PACKAGE}.golden.corpus").Corpus()
    for entry in corpus.manifest().cases.values():
        if entry.tier == "core" and entry.case.partition("/")[0] in groups:
            check.Check(corpus.load(entry), entry.file).all()
    return True


class Results(dict[str, str]):
    """What came of each mutant, kept in a file: by the function as changed, and its tests."""

    def __init__(self, path: Path) -> None:
        super().__init__(json.loads(path.read_text("utf-8")) if path.exists() else {})
        self.path = path

    def save(self) -> None:
        """Write the file, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.path) as opened:
            opened.write(json.dumps(self, indent=0, sort_keys=True).encode() + b"\n")


def key(file: str, mutant: Mutant) -> str:
    """Return under which key the result of a mutant is kept."""
    asked = json.dumps([file, mutant.where, mutant.part, TARGETS[file]])
    return hashlib.sha256(asked.encode()).hexdigest()[:24]


def sampled(file: str, sample: int | None, seed: int) -> list[Mutant]:
    """Return so many mutants of a file, drawn at random; a larger sample has a smaller one's."""
    found = mutants(original(file))
    if sample is None:
        return found
    random.Random(f"{seed} {file}").shuffle(found)
    return found[:sample]


def baseline(slot: Slot, file: str) -> float:
    """Run the tests of a file as it is, and return the seconds that they take."""
    began = time.monotonic()
    slot.start(file, None, 600)
    while (said := slot.ended(1200)) is None:
        time.sleep(0.05)
    if said != SURVIVED:
        msg = f"the tests of {file} need to pass as it is, got {said}"
        raise SystemExit(msg)
    return time.monotonic() - began


def run(file: str, asked: list[Mutant], slots: list[Slot], results: Results) -> None:
    """Run mutants that have no result yet."""
    waiting = [m for m in asked if key(file, m) not in results]
    if not waiting:
        return
    seconds = baseline(slots[0], file)
    print(f"{file}: {len(waiting)} of {len(asked)} to run; tests take {seconds:.0f} s", flush=True)
    for i, (mutant, said) in enumerate(_run(file, waiting, slots, seconds)):
        results[key(file, mutant)] = said
        results.save()
        if said == SURVIVED or i % 20 == 19:
            print(f"  {i + 1}/{len(waiting)}  {said}: {mutant}", flush=True)


def _run(
    file: str, waiting: list[Mutant], slots: list[Slot], seconds: float
) -> Iterator[tuple[Mutant, str]]:
    waiting, limit = waiting[::-1], 10 * seconds + 60
    while waiting or any(slot.pid for slot in slots):
        for slot in slots:
            if slot.pid and (said := slot.ended(limit)) is not None and slot.mutant is not None:
                yield slot.mutant, said
            if not slot.pid and waiting:
                slot.start(file, waiting.pop(), 3 * int(seconds) + SPARE)
        time.sleep(0.01)


def copies(folder: Path, jobs: int) -> list[Slot]:
    """Return slots with a copy of the package and its tests in each."""
    ignored = shutil.ignore_patterns("__pycache__", "full", ".hypothesis")
    for i in range(jobs):
        for name in COPIED:
            there = folder / str(i) / name
            if source(name).is_dir():
                shutil.copytree(source(name), there, ignore=ignored)
            else:
                shutil.copy(source(name), there)
    return [Slot(folder / str(i)) for i in range(jobs)]


def main() -> int:
    """Run what is asked; exit code 1 where a survivor is not explained."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--file", nargs="*", default=[], help="parts of paths; all by default")
    parser.add_argument("--sample", type=int, help="mutants a file, at random; all by default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--again", action="store_true", help="run survivors again")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument(
        "--report", action="store_true", help="write docs/mutation.md of what was run; run nothing"
    )
    options = parser.parse_args()
    results = Results(options.cache)
    files = [f for f in TARGETS if not options.file or any(part in f for part in options.file)]
    asked = {file: sampled(file, options.sample, options.seed) for file in files}
    if options.again:
        for file, of_file in asked.items():
            for mutant in of_file:
                if results.get(key(file, mutant)) == SURVIVED:
                    del results[key(file, mutant)]
    if not options.report:
        for name in LOADED:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        with tempfile.TemporaryDirectory() as folder:
            slots = copies(Path(folder), options.jobs)
            for file, of_file in asked.items():
                run(file, of_file, slots, results)
    else:
        command = "python -m tests.mutation --seed " + str(options.seed)
        totals = {file: len(sampled(file, None, 0)) for file in files}
        said = {f: [results.get(key(f, m)) for m in asked[f]] for f in files}
        PAGE.write_text(page(asked, said, read(), totals, command), "utf-8")
    survivors = read()
    left = [
        f"{file}: {mutant}" for file, of_file in asked.items() for mutant in of_file
        if results.get(key(file, mutant)) == SURVIVED and not explanation(survivors, file, mutant)
    ]
    print("\n".join([*left, f"{len(left)} survive and are not explained"]))
    return int(bool(left))


if __name__ == "__main__":
    sys.exit(main())
