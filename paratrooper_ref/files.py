"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def sweep(folder: Path) -> None:
    """Remove what processes that are no more have begun to write in a folder and below."""
    for part in folder.rglob(".*.part"):
        number = part.name.split(".")[-2]
        if number.isdecimal() and not _runs(int(number)):
            part.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's, or none that can be asked
        return True
    return True


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``path`` when all is written, and not before.

    Raises
    ------
    OSError
        If it cannot be written; the old file, if any, stays as it is.
    """
    if not path.parent.is_dir():
        msg = f"a folder is needed for {path.name}, got {path.parent}, which is none"
        raise FileNotFoundError(msg)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def unread(path: Path, error: OSError) -> str:
    """Return in words which file could not be read, and why."""
    if isinstance(error, FileNotFoundError):
        return f"{path}, which is not there"
    return f"{path} ({error.strerror or error})"


@contextmanager
def folder(who: str, path: Path) -> Iterator[None]:
    """Make sure of a folder before the work; leave none behind if the work comes to nothing.

    Raises
    ------
    ValueError
        If it cannot be made, or written to.
    """
    made = [each for each in (path, *path.parents) if not each.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):  # of a name that nobody has
            pass
    except OSError as error:
        _removed(made)
        msg = f"{who} needs a folder to write to, got --out={path} ({error.strerror})"
        raise ValueError(msg) from error
    try:
        yield
    except BaseException:
        _removed(made)
        raise


def _removed(folders: list[Path]) -> None:
    """Remove folders, the innermost first, as far as they are empty."""
    with suppress(OSError):
        for each in folders:
            each.rmdir()
