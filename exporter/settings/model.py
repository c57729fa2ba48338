"""Every setting with its names, type, default and meaning.

The environment variables, the flags, the keys of the file and the README's table come from this
model. Defaults are written as a user would write them and validated like other values.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from exporter.risk.model import Identity
from exporter.settings.values import (
    ListenAddress,
    LogFormat,
    LogLevel,
    State,
    UsersMinLevel,
    at_least,
    read_account_id,
    read_api_url,
    read_count,
    read_duration,
    read_hosts,
    read_listen_address,
    read_lowered,
    read_share,
    read_state,
    read_switch,
    read_token,
)


def _read_state(value: object, info: ValidationInfo) -> State:
    environ: Mapping[str, str] = info.context or {}
    return read_state(value, environ)


PREFIX = "RISK_EXPORTER_"
"""The prefix of the environment variables, except for those of `AccountShorthand`."""

_Duration = Annotated[float, BeforeValidator(read_duration)]
_Interval = Annotated[_Duration, AfterValidator(at_least(1.0))]
_Keyword = BeforeValidator(read_lowered)


class AccountSettings(BaseModel):
    """One account to poll; either `api_token` or `api_token_file` is set.

    `name` is the value of the `account` label.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    account_id: Annotated[str, BeforeValidator(read_account_id)]
    name: Annotated[str, Field(min_length=1)]
    api_token: Annotated[SecretStr | None, Field(default=None)]
    api_token_file: Annotated[Path | None, Field(default=None)]

    @model_validator(mode="before")
    @classmethod
    def _default_name(cls, given: object) -> object:
        if not isinstance(given, dict) or "name" in given:
            return given
        # Without an id, which is an error already, any name will do.
        return {**given, "name": str(given.get("account_id")).strip().lower()}

    @field_validator("api_token", mode="before")
    @classmethod
    def _read_token(cls, token: object) -> object:
        return read_token(token) if not isinstance(token, SecretStr) else token

    @model_validator(mode="after")
    def _check_token(self) -> Self:
        if (self.api_token is None) == (self.api_token_file is None):
            raise ValueError("needs either api_token or api_token_file")
        return self


class AccountShorthand(BaseModel):
    """What can be set but is no field of `Settings`: one account without a list, and the file."""

    api_token: Annotated[
        SecretStr | None,
        Field(
            default=None,
            validation_alias="CLOUDFLARE_API_TOKEN",
            description="the API token, for every account that has no token of its own; it has no "
            "flag, because every user of a machine can read its command lines",
        ),
    ]
    api_token_file: Annotated[
        Path | None,
        Field(
            default=None,
            validation_alias="CLOUDFLARE_API_TOKEN_FILE",
            description="a file with the token instead; read again when it changes and after a "
            "401 or 403",
        ),
    ]
    account_id: Annotated[
        str | None,
        Field(
            default=None,
            validation_alias="CLOUDFLARE_ACCOUNT_ID",
            description="the only account; for several, `accounts` in the file",
        ),
    ]
    config: Annotated[
        Path | None,
        Field(
            default=None,
            description="a YAML file with any of these settings, and `accounts` for several "
            "accounts",
        ),
    ]


class Settings(BaseModel):
    """The validated settings. Durations are seconds; text forms never show a token."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
    )

    accounts: tuple[AccountSettings, ...]
    api_url: Annotated[
        str,
        BeforeValidator(read_api_url),
        Field(default="https://api.cloudflare.com/client/v4", description="base URL of the API"),
    ]
    listen: Annotated[
        ListenAddress,
        BeforeValidator(read_listen_address),
        Field(
            default="127.0.0.1:10876",
            description="address of `/metrics`; `:10876` listens on every interface",
        ),
    ]
    state: Annotated[
        State,
        BeforeValidator(_read_state),
        Field(
            default="sqlite:",
            description="where counters are stored: `sqlite:PATH` (without a path `state.db` in "
            "systemd's `STATE_DIRECTORY`, else in the XDG state directory) or `memory:`",
        ),
    ]
    poll_interval: Annotated[
        _Interval, Field(default="60s", description="time between summary polls")
    ]
    config_interval: Annotated[
        _Interval,
        Field(default="5m", description="time between polls of behaviors and integrations"),
    ]
    detail_max_age: Annotated[
        _Interval,
        Field(
            default="24h",
            description="a user's details are refreshed at least this often, if the quota allows it",
        ),
    ]
    data_max_age: Annotated[
        _Interval,
        Field(
            default="15m",
            description="without a successful summary for this long the account's gauges are "
            "withdrawn; longer than the poll interval",
        ),
    ]
    api_share: Annotated[
        float,
        BeforeValidator(read_share),
        Field(
            default="0.5",
            description="the share of the token's request quota that the exporter may use",
        ),
    ]
    api_timeout: Annotated[
        _Duration,
        AfterValidator(at_least(0.1)),
        Field(
            default="30s",
            description="timeout of one attempt at a request, including the response body",
        ),
    ]
    users_min_level: Annotated[
        UsersMinLevel,
        _Keyword,
        Field(
            default="low",
            description="per-user series from this level up: `low`, `medium` or `high`; `none` "
            "turns them off entirely",
        ),
    ]
    users_limit: Annotated[
        int,
        BeforeValidator(read_count),
        Field(
            default="10000",
            description="per-user series for at most this many users of an account, highest "
            "level and then latest event first",
        ),
    ]
    identity: Annotated[
        Identity,
        _Keyword,
        Field(
            default="full",
            description="`full`: email and name on `user_info`; `pseudonym`: `user_id` replaced "
            "by a keyed hash everywhere, no email, no name; `none`: no `user_info`",
        ),
    ]
    web_config_file: Annotated[
        Path | None,
        Field(
            default=None,
            description="TLS and basic auth, in the file format of Prometheus's exporter-toolkit",
        ),
    ]
    allowed_hosts: Annotated[
        tuple[str, ...],
        BeforeValidator(read_hosts),
        Field(
            default="",
            description="Host names accepted besides loopback ones on a loopback listener, "
            "separated by commas; a list in the file",
        ),
    ]
    created_series: Annotated[
        bool,
        BeforeValidator(read_switch),
        Field(
            default="true",
            description="`_created` series in OpenMetrics, the time since which a counter counts; "
            "`false` for readers that take them for separate metrics",
        ),
    ]
    enable_lifecycle: Annotated[
        bool,
        BeforeValidator(read_switch),
        Field(
            default="false",
            description="accept `POST /-/reload`; SIGHUP reloads in any case",
        ),
    ]
    log_level: Annotated[
        LogLevel,
        _Keyword,
        Field(default="info", description="`debug`, `info`, `warning` or `error`"),
    ]
    log_format: Annotated[
        LogFormat,
        _Keyword,
        Field(default="auto", description="`json` or `console`; `auto` is console on a terminal"),
    ]

    @field_validator("accounts")
    @classmethod
    def _check_unique(cls, accounts: tuple[AccountSettings, ...]) -> tuple[AccountSettings, ...]:
        for key, values in (
            ("name", [account.name for account in accounts]),
            ("account_id", [account.account_id for account in accounts]),
        ):
            if len(set(values)) < len(values):
                raise ValueError(f"two accounts have the same {key}")
        return accounts

    @field_validator("data_max_age")
    @classmethod
    def _check_poll_interval(cls, seconds: float, info: ValidationInfo) -> float:
        interval = info.data.get("poll_interval")
        if interval is not None and seconds <= interval:
            raise ValueError(f"must be longer than poll_interval, which is {interval:g}s")
        return seconds
