import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import httpx
import pytest
from structlog.testing import capture_logs

from exporter.app import serving
from exporter.app.serving import serve
from exporter.catalogue.telemetry import CONFIG_RELOAD_SUCCESSFUL, WEB_CERTIFICATE_EXPIRY
from exporter.web import read_web_config
from tests.support.certificates import Certificate, make_certificate
from tests.support.polling import settings_of
from tests.support.processes import until

pytestmark = pytest.mark.slow

EXPIRY, SUCCESSFUL = WEB_CERTIFICATE_EXPIRY.name, CONFIG_RELOAD_SUCCESSFUL.name


@dataclass(frozen=True)
class Mounted:
    """A secret as Kubernetes mounts it: `..data` is a link to the folder of one version."""

    folder: Path
    authority: Certificate

    def publish(self, version: str, cert: Certificate, key: Certificate, users: str = "") -> None:
        """Make these files the current version, in one step."""
        version_folder = self.folder / version
        version_folder.mkdir()
        shutil.copy(cert.cert, version_folder / "tls.crt")
        shutil.copy(key.key, version_folder / "tls.key")
        (version_folder / "web.yml").write_text(
            f"tls_server_config: {{cert_file: tls.crt, key_file: tls.key}}\n{users}"
        )
        link = self.folder / "..data_tmp"
        link.symlink_to(version)
        link.rename(self.folder / "..data")

    def pair(self, name: str, days: str) -> Certificate:
        """Make a certificate of the authority for this machine."""
        return make_certificate(
            self.folder, name, sans="IP:127.0.0.1", issuer=self.authority, days=days
        )

    async def metrics(self, url: str, *credentials: str) -> tuple[int, dict[str, str]]:
        """Scrape over a new connection: the status, and the samples without labels."""
        context = ssl.create_default_context(cafile=self.authority.cert)
        auth = httpx.BasicAuth(*credentials) if credentials else None
        async with httpx.AsyncClient(verify=context, trust_env=False, auth=auth) as client:
            answer = await client.get(f"{url}/metrics")
        lines = (line.partition(" ") for line in answer.text.splitlines())
        return answer.status_code, {name: value for name, _, value in lines}


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mounted:
    """A folder of secrets, looked at often."""
    monkeypatch.setattr(serving, "WEB_CONFIG_CHECK_SECONDS", 0.05)
    return Mounted(tmp_path, make_certificate(tmp_path, "authority"))


@asynccontextmanager
async def serving_by(web_config_file: Path | None) -> AsyncIterator[str]:
    """Serve an account of an API that does not answer."""
    started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    settings = settings_of(
        "http://127.0.0.1:9",
        [{"name": "acme", "account_id": "a" * 32, "api_token": "a-token-of-no-account"}],
        state="memory:",
        listen="127.0.0.1:0",
        **({"web_config_file": str(web_config_file)} if web_config_file else {}),
    )
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(serve(settings, on_ready=started.set_result))
        try:
            yield await started
        finally:
            running.cancel()


async def test_a_renewed_certificate_is_served_without_a_reload(mounted: Mounted) -> None:
    """Kubernetes replaces the link to all files of a secret at once."""
    old, new = mounted.pair("old", "2"), mounted.pair("new", "30")
    mounted.publish("one", old, old)
    file = mounted.folder / "..data" / "web.yml"
    old_expiry = read_web_config(file).certificate_expiry
    async with serving_by(file) as url:
        _, samples = await mounted.metrics(url)
        assert float(samples[EXPIRY]) == old_expiry
        mounted.publish("two", new, new)
        new_expiry = read_web_config(file).certificate_expiry
        assert new_expiry != old_expiry

        async def expiry() -> float:
            try:
                return float((await mounted.metrics(url))[1][EXPIRY])
            except httpx.TransportError:  # closed by the change, or the old certificate
                return old_expiry

        await until(expiry, lambda shown: shown == new_expiry)


async def test_a_pair_that_does_not_fit_keeps_the_old_one_and_warns_once(mounted: Mounted) -> None:
    """A certificate is written before its key; the exporter must serve in between, and after."""
    old, new = mounted.pair("old", "2"), mounted.pair("new", "30")
    mounted.publish("one", old, old)
    file = mounted.folder / "..data" / "web.yml"

    with capture_logs() as logs:
        async with serving_by(file) as url:

            async def samples() -> dict[str, str]:
                return (await mounted.metrics(url))[1]

            before = (await samples())[EXPIRY]
            mounted.publish("two", new, old)
            refused = await until(samples, lambda shown: float(shown[SUCCESSFUL]) == 0)
            assert refused[EXPIRY] == before
            mounted.publish("three", old, new)
            shutil.copy(new.cert, mounted.folder / "three" / "tls.crt")
            accepted = await until(samples, lambda shown: float(shown[SUCCESSFUL]) == 1)
            assert accepted[EXPIRY] != before
    warnings = [entry for entry in logs if entry["log_level"] == "warning"]
    refusals = [entry for entry in warnings if entry["event"] == "web_config.refused"]
    assert len(refusals) == 1
    assert "not a certificate and its key" in refusals[0]["problem"]


async def test_users_that_change_are_asked_for_without_a_reload(mounted: Mounted) -> None:
    """A password that leaked must not stay valid until the next reload."""
    pair = mounted.pair("server", "2")
    hashed = bcrypt.hashpw(b"opensesame", bcrypt.gensalt(4)).decode()
    mounted.publish("one", pair, pair)
    file = mounted.folder / "..data" / "web.yml"
    async with serving_by(file) as url:

        async def status() -> int:
            return (await mounted.metrics(url))[0]

        assert await status() == 200
        mounted.publish("two", pair, pair, f"basic_auth_users: {{alice: '{hashed}'}}")
        await until(status, lambda shown: shown == 401)
        assert (await mounted.metrics(url, "alice", "opensesame"))[0] == 200


async def test_without_tls_no_expiry_is_shown() -> None:
    """A zero would be a certificate that expired in 1970."""
    async with serving_by(None) as url, httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"{url}/metrics")).text
    assert EXPIRY not in text
