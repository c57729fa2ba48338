from exporter.clock import SystemClock
from exporter.errors import BadResponseError
from exporter.polling.resource import Resource
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
