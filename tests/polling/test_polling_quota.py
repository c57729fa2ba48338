import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cloudflare.wire import QuotaHeaders, QuotaLeft, QuotaPolicy
from exporter.polling.quota import LONGEST_WINDOW_SECONDS, Quota
from exporter.polling.quota_window import Priority, RateLimitPause, RequestLog
from exporter.status import PauseReason

DEFAULT = QuotaPolicy("default", limit=1200, window_seconds=300.0)
BURST = QuotaPolicy("burst", limit=50, window_seconds=1.0)


def headers(
    *policies: QuotaPolicy, left: int | None = None, reset_seconds: float = 200.0
) -> QuotaHeaders:
    """What an answer says: policies, and what is left of the one called default."""
    items = () if left is None else (QuotaLeft("default", left, reset_seconds),)
    return QuotaHeaders(policies=policies, left=items)


def exchange(quota: Quota, now: float, said: QuotaHeaders | None = None) -> None:
    """Ask at `now`, and be answered in the same instant."""
    quota.spend(now)
    quota.record_response(now, sent_at=now, is_answered=True, headers=said)
    quota.release(now, is_recorded=True)


def refused(quota: Quota, now: float, retry_after_seconds: float | None) -> None:
    """Ask at `now`, and be refused in the same instant."""
    quota.spend(now)
    quota.record_rate_limited(
        now, sent_at=now, retry_after_seconds=retry_after_seconds, headers=None
    )
    quota.release(now, is_recorded=True)


def spend_all(quota: Quota, priority: Priority, *, now: float = 0.0) -> int:
    """Ask until there is a pause; how often that was."""
    asked = 0
    while quota.decide(priority, now) is None:
        exchange(quota, now)
        asked += 1
    return asked


def spend_window(quota: Quota, priority: Priority, *, start: float = 0.0) -> int:
    """Ask whenever that is allowed, for just less than a window; how often that was."""
    return sum(spend_all(quota, priority, now=start + second) for second in range(300))


# In any window ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """Somebody wants to ask after `gap` seconds; how that would go."""

    gap: float
    priority: Priority
    latency: float
    left: int
    reset_seconds: float
    status: int
    retry_after_seconds: float | None


seconds = st.floats(0.0, 400.0, allow_nan=False) | st.sampled_from([0.0, 0.0, 1e-9, 1.0, 300.0])
steps = st.builds(
    Step,
    gap=st.sampled_from([0.0, 0.0, 0.0, 0.5]) | seconds,
    priority=st.sampled_from(Priority),
    latency=st.sampled_from([0.0, 0.1]) | seconds,
    left=st.integers(0, 2000),
    reset_seconds=seconds,
    status=st.sampled_from([200, 200, 200, 200, 500, 0, 429]),
    retry_after_seconds=st.none() | seconds,
)


def sent_instants(
    quota: Quota, policies: Sequence[QuotaPolicy], tries: Sequence[Step]
) -> list[float]:
    """Let each try go as soon as the quota allows; when they went."""
    now, sent = 0.0, list[float]()
    answers: list[tuple[float, int, float, Step]] = []

    def answer_until(instant: float) -> None:
        while answers and answers[0][0] <= instant:
            at, _, sent_at, step = heappop(answers)
            said = QuotaHeaders(
                tuple(policies), (QuotaLeft("default", step.left, step.reset_seconds),)
            )
            if step.status == 429:
                quota.record_rate_limited(
                    at,
                    sent_at=sent_at,
                    retry_after_seconds=step.retry_after_seconds,
                    headers=said,
                )
            else:
                quota.record_response(
                    at, sent_at=sent_at, is_answered=step.status > 0, headers=said
                )
            quota.release(sent_at, is_recorded=True)

    for number, step in enumerate(tries):
        now += step.gap
        answer_until(now)
        while (pause := quota.decide(step.priority, now)) is not None:
            now = min(pause.until, answers[0][0] if answers else math.inf)
            answer_until(now)
        quota.spend(now)
        sent.append(now)
        heappush(answers, (now + step.latency, number, now, step))
    return sent


