"""Runs in motion: one optimizer or several on a contour, as a GIF or an MP4."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from paratrooper_ref.files import replacing
from paratrooper_ref.plots.planes import contour, walk
from paratrooper_ref.plots.style import INK, key, look

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    from paratrooper_ref.optimizers.state import Array
    from paratrooper_ref.trajectory import Trajectory

FILMS: Final = (".gif", ".mp4")


def animate(
    trajectories: Mapping[str, Trajectory], ax: Axes | None = None, *, frames: int = 100
) -> FuncAnimation:
    """Return an animation of runs on the plane of their problem, all at the same step.

    Keep it for as long as it is to play; `save_animation` writes it to a file, and in a notebook
    ``HTML(animation.to_jshtml())`` shows it.  A run that has diverged ends in a cross.

    Parameters
    ----------
    trajectories : mapping of str to Trajectory
        By the name to show; runs of one problem with two parameters, which they have recorded.
    ax : Axes, optional
        Where to draw.
    frames : int
        How many pictures at most, >= 1; evenly spaced in the steps, the first and last included.

    Raises
    ------
    ValueError
        If there is no run, they are of different problems, one is a batch, or the problem does
        not have two parameters.
    """
    from matplotlib.animation import FuncAnimation

    names = list(dict.fromkeys(run.problem.name for run in trajectories.values()))
    if len(names) != 1 or frames < 1:
        msg = f"animate needs runs of one problem and frames >= 1, got {names}, frames={frames}"
        raise ValueError(msg)
    walks = {name: walk("animate", run) for name, run in trajectories.items()}
    ax = contour(next(iter(trajectories.values())).problem, ax, legend=False)
    figure: Any = ax.figure
    actors = [
        _Actor(ax, name, run.t, *walks[name]) for name, run in trajectories.items()
    ]
    last = max(int(run.t[-1]) for run in trajectories.values())
    times = np.unique(np.linspace(0, last, frames).round().astype(int))
    title = ax.set_title("")

    def show(t: int) -> Iterable[Any]:
        title.set_text(f"{names[0]}, step {t}")
        return [title, *(line for actor in actors for line in actor.show(t))]

    key(ax)
    animation = FuncAnimation(figure, show, frames=times.tolist(), interval=50, repeat=True)
    # NOTE: an animation that is never drawn complains when it is let go; drawing starts it.
    figure.canvas.draw()
    return animation


class _Actor:
    """One run on the stage: its trail so far, and where it is."""

    def __init__(
        self, ax: Axes, name: str, t: Array, x: Array, y: Array, lost: bool
    ) -> None:
        self.t, self.x, self.y, self.lost = t[: len(x)], x, y, lost
        style = look(name)
        self.trail: Line2D = ax.plot(
            [], [], color=style.color, ls=style.dashes, lw=style.width, label=style.label,
            zorder=4 + (style.width > 2),
        )[0]
        self.head: Line2D = ax.plot(
            [], [], "o", ms=8, color=style.color, mec="white", mew=1.0, zorder=8
        )[0]
        ax.plot(x[:1], y[:1], "o", ms=8, mfc="white", mec=INK, mew=1.4, zorder=7)

    def show(self, t: int) -> tuple[Line2D, Line2D]:
        so_far = slice(0, max(1, int(np.searchsorted(self.t, t, side="right"))))
        self.trail.set_data(self.x[so_far], self.y[so_far])
        self.head.set_data(self.x[so_far][-1:], self.y[so_far][-1:])
        self.head.set_marker("X" if self.lost and t > self.t[-1] else "o")
        return self.trail, self.head


def save_animation(
    animation: FuncAnimation, path: str | Path, *, fps: int = 20, dpi: int = 110
) -> Path:
    """Write an animation to a GIF, or to an MP4 where ffmpeg is there; whole or not at all.

    Raises
    ------
    ValueError
        If the file is to be neither, or an MP4 and there is no ffmpeg.
    OSError
        If it cannot be written.
    """
    path = Path(path)
    writer = film_writer(path, fps)
    # NOTE: writers want a name, and files are to be whole or not at all: so the film is made
    # elsewhere, once it is known that its place can be written to.
    with replacing(path) as file, TemporaryDirectory() as folder:
        film = Path(folder) / f"film{path.suffix}"
        animation.save(film, writer=writer, dpi=dpi)
        file.write(film.read_bytes())
    return path


def film_writer(path: Path, fps: int = 20) -> Any:
    """Return what writes a film of that name.

    Raises
    ------
    ValueError
        If the file is to be neither a GIF nor an MP4, or an MP4 and there is no ffmpeg.
    """
    from matplotlib.animation import FFMpegWriter, PillowWriter

    if path.suffix.lower() not in FILMS:
        msg = f"an animation needs a name that ends in {' or '.join(FILMS)}, got {path.name}"
        raise ValueError(msg)
    if path.suffix.lower() == ".gif":
        return PillowWriter(fps=fps)
    if not FFMpegWriter.isAvailable():
        msg = (
            f"an MP4 needs ffmpeg, and there is none on the PATH, got {path.name}; install it, or "
            f"write {path.with_suffix('.gif').name}"
        )
        raise ValueError(msg)
    return FFMpegWriter(fps=fps)
