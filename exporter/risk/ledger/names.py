"""Event names: which behavior an event belongs to, and when two answers hold the same event.

Event ids may not be unique, so name and timestamp are part of an event's key. Two events that are
equal in all three are two events; only their number is known.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b

from exporter.risk.ledger.records import Changes, Ledger, NameRecord
from exporter.risk.model import LISTED_LEVELS, Behavior, EventCount, RiskEvent

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


def observe_behaviors(ledger: Ledger, behaviors: Iterable[Behavior], *, now: float) -> Changes:
    """What a reading of the behaviors teaches: their names, and a zero for each level of each.

    A behavior renamed keeps the identity of its first name, a name already counted under keeps
    its own: neither makes an event count again. Behaviors no longer configured stay known.
    """
    behaviors = tuple(behaviors)
    zeros = {
        (behavior.key, level): EventCount(behavior.key, level, 0, now)
        for behavior in behaviors
        for level in LISTED_LEVELS
        if (behavior.key, level) not in ledger.totals
    }
    return Changes(totals=zeros, names=_learn(ledger.names, behaviors))


def _learn(
    names: Mapping[str, NameRecord], behaviors: tuple[Behavior, ...]
) -> dict[str, NameRecord]:
    """The names that are new or mean something else than before."""
    meanings = _meanings(behaviors)
    identities = _identities(names, meanings)
    learnt: dict[str, NameRecord] = {}
    for name, key in meanings.items():
        known = names.get(name)
        if known is None:
            learnt[name] = NameRecord(key, identities.setdefault(key, name))
        elif known.behavior != key:
            learnt[name] = NameRecord(key, known.identity)
    return learnt


def _meanings(behaviors: tuple[Behavior, ...]) -> dict[str, str]:
    """What each word stands for: names for their behaviors, and keys, unless they are names."""
    meanings = {behavior.name: behavior.key for behavior in behaviors if behavior.name}
    for behavior in behaviors:
        meanings.setdefault(behavior.key, behavior.key)
    return meanings


def _identities(names: Mapping[str, NameRecord], meanings: Mapping[str, str]) -> dict[str, str]:
    """Of each behavior, the identity its events have been counted under, where there is one.

    The first name heard of gives it, even one counted under before its meaning was known.
    """
    identities: dict[str, str] = {}
    for record in names.values():
        if record.behavior is not None:
            identities.setdefault(record.behavior, record.identity)
    for name, key in meanings.items():
        if name in names:
            identities.setdefault(key, names[name].identity)
    return identities
