"""Each setting as a file key, an environment variable and a flag, derived from the model."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from exporter.settings.model import PREFIX, AccountShorthand, Settings


@dataclass(frozen=True, slots=True)
class Option:
    """A setting that has a variable; `name` is its key in the file.

    `default` is written as a user would write it, empty if there is none. `flag` is None for a
    secret, because every user of a machine can read its command lines.
    """

    name: str
    variable: str
    flag: str | None
    default: str
    meaning: str


def _options() -> Iterator[Option]:
    for name, field in (AccountShorthand.model_fields | Settings.model_fields).items():
        if name != "accounts":
            yield Option(
                name=name,
                variable=str(field.validation_alias or f"{PREFIX}{name.upper()}"),
                flag=None if _is_secret(field) else f"--{name.replace('_', '-')}",
                default="" if field.default is None else str(field.default),
                meaning=field.description or "",
            )


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in get_args(field.annotation)


OPTIONS = tuple(_options())
"""All settings that have a variable, in the order of the documentation."""


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
