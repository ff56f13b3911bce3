"""Tests made of a backend: one a case, and one that counts them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from paratrooper_ref.conformance import plugin
from paratrooper_ref.conformance.backend import Backend
from paratrooper_ref.conformance.kit import check, names
from paratrooper_ref.conformance.report import Report
from paratrooper_ref.conformance.verdict import CONFORMS, UNSUPPORTED
from paratrooper_ref.golden.corpus import Corpus

COUNTS: Final = "counts"


def conformance(
    backend: Backend | Callable[[], Backend], algorithm: str, **options: Any
) -> Callable[..., None]:
    """Return a test of a backend, with an id for each case and a last one for the counts.

    ``test_mine = conformance(TorchBackend(Mine), algorithm="adam")`` in a test file is all.  Case
    by case a backend's failure fails, an expected one is an xfail, an unsupported one a skip; the
    test ``counts`` fails if nothing ran, if the results are not as many as the cases, or if
    expectations do not hold.

    Parameters
    ----------
    backend : Backend or callable
        An adapter, or what makes one when the first test runs.
    algorithm : str
        Such as "paratrooper".
    **options
        Those of `paratrooper_ref.conformance.check`: dialect, profile, tier, only, runs, expect,
        corpus, seconds.

    Raises
    ------
    ValueError
        When the file is collected, if there is no such algorithm or case.
    """
    corpus = options.get("corpus") or Corpus()
    tier, only = options.get("tier", "core"), options.get("only", "*")
    runs = options.get("runs", True)
    ids = [*names(algorithm, corpus, tier, only, runs=runs), COUNTS]
    held = _Held(backend, algorithm, options)

    @pytest.mark.parametrize("case", ids)
    def test(case: str) -> None:
        __tracebackhide__ = True
        report = held.report()
        message = _counted(report) if case == COUNTS else ""
        if case != COUNTS:
            result = report.result(case)
            if case in report.expected:
                pytest.xfail(f"{result.verdict}: {report.expected[case].reason}")
            if result.verdict == UNSUPPORTED:
                pytest.skip(f"unsupported: {result.detail}")
            if result.verdict != CONFORMS:
                message = report.brief(result)
        if message:
            pytest.fail(message, pytrace=False)

    return test


class _Held:
    """The report of a backend, made when the first of its tests runs."""

    def __init__(
        self, backend: Backend | Callable[[], Backend], algorithm: str, options: dict[str, Any]
    ) -> None:
        self.backend, self.algorithm, self.options = backend, algorithm, options
        self.made: Report | None = None

    def report(self) -> Report:
        if self.made is None:
            made: Any = self.backend
            backend = made if hasattr(made, "start") else made()
            self.made = check(backend, self.algorithm, **self.options)
            plugin.REPORTS.append(self.made)
        return self.made


def _counted(report: Report) -> str:
    """Return what is wrong with the whole, if anything."""
    wrong = list(report.problems)
    if not report.ran:
        wrong.append("nothing ran: every case is unsupported")
    elif not report.held:
        wrong.append("nothing was held: no case has come to a number")
    if not report.complete:
        wrong.append(f"{len(report.results)} results for {report.total} cases")
    return "\n".join([report.summary, *wrong]) if wrong else ""
