"""The positions of a timeline."""

import pytest

from exporter.backfill import Timeline
from exporter.errors import ConfigurationError

START = 1_700_000_000


def timeline(seconds: int = 600, step: float = 60.0) -> Timeline:
    """Return a timeline of that many seconds."""
    return Timeline.between(START, START + seconds, step=step)


def test_positions_are_a_step_apart_and_the_last_is_a_second_before_the_end() -> None:
    """The sample at the end is zero, and must not hide the events of the last step."""
    line = timeline(130)
    assert [line.instant(position) for position in range(line.last_position + 1)] == [
        START,
        START + 60,
        START + 120,
        START + 129,
    ]


def test_an_event_belongs_to_the_first_position_after_it() -> None:
    """A sample includes what happened up to its time, like a scrape."""
    line = timeline()
    assert line.position_of(START + 0.001) == 1
    assert line.position_of(START + 60) == 1
    assert line.position_of(START + 60.000001) == 2


@pytest.mark.parametrize("seconds_before_end", [0.0, 0.5, 1.0])
def test_the_last_second_belongs_to_the_last_position(seconds_before_end: float) -> None:
    """No event before the end is lost."""
    line = timeline()
    assert line.position_of(START + 600 - seconds_before_end) == line.last_position


@pytest.mark.parametrize("seconds", [-0.1, 0.0, 600.1, 86_400.0])
def test_an_event_outside_has_no_position(seconds: float) -> None:
    """The start is exclusive, so that two adjacent timelines count an event once."""
    assert timeline().position_of(START + seconds) is None


def test_times_are_rounded_down_to_seconds() -> None:
    """Timestamps are printed as whole seconds."""
    assert Timeline.between(10.9, 700.9, step=60.0) == Timeline(10, 700, 60)


@pytest.mark.parametrize("step", [0.5, 1.5, 0.0, 301.0, 3600.0])
def test_a_step_that_prometheus_cannot_show_is_rejected(step: float) -> None:
    """A series ends in graphs five minutes after a sample."""
    with pytest.raises(ConfigurationError, match="--step"):
        timeline(step=step)


@pytest.mark.parametrize("seconds", [-60, 0, 60])
def test_a_timeline_shorter_than_a_step_is_rejected(seconds: int) -> None:
    """Since and until are easily swapped."""
    with pytest.raises(ConfigurationError, match="--since"):
        timeline(seconds)
