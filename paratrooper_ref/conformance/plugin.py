"""The pytest plugin: a header, a closing line for each backend, and reports on disk.

It collects nothing and changes no outcome but one: a run whose conformance tests held nothing
is no success.  It imports nothing heavy, as pytest loads it wherever the package is installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pytest

    from paratrooper_ref.conformance.report import Report

REPORTS: Final[list[Report]] = []
"""The reports of this session's conformance tests, in the order in which they were made."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("conformance", "conformance with paratrooper-ref")
    group.addoption(
        "--conformance-report", metavar="FILE", type=Path,
        help="write the report of each backend: JSON, or a page where the name ends in .html",
    )
    group.addoption(
        "--conformance-min-cases", metavar="N", type=int, default=1,
        help="fail unless at least this many cases were looked at for each backend (default 1)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin with no reports: one process may run several sessions."""
    REPORTS.clear()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the reports, and hold every backend to its least number of cases."""
    few = any(r.ran < _least(session.config) or not r.held for r in REPORTS)
    if few and not session.exitstatus:
        session.exitstatus = 1
    path: Path | None = session.config.getoption("--conformance-report")
    for i, report in enumerate(REPORTS if path else ()):
        assert path is not None
        report.save(path if len(REPORTS) == 1 else path.with_stem(f"{path.stem}-{i + 1}"))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print a line for each backend."""
    if not REPORTS:
        return
    terminalreporter.section("conformance")
    for report in REPORTS:
        terminalreporter.write_line(report.summary)
        if report.ran < _least(config):
            terminalreporter.write_line(
                f"{report.backend}: {report.ran} cases were looked at, "
                f"--conformance-min-cases={_least(config)}"
            )


def _least(config: pytest.Config) -> int:
    least: int = config.getoption("--conformance-min-cases")
    return least
