"""All checks, in one class for each kind of backend, for its author to subclass."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from .checks.agreement import AgreementChecks
from .checks.attribute_changes import AttributeChangeChecks
from .checks.attribute_responses import AttributeResponseChecks
from .checks.attributes import AttributeChecks
from .checks.budgets import BudgetChecks, RequestChecks
from .checks.content import ContentChecks
from .checks.copying import CopyChecks
from .checks.creating import CreateChecks
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
    """Every guarantee that a backend gives. Subclass it as ``Test…`` and give it a ``harness_class``.

    A backend that needs more than a folder overrides the fixture ``harness`` instead.

    What the backend declares as a capability has to work; what it does not declare has to raise OperationNotSupported.
    """

    #: How to make a store, and look behind the backend's back.
    harness_class: ClassVar[type[Harness]]

    @pytest.fixture
    def harness(self, tmp_path: Path) -> Harness:
        """A fresh one for each check."""
        return self.harness_class(tmp_path)


class NetworkConformance(
    BackendConformance,
    FaultChecks,
    FaultMatrixChecks,
    NetworkResourceChecks,
    RequestChecks,
    LazyPageChecks,
    NetworkManyChecks,
):
    """Every guarantee of a backend whose store is reached over a network.

    Subclass it as ``Test…`` and give it a fixture ``harness`` that makes a :class:`NetworkHarness`.
    """
