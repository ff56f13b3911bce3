"""Write docs/claims.md and its figures from docs/claims.json, or ``--check`` the page.

``--measure`` makes the data anew, which takes some ten minutes of one core: it is what
``paratrooper-ref claims --json`` prints.
"""

from __future__ import annotations

import io
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Final

from paratrooper_ref.claims import CLAIMS, SEEDS, SETTINGS
from paratrooper_ref.claims.measure import declared
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
    unlike = [said for said, so in by_hand(found).items() if not so]
    if unlike:
        msg = f"the page needs to say otherwise; no longer so: {'; '.join(unlike)}"
        raise ValueError(msg)
    lines = [HEAD, *map(wrapped, short(found)), *summary(found), *method(found)]
    for claim in found["claims"]:
        lines += list(section(found, claim))
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
epochs of mini-batches. The source trains for 1000, which would take five times the ten minutes;
{found["epochs"]} pass the epochs 25, 60 and 120 that it names. An end is that of these
{found["epochs"]}, and after 1000 the order may be another. A seed is an order of the mini-batches
and a start; the data are the same for all seeds, so an interval says what other
orders and starts would give on these data, and nothing about other data.

| problem | |
|---|---|"""
    yield from (f"| {setting.name} | {setting.says} |" for setting in SETTINGS.values())
    yield """
The start of a regression is uniform in ±1/√d. All optimizers have their published defaults, but
one weight decay, 1e-3 (Paratrooper applies it twice, as published): with its own default AdamW
would decay ten times as fast as the others. The loss is that of all samples, after each epoch,
without decay: how near to its minimum a run can come, its decay decides too.

Numbers are log10 of the loss above the minimum, in *decades*: -0.3 is half as high. (For tanh-net,
whose minimum is unknown, of the loss.) *End* is the mean over the last tenth of the epochs.
*Noise* is the size of the jumps of the loss from epoch to epoch there, in units of the loss: of
two runs the lower one may be the quieter for that. A run that is above its start counts as its
start, and its noise as the height of its start.

The rule was written before anything was measured. For each seed the difference of the two runs is
taken, same start and same mini-batches, and from the mean of these differences over the seeds
their 95 % t interval. The claim **holds** where the interval lies below the margin, *fails* where
it lies above (the opposite was seen), and is undecided where the margin is within. The margin is
0, or what the table says. In the tables **bold** holds, *✗* fails, ? is undecided, and † says that
some of the runs ended no lower than they started. Where neither run of a seed did better than its
start, or its rate was never cut, there is nothing to compare: such seeds are left out, a cell then
says how many are left, and where that is half of them or fewer it is undecided. Three things were
added after a first look: that last sentence (two runs that stand still had counted as level), the
problem prices (targets far from 0), and that the noise leaves out an even trend. Of comparisons
between equals one in forty would hold, and one in forty would fail. The best rate of an optimizer
on a problem has the lowest median end, whatever is then
compared: a start *at its best* is that of the rate with the best end, and another rate may have a
better start.

The runs are deterministic, so each number is recomputed by the command beside it; all of them with
a core to itself in some ten minutes, one of them in seconds, such as
`paratrooper-ref claims speed --problem prices --rates 0.01`.
"""


def section(found: dict[str, Any], claim: dict[str, Any]) -> Iterator[str]:
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
    rates = [f"{rate:g}" for rate in found["rates"]]
    yield f"Where they end, the median over the seeds, in decades:\n\n| | | {' | '.join(rates)} |"
    yield "|---" * (len(rates) + 2) + "|"
    for problem, arms in claim["ends"].items():
        for arm, ends in arms.items():
            yield f"| {problem} | {arm} | {' | '.join(f'{end:.2f}' for end in ends)} |"
    yield ""


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
        return "not trained" if any(row["untrained"]) else "no cut"
    text = shown(row) + (f" (n = {row['seeds']})" if row["seeds"] < SEEDS else "")
    mark = {"holds": f"**{text}**", "fails": f"*{text}* ✗", "undecided": f"{text} ?"}
    at = f" ({' / '.join(f'{rate:g}' for rate in row['rates'])})" if row["best"] else ""
    return mark[row["verdict"]] + ("†" if any(row["untrained"]) else "") + at


def row(found: dict[str, Any], name: str, part: int, problem: str, rate: float | None) -> Row:
    """Return a row by its claim, the number of its part, problem and rate; None is the best."""
    (the,) = [
        row for row in part_of(found, name, part)["rows"]
        if row["problem"] == problem
        and (row["best"] if rate is None else row["rates"] == [rate] and not row["best"])
    ]
    return the


def short(found: dict[str, Any]) -> Iterator[str]:
    """Yield what held and what did not, with numbers from the data."""

    def n(name: str, part: int) -> str:
        return equal(found, name, part)

    def best(name: str, part: int) -> str:
        return at_best(found, name, part)

    def d(name: str, part: int, problem: str, rate: float | None = None) -> str:
        return shown(row(found, name, part, problem, rate))

    yield f"""**No claim holds at every learning rate, and the rate decides more than the problem
