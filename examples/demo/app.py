"""Pigeonhole: drop files, share links. An example of Flask-FS; run it with ``python run.py``."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import secrets
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import urlencode

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    current_app,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

import flask_fs as fs
from flask_fs.files import extension
from flask_fs.images import Spec, image_content, render

# A file with an image extension must be a valid image.
files = fs.Storage('files', fs.DEFAULTS + fs.AUDIO, validators=[image_content])
# Thumbnails can be made again at any time. If two requests make the same one, the second replaces the first.
thumbnails = fs.Storage('thumbnails', ['jpg'], overwrite=True)
# Squares for the list and for the gallery, with two or three device pixels for each CSS pixel.
LIST_PX, GALLERY_PX = SIDES_PX = (128, 480)
box = Blueprint('box', __name__)
# What to do if a file with this name already exists. Scripts and forms send these words.
CONFLICTS: dict[str | None, Literal['error', 'replace', 'rename']] = {'replace': 'replace', 'keep-both': 'rename'}
# How errors become responses: a status, a word for the page's script, and a sentence for people.
REFUSALS: dict[Any, tuple[int, str, str]] = {
    fs.UnauthorizedFileType: (415, 'type', "This type of file isn't accepted."),
    fs.InvalidToken: (400, 'token', 'This upload has expired. Send the file again.'),
    fs.InvalidContent: (422, 'content', "This file isn't accepted: {reason}."),
    fs.NoFile: (400, 'none', 'No file was chosen.'),
    fs.FileExists: (409, 'exists', 'A file with this name already exists.'),
    (fs.FileTooLarge, RequestEntityTooLarge): (413, 'size', 'This file is too large.'),
    fs.InvalidFilename: (400, 'name', "This isn't a valid filename."),
    fs.FileNotFound: (404, 'missing', 'This file no longer exists.'),
    fs.DeletionFailed: (503, 'store', "The storage couldn't delete all of these files. Try again."),
    fs.BackendError: (503, 'store', "The storage isn't available right now. Try again later."),
}


@box.get('/')
def index() -> Response:
    """The page that accepts files and lists them. Its script loads the list; browsers without scripts show this one."""
    return show_files([])


@box.post('/')
def upload_by_form() -> AnyResponse:
    """Store the files from the form for browsers without scripts. What isn't stored is listed on the page."""
    sent, problems = request.files.getlist('file'), []
    if not sent:
        abort(400)
    for file in sent:
        try:
            store(file)
        except fs.FSError as error:
            problems.append((file.filename, *refusal(error)))
    return show_files(problems) if problems else redirect(url_for('box.index'), 303)


def show_files(problems: list[tuple[str | None, dict[str, Any], int]]) -> Response:
    """The page with all files. Problems with uploads set its status."""
    try:
        listed, trouble = [describe(info) for info in newest_first()], None
    except fs.FSError as error:
        listed, trouble = [], refusal(error)[0]['error']  # The page works, and its script loads the list again.
    response = page('index.html', limits=limits(), files=listed, trouble=trouble, problems=problems)
    response.status_code = problems[0][2] if problems else 200
    return response


@box.get('/delete/<path:filename>')
def confirm_deletion(filename: str) -> Response:
    """Ask for confirmation before a browser without scripts deletes a file."""
    return page('delete.html', file=describe(files.stat(filename)))


@box.post('/delete/<path:filename>')
def delete_by_form(filename: str) -> AnyResponse:
    """Delete a file, and return to the list."""
    delete(filename)
    return redirect(url_for('box.index'), 303)


@box.get('/gallery')
def gallery() -> Response:
    """The page that shows all images."""
    return page('gallery.html', pictures=[picture(info) for info in newest_first() if is_picture(info.name)])


def page(template: str, **values: Any) -> Response:
    """A page. It exchanges data only with this server, and no other site can show it in a frame.

    Its images can also be the visitor's own files (``blob:``), which are shown before they are uploaded.
    """
    response = make_response(render_template(template, **values))
    response.headers['Content-Security-Policy'] = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    return response


