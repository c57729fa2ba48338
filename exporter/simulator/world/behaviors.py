"""Risk behaviors: how an account has them configured, and those Cloudflare predefines.

The names are those of https://developers.cloudflare.com/cloudflare-one/team-and-resources/users/risk-score/
as of 2026. The keys of the first three can be seen in public Terraform configurations; nothing
public tells the keys of the others, nor any default level but theirs.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Behavior:
    """One behavior of an account; `key` is its place in the API's map."""

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
