"""What the page of the claims says in words, each sentence with what makes it true."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from paratrooper_ref.claims import CLAIMS

Row = dict[str, Any]
Found = dict[str, Any]
SMALL, LARGE = (0.001, 0.003, 0.01), (0.1, 0.3, 1.0)


class Said(NamedTuple):
    """A sentence, and whether the data say so."""

    text: str
    true: bool = True


Told = tuple[list[Said], list[Said]]  # of one claim: in short, and what more there is to say


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


def checked(sentences: Sequence[Said], mark: str = "") -> str:
    """Return a paragraph, behind a mark if it is an item.

    Raises
    ------
    ValueError
        If a sentence is no longer what the data say.
    """
    untrue = [said.text for said in sentences if not said.true]
    if untrue:
        msg = "the page needs to say otherwise; no longer so: " + " / ".join(untrue)
        raise ValueError(msg)
    text = " ".join(" ".join(said.text for said in sentences).split())
    return textwrap.fill(
        mark + text, 100, subsequent_indent=" " * len(mark), break_on_hyphens=False,
        break_long_words=False,
    )


def short(found: Found) -> Iterator[str]:
    """Yield what held and what did not, an item a claim."""
    yield checked(_at_large(Data(found["published"]), Data(found["long"])))
    yield ""
    numbered: dict[int, list[Said]] = {}
    for name, (brief, _) in told(found).items():
        numbered.setdefault(CLAIMS[name].number, []).extend(brief)
    for number, sentences in numbered.items():
        yield checked(sentences, f"{number}. ")
    yield ""


def more(found: Found, name: str) -> Iterator[str]:
    """Yield what more there is to say of one claim."""
    sentences = told(found)[name][1]
    if sentences:
        yield checked(sentences)
        yield ""


def told(found: Found) -> dict[str, Told]:
    """Return what is said of each claim."""
    p, bare, long = (Data(found[name]) for name in ("published", "undecayed", "long"))
    return {
        "lookahead": _lookahead(p, bare, long),
        "rangerlars": _rangerlars(p),
        "speed": _speed(p),
        "paratrooper": _paratrooper(p, bare, long),
        "plateau": _plateau(p),
        "noise": _noise(p),
        "landscapes": _landscapes(p),
        "warmup": _warmup(p),
        "radamw": _radamw(p, bare, long),
    }


def _at_large(p: Data, long: Data) -> list[Said]:
    arms = [
        (name, i) for name, claim in p.claims.items() if claim["best"]
        for i in range(len(claim["comparisons"]))
    ]
    verdicts = [[row["verdict"] for row in p.rows(*part)] for part in arms]
    at_best = [
        [row["verdict"] for row in p.rows(*part, best=True) if row["verdict"] != "unmeasured"]
        for part in arms
    ]
    most = sum(2 * words.count("holds") > len(words) for words in at_best)
    there = [("speed", 0), ("paratrooper", 2), ("paratrooper", 3)]
    speed, ranger, lars = (p.at(*part, "prices", 0.03) for part in there)
    late = [long.at(*part, "prices", 0.03) for part in there[1:]]
    return [
        Said(
            "**No claim about training holds at every learning rate on every problem, and each "
            "part of one holds somewhere.**",
            all({*words} - {"holds"} and "holds" in words for words in verdicts),
        ),
        Said(
            "What the source shows is there, at some rates and for some time: on made prices at "
            f"rate 0.03 RangerLars (lo = 1) is at epoch 25 where Ranger is at 120, and after 200 "
            f"epochs Paratrooper is below Ranger, at {part_of(ranger)} of its loss above the "
            f"minimum, and below RangerLars, at {part_of(lars)}. After 1000 epochs it is still "
            "below RangerLars, and Ranger is below both.",
            all(row["verdict"] == "holds" for row in (speed, ranger, lars, late[1]))
            and late[0]["verdict"] == "fails",
        ),
        Said(
            f"With each optimizer at its own best rate {most} of the {len(arms)} parts hold on "
            "most of the problems where something can be compared.",
        ),
        Said(
            '"x of y" counts pairs of a problem and a rate, the same for both optimizers, after '
            "200 epochs on all six problems or after 1000 on three; those where nothing can be "
            "compared are left out."
        ),
    ]


def _lookahead(p: Data, bare: Data, long: Data) -> Told:
    parts = [("lookahead", 0), ("lookahead", 1)]
    return [
        Said(
            f"*Lookahead(RAdamW)* ends lower than RAdamW at {p.count(*parts[0])}, than AdamW at "
            f"{p.count(*parts[1])}, all at rates of 0.1 and more; after 1000 epochs at "
            f"{long.count(*parts[0])} and {long.count(*parts[1])}, from 0.01 on.",
            all({rate for _, rate in p.where(*part)} <= {*LARGE} for part in parts)
            and all(min(rate for _, rate in long.where(*part)) == 0.01 for part in parts),
        ),
    ], [
        Said(f"Each at its best, it ends lower than RAdamW {p.best(*parts[0])}; without decay "
             f"{bare.best(*parts[0])}; after 1000 epochs {long.best(*parts[0])}."),
        Said(f"Lower than AdamW {p.best(*parts[1])}; without decay {bare.best(*parts[1])}; after "
             f"1000 epochs {long.best(*parts[1])}."),
    ]


def _rangerlars(p: Data) -> Told:
    name = "rangerlars"
    columns = {("columns", rate) for rate in p.rates}
    return [
        Said(
            f"*RangerLars with lo = 0* is below Ranger over the first 60 epochs at "
            f"{p.count(name, 0)}, and ends above it at {p.count(name, 1)}; with lo = 1 it ends "
            f"lower than with lo = 0 at {p.count(name, 4)}."
        ),
    ], [
        Said(
            "With lo = 0 a layer that starts near 0 on the wrong side stays there, since its steps "
            "shrink with it: of the ten seeds seven start with an intercept below 0, and on prices "
            "at rate 0.03 none of the seven gets it above (`tests/test_claims.py`)."
        ),
        Said(
            "On columns lo = 0 ends lower than lo = 1 and than Ranger, at every rate.",
            columns <= p.where(name, 4, "fails") & p.where(name, 1, "fails"),
        ),
        Said(f"Each at its best, it ends lower with lo = 1 {p.best(name, 4)}."),
        Said(
            f"Ranger is quieter than RangerLars with lo = 0 at {p.count(name, 2)}, for its level "
            f"at {p.count(name, 3)}: in part RangerLars is noisier because it is higher.",
            len(p.where(name, 3)) < len(p.where(name, 2)),
        ),
    ]


def _speed(p: Data) -> Told:
    rest = p.where("speed", 0) - {("prices", 0.03)}
    still = all(10 ** -p.trained("speed", "ranger", *pair) > 2 / 3 for pair in rest)
    rows = [row for row in p.rows("speed", 0, best=True) if row["verdict"] != "unmeasured"]
    return [
        Said(
            f"*25 epochs against 120* holds at {p.count('speed', 0)}: on prices at rate 0.03, and "
            f"on {listed(rest)}, where Ranger has not even taken a third off its loss by the end.",
            still and ("prices", 0.03) in p.where("speed", 0),
        ),
        Said(
            "With the best rate for each, RangerLars's for epoch 25 and Ranger's for epoch 120, "
            f"it fails on all {len(rows)} problems on which they train.",
            all(row["verdict"] == "fails" for row in rows),
        ),
    ], []


def _paratrooper(p: Data, bare: Data, long: Data) -> Told:
    name = "paratrooper"
    columns = {("columns", rate) for rate in p.rates}

    def among(part: int, rates: Sequence[float]) -> set[tuple[str, float]]:
        return {pair for pair in p.where(name, part) if pair[1] in rates} - columns

    both = sorted(
        problem for problem, rate in p.where(name, 2) & p.where(name, 3) if rate == 0.03
    )
    starts = p.where(name, 0, "fails") | p.where(name, 0, "undecided")
    ends = [long.at(name, 2, problem) for problem in ("regression", "prices", "diabetes")]
    above = [shown(row).removeprefix("+") for row in ends]
    return [
        Said(
            f"*Paratrooper* ends lower than Ranger at {p.count(name, 2)}, nearly all of the pairs "
            "up to 0.01 and few from 0.1 on; it ends lower than RangerLars at "
            f"{p.count(name, 3)}, all of those from 0.1 on. After 1000 epochs these "
            f"are {long.count(name, 2)} and {long.count(name, 3)}.",
            p.share(name, 2, SMALL) > 0.9 and p.share(name, 2, LARGE) < 1 / 2
            and p.share(name, 3, LARGE) == 1,
        ),
        Said(f"Between them, at 0.03, it is below both on {joined(both)}.", bool(both)),
        Said(
            "Each at its best it ends lower than Ranger on "
            f"{_on(p.rows(name, 2, best=True))}, than RangerLars on "
            f"{_on(p.rows(name, 3, best=True))}."
        ),
    ], [
        Said(
            f"It starts level with RangerLars (lo = 1), or lower, at {p.count(name, 0)}; where it "
            "does not, the rate is 0.1 or more.",
            {rate for _, rate in starts} <= {*LARGE},
        ),
        Said(
            "It ends lower than Ranger from rate 0.1 on, but for columns, at "
            f"{listed(among(2, LARGE)) or 'none'}, and lower than RangerLars up to 0.01 on columns "
            "alone.",
            not among(3, SMALL)
            and {pair for pair in columns if pair[1] in SMALL} <= p.where(name, 3),
        ),
        Said(
            f"It is quieter than Ranger at {p.count(name, 4)}, for its level at "
            f"{p.count(name, 5)}; than RangerLars at {p.count(name, 6)}, for its level at "
            f"{p.count(name, 7)}."
        ),
        Said(f"Each at its best, it ends lower than Ranger {p.best(name, 2)}; without decay "
             f"{bare.best(name, 2)}."),
        Said(f"Lower than RangerLars {p.best(name, 3)}; without decay {bare.best(name, 3)}."),
        Said(f"Quieter than Ranger {p.best(name, 4)}, for its level {p.best(name, 5)}; quieter "
             f"than RangerLars {p.best(name, 6)}, for its level {p.best(name, 7)}."),
        Said(
            "After 1000 epochs, each at its best, Ranger is below it on regression, prices and "
            f"diabetes, by {', '.join(above)} decades.",
            all(row["verdict"] == "fails" for row in ends),
        ),
    ]


def _on(rows: Sequence[Row]) -> str:
    """Return on how many of the problems a part holds."""
    words = [row["verdict"] for row in rows if row["verdict"] != "unmeasured"]
    return f"{words.count('holds')} of {len(words)} problems"


def listed(pairs: set[tuple[str, float]]) -> str:
    """Return pairs of a problem and a rate in words."""
    rates = {name: sorted(rate for x, rate in pairs if x == name) for name, _ in sorted(pairs)}
    return joined([
        f"{name} ({', '.join(f'{rate:g}' for rate in some)})" for name, some in rates.items()
    ])


def _plateau(p: Data) -> Told:
    name = "plateau"
    still = p.where(name, 1)
    return [
        Said(
            f"*Reduction on plateau*: Paratrooper steps down with a cut at {p.count(name, 0)}, and "
            f"further than Ranger at {p.count(name, 2)}; Ranger steps down as well."
        ),
    ], [
        Said(
            f"That Ranger does not holds at {p.count(name, 1)}, on {listed(still)}, and at none of "
            "these is Paratrooper seen to.",
            bool(still) and not still & p.where(name, 0),
        ),
    ]


def _noise(p: Data) -> Told:
    several, default = ([10 ** row["difference"] for row in p.rows("noise", i)] for i in (0, 1))

    def span(ratios: Sequence[float]) -> str:
        return f"{100 - 100 * max(ratios):.2f} to {100 - 100 * min(ratios):.2f} %"

    return [
        Said(
            "*Lookahead on the noisy quadratic* is below SGD at each of "
            f"{len(several)} floors, with the best of some slow rates by {span(several)}, with "
            f"alpha = 0.5 by {span(default)}: no noise in these numbers, and small ones.",
            max(several + default) < 1,
        ),
    ], []


def _landscapes(p: Data) -> Told:
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
    ], [
        Said(
            "The page of its own has two seeds more, and two measures that do not agree with these."
        ),
    ]


def _warmup(p: Data) -> Told:
    name, both = "warmup", ("regression", "diabetes")
    low = {(problem, rate) for problem in both for rate in (0.001, 0.003)}
    high = {(problem, rate) for problem in both for rate in LARGE}
    middle = [p.at(name, part, "diabetes", 0.01)["difference"] for part in range(4)]
    worse = [middle[0], middle[1], -middle[2], -middle[3]]  # momentum less none, h rising
    ranger = [row for row in p.rows("paratrooper", 2) if row["problem"] == "columns"]
    return [
        Said(
            "*The h rule*: the rate decides before h does. At 0.001 and 0.003 momentum steps end "
            "lower than none at every h, from 0.1 on at none.",
            all(
                low <= p.where(name, part, small) and high <= p.where(name, part, large)
                for part, small, large in (
                    (0, "holds", "fails"), (1, "holds", "fails"),
                    (2, "fails", "holds"), (3, "fails", "holds"),
                )
            ),
        ),
    ], [
        Said(
            f"Momentum steps first end lower than none at {p.count(name, 0)} for h = 0.314, "
            f"{p.count(name, 1)} for 0.452; none end lower at {p.count(name, 2)} for 0.707, "
            f"{p.count(name, 3)} for 1.038."
        ),
        Said(
            "On diabetes at 0.01 the source's order is there, momentum steps doing "
            f"the worse the larger h ({', '.join(f'{x:+.2f}' for x in worse)} decades).",
            worse == sorted(worse),
        ),
        Said(
            "On columns, where h is above 100, the rule saves Paratrooper: Ranger ends no "
            "lower than it starts in any seed at any rate, and Paratrooper trains in all.",
            all(row["untrained"] == [0, p.seeds] for row in ranger),
        ),
    ]


def _radamw(p: Data, bare: Data, long: Data) -> Told:
    return [
        Said(
            f"*RAdamW* ends lower than AdamW at {p.count('radamw', 0)}, at none up to 0.01; after "
            f"1000 epochs at {long.count('radamw', 0)}, at none up to 0.003.",
            p.share("radamw", 0, SMALL) == 0 and long.share("radamw", 0, SMALL[:2]) == 0,
        ),
    ], [
        Said(f"Each at its best {p.best('radamw', 0)}; without decay {bare.best('radamw', 0)}."),
    ]
