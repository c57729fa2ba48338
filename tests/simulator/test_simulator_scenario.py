from pathlib import Path

import pytest

from exporter.errors import ConfigurationError, ListenError
from exporter.simulator import Scenario, load_scenario, run_simulator
from tests.support.simulator import Talk, talk_to_simulator

WHOLE = """
seed: 42
speed: 10
unknown_token_status: 403
quota: {requests: 600, window: 5m, headers: true, burst: {requests: 50, window: 1s}}
tokens:
  - name: reader
    token: the-reader-token
    permissions: ["Zero Trust: PII Read", Zero Trust Read]
    accounts: [acme]
accounts:
  - name: acme
    account_id: 023e105f4ecef8ad9ca31a8372d0c353
    users: 3
    levels: {low: 0.5, medium: 0.3, high: 0.1}
    event_ids: behavior
    timestamps: plain
    page_size: 2
    result_first: false
    named_users:
      - user_id: 6f1d2c3b-0000-4000-8000-000000000001
        email: ada@example.com
        name: Ada
        events:
          - {behavior: imp_travel, at: "2026-01-31T12:00:00.123456789Z", id: first}
          - {behavior: ai_leak, level: critical, ago: 2h}
    behaviors:
      - {key: imp_travel, enabled: false, level: medium}
      - {key: ai_leak, name: AI Leak, level: critical, weight: 0.5}
    integrations:
      - {tenant_url: "https://acme.example.com", reference_id: okta}
    activity: {events_per_minute: 60, late_share: 0.2, late_by: 6h, absence: 10m}
faults:
  - {kind: throttle, operation: summary, account: acme, after: 1m, lasting: 30s, retry_after: 60}
  - {kind: latency, probability: 0.1, seconds: 2s, count: 5}
"""


def _load(folder: Path, text: str) -> Scenario:
    path = folder / "scenario.yaml"
    path.write_text(text, encoding="utf-8")
    return load_scenario(path)


def _problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        _load(folder, text)
    name = str(folder / "scenario.yaml")
    return [line.replace(name, "FILE") for line in str(caught.value).splitlines()]


async def test_a_whole_scenario_is_what_is_served(tmp_path: Path) -> None:
    """Every part of the file has its effect, fixed ids above all."""
    scenario = _load(tmp_path, WHOLE)
    async with talk_to_simulator(scenario) as talk:
        await talk.order("pause")
        status, content = await talk.get("/6f1d2c3b-0000-4000-8000-000000000001")
        assert talk.simulator.account_ids == {"acme": "023e105f4ecef8ad9ca31a8372d0c353"}
        assert talk.simulator.tokens == {"reader": "the-reader-token"}
        assert len(await talk.faults()) == 2

    assert status == 200
    assert isinstance(content, dict)
    assert list(content) == ["success", "errors", "messages", "result"]
    assert content["result"]["risk_level"] == "critical"
    oldest = content["result"]["events"][-1]
    assert (oldest["id"], oldest["timestamp"]) == ("first", "2026-01-31T12:00:00.123Z")


def test_an_empty_file_is_the_default_scenario(tmp_path: Path) -> None:
    """Every key has a default."""
    assert _load(tmp_path, "") == Scenario()


def test_every_misspelt_key_is_reported_with_the_nearest_one(tmp_path: Path) -> None:
    """A misspelt key must not be ignored."""
    text = "sed: 1\naccounts:\n  - {user: 5, activity: {event_per_minute: 1}}\n"

    assert _problems(tmp_path, text) == [
        "accounts[0].activity.event_per_minute in FILE, line 3: unknown; the nearest known name is events_per_minute",
        "accounts[0].user in FILE, line 3: unknown; the nearest known name is users",
        "sed in FILE, line 1: unknown; the nearest known name is seed",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("speed: 0", "speed in FILE, line 1: Input should be greater than 0"),
        ("quota: {window: soon}", "quota.window in FILE, line 1: not a duration such as 15s"),
        ("accounts: []", "at least one account and one token are needed"),
        ("tokens: []", "at least one account and one token are needed"),
        ("accounts: [{name: a}, {name: a}]", "two accounts are named 'a'"),
        ("tokens: [{accounts: [b]}]", "token 'full' names an unknown account: 'b'"),
        ("accounts: [{levels: {low: 0.9, high: 0.9}}]", "the shares add up to more than 1"),
        ("faults: [{kind: html, status: 404}]", "the status of an html fault is 5xx or 1015"),
        ("faults: [{kind: error, status: 302}]", "the status of an error fault is 200"),
        (
            "accounts: [{account_id: ABC}]",
            "accounts[0].account_id in FILE, line 1: String should match pattern",
        ),
        ("- a list", "FILE: must hold keys and values"),
    ],
)
def test_an_invalid_scenario_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    """Each error has its place."""
    assert problem in "\n".join(_problems(tmp_path, text))


