from structlog.testing import capture_logs

from exporter.clock import SystemClock
from exporter.errors import BadResponseError, NetworkError, PollError, TimedOutError
from exporter.metrics import CounterSeries
from exporter.polling.resource import LONGEST_SHOWN_MESSAGE, Resource, safe_message
from exporter.status import ResourceName
from exporter.telemetry import Telemetry


async def fail_while_reading() -> None:
    """Fail as a reader does, with an answer in its frame and a cause that has seen it."""
    body = bytes(1000)
    try:
        body.decode().index("x")
    except ValueError as error:
        raise BadResponseError("is wrong", field="result") from error


async def test_a_failure_that_is_remembered_does_not_keep_the_answer() -> None:
    """A traceback keeps its frames, and a frame the body: of each failing user one."""
    resource = Resource(
        ResourceName.USERS, account="acme", telemetry=Telemetry(), clock=SystemClock()
    )

    await resource.attempt(fail_while_reading, subject="u1")

    assert resource.error is not None
    assert resource.error.__traceback__ is None
    assert resource.error.__cause__ is None
    assert resource.error.__context__ is None


def users_resource(telemetry: Telemetry | None = None) -> Resource:
    """Return the resource of an account's users."""
    return Resource(
        ResourceName.USERS,
        account="acme",
        telemetry=telemetry or Telemetry(),
        clock=SystemClock(),
    )


async def poll(resource: Resource, error: PollError | None, *, subject: str = "") -> None:
    """Poll once, with this result."""

    async def ask() -> None:
        if error is not None:
            raise error

    await resource.attempt(ask, subject=subject)


def value_of(series: CounterSeries) -> float:
    """Return the value of a counter's series."""
    return float(series.render(created_shown=False).split()[-1])


async def test_every_poll_is_counted() -> None:
    """Failed ones are, too."""
    telemetry = Telemetry()
    resource = users_resource(telemetry)

    for error in (None, NetworkError("reset"), None):
        await poll(resource, error)

    assert value_of(telemetry.polls.labels("acme", ResourceName.USERS)) == 3.0
    failures = telemetry.poll_failures.labels("acme", ResourceName.USERS, "network")
    assert value_of(failures) == 1.0


async def test_a_success_of_one_user_does_not_end_the_failure_of_another() -> None:
    """The error is shown until its own user succeeds."""
    resource, error = users_resource(), NetworkError("reset")
    await poll(resource, error, subject="ann")

    await poll(resource, None, subject="bob")
    assert resource.error is error

    await poll(resource, None, subject="ann")
    assert resource.error is None


async def test_the_latest_failure_is_the_error_of_the_resource() -> None:
    """A user who fails again counts as the latest."""
    resource, again = users_resource(), TimedOutError("again")
    await poll(resource, NetworkError("first"), subject="ann")
    await poll(resource, NetworkError("second"), subject="bob")

    await poll(resource, again, subject="ann")

    assert resource.error is again


async def test_the_history_has_failures_and_successes() -> None:
    """The status page shows it."""
    resource = users_resource()

    await poll(resource, NetworkError("reset"))
    assert resource.history.failing_since is not None
    assert [one.message for one in resource.history.failures()] == ["reset"]

    await poll(resource, None)
    assert resource.history.failing_since is None


async def test_each_reason_is_a_warning_once_until_the_resource_has_recovered() -> None:
    """Repetitions are debug events, and a recovery is logged only after a failure."""
    resource = users_resource()
    reset, slow = NetworkError("reset"), TimedOutError("slow")

    with capture_logs() as events:
        for error in (None, reset, reset, slow, None, reset):
            await poll(resource, error)

    assert [(event["log_level"], event.get("reason")) for event in events] == [
        ("warning", "network"),
        ("debug", "network"),
        ("warning", "timeout"),
        ("info", None),
        ("warning", "network"),
    ]


async def test_a_resource_has_recovered_when_no_user_fails_any_more() -> None:
    """One success among failing users is no recovery."""
    resource = users_resource()
    await poll(resource, NetworkError("reset"), subject="ann")

    with capture_logs() as events:
        await poll(resource, None, subject="bob")
        assert not events
        await poll(resource, None, subject="ann")

    assert [event["event"] for event in events] == ["poll.recovered"]


def test_a_message_of_the_greatest_length_is_kept_whole() -> None:
    """A longer one ends with an ellipsis, at the same length."""
    longest = "x" * LONGEST_SHOWN_MESSAGE

    assert safe_message(ResourceName.SUMMARY, NetworkError(longest)) == longest
    shortened = safe_message(ResourceName.SUMMARY, NetworkError(longest + "x"))
    assert shortened == longest[:-1] + "…"


def test_unreadable_rows_of_all_answers_are_added() -> None:
    """The part of unreadable rows is that of all rows so far."""
    resource = users_resource()

    for _ in range(2):
        resource.note_rows(rows=10, unreadable=1, operation="get_user")

    assert (resource.rows, resource.unreadable_rows) == (20, 2)


async def test_the_history_contains_no_email() -> None:
    """The status page shows it without authentication on loopback."""
    resource = users_resource()

    await poll(resource, NetworkError("refused for ann@example.com"))

    assert [one.message for one in resource.history.failures()] == ["refused for …"]
