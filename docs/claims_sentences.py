"""What the page of the claims says in words: each sentence with the condition that makes it true."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from paratrooper_ref.claims import CLAIMS

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
        self.seeds = found["seeds"]

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

    def best(self, name: str, part: int) -> str:
        """Return where a part holds with each arm at its best, where it fails, and the rest."""
        rows = self.rows(name, part, best=True)
        words = {"holds": "holds on", "fails": "fails on", "undecided": "is undecided on"}
        said = [
            f"{text} {', '.join(on)}" for word, text in words.items()
            if (on := [row["problem"] for row in rows if row["verdict"] == word])
        ]
        return "; ".join(said)


def shown(row: Row) -> str:
    """Return a difference with half its interval, such as -0.31 ± 0.05."""
    return f"{row['difference']:+.2f} ± {(row['high'] - row['low']) / 2:.2f}"


def factor(row: Row) -> str:
    """Return how many times lower the one is, such as 2.6 times."""
    return f"{10 ** -row['difference']:.2g} times"


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
