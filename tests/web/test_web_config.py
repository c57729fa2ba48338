import ssl
from pathlib import Path

import pytest

from exporter.errors import ConfigurationError
from exporter.web import read_web_config
from exporter.web.config import RateLimit

HASH = "$2y$04$" + "." * 53


def read_error(folder: Path, text: str) -> str:
    """What is said of a file with this text."""
    file = folder / "web.yml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_web_config(file)
    return str(caught.value)


@pytest.mark.parametrize("text", ["", "# nothing\n", "tls_server_config:\nbasic_auth_users:\n"])
def test_an_empty_file_is_plain_http_for_everybody(tmp_path: Path, text: str) -> None:
    """As with the exporter-toolkit: a file may be mounted before anybody filled it."""
    file = tmp_path / "web.yml"
    file.write_text(text)
    config = read_web_config(file)
    assert (config.tls, dict(config.users), dict(config.headers)) == (None, {}, {})


def test_what_needs_no_certificate_is_read(tmp_path: Path) -> None:
    """Users, headers and the rate limit, each as the exporter-toolkit spells them."""
    file = tmp_path / "web.yml"
    file.write_text(
        f"""
        basic_auth_users: {{alice: "{HASH}"}}
        http_server_config:
          http2: false
          headers: {{X-Frame-Options: deny, Content-Security-Policy: ""}}
        rate_limit: {{interval: 500ms, burst: 20}}
        """
    )
    config = read_web_config(file)
    assert dict(config.users) == {"alice": HASH.encode()}
    assert dict(config.headers) == {"X-Frame-Options": "deny", "Content-Security-Policy": ""}
    assert config.rate_limit == RateLimit(interval_seconds=0.5, burst=20)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tls_server_confg: {}", "tls_server_confg in {file}, line 1: unknown; the nearest known name is tls_server_config"),
        ("tls_server_config: {cert_fil: x}", "the nearest known name is cert_file"),
        ("http_server_config: {headers: {X-Frame-Option: deny}}", "the nearest known name is X-Frame-Options"),
        ("http_server_config: {http: true}", "the nearest known name is http2"),
        ("rate_limit: {brust: 1}", "the nearest known name is burst"),
        ("basic_auth_users: {alice: opensesame}", "basic_auth_users, entry 1, in {file}, line 1: not a bcrypt hash"),
        ("basic_auth_users: {alice: '$2y$04$" + "." * 21 + "b" + "." * 31 + "'}", "basic_auth_users, entry 1, in {file}, line 1: not a bcrypt hash"),
        ("basic_auth_users: {alice: '$2y$31$" + "." * 53 + "'}", "the bcrypt cost is 31; costs from 4 to 14 are accepted"),
        ("basic_auth_users: {alice: '$2y$15$" + "." * 53 + "'}", "make another hash of the password, with htpasswd -nBC 10 NAME"),
        (f"basic_auth_users: {{'a:b': '{HASH}'}}", "must not be empty or contain a colon"),
        ("basic_auth_users: {alice: 5}", "basic_auth_users, entry 1, in {file}, line 1: "),
        ("basic_auth_users: [alice]", "basic_auth_users in {file}, line 1: "),
        (f"basic_auth_users:\n  alice: {HASH}\n  alice: {HASH}\n", "alice is given twice, in line 2 and in line 3"),
        (f"basic_auth_users: {{alice: '{HASH}', bob: }}", "basic_auth_users, entry 2, in {file}, line 1: not a bcrypt hash"),
        ("alice: x", "{file}, line 1: holds an unknown key; the known ones are tls_server_config, "),
        ("tls_server_config: {certificate_of_alice: x}", "tls_server_config in {file}, line 1: holds an unknown key"),
        ("tls_server_config: {cert_file: '-----BEGIN CERTIFICATE-----', key_file: a}", "cert_file in {file}, line 1: holds PEM text"),
        ("tls_server_config: {cipher_suites: [x]}\nhttp_server_config: {http2: false}", "cipher_suites in {file}, line 1: one is unknown"),
        ("http_server_config: {http2: maybe}", "http_server_config.http2 in {file}, line 1: "),
        ("http_server_config: {headers: {X-Frame-Options: maybe}}", "must be deny or sameorigin"),
        ('http_server_config: {headers: {X-XSS-Protection: "a\\r\\nb"}}', "must be printable ASCII"),
        ("rate_limit: {interval: soon, burst: 1}", "rate_limit.interval in {file}, line 1: "),
        ("- a list", "{file}: "),
        ("a: [", "is not YAML: line "),
        ("a: \x00", "is not YAML"),
        ("tls_server_config: {min_version: TLS11}", "TLS11 is not offered"),
        ("tls_server_config: {min_version: TLS14}", "tls_server_config.min_version in {file}, line 1: "),
        ("tls_server_config: {client_auth_type: RequireAnyClientCert}", "without verifying it"),
        ("tls_server_config: {client_auth_type: RequireClientCert}", "without verifying it"),
        ("tls_server_config: {client_auth_type: Always}", "RequireAndVerifyClientCert"),
        ("tls_server_config: {curve_preferences: [CurveP25519]}", "CurveP256"),
        ("tls_server_config: {min_version: TLS13, max_version: TLS12}", "max_version in {file}, line 1: below min_version"),
        ("http_server_config: {http2: false}\ntls_server_config: {cipher_suites: [TLS_ECDHE_RSA_AES_128_GCM_SHA256]}", "the nearest is TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
        ("http_server_config: {http2: false}\ntls_server_config: {cipher_suites: [TLS_AES_128_GCM_SHA256]}", "none is of TLS 1.2"),
        ("tls_server_config: {cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]}", "or write http2: false"),
        ("tls_server_config: {min_version: TLS12}", "cert_file in {file}, line 1: needed here"),
        ("tls_server_config: {cert: a, cert_file: b}", "cert_file in {file}, line 1: needed here, or cert, and not both"),
        ("tls_server_config: {cert_file: absent.crt, key_file: absent.key}", "absent.crt cannot be read: No such file"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_its_key(tmp_path: Path, text: str, said: str) -> None:
    """Nothing is passed over: a misspelt cert_file must not become plain HTTP."""
    assert said.format(file=tmp_path / "web.yml") in read_error(tmp_path, text)


@pytest.mark.parametrize(
    ("written", "value"), [("1", "1"), ("0", "0"), ("'1; mode=block'", "1; mode=block")]
)
def test_a_header_may_be_a_number(tmp_path: Path, written: str, value: str) -> None:
    """Go's YAML library takes a number where it expects text."""
    file = tmp_path / "web.yml"
    file.write_text(f"http_server_config: {{headers: {{X-XSS-Protection: {written}}}}}")
    assert dict(read_web_config(file).headers) == {"X-XSS-Protection": value}


def test_a_user_name_may_be_a_number(tmp_path: Path) -> None:
    """As above."""
    file = tmp_path / "web.yml"
    file.write_text(f"basic_auth_users: {{123: '{HASH}'}}")
    assert dict(read_web_config(file).users) == {"123": HASH.encode()}


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("rate_limit: {interval: 0, burst: 0}", None),
        ("rate_limit: {burst: 5}", None),
        ("rate_limit: {interval: 1s}", RateLimit(interval_seconds=1.0, burst=0)),
        ('rate_limit: {interval: "2s", burst: 0}', RateLimit(interval_seconds=2.0, burst=0)),
    ],
)
def test_the_interval_alone_turns_the_rate_limit_on(
    tmp_path: Path, text: str, limit: RateLimit | None
) -> None:
    """As in the exporter-toolkit, whose limiter with a burst of zero lets nothing through."""
    file = tmp_path / "web.yml"
    file.write_text(text)
    assert read_web_config(file).rate_limit == limit


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    """One round of corrections, not five."""
    said = read_error(tmp_path, "http_server_config: {http2: maybe}\nrate_limit: {burst: -1}\n")
    assert len(said.splitlines()) == 2


