"""Notebooks are to take less than a minute: with -W the build fails where one takes longer.

The executor has a limit for a cell; this is one for the whole, by the time that it has recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sphinx.util import logging

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

LIMIT: Final = 60.0  # seconds


def _check(app: Sphinx, env: BuildEnvironment) -> None:
    """Name each notebook that took too long, or of which no time is known."""
    from myst_nb.sphinx_ import NbMetadataCollector

    for docname in env.found_docs:
        if docname.startswith("notebooks/"):
            found = NbMetadataCollector.get_exec_data(env, docname) or {}
            took = found.get("runtime")
            if took is None or took >= LIMIT:
                msg = "%s needs to run in less than %g s, and took %s"
                logging.getLogger(__name__).warning(msg, docname, LIMIT, took)


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the check."""
    app.connect("env-check-consistency", _check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
