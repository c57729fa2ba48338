"""The laws of what is printed: for people on a terminal, for pipes, for programs."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cli.output import print_json, printable, rfc3339
from exporter.cli.tables import print_table


@given(st.text())
def test_nothing_printable_returns_can_steer_a_terminal(text: str) -> None:
    """Neither control characters nor what reverses the direction of writing nor half surrogates."""
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()


def test_usual_names_stay_as_they_are() -> None:
    """Most of the world's names are not ASCII."""
    assert printable("Zoë Çelik 伟 O'Brien [sales]") == "Zoë Çelik 伟 O'Brien [sales]"


def test_a_pipe_gets_whole_lines_whatever_their_length(capsys: pytest.CaptureFixture[str]) -> None:
    """`grep` finds what stands on one line."""
    print_table(("id", "name"), [("1", "x" * 5_000), ("2", "伟"), ("3", "[b]z[/b]")])
    header, rule, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["id", "name"]
    assert set(rule) == {"-", " "}
    assert [row.split() for row in rows] == [["1", "x" * 5_000], ["2", "伟"], ["3", "[b]z[/b]"]]


def test_an_empty_table_still_names_its_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to show is an answer, too."""
    print_table(("id", "name"), [])
    assert capsys.readouterr().out.splitlines()[0].split() == ["id", "name"]


def test_wide_characters_take_two_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """What stands behind them must stand below its header."""
    print_table(("name", "level"), [("伟伟伟", "low"), ("abcdef", "high")])
    _, _, wide, narrow = capsys.readouterr().out.splitlines()
    assert (wide, narrow) == ("伟伟伟  low", "abcdef  high")


@given(st.text())
def test_json_is_ascii_and_gives_every_text_back(text: str) -> None:
    """Programs get what the API said, terminals nothing they would obey."""
    with pytest.MonkeyPatch.context() as patch:
        written: list[str] = []
        patch.setattr("sys.stdout.write", written.append)
        print_json({"name": text})
    (document,) = written
    assert document.isascii()
    assert json.loads(document) == {"name": text}


@pytest.mark.parametrize(
    ("seconds", "spelt"),
    [(0.0, "1970-01-01T00:00:00Z"), (1.5, "1970-01-01T00:00:01.500000Z")],
)
def test_instants_are_spelt_as_the_api_spells_them(seconds: float, spelt: str) -> None:
    """RFC 3339, in UTC."""
    assert rfc3339(seconds) == spelt
