"""docs/gpu_report.py: what it writes without a GPU, and that nothing measured is no success."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from paratrooper_ref.conformance import ReferenceBackend
from tests.gpu import adamw_cuda
from tests.gpu.devices import NONE, Row

FILE = Path(__file__).parents[2] / "docs" / "gpu_report.py"
FEW = ["--only", "adam/plain-*", "--dtype", "float32"]


def loaded() -> ModuleType:
    """Return the command as a module."""
    spec = importlib.util.spec_from_file_location("gpu_report", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_report"] = module
    spec.loader.exec_module(module)
    return module


def row(name: str, make: Any, **more: Any) -> Row:
    """Return a row that needs NumPy alone."""
    return Row(
        name=name, framework="none", algorithm="adam", because="it is ours", make=make, **more
    )


GOOD = row("good", lambda profile, device: ReferenceBackend(profile.dtype))
WRONG = row("wrong", lambda profile, device: ReferenceBackend(variant="adam.uncorrected"))


def broken(profile: Any, device: str) -> Any:
    """Raise as a framework might."""
    msg = "no kernel image"
    raise RuntimeError(msg)


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return the command on a machine without a GPU, with rows of ours and another page."""
    module: Any = loaded()
    devices: Any = importlib.import_module("tests.gpu.devices")
    monkeypatch.setattr(module, "PAGE", tmp_path / "gpu-report.md")
    monkeypatch.setattr(module, "found", lambda: ())
    monkeypatch.setattr(module, "targets", lambda: (NONE,))
    monkeypatch.setattr(module, "ROWS", {"good": GOOD})
    monkeypatch.setattr(
        devices, "missing",
        lambda row, device: "no CUDA device is found" if device == NONE else row.cpu,
    )
    return module


def test_the_page_is_what_the_command_writes() -> None:
    """As committed it says that nothing is measured, until something is."""
    module: Any = loaded()
    text = module.PAGE.read_text("utf-8")
    assert module.main(["--check"]) == 0
    assert module.measured_in(text) == module.NOT_MEASURED or "\n## cuda:0" in text
    if module.NOT_MEASURED in text:
        assert "**Not yet measured.**" in text
        assert text == module.page()
    for name in module.ROWS:
        assert f"| {name} |" in text


def test_without_a_gpu_the_page_says_so(report: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """And the exit status says that it is no success."""
    assert report.main([]) == 3
    assert report.PAGE.read_text("utf-8") == report.page()
    assert report.main(["--check"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "gpu_report: nothing has been measured: no CUDA device is found\n"


def test_a_measured_page_is_not_overwritten(report: Any) -> None:
    """By a machine that has no GPU."""
    measured = report.page("Measured with driver 1.\n\n## cuda:0: some\n")
    report.PAGE.write_text(measured, "utf-8")
    assert report.main(["--check"]) == 0
    assert report.main([]) == 3
    assert report.PAGE.read_text("utf-8") == measured


@pytest.mark.parametrize(
    "change",
    [
        ("**Not yet measured.**", "**All is well.**"),
        ("**Not yet measured.**", "Measured with driver none"),
        ("## What is measured", "## What was measured"),
        ("| good |", "| better |"),
        ("<!-- end -->\n", ""),
    ],
)
def test_a_page_that_says_something_else_is_found(report: Any, change: tuple[str, str]) -> None:
    """Whether it is the claim or the plan that was changed."""
    report.main([])
    text = report.PAGE.read_text("utf-8")
    assert change[0] in text
    report.PAGE.write_text(text.replace(*change), "utf-8")
    assert report.main(["--check"]) == 1
    report.PAGE.unlink()
    assert report.main(["--check"]) == 1


def test_a_gpu_writes_its_measurement(report: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for a device: the page has its rows, and passes the check."""
    monkeypatch.setattr(report, "targets", lambda: ("cuda:0",))
    monkeypatch.setattr(report, "named", lambda device: f"{device}: stand-in")
    few = replace(GOOD, dtypes=("float32",), only="adam/plain-*")
    monkeypatch.setattr(report, "ROWS", {"good": few})
    assert report.main([]) == 0
    text = report.PAGE.read_text("utf-8")
    assert report.NOT_MEASURED not in text
    assert "\n## cuda:0: stand-in\n" in text
    assert "| good | float32 | 2 of 2 | - |" in text
    assert report.main(["--check"]) == 0


def test_a_dry_run_is_printed_and_not_written(
    report: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor does it show progress where nobody is looking."""
    assert report.main(["--device", "cpu", *FEW]) == 0
    said = capsys.readouterr()
    assert "## cpu\n" in said.out
    assert "| good | float32 | 2 of 2 | - | `float32` | `float32, forms=False` |" in said.out
    assert said.out.count("| yes |") == 1
    assert said.err == ""
    assert not report.PAGE.exists()


def test_what_departs_is_told_and_the_others_go_on(
    report: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong backend, one that raises, one that is unsupported, and one that conforms."""
    away = replace(GOOD, name="away", cpu="it is not here")
    rows = [WRONG, row("broken", broken), away, GOOD]
    monkeypatch.setattr(report, "ROWS", {r.name: r for r in rows})
    assert report.main(["--device", "cpu", *FEW]) == 1
    out = capsys.readouterr().out
    assert "looks like adam.uncorrected" in out
    assert "RuntimeError: no kernel image" in out
    assert "| away | float32 | - | unsupported |" in out
    assert "- away: it is not here" in out
    assert out.count("| **no** |") == 1
    assert out.count("| yes |") == 1
    assert report.main(["--device", "cpu", "--json", *FEW]) == 1
    wrong, raised, nothing, good = json.loads(capsys.readouterr().out)
    assert [x["ok"] for x in (wrong, raised, nothing, good)] == [False, False, False, True]
    assert nothing["unsupported"] == "it is not here"
    assert good["report"]["counts"] == {"conforms": 2}
    assert good["inferred"]["profile"] == {"dtype": "float32", "forms": False}


def test_nothing_measured_is_no_success(report: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty list of devices, of measurements, or of what is there."""
    assert report.exit_status([]) == 3
    assert report.main(["--rows", "good"]) == 3
    monkeypatch.setattr(report, "targets", tuple)
    assert report.main([]) == 3
    assert report.main(["--rows", "good"]) == 3
    monkeypatch.setattr(report, "ROWS", {"away": replace(GOOD, cpu="it is not here")})
    assert report.main(["--device", "cpu", *FEW]) == 3


@pytest.mark.parametrize(
    "words", [["--device", "cuda:7"], ["--rows", "nothing*"], ["--dtype", "int8"], ["more"]]
)
def test_unusable_arguments(report: Any, words: list[str]) -> None:
    """Exit status 2, and nothing is written."""
    with pytest.raises(SystemExit) as stopped:
        report.main(words)
    assert stopped.value.code == 2
    assert not report.PAGE.exists()


@pytest.mark.skipif(adamw_cuda.cpp() is None, reason="no C++ compiler is found")
def test_it_runs_from_a_shell() -> None:
    """A real row, which needs NumPy and a C++ compiler alone: the CUDA kernel, on the CPU."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", str(FILE), "--device", "cpu", "--rows", "*CUDA*",
         "--only", "adamw/*-dyadic"],
        capture_output=True, text=True, check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "| our AdamW in CUDA for CuPy | float32 | 12 of 12 | - |" in ended.stdout
    assert "| our AdamW in CUDA for CuPy | float64 | 12 of 12 | - |" in ended.stdout
