"""Scenarios from YAML files."""

from pathlib import Path

from pydantic import ValidationError

from exporter.errors import ConfigurationError
from exporter.simulator.scenario.explaining import explain
from exporter.simulator.scenario.root import Scenario
from exporter.yaml_file import read_yaml


def load_scenario(path: Path) -> Scenario:
    """Read a scenario; an empty file is the default one.

    ConfigurationError tells all that is wrong with the file, a line each.
    """
    data = read_yaml(path)
    if data is None:
        return Scenario()
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        lines = "\n".join(f"{path}: {problem}" for problem in explain(error, Scenario))
        raise ConfigurationError(lines) from error
