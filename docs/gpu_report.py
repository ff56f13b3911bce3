"""Measure backends on the GPUs of a machine, and write docs/gpu-report.md.

    python docs/gpu_report.py                 every row on every CUDA device, into the page
    python docs/gpu_report.py --check         whether the page is what this command writes
    python docs/gpu_report.py --device cpu    a dry run, to standard output

What is chosen (--device, --rows, --dtype, --only) is printed, and not written.  Exit status: 0 all
is as declared, 1 something is not, 2 an unusable argument, 3 nothing was measured.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from importlib import metadata
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paratrooper_ref.conformance import Profile
from paratrooper_ref.conformance.verdict import CONFORMS, UNSUPPORTED
from paratrooper_ref.progress import Bar
from tests.gpu.devices import (
    DTYPES,
    ROWS,
    Measured,
    Row,
    driver_version,
    found,
    measure,
    named,
    targets,
)

PAGE = Path(__file__).with_name("gpu-report.md")
HOLDS, FAILED, UNUSABLE, NOTHING = 0, 1, 2, 3
BEGIN, END = "<!-- measured -->\n", "<!-- end -->\n"
PACKAGES = (
    "paratrooper-ref", "numpy", "torch", "triton", "jax", "jaxlib", "optax", "cupy-cuda11x",
    "cupy-cuda12x", "cupy-cuda13x", "cupy",
)

HEAD = """# GPU report

Optimizers on GPUs, held to the corpus: torch (single, foreach, fused, capturable, compiled), optax,
and Paratrooper and AdamW of our own in torch, optax, CUDA and Triton. Made by `python
docs/gpu_report.py`.

"""
NOT_MEASURED = """**Not yet measured.** No GPU could be had so far, and no number on this page comes
from one. The tests in tests/gpu say *unsupported* for every row below. What of their code needs no
GPU runs on the CPU in the same tests, and says nothing about GPUs.
"""
BEFORE = """The profile is declared before the measurement, by reading code. The measurement says
whether it is enough, and how much less would do.
"""
HOW = """## How to measure it

On a machine with a CUDA device, from the root of the repository:

```sh
pip install -e .[test,peers]   # a torch with CUDA, which brings Triton
pip install "jax[cuda12]" cupy-cuda12x
python -m pytest tests/gpu -m gpu
python docs/gpu_report.py
```

