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
_CITIES = ("Lisbon", "Nairobi", "Oslo", "Osaka", "Quito", "Perth", "Montréal")
_TRAVEL = "imp_travel"


def seeded(seed: int, *purpose: str) -> random.Random:
    """Return the random generator of one purpose, independent of all other purposes."""
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
    """Return a CF-RAY value: 16 hexadecimal digits and the code of a data center."""
    return f"{rng.getrandbits(64):016x}-{_DATA_CENTER}"


def draw_token(rng: random.Random) -> str:
    """Return an API token: 40 letters and digits."""
    return "".join(rng.choices(_TOKEN_LETTERS, k=_TOKEN_LENGTH))


@dataclass(frozen=True, slots=True)
class Person:
    """The email address and name of a person, as an identity provider reports them."""

    email: str
    name: str


def generate_person(rng: random.Random, *, number: int) -> Person:
    """Return the account's `number`-th person, whose address is unique.

    Addresses are in domains reserved for examples (RFC 2606). Names have the accents, quotes and
    scripts of real ones, and a few are empty, as from a provider that knows only the address.
    """
    given, family = rng.choice(_GIVEN), rng.choice(_FAMILY)
    domain = rng.choice(_DOMAINS)
    local = ".".join(filter(None, (_ascii(given), _ascii(family)))) or "user"
    name = "" if rng.random() < _NAMELESS_SHARE else f"{given} {family}"
    return Person(email=f"{local}.{number}@{domain}", name=name)


def _ascii(name: str) -> str:
    """Return `name` as part of an email address; empty if it has no ASCII letter."""
    bare = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(letter for letter in bare.lower() if letter.isalpha())


class EventFactory:
    """Creates the events of one account with a random generator of its own.

    If `ids_are_unique` is false, the id of an event is the key of its behavior.
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
        """Return an event of `behavior`, by default at the behavior's level."""
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
