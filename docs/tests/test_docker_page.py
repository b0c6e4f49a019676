"""The manifests of the page about containers set what Flask-FS supports, and name paths and routes that agree."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from pages import DOCS, File, steps

import flask_fs as fs

PAGE = DOCS / 'how-to' / 'docker-and-kubernetes.md'


@pytest.fixture(scope='module')
def files() -> dict[str, str]:
    return {step.name: step.content for step in steps(PAGE.read_text(encoding='utf-8')) if isinstance(step, File)}


def configured(monkeypatch: pytest.MonkeyPatch, variables: list[dict[str, Any]]) -> tuple[Flask, fs.Storage]:
    for variable in variables:
        monkeypatch.setenv(variable['name'], variable.get('value', 'a-secret'))
    app, photos = Flask('album'), fs.Storage('photos', fs.IMAGES)
    app.config.from_prefixed_env()
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        fs.init_app(app, photos)
    return app, photos


def test_the_deployment_configures_a_folder_of_its_volume(
    files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = yaml.safe_load(files['album.yaml'])['spec']['template']['spec']
    [container] = pod['containers']
    _, photos = configured(monkeypatch, container['env'])
    mounts = {mount['name']: mount['mountPath'] for mount in container['volumeMounts']}
    assert photos.root is not None
    assert Path(mounts['files']) in Path(photos.root).parents
    assert photos.config.fsync is True
    assert {volume['name'] for volume in pod['volumes']} == mounts.keys()


def test_the_probes_name_routes_of_the_page(files: dict[str, str]) -> None:
    [container] = yaml.safe_load(files['album.yaml'])['spec']['template']['spec']['containers']
    probes = [container[kind]['httpGet'] for kind in ('livenessProbe', 'readinessProbe')]
    page = PAGE.read_text(encoding='utf-8')
    assert all(f"@app.get('{probe['path']}')" in page for probe in probes)
    assert {probe['port'] for probe in probes} == {container['ports'][0]['containerPort']}


def test_the_settings_for_an_object_store_are_accepted(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    app, photos = configured(monkeypatch, yaml.safe_load(files['album-s3.yaml'])['env'])
    assert photos.backend.kind == 's3'
    with app.app_context():
        link = photos.signed_url('ada.png')
    assert link.startswith('https://files.example.com/')


def test_the_image_and_the_deployment_agree(files: dict[str, str]) -> None:
    pod = yaml.safe_load(files['album.yaml'])['spec']['template']['spec']
    [root] = [line for line in files['Dockerfile'].split() if line.startswith('FLASK_FS_ROOT=')]
    assert {'name': 'FLASK_FS_ROOT', 'value': root.partition('=')[2]} in pod['containers'][0]['env']
    assert f'USER {pod["securityContext"]["runAsUser"]}\n' in files['Dockerfile']
    assert os.path.basename(root) == 'data'
