"""A real Chromium without a screen, and what it has to say about a page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from playwright.async_api import Browser, Page, async_playwright

from tests.support.programs import require_library, require_program

Scheme = Literal["dark", "light"]

# Nothing of a browser's own must look for the internet while a test runs.
_FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True, slots=True)
class Visit:
    """An open page, and everything its browser complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    async def text(self) -> str:
        """What is to be read on it, each run of white space as one space."""
        return " ".join((await self.page.inner_text("body")).split())

    async def style(self, selector: str, name: str) -> str:
        """One computed style of the first element that is meant."""
        script = "(element, name) => getComputedStyle(element).getPropertyValue(name)"
        return str(await self.page.eval_on_selector(selector, script, name))

    async def overflow(self) -> list[str]:
        """The elements that reach beyond the right edge of the window."""
        found: list[str] = await self.page.evaluate(
            "[...document.querySelectorAll('*')]"
            ".filter(one => one.getBoundingClientRect().right > document.documentElement.clientWidth)"
            ".map(one => `${one.tagName}: ${one.textContent.slice(0, 40)}`)"
        )
        return found


@asynccontextmanager
async def run_browser() -> AsyncIterator[Browser]:
    """Run Chromium with an empty profile of its own."""
    chromium = require_program("chromium")
    # The driver that comes with Playwright is a Node.js linked to it.
    require_library("libatomic.so.1")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=[*_FLAGS])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visit(
    browser: Browser, url: str, *, width: int = 1280, scheme: Scheme = "light", scripts: bool = True
) -> AsyncIterator[Visit]:
    """Open a page in a window of so many pixels, for a reader who prefers that colour scheme."""
    context = await browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, java_script_enabled=scripts
    )
    try:
        page = await context.new_page()
        seen = Visit(page)
        page.on("console", lambda message: seen.complaints.append(message.text))
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on("requestfailed", lambda request: seen.complaints.append(f"failed: {request.url}"))
        await page.goto(url)
        yield seen
    finally:
        await context.close()