@given(
    share=st.sampled_from([0.05, 0.3, 0.5, 1.0]),
    policies=st.lists(
        st.builds(
            QuotaPolicy,
            st.sampled_from(["default", "burst", "other"]),
            limit=st.integers(1, 12),
            window_seconds=st.sampled_from([1.0, 10.0, 300.0]),
        ),
        min_size=1,
        max_size=3,
    ),
    reserved=st.sampled_from([0.0, 0.01, 5.0]),
    tries=st.lists(steps, min_size=1, max_size=60),
)
def test_no_window_ever_holds_more_than_the_share(
    share: float, policies: list[QuotaPolicy], reserved: float, tries: list[Step]
) -> None:
    """Whatever is asked, answered, refused or said to be left: the rest belongs to people."""
    quota = Quota(share=share, reserved_per_second=reserved)
    exchange(quota, -1000.0, headers(*policies))

    sent = sent_instants(quota, policies, tries)

    for policy in policies:
        budget = max(math.floor(share * policy.limit), 1)
        for first, over in zip(sent, sent[budget:], strict=False):
            assert over >= first + policy.window_seconds


@given(tries=st.lists(steps, min_size=1, max_size=40))
def test_nothing_goes_while_a_refusal_lasts(tries: list[Step]) -> None:
    """What the API said is honoured in full, and then one request goes before more."""
    quota = Quota(share=1.0)
    refused(quota, 0.0, 100.0)

    sent = sent_instants(quota, (DEFAULT,), tries)

    assert sent[0] >= 100.0
    if len(sent) > 1:
        assert sent[1] >= sent[0] + tries[0].latency


def test_the_documented_quota_holds_while_the_api_says_nothing() -> None:
    """1,200 requests in five minutes, of which half are ours."""
    quota = Quota(share=0.5)

    assert spend_all(quota, Priority.SUMMARY) == 600
    assert quota.decide(Priority.SUMMARY, 299.9) is not None
    assert quota.decide(Priority.SUMMARY, 300.0) is None


def test_the_api_s_own_policy_goes_before_the_documentation() -> None:
    """An account may have been given more, or less."""
    quota = Quota(share=0.5)
    exchange(quota, 0.0, headers(QuotaPolicy("default", limit=20, window_seconds=60.0)))

    assert spend_all(quota, Priority.SUMMARY) == 9
    pause = quota.decide(Priority.SUMMARY, 0.0)
    assert pause is not None
    assert (pause.until, pause.reason) == (60.0, PauseReason.BUDGET)


def test_of_several_policies_each_holds() -> None:
    """A burst limit beside the quota is a limit, too."""
    quota = Quota(share=0.5)
    exchange(quota, 0.0, headers(DEFAULT, BURST))

    assert spend_all(quota, Priority.SUMMARY, now=10.0) == 25
    assert sum(spend_all(quota, Priority.SUMMARY, now=20.0 + 2.0 * n) for n in range(40)) == 574


@pytest.mark.parametrize(
    "policy",
    [
        QuotaPolicy("default", limit=0, window_seconds=300.0),
        QuotaPolicy("default", limit=1, window_seconds=LONGEST_WINDOW_SECONDS + 1.0),
    ],
)
def test_a_policy_nobody_could_mean_is_not_believed(policy: QuotaPolicy) -> None:
    """One slip of a header must not silence the exporter for years."""
    quota = Quota(share=0.5)

    exchange(quota, 0.0, headers(policy))

    assert spend_all(quota, Priority.SUMMARY) == 599


def test_a_reset_later_than_the_window_is_not_believed() -> None:
    """No window can begin anew later than it is long."""
    quota = Quota(share=0.5)
    exchange(quota, 0.0, headers(DEFAULT, left=0, reset_seconds=1e9))

    pause = quota.decide(Priority.SUMMARY, 1.0)

    assert pause is not None
    assert pause.until == 300.0


@pytest.mark.parametrize("share", [0.0001, 0.5])
def test_at_least_one_request_is_always_ours(share: float) -> None:
    """A share too small for a single request would ask nothing, ever."""
    quota = Quota(share=share)
    exchange(quota, -400.0, headers(QuotaPolicy("default", limit=1, window_seconds=300.0)))

    assert spend_all(quota, Priority.RELAXED_DETAILS) == 1


def test_every_page_counts() -> None:
    """An answer of three pages is three requests, whatever was admitted."""
    quota = Quota(share=0.5)
    exchange(quota, -400.0, headers(QuotaPolicy("default", limit=10, window_seconds=300.0)))
    quota.spend(0.0)
    for sent_at in (0.0, 1.0, 2.0):
        quota.record_response(sent_at + 1.0, sent_at=sent_at, is_answered=True, headers=None)
    quota.release(0.0, is_recorded=True)

    assert spend_all(quota, Priority.SUMMARY, now=3.0) == 2


