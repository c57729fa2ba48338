"""Snapshots to show: one plain person for examples, and strategies for hostile ones."""

import math

from hypothesis import strategies as st

from exporter.risk.model import (
    KNOWN_LEVELS,
    AccountGauges,
    AccountSnapshot,
    Behavior,
    EventCount,
    Exemplar,
    Integration,
    RiskLevel,
    UserRow,
)

ACCOUNT = "acme"


def user_row(user_id: str, *, current_events: int = 2, events: int = 2) -> UserRow:
    """A user with one behavior's events, as nearly every user has."""
    return UserRow(
        user_id=user_id,
        email=f"{user_id}@example.com",
        name=f"Person {user_id}",
        level=RiskLevel.HIGH,
        current_events=current_events,
        last_event=1_700_000_000.25,
        last_reset=None,
        events=(EventCount("imp_travel", RiskLevel.HIGH, events, created=1.0),),
    )


def snapshot_of(*rows: UserRow, account: str = ACCOUNT, up: bool = True) -> AccountSnapshot:
    """An account of these users, keyed by their own ids."""
    return AccountSnapshot(
        account=account,
        account_id=f"{account}-id",
        up=up,
        gauges=AccountGauges({RiskLevel.HIGH: len(rows)}),
        users={row.user_id: row for row in rows},
    )


def full_account() -> AccountSnapshot:
    """An account with one sample at least of every risk metric."""
    exemplar = Exemplar("e-9", 1_700_000_001.25)
    events = (EventCount("high_dlp", RiskLevel.LOW, 7, created=5.0, exemplar=exemplar),)
    behavior = Behavior("high_dlp", "DLP", "Many matches", enabled=True, level=RiskLevel.LOW)
    integration = Integration("i1", "Okta", "https://x", "r", active=True, created_at=1.5)
    row = UserRow(
        user_id="u1",
        email="a@example.com",
        name="A",
        level=RiskLevel.LOW,
        current_events=7,
        last_event=1_700_000_001.25,
        last_reset=1_600_000_000.0,
        events=events,
    )
    return AccountSnapshot(
        account=ACCOUNT,
        account_id="1",
        up=True,
        gauges=AccountGauges({RiskLevel.LOW: 1}, (behavior,), (integration,)),
        users={"u1": row},
        created=1_700_000_000.5,
        events=events,
        resets=3,
    )


# Hostile ones -------------------------------------------------------------------------------


def readable(text: str) -> str:
    """The text as UTF-8 can carry it."""
    return text.encode(errors="replace").decode()


# Not `st.text`, which makes one alphabet of both, in which the few are hardly ever drawn.
texts = st.lists(
    st.one_of(
        st.sampled_from("\n\"'\\{},=# %s\r\t\x00\u2028é😀\ud800\udc00"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=8,
).map("".join)
levels = st.sampled_from(RiskLevel)
counts = st.integers(0, 2**60)
instants = st.one_of(st.integers(0, 4_000_000_000).map(float), st.floats(0, 4e9, width=64))
gauge_values = instants | st.sampled_from([math.nan, math.inf, -math.inf])
exemplars = st.builds(Exemplar, texts | st.just("x" * 121), instants)


def _distinct_events(
    behaviors: st.SearchStrategy[str],
) -> st.SearchStrategy[tuple[EventCount, ...]]:
    events = st.builds(
        EventCount, behaviors, levels, counts, instants, exemplar=st.none() | exemplars
    )
    return st.lists(
        events, max_size=3, unique_by=lambda one: (readable(one.behavior), one.level)
    ).map(tuple)


event_counts = _distinct_events(texts)
behaviors = st.builds(Behavior, texts, texts, texts, st.booleans(), levels)
integrations = st.builds(
    Integration, texts, texts, texts, texts, active=st.booleans(), created_at=gauge_values
)
gauges = st.builds(
    AccountGauges,
    st.dictionaries(levels, counts),
    st.lists(behaviors, max_size=3, unique_by=lambda one: readable(one.key)).map(tuple),
    st.lists(integrations, max_size=2, unique_by=lambda one: readable(one.integration_id)).map(
        tuple
    ),
)


@st.composite
def user_maps(draw: st.DrawFn, ids: st.SearchStrategy[str] = texts) -> dict[str, UserRow]:
    """Users whose shown ids are their own, so that no series is there twice."""
    rows = st.builds(
        UserRow,
        ids,
        texts,
        texts,
        levels,
        counts,
        gauge_values,
        st.none() | gauge_values,
        event_counts,
    )
    distinct = st.lists(rows, max_size=4, unique_by=lambda row: readable(row.user_id))
    return {row.user_id: row for row in draw(distinct)}


@st.composite
def account_snapshots(draw: st.DrawFn, accounts: st.SearchStrategy[str]) -> AccountSnapshot:
    """Any snapshot the model allows."""
    shown = draw(st.none() | gauges)
    level_pairs = st.tuples(st.sampled_from(KNOWN_LEVELS), st.sampled_from(RiskLevel))
    changes = st.dictionaries(level_pairs.filter(lambda pair: pair[0] is not pair[1]), counts)
    return AccountSnapshot(
        account=draw(accounts),
        account_id=draw(texts),
        up=draw(st.booleans()),
        gauges=shown,
        users={} if shown is None else draw(user_maps()),
        identity_shown=draw(st.booleans()),
        created=draw(instants),
        events=draw(event_counts),
        level_changes=draw(changes),
        resets=draw(counts),
    )


snapshots = account_snapshots(texts)
account_lists = st.lists(snapshots, max_size=3, unique_by=lambda one: readable(one.account))
