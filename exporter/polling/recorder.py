"""Lines 5 to 8 of a poll's road: an observation becomes changes, durable, known and shown."""

from functools import partial

import structlog

from exporter.errors import CommitError, StateError
from exporter.polling.journal import Entry, Journal
from exporter.polling.planner import Planner
from exporter.polling.publication import Publication
from exporter.polling.rank import Want
from exporter.risk.ledger import Changes
from exporter.steps import Pause, in_slices, may_go_on
from exporter.store import Store
from exporter.telemetry import Telemetry

_log = structlog.get_logger(__name__)


class Recorder:
    """Records changes of one account's ledger and tells planner and telemetry.

    The caller holds the journal's lock while it makes the changes and calls `record`. `pause` is
    awaited between users where there are many.
    """

    def __init__(
        self,
        *,
        account: str,
        journal: Journal,
        publication: Publication,
        planner: Planner,
        store: Store,
        telemetry: Telemetry,
        pause: Pause,
    ) -> None:
        self._account = account
        self._journal = journal
        self._publication = publication
        self._planner = planner
        self._store = store
        self._telemetry = telemetry
        self._pause = pause
        self._has_failed = False
        for want in Want:
            pending = telemetry.pending_users.labels(account, want.label)
            pending.set_function(partial(planner.pending, want))

    async def record(self, changes: Changes, *, moves_users: bool = False) -> None:
        """Commit `changes`, have them shown, and let the planner know who is wanted now.

        Where users may have come, gone or changed their level, the caller calls
        `Publication.show` afterwards, without the lock; else they are shown by and by.
        """
        entry = await self._journal.record(changes)
        # At once: nobody may show the account meanwhile without what is committed of it.
        self._publication.note(entry, reselect=moves_users)
        for users in in_slices(changes.users.items()):
            for user_id, record in users:
                self._planner.learn(user_id, record)
            if may_go_on(users):
                await self._pause()
        self._tell_oldest()
        self._tell_state(entry)

    async def forget_marks(self, *, gone_before: float) -> None:
        """Drop the marks of events gone since before that instant; a failure is told, not raised."""
        try:
            await self._store.forget_marks(self._journal.account_id, gone_before=gone_before)
        except CommitError as error:
            self._tell_failure(error)

    def note_unreadable_state(self, error: StateError) -> None:
        """Tell that what was remembered of a user could not be read, and so nothing counted."""
        self._tell_failure(error)

    def _tell_oldest(self) -> None:
        since = self._planner.pending_since
        if since is not None:
            self._telemetry.oldest_pending.labels(self._account).set(since)
        else:
            self._telemetry.forget_oldest_pending(self._account)

    def _tell_state(self, entry: Entry) -> None:
        self._telemetry.state_commit_duration.set(entry.seconds)
        self._telemetry.state_size.set(self._store.size_bytes())
        if entry.error is not None:
            self._tell_failure(entry.error)
        elif self._has_failed:
            self._has_failed = False
            _log.info("state.recovered", account=self._account)

    def _tell_failure(self, error: CommitError | StateError) -> None:
        self._telemetry.state_commit_failures.inc()
        tell = _log.debug if self._has_failed else _log.warning
        tell("state.commit_failed", account=self._account, error=str(error))
        self._has_failed = True
