"""The two exposition formats, and a thing once for each.

Their samples are the same bytes except a counter's, so most pairs hold one thing twice.
"""

from typing import Final, Generic, NamedTuple, TypeVar

T = TypeVar("T")

TEXT_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Formats(NamedTuple, Generic[T]):
    """One thing for the text format 0.0.4 and one for OpenMetrics 1.0.0."""

    text: T
    openmetrics: T

    def choose(self, *, openmetrics: bool) -> T:
        """The one for the format asked for."""
        return self.openmetrics if openmetrics else self.text
