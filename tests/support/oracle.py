"""prometheus-client as the judge: the same families through its own exposition."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256

from prometheus_client import CollectorRegistry
from prometheus_client.core import Exemplar as ClientExemplar
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as ClientFamily
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample as ClientSample

from exporter.catalogue import RISK_METRICS, USER_FAMILIES, Metric, Sample, account_families
from exporter.risk.model import AccountSnapshot
from tests.support.snapshots import readable

# An exemplar's id as it is written. The library's parser takes an odd number of quotes in there for
# a broken line, escaped or not, so it gets a digest.
_EVENT_ID = re.compile(
    r"""(?<=[ ]\#[ ]\{event_id=") (?: [^"\\\n] | \\["\\n] )* (?="\}[ ]\S+[ ]\S+$)""",
    re.MULTILINE | re.VERBOSE,
)

ParsedSample = tuple[str, tuple[tuple[str, str], ...], str, str]
ParsedFamily = tuple[str, str, str, tuple[ParsedSample, ...]]


def naive_exposition(accounts: Sequence[AccountSnapshot], *, openmetrics: bool) -> bytes:
    """What prometheus-client exposes for these snapshots; families without samples left out."""
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(accounts, openmetrics=openmetrics))
    accept = "application/openmetrics-text; version=1.0.0" if openmetrics else "text/plain"
    generate_latest, _ = choose_encoder(accept)
    return generate_latest(registry)


class SnapshotCollector(Collector):
    """Gives prometheus-client the families of some snapshots."""

    def __init__(self, accounts: Sequence[AccountSnapshot], *, openmetrics: bool) -> None:
        self._accounts = accounts
        self._openmetrics = openmetrics

    def collect(self) -> Iterator[ClientFamily]:
        """Every family that has samples, in the catalogue's order, over all accounts."""
        samples = _samples_by_metric(self._accounts)
        for metric in RISK_METRICS:
            family = ClientFamily(metric.family, metric.help, metric.type.value)
            for account, sample in samples.get(metric.name, ()):
                self._add(family, metric, account=account, sample=sample)
            if family.samples:
                yield family

    def _add(self, family: ClientFamily, metric: Metric, *, account: str, sample: Sample) -> None:
        values = map(readable, (account, *sample.labels))
        labels = dict(zip(metric.labels, values, strict=True))
        exemplar = _client_exemplar(sample) if self._openmetrics else None
        family.add_sample(metric.name, labels, sample.value, exemplar=exemplar)
        if self._openmetrics and sample.created is not None:
            family.add_sample(metric.created, labels, sample.created)


def _samples_by_metric(
    accounts: Iterable[AccountSnapshot],
) -> dict[str, list[tuple[str, Sample]]]:
    found: dict[str, list[tuple[str, Sample]]] = {}
    for snapshot in accounts:
        for family in account_families(snapshot):
            found.setdefault(family.metric.name, []).extend(
                (snapshot.account, sample) for sample in family.samples
            )
        for user_family in USER_FAMILIES:
            if user_family.is_identity and not snapshot.identity_shown:
                continue
            found.setdefault(user_family.metric.name, []).extend(
                (snapshot.account, sample)
                for row in snapshot.users.values()
                for sample in user_family.samples(row)
            )
    return found


def _client_exemplar(sample: Sample) -> ClientExemplar | None:
    exemplar = sample.exemplar
    if exemplar is None or "\0" in exemplar.event_id or len("event_id" + exemplar.event_id) > 128:
        return None
    return ClientExemplar({"event_id": readable(exemplar.event_id)}, 1.0, exemplar.timestamp)


def parsed(exposition: bytes, *, openmetrics: bool) -> list[ParsedFamily]:
    """The families in their order, the samples of each sorted."""
    parse: Callable[[str], Iterable[ClientFamily]] = (
        parse_openmetrics if openmetrics else parse_text
    )
    return [
        (
            family.name,
            family.type,
            family.documentation,
            tuple(sorted(_parsed_sample(one) for one in family.samples)),
        )
        for family in parse(_EVENT_ID.sub(_digest, exposition.decode()))
    ]


def _digest(event_id: re.Match[str]) -> str:
    return sha256(event_id[0].encode()).hexdigest()


def _parsed_sample(sample: ClientSample) -> ParsedSample:
    labels = tuple(sorted(sample.labels.items()))
    # Spelt, because no NaN equals another.
    return sample.name, labels, repr(float(sample.value)), _parsed_exemplar(sample.exemplar)


def _parsed_exemplar(exemplar: ClientExemplar | None) -> str:
    if exemplar is None:
        return ""
    return f"{exemplar.labels} {float(exemplar.value)} {float(exemplar.timestamp or 0)!r}"
