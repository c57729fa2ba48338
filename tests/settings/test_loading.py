"""Where settings come from, and the errors in them."""

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
    """Load with a valid account in the environment, unless `base` replaces it."""
    return load_settings(flags=flags or {}, environ={"HOME": "/home/op", **base, **(environ or {})})


def load_file(path: str, *, base: Mapping[str, str] = ACCOUNT) -> Settings:
    """Load with the configuration file at `path`."""
    return load({"RISK_EXPORTER_CONFIG": path}, base=base)


def rejection(
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
    *,
    base: Mapping[str, str] = ACCOUNT,
) -> str:
    """Return the error of loading, which never contains the token."""
    with pytest.raises(ConfigurationError) as error:
        load(environ, flags, base=base)
    assert TOKEN not in str(error.value)
    return str(error.value)


def rejection_of_file(path: str, *, base: Mapping[str, str] = ACCOUNT) -> str:
    """Return the error of loading the configuration file at `path`."""
    return rejection({"RISK_EXPORTER_CONFIG": path}, base=base)


def written(folder: Path, text: str) -> str:
    """Return the path of a configuration file holding `text`."""
    path = folder / "exporter.yaml"
    path.write_text(text)
    return str(path)


def test_only_an_account_and_a_token_are_required() -> None:
    """All other settings have defaults."""
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


def test_flags_override_environment_overrides_file_overrides_defaults(tmp_path: Path) -> None:
    """A flag concerns one run, a variable one service, a file possibly many."""
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


def test_the_config_flag_overrides_the_variable(tmp_path: Path) -> None:
    """Only one file is read."""
    config = written(tmp_path, "users_limit: 1")
    settings = load({"RISK_EXPORTER_CONFIG": "/nowhere"}, {"config": config})
    assert settings.users_limit == 1


@pytest.mark.parametrize("option", [each for each in OPTIONS if each.default], ids=str)
def test_each_default_is_valid_in_every_source(option: Option, tmp_path: Path) -> None:
    """The documented defaults can be copied to any source."""
    config = written(tmp_path, f"{option.name}: '{option.default}'")
    assert load({option.variable: option.default}) == load()
    assert load({}, {option.name: option.default}) == load()
    assert load_file(config) == load()


def test_an_empty_variable_counts_as_not_set() -> None:
    """Compose files and unit files pass variables on even if they have no value."""
    empty = {option.variable: "" for option in OPTIONS if option.variable not in ACCOUNT}
    assert load({**empty, "RISK_EXPORTER_WHATEVER": ""}) == load()


def test_only_the_environment_that_is_passed_in_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests and reloads pass their own environment."""
    monkeypatch.setenv("RISK_EXPORTER_USERS_LIMIT", "7")
    assert load().users_limit == 10_000


def test_a_variable_in_lower_case_is_not_read() -> None:
    """Variables of other programs may have such names; the documented names are in upper case."""
    assert load({"risk_exporter_users_limit": "7", "users_limit": "8"}) == load()


def test_only_the_token_has_no_flag() -> None:
    """Every user of a machine can read its command lines."""
    assert [option.name for option in OPTIONS if option.flag is None] == ["api_token"]


def test_no_text_form_of_settings_shows_a_token() -> None:
    """Settings may appear in tracebacks and debug logs."""
    settings = load()
    for text in (repr(settings), str(settings), settings.model_dump_json()):
        assert TOKEN not in text
    token = settings.accounts[0].api_token
    assert token is not None
    assert token.get_secret_value() == TOKEN


def test_settings_are_immutable() -> None:
    """A reload creates new settings, and the old ones stay valid where they are in use."""
    with pytest.raises(ValueError, match="frozen"):
        load().users_limit = 1


# Wrong values ---------------------------------------------------------------------------------


def test_every_problem_is_listed_with_its_flag_variable_or_key(tmp_path: Path) -> None:
    """One start reveals all mistakes."""
    config = written(tmp_path, "users_limit: some\nidentity: partly\n")
    message = rejection(
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
def test_durations_have_minimums(name: str, value: str) -> None:
    """A poll every ten milliseconds would use up a shared quota in seconds."""
    assert "must be at least" in rejection({}, {name: value})


def test_data_max_age_must_exceed_the_poll_interval() -> None:
    """Otherwise every gauge would be withdrawn shortly before each poll."""
    message = rejection({}, {"poll_interval": "15m"})
    assert "RISK_EXPORTER_DATA_MAX_AGE: must be longer than poll_interval, which is 900s" in message


def test_keywords_may_be_in_any_case() -> None:
    """INFO is a common spelling."""
    settings = load({"RISK_EXPORTER_LOG_LEVEL": "DEBUG"}, {"users_min_level": "None"})
    assert settings.log_level == "debug"
    assert settings.users_min_level == "none"


@pytest.mark.parametrize(
    "variable", [option.variable for option in OPTIONS if not option.variable.endswith("CONFIG")]
)
def test_a_token_in_the_wrong_variable_is_not_shown(variable: str) -> None:
    """A token is easily pasted into a neighbouring variable."""
    wrong = {variable: TOKEN, "RISK_EXPORTER_API_SHARE": "x"}
    assert "API_SHARE" in rejection(wrong, base={})


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
def test_an_unknown_variable_is_rejected_with_the_nearest_name(variable: str, nearest: str) -> None:
    """A misspelt setting must not be ignored."""
    assert f"{variable}: unknown; the nearest known name is {nearest}" in rejection({variable: "1"})


def test_variables_of_other_programs_are_ignored() -> None:
    """Cloudflare's other tools read variables with similar names."""
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
def test_service_links_of_kubernetes_are_ignored(variable: str, value: str) -> None:
    """A Service named risk-exporter must not prevent the start."""
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
def test_an_unknown_key_is_rejected_at_any_depth(
    text: str, place: str, nearest: str, tmp_path: Path
) -> None:
    """Keys of the file are checked like variables."""
    config = written(tmp_path, text)
    message = rejection_of_file(config, base={})
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
def test_a_file_that_is_not_yaml_is_rejected_without_quoting_it(
    text: str, complaint: str, tmp_path: Path
) -> None:
    """The invalid line may contain the token."""
    config = written(tmp_path, text)
    assert f"{config}: {complaint}" in rejection_of_file(config)


