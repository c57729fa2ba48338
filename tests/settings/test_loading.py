"""The laws of where settings come from, and of what is said when they are wrong."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from exporter.errors import ConfigurationError
from exporter.settings import OPTIONS, MemoryState, Option, Settings, SqliteState, load_settings

ID = "023e105f4ecef8ad9ca31a8372d0c353"
OTHER_ID = "372e67954025e0ba6aaa6d586b9e0b59"
TOKEN = "Sn3lZJTBX6kkg7OdcBUAxOO963GEIyGQqnFTOFYY"
ACCOUNT = {"CLOUDFLARE_API_TOKEN": TOKEN, "CLOUDFLARE_ACCOUNT_ID": ID}


def load(
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
    *,
    base: Mapping[str, str] = ACCOUNT,
) -> Settings:
    """Load with one good account in the environment, unless `base` says otherwise."""
    return load_settings(flags=flags or {}, environ={"HOME": "/home/op", **base, **(environ or {})})


def load_file(path: str, *, base: Mapping[str, str] = ACCOUNT) -> Settings:
    """Load with the configuration file at `path`."""
    return load({"RISK_EXPORTER_CONFIG": path}, base=base)


def refusal(
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
    *,
    base: Mapping[str, str] = ACCOUNT,
) -> str:
    """Return what a user reads when loading is refused; never the token."""
    with pytest.raises(ConfigurationError) as error:
        load(environ, flags, base=base)
    assert TOKEN not in str(error.value)
    return str(error.value)


def refusal_of_file(path: str, *, base: Mapping[str, str] = ACCOUNT) -> str:
    """Return what a user of the configuration file at `path` reads when it is refused."""
    return refusal({"RISK_EXPORTER_CONFIG": path}, base=base)


def written(folder: Path, text: str) -> str:
    """Return the path of a configuration file holding `text`."""
    path = folder / "exporter.yaml"
    path.write_text(text)
    return str(path)


def test_an_account_and_a_token_are_all_that_must_be_given() -> None:
    """Everything else has a default that suits most."""
    settings = load()
    assert [account.name for account in settings.accounts] == [ID]
    assert settings.api_url == "https://api.cloudflare.com/client/v4"
    assert str(settings.listen) == "127.0.0.1:10876"
    assert settings.state == SqliteState(
        Path("/home/op/.local/state/cloudflare-risk-exporter/state.db")
    )
    assert (settings.poll_interval, settings.config_interval) == (60.0, 300.0)
    assert (settings.detail_max_age, settings.data_max_age) == (86_400.0, 900.0)
    assert (settings.api_share, settings.api_timeout) == (0.5, 30.0)
    assert (settings.users_min_level, settings.users_limit) == ("low", 10_000)
    assert (settings.identity, settings.web_config_file) == ("full", None)
    assert (settings.log_level, settings.log_format) == ("info", "auto")


def test_flags_win_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    """The nearer to the moment of starting, the more deliberate."""
    config = written(
        tmp_path, "poll_interval: 11s\nconfig_interval: 12s\nusers_limit: 13\nstate: memory\n"
    )
    settings = load(
        {
            "RISK_EXPORTER_CONFIG": config,
            "RISK_EXPORTER_CONFIG_INTERVAL": "22s",
            "RISK_EXPORTER_USERS_LIMIT": "23",
        },
        {"users_limit": "33"},
    )
    assert settings.poll_interval == 11.0
    assert settings.config_interval == 22.0
    assert settings.users_limit == 33
    assert settings.state == MemoryState()
    assert settings.api_timeout == 30.0


def test_the_flag_for_the_file_wins_over_the_variable(tmp_path: Path) -> None:
    """One file is read, never two."""
    config = written(tmp_path, "users_limit: 1")
    settings = load({"RISK_EXPORTER_CONFIG": "/nowhere"}, {"config": config})
    assert settings.users_limit == 1


@pytest.mark.parametrize("option", [each for each in OPTIONS if each.default], ids=str)
def test_each_default_may_be_written_in_every_place(option: Option, tmp_path: Path) -> None:
    """What the table shows as a default is what a user may write, whatever the place."""
    config = written(tmp_path, f"{option.name}: '{option.default}'")
    assert load({option.variable: option.default}) == load()
    assert load({}, {option.name: option.default}) == load()
    assert load_file(config) == load()


def test_a_variable_set_to_nothing_counts_as_not_set() -> None:
    """Compose files and unit files pass variables on whether or not they have a value."""
    empty = {option.variable: "" for option in OPTIONS if option.variable not in ACCOUNT}
    assert load({**empty, "RISK_EXPORTER_WHATEVER": ""}) == load()


def test_only_the_environment_that_is_passed_in_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests and reloads pass an environment of their own."""
    monkeypatch.setenv("RISK_EXPORTER_USERS_LIMIT", "7")
    assert load().users_limit == 10_000


