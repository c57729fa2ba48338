"""HTML that cannot be left unescaped by mistake: every `str` is text, and only `Markup` is not."""

from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, slots=True)
class Markup:
    """HTML that is right as it stands."""

    html: str


def element(name: str, *content: "Markup | str", **attributes: str | bool) -> Markup:
    """An element with an end tag, its content one after another.

    `class_` is the attribute `class`, `aria_label` is `aria-label`; True is an attribute without
    a value, False none at all.
    """
    opening = name + "".join(_attribute(key, value) for key, value in attributes.items())
    return Markup(f"<{opening}>{join(*content).html}</{name}>")


def join(*content: Markup | str) -> Markup:
    """Parts one after another, text escaped."""
    return Markup(
        "".join(part.html if isinstance(part, Markup) else escape(part) for part in content)
    )


def _attribute(name: str, value: str | bool) -> str:  # noqa: FBT001 - as HTML has it
    if isinstance(value, bool):
        return f" {name}" if value else ""
    return f' {name.rstrip("_").replace("_", "-")}="{escape(value)}"'
