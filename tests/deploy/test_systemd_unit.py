import re
import subprocess
from pathlib import Path

import pytest

from exporter.settings import OPTIONS
from tests.support.programs import require_program

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
UNIT = FOLDER / "cloudflare-risk-exporter.service"
PROGRAM = "/opt/cloudflare-risk-exporter/bin/cloudflare-risk-exporter"


def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    """An unknown key is but a warning to systemd: a protection that silently is none."""
    program = tmp_path / "program"
    program.touch(mode=0o755)
    text = UNIT.read_text(encoding="utf-8")
    assert f"ExecStart={PROGRAM} " in text
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace(PROGRAM, str(program)), encoding="utf-8")
    done = subprocess.run(
        [require_program("systemd-analyze"), "verify", "--man=no", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_unit_is_exposed_less_than_systemd_calls_low() -> None:
    """systemd-analyze weighs what a broken exporter could reach: below 2.0 of 10 is its OK."""
    done = subprocess.run(
        [require_program("systemd-analyze"), "security", "--offline=yes", "--no-pager", UNIT],
        capture_output=True,
        text=True,
        check=True,
    )
    exposure = re.search(r"Overall exposure level .*: ([\d.]+)", done.stdout)
    assert exposure is not None
    assert float(exposure[1]) < 1.5


def test_the_environment_file_names_settings_that_exist() -> None:
    """Whoever removes a comment sign gets a setting, not an error."""
    text = (FOLDER / "exporter.env").read_text(encoding="utf-8")
    named = set(re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE))
    assert named
    assert named <= {option.variable for option in OPTIONS}
