import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "deploy" / "docker" / "Dockerfile"
REGISTRY_HOST = re.compile(r"[a-z0-9-]+\.(?:io|com|org|dev|net)\b", re.IGNORECASE)


def pins(lock: str) -> set[str]:
    """Every requirement of a lock file with its hashes, without comments and markers."""
    lines = [line for line in lock.splitlines() if not line.strip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return {" ".join(re.sub(r" ; .*?(?= --hash)", "", line).split()) for line in joined.split("\n")}


@pytest.mark.slow
def test_hadolint_finds_nothing_in_the_recipe() -> None:
    """It knows what goes wrong in images, and reads the shell lines with shellcheck."""
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, "--no-color", RECIPE], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_wheel_is_built_with_what_developers_build_it_with() -> None:
    """A lock of its own keeps test tools out of the build, and must not drift from theirs."""
    build = pins((ROOT / "deploy" / "docker" / "build.lock").read_text())
    development = pins((ROOT / "requirements-dev.lock").read_text())
    assert build
    assert build <= development


def test_the_recipe_names_no_registry() -> None:
    """Where images and packages come from is for whoever builds to say."""
    code = [line for line in RECIPE.read_text().splitlines() if not line.startswith("#")]
    assert not REGISTRY_HOST.findall("\n".join(code).replace("org.opencontainers", ""))


def test_only_what_is_named_enters_the_build() -> None:
    """A token, a state file or a .env that lies in the checkout must not become part of an image."""
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert rules[0] == "*"
    admitted = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    assert all((ROOT / path).exists() for path in admitted)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", RECIPE.read_text(), re.MULTILINE)
    sources = {source for line in copied for source in line.split()}
    assert all(any(source.startswith(path) for path in admitted) for source in sources)