does.** What the source shows is there, at some rates: on made prices at rate 0.03 RangerLars
(lo = 1) is at epoch 25 where Ranger is at 120 ({d("speed", 0, "prices", 0.03)} decades), and
Paratrooper ends below Ranger ({d("paratrooper", 2, "prices", 0.03)}) and below RangerLars
({d("paratrooper", 3, "prices", 0.03)}). With each optimizer at its own best rate most of it
fades. "x of y" counts pairs of a problem and a rate, the same for both optimizers.

1. *Lookahead(RAdamW)* ends lower than RAdamW at {n("lookahead", 0)}, than AdamW at
   {n("lookahead", 1)}: at large rates, where it damps noise, and hardly at small ones, where it is
   slower. Each at its best: against RAdamW it {best("lookahead", 0)}; against AdamW it
   {best("lookahead", 1)}.
2. *RangerLars with lo = 0* is below Ranger over the first 60 epochs at {n("rangerlars", 0)} and
   ends above it at {n("rangerlars", 1)}. A layer that starts near 0 on the wrong side stays
   there, since its steps shrink with it: of the ten seeds seven start with an intercept below 0,
   and on prices at rate 0.03 none of the seven gets it above. With lo = 1 it ends lower than with
   lo = 0 at {n("rangerlars", 3)}; each at its best this {best("rangerlars", 3)}.
3. *25 epochs against 120* holds at {n("speed", 0)}: on prices at rate 0.03, and at the smallest
   rates, where neither has got anywhere. Each at its best it {best("speed", 0)}.
4. *Paratrooper* starts level with RangerLars (lo = 1), or lower, at {n("paratrooper", 0)}. It ends
   lower than Ranger at {n("paratrooper", 2)}: at small rates, and at large ones it ends higher.
   It ends lower than RangerLars at {n("paratrooper", 3)}: at large rates, and at small ones it
   ends higher. Between them, at 0.03, it is below both on these draws of regression and prices,
   and on diabetes. It is quieter than Ranger at {n("paratrooper", 4)}, than RangerLars at
   {n("paratrooper", 5)}. Each at its best, lower than Ranger: {best("paratrooper", 2)}. Lower than
   RangerLars:
   {best("paratrooper", 3)}. Quieter than Ranger: {best("paratrooper", 4)}.
5. *Reduction on plateau*: Paratrooper steps down with a cut at {n("plateau", 0)}, and further than
   Ranger at {n("plateau", 2)}. Ranger steps down as well, by more than 10 %, wherever the cut came
   at a real plateau; that it does not holds at {n("plateau", 1)}, on regression at rates up to
   0.03. There its first cut comes at epoch 12, before it has begun: five momentum steps lower the
   loss, the first Lookahead takes half of that back, the first rectified steps are small, and
   the schedule sees a plateau.
6. Lookahead on the noisy quadratic has [a page of its own](noise.md).
7. Skip connections have [a page of their own](landscapes.md).
8. *The h rule*: momentum steps first end lower than none at {n("warmup", 0)} for h = 0.314,
   {n("warmup", 1)} for 0.452; none end lower at {n("warmup", 2)} for 0.707, {n("warmup", 3)} for
   1.038. On regression at rate 0.01 the source's order is there (none less momentum, h rising:
   {minus(row(found, "warmup", 0, "regression", 0.01))},
   {minus(row(found, "warmup", 1, "regression", 0.01))},
   {d("warmup", 2, "regression", 0.01)}, {d("warmup", 3, "regression", 0.01)}), but at small rates
   momentum steps are better at every h and at large ones at none: they go astray where rate
   times curvature is large, which h does not know. On columns, where h is far above 1/2, the rule
   is what saves Paratrooper: Ranger ends no lower than it starts in all ten seeds at
   {stuck(found)} rates. *RAdamW* ends lower than AdamW at
   {n("radamw", 0)}; each at its best it {best("radamw", 0)}.