def test_a_token_in_a_wrong_place_is_not_repeated(tmp_path: Path) -> None:
    """It may be a real one."""
    assert "hunter2" not in "\n".join(_problems(tmp_path, "tokens: [{permissions: hunter2}]"))


async def test_no_repr_shows_a_token(tmp_path: Path) -> None:
    """Failing tests and crashes print reprs."""
    scenario = _load(tmp_path, WHOLE)
    async with run_simulator(scenario) as simulator:
        tokens = list(simulator.world.tokens.values())

        assert "the-reader-token" not in f"{scenario!r} {simulator!r} {tokens!r}"


@pytest.mark.parametrize("text", ["{", "\0"])
def test_a_file_that_is_not_yaml_is_refused(tmp_path: Path, text: str) -> None:
    """The error has the name of the file."""
    assert _problems(tmp_path, text)[0].startswith("FILE: is not YAML")


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    """The error has the name of the file and the reason of the system."""
    with pytest.raises(ConfigurationError, match=r"nothing\.yaml: cannot be read: No such file"):
        load_scenario(tmp_path / "nothing.yaml")


@pytest.mark.parametrize(
    ("account", "problem"),
    [
        (
            {"named_users": [{"email": "a@example.com", "events": [{"behavior": "x"}]}]},
            "account 'demo' has no behavior 'x' at the start",
        ),
        (
            {
                "named_users": [
                    {"email": "a@example.com", "events": [{"behavior": "high_dlp", "at": "now"}]}
                ]
            },
            "not an RFC 3339 instant",
        ),
        (
            {"account_id": "0" * 32},
            "two accounts have the id",
        ),
        (
            {"integrations": [{"reference_id": "one"}, {"reference_id": "one"}]},
            "two integrations have one reference_id",
        ),
        (
            {
                "named_users": [
                    {"email": "a@example.com", "user_id": "6f1d2c3b-0000-4000-8000-000000000001"},
                    {"email": "b@example.com", "user_id": "6f1d2c3b-0000-4000-8000-000000000001"},
                ]
            },
            "two users have the id",
        ),
    ],
)
async def test_parts_that_do_not_fit_together_are_refused(
    account: dict[str, object], problem: str
) -> None:
    """Building the world finds them, and reports them in the same way."""
    accounts = [account, {"name": "other", "account_id": "0" * 32}]
    scenario = Scenario.model_validate({"accounts": accounts})

    with pytest.raises(ConfigurationError, match=problem):
        async with run_simulator(scenario):
            pass


async def test_two_tokens_of_one_value_are_refused() -> None:
    """A request could belong to either."""
    tokens = [{"name": "one", "token": "same"}, {"name": "two", "token": "same"}]

    with pytest.raises(ConfigurationError, match="two tokens have the same value"):
        async with run_simulator(Scenario.model_validate({"tokens": tokens})):
            pass


def test_flags_override_the_file(tmp_path: Path) -> None:
    """The command line applies to every account."""
    scenario = _load(tmp_path, WHOLE).with_overrides(users=7, seed=9, speed=2)

    assert (scenario.accounts[0].users, scenario.seed, scenario.speed) == (7, 9, 2)
    assert scenario.accounts[0].page_size == 2
    assert scenario.tokens[0].name == "reader"


def test_an_impossible_override_is_refused() -> None:
    """The error is the same as for a file."""
    with pytest.raises(ConfigurationError, match=r"accounts\[0\]\.users: Input should be greater"):
        Scenario().with_overrides(users=-1)


async def test_an_address_in_use_is_reported(talk: Talk) -> None:
    """A second simulator on the same port is a mistake the user can correct."""
    port = int(talk.simulator.url.rpartition(":")[2])

    with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{port}: "):
        async with run_simulator(Scenario(), port=port):
            pass


async def test_a_page_has_its_number_and_the_number_of_pages() -> None:
    """A client must notice if Cloudflare ever pages the summary."""
    account = {"users": 25, "levels": {"low": 1, "medium": 0, "high": 0}, "page_size": 10}
    scenario = Scenario.model_validate({"accounts": [account]})
    found: list[str] = []
    async with talk_to_simulator(scenario) as talk:
        await talk.order("pause")
        for page in (1, 2, 3):
            _, content = await talk.get(f"/summary?page={page}")
            assert isinstance(content, dict)
            found.extend(row["user_id"] for row in content["result"]["users"])
            info = content["result_info"]
            assert (info["page"], info["total_pages"], info["total_count"]) == (page, 3, 25)
            assert ((await talk.truth()).baseline is not None) == (page == 3)

    assert len(set(found)) == 25
