"""The built site as a browser shows it: formulas, figures, search, and the width of a phone.

    python -m sphinx -W -q -b html docs site
    SITE=site python -m pytest tests/test_site_browser.py

A page that we serve beside the site opens each of its pages in a frame and reports what it sees.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import pytest

SITE = os.environ.get("SITE", "")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
PHONE, DESK = 390, 1280
WORD, NONSENSE = "momentum", "qxzvkwj"
PATIENCE = 300  # seconds for all pages
pytestmark = [
    pytest.mark.skipif(not SITE, reason="SITE does not name the folder of a built site"),
    pytest.mark.skipif(BROWSER is None, reason=f"there is none of {', '.join(BROWSERS)}"),
]

LOOKER = r"""<!doctype html><meta charset="utf-8"><body><script>
const wait = ms => new Promise(done => setTimeout(done, ms));
async function until(holds, ms) {
  for (let waited = 0; waited < ms && !holds(); waited += 50) await wait(50);
}
async function open(url, width) {
  const frame = document.createElement("iframe");
  frame.style = `width: ${width}px; height: 900px; border: 0`;
  frame.src = url;
  document.body.replaceChildren(frame);
  await new Promise(done => frame.onload = done);
  return frame.contentDocument;
}
function raw(page) {  // what should have become a formula
  const text = page.querySelector("article").cloneNode(true);
  text.querySelectorAll("pre, code, .math").forEach(each => each.remove());
  return text.textContent.match(/[^ ]*[$][^ ]*|[\\][a-z]{2,}/g) || [];
}
async function seen(url, width) {
  const page = await open(url, width);
  const formulas = page.querySelectorAll(".math").length;
  const drawn = () => page.querySelectorAll("mjx-container");
  await until(() => drawn().length >= formulas, 20000);
  const images = [...page.querySelectorAll("article img")];
  images.forEach(image => image.loading = "eager");
  await until(() => images.every(image => image.complete), 20000);
  return {
    url, width, formulas,
    drawn: [...drawn()].filter(each => each.getBoundingClientRect().height > 0).length,
    errors: page.querySelectorAll('mjx-merror, [data-mjx-error], mtext[mathcolor="red"]').length,
    raw: raw(page),
    missing: images.filter(image => !image.naturalWidth).map(image => image.src),
    mute: images.filter(image =>  // with nothing to say where a link says it
      image.alt ? /[/]|[.]png/.test(image.alt) : !image.closest("a")?.textContent.trim())
      .map(each => each.src),
    images: images.length,
    wide: page.documentElement.scrollWidth,
    cut: [...page.querySelectorAll("article *")].filter(each =>
      each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 0 &&
      !each.closest("mjx-assistive-mml") &&
      page.defaultView.getComputedStyle(each).overflowX === "hidden")
      .map(each => each.outerHTML.slice(0, 80)),
    long: [...page.querySelectorAll('mjx-container[display="true"]')].filter(each =>
      each.scrollWidth > each.parentElement.clientWidth + 1)
      .map(each => each.textContent.slice(0, 40)),
  };
}
async function found(word) {
  const page = await open("/search.html?q=" + word, 1280);
  await until(() => /finished|did not match|found/i.test(
    page.querySelector("#search-results .search-summary")?.textContent), 20000);
  return page.querySelectorAll("#search-results ul.search li").length;
}
async function look(asked) {
  const report = {pages: [], found: {}};
  for (const url of asked.pages)
    for (const width of asked.widths) report.pages.push(await seen(url, width));
  for (const word of asked.words) report.found[word] = await found(word);
  return report;
}
fetch("/_asked").then(got => got.json()).then(look).catch(error => ({failed: String(error)}))
  .then(report => fetch("/_report", {method: "POST", body: JSON.stringify(report)}));
</script>"""


class Handler(SimpleHTTPRequestHandler):
    """Serve the site, the page that looks at it and what it is asked; take its report."""

    asked: dict[str, Any]
    reports: Queue[dict[str, Any]]

    def do_GET(self) -> None:
        """Answer with a page of ours, or a file of the site."""
        own = {
            "/_look": ("text/html", LOOKER),
            "/_asked": ("application/json", json.dumps(self.asked)),
        }
        if self.path not in own:
            super().do_GET()
            return
        kind, text = own[self.path]
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(text.encode())

    def do_POST(self) -> None:
        """Take the report."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
        self.reports.put(json.loads(body))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Return what a browser has seen of the site."""
    assert BROWSER is not None
    site = Path(SITE).resolve()
    pages = sorted("/" + path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    Handler.asked = {
        "pages": [page for page in pages if page != "/search.html"],
        "widths": [PHONE, DESK], "words": [WORD, NONSENSE],
    }
    Handler.reports = Queue()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(site)))
    Thread(target=server.serve_forever, daemon=True).start()
    command = [
        BROWSER, "--headless", "--disable-gpu", "--window-size=1400,1000", "--no-first-run",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
        *(["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []),
        f"http://127.0.0.1:{server.server_port}/_look",
    ]
    browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield Handler.reports.get(timeout=PATIENCE)
    except Empty:
        pytest.fail(f"no report from {BROWSER} in {PATIENCE} s")
    finally:
        browser.terminate()
        browser.wait()
        server.shutdown()
        server.server_close()


def wrong(report: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what pages have of something that they should not have."""
    pages = report["pages"]
    return {f"{page['url']} at {page['width']}": page[name] for page in pages if page[name]}


def test_every_page_was_opened(report: dict[str, Any]) -> None:
    """At both widths; and there are figures and formulas to look at."""
    assert "failed" not in report, report
    assert len(report["pages"]) == 2 * len(Handler.asked["pages"]) > 0
    assert sum(page["images"] for page in report["pages"]) > 100
    assert sum(page["formulas"] for page in report["pages"]) > 100


def test_formulas_render(report: dict[str, Any]) -> None:
    """MathJax has drawn each, and none as an error; none is left as it was typed."""
    assert wrong(report, "raw") == {}
    assert wrong(report, "errors") == {}
    for page in report["pages"]:
        assert page["drawn"] == page["formulas"], page["url"]


def test_figures_load_and_say_what_they_show(report: dict[str, Any]) -> None:
    """Each has pixels, and words that are no file's name."""
    assert wrong(report, "missing") == {}
    assert wrong(report, "mute") == {}


def test_no_page_is_wider_than_its_window(report: dict[str, Any]) -> None:
    """On a phone what is wide scrolls in a box of its own, and nothing is cut off."""
    for page in report["pages"]:
        assert page["wide"] <= page["width"], page["url"]
    assert wrong(report, "cut") == {}
    assert wrong(report, "long") == {}  # of formulas, in all of which the end counts


def test_search_finds_what_is_there(report: dict[str, Any]) -> None:
    """And nothing where there is nothing."""
    assert report["found"][WORD] > 3
    assert report["found"][NONSENSE] == 0
