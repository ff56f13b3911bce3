"""Expected failures: a reason for each, strict both ways."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paratrooper_ref.conformance import Expectation, ExpectationError, ReferenceBackend, check
from paratrooper_ref.conformance.expectations import match, read
from paratrooper_ref.conformance.verdict import Departure, Like, Result, Share

ENTRY = """
[[expect]]
id = "adam/tiny-*"
verdict = "departs"
line = "theta"
variant = "adam.eps_hat"
reason = "eps is where TensorFlow has it"
link = "https://example.org/1"
until = 2999-12-31
"""
HAT = ReferenceBackend("float32", variant="adam.eps_hat")
DAY = datetime.date(2999, 12, 31)


def expectation(**changes: Any) -> Expectation:
    """Return an expectation that holds for `HAT` on the tiny cases."""
    entry: dict[str, Any] = {
        "id": "adam/tiny-*", "verdict": "departs", "line": "theta", "variant": "adam.eps_hat",
        "reason": "for a test", "link": "https://example.org/1", "until": DAY,
    }
    return Expectation(**(entry | changes))


def test_what_is_expected_is_no_failure(tmp_path: Path) -> None:
    file = tmp_path / "expected.toml"
    file.write_text(ENTRY, "utf-8")
    report = check(HAT, "adam", only="adam/tiny-*", expect=file)
    assert report.ok, str(report)
    assert sorted(report.expected) == ["adam/tiny-decimal", "adam/tiny-dyadic"]
    assert "2 expected (departs)" in report.summary


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"line": "m"}, "departs first at theta, expected m"),
        ({"variant": "adam.eps_inside_root"}, "looks like adam.eps_hat"),
        ({"verdict": "raises", "line": None, "variant": None}, "departs, expected raises"),
        ({"id": "adam/no-such"}, "no case has such a name"),
        ({"until": datetime.date(2020, 1, 1)}, "was expected until 2020-01-01"),
    ],
)
def test_another_failure_is_a_failure(changes: dict[str, Any], problem: str) -> None:
    report = check(HAT, "adam", only="adam/tiny-*", expect=[expectation(**changes)])
    assert report.exit_code == 1
    assert any(problem in p for p in report.problems), report.problems


def test_what_conforms_after_all_is_a_problem() -> None:
    report = check(
        ReferenceBackend("float32"), "adam", only="adam/tiny-*", expect=[expectation()]
    )
    assert report.exit_code == 1
    assert not report.failed
    assert "adam/tiny-decimal: conforms, expected departs" in report.problems


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('reason = "eps is where TensorFlow has it"\n', "", "needs reason"),
        ('link = "https://example.org/1"\n', "", "needs link"),
        ("until = 2999-12-31\n", "", "needs until"),
        ("until = 2999-12-31", 'until = "soon"', "needs a date"),
        ("until = 2999-12-31", "until = 2999-12-31T00:00:00", "needs a date"),
        ('reason = "eps is where TensorFlow has it"', 'reason = " "', "needs its reason"),
        ('line = "theta"\n', "", "line belongs to what departs"),
        ('"departs"', '"conforms"', "needs a verdict"),
        ("reason", "raeson", "did you mean 'reason'"),
        ("[[expect]]", "[[expected]]", "tables \\[\\[expect\\]\\]"),
        ("[[expect]]", "[[expect", "TOML file"),
    ],
)
def test_an_entry_says_all_it_has_to(tmp_path: Path, old: str, new: str, message: str) -> None:
    file = tmp_path / "expected.toml"
    file.write_text(ENTRY.replace(old, new), "utf-8")
    with pytest.raises(ExpectationError, match=message):
        read(file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExpectationError, match="nowhere"):
        read(tmp_path / "nowhere.toml")


def departing(case: str, line: str = "theta", *variants: str) -> Result:
    """Return a result that departs first at a line, and looks like variants."""
    at = Share(t=1, layer="w", tag=line, share=2.0)
    likes = [
        Like(variant=v, kind="bug", misfit=0.5, tags=(), was="", line="", seen="", link="")
        for v in variants
    ]
    return Result(case=case, verdict="departs", departure=Departure(at=at), likes=likes)


def test_an_expectation_is_held_to_every_case_of_its_name() -> None:
    """On its last day too; one that has run out says so, and the others hold."""
    first = departing("adam/tiny-a", "theta", "adam.betas_swapped", "adam.eps_hat")
    other = departing("adam/tiny-b", "m", "adam.eps_hat")
    blind = departing("adam/plain-a")
    tiny, plain = expectation(), expectation(id="adam/plain-?", variant=None)
    late = expectation(id="adam/tiny-a", until=DAY - datetime.timedelta(days=1))

    found = match(iter([first, other, blind]), iter([late, tiny, plain]), DAY)
    assert found.expected == {"adam/tiny-a": tiny, "adam/plain-a": plain}
    assert found.problems == (
        '"adam/tiny-a" was expected until 2999-12-30',
        "adam/tiny-b: departs first at m, expected theta",
    )
    gone = expectation(id="x", until=DAY - datetime.timedelta(days=1))
    assert match([first], [gone], DAY).problems == (
        '"x" is expected, and no case has such a name', '"x" was expected until 2999-12-30',
    )
    assert match([first], [gone], DAY).expected == {}


def test_how_a_result_is_another_than_expected_is_said() -> None:
    given = expectation()
    assert given.differs(departing("a", "theta", "adam.eps_hat")) == ""
    assert given.differs(departing("a", "theta")) == (
        "looks like no known variant, expected adam.eps_hat"
    )
    assert given.differs(departing("a", "theta", "x", "y")) == (
        "looks like x, y, expected adam.eps_hat"
    )
    raised = Result(case="a", verdict="raises")
    assert given.differs(raised) == "raises, expected departs"
    assert expectation(verdict="raises", line=None, variant=None).differs(raised) == ""
    assert expectation(variant=None).differs(departing("a", "theta", "x")) == ""
    kept = replace(departing("a", "m"), verdict="keeps state")
    assert expectation(verdict="keeps state", line=None, variant=None).differs(kept) == ""
    mute = replace(departing("a"), departure=None)
    assert expectation(variant=None).differs(mute) == ""


def test_every_field_is_read(tmp_path: Path) -> None:
    """In the order of the file, with the entry that is wrong; none is none."""
    file = tmp_path / "expected.toml"
    second = ENTRY.replace("adam/tiny-*", "b").replace('variant = "adam.eps_hat"\n', "")
    file.write_text(ENTRY + second, "utf-8")
    reason = "eps is where TensorFlow has it"
    assert read(str(file)) == (
        expectation(reason=reason), expectation(id="b", variant=None, reason=reason),
    )
    file.write_text("", "utf-8")
    assert read(file) == ()
    for wrong, message in (
        (ENTRY + second.replace("reason", "raeson"), "expected.toml, entry 2: unknown 'raeson'"),
        ("expect = 1", r"tables \[\[expect\]\], got expect in "),
        ("expect = [1]", "entry 1: needs a table, got 1"),
        (ENTRY + "[other]", r"got expect, other in "),
        (ENTRY.replace('id = "adam/tiny-*"', "id = 3"), "entry 1: an expectation needs its id"),
        (ENTRY.replace('verdict = "departs"\nline = "theta"\n', ""), "needs verdict"),
        (ENTRY.replace('"departs"', '"raises"'), "line belongs to what departs"),
        (ENTRY.replace('"departs"', '"deparst"'), "did you mean 'departs'"),
    ):
        file.write_text(wrong, "utf-8")
        with pytest.raises(ExpectationError, match=message):
            read(file)
