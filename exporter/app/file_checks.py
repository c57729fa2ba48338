"""Checks the files that an exporter will use. Changes none of them."""

import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from exporter.app.probe import Finding, Verdict
from exporter.errors import ConfigurationError, StateError
from exporter.settings import OPTIONS, MemoryState, Settings
from exporter.store import examine
from exporter.web import read_web_config


def configuration_finding(flags: Mapping[str, str], environ: Mapping[str, str]) -> Finding:
    """Return a finding with the sources of settings that are valid."""
    file = flags.get("config") or environ.get("RISK_EXPORTER_CONFIG")
    variables = [option.variable for option in OPTIONS if environ.get(option.variable)]
    given = [option.flag or "" for option in OPTIONS if option.name in flags]
    origins = [
        *([f"file {file}"] if file else []),
        *([f"variables {', '.join(variables)}"] if variables else []),
        *([f"flags {', '.join(given)}"] if given else []),
    ]
    return Finding("configuration", Verdict.OK, f"from {'; '.join(origins)}")


def file_findings(settings: Settings) -> Iterator[Finding]:
    """Yield a finding on the state and, if one is set, on the web configuration."""
    if isinstance(settings.state, MemoryState):
        yield Finding("state", Verdict.NOTE, "memory: counters start at 0 with every start")
    else:
        yield _state_finding(Path(os.path.realpath(settings.state.path)))
    if settings.web_config_file is not None:
        yield _web_finding(settings.web_config_file)


def _state_finding(path: Path) -> Finding:
    holder = _holder(path)
    if holder is not None:
        message = f"{path}: in use by process {holder}, presumably a running exporter"
        return Finding("state", Verdict.NOTE, message)
    folder = next(one for one in path.parents if one.exists())
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        return Finding("state", Verdict.WRONG, f"{path}: this user may not write to {folder}")
    if not path.exists():
        return Finding(
            "state", Verdict.OK, f"{path}: does not exist yet; the first start creates it"
        )
    return _existing_state_finding(path)


def _existing_state_finding(path: Path) -> Finding:
    if not (path.is_file() and os.access(path, os.R_OK | os.W_OK)):
        return Finding("state", Verdict.WRONG, f"{path}: not a file this user may read and write")
    try:
        examine(path)
    except StateError as error:
        return Finding("state", Verdict.WRONG, str(error))
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        message = (
            f"{path}: accessible to other users (mode {mode:04o}); the next start makes it 0600"
        )
        return Finding("state", Verdict.NOTE, message)
    return Finding("state", Verdict.OK, f"{path}: readable and writable, not in use")


def _holder(path: Path) -> str | None:
    """Return the id of the process that holds the state, or None if none is found.

    This takes a shared lock on the lock file of `exporter.store`, which fails while an exporter
    holds it. Only an exporter that starts at the same moment is affected.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        handle = os.open(path.with_name(path.name + ".lock"), flags)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(handle, 20, 0).decode("ascii", "replace").strip() or "unknown"
    except OSError:
        return None
    finally:
        os.close(handle)
    return None


def _web_finding(path: Path) -> Finding:
    try:
        read_web_config(path)
    except ConfigurationError as error:
        return Finding("web config", Verdict.WRONG, str(error))
    return Finding("web config", Verdict.OK, f"{path}: valid")
