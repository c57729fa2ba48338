"""When two answers speak of the same event, and which behavior it belongs to.

It is open whether an event's id is unique to it, so its name and timestamp join in. Two events
alike in all three are two events, and are told apart by their number only.
"""

from collections.abc import Mapping
from hashlib import blake2b

from exporter.risk.ledger.records import NameRecord
from exporter.risk.model import RiskEvent

KEY_BYTES = 16
"""Length of an event's key: a million events collide with a chance of one in 10^26."""


def event_key(event: RiskEvent, names: Mapping[str, NameRecord]) -> bytes:
    """Sixteen bytes that stay the same however often the API answers this event.

    They stay the same, too, under whichever of its behavior's names it is answered.
    The level is no part of it: an event whose level is corrected later is still the same one.
    """
    record = names.get(event.name)
    identity = event.name if record is None else record.identity
    parts = (event.id, identity, repr(event.timestamp))
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()


def behavior_label(event: RiskEvent, names: Mapping[str, NameRecord]) -> str:
    """The key of the behavior that this event's name, or else its id, stands for.

    Where no configured behavior, now or before, had it: the event's own name.
    """
    for word in (event.name, event.id):
        record = names.get(word)
        if record is not None and record.behavior is not None:
            return record.behavior
    return event.name
