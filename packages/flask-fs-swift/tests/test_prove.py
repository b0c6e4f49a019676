"""``flask fs prove`` on a real Swift, with some of the checks: the tests of the kit run them all, in a folder."""

from __future__ import annotations

import re
from typing import Any

import pytest
from click.testing import CliRunner
from flask.cli import ScriptInfo

import flask_fs as fs
from flask_fs_testing import live_checks
from flask_fs_testing.checks.creating import CreateChecks
from flask_fs_testing.checks.links import LinkChecks
from flask_fs_testing.checks.metadata import MetadataChecks
from flask_fs_testing.checks.names import NameChecks
from flask_fs_testing.checks.uploads import UploadChecks
from flask_fs_testing.cli import prove

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.timeout(300)]


class SomeChecks(CreateChecks, LinkChecks, MetadataChecks, NameChecks, UploadChecks):
    harness = live_checks.TestDeployment.harness


def test_a_container_is_proven_and_left_as_it_was(swift_harness: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_checks, 'TestDeployment', SomeChecks)
    storage = fs.Storage('kit', fs.IMAGES)
    app = swift_harness.make_app(storage, prefix='tenants/7')
    beside = ['fs-prove-0', 'tenants/7/fs-prove-0123456789abcdef/x', 'tenants/7/x', 'tenants/70/x']
    for name in beside:
        swift_harness.put_raw(name, b'beside')

    result = CliRunner().invoke(prove, ['kit', '--yes'], obj=ScriptInfo(create_app=lambda: app))

    # What Swift is known not to keep is found out, and nothing else.
    broken = set(re.findall(r'^Check: (\w+)$', result.output, re.MULTILINE))
    assert broken <= set(swift_harness.known_limits), result.output
    assert result.exit_code == bool(broken)
    for capability in ('CHECKSUM', 'MIME', 'NESTED_NAMES'):
        assert f'{capability:15} proven' in result.output
    assert 'ATOMIC_CREATE   not declared' in result.output
    # The segments of large files too, but for those of uploads that were interrupted, which are swept.
    with app.app_context():
        storage.backend.sweep(older_than_s=0)
    assert swift_harness.names_raw() == beside
