"""The messages of the risk-scoring API: requests to values, answers from bytes.

Performs no I/O; `client` sends and receives. A reader (`read_...`) decodes the inflated body of an
answer with a good status (`check_status`). It returns values of `exporter.risk.model`, or raises a
BadResponseError that names the field and never repeats its content.
"""

from exporter.cloudflare.wire.envelope import Page, Rows, check_success
from exporter.cloudflare.wire.quota import (
    QuotaHeaders,
    QuotaLeft,
    QuotaPolicy,
    RetryAfter,
    read_quota,
    read_retry_after,
)
from exporter.cloudflare.wire.requests import OPERATIONS, Operation, Request
from exporter.cloudflare.wire.resources import (
    read_behaviors,
    read_changes,
    read_integration,
    read_integrations,
    read_user,
)
from exporter.cloudflare.wire.responses import (
    PIECE_BYTES,
    Inflater,
    Response,
    check_status,
    is_good,
    ray_id,
)
from exporter.cloudflare.wire.slices import SLICE_BYTES, SummarySlicer, read_summary
from exporter.cloudflare.wire.summary import join, newer, read_whole_summary

__all__ = [
    "OPERATIONS",
    "PIECE_BYTES",
    "SLICE_BYTES",
    "Inflater",
    "Operation",
    "Page",
    "QuotaHeaders",
    "QuotaLeft",
    "QuotaPolicy",
    "Request",
    "Response",
    "RetryAfter",
    "Rows",
    "SummarySlicer",
    "check_status",
    "check_success",
    "is_good",
    "join",
    "newer",
    "ray_id",
    "read_behaviors",
    "read_changes",
    "read_integration",
    "read_integrations",
    "read_quota",
    "read_retry_after",
    "read_summary",
    "read_user",
    "read_whole_summary",
]
