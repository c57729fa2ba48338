"""One user's details: their events, their level, when the score was last cleared."""

import msgspec
from msgspec import Raw, Struct

from exporter.cloudflare.wire.decoding import UNDECODABLE, decode
from exporter.cloudflare.wire.envelope import open_result
from exporter.cloudflare.wire.instants import Instant, known_unix_seconds, unix_seconds
from exporter.cloudflare.wire.levels import level_of
from exporter.cloudflare.wire.summary import Text
from exporter.risk.model import RiskEvent, UserDetails


class _User(Struct, frozen=True):
    events: list[Raw] | None
    email: Text | None = None
    name: Text | None = None
    last_reset_time: Instant | None = None
    risk_level: str | None = None


class _Event(Struct, frozen=True):
    id: Text
    name: Text
    risk_level: str
    timestamp: Instant


_USER = msgspec.json.Decoder(_User)
_EVENT = msgspec.json.Decoder(_Event)


def read_user(body: bytes) -> UserDetails:
    """Read the body of a good answer; events keep the API's order.

    An event that is not as documented costs only itself and is counted in `unreadable_events`.
    `events` may be null, which is how some servers write an empty list, but not missing.
    """
    user = decode(_USER, open_result(body), at="result")
    raws = user.events or []
    events = tuple(event for event in map(_readable_event, raws) if event is not None)
    return UserDetails(
        email=user.email or "",
        name=user.name or "",
        events=events,
        last_reset=known_unix_seconds(user.last_reset_time),
        level=None if user.risk_level is None else level_of(user.risk_level),
        unreadable_events=len(raws) - len(events),
    )


def _readable_event(raw: Raw) -> RiskEvent | None:
    try:
        event = _EVENT.decode(raw)
    except UNDECODABLE:
        return None
    return RiskEvent(
        id=event.id,
        name=event.name,
        level=level_of(event.risk_level),
        timestamp=unix_seconds(event.timestamp),
    )
