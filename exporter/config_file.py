"""YAML files that people write: settings, web configuration and scenarios.

Duplicate keys are errors, and each error names the file, the key and the line. No message contains
a value, because any value may be a secret.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from exporter.errors import ConfigurationError

_INVALID_VALUES = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What PyYAML raises, besides its own errors, for a value that does not fit its tag, such as the
date 2026-02-31."""

_NAME = re.compile(r"[A-Za-z0-9_. -]{1,64}")

_PLAIN_MESSAGES: Mapping[str, str] = MappingProxyType(
    {
        "missing": "is missing",
        "model_type": "must hold keys and values",
        "path_type": "must be a path",
    }
)
"""Replacements for pydantic's messages that name Python types."""

Location = Sequence[str | int]
"""The keys and indexes that lead to a value, outermost first."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The content of a file, and the line of each value in it; an empty file holds None."""

    path: Path
    content: object = field(repr=False)
    _root: yaml.Node | None = field(default=None, repr=False, compare=False)

    def origin(self, *location: str | int) -> "Origin":
        """Return the origin of the value at `location`; without arguments, of the whole file."""
        return Origin("", self).inside(*location)

    def line(self, location: Location) -> int | None:
        """Return the line of the key or item at `location`, or of the nearest enclosing one.

        None for the whole file.
        """
        node, line = self._root, None
        for step in location:
            found = None if node is None else _child(node, step)
            if found is None:
                break
            line, node = found
        return line


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was set: a flag, a variable, or a key of a file."""

    name: str
    file: ConfigFile | None = None
    location: tuple[str | int, ...] = ()

    def inside(self, *steps: str | int) -> "Origin":
        """Return the origin of a part of the value: a number is an index, a text a key."""
        name = self.name
        for step in steps:
            name += f"[{step}]" if isinstance(step, int) else f".{step}" if name else step
        return Origin(name, self.file, (*self.location, *steps))

    def __str__(self) -> str:
        """Return the origin as messages name it."""
        if self.file is None:
            return self.name
        line = self.file.line(self.location)
        file = str(self.file.path) if line is None else f"{self.file.path}, line {line}"
        return f"{self.name} in {file}" if self.name else file


def read_config_file(path: Path) -> ConfigFile:
    """Read the file at `path`.

    Raises ConfigurationError if it cannot be read, is not YAML or has duplicate keys, of which
    YAML would keep the last.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: is not UTF-8 text") from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        duplicates = tuple(_duplicate_keys(root))
        content: object = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        raise ConfigurationError(f"{path}: is not YAML{_position(error.problem_mark)}") from None
    except (yaml.YAMLError, *_INVALID_VALUES):
        raise ConfigurationError(f"{path}: is not YAML") from None
    if duplicates:
        raise ConfigurationError(
            "\n".join(
                f"{path}: {_quotable(key)} is given twice, in line {first} and in line {second}; "
                "keep one"
                for key, first, second in duplicates
            )
        )
    return ConfigFile(path, content, root)


def describe_errors(
    error: ValidationError, model: type[BaseModel], origin_of: Callable[..., Origin]
) -> Iterator[str]:
    """Yield one line for each error found by `model`; `origin_of` is called with a location."""
    for details in error.errors(include_url=False, include_input=False, include_context=False):
        location = details["loc"]
        if details["type"] == "extra_forbidden":
            known = known_names(model, location[:-1])
            yield unknown_name(origin_of(*location), str(location[-1]), known)
        else:
            yield problem(origin_of(*location), plain_message(details))


def problem(origin: Origin, message: str) -> str:
    """Return the line for one error; without a file and a key it is the message alone."""
    return f"{origin}: {message}" if str(origin) else message


def plain_message(details: ErrorDetails) -> str:
    """Return pydantic's message without Python types."""
    return _PLAIN_MESSAGES.get(details["type"], details["msg"].removeprefix("Value error, "))


def unknown_name(origin: Origin, name: str, known: Collection[str]) -> str:
    """Return the line for an unknown name, with the nearest known one."""
    nearest = get_close_matches(name, known, n=1, cutoff=0.0)[0]
    return f"{origin}: unknown; the nearest known name is {nearest}"


def known_names(model: type[BaseModel], location: Location) -> Sequence[str]:
    """Return the keys that are valid in the mapping at `location` of a `model`."""
    for step in location:
        found = next((one for name, one in _fields(model).items() if name == step), None)
        model = next(_models_in(found), model)
    return tuple(_fields(model))


def _fields(model: type[BaseModel]) -> Mapping[str, object]:
    return {one.alias or name: one.annotation for name, one in model.model_fields.items()}


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield the models in an annotation such as `tuple[SomeModel, ...]` or `SomeModel | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _child(node: yaml.Node, step: str | int) -> tuple[int, yaml.Node] | None:
    """Return the line of a key or item, and its value."""
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        if step < len(node.value):
            return node.value[step].start_mark.line + 1, node.value[step]
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == str(step):
                return key.start_mark.line + 1, value
    return None


def _quotable(key: str) -> str:
    """Return the key, unless it cannot be the name of a setting: it may be an email or a hash."""
    return key if _NAME.fullmatch(key) else "a key"


def _position(mark: yaml.Mark | None) -> str:
    return "" if mark is None else f": line {mark.line + 1}, column {mark.column + 1}"


def _duplicate_keys(root: yaml.Node | None) -> Iterator[tuple[str, int, int]]:
    """Yield each duplicate key with the lines of its first and its later occurrence.

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
            yield from _duplicates_in(node)
            remaining.extend(value for _, value in reversed(node.value))


def _duplicates_in(mapping: yaml.MappingNode) -> Iterator[tuple[str, int, int]]:
    lines: dict[tuple[str, str], int] = {}
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        identity, line = (key.tag, key.value), key.start_mark.line + 1
        if identity in lines:
            yield key.value, lines[identity], line
        lines.setdefault(identity, line)
