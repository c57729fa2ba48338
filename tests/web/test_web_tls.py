import asyncio
import random
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvloop
from structlog.testing import capture_logs

from exporter.errors import ConfigurationError
from exporter.web import WebConfig, read_web_config
from tests.support.certificates import Certificate, make_certificate
from tests.support.processes import until
from tests.support.programs import require_program
from tests.support.prometheus import Target, run_prometheus, scrape_config
from tests.support.web_server import Served, Sources, serve
from tests.support.yaml_file import Json, write_yaml

pytestmark = pytest.mark.slow

HTPASSWD_OF_OPENSESAME = "$2y$04$/83yYhEPKoxwmNcgK8EWCOzamIcwfH0YYvOWjR2s4ZIkKkaYC7KxW"
MUTUAL: dict[str, Json] = {
    "client_auth_type": "RequireAndVerifyClientCert",
    "client_ca_file": "authority.crt",
}


@dataclass(frozen=True)
class Keys:
    """An authority, and who it vouches for, in one folder."""

    folder: Path
    authority: Certificate
    server: Certificate
    client: Certificate


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """One set for all tests of this file; none of them changes it."""
    folder = tmp_path_factory.mktemp("keys")
    authority = make_certificate(folder, "authority")
    return Keys(
        folder,
        authority,
        server=make_certificate(
            folder, "server", sans="IP:127.0.0.1,DNS:localhost", issuer=authority
        ),
        client=make_certificate(
            folder, "client", sans="DNS:prometheus.example,IP:::1", issuer=authority
        ),
    )


def config_of(keys: Keys, **more: Json) -> WebConfig:
    """A web config with the server's certificate, by paths relative to the file."""
    tls: dict[str, Json] = {"cert_file": "server.crt", "key_file": "server.key", **more}
    return read_web_config(write_yaml(keys.folder / "web.yml", {"tls_server_config": tls}))


def trusting(keys: Keys, client: Certificate | None = None) -> ssl.SSLContext:
    """How a client trusts the authority, and proves who it is."""
    context = ssl.create_default_context(cafile=keys.authority.cert)
    if client:
        context.load_cert_chain(client.cert, client.key)
    return context


async def get(served: Served, context: ssl.SSLContext, path: str = "/metrics") -> httpx.Response:
    """Ask over a new connection."""
    async with httpx.AsyncClient(verify=context, trust_env=False) as client:
        return await client.get(served.server.url + path)


@asynccontextmanager
async def refused() -> AsyncIterator[None]:
    """The handshake fails, or an alert comes in place of a response (TLS 1.3)."""
    with pytest.raises((httpx.TransportError, ssl.SSLError)):
        yield


async def test_metrics_are_served_over_tls(keys: Keys) -> None:
    """With verification on, as Prometheus has it."""
    async with serve(config=config_of(keys)) as served:
        assert served.server.url.startswith("https://127.0.0.1:")
        assert (await get(served, trusting(keys))).text == "lamp_lit 1\n"


