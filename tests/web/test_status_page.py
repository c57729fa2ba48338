"""The text of the status page; tests/browser tests its appearance in a browser."""

import re
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser

import pytest

from exporter.risk.model import RiskLevel
from exporter.status import (
    Access,
    AccountStatus,
    BacklogStatus,
    Condition,
    FailureStatus,
    PauseReason,
    PauseStatus,
    QuotaStatus,
    ResourceName,
    ResourceStatus,
    StatusPage,
)
from exporter.web.pages import STYLE, format_duration, render_status_page

NOW = 1_700_000_000.0
USERS = {RiskLevel.HIGH: 3, RiskLevel.MEDIUM: 20, RiskLevel.LOW: 1000, RiskLevel.UNKNOWN: 0}
NOBODY = BacklogStatus()


def resource(
    name: str = ResourceName.SUMMARY,
    *,
    good: float | None = 12.0,
    failing: float | None = None,
    access: Access = Access.PERMITTED,
) -> ResourceStatus:
    """Return a resource that last succeeded, and began to fail, this many seconds ago."""
    return ResourceStatus(
        name=ResourceName(name),
        permission=f"to read {name}",
        access=access,
        last_success=None if good is None else NOW - good,
        failing_since=None if failing is None else NOW - failing,
        reason=None if failing is None else "timeout",
    )


def account(
    *resources: ResourceStatus,
    name: str = "acme",
    users: dict[RiskLevel, int] | None = USERS,
    backlog: BacklogStatus = NOBODY,
    quota: QuotaStatus | None = None,
    pause: PauseStatus | None = None,
    is_paced: bool = False,
    departures_frozen: bool = False,
    failures: tuple[FailureStatus, ...] = (),
) -> AccountStatus:
    """Return an account that is polled every minute, by default without problems."""
    return AccountStatus(
        account=name,
        poll_interval=60.0,
        resources=resources or (resource(),),
        users=users,
        backlog=backlog,
        quota=quota,
        pause=pause,
        is_paced=is_paced,
        departures_frozen=departures_frozen,
        failures=failures,
    )


def failure(
    message: str = "HTTP 502", *, count: int = 1, reason: str = "server_error"
) -> FailureStatus:
    """Return a failure of the summary, last seen a minute ago."""
    return FailureStatus(ResourceName.SUMMARY, reason, message, count, NOW - 3600, NOW - 60)


def render(*accounts: AccountStatus) -> str:
    """Return the page of these accounts."""
    status = StatusPage(version="1.2.3", python_version="3.11.7", accounts=accounts)
    return render_status_page(status, now=NOW)


def words_of(*accounts: AccountStatus) -> str:
    """Return the visible text, with one space between elements."""
    body = render(*accounts).partition("<body>")[2]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


