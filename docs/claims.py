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

from claims_sentences import more, short
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

TRAINED: Final = [name for name, claim in CLAIMS.items() if claim.settings]
COMMANDS: Final = {
    "published": "claims",
    "undecayed": f"claims {' '.join(TRAINED)} --decay 0",
    "long": "claims lookahead rangerlars paratrooper radamw --problem regression "
    "--problem prices --problem diabetes --epochs 1000",
}

WHAT: Final = {
    "published": "as published", "undecayed": "without decay", "long": "after 1000 epochs"
}

HEAD: Final = """# The source's claims, measured

Whoever publishes an optimizer shows pictures of runs in which it wins. Here each sentence that
Paratrooper's author and the papers it builds on say of theirs is put to the test: is the one
optimizer lower than the other at the same learning rate, at seven of them; and is it lower where
each has the rate that suits it best? On six problems, each ten times, with another start, another
order of mini-batches, and other data where they are made, each time.

![Every verdict on training: parts of claims down, problems across, in each block seven learning
rates and then each optimizer at its best](figures/claims.png)

Each row is a part of a claim about training (claims 6 and 7 are of other things), each block a
problem. In a block the learning rates rise from 0.001 to 1; the cell set apart has each optimizer
at its own best rate.

Who is who: [AdamW](reference/algorithms/adamw.md) and [RAdamW](reference/algorithms/radamw.md)
differ in their first steps. [Lookahead](reference/algorithms/lookahead.md) goes back half the way
after every six steps of another optimizer; around RAdamW it makes
[Ranger](reference/algorithms/ranger.md). [RangerLars](reference/algorithms/rangerlars.md)
lengthens or shortens the step of each layer by a [trust ratio](explanation/trust-ratio.md) between
lo and 10, and [Paratrooper](reference/algorithms/paratrooper.md) lengthens it by one between 1 and
a ceiling that falls to 1. *h* is how large the first gradients are; it decides whether the first
steps, for which RAdamW knows no scale yet, are taken with momentum alone or not at all. An *epoch*
is one pass over the data. The problems: regression, prices and columns are made, diabetes is
measured, and the last two are small nets.

## In short
"""
CAPTIONS: Final = {
    "curves": "*Lines are geometric means over the seeds, bands their 95 % intervals, dashed "
    "verticals the epochs that the claim names. Runs that do not train lie on each other.*",
    "cuts": "*Lines are geometric means over the seeds, bands their 95 % intervals; 0 is the last "
    "epoch before a cut.*",
    "differences": "*Differences with their intervals; below 0 it is as claimed.*",
}
METHOD: Final = """## How it was measured

Every optimizer at the learning rates {rates}, over {seeds} seeds and {epochs} epochs of
mini-batches, more than the 25, 60 and 120 that the source names. Claims 1, 2, 4 and 8b were
measured again over 1000 epochs, as many as the source has, on regression, prices and diabetes, and
all of them without weight decay. A seed is a draw of the data where they are made, a start, and an
order of the mini-batches: an interval says what other seeds would give, for diabetes on these
data.

| problem | |
|---|---|
{settings}

The start of a regression is uniform in ±1/√d. All optimizers have their published defaults, but
one weight decay, 1e-3, since with its own default AdamW would decay ten times as fast as the
others. Paratrooper applies it twice, as published. The loss is that of all samples, after each
epoch, without decay: how near to its minimum a run can come, its decay decides too, and the column
*without decay* takes that away.

Numbers are log10 of the loss above the minimum, in *decades*: -0.3 is half as high. (For tanh-net,
whose minimum is unknown, of the loss.) *End* is the mean over the last tenth of the epochs.
*Noise* is the size of the jumps of the loss from epoch to epoch there; of two runs the lower one
may be the quieter for that, so *relative noise* is the size of the jumps of log10 of the loss. A
run that is above its start counts as its start. One that is up there once in that last tenth has
no noise, since how high is not kept: the loudest runs are left out where noise is compared.

The rule was written before anything was measured. For each seed the difference of the two runs is
taken, same data, same start, same mini-batches, and from the mean of these differences over the
seeds their 95 % t interval. The claim **holds** where the interval lies below the margin, *fails*
where it lies above (the opposite was seen), and is undecided where the margin is within. The
margin is 0, or what the table says. Where neither run of a seed did better than its start, or its
rate was never cut, or one of them has no noise, there is nothing to compare: such seeds are left
out, a cell says how many are left, and with half of them or fewer nothing is decided. In the
tables **bold** holds, *✗* fails, ? is undecided, † says that some of the runs ended no lower than
they started. Of comparisons between equals one in forty would hold, and one in forty would fail.

*Each at its best* gives each optimizer on each problem the rate with the lowest median of the
number that is compared; for noise and for cuts, where standing still would be best, of the end. It
is chosen by the same seeds. A rate marked \\* is the first or last of those tried, and one beyond
may be better. Figures show the rates of the best ends, that of claim 3 the rates that are
compared. Changed after a first look, all before these data: two runs that stand still had counted
as level; half the seeds have to be left; the problem prices (targets far from 0); noise leaves out
an even trend, and untrained runs; each comparison chooses rates by its own number, where the end
had chosen for all; every seed has its own data; the columns without decay and after 1000 epochs.

The runs are deterministic, so each number is recomputed by the command beside it, and one row in
seconds, such as `paratrooper-ref claims speed --problem prices --rates 0.01`. The page is made by
`python docs/claims.py` from `docs/claims.json`, which has what three commands print with `--json`,
on one core in some twenty, twenty and ten minutes:

{commands}
"""


