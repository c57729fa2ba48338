"""Which accounts to poll: the short way (one id, one token) and the list in the file, as one."""

from collections.abc import Mapping, Sequence

from exporter.settings.sources import Given, Layer, Place

_TOKEN_KEYS = ("api_token", "api_token_file")

_MISSING_ACCOUNT = (
    "no account: set CLOUDFLARE_ACCOUNT_ID, or `accounts` in a file; the command `demo` needs none"
)
_MISSING_CREDENTIALS = (
    "no token: set CLOUDFLARE_API_TOKEN or CLOUDFLARE_API_TOKEN_FILE; the command `demo` needs none"
)


def collect_accounts(layers: Sequence[Layer], problems: list[str]) -> Given | None:
    """Return the accounts as raw values, or None where a problem says why there are none.

    `layers` go from lowest to highest. A token given outside the list is the token of every
    account in it that names none; a list beside a single account id is refused, and so is an
    outside token that no account would use, because one of the two must be a mistake.
    """
    token = _common_token(layers, problems)
    single = _highest(layers, "account_id")
    listed = _highest(layers, "accounts")
    if listed is None:
        return _single_account(single, token, problems)
    if single is not None:
        problems.append(f"{single.place}: cannot stand beside {listed.place}; keep one of them")
    if not isinstance(listed.value, list) or not listed.value:
        problems.append(f"{listed.place}: must be a list with at least one account")
        return None
    return Given(_with_tokens(listed, token, problems), listed.place)


def account_places(layers: Sequence[Layer]) -> Mapping[str, Place]:
    """Return where the short way's values were written, for messages about them."""
    names = ("account_id", *_TOKEN_KEYS)
    found = {name: _highest(layers, name) for name in names}
    return {name: given.place for name, given in found.items() if given is not None}


def _highest(layers: Sequence[Layer], name: str) -> Given | None:
    return next((layer[name] for layer in reversed(layers) if name in layer), None)


def _common_token(layers: Sequence[Layer], problems: list[str]) -> dict[str, Given]:
    for layer in reversed(layers):
        given = {key: layer[key] for key in _TOKEN_KEYS if key in layer}
        if len(given) > 1:
            one, other = (given[key].place for key in _TOKEN_KEYS)
            problems.append(f"{one}: cannot stand beside {other}; keep one of them")
        if given:
            return given
    return {}


def _single_account(
    account: Given | None, token: Mapping[str, Given], problems: list[str]
) -> Given | None:
    if account is None:
        problems.append(_MISSING_ACCOUNT)
    if not token:
        problems.append(_MISSING_CREDENTIALS)
    if account is None or len(token) != 1:
        return None
    entry = {key: given.value for key, given in token.items()}
    return Given([{"account_id": account.value, **entry}], account.place)


def _with_tokens(
    listed: Given, token: Mapping[str, Given], problems: list[str]
) -> Sequence[object]:
    accounts = listed.value if isinstance(listed.value, list) else []
    without = [
        index
        for index, account in enumerate(accounts)
        if isinstance(account, dict) and not any(key in account for key in _TOKEN_KEYS)
    ]
    if not token:
        problems.extend(
            f"{listed.place.inside(index)}: {_MISSING_CREDENTIALS}" for index in without
        )
    elif all(isinstance(account, dict) for account in accounts) and not without:
        place = next(iter(token.values())).place
        problems.append(f"{place}: every account in {listed.place} names a token of its own")
    common = {key: given.value for key, given in token.items()}
    return [
        {**account, **common} if index in without else account
        for index, account in enumerate(accounts)
    ]
