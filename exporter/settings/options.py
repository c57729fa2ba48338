"""Each setting by all its names: in the file, as a variable, as a flag."""

from dataclasses import dataclass

from exporter.settings.model import Settings

PREFIX = "RISK_EXPORTER_"


@dataclass(frozen=True, slots=True)
class Option:
    """One thing an operator can set; `name` is its key in the file.

    `default` is written as a user would, empty where there is none. `flag` is None where a
    command line is the wrong place.
    """

    name: str
    variable: str
    flag: str | None
    default: str
    meaning: str


CONFIG = Option(
    name="config",
    variable=f"{PREFIX}CONFIG",
    flag="--config",
    default="",
    meaning="a YAML file with any of these settings, and `accounts` for several accounts",
)
"""The one option a file cannot hold."""

ACCOUNT_OPTIONS = (
    Option(
        name="api_token",
        variable="CLOUDFLARE_API_TOKEN",
        flag=None,  # every user of the machine can read a command line
        default="",
        meaning="the API token, for every account that names no token of its own; it has no flag, "
        "because every user of a machine can read its command lines",
    ),
    Option(
        name="api_token_file",
        variable="CLOUDFLARE_API_TOKEN_FILE",
        flag="--api-token-file",
        default="",
        meaning="a file holding the token instead; read again when it changes and after a 401 "
        "or 403",
    ),
    Option(
        name="account_id",
        variable="CLOUDFLARE_ACCOUNT_ID",
        flag="--account-id",
        default="",
        meaning="the one account; for several, `accounts` in the file",
    ),
)
"""The short way to say which account, and with which token."""

SETTING_OPTIONS = tuple(
    Option(
        name=name,
        variable=f"{PREFIX}{name.upper()}",
        flag=f"--{name.replace('_', '-')}",
        default="" if field.default is None else str(field.default),
        meaning=field.description or "",
    )
    for name, field in Settings.model_fields.items()
    if name != "accounts"
)

OPTIONS = (*ACCOUNT_OPTIONS, CONFIG, *SETTING_OPTIONS)
"""Everything that is a variable or a flag, in the order people read about it."""


def settings_table() -> str:
    """Return the README's table of settings, in Markdown."""
    rows = [
        f"| `{option.variable}` | {_code(option.flag)} | {_code(option.default)} "
        f"| {option.meaning} |"
        for option in OPTIONS
    ]
    return "\n".join(("| variable | flag | default | meaning |", "|---|---|---|---|", *rows))


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""