The tests fail where a declared profile is not enough, or a departure is not among those that are
known. The command runs every row on every device and writes this page: device, driver and
versions; for each row the counts of cases, the declared profile, the smallest that fits, the worst
error over bound and where it is; and each departure in full. What is not installed is listed as
unsupported. `--rows`, `--dtype` and `--only` choose, and print instead of writing; `--json` prints
all of it as data; `--device cpu` is a dry run.
"""


def plan() -> str:
    """Return what is measured."""
    rows = [
        (row.name, row.algorithm, ", ".join(row.dtypes), _facts(row), row.because)
        for row in ROWS.values()
    ]
    known = [
        (row.name, f"`{k.cases}`", ", ".join(k.dtypes), " or ".join(k.verdict), k.why)
        for row in ROWS.values() for k in row.known if k.on == "*"
    ]
    return "\n".join([
        "## What is measured\n",
        BEFORE,
        table(("backend", "algorithm", "dtypes", "profile declared, in float32", "reason"), rows),
        "What is known to depart, from reading and from the CPU:\n",
        table(("backend", "cases", "dtypes", "verdict", "why"), known),
    ])


def _facts(row: Row) -> str:
    said = row.profile("float32").spec()
    said.pop("dtype")
    facts = ", ".join(f"{name}={value}" for name, value in said.items())
    return f"`{facts}`" if facts else "as it is by default"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


# --- what was measured --------------------------------------------------------------------------


def results(all_measured: Sequence[Measured]) -> str:
    """Return what was measured, device by device."""
    parts = [machine() + "\n"]
    for device in dict.fromkeys(m.device for m in all_measured):
        of_device = [m for m in all_measured if m.device == device]
        parts += [f"## {named(device)}\n", table(COLUMNS, [line(m) for m in of_device])]
        without = Counter(
            f"{m.row.name}: {m.missing}" for m in of_device if m.missing
        )
        if without:
            parts.append("Unsupported here:\n")
            parts.append("\n".join(f"- {what}" for what in without) + "\n")
        for m in of_device:
            parts += told(m)
    return "\n".join(parts)


COLUMNS = (
    "backend", "dtype", "conform", "other verdicts", "profile declared", "smallest that fits",
    "worst error / bound", "as declared",
)


def line(m: Measured) -> tuple[object, ...]:
    """Return the row of the table."""
    declared = f"`{m.row.profile(m.dtype)}`"
    if m.report is None:
        why = "unsupported" if m.missing else "raises"
        return (m.row.name, m.dtype, "-", why, declared, "-", "-", "not measured")
    counts = m.report.counts
    others = ", ".join(f"{n} {verdict}" for verdict, n in counts.items() if verdict != CONFORMS)
    smallest: Profile | None = m.inferred.profile if m.inferred else None
    worst = m.report.worst
    where = ""
    if worst is not None:
        (case, *_) = [r.case for r in m.report.results if r.worst is worst]
        where = f"{worst.share:.2f} ({case}, {worst.tag} of {worst.layer}[{worst.index}])"
    return (
        m.row.name, m.dtype, f"{counts[CONFORMS]} of {m.report.total}", others or "-", declared,
        f"`{smallest}`" if smallest else "none", where or "-", "yes" if m.ok else "**no**",
    )


def told(m: Measured) -> Iterator[str]:
    """Yield what is to be told beside the line: departures, and what is not as declared."""
    results_of = () if m.report is None else m.report.results
    departing = [r for r in results_of if r.verdict not in (CONFORMS, UNSUPPORTED)]
    if not departing and not m.problems:
        return
    yield f"### {m.row.name}, {m.dtype}\n"
    known = [k for k in m.row.known_of(m.dtype, m.device) if any(map(k.says, departing))]
    if known:
        yield "\n".join(f"- known: `{k.cases}`: {k.why}" for k in known) + "\n"
    if m.problems:
        yield "Not as declared:\n\n```text\n" + "\n\n".join(m.problems) + "\n```\n"
    if departing:
        yield f"```text\n{m.report}\n```\n"


def machine() -> str:
    """Return what it was measured with."""
    versions = [f"driver {driver_version()}", f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return f"Measured with {', '.join(versions)}; {platform.system()}, {platform.machine()}."


def data(m: Measured) -> dict[str, Any]:
    """Return a measurement as plain data."""
    return {
        "backend": m.row.name, "device": m.device, "dtype": m.dtype, "ok": m.ok,
        "declared": m.row.profile(m.dtype).spec(), "because": m.row.because,
        "unsupported": m.missing, "problems": m.problems,
        "report": None if m.report is None else m.report.to_json(),
        "inferred": None if m.inferred is None else m.inferred.to_json(),
    }


# --- the page -----------------------------------------------------------------------------------


def page(measured: str = NOT_MEASURED) -> str:
    """Return the page with what was measured."""
    return HEAD + BEGIN + measured + END + "\n" + plan() + "\n" + HOW


def measured_in(text: str) -> str:
    """Return what a page says was measured; nothing if it is no such page."""
    _, begun, rest = text.partition(BEGIN)
    block, ended, _ = rest.partition(END)
    return block if begun and ended else ""


def checked(text: str) -> str:
    """Return how a page differs from what this command writes, or nothing."""
    block = measured_in(text)
    if block != NOT_MEASURED and not ("Measured with driver" in block and "\n## cuda:" in block):
        return "what is measured is neither a measurement nor said to be missing"
    return "" if text == page(block) else "the plan is not that of tests/gpu/devices.py"


def exit_status(all_measured: Sequence[Measured]) -> int:
    """Return 3 where nothing was measured, whatever was asked, and 1 where something is wrong."""
    if any(m.problems for m in all_measured):
        return FAILED
    return HOLDS if any(m.report is not None for m in all_measured) else NOTHING


def taken(
    devices: Sequence[str], rows: Sequence[Row], dtypes: Sequence[str], only: str | None
) -> list[Measured]:
    """Return all measurements; one that raises is a problem, and the others go on."""
    asked = [
        (row, device, dtype)
        for device in devices for row in rows for dtype in row.dtypes if dtype in dtypes
    ]
    done = []
    with Bar("measuring") as bar:
        for i, (row, device, dtype) in enumerate(asked):
            bar(i, len(asked))
            try:
                done.append(measure(row, device, dtype, only=only, runs=only is None))
            except Exception as error:  # of a framework: what it is shall stand on the page
                said = f"{type(error).__name__}: {error}"
                done.append(Measured(row=row, device=device, dtype=dtype, error=said))
    return done


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write, or print, or check."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare the page, measure nothing")
    parser.add_argument("--device", action="append", metavar="NAME", help="cpu, cuda:0, ...")
    parser.add_argument("--rows", metavar="PATTERN", help="backends by name")
    parser.add_argument("--dtype", choices=DTYPES, action="append")
    parser.add_argument("--only", metavar="PATTERN", help="cases by name; without runs")
    parser.add_argument("--json", action="store_true", help="print all of it as data")
    asked = parser.parse_args(arguments)
    if asked.check:
        problem = checked(PAGE.read_text("utf-8")) if PAGE.exists() else "there is none"
        if problem:
            print(f"{PAGE.name}: {problem}; run python docs/gpu_report.py", file=sys.stderr)
        return int(bool(problem))

    there = ("cpu", *found())
    for device in asked.device or ():
        if device not in there:
            parser.error(f"gpu_report needs a device, got {device!r}; there are {', '.join(there)}")
    rows = [row for name, row in ROWS.items() if fnmatchcase(name, asked.rows or "*")]
    if not rows:
        parser.error(f"gpu_report needs backends, got none for {asked.rows!r}; see {PAGE.name}")
    chosen = any((asked.device, asked.rows, asked.dtype, asked.only))
    devices = asked.device or targets()
    all_measured = taken(devices, rows, asked.dtype or DTYPES, asked.only)
    status = exit_status(all_measured)
    if asked.json:
        print(json.dumps([data(m) for m in all_measured], indent=1))
    elif chosen:
        print(results(all_measured))
    return status if chosen else written(all_measured, status)


def written(all_measured: Sequence[Measured], status: int) -> int:
    """Write the page; never a page without measurements over one that has some."""
    if status != NOTHING:
        PAGE.write_text(page(results(all_measured)), "utf-8")
        return status
    why = dict.fromkeys(m.missing for m in all_measured)
    print(f"gpu_report: nothing has been measured: {'; '.join(why)}", file=sys.stderr)
    if PAGE.exists() and measured_in(PAGE.read_text("utf-8")) not in ("", NOT_MEASURED):
        print(f"{PAGE.name} has measurements, and stays as it is", file=sys.stderr)
    else:
        PAGE.write_text(page(), "utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
