"""Animations show each run where it was at that step, and are written whole or not at all."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.animation import FFMpegWriter
from PIL import Image

import paratrooper_ref as pr
import problems
from paratrooper_ref import plots

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def runs() -> dict[str, pr.Trajectory]:
    """Return two short runs, one recorded at every third step alone."""
    problem = problems.booth()
    return {
        "sgd": pr.run(pr.SGD(lr=0.05), problem, 12, every=3),
        "paratrooper": pr.run(pr.Paratrooper(lr=0.1), problem, 6),
    }


def test_a_gif_has_the_frames_that_were_asked_for(
    runs: dict[str, pr.Trajectory], tmp_path: Path
) -> None:
    """Evenly spaced in the steps, and in the file."""
    _, ax = plt.subplots(figsize=(3, 2))
    animation = plots.animate(runs, ax, frames=5)

    film = plots.save_animation(animation, tmp_path / "x.gif", dpi=40)

    with Image.open(film) as picture:
        assert (picture.format, getattr(picture, "n_frames", 0)) == ("GIF", 5)
        assert picture.size == (120, 80)
    assert ax.get_title(loc="left") or ax.get_title() == "booth, step 12"
    assert [p.name for p in tmp_path.iterdir()] == ["x.gif"]


def test_each_frame_shows_every_run_at_its_step(runs: dict[str, pr.Trajectory]) -> None:
    """What is recorded up to then; a run that has ended stays where it is."""
    _, ax = plt.subplots()
    animation = plots.animate(runs, ax, frames=13)
    trails = {line.get_label(): line for line in ax.lines}
    heads = [line for line in ax.lines if line.get_marker() == "o" and line.get_zorder() == 8]

    frames: list[Any] = list(animation.new_frame_seq())
    assert frames == list(range(13))
    for t in frames:
        animation._draw_frame(t)  # type: ignore[attr-defined]
        sgd, ours = runs["sgd"].params["x"], runs["paratrooper"].params["x"]
        shown = np.asarray(trails["SGD"].get_xydata())
        np.testing.assert_array_equal(shown, sgd[: t // 3 + 1])
        shown = np.asarray(trails["Paratrooper"].get_xydata())
        np.testing.assert_array_equal(shown, ours[: min(t, 6) + 1])
        np.testing.assert_array_equal(heads[1].get_xydata(), shown[-1:])
        assert ax.get_title() == f"booth, step {t}" or ax.get_title(loc="left")


def test_a_run_that_diverged_ends_in_a_cross() -> None:
    """And only once it has."""
    problem = problems.himmelblau()
    with pytest.warns(RuntimeWarning, match="ended early"):
        lost = pr.run(pr.SGD(lr=0.05), problem, 40)
    other = pr.run(pr.Adam(lr=0.1), problem, 40)
    _, ax = plt.subplots()
    animation = plots.animate({"sgd": lost, "adam": other}, ax, frames=41)
    head = next(line for line in ax.lines if line.get_zorder() == 8)

    markers = []
    for t in (0, 1, 40):
        animation._draw_frame(t)  # type: ignore[attr-defined]
        markers.append(head.get_marker())

    assert markers == ["o", "o", "X"]


def test_an_mp4_goes_through_ffmpeg(
    runs: dict[str, pr.Trajectory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in receives every pixel of every frame, and what it writes is what is kept."""
    stand_in = tmp_path / "ffmpeg"
    stand_in.write_text(
        f"#!{sys.executable}\nimport sys\n"
        "open(sys.argv[-1], 'w').write(f'film of {len(sys.stdin.buffer.read())} bytes')\n"
    )
    stand_in.chmod(0o755)
    monkeypatch.setitem(mpl.rcParams, "animation.ffmpeg_path", str(stand_in))
    _, ax = plt.subplots(figsize=(3, 2))

    film = plots.save_animation(plots.animate(runs, ax, frames=4), tmp_path / "x.mp4", dpi=40)

    assert film.read_text() == f"film of {4 * 120 * 80 * 4} bytes"


def test_what_cannot_be_animated_or_written_is_named(
    runs: dict[str, pr.Trajectory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No ffmpeg, no film's name, no folder, two problems, a batch; and nothing is left behind."""
    animation = plots.animate(runs, frames=2)
    monkeypatch.setattr(FFMpegWriter, "isAvailable", classmethod(lambda _: False))

    with pytest.raises(ValueError, match=r"needs ffmpeg.* got x\.mp4; install it, or write x\.gif"):
        plots.save_animation(animation, tmp_path / "x.mp4")
    with pytest.raises(ValueError, match=r"ends in \.gif or \.mp4, got x\.png"):
        plots.save_animation(animation, tmp_path / "x.png")
    with pytest.raises(FileNotFoundError, match=r"a folder is needed for x\.gif"):
        plots.save_animation(animation, tmp_path / "none" / "x.gif")
    assert list(tmp_path.iterdir()) == []
    mixed = runs | {"adam": pr.run(pr.Adam(), problems.matyas(), 2)}
    with pytest.raises(ValueError, match="animate needs runs of one problem"):
        plots.animate(mixed)
    batch = pr.run(pr.Adam(), problems.booth(), 2, start={"x": np.ones((3, 2))})
    with pytest.raises(ValueError, match="animate needs a single trajectory"):
        plots.animate({"adam": batch})
    with pytest.raises(ValueError, match="two parameters and a domain"):
        plots.animate({"adam": pr.run(pr.Adam(), problems.diabetes(), 2)})
