"""An application with documents of MongoEngine that have files, with a journal in MongoDB, and its processes.

There are no transactions: each document is saved or deleted by itself, or its changes are dropped.
"""

from __future__ import annotations

import copy
import io
import random
from typing import Any

import mongoengine

import flask_fs as fs
import flask_fs_mongo
from flask_fs.consistency.sources import sources_of
from flask_fs_mongo import FileField, ImageField

from . import worlds
from .steps import MAX_ROWS, NAMES, Program, State, digest

__all__ = ['World']


class World(worlds.World):
    """An application with one kind of document.

    :param config: ``database`` (the URL of MongoDB, with the name of one), ``settings`` (of the application).
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config, docs=fs.ALL, pictures=fs.IMAGES)
        docs, pictures = self.storages
        mongoengine.connect(host=config['database'], uuidRepresentation='standard', serverSelectionTimeoutMS=10_000)
        removed: dict[str, Any] = {'on_delete': 'remove', 'on_replace': 'remove'}

        class Report(mongoengine.Document):  # type: ignore[misc]  # MongoEngine has no type hints
            id = mongoengine.IntField(primary_key=True)
            document = FileField(fs=docs, checksum=True, **removed)
            picture = ImageField(fs=pictures, max_size=16, thumbnails=[8, 4], **removed)
            files = mongoengine.ListField(FileField(fs=docs, **removed))

        self.Report = Report
        flask_fs_mongo.init_app(self.app, Report, journal=True)
        [self.source] = sources_of(self.app)

    def run(self, rng: random.Random, state: State, say: Any) -> None:
        program = Documents(rng, state, saves_first=False)
        while True:
            with self.app.app_context():
                program.change(self, say)

    def seen(self) -> worlds.Seen:
        with self.app.app_context():
            return worlds.look_at(self.Report.objects, *self.storages)

    def close(self) -> None:
        mongoengine.disconnect()


class Documents(Program):
    """The same changes as those of rows, one at a time."""

    def change(self, world: World, say: Any) -> None:
        """One change of one document, saved or dropped."""
        before, self.state = self.state, copy.deepcopy(self.state)
        documents = {str(document.id): document for document in world.Report.objects.order_by('id')}
        number = self.rng.choice(sorted(documents)) if documents else str(self.rng.randrange(1, 2**31))
        if documents and len(documents) < MAX_ROWS and self.rng.random() < 0.3:
            number = str(self.rng.randrange(1, 2**31))
        document = documents.get(number) or world.Report(id=int(number))
        expected = self.state.setdefault(number, {'document': None, 'picture': None, 'files': []})
        kinds = ['replace', 'clear', 'picture', 'no picture', 'rerender', 'append', 'drop', 'delete']
        kind = self.rng.choices(kinds, (4, 1, 4, 1, 1, 3, 2, 2))[0]
        if kind == 'delete':
            del self.state[number]
        else:
            getattr(self, f'_{kind.replace(" ", "_")}')(document, expected)
        if self.rng.random() < 0.15:
            self.state = before
            return
        say('intent', self.state)
        (document.delete if kind == 'delete' else document.save)()
        say('committed')

    def _append(self, row: Any, expected: dict[str, Any]) -> None:
        content = self._content()
        reference = type(row).files.field.reference(document=row)
        reference.save(io.BytesIO(content), self.rng.choice(NAMES))
        row.files.append(reference)
        expected['files'].append(digest(content))
