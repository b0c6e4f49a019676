"""GridFS passes the kit on mongomock, in this process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from gridfs import GridFS

from flask_fs.backends import BaseBackend
from flask_fs_gridfs import GridFSBackend
from flask_fs_testing import BackendConformance, Harness
from flask_fs_testing.guarantees import checks_of

RACES = [check for check, guarantee in checks_of(BackendConformance).items() if guarantee.race]
LOOKS_AFTERWARDS = 'mongomock keeps a document, looks whether it is unique, and takes it back if it is not: two threads may both win, or lose'


class MongomockHarness(Harness):
    """One mongomock, in the memory of this process."""

    backend_class: ClassVar[type[BaseBackend]] = GridFSBackend
    memory_ceiling_bytes = None
    shared_between_processes = False
    page_size = 100
    known_limits: ClassVar[Mapping[str, str]] = dict.fromkeys(RACES, LOOKS_AFTERWARDS)

    def __init__(self, folder: Path, client: Any) -> None:
        super().__init__(folder)
        self._client = client
        self._database = client['kit']

    def settings(self) -> Mapping[str, Any]:
        return {'mongo_client': self._client, 'mongo_db': 'kit', 'collection': 'kit'}

    def missing_settings(self) -> Mapping[str, Any]:
        return {**self.settings(), 'collection': 'missing'}

    def put_raw(self, name: str, content: bytes) -> None:
        files = GridFS(self._database, 'kit')
        for old in list(files.find({'filename': name})):
            files.delete(old._id)
        files.put(content, filename=name)

    def get_raw(self, name: str) -> bytes:
        return GridFS(self._database, 'kit').get_last_version(name).read()

    def names_raw(self) -> list[str]:
        documents = list(self._database['kit.files'].find())
        known = {document['_id'] for document in documents}
        lost = {chunk['files_id'] for chunk in self._database['kit.chunks'].find({}, {'files_id': 1})} - known
        return sorted([document['filename'] for document in documents] + [f'chunks of {each}' for each in lost])


class TestGridFSOnMongomock(BackendConformance):
    @pytest.fixture
    def harness(self, tmp_path: Path, mongomock_in_process: Any) -> MongomockHarness:
        return MongomockHarness(tmp_path, mongomock_in_process())
