"""Pigeonhole: drop files in, hand links out. An example of Flask-FS; ``python app.py`` runs it."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import hashlib
import logging
import secrets
import socket
import sys
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import urlencode

from flask import Blueprint, Flask, Response, abort, current_app, make_response, render_template, request, url_for
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.serving import make_server

import flask_fs as fs
from flask_fs.files import extension
from flask_fs.images import Spec, image_content, render

# What calls itself a picture has to be a sound one.
files = fs.Storage('files', fs.DEFAULTS + fs.AUDIO, validators=[image_content])
# What is in here can be made again, so a visitor who is late replaces what is the same.
thumbnails = fs.Storage('thumbnails', ['jpg'], overwrite=True)
# Squares for the list and for the gallery: a screen may have two or three pixels where a page has one.
LIST_PX, GALLERY_PX = SIDES_PX = (128, 480)
box = Blueprint('box', __name__)
# What an error is to the page: a status, a word for its script, a sentence for people.
REFUSALS: dict[Any, tuple[int, str, str]] = {
    fs.UnauthorizedFileType: (415, 'type', 'Files of this type are not accepted.'),
    fs.InvalidContent: (422, 'content', 'This file is not accepted: {reason}.'),
    fs.NoFile: (400, 'none', 'No file was chosen.'),
    fs.FileExists: (409, 'exists', 'There is a file of this name already.'),
    (fs.FileTooLarge, RequestEntityTooLarge): (413, 'size', 'This file is too large.'),
    fs.InvalidFilename: (400, 'name', 'This cannot be the name of a file.'),
    fs.FileNotFound: (404, 'missing', 'This file is not here any more.'),
    fs.BackendError: (503, 'store', 'The files cannot be reached at the moment.'),
}


@box.get('/')
def index() -> Response:
    """The page that takes files and lists them."""
    return page('index.html', limits=limits())


@box.get('/gallery')
def gallery() -> Response:
    """The page that shows the pictures."""
    return page('gallery.html', pictures=[picture(info) for info in newest_first() if is_picture(info.name)])


def page(template: str, **values: Any) -> Response:
    """A page: with its own script and style, pictures from here, nothing else, and in nobody's frame."""
    response = make_response(render_template(template, **values))
    response.headers['Content-Security-Policy'] = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return response


@box.get('/files')
def list_files() -> list[dict[str, Any]]:
    """Facts about every file, the newest first."""
    return [describe(info) for info in newest_first()]


@box.post('/files')
def upload() -> tuple[dict[str, Any], int]:
    """Store a file; the field ``conflict`` may say ``replace`` or ``keep-both``, for the case that its name is taken.

    The page has sent the file before, and passes the token of its ticket. Other clients may send the file itself.
    """
    conflicts: dict[str | None, Literal['error', 'replace', 'rename']] = {'replace': 'replace', 'keep-both': 'rename'}
    conflict = conflicts.get(request.form.get('conflict'), 'error')
    if token := request.form.get('token'):
        name = files.accept_upload(token, conflict=conflict)
    else:
        name = files.save(request.files['file'], conflict=conflict)
    info = files.stat(name)
    if has_thumbnails(name):
        try:
            remove_thumbnails(name)  # Of the picture that was replaced.
            make_thumbnails(info)
        except fs.FSError:
            # The file itself is stored, and what is missing is made when somebody asks for it.
            current_app.logger.exception('No thumbnails of %r', name)
    return describe(info), 201


@box.delete('/files/<path:filename>')
def delete(filename: str) -> tuple[str, int]:
    """Delete a file."""
    remove_thumbnails(filename)
    files.remove(filename)
    return '', 204


@box.get('/thumbnails/<int:side_px>/<path:filename>')
def thumbnail(side_px: int, filename: str) -> Any:
    """A square picture of a picture. It is made now if it is missing: the file came here in another way than by the page."""
    if side_px not in SIDES_PX or not has_thumbnails(filename):
        abort(404)
    info = files.stat(filename)
    name = thumbnail_name(info, side_px)
    if name not in thumbnails:
        make_thumbnails(info)
    return thumbnails.serve(name)


@box.get('/expiring-links/<path:filename>')
def expiring_link(filename: str) -> dict[str, Any]:
    """A link to a file that works for about an hour, also where files are not served to everybody."""
    files.stat(filename)  # Any name can be signed; a link to what is not there would disappoint.
    return {'url': files.signed_url(filename, expires_s=datetime.timedelta(hours=1))}


@box.before_request
def refuse_other_sites() -> tuple[dict[str, Any], int] | None:
    """Let no other site that is open in the same browser change files (cross-site request forgery).

    No other site can send a header of its own: forms never can, and scripts need this server's consent (CORS), which it
    does not give. And where the browser tells who asks, it has to be this site.
    """
    here = request.host_url.rstrip('/')
    ours = request.headers.get('Origin', here) == here and 'X-Pigeonhole' in request.headers
    if request.method == 'GET' or (ours and request.headers.get('Sec-Fetch-Site', 'same-origin') == 'same-origin'):
        return None
    return {'error': 'Only the page of this application may change files.', 'kind': 'forgery'}, 403


@box.errorhandler(fs.FSError)
@box.errorhandler(RequestEntityTooLarge)
def explain(error: Exception) -> tuple[dict[str, Any], int]:
    """What was refused, and why."""
    for kinds, (status, kind, sentence) in REFUSALS.items():
        if isinstance(error, kinds):
            told = sentence.format(reason=getattr(error, 'reason', None))
            return {'error': told, 'kind': kind, 'filename': getattr(error, 'filename', None), **limits()}, status
    raise error