def page(found: Found) -> str:
    """Return the page."""
    lines = [HEAD, *short(found), *summary(found), method(found["published"])]
    for claim in found["published"]["claims"]:
        lines += section(found, claim)
    return "\n".join(lines)


def summary(found: Found) -> Iterator[str]:
    """Yield how often each part of a claim holds, in each of the measurements."""
    yield "## Counted\n"
    yield (
        "How often each part holds/is undecided/fails: *equal*, over all problems and rates, and "
        "*best*, with each optimizer at its best on each problem; as published, without weight "
        "decay, and after 1000 epochs on three problems. What could not be compared is left out.\n"
    )
    heads = (f"{what} {of}" for of in ("", "no decay", "1000 epochs") for what in ("equal", "best"))
    yield f"| | claimed | {' | '.join(head.replace(' ', ', ', 1).rstrip(', ') for head in heads)} |"
    yield "|---" * 8 + "|"
    for claim in found["published"]["claims"]:
        for i, comparison in enumerate(claim["comparisons"]):
            cells = [
                tally(rows(found[of], claim["name"], i, best=best))
                for of in COMMANDS for best in (False, True)
            ]
            yield f"| {claim['label']} | {comparison['says']} | {' | '.join(cells)} |"
    yield ""


def tally(rows: Any) -> str:
    """Return how many rows hold, are undecided, and fail."""
    found = [row["verdict"] for row in rows]
    return "/".join(str(found.count(word)) for word in WORDS[:3]) if found else ""


def rows(found: Found, name: str, part: int, *, best: bool) -> list[Row]:
    """Return a part's rows, of each arm at its best or at equal rates; none if not measured."""
    return [
        row for claim in found["claims"] if claim["name"] == name
        for row in claim["comparisons"][part]["rows"] if row["best"] == best
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
    yield from more(found, claim["name"])
    yield f"![{title}](figures/claim-{claim['name']}.png)\n"
    yield f"{CAPTIONS[CLAIMS[claim['name']].figure]}\n"
    if claim["page"] is not None:
        name = Path(claim["page"]).name
        yield f"More of it: [{name.removesuffix('.md')}]({name}).\n"
    yield "<details><summary>All numbers</summary>\n"
    for i, comparison in enumerate(claim["comparisons"]):
        yield from heading(comparison)
        yield from grid(comparison) if claim["ends"] else line(comparison)
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


def grid(comparison: dict[str, Any]) -> Iterator[str]:
    """Yield the table of a comparison: problems down, rates across, each with its interval."""
    rates = dict.fromkeys(row["at"] for row in comparison["rows"] if not row["best"])
    yield f"| | {' | '.join(f'{rate:g}' for rate in rates)} | each at its best |"
    yield "|---" * (len(rates) + 2) + "|"
    for problem in dict.fromkeys(row["problem"] for row in comparison["rows"]):
        cells = [cell(row, comparison) for row in comparison["rows"] if row["problem"] == problem]
        yield f"| {problem} | {' | '.join(cells)} |"
    yield ""


def line(comparison: dict[str, Any]) -> Iterator[str]:
    """Yield the table of a comparison that is of no learning rate, in one row."""
    digits = ".4f" if comparison["unit"] == "share" else ".3f"
    at = [f"{comparison['axis']} {row['at']:g}" for row in comparison["rows"]]
    yield f"| {' | '.join(at)} |"
    yield "|---" * len(at) + "|"
    yield f"| {' | '.join(cell(row, comparison, digits) for row in comparison['rows'])} |"
    yield ""


def heading(comparison: dict[str, Any]) -> Iterator[str]:
    """Yield what a comparison says, by which number, and how often it holds."""
    by = f"By the {comparison['by']}"
    by += f"; margin {comparison['margin']:+.3f}" if comparison["margin"] else ""
    equal = [row for row in comparison["rows"] if not row["best"]]
    yield f"**{comparison['says']}.** {by}. At equal {comparison['axis']}s: {counts(equal)}.\n"


def elsewhere(found: Found, claim: dict[str, Any], part: int) -> Iterator[str]:
    """Yield the tables of a part in the other measurements."""
    for of in ("undecayed", "long"):
        for other in found[of]["claims"]:
            if other["name"] == claim["name"]:
                yield f"*{WHAT[of].capitalize()}:*\n"
                yield from grid(other["comparisons"][part])


def cell(row: Row, comparison: dict[str, Any], digits: str = ".2f") -> str:
    """Return a verdict with its difference and half interval; † where a run has not trained."""
    if row["verdict"] == "unmeasured":
        few = f" (n = {row['seeds']})" if row["seeds"] else ""
        return f"{verdict(row, comparison)}{few}"
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
        figure, ax = plt.subplots(figsize=(11, 1.6 + 0.36 * parts), layout="constrained")
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
    options = parser(__doc__)
    options.add_argument(
        "--measure", nargs="*", choices=[*COMMANDS], metavar="NAME",
        help=f"make the data anew, all or of {', '.join(COMMANDS)}",
    )
    asked = options.parse_args(arguments)
    found: Found = json.loads(DATA.read_text("utf-8")) if DATA.exists() else {}
    if {*COMMANDS} - {*found} - {*(COMMANDS if asked.measure == [] else asked.measure or ())}:
        print("docs/claims.json is not whole: --measure all of it", file=sys.stderr)
        return 1
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
