"""Heat maps of error over bound show the numbers of the report."""

from collections.abc import Callable, Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from paratrooper_ref import plots
from paratrooper_ref.conformance import ReferenceBackend, Report, Result, Share, check
from paratrooper_ref.plots.heat import table

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def report() -> Report:
    """Return a report of honest float32."""
    return check(ReferenceBackend("float32"), "adamw", only="adamw/[a-f]*")


def shares(report: Report) -> list[tuple[str, Share]]:
    return [(r.case, share) for r in report.results for share in r.shares]


def test_each_cell_is_the_largest_error_over_bound_of_its_step(report: Report) -> None:
    """By line, by line of a layer and by case; what was not looked at is empty."""
    names: dict[str, Callable[[str, Share], str]] = {
        "line": lambda case, s: s.tag,
        "layer": lambda case, s: f"{s.tag} of {s.layer}",
        "case": lambda case, s: case,
    }
    for rows, name in names.items():
        found = table(report, rows=rows)  # type: ignore[arg-type]
        for i, row in enumerate(found.rows):
            for j, t in enumerate(found.steps):
                of_cell = [s.share for c, s in shares(report) if name(c, s) == row and s.t == t]
                cell = found.shares[i, j]
                assert cell == max(of_cell) if of_cell else np.isnan(cell)
        assert {(name(c, s), s.t) for c, s in shares(report)} == {
            (row, t)
            for i, row in enumerate(found.rows)
            for j, t in enumerate(found.steps)
            if not np.isnan(found.shares[i, j])
        }


def test_a_saved_report_gives_the_same_picture(report: Report) -> None:
    """Its JSON holds the same shares."""
    kept = table(report.to_json(), rows="case")

    np.testing.assert_array_equal(kept.shares, table(report, rows="case").shares)
    assert kept.rows == table(report, rows="case").rows


def test_the_heat_is_the_logarithm_and_the_bound_is_its_middle(report: Report) -> None:
    """Where all conforms no cell is beyond the middle; few columns have their numbers written."""
    ax = plots.margins(report)

    (image,) = ax.get_images()
    wanted = table(report).shares
    np.testing.assert_allclose(
        np.asarray(image.get_array()), np.clip(np.log10(wanted), -3, 3), rtol=1e-14
    )
    assert image.get_clim() == (-3, 3)
    assert np.nanmax(wanted) < 1
    assert f"{wanted[0, 0]:.2g}" in [text.get_text() for text in ax.texts]
    assert [label.get_text() for label in ax.get_yticklabels()] == [r"$m$", r"$v$", r"$\theta$"]


def test_what_is_wrong_stands_beyond_the_bound() -> None:
    """Swapped betas; and a number that is none is beyond all number."""
    wrong = check(ReferenceBackend("float32", variant="adamw.betas_swapped"), "adamw",
                  only="adamw/plain-*")
    assert np.nanmin(table(wrong).shares[0]) > 1e3
    none = Result(
        case="a/b", verdict="departs",
        shares=(Share(t=1, layer="w", tag="m", share=float("nan")),
                Share(t=2, layer="w", tag="m", share=0.0)),
    )
    report = Report(
        backend="x", algorithm="adam", tier="core", corpus="1", digest="0", total=1,
        profile=ReferenceBackend().profile, results=[none],
    )

    (image,) = plots.margins(report).get_images()

    assert np.asarray(image.get_array()).tolist() == [[np.inf, -3.0]]
    with pytest.raises(ValueError, match="got none in the cases 'c/\\*' of this report"):
        plots.margins(report, only="c/*")
    with pytest.raises(ValueError, match="got rows='step'"):
        plots.margins(report, rows="step")  # type: ignore[arg-type]