def test_what_was_admitted_and_not_sent_costs_nothing() -> None:
    """Whoever was to be asked about may not be wanted any more when their turn comes."""
    quota = Quota(share=0.5)
    for _ in range(1000):
        quota.spend(0.0)
        quota.release(0.0, is_recorded=True)

    assert spend_all(quota, Priority.SUMMARY) == 600


def test_what_was_given_up_half_way_counts_as_sent() -> None:
    """A reload may cancel a request of which the API has heard already."""
    quota = Quota(share=0.5)
    for _ in range(100):
        quota.spend(0.0)
        quota.release(0.0, is_recorded=False)

    assert spend_all(quota, Priority.SUMMARY) == 500


def test_another_share_holds_at_once_and_forgets_nothing() -> None:
    """A reload must not be a way to spend twice."""
    quota = Quota(share=0.1)
    assert spend_all(quota, Priority.SUMMARY) == 120

    quota.set_share(share=0.2, reserved_per_second=0.0)

    assert spend_all(quota, Priority.SUMMARY) == 120


# Among ourselves -------------------------------------------------------------------------------


def test_details_leave_room_for_the_summaries_of_a_window() -> None:
    """Otherwise a long queue of users would blind us to new ones."""
    quota = Quota(share=0.5, reserved_per_second=0.2)

    assert spend_window(quota, Priority.URGENT_DETAILS) == 540
    assert spend_all(quota, Priority.SUMMARY, now=299.0) == 60


def test_details_keep_half_of_the_budget_however_many_accounts_there_are() -> None:
    """Summaries of a hundred accounts must not keep every event from being counted."""
    quota = Quota(share=0.5, reserved_per_second=100.0)

    assert spend_window(quota, Priority.URGENT_DETAILS) == 300


@pytest.mark.parametrize(
    ("priority", "spent"), [(Priority.CHANGED_DETAILS, 570), (Priority.RELAXED_DETAILS, 480)]
)
def test_what_is_less_urgent_leaves_room_for_high_risk(priority: Priority, spent: int) -> None:
    """A cold start of ten thousand users lasts long; a high-risk change cannot wait for it."""
    quota = Quota(share=0.5)

    assert spend_window(quota, priority) == spent
    assert spend_all(quota, Priority.URGENT_DETAILS, now=299.0) == 600 - spent


@pytest.mark.parametrize(
    ("priority", "spent"), [(Priority.CHANGED_DETAILS, 57), (Priority.RELAXED_DETAILS, 48)]
)
def test_what_is_less_urgent_is_spread_over_the_window(priority: Priority, spent: int) -> None:
    """It has time, and what others need shows only after a while."""
    quota = Quota(share=0.5)

    assert [spend_all(quota, priority, now=30.0 * n) for n in range(10)] == [spent] * 10


def test_news_may_come_in_bursts_of_half_the_budget() -> None:
    """A burst of changes is what we are here for; all of the budget at once it is not."""
    quota = Quota(share=0.5)

    spent = [spend_all(quota, Priority.URGENT_DETAILS, now=30.0 * n) for n in range(4)]

    assert spent == [300, 300, 0, 0]


# Beside others ---------------------------------------------------------------------------------


def pauses(quota: Quota, now: float) -> set[Priority]:
    """Of which priority nothing may go."""
    return {priority for priority in Priority if quota.decide(priority, now) is not None}


@pytest.mark.parametrize(
    ("left", "paused"),
    [
        (241, set()),
        (240, set(Priority) - {Priority.SUMMARY}),
        (61, set(Priority) - {Priority.SUMMARY}),
        (60, set(Priority)),
        (0, set(Priority)),
    ],
)
def test_a_fifth_is_for_summaries_and_the_last_twentieth_for_others(
    left: int, paused: set[Priority]
) -> None:
    """Whoever else uses the token is refused as we are once it is used up."""
    quota = Quota(share=0.5)

    exchange(quota, 0.0, headers(DEFAULT, left=left))

    assert pauses(quota, 199.9) == paused
    assert pauses(quota, 200.0) == set()


def test_what_is_on_its_way_is_not_left() -> None:
    """An answer tells what was left before those that are still on their way."""
    quota = Quota(share=1.0)
    for _ in range(6):
        quota.spend(0.0)

    quota.record_response(1.0, sent_at=0.0, is_answered=True, headers=headers(DEFAULT, left=245))

    assert pauses(quota, 1.0) == set(Priority) - {Priority.SUMMARY}


