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
    """The names that are new or mean something else than before.

    A key stands for its behavior too, unless another behavior has it for a name.
    """
    identities: dict[str, str] = {}
    for record in names.values():
        if record.behavior is not None:
            identities.setdefault(record.behavior, record.identity)
    meanings = {behavior.name: behavior.key for behavior in behaviors if behavior.name}
    for behavior in behaviors:
        meanings.setdefault(behavior.key, behavior.key)
    learnt: dict[str, NameRecord] = {}
    for name, key in meanings.items():
        known = names.get(name)
        if known is None:
            learnt[name] = NameRecord(key, identities.setdefault(key, name))
        elif known.behavior != key:
            learnt[name] = NameRecord(key, known.identity)
    return learnt
