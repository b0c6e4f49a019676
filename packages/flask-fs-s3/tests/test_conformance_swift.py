"""The conformance kit on Swift's own S3: the checks of what a store does, with conditional writes that it does not keep.

What the backend itself does with streams, memory, threads and a network that fails is the same on every store:
test_conformance_seaweedfs.py checks it.
"""

from __future__ import annotations

from typing import Any

import pytest

from flask_fs_testing.checks.agreement import AgreementChecks
from flask_fs_testing.checks.attribute_changes import AttributeChangeChecks
from flask_fs_testing.checks.attribute_responses import AttributeResponseChecks
from flask_fs_testing.checks.attributes import AttributeChecks
from flask_fs_testing.checks.budgets import BudgetChecks, RequestChecks
from flask_fs_testing.checks.content import ContentChecks
from flask_fs_testing.checks.copying import CopyChecks
from flask_fs_testing.checks.creating import CreateChecks
from flask_fs_testing.checks.deleting import DeleteChecks
from flask_fs_testing.checks.errors import ErrorChecks
from flask_fs_testing.checks.folders import FolderChecks
from flask_fs_testing.checks.freshness import FreshnessChecks
from flask_fs_testing.checks.joining import JoinChecks
from flask_fs_testing.checks.links import LinkChecks
from flask_fs_testing.checks.listing import ListChecks, UnfinishedChecks
from flask_fs_testing.checks.many import ManyChecks
from flask_fs_testing.checks.metadata import MetadataChecks
from flask_fs_testing.checks.model import ModelChecks
from flask_fs_testing.checks.names import NameChecks
from flask_fs_testing.checks.paging import LazyPageChecks, PageChecks
from flask_fs_testing.checks.races import RaceChecks
from flask_fs_testing.checks.ranges import RangeChecks
from flask_fs_testing.checks.restoring import RestoreChecks
from flask_fs_testing.checks.retention import RetentionChecks
from flask_fs_testing.checks.serving import ServeChecks
from flask_fs_testing.checks.signed_uploads import SignedUploadChecks
from flask_fs_testing.checks.swapping import SwapChecks
from flask_fs_testing.checks.uploads import UploadChecks
from flask_fs_testing.checks.versions import VersionChecks

pytestmark = pytest.mark.slow


# Several rivals win most races there, and by luck none of them may show it.
@pytest.mark.filterwarnings('ignore::flask_fs_testing.UndeclaredCapability')
class TestSwiftS3(
    NameChecks,
    ContentChecks,
    UploadChecks,
    RangeChecks,
    VersionChecks,
    CreateChecks,
    RaceChecks,
    CopyChecks,
    DeleteChecks,
    ListChecks,
    PageChecks,
    LazyPageChecks,
    UnfinishedChecks,
    MetadataChecks,
    AttributeChecks,
    AttributeChangeChecks,
    AttributeResponseChecks,
    SwapChecks,
    FolderChecks,
    ManyChecks,
    AgreementChecks,
    FreshnessChecks,
    ServeChecks,
    LinkChecks,
    JoinChecks,
    SignedUploadChecks,
    ErrorChecks,
    RetentionChecks,
    RestoreChecks,
    BudgetChecks,
    RequestChecks,
    ModelChecks,
):
    @pytest.fixture
    def harness(self, swift: Any) -> Any:
        return swift
