"""What an account configures: risk behaviors and integrations.

The names of the predefined behaviors are those of
https://developers.cloudflare.com/cloudflare-one/team-and-resources/users/risk-score/ as of 2026.
The keys of the first three appear in public Terraform configurations. The keys of the others,
and their default levels, are not documented publicly.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SCORED_LEVELS = ("low", "medium", "high")
NO_LEVEL = "none"
"""The level of a user who is not listed, in the ground truth."""


def severity(level: str) -> int:
    """Return the order of `level`, from 1 for low; an unknown level is above all known ones."""
    return SCORED_LEVELS.index(level) + 1 if level in SCORED_LEVELS else len(SCORED_LEVELS) + 1


def highest(levels: Iterable[str]) -> str | None:
    """Return the highest of `levels`, None if there are none."""
    return max(levels, key=severity, default=None)


@dataclass(frozen=True, slots=True)
class Behavior:
    """A behavior of an account; `key` is its key in the API's map."""

    key: str
    name: str
    description: str
    enabled: bool
    level: str


PREDEFINED = (
    Behavior(
        key="imp_travel",
        name="Impossible Travel",
        description="Signed in from two places too far apart to have travelled between them.",
        enabled=True,
        level="high",
    ),
    Behavior(
        key="high_dlp",
        name="High Number of DLP Policies Triggered",
        description="Matched DLP policies unusually often within a short time.",
        enabled=True,
        level="low",
    ),
    Behavior(
        key="sentinel_one",
        name="SentinelOne Infection Detected",
        description="Uses a device on which SentinelOne sees an active threat.",
        enabled=True,
        level="medium",
    ),
    Behavior(
        key="crowdstrike_low_score",
        name="CrowdStrike low device score",
        description="Uses a device with a CrowdStrike Zero Trust Assessment below 50.",
        enabled=True,
        level="high",
    ),
    Behavior(
        key="crowdstrike_medium_score",
        name="CrowdStrike medium device score",
        description="Uses a device with a CrowdStrike Zero Trust Assessment of 50 to 79.",
        enabled=True,
        level="medium",
    ),
    Behavior(
        key="malicious_file",
        name="Interaction with Malicious File",
        description="Sent or received a file that the scanner or the sandbox calls malicious.",
        enabled=True,
        level="medium",
    ),
    Behavior(
        key="suspicious_domain",
        name="Suspicious Security Domain Visited",
        description="Visited a domain known as a security threat or risk, even if blocked.",
        enabled=True,
        level="low",
    ),
    Behavior(
        key="high_risk_domain",
        name="High Risk Domain Visited",
        description="Visited a domain with questionable or violent content, even if blocked.",
        enabled=False,
        level="low",
    ),
)


@dataclass(frozen=True, slots=True)
class Integration:
    """An integration; `reference_id` is the client's own name for it."""

    id: str
    integration_type: str
    tenant_url: str
    reference_id: str
    is_active: bool
    created_ns: int

    @property
    def well_known_url(self) -> str:
        """The path of its Shared Signals configuration."""
        return f"/.well-known/sse-configuration/{self.id}/"


class ReferenceTakenError(Exception):
    """Another integration of the account has this reference id."""


class Integrations:
    """The integrations of an account in order of creation; reference ids are unique."""

    def __init__(self) -> None:
        self._by_id: dict[str, Integration] = {}

    def __iter__(self) -> Iterator[Integration]:
        return iter(self._by_id.values())

    def get(self, integration_id: str) -> Integration | None:
        """Return the integration with this id."""
        return self._by_id.get(integration_id)

    def find(self, reference_id: str) -> Integration | None:
        """Return the integration with this reference id."""
        return next((one for one in self if one.reference_id == reference_id), None)

    def put(self, integration: Integration) -> None:
        """Add or overwrite. Raise ReferenceTakenError if another has the reference id."""
        other = self.find(integration.reference_id)
        if other is not None and other.id != integration.id:
            raise ReferenceTakenError
        self._by_id[integration.id] = integration

    def delete(self, integration_id: str) -> bool:
        """Delete the integration with this id; return whether it existed."""
        return self._by_id.pop(integration_id, None) is not None
