"""How close a backend comes to its bounds, and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np

from paratrooper_ref.lines import TAGS
from paratrooper_ref.plots.style import INK, axes, shades

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from paratrooper_ref.conformance.report import Report
    from paratrooper_ref.optimizers.state import Array

# From below the bound, which is white, to beyond it.
HEAT: Final = ("#08306b", "#3d7ab5", "#a9cbe2", "#ffffff", "#f7c58a", "#d9730d", "#6b2d00")
DECADES: Final = 3  # of error over bound, shown on either side of the bound
CELLS: Final = 12  # columns in which the numbers themselves are written
COLUMNS, LINES = 16, 24  # labels that fit
Rows = Literal["line", "layer", "case"]


class Margins(NamedTuple):
    """The largest error over bound by row and step: 1 is the bound, NaN was not looked at."""

    rows: tuple[str, ...]
    steps: tuple[int, ...]
    shares: Array


def margins(
    report: Report | Mapping[str, Any],
    ax: Axes | None = None,
    *,
    rows: Rows = "line",
    only: str = "*",
) -> Axes:
    """Draw the largest error over bound of a conformance report by step and line, as heat.

    White is the bound itself; blue is below it, orange beyond it, black beyond all number.
    Steps follow one another as they were taken, not to scale; grey was not looked at.

    Parameters
    ----------
    report : Report, or what its ``to_json`` returns
    rows : {"line", "layer", "case"}
        What a row is: a line, a line of a layer, or a case.
    only : str
        A pattern of the names of cases.

    Raises
    ------
    ValueError
        If there is nothing measured in the cases asked for, or the report is not whole.
    """
    found = table(report, rows=rows, only=only)
    title = _title(report)
    ax = axes(ax)
    with np.errstate(divide="ignore"):  # no error at all
        height = np.clip(np.log10(found.shares), -DECADES, DECADES)
    heat = shades(*HEAT).with_extremes(over="black", bad="#dddddd")
    height = np.where(np.isinf(found.shares), np.inf, height)
    image = ax.imshow(
        height, cmap=heat, vmin=-DECADES, vmax=DECADES, aspect="auto", interpolation="nearest"
    )
    bar = ax.figure.colorbar(image, ax=ax, ticks=range(-DECADES, DECADES + 1))
    ends = {-DECADES: r"\leq ", DECADES: r"\geq "}
    bar.ax.set_yticklabels(
        [f"${ends.get(k, '')}10^{{{k}}}$" if k else "bound" for k in range(-DECADES, DECADES + 1)]
    )
    bar.set_label("error / bound")
    if len(found.steps) <= CELLS:
        for (i, j), share in np.ndenumerate(found.shares):
            if not np.isnan(share):
                dark = abs(height[i, j]) > DECADES / 2
                ax.text(
                    j, i, f"{share:.2g}", ha="center", va="center", fontsize="small",
                    color="white" if dark else INK,
                )
    columns, lines = _some(len(found.steps), COLUMNS), _some(len(found.rows), LINES)
    ax.set_xticks(columns, [str(found.steps[i]) for i in columns], rotation=60)
    ax.set_yticks(lines, [_symbol(found.rows[i]) for i in lines])
    if len(lines) > LINES / 2:
        ax.tick_params(axis="y", labelsize="small")
    ax.set_xlabel("step")
    ax.set_title(title)
    return ax


def table(
    report: Report | Mapping[str, Any], *, rows: Rows = "line", only: str = "*"
) -> Margins:
    """Return the largest error over bound of a report, by row and step.

    Raises
    ------
    ValueError
        If there is nothing measured in the cases asked for, or the report is not whole.
    """
    if rows not in ("line", "layer", "case"):
        msg = f"margins needs rows 'line', 'layer' or 'case', got rows={rows!r}"
        raise ValueError(msg)
    cells: dict[tuple[str, int], float] = {}
    for case, t, layer, tag, share in _shares(report):
        if fnmatchcase(case, only):
            row = {"line": tag, "layer": f"{tag} of {layer}", "case": case}[rows]
            cells[row, t] = max(cells.get((row, t), 0.0), np.inf if np.isnan(share) else share)
    if not cells:
        msg = f"margins needs measured steps, got none in the cases {only!r} of this report"
        raise ValueError(msg)
    order = {tag: i for i, tag in enumerate(TAGS)}
    names = list(dict.fromkeys(row for row, _ in cells))
    if rows != "case":
        names.sort(key=lambda row: order.get(row.partition(" ")[0], len(order)))
    steps = sorted({t for _, t in cells})
    shares = np.array([[cells.get((row, t), np.nan) for t in steps] for row in names])
    return Margins(tuple(names), tuple(steps), shares)


def _shares(report: Report | Mapping[str, Any]) -> Iterator[tuple[str, int, str, str, float]]:
    """Yield case, step, layer, line and error over bound of all that a report has measured."""
    if not isinstance(report, Mapping):
        for result in report.results:
            for share in result.all_shares:
                yield result.case, share.t, share.layer, share.tag, share.share
        return
    with _whole():
        for row in report["results"]:
            for share in (*row["shares"], *row["alone"]):
                where = str(row["case"]), int(share["t"]), str(share["layer"]), str(share["tag"])
                yield *where, float(share["share"])


def _title(report: Report | Mapping[str, Any]) -> str:
    about = report if isinstance(report, Mapping) else vars(report)
    with _whole():
        return f"{about['backend']}: {about['algorithm']}"


@contextmanager
def _whole() -> Iterator[None]:
    """Say of a report that was damaged what it lacks."""
    try:
        yield
    except KeyError as error:
        msg = f"margins needs a whole report, got one without {error}; save it again"
        raise ValueError(msg) from error
    except (TypeError, ValueError, OverflowError) as error:
        msg = f"margins needs a whole report, got one that is damaged ({error}); save it again"
        raise ValueError(msg) from error


def _some(count: int, most: int) -> list[int]:
    """Return so many places of so many, evenly spaced, the first and the last among them."""
    return sorted({round(x) for x in np.linspace(0, count - 1, min(count, most))})


def _symbol(row: str) -> str:
    tag, of, layer = row.partition(" of ")
    return f"${TAGS[tag].tex}${of}{layer}" if tag in TAGS else row
