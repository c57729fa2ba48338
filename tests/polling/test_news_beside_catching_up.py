"""News must not wait for what is only catching up, nor for what was reserved for summaries."""

from exporter.polling.quota import Quota
from exporter.polling.quota_window import Priority


def ask_all(quota: Quota, priority: Priority, *, now: float) -> int:
    """Ask until there is a pause; how often that was."""
    asked = 0
    while quota.decide(priority, now) is None:
        quota.spend(now)
        asked += 1
    return asked


def test_a_user_who_changed_goes_at_once_while_catching_up_takes_all_it_may() -> None:
    """After a start, first readings use up what they are given within moments."""
    quota = Quota(share=0.5)

    caught_up = ask_all(quota, Priority.RELAXED_DETAILS, now=0.0)

    assert caught_up > 0
    assert quota.decide(Priority.CHANGED_DETAILS, 0.0) is None


def test_a_user_at_high_risk_goes_at_once_while_all_others_take_all_they_may() -> None:
    """Thousands of low and medium rows may change in one poll."""
    quota = Quota(share=0.5)

    others = ask_all(quota, Priority.CHANGED_DETAILS, now=0.0)

    assert others > 0
    assert quota.decide(Priority.URGENT_DETAILS, 0.0) is None


def test_summaries_at_short_intervals_leave_details_their_part() -> None:
    """Polled every second, summaries alone are more than a tenth of the budget."""
    quota = Quota(share=0.5, reserved_per_second=1.0)
    for second in range(60):
        quota.spend(float(second))

    assert all(quota.decide(priority, 60.0) is None for priority in Priority)
