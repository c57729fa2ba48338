import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from exporter.web import WebConfig, read_web_config
from tests.support.certificates import make_certificate
from tests.support.processes import free_port
from tests.support.web_server import Sources, serve, users
from tests.support.yaml_file import Json, write_yaml

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[2] / "deploy" / "docker" / "healthcheck.py"


async def check(port: int, host: str = "127.0.0.1") -> int:
    """Exit status of the check as the image runs it, of an exporter told to listen there."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", SCRIPT),
        env={"RISK_EXPORTER_LISTEN": f"{host}:{port}"},
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()


@asynccontextmanager
async def serving(config: WebConfig | None = None, *, healthy: bool = True) -> AsyncIterator[int]:
    """The port of a web server that was told whether it is healthy."""
    async with serve(Sources(are_healthy=healthy), config=config) as served:
        yield int(served.server.url.rsplit(":", 1)[1])


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", ""])
async def test_an_exporter_that_answers_is_healthy(host: str) -> None:
    """However its address is written; an empty host is every interface."""
    async with serving() as port:
        assert await check(port, host) == 0


async def test_an_exporter_that_says_it_is_not_is_unhealthy() -> None:
    """That is the answer that asks for a restart."""
    async with serving(healthy=False) as port:
        assert await check(port) == 1


async def test_nobody_there_is_unhealthy() -> None:
    """As when the exporter listens elsewhere than the variable says."""
    assert await check(free_port()) == 1


async def test_silence_is_unhealthy() -> None:
    """A process that hangs has its connections taken by the kernel, and answers none."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert await check(listener.getsockname()[1]) == 1


async def test_an_exporter_that_wants_a_password_is_healthy() -> None:
    """The image knows no password, and needs none to see that somebody asks for one."""
    async with serving(WebConfig(users=users(alice="opensesame"))) as port:
        assert await check(port) == 0


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "server.crt"},
        {"max_version": "TLS12"},
    ],
)
async def test_an_exporter_behind_tls_is_healthy(tmp_path: Path, more: dict[str, Json]) -> None:
    """Whatever certificates it shows or demands."""
    make_certificate(tmp_path, "server")
    tls: dict[str, Json] = {"cert_file": "server.crt", "key_file": "server.key", **more}
    config = read_web_config(write_yaml(tmp_path / "web.yml", {"tls_server_config": tls}))
    async with serving(config) as port:
        assert await check(port) == 0
