"""Details of users: events and resets are counted here."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import floor

from msgspec.structs import replace

from exporter.risk.ledger.names import behavior_label, event_key
from exporter.risk.ledger.records import (
    AccountRecord,
    Changes,
    CountedEvent,
    EventMark,
    Ledger,
    NameRecord,
    UserRecord,
)
from exporter.risk.model import EventCount, Exemplar, RiskEvent, RiskLevel, UserDetails

MARKS_KEPT_SECONDS = 30 * 86_400.0
"""How long an event that disappeared from the API's responses is remembered."""

STALE_ANSWERS_LIMIT = 3
"""After so many responses in a row without the summary's last event, the details count as read: the
API may truncate its list, and the refresh by age reads them again."""


def observe_details(
    ledger: Ledger,
    user_id: str,
    details: UserDetails,
    marks: Mapping[bytes, EventMark],
    *,
    now: float,
) -> Changes:
    """Return what a user's details change, given the `marks` of that user's events.

    - An event counts if its key is new, or if the response has more events of its key than any
      before. Events of the baseline never count, however late they appear, even if the summary
      has the last of them with fewer digits.
    - An event that disappears and returns does not count again, unless it was gone for longer
      than `MARKS_KEPT_SECONDS` and its mark was removed. Nor does a changed level make it count
      again.
    - All events of a user who is not listed are marked as gone: the user is not read again.
    - A later `last_reset` than the known one is one reset.
    - Details without the summary's last event are older than the summary: their events count, and
      they stay due, at most `STALE_ANSWERS_LIMIT` times.
    """
    record = ledger.users.get(user_id, UserRecord())
    names = {**ledger.names, **_unheard_of(details.events, ledger.names)}
    answered = _by_key(details.events, names, counted_after=record.counted_after)
    counted = tuple(
        CountedEvent(user_id, behavior_label(event, names), event)
        for key, events in answered.items()
        for event in events[_times_seen(marks.get(key)) :]
    )
    return Changes(
        account=_with_reset(ledger.account, record, details),
        users={user_id: _read(record, details, counted, ledger=ledger, now=now)},
        totals=_grown(ledger.totals, counted, ledger=ledger, now=now),
        names={name: names[name] for name in names if name not in ledger.names},
        marks=_by_user(
            user_id,
            _moved_marks(answered, marks, is_listed=record.summary is not None, now=now),
        ),
        counted=counted,
    )


def observe_missing(
    ledger: Ledger, user_id: str, marks: Mapping[bytes, EventMark], *, now: float
) -> Changes:
    """Return what a 404 for a user changes: their details are not due any more.

    A user who is listed stays listed, because the response is older than the summary: see
    `observe_details`. Totals stay, and the user's events are marked as gone.
    """
    record = ledger.users.get(user_id, UserRecord())
    return Changes(
        users={user_id: _asked(record, is_stale=record.summary is not None, now=now)},
        marks=_by_user(user_id, _moved_marks({}, marks, is_listed=False, now=now)),
    )


def _unheard_of(
    events: Iterable[RiskEvent], names: Mapping[str, NameRecord]
) -> dict[str, NameRecord]:
    """Return the names that events have for the first time, which fixes their identity."""
    return {
        event.name: NameRecord(behavior=None, identity=event.name)
        for event in events
        if event.name not in names
    }


def _end_of_baseline(counted_after: float | None, events: Iterable[RiskEvent]) -> float | None:
    """Return the instant up to which events do not count; None if all count.

    It is the user's last event in the baseline. If no event has exactly this timestamp, the last
    event that has it when truncated to seconds or milliseconds is meant.
    """
    instants = [event.timestamp for event in events]
    if counted_after is None or counted_after in instants:
        return counted_after
    meant = (at for at in instants if counted_after in (floor(at), floor(at * 1e3) / 1e3))
    return max(meant, default=counted_after)


def _by_key(
    events: Sequence[RiskEvent], names: Mapping[str, NameRecord], *, counted_after: float | None
) -> dict[bytes, list[RiskEvent]]:
    after = _end_of_baseline(counted_after, events)
    found: defaultdict[bytes, list[RiskEvent]] = defaultdict(list)
    for event in events:
        if after is None or event.timestamp > after:
            found[event_key(event, names)].append(event)
    return dict(found)


def _times_seen(mark: EventMark | None) -> int:
    return 0 if mark is None else mark.count


