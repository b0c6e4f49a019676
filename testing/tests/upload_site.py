"""A site with one form, whose files go straight to the store, and what it has been sent."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Flask, render_template_string, request
from werkzeug.serving import make_server

import flask_fs as fs
from flask_fs.backends import Capability

PAGE = """<!doctype html><title>Photos</title>
<script src="{{ url_for('fs.static', filename='fs-upload.js') }}" defer></script>
<form method="post" enctype="multipart/form-data">
  <div data-fs-drop><input type="file" name="photo" id="photo" aria-label="Photos" required
    {{ 'multiple' if many }} {{ 'data-fs-upload=' ~ url_for('fs.uploads', fs='photos') if script }}></div>
  {% for token in request.form.getlist('photo') if error %}<input type="hidden" name="photo" value="{{ token }}">{% endfor %}
  <input name="title" aria-label="Title"><button>Save</button>
  <p id="message">{{ error or names | join(' ') }}</p>
</form>"""


class Site:
    """An application, its storage ``photos``, and where it listens.

    :ivar received: The bytes of bodies that the application got, but for JSON.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.received = 0
        self.url = ''
        self.photos = fs.Storage('photos', fs.ALL)
        self.app = Flask('photos')
        self.app.config.update(SECRET_KEY='a key of the tests', FS_SERVE=True)
        self.app.config.update({f'PHOTOS_FS_{key.upper()}': value for key, value in settings.items()})
        fs.init_app(self.app, self.photos)
        fs.uploads(self.app, self.photos, authorize=lambda upload: True)
        self.app.before_request(self._count)
        self.app.add_url_rule('/', view_func=self._form, methods=['GET', 'POST'])

    @property
    def is_direct(self) -> bool:
        """Whether browsers send the files to the store itself."""
        return Capability.SIGNED_UPLOAD in self.photos.backend.capabilities

    def names(self) -> list[str]:
        with self.app.app_context():
            return sorted(self.photos.list_files())

    def read(self, name: str) -> bytes:
        with self.app.app_context():
            content: bytes = self.photos.read(name)
            return content

    def waiting(self) -> list[str]:
        """The hidden names of what has arrived and is not accepted."""
        with self.app.app_context():
            found = [info.name for info in self.photos.backend._scan('.fs-incoming/')]
            return [name for name in found if not name.endswith('/ended')]

    @contextlib.contextmanager
    def running(self) -> Iterator[Site]:
        server = make_server('127.0.0.1', 0, self.app, threaded=True)
        # So that closing the server waits for the requests it still handles.
        vars(server)['daemon_threads'] = False
        thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.02})
        thread.start()
        self.url = f'http://127.0.0.1:{server.port}'
        try:
            with self.app.app_context():
                if self.is_direct:
                    self.photos.backend._allow_origins([self.url], dry_run=False)
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def _count(self) -> None:
        if not request.is_json:
            self.received += request.content_length or 0

    def _form(self) -> str | tuple[str, int]:
        error, names = '', []
        if request.method == 'POST':
            try:
                if not request.form['title']:
                    raise fs.UploadNotAllowed(reason='It needs a title.')
                names = [self.photos.accept_upload(each, conflict='rename') for each in request.form.getlist('photo')]
                names += [self.photos.save(each, conflict='rename') for each in request.files.getlist('photo') if each]
            except fs.UploadNotAllowed as failed:
                error = failed.reason or ''
        flags = {flag: request.args.get(flag, default) for flag, default in (('many', ''), ('script', '1'))}
        return render_template_string(PAGE, error=error, names=names, **flags), 422 if error else 200