def test_a_file_that_cannot_be_read_is_rejected(tmp_path: Path) -> None:
    """A wrong path must not silently select the defaults."""
    assert "No such file" in rejection({"RISK_EXPORTER_CONFIG": str(tmp_path / "none.yaml")})
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xfd")
    assert "is not UTF-8" in rejection_of_file(str(tmp_path / "binary"))


def test_the_file_may_be_a_pipe(tmp_path: Path) -> None:
    """With a shell's `--config <(sops -d exporter.yaml)` no decrypted file is on disk."""
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


def test_paths_in_the_file_are_relative_to_its_folder(tmp_path: Path) -> None:
    """A configuration folder can be moved or mounted elsewhere."""
    config = written(
        tmp_path,
        f"web_config_file: web.yaml\naccounts: [{{account_id: {ID}, api_token_file: token}}]",
    )
    settings = load_file(config, base={})
    assert settings.web_config_file == tmp_path / "web.yaml"
    assert settings.accounts[0].api_token_file == tmp_path / "token"


# Accounts -------------------------------------------------------------------------------------


def test_the_file_may_list_several_accounts(tmp_path: Path) -> None:
    """Each account has its own name and token."""
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


def test_an_account_without_a_token_uses_the_shared_one(tmp_path: Path) -> None:
    """One token often has access to several accounts, and secrets belong in the environment."""
    config = written(
        tmp_path,
        f"accounts: [{{account_id: {ID}}}, {{account_id: {OTHER_ID}, api_token_file: /own}}]",
    )
    one, other = load_file(config, base={"CLOUDFLARE_API_TOKEN_FILE": "/common"}).accounts
    assert (one.api_token_file, other.api_token_file) == (Path("/common"), Path("/own"))


def test_a_token_that_no_account_uses_is_rejected(tmp_path: Path) -> None:
    """It must be a mistake."""
    config = written(tmp_path, f"accounts: [{{account_id: {ID}, api_token_file: /own}}]")
    message = rejection_of_file(config, base={"CLOUDFLARE_API_TOKEN": TOKEN})
    assert (
        message == "CLOUDFLARE_API_TOKEN: not used: every account has a token of its own "
        f"(accounts in {config}, line 1)"
    )


def test_a_list_of_accounts_excludes_a_single_account(tmp_path: Path) -> None:
    """It would be unclear which of them to poll."""
    config = written(tmp_path, f"accounts: [{{account_id: {OTHER_ID}}}]")
    assert f"CLOUDFLARE_ACCOUNT_ID: cannot stand beside accounts in {config}" in rejection_of_file(
        config
    )


def test_a_token_and_a_token_file_in_one_source_are_rejected(tmp_path: Path) -> None:
    """One of them is probably outdated."""
    message = rejection({"CLOUDFLARE_API_TOKEN_FILE": "/t"})
    assert message == (
        "CLOUDFLARE_API_TOKEN: cannot stand beside CLOUDFLARE_API_TOKEN_FILE; keep one of them"
    )
    config = written(
        tmp_path, f"accounts: [{{account_id: {ID}, api_token: {TOKEN}, api_token_file: /t}}]"
    )
    assert "accounts[0]" in rejection_of_file(config, base={})


def test_a_token_file_in_a_higher_source_replaces_a_token() -> None:
    """Token and token file are two forms of one setting."""
    account = load({}, {"api_token_file": "/near"}).accounts[0]
    assert (account.api_token, account.api_token_file) == (None, Path("/near"))


