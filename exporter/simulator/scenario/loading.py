"""Scenarios from YAML files."""

from pathlib import Path

import yaml
from pydantic import ValidationError

from exporter.errors import ConfigurationError
from exporter.simulator.scenario.explaining import explain
from exporter.simulator.scenario.root import Scenario


def load_scenario(path: Path) -> Scenario:
    """Read a scenario; an empty file is the default one.

    ConfigurationError tells all that is wrong with the file, a line each.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not YAML: {error}") from error
    if data is None:
        return Scenario()
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        lines = "\n".join(f"{path}: {problem}" for problem in explain(error, Scenario))
        raise ConfigurationError(lines) from error
