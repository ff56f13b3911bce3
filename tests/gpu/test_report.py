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
from paratrooper_ref.conformance.verdict import CONFORMS
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
    monkeypatch.setattr(module, "DATA", tmp_path / "gpu-report.json")
    monkeypatch.setattr(module, "found", lambda: ())
    monkeypatch.setattr(module, "targets", lambda: (NONE,))
    monkeypatch.setattr(module, "ROWS", {"good": GOOD})
    monkeypatch.setattr(
        devices, "missing",
        lambda row, device: "no CUDA device is found" if device == NONE else row.cpu,
    )
    return module


def test_the_page_is_what_the_command_writes() -> None:
    """As committed it is that of the data, in which every row has been measured and is told."""
    module: Any = loaded()
    assert module.main(["--check"]) == 0
    records = module.kept()
    asked = {(r["backend"], r["dtype"]) for r in records}
    assert asked == {(row.name, dtype) for row in module.ROWS.values() for dtype in row.dtypes}
    assert module.exit_status(records) == 0
    assert all(r["counts"][CONFORMS] for r in records)
    text = module.PAGE.read_text("utf-8")
    for name in module.ROWS:
        assert f"| {name} |" in text


def test_without_a_gpu_the_page_says_so(report: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """And the exit status says that it is no success."""
    assert report.main([]) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "gpu_report: nothing has been measured: no CUDA device is found\n"
    assert not report.DATA.exists()
    report.main(["--page"])
    assert report.NOT_MEASURED in report.PAGE.read_text("utf-8")
    assert report.main(["--check"]) == 0


@pytest.fixture
def device(report: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the command where a stand-in for a device is found."""
    monkeypatch.setattr(report, "targets", lambda: ("cuda:0",))
    monkeypatch.setattr(report, "named", lambda device: f"{device}: stand-in")
    few = replace(GOOD, dtypes=("float32", "float64"), only="adam/plain-*")
    monkeypatch.setattr(report, "ROWS", {"good": few, "other": replace(few, name="other")})
    return report


def test_a_gpu_writes_its_measurement(device: Any) -> None:
    """The page has its rows, and passes the check."""
    assert device.main([]) == 0
    text = device.PAGE.read_text("utf-8")
    assert device.NOT_MEASURED not in text
    assert "\n## cuda:0: stand-in\n" in text
    assert "4 of 4 are as declared; 8 cases conform." in text
    assert "| good | float32 | 2 of 2 | - |" in text
    assert device.main(["--check"]) == 0


def test_what_is_measured_again_takes_its_place(
    device: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what else was measured is kept: by machines without a GPU, too."""
    device.main([])
    wrong = replace(WRONG, name="other", dtypes=("float32",), only="adam/plain-*")
    monkeypatch.setitem(device.ROWS, "other", wrong)
    assert device.main(["--rows", "other", "--dtype", "float32"]) == 1
    records = device.kept()
    assert [(r["backend"], r["dtype"]) for r in records] == [
        ("good", "float32"), ("good", "float64"), ("other", "float32"), ("other", "float64"),
    ]
    text = device.PAGE.read_text("utf-8")
    assert "Not as declared: other in float32." in text
    monkeypatch.setattr(device, "targets", lambda: (NONE,))
    monkeypatch.setattr(device, "named", lambda device: device)
    assert device.main([]) == 3
    assert device.PAGE.read_text("utf-8") == text
    assert device.kept() == records
    del device.ROWS["other"]
    device.main(["--page"])
    assert [r["backend"] for r in device.kept()] == ["good", "good"]


def test_what_is_measured_is_kept_when_the_next_is_interrupted(
    device: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine may be lent for minutes."""
    took = device.taken

    def interrupted(asked: Any) -> Any:
        if asked[0] == "other":
            raise KeyboardInterrupt
        return took(asked)

    monkeypatch.setattr(device, "taken", interrupted)
    with pytest.raises(KeyboardInterrupt):
        device.main([])
    assert [r["backend"] for r in device.kept()] == ["good", "good"]
    assert device.main(["--check"]) == 0


@pytest.mark.parametrize(
    "change", [("2 of 2", "3 of 3"), ("## What is measured", "## What was"), ("good", "better")]
)
def test_a_page_that_says_something_else_is_found(device: Any, change: tuple[str, str]) -> None:
    """Whether it is the claim or the plan that was changed."""
    device.main([])
    text = device.PAGE.read_text("utf-8")
    assert change[0] in text
    device.PAGE.write_text(text.replace(*change), "utf-8")
    assert device.main(["--check"]) == 1
    device.PAGE.unlink()
    assert device.main(["--check"]) == 1


def test_processes_of_their_own(report: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they measure is what one would; one that is ended is a problem, and no traceback."""
    row = importlib.import_module("tests.gpu.devices").ROWS["our AdamW in CUDA for CuPy"]
    monkeypatch.setattr(report, "ROWS", {row.name: row})
    asked = [(row.name, "cpu", dtype, "adamw/plain-*") for dtype in row.dtypes]
    found = report.merged((), report.all_taken(asked, jobs=2))
    assert found == list(report.all_taken(asked, jobs=1))
    monkeypatch.setattr(report, "__file__", str(FILE.with_name("is-not-there.py")))
    (lost,) = report.all_taken(asked[:1], jobs=2)
    (said,) = lost["problems"]
    assert said.startswith("its process ended with 2\n")
    assert report.exit_status([lost]) == 1


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
    assert out.count("| **no** |") == 2
    assert out.count("| yes |") == 1
    assert report.main(["--device", "cpu", "--json", *FEW]) == 1
    wrong, raised, nothing, good = json.loads(capsys.readouterr().out)
    assert wrong["problems"]
    assert raised["problems"]
    assert not nothing["problems"]
    assert not good["problems"]
    assert nothing["missing"] == "it is not here"
    assert good["counts"] == {"conforms": 2}
    assert good["smallest"] == "float32, forms=False"


def test_nothing_measured_is_no_success(report: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty list of devices, of measurements, or of what is there."""
    assert report.exit_status([]) == 3
    assert report.main(["--rows", "good"]) == 3
    monkeypatch.setattr(report, "targets", tuple)
    assert report.main([]) == 3
    assert report.main(["--rows", "good"]) == 3
    monkeypatch.setattr(report, "ROWS", {"away": replace(GOOD, name="away", cpu="it is not here")})
    assert report.main(["--device", "cpu", *FEW]) == 3


@pytest.mark.parametrize(
    "words",
    [
        ["--device", "cuda:7"], ["--rows", "nothing*"], ["--dtype", "int8"], ["--jobs", "0"],
        ["more"],
    ],
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
