"""Counting: what results come to, in an exit code, in a line and in full."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from paratrooper_ref.conformance import Profile, Report
from paratrooper_ref.conformance.verdict import (
    CONFORMS,
    DEPARTS,
    RAISES,
    UNSUPPORTED,
    Departure,
    Like,
    Result,
    Share,
)


def result(case: str, verdict: str = CONFORMS, **more: Any) -> Result:
    """Return a result of a case of two steps."""
    given: dict[str, Any] = {"detail": "", "steps": 2, "of": 2, "shares": ()} | more
    return Result(case=case, verdict=verdict, **given)


def report(*results: Result, **more: Any) -> Report:
    """Return a report of all there is."""
    given: dict[str, Any] = {"total": len(results)} | more
    return Report(
        backend="b", algorithm="a", tier="core", corpus="1", digest="0123456789",
        profile=Profile(), results=results, **given,
    )


def at(share: float, tag: str = "theta") -> Share:
    """Return a share of a layer."""
    return Share(t=1, layer="w", tag=tag, share=share, got=1.5, wanted=1.0)


GOOD = result("a/1", shares=(at(0.5), at(0.25)))
BAD = result("a/2", DEPARTS, shares=(at(9.0),), departure=Departure(at=at(9.0)))
LEFT = result("a/3", UNSUPPORTED, detail="no", steps=0)
BROKEN = result("a/4", RAISES, detail="no")


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (report(GOOD), 0),
        (report(GOOD, LEFT), 0),
        (report(GOOD, BAD), 1),
        (report(GOOD, BROKEN), 1),
        (report(LEFT), 3),
        (report(), 3),
        (report(GOOD, total=2), 3),
        (report(GOOD, GOOD), 3),
        (report(GOOD, GOOD, total=1), 3),
        (report(GOOD, BAD, expected={"a/2": None}), 0),
        (report(GOOD, problems=["odd"]), 1),
    ],
)
def test_an_exit_code_is_of_counts_and_failures(found: Report, code: int) -> None:
    assert found.exit_code == code
    assert found.ok is (code == 0)


def test_a_report_adds_up() -> None:
    other = result("a/5", DEPARTS, departure=Departure(at=at(9.0)))
    found = report(GOOD, BAD, other, LEFT, BROKEN, expected={"a/2": None})
    assert found.ran == 4
    assert [r.case for r in found.failed] == ["a/5", "a/4"]
    assert found.worst is GOOD.shares[0]
    assert found.summary == (
        "b: a core 5 = 1 conform + 1 departs + 1 expected (departs) + 1 raises + 1 unsupported; "
        "corpus 1 sha256:01234567; worst margin 0.50 (a/1 theta of w[0] t=1)"
    )
    assert report(GOOD, total=2, only="a/*").summary == (
        "b: a core 'a/*' 2 = 1 conform; corpus 1 sha256:01234567; "
        "worst margin 0.50 (a/1 theta of w[0] t=1); 1 results for 2 cases"
    )
    assert "worst" not in report(BAD).summary


def test_a_failure_is_told_in_full_once_a_kind() -> None:
    """What is alike is named; at most three kinds, and eight names."""
    alike = [replace(BAD, case=f"a/{i}") for i in range(10, 20)]
    tags = ["m", "v", "u", "slow"]
    kinds = [result(f"k/{tag}", DEPARTS, departure=Departure(at=at(2.0, tag))) for tag in tags]
    told = str(report(*alike, *kinds))
    assert [line for line in told.splitlines() if line.startswith("FAIL")] == [
        "FAIL a/10", "FAIL k/m", "FAIL k/v",
    ]
    names = ", ".join(f"a/{i}" for i in range(10, 18))
    assert f"14 cases fail: {names} and 6 more" in told
    one = report(*alike)
    assert one.brief(alike[0]) == one.failure(alike[0])
    assert one.brief(alike[3]).endswith("as in a/10")
    assert "cases fail" not in str(report(BAD))
    liked = replace(BAD, case="l", likes=(
        Like(
            variant="x", kind="bug", misfit=1.0, line="m = g", was="m = m", seen="nowhere",
            tags=("m",), link="",
        ),
    ))
    assert len([x for x in str(report(BAD, liked)).splitlines() if x.startswith("FAIL")]) == 2


def test_digits_and_bits_of_a_departure_are_told() -> None:
    told = report(BAD).failure(replace(BAD, t=4))
    assert told.startswith("FAIL a/2  step t=4\n  first departs: theta of layer 'w' at [0]")
    assert "3ff8000000000000" in told
    assert "3ff0000000000000" in told
    assert "error / bound = 9, digits right 0.3" in told
    for got, wanted, digits in ((1.0, 1.0, "17.0"), (1.0, 0.0, "0.0"), (1.001, 1.0, "3.0"),
                                (9.0, 1.0, "0.0"), (0.0, 0.0, "17.0")):
        there = replace(BAD, departure=Departure(at=replace(at(2.0), got=got, wanted=wanted)))
        assert f"digits right {digits}" in report(there).failure(there)


def test_what_is_left_out_is_counted() -> None:
    half = replace(GOOD, steps=1, adapted={"threshold": 5.0})
    told = str(report(half, replace(LEFT, case="a/6"), LEFT))
    assert "1 steps of cases that conform could not be asked" in told
    assert "unsupported, 2 cases: no" in told
    assert "asked with what it has: threshold=5.0 (1 cases)" in told
    assert "no result" not in told
    assert "no result" in str(report(LEFT))
    assert "could not be asked" not in str(report(GOOD))
