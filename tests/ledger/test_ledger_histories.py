"""Any history at all, against a truth that counts by construction.

Whatever happens to users, events, names, answers, disks and the process, the ledger and its
store have to tell what was there to be seen, each event once.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Coroutine, Iterable
from contextlib import AsyncExitStack, suppress
from copy import deepcopy
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from exporter.clock import SystemClock
from exporter.errors import CommitError
from exporter.polling.ledger_writer import DurableLedger
from exporter.risk.ledger import (
    Changes,
    SummaryFold,
    observe_behaviors,
    observe_details,
    observe_missing,
)
from exporter.risk.model import LISTED_LEVELS, EventCount, RiskLevel
from exporter.store import MemoryStore, Store, open_sqlite
from tests.support.states import ACCOUNT, contents
from tests.support.world import STRANGER, Token, Truth, World, sliced

T = TypeVar("T")

USERS = ("ann", "bob", "cat")
BEHAVIORS = ("travel", "dlp")

users = st.sampled_from(USERS)
levels = st.sampled_from(LISTED_LEVELS)


async def _no_rest() -> None:
    """Nobody else wants a turn."""


class Histories(RuleBasedStateMachine):
    """An exporter's memory beside a world and its truth; nothing happens to the process."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.opened = AsyncExitStack()
        self.world = World(USERS, BEHAVIORS)
        self.truth = Truth()
        self.durable = self.truth
        self.shown: Counter[tuple[str, RiskLevel]] = Counter()
        self.memory = self._start()

    def _store(self) -> Store:
        return MemoryStore()

    def _start(self) -> DurableLedger:
        self.store = self._store()
        ledger = self.run_async(self.store.load(ACCOUNT, now=self.world.now))
        return DurableLedger(ACCOUNT, ledger, self.store, clock=SystemClock(), pause=_no_rest)

    def run_async(self, work: Coroutine[None, None, T]) -> T:
        """Await something on the one loop of this history."""
        return self.runner.run(work)

    def teardown(self) -> None:
        """Close what is open, however the history ended."""
        self.run_async(self.opened.aclose())
        self.runner.close()

    # What the exporter does ---------------------------------------------------------------

    def _record(self, changes: Changes) -> None:
        self.run_async(self.memory.apply(changes))
        self._commit()

    def _commit(self) -> None:
        if self.run_async(self.memory.commit()).error is None:
            self.durable = deepcopy(self.truth)

    def _observed_details(self, user_id: str, *, age: int, step: int) -> Changes:
        """Ask for details, and tell the truth what was answered: every so-manieth event."""
        answer = self.world.answer(user_id, age=age)
        answer = answer._replace(events=answer.events[::step])
        self.truth.read(user_id, answer, self.world.names)
        marks = self.run_async(self.memory.marks(user_id))
        ledger = self.memory.ledger
        return observe_details(ledger, user_id, answer.details(), marks, now=self.world.now)

    def _is_asked_about(self, user_id: str) -> bool:
        record = self.memory.ledger.users.get(user_id)
        return record is not None and (record.summary is not None or record.due_since is not None)

    @initialize(
        before=st.lists(st.tuples(users, levels, st.sampled_from([0.0, 50.0])), max_size=4),
        unread=st.sets(users, max_size=1),
    )
    def begin(self, before: list[tuple[str, RiskLevel, float]], unread: set[str]) -> None:
        """Events and resets of before; then the configuration is read, and the first summary."""
        for user_id, level, lateness in before:
            self.world.now += 100.0  # so that no event is told that late that a reset was between
            token = Token("e0", "travel", self.world.now - lateness)
            self.world.trigger(user_id, token, level, copies=1)
            if lateness and level is RiskLevel.HIGH:
                self.world.reset(user_id, is_forgetting=False)
        self.world.now += 1.0
        self.read_behaviors()
        self.read_summary(kept=unread, nobodys_rows=0, doubled=set(), slices=1)

    def read_behaviors(self) -> None:
        """Read the configuration."""
        behaviors = self.world.configured()
        self._record(observe_behaviors(self.memory.ledger, behaviors, now=self.world.now))

    @rule(
        kept=st.sets(users, max_size=1),
        nobodys_rows=st.sampled_from([0, 0, 0, 1]),
        doubled=st.sets(users),
        slices=st.integers(1, 3),
    )
    def read_summary(
        self, kept: set[str], nobodys_rows: int, doubled: set[str], slices: int
    ) -> None:
        """A summary, with bad rows and double ones, in slices."""
        kept_rows = frozenset(who for who in kept if self.world.users[who].is_listed)
        readings = sliced(
            self.world, kept_rows, nobodys_rows=nobodys_rows, doubled=list(doubled), slices=slices
        )
        fold = SummaryFold(self.memory.ledger, now=self.world.now)
        for reading in readings:
            fold.add(reading)
        if self.truth.is_begun:
            self.truth.summarise(self.world, kept_rows, absence_is_proof=not nobodys_rows)
        else:
            self.truth.begin(self.world, kept_rows)
        self._record(fold.finish())

    @rule()
    def poll(self) -> None:
        """What happens most: a good summary, and good details of whoever is wanted."""
        self.world.now += 60.0
        self.read_summary(kept=set(), nobodys_rows=0, doubled=set(), slices=1)
        for user_id in USERS:
            record = self.memory.ledger.users.get(user_id)
            if record is not None and record.due_since is not None:
                self.read_details(user_id, age=0, step=1)

    @rule(user_id=users, age=st.integers(0, 3), step=st.sampled_from([1, 1, 1, 2, 3]))
    def read_details(self, user_id: str, age: int, step: int) -> None:
        """Details, sometimes stale, sometimes cut short, often repeated."""
        if self._is_asked_about(user_id):
            self._record(self._observed_details(user_id, age=age, step=step))

    @rule(user_id=users)
    def read_that_a_user_is_missing(self, user_id: str) -> None:
        """A 404 for details, whether the user is listed or not."""
        if self._is_asked_about(user_id):
            marks = self.run_async(self.memory.marks(user_id))
            ledger = self.memory.ledger
            self._record(observe_missing(ledger, user_id, marks, now=self.world.now))

    @rule()
    def forget_old_marks(self) -> None:
        """The housekeeping; a history lasts less than thirty days."""
        gone_before = self.world.now - 30 * 86_400.0
        with suppress(CommitError):
            self.run_async(self.store.forget_marks(ACCOUNT, gone_before=gone_before))

    # What the world does ------------------------------------------------------------------

    @rule(seconds=st.integers(1, 86_400 // 4))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.world.now += seconds

    @rule(
        user_id=users,
        event_id=st.sampled_from(["e1", "e2", "its behavior"]),
        behavior=st.sampled_from([*BEHAVIORS, STRANGER]),
        lateness=st.sampled_from([0, 0, 1, 500, 100_000]),
        level=levels,
        copies=st.sampled_from([1, 1, 2, 3]),
    )
    def trigger(
        self,
        *,
        user_id: str,
        event_id: str,
        behavior: str,
        lateness: int,
        level: RiskLevel,
        copies: int,
    ) -> None:
        """Events happen, some told late, some alike in all."""
        self.world.now += 1.0
        event_id = behavior if event_id == "its behavior" else event_id
        token = Token(event_id, behavior, self.world.now - lateness)
        self.world.trigger(user_id, token, level, copies=copies)

    @rule(user_id=users, is_forgetting=st.booleans())
    def reset(self, user_id: str, *, is_forgetting: bool) -> None:
        """A score is cleared; whether old events stay in the details is open."""
        self.world.now += 1.0
        self.world.reset(user_id, is_forgetting=is_forgetting)

    @rule(user_id=users, every=st.integers(1, 3), is_shown=st.booleans())
    def hide_or_show(self, user_id: str, every: int, *, is_shown: bool) -> None:
        """Events vanish from the answers, and come back."""
        self.world.show(user_id, every=every, is_shown=is_shown)

    @rule(user_id=users, level=levels)
    def relevel(self, user_id: str, level: RiskLevel) -> None:
        """An event's level is corrected."""
        if self.world.users[user_id].events:
            self.world.relevel(user_id, level)

    def _is_broken(self) -> bool:
        return False

    @precondition(lambda self: not self._is_broken())
    @rule(key=st.sampled_from(BEHAVIORS), is_retroactive=st.booleans())
    def rename_behavior(self, key: str, *, is_retroactive: bool) -> None:
        """A behavior is renamed; the exporter reads so, and keeps it, before it reads its events.

        A name nobody kept is one nobody can explain.
        """
        self.world.rename(key, is_retroactive=is_retroactive)
        self.read_behaviors()

    @rule(user_id=users)
    def rename_user(self, user_id: str) -> None:
        """Names of people are shown, and change nothing else."""
        self.world.users[user_id].name_version += 1

    # What has to hold ---------------------------------------------------------------------

    @invariant()
    def all_that_was_seen_is_counted_once(self) -> None:
        """The ledger knows the truth, whether or not a disk took it."""
        assert _counts(self.memory.ledger.totals.values()) == self.truth.counts()

    @invariant()
    def users_counters_add_up_to_the_accounts(self) -> None:
        """And each user's are theirs."""
        records = self.memory.ledger.users
        by_user = {who: _counts(record.events) for who, record in records.items()}
        assert all(counts == self.truth.counts_of(who) for who, counts in by_user.items())
        assert sum(by_user.values(), Counter()) == self.truth.counts()

    @invariant()
    def level_changes_and_resets_are_counted_once(self) -> None:
        """As far as a summary or an answer told of them."""
        ledger = self.memory.ledger
        assert ledger.level_changes == self.truth.level_changes
        assert ledger.account.resets == self.truth.resets
        listed = {who: ledger.users[who].level for who in ledger.listed}
        assert listed == self.truth.levels

    @invariant()
    def what_is_shown_is_on_disk_and_never_falls(self) -> None:
        """Commit before publish."""
        counters = self.memory.counters()
        shown = _counts(counters.totals)
        assert shown == self.durable.counts()
        assert counters.level_changes == self.durable.level_changes
        assert counters.resets == self.durable.resets
        assert shown >= self.shown
        self.shown = shown


class SqliteHistories(Histories):
    """The same with a state file; the disk fails, and the process ends and starts again."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "state.db"
        super().__init__()

    def _store(self) -> Store:
        return self.run_async(self.opened.enter_async_context(open_sqlite(self.path)))

    def teardown(self) -> None:
        """Close what is open, however the history ended."""
        super().teardown()
        self.folder.cleanup()

    @property
    def _hidden(self) -> Path:
        return self.path.with_name("hidden.db")

    def _is_broken(self) -> bool:
        return self._hidden.exists()

    @precondition(lambda self: not self._is_broken())
    @rule()
    def break_disk(self) -> None:
        """No commit succeeds from now on."""
        self.path.rename(self._hidden)

    @precondition(lambda self: self._is_broken())
    @rule()
    def mend_disk(self) -> None:
        """The next commit succeeds."""
        self._hidden.rename(self.path)

    @rule()
    def restart(self) -> None:
        """What was committed is all there is; the rest will be answered again, or is lost."""
        if self._is_broken():
            self.mend_disk()
        before = contents(self.memory.ledger, as_kept=True)
        was_all_durable = self.durable.counts() == self.truth.counts() and (
            self.memory._uncommitted == Changes()
        )
        self.run_async(self.opened.aclose())
        self.truth = deepcopy(self.durable)
        self.memory = self._start()
        assert not was_all_durable or contents(self.memory.ledger, as_kept=True) == before
        self.read_behaviors()

    @rule(user_id=users)
    def crash_before_the_commit(self, user_id: str) -> None:
        """An answer was read, and nothing came of it."""
        if self._is_asked_about(user_id):
            self._observed_details(user_id, age=0, step=1)
            self.restart()


def _counts(entries: Iterable[EventCount]) -> Counter[tuple[str, RiskLevel]]:
    """The counters above zero."""
    return +Counter({(entry.behavior, entry.level): entry.count for entry in entries})


def _settings(max_examples: int) -> settings:
    return settings(
        deadline=None,
        max_examples=max_examples,
        stateful_step_count=40,
        suppress_health_check=[HealthCheck.too_slow],
    )


TestHistories = Histories.TestCase
TestHistories.settings = _settings(100)
TestSqliteHistories = pytest.mark.slow(SqliteHistories.TestCase)
TestSqliteHistories.settings = _settings(300)