def test_a_variable_in_lower_case_is_not_read() -> None:
    """Variables of other programs may have such names; the documented names are in upper case."""
    assert load({"risk_exporter_users_limit": "7", "users_limit": "8"}) == load()


def test_only_the_token_has_no_flag() -> None:
    """Every user of a machine can read its command lines."""
    assert [option.name for option in OPTIONS if option.flag is None] == ["api_token"]


def test_no_text_form_of_settings_shows_a_token() -> None:
    """Settings end up in tracebacks and debug logs."""
    settings = load()
    for text in (repr(settings), str(settings), settings.model_dump_json()):
        assert TOKEN not in text
    token = settings.accounts[0].api_token
    assert token is not None
    assert token.get_secret_value() == TOKEN


def test_settings_cannot_be_changed() -> None:
    """A reload makes new settings; nobody's copy changes under them."""
    with pytest.raises(ValueError, match="frozen"):
        load().users_limit = 1


# Wrong values ---------------------------------------------------------------------------------


def test_every_problem_is_listed_under_the_name_its_writer_knows(tmp_path: Path) -> None:
    """An operator who must start ten times to find ten mistakes gives up at the third."""
    config = written(tmp_path, "users_limit: some\nidentity: partly\n")
    message = refusal(
        {"RISK_EXPORTER_POLL_INTERVAL": "0s", "RISK_EXPORTER_PIL": "x"},
        {"config": config, "api_share": "7"},
    )
    assert "RISK_EXPORTER_POLL_INTERVAL: must be longer than 0s" in message
    assert "RISK_EXPORTER_PIL: unknown" in message
    assert f"users_limit in {config}, line 1: 'some' is not a whole number" in message
    assert f"identity in {config}, line 2: Input should be 'full', 'pseudonym' or 'none'" in message
    assert "--api-share: '7' is not a share" in message
    assert message.splitlines()[0] == "5 problems:"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("poll_interval", "999ms"),
        ("config_interval", "0.5"),
        ("detail_max_age", "10ms"),
        ("data_max_age", "1ms"),
        ("api_timeout", "99ms"),
    ],
)
def test_durations_have_sensible_minimums(name: str, value: str) -> None:
    """A poll every ten milliseconds would spend a shared quota in seconds."""
    assert "must be at least" in refusal({}, {name: value})


def test_data_must_be_allowed_to_outlive_one_poll() -> None:
    """Otherwise every gauge would vanish shortly before each poll."""
    message = refusal({}, {"poll_interval": "15m"})
    assert "RISK_EXPORTER_DATA_MAX_AGE: must be longer than poll_interval, which is 900s" in message


def test_levels_and_formats_are_read_in_any_case() -> None:
    """INFO is how half the world spells it."""
    settings = load({"RISK_EXPORTER_LOG_LEVEL": "DEBUG"}, {"users_min_level": "None"})
    assert settings.log_level == "debug"
    assert settings.users_min_level == "none"


@pytest.mark.parametrize(
    "variable", [option.variable for option in OPTIONS if not option.variable.endswith("CONFIG")]
)
def test_a_token_in_the_wrong_place_is_not_shown(variable: str) -> None:
    """Pasting the token into the neighbouring variable is the likeliest of all mistakes."""
    wrong = {variable: TOKEN, "RISK_EXPORTER_API_SHARE": "x"}
    assert "API_SHARE" in refusal(wrong, base={})


