"""The claims as they were measured: losses with intervals, cuts, differences over the rates.

Everything is drawn from the plain data that ``paratrooper-ref claims --json`` prints.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from paratrooper_ref.plots.style import DASHED, INK, Look, axes, look, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# An ordinal quantity, such as h, from light to dark; told apart by markers as well.
SHADES: Final = ("#e69f00", "#d55e00", "#8a4fa3", "#1c2f6e")
EPOCHS_NAMED: Final = {"rangerlars": (60,), "speed": (25, 120), "paratrooper": (25,)}
MARKERS: Final = ("o", "s", "D", "^")
VERDICTS: Final = {  # two hues that every eye tells apart, and two greys
    "holds": ("#0072b2", "holds (+)"),
    "undecided": ("#c9c9c9", "undecided"),
    "fails": ("#e69f00", "the opposite was seen"),
    "unmeasured": ("#f0f0f0", "nothing to compare"),
}
UNITS: Final = {"decades": "decades", "share": "a share of 1"}


def claim_look(arm: str) -> Look:
    """Return how an arm is drawn: as its optimizer is, lo = 0 dashed."""
    found = look(arm)
    name, _, rest = arm.partition("(")
    base = look(name).label
    if rest == "radamw)":
        return found._replace(label="Lookahead(RAdamW)")
    if rest.startswith("lo="):
        label = f"{base}, lo = {rest[3]}"
        return found._replace(label=label, dashes=DASHED if rest[3] == "0" else "-")
    return found._replace(label=base)


def claim_curves(curves: Sequence[Mapping[str, Any]], ax: Axes | None = None) -> Axes:
    """Draw the loss above the minimum over the epochs, its geometric mean and 95 % interval.

    Parameters
    ----------
    curves : sequence of mapping
        Of one problem, from a claim's ``curves``.
    ax : Axes, optional
    """
    ax = axes(ax)
    for curve in curves:
        style = claim_look(curve["arm"])
        epochs = np.array(curve["epochs"])
        mean, low, high = (10 ** np.array(curve[key]) for key in ("mean", "low", "high"))
        ax.fill_between(epochs, low, high, color=style.color, alpha=0.22, lw=0)
        label = f"{style.label}, rate {curve['rate']:g}" if curve["best"] else style.label
        ax.plot(
            epochs, mean, color=style.color, ls=style.dashes, lw=style.width, label=label,
            zorder=3 + (style.width > 2),
        )
    ax.set(yscale="log", xlabel="epoch")
    ax.grid(True, which="major", lw=0.7)
    ax.margins(x=0)
    return ax


def claim_cuts(curves: Sequence[Mapping[str, Any]], ax: Axes | None = None) -> Axes:
    """Draw the loss around the cuts of the rate, as a multiple of what it was before them.

    Parameters
    ----------
    curves : sequence of mapping
        Of one problem, from the ``curves`` of the claim about plateaus; epoch 0 is the last
        before a cut.
    ax : Axes, optional
    """
    ax = axes(ax)
    claim_curves(curves, ax)
    ax.axvline(0, color=INK, lw=1.1, ls=DASHED)
    ax.axhline(1, color="#888888", lw=0.9)
    ax.set(xlabel="epochs after a cut of the rate", xticks=range(-4, 11, 2))
    return ax


def claim_differences(
    comparisons: Sequence[Mapping[str, Any]], problem: str, ax: Axes | None = None
) -> Axes:
    """Draw differences over learning rates, floors or depths, with intervals; below 0 is claimed.

    Parameters
    ----------
    comparisons : sequence of mapping
        Of a claim's ``comparisons``, at most four.
    problem : str
    ax : Axes, optional

    Raises
    ------
    ValueError
        If there is no comparison, or more than four.
    """
    if not 0 < len(comparisons) <= len(SHADES):
        msg = f"claim_differences needs one to four comparisons, got {len(comparisons)}"
        raise ValueError(msg)
    ax = axes(ax)
    axis, unit = comparisons[0]["axis"], comparisons[0]["unit"]
    linear = axis == "depth"
    for i, comparison in enumerate(comparisons):
        rows = [
            row for row in comparison["rows"]
            if row["problem"] == problem and not row["best"] and row["difference"] is not None
        ]
        at = np.array([row["at"] for row in rows])
        y = np.array([row["difference"] for row in rows])
        below, above = (np.array([row[key] for row in rows]) for key in ("low", "high"))
        # So that intervals do not overlap; numbers that have none stay where they are.
        beside = (i - (len(comparisons) - 1) / 2) * bool((below < above).any())
        ax.errorbar(
            at + 0.12 * beside if linear else at * (1 + 0.06 * beside), y,
            yerr=[y - below, above - y],
            color=SHADES[i], marker=MARKERS[i], ms=5, lw=1.4, capsize=2.5,
            label=comparison["says"],
        )
    ax.axhline(0, color=INK, lw=1.1, ls=DASHED)
    ax.set(xscale="linear" if linear else "log", xlabel=axis, title=problem)
    if linear:
        ax.set_xticks(sorted({row["at"] for each in comparisons for row in each["rows"]}))
    ax.set_ylabel(f"difference, {UNITS[unit]}\n(below 0: as claimed)")
    ax.grid(True, which="major", lw=0.7)
    return ax


def claim_verdicts(found: Mapping[str, Any], ax: Axes | None = None) -> Axes:
    """Draw every verdict on arms: a row for each part of a claim, a block for each problem.

    Within a block the learning rates rise from left to right, and the last cell, set apart, is
    that of each arm at its best.

    Parameters
    ----------
    found : mapping
        What ``paratrooper-ref claims --json`` prints.
    ax : Axes, optional

    Raises
    ------
    ValueError
        If no claim in it compares arms.
    """
    from matplotlib.patches import Patch

    ax = axes(ax)
    parts = [
        (claim["label"], comparison)
        for claim in found["claims"] if claim["best"] for comparison in claim["comparisons"]
    ]
    if not parts:
        msg = "claim_verdicts needs a claim that compares optimizers, got none"
        raise ValueError(msg)
    problems = list(dict.fromkeys(row["problem"] for _, part in parts for row in part["rows"]))
    wide = len(found["rates"]) + 2  # a gap, then each at its best
    for y, (_, part) in enumerate(parts):
        for row in part["rows"]:
            i = wide - 1.6 if row["best"] else found["rates"].index(row["at"])
            x = problems.index(row["problem"]) * (wide + 0.4) + i
            ax.bar(
                x, 0.86, bottom=y - 0.43, width=0.9, color=VERDICTS[row["verdict"]][0], lw=0,
            )
            if row["verdict"] == "holds":  # told from the others without its colour
                ax.plot(x, y, "+", color="white", ms=4.5, mew=1.2)
    starts = [k * (wide + 0.4) for k in range(len(problems))]
    ax.set_xticks([start + (wide - 2) / 2 for start in starts], problems)
    ax.set_xlabel(
        "in each block: learning rates from "
        f"{min(found['rates']):g} to {max(found['rates']):g}, then each optimizer at its best"
    )
    kept = [  # what belongs together stays on a line
        f"{part['says']}\N{NBSP}\N{NBSP}{label}".replace(" = ", "\N{NBSP}=\N{NBSP}")
        for label, part in parts
    ]
    ax.set_yticks(range(len(parts)), [textwrap.fill(name, 46) for name in kept])
    ax.set(xlim=(-0.8, starts[-1] + wide), ylim=(len(parts) - 0.4, -0.6))
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.legend(
        handles=[Patch(color=color, label=label) for color, label in VERDICTS.values()],
        loc="upper center", bbox_to_anchor=(0.5, -0.03), ncols=len(VERDICTS), frameon=False,
    )
    return ax


def claim_figure(claim: Mapping[str, Any]) -> Figure:
    """Return the figure of one claim: a panel for each problem, or two, at equal rates above.

    Parameters
    ----------
    claim : mapping
        One of ``claims`` in what ``paratrooper-ref claims --json`` prints.

    Raises
    ------
    ValueError
        If the claim has nothing to draw.
    """
    import matplotlib.pyplot as plt

    if not claim["comparisons"]:
        msg = f"claim_figure needs a claim that was measured, got {claim['name']!r}"
        raise ValueError(msg)
    problems = list(claim["best"])
    if not problems:
        return _without_runs(claim)
    kinds = sorted({curve["best"] for curve in claim["curves"]}) or [True]
    wide = min(len(problems), 3)
    blocks = [problems[i : i + wide] for i in range(0, len(problems), wide)]
    rows = [(block, at_best) for block in blocks for at_best in kinds]
    with styled():
        figure: Figure
        figure, grid = plt.subplots(
            len(rows), wide, squeeze=False, layout="constrained",
            figsize=(max(3.3 * wide, 7.5), 0.9 + 2.9 * len(rows)),
        )
        for panels, (block, at_best) in zip(grid, rows, strict=True):
            for ax in panels[len(block) :]:
                ax.set_axis_off()
            for problem, ax in zip(block, panels, strict=False):
                _panel(claim, problem, ax, at_best=at_best)
                ax.set_title(problem if at_best == kinds[0] else "")
                if problem != block[0]:
                    ax.set_ylabel("")
        found = [ax.get_legend_handles_labels() for ax in grid.flat]
        handles, labels = max(found, key=lambda pair: len(pair[0]))
        named = dict(zip((text.partition(", rate")[0] for text in labels), handles, strict=True))
        columns = 1 if max(map(len, named)) > 30 else 4
        figure.legend(
            named.values(), named, loc="outside lower center", ncols=min(len(named), columns)
        )
    return figure


def _without_runs(claim: Mapping[str, Any]) -> Figure:
    """Return the figure of a claim about no training run: a panel for each of its numbers."""
    import matplotlib.pyplot as plt

    panels: dict[str, list[Mapping[str, Any]]] = {}
    for comparison in claim["comparisons"]:
        panels.setdefault(comparison["by"], []).append(comparison)
    with styled():
        figure: Figure
        figure, grid = plt.subplots(
            1, len(panels), squeeze=False, layout="constrained",
            figsize=(max(4.2 * len(panels), 7.5), 3.6 + 0.3 * len(panels)),
        )
        for (by, comparisons), ax in zip(panels.items(), grid.flat, strict=True):
            claim_differences(comparisons, comparisons[0]["rows"][0]["problem"], ax)
            ax.set_title(textwrap.fill(by, 36 if len(panels) > 1 else 80), fontsize="medium")
            ax.set_ylabel("" if ax is not grid.flat[0] else ax.get_ylabel())
        handles, labels = grid.flat[0].get_legend_handles_labels()
        labels = [text.partition(", normalised ")[2] or text for text in labels]
        figure.legend(handles, labels, loc="outside lower center")
    return figure


def _panel(claim: Mapping[str, Any], problem: str, ax: Axes, *, at_best: bool) -> None:
    """Draw what there is of a claim on one problem."""
    curves = [c for c in claim["curves"] if c["problem"] == problem and c["best"] == at_best]
    if not claim["curves"]:
        claim_differences(claim["comparisons"], problem, ax)
    elif min(claim["curves"][0]["epochs"]) < 0:
        claim_cuts(curves, ax)
        ax.set_ylabel("loss above the minimum,\nas a multiple of before")
    else:
        claim_curves(curves, ax)
        for epoch in EPOCHS_NAMED.get(claim["name"], ()):
            ax.axvline(epoch, color="#888888", lw=0.9, ls=DASHED, zorder=1)
        best = "each at its best rate" if len(claim["comparisons"]) == 1 else "each at its best end"
        at = best if at_best else f"all at rate {curves[0]['rate']:g}"
        ax.set_ylabel(f"loss above the minimum,\n{at}")
    if at_best and curves:
        rates = [f"{curve['rate']:g}" for curve in curves]
        ax.legend(ax.lines[: len(rates)], rates, title="rate", fontsize=8.5, title_fontsize=8.5)
