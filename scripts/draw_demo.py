"""Draw docs/_static/demo.png and demo-dark.png: the demo with sample files, in a browser.

Run it after a visible change of the demo's page: ``python3 dev.py hatch run python scripts/draw_demo.py``.
"""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from playwright.sync_api import sync_playwright
from werkzeug.serving import make_server

import draw_pictures

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / 'docs' / '_static'
SCHEMES: list[tuple[Literal['light', 'dark'], Path]] = [
    ('light', PICTURES / 'demo.png'),
    ('dark', PICTURES / 'demo-dark.png'),
]
#: When the newest sample was stored: 2026-09-14 10:30 UTC. Each of the others is an hour older than the one before it.
NEWEST_S = 1789381800


def samples() -> dict[str, bytes]:
    """The content of each file, newest first."""
    lake, sign = io.BytesIO(), io.BytesIO()
    draw_pictures.lake().save(lake, 'JPEG', quality=92)
    draw_pictures.sign().save(sign, 'PNG')
    return {
        'lake-at-dusk.jpg': lake.getvalue(),
        'meeting-notes.txt': b'Minutes of the meeting\n' * 40,
        'logo.png': sign.getvalue(),
        'interview.mp3': b'ID3\x03' + bytes(2_400_000),
    }


def demo() -> Any:
    """The module app.py of the demo."""
    spec = importlib.util.spec_from_file_location('pigeonhole', ROOT / 'examples' / 'demo' / 'app.py')
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Flask looks for its templates.
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Write the pictures."""
    program = demo()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        app = program.create_app({'FS_ROOT': folder})
        with app.app_context():
            for age, (name, content) in enumerate(samples().items()):
                program.files.write(name, content)
                modified_s = NEWEST_S - 3600 * age
                os.utime(program.files.path(name), (modified_s, modified_s))
        server = make_server('127.0.0.1', 0, app, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=shutil.which('chromium'), args=['--no-sandbox'])
        page = browser.new_page(
            viewport={'width': 1280, 'height': 800}, locale='en-US', timezone_id='UTC', reduced_motion='reduce'
        )
        page.goto(f'http://127.0.0.1:{server.port}/', wait_until='networkidle')
        for scheme, target in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            # 256 colors are enough, and make half the bytes.
            drawn = (
                Image.open(io.BytesIO(page.screenshot())).convert('RGB').quantize(kmeans=3, dither=Image.Dither.NONE)
            )
            drawn.save(target, optimize=True)
            print(f'{target.relative_to(ROOT)}: {target.stat().st_size:,} bytes')
        browser.close()
        server.shutdown()


if __name__ == '__main__':
    main()
