"""Instants, spans and numbers as people read them; pure."""

from datetime import UTC, datetime

from exporter.web.pages.markup import Markup, element, join

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def span(seconds: float) -> str:
    """A span in its two largest units, one alone below an hour; less than nothing is 0 s."""
    whole = max(int(seconds), 0)
    for position, (size, unit) in enumerate(_UNITS):
        if whole >= size:
            count, rest = divmod(whole, size)
            smaller, smaller_unit = _UNITS[min(position + 1, len(_UNITS) - 1)]
            has_two = size >= 3600 and rest >= smaller  # noqa: PLR2004 - an hour
            return f"{count} {unit}" + (f" {rest // smaller} {smaller_unit}" if has_two else "")
    return "0 s"


def ago(instant: float, now: float) -> Markup:
    """How long ago an instant was, with the instant itself for machines and for who points at it."""
    return _time(instant, f"{span(now - instant)} ago")


def ahead(instant: float, now: float) -> Markup:
    """In how long an instant comes."""
    return _time(instant, f"in {span(instant - now)}")


def length_since(instant: float, now: float) -> Markup:
    """How long something has been so."""
    return _time(instant, span(now - instant))


def moment(instant: float) -> Markup:
    """An instant as clocks and logs tell it, in UTC."""
    return _time(instant, _spelled(instant))


def number(count: int) -> str:
    """A whole number, its thousands set apart."""
    return f"{count:,}"


def counted(count: int, noun: str) -> str:
    """A number of things; their plural ends in s."""
    return f"{number(count)} {noun}" + ("" if count == 1 else "s")


def sentence(*parts: Markup | str) -> Markup:
    """A paragraph of its own."""
    return element("p", join(*parts))


def _time(instant: float, told: str) -> Markup:
    spelled = _spelled(instant)
    machine = spelled.removesuffix(" UTC").replace(" ", "T") + "Z"
    return element("time", told, datetime=machine, title=spelled)


def _spelled(instant: float) -> str:
    return datetime.fromtimestamp(int(instant), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
