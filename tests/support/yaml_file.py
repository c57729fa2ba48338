"""Configuration files of other programs, written from plain values."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import yaml

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"


def write_yaml(path: Path, value: Json) -> Path:
    """Write `value` to `path`, making its folder where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(value), encoding="utf-8")
    return path
