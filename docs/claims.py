"""Write docs/claims.md and its figures from docs/claims.json, or ``--check`` the page.

``--measure`` makes the data anew, some forty minutes of one core: three times what a command of
`COMMANDS` prints.  ``--measure long`` makes one of them.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from claims_sentences import short
from generated import parser, published

from paratrooper_ref.claims import CLAIMS, SEEDS, SETTINGS
from paratrooper_ref.claims.commands import as_json
from paratrooper_ref.claims.measure import declared
from paratrooper_ref.claims.words import WORDS, counts, verdict
from paratrooper_ref.cli import main as command
from paratrooper_ref.files import replacing

PAGE, DATA = (Path(__file__).with_name(f"claims{suffix}") for suffix in (".md", ".json"))
FIGURES: Final = Path(__file__).with_name("figures")
Row = dict[str, Any]
Found = dict[str, Any]

OWN: Final = ("noise", "landscapes")  # claims that are not of training runs
TRAINED: Final = [name for name in CLAIMS if name not in OWN]
COMMANDS: Final = {
    "published": "claims",
    "undecayed": f"claims {' '.join(TRAINED)} --decay 0",
    "long": "claims lookahead rangerlars paratrooper radamw --problem regression "
    "--problem diabetes --epochs 1000",
}

WHAT: Final = {
    "published": "as published", "undecayed": "without decay", "long": "after 1000 epochs"
}

HEAD: Final = """# The source's claims, measured

Whoever publishes an optimizer shows pictures of runs in which it wins. Here each sentence that
Paratrooper's author and the papers he builds on say of theirs is put to the test: is the one
optimizer lower than the other at the same learning rate, at seven of them; and is it lower where
each has the rate that suits it best? On six problems, each ten times, with other data, another
start and another order of mini-batches each time.
"""
METHOD: Final = """## How it was measured

Every optimizer at the learning rates {rates}, over {seeds} seeds and {epochs} epochs of
mini-batches, more than the 25, 60 and 120 that the source names. Claims about an end
were measured again after 1000 epochs, which the source has, on regression and diabetes, and all
of them without weight decay. A seed is a draw of the data where they are made, a start, and an
order of the mini-batches: an interval says what other seeds would give, for diabetes on these data.

| problem | |
|---|---|
{settings}

The start of a regression is uniform in ±1/√d. All optimizers have their published defaults, but
one weight decay, 1e-3, since with its own default AdamW would decay ten times as fast as the
others. Paratrooper applies it twice, as published. The loss is that of all samples, after each
epoch, without decay: how near to its minimum a run can come, its decay decides too, and the
column *without decay* takes that away.

Numbers are log10 of the loss above the minimum, in *decades*: -0.3 is half as high. (For tanh-net,
whose minimum is unknown, of the loss.) *End* is the mean over the last tenth of the epochs.
*Noise* is the size of the jumps of the loss from epoch to epoch there; of two runs the lower one
may be the quieter for that, so *relative noise* is the size of the jumps of log10 of the loss. A
run that is above its start counts as its start, and has no noise.

The rule was written before anything was measured. For each seed the difference of the two runs is
taken, same data, same start, same mini-batches, and from the mean of these differences over the
seeds their 95 % t interval. The claim **holds** where the interval lies below the margin, *fails*
where it lies above (the opposite was seen), and is undecided where the margin is within. The
margin is 0, or what the table says. Where neither run of a seed did better than its start, or its
rate was never cut, there is nothing to compare: such seeds are left out, a cell says how many are
left, and with half of them or fewer nothing is decided. In the tables **bold** holds, *✗* fails,
? is undecided, † says that some of the runs ended no lower than they started. Of comparisons
between equals one in forty would hold, and one in forty would fail.

*Each at its best* gives each optimizer on each problem the rate with the lowest median of the
number that is compared; for noise and for cuts, where standing still would be best, of the end. It
is chosen by the same seeds. A rate marked \\* is the first or last of those tried, and one
beyond may be better. Changed after a first look, all before these data: two runs that stand still
had counted as level; the problem prices (targets far from 0); noise leaves out an even trend, and
untrained runs; each comparison chooses rates by its own number, where the end had chosen for
all; every seed has its own data; the columns without decay and after 1000 epochs.

The runs are deterministic, so each number is recomputed by the command beside it, and one row in
seconds, such as `paratrooper-ref claims speed --problem prices --rates 0.01`. The page is made by
`python docs/claims.py` from `docs/claims.json`, which has what three commands print with `--json`,
on one core in some twenty, twenty and ten minutes:

