"""Measure what skip connections do to a landscape, and write docs/landscapes.json and its page.

    python docs/landscapes.py            measure all again: some four minutes of one core
    python docs/landscapes.py --page     the page of what was measured
    python docs/landscapes.py --figures  the figures: of what was measured, and two nets trained
    python docs/landscapes.py --check    whether the page is what this command writes

Exit status: 0 all is well, 1 the page is another.  Needs SciPy, and matplotlib for the figures.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from generated import published

import problems
from paratrooper_ref.claims.skips import (
    CHORDS,
    COMMON,
    DEPTHS,
    ITERATIONS,
    OF_SLICES,
    SIDE,
    SLICES,
    identity_added,
    measured,
    pair,
)
from paratrooper_ref.files import replacing
from paratrooper_ref.intervals import Interval, interval
from paratrooper_ref.landscape import convexity, cut, random_directions
from paratrooper_ref.landscape.points import Array
from paratrooper_ref.progress import Bar
from problems import Problem

PAGE = Path(__file__).with_name("landscapes.md")
DATA = PAGE.with_suffix(".json")
FIGURES = PAGE.parent / "figures"

SEEDS = range(12)

VARIANTS = {
    "plain": "plain",
    "skip by W": "skip, by W",
    "skip by I + W": "skip, by I + W",
    "skip by plain": "skip, by the plain net's W",
}
NORMALISATIONS = {
    "skip by W": "W", "skip by I + W": "I + W", "skip by plain": "the plain net's W"
}
METRICS = {
    "star": ("star violations", "gradients that do not point away from the center"),
    "midpoint": ("midpoint violations", "chords with a middle above the mean of their ends"),
    "slice_curvature": ("slice curvature", "grid points where the slice curves down"),
    "negative_mass": ("negative mass", "of the eigenvalues of the whole Hessian"),
    "ratio": ("eigenvalue ratio", "of the whole Hessian, the measure of the source"),
}
INTERVAL = re.compile(r"\(-?[0-9.]+ to -?[0-9.]+\)")
Records = Mapping[str, Any]


# --- linear nets --------------------------------------------------------------------------------


def null_rows() -> list[Records]:
    """Return, by depth and normalisation, the numbers of plain and skip nets at their minimizer."""
    rows = []
    for depth in (2, 4, 8):
        plain, skip = (
            problems.linear_net(depth=depth, skip=skip) for skip in ("none", "layer")
        )
        tops = []
        for name, problem, reference in (
            ("plain, by W", plain, None),
            ("skip, by W", skip, None),
            ("skip, by I + W", skip, identity_added(skip.minimizers[0])),
        ):
            found, slices = [], []
            for seed in range(4):
                center = problem.minimizers[0]
                directions = random_directions(problem, center, reference=reference, seed=seed)
                slices.append(cut(problem, center, directions, points=7))
                found.append(convexity(slices[-1], chords=CHORDS, seed=seed))
            rows.append({
                "depth": depth, "variant": name,
                "ratio": float(np.mean([c.ratio for c in found])),
                "mass": float(np.mean([c.negative_mass for c in found])),
                "curvature": float(np.mean([c.slice_curvature for c in found])),
                "midpoint": float(np.mean([c.midpoint for c in found])),
                "star": float(np.mean([c.star for c in found])),
                "top": float(max(s.losses.max() for s in slices)),
            })
            tops.append(np.array([s.losses for s in slices]))
        rows[-1]["apart"] = float(np.max(np.abs(tops[2] - tops[0])) / np.max(tops[0]))
    return rows


def invariances() -> list[Records]:
    """Return how much a slice changes where the function does not, by normalisation."""
    net = problems.linear_net(depth=3, width=4)
    center = dict(net.starts[0])
    scale = np.array([0.25, 0.5, 3.0, 5.0])
    turn = np.linalg.qr(center["W3"])[0]
    changes = {
        "layers: 7 W1, W3 / 7": {"W1": 7 * center["W1"], "W3": center["W3"] / 7},
        "layers: 8 W1, W3 / 8": {"W1": 8 * center["W1"], "W3": center["W3"] / 8},
        "units: D W1, W2 / D": {"W1": scale[:, None] * center["W1"], "W2": center["W2"] / scale},
        "rotation: Q W1, W2 Q'": {"W1": turn @ center["W1"], "W2": center["W2"] @ turn.T},
    }
    rows = []
    for name, change in changes.items():
        row: dict[str, Any] = {"change": name}
        for normalise in ("filter", "layer", "none"):
            one, two = (
                cut(net, c, random_directions(net, c, count=1, normalise=normalise)).losses
                for c in (center, {**center, **change})
            )
            row[normalise] = float(np.max(np.abs(two - one)) / np.max(one))
        rows.append(row)
    return rows


# --- the page -----------------------------------------------------------------------------------


def column(found: Records, variant: str, metric: str, depth: int, matched: str) -> Array:
    """Return a metric of a depth by seed, without the pairs that were not matched."""
    return np.array([
        row[variant][metric] for row in found["tanh"]
        if row["depth"] == depth and row["matched"] == matched and variant in row
    ])


def gap(found: Records, metric: str, depth: int, variant: str, matched: str = "pair") -> Interval:
    """Return by how much a metric of the plain net is larger, pair by pair."""
    return interval(
        column(found, "plain", metric, depth, matched)
        - column(found, variant, metric, depth, matched)
    )


def slope(found: Records, metric: str, variant: str) -> Interval:
    """Return the slope of that difference over the depth, fitted for each seed."""
    gaps = np.array([
        column(found, "plain", metric, d, "pair") - column(found, variant, metric, d, "pair")
        for d in DEPTHS
    ])
    away = np.array(DEPTHS) - np.mean(DEPTHS)
    return interval(away @ gaps / (away @ away))


HEAD = """# Landscapes: what skip connections do to one

