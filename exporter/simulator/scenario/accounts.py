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
    """An event that is there from the start: `ago` before it, or at an RFC 3339 instant.

    `behavior` is a key; `level` and `id`: the behavior's and a new one, unless said.
    """

    behavior: Name
    level: Name | None = None
    id: Name | None = None
    ago: Seconds = 3600.0
    at: Name | None = None


class UserSpec(ScenarioModel):
    """A user of choice; without events they are known but not listed."""

    email: Name
    name: str = ""
    user_id: Uuid | None = None
    events: tuple[EventSpec, ...] = ()
    vanished: bool = False


class BehaviorSpec(ScenarioModel):
    """A behavior: changes one of the predefined, or adds one.

    `level` may be a word this API never used; `weight` is how often people do it, beside the
    others. It can appear or be renamed while the simulator runs, in simulated seconds.
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
    """An integration that is there from the start."""

    integration_id: Uuid | None = None
    tenant_url: Name = "https://tenant.example.com"
    reference_id: Name | None = None
    active: bool = True


class LevelMix(ScenarioModel):
    """Which share of the users begins with each level; the others are not listed."""

    low: Share = 0.2
    medium: Share = 0.08
    high: Share = 0.03

    @model_validator(mode="after")
    def _check_sum(self) -> Self:
        if self.low + self.medium + self.high > 1:
            raise ValueError("the shares are more than 1 together")
        return self


class Activity(ScenarioModel):
    """What happens by itself, per account and in simulated time.

    - events: single ones, mostly of the same few people; `late_share` of them happened up to
      `late_by` seconds before they appear.
    - bursts: `burst_events` of one user and behavior within `burst_seconds`.
    - resets: an administrator clears the score of somebody listed, the worst levels first.
    - vanishings: a user is deleted, and is back after `absence` seconds on average.
    - `forget_after`: events this old are erased; None: never.
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

    - `account_id`: drawn from the seed and the name, unless said.
    - `users`: how many are invented; `named_users` come in addition, and first.
    - `events_per_user`: how many a listed user begins with, at most, over the last `history`.
    - `predefined_behaviors`: whether to have Cloudflare's; `behaviors` change or extend them.
    - `event_ids`: `unique`, or `behavior` where an id only names the behavior.
    - `timestamps`: `mixed` timestamp_formats of RFC 3339, or all alike (`plain`, to the millisecond).
    - `page_size`: rows on one page of the summary; None: it is one body.
    - `result_first`: where `result` stands in the envelope.
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
