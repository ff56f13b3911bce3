"""What the page of the claims says in words, each sentence with what makes it true."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

Row = dict[str, Any]
Found = dict[str, Any]
SMALL, LARGE = (0.001, 0.003, 0.01), (0.1, 0.3, 1.0)


class Said(NamedTuple):
    """A sentence, and whether the data say so."""

    text: str
    true: bool = True


class Data:
    """One measurement, asked by a claim's name and the number of its part."""

    def __init__(self, found: Found) -> None:
        self.claims = {claim["name"]: claim for claim in found["claims"]}
        self.seeds, self.rates = found["seeds"], found["rates"]

    def rows(self, name: str, part: int, *, best: bool = False) -> list[Row]:
        """Return the rows of a part at equal rates, or with each arm at its best."""
        rows = self.claims[name]["comparisons"][part]["rows"]
        return [row for row in rows if row["best"] == best]

    def at(self, name: str, part: int, problem: str, rate: float | None = None) -> Row:
        """Return one row, of a problem and a rate; of the best rates if there is none."""
        (row,) = [
            row for row in self.rows(name, part, best=rate is None)
            if row["problem"] == problem and rate in (None, row["at"])
        ]
        return row

    def where(self, name: str, part: int, word: str = "holds") -> set[tuple[str, float]]:
        """Return the pairs of a problem and an equal rate with a verdict."""
        rows = self.rows(name, part)
        return {(row["problem"], row["at"]) for row in rows if row["verdict"] == word}

    def share(self, name: str, part: int, rates: Sequence[float], word: str = "holds") -> float:
        """Return how large a part of the pairs at some rates has a verdict."""
        rows = [
            row for row in self.rows(name, part)
            if row["at"] in rates and row["verdict"] != "unmeasured"
        ]
        return sum(row["verdict"] == word for row in rows) / len(rows)

    def count(self, name: str, part: int) -> str:
        """Return at how many equal rates a part holds, such as ``12 of 42``."""
        rows = [row for row in self.rows(name, part) if row["verdict"] != "unmeasured"]
        return f"{sum(row['verdict'] == 'holds' for row in rows)} of {len(rows)}"

    def trained(self, name: str, arm: str, problem: str, rate: float) -> float:
        """Return by how many decades an arm ends below its start, in the median."""
        claim = self.claims[name]
        end: float = claim["ends"][problem][arm][self.rates.index(rate)]
        return claim["starts"][problem][arm] - end

    def best(self, name: str, part: int) -> str:
        """Return where a part holds with each arm at its best, and where the opposite was seen."""
        rows = self.rows(name, part, best=True)
        holds = [row["problem"] for row in rows if row["verdict"] == "holds"]
        fails = [row["problem"] for row in rows if row["verdict"] == "fails"]
        opposite = f", the opposite on {joined(fails)}" if fails else ""
        return f"on {joined(holds) if holds else 'none'}{opposite}"


def joined(names: Sequence[str]) -> str:
    """Return names with an "and" before the last."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def shown(row: Row) -> str:
    """Return a difference with half its interval, such as -0.31 ± 0.05."""
    return f"{row['difference']:+.2f} ± {(row['high'] - row['low']) / 2:.2f}"


def part_of(row: Row) -> str:
    """Return the factor of a difference, as a part of the other one's loss, such as 1/380."""
    two_digits = float(f"{10 ** -row['difference']:.2g}")
    return f"1/{two_digits:g}"


def short(found: Found) -> Iterator[str]:
    """Yield what held and what did not.

    Raises
    ------
    ValueError
        If a sentence is no longer what the data say.
    """
    paragraphs = [*_sentences({name: Data(each) for name, each in found.items()})]
    untrue = [said.text for _, sentences in paragraphs for said in sentences if not said.true]
    if untrue:
        msg = "the page needs to say otherwise; no longer so: " + " / ".join(untrue)
        raise ValueError(msg)
    for mark, sentences in paragraphs:
        text = " ".join(f"{mark}{' '.join(said.text for said in sentences)}".split())
        yield textwrap.fill(
            f"{mark}{text.removeprefix(mark.strip()).strip()}", 100,
            subsequent_indent=" " * len(mark), break_on_hyphens=False, break_long_words=False,
        )
        if not mark:
            yield ""
    yield ""