def limits() -> dict[str, Any]:
    """Which files are accepted."""
    return {'allowed': [*fs.DEFAULTS, *fs.AUDIO, *files.config.allow], 'max_bytes': files.config.max_bytes}


def newest_first() -> list[fs.FileInfo]:
    """Facts about every file."""
    return sorted(files.scan(), key=lambda info: str(info.modified), reverse=True)


def describe(info: fs.FileInfo) -> dict[str, Any]:
    """A file, as the list shows it."""
    shown = thumbnail_url(info, LIST_PX) if is_picture(info.name) else None
    return {**dataclasses.asdict(info), 'url': files.url(info.name), 'thumbnail': shown}


def picture(info: fs.FileInfo) -> dict[str, Any]:
    """A picture, as the gallery shows it. All that is known of what is on it is how somebody named it."""
    words = PurePosixPath(info.name).stem.replace('_', ' ').replace('-', ' ').strip()
    shown = thumbnail_url(info, GALLERY_PX)
    return {
        'name': info.name,
        'words': words or info.name,
        'size': info.size,
        'url': files.url(info.name),
        'shown': shown,
    }


def is_picture(filename: str) -> bool:
    """Whether a file calls itself a picture."""
    return extension(filename) in fs.IMAGES


def has_thumbnails(filename: str) -> bool:
    """Whether a file calls itself a picture that is made of pixels."""
    return is_picture(filename) and extension(filename) != 'svg'


def thumbnail_name(info: fs.FileInfo, side_px: int) -> str:
    """Under which name a thumbnail is kept: under that of its picture, and another one once that is replaced."""
    version = hashlib.sha256(str(info.etag).encode()).hexdigest()[:16]
    return f'{info.name}/{version}-{side_px}.jpg'


def remove_thumbnails(filename: str) -> None:
    """Remove those of one picture, and none of a picture in a folder of the same name."""
    for name in list(thumbnails.list_files(f'{filename}/')):
        if str(PurePosixPath(name).parent) == filename:
            thumbnails.remove(name)


def thumbnail_url(info: fs.FileInfo, side_px: int) -> str:
    """Where a picture is shown small; the address is another one once the picture is replaced."""
    if not has_thumbnails(info.name):
        return f'{files.url(info.name)}?{urlencode({"version": info.etag})}'
    return url_for('box.thumbnail', side_px=side_px, filename=info.name, version=info.etag)


def make_thumbnails(info: fs.FileInfo) -> None:
    """Store a picture's thumbnails, all from decoding it once. JPEG: they are small, and stand still."""
    specs = [Spec(side_px, 'cover', format='JPEG', srgb=True) for side_px in SIDES_PX]
    with files.open(info.name, 'rb') as file:
        made = render(file, specs, filename=info.name)
    for side_px, output in zip(SIDES_PX, made, strict=True):
        thumbnails.save(output.file, thumbnail_name(info, side_px))


def create_app(config: dict[str, Any] | None = None) -> Flask:
    """The application as *config* says, or else the environment (``FLASK_FS_BACKEND=memory``), or else this function."""
    # Beside this program, wherever it is started from.
    app = Flask(__name__, instance_path=str(Path(__file__).resolve().parent / 'instance'))
    app.config['FS_SERVE'] = True
    app.config['FS_PREFIX'] = '/fs'  # Apart from the pages.
    app.config['FILES_FS_MAX_BYTES'] = 50 * 1024 * 1024
    app.config['MAX_CONTENT_LENGTH'] = 51 * 1024 * 1024  # The file, and what a form puts around it.
    app.config['SECRET_KEY'] = secrets.token_hex()  # Signs expiring links, which so end with the process.
    app.config['TRUSTED_HOSTS'] = ['127.0.0.1', 'localhost']  # Not names of others that lead here (DNS rebinding).
    app.config.from_prefixed_env()
    app.config.update(config or {})
    fs.init_app(app, files, thumbnails)
    app.register_blueprint(box)
    # Everybody who reaches the page may send files.
    fs.uploads(app, files, authorize=lambda upload: True)
    return app


def main() -> None:
    """Serve the application on this machine, and print its URL."""
    parser = argparse.ArgumentParser(description='Drop files in, hand links out.')
    parser.add_argument(
        '--port', type=int, default=5000, help='%(default)s by default; if it is in use, the demo chooses a free one'
    )
    parser.add_argument('--root', help='the folder for all files; by default "instance", next to this program')
    arguments = parser.parse_args()
    app = create_app({'FS_ROOT': arguments.root} if arguments.root else None)
    logging.getLogger('werkzeug').setLevel(logging.WARNING)
    try:
        listening = socket.create_server(('127.0.0.1', arguments.port))
    except OSError as error:
        listening = socket.create_server(('127.0.0.1', 0))
        why = f'Port {arguments.port} is not available ({error.strerror}), so the demo uses a free one.'
        print(f'{why} To choose one, pass --port.', file=sys.stderr)
    # Ctrl+C ends it.
    with listening, contextlib.suppress(KeyboardInterrupt):
        server = make_server('127.0.0.1', 0, app, threaded=True, fd=listening.fileno())
        print(f'Pigeonhole is at http://127.0.0.1:{server.port}/ (Ctrl+C stops it)', flush=True)
        server.serve_forever()
    print('\nThe demo has stopped.')


if __name__ == '__main__':
    main()