def test_what_goes_out_after_an_answer_is_not_left_either() -> None:
    """The next answer may be long in coming."""
    quota = Quota(share=1.0)
    exchange(quota, 0.0, headers(DEFAULT, left=242, reset_seconds=300.0))

    assert spend_all(quota, Priority.URGENT_DETAILS, now=1.0) == 2


def test_a_late_answer_to_an_early_question_teaches_nothing() -> None:
    """A summary of a large account is read for seconds, and its headers are as old."""
    quota = Quota(share=1.0)
    quota.spend(0.0)
    exchange(quota, 5.0, headers(DEFAULT, left=100))

    quota.record_response(9.0, sent_at=0.0, is_answered=True, headers=headers(DEFAULT, left=1100))

    assert Priority.URGENT_DETAILS in pauses(quota, 9.0)


def answer_at(quota: Quota, at: float, *, left: int) -> None:
    """Ask one summary at `at`, in a window that ends at 300."""
    exchange(quota, at, headers(DEFAULT, left=left, reset_seconds=300.0 - at))


def test_what_others_will_need_at_their_pace_is_left_to_them() -> None:
    """They spend three a second: with 200 seconds to go 600 are theirs, whatever our share is."""
    quota = Quota(share=1.0)
    answer_at(quota, 0.0, left=1199)
    answer_at(quota, 100.0, left=898)

    spent = spend_all(quota, Priority.URGENT_DETAILS, now=100.0)
    assert spent == pytest.approx(898 - 600 - 60, abs=5)
    assert spend_all(quota, Priority.SUMMARY, now=100.0) > 0


def test_the_first_answer_tells_how_busy_others_were_before() -> None:
    """A start in the middle of a window must not be a burst into a quota that is all theirs."""
    quota = Quota(share=1.0)

    answer_at(quota, 100.0, left=899)

    spent = spend_all(quota, Priority.URGENT_DETAILS, now=100.0)
    assert spent == pytest.approx(899 - 600 - 60, abs=5)


def test_our_own_spending_is_not_taken_for_theirs() -> None:
    """Or a quiet account would be throttled by itself."""
    quota = Quota(share=1.0)
    answer_at(quota, 0.0, left=1199)
    for _ in range(499):
        exchange(quota, 50.0)
    answer_at(quota, 100.0, left=699)

    assert spend_all(quota, Priority.URGENT_DETAILS, now=100.0) > 400


def test_who_was_busy_in_the_last_window_is_expected_to_be_busy_in_this_one() -> None:
    """A window begins with nothing spent, and says nothing."""
    quota = Quota(share=1.0)
    answer_at(quota, 0.0, left=1199)
    answer_at(quota, 100.0, left=898)
    exchange(quota, 300.0, headers(DEFAULT, left=1199, reset_seconds=300.0))

    spent = spend_all(quota, Priority.URGENT_DETAILS, now=300.0)
    assert spent == pytest.approx(1199 - 900 - 60, abs=5)


def test_others_who_are_done_give_room_again() -> None:
    """Their pace is measured again with each answer of some distance."""
    quota = Quota(share=1.0)
    answer_at(quota, 0.0, left=1199)
    answer_at(quota, 100.0, left=898)
    for at in (140.0, 180.0, 220.0, 260.0):
        answer_at(quota, at, left=897)

    assert spend_all(quota, Priority.URGENT_DETAILS, now=260.0) > 400


def test_the_state_is_what_the_api_said_last_of_the_scarcest_policy() -> None:
    """For people to look at: their view, not our cautious one."""
    quota = Quota(share=0.5)
    said = QuotaHeaders(
        (DEFAULT, BURST), (QuotaLeft("default", 900, 100.0), QuotaLeft("burst", 10, 1.0))
    )
    quota.spend(0.0)
    quota.spend(0.0)
    quota.record_response(0.0, sent_at=0.0, is_answered=True, headers=said)

    states = [quota.state(now) for now in (0.5, 1.5, 200.0)]

    told = [state and (state.limit, state.remaining, state.resets_at) for state in states]
    assert told == [(50, 10, 1.0), (1200, 900, 100.0), None]


