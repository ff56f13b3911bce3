"""The kit's verbs on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from paratrooper_ref.cli import main

MINE = """
from paratrooper_ref.conformance import ReferenceBackend

class Adam(ReferenceBackend):
    algorithm = "adam"

def made(dtype="float32", variant=None):
    return ReferenceBackend(dtype, variant=variant)

backend = Adam("float32")
number = 3

def kernel(theta, g, m, v, t):
    return theta, m, v

def absent():
    from paratrooper_ref.conformance import ProcessBackend
    return ProcessBackend(["./no-such-program"])
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a file of adapters, and be in it."""
    (tmp_path / "mine.py").write_text(MINE, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        ("mine.py:backend --only adam/plain-*", 0, "adam core 'adam/plain-*' 2 = 2 conform"),
        ("mine:backend --only adam/plain-* --quiet", 0, "2 = 2 conform"),
        ("mine.py:made --algorithm sgd --dtype float64 --only sgd/plain-*", 0, "2 = 2 conform"),
        (
            "mine.py:made --algorithm adam --set variant=adam.eps_hat --only adam/tiny-*",
            1, "looks like adam.eps_hat",
        ),
        (
            ("mine:made --algorithm=adam --set=variant=adam.eps_hat --only=*tiny* "
             "--dialect=adam.eps_hat"),
            0, "2 = 2 conform",
        ),
    ],
)
def test_check(
    args: str, status: int, said: str, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *args.split()]) == status
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ("mine.py", "MODULE:NAME"),
        ("nowhere.py:x", "which is none"),
        ("no_such_module:x", "No module named"),
        ("mine.py:bakend", "did you mean 'backend'"),
        ("mine.py:number --algorithm adam", "has no start"),
        ("mine.py:made", "--algorithm"),
        ("mine.py:backend --only nothing", "needs cases"),
        ("mine.py:backend --profile scalar=mixed", "did you mean 'scalars'"),
        ("mine.py:backend --profile scalars=mixd", "did you mean 'mixed'"),
        ("mine.py:backend --profile sums=pairwise", "an order of sums, got sums='pairwise'"),
        ("mine.py:backend --profile forms=no", "True or False, got forms='no'"),
        ("mine.py:backend --set variant", "NAME=VALUE"),
        ("mine.py:backend --set variant=x", "is an adapter already"),
        ("mine.py:backend --expect nowhere.toml", "nowhere.toml"),
        ("mine.py:backend --dialect adam.eps", "did you mean"),
        ("mine.py:backend --report no/such/page.html", "needs a folder that is there, got no/such"),
        ("mine.py:kernel --algorithm adam", "update function; name KernelBackend(kernel) instead"),
        ("mine.py:absent --algorithm adam", "./no-such-program cannot be started"),
    ],
)
def test_what_is_unusable_is_one_line(
    args: str, said: str, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *args.split()]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_file_that_cannot_be_imported_is_one_line(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (mine / "broken.py").write_text("1/0\n", "utf-8")
    assert main(["check", "broken.py:x"]) == 2
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_check_prints_json_and_writes_a_report(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["check", "mine.py:backend", "--only", "adam/plain-*", "--json", "--report", "r.json"]
    assert main(args) == 0
    printed = json.loads(capsys.readouterr().out)
    written = json.loads(Path("r.json").read_text("utf-8"))
    assert printed == written
    assert printed["counts"] == {"conforms": 2}


def test_variants(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["variants", "adam.eps*", "--kind", "dialect"]) == 0
    assert "- denominator = sqrt(v_hat) + eps" in capsys.readouterr().out
    assert main(["variants", "--json", "--rule", "lookahead"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"lookahead.never", "lookahead.lerp"} <= {row["name"] for row in found}
    assert main(["variants", "adam.epz"]) == 2
    assert "did you mean" in capsys.readouterr().err
