"""The command line: accepted arguments and exit statuses."""

import argparse
from pathlib import Path

import pytest

from exporter.cli import main
from exporter.cli.flags import add_setting_flags, flag_options, given_flags
from exporter.settings import OPTIONS

ID = "023e105f4ecef8ad9ca31a8372d0c353"
COMMANDS = ("serve", "once", "demo", "simulate")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the developer's own settings may matter."""
    for option in OPTIONS:
        monkeypatch.delenv(option.variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def printed(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a command prints that argparse ends with status 0."""
    with pytest.raises(SystemExit) as ending:
        main(argv)
    assert ending.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "value"),
    [(["--enable-lifecycle"], "true"), (["--enable-lifecycle", "false"], "false"), ([], None)],
)
def test_a_switch_is_a_flag_with_or_without_a_value(argv: list[str], value: str | None) -> None:
    """Alone it means true; a value can turn off what a file turned on."""
    parser = argparse.ArgumentParser()
    add_setting_flags(parser, flag_options())
    assert given_flags(parser.parse_args(argv)).get("enable_lifecycle") == value


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The help is where people look first."""
    text = printed(["--help"], capsys)
    assert all(f"\n    {command} " in text for command in COMMANDS)


@pytest.mark.parametrize("command", ["once", "backfill"])
@pytest.mark.parametrize(
    "flag", ["--listen", "--web-config-file", "--allowed-hosts", "--enable-lifecycle"]
)
def test_a_command_without_a_web_server_offers_none_of_its_flags(
    command: str, flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A flag without effect misleads."""
    assert flag not in printed([command, "--help"], capsys)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It begins with the words that were typed."""
    text = printed([command, "--help"], capsys)
    assert text.startswith(f"usage: cloudflare-risk-exporter {command} ")


def test_every_setting_is_a_flag_and_tells_its_variable(capsys: pytest.CaptureFixture[str]) -> None:
    """All but the token itself: every user of a machine can read its command lines."""
    text = printed(["serve", "--help"], capsys)
    for option in OPTIONS:
        if option.name == "api_token":
            assert "--api-token " not in text
        else:
            assert f"{option.flag} " in text
            assert f"[{option.variable}]" in " ".join(text.split())


def test_the_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    """Bug reports begin with it."""
    assert printed(["--version"], capsys).startswith("cloudflare-risk-exporter 0.")


@pytest.mark.parametrize(
    "argv",
    [
        ["explode"],
        ["serve", "--poll-intervall", "5s"],
        ["serve", "--poll", "5s"],
        ["serve", "now"],
        ["simulate", "--users", "-1"],
        ["simulate", "--users", "many"],
        ["simulate", "--speed", "0"],
        ["simulate", "--speed", "nan"],
        ["simulate", "--listen", "here"],
        ["demo", "--api-url", "http://127.0.0.1"],
    ],
)
def test_wrong_usage_ends_with_status_2(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Scripts tell a typing mistake from work that failed by the status."""
    with pytest.raises(SystemExit) as ending:
        main(argv)
    assert ending.value.code == 2
    message, hint = capsys.readouterr().err.splitlines()
    assert message.startswith("cloudflare-risk-exporter")
    assert "--help" in hint


@pytest.mark.parametrize(
    "argv",
    [
        ["serve", "--api-token", "s3cret"],
        ["serve", "--api-token=s3cret"],
        ["--api-token", "s3cret"],
    ],
)
def test_wrong_usage_never_repeats_a_token(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """People try a flag for it first, and a supervisor keeps what was complained about."""
    with pytest.raises(SystemExit) as ending:
        main(argv)
    assert ending.value.code == 2
    complaint = capsys.readouterr().err
    assert "s3cret" not in complaint
    assert "--api-token" in complaint
    assert "CLOUDFLARE_API_TOKEN" in complaint


@pytest.mark.parametrize("argv", [[], ["serve"], ["once"], ["--log-level", "info"]])
def test_without_an_account_the_error_says_what_to_do(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """No command is `serve`, with or without its flags; a newcomer gets a signpost, no traceback."""
    assert main(argv) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert "CLOUDFLARE_API_TOKEN" in streams.err
    assert "demo" in streams.err
    assert "Traceback" not in streams.err


def test_a_wrong_flag_value_is_told_by_the_flags_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Settings are checked in one place, whichever way they came."""
    assert main(["serve", "--account-id", ID, "--poll-interval", "0"]) == 2
    assert "--poll-interval: must be longer than 0s" in capsys.readouterr().err


def test_a_scenario_that_cannot_be_read_ends_with_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A scenario is configuration too."""
    assert main(["simulate", "--scenario", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml: cannot be read" in capsys.readouterr().err


ASKING = [
    *("users", "users list", "users show", "users reset"),
    *("behaviors", "behaviors list", "behaviors set"),
    *("integrations", "integrations list", "integrations delete"),
    *("", "serve", "once", "check", "backfill"),
]


@pytest.mark.parametrize("command", ASKING)
@pytest.mark.parametrize("columns", ["80", "61"])
def test_help_says_how_the_token_is_given(
    command: str, columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the one setting without a flag; its names can be copied at any width."""
    monkeypatch.setenv("COLUMNS", columns)
    text = printed([*command.split(), "--help"], capsys)
    assert "CLOUDFLARE_API_TOKEN," in text
    assert "--api-token-file." in text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("srve", "unknown command 'srve'; did you mean serve?"),
        ("user list", "unknown command 'user'; did you mean users?"),
        ("users lst", "users: unknown command 'lst'; did you mean list?"),
        ("users xyz", "users: unknown command 'xyz'; commands: list, show, reset"),
        ("integrations del", "unknown command 'del'; did you mean delete?"),
        ("users", "users: a command is missing; commands: list, show, reset"),
        ("users --json list", "users: the command comes before its flags"),
        ("--config x users list", "the command comes before all flags: users"),
        (
            "serve --poll-intervall 5s",
            "serve: unknown: --poll-intervall (did you mean --poll-interval?)",
        ),
        ("serve --poll 5s", "unknown: --poll (did you mean --poll-interval?)"),
        ("users list --jsn", "users list: unknown: --jsn (did you mean --json?)"),
        ("users reset x -y", "users reset: unknown: -y"),
        ("users show x --qqq", "unknown: --qqq"),
        ("users show a b", "too many arguments"),
        (f"{'a' * 40}", "unknown command; commands: serve"),
    ],
)
def test_a_slip_is_answered_with_what_was_probably_meant(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A list of all flags would bury it."""
    with pytest.raises(SystemExit) as ending:
        main(line.split())
    assert ending.value.code == 2
    message = capsys.readouterr().err
    assert said in message
    assert "a" * 40 not in message
    assert len(message.splitlines()) == 2
