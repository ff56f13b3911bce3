"""Measure backends on the GPUs of a machine, and write docs/gpu-report.json and its page.

    python docs/gpu_report.py                 every row on every CUDA device
    python docs/gpu_report.py --rows "*Adam*" these again; what else was measured is kept
    python docs/gpu_report.py --page          the page of what was measured
    python docs/gpu_report.py --check         whether the page is what this command writes
    python docs/gpu_report.py --device cpu    a dry run, to standard output

Each row is kept as soon as it is measured.  With --device or --only it is printed instead.  Exit
status: 0 all is as declared, 1 something is not, 2 an unusable argument, 3 nothing was measured.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from fnmatch import fnmatchcase
from importlib import metadata
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from generated import parser, published, table

import paratrooper_ref
from paratrooper_ref.conformance.verdict import CONFORMS, UNSUPPORTED
from paratrooper_ref.files import replacing
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
DATA = PAGE.with_suffix(".json")
MAKE = "python docs/gpu_report.py --page"
HOLDS, FAILED, UNUSABLE, NOTHING = 0, 1, 2, 3
PACKAGES = (
    "numpy", "torch", "triton", "jax", "jaxlib", "optax", "cupy-cuda11x", "cupy-cuda12x",
    "cupy-cuda13x", "cupy",
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
known. The command runs every row on every device and writes gpu-report.json and this page: device,
driver and versions; for each row the counts of cases, the declared profile, the smallest that fits,
the worst error over bound and where it is; and each departure in full. What is not installed is
listed as unsupported. `--jobs 8` measures eight at a time, each in a process of its own; each is
kept as soon as it is done.
`--rows` and `--dtype` choose what to measure again; `--only` chooses cases, and `--device cpu` is a
dry run: both print instead of writing.
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
        "What is known to depart:\n",
        table(("backend", "cases", "dtypes", "verdict", "why"), known),
    ])


def _facts(row: Row) -> str:
    said = row.profile("float32").spec()
    said.pop("dtype")
    facts = ", ".join(f"{name}={value}" for name, value in said.items())
    return f"`{facts}`" if facts else "as it is by default"


# --- what was measured --------------------------------------------------------------------------

Record = Mapping[str, Any]


def record(m: Measured) -> Record:
    """Return a measurement as plain data: all that the page says of it."""
    report, smallest = m.report, m.inferred.profile if m.inferred else None
    departing = [
        r for r in (report.results if report else ()) if r.verdict not in (CONFORMS, UNSUPPORTED)
    ]
    known = [k for k in m.row.known_of(m.dtype, m.device) if any(map(k.says, departing))]
    return {
        "backend": m.row.name,
        "dtype": m.dtype,
        "device": named(m.device),
        "with": machine(),
        "declared": str(m.row.profile(m.dtype)),
        "missing": m.missing,
        "counts": dict(report.counts) if report else {},
        "smallest": str(smallest) if smallest else "",
        "worst": _worst(m),
        "known": [f"`{k.cases}`: {k.why}" for k in known],
        "problems": m.problems,
        "told": str(report) if departing else "",
    }


def _worst(m: Measured) -> str:
    worst = m.report.worst if m.report else None
    if m.report is None or worst is None:
        return ""
    (case, *_) = [r.case for r in m.report.results if any(s is worst for s in r.all_shares)]
    return f"{worst.share:.2f} ({case}, {worst.tag} of {worst.layer}[{worst.index}])"


def machine() -> str:
    """Return what it is measured with."""
    versions = [
        f"driver {driver_version()}", f"Python {platform.python_version()}",
        f"paratrooper-ref {paratrooper_ref.__version__}",
    ]
    for name in PACKAGES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return f"{', '.join(versions)}; {platform.system()}, {platform.machine()}"


def kept() -> list[Record]:
    """Return what has been measured on devices so far."""
    return json.loads(DATA.read_text("utf-8")) if DATA.exists() else []


def merged(old: Iterable[Record], new: Iterable[Record]) -> list[Record]:
    """Return the newest record of each backend, dtype and device, in the order of the rows."""
    all_records = {(r["device"], r["backend"], r["dtype"]): r for r in (*old, *new)}
    order = {name: i for i, name in enumerate(ROWS)}
    there = [r for r in all_records.values() if r["backend"] in order]
    return sorted(
        there, key=lambda r: (r["device"], order[r["backend"]], DTYPES.index(r["dtype"]))
    )


# --- the page -----------------------------------------------------------------------------------

COLUMNS = (
    "backend", "dtype", "conform", "other verdicts", "profile declared", "smallest that fits",
    "worst error / bound", "as declared",
)


def page(records: Sequence[Record]) -> str:
    """Return the page of what was measured."""
    return "\n".join([HEAD + (results(records) or NOT_MEASURED), plan(), HOW])


def results(records: Sequence[Record]) -> str:
    """Return what was measured, device by device."""
    parts: list[str] = []
    for device in dict.fromkeys(r["device"] for r in records):
        there = [r for r in records if r["device"] == device]
        parts += [f"## {device}\n", *summary(there), table(COLUMNS, [line(r) for r in there])]
        for versions in dict.fromkeys(r["with"] for r in there):
            parts.append(f"Measured with {versions}.\n")
        if without := dict.fromkeys(
            f"- {r['backend']}: {r['missing']}" for r in there if r["missing"]
        ):
            parts += ["Unsupported here:\n", "\n".join(without) + "\n"]
        for r in there:
            parts += told(r)
    return "\n".join(parts)


def summary(records: Sequence[Record]) -> Iterator[str]:
    """Yield how many are as declared, and which are not."""
    asked = [r for r in records if not r["missing"]]
    wrong = [f"{r['backend']} in {r['dtype']}" for r in asked if not as_declared(r)]
    cases = sum(r["counts"].get(CONFORMS, 0) for r in asked)
    yield f"{len(asked) - len(wrong)} of {len(asked)} are as declared; {cases:,} cases conform.\n"
    if wrong:
        yield "Not as declared: " + "; ".join(wrong) + ".\n"


def as_declared(r: Record) -> bool:
    """Return whether it ran, and is as it was said to be."""
    return bool(r["counts"]) and not r["problems"]


def line(r: Record) -> tuple[object, ...]:
    """Return the row of the table."""
    declared, counts = f"`{r['declared']}`", r["counts"]
    if not counts:
        why = "unsupported" if r["missing"] else "raises"
        said = "not measured" if r["missing"] else "**no**"
        return (r["backend"], r["dtype"], "-", why, declared, "-", "-", said)
    others = ", ".join(f"{n} {verdict}" for verdict, n in counts.items() if verdict != CONFORMS)
    return (
        r["backend"], r["dtype"], f"{counts.get(CONFORMS, 0)} of {sum(counts.values())}",
        others or "-", declared, f"`{r['smallest']}`" if r["smallest"] else "none",
        r["worst"] or "-", "yes" if as_declared(r) else "**no**",
    )


def told(r: Record) -> Iterator[str]:
    """Yield what is to be told beside the line: departures, and what is not as declared."""
    if not r["told"] and not r["problems"]:
        return
    yield f"### {r['backend']}, {r['dtype']}\n"
    if r["known"]:
        yield "\n".join(f"- known: {why}" for why in r["known"]) + "\n"
    if r["problems"]:
        yield "Not as declared:\n\n```text\n" + "\n\n".join(r["problems"]) + "\n```\n"
    if r["told"]:
        yield f"```text\n{r['told']}\n```\n"


def written(records: Sequence[Record]) -> None:
    """Write what was measured, and its page."""
    with replacing(DATA) as file:
        file.write((json.dumps(records, indent=1, ensure_ascii=False) + "\n").encode())
    published(PAGE, page(records), check=False, make=MAKE)


# --- the command --------------------------------------------------------------------------------

Asked = tuple[str, str, str, str | None]  # a row, a device, a dtype, the cases


def taken(asked: Asked) -> Record:
    """Return a measurement; one that raises is a problem of its own, and the others go on."""
    name, device, dtype, only = asked
    try:
        return record(measure(ROWS[name], device, dtype, only=only, runs=only is None))
    except Exception as error:  # of a framework: what it is shall stand on the page
        return lost(asked, f"{type(error).__name__}: {error}")


def apart(asked: Asked) -> Record:
    """Return a measurement of a process of its own, which may come to any end."""
    name, device, dtype, only = asked
    words = ["--rows", name, "--device", device, "--dtype", dtype, "--json"]
    words += ["--only", only] if only is not None else []
    ended = subprocess.run(
        [sys.executable, "-X", "faulthandler", __file__, *words],
        capture_output=True, text=True, check=False,
    )
    if ended.returncode not in (HOLDS, FAILED, NOTHING):
        said = "\n".join(ended.stderr.strip().splitlines()[-20:])
        return lost(asked, f"its process ended with {ended.returncode}\n{said}")
    (found,) = json.loads(ended.stdout)
    return dict(found)


def lost(asked: Asked, error: str) -> Record:
    """Return a measurement that came to nothing."""
    name, device, dtype, _ = asked
    return record(Measured(row=ROWS[name], device=device, dtype=dtype, error=error))


def all_taken(asked: Sequence[Asked], jobs: int) -> Iterator[Record]:
    """Yield measurements as they are done, ``jobs`` at a time."""
    with Bar("measuring") as bar, ThreadPoolExecutor(jobs) as pool:
        bar(0, len(asked))
        futures = [pool.submit(apart, one) for one in asked] if jobs > 1 else []
        done = (future.result() for future in as_completed(futures)) if futures else (
            map(taken, asked)
        )
        try:
            for i, found in enumerate(done, 1):
                yield found
                bar(i, len(asked))
        except BaseException:  # interrupted: what has not begun does not begin
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def exit_status(records: Sequence[Record]) -> int:
    """Return 3 where nothing was measured, whatever was asked, and 1 where something is wrong."""
    if any(r["problems"] for r in records):
        return FAILED
    return HOLDS if any(r["counts"] for r in records) else NOTHING


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write, or print, or check."""
    command = parser(__doc__)
    command.add_argument("--page", action="store_true", help="write the page, measure nothing")
    command.add_argument("--device", action="append", metavar="NAME", help="cpu, cuda:0, ...")
    command.add_argument("--rows", metavar="PATTERN", default="*", help="backends by name")
    command.add_argument("--dtype", choices=DTYPES, action="append")
    command.add_argument("--only", metavar="PATTERN", help="cases by name; without runs")
    command.add_argument("--jobs", type=int, default=1, metavar="N", help="so many at a time")
    command.add_argument("--json", action="store_true", help="print what is measured as data")
    asked = command.parse_args(arguments)
    if asked.check:
        return published(PAGE, page(kept()), check=True, make=MAKE)
    if asked.page:
        written(merged(kept(), ()))
        return HOLDS

    there = ("cpu", *found())
    for device in asked.device or ():
        if device not in there:
            known = ", ".join(there)
            command.error(f"gpu_report needs a device, got {device!r}; there are {known}")
    if asked.jobs < 1:
        command.error(f"gpu_report needs one job or more, got {asked.jobs}")
    rows = [row for name, row in ROWS.items() if fnmatchcase(name, asked.rows)]
    if not rows:
        command.error(f"gpu_report needs backends, got none for {asked.rows!r}; see {PAGE.name}")
    what: list[Asked] = [
        (row.name, device, dtype, asked.only)
        for row in sorted(rows, key=_slow) for device in asked.device or targets()
        for dtype in row.dtypes if dtype in (asked.dtype or DTYPES)
    ]
    prints = bool(asked.device or asked.only or asked.json)
    done: list[Record] = []
    for one in all_taken(what, asked.jobs):
        done.append(one)
        if not prints and not one["missing"]:
            written(merged(kept(), [one]))
    done = merged((), done)
    if asked.json:
        print(json.dumps(done, indent=1, ensure_ascii=False))
    elif prints:
        print(results(done))
    if not any(r["counts"] or r["problems"] for r in done):
        why = "; ".join(dict.fromkeys(r["missing"] for r in done))
        print(f"gpu_report: nothing has been measured: {why}", file=sys.stderr)
    elif not prints:
        written(merged(kept(), done))
    return exit_status(done)


def _slow(row: Row) -> bool:
    """Return whether each of its cases has to be compiled: it is measured after the others."""
    return row.only != "*"


if __name__ == "__main__":
    sys.exit(main())
