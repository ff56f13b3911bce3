"""Write docs/kill-matrix.md from the tables that are shipped, or ``--check`` it.

``--measure`` computes both tables again, in two processes and a minute or two, and holds the
shipped ones to what comes out.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from generated import parser, published, table

from paratrooper_ref.conformance import kill, sensitivity
from paratrooper_ref.conformance.constants import still
from paratrooper_ref.golden.bounds import MARGIN
from paratrooper_ref.progress import Bar
from paratrooper_ref.variants import SCHEDULE_VARIANTS, VARIANTS

PAGE = Path(__file__).with_name("kill-matrix.md")
HEAD = f"""# The kill matrix, and the sensitivity table

Made by `python docs/kill_matrix.py` from the data that comes with the package. `paratrooper-ref
kill` measures the matrix again and fails where it is not whole.

A *margin* is how many bounds a wrong step is away from a proved one, where it shows most, in
parameters and state after each step of a case. The bound is what honest arithmetic of a profile
may lose, whatever form its lines have: of float32 with scalars formed in double, and of float64. A
case kills a variant if its margin is {MARGIN} or more in both. Margins are powers of two, rounded
down, so what stands here is a claim that holds on every machine.
"""
SECOND = f"""## How wrong a constant may be

The least relative change of a constant, a power of two, that no backend of a precision can hide: a
core case shows {sensitivity.CERTAIN:g} bounds (the wrong step is evaluated in doubles, within one
bound of what it would be; whatever a backend's own roundings do takes another one). Scalars are
formed in double throughout. "None" means that not even half of the constant shows.
"""


def page() -> str:
    """Return the page."""
    matrix, table = kill.load(), sensitivity.load()
    return "\n".join([
        HEAD, summary(matrix) + "\n", variants(matrix), left(), forms(matrix),
        SECOND, constants(table), no_small_changes(),
    ])


def summary(matrix: kill.Matrix) -> str:
    """Return the matrix in a sentence."""
    killed = {name: row for name, row in matrix.variants.items() if row.killers()}
    weak = min(killed, key=lambda name: killed[name].best("float32")[1])
    rare = min(killed, key=lambda name: len(killed[name].killers()))
    pairs = sum(len(row.killers()) for row in killed.values())
    plans = sum(bool(row.killers()) for row in matrix.schedules.values())
    return (
        f"All {len(matrix.variants)} bugs and dialects of rules are killed by a core case, by "
        f"{pairs:,} pairs of variant and case in all; `{rare}` by the fewest, "
        f"{len(killed[rare].killers())}. The least visible in float32 is `{weak}`, "
        f"{kill.shown(killed[weak].best('float32')[1])} bounds away where it shows best. Of "
        f"{len(matrix.schedules)} variants of schedules {plans} are killed. Corpus "
        f"`{matrix.corpus[:12]}`."
    )


def variants(matrix: kill.Matrix) -> str:
    """Return a row for each variant."""
    rows = []
    for name, row in {**matrix.variants, **matrix.schedules}.items():
        known = VARIANTS.get(name) or SCHEDULE_VARIANTS[name]
        case, _ = row.best("float32")
        away = [kill.shown(row.best(profile)[1]) for profile in ("float32", "float64")]
        best = f"`{case}`" if row.killers() else "-"
        rows.append((
            f"`{name}`", known.kind, ", ".join(known.rules), best, *away, str(len(row.killers()))
        ))
    head = ("variant", "kind", "rules", "best case", "float32", "float64", "cases that kill it")
    return table(head, rows)


def left() -> str:
    """Return what no core case kills."""
    rows = [(f"`{name}`", why) for name, why in sorted(kill.LEFT.items())]
    said = (
        "## What no core case kills\n\nA backend has no part in a schedule: the kit tells it the "
        "rate of each step, and a case tells by its rates what a schedule does.\n\n"
    )
    return said + (table(("variant", "why"), rows) if rows else "There is none.\n")


def forms(matrix: kill.Matrix) -> str:
    """Return what is said of forms."""
    steps = sum(len(row.seen["float64"]) for row in matrix.forms.values())
    return (
        f"## Forms\n\nEach of the {len(matrix.forms)} forms of evaluation stays within the bound, "
        f"in float64, in each of the cases that it fits ({steps:,} pairs).\n"
    )


def constants(found: sensitivity.Table) -> str:
    """Return a row for each constant."""
    rows = []
    for name, row in found.rows.items():
        what = f"`{row.shown}`" if row.shown else "a hyperparameter"
        seen = [shown(row.seen[p][1]) for p in ("float64", "float32", "bfloat16")]
        rows.append((f"`{name}`", what, *seen, f"`{row.seen['float64'][0]}`"))
    least = min(found.rows, key=lambda name: found.rows[name].seen["float64"][1])
    never = Counter(p for row in found.rows.values() for p, (_, k) in row.seen.items() if not k)
    said = (
        f"Of {len(found.rows)} constants the one that may be most wrong in float64 is `{least}`, "
        f"by {shown(found.rows[least].seen['float64'][1])}; so any that is wrong in the seventh "
        f"digit is found. In bfloat16 {never['bfloat16']} may be wrong by half.\n\n"
    )
    head = ("constant", "where", "float64", "float32", "bfloat16", "case, in float64")
    return said + table(head, rows)


def no_small_changes() -> str:
    """Return the constants whose small changes show nowhere."""
    rows = [(f"`{name}`", why) for name, why in still().items()]
    return "## What has no small changes\n\n" + table(("constant", "why"), rows)


def shown(k: int) -> str:
    """Return a change of 2**-k as it is printed."""
    return f"{2.0**-k:.0e}".replace("e-0", "e-") if k else "none"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or compare it; measure again if asked to."""
    command = parser(__doc__)
    command.add_argument("--measure", action="store_true", help="hold the tables to new ones")
    asked = command.parse_args(arguments)
    errors = []
    if asked.measure:
        for what in (kill, sensitivity):
            with Bar(f"measuring {what.FILE}") as bar:
                errors += what.verify(bar).errors
        for error in errors:
            print(error, file=sys.stderr)
    status = published(PAGE, page(), check=asked.check, make="python docs/kill_matrix.py")
    return int(bool(errors)) or status


if __name__ == "__main__":
    sys.exit(main())