# Unknown names --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("RISK_EXPORTER_API_TOKEN", "CLOUDFLARE_API_TOKEN"),
        ("RISK_EXPORTER_TOKEN", "CLOUDFLARE_API_TOKEN"),
        ("RISK_EXPORTER_API_TOKEN_FILE", "CLOUDFLARE_API_TOKEN_FILE"),
        ("RISK_EXPORTER_ACCOUNT_ID", "CLOUDFLARE_ACCOUNT_ID"),
        ("RISK_EXPORTER_POLL_INTERVALL", "RISK_EXPORTER_POLL_INTERVAL"),
        ("RISK_EXPORTER_USER_LIMIT", "RISK_EXPORTER_USERS_LIMIT"),
        ("RISK_EXPORTER_PORT", "RISK_EXPORTER_"),
        ("RISK_EXPORTER_", "RISK_EXPORTER_"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest(variable: str, nearest: str) -> None:
    """A misspelt setting that is silently ignored is found weeks later."""
    assert f"{variable}: unknown; the nearest known name is {nearest}" in refusal({variable: "1"})


def test_variables_of_others_are_none_of_our_business() -> None:
    """Cloudflare's other tools read variables of the same family."""
    assert load({"CLOUDFLARE_EMAIL": "x@example.com", "RISK": "1"}) == load()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RISK_EXPORTER_SERVICE_HOST", "10.0.0.11"),
        ("RISK_EXPORTER_SERVICE_PORT", "10876"),
        ("RISK_EXPORTER_SERVICE_PORT_METRICS", "10876"),
        ("RISK_EXPORTER_PORT", "tcp://10.0.0.11:10876"),
        ("RISK_EXPORTER_PORT_10876_TCP", "tcp://10.0.0.11:10876"),
        ("RISK_EXPORTER_PORT_10876_TCP_PROTO", "tcp"),
        ("RISK_EXPORTER_METRICS_PORT_10876_TCP_ADDR", "10.0.0.11"),
    ],
)
def test_what_kubernetes_sets_for_a_service_is_ignored(variable: str, value: str) -> None:
    """A Service named risk-exporter must not keep the exporter from starting."""
    assert load({variable: value}) == load()


@pytest.mark.parametrize(
    ("text", "place", "nearest"),
    [
        ("pol_interval: 5s", "pol_interval", "poll_interval"),
        ("config: other.yaml", "config", ""),
        ("5: 6", "5", ""),
        (
            f"accounts: [{{account_id: {ID}, api_token_fil: x, api_token: y}}]",
            "accounts[0].api_token_fil",
            "api_token_file",
        ),
    ],
)
def test_an_unknown_key_is_refused_at_any_depth(
    text: str, place: str, nearest: str, tmp_path: Path
) -> None:
    """The file is searched for mistakes as thoroughly as the environment."""
    config = written(tmp_path, text)
    message = refusal_of_file(config, base={})
    assert f"{place} in {config}, line 1: unknown; the nearest known name is {nearest}" in message


# The file -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (f"api_token: *{TOKEN}", "is not YAML: line 1, column 12"),
        (f"a: b\n  api_token: {TOKEN}: x", "is not YAML: line 2"),
        (f"api_token: !{TOKEN} x", "is not YAML: line 1"),
        (f"- {TOKEN}", "must hold keys and values"),
        ("state: memory: x", "is not YAML: line 1"),
    ],
)
def test_a_file_that_is_not_yaml_is_refused_without_quoting_it(
    text: str, complaint: str, tmp_path: Path
) -> None:
    """The wrong line may be the one with the token."""
    config = written(tmp_path, text)
    assert f"{config}: {complaint}" in refusal_of_file(config)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A wrong path must not mean: defaults."""
    assert "No such file" in refusal({"RISK_EXPORTER_CONFIG": str(tmp_path / "none.yaml")})
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xfd")
    assert "is not UTF-8" in refusal_of_file(str(tmp_path / "binary"))


def test_the_file_may_be_a_pipe(tmp_path: Path) -> None:
    """A shell's `--config <(sops -d exporter.yaml)` keeps a decrypted file off the disk."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(pipe.write_text, "users_limit: 7")
        assert load_file(str(pipe)).users_limit == 7
        writing.result()


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "poll_interval:\n", "{}"])
def test_an_empty_file_or_key_changes_nothing(text: str, tmp_path: Path) -> None:
    """A commented-out value leaves its key behind."""
    assert load_file(written(tmp_path, text)) == load()


def test_files_named_in_the_file_are_looked_for_beside_it(tmp_path: Path) -> None:
    """A configuration folder can be moved, or mounted elsewhere."""
    config = written(
        tmp_path,
        f"web_config_file: web.yaml\naccounts: [{{account_id: {ID}, api_token_file: token}}]",
    )
    settings = load_file(config, base={})
    assert settings.web_config_file == tmp_path / "web.yaml"
    assert settings.accounts[0].api_token_file == tmp_path / "token"


