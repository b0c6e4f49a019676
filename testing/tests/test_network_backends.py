"""A backend over HTTP passes the whole kit, also seen as one of another protocol, and gives up on a silent store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pytest
from broken_backends.network import Drafting
from http_harness import HTTPHarness, store

from flask_fs_testing import NetworkConformance, NetworkHarness
from flask_fs_testing.checks.cut_transfers import CutTransferChecks
from flask_fs_testing.checks.faults import FaultChecks

# The kit's own proof: once is enough, and on one Python.
pytestmark = pytest.mark.slow


class TestHTTP(NetworkConformance):
    @pytest.fixture
    def harness(self, http_store_port: int) -> Iterator[NetworkHarness]:
        harness = HTTPHarness(http_store_port)
        yield harness
        harness.clear()


class BytesHarness(HTTPHarness):
    """Seen as a protocol that the proxy does not recognize, as that of a database."""

    http = False


class TestHTTPAsBytes(FaultChecks, CutTransferChecks):
    @pytest.fixture
    def harness(self, http_store_port: int) -> Iterator[NetworkHarness]:
        harness = BytesHarness(http_store_port)
        yield harness
        harness.clear()


def test_a_draft_that_no_client_could_remove_is_allowed_if_it_is_hidden_and_swept() -> None:
    class DraftingHarness(HTTPHarness):
        backend_class = Drafting

    with store(*Drafting.store_flags) as port:
        NetworkConformance().test_an_upload_that_is_cut_leaves_what_was_there(DraftingHarness(port))


def test_a_backend_that_waits_for_ever_is_caught(http_store_port: int) -> None:
    class WithoutTimeOut(HTTPHarness):
        timeout_s = 1

        short_timeouts: ClassVar[Mapping[str, Any]] = {'timeout_s': 60}

    with pytest.raises(pytest.fail.Exception, match='to give up on a silent store within 1 s'):
        NetworkConformance().test_a_store_that_does_not_answer_is_no_absence(WithoutTimeOut(http_store_port))
