"""Pages that a script makes: what is not as it should be is named, by its line."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

generated: Any = import_module("generated")
MAKE = "python docs/page.py"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """Return a page that is written."""
    path = tmp_path / "page.md"
    assert generated.published(path, "# One\n\nα = 1\n", check=False, make=MAKE) == 0
    return path


def test_a_page_that_was_written_is_what_it_should_be(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In UTF-8, with the line ends that the text has."""
    assert page.read_bytes() == "# One\n\nα = 1\n".encode()
    assert generated.published(page, "# One\n\nα = 1\n", check=True, make=MAKE) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("# One\n\nα = 2\n", "line 3 is 'α = 1' and should be 'α = 2'"),
        ("# Two\n\nα = 2\n", "line 1 is '# One' and should be '# Two'"),
        ("# One\n\nα = 1\nβ = 2\n", "line 4 is '' and should be 'β = 2'"),
        ("# One\n\nα = 1\n\n", "it ends before line 5, which should be ''"),
        ("# One\n\nα = 1", "it should end before line 4, which is ''"),
        ("# One\n\n" + 200 * "x" + "\n", f"should be '{50 * 'x'}…'"),
    ],
    ids=["a line", "the first of two", "one more", "an empty one", "no end of line", "a long line"],
)
def test_a_page_that_is_another_is_named_by_its_first_line_that_differs(
    page: Path, wanted: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to run; the page is left as it is."""
    assert generated.published(page, wanted, check=True, make=MAKE) == 1

    error = capsys.readouterr().err
    assert error.startswith("page.md: ")
    assert said in error
    assert error.endswith(f"; run {MAKE}\n")
    assert page.read_text("utf-8") == "# One\n\nα = 1\n"


def test_of_a_long_line_the_place_that_differs_is_shown() -> None:
    """And dots for what is left out on either side."""
    line = 300 * "a" + "b" + 300 * "c"

    said = generated.difference(line, line.replace("b", "B"))

    assert said == (
        f"line 1 is '…{30 * 'a'}b{49 * 'c'}…' and should be '…{30 * 'a'}B{49 * 'c'}…'"
    )


def test_a_page_that_is_not_there_is_no_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said, and not written."""
    assert generated.published(tmp_path / "page.md", "# One\n", check=True, make=MAKE) == 1
    assert capsys.readouterr().err == f"page.md: there is none; run {MAKE}\n"
    assert not (tmp_path / "page.md").exists()


def test_blocks_are_filled_and_nothing_else() -> None:
    """Each in its place, backslashes as they are; a block that is not there once is refused."""
    page = "one <!-- measured: a -->\nold\n<!-- end --> <!-- measured: b -->\n<!-- end --> two"

    assert generated.filled(page, {"a": r"\1 new", "b": "more"}) == (
        "one <!-- measured: a -->\n\\1 new\n<!-- end --> "
        "<!-- measured: b -->\nmore\n<!-- end --> two"
    )
    assert generated.filled(page, {}) == page
    with pytest.raises(ValueError, match="one block c, got 0"):
        generated.filled(page, {"c": ""})
    with pytest.raises(ValueError, match="one block a, got 2"):
        generated.filled(page + page, {"a": ""})


def test_a_bar_in_a_cell_of_a_table_is_a_bar() -> None:
    """And does not begin another cell; what is no text is written as it prints."""
    lines = generated.table(("a", "b"), [("x | y", 1)]).splitlines()

    assert lines == ["| a | b |", "| --- | --- |", r"| x \| y | 1 |"]


@pytest.mark.parametrize("script", ["algorithms", "naming", "variants", "landscapes"])
def test_check_says_where_a_page_differs(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the scripts that take a moment: 0 of the page as it is, 1 and the line of another."""
    command: Any = import_module(script)
    text = command.PAGE.read_text("utf-8")
    assert command.main(["--check"]) == 0
    assert capsys.readouterr().err == ""
    other = tmp_path / command.PAGE.name
    other.write_text(text.replace("\n\n", "\n\nNobody wrote this.\n", 1), "utf-8")
    monkeypatch.setattr(command, "PAGE", other)

    assert command.main(["--check"]) == 1

    said = capsys.readouterr().err
    assert said.startswith(f"{other.name}: line 3 is 'Nobody wrote this.' and should be ")
    assert f"; run python docs/{script}.py" in said


def test_a_misspelt_option_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """It is refused, where it once was taken for none."""
    with pytest.raises(SystemExit) as refused:
        import_module("algorithms").main(["--chekc"])
    assert refused.value.code == 2
    assert "--chekc" in capsys.readouterr().err
