"""Operations on users: the summary, one user's details, and the reset of a score."""

import re

import msgspec

from exporter.simulator.api.messages import Reply, ResultInfo, invalid, user_not_found, wrap
from exporter.simulator.api.operations import Admitted, succeed
from exporter.simulator.world.bodies import Piece
from exporter.simulator.world.timestamps import render
from exporter.simulator.world.users import Event, User

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_HEAD = Piece(b'{"users":[')
_TAIL = Piece(b"]}")


class EventShape(msgspec.Struct, omit_defaults=True):
    """An event as details show it."""

    id: str
    name: str
    risk_level: str
    timestamp: str
    event_details: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class UserShape(msgspec.Struct):
    """A user as details show them; `risk_level` is missing where they have none."""

    email: str
    name: str
    events: list[EventShape]
    last_reset_time: str | None
    risk_level: str | msgspec.UnsetType


def get_summary(admitted: Admitted) -> Reply:
    """Answer every listed user, or a page of them where the account pages."""
    account, reader = admitted.account, admitted.token.reader
    view = account.look(reader, at_ns=admitted.now_ns)
    info, rows = None, account.summary_pieces()
    if account.traits.page_size is not None:
        info, rows = _page(admitted, account.traits.page_size)
    body = wrap((_HEAD, *rows, _TAIL), result_first=account.traits.result_first, result_info=info)
    if info is not None and info.page < info.total_pages:
        return Reply(200, body, {})
    return Reply(200, body, {}, delivered=lambda: account.learn(reader, view))


def get_user(admitted: Admitted) -> Reply:
    """Answer one user's events, the latest first, and their score."""
    user = _find_user(admitted)
    events, reset = tuple(user.events), user.last_reset
    reply = succeed(admitted, _shape_user(user))

    def mark_shown() -> None:
        for event in events:
            event.mark_shown(admitted.token.reader, at_ns=admitted.now_ns)
        if reset is not None:
            reset.mark_shown(admitted.token.reader)

    return Reply(reply.status, reply.body, reply.headers, delivered=mark_shown)


def reset_user(admitted: Admitted) -> Reply:
    """Clear one user's score, whether or not they have one."""
    admitted.account.reset(_find_user(admitted), at_ns=admitted.now_ns)
    return succeed(admitted, {})


def _find_user(admitted: Admitted) -> User:
    user_id = admitted.route.key
    if not _UUID.fullmatch(user_id):
        raise invalid("must be a UUID", pointer="/user_id")
    user = admitted.account.users.get(user_id.lower())
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
        last_reset_time=None if reset is None else render(reset.at_ns),
        risk_level=msgspec.UNSET if user.level is None else user.level,
    )


def _shape_event(event: Event) -> EventShape:
    return EventShape(
        id=event.id,
        name=event.name,
        risk_level=event.level,
        timestamp=render(event.at_ns, event.spelling),
        event_details=msgspec.Raw(event.details) if event.details else msgspec.UNSET,
    )


def _page(admitted: Admitted, page_size: int) -> tuple[ResultInfo, tuple[Piece, ...]]:
    rows = admitted.account.summary_rows()
    page = _positive(admitted, "page", default=1)
    per_page = min(_positive(admitted, "per_page", default=page_size), page_size)
    shown = rows[(page - 1) * per_page : page * per_page]
    info = ResultInfo(
        count=len(shown),
        page=page,
        per_page=per_page,
        total_count=len(rows),
        total_pages=-(-len(rows) // per_page),
    )
    return info, (Piece(b",".join(shown)),)


def _positive(admitted: Admitted, name: str, *, default: int) -> int:
    text = admitted.call.query.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise invalid("must be a positive number", pointer=f"/query/{name}")
    return int(text)