@pytest.mark.parametrize(
    "text",
    [
        "basic_auth_users: {alice: s3cret}",
        "basic_auth_users: {alice: s3cret",
        "tls_server_config: {key: s3cret, cert: s3cret}",
        "basic_auth_users: {alice: {s3cret: s3cret}}\n",
        "basic_auth_users: {s3cret@example.com: x}",
        f"basic_auth_users: {{'s3cret:x': '{HASH}'}}",
        f"basic_auth_users:\n  s3cret@example.com: {HASH}\n  s3cret@example.com: {HASH}\n",
        "basic_auth_users: {s3cret: alice}",
        "basic_auth_users: s3cret",
        "basic_auth_users: [{s3cret: s3cret}]",
        "s3cret: s3cret",
        "s3cret",
        "http_server_config: {s3cret: s3cret, http2: s3cret, headers: {X-Frame-Options: s3cret}}",
        "http_server_config: {headers: {s3cret: s3cret}}",
        "rate_limit: {interval: s3cret, burst: s3cret}",
        "rate_limit: {interval: [s3cret], burst: [s3cret]}",
        "tls_server_config: {s3cret@example.com: s3cret, min_version: s3cret, client_auth_type: s3cret}",
        "tls_server_config: {cipher_suites: [s3cret], curve_preferences: [s3cret]}",
        "http_server_config: {http2: false}\ntls_server_config: {cipher_suites: [s3cret]}",
        "tls_server_config: {cert_file: '-----BEGIN CERTIFICATE-----s3cret', key: s3cret}",
    ],
)
def test_no_error_quotes_a_name_a_password_or_a_hash(tmp_path: Path, text: str) -> None:
    """Errors go to logs and into the response of a reload; mistakes put secrets anywhere."""
    assert "s3cret" not in read_error(tmp_path, text)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """By its path; no traceback."""
    with pytest.raises(ConfigurationError, match=r"absent\.yml: cannot be read: No such file"):
        read_web_config(tmp_path / "absent.yml")


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    """Somebody pointed at the certificate itself."""
    (tmp_path / "web.yml").write_bytes(b"\x30\x82\xff\xfe")
    with pytest.raises(ConfigurationError, match="is not UTF-8 text"):
        read_web_config(tmp_path / "web.yml")


def test_python_s_ssl_still_cannot_do_what_is_refused() -> None:
    """The day several curves can be had, the refusal of them has to go."""
    assert not hasattr(ssl.SSLContext, "set_groups")
