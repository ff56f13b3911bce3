"""The pytest side: a test a case, stable ids, counts that cannot be empty, a closing line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BEGINNING = """
import datetime
from paratrooper_ref.conformance import Expectation, ReferenceBackend, Unsupported, conformance

class Reluctant(ReferenceBackend):
    def start(self, *args, **kwargs):
        raise Unsupported("has no optimizers")

HAT = ReferenceBackend("float32", variant="adam.eps_hat")
"""


def run(folder: Path, test: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on a file of its own, as a user does."""
    (folder / "test_mine.py").write_text(BEGINNING + test, "utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *options]
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "COLUMNS": "200"}
    return subprocess.run(
        [*command, "test_mine.py"], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def test_three_lines_are_enough(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        'test_mine = conformance(ReferenceBackend("float32"), algorithm="adam", only="*-dyadic")\n',
        "-vv",
    )
    assert done.returncode == 0, done.stdout
    assert "19 passed" in done.stdout
    assert "test_mine.py::test_mine[adam/tiny-dyadic] PASSED" in done.stdout
    assert "test_mine.py::test_mine[counts] PASSED" in done.stdout
    assert "reference in float32: adam core '*-dyadic' 18 = 18 conform; corpus" in done.stdout


def test_a_failure_is_told_once_and_the_others_point_to_it(tmp_path: Path) -> None:
    test = 'test_hat = conformance(HAT, algorithm="adam", only="adam/[ts]*-d*")\n'
    done = run(tmp_path, test, "-rN")  # pytest's own summary says all of it again where CI is set
    assert done.returncode == 1
    assert done.stdout.count("looks like adam.eps_hat (dialect)") == 1
    assert "as in adam/tiny-decimal" in done.stdout or "as in adam/" in done.stdout


def test_nothing_run_is_no_success(tmp_path: Path) -> None:
    test = 'test_not = conformance(Reluctant("float32"), algorithm="adam", only="adam/plain-*")\n'
    done = run(tmp_path, test)
    assert done.returncode == 1
    assert "nothing ran: every case is unsupported" in done.stdout
    assert "2 skipped" in done.stdout
    # Nor is it one where the test that counts is left out.
    assert run(tmp_path, test, "-k", "plain").returncode == 1


def test_nothing_held_is_no_success(tmp_path: Path) -> None:
    """Though all that is raised is expected, and whether or not the counts are asked."""
    test = (
        "class Raises(ReferenceBackend):\n"
        "    def start(self, *args, **kwargs):\n"
        "        raise RuntimeError\n\n"
        "reason = Expectation(id='adam/*', verdict='raises', reason='a test', link='x', "
        "until=datetime.date(2999, 12, 31))\n"
        "test_not = conformance(Raises(), algorithm='adam', only='adam/plain-*', "
        "expect=[reason])\n"
    )
    done = run(tmp_path, test)
    assert done.returncode == 1
    assert "nothing was held: no case has come to a number" in done.stdout
    assert "1 failed, 2 xfailed" in done.stdout
    assert run(tmp_path, test, "-k", "plain").returncode == 1


def test_a_least_number_of_cases_can_be_asked_for(tmp_path: Path) -> None:
    test = 'test_few = conformance(ReferenceBackend(), algorithm="adam", only="adam/plain-*")\n'
    assert run(tmp_path, test, "--conformance-min-cases=2").returncode == 0
    done = run(tmp_path, test, "--conformance-min-cases=3")
    assert done.returncode == 1
    assert "2 cases were looked at" in done.stdout


def test_an_expected_failure_is_an_xfail(tmp_path: Path) -> None:
    test = """
expected = Expectation(
    id="adam/tiny-dyadic", verdict="departs", line="theta", variant="adam.eps_hat",
    reason="as TensorFlow has it", link="https://example.org", until=datetime.date(2999, 1, 1),
)
test_hat = conformance(HAT, algorithm="adam", only="adam/tiny-dyadic", expect=[expected])
"""
    done = run(tmp_path, test, "-rx")
    assert done.returncode == 0, done.stdout
    assert "1 passed, 1 xfailed" in done.stdout
    assert "as TensorFlow has it" in done.stdout


def test_reports_are_written(tmp_path: Path) -> None:
    test = """
test_a = conformance(lambda: ReferenceBackend("float32"), algorithm="adam", only="adam/plain-*")
test_b = conformance(ReferenceBackend("float64"), algorithm="sgd", only="sgd/plain-*")
"""
    done = run(tmp_path, test, "--conformance-report=report.json")
    assert done.returncode == 0, done.stdout
    found = [json.loads((tmp_path / f"report-{i}.json").read_text("utf-8")) for i in (1, 2)]
    assert [r["algorithm"] for r in found] == ["adam", "sgd"]
    assert all(r["ok"] for r in found)


def test_an_unknown_algorithm_fails_the_collection(tmp_path: Path) -> None:
    done = run(tmp_path, 'test_it = conformance(ReferenceBackend(), algorithm="adma")\n')
    assert done.returncode == 2
    assert "did you mean 'adam'" in done.stdout


@pytest.mark.parametrize("module", ["conformance.plugin", "conformance"])
def test_the_plugin_imports_nothing_heavy(module: str) -> None:
    code = f"import sys, paratrooper_ref.{module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert not loaded & {"torch", "jax", "optax", "hypothesis", "pytest", "matplotlib", "scipy"}
