"""The samples of each family, from the values of a snapshot."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations

from exporter.catalogue import risk
from exporter.catalogue.metric import Family, Metric, Sample
from exporter.risk.model import (
    KNOWN_LEVELS,
    LISTED_LEVELS,
    AccountGauges,
    AccountSnapshot,
    EventCount,
    RiskLevel,
    UserRow,
)


def account_families(snapshot: AccountSnapshot) -> tuple[Family, ...]:
    """Return the families of the account itself.

    `up`, `account_info` and the counters always have samples; gauges have none while they are
    withdrawn.
    """
    present = (
        Family(risk.UP, (Sample((), int(snapshot.up and snapshot.gauges is not None)),)),
        Family(risk.ACCOUNT_INFO, (Sample((snapshot.account_id,), 1),)),
        Family(risk.EVENTS, tuple(_event_samples(snapshot.events))),
        Family(risk.LEVEL_CHANGES, tuple(_level_change_samples(snapshot))),
        Family(risk.RESETS, (Sample((), snapshot.resets, created=snapshot.created),)),
    )
    gauges = () if snapshot.gauges is None else tuple(_gauge_families(snapshot.gauges))
    return present + gauges


def _event_samples(events: tuple[EventCount, ...]) -> Iterator[Sample]:
    for event in events:
        yield Sample(
            (event.behavior, event.level.label),
            event.count,
            created=event.created,
            exemplar=event.exemplar,
        )


def _level_change_samples(snapshot: AccountSnapshot) -> Iterator[Sample]:
    counts = dict.fromkeys(permutations(KNOWN_LEVELS, 2), 0) | dict(snapshot.level_changes)
    for (before, after), count in counts.items():
        yield Sample((before.label, after.label), count, created=snapshot.created)


def _gauge_families(gauges: AccountGauges) -> Iterator[Family]:
    yield Family(risk.USERS, tuple(_users_samples(gauges)))
    behaviors = gauges.behaviors
    yield Family(
        risk.BEHAVIOR_INFO,
        tuple(Sample((one.key, one.name, one.description), 1) for one in behaviors),
    )
    yield Family(
        risk.BEHAVIOR_ENABLED, tuple(Sample((one.key,), int(one.enabled)) for one in behaviors)
    )
    yield Family(
        risk.BEHAVIOR_LEVEL, tuple(Sample((one.key,), int(one.level)) for one in behaviors)
    )
    integrations = gauges.integrations
    yield Family(
        risk.INTEGRATION_INFO,
        tuple(
            Sample((one.integration_id, one.integration_type, one.tenant_url, one.reference_id), 1)
            for one in integrations
        ),
    )
    yield Family(
        risk.INTEGRATION_ACTIVE,
        tuple(Sample((one.integration_id,), int(one.active)) for one in integrations),
    )
    yield Family(
        risk.INTEGRATION_CREATED,
        tuple(Sample((one.integration_id,), one.created_at) for one in integrations),
    )


def _users_samples(gauges: AccountGauges) -> Iterator[Sample]:
    for level in (*LISTED_LEVELS, RiskLevel.UNKNOWN):
        yield Sample((level.label,), gauges.users_by_level.get(level, 0))


# One user -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UserFamily:
    """A metric with series for each user, and the function from a user's row to its samples.

    A family with `is_identity` is left out of snapshots that do not expose identities.
    """

    metric: Metric
    samples: Callable[[UserRow], tuple[Sample, ...]]
    is_identity: bool = False


def _user_events(row: UserRow) -> tuple[Sample, ...]:
    return tuple(
        Sample(
            (row.user_id, event.behavior, event.level.label),
            event.count,
            created=event.created,
            exemplar=event.exemplar,
        )
        for event in row.events
    )


def _user_last_reset(row: UserRow) -> tuple[Sample, ...]:
    return () if row.last_reset is None else (Sample((row.user_id,), row.last_reset),)


USER_FAMILIES = (
    UserFamily(
        risk.USER_INFO,
        lambda row: (Sample((row.user_id, row.email, row.name), 1),),
        is_identity=True,
    ),
    UserFamily(risk.USER_LEVEL, lambda row: (Sample((row.user_id,), int(row.level)),)),
    UserFamily(risk.USER_CURRENT_EVENTS, lambda row: (Sample((row.user_id,), row.current_events),)),
    UserFamily(risk.USER_EVENTS, _user_events),
    UserFamily(risk.USER_LAST_EVENT, lambda row: (Sample((row.user_id,), row.last_event),)),
    UserFamily(risk.USER_LAST_RESET, _user_last_reset),
)
"""In the order of exposition."""