# Accounts -------------------------------------------------------------------------------------


def test_several_accounts_stand_in_the_file(tmp_path: Path) -> None:
    """Each with a name for people and a token of its own."""
    config = written(
        tmp_path,
        f"""
        accounts:
          - {{name: acme, account_id: {ID}, api_token_file: /run/secrets/acme}}
          - {{account_id: {OTHER_ID.upper()}, api_token: {TOKEN}}}
        """,
    )
    acme, other = load_file(config, base={}).accounts
    assert (acme.name, acme.account_id, acme.api_token_file) == (
        "acme",
        ID,
        Path("/run/secrets/acme"),
    )
    assert (other.name, other.account_id, other.api_token_file) == (OTHER_ID, OTHER_ID, None)


def test_an_account_without_a_token_takes_the_one_given_outside_the_list(tmp_path: Path) -> None:
    """One token often sees several accounts, and secrets belong in the environment."""
    config = written(
        tmp_path,
        f"accounts: [{{account_id: {ID}}}, {{account_id: {OTHER_ID}, api_token_file: /own}}]",
    )
    one, other = load_file(config, base={"CLOUDFLARE_API_TOKEN_FILE": "/common"}).accounts
    assert (one.api_token_file, other.api_token_file) == (Path("/common"), Path("/own"))


def test_a_token_no_account_would_use_is_refused(tmp_path: Path) -> None:
    """Whoever sets it expects it to matter."""
    config = written(tmp_path, f"accounts: [{{account_id: {ID}, api_token_file: /own}}]")
    message = refusal_of_file(config, base={"CLOUDFLARE_API_TOKEN": TOKEN})
    assert (
        message == "CLOUDFLARE_API_TOKEN: not used: every account has a token of its own "
        f"(accounts in {config}, line 1)"
    )


def test_a_list_of_accounts_cannot_stand_beside_a_single_one(tmp_path: Path) -> None:
    """Which of them was meant is not ours to guess."""
    config = written(tmp_path, f"accounts: [{{account_id: {OTHER_ID}}}]")
    assert f"CLOUDFLARE_ACCOUNT_ID: cannot stand beside accounts in {config}" in refusal_of_file(
        config
    )


def test_a_token_and_a_token_file_in_one_place_are_refused(tmp_path: Path) -> None:
    """One of them is stale, and only their writer knows which."""
    message = refusal({"CLOUDFLARE_API_TOKEN_FILE": "/t"})
    assert message == (
        "CLOUDFLARE_API_TOKEN: cannot stand beside CLOUDFLARE_API_TOKEN_FILE; keep one of them"
    )
    config = written(
        tmp_path, f"accounts: [{{account_id: {ID}, api_token: {TOKEN}, api_token_file: /t}}]"
    )
    assert "accounts[0]" in refusal_of_file(config, base={})


def test_a_token_file_given_nearer_replaces_a_token_given_farther() -> None:
    """Token and token file are one setting written in two ways."""
    account = load({}, {"api_token_file": "/near"}).accounts[0]
    assert (account.api_token, account.api_token_file) == (None, Path("/near"))


@pytest.mark.parametrize(
    ("second", "complaint"),
    [
        (f"{{name: acme, account_id: {OTHER_ID}}}", "two accounts have the same name"),
        (f"{{name: b, account_id: {ID.upper()}}}", "two accounts have the same account_id"),
    ],
)
def test_accounts_must_be_told_apart(second: str, complaint: str, tmp_path: Path) -> None:
    """Two with one name would write to the same series; two with one id would count twice."""
    config = written(tmp_path, f"accounts: [{{name: acme, account_id: {ID}}}, {second}]")
    message = refusal_of_file(config, base={"CLOUDFLARE_API_TOKEN": TOKEN})
    assert message == f"accounts in {config}, line 1: {complaint}"


@pytest.mark.parametrize("accounts", ["[]", "acme", "{name: acme}", "[acme]", "[[]]"])
def test_accounts_that_are_no_list_of_accounts_are_refused(accounts: str, tmp_path: Path) -> None:
    """An empty list would poll nothing and look healthy."""
    config = written(tmp_path, f"accounts: {accounts}")
    assert "accounts" in refusal_of_file(config, base={"CLOUDFLARE_API_TOKEN": TOKEN})


