"""The admin API of the simulator, below /simulator/, without authentication.

| request | what it does |
|---|---|
| GET /simulator/ | returns the names of the accounts and tokens |
| GET /simulator/truth | returns the ground truth; `?account=`, `?reader=` (a token), `?users=0` |
| GET /simulator/log | returns the latest requests, and counts of all |
| POST /simulator/events | lets a user trigger events |
| POST /simulator/reset, vanish, return | resets, deletes or restores a user |
| POST /simulator/users, behaviors | adds a user; adds or changes a behavior |
| POST /simulator/spend | uses quota of a token, as another client would |
| GET, POST, DELETE /simulator/faults | lists, adds and clears (all, or `?number=`) faults |
| POST /simulator/pause, resume | stops and resumes the activity |

Bodies are JSON objects as in `admin_commands` and `scenario.Fault`. A command that cannot be
carried out is answered with 400 and `{"errors": [...]}`.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from aiohttp import web
from pydantic import ValidationError

from exporter.clock import Clock
from exporter.config_file import Origin, describe_errors
from exporter.simulator.http.admin_commands import (
    AddUserCommand,
    AdminCommands,
    CommandError,
    ConfigureCommand,
    SpendCommand,
    TriggerCommand,
    UserCommand,
)
from exporter.simulator.http.endpoint import RequestLog
from exporter.simulator.scenario.scenario import Fault
from exporter.simulator.scenario.values import ScenarioModel
from exporter.simulator.world.activity import Driver
from exporter.simulator.world.faults import FaultRule
from exporter.simulator.world.timestamps import SECOND_NS
from exporter.simulator.world.truth import GroundTruthReport
from exporter.simulator.world.world import World

ADMIN_ROOT = "/simulator"

_Command = TypeVar("_Command", bound=ScenarioModel)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class AdminApi:
    """All routes below /simulator/."""

    def __init__(self, world: World, driver: Driver, log: RequestLog, clock: Clock) -> None:
        self._world = world
        self._driver = driver
        self._log = log
        self._clock = clock
        self._commands = AdminCommands(world, clock)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        posts = {
            "events": self._trigger,
            "reset": self._user_command(self._commands.reset),
            "vanish": self._user_command(self._commands.vanish),
            "return": self._user_command(self._commands.bring_back),
            "users": self._add_user,
            "behaviors": self._configure,
            "spend": self._spend,
            "faults": self._add_fault,
            "pause": self._pause,
            "resume": self._resume,
        }
        gets = {
            "": self._get_overview,
            "truth": self._get_truth,
            "log": self._get_log,
            "faults": self._list_faults,
        }
        return [
            *(
                web.get(f"{ADMIN_ROOT}/{path}", self._handle_errors(call))
                for path, call in gets.items()
            ),
            *(
                web.post(f"{ADMIN_ROOT}/{path}", self._handle_errors(call))
                for path, call in posts.items()
            ),
            web.delete(f"{ADMIN_ROOT}/faults", self._handle_errors(self._clear_faults)),
        ]

    async def _get_overview(self, _: web.Request) -> web.StreamResponse:
        accounts = [
            {"name": account.traits.name, "account_id": account_id, "users": len(account.user_list)}
            for account_id, account in self._world.accounts.items()
        ]
        tokens = [
            {"name": token.name, "permissions": sorted(token.permissions)}
            for token in self._world.tokens.values()
        ]
        return _json({"accounts": accounts, "tokens": tokens, "paused": self._driver.is_paused})

    async def _get_truth(self, request: web.Request) -> web.StreamResponse:
        query = request.rel_url.query
        reader = self._commands.find_token(query.get("reader"))
        with_users = query.get("users", "1") != "0"
        accounts = list(self._world.accounts.values())
        if "account" in query:
            accounts = [self._commands.find_account(query["account"])]
        reports = {
            account.traits.account_id: GroundTruthReport(account, reader=reader.reader).build(
                reader.name, with_users=with_users
            )
            for account in accounts
        }
        now = self._clock.time()
        return _json({"time": now, "paused": self._driver.is_paused, "accounts": reports})

    async def _get_log(self, _: web.Request) -> web.StreamResponse:
        return _json({"requests": self._log.entries(), "counts": self._log.counts()})

    async def _trigger(self, request: web.Request) -> web.StreamResponse:
        events = self._commands.trigger(await _read(request, TriggerCommand))
        content = [{"id": event.id, "timestamp": event.at_ns / SECOND_NS} for event in events]
        return _json({"events": content})

    async def _add_user(self, request: web.Request) -> web.StreamResponse:
        user = self._commands.add_user(await _read(request, AddUserCommand))
        return _json({"user_id": user.id})

    async def _configure(self, request: web.Request) -> web.StreamResponse:
        self._commands.configure(await _read(request, ConfigureCommand))
        return _json({})

    async def _spend(self, request: web.Request) -> web.StreamResponse:
        self._commands.spend(await _read(request, SpendCommand))
        return _json({})

    async def _list_faults(self, _: web.Request) -> web.StreamResponse:
        rules = self._world.faults.rules(now=self._clock.monotonic())
        return _json({"faults": [_rule_json(rule) for rule in rules]})

    async def _add_fault(self, request: web.Request) -> web.StreamResponse:
        fault = await _read(request, Fault)
        return _json(_rule_json(self._world.faults.add(fault, now=self._clock.monotonic())))

    async def _clear_faults(self, request: web.Request) -> web.StreamResponse:
        number = request.rel_url.query.get("number")
        if number is not None and not number.isdecimal():
            raise CommandError("number: must be a number")
        numbers = None if number is None else [int(number)]
        return _json({"cleared": self._world.faults.clear(numbers)})

    async def _pause(self, _: web.Request) -> web.StreamResponse:
        self._driver.pause()
        return _json({"paused": True})

    async def _resume(self, _: web.Request) -> web.StreamResponse:
        self._driver.resume()
        return _json({"paused": False})

    def _user_command(self, execute: Callable[[UserCommand], None]) -> _Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            execute(await _read(request, UserCommand))
            return _json({})

        return handle

    def _handle_errors(self, handle: _Handler) -> _Handler:
        """Catch up with the activity before a command, and answer 400 if it fails."""

        async def handle_errors(request: web.Request) -> web.StreamResponse:
            self._driver.catch_up()
            try:
                return await handle(request)
            except CommandError as error:
                return _json({"errors": list(error.args)}, status=400)

        return handle_errors


async def _read(request: web.Request, kind: type[_Command]) -> _Command:
    """Return the body as a command. Raise CommandError with every problem."""
    try:
        return kind.model_validate_json(await request.read())
    except ValidationError as error:
        raise CommandError(*describe_errors(error, kind, Origin("").inside)) from error


def _rule_json(rule: FaultRule) -> dict[str, object]:
    content = rule.fault.model_dump(mode="json", exclude_unset=True)
    return {"number": rule.number, "struck": rule.applied, **content}


def _json(content: object, *, status: int = 200) -> web.Response:
    body = msgspec.json.encode(content)
    return web.Response(body=body, status=status, content_type="application/json")
