"""The documentation as its readers have it: built, and looked at in a browser.

The site is built once for all tests in this file, unless ``FS_TEST_SITE`` names the folder of one that was just built. What was
parsed for it is kept in ``docs/_build``, so only what changed since is parsed again.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest

if TYPE_CHECKING:
    from conftest import Unavailable
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.timeout(900)]

DOCS = Path(__file__).parents[1]
DOCTREES = DOCS / '_build' / 'doctrees-of-tests'
#: One page of each kind: what they consist of is the same on all others.
KINDS = [
    'index',
    'how-do-i',
    'how-to/direct-uploads',
    'how-to/pictures',
    'reference/api',
    'reference/backends/s3',
    'explanation/architecture',
    'genindex',
    'search',
]
#: What people type, and the page they want.
SEARCHES = {
    'presigned URL': 'how-to/sign-links',
    'signed url': 'how-to/sign-links',
    'expiring link': 'how-to/sign-links',
    'CDN': 'how-to/serve-behind-a-cdn',
    'cloudfront': 'how-to/serve-behind-a-cdn',
    'migrate': 'how-to/migrate-between-backends',
    'move to S3': 'how-to/migrate-between-backends',
    'Celery': 'how-to/background-jobs',
    'WTForms': 'how-to/forms',
    'thumbnail': 'how-to/pictures',
    'resize image': 'how-to/pictures',
    'MinIO': 'how-to/s3-compatible-stores',
    'Cloudflare R2': 'how-to/s3-compatible-stores',
    'amazon': 'reference/backends/s3',
    'Azure': 'reference/backends/azure',
    'append blob': 'explanation/limits',
    'async': 'explanation/limits',
    'validation': 'how-to/validate-uploads',
    'max size': 'how-to/validate-uploads',
    'conflict': 'how-to/handle-conflicts',
    'overwrite': 'how-to/handle-conflicts',
    'CLI': 'reference/cli',
    'nginx': 'how-to/serve-behind-a-web-server',
    'direct upload': 'how-to/direct-uploads',
    'progress bar': 'how-to/direct-uploads',
    'resumable': 'how-to/tus',
    'private files': 'how-to/private-files',
    'login required': 'how-to/private-files',
    'docker': 'how-to/docker-and-kubernetes',
    'environment variables': 'how-to/configure-from-the-environment',
    'SQLAlchemy': 'how-to/sqlalchemy',
    'mongoengine': 'how-to/documents',
    'transaction': 'how-to/units-of-work',
    'orphaned files': 'how-to/check-files-and-rows',
    'GDPR': 'how-to/delete-personal-data',
    'tenant': 'how-to/multi-tenant-prefixes',
    'REST API': 'how-to/rest-apis',
    'marshmallow': 'how-to/serialize-files',
    'pytest': 'how-to/test-your-app',
    'max_bytes': 'reference/configuration',
    'signed_url': 'reference/api',
    'FileExists': 'reference/errors',
}


@pytest.fixture(scope='module')
def site(tmp_path_factory: pytest.TempPathFactory, unavailable: Unavailable) -> Path:
    """The folder of the built site."""
    if built := os.environ.get('FS_TEST_SITE'):
        return Path(built)
    if not all(map(importlib.util.find_spec, ('furo', 'myst_parser', 'sphinx', 'sphinx_copybutton', 'sphinx_design'))):
        unavailable('Sphinx and what docs/conf.py names are not installed')
    parsed = DOCTREES / 'environment.pickle'
    # Sphinx sees by itself what else has changed.
    if parsed.exists() and any(f.stat().st_mtime > parsed.stat().st_mtime for f in (DOCS / '_ext').iterdir()):
        shutil.rmtree(DOCTREES)
    folder = tmp_path_factory.mktemp('site')
    command = [sys.executable, '-m', 'sphinx', '-W', '-n', '-q', '--keep-going', '-b', 'html', '-d', str(DOCTREES)]
    built = subprocess.run([*command, str(DOCS), str(folder)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


class Html(HTMLParser):
    """The anchors of one page, its links, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.meta: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or '' for name, value in attrs}
        self.anchors |= {given[name] for name in ('id', 'name') if name in given}
        if tag == 'meta':
            self.meta[given.get('name') or given.get('property', '')] = given.get('content', '')
        elif 'src' in given:
            self.loads.add(given['src'])
        elif tag == 'link' and given['rel'] in {'stylesheet', 'shortcut icon', 'prefetch', 'preload', 'preconnect'}:
            self.loads.add(given['href'])
        elif 'href' in given:
            self.links.add(given['href'])


