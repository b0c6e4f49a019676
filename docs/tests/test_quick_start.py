"""The quick start, up to the first upload: few enough steps for five minutes, and done as the page says."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path

from pages import DOCS, Project

from flask_fs_testing.servers.base import free_ports, http_status

PAGE = DOCS / 'tutorial' / 'first-app.md'
RUN = 'flask --app app run'


def until_it_runs() -> tuple[list[str], list[str]]:
    """What the reader copies into app.py, and the commands, up to the one that starts the application."""
    visible = re.sub(r'<!--.*?-->', '', PAGE.read_text(encoding='utf-8'), flags=re.DOTALL)
    begin = visible.partition(f'$ {RUN}\n')[0]
    return re.findall(r'^```python\n(.*?)^```$', begin, re.MULTILINE | re.DOTALL), [
        *re.findall(r'^\$ (.*)$', begin, re.MULTILINE),
        RUN,
    ]


def test_the_first_upload_takes_two_pastes_and_six_commands() -> None:
    pasted, commands = until_it_runs()
    assert (len(pasted), len(commands)) == (2, 6)
    assert sum(block.count('\n') for block in pasted) < 60


def test_what_was_pasted_stores_and_serves_a_file(tmp_path: Path) -> None:
    pasted, _ = until_it_runs()
    project = Project(tmp_path)
    (tmp_path / 'app.py').write_text('\n\n'.join(pasted), encoding='utf-8')
    [port] = free_ports(1)
    with project.running(RUN, ready=lambda: http_status(port, '/') == 200, FLASK_RUN_PORT=str(port)):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        form = (
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="Summer (1).JPG"\r\n\r\npicture\r\n--b--\r\n'
        )
        headers = {'Content-Type': 'multipart/form-data; boundary=b'}
        with opener.open(urllib.request.Request(f'http://127.0.0.1:{port}/', form, headers), timeout=30) as page:
            assert b'/shelf/Summer_1.jpg' in page.read()
        with opener.open(f'http://127.0.0.1:{port}/shelf/Summer_1.jpg', timeout=30) as shown:
            assert shown.read() == b'picture'
    assert (tmp_path / 'instance' / 'fs' / 'shelf' / 'Summer_1.jpg').read_bytes() == b'picture'
