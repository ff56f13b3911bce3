"""The field report as a page: all of it is in the data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from generated import table

HEAD: Final = """# Field report

The optimizers of this family in public packages, held to the golden corpus on a CPU. Made by
`python docs/field_report.py`, which measures what is installed; docs/field-report.json has all of
it as data. A row is of the version that it names; one whose package was missing the last time keeps
what was measured before.

*Worst* is the largest error over its [bound](conformance.md#tolerances) among what conforms: 1 is
the most that honest arithmetic of the declared profile can do. A *dialect* is another algorithm
under the same name, as its documentation or the code that it cites has it; it is held to that
algorithm, and is no bug. Where it *rounds otherwise* the step is the same, written in a way that
the bounds of that dialect do not admit: a gap of the kit. A *departure* is where an optimizer is
not what its own documentation says.
"""

HOW: Final = """## Not asked

What is not of this family, or cannot be asked, and why:

- bitsandbytes: moments of eight bits, which its 8bit classes keep from 4096 elements on, are of no
  format that a profile can declare, and no case has such a layer. Adagrad, AdEMAMix, Lion and
  RMSprop are other algorithms.
- holocron's RaLars is RAdam with LARS and without Lookahead: a rule of no algorithm here, with
  weight_norm = clamp(0, norm(theta), 10) and a threshold of 4. Its Scout synchronises by how alike
  the last steps were, AdaBelief, AdamP, Adan, AdEMAMix and TAdam are other algorithms.
- fastai: QHAdam and RMSProp are other algorithms. Larc without decouple_wd is not asked.
- pytorch_ranger's RangerQH, which torch_optimizer has too, is QHAdam with Lookahead and without
  rectification; its RangerVA takes the largest v so far and the softplus of its root, by default.
- pytorch_optimizer's LARS adapts no scalars and vectors: the cases of LARS are asked of matrices of
  one row, and those of SGD of vectors.
- torchopt's classes keep their state in lists without names, so its functions are asked; the
  meta-optimizers differentiate through the same functions.
- Gradients of None of optax.

## How to measure it

```sh
pip install -e .[peers]
pip install timm pytorch_optimizer torch_optimizer pytorch_ranger torch-optimi keras fastai
pip install bitsandbytes torchopt pylocron
python docs/field_report.py
```

Rows are data, in docs/field/rows.py: what an optimizer is held to, what its documentation says, and
which failures are known. The command fails where another failure is seen, or a known one is not.
Single steps are taken in every dtype listed, runs and the search for the smallest profile in
float32. `--only PATTERN` takes some rows, `--check` compares the page with the data.
"""

DTYPES: Final = ("float64", "float32", "bfloat16")
LISTED: Final = 4


def page(data: Mapping[str, Any]) -> str:
    """Return the page."""
    rows = [row for row in data["rows"].values() if row["measured"] is not None]
    waiting = [row for row in data["rows"].values() if row["measured"] is None]
    parts = [
        HEAD, *summary(rows), *right(data, rows), *dialects(rows), *found(data),
        *by_package(rows),
    ]
    if waiting:
        parts.append("## Not measured yet\n")
        parts.append("\n".join(f"- {row['name']} ({row['package']})" for row in waiting) + "\n")
    return "\n".join([*parts, HOW])


# --- what a row comes to ------------------------------------------------------------------------


def failures(row: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the failures of a row, each with its dtype."""
    dtypes = row["measured"]["dtypes"]
    return [(dtype, f) for dtype in DTYPES if dtype in dtypes for f in dtypes[dtype]["failures"]]


def held_to(row: Mapping[str, Any]) -> str:
    """Return the algorithm, and the dialect if it is one."""
    algorithm: str = row["algorithm"]
    return algorithm + (f" as {row['dialect']}" if row["dialect"] else "")


def verdict(row: Mapping[str, Any]) -> str:
    """Return what a row comes to, in some words."""
    besides = "; **departs** besides" if row["departures"] else ""
    return f"{_of_cases(row)}{besides}"


def _of_cases(row: Mapping[str, Any]) -> str:
    off = failures(row)
    if not off:
        return f"conforms{' to its dialect' if row['dialect'] else ''}"
    if any(f["known"] is None for _, f in off):
        return "**departs, unexplained**"
    conforming = sum(m["counts"].get("conforms", 0) for m in row["measured"]["dtypes"].values())
    all_ = len(off) + conforming
    rounds = [f for _, f in off if row["known"][f["known"]]["most"] != "inf"]
    otherwise = f"; rounds otherwise in {len(rounds)} of {all_}" if rounds else ""
    off = [(dtype, f) for dtype, f in off if f not in rounds]
    if not off:
        return f"conforms{' to its dialect' if row['dialect'] else ''}{otherwise}"
    departs = any(row["known"][f["known"]]["departure"] for _, f in off)
    word, first = "**departs**" if departs else "differs", "conforms, but "
    if {f["verdict"] for _, f in off} == {"changes its gradient"}:
        word, first = "changes its gradient", "steps conform; "
    elif len(off) > all_ / 2:
        first = ""
    return f"{first}{word} in {len(off)} of {all_}{otherwise}"


def worst(row: Mapping[str, Any]) -> str:
    """Return the largest error over bound, and in which dtype."""
    of = {d: m["worst"] for d, m in row["measured"]["dtypes"].items() if m["worst"] is not None}
    if not of:
        return "-"
    dtype = max(of, key=lambda d: float(of[d]["share"]))
    return f"{float(of[dtype]['share']):.2f} ({dtype})"


def asked(row: Mapping[str, Any]) -> str:
    """Return the options."""
    return ", ".join(f"{name}={value}" for name, value in row["options"].items())


# --- sections -----------------------------------------------------------------------------------


def summary(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the table of all rows."""
    yield "## Summary\n"
    yield table(
        ("package", "optimizer", "held to", "comes to", "worst error / bound"),
        [
            (
                f"{row['package']} {row['measured']['version']}", f"`{row['name']}`", held_to(row),
                verdict(row), worst(row),
            )
            for row in rows
        ],
    )


def right(data: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what is right, by package."""
    yield "## What is right\n"
    yield (
        "These conform, to their dialect if they have one, in every dtype that they were asked in, "
        "in every case that could be asked:\n"
    )
    good: dict[str, list[str]] = {}
    for row in rows:
        if not failures(row):
            package = f"{row['package']} {row['measured']['version']}"
            titles = [data["departures"][name]["title"] for name in row["departures"]]
            but = f" (but for *{'*, *'.join(titles)}*)" if titles else ""
            good.setdefault(package, []).append(f"`{row['name']}`{but}")
    yield "\n".join(f"- {package}: {', '.join(names)}" for package, names in good.items()) + "\n"


def dialects(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield which rows are which dialect."""
    by_name: dict[str, list[str]] = {}
    for row in rows:
        if row["dialect"]:
            by_name.setdefault(row["dialect"], []).append(f"`{row['name']}`")
    if by_name:
        yield "## Dialects\n"
        yield "What they are is in [the table of variants](variants.md).\n"
        lines = (f"- {name}: {', '.join(names)}" for name, names in sorted(by_name.items()))
        yield "\n".join(lines) + "\n"


def found(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield the departures from documentation, each with its reproduction."""
    shown = [d for d in data["departures"].values() if d["ran"] is not None]
    if not shown:
        return
    yield "## Departures from their own documentation\n"
    for d in shown:
        yield f"### {d['package']} {d['ran']['version']}: {d['title']}\n"
        yield f"- Where: {d['line']}"
        yield f"- Its documentation: {d['says']}"
        yield f"- What it does: {d['does']}"
        if d["link"]:
            yield f"- {d['link']}"
        yield f"\n```python\n{d['code'].rstrip()}\n```\n"
        yield f"prints\n\n```text\n{d['ran']['printed'].rstrip()}\n```\n"


def by_package(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield all rows in full."""
    yield "## All rows\n"
    for package in dict.fromkeys(row["package"] for row in rows):
        of = [row for row in rows if row["package"] == package]
        yield f"### {package}\n"
        for row in of:
            yield from full(row)


def full(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield a row in full."""
    measured = row["measured"]
    yield f"#### {row['name']}\n"
    with_ = ", ".join(f"{k} {v}" for k, v in measured["with"].items())
    yield (f"{row['package']} {measured['version']} with {with_}; corpus "
           f"{measured['corpus']['version']} sha256:{measured['corpus']['digest'][:8]}. Held to "
           f"{held_to(row)}{f', with {asked(row)}' if row['options'] else ''}: "
           f"{verdict(row).replace('**', '')}. Its documentation: {row['documented']}.\n")
    yield table(
        ("dtype", "cases", "conform", "other verdicts", "profile declared", "smallest that fits",
         "worst error / bound"),
        [line(dtype, measured["dtypes"][dtype]) for dtype in DTYPES if dtype in measured["dtypes"]],
    )
    yield from remarks(row)


def line(dtype: str, m: Mapping[str, Any]) -> tuple[object, ...]:
    """Return the line of a dtype."""
    counts = Counter(m["counts"])
    others = ", ".join(f"{n} {v}" for v, n in sorted(counts.items()) if v != "conforms")
    at = m["worst"]
    where = "-" if at is None else (
        f"{float(at['share']):.2f} ({at['case']}, {at['line']} of {at['layer']}[{at['index']}] "
        f"t={at['t']})"
    )
    smallest = f"`{m['smallest']}`" if m["smallest"] else "none" if dtype == "float32" else ""
    return (
        dtype, m["total"], counts["conforms"], others or "-", f"`{m['declared']}`", smallest, where,
    )


def remarks(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield what else there is to say of a row: what it was asked with, and what fails."""
    dtypes = row["measured"]["dtypes"]
    lines = []
    adapted = Counter[str]()
    for m in dtypes.values():
        for what, n in m["adapted"].items():
            adapted[what] = max(adapted[what], n)
    if adapted:
        of = ", ".join(f"{what} ({n} cases)" for what, n in adapted.most_common())
        lines.append(f"- asked with what it has: {of}")
    unsupported = Counter[str]()
    for m in dtypes.values():
        for why, n in m["unsupported"].items():
            unsupported[why] = max(unsupported[why], n)
    lines += [f"- unsupported, {n} cases: {why}" for why, n in unsupported.most_common()]
    off = failures(row)
    for i, known in enumerate(row["known"]):
        mine = [(dtype, f) for dtype, f in off if f["known"] == i]
        if mine:
            in_ = ", ".join(dict.fromkeys(dtype for dtype, _ in mine))
            lines.append(f"- {known['why']}: {few(mine)}; in {in_}")
    alone = [(dtype, f) for dtype, f in off if f["known"] is None]
    if alone:
        lines.append(f"- **not explained**: {few(alone)}")
    if lines:
        yield "\n".join(lines) + "\n"


def few(off: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """Return some failures, and how many there are."""
    names = list(dict.fromkeys(f["case"] for _, f in off))
    verdicts = ", ".join(dict.fromkeys(f["verdict"] for _, f in off))
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    shares = [float(f["share"]) for _, f in off if f["share"] not in (None, "nan")]
    largest = f", up to {max(shares):.3g} times the bound" if shares else ""
    likes = list(dict.fromkeys(name for _, f in off for name in f["likes"][:1]))
    like = f", the kit says {' or '.join(likes[:2])}" if likes else ""
    return f"{verdicts}{largest}: {', '.join(names[:LISTED])}{more}{like}"
