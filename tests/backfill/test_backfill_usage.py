"""The flags of the command, which are checked before any request."""

from pathlib import Path

import pytest

from exporter.cli import main
from exporter.settings import OPTIONS

NOBODY = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _some_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set an account and a token that no server knows."""
    for option in OPTIONS:
        monkeypatch.delenv(option.variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "a" * 32)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "token")
    monkeypatch.setenv("RISK_EXPORTER_API_URL", NOBODY)


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--since", "a week"], "--since: must be a duration such as 7d, or a timestamp such as"),
        (["--since", "1000d"], "--since: must be longer than 0s and at most a year"),
        (["--since", "2026-01-31T12:00:00"], "--since: must be a duration"),
        (["--since", "1h", "--until", "2h"], "--since: must be more than one step before --until"),
        (["--until", "2999-01-01T00:00:00Z"], "--until: must not be in the future"),
        (["--step", "often"], "--step: 'often' is not a duration"),
        (["--step", "10m"], "--step: must be whole seconds, from 1s to 5m"),
        (["--label", "job"], "--label: 'job' is not NAME=VALUE"),
        (["--label", "job="], "--label: 'job=' is not NAME=VALUE"),
        (["--label", "a-b=c"], "--label: 'a-b=c' is not NAME=VALUE"),
        (["--label", "__name__=x"], "--label: '__name__=x' is not NAME=VALUE"),
        (["--label", "account=x"], "--label: account is a label of the series themselves"),
        (["--label", "job=a", "--label", "job=b"], "--label: job is given twice"),
        (["--output", "/nowhere/past.om"], "--output: /nowhere/past.om: No such file"),
        (["--identity", "pseudonym", "--state", "memory:"], "pseudonyms are made with a key"),
    ],
)
def test_invalid_flags_are_rejected_with_status_2(
    flags: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Reading a large account takes an hour, so mistakes are reported before."""
    assert main(["backfill", *flags]) == 2
    streams = capsys.readouterr()
    assert problem in streams.err
    assert streams.out == ""


@pytest.mark.parametrize("flag", ["--listen", "--poll-interval", "--data-max-age"])
def test_settings_of_serve_alone_have_no_flags_here(
    flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A flag without an effect would be misleading."""
    with pytest.raises(SystemExit) as ending:
        main(["backfill", flag, "1m"])
    assert ending.value.code == 2
    assert flag in capsys.readouterr().err
