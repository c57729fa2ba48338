"""Ids, tokens and account ids, drawn from a seed so that they are the same in every run."""

import random
import string

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
