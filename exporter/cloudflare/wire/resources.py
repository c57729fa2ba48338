"""Users' details, behaviors and integrations: the answers that are read in one piece."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from exporter.cloudflare.wire.decoding import (
    UNDECODABLE,
    Instant,
    decode,
    known_unix_seconds,
    level_of,
    unix_seconds,
)
from exporter.cloudflare.wire.envelope import Page, Rows, open_page, open_result
from exporter.cloudflare.wire.summary import Text
from exporter.risk.model import Behavior, BehaviorChange, Integration, RiskEvent, UserDetails


class _Details(Struct, frozen=True):
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


_DETAILS = msgspec.json.Decoder(_Details)
_EVENT = msgspec.json.Decoder(_Event)


def read_user(body: bytes) -> UserDetails:
    """Read the body of a good answer; events keep the API's order.

    Events that are not as documented are skipped and counted in `unreadable_events`. `events` may
    be null, as some servers write an empty list, but not missing.
    """
    user = decode(_DETAILS, open_result(body), at="result")
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
    """Read the body of a good answer. Behaviors that are not as documented are skipped and counted."""
    opened = open_page(body, page=page)
    raws = decode(_BEHAVIORS, opened.value, at="result").behaviors
    read = (_readable_behavior(key, raw) for key, raw in raws.items())
    behaviors = tuple(behavior for behavior in read if behavior is not None)
    return Page(Rows(behaviors, unreadable=len(raws) - len(behaviors)), total=opened.total)


def read_changes(body: bytes) -> Mapping[str, BehaviorChange]:
    """Read the configuration that the API reports as set; every entry must be as documented."""
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


class _Integration(Struct, frozen=True):
    id: Annotated[str, Meta(min_length=1)]
    active: bool
    created_at: Instant
    integration_type: str
    tenant_url: str
    reference_id: str | None = None
    account_tag: str | None = None
    well_known_url: str | None = None


_INTEGRATIONS = msgspec.json.Decoder(list[Raw])
_INTEGRATION = msgspec.json.Decoder(_Integration)


def read_integrations(body: bytes, *, page: int = 1) -> Page[Rows[Integration]]:
    """Read the body of a good answer. Integrations that are not as documented are skipped and counted.

    If an id is repeated, the last integration counts.
    """
    opened = open_page(body, page=page)
    raws = decode(_INTEGRATIONS, opened.value, at="result")
    readable = [
        integration for raw in raws if (integration := _readable_integration(raw)) is not None
    ]
    by_id = {integration.integration_id: integration for integration in readable}
    rows = Rows(tuple(by_id.values()), unreadable=len(raws) - len(readable))
    return Page(rows, total=opened.total)


def read_integration(body: bytes) -> Integration:
    """Read the body of a good answer with one integration; every field must be as documented."""
    return _integration(decode(_INTEGRATION, open_result(body), at="result"))


def _readable_integration(raw: Raw) -> Integration | None:
    try:
        return _integration(_INTEGRATION.decode(raw))
    except UNDECODABLE:
        return None


def _integration(decoded: _Integration) -> Integration:
    return Integration(
        integration_id=decoded.id,
        integration_type=decoded.integration_type,
        tenant_url=decoded.tenant_url,
        reference_id=decoded.reference_id or "",
        active=decoded.active,
        created_at=unix_seconds(decoded.created_at),
        account_tag=decoded.account_tag or "",
        well_known_url=decoded.well_known_url or "",
    )
