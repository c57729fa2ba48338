"""How the behaviors' configuration teaches the ledger what events' names mean."""

from collections.abc import Iterable, Mapping

from exporter.risk.ledger.memory import Changes, Ledger
from exporter.risk.ledger.records import NameRecord
from exporter.risk.model import LISTED_LEVELS, Behavior, EventCount


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
