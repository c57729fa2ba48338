"""Reads YAML files written by people: strict where YAML is lenient, and discreet in its errors."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import yaml

from exporter.errors import ConfigurationError

_BAD_VALUES = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What PyYAML raises, beside its own errors, for a value that its tag or shape does not allow,
such as the date 2026-02-31."""


_NAME = re.compile(r"[A-Za-z0-9_. -]{1,64}")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was set: the name of a flag or variable, or a key of a file."""

    name: str
    file: Path | None = None

    def inside(self, *steps: str | int) -> "Origin":
        """Return the origin of a part of the value: a number is an index, a text a key."""
        name = self.name
        for step in steps:
            name += f"[{step}]" if isinstance(step, int) else f".{step}"
        return Origin(name, self.file)

    def __str__(self) -> str:
        """Return the origin as messages name it."""
        return f"{self.name} in {self.file}" if self.file else self.name


def unknown_name(origin: Origin, name: str, known: Collection[str]) -> str:
    """Return the message for an unknown name, with the nearest known one."""
    nearest = get_close_matches(name, known, n=1, cutoff=0.0)[0]
    return f"{origin}: unknown; the nearest known name is {nearest}"


def read_yaml(path: Path) -> object:
    """Return the content of the file at `path`; None if the file is empty.

    Raises ConfigurationError if the file cannot be read or is not YAML, and for every key that
    a mapping holds twice: YAML would silently keep the last one. No message quotes a value,
    because it may be a secret.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: is not UTF-8 text") from None
    try:
        repeated = tuple(_repeated_keys(yaml.compose(text, Loader=yaml.SafeLoader)))
        content: object = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        raise ConfigurationError(f"{path}: is not YAML{_position(error.problem_mark)}") from None
    except (yaml.YAMLError, *_BAD_VALUES):
        raise ConfigurationError(f"{path}: is not YAML") from None
    if repeated:
        raise ConfigurationError(
            "\n".join(
                f"{path}: {_shown(key)} is given twice, in line {first} and in line {second}; keep one"
                for key, first, second in repeated
            )
        )
    return content


def _shown(key: str) -> str:
    """Return the key, unless it looks like no name of a setting: it may be an email or a hash."""
    return key if _NAME.fullmatch(key) else "a key"


def _position(mark: yaml.Mark | None) -> str:
    return "" if mark is None else f": line {mark.line + 1}, column {mark.column + 1}"


def _repeated_keys(root: yaml.Node | None) -> Iterator[tuple[str, int, int]]:
    """Yield each repeated key with the lines of its first and its later occurrence.

    An anchored node is visited once, however many aliases refer to it.
    """
    remaining = [] if root is None else [root]
    visited: set[int] = set()
    while remaining:
        node = remaining.pop()
        if id(node) in visited:
            continue
        visited.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            remaining.extend(reversed(node.value))
        elif isinstance(node, yaml.MappingNode):
            yield from _repeated_in(node)
            remaining.extend(value for _, value in reversed(node.value))


def _repeated_in(mapping: yaml.MappingNode) -> Iterator[tuple[str, int, int]]:
    lines: dict[tuple[str, str], int] = {}
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        identity, line = (key.tag, key.value), key.start_mark.line + 1
        if identity in lines:
            yield key.value, lines[identity], line
        lines.setdefault(identity, line)