# After a 429 -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("said", "wait"), [(17.0, 17.0), (900.0, 900.0), (None, 300.0)])
def test_a_refusal_lasts_as_long_as_the_api_says_or_a_window(
    said: float | None, wait: float
) -> None:
    """Asking sooner prolongs it for everybody who uses the token."""
    quota = Quota(share=0.5)
    refused(quota, 10.0, said)

    assert pauses(quota, 10.0 + wait - 0.1) == set(Priority)
    assert pauses(quota, 10.0 + wait) == set()


def test_of_two_refusals_the_longer_holds() -> None:
    """Requests on their way together are refused together, each with what was left then."""
    quota = Quota(share=0.5)
    refused(quota, 0.0, 300.0)
    quota.record_rate_limited(5.0, sent_at=0.0, retry_after_seconds=10.0, headers=None)

    pause = quota.decide(Priority.SUMMARY, 20.0)

    assert pause is not None
    assert (pause.until, pause.reason) == (300.0, PauseReason.RATE_LIMITED)


def test_after_a_refusal_one_request_goes_before_more() -> None:
    """A hundred accounts asking at once would be the next storm."""
    quota = Quota(share=0.5)
    refused(quota, 0.0, 30.0)
    quota.spend(30.0)

    assert pauses(quota, 31.0) == set(Priority)
    quota.record_response(32.0, sent_at=30.0, is_answered=True, headers=None)
    quota.release(30.0, is_recorded=True)
    assert pauses(quota, 32.0) == set()


def test_a_probe_without_an_answer_lets_another_go() -> None:
    """Nothing was learnt, and nothing may hang on one lost connection."""
    quota = Quota(share=0.5)
    refused(quota, 0.0, 30.0)
    quota.spend(30.0)
    quota.record_response(60.0, sent_at=30.0, is_answered=False, headers=None)
    quota.release(30.0, is_recorded=True)

    assert pauses(quota, 60.0) == set()
    quota.spend(60.0)
    assert pauses(quota, 61.0) == set(Priority)


def test_a_probe_that_is_not_sent_lets_another_go() -> None:
    """Its user may have vanished while it waited."""
    quota = Quota(share=0.5)
    refused(quota, 0.0, 30.0)
    quota.spend(30.0)
    quota.release(30.0, is_recorded=True)

    assert pauses(quota, 30.0) == set()


def test_an_answer_from_before_a_refusal_does_not_end_it() -> None:
    """It was on its way already, and tells nothing of what is allowed now."""
    quota = Quota(share=0.5)
    quota.spend(0.0)
    refused(quota, 1.0, 20.0)

    quota.record_response(25.0, sent_at=0.0, is_answered=True, headers=None)
    quota.spend(25.0)

    assert pauses(quota, 26.0) == set(Priority)


def test_rounding_does_not_hide_the_probe() -> None:
    """When a request was sent is reckoned back from when its answer came."""
    quota = Quota(share=0.5)
    refused(quota, 0.1, 0.2)
    sent_at = 0.1 + 0.2
    quota.spend(sent_at)

    quota.record_response(1.1, sent_at=1.1 - (1.1 - sent_at) - 1e-9, is_answered=True, headers=None)

    assert pauses(quota, 1.1) == set()


@given(
    instants=st.lists(st.floats(0.0, 1000.0), min_size=1, max_size=40).map(sorted),
    budget=st.integers(1, 10),
    window=st.sampled_from([1.0, 10.0, 300.0]),
)
def test_a_wait_is_never_longer_than_it_has_to_be(
    instants: list[float], budget: int, window: float
) -> None:
    """A budget not used is delay for nothing."""
    quota = Quota(share=1.0)
    exchange(quota, -2000.0, headers(QuotaPolicy("default", limit=budget, window_seconds=window)))
    for instant in instants:
        quota.spend(instant)
    now = instants[-1]

    pause = quota.decide(Priority.SUMMARY, now)

    in_window = len(instants) - bisect_right(instants, now - window)
    assert (pause is None) == (in_window < budget)
    if pause is not None:
        assert pause.until in {instant + window for instant in instants}
        assert sum(instant + window > pause.until for instant in instants) < budget


# Limits of the rules ---------------------------------------------------------------------------


def test_all_1200_documented_requests_are_available_to_a_share_of_one() -> None:
    """No more and no fewer."""
    assert spend_all(Quota(share=1.0), Priority.SUMMARY) == 1200


