"""How many series an account will have, by what it has now. Pure."""

from collections import Counter
from collections.abc import Sequence

from exporter.app.checking.findings import Finding, Verdict
from exporter.app.checking.probe import Probe
from exporter.catalogue import USER_FAMILIES, account_families
from exporter.risk.model import (
    LISTED_LEVELS,
    AccountGauges,
    AccountSnapshot,
    EventCount,
    Identity,
    RiskLevel,
    UserRow,
    UserSummary,
)
from exporter.risk.projection import Disclosure


def series_finding(probe: Probe, disclosure: Disclosure) -> Finding | None:
    """What Prometheus will get to store of the account; None where its users are not known.

    Of a user's events it is not known which behaviors they are of: each is taken for another
    one, so that there will be fewer series at first, and more after a long history.
    """
    if probe.users is None:
        return None
    by_level = Counter(user.level for user in probe.users)
    shown = _shown(probe.users, disclosure)
    kinds = [(one.key, level) for one in probe.behaviors or () for level in LISTED_LEVELS]
    of_account = _account_series(probe, by_level, kinds)
    of_users = sum(_user_series(user, kinds, disclosure) for user in shown)
    levels = ", ".join(f"{level.label} {count}" for level, count in sorted(by_level.items()))
    return Finding(
        "series",
        Verdict.OK,
        f"about {of_account + of_users}: {of_account} of the account, and up to {of_users} of "
        f"{len(shown)} of its {len(probe.users)} users ({levels or 'nobody is listed'})",
        account=probe.account.name,
        values={
            "account_series": of_account,
            "user_series": of_users,
            "users_shown": len(shown),
            **{f"users_{level.label}": count for level, count in sorted(by_level.items())},
        },
    )


def _shown(users: Sequence[UserSummary], disclosure: Disclosure) -> Sequence[UserSummary]:
    admitted = [user for user in users if disclosure.admits(user.level)]
    admitted.sort(key=lambda user: (-user.level.severity, -user.last_event))
    return admitted[: disclosure.limit]


def _account_series(
    probe: Probe, by_level: Counter[RiskLevel], kinds: Sequence[tuple[str, RiskLevel]]
) -> int:
    snapshot = AccountSnapshot(
        account=probe.account.name,
        account_id=probe.account.account_id,
        up=True,
        gauges=AccountGauges(by_level, probe.behaviors or (), probe.integrations or ()),
        events=_counts(kinds),
    )
    return sum(len(family.samples) for family in account_families(snapshot))


def _user_series(
    user: UserSummary, kinds: Sequence[tuple[str, RiskLevel]], disclosure: Disclosure
) -> int:
    row = UserRow(
        user_id=user.user_id,
        email="",
        name="",
        level=user.level,
        current_events=user.event_count,
        last_event=user.last_event,
        last_reset=0.0,
        events=_counts(kinds[: user.event_count]),
    )
    return sum(
        len(family.samples(row))
        for family in USER_FAMILIES
        if disclosure.identity is Identity.FULL or not family.is_identity
    )


def _counts(kinds: Sequence[tuple[str, RiskLevel]]) -> tuple[EventCount, ...]:
    return tuple(EventCount(key, level, 0, 0.0) for key, level in kinds)
