"""Commands behind a CONNECT proxy and a private certificate authority, as the environment says."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.answers import answer, user
from tests.support.certificates import make_certificate
from tests.support.commands import Ending, run_command, running_command
from tests.support.processes import free_port, until
from tests.support.proxy import ConnectProxy, connect_proxy
from tests.support.raw_api import http, raw_api, server_tls

PASSWORD = "pr0xy-passw0rd"
ACCOUNT_ID = "0123456789abcdef0123456789abcdef"
USER_ID = "aaaaaaaa-0000-4000-8000-000000000001"


@asynccontextmanager
async def behind_a_proxy(
    folder: Path, *, credentials: str = f"someone:{PASSWORD}"
) -> AsyncIterator[tuple[ConnectProxy, Mapping[str, str]]]:
    """Run an API that only the proxy knows; yield the proxy and a command's environment."""
    authority = make_certificate(folder, "ca")
    leaf = make_certificate(folder, "api", sans="DNS:api.example.test", issuer=authority)
    async with raw_api(http(answer(user())), tls=server_tls(leaf)) as api:
        port = int(api.url.rsplit(":", 1)[1].split("/")[0])
        async with connect_proxy(
            {"api.example.test:443": port}, credentials=f"someone:{PASSWORD}"
        ) as proxy:
            yield (
                proxy,
                {
                    "HTTPS_PROXY": f"http://{credentials}@127.0.0.1:{proxy.port}",
                    "SSL_CERT_FILE": str(authority.cert),
                    "CLOUDFLARE_API_TOKEN": "a-token-of-no-account",
                    "CLOUDFLARE_ACCOUNT_ID": ACCOUNT_ID,
                    "RISK_EXPORTER_API_URL": "https://api.example.test/client/v4",
                    "RISK_EXPORTER_STATE": "memory:",
                },
            )


async def test_a_command_reads_through_the_proxy_and_trusts_the_private_authority(
    tmp_path: Path,
) -> None:
    """Both variables together, with the proxy's credentials."""
    async with behind_a_proxy(tmp_path) as (proxy, environ):
        ending = await run_command("users", "show", USER_ID, "--json", **environ)

    assert ending.status == 0, ending.err
    assert "u1@example.com" in ending.out
    assert proxy.requests == ["CONNECT api.example.test:443 HTTP/1.1"]


async def test_without_the_private_authority_the_certificate_is_refused(tmp_path: Path) -> None:
    """The message names the variable that is missing."""
    async with behind_a_proxy(tmp_path) as (_, environ):
        without = {name: value for name, value in environ.items() if name != "SSL_CERT_FILE"}
        ending = await run_command("users", "show", USER_ID, **without)

    assert ending.status == 1
    assert "SSL_CERT_FILE" in ending.err


def shown(ending: Ending) -> str:
    """Return all that a command has said."""
    return ending.out + ending.err


@pytest.mark.parametrize(
    "words", [("once",), ("check",), ("check", "--show-config"), ("users", "list")]
)
async def test_no_command_shows_the_proxys_credentials(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    """The proxy refuses them, so each command has a failure to tell of."""
    async with behind_a_proxy(tmp_path, credentials=f"x:{PASSWORD}-wrong") as (proxy, environ):
        ending = await run_command(*words, RISK_EXPORTER_LOG_LEVEL="debug", **environ)

    assert PASSWORD not in shown(ending)
    if words != ("check", "--show-config"):
        assert f"the proxy 127.0.0.1:{proxy.port} refuses connections" in shown(ending)


async def test_serve_shows_the_proxys_credentials_nowhere(tmp_path: Path) -> None:
    """Neither the log, nor the status page, nor the metrics."""
    listen = f"127.0.0.1:{free_port()}"
    async with behind_a_proxy(tmp_path, credentials=f"x:{PASSWORD}-wrong") as (proxy, environ):
        own = {"RISK_EXPORTER_LISTEN": listen, "RISK_EXPORTER_LOG_LEVEL": "debug"}
        async with (
            running_command("serve", **environ, **own) as command,
            httpx.AsyncClient(base_url=f"http://{listen}", trust_env=False) as client,
        ):

            async def page() -> str:
                try:
                    return (await client.get("/")).text
                except httpx.ConnectError:
                    return ""

            status = await until(page, lambda text: "refuses connections" in text)
            metrics = (await client.get("/metrics")).text
            ending = await command.stop()

    assert f"the proxy 127.0.0.1:{proxy.port} refuses connections" in ending.out + ending.err
    assert PASSWORD not in status + metrics + ending.out + ending.err


async def test_a_proxy_of_another_kind_ends_a_command_with_status_2(tmp_path: Path) -> None:
    """Its value is not repeated: it may hold a password."""
    async with behind_a_proxy(tmp_path) as (_, environ):
        changed = {**environ, "HTTPS_PROXY": f"socks5://x:{PASSWORD}@127.0.0.1:1"}
        endings = [
            await run_command(*words, **changed) for words in (("users", "list"), ("serve",))
        ]

    for ending in endings:
        assert ending.status == 2
        assert "HTTPS_PROXY: expected http://HOST:PORT" in ending.err
        assert PASSWORD not in shown(ending)
