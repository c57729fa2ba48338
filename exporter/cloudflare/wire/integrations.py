"""Integrations: who else is told of risk levels."""

from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from exporter.cloudflare.wire.decoding import UNDECODABLE, decode
from exporter.cloudflare.wire.envelope import Page, Rows, open_page, open_result
from exporter.cloudflare.wire.instants import Instant, unix_seconds
from exporter.risk.model import Integration


class _Integration(Struct, frozen=True):
    id: Annotated[str, Meta(min_length=1)]
    active: bool
    created_at: Instant
    integration_type: str
    tenant_url: str
    reference_id: str | None = None
    account_tag: str | None = None
    well_known_url: str | None = None


_INTEGRATIONS = msgspec.json.Decoder(list[Raw])
_INTEGRATION = msgspec.json.Decoder(_Integration)


def read_integrations(body: bytes, *, page: int = 1) -> Page[Rows[Integration]]:
    """Read the body of a good answer; an integration not as documented is left out and counted.

    Of two with the same id the later one stands.
    """
    opened = open_page(body, page=page)
    raws = decode(_INTEGRATIONS, opened.value, at="result")
    readable = [integration for raw in raws if (integration := _readable(raw)) is not None]
    by_id = {integration.integration_id: integration for integration in readable}
    rows = Rows(tuple(by_id.values()), unreadable=len(raws) - len(readable))
    return Page(rows, total=opened.total)


def read_integration(body: bytes) -> Integration:
    """Read the body of a good answer about one integration; any wrong field refuses it."""
    return _integration(decode(_INTEGRATION, open_result(body), at="result"))


def _readable(raw: Raw) -> Integration | None:
    try:
        return _integration(_INTEGRATION.decode(raw))
    except UNDECODABLE:
        return None


def _integration(decoded: _Integration) -> Integration:
    return Integration(
        integration_id=decoded.id,
        integration_type=decoded.integration_type,
        tenant_url=decoded.tenant_url,
        reference_id=decoded.reference_id or "",
        active=decoded.active,
        created_at=unix_seconds(decoded.created_at),
        account_tag=decoded.account_tag or "",
        well_known_url=decoded.well_known_url or "",
    )
