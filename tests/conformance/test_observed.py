"""Attribution from stored steps, without the backend."""

from __future__ import annotations

from pathlib import Path

import pytest

from paratrooper_ref.cli import main

MINE = """
from paratrooper_ref.conformance import ReferenceBackend
backend = ReferenceBackend("float64", variant="adam.eps_hat")
"""


def test_what_check_writes_attribute_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MINE, "utf-8")
    command = "check mine.py:backend --algorithm adam --only *adam/t*-decimal --replays r"
    assert main(command.split()) == 1
    files = sorted(map(str, Path("r").iterdir()))
    assert files == sorted(capsys.readouterr().err.split())
    assert main(["attribute", *files]) == 1
    assert "looks like adam.eps_hat (dialect)" in capsys.readouterr().out


def test_a_file_that_is_none_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.json"
    file.write_text("{}", "utf-8")
    assert main(["attribute", str(file)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["attribute", str(tmp_path / "nowhere.json")]) in (1, 2)
    assert "nowhere.json" in capsys.readouterr().err