{commands}
"""


def page(found: Found) -> str:
    """Return the page."""
    lines = [HEAD, GLANCE, *short(found), *summary(found), method(found["published"])]
    for claim in found["published"]["claims"]:
        lines += section(found, claim)
    return "\n".join(lines)


GLANCE: Final = """![Every verdict: parts of claims down, problems across, in each block seven
learning rates and then each optimizer at its best](figures/claims.png)

Each row is a part of a claim, each block a problem (what each is stands further down). In a
block the learning rates rise from 0.001 to 1; the cell set apart has each optimizer at its own
best rate.

## In short
"""


def summary(found: Found) -> Iterator[str]:
    """Yield how often each part of a claim holds, in each of the measurements."""
    yield "## Counted\n"
    yield (
        "How often each part holds / is undecided / fails: over all problems and rates, and with "
        "each optimizer at its best on each problem, as published, without weight decay, and "
        "after 1000 epochs. What could not be compared is left out.\n"
    )
    yield (
        "| | claimed | at equal rates | each at its best | without decay | after 1000 epochs |\n"
        "|---|---|---|---|---|---|"
    )
    for claim in found["published"]["claims"]:
        for i, comparison in enumerate(claim["comparisons"]):
            cells = [
                tally(row for row in comparison["rows"] if not row["best"]),
                *(tally(at_best(found[of], claim["name"], i)) for of in COMMANDS),
            ]
            yield f"| {claim['label']} | {comparison['says']} | {' | '.join(cells)} |"
    yield ""


def tally(rows: Any) -> str:
    """Return how many rows hold, are undecided, and fail."""
    found = [row["verdict"] for row in rows]
    return " / ".join(str(found.count(word)) for word in WORDS[:3]) if found else ""


def at_best(found: Found, name: str, part: int) -> list[Row]:
    """Return a part's rows of each arm at its best, one for each problem; none if not measured."""
    return [
        row for claim in found["claims"] if claim["name"] == name
        for row in claim["comparisons"][part]["rows"] if row["best"]
    ]


def method(found: Found) -> str:
    """Return how it was measured."""
    return METHOD.format(
        rates=", ".join(f"{rate:g}" for rate in found["rates"]),
        seeds=found["seeds"],
        epochs=found["epochs"],
        commands="\n".join(f"- {WHAT[of]}: `paratrooper-ref {c}`" for of, c in COMMANDS.items()),
        settings="\n".join(f"| {s.name} | {s.says} |" for s in SETTINGS.values()),
    )


def section(found: Found, claim: dict[str, Any]) -> Iterator[str]:
    """Yield what there is about one claim, its tables folded."""
    title = CLAIMS[claim["name"]].title
    yield f"## {claim['label']} {title}\n"
    yield f"> {claim['says']}\n"
    yield f"`paratrooper-ref claims {claim['name']} --out claims`\n"
    yield f"![{title}](figures/claim-{claim['name']}.png)\n"
    if claim["page"] is not None:
        name = Path(claim["page"]).name
        yield f"More of it: [{name.removesuffix('.md')}]({name}).\n"
    yield "<details><summary>All numbers</summary>\n"
    for i, comparison in enumerate(claim["comparisons"]):
        yield from table(comparison) if claim["ends"] else own_table(comparison)
        yield from elsewhere(found, claim, i)
    if claim["ends"]:
        rates = [f"{rate:g}" for rate in found["published"]["rates"]]
        yield "Where they end, the median over the seeds, in decades:\n"
        yield f"| | | {' | '.join(rates)} |"
        yield "|---" * (len(rates) + 2) + "|"
        for problem, arms in claim["ends"].items():
            for arm, ends in arms.items():
                yield f"| {problem} | {arm} | {' | '.join(f'{end:.2f}' for end in ends)} |"
        yield ""
    yield "</details>\n"


def table(comparison: dict[str, Any]) -> Iterator[str]:
    """Yield one comparison: problems down, rates across, each with its interval."""
    equal = [row for row in comparison["rows"] if not row["best"]]
    rates = list(dict.fromkeys(row["at"] for row in equal))
    yield from heading(comparison)
    yield f"| | {' | '.join(f'{rate:g}' for rate in rates)} | each at its best |"
    yield "|---" * (len(rates) + 2) + "|"
    for problem in dict.fromkeys(row["problem"] for row in comparison["rows"]):
        cells = [cell(row) for row in comparison["rows"] if row["problem"] == problem]
        yield f"| {problem} | {' | '.join(cells)} |"
    yield ""


