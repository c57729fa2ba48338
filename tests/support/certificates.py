"""Certificates made on the spot by openssl."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.programs import require_program

_CONFIG = "[req]\ndistinguished_name = name\n[name]\n"


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, as files in PEM."""

    cert: Path
    key: Path


def make_certificate(
    folder: Path, name: str, *, sans: str = "", issuer: Certificate | None = None, days: str = "2"
) -> Certificate:
    """Make NAME.crt and NAME.key; without an issuer an authority that signs itself.

    `sans` is in openssl's words: `IP:127.0.0.1,DNS:localhost`.
    """
    made = Certificate(folder / f"{name}.crt", folder / f"{name}.key")
    config = folder / "openssl.cnf"
    config.write_text(_CONFIG, encoding="ascii")
    command: list[str | Path] = [
        *(require_program("openssl"), "req", "-x509", "-nodes", "-days", days, "-config", config),
        *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-subj", f"/CN={name}", "-out", made.cert, "-keyout", made.key),
        *("-addext", f"basicConstraints=critical,CA:{'FALSE' if issuer else 'TRUE'}"),
    ]
    if sans:
        command += ["-addext", f"subjectAltName={sans}"]
    if issuer:
        command += ["-CA", issuer.cert, "-CAkey", issuer.key]
    subprocess.run(command, check=True, capture_output=True)
    return made
