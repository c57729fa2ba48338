"""The exposition of all accounts, rendered and compressed before it is scraped.

Publishing renders and compresses only what changed. A scrape joins the results.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from exporter.catalogue import RISK_METRICS, Metric
from exporter.catalogue.risk import USER_EVENTS
from exporter.chunked import Pause
from exporter.exposition.account import RenderedAccount, RenderSettings, render_account
from exporter.exposition.parts import (
    Part,
    Run,
    deflate,
    gzip_length,
    gzip_pieces,
    plain_length,
    plain_pieces,
    run_both,
)
from exporter.exposition.render import (
    EOF,
    OPENMETRICS_CONTENT_TYPE,
    TEXT_CONTENT_TYPE,
    Formats,
    render_head,
)
from exporter.exposition.users import CHUNK_USERS, Chunk
from exporter.risk.model import AccountSnapshot

_CHUNKS_FREED_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Scrape:
    """The body of a response to a scrape: `pieces` has `length` bytes and can be iterated once.

    Call `carried` after all pieces have been sent.
    """

    content_type: str
    length: int
    pieces: Iterator[bytes]
    carried: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class _Whole:
    """Families joined into one run, and how many series they have."""

    run: Run
    series: int


async def _yield_once() -> None:
    await asyncio.sleep(0)


class Exposition:
    """The rendered accounts.

    `pause` is awaited between pieces of work of about a millisecond; it returns late while scrapes are in progress. `chunk_users` is the approximate number of users that are rendered
    together: a smaller number makes changes cheaper and compression worse. `created_shown` sets
    whether counters have `_created` series in OpenMetrics, from the next publication of each
    account on.
    """

    def __init__(self, *, pause: Pause = _yield_once, chunk_users: int = CHUNK_USERS) -> None:
        self.created_shown = True
        self._pause = pause
        self._chunk_users = chunk_users
        self._accounts: Mapping[str, RenderedAccount] = {}
        self._on_carried: Mapping[str, Callable[[], None]] = {}
        self._publishing = asyncio.Lock()
        self._heads = {metric.name: _ready_head(metric) for metric in RISK_METRICS}
        self._wholes: dict[bool, _Whole] = {}  # by `openmetrics`; filled by the first scrape

    @property
    def series(self) -> int:
        """The number of series in a whole OpenMetrics scrape, with `_created` and without telemetry."""
        return self._whole(openmetrics=True).series

    @property
    def size_bytes(self) -> int:
        """The size of that scrape before compression, including the end mark."""
        return self._whole(openmetrics=True).run.length + len(EOF)

    async def publish(
        self,
        snapshot: AccountSnapshot,
        *,
        changed: Collection[str] | None,
        on_carried: Callable[[], None] = lambda: None,
    ) -> None:
        """Replace the exposition of the snapshot's account in one step.

        `changed` are the API's ids of all users whose rows were added, changed or removed since
        the last publication of the account, and possibly of others. Users in `changed` that are
        not in the snapshot are removed; users not in `changed` keep their lines. None means that
        the snapshot has all users, which is required for the first publication of an account. If
        cancelled, pass the same changes again. `on_carried` is called after each complete scrape
        that contains the users' counters of this snapshot.
        """
        account = snapshot.account
        async with self._publishing:
            before = self._accounts.get(account, RenderedAccount())
            rendered = await render_account(
                before,
                snapshot,
                changed=changed if account in self._accounts else None,
                pause=self._pause,
                settings=RenderSettings(self._chunk_users, self.created_shown),
            )
            self._accounts = {**self._accounts, account: rendered}
            self._on_carried = {**self._on_carried, account: on_carried}
            self._wholes = {}
            kept = set(map(id, rendered.chunks))
            replaced = [chunk for chunk in before.chunks if id(chunk) not in kept]
            del before
            await self._release(replaced)

    async def _release(self, chunks: list[Chunk]) -> None:
        """Free the chunks a few at a time, because freeing all at once blocks the event loop."""
        while chunks:
            del chunks[-_CHUNKS_FREED_AT_ONCE:]
            await self._pause()

    def remove(self, account: str) -> None:
        """Remove an account from the exposition. It must not be published at the same time."""
        self._accounts = {name: kept for name, kept in self._accounts.items() if name != account}
        self._on_carried = {name: one for name, one in self._on_carried.items() if name != account}
        self._wholes = {}

    def scrape(
        self, *, openmetrics: bool, gzip: bool, names: frozenset[str] | None, telemetry: bytes
    ) -> Scrape:
        """Return the body of a scrape. Later publications do not change it.

        `names` selects the families that have one of these names or a sample of one; None selects
        all. `telemetry` is appended unfiltered: whole lines in the same format, without the
        OpenMetrics end mark.
        """
        if names is None:
            metrics: Sequence[Metric] = RISK_METRICS
            shown = self._whole(openmetrics=openmetrics).run
        else:
            metrics = [
                metric
                for metric in RISK_METRICS
                if not names.isdisjoint(_names(metric, openmetrics=openmetrics))
            ]
            shown = self._join(metrics, openmetrics=openmetrics).run
        tail = Run.of([deflate(telemetry + (EOF if openmetrics else b""))])
        listeners = tuple(self._on_carried.values()) if USER_EVENTS in metrics else ()
        runs = [shown, tail]
        return Scrape(
            content_type=OPENMETRICS_CONTENT_TYPE if openmetrics else TEXT_CONTENT_TYPE,
            length=gzip_length(runs) if gzip else plain_length(runs),
            pieces=gzip_pieces(runs) if gzip else plain_pieces(runs),
            carried=partial(_call_all, listeners),
        )

    def _whole(self, *, openmetrics: bool) -> _Whole:
        """Return all families, joined at the first call after an account has changed."""
        whole = self._wholes.get(openmetrics)
        if whole is None:
            whole = self._join(RISK_METRICS, openmetrics=openmetrics)
            self._wholes[openmetrics] = whole
        return whole

    def _join(self, metrics: Iterable[Metric], *, openmetrics: bool) -> _Whole:
        """Join the families that have samples, each whole over all accounts, after its head."""
        runs: list[Run] = []
        series = 0
        for metric in metrics:
            pairs = [account.runs[metric.name] for account in self._accounts.values()]
            family = [pair.choose(openmetrics=openmetrics) for pair in pairs]
            lines = sum(run.lines for run in family)
            if lines:
                runs += [self._heads[metric.name].choose(openmetrics=openmetrics), *family]
                series += lines
        return _Whole(Run.joined(runs), series)


def _call_all(listeners: Iterable[Callable[[], None]]) -> None:
    for listener in listeners:
        listener()


def _ready_head(metric: Metric) -> Formats[Run]:
    head = render_head(metric)
    parts: Formats[Part] = Formats(deflate(head.text), deflate(head.openmetrics))
    return run_both([parts])


def _names(metric: Metric, *, openmetrics: bool) -> frozenset[str]:
    """Return the names that select a family: its name in either format, and those of its samples."""
    created = (metric.created,) if openmetrics and metric.is_counter else ()
    return frozenset((metric.name, metric.family, *created))
