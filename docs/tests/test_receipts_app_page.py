"""The page that builds a drawer for receipts, done as it says: in a browser's place, in its own tests, and with the plug pulled."""

from __future__ import annotations

import io
import os
import re
import secrets
import subprocess
import urllib.request
from pathlib import Path

import pytest
from pages import DOCS, Command, Project, agree, steps
from PIL import Image
from werkzeug.datastructures import FileStorage
from werkzeug.test import stream_encode_multipart

from flask_fs_testing.servers.base import free_ports, http_status

PAGE = DOCS / 'tutorial' / 'receipts-app.md'
DEVELOP = 'flask --app app run --debug'
CHECK = 'flask --app app fs fsck --older-than 0s'
pytestmark = [pytest.mark.slow, pytest.mark.once]


def photo() -> bytes:
    """A picture that nobody had before, larger than what is shown of it."""
    file = io.BytesIO()
    Image.frombytes('RGB', (30, 20), secrets.token_bytes(30 * 20 * 3)).resize((1500, 1000)).save(file, 'JPEG')
    return file.getvalue()


class Visitor:
    """Somebody who uses the drawer at *address*, with cookies and without a browser."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor()
        )

    def get(self, path: str = '/', data: bytes | None = None, **headers: str) -> bytes:
        request = urllib.request.Request(self.address + path, data, headers)
        with self._opener.open(request, timeout=30) as response:
            content: bytes = response.read()
        return content

    def add(self, number: str, content: bytes, filename: str = 'photo.jpg') -> list[str]:
        """What the page says after a receipt was sent."""
        data = {'number': number, 'photo': FileStorage(io.BytesIO(content), filename)}
        stream, length, boundary = stream_encode_multipart(data)
        with stream:
            headers = {'Content-Type': f'multipart/form-data; boundary={boundary}'}
            page = self.get('/', stream.read(length), **headers).decode()
        return re.findall(r'role="alert">(.*)</p>', page)


@pytest.mark.skipif(os.name == 'nt', reason='The page is for the shells of other systems.')
def test_rows_and_photos_fit_together_whatever_the_reader_does(tmp_path: Path) -> None:
    project = Project(tmp_path)
    page = PAGE.read_text(encoding='utf-8')
    messages = []

    def develop() -> None:
        [port] = free_ports(1)
        with project.running(DEVELOP, ready=lambda: http_status(port, '/') == 200, FLASK_RUN_PORT=str(port)):
            visitor = Visitor(f'http://127.0.0.1:{port}')
            folder = project.folder / 'instance' / 'fs' / 'photos'
            content = photo()
            assert visitor.add('A-1', content) == []
            stored = sorted(folder.iterdir())
            assert len(stored) == 3
            assert content in [path.read_bytes() for path in stored]
            [link] = re.findall(r'<img src="(.+?)" alt="Receipt A-1">', visitor.get().decode())
            assert Image.open(io.BytesIO(visitor.get(link))).size == (200, 200)
            messages.extend(visitor.add('A-1', photo()))
            assert visitor.add('A-2', b'Dear drawer', 'letter.jpg') != []
            assert sorted(folder.iterdir()) == stored
            visitor.get('/delete/1', b'')
            assert sorted(folder.iterdir()) == []

    checks = []

    def check() -> None:
        # Its exit code says whether it has found something.
        checks.append(
            subprocess.run(
                CHECK,
                shell=True,
                cwd=project.folder,
                env=project.variables,
                capture_output=True,
                text=True,
                check=False,
            )
        )

    done = project.follow(page, {DEVELOP: develop, CHECK: check})
    assert re.findall(r'^> (.*)$', page, re.MULTILINE) == messages
    assert 'python crash.py' in done
    shown = [step.shown for step in steps(page) if isinstance(step, Command) and step.line == CHECK]
    assert [result.returncode for result in checks] == [1, 0]
    assert all(agree(text, result.stdout) for text, result in zip(shown, checks, strict=True))
    assert list((project.folder / 'instance' / 'fs' / 'photos').iterdir()) == []
