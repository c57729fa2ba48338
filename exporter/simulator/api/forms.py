"""Reading what clients send, telling everything that is wrong with it at once."""

from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from exporter.simulator.api.problems import ApiError, Problem, invalid, invalid_field

_T = TypeVar("_T")


class Form:
    """The fields of a JSON object; what is wrong is kept until `check`."""

    def __init__(self, fields: dict[str, object], *, pointer: str = "") -> None:
        self._fields = fields
        self._pointer = pointer
        self.problems: list[Problem] = []

    @classmethod
    def of(cls, body: bytes) -> "Form":
        """Read a request's body; ApiError where it is not a JSON object."""
        try:
            fields = msgspec.json.decode(body)
        except msgspec.DecodeError as error:
            raise ApiError(400, Problem(6007, "Malformed JSON in request body")) from error
        if not isinstance(fields, dict):
            raise invalid("must be an object", pointer="")
        return cls(fields)

    def boolean(self, name: str) -> bool:
        """Return a required true or false."""
        return self._required(name, bool, "must be true or false", instead=False)

    def text(self, name: str) -> str:
        """Return a required string that is not empty."""
        value = self._required(name, str, "must be a string", instead="-")
        if not value:
            self.complain("must not be empty", name)
        return value

    def optional_text(self, name: str) -> str | None:
        """Return a string that may be null, missing or empty, all of which are None."""
        if self._fields.get(name) is None:
            return None
        return self._required(name, str, "must be a string", instead="") or None

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """Return a required string that is one of `choices`."""
        value = self._required(name, str, "must be a string", instead=choices[0])
        if value not in choices:
            self.complain(f"must be one of {', '.join(choices)}", name)
        return value

    def https_url(self, name: str) -> str:
        """Return a required https URL with a host and without user, query or fragment."""
        value = self.text(name)
        is_text = value == self._fields.get(name)
        if is_text and value and not _is_https_base(value):
            self.complain("must be an https URL such as https://tenant.okta.com", name)
        return value

    def forms(self, name: str) -> dict[str, "Form"]:
        """Return the objects in a required object."""
        value = self._required(name, dict, "must be an object", instead={})
        found = {}
        for key, fields in value.items():
            if isinstance(fields, dict):
                found[str(key)] = Form(fields, pointer=f"{self._pointer}/{name}/{key}")
            else:
                self.complain("must be an object", name, str(key))
        return found

    def complain(self, message: str, *names: str) -> None:
        """Keep it that something is wrong with the field at `names`."""
        pointer = "/".join((self._pointer, *names))
        self.problems.append(invalid_field(message, pointer=pointer))

    def check(self) -> None:
        """ApiError (400) with everything that was wrong, if anything was."""
        if self.problems:
            raise ApiError(400, *self.problems)

    def _required(self, name: str, kind: type[_T], message: str, *, instead: _T) -> _T:
        if name not in self._fields:
            self.complain("is required", name)
            return instead
        value = self._fields[name]
        if isinstance(value, kind):
            return value
        self.complain(message, name)
        return instead


def _is_https_base(text: str) -> bool:
    try:
        url = urlsplit(text)
    except ValueError:
        return False
    has_more = url.query or url.fragment or url.username or url.password
    return url.scheme == "https" and bool(url.hostname) and not has_more