def own_table(comparison: dict[str, Any]) -> Iterator[str]:
    """Yield one comparison that is of no learning rate."""
    yield from heading(comparison)
    digits = ".4f" if comparison["unit"] == "share" else ".3f"
    at = [f"{comparison['axis']} {row['at']:g}" for row in comparison["rows"]]
    yield f"| {' | '.join(at)} |"
    yield "|---" * len(at) + "|"
    yield f"| {' | '.join(cell(row, digits) for row in comparison['rows'])} |"
    yield ""


def heading(comparison: dict[str, Any]) -> Iterator[str]:
    """Yield what a comparison says, by which number, and how often it holds."""
    says = comparison["says"][:1].upper() + comparison["says"][1:]
    by = f"By the {comparison['by']}"
    by += f"; margin {comparison['margin']:+.3f}" if comparison["margin"] else ""
    equal = [row for row in comparison["rows"] if not row["best"]]
    yield f"**{says}.** {by}. At equal {comparison['axis']}s: {counts(equal)}.\n"


def elsewhere(found: Found, claim: dict[str, Any], part: int) -> Iterator[str]:
    """Yield each at its best in the other measurements, in a line each."""
    for of in ("undecayed", "long"):
        rows = at_best(found[of], claim["name"], part)
        if rows:
            said = "; ".join(f"{row['problem']} {cell(row)}" for row in rows)
            yield f"{WHAT[of].capitalize()}, each at its best: {said}.\n"


def cell(row: Row, digits: str = ".2f") -> str:
    """Return a verdict with its difference and half interval; † where a run has not trained."""
    if row["verdict"] == "unmeasured":
        few = f" (n = {row['seeds']})" if row["seeds"] else ""
        return f"{verdict(row)}{few}"
    text = f"{row['difference']:+{digits}}"
    half = (row["high"] - row["low"]) / 2
    text += f" ± {half:{digits}}" if half else ""
    few = f" (n = {row['seeds']})" if 0 < row["seeds"] < SEEDS else ""
    text = {"holds": f"**{text}**", "fails": f"*{text}* ✗", "undecided": f"{text} ?"}[
        row["verdict"]
    ]
    rates = zip(row["rates"], row["edges"], strict=True) if row["best"] else ()
    chosen = [f"{rate:g}" + "\\*" * edge for rate, edge in rates]
    at = f" ({' / '.join(chosen)})" if chosen else ""
    return text + few + ("†" if any(row["untrained"]) else "") + at


def figures(found: Found) -> None:
    """Draw the verdicts, and a figure for each claim."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    from paratrooper_ref.plots import claim_figure, claim_verdicts
    from paratrooper_ref.plots.style import styled

    published = found["published"]
    for claim in published["claims"]:
        claim_figure(claim).savefig(FIGURES / f"claim-{claim['name']}.png", dpi=100)
    parts = sum(len(claim["comparisons"]) for claim in published["claims"] if claim["best"])
    with styled():
        figure, ax = plt.subplots(figsize=(15, 1.8 + 0.3 * parts), layout="constrained")
        claim_verdicts(published, ax)
        figure.savefig(FIGURES / "claims.png", dpi=100)


def measured(arguments: str) -> Found:
    """Return what a command prints as JSON."""
    text = io.StringIO()
    with redirect_stdout(text):
        command([*arguments.split(), "--json"])
    printed: Found = json.loads(text.getvalue())
    return printed


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked, then write the page or compare it."""
    line = parser(__doc__)
    line.add_argument(
        "--measure", nargs="*", choices=[*COMMANDS], metavar="NAME",
        help=f"make the data anew, all or of {', '.join(COMMANDS)}",
    )
    asked = line.parse_args(arguments)
    found: Found = json.loads(DATA.read_text("utf-8")) if DATA.exists() else {}
    if asked.measure is not None:
        found |= {name: measured(COMMANDS[name]) for name in asked.measure or COMMANDS}
        with replacing(DATA) as file:
            file.write(f"{as_json(found)}\n".encode())
    for name, each in found.items():
        claims = [CLAIMS[claim["name"]] for claim in each["claims"] if claim["name"] in CLAIMS]
        if each["declared"] != declared(claims):
            said = f"docs/claims.json is of other arms, settings or claims: --measure {name}"
            print(said, file=sys.stderr)
            return 1
    status = published(PAGE, page(found), check=asked.check, make="python docs/claims.py")
    if not asked.check:
        figures(found)
    return status


if __name__ == "__main__":
    sys.exit(main())
