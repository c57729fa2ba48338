"""What change-driven details cost of the quota, and how soon they show, in simulated time.

`python -m bench.quota` writes docs/benchmarks-quota.md, in three minutes. The planner and the quota are the real
ones, with the poller's numbers; the API answers after a fixed time and counts its window.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from random import Random
from statistics import median, quantiles

from bench import competing
from exporter.cloudflare.wire import QuotaHeaders, QuotaLeft
from exporter.polling.details import WORKERS
from exporter.polling.planner import Planner
from exporter.polling.publisher import LONGEST_PAUSE_SECONDS
from exporter.polling.queues import RefreshReason
from exporter.polling.quota import DEFAULT_POLICY, Quota
from exporter.polling.quota_window import Priority
from exporter.risk.ledger import UserRecord
from exporter.risk.model import RiskLevel, UserSummary

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks-quota.md"

POLL_SECONDS = 60.0
CONFIG_SECONDS = 300.0
DAY = 86_400.0
SHARE = 0.5
SUMMARY_SECONDS = 1.0
DETAILS_SECONDS = 0.25
HIGH_SHARE = 0.05


class Api:
    """A quota as the API keeps it: a fixed window, of which every answer tells."""

    def __init__(self) -> None:
        self.calls = 0
        self._used = 0
        self._ends_at = 0.0

    def answer(self, now: float) -> QuotaHeaders:
        """Count a call, and say what is left."""
        if now >= self._ends_at:
            self._used, self._ends_at = 0, now + DEFAULT_POLICY.window_seconds
        self.calls += 1
        self._used += 1
        remaining = DEFAULT_POLICY.limit - self._used
        if remaining < 0:
            raise AssertionError("the API would have refused us")
        left = QuotaLeft(DEFAULT_POLICY.name, remaining, self._ends_at - now)
        return QuotaHeaders((DEFAULT_POLICY,), (left,))


@dataclass(order=True)
class Moment:
    """Something that happens: a summary, an answer of a user's details, or only a look."""

    at: float
    number: int
    lane: Priority | None = field(default=None, compare=False)
    user_id: str | None = field(default=None, compare=False)


class Account:
    """One account, polled for as long as a simulation wants."""

    def __init__(self, records: dict[str, UserRecord], *, changing: float) -> None:
        self.api = Api()
        self.polls = 0
        self.delays: list[float] = []
        self.read_at: dict[str, float] = {}
        self.planner = Planner(max_age_seconds=DAY)
        self.planner.load(records.items())
        self._records = records
        self._user_ids = list(records)
        self._per_poll = changing * len(records)
        self._changed_at: dict[str, float] = {}
        reserved = 1 / POLL_SECONDS + 2 / CONFIG_SECONDS
        self._quota = Quota(share=SHARE, reserved_per_second=reserved)
        self._free = dict(WORKERS)
        self._looks: dict[Priority, float] = {}
        self._numbers = count()
        self._moments = [Moment(0.0, next(self._numbers))]
        self._random = Random(1)

    def run(self, until: float) -> Iterator[float]:
        """Let time pass until an instant; yields each moment something has happened."""
        while self._moments and self._moments[0].at <= until:
            moment = heappop(self._moments)
            if moment.user_id is not None and moment.lane is not None:
                self._read(moment.user_id, moment.lane, moment.at)
            elif moment.lane is None:
                self._poll(moment.at)
            for lane in WORKERS:
                self._ask(lane, moment.at)
            yield moment.at

    def _plan(self, at: float, lane: Priority | None = None, user_id: str | None = None) -> None:
        heappush(self._moments, Moment(at, next(self._numbers), lane, user_id))

    def _poll(self, now: float) -> None:
        """Read the summary, and every fifth time the configuration; learn who changed."""
        kinds = 1 if self.polls % 5 else 3
        self.polls += 1
        for _ in range(kinds):
            self._exchange(now, now)
        self._plan(now + POLL_SECONDS)
        whole, part = divmod(self._per_poll, 1.0)
        changing = int(whole) + (self._random.random() < part)
        for user_id in self._random.sample(self._user_ids, changing):
            self._change(user_id, now)

    def _change(self, user_id: str, now: float) -> None:
        before = self._records[user_id]
        if before.summary is None:
            return
        self._changed_at.setdefault(user_id, now - self._random.random() * POLL_SECONDS)
        record = UserRecord(
            summary=_row(user_id, before.level, last_event=now),
            details_at=before.details_at,
            due_since=before.due_since or now + SUMMARY_SECONDS,
        )
        self._records[user_id] = record
        self.planner.learn(user_id, record)

    def _ask(self, lane: Priority, now: float) -> None:
        while self._free[lane]:
            wait = self.planner.seconds_until_next(lane, now)
            pause = self._quota.decide(lane, now) if wait == 0.0 else None
            if wait > 0.0 or pause is not None:
                self._look_again(lane, pause.until if pause else now + wait, now)
                return
            user_id = self.planner.take(lane, now)
            self._quota.spend(now)
            self._free[lane] -= 1
            self._plan(now + DETAILS_SECONDS, lane, user_id)

    def _look_again(self, lane: Priority, at: float, now: float) -> None:
        if at < float("inf") and not now < self._looks.get(lane, 0.0) <= at:
            self._looks[lane] = at
            heappush(self._moments, Moment(at, next(self._numbers), lane))

    def _read(self, user_id: str, lane: Priority, now: float) -> None:
        sent_at = now - DETAILS_SECONDS
        self._quota.record_response(
            now, sent_at=sent_at, is_answered=True, headers=self.api.answer(now)
        )
        self._quota.release(sent_at, is_recorded=True)
        self._free[lane] += 1
        record = UserRecord(summary=self._records[user_id].summary, details_at=now)
        self._records[user_id] = record
        self.planner.settle(user_id, record)
        self.read_at.setdefault(user_id, now)
        changed_at = self._changed_at.pop(user_id, None)
        if changed_at is not None and record.level is RiskLevel.HIGH:
            self.delays.append(now + SUMMARY_SECONDS + LONGEST_PAUSE_SECONDS - changed_at)

    def _exchange(self, sent_at: float, now: float) -> None:
        self._quota.spend(sent_at)
        self._quota.record_response(
            now, sent_at=sent_at, is_answered=True, headers=self.api.answer(now)
        )
        self._quota.release(sent_at, is_recorded=True)


