"""Event names: which behavior an event belongs to, and when two answers hold the same event.

Event ids may not be unique, so name and timestamp are part of an event's key. Two events that are
equal in all three are two events; only their number is known.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b

from exporter.risk.ledger.records import Changes, Ledger, NameRecord
from exporter.risk.model import LISTED_LEVELS, Behavior, EventCount, RiskEvent

KEY_BYTES = 16
"""Length of an event's key: a million events collide with a probability of 10^-26."""


def event_key(event: RiskEvent, names: Mapping[str, NameRecord]) -> bytes:
    """Return the key of an event, `KEY_BYTES` long and the same in every response.

    It does not depend on which of the behavior's names the response uses, nor on the level: an
    event whose level is corrected later is the same event.
    """
    record = names.get(event.name)
    identity = event.name if record is None else record.identity
    parts = (event.id, identity, repr(event.timestamp))
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()


def behavior_label(event: RiskEvent, names: Mapping[str, NameRecord]) -> str:
    """Return the key of the behavior that has the event's name, or else its id, as a name.

    If no behavior, configured now or before, has either, return the event's own name.
    """
    for word in (event.name, event.id):
        record = names.get(word)
        if record is not None and record.behavior is not None:
            return record.behavior
    return event.name


def observe_behaviors(ledger: Ledger, behaviors: Iterable[Behavior], *, now: float) -> Changes:
    """Return what a reading of the behaviors changes: new names, and a zero per behavior and level.

    A renamed behavior keeps the identity of its first name, and a name that was counted before
    keeps its own, so that no event counts again. Names of behaviors that are no longer configured
    stay known.
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
    """Return the names that are new or have another meaning than before."""
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
    """Return the key of the behavior by each name, and by each key that is not also a name."""
    meanings = {behavior.name: behavior.key for behavior in behaviors if behavior.name}
    for behavior in behaviors:
        meanings.setdefault(behavior.key, behavior.key)
    return meanings


def _identities(names: Mapping[str, NameRecord], meanings: Mapping[str, str]) -> dict[str, str]:
    """Return the identity under which each behavior's events have been counted, if there is one.

    It comes from the first known name, even if events were counted under it before its meaning
    was known.
    """
    identities: dict[str, str] = {}
    for record in names.values():
        if record.behavior is not None:
            identities.setdefault(record.behavior, record.identity)
    for name, key in meanings.items():
        if name in names:
            identities.setdefault(key, names[name].identity)
    return identities
