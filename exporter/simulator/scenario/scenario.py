"""The whole scenario: tokens, quota, accounts and faults, and loading one from YAML."""

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from exporter.config_file import Origin, describe_errors, read_config_file
from exporter.errors import ConfigurationError
from exporter.simulator.scenario.accounts import AccountSpec
from exporter.simulator.scenario.values import Name, ScenarioModel, Seconds, Share

_HTML_STATUSES = {*range(500, 600), 1015}


class FaultKind(StrEnum):
    """A kind of fault.

    - `latency`: the right response after `seconds`; see `computed`.
    - `throttle`: 429 in the envelope with `retry_after`, whatever quota is left.
    - `error`: `status` (default 500) in the envelope; with 200 the envelope says `success: false`.
    - `html`: an HTML page of the edge with `status` (default 502; 5xx, or 1015, which is sent as 429).
    - `truncate`: the connection ends in the middle of the body.
    - `stall`: half of the body, then nothing for `seconds`, then the connection ends.
    - `drop`: the connection ends without a response.
    - `malformed`: JSON that is not an envelope.
    - `null_result`: a successful envelope whose `result` is null.
    """

    LATENCY = "latency"
    THROTTLE = "throttle"
    ERROR = "error"
    HTML = "html"
    TRUNCATE = "truncate"
    STALL = "stall"
    DROP = "drop"
    MALFORMED = "malformed"
    NULL_RESULT = "null_result"


class Fault(ScenarioModel):
    """A fault, and the requests to which it applies; by default to all.

    - `operation` (its name in the log), `account` (name or id), `token` (name): only these.
    - `probability`: the share of these requests; `count`: the maximum number of them.
    - `after`: seconds until it begins, from now or from the start in a scenario; `lasting`: seconds
      until it ends, from there. Both are real seconds, whatever the speed.
    - `computed`: whether a late response has the state `before` or `after` the wait.
    """

    kind: FaultKind
    operation: Name | None = None
    account: Name | None = None
    token: Name | None = None
    probability: Share = 1.0
    count: int | None = Field(default=None, ge=1)
    after: Seconds = 0.0
    lasting: Seconds | None = None
    seconds: Seconds = 1.0
    computed: Literal["before", "after"] = "after"
    status: int | None = None
    retry_after: int = Field(default=30, ge=0)

    @model_validator(mode="after")
    def _check_status(self) -> Self:
        if self.status is None:
            return self
        if self.kind is FaultKind.HTML and self.status not in _HTML_STATUSES:
            raise ValueError("the status of an html fault is 5xx or 1015")
        if self.kind is FaultKind.ERROR and self.status != 200 and not 400 <= self.status < 600:  # noqa: PLR2004
            raise ValueError("the status of an error fault is 200, 4xx or 5xx")
        return self


class Permission(StrEnum):
    """A permission of a token, by Cloudflare's name."""

    PII_READ = "Zero Trust: PII Read"
    READ = "Zero Trust Read"
    WRITE = "Zero Trust Write"


class Policy(ScenarioModel):
    """At most `requests` in a fixed window of `window` seconds."""

    requests: int = Field(default=1200, ge=1)
    window: Seconds = Field(default=300.0, gt=0)


class QuotaSpec(Policy):
    """The quota of each token.

    The defaults are those of https://developers.cloudflare.com/fundamentals/api/reference/limits/.
    `burst` is a second policy beside it. Without `headers` only `Retry-After` reports the quota.
    """

    burst: Policy | None = None
    headers: bool = True


class TokenSpec(ScenarioModel):
    """A token; its value is by default generated from the seed and the name.

    - `accounts`: names or ids; None means all accounts.
    - `email`: makes it the API key of that user, accepted as X-Auth-Key with this X-Auth-Email and
      not as a bearer token. Without it, the value is accepted as a bearer token, and as X-Auth-Key
      with any X-Auth-Email.
    """

    name: Name = "full"
    token: Name | None = Field(default=None, repr=False)
    permissions: tuple[Permission, ...] = tuple(Permission)
    accounts: tuple[Name, ...] | None = None
    email: Name | None = Field(default=None, repr=False)


class Scenario(ScenarioModel):
    """Everything that is simulated. The default is one active account of 200 users.

    - `seed`: with the default seed, the first minute has an event of every level and a reset.
    - `speed`: simulated seconds per real second, for all activity; timestamps stay real.
    - `unknown_token_status`: the status that rejects an unknown token; Cloudflare uses 401 or 403.
    - `validation`: `strict` accepts only what the API's reference describes, `lenient` also what
      Cloudflare's own clients send beyond it; see `api.configuration`.
    """

    seed: int = 3
    speed: float = Field(default=1.0, gt=0)
    quota: QuotaSpec = QuotaSpec()
    unknown_token_status: int = Field(default=401, ge=400, lt=500)
    validation: Literal["lenient", "strict"] = "lenient"
    tokens: tuple[TokenSpec, ...] = (TokenSpec(),)
    accounts: tuple[AccountSpec, ...] = (AccountSpec(),)
    faults: tuple[Fault, ...] = ()

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        if not self.accounts or not self.tokens:
            raise ValueError("at least one account and one token are needed")
        _check_duplicates("two tokens are named", (token.name for token in self.tokens))
        _check_duplicates("two accounts are named", (account.name for account in self.accounts))
        names = {*_names_of(self.accounts)}
        for token in self.tokens:
            for account in token.accounts or ():
                if account not in names:
                    raise ValueError(f"token {token.name!r} names an unknown account: {account!r}")
        return self

    def with_overrides(
        self, *, users: int | None = None, seed: int | None = None, speed: float | None = None
    ) -> Self:
        """Return the scenario with the given values replaced; `users` applies to each account.

        Raise ConfigurationError if a value is invalid.
        """
        data = self.model_dump(exclude_unset=True)
        given = {"seed": seed, "speed": speed}
        data |= {key: value for key, value in given.items() if value is not None}
        if users is not None:
            accounts = [account.model_dump(exclude_unset=True) for account in self.accounts]
            data["accounts"] = [account | {"users": users} for account in accounts]
        try:
            return type(self).model_validate(data)
        except ValidationError as error:
            raise ConfigurationError(
                "\n".join(describe_errors(error, type(self), Origin("").inside))
            ) from error


def _names_of(accounts: Sequence[AccountSpec]) -> Iterable[str]:
    for account in accounts:
        yield account.name
        if account.account_id is not None:
            yield account.account_id


def _check_duplicates(problem: str, names: Iterable[str]) -> None:
    duplicates = [name for name, count in Counter(names).items() if count > 1]
    if duplicates:
        raise ValueError(f"{problem} {duplicates[0]!r}")


def load_scenario(path: Path) -> Scenario:
    """Read a scenario from a YAML file; an empty file is the default scenario.

    Raise ConfigurationError with one line for each problem.
    """
    file = read_config_file(path)
    if file.content is None:
        return Scenario()
    try:
        return Scenario.model_validate(file.content)
    except ValidationError as error:
        lines = describe_errors(error, Scenario, file.origin)
        raise ConfigurationError("\n".join(lines)) from error
