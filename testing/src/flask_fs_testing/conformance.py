"""All checks, in one class for each kind of backend: subclass it to check yours."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from .checks.agreement import AgreementChecks
from .checks.attribute_changes import AttributeChangeChecks
from .checks.attribute_responses import AttributeResponseChecks
from .checks.attributes import AttributeChecks
from .checks.between_requests import BetweenRequestsChecks
from .checks.budgets import BudgetChecks, RequestChecks
from .checks.content import ContentChecks
from .checks.copying import CopyChecks
from .checks.creating import CreateChecks
from .checks.cut_transfers import CutTransferChecks
from .checks.deleting import DeleteChecks
from .checks.errors import ErrorChecks
from .checks.fault_matrix import FaultMatrixChecks
from .checks.faults import FaultChecks
from .checks.folders import FolderChecks
from .checks.freshness import FreshnessChecks
from .checks.incoming import IncomingChecks
from .checks.inputs import InputChecks
from .checks.interrupts import InterruptChecks
from .checks.joining import JoinChecks
from .checks.leftovers import LeftoverChecks
from .checks.links import LinkChecks
from .checks.listing import ListChecks, UnfinishedChecks
from .checks.many import ManyChecks, NetworkManyChecks
from .checks.memory import MemoryChecks
from .checks.metadata import MetadataChecks
from .checks.model import ModelChecks
from .checks.names import NameChecks
from .checks.paging import LazyPageChecks, PageChecks
from .checks.processes import ProcessChecks
from .checks.races import RaceChecks
from .checks.ranges import RangeChecks
from .checks.reading_memory import ReadingMemoryChecks
from .checks.resources import NetworkResourceChecks, ResourceChecks
from .checks.responses import ResponseChecks
from .checks.restoring import RestoreChecks
from .checks.retention import RetentionChecks
from .checks.seeking import SeekChecks
from .checks.serving import ServeChecks
from .checks.sharing import SharingChecks
from .checks.signed_uploads import SignedUploadChecks
from .checks.swapping import SwapChecks
from .checks.text import TextChecks
from .checks.uploads import UploadChecks
from .checks.versions import VersionChecks
from .checks.writers import WriterChecks
from .harness import Harness


class BackendConformance(
    NameChecks,
    ContentChecks,
    UploadChecks,
    WriterChecks,
    TextChecks,
    RangeChecks,
    SeekChecks,
    VersionChecks,
    CreateChecks,
    RaceChecks,
    SwapChecks,
    CopyChecks,
    DeleteChecks,
    ManyChecks,
    ListChecks,
    PageChecks,
    FolderChecks,
    UnfinishedChecks,
    MetadataChecks,
    AttributeChecks,
    AttributeChangeChecks,
    AttributeResponseChecks,
    AgreementChecks,
    FreshnessChecks,
    ServeChecks,
    ResponseChecks,
    LinkChecks,
    SharingChecks,
    InputChecks,
    ErrorChecks,
    ResourceChecks,
    ProcessChecks,
    LeftoverChecks,
    MemoryChecks,
    ReadingMemoryChecks,
    InterruptChecks,
    RetentionChecks,
    RestoreChecks,
    IncomingChecks,
    JoinChecks,
    SignedUploadChecks,
    BudgetChecks,
    ModelChecks,
):
    """Checks of every guarantee of a backend. Subclass it as ``Test…`` and set ``harness_class``.

    If the backend needs more than a folder, override the fixture ``harness`` instead.

    Capabilities that the backend declares have to work; those that it does not declare have to raise OperationNotSupported.
    """

    #: How to create a store, and access it without the backend.
    harness_class: ClassVar[type[Harness]]

    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        """A new one for each check."""
        return self.harness_class(tmp_path)


class NetworkConformance(
    BackendConformance,
    FaultChecks,
    CutTransferChecks,
    FaultMatrixChecks,
    BetweenRequestsChecks,
    NetworkResourceChecks,
    RequestChecks,
    LazyPageChecks,
    NetworkManyChecks,
):
    """Checks of every guarantee of a backend whose store is reached over a network.

    Subclass it as ``Test…`` with a fixture ``harness`` that returns a :class:`NetworkHarness`.
    """
