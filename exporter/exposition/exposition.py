"""The exposition: each account's snapshot as bytes that lie ready.

Publishing renders and compresses what changed and nothing else; a scrape only joins. What is
shown is the snapshot's and the catalogue's to decide.
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
    """One answer to a scrape: `pieces` are `length` bytes in all, and can be taken once.

    `carried` is to be called when all pieces have been sent.
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


async def _next_turn() -> None:
    await asyncio.sleep(0)


class Exposition:
    """All accounts, ready to be scraped.

    `pause` is awaited between pieces of work of about a millisecond each; where publishing has to
    give way to something more urgent, it may return late. `chunk_users` is about how many users
    are rendered together: fewer make a change cheaper and the compression worse. `created_shown`
    says whether counters have `_created` series in OpenMetrics; a change shows in an account when
    it is published next.
    """

    def __init__(self, *, pause: Pause = _next_turn, chunk_users: int = CHUNK_USERS) -> None:
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
        """The series of a whole OpenMetrics scrape, `_created` included and telemetry left out."""
        return self._whole(openmetrics=True).series

    @property
    def size_bytes(self) -> int:
        """The bytes of that scrape before compression, the end mark included."""
        return self._whole(openmetrics=True).run.length + len(EOF)

    async def publish(
        self,
        snapshot: AccountSnapshot,
        *,
        changed: Collection[str] | None,
        on_carried: Callable[[], None] = lambda: None,
    ) -> None:
        """Replace what is shown of the snapshot's account, all at once, before this returns.

        `changed` are the API's ids of all users whose rows were added, changed or removed since
        that account was last published, and maybe of others; those of them who are not among
        the snapshot's users are shown no more, and whoever is not in `changed` stays as they are.
        None: the snapshot's users are all there is, as they must be of an account that is not
        shown yet. If it is cancelled, the same changes have to be passed again.
        `on_carried` is called whenever a scrape has been sent that has the users' counters as they
        are in this snapshot.
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
        """Free chunks a few at a time: to free the rows of all at once would hold the loop."""
        while chunks:
            del chunks[-_CHUNKS_FREED_AT_ONCE:]
            await self._pause()

    def remove(self, account: str) -> None:
        """Show nothing of this account any more. Nobody may be publishing it."""
        self._accounts = {name: kept for name, kept in self._accounts.items() if name != account}
        self._on_carried = {name: one for name, one in self._on_carried.items() if name != account}
        self._wholes = {}

    def scrape(
        self, *, openmetrics: bool, gzip: bool, names: frozenset[str] | None, telemetry: bytes
    ) -> Scrape:
        """What a scrape is answered now, whatever is published while it is being sent.

        `names` leaves only the families that are called so or have samples that are; None leaves
        all. `telemetry` is whole lines in the same format without OpenMetrics' `# EOF`, and goes
        last, unfiltered.
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
    """What a client may call the family: its name in either format, or a sample's in this one."""
    created = (metric.created,) if openmetrics and metric.is_counter else ()
    return frozenset((metric.name, metric.family, *created))
