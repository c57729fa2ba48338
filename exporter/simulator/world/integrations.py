"""The integrations of one account, which receive risk levels (Okta is the only type)."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Integration:
    """One integration; `reference_id` is the client's own name for it."""

    id: str
    integration_type: str
    tenant_url: str
    reference_id: str
    is_active: bool
    created_ns: int

    @property
    def well_known_url(self) -> str:
        """Where its Shared Signals configuration is."""
        return f"/.well-known/sse-configuration/{self.id}/"


class ReferenceTakenError(Exception):
    """Another integration of the account has this reference id."""


class Integrations:
    """Those of one account, in the order they were created; reference ids are unique."""

    def __init__(self) -> None:
        self._by_id: dict[str, Integration] = {}

    def __iter__(self) -> Iterator[Integration]:
        return iter(self._by_id.values())

    def get(self, integration_id: str) -> Integration | None:
        """The one with this id."""
        return self._by_id.get(integration_id)

    def find(self, reference_id: str) -> Integration | None:
        """The one with this reference id."""
        return next((one for one in self if one.reference_id == reference_id), None)

    def put(self, integration: Integration) -> None:
        """Add or overwrite; ReferenceTakenError where another has its reference id."""
        other = self.find(integration.reference_id)
        if other is not None and other.id != integration.id:
            raise ReferenceTakenError
        self._by_id[integration.id] = integration

    def delete(self, integration_id: str) -> bool:
        """Remove the one with this id; whether there was one."""
        return self._by_id.pop(integration_id, None) is not None