"""


def stuck(found: dict[str, Any]) -> str:
    """Return at how many rates on columns no seed trains with Ranger, and all with Paratrooper."""
    rows = part_of(found, "paratrooper", 2)["rows"]
    rows = [row for row in rows if row["problem"] == "columns" and not row["best"]]
    return f"{sum(row['untrained'] == [0, found['seeds']] for row in rows)} of {len(rows)}"


def minus(row: Row) -> str:
    """Return a difference the other way round."""
    return shown(row | {"difference": -row["difference"], "low": -row["high"],
                        "high": -row["low"]})


def by_hand(found: dict[str, Any]) -> dict[str, bool]:
    """Return what `short` says in words of its own, and whether the data say so too."""

    def where(name: str, part: int, word: str = "holds") -> set[tuple[str, float]]:
        return {
            (row["problem"], row["rates"][0]) for row in part_of(found, name, part)["rows"]
            if row["verdict"] == word and not row["best"]
        }

    parts = [c for claim in found["claims"] for c in claim["comparisons"]]
    momentum, still = ("regression", "diabetes"), {0.001, 0.003}
    return {
        "no claim holds at every rate": not any(
            all(row["verdict"] == "holds" for row in c["rows"] if not row["best"]) for c in parts
        ),
        "25 epochs against 120: prices at 0.03, else the smallest rates": where("speed", 0)
        - {("prices", 0.03)} == {p for p in where("speed", 0) if p[1] <= 0.003},
        "Paratrooper below both at 0.03": {
            (problem, 0.03) for problem in ("regression", "prices", "diabetes")
        } <= where("paratrooper", 2) & where("paratrooper", 3),
        "Ranger does not step down only on regression, up to 0.03": where("plateau", 1)
        == {("regression", rate) for rate in (0.001, 0.003, 0.01, 0.03)},
        "momentum steps are better at small rates at every h, at large ones at none": all(
            {(p, r) for p in momentum for r in still} <= where("warmup", part, small)
            and {(p, r) for p in momentum for r in (0.03, 0.1, 0.3, 1)}
            <= where("warmup", part, large)
            for part, small, large in (
                (0, "holds", "fails"), (1, "holds", "fails"),
                (2, "fails", "holds"), (3, "fails", "holds"),
            )
        ),
    }


def wrapped(text: str) -> str:
    """Return paragraphs and items, each filled anew: what is put into them has any length."""
    items = re.split(r"\n(?=\d\. )|\n\n", text.strip())
    filled = [
        textwrap.fill(
            " ".join(item.split()), 100, subsequent_indent="   " * item[:1].isdigit(),
            break_on_hyphens=False, break_long_words=False,
        )
        for item in items
    ]
    return "\n\n".join([filled[0], "\n".join(filled[1:])]) + "\n"


def shown(row: Row) -> str:
    """Return a difference with half its interval, such as -0.31 ± 0.05."""
    return f"{row['difference']:+.2f} ± {(row['high'] - row['low']) / 2:.2f}"


def equal(found: dict[str, Any], name: str, part: int) -> str:
    """Return at how many equal rates a part of a claim holds, such as ``12 of 42``."""
    rows = [row for row in part_of(found, name, part)["rows"] if not row["best"]]
    return f"{sum(row['verdict'] == 'holds' for row in rows)} of {len(rows)}"


def at_best(found: dict[str, Any], name: str, part: int) -> str:
    """Return where a part holds with each optimizer at its best, and where it fails."""
    rows = [row for row in part_of(found, name, part)["rows"] if row["best"]]
    said = []
    for word in ("holds", "fails", "undecided"):
        on = [row["problem"] for row in rows if row["verdict"] == word]
        if on:
            said.append(f"{word if word != 'undecided' else 'is undecided'} on {', '.join(on)}")
    return "; ".join(said)


def part_of(found: dict[str, Any], name: str, part: int) -> dict[str, Any]:
    """Return one comparison of a claim."""
    (claim,) = [claim for claim in found["claims"] if claim["name"] == name]
    comparison: dict[str, Any] = claim["comparisons"][part]
    return comparison


def figures(found: dict[str, Any]) -> None:
    """Draw a figure for each claim that is measured here."""
    import matplotlib as mpl

    mpl.use("Agg")
    from paratrooper_ref.plots import claim_figure

    for claim in found["claims"]:
        if claim["comparisons"]:
            claim_figure(claim).savefig(FIGURES / f"claim-{claim['name']}.png", dpi=100)


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
    if found["declared"] != declared(list(CLAIMS.values())):
        print("docs/claims.json is of other arms, settings or claims: --measure", file=sys.stderr)
        return 1
    if "--check" in sys.argv:
        return int(PAGE.read_text("utf-8") != page(found))
    PAGE.write_text(page(found), "utf-8")
    figures(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
