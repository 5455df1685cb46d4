"""The page in a headless chromium: nothing on its console, nothing asked of the network, readable, accessible.

Needs the extra `browser` and Debian's chromium. Set LCPP_SCREENSHOTS to a folder to keep the pictures.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.report import html
from tests.report import made
from tests.report.test_forms import hostile_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

WIDTHS = {"phone": 390, "desktop": 1280}
SCHEMES = ("light", "dark")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program is not None, "chromium is missing: apt-get install --no-install-recommends chromium"
    with sync_playwright() as playwright:
        # A root user, as in a container, has no sandbox of its own.
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("report")
    found = {}
    for name, report in (("real", made.report(folder / "runs", 200)), ("hostile", hostile_report(folder / "bad"))):
        found[name] = folder / f"{name}.html"
        found[name].write_text(html.render(report), encoding="utf-8")
    assert found["real"].stat().st_size <= 2_000_000
    return found


class _Opened:
    """A page with what it said and asked for."""

    def __init__(self, browser: Browser, path: Path, width: int, scheme: Any) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page: Page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(f"dialog {dialog.message}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.context.set_offline(True)
        self.page.goto(path.as_uri())

    def open_folds(self, n: int) -> None:
        self.page.evaluate("n => [...document.querySelectorAll('details')].slice(0, n).forEach(d => d.open = true)", n)


@pytest.mark.parametrize("name", ["real", "hostile"])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_quiet_fits_and_is_accessible(
    browser: Browser, pages: dict[str, Path], tmp_path: Path, name: str, width: str, scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    opened = _Opened(browser, pages[name], WIDTHS[width], scheme)
    page = opened.page
    folder = Path(os.environ.get("LCPP_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    height = min(5000, page.evaluate("document.body.scrollHeight"))
    options: dict[str, Any] = {"clip": {"x": 0, "y": 0, "width": WIDTHS[width], "height": height}}
    picture = page.screenshot(full_page=True, path=folder / f"{name}-{width}-{scheme}.png", **options)
    assert len(picture) > 10_000
    opened.open_folds(10)
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width], "the page scrolls sideways"
    found = Axe().run(page).response["violations"]
    grave = [
        f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert not grave
    assert opened.said == []
    assert opened.asked == [pages[name].as_uri()]
    opened.context.close()


def test_text_from_strangers_is_shown_and_makes_no_element(browser: Browser, pages: dict[str, Path]) -> None:
    opened = _Opened(browser, pages["hostile"], 1280, "light")
    opened.open_folds(1000)
    assert opened.page.evaluate("document.querySelectorAll('script, img, iframe, object, form, input').length") == 0
    assert "<script>alert(1)</script>" in opened.page.inner_text("main")
    assert "\u202e" not in opened.page.content()
    assert opened.said == []
    opened.context.close()


def test_a_link_opens_the_fold_that_it_leads_to(browser: Browser, pages: dict[str, Path]) -> None:
    opened = _Opened(browser, pages["real"], 1280, "light")
    link = opened.page.locator("a[href^='#run-']").first
    target = (link.get_attribute("href") or "")[1:]
    assert not opened.page.evaluate("id => document.getElementById(id).closest('details').open", target)
    link.click()
    opened.page.wait_for_function("id => document.getElementById(id).closest('details').open", arg=target)
    opened.context.close()


def test_the_page_changes_with_the_scheme(browser: Browser, pages: dict[str, Path]) -> None:
    seen = set()
    for scheme in SCHEMES:
        opened = _Opened(browser, pages["real"], 1280, scheme)
        paint = "getComputedStyle(document.querySelector('svg .f-s0, svg .s-s0')).stroke"
        seen.add((opened.page.evaluate("getComputedStyle(document.body).backgroundColor"), opened.page.evaluate(paint)))
        opened.context.close()
    assert len({background for background, _ in seen}) == 2
    assert len({paint for _, paint in seen}) == 2
