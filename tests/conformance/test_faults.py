"""Every adapter fault of the catalogue as code: the kit gives it the verdict that is declared."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

from paratrooper_ref.conformance import check
from paratrooper_ref.conformance.gate import Gate, cases
from paratrooper_ref.conformance.verdict import CONFORMS, DEPARTS, KEEPS, UNSUPPORTED
from paratrooper_ref.golden.corpus import Corpus
from paratrooper_ref.variants import FAULTS
from tests.conformance.faults.kept import CountsLayers, SharesBuffer
from tests.conformance.faults.trials import TRIALS

everyone = pytest.mark.parametrize("name", FAULTS)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():  # of optimizers that never move
        warnings.simplefilter("ignore")
        yield


@everyone
def test_a_fault_is_code(name: str) -> None:
    """A backend says that it has it, and its verdict is the one of the catalogue."""
    assert TRIALS[name]
    for trial in TRIALS[name]:
        wrong = trial.wrong()
        assert name in wrong.of
        assert wrong.verdict == FAULTS[name].check


@everyone
def test_a_fault_gets_its_verdict(name: str) -> None:
    """Wherever it has to show, and there alone; and the first line that departs is its own."""
    verdict = FAULTS[name].check
    for trial in TRIALS[name]:
        wanted = trial.shows(verdict)
        found = trial.asked(trial.wrong())
        assert {case: result.verdict for case, result in found.items()} == wanted
        assert verdict in wanted.values()
        if not FAULTS[name].where:
            assert {wanted[golden.case] for golden in trial.goldens()} <= {verdict}
        if trial.lines:
            departures = [r.departure for r in found.values() if r.verdict == DEPARTS]
            assert {d.at.tag for d in departures if d is not None} == set(trial.lines)


@everyone
def test_without_the_fault_it_conforms(name: str) -> None:
    """Then nothing else is wrong with it, nor with what it is asked."""
    for trial in TRIALS[name]:
        found = trial.asked(trial.right())
        assert found.keys() == trial.shows("").keys()
        assert {result.verdict for result in found.values()} == {CONFORMS}


def test_no_other_fault_is_tried() -> None:
    """What is tried is in the catalogue."""
    assert set(TRIALS) == set(FAULTS)


@pytest.mark.parametrize("setting", ["decimal", "dyadic"])
def test_steps_counted_by_layer_are_a_dialect(setting: str) -> None:
    """A run departs, and the report says that this is not asked; all else holds."""
    report = check(CountsLayers(), "adam", only=f"replay/adam/{setting}*")
    run, frozen = report.results
    assert (run.verdict, frozen.verdict) == (CONFORMS, UNSUPPORTED)
    assert "a dialect" in frozen.detail
    assert report.ok


def test_a_shared_buffer_shows_in_single_steps_too() -> None:
    """A step at the rate of another case departs, or is right when it is taken again."""
    found = Gate(SharesBuffer()).run(cases("radam", Corpus()))
    verdicts = [result.verdict for result in found]
    assert set(verdicts) == {CONFORMS, DEPARTS, KEEPS}
    stale = [result.case for result in found if result.verdict != CONFORMS]
    # Dyadic cases come second, and have another rate; of the others two change it at a step that
    # an earlier case has taken.
    others = [case for case in stale if not case.endswith("dyadic")]
    assert others == ["radam/layers-decimal", "radam/rates-decimal"]
