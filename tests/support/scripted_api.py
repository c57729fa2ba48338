"""An API of one account whose answers a test writes itself, well-formed or not."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from tests.support.answers import answer, summary

ACCOUNT_ID = "0123456789abcdef0123456789abcdef"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ScriptedApi:
    """Answers by the last part of the path: `summary`, `behaviors`, `integrations`, a user id.

    Who is not in `answers` is not known. `asked` is how often each was asked for.
    """

    def __init__(self) -> None:
        self.url = ""
        self.asked: dict[str, int] = {}
        self.answers: dict[str, Answer] = {
            "summary": body(summary([])),
            "behaviors": body(answer({"behaviors": {}})),
            "integrations": body(answer([])),
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        name = request.match_info["name"]
        self.asked[name] = self.asked.get(name, 0) + 1
        if name not in self.answers:
            problem = answer(None, success=False, errors=[{"code": 7003, "message": "no"}])
            return web.Response(body=problem, status=404)
        return await self.answers[name](request)


def body(content: bytes) -> Answer:
    """Answer these bytes."""

    async def give(_: web.Request) -> web.StreamResponse:
        return web.Response(body=content, content_type="application/json")

    return give


def stream(pieces: Callable[[], AsyncIterator[bytes]]) -> Answer:
    """Answer what comes out of `pieces`, for as long as somebody reads it."""

    async def give(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        async for piece in pieces():
            await response.write(piece)
        await response.write_eof()
        return response

    return give


@asynccontextmanager
async def scripted_api() -> AsyncIterator[ScriptedApi]:
    """Serve on a free port of loopback."""
    api = ScriptedApi()
    app = web.Application()
    app.router.add_get(f"/accounts/{ACCOUNT_ID}/zt_risk_scoring/{{name}}", api.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        api.url = f"http://{host}:{port}"
        yield api
    finally:
        await runner.cleanup()
