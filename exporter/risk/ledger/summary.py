"""How a summary moves the ledger: who is listed, at which level, and whose details are wanted."""

import dataclasses
from collections import Counter
from collections.abc import Mapping

from msgspec.structs import replace

from exporter.risk.ledger.memory import Changes, Ledger
from exporter.risk.ledger.records import UserRecord
from exporter.risk.model import RiskLevel, SummaryReading, UserSummary


class SummaryFold:
    """One pass over one whole summary, which may come in several slices.

    Nothing is concluded before `finish`: a pass given up half-way leaves no trace. Results:

    - The account's first summary is its baseline: its users' events up to their `last_event`
      count for nothing, and nobody's level changed. An empty one is a baseline too. Where a
      user's row could not be read, all their events until now belong to it, and the first
      level read later is no change.
    - A user whose event count, last event or level differs has their details wanted, since the
      first moment they differed. A different email or name alone is only shown.
    - A user not listed any more goes to level none, and their details are wanted once more.
    - A user listed twice has the row with the later event, then the higher level.
    - A row that could not be read leaves its user as they were; a row that does not even say
      whose it is leaves everybody listed who was.
    """

    def __init__(self, ledger: Ledger, *, now: float) -> None:
        self._ledger = ledger
        self._now = now
        self._seen: set[str] = set()
        self._kept: set[str] = set()
        self._absence_is_proof = True
        self._different: dict[str, UserSummary] = {}

    def add(self, reading: SummaryReading) -> None:
        """Compare one slice's rows with what is remembered."""
        self._kept |= reading.kept
        self._absence_is_proof &= reading.absence_is_proof
        users = self._ledger.users
        for row in reading.users:
            if row.user_id in self._seen:
                self._add_again(row)
                continue
            self._seen.add(row.user_id)
            record = users.get(row.user_id)
            if record is None or record.summary != row:
                self._different[row.user_id] = row

    def finish(self) -> Changes:
        """What the whole summary changed.

        Other observations may have moved the ledger since the first `add`; another summary may
        not.
        """
        if self._ledger.account.baseline_at is None:
            return self._baseline()
        users: dict[str, UserRecord] = {}
        renamed: dict[str, UserRecord] = {}
        for user_id, row in self._different.items():
            record = self._ledger.users.get(user_id, UserRecord())
            if record.summary is not None and _same_risk(record.summary, row):
                renamed[user_id] = replace(record, summary=row)
            else:
                users[user_id] = self._wanted(record, row)
        for user_id in self._vanished():
            users[user_id] = self._wanted(self._ledger.users[user_id], None)
        return Changes(users=users, renamed=renamed, level_changes=self._level_changes(users))

    def _add_again(self, row: UserSummary) -> None:
        chosen = self._different.get(row.user_id) or self._ledger.users[row.user_id].summary
        if chosen is None or _order(row) > _order(chosen):
            self._different[row.user_id] = row

    def _baseline(self) -> Changes:
        unread = {
            user_id: UserRecord(counted_after=self._now) for user_id in self._kept - self._seen
        }
        listed = {
            user_id: UserRecord(summary=row, counted_after=row.last_event)
            for user_id, row in self._different.items()
        }
        account = dataclasses.replace(self._ledger.account, baseline_at=self._now)
        return Changes(account=account, users={**unread, **listed})

    def _vanished(self) -> set[str]:
        if not self._absence_is_proof:
            return set()
        return self._ledger.listed - self._seen - self._kept

    def _wanted(self, record: UserRecord, row: UserSummary | None) -> UserRecord:
        due_since = self._now if record.due_since is None else record.due_since
        return replace(record, summary=row, due_since=due_since, stale_answers=0)

    def _level_changes(
        self, users: Mapping[str, UserRecord]
    ) -> dict[tuple[RiskLevel, RiskLevel], int]:
        moved: Counter[tuple[RiskLevel, RiskLevel]] = Counter()
        for user_id, record in users.items():
            was = _level_before(self._ledger.users.get(user_id))
            if was is not None and was is not record.level:
                moved[was, record.level] += 1
        known = self._ledger.level_changes
        return {pair: known.get(pair, 0) + count for pair, count in moved.items()}


def _level_before(record: UserRecord | None) -> RiskLevel | None:
    """The level as of the summary before; None where it was never known.

    That is so for a user whose row in the baseline could not be read, until it can. Everybody
    else without a row has vanished, and is wanted or was asked about since.
    """
    if record is None:
        return RiskLevel.NONE
    if record.summary is None and record.due_since is None and record.details_at is None:
        return None
    return record.level


def _same_risk(before: UserSummary, row: UserSummary) -> bool:
    return (
        before.level is row.level
        and before.last_event == row.last_event
        and before.event_count == row.event_count
    )


def _order(row: UserSummary) -> tuple[float, int]:
    return (row.last_event, row.level.severity)
