"""The page: it asks nothing of the network, and reads without its script."""

from __future__ import annotations

import base64
import hashlib

from paratrooper_ref.conformance.html.cases import cases, slowest
from paratrooper_ref.conformance.html.emblem import icon
from paratrooper_ref.conformance.html.excused import expectations, unsupported
from paratrooper_ref.conformance.html.failures import first_failures, other_failures
from paratrooper_ref.conformance.html.head import head
from paratrooper_ref.conformance.html.lines import lines
from paratrooper_ref.conformance.html.margins import margins
from paratrooper_ref.conformance.html.markup import Markup, join, tag
from paratrooper_ref.conformance.html.outcome import outcome, word
from paratrooper_ref.conformance.html.script import SCRIPT
from paratrooper_ref.conformance.html.style import SHEET
from paratrooper_ref.conformance.report import Report


def page(report: Report) -> str:
    """Return a report as an HTML document.

    What a backend, an expectation or an exception says is escaped, a link leads to the web or
    nowhere, and the document forbids itself every request and every script but its own.
    """
    body = join([
        head(report),
        tag(
            "main", first_failures(report), expectations(report), unsupported(report),
            margins(report), lines(report), cases(report), other_failures(report),
            slowest(report),
        ),
        _foot(report),
        tag("script", Markup(SCRIPT)),
    ])
    document = tag("html", _metadata(report), tag("body", body), lang="en")
    return f"<!DOCTYPE html>\n{document}\n"


def _metadata(report: Report) -> Markup:
    policy = (
        f"default-src 'none'; img-src data:; style-src {_digest(SHEET)}; "
        f"script-src {_digest(SCRIPT)}; base-uri 'none'; form-action 'none'"
    )
    color = {"holds": "#0072b2", "fails": "#d55e00", "unasked": "#8b949c"}[outcome(report)]
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{report.backend} on {report.algorithm}: {word(report)}"),
        tag("link", rel="icon", href=icon(color)),
        tag("style", Markup(SHEET)),
    )


def _digest(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _foot(report: Report) -> Markup:
    return tag(
        "footer", "Single steps from stored states are held to proved numbers, those of runs, of "
        "dialects and of fewer hyperparameters to the reference's and its error; the bounds "
        "follow from the declared arithmetic, and none is set by hand. Made by paratrooper-ref",
        f" {report.versions['paratrooper-ref']}" if "paratrooper-ref" in report.versions else "",
        ".",
    )
