"""Expected failures: a reason for each, strict both ways."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from paratrooper_ref.conformance import Expectation, ExpectationError, ReferenceBackend, check
from paratrooper_ref.conformance.expectations import read

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
        ('reason = "eps is where TensorFlow has it"', 'reason = " "', "needs a reason"),
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