@pytest.mark.parametrize(
    ("second", "complaint"),
    [
        (f"{{name: acme, account_id: {OTHER_ID}}}", "two accounts have the same name"),
        (f"{{name: b, account_id: {ID.upper()}}}", "two accounts have the same account_id"),
    ],
)
def test_names_and_ids_of_accounts_are_unique(second: str, complaint: str, tmp_path: Path) -> None:
    """Two accounts with one name would share series; two with one id would count events twice."""
    config = written(tmp_path, f"accounts: [{{name: acme, account_id: {ID}}}, {second}]")
    message = rejection_of_file(config, base={"CLOUDFLARE_API_TOKEN": TOKEN})
    assert message == f"accounts in {config}, line 1: {complaint}"


@pytest.mark.parametrize("accounts", ["[]", "acme", "{name: acme}", "[acme]", "[[]]"])
def test_anything_but_a_list_of_accounts_is_rejected(accounts: str, tmp_path: Path) -> None:
    """With an empty list the exporter would poll nothing and appear healthy."""
    config = written(tmp_path, f"accounts: {accounts}")
    assert "accounts" in rejection_of_file(config, base={"CLOUDFLARE_API_TOKEN": TOKEN})


def test_an_invalid_account_or_token_is_reported_by_its_variable() -> None:
    """The user did not write `accounts[0]`."""
    message = rejection(
        {"CLOUDFLARE_ACCOUNT_ID": "acme", "CLOUDFLARE_API_TOKEN": f"{TOKEN} {TOKEN}"}
    )
    assert "CLOUDFLARE_ACCOUNT_ID: not an account id, which is 32 hexadecimal digits" in message
    assert "CLOUDFLARE_API_TOKEN: not a token" in message


def test_the_error_without_settings_says_what_to_set() -> None:
    """It is the first error that new users see."""
    message = rejection(base={})
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
def test_a_duplicate_key_is_rejected_with_both_lines(text: str, said: str, tmp_path: Path) -> None:
    """YAML keeps the last one, so that accounts of the first list would not be polled."""
    config = written(tmp_path, text)
    assert f"{config}: {said}" in rejection_of_file(config, base={"CLOUDFLARE_API_TOKEN": TOKEN})


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
def test_unusual_yaml_is_an_error_without_a_traceback(text: str, tmp_path: Path) -> None:
    """A file may contain any text."""
    assert "exporter.yaml" in rejection_of_file(written(tmp_path, text))


def test_nested_aliases_are_not_expanded(tmp_path: Path) -> None:
    """Ten lines of aliases can stand for a billion nodes; each node is visited once."""
    lines = [f"k{n}: &k{n} [{', '.join([f'*k{n - 1}'] * 9)}]" for n in range(1, 12)]
    text = "\n".join(["k0: &k0 [x]", *lines])
    assert "k11 in " in rejection_of_file(written(tmp_path, text))


@pytest.mark.parametrize("text", ["accounts: [1]", "accounts: [null]", "accounts: [acme]"])
def test_an_account_that_is_not_a_mapping_is_reported_in_plain_words(
    text: str, tmp_path: Path
) -> None:
    """The message does not mention tokens, which are not the problem."""
    config = written(tmp_path, text)
    message = rejection_of_file(config, base={"CLOUDFLARE_API_TOKEN": TOKEN})
    assert (
        message == f"accounts[0] in {config}, line 1: must hold keys and values, such as account_id"
    )


def test_a_missing_account_id_is_reported_in_plain_words(tmp_path: Path) -> None:
    """The message is not pydantic's."""
    config = written(tmp_path, "accounts: [{name: acme}]")
    message = rejection_of_file(config, base={"CLOUDFLARE_API_TOKEN": TOKEN})
    assert message == f"accounts[0].account_id in {config}, line 1: is missing"


def test_a_missing_account_id_is_one_problem(tmp_path: Path) -> None:
    """The default of the name is the id, so that the name is not missing."""
    config = written(tmp_path, "accounts: [{api_token_file: token}]")
    message = rejection_of_file(config, base={})
    assert message == f"accounts[0].account_id in {config}, line 1: is missing"


def test_an_invalid_path_is_reported_in_plain_words(tmp_path: Path) -> None:
    """The message names no Python types."""
    config = written(tmp_path, "web_config_file: [5]")
    assert rejection_of_file(config) == f"web_config_file in {config}, line 1: must be a path"


def test_each_error_names_the_line_of_its_value(tmp_path: Path) -> None:
    """A file may be long and hold many similar accounts."""
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
    message = rejection_of_file(config, base={"CLOUDFLARE_API_TOKEN": TOKEN})
    for expected in (
        f"poll_interval in {config}, line 2: must be at least 1s",
        f"accounts[1].account_id in {config}, line 7: not an account id",
        f"accounts[1].name in {config}, line 8: String should have",
    ):
        assert expected in message
