"""The laws of the instants at which a past is sampled."""

import pytest

from exporter.backfill import Timeline
from exporter.errors import ConfigurationError

START = 1_700_000_000


def timeline(seconds: int = 600, step: float = 60.0) -> Timeline:
    """Return a timeline of so many seconds."""
    return Timeline.between(START, START + seconds, step=step)


def test_positions_are_a_step_apart_and_the_last_is_a_second_before_the_end() -> None:
    """A sample at the end itself is zero, and must not hide what came in the last step."""
    line = timeline(130)
    assert [line.instant(position) for position in range(line.last_position + 1)] == [
        START,
        START + 60,
        START + 120,
        START + 129,
    ]


def test_an_event_belongs_to_the_first_position_that_has_seen_it() -> None:
    """A sample tells of what happened up to its instant, as a scrape would."""
    line = timeline()
    assert line.position_of(START + 0.001) == 1
    assert line.position_of(START + 60) == 1
    assert line.position_of(START + 60.000001) == 2


@pytest.mark.parametrize("seconds_before_end", [0.0, 0.5, 1.0])
def test_the_last_second_belongs_to_the_last_position(seconds_before_end: float) -> None:
    """Nothing that happened up to the end is left out."""
    line = timeline()
    assert line.position_of(START + 600 - seconds_before_end) == line.last_position


@pytest.mark.parametrize("seconds", [-0.1, 0.0, 600.1, 86_400.0])
def test_what_happened_elsewhere_has_no_position(seconds: float) -> None:
    """What is before the start belongs to it, so that two timelines that meet count once."""
    assert timeline().position_of(START + seconds) is None


def test_fractions_of_a_second_are_left_out() -> None:
    """Instants are printed as whole seconds: halves would be rounded by whoever reads them."""
    assert Timeline.between(10.9, 700.9, step=60.0) == Timeline(10, 700, 60)


@pytest.mark.parametrize("step", [0.5, 1.5, 0.0, 301.0, 3600.0])
def test_a_step_prometheus_could_not_show_is_refused(step: float) -> None:
    """Five minutes after a sample a series is gone from every graph."""
    with pytest.raises(ConfigurationError, match="--step"):
        timeline(step=step)


@pytest.mark.parametrize("seconds", [-60, 0, 60])
def test_a_past_of_no_step_is_refused(seconds: int) -> None:
    """Since and until are easily confused."""
    with pytest.raises(ConfigurationError, match="--since"):
        timeline(seconds)
