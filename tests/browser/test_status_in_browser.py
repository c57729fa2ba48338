"""The status page of a running exporter, as Chromium shows it."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from exporter.web.pages import REFRESH_SECONDS
from tests.support.browser import Scheme, Visit, run_browser, visit
from tests.support.processes import until
from tests.support.road import Exporter, first_answer, run_demo, run_serve, run_simulation

pytestmark = pytest.mark.slow

TROUBLED = """
accounts:
  - {name: acme, users: 100}
  - {name: a-name-of-one-long-word-that-does-not-fit-on-any-telephone-held-upright, users: 50}
  - {name: initech, users: 50}
tokens:
  - name: narrow
    accounts: [acme, a-name-of-one-long-word-that-does-not-fit-on-any-telephone-held-upright]
faults:
  - {kind: html, operation: behaviors, account: acme}
"""
"""Three accounts: one fails partly, one has no problems, and the token has no access to one."""


@asynccontextmanager
async def look_at(
    exporter: Exporter,
    awaited: str,
    *,
    width: int = 1280,
    scheme: Scheme = "light",
    scripts: bool = True,
) -> AsyncIterator[Visit]:
    """Open the page as soon as it contains the text `awaited`."""

    async def read() -> str:
        return (await exporter.get("/")).text

    await first_answer(exporter, "/")
    async with run_browser() as browser:
        await until(read, lambda page: awaited in page)
        async with visit(
            browser, f"{exporter.url}/", width=width, scheme=scheme, scripts=scripts
        ) as seen:
            yield seen


@asynccontextmanager
async def run_troubled(folder: Path) -> AsyncIterator[Exporter]:
    """Run a demo of the three accounts."""
    path = folder / "scenario.yaml"
    path.write_text(TROUBLED, encoding="utf-8")
    async with run_demo("--scenario", str(path), "--poll-interval", "1s") as demo:
        yield demo


async def test_the_browser_console_stays_empty() -> None:
    """The console reports everything that the page's content security policy blocks."""
    async with run_demo() as demo, look_at(demo, "1 up to date") as seen:
        await seen.page.wait_for_load_state("networkidle")
        margin = await seen.style("body", "margin-top")
    assert seen.complaints == []
    assert margin == "0px", "the style is applied"


async def test_the_page_needs_no_scripts() -> None:
    """Its policy allows none."""
    async with run_demo() as demo, look_at(demo, "1 up to date", scripts=False) as seen:
        text = await seen.text()
    assert "1 account: 1 up to date." in text
    assert re.search(r"summary \d s ago permitted", text)


@pytest.mark.parametrize("width", [320, 360, 1280])
async def test_the_page_fits_into_narrow_windows(tmp_path: Path, width: int) -> None:
    """People on call use phones; WCAG 2.2 requires 320 pixels (1.4.10)."""
    async with run_troubled(tmp_path) as demo, look_at(demo, "server_error", width=width) as seen:
        assert await seen.overflow() == []


async def test_the_page_refreshes_itself() -> None:
    """It may stay open for hours beside the dashboards."""
    async with run_demo() as demo, look_at(demo, "1 up to date") as seen:
        before = await seen.page.get_attribute("time", "datetime")
        await seen.page.wait_for_function(
            "before => document.querySelector('time')?.dateTime > before",
            arg=before,
            timeout=(REFRESH_SECONDS + 120) * 1000,
        )
    assert seen.complaints == []


async def test_the_page_follows_the_preferred_colour_scheme(tmp_path: Path) -> None:
    """Page, panels and text all change their colours."""
    grounds = {}
    async with run_demo() as demo:
        for scheme in ("light", "dark"):
            async with look_at(demo, "1 up to date", scheme=scheme) as seen:
                grounds[scheme] = [
                    await seen.style("html", "background-color"),
                    await seen.style("section", "background-color"),
                    await seen.style("body", "color"),
                ]
    light, dark = grounds["light"], grounds["dark"]
    assert light[0] == "rgb(255, 255, 255)"
    assert all(one != other for one, other in zip(light, dark, strict=True))


async def test_regions_and_tables_have_accessible_names(tmp_path: Path) -> None:
    """Accounts are named regions, and tables are named by their captions."""
    async with run_troubled(tmp_path) as demo, look_at(demo, "server_error") as seen:
        region = seen.page.get_by_role("region", name="acme")
        resources = region.get_by_role("table", name="Resources")
        row = resources.get_by_role("row").filter(
            has=seen.page.get_by_role("rowheader", name="behaviors")
        )
        assert "server_error" in await row.inner_text()
        await seen.page.get_by_role("link", name="initech").click()
        assert seen.page.url.endswith("#account-3")


async def test_the_page_shows_no_identities_and_no_token(tmp_path: Path) -> None:
    """The page may be open to people who must not know who is at risk."""
    async with run_demo("--poll-interval", "1s") as demo, look_at(demo, "1 up to date") as seen:
        page = await seen.page.content()
        users = (await demo.cloudflare.truth()).users
    assert users
    secrets = [demo.cloudflare.environ["CLOUDFLARE_API_TOKEN"]]
    for user in users:
        secrets += [user.user_id, user.email, user.email.partition("@")[0]]
    assert [secret for secret in secrets if secret in page] == []


async def test_the_page_shows_the_permission_that_a_token_lacks(tmp_path: Path) -> None:
    """The summary is forbidden, and resources that the token may read are not."""
    path = tmp_path / "scenario.yaml"
    path.write_text("tokens: [{name: narrow, permissions: [Zero Trust Read]}]", encoding="utf-8")
    async with (
        run_simulation("--scenario", str(path), "--users", "20") as (_, cloudflare),
        run_serve(cloudflare, tmp_path) as exporter,
        look_at(exporter, "permitted") as seen,
    ):
        text = await seen.text()
    assert "forbidden; needs Zero Trust: PII Read" in text
    assert "Users by level not available" in text
    assert "HTTP 403: code 10000 authentication error" in text


async def test_data_are_out_of_date_when_the_api_is_unreachable(tmp_path: Path) -> None:
    """The last numbers stay, marked as out of date."""
    every_second = {"RISK_EXPORTER_POLL_INTERVAL": "1s"}
    async with run_simulation("--users", "100") as (simulation, cloudflare):
        await cloudflare.order("pause")
        async with run_serve(cloudflare, tmp_path, **every_second) as exporter:
            async with look_at(exporter, "1 up to date") as seen:
                before = await seen.text()
            await simulation.stop()
            async with look_at(exporter, "1 out of date") as seen:
                after = await seen.text()
    levels = before.partition("Users by level")[2].partition("API quota")[0]
    assert "high" in levels
    assert f"Users by level{levels}API quota" in after
    assert "The metrics show the last successful summary poll" in after
    assert "summary: network" in after