@box.get('/files')
def list_files() -> list[dict[str, Any]]:
    """Metadata of all files, newest first."""
    return [describe(info) for info in newest_first()]


@box.post('/files')
def upload() -> tuple[dict[str, Any], int]:
    """Store a file. If a file with its name exists, the field ``conflict`` can be ``replace`` or ``keep-both``.

    The page has already sent the file, and passes the token of that upload. Other clients can send the file itself.
    """
    return describe(store(request.form.get('token') or request.files['file'])), 201


def store(sent: FileStorage | str) -> fs.FileInfo:
    """Store a file from a form, or the upload with this token."""
    conflict = CONFLICTS.get(request.form.get('conflict'), 'error')
    if isinstance(sent, str):
        name = files.accept_upload(sent, conflict=conflict)
    else:
        name = files.save(sent, conflict=conflict)
    info = files.stat(name)
    if has_thumbnails(name):
        try:
            remove_thumbnails(name)  # Those of the image that was replaced.
            make_thumbnails(info)
        except fs.FSError:
            # The file itself is stored. Missing thumbnails are made when they are requested.
            current_app.logger.exception('No thumbnails of %r', name)
    return info


@box.delete('/files/<path:filename>')
def delete(filename: str) -> tuple[str, int]:
    """Delete a file."""
    remove_thumbnails(filename)
    files.remove(filename)
    return '', 204


@box.post('/deletions')
def delete_many() -> tuple[str, int]:
    """Delete the files in the list ``names``."""
    names = request.get_json().get('names')
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        abort(400)
    for name in names:
        remove_thumbnails(name)
    files.delete_many(names)
    return '', 204


@box.get('/thumbnails/<int:side_px>/<path:filename>')
def thumbnail(side_px: int, filename: str) -> Any:
    """A square thumbnail. It is made now if it doesn't exist: the image might not have been uploaded by the page."""
    if side_px not in SIDES_PX or not has_thumbnails(filename):
        abort(404)
    info = files.stat(filename)
    name = thumbnail_name(info, side_px)
    if name not in thumbnails:
        make_thumbnails(info)
    return thumbnails.serve(name)


@box.get('/expiring-links/<path:filename>')
def expiring_link(filename: str) -> dict[str, Any]:
    """A link to a file that works for about an hour, even if files aren't public."""
    files.stat(filename)  # Any name can be signed, but a link to a missing file is useless.
    return {'url': files.signed_url(filename, expires_s=datetime.timedelta(hours=1))}


@box.before_request
def reject_other_sites() -> Any:
    """Keep other sites in the same browser from changing files (cross-site request forgery).

    If the browser reports the origin of a request, as it does for all forms, it must be this site. Otherwise, a script can
    send a header instead: scripts of other sites need this server's permission for that (CORS), and don't get it.
    """
    here = request.host_url.rstrip('/')
    reported = [
        header == expected
        for header, expected in [
            (request.headers.get('Origin'), here),
            (request.headers.get('Sec-Fetch-Site'), 'same-origin'),
        ]
        if header is not None
    ]
    if request.method == 'GET' or (all(reported) and (reported or 'X-Pigeonhole' in request.headers)):
        return None
    return respond({'error': "Only this application's own page can change files.", 'kind': 'forgery'}, 403)


@box.errorhandler(fs.FSError)
@box.errorhandler(RequestEntityTooLarge)
def explain(error: Exception) -> Any:
    """A response that says what went wrong."""
    return respond(*refusal(error))


def refusal(error: Exception) -> tuple[dict[str, Any], int]:
    """What went wrong, for scripts and for people, and the status of the response."""
    for kinds, (status, kind, sentence) in REFUSALS.items():
        if isinstance(error, kinds):
            message = sentence.format(reason=getattr(error, 'reason', None))
            return {'error': message, 'kind': kind, 'filename': getattr(error, 'filename', None), **limits()}, status
    raise error


