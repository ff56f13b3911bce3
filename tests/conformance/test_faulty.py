"""The kit against backends that are wrong on purpose: each gets its verdict, and none gets by."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from paratrooper_ref.conformance import check
from paratrooper_ref.conformance.gate import Gate, cases
from paratrooper_ref.conformance.verdict import (
    CONFORMS,
    HANGS,
    KEEPS,
    RAISES,
    UNSUPPORTED,
    VERDICTS,
    Result,
)
from paratrooper_ref.conformance.watch import SECONDS
from paratrooper_ref.golden.corpus import Corpus
from paratrooper_ref.golden.document import Golden
from paratrooper_ref.variants import FAULTS as CATALOGUE
from tests.conformance.faulty import (
    ALLOWED,
    FAULTS,
    Declines,
    Forgets,
    Honest,
    Meddles,
    Only,
    Probed,
    Sleeps,
    Spins,
    Warns,
)

GOLDENS = cases("paratrooper", Corpus())
SHORT = 0.5  # s; a step takes some milliseconds

# What the kit does not find yet, or not by the right name.
OPEN = {"Forgets": "single steps do not reload; a run does, see below"}


def everyone(known: dict[str, str]) -> pytest.MarkDecorator:
    """Return a parameter for each fault; those that are known to get by are expected to."""
    return pytest.mark.parametrize("faulty", [
        pytest.param(
            f, id=f.__name__,
            marks=[pytest.mark.xfail(reason=known[f.__name__])] if f.__name__ in known else [],
        )
        for f in FAULTS
    ])


dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def results(backend: Any, goldens: list[Golden] = GOLDENS) -> dict[str, Result]:
    """Return what the gate says, by case."""
    over = getattr(getattr(backend, "faulty", backend), "over", None)
    seconds = SECONDS if over is None else SHORT
    try:
        with warnings.catch_warnings():  # so that one who meddles does not reach the next test
            warnings.simplefilter("ignore")
            return {r.case: r for r in Gate(backend, seconds=seconds).run(goldens)}
    except (SystemExit, pytest.skip.Exception) as error:
        pytest.fail(f"a backend's {error!r} got through the kit")
    finally:
        if over is not None:
            over.set()


def among(params: Any) -> bool:
    """Return whether these are the parameters of paratrooper/shapes-*."""
    return set(params) == {"a", "b", "c", "n", "z"}


@dtypes
@pytest.mark.parametrize("allowed", ALLOWED, ids=lambda f: f.__name__)
def test_what_is_allowed_conforms(allowed: type[Honest], dtype: str) -> None:
    """The reference itself, and what is odd about a backend but not wrong."""
    assert {r.verdict for r in results(allowed(dtype)).values()} == {CONFORMS}


@dtypes
@everyone(OPEN)
def test_a_fault_gets_its_verdict(faulty: type[Honest], dtype: str) -> None:
    """In every case that has to show it; and no other case is blamed."""
    backend = faulty(dtype)
    found = results(backend)
    wanted = {g.case: faulty.verdict if backend.visible(g) else CONFORMS for g in GOLDENS}
    assert {case: r.verdict for case, r in found.items()} == wanted
    assert faulty.verdict in wanted.values()
    told = [r for r in found.values() if r.verdict != CONFORMS]
    assert all(r.detail for r in told)
    assert all(r.t is not None for r in told if r.verdict not in (KEEPS, UNSUPPORTED))


@everyone(OPEN)
def test_one_bad_case_hides_no_other(faulty: type[Honest]) -> None:
    """Wrong in two cases: these are named, and the others conform."""
    backend = Only(faulty("float32"), among)
    found = results(backend)
    bad = {g.case for g in GOLDENS if among(g.layers)}
    assert bad == {"paratrooper/shapes-decimal", "paratrooper/shapes-dyadic"}
    assert {r.verdict for case, r in found.items() if case not in bad} == {CONFORMS}
    shown = {g.case for g in GOLDENS if g.case in bad and backend.faulty.visible(g)}
    if faulty.verdict != KEEPS:  # there is nothing to keep before the first bad case
        assert {found[case].verdict for case in shown} <= {faulty.verdict}


@everyone(OPEN)
def test_a_report_says_so(faulty: type[Honest]) -> None:
    """`check` does not hold, however few the cases, and says why in words."""
    backend = faulty("float32")
    if faulty.verdict == KEEPS:
        results(backend, GOLDENS[:3])  # something to keep
    over = getattr(backend, "over", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            seconds = SECONDS if over is None else SHORT
            few = "paratrooper/[ls][ah][ay]*"  # layers-* and shapes-*
            report = check(backend, "paratrooper", only=few, seconds=seconds)
        except (SystemExit, pytest.skip.Exception) as error:
            pytest.fail(f"a backend's {error!r} got through the kit")
        finally:
            if over is not None:
                over.set()
    assert report.complete
    assert not report.ok
    assert report.exit_code == (3 if faulty is Declines else 1)
    assert faulty.verdict in str(report)


def test_what_a_reload_loses_is_found_by_a_run() -> None:
    """Saved and loaded in the middle, it goes on otherwise."""
    report = check(Forgets("float32"), "paratrooper", only="reload/*")
    assert [r.verdict for r in report.results] == ["forgets on reload"]


def test_faults_are_those_of_the_catalogue() -> None:
    """With its verdicts; and where one of ours is of no kind that it knows, that is said."""
    for faulty in FAULTS:
        for name in faulty.of:
            assert CATALOGUE[name].check == faulty.verdict, faulty
    assert {f.__name__ for f in FAULTS if not f.of} == {"Declines", "Lists", "More"}


def test_every_verdict_on_a_backend_has_a_fault_that_gets_it() -> None:
    """But the one of arithmetic that does not decide a branch, which is no fault."""
    assert set(VERDICTS) - {f.verdict for f in FAULTS} == {CONFORMS, "unstable branch"}


METHODS = ["start", "step", "read", "probe"]


@pytest.mark.parametrize("method", METHODS)
def test_it_may_hang_anywhere(method: str) -> None:
    """Whichever call does not come back, the kit does."""
    over = threading.Event()
    backend = Probed()
    setattr(backend, method, lambda *_: over.wait())
    began = time.monotonic()
    found = Gate(backend, seconds=SHORT).run(GOLDENS)
    assert time.monotonic() - began < 20 * SHORT
    over.set()
    assert {r.verdict for r in found} == {HANGS}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "error",
    [ValueError("no"), MemoryError(), RecursionError(), Warning("w"), AssertionError(),
     StopIteration(), SystemExit(0), GeneratorExit()],
    ids=lambda e: type(e).__name__,
)
def test_it_may_raise_anywhere(method: str, error: BaseException) -> None:
    """Whatever is raised, wherever, is a verdict, and its name is told; but for an interrupt."""

    def raises(*_: Any) -> None:
        raise error

    backend = Probed()
    setattr(backend, method, raises)
    try:
        found = Gate(backend).run(GOLDENS[:3])
    except BaseException as reached:
        pytest.fail(f"{reached!r} got through the kit")
    assert {r.verdict for r in found} == {RAISES}
    assert all(type(error).__name__ in r.detail for r in found)


@pytest.mark.parametrize("name", [Sleeps.__name__, Spins.__name__])
def test_a_hang_does_not_keep_the_program_from_its_end(name: str) -> None:
    """Nobody lets the threads go here: they are left behind, and the process ends."""
    program = (
        "from paratrooper_ref.conformance import check\n"
        f"from tests.conformance.faulty import {name}\n"
        f"raise SystemExit(check({name}(), 'paratrooper', seconds=0.2).exit_code)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], timeout=600, capture_output=True, check=False
    )
    assert ended.returncode == 1, ended.stderr


@pytest.fixture
def meddled() -> Iterator[Callable[[], Any]]:
    """Return a run of who meddles, and put back what it leaves."""
    state, errors = np.random.get_state(), np.geterr()  # noqa: NPY002
    with warnings.catch_warnings():
        yield lambda: Gate(Meddles()).run(GOLDENS[:3])
    np.seterr(**errors)
    np.random.set_state(state)  # noqa: NPY002


def test_numpys_errors_are_handled_as_before(meddled: Callable[[], Any]) -> None:
    """A backend's np.seterr is its own affair."""
    before = np.geterr()
    meddled()
    assert np.geterr() == before


def test_warnings_are_filtered_as_before(meddled: Callable[[], Any]) -> None:
    """And so are its filters of warnings."""
    before = list(warnings.filters)
    meddled()
    assert list(warnings.filters) == before


def test_who_warns_is_heard_where_warnings_are_errors() -> None:
    """The caller's own filters say what a warning is: it may be an error, and then it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert {r.verdict for r in Gate(Warns()).run(GOLDENS[:2])} == {RAISES}
