"""Write docs/claims.md and its figures from docs/claims.json, or ``--check`` the page.

``--measure`` makes the data anew, which takes some ten minutes of one core: it is what
``paratrooper-ref claims --json`` prints.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Final

from paratrooper_ref.claims import CLAIMS, SETTINGS
from paratrooper_ref.claims.words import counts
from paratrooper_ref.cli import main as command

PAGE, DATA = (Path(__file__).with_name(f"claims{suffix}") for suffix in (".md", ".json"))
FIGURES: Final = Path(__file__).with_name("figures")
Row = dict[str, Any]

HEAD: Final = """# The source's claims, measured

Made by `python docs/claims.py` from `docs/claims.json`, which is what `paratrooper-ref claims
--json` prints.
"""


def page(found: dict[str, Any]) -> str:
    """Return the page."""
    lines = [HEAD, *short(found), *summary(found), *method(found)]
    for claim in found["claims"]:
        lines += list(section(claim))
    return "\n".join(lines)


def summary(found: dict[str, Any]) -> Iterator[str]:
    """Yield how often each part of a claim holds."""
    yield (
        "Each part of a claim, over all problems and learning rates, and with each optimizer at "
        "its own best rate on each problem: holds / undecided / fails.\n"
    )
    yield "| | claimed | at equal rates | each at its best |\n|---|---|---|---|"
    for claim in found["claims"]:
        for comparison in claim["comparisons"]:
            rows = comparison["rows"]
            cells = [
                " / ".join(
                    str(sum(row["best"] == best and row["verdict"] == word for row in rows))
                    for word in ("holds", "undecided", "fails")
                )
                for best in (False, True)
            ]
            yield f"| {claim['number']} | {comparison['says']} | {' | '.join(cells)} |"
    yield ""


def method(found: dict[str, Any]) -> Iterator[str]:
    """Yield how it was measured."""
    rates = ", ".join(f"{rate:g}" for rate in found["rates"])
    yield f"""## How it was measured

Every optimizer at the learning rates {rates}, over {found["seeds"]} seeds and {found["epochs"]}
epochs of mini-batches. The source trains for 1000; {found["epochs"]} pass every epoch that it
names, and five times the epochs would take five times the ten minutes. A seed is an order of the
mini-batches and a start; the data are the same for all seeds, so an interval says what other
orders and starts would give on these data, and nothing about other data.

| problem | |
|---|---|"""
    yield from (f"| {setting.name} | {setting.says} |" for setting in SETTINGS.values())
    yield """
The start of a regression is uniform in ±1/√d. All optimizers have their published defaults, but
one weight decay, 1e-3 (Paratrooper applies it twice, as published): with its own default AdamW
would decay ten times as fast as the others. The loss is that of all samples, after each epoch.

Numbers are log10 of the loss above the minimum, in *decades*: -0.3 is half as high. (For tanh-net,
whose minimum is unknown, of the loss.) *End* is the mean over the last tenth of the epochs.
*Noise* is the size of the jumps of the loss from epoch to epoch there. A run that is above its
start counts as its start.

The rule was written before anything was measured. For each seed the difference of the two runs is
taken, same start and same mini-batches, and from the mean of these differences over the seeds
their 95 % t interval. The claim **holds** where the interval lies below the margin, *fails* where
it lies above (the opposite was seen), and is undecided where the margin is within. The margin is
0, or what the table says. Of comparisons between equals one in forty would hold, and one in forty
would fail. The best rate of an optimizer on a problem has the lowest median end.

The runs are deterministic, so each number is recomputed by the command beside it; all of them with
a core to itself in some ten minutes, one of them in seconds, such as
`paratrooper-ref claims speed --problem prices --rates 0.01`.
"""


def section(claim: dict[str, Any]) -> Iterator[str]:
    """Yield what there is about one claim."""
    yield f"## {claim['number']} {CLAIMS[claim['name']].title}\n"
    yield f"> {claim['says']}\n"
    if claim["elsewhere"] is not None:
        page = Path(claim["elsewhere"]).name
        yield f"Measured on a page of its own: [{page.removesuffix('.md')}]({page}).\n"
        return
    yield f"`paratrooper-ref claims {claim['name']} --out claims`\n"
    yield f"![{CLAIMS[claim['name']].title}](figures/claim-{claim['name']}.png)\n"
    for comparison in claim["comparisons"]:
        yield from table(comparison)


def table(comparison: dict[str, Any]) -> Iterator[str]:
    """Yield one comparison: problems down, rates across, each with its interval."""
    equal = [row for row in comparison["rows"] if not row["best"]]
    rates = list(dict.fromkeys(row["rates"][0] for row in equal))
    by = f"By the {comparison['by']}"
    by += f"; margin {comparison['margin']:+.3f}" if comparison["margin"] else ""
    yield f"**{comparison['says']}.** {by}. At equal rates: {counts(equal)}.\n"
    yield f"| | {' | '.join(f'{rate:g}' for rate in rates)} | each at its best |"
    yield "|---" * (len(rates) + 2) + "|"
    for problem in dict.fromkeys(row["problem"] for row in comparison["rows"]):
        cells = [cell(row) for row in comparison["rows"] if row["problem"] == problem]
        yield f"| {problem} | {' | '.join(cells)} |"
    yield ""


def cell(row: Row) -> str:
    """Return a verdict with its difference and half interval; † where a run has not trained."""
    if row["difference"] is None:
        return "none seen"
    half = (row["high"] - row["low"]) / 2
    shown = f"{row['difference']:+.2f} ± {half:.2f}"
    mark = {"holds": f"**{shown}**", "fails": f"*{shown}* ✗", "undecided": f"{shown} ?"}
    at = f" ({' / '.join(f'{rate:g}' for rate in row['rates'])})" if row["best"] else ""
    return mark[row["verdict"]] + ("†" if any(row["untrained"]) else "") + at


def row(found: dict[str, Any], name: str, part: int, problem: str, rate: float | None) -> Row:
    """Return a row by its claim, the number of its part, problem and rate; None is the best."""
    (claim,) = [claim for claim in found["claims"] if claim["name"] == name]
    (the,) = [
        row for row in claim["comparisons"][part]["rows"]
        if row["problem"] == problem
        and (row["best"] if rate is None else row["rates"] == [rate] and not row["best"])
    ]
    return the


def short(found: dict[str, Any]) -> Sequence[str]:
    """Return what held and what did not, with numbers from the data."""
    return []


def figures(found: dict[str, Any]) -> None:
    """Draw a figure for each claim that is measured here."""
    import matplotlib as mpl

    mpl.use("Agg")
    from paratrooper_ref.plots import claim_figure

    for claim in found["claims"]:
        if claim["comparisons"]:
            claim_figure(claim).savefig(FIGURES / f"claim-{claim['name']}.png", dpi=130)


def main() -> int:
    """Write the page, or say whether it is what it has to be."""
    if "--measure" in sys.argv:
        text = io.StringIO()
        with redirect_stdout(text):
            command(["claims", "--json"])
        DATA.write_text(text.getvalue(), "utf-8")
    found = json.loads(DATA.read_text("utf-8"))
    if [claim["name"] for claim in found["claims"]] != list(CLAIMS):
        print("docs/claims.json has other claims than there are: --measure", file=sys.stderr)
        return 1
    if "--check" in sys.argv:
        return int(PAGE.read_text("utf-8") != page(found))
    PAGE.write_text(page(found), "utf-8")
    figures(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
