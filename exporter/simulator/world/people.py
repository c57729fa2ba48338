"""People to populate accounts with, whose names are as awkward as real ones.

Every address is of a domain reserved for examples (RFC 2606), so that nobody is written to.
"""

import random
import unicodedata
from dataclasses import dataclass

_DOMAINS = ("example.com", "example.org", "example.net", "staff.example")
_NAMELESS_SHARE = 0.005

_GIVEN = (
    *("Ada", "Siobhán", "Łukasz", "Zoë", "José", "Nguyễn", "François", "Björk", "Ágnes", "Ime"),
    *("Noor", "Priya", "Kwame", "Mei", "Yusuf", "Olga", "Tomás", "Ingrid", "Dmitri", "Chiara"),
    *(
        'William "Bill"',
        "Jean-Luc",
        "Ana María",
        "李",
        "Ελένη",
        "Сергей",
        "さくら",
        "محمد",
        "D'Arcy",
    ),
)
_FAMILY = (
    *("O'Brien", "García Márquez", "Müller", "Nowak", "Smith", "van der Berg", "Øster", "Đặng"),
    *("伟", "Παπαδοπούλου", "Иванова", "田中", "الفارسي", "Okafor", "Lindström", "D'Angelo"),
    *("Smith-Jones", "Çelik", "Ivanov", "Rossi", "Kumar", "Haddad", "Bakker", "Tan", "Njoroge"),
    *("St. John", "de la Cruz", "MacLeod", "Weiß", "Šimić"),
)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, by the email address and name an identity provider would tell."""

    email: str
    name: str


def invent_person(rng: random.Random, *, number: int) -> Person:
    """Invent the account's `number`-th person; their address is theirs alone.

    A few have an empty name, as people do whom an identity provider knows by address only.
    """
    given, family = rng.choice(_GIVEN), rng.choice(_FAMILY)
    domain = rng.choice(_DOMAINS)
    local = ".".join(filter(None, (_ascii(given), _ascii(family)))) or "user"
    name = "" if rng.random() < _NAMELESS_SHARE else f"{given} {family}"
    return Person(email=f"{local}.{number}@{domain}", name=name)


def _ascii(name: str) -> str:
    """Spell `name` as the local part of an address; empty where no letter is left."""
    bare = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(letter for letter in bare.lower() if letter.isalpha())