def _sentences(data: dict[str, Data]) -> Iterator[tuple[str, list[Said]]]:
    """Yield paragraphs and items: a mark, and the sentences behind it."""
    p, bare, long = data["published"], data["undecayed"], data["long"]
    yield "", _at_large(p)
    yield "1. ", _lookahead(p, long)
    yield "2. ", _rangerlars(p)
    yield "3. ", _speed(p)
    yield "4. ", _paratrooper(p, bare, long)
    yield "5. ", _plateau(p)
    yield "6. ", _noise(p)
    yield "7. ", _landscapes(p)
    yield "8. ", [*_warmup(p), *_radamw(p, bare)]


def _at_large(p: Data) -> list[Said]:
    arms = [
        (name, i) for name, claim in p.claims.items() if claim["best"]
        for i in range(len(claim["comparisons"]))
    ]
    verdicts = [[row["verdict"] for row in p.rows(*part)] for part in arms]
    at_best = [[row["verdict"] for row in p.rows(*part, best=True)] for part in arms]
    most = sum(2 * words.count("holds") > len(words) for words in at_best)
    there = [("speed", 0), ("paratrooper", 2), ("paratrooper", 3)]
    speed, ranger, lars = (p.at(*part, "prices", 0.03) for part in there)
    return [
        Said(
            "**No claim holds at every learning rate on every problem, and each part of one holds "
            "somewhere.**",
            all({*words} - {"holds"} and "holds" in words for words in verdicts),
        ),
        Said(
            "What the source shows is there, at some rates: on made prices at rate 0.03 "
            f"RangerLars (lo = 1) is at epoch 25 where Ranger is at 120, and Paratrooper ends "
            f"below Ranger, at {part_of(ranger)} of its loss above the minimum, and below "
            f"RangerLars, at {part_of(lars)}.",
            all(row["verdict"] == "holds" for row in (speed, ranger, lars)),
        ),
        Said(
            f"With each optimizer at its own best rate {most} of the {len(arms)} parts hold on "
            "most of their problems.",
        ),
        Said(
            '"x of y" counts pairs of a problem and a rate, the same for both optimizers, where '
            "something could be compared."
        ),
    ]


def _lookahead(p: Data, long: Data) -> list[Said]:
    parts = [("lookahead", 0), ("lookahead", 1)]
    return [
        Said(
            f"*Lookahead(RAdamW)* ends lower than RAdamW at {p.count(*parts[0])}, than AdamW at "
            f"{p.count(*parts[1])}: mostly at rates of 0.1 and more, and at none up to 0.01.",
            all(
                p.share(*part, LARGE) > 2 / 3 and p.share(*part, SMALL) == 0 for part in parts
            ),
        ),
        Said(f"Each at its best, it ends lower than RAdamW {p.best(*parts[0])}; after 1000 epochs "
             f"{long.best(*parts[0])}."),
        Said(f"Lower than AdamW {p.best(*parts[1])}; after 1000 epochs {long.best(*parts[1])}."),
    ]


def _rangerlars(p: Data) -> list[Said]:
    name = "rangerlars"
    columns = {("columns", rate) for rate in p.rates}
    return [
        Said(
            f"*RangerLars with lo = 0* is below Ranger over the first 60 epochs at "
            f"{p.count(name, 0)}, and ends above it at {p.count(name, 1)}."
        ),
        Said(
            "A layer that starts near 0 on the wrong side stays there, since its steps shrink with "
            "it: of the ten seeds seven start with an intercept below 0, and on prices at rate "
            "0.03 none of the seven gets it above (`tests/test_claims.py`)."
        ),
        Said(
            f"With lo = 1 it ends lower than with lo = 0 at {p.count(name, 4)}; on columns lo = 0 "
            "ends lower at every rate, than Ranger too.",
            columns <= p.where(name, 4, "fails") & p.where(name, 1, "fails"),
        ),
        Said(f"Each at its best, it ends lower with lo = 1 {p.best(name, 4)}."),
        Said(
            f"Ranger is quieter than RangerLars with lo = 0 at {p.count(name, 2)}, for its level "
            f"at {p.count(name, 3)}: noise is in part height.",
            len(p.where(name, 3)) < len(p.where(name, 2)),
        ),
    ]


