"""Places in S3-compatible stores for the tests of the S3 backend."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import textwrap
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit
from urllib.request import urlopen

import boto3
import pytest
from botocore.config import Config

from flask_fs_s3 import S3Backend
from flask_fs_testing import NetworkConformance, NetworkHarness
from flask_fs_testing.guarantees import checks_of
from flask_fs_testing.proxy import FaultProxy
from flask_fs_testing.servers import S3Service

MiB = 1024 * 1024


class SmallPages(S3Backend):
    """The backend, asking for short pages, so that a few files fill more than one."""

    page_keys = 30


class S3Harness(NetworkHarness):
    """A fresh bucket on a server."""

    backend_class = SmallPages
    page_size = 30
    # Of DeleteObjects.
    batch_size = 1000
    part_sizes = (5 * MiB, 10 * MiB)
    # Three parts of 5 MiB: two on their way, and one being read.
    memory_ceiling_bytes = 22 * MiB
    timeout_s = 20
    short_timeouts: ClassVar[Mapping[str, Any]] = {'connect_timeout_s': 0.3, 'read_timeout_s': 0.3}
    max_requests: ClassVar[Mapping[str, int]] = {
        **dict.fromkeys(('save', 'create', 'replace', 'read', 'open', 'exists', 'stat', 'list', 'copy', 'remove'), 1),
        # Four parts, a beginning and an end.
        'save_large': 6,
        'move': 2,
        'delete': 2,
    }

    def __init__(self, folder: Path, service: S3Service) -> None:
        super().__init__(folder)
        self.service = service
        address = urlsplit(service.endpoint)
        self.host, self.port = address.hostname or '', address.port or 0
        self.secrets = (service.secret_key,)
        self.client = boto3.client(
            's3',
            endpoint_url=service.endpoint,
            aws_access_key_id=service.access_key,
            aws_secret_access_key=service.secret_key,
            region_name=service.region,
            config=Config(request_checksum_calculation='when_required', response_checksum_validation='when_required'),
        )
        self.bucket = self.new_bucket()

    def new_bucket(self) -> str:
        """The name of a bucket that nothing else uses."""
        bucket = f'kit-{secrets.token_hex(6)}'
        self.client.create_bucket(Bucket=bucket)
        return bucket

    def settings(self) -> Mapping[str, Any]:
        return {
            'endpoint': self.service.endpoint,
            'region': self.service.region,
            'access_key': self.service.access_key,
            'secret_key': self.service.secret_key,
            'bucket_name': self.bucket,
            'multipart_threshold_bytes': 5 * MiB,
            'part_bytes': 5 * MiB,
            'concurrency': 2,
        }

    def missing_settings(self) -> Mapping[str, Any]:
        return {**self.settings(), 'bucket_name': f'{self.bucket}-missing'}

    def make_via_proxy(self, endpoint: str, **more: Any) -> S3Backend:
        settings = {**self.settings(), 'endpoint': f'http://{endpoint}', 'retries': 1}
        return self.backend_class('kit', {**settings, **more})

    def put_raw(self, name: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=name, Body=content)

    def put_encoded_raw(self, name: str, content: bytes, encoding: str) -> None:
        self.client.put_object(Bucket=self.bucket, Key=name, Body=content, ContentEncoding=encoding)

    def get_raw(self, name: str) -> bytes:
        content: bytes = self.client.get_object(Bucket=self.bucket, Key=name)['Body'].read()
        return content

    def names_raw(self) -> list[str]:
        """Every object, and every upload that was begun and neither completed nor aborted."""
        pages = self.client.get_paginator('list_objects_v2').paginate(Bucket=self.bucket)
        uploads = self.client.list_multipart_uploads(Bucket=self.bucket).get('Uploads', ())
        names = [found['Key'] for page in pages for found in page.get('Contents', ())]
        return sorted([*names, *(f'upload of {upload["Key"]}' for upload in uploads)])


KEEPS_FOLDERS = 'SeaweedFS keeps a folder for a while after its last file went'


class SeaweedHarness(S3Harness):
    """A fresh bucket on SeaweedFS, where the losers of a race wait for their response for a second or two."""

    known_limits: ClassVar[Mapping[str, str]] = {
        'test_a_file_and_a_folder_of_one_name': 'SeaweedFS refuses to create (If-None-Match: *) what is a folder',
        'test_a_name_that_only_a_folder_has_can_be_created': KEEPS_FOLDERS,
        'test_a_folder_without_files_is_not_given': KEEPS_FOLDERS,
    }
    # For a while after its last file was deleted, a folder is still listed, and its name cannot be created.
    sequence_names = ('a', 'a b', 'ab', 'é f+g')
    race_rounds = 3

    def new_bucket(self) -> str:
        """With space for its first object: SeaweedFS would take a fifth of a second for that when it is stored."""
        bucket = super().new_bucket()
        if self.service.seaweed_master:
            urlopen(f'{self.service.seaweed_master}/vol/grow?collection={bucket}&count=1').close()
        return bucket


class SwiftHarness(S3Harness):
    """A fresh bucket on Swift's own S3, whose conditional writes let several rivals win."""

    # With nothing to prove, they only show that one wins.
    race_rounds = 4
    max_requests: ClassVar[Mapping[str, int]] = {**S3Harness.max_requests, 'create': 2}

    def settings(self) -> Mapping[str, Any]:
        return {**super().settings(), 'conditional_writes': False}


