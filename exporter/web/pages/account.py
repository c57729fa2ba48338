"""One account on the page."""

from collections.abc import Iterator

from exporter.risk.model import LISTED_LEVELS, RiskLevel
from exporter.status import (
    Access,
    AccountStatus,
    Condition,
    FailureStatus,
    PauseStatus,
    QuotaStatus,
    ResourceStatus,
)
from exporter.web.pages.markup import Markup, element, join
from exporter.web.pages.words import (
    ago,
    ahead,
    counted,
    length_since,
    moment,
    number,
    sentence,
    span,
)

FAILURES_SHOWN = 5
"""So many of the last errors are shown of an account."""

_TONE = {
    Condition.EMPTY: "poor",
    Condition.STALE: "poor",
    Condition.PARTIAL: "fair",
    Condition.WAITING: "waiting",
    Condition.FRESH: "good",
}
_ACCESS_TONE = {
    Access.PERMITTED: "good",
    Access.FORBIDDEN: "poor",
    Access.REFUSED: "poor",
    Access.UNKNOWN: "waiting",
}
_LEVEL_TONE = {RiskLevel.HIGH: "poor", RiskLevel.MEDIUM: "fair"}
_PAUSED = {
    "rate_limited": "the API refused requests for a while (429)",
    "budget": "the share of the quota the exporter may spend is spent, or too little is left",
}


def anchor(position: int) -> str:
    """The id of the account at this place of the configuration, counting from 0."""
    return f"account-{position + 1}"


def condition_badge(condition: Condition) -> Markup:
    """How an account is, told by word, sign and colour."""
    return element("span", condition.value, class_=f"{_TONE[condition]} state")


def render_account(account: AccountStatus, position: int, now: float) -> Markup:
    """All that is told of the account at this place of the configuration."""
    badge = condition_badge(account.condition(now))
    return element(
        "section",
        element("div", element("h2", account.account, id=anchor(position)), badge, class_="head"),
        element("div", *_body(account, now)),
        aria_labelledby=anchor(position),
    )


def _body(account: AccountStatus, now: float) -> Iterator[Markup]:
    yield _explanation(account, now)
    if account.departures_frozen:
        yield element(
            "p",
            "Departures are frozen: the summary has rows without a readable user id, so users who "
            "left stay listed.",
            class_="fair",
        )
    yield element(
        "dl",
        _fact("Users by level", _users(account)),
        _fact("API quota", _quota(account.quota, account.pause, now)),
        _fact("Details to read", _backlog(account, now)),
        class_="facts",
    )
    yield _resources(account.resources, now)
    if any(resource.access is Access.FORBIDDEN for resource in account.resources):
        yield element(
            "p",
            "Cloudflare also says forbidden where the account's plan has no risk scoring.",
            class_="quiet",
        )
    yield _failures(account.failures, now)


def _explanation(account: AccountStatus, now: float) -> Markup:
    """What the account's condition means for whoever reads its metrics."""
    summary = account.summary
    match account.condition(now):
        case Condition.WAITING:
            return sentence("The first poll has not ended yet.")
        case Condition.EMPTY if summary.last_success is None:
            return sentence("Its gauges are not exposed: no summary was good since the start.")
        case Condition.EMPTY:
            return sentence(
                "Its gauges are not exposed: the last good summary is too old, from ",
                *_age(summary, now),
            )
        case Condition.STALE:
            return sentence("What is exposed is from the last good summary, ", *_age(summary, now))
        case Condition.PARTIAL:
            failing = [one.name for one in account.resources if one.failing_since is not None]
            return sentence(f"The summary is fresh; failing: {', '.join(failing)}.")
        case Condition.FRESH:
            interval = span(account.poll_interval)
            return sentence(f"All that is asked is answered; the summary is due every {interval}.")


def _age(summary: ResourceStatus, now: float) -> Iterator[Markup | str]:
    if summary.last_success is not None:
        yield ago(summary.last_success, now)
    yield "." if summary.failing_since is not None else "; the next is overdue."


def _fact(name: str, *told: Markup | str) -> Markup:
    return element("div", element("dt", name), element("dd", *told))