@pytest.mark.parametrize(
    "loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
def test_a_scrape_of_many_pieces_is_sent_whole_over_tls_each_time(
    keys: Keys, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Flow control under TLS is the loop's own, and goes on as the last scrape left it."""
    pieces = [random.Random(number).randbytes(262_144) for number in range(12)]

    async def run() -> list[bytes]:
        async with (
            serve(Sources(pieces), config=config_of(keys)) as served,
            httpx.AsyncClient(
                verify=trusting(keys),
                trust_env=False,
                headers={"Accept-Encoding": "identity"},
            ) as client,
        ):
            url = f"{served.server.url}/metrics"
            bodies = [(await client.get(url)).content for _ in range(2)]
            assert len(served.server._connections.connections) == 1
            return bodies

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(run()) == [b"".join(pieces)] * 2


async def test_pem_written_into_the_file_serves_as_well(keys: Keys) -> None:
    """`cert`, `key` and `client_ca`: one secret to mount instead of four."""
    tls: dict[str, Json] = {
        "cert": keys.server.cert.read_text(),
        "key": keys.server.key.read_text(),
        "client_ca": keys.authority.cert.read_text(),
        "client_auth_type": "RequireAndVerifyClientCert",
    }
    file = write_yaml(keys.folder / "inline.yml", {"tls_server_config": tls})
    async with serve(config=read_web_config(file)) as served:
        assert (await get(served, trusting(keys, keys.client))).status_code == 200


async def test_curl_reads_over_tls_with_a_password(keys: Keys) -> None:
    """Both parts of the file at once, as most operators use it, read by another TLS stack."""
    curl = require_program("curl")
    file = write_yaml(
        keys.folder / "both.yml",
        {
            "tls_server_config": {"cert_file": "server.crt", "key_file": "server.key"},
            "basic_auth_users": {"alice": HTPASSWD_OF_OPENSESAME},
        },
    )
    async with serve(config=read_web_config(file)) as served:
        command: list[str | Path] = [
            curl,
            "--silent",
            "--fail",
            "--noproxy",
            "*",
            "--cacert",
            keys.authority.cert,
        ]
        command += ["--user", "alice:opensesame", f"{served.server.url}/metrics"]
        assert await asyncio.to_thread(subprocess.check_output, command) == b"lamp_lit 1\n"


async def test_a_client_without_a_certificate_gets_nothing(keys: Keys) -> None:
    """Not one byte of an answer."""
    async with serve(config=config_of(keys, **MUTUAL)) as served, refused():
        await get(served, trusting(keys))


async def test_a_client_with_a_certificate_of_another_authority_gets_nothing(
    keys: Keys, tmp_path: Path
) -> None:
    """Its name is right and its issuer is not."""
    stranger = make_certificate(tmp_path, "client", sans="DNS:prometheus.example")
    async with serve(config=config_of(keys, **MUTUAL)) as served, refused():
        await get(served, trusting(keys, stranger))


async def test_a_client_with_a_certificate_is_answered(keys: Keys) -> None:
    """RequireAndVerifyClientCert."""
    async with serve(config=config_of(keys, **MUTUAL)) as served:
        assert (await get(served, trusting(keys, keys.client))).status_code == 200


async def test_a_certificate_in_the_ca_file_is_trusted_by_itself(keys: Keys) -> None:
    """As Go does with its pool: pinning one client's own certificate works."""
    config = config_of(keys, **{**MUTUAL, "client_ca_file": "client.crt"})
    async with serve(config=config) as served:
        assert (await get(served, trusting(keys, keys.client))).status_code == 200


STRANGER = ["-cert", "stranger.crt", "-key", "stranger.key"]
PAIR = "cert_file: server.crt, key_file: server.key"

FORMS = {
    "one server certificate": f"tls_server_config: {{{PAIR}}}",
    "no policy, by name": f"tls_server_config: {{{PAIR}, client_auth_type: NoClientCert}}",
    "a requested certificate": f"tls_server_config: {{{PAIR}, client_auth_type: RequestClientCert}}",
    "a requested certificate of an authority": f"tls_server_config: {{{PAIR}, client_auth_type: RequestClientCert, client_ca_file: authority.crt}}",
    "a verified certificate of the system's roots": f"tls_server_config: {{{PAIR}, client_auth_type: VerifyClientCertIfGiven}}",
    "all cipher suites": f"""
        tls_server_config:
          {{{PAIR}, cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
          TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
          TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
          TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
          TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
          TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256]}}""",
    "some cipher suites of TLS 1.2": f"tls_server_config: {{{PAIR}, min_version: TLS12, max_version: TLS12, prefer_server_cipher_suites: false, cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]}}",
    "a suite that HTTP/2 forbids": f"{{tls_server_config: {{{PAIR}, max_version: TLS12, cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]}}, http_server_config: {{http2: false}}}}",
    "HTTP/2 by name": f"{{tls_server_config: {{{PAIR}}}, http_server_config: {{http2: true}}}}",
    "all curves": f"tls_server_config: {{{PAIR}, curve_preferences: [X25519, CurveP521, CurveP384, CurveP256]}}",
    "some curves": f"tls_server_config: {{{PAIR}, curve_preferences: [X25519, CurveP256]}}",
    "one curve and TLS 1.3": f"tls_server_config: {{{PAIR}, min_version: TLS13, curve_preferences: [CurveP521]}}",
    "headers": f"""
        tls_server_config: {{{PAIR}}}
        http_server_config:
          headers:
            Strict-Transport-Security: max-age=600
            X-Frame-Options: sameorigin
            X-Content-Type-Options: nosniff
            X-XSS-Protection: 1
            Content-Security-Policy: default-src 'none'""",
    "no rate limit": f"{{tls_server_config: {{{PAIR}}}, rate_limit: {{interval: 0, burst: 0}}}}",
}  # fmt: skip
"""Files in forms with which the exporter-toolkit starts and answers a client without certificate."""


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
async def test_forms_of_the_exporter_toolkit_are_served(keys: Keys, text: str) -> None:
    """Operators share one file among exporters; what another one accepts must serve here."""
    file = keys.folder / "form.yml"
    file.write_text(text, encoding="utf-8")
    async with serve(config=read_web_config(file)) as served:
        assert (await get(served, trusting(keys))).status_code == 200


async def test_without_a_ca_file_the_system_s_roots_verify_clients(
    keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in Go, for which a missing pool means the system's."""
    monkeypatch.setenv("SSL_CERT_FILE", str(keys.authority.cert))
    config = config_of(keys, client_auth_type="RequireAndVerifyClientCert")
    stranger = make_certificate(tmp_path, "client", sans="DNS:prometheus.example")
    async with serve(config=config) as served:
        assert (await get(served, trusting(keys, keys.client))).status_code == 200
        async with refused():
            await get(served, trusting(keys, stranger))
        async with refused():
            await get(served, trusting(keys))


async def test_a_certificate_that_may_be_left_out_may_be_left_out(keys: Keys) -> None:
    """VerifyClientCertIfGiven."""
    optional: dict[str, Json] = {**MUTUAL, "client_auth_type": "VerifyClientCertIfGiven"}
    async with serve(config=config_of(keys, **optional)) as served:
        assert (await get(served, trusting(keys))).status_code == 200


@pytest.mark.parametrize(
    ("allowed", "status"),
    [("prometheus.example", 200), ("::1", 200), ("someone.example", 403)],
)
async def test_only_allowed_names_are_answered(keys: Keys, allowed: str, status: int) -> None:
    """`client_allowed_sans`: the authority vouches for more machines than may read this."""
    config = config_of(keys, **MUTUAL, client_allowed_sans=[allowed])
    async with serve(config=config) as served:
        assert (await get(served, trusting(keys, keys.client))).status_code == status


@pytest.mark.parametrize(
    ("setting", "offered", "is_answered"),
    [
        ({}, ssl.TLSVersion.TLSv1_2, True),
        ({"min_version": "TLS13"}, ssl.TLSVersion.TLSv1_2, False),
        ({"min_version": "TLS13"}, ssl.TLSVersion.TLSv1_3, True),
        ({"max_version": "TLS12"}, ssl.TLSVersion.TLSv1_3, False),
    ],
)
async def test_versions_are_kept(
    keys: Keys, setting: dict[str, Json], offered: ssl.TLSVersion, *, is_answered: bool
) -> None:
    """A policy that demands TLS 1.3 must get it."""
    context = trusting(keys)
    context.minimum_version = context.maximum_version = offered
    async with serve(config=config_of(keys, **setting)) as served:
        if is_answered:
            assert (await get(served, context)).status_code == 200
        else:
            async with refused():
                await get(served, context)


async def test_cipher_suites_are_kept_by_go_s_names(keys: Keys) -> None:
    """The certificate is for ECDSA; a suite of these alone is spoken, another is not."""
    context = trusting(keys)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    for suite, is_spoken in (
        ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", True),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", False),
    ):
        tls: dict[str, Json] = {
            "cert_file": "server.crt",
            "key_file": "server.key",
            "cipher_suites": [suite],
            "prefer_server_cipher_suites": False,
        }
        content: Json = {"tls_server_config": tls, "http_server_config": {"http2": False}}
        config = read_web_config(write_yaml(keys.folder / "suite.yml", content))
        async with serve(config=config) as served:
            if is_spoken:
                assert (await get(served, context)).status_code == 200
            else:
                async with refused():
                    await get(served, context)


@pytest.mark.parametrize(
    ("preferences", "curve", "is_answered"),
    [
        (["CurveP256"], "prime256v1", True),
        (["CurveP384"], "prime256v1", False),
        (["X25519", "CurveP256"], "prime256v1", True),
        (["X25519", "CurveP256"], "X25519", False),
        (["CurveP521", "X25519"], "secp521r1", True),
        (["CurveP521", "X25519"], "secp384r1", False),
        (["CurveP256", "CurveP384", "CurveP521", "X25519"], "X25519", True),
    ],
)
async def test_no_curve_is_used_that_is_not_listed(
    keys: Keys, preferences: list[str], curve: str, *, is_answered: bool
) -> None:
    """Python's ssl restricts to one curve: of several P-256 or the first; all are no restriction.

    The client is openssl's, because Python before 3.11.3 cannot restrict itself to X25519.
    """
    openssl = require_program("openssl")
    wanted: list[Json] = [*preferences]
    async with serve(config=config_of(keys, curve_preferences=wanted)) as served:
        client = await asyncio.create_subprocess_exec(
            *(openssl, "s_client", "-connect", served.server.url.removeprefix("https://")),
            *("-groups", curve, "-CAfile", keys.authority.cert, "-verify_return_error"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        status = await client.wait()
    assert (status == 0) is is_answered


async def test_x25519_alone_serves_or_is_refused_by_name(keys: Keys) -> None:
    """Python before 3.11.3 cannot restrict a server to X25519, and must not crash at it."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ecdh_curve("X25519")
    except ssl.SSLError:
        with pytest.raises(ConfigurationError, match="to X25519; add CurveP256"):
            config_of(keys, curve_preferences=["X25519"])
    else:
        async with serve(config=config_of(keys, curve_preferences=["X25519"])) as served:
            assert (await get(served, trusting(keys))).status_code == 200


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"key_file": "client.key"}, "not a certificate and its key"),
        ({"key_file": "web.yml"}, "not a certificate and its key"),
        ({"client_ca_file": "authority.crt"}, "client_ca_file has no effect without it"),
        ({"client_auth_type": "RequestClientCert", "client_ca_file": "absent"}, "absent cannot be"),
        ({**MUTUAL, "client_ca_file": "server.key"}, "client_ca_file in .*: not certificates"),
        ({"client_allowed_sans": ["a"]}, "client_allowed_sans in .*: needs client_auth_type"),
    ],
)
def test_keys_that_do_not_fit_are_told(keys: Keys, more: dict[str, Json], said: str) -> None:
    """Before anything is served by them."""
    with pytest.raises(ConfigurationError, match=said):
        config_of(keys, **more)


def test_a_key_under_a_password_is_told_and_not_asked_for(keys: Keys, tmp_path: Path) -> None:
    """A question on the terminal would hang a service for ever."""
    locked = tmp_path / "locked.key"
    openssl = require_program("openssl")
    command: list[str | Path] = [
        openssl,
        "pkey",
        "-aes128",
        "-passout",
        "pass:x",
        "-in",
        keys.server.key,
    ]
    subprocess.run([*command, "-out", locked], check=True, capture_output=True)
    with pytest.raises(ConfigurationError, match="under a password"):
        config_of(keys, key_file=str(locked))


async def test_a_new_certificate_is_served_without_a_restart(keys: Keys, tmp_path: Path) -> None:
    """Certificates of a few days are renewed while everything runs."""
    other = make_certificate(tmp_path, "authority")
    server = make_certificate(tmp_path, "server", sans="IP:127.0.0.1", issuer=other)
    renewed = Keys(tmp_path, other, server, keys.client)
    async with serve(config=config_of(keys)) as served:
        await get(served, trusting(keys))
        await served.server.replace_config(config_of(renewed))
        assert (await get(served, trusting(renewed))).status_code == 200
        async with refused():
            await get(served, trusting(keys))


@pytest.mark.parametrize(
    "loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
@pytest.mark.parametrize(
    ("client_options", "alert"),
    [
        pytest.param(["-tls1_3"], "certificate required", id="1.3-no-certificate"),
        pytest.param(["-tls1_2"], "handshake failure", id="1.2-no-certificate"),
        pytest.param(["-tls1_2", "-cipher", "AES128-SHA"], "handshake failure", id="no-cipher"),
        pytest.param(["-tls1_3", *STRANGER], "unknown ca", id="another-authority"),
    ],
)
def test_a_refused_client_gets_an_alert_and_leaves_one_log_line(
    keys: Keys,
    tmp_path: Path,
    client_options: list[str],
    alert: str,
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """A connection that just ends says nothing to either side; other clients are still served."""
    make_certificate(tmp_path, "stranger")
    openssl = require_program("openssl")

    async def run() -> str:
        async with serve(config=config_of(keys, **MUTUAL)) as served:
            client = await asyncio.create_subprocess_exec(
                *(openssl, "s_client", "-connect", f"127.0.0.1:{served.server.port}"),
                *client_options,
                cwd=tmp_path,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            assert client.stdout is not None
            text = await client.stdout.read()
            await client.communicate()
            assert (await get(served, trusting(keys, keys.client))).status_code == 200
            return text.decode(errors="replace")

    with capture_logs() as logs, asyncio.Runner(loop_factory=loop_factory) as runner:
        assert f"alert {alert}" in runner.run(run())
    lines = [entry for entry in logs if entry["event"] == "tls.refused"]
    assert [entry["log_level"] for entry in lines] == ["debug"]
    assert lines[0]["reason"]


async def test_what_is_not_tls_leaves_one_log_line_without_its_bytes(keys: Keys) -> None:
    """A scraper with http:// in place of https:// is the usual mistake."""
    with capture_logs() as logs:
        async with serve(config=config_of(keys)) as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
            writer.write(b"GET /s3cret HTTP/1.1\r\n\r\n")
            await reader.read()
            writer.close()
    lines = [entry for entry in logs if entry["event"] == "tls.refused"]
    assert [entry["reason"] for entry in lines] == ["HTTP_REQUEST"]
    assert "s3cret" not in str(lines)


@pytest.mark.parametrize("days", ["1", "20000"])
def test_the_certificate_s_expiry_is_read_as_openssl_reads_it(keys: Keys, days: str) -> None:
    """From 2050 on the time has another form (RFC 5280); a chain's first certificate counts."""
    openssl = require_program("openssl")
    made = make_certificate(keys.folder, f"days{days}", days=days)
    chain = keys.folder / "chain.crt"
    chain.write_text(made.cert.read_text() + keys.authority.cert.read_text())
    command: list[str | Path] = [openssl, "x509", "-noout", "-enddate", "-in", made.cert]
    shown = subprocess.check_output(command, text=True).strip().removeprefix("notAfter=")
    config = config_of(keys, cert_file=chain.name, key_file=made.key.name)
    assert config.certificate_expiry == ssl.cert_time_to_seconds(shown)


async def test_users_that_change_leave_tls_and_its_connections_alone(keys: Keys) -> None:
    """The context of before is used again while nothing of TLS has changed."""
    before = config_of(keys)
    again = read_web_config(keys.folder / "web.yml", previous=before)
    assert again.tls is before.tls
    async with (
        serve(config=before) as served,
        httpx.AsyncClient(verify=trusting(keys), trust_env=False) as client,
    ):
        await client.get(f"{served.server.url}/metrics")
        connections = served.server._connections.connections
        await served.server.replace_config(again)
        await client.get(f"{served.server.url}/metrics")
        assert served.server._connections.connections == connections


async def test_a_connection_of_before_is_closed_when_tls_changes(keys: Keys) -> None:
    """A client who is not trusted any more must not stay by never hanging up."""
    async with (
        serve(config=config_of(keys)) as served,
        httpx.AsyncClient(verify=trusting(keys), trust_env=False) as client,
    ):
        await client.get(f"{served.server.url}/metrics")
        await served.server.replace_config(config_of(keys, **MUTUAL))
        async with refused():
            await client.get(f"{served.server.url}/metrics")


async def test_tls_can_be_turned_on_while_plain_http_runs(keys: Keys) -> None:
    """And the URL says so."""
    async with serve() as served:
        port = served.server.port
        await served.server.replace_config(config_of(keys))
        assert served.server.url == f"https://127.0.0.1:{port}"
        assert (await get(served, trusting(keys))).status_code == 200
        await served.server.replace_config(WebConfig())
        assert (await get(served, trusting(keys))).status_code == 200
        assert served.server.url == f"http://127.0.0.1:{port}"


async def test_a_real_prometheus_scrapes_over_tls_with_a_client_certificate(
    keys: Keys, tmp_path: Path
) -> None:
    """Go's TLS against Python's."""

    def is_up(targets: list[Target]) -> bool:
        return [(target.health, target.last_error) for target in targets] == [("up", "")]

    tls_config: dict[str, Json] = {
        "ca_file": str(keys.authority.cert),
        "cert_file": str(keys.client.cert),
        "key_file": str(keys.client.key),
    }
    sources = Sources([b"lamp_lit 1\n# EOF\n"])
    async with serve(sources, config=config_of(keys, **MUTUAL)) as served:
        scrape = scrape_config(served.server.url, tls_config=tls_config)
        async with run_prometheus(tmp_path, scrape) as prometheus:
            await until(prometheus.targets, is_up)
