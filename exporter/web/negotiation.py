"""What a scraper asks for, read from its headers and its query; pure.

Media ranges and their weights are RFC 9110's (12.4.2, 12.5.1, 12.5.3), the media types and
versions those of Prometheus's exposition formats. What cannot be read is as if not sent, and so
is what is too long to be read at once.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_WEIGHT = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.ASCII)
_LONGEST_HEADER = 2048  # some eight times that of any Prometheus
_OPENMETRICS = "application/openmetrics-text"
_OPENMETRICS_VERSIONS = frozenset({"", "1.0.0"})
_TEXT_VERSIONS = frozenset({"", "0.0.4"})


@dataclass(frozen=True, slots=True)
class ScrapeWish:
    """How a scrape is to be answered; `names` is None where all families are wanted."""

    openmetrics: bool
    gzip: bool
    names: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class _Choice:
    """One element of an Accept header, in lower case, without its weight."""

    value: str
    parameters: Mapping[str, str]
    weight: float


def read_scrape_wish(*, accept: str, accept_encoding: str, names: Sequence[str]) -> ScrapeWish:
    """Read both headers, several of one name joined by commas, and the values of `name[]`.

    A blank name is as if not sent.
    """
    wanted = frozenset(filter(None, names))
    return ScrapeWish(
        openmetrics=_prefers_openmetrics(accept),
        gzip=_takes_gzip(accept_encoding),
        names=wanted or None,
    )


def _prefers_openmetrics(accept: str) -> bool:
    """Whether OpenMetrics 1.0.0 is asked for by name, and text 0.0.4 not rather.

    Nobody gets OpenMetrics by a wildcard: what can read it says so. Where neither is taken the
    answer is text nevertheless, because a person with a browser would rather see it than a 406.
    """
    choices = tuple(_choices(accept))
    openmetrics = _weight(choices, _OPENMETRICS, _OPENMETRICS_VERSIONS)
    if not openmetrics:
        return False
    text = _weight(choices, "text/plain", _TEXT_VERSIONS)
    if text is None:
        text = _weight(choices, "text/*", frozenset({""}))
    return text is None or openmetrics >= text


def _weight(choices: Sequence[_Choice], media_type: str, versions: frozenset[str]) -> float | None:
    """The highest weight of a type in one of these versions, or None where it is not named."""
    return max(
        (
            choice.weight
            for choice in choices
            if choice.value == media_type and choice.parameters.get("version", "") in versions
        ),
        default=None,
    )


def _takes_gzip(accept_encoding: str) -> bool:
    weights = {choice.value: choice.weight for choice in _choices(accept_encoding)}
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _choices(header: str) -> Iterator[_Choice]:
    if len(header) > _LONGEST_HEADER:
        return
    for element in header.split(","):
        value, *rest = (part.strip() for part in element.lower().split(";"))
        parameters = {
            name.strip(): given.strip().strip('"')
            for name, _, given in (part.partition("=") for part in rest)
        }
        weight = parameters.pop("q", "1")
        if value and _WEIGHT.fullmatch(weight):
            yield _Choice(value, parameters, float(weight))