RACES = [check for check, guarantee in checks_of(NetworkConformance).items() if guarantee.race]
LOOKS_FIRST = 'moto looks for a file and then stores it, so that several rivals may win'
WRONG_CHECKSUM = 'a copy of an object in parts has the checksum of their checksums as its own'
#: Nothing listens where its links lead.
LEADS_TO_AMAZON = 'its links lead to Amazon'
KEY_IS_SECRET = 'its secret key is the ID of the key too, which every signed request shows'
IN_PROCESS_LIMITS = {
    **dict.fromkeys(RACES, LOOKS_FIRST),
    'test_attributes_are_honored_by_signed_links': LEADS_TO_AMAZON,
    'test_a_link_lives_no_longer_than_said': LEADS_TO_AMAZON,
    'test_a_signed_link_is_good_for_one_file_one_method_and_a_while': LEADS_TO_AMAZON,
    'test_a_signed_link_to_store_stores_one_file': LEADS_TO_AMAZON,
    'test_links_and_download_names_may_be_odd': LEADS_TO_AMAZON,
    'test_no_part_of_a_signed_link_can_be_changed': LEADS_TO_AMAZON,
    'test_the_download_name_of_a_link_is_signed': LEADS_TO_AMAZON,
    'test_a_client_sends_one_file_with_a_ticket': LEADS_TO_AMAZON,
    'test_a_second_upload_changes_nothing_that_was_seen': LEADS_TO_AMAZON,
    'test_a_signed_upload_lives_no_longer_than_said': LEADS_TO_AMAZON,
    'test_no_part_of_a_signed_upload_can_be_changed': LEADS_TO_AMAZON,
    'test_what_is_not_what_the_ticket_says_is_no_file': LEADS_TO_AMAZON,
    'test_a_signed_upload_shows_no_secret': KEY_IS_SECRET,
    'test_pieces_are_joined_exactly': WRONG_CHECKSUM,
    'test_a_copy_is_a_file_of_its_own': WRONG_CHECKSUM,
    'test_a_change_of_attributes_changes_only_what_it_names': WRONG_CHECKSUM,
    'test_a_version_replaced_while_the_source_is_read_is_kept': 'moto ignores If-Match when parts are completed',
    'test_what_was_deleted_can_be_restored': WRONG_CHECKSUM,
    'test_an_interrupt_loses_no_deleted_file': WRONG_CHECKSUM,
    'test_any_sequence_of_verbs_does_what_a_dictionary_would': WRONG_CHECKSUM,
    'test_folders_stay_inside_the_key_prefix': 'moto fails with a TypeError at a token that it has not returned',
}


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hardly wait before another attempt; botocore has no setting for that, and waits for up to a second before the first."""
    monkeypatch.setattr('botocore.retries.standard.ExponentialBackoff.delay_amount', lambda *_: 0.02)


@pytest.fixture
def seaweed(tmp_path: Path, s3_service: S3Service, short_pauses: None) -> S3Harness:
    """A fresh bucket on SeaweedFS, or on the server that the environment names."""
    return SeaweedHarness(tmp_path, s3_service)


@pytest.fixture
def swift(tmp_path: Path, swift_s3_service: S3Service, short_pauses: None) -> S3Harness:
    """A fresh bucket on Swift's own S3."""
    return SwiftHarness(tmp_path, swift_s3_service)


# --- For the tests of this backend alone.


class PlainHarness(SeaweedHarness):
    """A fresh bucket on SeaweedFS for the backend as applications get it."""

    backend_class = S3Backend
    page_size = 1000


