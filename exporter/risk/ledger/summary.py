"""Compare a summary with the ledger: who is listed, at which level, and which details are due."""

import dataclasses
from collections import Counter
from itertools import chain

from msgspec.structs import replace

from exporter.chunked import CHUNK_SIZE, Chunked, in_chunks, run_sync
from exporter.risk.ledger.records import Changes, Ledger, UserRecord
from exporter.risk.model import KnownRows, RiskLevel, SummaryReading, UserSummary

_FEW_KNOWN_ROWS = 1000
"""Up to this many rows of earlier summaries are kept."""


class SummaryFold:
    """One pass over a whole summary, which may come in several slices.

    Nothing changes before `finish`, so a pass that is abandoned has no effect. Results:

    - The first summary of an account, even an empty one, is its baseline: events of its users up
      to their `last_event` do not count, and no level changes. If the row of a user cannot be
      read, all their events until now belong to the baseline, and the first level that is read
      later is no change.
    - If a user's event count, last event or level differs, their details are due. `due_since` is
      the time of the first such difference. If only email or name differ, only the exposition
      changes.
    - A user who is no longer listed gets the level none, and their details are due once more.
    - If a user is listed twice, the row with the later event is used; if equal, the higher level.
    - If a row cannot be read, its user stays unchanged. If not even its user id can be read,
      `absence_is_proof` is False and all listed users stay listed.

    `known` maps fingerprints to rows of earlier summaries. The fold adds the rows that equal the
    ledger's.
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
        """Compare the rows of one slice with the ledger."""
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
        """Return what the whole summary changed.

        Other observations, but no other summary, may have changed the ledger since the first
        `add`.
        """
        return run_sync(self.finish_in_steps())

    def finish_in_steps(self) -> Chunked[Changes]:
        """Do the same as `finish` in steps, between which the ledger must not change."""
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
        """Keep a row that differs, with the ledger's id object: one string per user."""
        known = self._summary_of(row.user_id)
        if known is not None:
            row = replace(row, user_id=known.user_id)
        self._different[row.user_id] = row

    def _add_unexpected(self, row: UserSummary) -> None:
        """Compare the row of a user who was not listed, or who had a row before in this summary."""
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
        for chunk in in_chunks(self._different.items()):
            for user_id, row in chunk:
                users[user_id] = UserRecord(summary=row, counted_after=row.last_event)
            yield
        account = dataclasses.replace(self._ledger.account, baseline_at=self._now)
        return Changes(account=account, users=users)

    def _changes(self) -> Chunked[Changes]:
        users: dict[str, UserRecord] = {}
        renamed: dict[str, UserRecord] = {}
        moved: Counter[tuple[RiskLevel, RiskLevel]] = Counter()
        vanished = dict.fromkeys(self._vanished())
        for chunk in in_chunks(chain(self._different.items(), vanished.items())):
            for user_id, row in chunk:
                record = self._ledger.users.get(user_id)
                if record is not None and _is_renamed(record, row):
                    renamed[user_id] = replace(record, summary=row)
                    continue
                users[user_id] = self._with_details_due(record or UserRecord(), row)
                was = _level_before(record)
                if was is not None and was is not users[user_id].level:
                    moved[was, users[user_id].level] += 1
            yield
        known = self._ledger.level_changes
        changes = {pair: known.get(pair, 0) + count for pair, count in moved.items()}
        return Changes(users=users, renamed=renamed, level_changes=changes)

    def _vanished(self) -> set[str]:
        return self._unseen - self._kept if self.absence_is_proof else set()

    def _with_details_due(self, record: UserRecord, row: UserSummary | None) -> UserRecord:
        due_since = self._now if record.due_since is None else record.due_since
        return replace(record, summary=row, due_since=due_since, stale_answers=0)


def _level_before(record: UserRecord | None) -> RiskLevel | None:
    """Return the level in the previous summary; None if it was never known.

    It is unknown for a user whose row could not be read in the baseline or since. Such a user is
    the only one who has neither a row, nor due details, nor details that were read.
    """
    if record is None:
        return RiskLevel.NONE
    if record.summary is None and record.due_since is None and record.details_at is None:
        return None
    return record.level


def _is_renamed(record: UserRecord, row: UserSummary | None) -> bool:
    """Whether only the user's email or name differs."""
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
