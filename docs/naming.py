"""Write docs/naming.md from docs/naming.json, or ``--check`` it; ``--measure`` makes the data.

Measuring takes some ten minutes: for each variant the reference with that variant is checked, and
what the report says it looks like is kept.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from generated import parser, published

from paratrooper_ref.conformance import ReferenceBackend, check
from paratrooper_ref.golden.corpus import Corpus
from paratrooper_ref.optimizers import LARS, OPTIMIZERS, Lookahead
from paratrooper_ref.optimizers.adamw import AdamW
from paratrooper_ref.progress import Bar
from paratrooper_ref.variants import VARIANTS, Variant

PAGE, DATA = (Path(__file__).with_name(f"naming{suffix}") for suffix in (".md", ".json"))
HEAD: Final = """# What a wrong backend is said to look like

Made by `python docs/naming.py`. For each variant that is known the reference with that variant, in
float32, is checked like any backend, and only its parameters and state are seen. Here is what the
report says that it looks like.
"""

REASONS: Final[dict[frozenset[str], str]] = {
    frozenset({"sgd.dampening_needs_momentum"}):
        "a choice of torch and of who copies it: the cases that show it are asked without "
        "dampening, and the report says so",
    **dict.fromkeys(
        (
            frozenset({"lamb.direction_norm_unguarded"}),
            frozenset({"lars.direction_norm_unguarded"}),
            frozenset({"lars_2019.direction_norm_unguarded"}),
        ),
        "it divides by 0, and what comes of that is a verdict of its own: *raises* here, where the "
        "reference refuses it, and *not finite* for who goes on",
    ),
    frozenset({"lamb.gradient_clipped_by_layer", "gradient.clipped_by_layer"}):
        "the same thing, as a line of LAMB and as a habit around any rule, with 1e-6 beside the "
        "norm or without",
    frozenset({"first_batch.betas_unsquared", "first_batch.sum"}):
        "both make h larger, and no first batch is loud by one and quiet by the other",
}
"""Pairs that no case of the core tier tells apart in float32, and why."""


def asked() -> Iterator[tuple[Variant, str]]:
    """Yield each variant with an algorithm that has its line."""
    made = {
        name: Lookahead(inner=AdamW()) if name == "lookahead" else family()
        for name, family in OPTIMIZERS.items()
    }
    for variant in VARIANTS.values():
        if variant.kind != "form":
            fits = [name for name, optimizer in made.items() if variant.fits(optimizer)]
            if not fits and variant.fits(LARS(form="2019")):
                fits = ["lars"]
            rule = variant.name.partition(".")[0]
            yield variant, rule if rule in fits else fits[0 if rule == "step" else -1]


def measure() -> None:
    """Check every variant, and store what each looks like."""
    rows = {}
    asks = list(asked())
    with Bar("checking variants") as bar:
        for i, (variant, algorithm) in enumerate(asks):
            bar(i, len(asks))
            report = check(
                ReferenceBackend("float32", variant=variant), algorithm, runs=False
            )
            rows[variant.name] = {
                "algorithm": algorithm, "fail": len(report.failed),
                "likes": [like.variant for like in report.likes],
                "constants": [constant.name for constant in report.constants],
            }
    found = {"corpus": Corpus().manifest().digest, "rows": rows}
    DATA.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def page(found: dict[str, Any]) -> str:
    """Return the page."""
    rows = found["rows"]
    alone = sum(row["likes"] == [name] for name, row in rows.items())
    others = {name: row for name, row in rows.items() if row["likes"] != [name]}
    lines = [
        HEAD,
        f"{alone} of {len(rows)} are named, and nothing else is. The others:\n",
        "| variant | held to | cases that fail | looks like | why |",
        "|---|---|---|---|---|",
    ]
    for name, row in others.items():
        told = ", ".join(f"`{like}`" for like in row["likes"])
        told += ", ".join(f"another `{constant}`" for constant in row["constants"])
        cells = (f"`{name}`", row["algorithm"], row["fail"], told or "nothing", why(name, row))
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines.append(f"\nCorpus `{found['corpus'][:12]}`.\n")
    return "\n".join(lines)


def why(name: str, row: dict[str, Any]) -> str:
    """Return why a variant is not named alone."""
    told = [frozenset({name, like}) for like in row["likes"] if like != name]
    return "; ".join(REASONS[pair] for pair in dict.fromkeys(told or [frozenset({name})]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or say whether it is what it has to be."""
    command = parser(__doc__)
    command.add_argument("--measure", action="store_true", help="make the data, then the page")
    given = command.parse_args(arguments)
    if given.measure:
        measure()
    found = json.loads(DATA.read_text("utf-8"))
    if set(found["rows"]) != {variant.name for variant, _ in asked()}:
        print("docs/naming.json has other variants than there are: --measure", file=sys.stderr)
        return 1
    if found["corpus"] != Corpus().manifest().digest:
        print("docs/naming.json is of another corpus: --measure", file=sys.stderr)
        return 1
    return published(PAGE, page(found), check=given.check, make="python docs/naming.py")


if __name__ == "__main__":
    sys.exit(main())