class InProcessHarness(PlainHarness):
    """A fresh bucket on moto inside this process, reached as Amazon is: by no endpoint."""

    def settings(self) -> Mapping[str, Any]:
        return {key: value for key, value in super().settings().items() if key != 'endpoint'}


class InProcessForAll(InProcessHarness):
    """The same for all checks: nobody else reaches this store, by links or in other processes, and it is in memory."""

    backend_class = SmallPages
    race_rounds = 10
    page_size = 30
    known_limits: ClassVar[Mapping[str, str]] = IN_PROCESS_LIMITS
    memory_ceiling_bytes = None
    shared_between_processes = False


@pytest.fixture
def in_process(tmp_path: Path, moto_in_process: S3Service) -> InProcessForAll:
    """A fresh bucket on moto inside this process, for the conformance kit."""
    return InProcessForAll(tmp_path, moto_in_process)


@pytest.fixture(scope='session')
def kept_client(tmp_path_factory: pytest.TempPathFactory, s3_service: S3Service) -> Any:
    """The client that backends with the settings of ``store`` share: it lives as long as one of them, and takes time."""
    return PlainHarness(tmp_path_factory.getbasetemp(), s3_service).make()._bucket.client


@pytest.fixture
def store(tmp_path: Path, s3_service: S3Service, kept_client: Any) -> PlainHarness:
    """A fresh bucket on SeaweedFS, or on the server that the environment names."""
    return PlainHarness(tmp_path, s3_service)


@pytest.fixture(scope='session')
def kept_store() -> type[PlainHarness]:
    """What makes a bucket that several tests use."""
    return PlainHarness


@pytest.fixture
def hook() -> Iterator[Callable[[S3Backend, str, Callable[..., Any]], None]]:
    """Has a function called at one of the events of a backend's client, until the end of the test."""
    with contextlib.ExitStack() as stack:

        def add(backend: S3Backend, event: str, act: Callable[..., Any]) -> None:
            events = backend._bucket.client.meta.events
            events.register_first(event, act)
            stack.callback(events.unregister, event, act)

        yield add


@pytest.fixture
def amazon(tmp_path: Path, moto_in_process: S3Service) -> InProcessHarness:
    """A fresh bucket on moto inside this process."""
    return InProcessHarness(tmp_path, moto_in_process)


@pytest.fixture
def proxy(store: PlainHarness) -> Iterator[FaultProxy]:
    """A proxy in front of the server of ``store``."""
    with FaultProxy(store.host, store.port) as proxy:
        yield proxy


@pytest.fixture
def backend(store: PlainHarness, proxy: FaultProxy) -> S3Backend:
    """A backend on the bucket of ``store``, through the proxy."""
    return store.make_via_proxy(f'{proxy.host}:{proxy.port}')


@pytest.fixture
def sent() -> Callable[[S3Backend], contextlib.AbstractContextManager[list[str]]]:
    """The operations that a backend's client sends in a ``with`` block, by botocore's own events.

    Each attempt counts that was answered, redirects and refusals too. Those that a busy machine makes botocore repeat,
    by no response or one of 500 and more, say nothing of the backend.
    """

    @contextlib.contextmanager
    def watch(backend: S3Backend) -> Generator[list[str]]:
        operations: list[str] = []

        def note(event_name: str, response_dict: Any, **_: Any) -> None:
            if response_dict is not None and response_dict['status_code'] < 500:
                operations.append(event_name.rpartition('.')[2])

        events = backend._bucket.client.meta.events
        events.register('response-received.s3', note)
        try:
            yield operations
        finally:
            events.unregister('response-received.s3', note)

    return watch


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python on some code, which finds ``given`` decoded as JSON in its global ``given``."""
    started: list[subprocess.Popen[str]] = []

    def run(code: str, given: Any = None, **environ: str) -> subprocess.Popen[str]:
        preamble = f'import json\ngiven = json.loads({json.dumps(given)!r})\n'
        child = subprocess.Popen(
            [sys.executable, '-W', 'error', '-c', preamble + textwrap.dedent(code)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environ},
        )
        started.append(child)
        return child

    yield run
    for child in started:
        child.kill()
        child.communicate()


@pytest.fixture
def python(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., str]:
    """Runs Python on some code to its end and returns what it printed; it must succeed."""

    def run(code: str, given: Any = None, **environ: str) -> str:
        child = start(code, given, **environ)
        output, _ = child.communicate(timeout=100)
        assert child.returncode == 0
        return output.strip()

    return run