def _speed(p: Data) -> list[Said]:
    rest = p.where("speed", 0) - {("prices", 0.03)}
    where = sorted({problem for problem, _ in rest})
    still = all(10 ** -p.trained("speed", "ranger", *pair) > 2 / 3 for pair in rest)
    rows = [row for row in p.rows("speed", 0, best=True) if row["verdict"] != "unmeasured"]
    return [
        Said(
            f"*25 epochs against 120* holds at {p.count('speed', 0)}: on prices at rate 0.03, and "
            f"on {joined(where)} at rates up to {max(rate for _, rate in rest):g}, where "
            "Ranger has not even taken a third off its loss by the end.",
            still and ("prices", 0.03) in p.where("speed", 0),
        ),
        Said(
            "With the best rate for each, RangerLars's for epoch 25 and Ranger's for epoch 120, "
            f"it fails on all {len(rows)} problems on which they train.",
            all(row["verdict"] == "fails" for row in rows),
        ),
    ]


def _paratrooper(p: Data, bare: Data, long: Data) -> list[Said]:
    name = "paratrooper"
    holds = {part: p.where(name, part) for part in range(8)}
    columns = {("columns", rate) for rate in p.rates}

    def among(part: int, rates: Sequence[float]) -> set[tuple[str, float]]:
        return {pair for pair in holds[part] if pair[1] in rates} - columns

    both = sorted(problem for problem, rate in holds[2] & holds[3] if rate == 0.03)
    ends = [long.at(name, 2, problem) for problem in ("regression", "diabetes")]
    return [
        Said(f"*Paratrooper* starts level with RangerLars (lo = 1), or lower, at "
             f"{p.count(name, 0)}; where it does not, the rate is 0.1 or more.",
             {rate for _, rate in p.where(name, 0, "fails") | p.where(name, 0, "undecided")}
             <= {*LARGE}),
        Said(
            f"It ends lower than Ranger at {p.count(name, 2)}: at nearly all up to 0.01; from 0.1 "
            "on, but for columns, at "
            + (listed(among(2, LARGE)) or "none") + ".",
            p.share(name, 2, SMALL) > 0.9,
        ),
        Said(
            f"It ends lower than RangerLars at {p.count(name, 3)}: at all from 0.1 on; up to "
            "0.01 on columns alone.",
            p.share(name, 3, LARGE) == 1 and not among(3, SMALL),
        ),
        Said(f"Between them, at 0.03, it is below both on {joined(both)}.", bool(both)),
        Said(
            f"It is quieter than Ranger at {p.count(name, 4)}, for its level at "
            f"{p.count(name, 5)}; than RangerLars at {p.count(name, 6)}, for its level at "
            f"{p.count(name, 7)}."
        ),
        Said(f"Each at its best, it ends lower than Ranger {p.best(name, 2)}; without decay "
             f"{bare.best(name, 2)}."),
        Said(f"Lower than RangerLars {p.best(name, 3)}; without decay {bare.best(name, 3)}."),
        Said(
            "After 1000 epochs, each at its best, Ranger is below it on regression and diabetes "
            f"(by {shown(ends[0])} and {shown(ends[1])} decades).",
            all(row["verdict"] == "fails" for row in ends),
        ),
    ]


def listed(pairs: set[tuple[str, float]]) -> str:
    """Return pairs of a problem and a rate in words."""
    rates = {name: sorted(rate for x, rate in pairs if x == name) for name, _ in sorted(pairs)}
    return " and ".join(
        f"{name} ({', '.join(f'{rate:g}' for rate in some)})" for name, some in rates.items()
    )