def test_of_a_refusal_and_a_spent_budget_the_later_end_holds() -> None:
    """A request that the API would admit may still exceed the share."""
    quota = Quota(share=0.5)
    spend_all(quota, Priority.SUMMARY)
    quota.record_rate_limited(1.0, sent_at=0.0, retry_after_seconds=10.0, headers=None)

    pause = quota.decide(Priority.SUMMARY, 2.0)

    assert pause is not None
    assert (pause.until, pause.reason) == (300.0, PauseReason.BUDGET)


def test_a_late_answer_to_an_early_request_does_not_replace_what_is_known() -> None:
    """Its headers are as old as the request."""
    quota = Quota(share=1.0)
    quota.spend(0.0)
    exchange(quota, 5.0, headers(DEFAULT, left=100))

    quota.record_response(9.0, sent_at=0.0, is_answered=True, headers=headers(DEFAULT, left=1100))

    state = quota.state(9.0)
    assert state is not None
    assert state.remaining == 100


def test_a_window_of_an_hour_is_believed() -> None:
    """It is the longest one that is."""
    quota = Quota(share=1.0)
    exchange(quota, 0.0, headers(QuotaPolicy("default", 1, LONGEST_WINDOW_SECONDS)))

    pause = quota.decide(Priority.SUMMARY, 1.0)

    assert pause is not None
    assert pause.until == LONGEST_WINDOW_SECONDS


def test_a_window_of_no_length_is_not_believed() -> None:
    """It would admit any number of requests."""
    quota = Quota(share=0.5)
    exchange(quota, 0.0, headers(QuotaPolicy("default", limit=1, window_seconds=0.0)))

    for _ in range(599):
        exchange(quota, 0.0)

    assert quota.decide(Priority.SUMMARY, 0.0) is not None


def test_configuration_may_use_what_is_reserved() -> None:
    """The reserve is for summaries and configuration."""
    quota = Quota(share=0.5, reserved_per_second=0.2)

    assert spend_all(quota, Priority.CONFIGURATION) == 600


def test_another_reserve_holds_at_once() -> None:
    """A reload may add accounts whose summaries need room."""
    quota = Quota(share=0.5)

    quota.set_share(share=0.5, reserved_per_second=0.2)

    assert spend_window(quota, Priority.URGENT_DETAILS) == 540


def test_a_burst_of_details_may_come_beside_the_reserved_requests() -> None:
    """Half of 540, and the six summaries of the same thirty seconds."""
    quota = Quota(share=0.5, reserved_per_second=0.2)

    assert spend_all(quota, Priority.URGENT_DETAILS) == 276


def test_of_several_remaining_quotas_the_smallest_holds() -> None:
    """The quota of five minutes does not help while that of a second is used up."""
    quota = Quota(share=0.5)
    said = QuotaHeaders(
        (DEFAULT, BURST), (QuotaLeft("default", 1000, 100.0), QuotaLeft("burst", 0, 1.0))
    )
    exchange(quota, 0.0, said)

    pause = quota.decide(Priority.SUMMARY, 0.5)

    assert pause is not None
    assert pause.until == 1.0


def test_a_request_that_is_not_in_the_log_is_not_taken_back() -> None:
    """Another request at a later instant still counts."""
    log = RequestLog(kept_seconds=100.0)
    log.add(2.0)

    log.take_back(1.0)

    assert log.count(0.0, until=10.0) == 1


# The pace of other clients ---------------------------------------------------------------------


def test_our_requests_without_an_answer_are_not_taken_for_counted_ones() -> None:
    """The API may not have seen them; what is missing was used by other clients."""
    quota = Quota(share=1.0)
    answer_at(quota, 0.0, left=1199)
    for _ in range(300):
        quota.spend(50.0)

    answer_at(quota, 100.0, left=898)

    assert Priority.URGENT_DETAILS in pauses(quota, 100.0)


def test_our_reserved_requests_are_expected_beside_those_of_others() -> None:
    """Three a second are theirs and two are reserved, so that 838 do not last for 200 seconds."""
    is_paused = []
    for reserved in (0.0, 2.0):
        quota = Quota(share=1.0, reserved_per_second=reserved)
        answer_at(quota, 0.0, left=1199)
        answer_at(quota, 100.0, left=898)
        is_paused.append(Priority.URGENT_DETAILS in pauses(quota, 100.0))

    assert is_paused == [False, True]


