"""The verb ``claims``: measure what the source claims.

Exit status: 0 measured, whichever way it came out; 2 an unusable argument or folder.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from paratrooper_ref.arguments import count
from paratrooper_ref.claims.arms import DECAY
from paratrooper_ref.claims.measure import EPOCHS, RATES, SEEDS, SKIPS, measure
from paratrooper_ref.claims.settings import SETTINGS
from paratrooper_ref.claims.table import CLAIMS, Claim
from paratrooper_ref.claims.words import report
from paratrooper_ref.files import folder, replacing
from paratrooper_ref.optimizers.hyper import nearest
from paratrooper_ref.progress import Bar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEASURED: Final = 0
QUICK: Final[dict[str, Any]] = {"rates": (1e-2, 0.1), "epochs": 120, "depths": (2, 4)}
QUICK_PROBLEM: Final = "diabetes"  # the one that every claim is tried on


def add_verb(verbs: Any) -> None:
    """Add the verb to those of the command line."""
    verb = verbs.add_parser(
        "claims",
        help="measure the source's claims: where they hold, where not, and by how much",
        description=(
            "Measure what the source claims of its optimizers, over learning rates and seeds, and "
            "print for each claim where it holds, where it does not, and by how much. A claim "
            "that fails is a result: exit status 0."
        ),
        epilog="example: paratrooper-ref claims speed --problem regression --rates 0.01",
    )
    names = ", ".join(CLAIMS)
    verb.add_argument("name", nargs="*", help=f"any of {names}, or their numbers; all if none")
    verb.add_argument("--list", action="store_true", help="list the claims, and measure nothing")
    shown = " ".join(f"{rate:g}" for rate in RATES)
    verb.add_argument(
        "--rates", type=float, nargs="+", metavar="RATE", help=f"learning rates ({shown})"
    )
    verb.add_argument("--seeds", type=int, help=f"at least 10 ({SEEDS})")
    verb.add_argument("--epochs", type=int, help=f"({EPOCHS}; the source has 1000)")
    verb.add_argument(
        "--decay", type=float, help=f"weight decay of every optimizer ({DECAY:g}; 0 for none)"
    )
    problems = ", ".join(SETTINGS)
    verb.add_argument(
        "--problem", action="append", help=f"only this one of {problems} (repeat for several)"
    )
    cores = os.cpu_count() or 1
    verb.add_argument("--jobs", type=count, default=cores, help=f"processes to use ({cores})")
    verb.add_argument(
        "--quick", action="store_true",
        help=f"{QUICK_PROBLEM}, two rates, 120 epochs and nets of 2 and 4 layers, unless asked "
        "otherwise; a first look, not a measurement",
    )
    verb.add_argument(
        "--out", type=Path, metavar="FOLDER",
        help="write claims.json, and a figure a claim where there is matplotlib",
    )
    verb.add_argument("--json", action="store_true", help="print JSON")
    verb.set_defaults(act=_claims, parser=verb)


def _claims(args: argparse.Namespace) -> int:
    claims = _named(args.name)
    unknown = {*(args.problem or ())} - {*SETTINGS}
    if unknown:
        msg = f"claims needs problems among {', '.join(SETTINGS)}, got {min(unknown)!r}"
        raise ValueError(msg)
    if not args.name and find_spec("scipy") is None:
        claims = [claim for claim in claims if claim.name != SKIPS]
        print(f"the claim {SKIPS} is left out, since it needs SciPy", file=sys.stderr)
    if args.problem and not args.name:  # of all claims those that these problems are for
        claims = [claim for claim in claims if {*claim.settings} & {*args.problem}] or claims
    if args.list:
        rows = [
            {"number": c.number, "label": c.label, "name": c.name, "says": c.says} for c in claims
        ]
        lines = [f"{row['label']:<3} {row['name']:<12} {row['says']}" for row in rows]
        print(json.dumps(rows, indent=1) if args.json else "\n".join(lines))
        return MEASURED
    chosen = _chosen(args)
    place = nullcontext() if args.out is None else folder("claims", args.out)
    with place, Bar("measuring") as bar:
        found = measure(claims, jobs=args.jobs, progress=bar, **chosen)
        text = as_json(found)
        files = [] if args.out is None else _saved(found, text, args.out)
    print(text if args.json else report(found))
    if files and not args.json:
        print(f"\nsaved {len(files)} files in {args.out}")
    return MEASURED


def _named(names: list[str]) -> list[Claim]:
    """Return the claims of these names or numbers, in order and each once."""
    called = {claim: {claim.name, claim.label, str(claim.number)} for claim in CLAIMS.values()}
    for name in names:
        if not any(name in words for words in called.values()):
            msg = f"unknown claim {name!r}; {nearest(name, CLAIMS)}"
            raise ValueError(msg)
    return [claim for claim, words in called.items() if not names or words & {*names}]


def _chosen(args: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of `measure` that were asked for."""
    given = {
        "rates": args.rates, "seeds": args.seeds, "epochs": args.epochs, "decay": args.decay,
        "settings": args.problem,
    }
    quick = {**QUICK, "settings": [QUICK_PROBLEM]} if args.quick else {}
    return quick | {name: value for name, value in given.items() if value is not None}


def as_json(found: dict[str, Any]) -> str:
    """Return JSON with a line for each name, and one for a list of numbers."""
    text = json.dumps(found, indent=1, allow_nan=False)
    return re.sub(
        r"\[[-+.\de,\s]*\]", lambda numbers: f"[{' '.join(numbers[0][1:-1].split())}]", text
    )


def _saved(found: dict[str, Any], text: str, folder: Path) -> list[Path]:
    """Write the data and the figures; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / "claims.json"]
    with replacing(files[0]) as file:
        file.write(f"{text}\n".encode())
    try:
        import matplotlib as mpl
    except ImportError:
        return files
    mpl.use("Agg")
    from paratrooper_ref.plots.claims import claim_figure

    for claim in found["claims"]:
        if claim["comparisons"]:
            path = folder / f"{claim['name']}.png"
            figure: Figure = claim_figure(claim)
            with replacing(path) as file:
                figure.savefig(file, format="png")
            files.append(path)
    return files