def _users(account: AccountStatus) -> Markup:
    if account.users is None:
        return element("span", "not known now", class_="waiting")
    levels = list(reversed(LISTED_LEVELS))
    if account.users.get(RiskLevel.UNKNOWN):
        levels.insert(0, RiskLevel.UNKNOWN)
    return element(
        "ul",
        *(
            element(
                "li",
                element("b", number(account.users.get(level, 0))),
                element("span", level.label, class_=_LEVEL_TONE.get(level, "waiting")),
            )
            for level in levels
        ),
        class_="levels",
    )


def _quota(quota: QuotaStatus | None, pause: PauseStatus | None, now: float) -> Markup:
    told: list[Markup | str] = ["not known yet"]
    if quota is not None:
        left = f"{number(quota.remaining)} of {number(quota.limit)} requests left"
        left += f" to token {quota.token}" if quota.token else ""
        told = [element("p", left), element("p", "resets ", ahead(quota.resets_at, now))]
    if pause is not None:
        reason = _PAUSED.get(pause.reason, pause.reason)
        end = "once it has answered" if pause.until is None else ahead(pause.until, now)
        told += [element("p", "Paused: ", reason, "; goes on ", end, class_="fair")]
    return join(*told)


def _backlog(account: AccountStatus, now: float) -> Markup:
    backlog = account.backlog
    if not backlog.users:
        return join("none")
    pace = ", paced to stay within the share" if account.is_paced else ""
    parts: list[Markup] = []
    if backlog.changed:
        users = counted(backlog.changed, "changed user")
        first = (
            ()
            if backlog.oldest is None
            else (", the first for ", length_since(backlog.oldest, now))
        )
        parts.append(join(users, *first))
    if backlog.never_read:
        parts.append(join(f"{number(backlog.never_read)} never read"))
    if backlog.refresh:
        parts.append(join(f"{number(backlog.refresh)} due for a refresh"))
    return join(
        element("p", f"Reading details: {number(backlog.users)} left{pace}"),
        *(element("p", part, class_="quiet") for part in parts),
    )


def _resources(resources: tuple[ResourceStatus, ...], now: float) -> Markup:
    heads = ("Resource", "Last good answer", "Token")
    return element(
        "table",
        element("caption", "Resources"),
        element("thead", element("tr", *(element("th", head, scope="col") for head in heads))),
        element("tbody", *(_resource(resource, now) for resource in resources)),
    )


def _resource(resource: ResourceStatus, now: float) -> Markup:
    last = resource.last_success
    return element(
        "tr",
        element("th", resource.name, scope="row"),
        element("td", "never" if last is None else ago(last, now), *_failing(resource, now)),
        element("td", *_access(resource)),
    )


def _failing(resource: ResourceStatus, now: float) -> Iterator[Markup]:
    if resource.failing_since is not None:
        since = length_since(resource.failing_since, now)
        reason = f": {resource.reason}" if resource.reason else ""
        yield element("p", "failing for ", since, reason, class_="poor")


def _access(resource: ResourceStatus) -> Iterator[Markup]:
    yield element("span", resource.access.value, class_=_ACCESS_TONE[resource.access])
    if resource.access is Access.FORBIDDEN:
        yield join("; needs ", element("strong", resource.permission))


def _failures(failures: tuple[FailureStatus, ...], now: float) -> Markup:
    if not failures:
        return sentence("No errors since the start.")
    heads = ("Last seen", "Resource, reason and message")
    return element(
        "table",
        element("caption", "Last errors"),
        element("thead", element("tr", *(element("th", head, scope="col") for head in heads))),
        element("tbody", *(_failure(one, now) for one in failures[:FAILURES_SHOWN])),
    )


def _failure(failure: FailureStatus, now: float) -> Markup:
    told = [element("strong", failure.resource, ": ", failure.reason)]
    told.append(element("p", failure.message))
    if failure.count > 1:
        times = f"{number(failure.count)} times since "
        told.append(element("p", times, moment(failure.first_at), class_="quiet"))
    return element(
        "tr",
        element(
            "th",
            element("p", ago(failure.last_at, now)),
            element("p", moment(failure.last_at), class_="quiet"),
            scope="row",
        ),
        element("td", *told, class_="free"),
    )
