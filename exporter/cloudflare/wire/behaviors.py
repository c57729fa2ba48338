"""The configured behaviors, which are data: new ones appear from time to time."""

from collections.abc import Mapping

import msgspec
from msgspec import Raw, Struct

from exporter.cloudflare.wire.decoding import UNDECODABLE, decode
from exporter.cloudflare.wire.envelope import Page, Rows, open_page, open_result
from exporter.cloudflare.wire.levels import level_of
from exporter.risk.model import Behavior, BehaviorChange


class _Behaviors(Struct, frozen=True):
    behaviors: dict[str, Raw]


class _Behavior(Struct, frozen=True):
    enabled: bool
    risk_level: str
    name: str | None = None
    description: str | None = None


class _Change(Struct, frozen=True):
    enabled: bool
    risk_level: str


class _Changes(Struct, frozen=True):
    behaviors: dict[str, _Change]


_BEHAVIORS = msgspec.json.Decoder(_Behaviors)
_BEHAVIOR = msgspec.json.Decoder(_Behavior)
_CHANGES = msgspec.json.Decoder(_Changes)


def read_behaviors(body: bytes, *, page: int = 1) -> Page[Rows[Behavior]]:
    """Read the body of a good answer; a behavior not as documented is left out and counted."""
    opened = open_page(body, page=page)
    raws = decode(_BEHAVIORS, opened.value, at="result").behaviors
    read = (_readable_behavior(key, raw) for key, raw in raws.items())
    behaviors = tuple(behavior for behavior in read if behavior is not None)
    return Page(Rows(behaviors, unreadable=len(raws) - len(behaviors)), total=opened.total)


def read_changes(body: bytes) -> Mapping[str, BehaviorChange]:
    """Read what the API says was set; one wrong entry refuses the whole answer."""
    changes = decode(_CHANGES, open_result(body), at="result").behaviors
    return {
        key: BehaviorChange(enabled=change.enabled, level=level_of(change.risk_level))
        for key, change in changes.items()
    }


def _readable_behavior(key: str, raw: Raw) -> Behavior | None:
    try:
        behavior = _BEHAVIOR.decode(raw)
    except UNDECODABLE:
        return None
    return Behavior(
        key=key,
        name=behavior.name or "",
        description=behavior.description or "",
        enabled=behavior.enabled,
        level=level_of(behavior.risk_level),
    )
