"""Hold the optimizers of installed packages to the corpus, and write docs/field-report.md.

    python docs/field_report.py                  every row whose package is installed
    python docs/field_report.py --only 'torch*'  some rows, by package or name
    python docs/field_report.py --page           the page anew from what was measured before
    python docs/field_report.py --check          whether the page is what the data gives

What is measured goes to docs/field-report.json, and from there to the page.  A row whose package
is missing keeps what was measured, with the version that it was measured at.  Exit status: 0 all
is as docs/field/rows.py says, 1 something is not, 2 an unusable argument, 3 nothing was measured.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from importlib import metadata
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from field.departures import DEPARTURES
from field.page import page
from field.row import LONG, Departure, Row
from field.rows import ROWS
from generated import parser, published

from paratrooper_ref.conformance import check
from paratrooper_ref.conformance.infer import infer
from paratrooper_ref.conformance.report import Report
from paratrooper_ref.conformance.verdict import CONFORMS, UNSUPPORTED, Result
from paratrooper_ref.files import replacing
from paratrooper_ref.golden.schema import compiled
from paratrooper_ref.progress import Bar

HERE: Final = Path(__file__).resolve().parent
PAGE, DATA = HERE / "field-report.md", HERE / "field-report.json"
MAKE: Final = "python docs/field_report.py --page"
SCHEMA, REPRODUCTIONS = HERE / "field" / "schema.json", HERE / "field" / "reproductions"
FORMAT: Final = "paratrooper-ref field report 1"
HOLDS, FAILED, UNUSABLE, NOTHING = 0, 1, 2, 3
FRAMEWORKS: Final = ("numpy", "torch", "jax", "jaxlib", "optax", "keras")
PATIENCE: Final = 120.0  # for a step that compiles, or a reproduction, on a busy machine


# --- measuring ----------------------------------------------------------------------------------


def there(row: Row | Departure) -> str | None:
    """Return the version of a row's package, None if it is not installed."""
    try:
        return metadata.version(row.package)
    except metadata.PackageNotFoundError:
        return None


def importable(row: Row) -> bool:
    """Return whether the module of an installed package is there to be imported."""
    return importlib.util.find_spec(row.imports.partition(".")[0]) is not None


def measured(row: Row) -> dict[str, Any]:
    """Return what a row comes to, as plain data."""
    dtypes = {}
    for dtype in row.dtypes:
        report = check(
            row.make(dtype), row.algorithm, dialect=row.dialect, runs=dtype in row.long,
            seconds=PATIENCE,
        )
        dtypes[dtype] = told(report, row, dtype)
        if dtype == LONG:
            dtypes[dtype]["smallest"], dtypes[dtype]["needs"] = smallest(row, dtype)
    return {
        "version": there(row), "with": frameworks(row),
        "corpus": {"version": report.corpus, "digest": report.digest}, "dtypes": dtypes,
    }


def frameworks(row: Row | Departure) -> dict[str, str]:
    """Return the versions of what a row runs on."""
    found = {"python": platform.python_version()}
    loaded = {name.partition(".")[0] for name in sys.modules}
    for name in FRAMEWORKS:
        if name in loaded and name != row.package:
            found[name] = metadata.version(name)
    return found


def smallest(row: Row, dtype: str) -> tuple[str | None, list[str]]:
    """Return the smallest profile that fits the single steps, and what it has to grant."""
    found = infer(row.make(dtype), row.algorithm, dialect=row.dialect, seconds=PATIENCE)
    return (None if found.profile is None else str(found.profile)), [str(n) for n in found.needs]


def told(report: Report, row: Row, dtype: str) -> dict[str, Any]:
    """Return what is kept of a report."""
    worst = report.worst
    place = next((r.case for r in report.results if worst is not None and r.worst is worst), "")
    return {
        "declared": str(report.profile), "total": report.total, "counts": dict(report.counts),
        "unsupported": dict(Counter(
            r.detail for r in report.results if r.verdict == UNSUPPORTED
        )),
        "adapted": dict(report.adapted),
        "worst": None if worst is None else {
            "share": _digits(worst.share), "case": place, "line": worst.tag,
            "layer": worst.layer, "index": worst.index, "t": worst.t,
        },
        "failures": [
            failure(r, row, dtype) for r in report.results
            if r.verdict not in (CONFORMS, UNSUPPORTED)
        ],
        "smallest": None, "needs": [],
    }


def failure(result: Result, row: Row, dtype: str) -> dict[str, Any]:
    """Return what is kept of a failure, with which of the known ones it is."""
    at = None if result.departure is None else result.departure.at
    share = None if at is None else _digits(at.share)
    return {
        "case": result.case, "verdict": result.verdict, "t": result.t,
        "line": None if at is None else at.tag,
        "share": share,
        "detail": "" if at is not None else result.detail,
        "likes": [like.variant for like in result.likes[:3] if like.kind != "edit"],
        "known": known_of(row, dtype, result.case, result.verdict, share),
    }


def known_of(row: Row, dtype: str, case: str, verdict: str, share: str | None) -> int | None:
    """Return which of the known failures of a row one is, by its place."""
    known = enumerate(row.known)
    return next((i for i, k in known if k.says(case, verdict, dtype, share)), None)


def _digits(x: float) -> str:
    return f"{x:.3g}"


def reproduced(departure: Departure) -> dict[str, Any]:
    """Return what a reproduction is, and what it has printed."""
    path = REPRODUCTIONS / f"{departure.name}.py"
    environment = os.environ | {"KERAS_BACKEND": "torch", "PYTHONWARNINGS": "ignore"}
    ran = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=PATIENCE,
        env=environment, check=False,
    )
    if ran.returncode:
        msg = f"{path.name} ends with status {ran.returncode}: {ran.stderr.strip()[-500:]}"
        raise RuntimeError(msg)
    return {"version": there(departure), "printed": ran.stdout}


