"""Which cases an algorithm has, and what `check` makes of what comes of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from paratrooper_ref.conformance import check, gate
from paratrooper_ref.conformance.verdict import CONFORMS, UNSUPPORTED
from tests.conformance.test_loop import ByLayer

CASES = {  # by name, the tier and the algorithm
    "adam/plain": ("core", "adam"), "adam/late": ("core", "adam"),
    "nesterov/plain": ("core", "sgd"),
    "rosenbrock/adam": ("full", "adam"), "rosenbrock/sgd": ("full", "sgd"),
    "rosenbrock/ranger": ("full", "ranger"),
}


def corpus(*absent: str) -> Any:
    """Return a corpus of a few names, of which some are not there."""
    entries = {
        case: SimpleNamespace(case=case, tier=tier) for case, (tier, _) in CASES.items()
    }
    return SimpleNamespace(
        folder="a folder",
        manifest=lambda: SimpleNamespace(cases=entries),
        present=lambda entry: entry.case not in absent,
        load=lambda entry: SimpleNamespace(spec={"algorithm": CASES[entry.case][1]}),
    )


@pytest.mark.parametrize(
    ("algorithm", "tier", "found"),
    [
        ("adam", "core", ["adam/late", "adam/plain"]),
        ("sgd", "core", ["nesterov/plain"]),
        ("nesterov", "core", ["nesterov/plain"]),
        ("sgd", "full", ["rosenbrock/sgd"]),
        ("ranger", "full", ["rosenbrock/ranger"]),
        ("adam", "all", ["adam/late", "adam/plain", "rosenbrock/adam"]),
        ("lamb", "core", []),
    ],
)
def test_cases_are_those_of_an_algorithm_or_a_group(
    algorithm: str, tier: str, found: list[str]
) -> None:
    """Groups of the core are of one algorithm each, problems of the full tier are not."""
    assert gate.names(algorithm, corpus(), tier) == found


def test_a_pattern_leaves_some() -> None:
    """It is of the whole name."""
    assert gate.names("adam", corpus(), "all", "*/adam") == ["rosenbrock/adam"]


def test_a_tier_that_is_not_generated_is_said() -> None:
    """How much of it is not there, and what to do; the core does not ask for it."""
    some = corpus("rosenbrock/sgd", "rosenbrock/adam")
    for tier in ("full", "all"):
        with pytest.raises(ValueError, match="needs all of its cases, 2 are not generated in a fo"):
            gate.names("adam", some, tier)
    assert gate.names("adam", some) == ["adam/late", "adam/plain"]
    assert gate.names("adam", corpus("adam/late")) == ["adam/late", "adam/plain"]  # load tells


def test_a_name_that_is_none_is_said_with_one_that_is_near() -> None:
    """Groups are names too, cases are not."""
    with pytest.raises(ValueError, match=r"got algorithm='nestrov'; .*nesterov"):
        gate.names("nestrov", corpus())
    with pytest.raises(ValueError, match="got algorithm='rosenbrok/sgd'") as error:
        gate.names("rosenbrok/sgd", corpus(), "full")
    assert "'rosenbrock/sgd'" not in str(error.value)


def test_counts_by_layer_are_a_dialect_and_no_failure() -> None:
    """What departs by that alone was not asked that: it says nothing of what it looks like."""
    report = check(ByLayer(), "adam", only="replay/adam/decimal*")
    found = {r.case: r for r in report.results}
    assert found["replay/adam/decimal"].verdict == CONFORMS
    frozen = found["replay/adam/decimal/frozen"]
    assert (frozen.verdict, frozen.departure, list(frozen.likes)) == (UNSUPPORTED, None, [])
    assert "each layer apart (a dialect)" in frozen.detail
    assert not frozen.all_shares  # nor of how far it was off
    assert report.ok
