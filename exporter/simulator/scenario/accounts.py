"""The accounts of a scenario: users, behaviors, integrations and activity."""

from typing import Literal, Self

from pydantic import Field, model_validator

from exporter.simulator.scenario.values import (
    AccountId,
    Name,
    Rate,
    ScenarioModel,
    Seconds,
    Share,
    Uuid,
)


class EventSpec(ScenarioModel):
    """An initial event, `ago` before the start or at the RFC 3339 timestamp `at`.

    `behavior` is a key. By default, `level` is the behavior's and `id` is generated.
    """

    behavior: Name
    level: Name | None = None
    id: Name | None = None
    ago: Seconds = 3600.0
    at: Name | None = None


class UserSpec(ScenarioModel):
    """A named user; without events the user exists but is not listed."""

    email: Name
    name: str = ""
    user_id: Uuid | None = None
    events: tuple[EventSpec, ...] = ()
    vanished: bool = False


class BehaviorSpec(ScenarioModel):
    """A behavior, which changes a predefined one or adds a new one.

    `level` may be one the real API does not have. `weight` is the relative frequency of its events.
    A behavior can appear or be renamed while the simulator runs, after simulated seconds.
    """

    key: Name
    name: Name | None = None
    description: str | None = None
    enabled: bool | None = None
    level: Name | None = None
    weight: Rate | None = None
    appears_after: Seconds = 0.0
    renamed_to: Name | None = None
    renamed_after: Seconds = 300.0


class IntegrationSpec(ScenarioModel):
    """An initial integration."""

    integration_id: Uuid | None = None
    tenant_url: Name = "https://tenant.example.com"
    reference_id: Name | None = None
    active: bool = True


class LevelMix(ScenarioModel):
    """The share of the generated users that starts with each level; the others are not listed."""

    low: Share = 0.2
    medium: Share = 0.08
    high: Share = 0.03

    @model_validator(mode="after")
    def _check_sum(self) -> Self:
        if self.low + self.medium + self.high > 1:
            raise ValueError("the shares add up to more than 1")
        return self


class Activity(ScenarioModel):
    """The activity of an account, in simulated time.

    - events: single events, mostly of a few users; `late_share` of them happened up to `late_by`
      before they appear.
    - bursts: `burst_events` events of one user and behavior within `burst_seconds`.
    - resets: an administrator clears the score of a listed user, the highest levels first.
    - vanishings: a user is deleted, and restored after `absence` on average.
    - `forget_after`: events of this age are erased; None means never.
    """

    events_per_minute: Rate = 20.0
    late_share: Share = 0.05
    late_by: Seconds = 6 * 3600.0
    bursts_per_hour: Rate = 40.0
    burst_events: int = Field(default=12, ge=1)
    burst_seconds: Seconds = 30.0
    resets_per_hour: Rate = 180.0
    vanishings_per_hour: Rate = 12.0
    absence: Seconds = 600.0
    forget_after: Seconds | None = None


class AccountSpec(ScenarioModel):
    """An account.

    - `account_id`: by default generated from the seed and the name.
    - `users`: the number of generated users; `named_users` are added before them.
    - `events_per_user`: the maximum of initial events of a listed user, within the last `history`.
    - `predefined_behaviors`: whether the account has Cloudflare's; `behaviors` change or extend them.
    - `event_ids`: `unique`, or `behavior` if an event's id is the key of its behavior.
    - `timestamps`: `mixed` formats of RFC 3339, or `plain` (all with milliseconds).
    - `page_size`: the number of summary rows on one page; None means that the summary is not paged.
    - `result_first`: whether `result` is the first field of the envelope or the last.
    """

    name: Name = "demo"
    account_id: AccountId | None = None
    entitled: bool = True
    users: int = Field(default=200, ge=0)
    named_users: tuple[UserSpec, ...] = ()
    levels: LevelMix = LevelMix()
    history: Seconds = 7 * 86400.0
    events_per_user: int = Field(default=6, ge=1)
    predefined_behaviors: bool = True
    behaviors: tuple[BehaviorSpec, ...] = ()
    integrations: tuple[IntegrationSpec, ...] = (IntegrationSpec(),)
    activity: Activity = Activity()
    event_ids: Literal["unique", "behavior"] = "unique"
    timestamps: Literal["mixed", "plain"] = "mixed"
    page_size: int | None = Field(default=None, ge=1)
    result_first: bool = True
