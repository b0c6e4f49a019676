from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from flask import Flask
from werkzeug.datastructures import FileStorage

import flask_fs as fs
from flask_fs import content
from flask_fs.content import HEAD_BYTES
from flask_fs.files import extension


def archived(kind: str) -> bytes:
    made = io.BytesIO()
    if kind == 'zip':
        with zipfile.ZipFile(made, 'w') as archive:
            archive.writestr('[Content_Types].xml', '<Types/>')
    else:
        with tarfile.open(fileobj=made, mode='w') as archive:
            archive.addfile(tarfile.TarInfo('x'))
    return made.getvalue()


PE = b'MZ' + bytes(58) + (128).to_bytes(4, 'little') + bytes(64) + b'PE\0\0\x64\x86' + bytes(20)
PNG = b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR' + bytes(20)
SAMPLES = {
    'HTML': b'<!doctype html><title>Page</title>',
    'HTML with a byte order mark': b'\xef\xbb\xbf\n <HTML lang=en>',
    'HTML after a comment': b'<!-- photo --> <script>alert(1)</script>',
    'XHTML': b'<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml">',
    'HTML in UTF-16': '\ufeff<!-- x --><html lang=en>'.encode('utf-16-le'),
    'HTML in UTF-16, big end first': '\ufeff\n<script>alert(1)</script>'.encode('utf-16-be'),
    'SVG': b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    'SVG in UTF-16': '<?xml version="1.0" encoding="utf-16"?><svg/>'.encode('utf-16'),
    'SVG with a prefix': b'<?xml version="1.0"?><!-- a --><!DOCTYPE svg:svg [<!ENTITY a "<>">]><svg:svg xmlns:svg="s"/>',
    'XML with a stylesheet': b'<?xml version="1.0"?><?xml-stylesheet href="x.xsl" type="text/xsl"?><data/>',
    'XML': b'<?xml version="1.0" encoding="UTF-8"?><data/>',
    'an open comment': b'<!--' + b' x' * HEAD_BYTES,
    'script': b'#!/bin/sh\nrm -rf "$1"\n',
    'script with a blank': b'#! /usr/bin/env python3\n',
    'ELF': b'\x7fELF\x02\x01\x01' + bytes(60),
    'PE': PE,
    'Mach-O': b'\xcf\xfa\xed\xfe\x07\0\0\x01' + bytes(60),
    'universal Mach-O': b'\xca\xfe\xba\xbe\0\0\0\x02' + bytes(60),
    'WebAssembly': b'\0asm\x01\0\0\0' + bytes(20),
    'PDF': b'%PDF-1.7\n%\xe2\xe3\xcf\xd3\n' + bytes(20),
    'PNG': PNG,
    'JPEG': b'\xff\xd8\xff\xe0\0\x10JFIF\0',
    'GIF': b'GIF89a\x01\0\x01\0\0\0\0',
    'WebP': b'RIFF\x24\0\0\0WEBPVP8 ',
    'BMP': b'BM\x3a\0\0\0' + bytes(4) + b'\x36\0\0\0\x28\0\0\0' + bytes(20),
    'TIFF': b'II*\0\x08\0\0\0',
    'AVIF': b'\0\0\0\x1cftypavif' + bytes(20),
    'MP4': b'\0\0\0\x20ftypisom' + bytes(20),
    'WAV': b'RIFF\x24\0\0\0WAVEfmt ',
    'Ogg': b'OggS\0\x02' + bytes(20),
    'MP3 with a tag': b'ID3\x04\0\0' + bytes(20),
    'WebM': b'\x1aE\xdf\xa3' + bytes(20),
    'ZIP': archived('zip'),
    'tar': archived('tar'),
    'gzip': gzip.compress(b'x'),
    'bzip2': bz2.compress(b'x'),
    'xz': lzma.compress(b'x'),
    '7z': b"7z\xbc\xaf'\x1c\0\x04" + bytes(20),
    'office': b'\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1' + bytes(20),
    'RTF': b'{\\rtf1\\ansi x}',
    'font': b'wOF2\0\x01\0\0' + bytes(20),
}
MARKUP = ['HTML', 'HTML with a byte order mark', 'HTML after a comment', 'XHTML', 'an open comment']
MARKUP += ['HTML in UTF-16', 'HTML in UTF-16, big end first']
SVGS = ['SVG', 'SVG with a prefix', 'SVG in UTF-16']
XMLS = ['XML', 'XML with a stylesheet']
SCRIPTS = ['script', 'script with a blank']
PROGRAMS = ['ELF', 'PE', 'Mach-O', 'universal Mach-O', 'WebAssembly']
PICTURES = ['PNG', 'JPEG', 'GIF', 'WebP', 'BMP', 'TIFF', 'AVIF']
MEDIA = ['MP4', 'WAV', 'Ogg', 'MP3 with a tag', 'WebM']
ARCHIVES = ['ZIP', 'tar', 'gzip', 'bzip2', 'xz', '7z']
# Which samples may have an extension. What may have an extension of one family may have every one of it.
AGREES = {
    'png jpg jpeg gif webp bmp avif ico heic': [*PICTURES, 'MP4'],
    'svg': [*SVGS, *XMLS, 'an open comment'],
    'html xhtml': [*MARKUP, *SVGS, *XMLS],
    'xml xsl rss': [*MARKUP, *SVGS, *XMLS],
    # Shown as the text that it is.
    'txt md csv py sh js yaml ini log': [*MARKUP, *SVGS, *XMLS, *SCRIPTS, 'RTF'],
    'json': [],
    'pdf': ['PDF'],
    'mp3 m4a wav ogg mp4 webm': [*MEDIA, 'AVIF'],
    'zip tar gz tgz xz 7z': ARCHIVES,
    'docx xlsx odt pptx': ['ZIP', 'office', 'RTF'],
    # Many programs write tables for Excel that are HTML or XML.
    'doc xls': ['ZIP', 'office', 'RTF', *MARKUP, *XMLS],
    'exe dll so': PROGRAMS,
    'woff2 ttf': ['font'],
}


