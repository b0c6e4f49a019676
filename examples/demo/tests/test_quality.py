"""What tools such as Lighthouse measure: accessibility, and what a page says about itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from demo_page import choose, expect, png, row

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.once]

#: How far the page moved while it loaded (Cumulative Layout Shift; up to 0.1 is good). No entry at all means not at all.
LAYOUT_SHIFT = """() => new Promise((resolve) => {
    const sum = (list) => list.getEntries().reduce((shift, entry) => shift + entry.value, 0);
    new PerformanceObserver((list) => resolve(sum(list))).observe({ type: 'layout-shift', buffered: true });
    requestAnimationFrame(() => requestAnimationFrame(() => resolve(0)));
})"""


@pytest.fixture(params=['light', 'dark'])
def colored(page: Page, request: pytest.FixtureRequest) -> Any:
    """The page in light and in dark colors, without animations, in the middle of which colors are others."""
    page.emulate_media(color_scheme=request.param, reduced_motion='reduce')
    yield page
    page.emulate_media(color_scheme='null', reduced_motion='null')


def test_every_state_of_the_page_is_accessible(colored: Page, axe: Any, files: Any) -> None:
    page = colored
    assert axe(page) == []
    files.write('notes.txt', '')
    files.write('gray.png', png(3, 2))
    page.reload()
    page.get_by_label('Select notes.txt').check()
    choose(page, ('one.exe', b''), ('two.exe', b''), ('notes.txt', b''), ('gray.png', png(3, 2)), ('three.txt', b''))
    expect(page.get_by_role('button', name='Keep all')).to_be_visible()
    expect(row(page, 'three.txt')).to_be_visible()
    page.locator('summary').click()
    assert axe(page) == []
    page.get_by_role('button', name='Delete notes.txt').click()
    assert axe(page) == []
    page.keyboard.press('Escape')
    page.get_by_role('button', name='View gray.png').click()
    assert axe(page) == []


@pytest.mark.parametrize('path', ['/gallery', '/delete/gray.png'])
def test_every_other_page_is_accessible(colored: Page, axe: Any, site: str, files: Any, path: str) -> None:
    files.write('gray.png', png(3, 2))
    colored.goto(site + path)
    assert axe(colored) == []


@pytest.mark.parametrize('path', ['/', '/gallery', '/delete/gray.png'])
def test_a_page_describes_itself_and_reserves_space_for_its_images(
    page: Page, site: str, files: Any, path: str
) -> None:
    """Without sizes, text moves while images load."""
    files.write('gray.png', png(3, 2))
    requested: list[str] = []
    page.on('request', lambda request: requested.append(request.url))
    page.goto(site + path)
    if path == '/':
        expect(row(page, 'gray.png')).to_be_visible()
    assert page.evaluate(LAYOUT_SHIFT) < 0.05
    assert page.title().endswith('Pigeonhole')
    assert page.locator('html').get_attribute('lang') == 'en'
    for name in ('description', 'viewport'):
        expect(page.locator(f'meta[name={name}]')).to_have_attribute('content', re.compile('.{20}'))
    images = page.locator('img').filter(visible=True)
    assert images.count() > 0
    assert images.evaluate_all('images => images.filter((image) => !image.width || !image.height)') == []
    assert images.and_(page.locator(':not([width][height])')).count() == 0
    assert [url for url in requested if not url.startswith((site, 'data:'))] == []
