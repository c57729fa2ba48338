"""Every setting with its type, default and meaning. Flags, messages and the README come from here.

Defaults stand as a user would write them and are read like anything else.
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

from exporter.settings.values import (
    Identity,
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


_Duration = Annotated[float, BeforeValidator(read_duration)]
_Interval = Annotated[_Duration, AfterValidator(at_least(1.0))]
_Word = BeforeValidator(read_lowered)


class AccountSettings(BaseModel):
    """One account to poll. Exactly one of `api_token` and `api_token_file` is there.

    `name` is the `account` label.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    account_id: Annotated[str, BeforeValidator(read_account_id)]
    name: Annotated[str, Field(min_length=1)]
    api_token: Annotated[SecretStr | None, Field(default=None)]
    api_token_file: Annotated[Path | None, Field(default=None)]

    @model_validator(mode="before")
    @classmethod
    def _name_after_the_id(cls, given: object) -> object:
        if isinstance(given, dict) and "account_id" in given and "name" not in given:
            return {**given, "name": str(given["account_id"]).strip().lower()}
        return given

    @field_validator("api_token", mode="before")
    @classmethod
    def _one_word(cls, token: object) -> object:
        return read_token(token) if not isinstance(token, SecretStr) else token

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if (self.api_token is None) == (self.api_token_file is None):
            raise ValueError("needs either api_token or api_token_file")
        return self


class Settings(BaseModel):
    """All that the operator decided. Durations are seconds; text forms never show a token."""

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
        Field(default="https://api.cloudflare.com/client/v4", description="where the API is"),
    ]
    listen: Annotated[
        ListenAddress,
        BeforeValidator(read_listen_address),
        Field(
            default="127.0.0.1:10876",
            description="address of `/metrics`; `:10876` is every interface",
        ),
    ]
    state: Annotated[
        State,
        BeforeValidator(_read_state),
        Field(
            default="sqlite:",
            description="where counters are kept: `sqlite:PATH` (without a path `state.db` in "
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
            description="a user's details are fetched again at least this often, budget allowing",
        ),
    ]
    data_max_age: Annotated[
        _Interval,
        Field(
            default="15m",
            description="with no successful summary for this long the account's gauges are "
            "withdrawn; longer than the poll interval",
        ),
    ]
    api_share: Annotated[
        float,
        BeforeValidator(read_share),
        Field(
            default="0.5",
            description="the share of the token's request quota the exporter may spend",
        ),
    ]
    api_timeout: Annotated[
        _Duration,
        AfterValidator(at_least(0.1)),
        Field(default="30s", description="one attempt at a request, body included"),
    ]
    users_min_level: Annotated[
        UsersMinLevel,
        _Word,
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
        _Word,
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
            description="`_created` series in OpenMetrics, which say since when a counter counts; "
            "`false` for readers that take them for metrics of their own",
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
        _Word,
        Field(default="info", description="`debug`, `info`, `warning` or `error`"),
    ]
    log_format: Annotated[
        LogFormat,
        _Word,
        Field(default="auto", description="`json` or `console`; `auto` is console on a terminal"),
    ]

    @field_validator("accounts")
    @classmethod
    def _told_apart(cls, accounts: tuple[AccountSettings, ...]) -> tuple[AccountSettings, ...]:
        for what, values in (
            ("name", [account.name for account in accounts]),
            ("account_id", [account.account_id for account in accounts]),
        ):
            if len(set(values)) < len(values):
                raise ValueError(f"two accounts have the same {what}")
        return accounts

    @field_validator("data_max_age")
    @classmethod
    def _outlives_one_poll(cls, seconds: float, info: ValidationInfo) -> float:
        interval = info.data.get("poll_interval")
        if interval is not None and seconds <= interval:
            raise ValueError(f"must be longer than poll_interval, which is {interval:g}s")
        return seconds