@pytest.fixture(params=['with the library', 'without the library'])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param == 'without the library':
        # Made once, from the library too.
        content._candidate()
        monkeypatch.setattr(content, '_library', lambda: ())
        return False
    pytest.importorskip('puremagic')
    return True


def contradiction(filename: str, head: bytes) -> str | None:
    return content.contradiction(extension(filename), head)


@pytest.mark.parametrize('extensions', AGREES)
def test_content_contradicts_the_extensions_of_other_families(extensions: str, library: bool) -> None:
    for ext in extensions.split():
        found = {what: contradiction(f'a.b/photo.{ext.upper()}', content) for what, content in SAMPLES.items()}
        assert {what for what, reason in found.items() if reason is None} == set(AGREES[extensions]), ext


def test_an_extension_that_claims_nothing_is_not_contradicted(library: bool) -> None:
    for name in (
        'a',
        'a.',
        '.png',
        'png',
        'a.bin',
        'a.dat',
        'a.xyz',
        'a.jar',
        'a.epub',
        'a.apk',
        'a.run',
        'a.php',
        'a.eml',
    ):
        assert {contradiction(name, content) for content in SAMPLES.values()} == {None}, name


UNRECOGNIZED = [
        *(b'', b'x', b'xxx', b'not a picture', bytes(1000), b'\xff' * 1000, b'\r\n\r\n', 'Grüße'.encode(), 'Grüße'.encode('utf-16')),
        *(b'MZ', b'MZ and other letters', b'BM', b'BMW is a brand', b'PK', b'ID3', b'#!', b'#!important', b'<', b'<3', b'<pngs>'),
        *(b'RIFF', b'ELF', b'%PD', b'GIF', b'\xca\xfe', b'II*', b'<svgx>', b'<htmlx>', b'<?php x', b'<%= x %>', b'{\\rtf'),
]  # fmt: skip