def _with_reset(
    account: AccountRecord, record: UserRecord, details: UserDetails
) -> AccountRecord | None:
    """Return the account with one more reset; None if there was no reset since the last known one.

    Without a known reset the baseline counts: a user who is listed in it has had events since any
    earlier reset.
    """
    known = (record.last_reset, record.counted_after, account.baseline_at)
    since = next((instant for instant in known if instant is not None), None)
    if since is None or details.last_reset is None or details.last_reset <= since:
        return None
    return dataclasses.replace(account, resets=account.resets + 1)


def _read(
    record: UserRecord,
    details: UserDetails,
    counted: Sequence[CountedEvent],
    *,
    ledger: Ledger,
    now: float,
) -> UserRecord:
    """Return the user's record after their details were read."""
    resets = [at for at in (record.last_reset, details.last_reset) if at is not None]
    before = {(entry.behavior, entry.level): entry for entry in record.events}
    return replace(
        _asked(record, is_stale=_is_stale(record, details), now=now),
        last_reset=max(resets, default=None),
        events=tuple({**before, **_grown(before, counted, ledger=ledger, now=now)}.values()),
    )


def _asked(record: UserRecord, *, is_stale: bool, now: float) -> UserRecord:
    """Return the user's record after a response: up to date, or still due a few more times."""
    stale_answers = record.stale_answers + 1 if is_stale else 0
    is_awaited = 0 < stale_answers < STALE_ANSWERS_LIMIT and record.due_since is not None
    return replace(
        record,
        details_at=now,
        due_since=record.due_since if is_awaited else None,
        stale_answers=stale_answers if is_awaited else 0,
    )


def _is_stale(record: UserRecord, details: UserDetails) -> bool:
    """Whether the details lack the summary's last event, compared in whole seconds.

    Either may have fewer digits than the other.
    """
    if record.summary is None:
        return False
    newest = max((event.timestamp for event in details.events), default=0.0)
    return floor(newest) < floor(record.summary.last_event)


def _grown(
    totals: Mapping[tuple[str, RiskLevel], EventCount],
    counted: Sequence[CountedEvent],
    *,
    ledger: Ledger,
    now: float,
) -> dict[tuple[str, RiskLevel], EventCount]:
    """Return the entries of `totals` that grow, with `counted` added."""
    grown: dict[tuple[str, RiskLevel], EventCount] = {}
    for one in counted:
        pair = (one.behavior, one.event.level)
        entry = grown.get(pair) or totals.get(pair) or EventCount(*pair, 0, now)
        newest = entry.exemplar
        if _may_follow(newest, one.event, after=ledger.exemplars_after, now=now):
            newest = Exemplar(one.event.id, one.event.timestamp)
        grown[pair] = replace(entry, count=entry.count + 1, exemplar=newest)
    return grown


def _may_follow(shown: Exemplar | None, event: RiskEvent, *, after: float, now: float) -> bool:
    """Return whether the event may be the next exemplar of a counter that has shown `shown`.

    Prometheus refuses an exemplar that is not later, in whole milliseconds, than those it has of
    the series, and logs a warning at each scrape. Exemplars are not stored. Those that were shown
    before this ledger was loaded are of events before `after`, because an event that is later than
    `now` is never shown.
    """
    if not after < event.timestamp <= now:
        return False
    return shown is None or floor(shown.timestamp * 1e3) < floor(event.timestamp * 1e3)


def _moved_marks(
    answered: Mapping[bytes, Sequence[RiskEvent]],
    marks: Mapping[bytes, EventMark],
    *,
    is_listed: bool,
    now: float,
) -> dict[bytes, EventMark | None]:
    """Return the marks that a response changes: higher, present again, gone, or removed (None)."""
    moved: dict[bytes, EventMark | None] = {}
    for key, events in answered.items():
        before = marks.get(key)
        count = max(len(events), _times_seen(before))
        mark = EventMark(count, gone_at=None if is_listed else _gone_since(before, now))
        if mark != before:
            moved[key] = mark
    for key, mark in marks.items():
        if key in answered:
            continue
        if mark.gone_at is None:
            moved[key] = EventMark(mark.count, gone_at=now)
        elif mark.gone_at < now - MARKS_KEPT_SECONDS:
            moved[key] = None
    return moved


def _gone_since(mark: EventMark | None, now: float) -> float:
    return now if mark is None or mark.gone_at is None else mark.gone_at


def _by_user(
    user_id: str, marks: Mapping[bytes, EventMark | None]
) -> dict[str, Mapping[bytes, EventMark | None]]:
    return {user_id: marks} if marks else {}
