"""What all tests share: derandomised hypothesis, and skips that may be forbidden."""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "derandomized",
    derandomize=True,
    deadline=None,  # machines are shared and noisy
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("derandomized")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --forbid-skips, for runs in which a skipped test is a failure."""
    parser.addoption("--forbid-skips", action="store_true", help="a skipped test is a failure")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests were skipped against orders."""
    config = terminalreporter.config
    skipped = len(terminalreporter.stats.get("skipped", []))
    if config.getoption("--forbid-skips") and skipped:
        terminalreporter.write_line(f"{skipped} skipped, and none may be", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the session if a test was skipped against orders, or none ran."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not session.config.getoption("--forbid-skips") or reporter is None:
        return
    if reporter.stats.get("skipped") or not reporter.stats.get("passed"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
