"""Pigeonhole: drop files in, hand links out. An example of Flask-FS; ``python app.py`` runs it."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import secrets
import socket
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, make_response, render_template, request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.serving import make_server

import flask_fs as fs

files = fs.Storage('files', fs.DEFAULTS + fs.AUDIO)
box = Blueprint('box', __name__)
# What an error is to the page: a status, a word for its script, a sentence for people.
REFUSALS: dict[Any, tuple[int, str, str]] = {
    fs.UnauthorizedFileType: (415, 'type', 'Files of this type are not taken.'),
    fs.FileExists: (409, 'exists', 'There is a file of this name already.'),
    (fs.FileTooLarge, RequestEntityTooLarge): (413, 'size', 'This file is too large.'),
    fs.InvalidFilename: (400, 'name', 'This cannot be the name of a file.'),
    fs.FileNotFound: (404, 'missing', 'This file is not here any more.'),
    fs.BackendError: (503, 'store', 'The files cannot be reached at the moment.'),
}


@box.get('/')
def index() -> Response:
    """The page: with its own script and style, pictures from here, nothing else, and in nobody's frame."""
    response = make_response(render_template('index.html', limits=limits()))
    response.headers['Content-Security-Policy'] = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return response


@box.get('/files')
def list_files() -> list[dict[str, Any]]:
    """Facts about every file, the newest first."""
    return [describe(info) for info in sorted(files.scan(), key=lambda info: str(info.modified), reverse=True)]


@box.post('/files')
def upload() -> tuple[dict[str, Any], int]:
    """Store a file; the field ``conflict`` may say ``replace`` or ``keep-both``, for the case that its name is taken."""
    file, conflict = request.files['file'], request.form.get('conflict')
    try:
        name = files.save(file, overwrite=conflict == 'replace')
    except fs.FileExists as taken:
        if conflict != 'keep-both' or taken.filename is None:
            raise
        file.stream.seek(0)
        name = files.save(file, files.resolve_conflict('', taken.filename))
    return describe(files.stat(name)), 201


@box.delete('/files/<path:filename>')
def delete(filename: str) -> tuple[str, int]:
    """Delete a file."""
    files.delete(filename)
    return '', 204


@box.get('/private-links/<path:filename>')
def private_link(filename: str) -> dict[str, Any]:
    """A link to a file that works for an hour, also where files are not served to everybody."""
    files.stat(filename)  # Any name can be signed; a link to what is not there would disappoint.
    return {'url': files.signed_url(filename, expires_s=3600)}


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
            return {'error': sentence, 'kind': kind, 'filename': getattr(error, 'filename', None), **limits()}, status
    raise error


def limits() -> dict[str, Any]:
    """Which files are taken."""
    return {'allowed': [*fs.DEFAULTS, *fs.AUDIO, *files.config.allow], 'max_bytes': files.config.max_bytes}


def describe(info: fs.FileInfo) -> dict[str, Any]:
    """A file, as the page shows it."""
    return {**dataclasses.asdict(info), 'url': files.url(info.name)}


def create_app(config: dict[str, Any] | None = None) -> Flask:
    """The application as *config* says, or else the environment (``FLASK_FS_BACKEND=memory``), or else this function."""
    # Beside this program, wherever it is started from.
    app = Flask(__name__, instance_path=str(Path(__file__).resolve().parent / 'instance'))
    app.config['FS_SERVE'] = True
    app.config['FILES_FS_MAX_BYTES'] = 50 * 1024 * 1024
    app.config['MAX_CONTENT_LENGTH'] = 51 * 1024 * 1024  # The file, and what a form puts around it.
    app.config['SECRET_KEY'] = secrets.token_hex()  # Signs private links, which so end with the process.
    app.config['TRUSTED_HOSTS'] = ['127.0.0.1', 'localhost']  # Not names of others that lead here (DNS rebinding).
    app.config.from_prefixed_env()
    app.config.update(config or {})
    fs.init_app(app, files)
    app.register_blueprint(box)
    return app


def main() -> None:
    """Serve the application on this machine, and tell where."""
    parser = argparse.ArgumentParser(description='Drop files in, hand links out.')
    parser.add_argument('--port', type=int, default=5000, help='%(default)s by default; if taken, a free one is used')
    parser.add_argument('--root', help='the folder for the files; by default one in "instance", beside this program')
    arguments = parser.parse_args()
    app = create_app({'FILES_FS_ROOT': arguments.root} if arguments.root else None)
    logging.getLogger('werkzeug').setLevel(logging.WARNING)
    try:
        listening = socket.create_server(('127.0.0.1', arguments.port))
    except OSError:
        listening = socket.create_server(('127.0.0.1', 0))
    with listening:
        server = make_server('127.0.0.1', 0, app, threaded=True, fd=listening.fileno())
        print(f'Pigeonhole is at http://127.0.0.1:{server.port}/ (Ctrl+C stops it)', flush=True)
        server.serve_forever()


if __name__ == '__main__':
    main()
