"""The whole scenario: tokens, quota, accounts and faults, and loading one from YAML."""

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from exporter.errors import ConfigurationError
from exporter.simulator.scenario.accounts import AccountSpec
from exporter.simulator.scenario.values import Name, ScenarioModel, Seconds, Share, describe_errors
from exporter.yaml_file import read_yaml


class FaultKind(StrEnum):
    """One way for an answer to go wrong.

    - `latency`: the right answer, `seconds` late; see `computed`.
    - `throttle`: 429 in the envelope, with `retry_after`, whatever the quota says.
    - `error`: `status` (500 unless said) in the envelope; 200 gives `success: false` with 200.
    - `html`: a page of the edge with `status` (502 unless said; 520 to 526, or 1015, which is
      a page with 429).
    - `truncate`: the connection ends in the middle of the body.
    - `stall`: half the body, then silence for `seconds`, then the connection ends.
    - `drop`: the connection ends without an answer.
    - `malformed`: JSON that is no envelope.
    - `null_result`: an envelope of success whose `result` is null.
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


_HTML_STATUSES = {*range(500, 600), 1015}


class Fault(ScenarioModel):
    """A fault, and which requests it strikes: all of them, unless said.

    - `operation` (as the log names it), `account` (name or id), `token` (name): only those.
    - `probability`: the share of those requests; `count`: at most so many of them.
    - `after`: seconds from now, or from the start in a scenario, until it begins; `lasting`:
      seconds from there until it ends. Both are real seconds, whatever the speed.
    - `computed`: whether a late answer tells what was true `before` or `after` the wait.
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
    """What a token may do, by Cloudflare's names."""

    PII_READ = "Zero Trust: PII Read"
    READ = "Zero Trust Read"
    WRITE = "Zero Trust Write"


class Policy(ScenarioModel):
    """At most `requests` in a fixed window of `window` seconds."""

    requests: int = Field(default=1200, ge=1)
    window: Seconds = Field(default=300.0, gt=0)


class QuotaSpec(Policy):
    """The quota of each token.

    The defaults are https://developers.cloudflare.com/fundamentals/api/reference/limits/.
    `burst` is a second policy beside it; without `headers` only `Retry-After` tells of them.
    """

    burst: Policy | None = None
    headers: bool = True


class TokenSpec(ScenarioModel):
    """A token; without `token` its value is drawn from the seed and the name.

    - `accounts`: names or ids; None means all of them.
    - `email`: makes it the API key of that user, accepted as X-Auth-Key with this X-Auth-Email
      and not as a bearer token. Without it, the value is accepted as a bearer token, and as
      X-Auth-Key with any X-Auth-Email.
    """

    name: Name = "full"
    token: Name | None = Field(default=None, repr=False)
    permissions: tuple[Permission, ...] = tuple(Permission)
    accounts: tuple[Name, ...] | None = None
    email: Name | None = Field(default=None, repr=False)


class Scenario(ScenarioModel):
    """What is simulated. The defaults are a lively account of 200 people.

    `seed`: the usual one has an event of every level, and a reset, in its first minute.
    `speed`: simulated seconds in a real one, for everything that happens by itself; timestamps
    stay real. `unknown_token_status`: Cloudflare refuses unknown tokens with 401 or 403.
    `validation`: `strict` accepts only what the API's reference describes, `lenient` also what
    Cloudflare's own clients send beyond it; see `api.forms`.
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
                    raise ValueError(f"token {token.name!r} names no such account: {account!r}")
        return self

    def with_overrides(
        self, *, users: int | None = None, seed: int | None = None, speed: float | None = None
    ) -> Self:
        """Return the same scenario with what is given put in; `users` is meant per account.

        ConfigurationError where a value is impossible.
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
            raise ConfigurationError("\n".join(describe_errors(error, type(self)))) from error


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
    """Read a scenario; an empty file is the default one.

    ConfigurationError tells all that is wrong with the file, a line each.
    """
    data = read_yaml(path)
    if data is None:
        return Scenario()
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        lines = "\n".join(f"{path}: {problem}" for problem in describe_errors(error, Scenario))
        raise ConfigurationError(lines) from error
