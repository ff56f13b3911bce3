"""A progress bar for a terminal; nothing in a pipe."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TextIO


class Bar:
    """Draw how much is done, on stderr, where a person is looking.

    A context manager; inside it call ``bar(done, whole)``.
    """

    def __init__(self, what: str, stream: TextIO | None = None) -> None:
        self.what, self.stream = what, stream or sys.stderr
        self.shown = self.stream.isatty()
        self.last = -1

    def __call__(self, done: int, whole: int) -> None:
        """Show ``done`` of ``whole``."""
        percent = 100 * done // max(whole, 1)
        if not self.shown or percent == self.last:
            return
        self.last = percent
        bar = ("█" * (percent * 24 // 100)).ljust(24, "░")
        self.stream.write(f"\r{self.what} {bar} {percent:3d} %")
        self.stream.flush()

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.last >= 0:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