def respond(problem: dict[str, Any], status: int) -> Any:
    """A page if the browser shows the response as one, or else JSON."""
    if request.accept_mimetypes.best_match(['application/json', 'text/html']) == 'text/html':
        return page('problem.html', problem=problem), status
    return problem, status


def limits() -> dict[str, Any]:
    """Which files are accepted."""
    return {
        'allowed': [*fs.DEFAULTS, *fs.AUDIO, *files.config.allow],
        'images': list(fs.IMAGES),
        'max_bytes': files.config.max_bytes,
    }


def newest_first() -> list[fs.FileInfo]:
    """Metadata of all files, newest first."""
    return sorted(files.scan(), key=lambda info: str(info.modified), reverse=True)


def describe(info: fs.FileInfo) -> dict[str, Any]:
    """A file as the list shows it."""
    shown = thumbnail_url(info, LIST_PX) if is_picture(info.name) else None
    return {**dataclasses.asdict(info), 'url': files.url(info.name), 'thumbnail': shown}


def picture(info: fs.FileInfo) -> dict[str, Any]:
    """An image as the gallery shows it. Its only description is its name."""
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
    """Whether a file has the extension of an image."""
    return extension(filename) in fs.IMAGES


def has_thumbnails(filename: str) -> bool:
    """Whether a file has the extension of an image made of pixels."""
    return is_picture(filename) and extension(filename) != 'svg'


def thumbnail_name(info: fs.FileInfo, side_px: int) -> str:
    """The name of a thumbnail. It begins with the image's name and changes when the image is replaced."""
    version = hashlib.sha256(str(info.etag).encode()).hexdigest()[:16]
    return f'{info.name}/{version}-{side_px}.jpg'


def remove_thumbnails(filename: str) -> None:
    """Remove the thumbnails of one image, but not those of images in a folder with the same name."""
    for name in list(thumbnails.list_files(f'{filename}/')):
        if str(PurePosixPath(name).parent) == filename:
            thumbnails.remove(name)


def thumbnail_url(info: fs.FileInfo, side_px: int) -> str:
    """The URL of a small version of an image. It changes when the image is replaced."""
    if not has_thumbnails(info.name):
        return f'{files.url(info.name)}?{urlencode({"version": info.etag})}'
    return url_for('box.thumbnail', side_px=side_px, filename=info.name, version=info.etag)


def make_thumbnails(info: fs.FileInfo) -> None:
    """Store an image's thumbnails, decoding it only once. JPEG files are small, and never animated."""
    specs = [Spec(side_px, 'cover', format='JPEG', srgb=True) for side_px in SIDES_PX]
    with files.open(info.name, 'rb') as file:
        made = render(file, specs, filename=info.name)
    for side_px, output in zip(SIDES_PX, made, strict=True):
        thumbnails.save(output.file, thumbnail_name(info, side_px))


def create_app(config: dict[str, Any] | None = None) -> Flask:
    """The application. *config* takes precedence over the environment (``FLASK_FS_BACKEND=memory``) and the defaults here."""
    # Next to this program, whatever the current directory is.
    app = Flask(__name__, instance_path=str(Path(__file__).resolve().parent / 'instance'))
    app.config['FS_SERVE'] = True
    app.config['FS_PREFIX'] = '/fs'  # Separate from the pages.
    app.config['FILES_FS_MAX_BYTES'] = 50 * 1024 * 1024
    app.config['MAX_CONTENT_LENGTH'] = 51 * 1024 * 1024  # The file, plus the rest of the form.
    app.config['SECRET_KEY'] = secrets.token_hex()  # Signs expiring links, so they stop working on a restart.
    app.config['TRUSTED_HOSTS'] = [
        '127.0.0.1',
        'localhost',
    ]  # No other names that resolve to this machine (DNS rebinding).
    app.config.from_prefixed_env()
    app.config.update(config or {})
    fs.init_app(app, files, thumbnails)
    app.register_blueprint(box)
    # Anyone who can open the page can upload files.
    fs.uploads(app, files, authorize=lambda upload: True)
    return app
