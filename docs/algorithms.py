"""Write docs/algorithms.md from the rules: `python docs/algorithms.py`, or ``--check`` it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from generated import parser, published

import paratrooper_ref as pr
from paratrooper_ref.lines import SYMBOLS, TAGS
from paratrooper_ref.listing import text
from paratrooper_ref.optimizers import OPTIMIZERS

PAGE = Path(__file__).with_name("algorithms.md")
HEAD = """# The algorithms, line by line

What each rule computes for one layer at step t, made from the rule's source by
`python docs/algorithms.py`. Sources, departures and known variants stand at the head of
`paratrooper_ref/optimizers/NAME.py`. A line on a branch that is not taken is absent; where a
rule ends before θ is assigned θ stays. max and min are taken in the order in which they are
written: of max(lo, min(hi, q)) the lower bound wins where they cross. A norm is over all elements
of the layer; "1 if ‖θ‖ ‖D‖ = 0" makes q and T exactly 1 where a norm is 0.
"""
RULE_OF_THE_MODEL = """Where `warmup` is "auto", once: g are the raw gradients of the layers that
have one, d their number of elements.

```text
h = Σg² / (d ((1 − β1) / (1 − β2))²)
warmup = "momentum" if h <= 1/2, otherwise "none"
```
"""


def page() -> str:
    """Return the page."""
    rules = {
        rule.__name__: rule
        for family in OPTIMIZERS.values()
        for form in ("2017", "2019")
        for rule in _made(family, form).stages()
    }
    parts = [HEAD]
    for name, rule in rules.items():
        parts.append(f"## {name}\n\n```text\n{text(rule)}\n```\n")
    parts.append(f"## first_batch, of the whole model\n\n{RULE_OF_THE_MODEL}")
    lines = [f"| {tag.symbol} | `{name}` | {tag.meaning} |" for name, tag in TAGS.items()]
    given = [f"| {plain} | `{name}` |" for name, (plain, _) in SYMBOLS.items()]
    for title, head, rows in (
        ("Symbols of lines", "| symbol | tag | meaning |\n|---|---|---|", lines),
        ("Symbols of what is given", "| symbol | name |\n|---|---|", given),
    ):
        parts.append("\n".join([f"## {title}\n", head, *rows, ""]))
    return "\n".join(parts)


def _made(family: type[pr.Optimizer], form: str) -> pr.Optimizer:
    if family is pr.Lookahead:
        return pr.Lookahead(inner=pr.SGD())
    return pr.LARS(form=form) if family is pr.LARS else family()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or compare it."""
    asked = parser(__doc__).parse_args(arguments)
    return published(PAGE, page(), check=asked.check, make="python docs/algorithms.py")


if __name__ == "__main__":
    sys.exit(main())
