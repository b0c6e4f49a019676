"""The page that builds an album, done as it says: on the disk, in its own tests, and then in S3 under gunicorn.

The programs that keep running are started as the page does, but for their ports; meanwhile the album is used over HTTP, and
at the end in a browser.
"""

from __future__ import annotations

import http.cookiejar
import io
import os
import re
import secrets
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from pages import DOCS, Project
from PIL import Image
from werkzeug.datastructures import FileStorage
from werkzeug.test import stream_encode_multipart

from flask_fs_testing.servers import SeaweedServer
from flask_fs_testing.servers.base import free_ports, http_status

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage

PAGE = DOCS / 'tutorial' / 'photo-app.md'
DEVELOP, DESK_S3, MOVE, SERVE = (
    'flask --app app run --debug',
    'python local_s3.py',
    'python move.py',
    'gunicorn --workers 2 app:app',
)
pytestmark = pytest.mark.slow


class Visitor:
    """Somebody who uses the album at *address*, with cookies and without a browser."""

    def __init__(self, address: str) -> None:
        self.address = address
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)

    def get(self, url: str = '', data: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
        """The answer at the end of all redirects, with its ``body``."""
        request = urllib.request.Request(urljoin(self.address, url), data, headers or {})
        with self._opener.open(request, timeout=30) as answer:
            answer.body = answer.read()
        return answer

    def upload(self, **files: bytes) -> list[str]:
        """What the page says after an upload; the extension is behind the last underscore of a name."""
        uploads = [FileStorage(io.BytesIO(content), '.'.join(name.rsplit('_', 1))) for name, content in files.items()]
        stream, length, boundary = stream_encode_multipart({'photo': uploads})
        content_type = f'multipart/form-data; boundary={boundary}'
        with stream:
            page = self.get(data=stream.read(length), headers={'Content-Type': content_type}).body.decode()
        return re.findall(r'role="alert">(.*)</p>', page)

    def shown(self) -> dict[str, tuple[str, str]]:
        """The addresses of photo and thumbnail that the page shows, by the names of the photos."""
        found = re.findall(r'<a href="(.+?)"><img src="(.+?)" alt="(.+?)">', self.get().body.decode())
        return {name: (photo, thumbnail) for photo, thumbnail, name in found}


class Album:
    """What somebody has who followed the page: the album on the disk, while it was there, and in S3."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.project = Project(folder)
        self.page = PAGE.read_text(encoding='utf-8')
        self.lake, self.meadow = picture('JPEG'), picture('PNG')
        self.messages: list[str] = []
        self.stack = stack

    def follow(self) -> None:
        instead: dict[str, Callable[[], None]] = {DEVELOP: self.develop, DESK_S3: self.run_s3, SERVE: self.serve}
        done = self.project.follow(self.page, instead)
        assert [line for line in done if line in {*instead, 'pytest', MOVE}] == [
            DEVELOP,
            'pytest',
            DESK_S3,
            MOVE,
            SERVE,
        ]

    def develop(self) -> None:
        [port] = free_ports(1)
        with self.project.running(DEVELOP, ready=lambda: http_status(port, '/') == 200, FLASK_RUN_PORT=str(port)):
            visitor = Visitor(f'http://127.0.0.1:{port}')
            assert visitor.upload(lake_jpg=self.lake) == []
            self.messages += visitor.upload(letter_jpg=b'Dear album', meadow_png=self.meadow)
            self.application_on_disk = (self.project.folder / 'app.py').read_bytes()
            self.messages += visitor.upload(app_py=self.application_on_disk)
            self.messages += visitor.upload(lake_jpg=self.lake)
            assert list(visitor.shown()) == ['lake.jpg', 'meadow.png']
            assert_shows(visitor, 'lake.jpg', self.lake)
            for name in ('photos', 'thumbnails'):
                found = sorted(path.name for path in (self.project.folder / 'instance' / 'fs' / name).iterdir())
                assert found == ['lake.jpg', 'meadow.png']

    def run_s3(self) -> None:
        note = self.project.folder / 's3.env'

        def written() -> bool:
            return note.exists() and 'AWS_SECRET_ACCESS_KEY=' in note.read_text(encoding='utf-8')

        self.stack.enter_context(self.project.running(DESK_S3, ready=written, stop='\n'))

    def serve(self) -> None:
        # The page says that nothing of the album is on the disk any more.
        instance = self.project.folder / 'instance'
        instance.rename(instance.with_name('elsewhere'))
        [port] = free_ports(1)
        address = f'127.0.0.1:{port}'
        running = self.project.running(
            SERVE, ready=lambda: http_status(port, '/') == 200, GUNICORN_CMD_ARGS=f'--bind {address}'
        )
        self.stack.enter_context(running)
        self.address = f'http://{address}'


def picture(kind: str) -> bytes:
    """A picture that nobody had before, as a file of that kind."""
    file = io.BytesIO()
    Image.frombytes('RGB', (30, 20), secrets.token_bytes(30 * 20 * 3)).resize((900, 600)).save(file, kind)
    return file.getvalue()


def assert_shows(visitor: Visitor, name: str, content: bytes) -> list[str]:
    """The page shows this photo by its thumbnail; gives the addresses at which both were found in the end."""
    photo, thumbnail = map(visitor.get, visitor.shown()[name])
    assert photo.body == content
    assert photo.headers['Content-Type'] == f'image/{"jpeg" if name.endswith("jpg") else "png"}'
    with Image.open(io.BytesIO(thumbnail.body)) as square:
        assert square.size == (400, 400)
    return [photo.url, thumbnail.url]


@pytest.fixture(scope='module')
def album(tmp_path_factory: pytest.TempPathFactory, unavailable: Callable[[str], None]) -> Iterator[Album]:
    if os.name == 'nt':
        pytest.skip('The page is for systems on which gunicorn runs.')
    if lack := SeaweedServer.missing():
        unavailable(lack)
    with ExitStack() as stack:
        album = Album(tmp_path_factory.mktemp('page'), stack)
        album.follow()
        yield album


def test_the_page_quotes_what_the_album_says(album: Album) -> None:
    assert re.findall(r'^> (.*)$', album.page, re.MULTILINE) == album.messages


def test_photos_from_the_disk_are_shown_from_a_private_bucket(album: Album) -> None:
    visitor = Visitor(album.address)
    for name, content in (('lake.jpg', album.lake), ('meadow.png', album.meadow)):
        for url in assert_shows(visitor, name, content):
            assert urlsplit(url).netloc != urlsplit(album.address).netloc
            [expires_s] = parse_qs(urlsplit(url).query)['X-Amz-Expires']
            assert 300 <= int(expires_s) <= 375
            with pytest.raises(urllib.error.HTTPError) as refused:
                visitor.get(url.partition('?')[0])
            with refused.value as answer:
                assert answer.status == 403
                assert b'AccessDenied' in answer.read()


def test_gunicorn_takes_shows_refuses_and_deletes_photos(album: Album) -> None:
    visitor, hill = Visitor(album.address), picture('JPEG')
    assert visitor.upload(hill_jpg=hill) == []
    assert_shows(visitor, 'hill.jpg', hill)
    assert visitor.upload(hill_jpg=hill) == ['hill.jpg was not uploaded: a photo with this name already exists.']
    visitor.get('/delete/hill.jpg', data=b'')
    assert 'hill.jpg' not in visitor.shown()


def test_from_the_disk_to_s3_no_line_of_the_application_changes(album: Album) -> None:
    assert (album.project.folder / 'app.py').read_bytes() == album.application_on_disk


@pytest.mark.browser
@pytest.mark.parametrize('width', [1280, 390])
def test_a_browser_uploads_sees_and_deletes_a_photo(
    album: Album, chromium: Browser, tmp_path: Path, width: int
) -> None:
    photo = tmp_path / f'wood-{width}.jpg'
    photo.write_bytes(picture('JPEG'))
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # Where a picture is all there is, the browser asks its server for an icon, which no private bucket gives.
        if message.type == 'error' and not message.location['url'].endswith('/favicon.ico'):
            complaints.append(f'{message.text} {message.location}')

    with chromium.new_context(viewport={'width': width, 'height': 800}) as context:
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on('pageerror', lambda error: complaints.append(str(error)))
        page.on('console', note)
        page.goto(album.address)
        page.get_by_label('Photos').set_input_files(photo)
        page.get_by_role('button', name='Upload').click()
        thumbnail = page.get_by_alt_text(photo.name)
        thumbnail.wait_for()
        assert thumbnail.evaluate('picture => picture.decode().then(() => picture.naturalWidth)') == 400
        assert page.evaluate('document.documentElement.scrollWidth') <= width

        thumbnail.click()
        page.wait_for_url('**/photos/wood-*X-Amz-Signature=*')
        whole = page.locator('img')
        assert whole.evaluate('picture => picture.decode().then(() => picture.naturalWidth)') == 900

        page.go_back()
        page.get_by_role('button', name=f'Delete {photo.name}').click()
        thumbnail.wait_for(state='detached')
    assert complaints == []
