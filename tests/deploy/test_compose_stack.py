import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
import yaml

from tests.support.programs import require_program

FOLDER = Path(__file__).parents[2] / "deploy"
ACCOUNT = {"CLOUDFLARE_ACCOUNT_ID": "0" * 32}
COMBINATIONS = [
    ((), {}),
    (("compose.cloudflare.yaml",), {**ACCOUNT, "CLOUDFLARE_API_TOKEN": "a-token"}),
    (("compose.token-file.yaml",), {**ACCOUNT, "CLOUDFLARE_API_TOKEN_FILE": "/dev/null"}),
]


class Service(msgspec.Struct):
    """What a service of the stack may do."""

    image: str
    read_only: bool = False
    cap_drop: list[str] = []
    security_opt: list[str] = []
    ports: list[str] = []
    volumes: list[str] = []


class Stack(msgspec.Struct):
    """What compose.yaml says."""

    services: dict[str, Service]
    volumes: dict[str, None]


class Scraping(msgspec.Struct):
    """The part of a Prometheus configuration that rules and boards rely on."""

    class Global(msgspec.Struct):
        """Defaults."""

        scrape_interval: str

    class Job(msgspec.Struct):
        """One job."""

        job_name: str
        body_size_limit: str

    scrape_configs: list[Job]
    defaults: Global = msgspec.field(name="global")


class Provisioned(msgspec.Struct):
    """Grafana's data sources."""

    class Source(msgspec.Struct):
        """One data source."""

        class Options(msgspec.Struct, rename="camel"):
            """What the panels' windows are made from."""

            time_interval: str

        url: str
        options: Options = msgspec.field(name="jsonData")

    datasources: list[Source]


def read_stack() -> Stack:
    """Read compose.yaml, its anchors resolved."""
    text = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), Stack)


def read_scraping(path: str) -> Scraping:
    """Read a Prometheus configuration."""
    text = (FOLDER / path).read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), Scraping)


STACK = read_stack()


def compose(
    folder: Path, overrides: Sequence[str], environ: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Let compose judge the stack. Debian's is of a generation that knows no `name` yet."""
    base = folder / "compose.yaml"
    text = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
    base.write_text(re.sub(r"^name: .*\n", "", text, flags=re.MULTILINE), encoding="utf-8")
    files = [base, *(FOLDER / name for name in overrides)]
    command: list[str | Path] = [
        *(require_program("docker-compose"), "--project-directory", FOLDER),
        *(part for file in files for part in ("-f", file)),
        *("config", "--quiet"),
    ]
    return subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(("overrides", "environ"), COMBINATIONS)
def test_compose_accepts_the_stack(
    tmp_path: Path, overrides: tuple[str, ...], environ: dict[str, str]
) -> None:
    """The demo needs no variable, a real account two."""
    done = compose(tmp_path, overrides, environ)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("override", "environ", "missing"),
    [
        (override, {name: value for name, value in environ.items() if name != missing}, missing)
        for overrides, environ in COMBINATIONS
        for override in overrides
        for missing in environ
    ],
)
def test_compose_names_the_variable_that_is_missing(
    tmp_path: Path, override: str, environ: dict[str, str], missing: str
) -> None:
    """An exporter without an account or a token must not start and fail for ever."""
    done = compose(tmp_path, (override,), environ)
    assert done.returncode != 0
    assert missing in done.stderr


@pytest.mark.slow
def test_prometheus_accepts_its_part_of_the_stack(tmp_path: Path) -> None:
    """With the rules where the stack mounts them."""
    shutil.copy(FOLDER / "compose" / "prometheus.yml", tmp_path)
    shutil.copytree(FOLDER / "prometheus" / "rules", tmp_path / "rules")
    config = tmp_path / "prometheus.yml"
    command: list[str | Path] = [require_program("promtool"), "check", "config", config]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "rules found" in done.stdout


@pytest.mark.parametrize("name", STACK.services)
def test_every_service_may_do_next_to_nothing(name: str) -> None:
    """It cannot write but where it is told, nor gain rights."""
    service = STACK.services[name]
    assert service.read_only
    assert service.cap_drop == ["ALL"]
    assert service.security_opt == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", STACK.services)
def test_every_port_is_open_to_this_machine_alone(name: str) -> None:
    """Boards and series show who is a risk, and nothing here asks for a password."""
    ports = STACK.services[name].ports
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", STACK.services)
def test_every_image_is_of_a_version(name: str) -> None:
    """What ran yesterday runs tomorrow."""
    _, _, tag = STACK.services[name].image.partition(":")
    assert tag not in {"", "latest"}


def test_everything_mounted_is_there() -> None:
    """Docker would make an empty folder of what is missing."""
    mounts = [mount.split(":") for service in STACK.services.values() for mount in service.volumes]
    for source, _, *mode in mounts:
        if source.startswith("."):
            assert (FOLDER / source).exists(), source
            assert mode == ["ro"], source
        else:
            assert source in STACK.volumes


def test_rules_and_boards_find_what_they_go_by() -> None:
    """The alerts know the exporter by its job, the boards' rates the interval it is scraped at."""
    ours = read_scraping("compose/prometheus.yml")
    shipped = read_scraping("prometheus/prometheus.yml")
    assert ours.scrape_configs == shipped.scrape_configs
    path = FOLDER / "grafana" / "provisioning" / "datasources" / "prometheus.yaml"
    source = msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), Provisioned)
    assert source.datasources[0].options.time_interval == ours.defaults.scrape_interval
    assert source.datasources[0].url == "http://prometheus:9090"