def _row(user_id: str, level: RiskLevel, *, last_event: float) -> UserSummary:
    return UserSummary(user_id, "", "", 1, last_event, level)


def _level(number: int, users: int) -> RiskLevel:
    return RiskLevel.HIGH if number < users * HIGH_SHARE else RiskLevel.LOW


def _steady(users: int, changing: float) -> str:
    """Three hours of an account all of whose users were read during the last day."""
    records = {
        f"u{n}": UserRecord(
            summary=_row(f"u{n}", _level(n, users), last_event=0.0),
            details_at=-DAY * (n * 7919 % users) / users * 0.25,
        )
        for n in range(users)
    }
    account = Account(records, changing=changing)
    for _ in account.run(3 * 3600.0):
        pass
    calls = account.api.calls / account.polls
    ninety_ninth = quantiles(account.delays, n=100)[98]
    return (
        f"| {users:,} | {changing:.1%} | {1 + users * changing:,.0f} | {calls:,.1f} | {users + 1:,} "
        f"| {(users + 1) / calls:,.0f} x | {median(account.delays):.0f} s | {ninety_ninth:.0f} s "
        f"| {account.planner.pending(RefreshReason.CHANGED):,} |"
    )


def _cold(users: int) -> str:
    """From nothing known until everybody was read once."""
    records = {
        f"u{n}": UserRecord(
            summary=_row(f"u{n}", _level(n, users), last_event=0.0), counted_after=0.0
        )
        for n in range(users)
    }
    high = sum(record.level is RiskLevel.HIGH for record in records.values())
    account = Account(records, changing=0.0)
    until_high, now = 0.0, 0.0
    for now in account.run(10 * DAY):
        if len(account.read_at) == high and not until_high:
            until_high = now
        if len(account.read_at) == users:
            break
    naive = users / (SHARE * DEFAULT_POLICY.limit / DEFAULT_POLICY.window_seconds)
    return f"| {users:,} | {high:,} | {_span(until_high)} | {_span(now)} | {_span(naive)} |"


def _span(seconds: float) -> str:
    if seconds < 2 * 60.0:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600.0 else f"{seconds / 3600:.1f} h"


def _document(steady: Iterable[str], cold: Iterable[str], beside: Iterable[str]) -> str:
    lines = [
        "# Requests of polling, and delay of changes",
        "",
        "`python -m bench.quota` writes this file, in simulated time, with the exporter's planner and quota, the",
        "default settings (a summary each minute, half of 1,200 requests in five minutes), details",
        f"answered in {DETAILS_SECONDS:g} s, a summary in {SUMMARY_SECONDS:g} s, and one user in twenty at high risk. The results are deterministic.",
        "",
        "## While users change",
        "",
        "Three hours; the changed users are spread over all levels. *calls per poll* includes refreshes by",
        "age and the configuration, and is compared with one call per user. The delay is that of",
        "changes of users at high risk, from the change to `/metrics`, including the time to the next poll;",
        "the goal is the poll interval and 2 s. Users who wait at the end have a lower risk. They keep",
        "waiting if more users change than half the quota can read. The summary shows their level and",
        "event count in any case.",
        "",
        "| users | change per poll | 1 + changed | calls per poll | one per user | ratio | delay, median | delay, p99 | waiting |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        *steady,
        "",
        "## From a cold start",
        "",
        "The state is empty. The goal is to read all 500 users at high risk of 10,000 within five minutes.",
        "",
        "| users | high | all users at high risk read | all users read | one call per user |",
        "|---:|---:|---:|---:|---:|",
        *cold,
        "",
        "## With another client that spends most of the quota",
        "",
        f"Another client sends {competing.TOOL_REQUESTS * competing.TENTH} requests in five minutes, evenly and ignoring all headers. The exporter",
        "polls 2,000 users, of whom a hundred trigger an event each minute. The table is from the simulator's",
        f"log of {competing.MINUTES} minutes, run in real time over HTTP with users, quota and times a tenth of the real ones.",
        "",
        "| client | status | requests | scaled to five real minutes |",
        "|---|---:|---:|---:|",
        *beside,
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write the document."""
    sizes = (1_000, 10_000, 100_000)
    steady = [_steady(users, changing) for users in sizes for changing in (0.001, 0.01)]
    text = _document(steady, [_cold(users) for users in sizes], competing.run())
    print(text)
    DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
