"""The page on skip connections says what its data say, in every normalisation."""

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

stats = pytest.importorskip("scipy.stats")

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = (DOCS / "landscapes.md").read_text("utf-8")
DATA = json.loads((DOCS / "landscapes.json").read_text("utf-8"))
DEPTHS = (2, 4, 6, 8, 12)
NAMES = {"W": "skip by W", "I + W": "skip by I + W", "the plain net's W": "skip by plain"}
METRICS = {
    "Star violations": "star",
    "Midpoint violations": "midpoint",
    "Slice curvature": "slice_curvature",
    "Negative mass": "negative_mass",
    "Eigenvalue ratio": "ratio",
}


def gaps(metric: str, variant: str, depth: int, matched: str = "pair") -> Any:
    """Return plain - skip by seed."""
    rows = [r for r in DATA["tanh"] if (r["depth"], r["matched"]) == (depth, matched)]
    return np.array([r["plain"][metric] - r[variant][metric] for r in rows if "plain" in r])


def ends(values: Any) -> Any:
    """Return the interval of a mean, from SciPy's test of it."""
    found = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    return np.array([found.low, found.high])


def sign(values: Any) -> int:
    """Return 1 or -1 where zero is refused at 5 %, else 0."""
    refused = stats.ttest_1samp(values, 0.0).pvalue < 0.05
    return int(refused) * int(np.sign(np.mean(values)))


def section(head: str) -> str:
    """Return the text under a head, up to the next one."""
    return re.split(r"\n#", PAGE.partition(f"{head}")[2])[0]


def cells(text: str) -> list[list[str]]:
    """Return the rows of a table, without its head."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return rows[2:]


def intervals(row: list[str]) -> Any:
    """Return the (mean, low, high) that a row of a table holds."""
    found = [re.fullmatch(r"(\S+) \((\S+) to (\S+)\)", cell) for cell in row]
    return np.array([[float(x) for x in m.groups()] for m in found if m])


def said(sentence: str, words: dict[str, int]) -> dict[str, int]:
    """Return a sign for each normalisation, as a sentence has it."""
    if sentence.endswith(" by all three"):
        return dict.fromkeys(NAMES, words[sentence.removesuffix(" by all three")])
    found = {}
    assert sentence.startswith("the three disagree, ")
    for part in sentence.removeprefix("the three disagree, ").split(", "):
        word, _, names = part.partition(" by ")
        found.update(dict.fromkeys(names.split(" and "), words[word]))
    return found


def bullets(head: str) -> dict[str, str]:
    """Return the summary's sentences about each measure, after a line that begins so."""
    text = section("## In short").partition(head)[2].strip()
    lines = [line for line in text.split("\n\n")[1].splitlines() if line.startswith("- ")]
    return {m[1]: m[2] for m in (re.fullmatch(r"- \*\*(.*)\*\*: (.*)", x) for x in lines) if m}


