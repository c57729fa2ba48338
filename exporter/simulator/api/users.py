"""Operations on users: the summary, one user's details, and the reset of a score."""

import re

import msgspec

from exporter.simulator.api.messages import Reply, ResultInfo, invalid, user_not_found, wrap
from exporter.simulator.api.operations import AuthorizedCall, success_reply
from exporter.simulator.world.bodies import Piece
from exporter.simulator.world.timestamps import format_timestamp
from exporter.simulator.world.users import Event, User

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_HEAD = Piece(b'{"users":[')
_TAIL = Piece(b"]}")


class EventShape(msgspec.Struct, omit_defaults=True):
    """An event in the details of a user."""

    id: str
    name: str
    risk_level: str
    timestamp: str
    event_details: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class UserShape(msgspec.Struct):
    """The details of a user; `risk_level` is missing if the user has none."""

    email: str
    name: str
    events: list[EventShape]
    last_reset_time: str | None
    risk_level: str | msgspec.UnsetType


def get_summary(authorized: AuthorizedCall) -> Reply:
    """Return every listed user, or one page of them if the account has a page size."""
    account, reader = authorized.account, authorized.token.reader
    changes = account.preview_summary(reader, at_ns=authorized.now_ns)
    info, rows = None, account.summary_pieces()
    if account.traits.page_size is not None:
        info, rows = _page(authorized, account.traits.page_size)
    body = wrap((_HEAD, *rows, _TAIL), result_first=account.traits.result_first, result_info=info)
    if info is not None and info.page < info.total_pages:
        return Reply(200, body, {})
    return Reply(200, body, {}, delivered=lambda: account.record_summary(reader, changes))


def get_user(authorized: AuthorizedCall) -> Reply:
    """Return a user's events, newest first, and their level."""
    user = _find_user(authorized)
    events, reset = tuple(user.events), user.last_reset
    reply = success_reply(authorized, _shape_user(user))

    def mark_shown() -> None:
        for event in events:
            event.mark_shown(authorized.token.reader, at_ns=authorized.now_ns)
        if reset is not None:
            reset.mark_shown(authorized.token.reader)

    return Reply(reply.status, reply.body, reply.headers, delivered=mark_shown)


def reset_user(authorized: AuthorizedCall) -> Reply:
    """Clear the score of a user, whether or not they have one."""
    authorized.account.reset(_find_user(authorized), at_ns=authorized.now_ns)
    return success_reply(authorized, {})


def _find_user(authorized: AuthorizedCall) -> User:
    user_id = authorized.route.key
    if not _UUID.fullmatch(user_id):
        raise invalid("must be a UUID", pointer="/user_id")
    user = authorized.account.users.get(user_id.lower())
    if user is None or user.is_vanished:
        raise user_not_found()
    return user


def _shape_user(user: User) -> UserShape:
    events = sorted(user.events, key=lambda event: event.at_ns, reverse=True)
    reset = user.last_reset
    return UserShape(
        email=user.email,
        name=user.name,
        events=[_shape_event(event) for event in events],
        last_reset_time=None if reset is None else format_timestamp(reset.at_ns),
        risk_level=msgspec.UNSET if user.level is None else user.level,
    )


def _shape_event(event: Event) -> EventShape:
    return EventShape(
        id=event.id,
        name=event.name,
        risk_level=event.level,
        timestamp=format_timestamp(event.at_ns, event.timestamp_format),
        event_details=msgspec.Raw(event.details) if event.details else msgspec.UNSET,
    )


def _page(authorized: AuthorizedCall, page_size: int) -> tuple[ResultInfo, tuple[Piece, ...]]:
    rows = authorized.account.summary_rows()
    page = _positive(authorized, "page", default=1)
    per_page = min(_positive(authorized, "per_page", default=page_size), page_size)
    shown = rows[(page - 1) * per_page : page * per_page]
    info = ResultInfo(
        count=len(shown),
        page=page,
        per_page=per_page,
        total_count=len(rows),
        total_pages=-(-len(rows) // per_page),
    )
    return info, (Piece(b",".join(shown)),)


def _positive(authorized: AuthorizedCall, name: str, *, default: int) -> int:
    text = authorized.call.query.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise invalid("must be a positive number", pointer=f"/query/{name}")
    return int(text)
