"""Answers of the API as documents to bend in a test; written from its reference, not our code."""

import json
from collections.abc import Sequence

Document = dict[str, object]


def row(user_id: str = "u1", **changes: object) -> Document:
    """Make one row of the summary."""
    return {
        "user_id": user_id,
        "email": f"{user_id}@example.com",
        "name": f"Name of {user_id}",
        "event_count": 3,
        "last_event": "2026-01-01T00:00:00Z",
        "max_risk_level": "low",
        **changes,
    }


def event(event_id: str = "e1", **changes: object) -> Document:
    """Make one event of a user."""
    return {
        "id": event_id,
        "name": "Impossible travel",
        "risk_level": "high",
        "timestamp": "2026-01-01T00:00:00Z",
        "event_details": {"from": "Oslo"},
        **changes,
    }


def user(*events: object, **changes: object) -> Document:
    """Make one user's details."""
    return {
        "email": "u1@example.com",
        "name": "Name of u1",
        "events": list(events),
        "last_reset_time": None,
        "risk_level": "high",
        **changes,
    }


def integration(integration_id: str = "i1", **changes: object) -> Document:
    """Make one integration."""
    return {
        "id": integration_id,
        "account_tag": "acc",
        "active": True,
        "created_at": "2026-01-01T00:00:00Z",
        "integration_type": "Okta",
        "reference_id": "ref",
        "tenant_url": "https://example.okta.com",
        "well_known_url": "https://example.com/.well-known",
        **changes,
    }


def answer(result: object, **changes: object) -> bytes:
    """Put a result into a good envelope."""
    envelope = {"success": True, "errors": [], "messages": [], "result": result}
    return json.dumps({**envelope, **changes}, separators=(",", ":")).encode()


def summary(rows: Sequence[object], **changes: object) -> bytes:
    """Put rows into a good summary."""
    return answer({"users": rows}, **changes)
