"""How a summary moves the ledger: who is listed, at which level, and whose details are wanted."""

import dataclasses
from collections import Counter
from itertools import chain

from msgspec.structs import replace

from exporter.chunked import CHUNK_SIZE, Chunked, in_chunks, run_sync
from exporter.risk.ledger.records import Changes, Ledger, UserRecord
from exporter.risk.model import KnownRows, RiskLevel, SummaryReading, UserSummary

_FEW_KNOWN_ROWS = 1000
"""So many rows of earlier summaries are not worth forgetting."""


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
      whose it is leaves everybody listed who was: `absence_is_proof` is False then.
    """

    def __init__(self, ledger: Ledger, *, now: float, known: KnownRows | None = None) -> None:
        self._ledger = ledger
        self._now = now
        self._known: KnownRows = {} if known is None else known
        self._unseen = set(ledger.listed)
        self._kept: set[str] = set()
        self.absence_is_proof = True
        self._different: dict[str, UserSummary] = {}

    def add(self, reading: SummaryReading) -> None:
        """Compare one slice's rows with what is remembered."""
        self._kept |= reading.kept
        self.absence_is_proof &= reading.absence_is_proof
        users, unseen = self._ledger.users, self._unseen
        for row in reading.recalled:
            if row.user_id in unseen and users[row.user_id].summary is row:
                unseen.remove(row.user_id)
            else:
                self._compare(row)
        for row in reading.users:
            self._compare(row)
        for row, fingerprint in zip(reading.users, reading.fingerprints, strict=False):
            summary = self._summary_of(row.user_id)
            if summary == row:  # Of two equal values the ledger's own is kept.
                self._known[fingerprint] = summary

    def finish(self) -> Changes:
        """What the whole summary changed.

        Other observations may have moved the ledger since the first `add`; another summary may
        not.
        """
        return run_sync(self.finish_in_steps())

    def finish_in_steps(self) -> Chunked[Changes]:
        """Say likewise what it changed. The ledger must not move between the first and last step."""
        yield from self._forget_rows()
        if self._ledger.account.baseline_at is None:
            return (yield from self._baseline())
        return (yield from self._changes())

    def _compare(self, row: UserSummary) -> None:
        if row.user_id in self._unseen:
            self._unseen.remove(row.user_id)
            if self._ledger.users[row.user_id].summary != row:
                self._note(row)
        else:
            self._add_unexpected(row)

    def _note(self, row: UserSummary) -> None:
        """Remember a row that differs, under the id that is there already: one text a user."""
        known = self._summary_of(row.user_id)
        if known is not None:
            row = replace(row, user_id=known.user_id)
        self._different[row.user_id] = row

    def _add_unexpected(self, row: UserSummary) -> None:
        """Take a row of a user who was not listed, or whose row was there already."""
        chosen = self._different.get(row.user_id) or self._summary_of(row.user_id)
        if chosen is None or _order(row) > _order(chosen):
            self._note(row)

    def _summary_of(self, user_id: str) -> UserSummary | None:
        record = self._ledger.users.get(user_id)
        return None if record is None else record.summary

    def _forget_rows(self) -> Chunked[None]:
        """Forget all known rows once most of them are of earlier summaries."""
        if len(self._known) <= 2 * len(self._ledger.listed) + _FEW_KNOWN_ROWS:
            return
        while self._known:
            for _ in range(min(len(self._known), CHUNK_SIZE)):
                self._known.popitem()
            yield

    def _baseline(self) -> Chunked[Changes]:
        users = {
            user_id: UserRecord(counted_after=self._now)
            for user_id in self._kept - self._different.keys()
        }
        for some in in_chunks(self._different.items()):
            for user_id, row in some:
                users[user_id] = UserRecord(summary=row, counted_after=row.last_event)
            yield
        account = dataclasses.replace(self._ledger.account, baseline_at=self._now)
        return Changes(account=account, users=users)

    def _changes(self) -> Chunked[Changes]:
        users: dict[str, UserRecord] = {}
        renamed: dict[str, UserRecord] = {}
        moved: Counter[tuple[RiskLevel, RiskLevel]] = Counter()
        vanished = dict.fromkeys(self._vanished())
        for some in in_chunks(chain(self._different.items(), vanished.items())):
            for user_id, row in some:
                record = self._ledger.users.get(user_id)
                if record is not None and _is_renamed(record, row):
                    renamed[user_id] = replace(record, summary=row)
                    continue
                users[user_id] = self._wanted(record or UserRecord(), row)
                was = _level_before(record)
                if was is not None and was is not users[user_id].level:
                    moved[was, users[user_id].level] += 1
            yield
        known = self._ledger.level_changes
        changes = {pair: known.get(pair, 0) + count for pair, count in moved.items()}
        return Changes(users=users, renamed=renamed, level_changes=changes)

    def _vanished(self) -> set[str]:
        return self._unseen - self._kept if self.absence_is_proof else set()

    def _wanted(self, record: UserRecord, row: UserSummary | None) -> UserRecord:
        due_since = self._now if record.due_since is None else record.due_since
        return replace(record, summary=row, due_since=due_since, stale_answers=0)


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


def _is_renamed(record: UserRecord, row: UserSummary | None) -> bool:
    """Whether nothing but the user's email or name differs."""
    before = record.summary
    return (
        before is not None
        and row is not None
        and before.level is row.level
        and before.last_event == row.last_event
        and before.event_count == row.event_count
    )


def _order(row: UserSummary) -> tuple[float, int]:
    return (row.last_event, row.level.severity)
