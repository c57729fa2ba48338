"""How a summary moves the ledger: who is listed, at which level, and whose details are wanted."""

import dataclasses
from collections import Counter

from msgspec.structs import replace

from exporter.risk.ledger.memory import Changes, Ledger
from exporter.risk.ledger.records import UserRecord
from exporter.risk.model import RiskLevel, SummaryReading, UserSummary


class SummaryFold:
    """One pass over one whole summary, which may come in several slices.

    Nothing is concluded before `finish`: a pass given up half-way leaves no trace. Results:

    - The account's first summary is its baseline: its users' events up to their `last_event`
      count for nothing, and nobody's level changed. An empty one is a baseline too. Where a
      user's row could not be read, all their events until now belong to it.
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
        self._is_baseline = ledger.account.baseline_at is None
        self._seen: set[str] = set()
        self._kept: set[str] = set()
        self._absence_is_proof = True
        self._users: dict[str, UserRecord] = {}
        self._renamed: dict[str, UserRecord] = {}

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
                self._change(row, record)

    def finish(self) -> Changes:
        """What the whole summary changed."""
        if self._absence_is_proof:
            for user_id in self._ledger.listed - self._seen - self._kept:
                self._unlist(user_id)
        if self._is_baseline:
            return self._baseline()
        return Changes(
            users=self._users, renamed=self._renamed, level_changes=self._level_changes()
        )

    def _baseline(self) -> Changes:
        unread = {
            user_id: UserRecord(counted_after=self._now) for user_id in self._kept - self._seen
        }
        account = dataclasses.replace(self._ledger.account, baseline_at=self._now)
        return Changes(account=account, users={**unread, **self._users})

    def _add_again(self, row: UserSummary) -> None:
        before = self._ledger.users.get(row.user_id)
        chosen = self._users.get(row.user_id) or self._renamed.get(row.user_id) or before
        if chosen is None or chosen.summary is None:
            return
        if (row.last_event, row.level) > (chosen.summary.last_event, chosen.summary.level):
            self._users.pop(row.user_id, None)
            self._renamed.pop(row.user_id, None)
            self._change(row, before)

    def _change(self, row: UserSummary, record: UserRecord | None) -> None:
        if self._is_baseline:
            self._users[row.user_id] = UserRecord(summary=row, counted_after=row.last_event)
        elif record is None:
            self._users[row.user_id] = UserRecord(summary=row, due_since=self._now)
        elif record.summary is not None and _same_risk(record.summary, row):
            self._renamed[row.user_id] = replace(record, summary=row)
        else:
            self._users[row.user_id] = self._wanted(record, row)

    def _unlist(self, user_id: str) -> None:
        self._users[user_id] = self._wanted(self._ledger.users[user_id], None)

    def _wanted(self, record: UserRecord, row: UserSummary | None) -> UserRecord:
        due_since = self._now if record.due_since is None else record.due_since
        return replace(record, summary=row, due_since=due_since, stale_answers=0)

    def _level_changes(self) -> dict[tuple[RiskLevel, RiskLevel], int]:
        moved: Counter[tuple[RiskLevel, RiskLevel]] = Counter()
        for user_id, record in self._users.items():
            before = self._ledger.users.get(user_id)
            was = RiskLevel.NONE if before is None else before.level
            if was is not record.level:
                moved[was, record.level] += 1
        known = self._ledger.level_changes
        return {pair: known.get(pair, 0) + count for pair, count in moved.items()}


def _same_risk(before: UserSummary, row: UserSummary) -> bool:
    return (
        before.level is row.level
        and before.last_event == row.last_event
        and before.event_count == row.event_count
    )