@pytest.mark.parametrize('extensions', AGREES)
def test_what_nothing_recognizes_may_have_any_name(extensions: str, library: bool) -> None:
    for ext in extensions.split():
        assert {contradiction(f'a.{ext}', unrecognized) for unrecognized in UNRECOGNIZED} == {None}, ext


@pytest.mark.parametrize(
    'said',
    ['GIF89a is a format', '%PDF-1.7 is a version', 'Rar!\x1b[0m', '{\\rtf1 x}', '<html>\n', '#!/bin/sh', '<?xml ?>'],
)
def test_text_may_begin_with_the_letters_of_a_signature(said: str, library: bool) -> None:
    assert contradiction('a.txt', said.encode()) is None


def test_the_library_recognizes_more_and_agrees_with_itself(library: bool) -> None:
    windows_media = bytes.fromhex('3026b2758e66cf11a6d900aa0062ce6c') + bytes(20)
    assert contradiction('a.wma', windows_media) is None
    assert (contradiction('a.png', windows_media) is not None) == library


@pytest.mark.parametrize(
    'hostile', [b'<!DOCTYPE x[' + b']a' * HEAD_BYTES, b'<!DOCTYPE x[' + b'] ' * HEAD_BYTES, b'<!--' * HEAD_BYTES]
)
def test_hostile_markup_is_looked_at_in_no_time(hostile: bytes) -> None:
    # Sixteen times as much as is looked at, because time that grows with the square of the length shows so on any machine.
    start = time.process_time()
    assert contradiction('a.png', hostile * 4) == 'the content is XML, not an image as the filename says'
    assert time.process_time() - start < 1


def test_the_reason_is_for_people() -> None:
    assert contradiction('a.png', SAMPLES['HTML']) == 'the content is HTML, not an image as the filename says'
    assert contradiction('a.pdf', SAMPLES['ELF']) == 'the content is a program, not PDF as the filename says'


# --- Saved.


class Once:
    """Can be read once, and holds what it is asked for at most."""

    def __init__(self, content: bytes, at_a_time: int = 10**9) -> None:
        self._content = io.BytesIO(content)
        self._at_a_time = at_a_time
        self.asked: list[int] = []

    def read(self, size: int = -1) -> bytes:
        self.asked.append(size)
        assert 0 <= size <= 1024 * 1024
        return self._content.read(min(size, self._at_a_time))


def spooled(content: bytes, max_size: int) -> IO[bytes]:
    file = tempfile.SpooledTemporaryFile(max_size=max_size)  # noqa: SIM115  # closed by made()
    file.write(content)
    file.seek(0)
    return file  # type: ignore[return-value]


def on_disk(content: bytes) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115  # closed by made()
    file.write(content)
    # Not flushed: what a file holds and what the disk has are two things.
    file.seek(0)
    return file


def unflushed(content: bytes) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115  # closed by made()
    file.write(b'skipped')
    file.write(content)
    file.seek(7)
    return file


def path_of(content: bytes) -> Path:
    """The path of a file in the current folder."""
    path = Path('upload')
    path.write_bytes(content)
    return path


SOURCES: dict[str, Callable[[bytes], Any]] = {
    'BytesIO': io.BytesIO,
    'upload in memory': lambda content: FileStorage(spooled(content, 10**9), 'client.png'),
    'upload on disk': lambda content: FileStorage(spooled(content, 1), 'client.png'),
    'file': on_disk,
    'unbuffered file': lambda content: open(path_of(content), 'rb', buffering=0),  # noqa: SIM115  # closed by made()
    'file that is written to': unflushed,
    'once': Once,
    'once, in small pieces': lambda content: Once(content, 7 + len(content) // 1000),
    'text': lambda content: io.StringIO(content.decode('latin-1')),
    'gzipped': lambda content: gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(content))),
    'path': path_of,
}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, bytes], Any]]:
    """Makes sources by the names above, and closes them."""
    monkeypatch.chdir(tmp_path)
    with contextlib.ExitStack() as stack:

        def make(how: str, content: bytes) -> Any:
            source = SOURCES[how](content)
            if hasattr(source, 'close'):
                stack.callback(source.close)
            return source

        yield make


