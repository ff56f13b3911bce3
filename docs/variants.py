"""Write docs/variants.md from the tables: `python docs/variants.py`, or ``--check`` it."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from generated import parser, published, table

from paratrooper_ref.variants import FAULTS, SCHEDULE_VARIANTS, VARIANTS, Fault, Variant
from paratrooper_ref.variants.variant import normal

PAGE = Path(__file__).with_name("variants.md")
PROTOCOL = "what an adapter is asked", "conformance.md#adapters"
SEEN = Path(__file__).with_name("variants-seen.csv")
HEAD = """# Variants: dialects, bugs, forms, faults

Made from the tables of `paratrooper_ref.variants` by `python docs/variants.py`; what has been
seen where is in docs/variants-seen.csv. A *variant* is a line of a rule (or of a schedule) as it
stands somewhere else: a *dialect* is another published choice, a *bug* is wrong, a *form* is
equal in real numbers to the published line, or to that of a dialect, and has other roundings. A
*fault* is no line: it is in how an implementation keeps its state, treats what it is given, or
tells layers apart. "A mutant" is known of no library, and there to be caught all the same: its
link is to where the line that it breaks is published. Which case sees which variant, and how
clearly, is in [kill-matrix.md](kill-matrix.md).
"""

def page() -> str:
    """Return the page."""
    reported, dialects = rows("reported"), rows("dialect")
    kinds = Counter(v.kind for v in VARIANTS.values())
    counts = (
        f"{kinds['bug']} bugs, {kinds['dialect']} dialects and {kinds['form']} forms of rules, "
        f"{len(SCHEDULE_VARIANTS)} variants of schedules, {len(FAULTS)} faults."
    )
    parts = [
        HEAD, counts + "\n",
        "## What has been reported\n\n" + table(
            ("thread", "what was wrong", "here"),
            [(thread(where), what, said(names, why)) for where, what, names, why in reported],
        ),
        "## How implementations differ\n\n" + table(
            ("where", "what", "here"),
            [(where, what, said(names, why)) for where, what, names, why in dialects],
        ),
    ]
    for title, variants in (
        ("Bugs and dialects", [v for v in VARIANTS.values() if v.kind != "form"]),
        ("Schedules", list(SCHEDULE_VARIANTS.values())),
        ("Forms", [v for v in VARIANTS.values() if v.kind == "form"]),
    ):
        parts.append(f"## {title}\n\n" + table(
            ("name", "kind", "rules", "the published line, and the variant's", "seen"),
            [row(v) for v in variants],
        ))
    parts.append("## Faults\n\n" + table(
        ("name", "what", "seen", "verdict", "where it shows"),
        [
            (f"`{f.name}`", f.what, _of_fault(f), f.check, f.where or "everywhere")
            for f in FAULTS.values()
        ],
    ))
    return "\n".join(parts)


def rows(table: str) -> list[tuple[str, str, list[str], str]]:
    """Return (where, what, names, why) of what has been reported, or of dialects.

    The names are of the variants and faults that stand for it; why says what they leave out, or
    why there are none.
    """
    with SEEN.open(newline="", encoding="utf-8") as file:
        return [
            (row["where"], row["what"], row["names"].split(), row["why"])
            for row in csv.DictReader(file) if row["table"] == table
        ]


def defects() -> Iterator[str]:
    """Yield names that are none, rows that say nothing, and what no row is about."""
    known = {*VARIANTS, *SCHEDULE_VARIANTS, *FAULTS}
    named: set[str] = set()
    for where, what, names, why in (*rows("reported"), *rows("dialect")):
        named |= set(names)
        for name in names:
            if name not in known:
                yield f"{where}: {name} is neither a variant nor a fault"
        if not names and not why:
            yield f"{where}: {what}: nothing stands for it, and no reason is given"
    entries: list[Variant | Fault] = [*VARIANTS.values(), *SCHEDULE_VARIANTS.values()]
    for entry in [*entries, *FAULTS.values()]:
        form = isinstance(entry, Variant) and entry.kind == "form"
        if entry.name not in named and not form and not entry.seen.startswith("a mutant"):
            yield f"{entry.name} is seen somewhere, and no row says where"


def said(names: list[str], why: str) -> str:
    """Return names and a reason as a cell."""
    return "; ".join(filter(None, (", ".join(f"`{name}`" for name in names), why)))


def thread(where: str) -> str:
    """Return the link of an issue or a pull request, whichever it is: GitHub knows."""
    repo, _, number = where.partition("#")
    return f"[{where}](https://github.com/{repo}/issues/{number})"


def linked(seen: str, link: str) -> str:
    """Return where something was seen, with its link."""
    return f"[{seen}]({link})" if link else seen


def _of_fault(f: Fault) -> str:
    """Return where a fault was seen, or what it breaks: the protocol of adapters."""
    return linked(f.seen, f.link) if f.link else f"{f.seen}; it breaks {linked(*PROTOCOL)}"


def row(v: Variant) -> tuple[str, ...]:
    """Return the row of a variant."""
    changes = "<br>".join(f"{code(was)}<br>→ {code(line)}" for was, line in v.changes)
    kind = v.kind if v.of is None else f"{v.kind} of a line of `{v.of.name}`"
    seen = linked(v.seen, v.link)
    if not v.link:
        seen += f"; the line is that of {linked(*v.published)}"
    return (f"`{v.name}`", kind, ", ".join(v.rules), changes, seen)


def code(line: str) -> str:
    """Return lines of a rule in a cell of a table."""
    lines = normal(line).removesuffix("\n    pass").splitlines() if line else []
    return "<br>".join(f"`{part}`" for part in lines) or "(left out)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or compare it; say what the audit lacks."""
    asked = parser(__doc__).parse_args(arguments)
    wrong = list(defects())
    for defect in wrong:
        print(defect, file=sys.stderr)
    status = published(PAGE, page(), check=asked.check, make="python docs/variants.py")
    return int(bool(wrong)) or status


if __name__ == "__main__":
    sys.exit(main())