def _plateau(p: Data) -> list[Said]:
    name = "plateau"
    still = p.where(name, 1)
    return [
        Said(
            f"*Reduction on plateau*: Paratrooper steps down with a cut at {p.count(name, 0)}, and "
            f"further than Ranger at {p.count(name, 2)}."
        ),
        Said(
            f"Ranger steps down as well: that it does not holds at {p.count(name, 1)}, on "
            f"{listed(still)}, and there Paratrooper does not either.",
            bool(still) and not still & p.where(name, 0),
        ),
    ]


def _noise(p: Data) -> list[Said]:
    several, default = ([10 ** row["difference"] for row in p.rows("noise", i)] for i in (0, 1))

    def span(ratios: Sequence[float]) -> str:
        return f"{100 - 100 * max(ratios):.2f} to {100 - 100 * min(ratios):.2f} %"

    return [
        Said(
            "*Lookahead on the noisy quadratic* is below SGD at each of "
            f"{len(several)} floors, with the best of some slow rates by {span(several)}, with "
            f"alpha = 0.5 by {span(default)}: exact numbers, and small ones.",
            max(several + default) < 1,
        ),
        Said("[More of it](noise.md)."),
    ]


def _landscapes(p: Data) -> list[Said]:
    counts = [
        sum(row["verdict"] == "holds" for part in range(i, i + 3)
            for row in p.rows("landscapes", part))
        for i in (0, 3, 6)
    ]
    whole = sum(len(p.rows("landscapes", part)) for part in range(3))
    fails = any(
        row["verdict"] == "fails" for part in range(9) for row in p.rows("landscapes", part)
    )
    return [
        Said(
            f"*Skip connections*: of {whole} pairs of a depth and a normalisation, tanh nets with "
            f"skips have fewer star violations at {counts[0]}, fewer midpoint violations at "
            f"{counts[1]} and fewer points of negative curvature at {counts[2]}; more at none.",
            not fails,
        ),
        Said("[More of it](landscapes.md), and of two measures that do not agree."),
    ]


def _warmup(p: Data) -> list[Said]:
    name, both = "warmup", ("regression", "diabetes")
    low = {(problem, rate) for problem in both for rate in (0.001, 0.003)}
    high = {(problem, rate) for problem in both for rate in LARGE}
    middle = [p.at(name, part, "diabetes", 0.01)["difference"] for part in range(4)]
    worse = [middle[0], middle[1], -middle[2], -middle[3]]  # momentum less none, h rising
    ranger = [row for row in p.rows("paratrooper", 2) if row["problem"] == "columns"]
    return [
        Said(
            "*The h rule*: momentum steps first end lower than none at "
            f"{p.count(name, 0)} for h = 0.314, {p.count(name, 1)} for 0.452; none end lower at "
            f"{p.count(name, 2)} for 0.707, {p.count(name, 3)} for 1.038."
        ),
        Said(
            "The rate decides before h does: at 0.001 and 0.003 momentum steps are better at "
            "every h, from 0.1 on at none.",
            all(
                low <= p.where(name, part, small) and high <= p.where(name, part, large)
                for part, small, large in (
                    (0, "holds", "fails"), (1, "holds", "fails"),
                    (2, "fails", "holds"), (3, "fails", "holds"),
                )
            ),
        ),
        Said(
            "Between them, on diabetes at 0.01, the source's order is there, momentum steps doing "
            f"the worse the larger h ({', '.join(f'{x:+.2f}' for x in worse)} decades).",
            worse == sorted(worse),
        ),
        Said(
            "On columns, where h is far above 1/2, the rule saves Paratrooper: Ranger ends no "
            "lower than it starts in any seed at any rate, and Paratrooper trains in all.",
            all(row["untrained"] == [0, p.seeds] for row in ranger),
        ),
    ]


def _radamw(p: Data, bare: Data) -> list[Said]:
    return [
        Said(
            f"*RAdamW* ends lower than AdamW at {p.count('radamw', 0)}, at none up to 0.01.",
            p.share("radamw", 0, SMALL) == 0,
        ),
        Said(f"Each at its best {p.best('radamw', 0)}; without decay {bare.best('radamw', 0)}."),
    ]
