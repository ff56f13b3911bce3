"""docs/field-report.md: it is what its data gives, and its reproductions print what it says."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from paratrooper_ref.conformance import ReferenceBackend
from paratrooper_ref.golden.schema import _Defect, compiled

DOCS = Path(__file__).parents[2] / "docs"
INSTALLED = ("torch", "optax")  # with the extra "peers"
MOST = 12  # lines of a reproduction

command: Any = import_module("field_report")
rows: Any = import_module("field.row")
DATA: dict[str, Any] = json.loads((DOCS / "field-report.json").read_text("utf-8"))
SCHEMA: dict[str, Any] = json.loads((DOCS / "field" / "schema.json").read_text("utf-8"))
PAGE = (DOCS / "field-report.md").read_text("utf-8")


def test_the_page_is_what_the_data_gives() -> None:
    assert command.main(["--check"]) == 0
    assert command.page(DATA) == PAGE


def test_nothing_fails_that_is_not_said_and_nothing_is_said_that_does_not_fail() -> None:
    assert list(command.problems(DATA)) == []


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield the parts of a schema that are about objects."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for part in schema.values():
            yield from objects(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from objects(part)


def test_the_schema_is_closed() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(DATA, SCHEMA)
    compiled(SCHEMA, SCHEMA)(DATA)
    found = list(objects(SCHEMA))
    assert len(found) > 10
    for part in found:
        assert part["additionalProperties"] is False or isinstance(
            part["additionalProperties"], dict
        )
        if "properties" in part:
            assert part["additionalProperties"] is False
            assert sorted(part["required"]) == sorted(part["properties"])


def _first_row(data: dict[str, Any]) -> Any:
    return next(row for row in data["rows"].values() if row["measured"] is not None)


def _more(data: dict[str, Any]) -> None:
    data["more"] = 1


def _less(data: dict[str, Any]) -> None:
    del data["format"]


def _row_more(data: dict[str, Any]) -> None:
    _first_row(data)["more"] = 1


def _dtype(data: dict[str, Any]) -> None:
    dtypes = _first_row(data)["measured"]["dtypes"]
    dtypes["float8"] = dtypes["float32"]


def _share(data: dict[str, Any]) -> None:
    _first_row(data)["measured"]["dtypes"]["float32"]["worst"]["share"] = "small"


def _unprinted(data: dict[str, Any]) -> None:
    del next(iter(data["departures"].values()))["ran"]["printed"]


@pytest.mark.parametrize("spoil", [_more, _less, _row_more, _dtype, _share, _unprinted])
def test_spoiled_data_is_refused(spoil: Callable[[dict[str, Any]], None]) -> None:
    data = copy.deepcopy(DATA)
    spoil(data)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, SCHEMA)
    with pytest.raises(_Defect):
        compiled(SCHEMA, SCHEMA)(data)


# --- reproductions --------------------------------------------------------------------------------


@pytest.mark.parametrize("departure", command.DEPARTURES, ids=lambda d: d.name)
def test_a_reproduction_is_short_and_stands_on_the_page(departure: Any) -> None:
    code = command.code(departure)
    assert len(code.splitlines()) <= MOST
    assert not re.search(r"paratrooper|field", code), "it is plain code of the framework"
    assert f"```python\n{code.rstrip()}\n```" in PAGE
    printed = DATA["departures"][departure.name]["ran"]["printed"]
    assert f"prints\n\n```text\n{printed.rstrip()}\n```" in PAGE


def test_each_departure_is_of_a_row_and_each_row_knows_its_own() -> None:
    named = {d.name for d in command.DEPARTURES}
    told = {
        name for row in command.ROWS
        for name in (*row.departures, *(k.departure for k in row.known)) if name
    }
    assert told == named
    files = {path.stem for path in command.REPRODUCTIONS.glob("*.py")}
    assert files == named


@pytest.mark.peers
@pytest.mark.parametrize(
    "departure", [d for d in command.DEPARTURES if d.package in INSTALLED], ids=lambda d: d.name
)
def test_a_reproduction_prints_what_the_page_says(departure: Any) -> None:
    pytest.importorskip(departure.package, reason='torch and optax come with the extra "peers"')
    kept = DATA["departures"][departure.name]["ran"]
    if command.there(departure) != kept["version"]:
        pytest.skip(f"the page is of {departure.package} {kept['version']}")
    assert command.reproduced(departure) == kept


# --- the command ----------------------------------------------------------------------------------


def row(variant: str | None = None, **more: Any) -> Any:
    """Return a row of ours, that needs NumPy alone."""
    given: dict[str, Any] = {
        "name": "ours", "package": "numpy", "imports": "numpy", "algorithm": "adam",
        "make": lambda dtype: ReferenceBackend(dtype, variant=variant), "documented": "our page",
        "dtypes": ("float32",), "long": (),
    }
    return rows.Row(**given | more)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a folder for page and data, of a command without departures."""
    monkeypatch.setattr(command, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(command, "DATA", tmp_path / "data.json")
    monkeypatch.setattr(command, "DEPARTURES", ())
    return tmp_path


def measuring(monkeypatch: pytest.MonkeyPatch, *of: Any) -> int:
    """Return the exit status of measuring some rows."""
    monkeypatch.setattr(command, "ROWS", of)
    status: int = command.main([])
    return status


def test_what_conforms_is_written(monkeypatch: pytest.MonkeyPatch, alone: Path) -> None:
    assert measuring(monkeypatch, row()) == 0
    text = (alone / "page.md").read_text("utf-8")
    assert "| `ours` | adam | conforms |" in text
    data = json.loads((alone / "data.json").read_text("utf-8"))
    measured = data["rows"]["ours"]["measured"]["dtypes"]["float32"]
    assert measured["counts"] == {"conforms": measured["total"]}
    assert measured["smallest"] == "float32, forms=False"
    assert command.main(["--check"]) == 0


def test_what_departs_is_a_failure_until_it_is_said(
    monkeypatch: pytest.MonkeyPatch, alone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert measuring(monkeypatch, row("adam.uncorrected")) == 1
    assert "departs, and nothing says so" in capsys.readouterr().err
    assert "**departs, unexplained**" in (alone / "page.md").read_text("utf-8")
    known = rows.Known(cases="*", verdict="departs", why="no correction", departure="x")
    assert measuring(monkeypatch, row("adam.uncorrected", known=(known,))) == 0
    assert "no correction: departs" in (alone / "page.md").read_text("utf-8")


def test_what_is_said_has_to_be_seen(
    monkeypatch: pytest.MonkeyPatch, alone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = rows.Known(cases="*", verdict="departs", why="no correction")
    assert measuring(monkeypatch, row(known=(known,))) == 1
    assert "should fail, and does not" in capsys.readouterr().err


def test_a_package_that_is_missing_keeps_what_was_measured(
    monkeypatch: pytest.MonkeyPatch, alone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert measuring(monkeypatch, row()) == 0
    before = (alone / "data.json").read_text("utf-8").replace("numpy", "no-such-package")
    (alone / "data.json").write_text(before, "utf-8")
    missing = row(package="no-such-package")
    assert measuring(monkeypatch, missing, row(name="other")) == 0
    data = json.loads((alone / "data.json").read_text("utf-8"))
    assert data["rows"]["ours"]["measured"] == json.loads(before)["rows"]["ours"]["measured"]
    assert data["rows"]["other"]["measured"] is not None
    assert measuring(monkeypatch, missing) == 3
    assert "nothing has been measured" in capsys.readouterr().err


def test_one_that_raises_does_not_hide_the_others(
    monkeypatch: pytest.MonkeyPatch, alone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(dtype: str) -> Any:
        msg = "no such kernel"
        raise RuntimeError(msg)

    assert measuring(monkeypatch, row(name="broken", make=broken), row()) == 1
    assert "broken: RuntimeError: no such kernel" in capsys.readouterr().err
    data = json.loads((alone / "data.json").read_text("utf-8"))
    assert data["rows"]["broken"]["measured"] is None
    assert data["rows"]["ours"]["measured"] is not None


def test_a_page_that_was_changed_is_found(
    monkeypatch: pytest.MonkeyPatch, alone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "ROWS", (row(),))
    assert command.main(["--check"]) == 1
    assert command.main([]) == 0
    page = alone / "page.md"
    page.write_text(page.read_text("utf-8").replace("conforms |", "is wrong |"), "utf-8")
    assert command.main(["--check"]) == 1
    assert "page.md: line " in capsys.readouterr().err
    assert command.main(["--page"]) == 0
    assert command.main(["--check"]) == 0


def test_an_unusable_pattern_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        command.main(["--only", "nothing"])
    assert refused.value.code == 2
    assert "got none for 'nothing'" in capsys.readouterr().err
