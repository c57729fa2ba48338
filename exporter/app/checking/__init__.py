"""Whether an exporter with these settings would work; looks at everything, changes nothing."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress

from exporter.app.accounts import build_disclosure, token_source
from exporter.app.checking.budget import budget_finding
from exporter.app.checking.findings import Finding, Verdict
from exporter.app.checking.places import configuration_finding, place_findings
from exporter.app.checking.probe import Probe, probe_account
from exporter.app.checking.series import series_finding
from exporter.clock import Clock
from exporter.errors import ConfigurationError
from exporter.settings import Settings

__all__ = ["Finding", "Verdict", "check", "configuration_finding"]


async def check(settings: Settings, *, clock: Clock) -> Sequence[Finding]:
    """Ask for each resource of each account once, and look at the files; never fails itself."""
    async with asyncio.TaskGroup() as tasks:
        probing = [
            tasks.create_task(probe_account(settings, account, clock=clock))
            for account in settings.accounts
        ]
    probes = [task.result() for task in probing]
    disclosure = build_disclosure(settings, b"")
    predicted = (series_finding(probe, disclosure) for probe in probes)
    return (
        *(finding for probe in probes for finding in probe.findings),
        *(budget_finding(sharing, settings) for sharing in _by_token(probes)),
        *(finding for finding in predicted if finding is not None),
        *place_findings(settings),
    )


def _by_token(probes: Sequence[Probe]) -> Sequence[Sequence[Probe]]:
    """Those with the same token share its quota; one whose token cannot be read has none."""
    sharing: dict[str, list[Probe]] = defaultdict(list)
    for probe in probes:
        with suppress(ConfigurationError):
            sharing[token_source(probe.account).current()].append(probe)
    return tuple(sharing.values())