def test_a_wrong_account_or_token_is_told_by_the_variable_it_came_from() -> None:
    """The user never wrote `accounts[0]`."""
    message = refusal({"CLOUDFLARE_ACCOUNT_ID": "acme", "CLOUDFLARE_API_TOKEN": f"{TOKEN} {TOKEN}"})
    assert "CLOUDFLARE_ACCOUNT_ID: not an account id, which is 32 hexadecimal digits" in message
    assert "CLOUDFLARE_API_TOKEN: not a token" in message


def test_nothing_given_says_what_to_set_and_that_demo_needs_nothing() -> None:
    """The first error a newcomer meets must be a signpost."""
    message = refusal(base={})
    assert message.splitlines()[0] == "2 problems:"
    for word in ("CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_API_TOKEN", "demo"):
        assert word in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f"accounts:\n- account_id: '{ID}'\npoll_interval: 60s\naccounts:\n- account_id: '{OTHER_ID}'\n",
            "accounts is given twice, in line 1 and in line 4",
        ),
        (
            f"accounts:\n- name: acme\n  account_id: '{ID}'\n  name: globex\n",
            "name is given twice, in line 2 and in line 4",
        ),
    ],
)
def test_a_key_given_twice_is_refused_with_both_lines(text: str, said: str, tmp_path: Path) -> None:
    """YAML keeps the last one silently: an account of the first list would never be polled."""
    config = written(tmp_path, text)
    assert f"{config}: {said}" in refusal_of_file(config, base={"CLOUDFLARE_API_TOKEN": TOKEN})


@pytest.mark.parametrize(
    "text",
    [
        "state: 2026-02-31",
        "state: !!int x",
        pytest.param("state: " + "[" * 5000, id="deep"),
        "? {a: b}\n: c",
        "a: &a [*a, *a]\na: 1",
    ],
)
def test_odd_yaml_is_an_error_and_no_traceback(text: str, tmp_path: Path) -> None:
    """Any text may stand in a file."""
    assert "exporter.yaml" in refusal_of_file(written(tmp_path, text))


def test_aliases_that_multiply_are_read_in_no_time(tmp_path: Path) -> None:
    """Ten lines of aliases stand for a billion nodes, each of which is looked at once."""
    lines = [f"k{n}: &k{n} [{', '.join([f'*k{n - 1}'] * 9)}]" for n in range(1, 12)]
    text = "\n".join(["k0: &k0 [x]", *lines])
    assert "k11 in " in refusal_of_file(written(tmp_path, text))


@pytest.mark.parametrize("text", ["accounts: [1]", "accounts: [null]", "accounts: [acme]"])
def test_an_account_that_is_no_mapping_is_explained(text: str, tmp_path: Path) -> None:
    """In words of the file, with no word on tokens, which are not the problem."""
    config = written(tmp_path, text)
    message = refusal_of_file(config, base={"CLOUDFLARE_API_TOKEN": TOKEN})
    assert (
        message == f"accounts[0] in {config}, line 1: must hold keys and values, such as account_id"
    )


def test_a_missing_account_id_is_explained(tmp_path: Path) -> None:
    """In words of the file, too."""
    config = written(tmp_path, "accounts: [{name: acme}]")
    message = refusal_of_file(config, base={"CLOUDFLARE_API_TOKEN": TOKEN})
    assert message == f"accounts[0].account_id in {config}, line 1: is missing"


def test_a_path_that_is_none_is_explained(tmp_path: Path) -> None:
    """Without words of Python."""
    config = written(tmp_path, "web_config_file: [5]")
    assert refusal_of_file(config) == f"web_config_file in {config}, line 1: must be a path"


def test_each_error_names_the_line_of_its_value(tmp_path: Path) -> None:
    """A file may be long, and hold many accounts that look alike."""
    config = written(
        tmp_path,
        f"""
poll_interval: 1ms
accounts:
  - account_id: {ID}
    name: acme
  -
    account_id: acme
    name: ''
""",
    )
    message = refusal_of_file(config, base={"CLOUDFLARE_API_TOKEN": TOKEN})
    for expected in (
        f"poll_interval in {config}, line 2: must be at least 1s",
        f"accounts[1].account_id in {config}, line 7: not an account id",
        f"accounts[1].name in {config}, line 8: String should have",
    ):
        assert expected in message