@pytest.fixture(scope='module')
def parsed(site: Path) -> dict[str, Html]:
    """Every page, by its URL in the site."""
    return {f.relative_to(site).as_posix(): Html(f.read_text(encoding='utf-8')) for f in site.rglob('*.html')}


def pages(parsed: dict[str, Html]) -> list[str]:
    """Those that are written, without listings of source code."""
    return sorted(page for page in parsed if not page.startswith('_modules/'))


def test_every_link_and_anchor_is_there(site, parsed):
    broken = []
    for page, content in parsed.items():
        for link in content.links | content.loads:
            if urlsplit(link).scheme or link.startswith('//'):
                continue
            target, anchor = urldefrag(urljoin(page, link))
            target = unquote(target).partition('?')[0] or page
            if not (site / target).is_file():
                broken.append(f'{page}: {link}')
            elif anchor and target in parsed and unquote(anchor) not in parsed[target].anchors:
                # Furo's link to the top of a page.
                broken.append(f'{page}: {link}')
    assert broken == []


def test_no_page_loads_from_another_host(parsed):
    assert {load for content in parsed.values() for load in content.loads if urlsplit(load).netloc} == set()


def test_every_page_has_a_description(parsed):
    without = [page for page in pages(parsed) if not parsed[page].meta.get('description')]
    assert without == ['genindex.html', 'py-modindex.html', 'search.html']
    assert all(content.meta['og:title'] for content in parsed.values())


def test_descriptions_end_like_a_sentence(parsed):
    ends = {page: parsed[page].meta.get('description', '.')[-1] for page in pages(parsed)}
    assert {page: end for page, end in ends.items() if end not in '.?!…'} == {}


def test_every_guide_is_found_by_its_question(parsed):
    guides = {page for page in pages(parsed) if page.startswith('how-to/') and page != 'how-to/index.html'}
    assert guides - parsed['how-do-i.html'].links == set()


def test_no_version_is_offered_while_there_is_one(site):
    assert 'class="versions"' not in (site / 'index.html').read_text(encoding='utf-8')


def test_llms_txt_lists_every_page(site, parsed):
    listed = (site / 'llms.txt').read_text(encoding='utf-8')
    generated = {'genindex.html', 'index.html', 'py-modindex.html', 'search.html'}
    assert [page for page in pages(parsed) if f']({page})' not in listed and page not in generated] == []