@pytest.mark.parametrize('how', SOURCES)
def test_save_refuses_what_contradicts_its_name_and_leaves_the_source_as_it_was(
    app: Flask, storage: fs.Storage, made: Callable[[str, bytes], Any], how: str
) -> None:
    source = made(how, SAMPLES['HTML'])
    before = source.tell() if hasattr(source, 'tell') else None
    with pytest.raises(fs.InvalidContent, match='HTML, not an image') as caught:
        storage.save(source, 'a.png')
    assert (caught.value.filename, caught.value.storage) == ('a.png', 'files')
    assert list(storage.list_files()) == []
    assert before is None or source.tell() == before


@pytest.mark.parametrize('how', SOURCES)
@pytest.mark.parametrize('size', [0, 3, HEAD_BYTES, HEAD_BYTES + 1, 3_000_000])
def test_what_passes_is_stored_whole(
    app: Flask, storage: fs.Storage, made: Callable[[str, bytes], Any], how: str, size: int
) -> None:
    content = (b'0123456789' * (size // 10 + 1))[:size]
    assert storage.save(made(how, content), 'a.png') == 'a.png'
    assert storage.read('a.png') == content


def test_a_file_is_looked_at_from_its_position_on(app: Flask, storage: fs.Storage) -> None:
    source = io.BytesIO(b'<html>' + PNG)
    source.seek(6)
    storage.save(source, 'a.png')
    assert storage.read('a.png') == PNG


def test_what_a_source_gives_is_looked_at_and_not_what_it_holds(app: Flask, storage: fs.Storage) -> None:
    class Inverted(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return bytes(255 - byte for byte in super().read(size))

    def inverted(content: bytes) -> Inverted:
        return Inverted(Inverted(content).read())

    storage.save(inverted(PNG), 'a.png')
    assert storage.read('a.png') == PNG
    with pytest.raises(fs.InvalidContent, match='HTML, not an image'):
        storage.save(inverted(SAMPLES['HTML']), 'b.png')


def test_a_source_that_is_read_once_is_refused_by_its_first_bytes(app: Flask, storage: fs.Storage) -> None:
    source = Once(SAMPLES['HTML'] + bytes(10_000_000))
    with pytest.raises(fs.InvalidContent):
        storage.save(source, 'a.png')
    assert source.asked == [HEAD_BYTES]


@pytest.mark.parametrize('how', SOURCES)
def test_validators_see_all_of_it(make_app: Callable[..., Flask], made: Callable[[str, bytes], Any], how: str) -> None:
    seen = []
    storage = fs.Storage('files', fs.ALL, validators=[lambda file, name: seen.append(file.read())])
    with make_app(storage, FILES_FS_MAX_BYTES=10_000).app_context():
        storage.save(made(how, PNG), 'a.png')
        with pytest.raises(fs.InvalidContent):
            storage.save(made(how, SAMPLES['HTML']), 'b.png')
        with pytest.raises(fs.FileTooLarge):
            storage.save(made(how, PNG + bytes(10_000)), 'c.png')
    assert seen == [PNG] or how == 'text'


def test_a_setting_turns_it_off(make_app: Callable[..., Flask], kind: str) -> None:
    storage, other = fs.Storage('files', fs.ALL), fs.Storage('others', fs.ALL)
    with make_app(storage, other, FS_BACKEND=kind, FILES_FS_CHECK_CONTENT=False).app_context():
        storage.save(io.BytesIO(SAMPLES['HTML']), 'a.png')
        with pytest.raises(fs.InvalidContent):
            other.save(io.BytesIO(SAMPLES['HTML']), 'a.png')


def test_the_applications_own_content_is_its_own_business(app: Flask, storage: fs.Storage) -> None:
    page = SAMPLES['HTML']
    storage.write('a.png', page)
    with storage.open('b.png', 'wb') as file:
        file.write(page)
    storage.copy('a.png', 'c.png')
    storage.move('c.png', 'd.png')
    storage.transfer('d.png', storage, 'e.png')
    assert storage.read('e.png') == page
