"""Nothing that a stranger uploads runs in the browser of someone who looks at it.

Each file tries many ways to run, and reports each that worked. The same files from a route that sets none of Flask-FS's
headers do report: that proves that silence means something.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from flask import Flask, Response, request
from flask.testing import FlaskClient

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser


def report(name: str, how: str, after: str = '') -> str:
    """A script that tells the server that it ran. It has none of the characters that end attributes or begin tags."""
    return f"fetch('/ran?what={name}+{how}', {{keepalive: true}}); {after}"


def whole_script(name: str) -> str:
    """A script that does whatever a stranger may want."""
    tell = f"for (const other of [opener, parent]) if (other !== self) other?.postMessage('{name} message', '*');"
    title = "document.title = 'ran';"
    store = f"try {{ localStorage.ran = 'yes'; {report(name, 'storage')} }} catch {{}}"
    return report(name, 'script', f"{title} {tell} {store} alert('{name} alert');")


SVG = f"""<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
    viewBox="0 0 400 400" onload="{report('svg', 'onload')}">
  <style>@import '/ran?what=svg+style';</style>
  <script>{whole_script('svg')}</script>
  <script href="/ran?what=svg+outside"/>
  <circle r="4"><animate attributeName="r" dur="1s" to="9" onbegin="{report('svg', 'animation')}"/></circle>
  <image href="/ran?what=svg+picture" width="9" height="9"/>
  <foreignObject width="9" height="9">
    <body xmlns="http://www.w3.org/1999/xhtml">
      <img src="data:," onerror="{report('svg', 'foreign')}"/>
      <iframe srcdoc="&lt;script>{report('svg', 'frame')}&lt;/script>"/>
    </body>
  </foreignObject>
  <a href="javascript:{report('svg', 'click')}void 0"><rect width="400" height="400" fill-opacity="0"/></a>
</svg>"""

# Its elements work in HTML and in XHTML.
ELEMENTS = """
  <style>@import '/ran?what={name}+style';</style>
  <link rel="stylesheet" href="/ran?what={name}+link"/>
  <script>{script}</script>
  <script src="/ran?what={name}+outside"></script>
  <img src="/ran?what={name}+picture"/>
  <img src="data:," onerror="{onerror}"/>
  <svg xmlns="http://www.w3.org/2000/svg" onload="{onload}"></svg>
  <iframe srcdoc="&lt;script>{frame}&lt;/script>"></iframe>
  <iframe src="javascript:{address}"></iframe>
  <form id="form" action="/ran"><input name="what" value="{name} form" autofocus="" onfocus="{focus}"/></form>
  <a href="javascript:{click}void 0" style="position: fixed; inset: 0">Come in</a>
"""


def elements(name: str) -> str:
    hows = {how: report(name, how) for how in ('onerror', 'onload', 'frame', 'address', 'focus', 'click')}
    return ELEMENTS.format(name=name, script=whole_script(name), **hows)


STRANGERS = {
    'picture.svg': SVG,
    'page.html': f'<!doctype html><title>Harmless</title><body>{elements("html")}</body>',
    'data.xml': f'<html xmlns="http://www.w3.org/1999/xhtml"><body>{elements("xml")}</body></html>',
    'away.html': '<!doctype html><meta http-equiv="refresh" content="0; url=/ran?what=away+refresh">',
    # These are shown as pages only if the browser guesses their type.
    'photo.png': f'<!doctype html><body>{elements("png")}</body>',
    'notes.txt': f'<!doctype html><body>{elements("txt")}</body>',
}
GUESSED = ('photo.png', 'notes.txt')

Way = Callable[['BrowserContext', str, list[str]], 'list[Page]']


@pytest.fixture
def config(config: dict[str, Any]) -> dict[str, Any]:
    return {**config, 'FILES_FS_ALLOW': ['html']}


@pytest.fixture
def ran(app: Flask) -> list[str]:
    """What ran so far."""
    ran: list[str] = []

    @app.get('/ran')
    def note() -> str:
        ran.append(request.args['what'])
        return ''

    @app.get('/unprotected/<filename>')
    def unprotected(filename: str) -> Response:
        response = Response(STRANGERS[filename])
        types = {'svg': 'image/svg+xml', 'html': 'text/html', 'xml': 'application/xml'}
        if filename in GUESSED:
            del response.headers['Content-Type']
        else:
            response.content_type = types[filename.rpartition('.')[2]]
        return response

    @app.get('/host')
    def host() -> str:
        """A page of the same site, as any application may have, that shows files or opens them."""
        element, attribute = request.args['element'], request.args['attribute']
        shown = [
            f'<{element} {attribute}="{url}" width="300" height="300"></{element}>'
            for url in request.args.getlist('url')
        ]
        listen = "addEventListener('message', (event) => fetch('/ran?what=' + encodeURIComponent(event.data)))"
        return f'<!doctype html><title>Host</title><script>{listen}</script>{"".join(shown)}'

    return ran


@pytest.fixture
def urls(client: FlaskClient, files: Any, ran: list[str]) -> dict[str, str]:
    """The address of each stranger's file."""
    for name, content in STRANGERS.items():
        data = {'file': (io.BytesIO(content.encode()), name)}
        refused = client.post('/files', data=data, headers={'X-Pigeonhole': '1'}).status_code == 422
        assert (name == 'photo.png') == refused
        if refused:
            # What no picture is could still be there from before pictures were looked at.
            files.write(name, content)
    return {file['name']: file['url'] for file in client.get('/files').get_json()}