![A loss surface of a net without skip connections, with valleys and ridges; and of its twin with
them, drawn at two scales, which looks more like one bowl](figures/landscape-slices.png)

A *loss surface* is the loss of a net over all of its weights, far too many to draw, so a picture
shows a *slice*: the loss on a plane through one point (the cross, a trained net; dark is low),
along two *directions* that somebody has chosen, here random ones. A *skip connection* lets the
input of a layer pass by it, so that the layer computes x + f(x) in place of f(x): on the left is a
net of eight layers without them, in the middle and on the right is its twin with them, at two
scales.

{finding}

That skip connections make the surface more convex, more like one bowl, is a claim of Li et al.
([arXiv:1712.09913](https://arxiv.org/abs/1712.09913)). All numbers below are measured by `python
docs/landscapes.py`, in some four minutes of one core.

## How it was measured

A picture is no measurement: what it shows depends on how long its directions are. Move the weights
by a fixed length, and a net with small weights is shaken more than one with large weights. So each
row of a direction is given the length of a row of weights, as in the source (*by filter*); vectors,
that is biases, are not moved. But of which weights? A layer with a skip connection computes x + W x
where it is linear, which is (I + W) x. So there are three references for the net with skips: its
own W, as in the source; I + W, what the layer does to its input; and the plain net's W, so that
both are moved by the very same arrays. What depends on the reference is no property of the surface.

What is counted around the trained net is 0 for a bowl, and 1 at most:

- *Star violations*: of random points, those from which downhill leads away from the trained net.
- *Midpoint violations*: of random chords, those whose middle lies above the mean of their ends.
- *Slice curvature*: of the points of a grid, those where the slice curves down some way.
- *Negative mass*: of all curvatures of the whole surface, those of the eigenvectors of its second
  derivatives, the share that is negative, by size.
- *Eigenvalue ratio*: the size of the most negative of these over that of the largest of all.
  It is the measure of the source.

Each is defined in `paratrooper_ref.landscape.convexity`. Last, the instrument itself was tried on
nets in which a skip connection is known to do nothing at all: that is the null test.
"""
FINDING = """**What was found.** In nets of linear layers a skip connection moves the surface to
another place and changes nothing else; what a picture shows beyond that comes from its scale. In
nets of tanh layers, compared at a loss that both nets of a pair reach, the surface is more like a
bowl with skips, at every depth and every scale that was tried, by {many} of {all} measures
({less}), and by {grows} the more so the deeper the net; what {rest} say hangs on depth and scale.
"""
COUNTS = ("none", "one", "two", "three", "four", "five")
NULL = """## The null test: linear nets

A net of linear layers W with a skip connection around each is the plain net at I + W: the
landscape is translated, and nothing else. Directions normalised by the rows of W, as in the source,
say otherwise: the residual weights are small, so the slice is a small one, and a small piece of a
surface looks smooth. Normalised by the rows of I + W, the numbers are those of the plain net.

![A linear net, and its twin normalised in two ways](figures/landscape-null.png)

Width 3, white inputs, at the minimizer; means over 4 random planes of 7 x 7 points, radius 1.
"""
SAME = """The losses of plain and of skip by I + W differ by at most {apart} of the largest. That is
one rounding of each weight: the plain net adds the displacement to I + W, the net with skips adds
it to W, and then I. Where center and directions are multiples of a power of two these sums are
exact, and then all bits are the same: `tests/test_landscape.py` holds them to that.
"""
SYMMETRIES = """## What normalisation removes

How much a slice changes, relative to its largest loss, where weights are changed and the function
is not (a linear net of three layers of width 4, one random direction):
"""
SYMMETRIES_END = """Rescaled layers change nothing, up to rounding, and by a power of two not a bit.
Rescaled units change the picture in every normalisation: the next layer's rows mix the scaled
columns. A rotation changes it too; normalised by layer its distribution stays, but not the one
draw.
"""
TANH = """## Nets of tanh layers

Pairs of nets, without and with a skip connection around each layer, of the same data and the same
first weights: width 4, 48 samples, {seeds} seeds, depths {depths}. Both are trained by {iterations}
iterations of L-BFGS; then each is taken where its path first has the loss that the worse of the
two ended at, so that a pair has the same loss. {slices} random planes a net, by filter, radius 1,
{chords} chords each, the same draws for both; the slice's Hessian at {side} x {side} points of
each plane, the whole one at those of the first.

Intervals are of 95 %, by Student's t over seeds; differences are taken pair by pair. The tables
below have {intervals} of them. One in twenty misses by chance, some {missed} of these: one that
barely excludes 0, alone in its column, is no evidence.
"""
SLOPES = """### Growth with depth

The slope of the difference plain - skip over depth, a layer, fitted for each seed.
"""
COMMON_LOSS = """### At a common loss

Deep plain nets end at losses far above those of their twins, and there a pair is matched at a poor
loss. At a loss of {common}, the same for all, {reached} of {pairs} pairs are left.
"""
HOW = """## What it does not say

- One family of small nets, one task, full gradients.
- One kind of directions: random, normalised by filter with three references, none for the vectors.
  Three references disagree already; by layer, or not normalised, nothing was measured.
- A net matched at the loss of its twin is on its way, not at rest: its own gradient counts against
  it. Which of the two that is, the table of losses says.
- One radius: 100 % of each row. The nearer to a minimum, the more convex a slice looks.
- The numbers are those of one machine: tanh and L-BFGS round differently elsewhere, and a path of
  500 iterations does not forget it. The intervals are what to compare.

## How to measure it

```sh
pip install -e .[test]
python docs/landscapes.py
python docs/landscapes.py --figures
```
"""


def page(found: Records) -> str:
    """Return the page of what was measured."""
    null, tanh = found["null"], found["tanh"]
    apart = max(row["apart"] for row in null if "apart" in row)
    common = [row for row in tanh if row["matched"] == "common"]
    measures = [
        *(metric_table(found, metric) for metric in METRICS),
        SLOPES,
        slope_table(found),
        COMMON_LOSS.format(
            common=COMMON, reached=sum("plain" in row for row in common), pairs=len(common)
        ),
        *(metric_table(found, metric, "common") for metric in OF_SLICES),
    ]
    intervals = len(INTERVAL.findall("".join(measures)))
    return "\n".join([
        HEAD.format(finding=finding(found)),
        "## In short\n",
        *in_short(found),
        NULL,
        table(
            ("depth", "net", "ratio", "negative mass", "slice curvature", "midpoint", "star",
             "largest loss"),
            [
                (row["depth"], row["variant"], *(
                    f"{row[k]:.3f}" for k in ("ratio", "mass", "curvature", "midpoint", "star")
                ), f"{row['top']:.3g}")
                for row in null
            ],
        ),
        SAME.format(apart=f"{apart:.0e}"),
        SYMMETRIES,
        table(
            ("change", "by filter", "by layer", "none"),
            [
                (row["change"], *(
                    f"{row[k]:.2g}" if row[k] else "0" for k in ("filter", "layer", "none")
                ))
                for row in found["invariances"]
            ],
        ),
        SYMMETRIES_END,
        TANH.format(
            seeds=len(SEEDS), depths=", ".join(map(str, DEPTHS)), iterations=ITERATIONS,
            slices=SLICES, chords=CHORDS, side=SIDE,
            intervals=intervals, missed=round(intervals / 20),
        ),
        "![Violations against depth](figures/landscape-depth.png)\n",
        levels(found),
        *measures,
        HOW,
    ])


def finding(found: Records) -> str:
    """Return what was found in a few words; it fails where these are not so."""
    signs = {
        m: {gap(found, m, d, v).sign for d in DEPTHS for v in NORMALISATIONS} for m in METRICS
    }
    less = [m for m in METRICS if signs[m] == {1}]
    grows = [m for m in less if {slope(found, m, v).sign for v in NORMALISATIONS} == {1}]
    rest = [m for m in METRICS if m not in less]
    tops = {(row["depth"], row["variant"]): row["top"] for row in found["null"]}
    assert all(row.get("apart", 0) < 1e-12 for row in found["null"])
    assert all(tops[d, "skip, by W"] < tops[d, "plain, by W"] / 2 for d, _ in tops)
    assert all(len(signs[m]) > 1 for m in rest)
    said = FINDING.format(
        many=COUNTS[len(less)], all=COUNTS[len(METRICS)],
        less=listed([METRICS[m][0] for m in less]), grows=listed([METRICS[m][0] for m in grows]),
        rest=listed([METRICS[m][0] for m in rest]),
    )
    return fill(said, 100)


def in_short(found: Records) -> list[str]:
    """Return the summary, each sentence from the numbers."""
    last = DEPTHS[-1]
    lines = [
        (
            "In linear nets the effect of skip connections on a slice is that of the normaliser, "
            "and nothing else. In these tanh nets something is left; what, depends on the measure. "
            "Measured were random directions by filter, none for vectors, of radius 1, with three "
            "references: W, I + W and the plain net's W. *Less*, *more*, *grows* and *shrinks* are "
            "said where the interval excludes 0, *open* where it holds 0.\n"
        ),
        "At the loss of each pair, with skips:\n",
    ]
    for metric, (name, _) in METRICS.items():
        plain, *skips = (np.mean(column(found, v, metric, last, "pair")) for v in VARIANTS)
        means = (f"{m:.3f} by {n}" for m, n in zip(skips, NORMALISATIONS.values(), strict=True))
        lines.append(
            f"- **{name.capitalize()}**: {verdict(found, metric, 'pair')}. "
            f"At depth {last}: plain {plain:.3f}, skip {', '.join(means)}. "
            f"Plain - skip over depth: {growth(found, metric)}."
        )
    lines.append(f"\nAt a common loss of {COMMON}, with skips:\n")
    lines += [
        f"- **{METRICS[m][0].capitalize()}**: {verdict(found, m, 'common')}." for m in OF_SLICES
    ]
    rest = min(
        float(np.mean(column(found, v, "midpoint", d, "pair"))) for v in NORMALISATIONS
        for d in DEPTHS
    )
    if rest > 0:
        lines.append(
            "\nWith skips the loss is not convex either: at every depth chords violate it, on "
            f"average {rest:.1%} of them or more.\n"
        )
    return lines


def verdict(found: Records, metric: str, matched: str) -> str:
    """Return at which depths skips make it less or more, and where the normalisations disagree."""
    depths: dict[tuple[int, ...], list[str]] = {}
    for depth in DEPTHS:
        signs = tuple(gap(found, metric, depth, v, matched).sign for v in NORMALISATIONS)
        depths.setdefault(signs, []).append(str(depth))
    whole = len(depths) == 1
    return "; ".join(
        ("at every depth: " if whole else f"at depth {listed(where)}: ")
        + agreement(signs, {1: "less", -1: "more", 0: "open"})
        for signs, where in depths.items()
    )


def growth(found: Records, metric: str) -> str:
    """Return how the difference goes with depth."""
    signs = tuple(slope(found, metric, v).sign for v in NORMALISATIONS)
    return agreement(signs, {1: "grows", -1: "shrinks", 0: "open"})


def agreement(signs: Sequence[int], words: Mapping[int, str]) -> str:
    """Return what the three normalisations say, and that they disagree if they do."""
    if len(set(signs)) == 1:
        return f"{words[signs[0]]} by all three"
    by: dict[int, list[str]] = {}
    for name, found in zip(NORMALISATIONS.values(), signs, strict=True):
        by.setdefault(found, []).append(name)
    said = (f"{word} by {listed(by[which])}" for which, word in words.items() if which in by)
    return f"the three disagree, {', '.join(said)}"


def listed(names: Sequence[str]) -> str:
    """Return names as they are said."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:]))) or "none of them"


def levels(found: Records) -> str:
    """Return the losses at which pairs were compared."""
    rows = []
    for depth in DEPTHS:
        pairs = [r for r in found["tanh"] if r["depth"] == depth and r["matched"] == "pair"]
        level = [r["level"] for r in pairs]
        plain, skip = (np.median([r["ends"][i] for r in pairs]) for i in (0, 1))
        worse = sum(r["ends"][0] > r["ends"][1] for r in pairs)
        rows.append((
            depth, f"{plain:.2g}", f"{skip:.2g}", f"{worse} of {len(pairs)}",
            f"{min(level):.2g} to {max(level):.2g}",
        ))
    return table(
        ("depth", "plain ends at (median)", "skip ends at (median)", "plain is the worse",
         "losses matched at"), rows,
    )


def metric_table(found: Records, metric: str, matched: str = "pair") -> str:
    """Return a metric over depths."""
    rows = []
    for depth in DEPTHS:
        plain, *skips = columns = [column(found, v, metric, depth, matched) for v in VARIANTS]
        rows.append((
            depth, len(plain), *(f"{c.mean():.3f}" for c in columns),
            *(f"{gap(found, metric, depth, v, matched):.3f}" for v in NORMALISATIONS),
            ", ".join(str(int(np.sum(plain > c))) for c in skips),
        ))
    head = (
        "depth", "pairs", *VARIANTS.values(),
        *(f"plain - skip by {name}" for name in NORMALISATIONS.values()),
        "pairs where plain has more, by each",
    )
    name, what = METRICS[metric]
    level = "####" if matched == "common" else "###"
    return f"{level} {name.capitalize()}: {what}\n\n" + table(head, rows)


def slope_table(found: Records) -> str:
    """Return the slopes of all differences over depth."""
    rows = [
        (name, *(f"{slope(found, metric, v):.4f}" for v in NORMALISATIONS))
        for metric, (name, _) in METRICS.items()
    ]
    return table(("measure", *(f"skip by {name}" for name in NORMALISATIONS.values())), rows)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


# --- figures ------------------------------------------------------------------------------------


def figures(found: Records) -> None:
    """Draw what was measured, and one pair of nets."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    from paratrooper_ref import plots

    with mpl.rc_context(plots.STYLE):
        figure, several = plt.subplots(1, 3, figsize=(10, 3.9), layout="constrained")
        for ax, metric in zip(several, ("star", "midpoint", "ratio"), strict=True):
            plots.against_depth(
                DEPTHS,
                {
                    name: [interval(column(found, v, metric, d, "pair"))[:3] for d in DEPTHS]
                    for v, name in VARIANTS.items()
                },
                ax,
            )
            ax.set_title(METRICS[metric][0])
        several[0].set_ylabel("mean over slices")
        handles = several[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=len(VARIANTS))
        figure.savefig(FIGURES / "landscape-depth.png")

        plain, skip = (problems.linear_net(depth=4, skip=kind) for kind in ("none", "layer"))
        beside("landscape-null.png", (plain, plain.minimizers[0]), (skip, skip.minimizers[0]))
        runs = pair(8, 0)
        level = max(float(run.losses.min()) for run in runs)
        centers = [run.at(level) for run in runs]
        beside("landscape-slices.png", *zip((run.problem for run in runs), centers, strict=True))


def beside(name: str, plain: tuple[Problem, Any], skip: tuple[Problem, Any]) -> None:
    """Draw a slice of a plain net and two of its twin, on one scale."""
    import matplotlib.pyplot as plt

    from paratrooper_ref import plots

    slices = {}
    for title, (problem, center), reference in (
        ("plain, by W", plain, None),
        ("skip, by W", skip, None),
        ("skip, by I + W", skip, identity_added(skip[1])),
    ):
        directions = random_directions(problem, center, reference=reference)
        slices[title] = cut(problem, center, directions, points=81)
    limits = (
        min(float(s.losses.min()) for s in slices.values()),
        max(float(s.losses.max()) for s in slices.values()),
    )
    figure, several = plt.subplots(1, 3, figsize=(10, 3.5), sharey=True, layout="constrained")
    for ax, (title, plane) in zip(several, slices.items(), strict=True):
        plots.slice_map(plane, ax, limits=limits, bar=ax is several[-1])
        ax.set(title=title, ylabel=ax.get_ylabel() * (ax is several[0]))
    figure.savefig(FIGURES / name)


# --- the command --------------------------------------------------------------------------------


def measure() -> Records:
    """Return all measurements."""
    asked = [(depth, seed) for depth in DEPTHS for seed in SEEDS]
    whole = sum(depth**2 for depth, _ in asked)  # what a pair costs grows so
    rows, done = [], 0
    with Bar("measuring") as bar:
        for depth, seed in asked:
            bar(done, whole)
            rows += measured(depth, seed)
            done += depth**2
    return {"null": null_rows(), "invariances": invariances(), "tanh": rows}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write, or compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--check", action="store_true", help="compare the page, measure nothing")
    which.add_argument("--page", action="store_true", help="write the page, measure nothing")
    which.add_argument("--figures", action="store_true", help="draw the figures")
    asked = parser.parse_args(arguments)
    if not (asked.check or asked.page or asked.figures):
        with replacing(DATA) as file:
            file.write((json.dumps(measure(), indent=1) + "\n").encode())
    found = json.loads(DATA.read_text("utf-8"))
    if asked.figures:
        figures(found)
        return 0
    make = "python docs/landscapes.py --page"
    return published(PAGE, page(found), check=asked.check, make=make)


if __name__ == "__main__":
    sys.exit(main())