class Outline(HTMLParser):
    """The elements of a page in order. Raises AssertionError if their nesting is wrong."""

    void = frozenset({"meta"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Note its end."""
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of each element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def test_each_resource_shows_its_last_success() -> None:
    """The age of the data decides whether they can be trusted."""
    page = render(account(resource(), resource("behaviors", good=250.5)))
    assert '<time datetime="2023-11-14T22:13:08Z" title="2023-11-14 22:13:08 UTC">12 s ago<' in page
    assert ">4 min ago</time>" in page


def test_a_failing_resource_shows_since_when_and_why() -> None:
    """The reason is the same as in the metrics."""
    text = words_of(account(resource(), resource("users", good=7300, failing=7200)))
    assert "users 2 h 1 min ago failing for 2 h : timeout" in text
    assert "The summary is up to date. Failing: users." in text


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-1.0, "0 s"),
        (0.9, "0 s"),
        (59.9, "59 s"),
        (60.0, "1 min"),
        (3599.0, "59 min"),
        (3600.0, "1 h"),
        (3660.0, "1 h 1 min"),
        (86400.0, "1 d"),
        (90000.0, "1 d 1 h"),
        (86400.0 + 60.0, "1 d"),
    ],
)
def test_a_duration_is_shown_in_its_largest_units(seconds: float, told: str) -> None:
    """Durations are never rounded up."""
    assert format_duration(seconds) == told


@pytest.mark.parametrize(
    ("status", "condition"),
    [
        (account(), Condition.FRESH),
        (account(resource(), resource("users", failing=5.0)), Condition.PARTIAL),
        (account(resource(failing=5.0)), Condition.STALE),
        (account(resource(good=181.0)), Condition.STALE),
        (account(resource(good=179.0)), Condition.FRESH),
        (account(resource(good=999.0, failing=900.0), users=None), Condition.EMPTY),
        (account(resource(good=None, failing=5.0), users=None), Condition.EMPTY),
        (account(resource(good=None), users=None), Condition.WAITING),
    ],
)
def test_the_state_of_an_account_follows_its_summary(
    status: AccountStatus, condition: Condition
) -> None:
    """An account is not up to date if its summary fails or is overdue."""
    assert status.condition(NOW) is condition
    assert f"1 account: 1 {condition.value}." in words_of(status)


def test_users_are_counted_by_level() -> None:
    """The highest comes first; the level unknown is shown only if a user has it."""
    assert "Users by level 3 high 20 medium 1,000 low" in words_of(account())
    odd = {**USERS, RiskLevel.UNKNOWN: 2}
    assert "Users by level 2 unknown 3 high" in words_of(account(users=odd))


def test_no_user_counts_are_shown_without_current_data() -> None:
    """A zero would be a false all-clear."""
    text = words_of(account(resource(good=None, failing=5.0), users=None))
    assert "Users by level not available" in text
    assert "0 high" not in text


def test_the_quota_shows_remaining_requests_and_reset_time() -> None:
    """People share the quota with the exporter."""
    text = words_of(account(quota=QuotaStatus(limit=1200, remaining=612, resets_at=NOW + 187)))
    assert "612 of 1,200 requests left resets in 3 min" in text


@pytest.mark.parametrize(
    ("pause", "told"),
    [
        (
            PauseStatus(PauseReason.RATE_LIMITED, NOW + 30),
            "(429 Too Many Requests); resumes in 30 s",
        ),
        (
            PauseStatus(PauseReason.RATE_LIMITED),
            "(429 Too Many Requests); resumes after the next response",
        ),
        (
            PauseStatus(PauseReason.BUDGET, NOW + 90),
            "little of the quota is left; resumes in 1 min",
        ),
    ],
)
def test_a_pause_shows_why_and_until_when(pause: PauseStatus, told: str) -> None:
    """Without this, old data without an error would look like a bug."""
    text = words_of(account(pause=pause))
    assert "Paused: the " in text
    assert told in text


def test_the_backlog_shows_numbers_reasons_and_waiting_time() -> None:
    """A number alone does not distinguish a busy minute from a stuck hour."""
    backlog = BacklogStatus(changed=4, oldest=NOW - 480, never_read=1100, refresh=2)
    text = words_of(account(backlog=backlog))
    assert "User details to fetch 1,106 users 4 changed, the oldest waiting for 8 min" in text
    assert "1,100 never fetched 2 due for a refresh" in text
    assert "User details to fetch none" in words_of(account())


def test_the_page_shows_that_departures_are_frozen() -> None:
    """The counts by level may be too high, although the summary is up to date."""
    assert "Departures are frozen" not in words_of(account())
    assert "Departures are frozen: rows of the summary" in words_of(account(departures_frozen=True))


def test_pacing_is_not_shown_as_a_pause() -> None:
    """Otherwise the first minute of every installation would look like an exhausted quota."""
    backlog = BacklogStatus(never_read=40)
    quota = QuotaStatus(limit=1200, remaining=1142, resets_at=NOW + 200)
    text = words_of(account(backlog=backlog, quota=quota, is_paced=True))
    assert "40 users, paced to stay within the quota share" in text
    assert "Paused" not in text


def test_a_forbidden_resource_shows_the_missing_permission() -> None:
    """Operators need not look it up in the API reference."""
    denied = resource("users", good=None, failing=5.0, access=Access.FORBIDDEN)
    text = words_of(account(resource(), denied))
    assert "forbidden ; needs to read users" in text
    assert "needs to read summary" not in text


@pytest.mark.parametrize("access", Access)
def test_the_page_shows_the_access_of_the_token(access: Access) -> None:
    """Access that was not tried is not called permitted."""
    assert access.value in words_of(account(resource(access=access)))


def test_errors_show_when_what_why_and_how_often() -> None:
    """The timestamp helps to find the log lines around it."""
    text = words_of(account(failures=(failure(count=1534),)))
    assert "1 min ago 2023-11-14 22:12:20 UTC summary: server_error HTTP 502" in text
    assert "1,534 times since 2023-11-14 21:13:20 UTC" in text


def test_only_the_last_errors_are_shown() -> None:
    """A long list would push the next account off the screen."""
    text = words_of(account(failures=tuple(failure(f"number {i}.") for i in range(9))))
    assert "number 4." in text
    assert "number 5." not in text


def test_names_and_messages_are_escaped() -> None:
    """Operators choose account names and the API chooses messages; neither may inject HTML."""
    evil = "<script>alert(1)</script>\"'&"
    page = render(account(name=evil, failures=(failure(evil, reason=evil),)), account(name="other"))
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;") == 4


def test_accounts_with_problems_come_first() -> None:
    """With a hundred accounts, one with a problem must not be far down the page."""
    page = render(
        account(name="good"),
        account(resource(), resource("users", failing=5.0), name="partial"),
        account(resource(failing=5.0), name="stale"),
        account(name="good too"),
    )
    for names in (r"<h2 [^>]*>([^<]*)", r'<a href="#[^>]*>([^<]*)'):
        assert re.findall(names, page) == ["stale", "partial", "good", "good too"]


def test_each_of_many_accounts_has_a_link_in_the_overview() -> None:
    """A hundred sections need navigation."""
    outline = Outline(render(*(account(name=f"customer {i}") for i in range(100))))
    links = {link["href"] for link in outline.all("a") if (link["href"] or "").startswith("#")}
    assert links == {f"#{heading['id']}" for heading in outline.all("h2")}
    assert len(links) == 100


def test_a_single_account_needs_no_overview() -> None:
    """It would repeat the account's section."""
    assert "Accounts and their users by level" not in words_of(account())


def test_the_page_is_accessible_to_screen_readers() -> None:
    """WCAG 2.2: language, headings in order, captions, and what each header cell heads."""
    outline = Outline(render(account(failures=(failure(),)), account()))
    assert outline.open == []
    assert outline.all("html") == [{"lang": "en"}]
    headings = [name for name, _ in outline.elements if re.fullmatch(r"h\d", name)]
    assert headings == ["h1", "h2", "h2"]
    assert len(outline.all("caption")) == len(outline.all("table")) == 4
    assert {cell.get("scope") for cell in outline.all("th")} == {"col", "row"}
    ids = {heading["id"] for heading in outline.all("h2")}
    assert {section["aria-labelledby"] for section in outline.all("section")} == ids


def test_the_page_runs_and_loads_nothing() -> None:
    """Its content security policy forbids both."""
    outline = Outline(render(account()))
    kinds = {name for name, _ in outline.elements}
    assert kinds.isdisjoint({"script", "img", "link", "iframe", "form"})
    assert not any("style" in attributes for _, attributes in outline.elements)


def test_the_page_shows_the_versions() -> None:
    """Bug reports need them."""
    assert "Version 1.2.3 · Python 3.11.7" in words_of()


def schemes() -> Iterator[tuple[str, dict[str, str]]]:
    """Return the colours by name, of the light scheme and of the dark one."""
    light, dark = STYLE.split("@media (prefers-color-scheme: dark)")
    for name, part in (("light", light), ("dark", dark)):
        yield name, dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", part))


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, as WCAG 2.2 defines it."""
    channels = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("text", ["ink", "quiet", "link", "good", "fair", "poor"])
@pytest.mark.parametrize("ground", ["page", "panel"])
@pytest.mark.parametrize(("scheme", "colours"), [*schemes()])
def test_text_has_enough_contrast(
    scheme: str, colours: dict[str, str], ground: str, text: str
) -> None:
    """WCAG 2.2, 1.4.3 (AA): 4.5 to 1."""
    lighter, darker = sorted(map(luminance, (colours[text], colours[ground])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5
