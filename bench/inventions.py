"""Events for the users of a summary, made up alike for every exporter that is compared.

To ask for each user's details would take minutes at 100,000 users and is not what is measured.
"""

from collections.abc import Sequence

from exporter.risk.model import Behavior, RiskEvent, UserDetails, UserSummary


def invented_details(row: UserSummary, behaviors: Sequence[Behavior]) -> UserDetails:
    """As many events as the summary says, the latest when it says, of alternating behaviors."""
    events = tuple(
        RiskEvent(
            id=f"{row.user_id}/{number}",
            name=behaviors[number % len(behaviors)].name,
            level=row.level,
            timestamp=row.last_event - number,
        )
        for number in range(row.event_count)
    )
    return UserDetails(row.email, row.name, events)
