"""Generated data: ids, tokens, people and events, all drawn from a seed."""

import random
import string
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from exporter.simulator.world.configuration import Behavior
from exporter.simulator.world.timestamps import TimestampFormat, round_down
from exporter.simulator.world.users import Event

_TOKEN_LETTERS = string.ascii_letters + string.digits
_TOKEN_LENGTH = 40
_DATA_CENTER = "AMS"


def seeded(seed: int, *purpose: str) -> random.Random:
    """Return randomness for one purpose: what one part draws never shifts another's."""
    return random.Random("/".join((str(seed), *purpose)))  # noqa: S311 - a simulation, no secret


def draw_uuid(rng: random.Random) -> str:
    """Return a UUID of version 4."""
    digits = f"{rng.getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def draw_account_id(rng: random.Random) -> str:
    """Return an account id: 32 hexadecimal digits."""
    return f"{rng.getrandbits(128):032x}"


def draw_ray(rng: random.Random) -> str:
    """Return the value of a CF-RAY header: 16 hexadecimal digits and the code of a data center."""
    return f"{rng.getrandbits(64):016x}-{_DATA_CENTER}"


def draw_token(rng: random.Random) -> str:
    """Return an API token: 40 letters and digits."""
    return "".join(rng.choices(_TOKEN_LETTERS, k=_TOKEN_LENGTH))


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


def generate_person(rng: random.Random, *, number: int) -> Person:
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


_CITIES = ("Lisbon", "Nairobi", "Oslo", "Osaka", "Quito", "Perth", "Montréal")
_TRAVEL = "imp_travel"


class EventFactory:
    """Makes the events of one account, drawing from its own randomness.

    `ids_are_unique`: an event's id is its own; otherwise it is its behavior's key.
    """

    def __init__(
        self,
        rng: random.Random,
        *,
        ids_are_unique: bool,
        timestamp_formats: Sequence[TimestampFormat],
    ) -> None:
        self._rng = rng
        self._ids_are_unique = ids_are_unique
        self._timestamp_formats = timestamp_formats

    def new_event(
        self, behavior: Behavior, *, at_ns: int, appeared_ns: int, level: str | None = None
    ) -> Event:
        """Return an event of `behavior` at its level, unless another is said."""
        timestamp_format = self._rng.choice(self._timestamp_formats)
        return Event(
            id=draw_uuid(self._rng) if self._ids_are_unique else behavior.key,
            behavior=behavior.key,
            name=behavior.name,
            level=level or behavior.level,
            at_ns=round_down(at_ns, timestamp_format),
            appeared_ns=appeared_ns,
            timestamp_format=timestamp_format,
            details=self._journey() if behavior.key == _TRAVEL else b"",
        )

    def _journey(self) -> bytes:
        start, end = self._rng.sample(_CITIES, 2)
        return msgspec.json.encode({"from": start, "to": end})