@pytest.mark.parametrize(("at", "is_measured"), [(29.0, False), (30.0, True)])
def test_the_pace_is_measured_over_a_tenth_of_the_window_at_least(
    at: float, *, is_measured: bool
) -> None:
    """Two answers in one second say little about the next minutes."""
    quota = Quota(share=1.0)
    answer_at(quota, 0.0, left=1199)

    answer_at(quota, at, left=800)

    assert (Priority.URGENT_DETAILS in pauses(quota, at)) is is_measured


def test_an_api_that_counts_fewer_requests_than_we_sent_shows_no_pace() -> None:
    """The pace of others is never negative."""
    quota = Quota(share=1.0)
    answer_at(quota, 0.0, left=1199)
    for _ in range(500):
        exchange(quota, 50.0)

    answer_at(quota, 100.0, left=1199)

    assert pauses(quota, 100.0) == set()


def test_others_who_pause_are_expected_at_half_their_pace() -> None:
    """Nine a second and then none: 240 requests would not last for 100 seconds at the mean."""
    quota = Quota(share=1.0)
    answer_at(quota, 0.0, left=1199)
    answer_at(quota, 100.0, left=301)

    answer_at(quota, 200.0, left=300)

    assert Priority.URGENT_DETAILS in pauses(quota, 200.0)


def test_a_reset_told_two_seconds_later_is_of_the_same_window() -> None:
    """Headers have whole seconds, and answers take some."""
    quota = Quota(share=1.0)
    answer_at(quota, 0.0, left=1199)

    exchange(quota, 100.0, headers(DEFAULT, left=300, reset_seconds=202.0))

    assert Priority.URGENT_DETAILS in pauses(quota, 100.0)


# The parts of a quota --------------------------------------------------------------------------


def test_an_instant_after_all_requests_takes_none_back() -> None:
    """It is not an error either."""
    log = RequestLog(kept_seconds=100.0)
    log.add(1.0)

    log.take_back(2.0)

    assert log.count(0.0, until=10.0) == 1


def test_the_log_drops_requests_that_are_as_old_as_it_keeps_them() -> None:
    """It does not grow for as long as the process runs."""
    log = RequestLog(kept_seconds=100.0)
    log.add(0.0)

    log.add(100.0)

    assert log.count(-1.0, until=200.0) == 1


def test_a_request_at_the_first_instant_of_an_interval_is_not_counted() -> None:
    """Intervals are open at their beginning."""
    log = RequestLog(kept_seconds=100.0)
    log.add(1.0)

    assert log.count(1.0, until=2.0) == 0


def test_one_more_request_fits_when_the_oldest_of_the_budget_leaves_the_window() -> None:
    """Two of three may stand in the window."""
    log = RequestLog(kept_seconds=3600.0)
    for instant in (0.0, 10.0, 20.0):
        log.add(instant)

    assert log.fits_at(20.0, budget=2, window_seconds=300.0) == 310.0


def test_a_request_sent_before_a_refusal_is_no_probe() -> None:
    """The pause ends at its instant, although the request has not ended."""
    pause = RateLimitPause()
    pause.record_sent(0.0)
    pause.begin(1.0, until=10.0)

    assert pause.pause(20.0) is None


def test_the_end_of_another_request_does_not_end_the_probe() -> None:
    """Only the probe's own end lets another one go."""
    pause = RateLimitPause()
    pause.begin(0.0, until=10.0)
    pause.record_sent(10.0)

    pause.record_end(5.0)

    assert pause.pause(11.0) is not None


def test_a_refusal_without_an_instant_lasts_for_the_longest_window() -> None:
    """It is open which policy was exceeded."""
    quota = Quota(share=0.5)
    exchange(quota, 0.0, headers(DEFAULT, BURST))

    refused(quota, 10.0, None)

    assert pauses(quota, 309.0) == set(Priority)


def test_the_scarcest_policy_is_that_with_the_smallest_part_left() -> None:
    """The numbers alone do not compare."""
    quota = Quota(share=0.5)
    left = (QuotaLeft("default", 100, 100.0), QuotaLeft("burst", 40, 1.0))
    exchange(quota, 0.0, QuotaHeaders((DEFAULT, BURST), left))

    state = quota.state(0.5)

    assert state is not None
    assert state.limit == 1200


def test_an_answer_that_names_no_remaining_quota_keeps_what_is_known() -> None:
    """Not every answer has the header."""
    quota = Quota(share=0.5)
    exchange(quota, 0.0, headers(DEFAULT, left=60))

    exchange(quota, 1.0, headers(DEFAULT))

    assert pauses(quota, 2.0) == set(Priority)