def code(departure: Departure) -> str:
    """Return the code of a reproduction, without the line that says what it is."""
    text = (REPRODUCTIONS / f"{departure.name}.py").read_text("utf-8")
    return text.partition("\n\n")[2]


# --- data ---------------------------------------------------------------------------------------


def kept() -> dict[str, Any]:
    """Return what has been measured so far."""
    if not DATA.exists():
        return {"format": FORMAT, "rows": {}, "departures": {}}
    found: dict[str, Any] = json.loads(DATA.read_text("utf-8"))
    return found


def merged(
    before: Mapping[str, Any], rows: Mapping[str, Any], departures: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the data with new measurements in the place of old ones."""
    old_rows, old_departures = before["rows"], before["departures"]

    def latest(row: Row) -> Any:
        found = rows.get(row.name, old_rows.get(row.name, {}).get("measured"))
        for dtype, m in (found or {"dtypes": {}})["dtypes"].items():
            for f in m["failures"]:  # what is known of it may have been said since
                f["known"] = known_of(row, dtype, f["case"], f["verdict"], f["share"])
        return found

    data = {
        "format": FORMAT,
        "rows": {row.name: row.facts() | {"measured": latest(row)} for row in ROWS},
        "departures": {
            d.name: dict(vars(d)) | {
                "code": code(d),
                "ran": departures.get(d.name, old_departures.get(d.name, {}).get("ran")),
            }
            for d in DEPARTURES
        },
    }
    schema = json.loads(SCHEMA.read_text("utf-8"))
    compiled(schema, schema)(data)
    return data


def written(data: Mapping[str, Any]) -> str:
    """Return the data as it stands in the file: a row a line."""
    def lines(of: Mapping[str, Any]) -> str:
        return ",\n".join(
            f"  {json.dumps(name)}: {json.dumps(part, ensure_ascii=False)}"
            for name, part in of.items()
        )

    parts = [f' "{part}": {{\n{lines(data[part])}\n }}' for part in ("rows", "departures")]
    return "{\n" + ",\n".join([f' "format": "{data["format"]}"', *parts]) + "\n}\n"


def problems(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is not as the rows say: strict both ways."""
    for name, row in data["rows"].items():
        if row["measured"] is None:
            continue
        failures = [
            (dtype, f) for dtype, m in row["measured"]["dtypes"].items() for f in m["failures"]
        ]
        for dtype, f in failures:
            if f["known"] is None:
                yield f"{name} in {dtype}: {f['case']} {f['verdict']}, and nothing says so"
        for i, known in enumerate(row["known"]):
            if not any(f["known"] == i for _, f in failures):
                yield f"{name}: {known['cases']} should fail, and does not"
        for dtype, m in row["measured"]["dtypes"].items():
            if not m["counts"].get(CONFORMS) and not m["failures"]:
                yield f"{name} in {dtype}: nothing ran"


def checked() -> int:
    """Return 0 if page, data and rows are of one another, or else say how they differ."""
    data = kept()
    text = DATA.read_text("utf-8") if DATA.exists() else ""
    if written(merged(data, {}, {})) != text:
        said = "is not of these rows and reproductions" if text else "there is none"
        print(f"{DATA.name}: {said}; run {MAKE}", file=sys.stderr)
        return FAILED
    return published(PAGE, page(data), check=True, make=MAKE)


# --- the command --------------------------------------------------------------------------------


def taken(only: str) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Return what rows and reproductions come to, and what went wrong besides."""
    rows = [
        row for row in ROWS
        if there(row) and importable(row)
        and (fnmatchcase(row.name, only) or fnmatchcase(row.package, only))
    ]
    asked = [d for d in DEPARTURES if there(d) and d.package in {row.package for row in rows}]
    done: dict[str, Any] = {}
    ran: dict[str, Any] = {}
    wrong: list[str] = []
    with Bar("measuring") as bar:
        for i, row in enumerate(rows):
            bar(i, len(rows) + len(asked))
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of frameworks, about themselves
                    done[row.name] = measured(row)
            except Exception as error:  # of a framework: the other rows go on
                wrong.append(f"{row.name}: {type(error).__name__}: {error}")
        for i, departure in enumerate(asked):
            bar(len(rows) + i, len(rows) + len(asked))
            try:
                ran[departure.name] = reproduced(departure)
            except Exception as error:
                wrong.append(f"{departure.name}: {type(error).__name__}: {error}")
    return done, ran, wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write, or check."""
    command = parser(__doc__)
    command.add_argument("--page", action="store_true", help="write the page, measure nothing")
    command.add_argument("--only", metavar="PATTERN", default="*", help="rows by name or package")
    asked = command.parse_args(arguments)
    if asked.check:
        return checked()
    names = {name for row in ROWS for name in (row.name, row.package)}
    if not any(fnmatchcase(name, asked.only) for name in names):
        packages = ", ".join(dict.fromkeys(row.package for row in ROWS))
        command.error(f"field_report needs rows, got none for {asked.only!r}; packages: {packages}")
    done, ran, wrong = ({}, {}, []) if asked.page else taken(asked.only)
    data = merged(kept(), done, ran)
    with replacing(DATA) as file:
        file.write(written(data).encode())
    published(PAGE, page(data), check=False, make=MAKE)
    wrong += problems(data)
    for problem in wrong:
        print(f"field_report: {problem}", file=sys.stderr)
    if not done and not asked.page:
        print("field_report: nothing has been measured: no package is installed", file=sys.stderr)
        return NOTHING
    return FAILED if wrong else HOLDS


if __name__ == "__main__":
    sys.exit(main())