@pytest.fixture
def context(chromium: Browser, ran: list[str]) -> Iterator[BrowserContext]:
    context = chromium.new_context(viewport={'width': 800, 'height': 600})

    def watch(page: Page) -> None:
        def note(dialog: Any) -> None:
            ran.append(dialog.message)
            dialog.dismiss()

        page.on('dialog', note)

    context.on('page', watch)
    yield context
    context.close()


def in_a_tab(context: BrowserContext, site: str, urls: list[str]) -> list[Page]:
    pages = []
    for url in urls:
        pages.append(page := context.new_page())
        page.goto(site + url)
    return settled(pages)


def in_a_tab_that_is_clicked_and_reloaded(context: BrowserContext, site: str, urls: list[str]) -> list[Page]:
    pages = in_a_tab(context, site, urls)
    for page in pages:
        page.mouse.click(250, 250)
    # What the clicks began has the time that a page takes to load.
    in_a_tab(context, site, ['/host?element=&attribute='])
    for page in pages:
        page.reload()
    return settled(pages)


def in_a_window_opened_by_a_page(context: BrowserContext, site: str, urls: list[str]) -> list[Page]:
    (host,) = in_a_tab(context, site, ['/host?element=&attribute='])
    pages = []
    for url in urls:
        with host.expect_popup() as opened:
            host.evaluate('(url) => void open(url)', url)
        pages.append(opened.value)
    return settled([*pages, host])


def within(element: str, attribute: str) -> Way:
    def in_an_element(context: BrowserContext, site: str, urls: list[str]) -> list[Page]:
        query = urlencode({'element': element, 'attribute': attribute, 'url': urls}, doseq=True)
        return in_a_tab(context, site, [f'/host?{query}'])

    return in_an_element


def settled(pages: list[Page]) -> list[Page]:
    """*pages*, once none has asked the network for anything for half a second."""
    for page in pages:
        page.wait_for_load_state('networkidle')
    return pages


WAYS: dict[str, Way] = {
    'clicked': in_a_tab_that_is_clicked_and_reloaded,
    'opened': in_a_window_opened_by_a_page,
    'iframe': within('iframe', 'src'),
    'object': within('object', 'data'),
    'embed': within('embed', 'src'),
}


@pytest.mark.parametrize('way', WAYS)
def test_a_file_by_its_address_runs_nothing(
    context: BrowserContext, site: str, urls: dict[str, str], ran: list[str], way: str
) -> None:
    pages = WAYS[way](context, site, list(urls.values()))
    titles = [page.title() for page in pages]
    assert ran == []
    assert 'ran' not in titles


@pytest.mark.parametrize('way', ['clicked', 'iframe'])
def test_a_file_by_a_expiring_link_runs_nothing(
    context: BrowserContext, client: FlaskClient, site: str, urls: dict[str, str], ran: list[str], way: str
) -> None:
    links = [client.get(f'/expiring-links/{name}', base_url=site).get_json()['url'] for name in urls]
    pages = WAYS[way](context, site, [link.removeprefix(site) for link in links])
    titles = [page.title() for page in pages]
    assert ran == []
    assert 'ran' not in titles


def test_a_file_opened_from_the_list_runs_nothing(
    context: BrowserContext, site: str, urls: dict[str, str], ran: list[str]
) -> None:
    (page,) = in_a_tab(context, site, ['/'])
    for name, url in urls.items():
        with page.expect_popup() as opened:
            page.get_by_role('link', name=name, exact=True).click()
        settled([opened.value])
        assert opened.value.url.startswith(site + url)
        assert opened.value.title() != 'ran'
    assert page.title() == 'Pigeonhole'
    assert ran == []


@pytest.mark.parametrize('way', WAYS)
def test_without_the_headers_everything_runs(context: BrowserContext, site: str, ran: list[str], way: str) -> None:
    """The control: were the tests above unable to fail, this one would."""
    certain = {'frame', 'onload', 'outside', 'picture', 'script', 'storage', 'style'}
    # The tab that opens a window is told of its first alert too early; of several frames one gets the focus.
    certain |= {'clicked': {'alert', 'click'}, 'opened': {'message'}}.get(way, {'alert', 'message'})
    page = certain | {'address', 'link', 'onerror'} | ({'focus'} if way == 'clicked' else set())
    expected = {'svg': certain | {'animation', 'foreign'}, 'html': page, 'xml': page, 'txt': page, 'away': {'refresh'}}
    # An <embed> goes by the ending of the name where no type is given.
    expected |= {} if way == 'embed' else {'png': page}

    WAYS[way](context, site, [f'/unprotected/{filename}' for filename in STRANGERS])

    silent = {f'{name} {how}' for name, hows in expected.items() for how in hows}.difference(ran)
    assert set() == silent