def page_module() -> Any:
    """Return docs/landscapes.py, which writes the page."""
    spec = importlib.util.spec_from_file_location("landscapes_page", DOCS / "landscapes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_command_writes() -> None:
    """Nobody has edited it by hand."""
    assert page_module().page(DATA) == PAGE


@pytest.mark.parametrize(("head", "metric"), METRICS.items())
def test_every_difference_is_printed_with_its_interval(head: str, metric: str) -> None:
    """That of each of three normalisations, at each depth and at either loss, is SciPy's."""
    tables = {"pair": section(f"\n### {head}")}
    if metric in {"star", "midpoint", "slice_curvature"}:
        tables["common"] = section(f"\n#### {head}")
    for matched, text in tables.items():
        rows = cells(text)
        assert [int(row[0]) for row in rows] == list(DEPTHS)
        for depth, row in zip(DEPTHS, rows, strict=True):
            several = [gaps(metric, v, depth, matched) for v in NAMES.values()]
            wanted = [[g.mean(), *ends(g)] for g in several]
            np.testing.assert_allclose(intervals(row), wanted, atol=6e-4)
            assert row[1] == str(len(several[0]))
            assert row[-1] == ", ".join(str(int(np.sum(g > 0))) for g in several)


def slopes(metric: str, variant: str) -> Any:
    """Return for each seed the slope of plain - skip over depth, by NumPy's fit."""
    several = np.array([gaps(metric, variant, depth) for depth in DEPTHS])
    return np.polyfit(DEPTHS, several, 1)[0]


def test_every_slope_is_printed_with_its_interval() -> None:
    """Of each measure in each of three normalisations."""
    for row, metric in zip(cells(section("### Growth")), METRICS.values(), strict=True):
        several = [slopes(metric, v) for v in NAMES.values()]
        wanted = [[s.mean(), *ends(s)] for s in several]
        np.testing.assert_allclose(intervals(row), wanted, atol=6e-5)


def test_the_intervals_are_counted() -> None:
    """As many are printed in the tables as are said to be there."""
    lines = [line for line in PAGE.splitlines() if line.startswith("|")]
    printed = sum(len(re.findall(r"\(\S+ to \S+\)", line)) for line in lines)
    (number,) = re.findall(r"tables\s+below\s+have (\d+) of them", PAGE)
    assert printed == int(number) == 5 * 5 * 3 + 5 * 3 + 3 * 5 * 3


def test_the_summary_says_of_each_normalisation_what_its_interval_says() -> None:
    """Less and more where zero is refused, open where not; whoever disagrees is named."""
    words = {"less": 1, "more": -1, "open": 0}
    pair, common = bullets("At the loss of each pair"), bullets("At a common loss")
    assert list(pair) == list(METRICS)
    assert list(common) == list(METRICS)[:3]
    for matched, sentences in (("pair", pair), ("common", common)):
        for head, sentence in sentences.items():
            found: dict[tuple[int, str], int] = {}
            for part in sentence.partition(". ")[0].rstrip(".").split("; "):
                where, _, claim = part.partition(": ")
                depths = list(map(int, re.findall(r"\d+", where))) or DEPTHS
                found |= {(d, n): s for d in depths for n, s in said(claim, words).items()}
            wanted = {
                (d, n): sign(gaps(METRICS[head], v, d, matched))
                for d in DEPTHS for n, v in NAMES.items()
            }
            assert found == wanted, head


def test_the_summary_says_of_each_normalisation_how_it_goes_with_depth() -> None:
    """It grows, shrinks, or is open."""
    words = {"grows": 1, "shrinks": -1, "open": 0}
    for head, sentence in bullets("At the loss of each pair").items():
        claim = sentence.partition("over depth: ")[2].rstrip(".")
        assert said(claim, words) == {n: sign(slopes(METRICS[head], v)) for n, v in NAMES.items()}


def test_the_page_opens_with_what_was_found() -> None:
    """Which measures are less in every normalisation at every depth, and which of them grow."""
    lead = " ".join(PAGE.partition("\n## ")[0].split())
    (found,) = re.findall(r"by (\w+) of (\w+) measures \((.*?)\), and by (.*?) the more so", lead)
    (rest,) = re.findall(r"; what ([^;]*) say hangs on depth and scale", lead)
    number, whole, less, grows = found
    counts = ["none", "one", "two", "three", "four", "five"]
    signs = {
        head.lower(): {sign(gaps(metric, v, d)) for v in NAMES.values() for d in DEPTHS}
        for head, metric in METRICS.items()
    }

    assert (counts.index(number), counts.index(whole)) == (len(names(less)), len(METRICS))
    assert names(less) == [head for head, found in signs.items() if found == {1}]
    assert names(rest) == [head for head, found in signs.items() if len(found) > 1]
    assert names(grows) == [
        head.lower() for head, metric in METRICS.items()
        if head.lower() in names(less)
        and {sign(slopes(metric, v)) for v in NAMES.values()} == {1}
    ]


def names(said: str) -> list[str]:
    """Return what is listed."""
    return re.split(", | and ", said)


def test_the_head_fails_where_it_is_not_so() -> None:
    """With a net of linear layers that is not moved only, or of a measure without a verdict."""
    for spoil in ("apart", "top"):
        found = json.loads(json.dumps(DATA))
        for row in found["null"]:
            if spoil == "apart" or row["variant"] == "skip, by W":
                row[spoil] = 100.0 * row.get(spoil, 1.0)
        with pytest.raises(AssertionError):
            page_module().finding(found)
