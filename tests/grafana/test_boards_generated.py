"""The committed JSON is what the code says."""

from pathlib import Path

import pytest

from grafana.__main__ import FOLDER, main


def test_the_committed_boards_are_what_the_code_says() -> None:
    """People import the files; a change that stays in the code reaches nobody."""
    assert main(["--check"]) == 0, "run `python -m grafana`"


def test_writing_makes_every_board_anew(tmp_path: Path) -> None:
    """The files are nobody's to edit, so nothing of them is needed."""
    folder = tmp_path / "dashboards"
    assert main([], folder=folder) == 0
    assert main(["--check"], folder=folder) == 0
    names = {path.name for path in FOLDER.iterdir()}
    assert {path.name for path in folder.iterdir()} == names


@pytest.mark.parametrize("text", ["", "{}\n"])
def test_a_file_of_no_board_is_refused_and_removed(tmp_path: Path, text: str) -> None:
    """A board that was given up would otherwise be provisioned for ever."""
    main([], folder=tmp_path)
    stray = tmp_path / "stray.json"
    stray.write_text(text, encoding="utf-8")
    assert main(["--check"], folder=tmp_path) == 1
    assert main([], folder=tmp_path) == 0
    assert not stray.exists()


def test_an_edited_board_is_refused(tmp_path: Path) -> None:
    """An edit in the browser, exported and committed, would be lost at the next generation."""
    main([], folder=tmp_path)
    edited = next(tmp_path.glob("*.json"))
    edited.write_text(edited.read_text(encoding="utf-8") + " ", encoding="utf-8")
    assert main(["--check"], folder=tmp_path) == 1
