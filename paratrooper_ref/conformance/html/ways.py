"""In which of four ways a case came out: each has a colour and a shape on the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from paratrooper_ref.conformance.report import Report
from paratrooper_ref.conformance.verdict import CONFORMS, UNSUPPORTED, Result

Kind = Literal["holds", "fails", "expected", "unasked"]
KINDS: Final[Mapping[Kind, str]] = {
    "holds": "conforms",
    "fails": "fails",
    "expected": "fails as expected",
    "unasked": "unsupported",
}


def kind(result: Result, report: Report) -> Kind:
    """Return in which of four ways a case came out."""
    if result.case in report.expected:
        return "expected"
    if result.verdict == UNSUPPORTED:
        return "unasked"
    return "holds" if result.verdict == CONFORMS else "fails"


def odd(result: Result, report: Report) -> bool:
    """Return whether a case fails with no number beyond its bound."""
    at = result.worst
    beyond = at is not None and not at.share <= 1
    return kind(result, report) in ("fails", "expected") and not beyond