def test_llms_full_txt_has_what_comes_from_the_code(site):
    full = (site / 'llms-full.txt').read_text(encoding='utf-8')
    assert [
        each for each in ('FS_MAX_BYTES', 'def may_upload(upload):', 'class flask_fs.Storage(') if each not in full
    ] == []
    assert 'invisible-code-block' not in full


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Without a line for each request."""


@pytest.fixture(scope='module')
def url(site: Path) -> Iterator[str]:
    """Where the built site is served."""
    with ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Quiet, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f'http://127.0.0.1:{server.server_port}/'
        server.shutdown()
        thread.join()


@pytest.fixture
def open_page(chromium: Browser, url: str) -> Iterator[Page]:
    """A page of a browser that may copy; it fails what requests another host."""
    context = chromium.new_context(base_url=url, permissions=['clipboard-read', 'clipboard-write'])
    context.set_default_timeout(60_000)
    requested: list[str] = []
    context.on('request', lambda request: requested.append(request.url))
    yield context.new_page()
    context.close()
    assert [each for each in requested if not each.startswith((url, 'data:'))] == []


@pytest.mark.browser
def test_no_page_scrolls_sideways_on_a_phone(open_page, parsed):
    open_page.set_viewport_size({'width': 360, 'height': 640})
    too_wide = {}
    for page in pages(parsed):
        open_page.goto(page, wait_until='domcontentloaded')
        width = open_page.evaluate('document.documentElement.scrollWidth')
        if width > 360:
            too_wide[page] = width
    assert too_wide == {}


@pytest.mark.browser
@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('name', KINDS)
def test_pages_are_accessible(open_page, axe, name, scheme):
    open_page.emulate_media(color_scheme=scheme)
    open_page.goto(f'{name}.html')
    assert axe(open_page) == []


@pytest.mark.browser
def test_the_landing_page_describes_itself_and_stays_still_while_it_loads(open_page):
    complaints = []
    open_page.on('console', lambda message: complaints.append(message.text))
    open_page.on('pageerror', lambda error: complaints.append(str(error)))
    open_page.goto('index.html')
    assert 'Flask-FS' in open_page.title()
    assert open_page.locator('html').get_attribute('lang') == 'en'
    assert open_page.locator('meta[name=viewport]').count() > 0
    without_size = open_page.locator('article img').evaluate_all(
        """images => images
            .filter(image => getComputedStyle(image).aspectRatio === 'auto')
            .map(image => image.outerHTML)"""
    )
    assert without_size == []
    assert complaints == []


@pytest.mark.browser
def test_the_copy_button_copies_commands_without_prompts(open_page):
    open_page.goto('how-to/install.html')
    block = open_page.locator('.highlight', has_text='$ pip install').first
    block.hover()
    block.locator('button.copybtn').click()
    open_page.wait_for_function('navigator.clipboard.readText()')
    assert open_page.evaluate('navigator.clipboard.readText()').strip().startswith('pip install')


@pytest.mark.browser
@pytest.mark.parametrize('name', ['explanation/architecture', 'how-to/direct-uploads'])
def test_the_text_of_diagrams_fits(open_page, name):
    open_page.goto(f'{name}.html')
    too_long = open_page.evaluate(
        """() => [...document.querySelectorAll('.diagram g, .diagram svg')].flatMap(box => {
            const frame = (box.querySelector(':scope > rect') ?? box).getBoundingClientRect()
            return [...box.querySelectorAll(':scope > text')]
                .filter(text => {
                    const inside = text.getBoundingClientRect()
                    return inside.left < frame.left || inside.right > frame.right || inside.bottom > frame.bottom
                })
                .map(text => text.textContent)
        })"""
    )
    assert open_page.locator('.diagram text').count() > 0
    assert too_long == []


@pytest.mark.browser
def test_the_chosen_backend_stays_chosen_on_the_next_page(open_page):
    open_page.goto('how-to/install.html')
    open_page.get_by_text('Swift', exact=True).and_(open_page.locator('.sd-tab-label')).click()
    open_page.goto('how-to/configure-from-the-environment.html')
    open_page.locator('.sd-tab-content', has_text='FLASK_FS_SWIFT_USER').wait_for()


def found_by(page: Page, query: str) -> list[str]:
    """The first three different pages that the search shows for *query*."""
    page.goto(f'search.html?q={query}')
    page.wait_for_function("/finished|did not match/.test(document.querySelector('.search-summary')?.innerText ?? '')")
    links = page.eval_on_selector_all('ul.search > li > a', 'links => links.map(link => new URL(link.href).pathname)')
    return list(dict.fromkeys(link.removeprefix('/').removesuffix('.html') for link in links))[:3]


@pytest.mark.browser
def test_search_finds_the_page_that_people_want(open_page):
    missed = {query: found for query, want in SEARCHES.items() if want not in (found := found_by(open_page, query))}
    assert missed == {}
