"""What local storage asks of the operating system, counted with strace."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_fs.backends import symlinks

Calls = dict[str, list[str]]

# Runs each operation twice and marks the second time by looking for files that are not there: what Python loads or
# looks up once only is no part of an operation. Files have 1 KiB.
OPERATIONS = """
import io, os, sys
from flask import Flask
import flask_fs as fs

root, count = sys.argv[1], int(sys.argv[2])
storage = fs.Storage('files', fs.ALL)
app = Flask('traced', instance_path=root)
app.config.update(FILES_FS_ROOT=root + '/files', FS_URL='https://files.example')
fs.init_app(app, storage)
content = b'x' * 1024
ATTRIBUTES = {'mime': 'text/x-own', 'cache_control': 'no-store'}
upload = open(root + '/upload', 'w+b')
upload.write(content)
upload.flush()
picture = open(root + '/upload', 'rb')
many = fs.Storage('many', fs.ALL)
app.config['MANY_FS_ROOT'] = root + '/many'
fs.init_app(app, many)
many.configure(app)


def save(name, **options):
    stream = io.BytesIO(content)
    return lambda: storage.save(stream, name, **options)


def save_much(name):
    stream = io.BytesIO(content * 1024)
    return lambda: storage.save(stream, name, overwrite=True)


def save_upload(name, upload=upload):
    upload.seek(0)
    return lambda: storage.save(upload, name)


def do(function, *arguments, **options):
    return lambda: function(*arguments, **options)


OPERATIONS = {
    'save': lambda n: save(f'saved{n}'),
    'save over nothing': lambda n: save(f'over{n}', overwrite=True),
    'save over a file': lambda n: save('over1', overwrite=True),
    'save much over a file': lambda n: save_much('over1'),
    'save a taken name': lambda n: refused(save('saved1')),
    'save a real file': lambda n: save_upload(f'real{n}'),
    'save a real binary': lambda n: save_upload(f'real{n}.bin', picture),
    'save a picture': lambda n: save(f'saved{n}.png'),
    'save a real picture': lambda n: save_upload(f'real{n}.png', picture),
    'save into a folder': lambda n: save(f'a/saved{n}'),
    'save into a folder below': lambda n: save(f'a/b/saved{n}'),
    'save over a file in a folder': lambda n: save('a/saved1', overwrite=True),
    'save into a new folder': lambda n: save(f'new{n}/b/saved'),
    'write': lambda n: do(storage.write, f'written{n}', content),
    'read': lambda n: do(storage.read, 'saved1'),
    'read in a folder': lambda n: do(storage.read, 'a/saved1'),
    'read in a folder below': lambda n: do(storage.read, 'a/b/saved1'),
    'read in chunks': lambda n: do(lambda: list(storage.read_chunks('saved1'))),
    'exists': lambda n: do(storage.exists, 'saved1'),
    'exists in a folder': lambda n: do(storage.exists, 'a/saved1'),
    'exists not': lambda n: do(storage.exists, 'absent'),
    'stat': lambda n: do(storage.stat, 'saved1'),
    'metadata': lambda n: do(storage.metadata, 'saved1'),
    'url': lambda n: do(storage.url, 'saved1'),
    'path': lambda n: do(storage.path, 'saved1'),
    'copy': lambda n: do(storage.copy, 'saved1', f'copied{n}'),
    'move': lambda n: do(storage.move, f'copied{n}', f'moved{n}'),
    'move over a file': lambda n: do(storage.move, f'moved{n}', 'over1', overwrite=True),
    'delete': lambda n: do(storage.delete, f'written{n}'),
    'delete in a folder': lambda n: do(storage.delete, f'a/saved{n}'),
    'delete nothing': lambda n: do(storage.delete, 'absent'),
    'save with attributes': lambda n: save(f'kept{n}', **ATTRIBUTES),
    'save over a file with attributes': lambda n: save('kept1', overwrite=True, **ATTRIBUTES),
    'stat with attributes': lambda n: do(storage.stat, 'kept1'),
    'read with attributes': lambda n: do(storage.read, 'kept1'),
    'exists with attributes': lambda n: do(storage.exists, 'kept1'),
    'copy with attributes': lambda n: do(storage.copy, 'kept1', f'kept-copied{n}'),
    'move with attributes': lambda n: do(storage.move, f'kept-copied{n}', f'kept-moved{n}'),
    'set attributes': lambda n: do(storage.set_attributes, 'kept1', cache_control=f'max-age={n}'),
    'swap': lambda n: do(storage.write, 'over1', content, if_match=settled('over1')),
    'page of few': lambda n: do(many.folder, limit=1),
    'list few': lambda n: do(lambda: list(many.list_files())),
    'page of many': lambda n: more_files() or do(many.folder, limit=1),
    'list many': lambda n:  do(lambda: list(many.list_files())),
}


def settled(name):
    while (etag := storage.stat(name).etag) is None:
        pass
    return etag


def refused(act):
    def call():
        try:
            act()
        except fs.FileExists:
            return
        raise AssertionError('saved')
    return call


def more_files():
    for number in range(count):
        os.close(os.open(f'{root}/many/{number:09}', os.O_CREAT))


os.makedirs(root + '/many')
os.close(os.open(f'{root}/many/first', os.O_CREAT))
with app.app_context():
    for name, prepare in OPERATIONS.items():
        prepare(0)()
        act = prepare(1)
        os.access(f'begin {name}', 0)
        act()
        os.access('end', 0)
"""

MANY = 5000
# What Python's allocator asks for; it depends on what else is in memory.
MEMORY = frozenset(('brk', 'madvise', 'mmap', 'mremap', 'munmap'))
# One name for what differs between processors and C libraries only.
ALIKE = {
    **dict.fromkeys(('fstat', 'lstat', 'newfstatat', 'statx'), 'stat'),
    **dict.fromkeys(('renameat', 'renameat2'), 'rename'),
    'linkat': 'link',
    'mkdirat': 'mkdir',
    'openat': 'open',
    'openat2': 'open',
    'fgetxattr': 'getxattr',
    'fsetxattr': 'setxattr',
    'unlinkat': 'unlink',
}


@pytest.fixture(scope='module')
def calls() -> Iterator[Calls]:
    """The system calls of each operation, by name and in order."""
    missing = why_strace_is_missing()
    if missing:
        (pytest.fail if os.environ.get('FS_TEST_SERVICES') == 'required' else pytest.skip)(missing)
    with tempfile.TemporaryDirectory() as folder:
        if not has_unnamed_files(folder):
            pytest.skip('needs a file system with O_TMPFILE')
        trace = Path(folder, 'trace')
        # Coverage measurement of the child would be counted as well.
        environ = {key: value for key, value in os.environ.items() if not key.startswith('COV')}
        command = ['strace', '-o', str(trace), sys.executable, '-c', OPERATIONS, folder, str(MANY)]
        subprocess.run(command, check=True, env=environ)
        yield parsed(trace.read_text(errors='replace'))


def has_unnamed_files(folder: str) -> bool:
    try:
        os.close(os.open(folder, os.O_WRONLY | os.O_TMPFILE))
    except (AttributeError, OSError):
        return False
    return True


def why_strace_is_missing() -> str | None:
    if shutil.which('strace') is None:
        return 'needs strace'
    tried = subprocess.run(['strace', '-o', os.devnull, 'true'], check=False, stderr=subprocess.PIPE, text=True)
    return f'strace may not trace here: {tried.stderr.strip()}' if tried.returncode else None


def parsed(trace: str) -> Calls:
    found: Calls = {}
    current: list[str] | None = None
    for line in trace.splitlines():
        if 'access' in line and (begun := re.search(r'"begin (.*?)"', line)):
            current = found[begun[1]] = []
        elif 'access' in line and '"end"' in line:
            current = None
        elif current is not None and (called := re.match(r'\w+', line)) and called[0] not in MEMORY:
            current.append(ALIKE.get(called[0], called[0]))
    return found


def test_saving_a_new_file_takes_four(calls: Calls) -> None:
    assert calls['save'] == ['open', 'write', 'link', 'close']
    assert calls['save'] == calls['write']


def test_saving_over_nothing_takes_as_many_as_creating(calls: Calls) -> None:
    assert len(calls['save']) == len(calls['save over nothing'])


def test_a_taken_name_is_found_out_while_publishing(calls: Calls) -> None:
    """Asking before would be slower for everybody else, and not race-free."""
    assert calls['save'] == [call for call in calls['save a taken name'] if call != 'stat']


def test_replacing_a_file_takes_four_too(calls: Calls) -> None:
    assert calls['save over a file'] == ['open', 'write', 'close', 'rename']
    assert calls['save over a file'] == calls['save over nothing']


def test_replacing_by_content_that_comes_in_parts_adds_a_temporary_name(calls: Calls) -> None:
    """Until all of it is there, a process that dies leaves nothing behind."""
    assert calls['save much over a file'] == ['open', 'write', 'link', 'close', 'rename']


def test_saving_a_real_file_leaves_the_copying_to_the_kernel(calls: Calls) -> None:
    if 'copy_file_range' not in calls['save a real file']:
        pytest.skip('this Python or kernel has no copy_file_range()')
    assert 'write' not in calls['save a real file']
    assert calls['save a real file'].count('read') <= 1
    assert 'pread64' not in calls['save a real file']


def test_looking_at_the_content_of_a_real_file_takes_one_read(calls: Calls) -> None:
    looked = [*calls['save a real picture']]
    looked.remove('pread64')
    assert calls['save a real binary'] == looked


def test_looking_at_the_content_in_memory_takes_nothing(calls: Calls) -> None:
    assert calls['save'] == calls['save a picture']


def has_openat2() -> bool:
    return symlinks._openat2() is not None


def test_saving_into_a_folder_takes_no_more(calls: Calls) -> None:
    assert calls['save'] == calls['save into a folder']


def test_where_the_kernel_refuses_links_itself_folders_are_not_looked_at(calls: Calls) -> None:
    looks = [] if has_openat2() else ['stat']
    assert [*looks, *calls['save']] == calls['save into a folder below']
    assert [*looks, *calls['save over a file']] == calls['save over a file in a folder']
    assert [*looks, *calls['read']] == calls['read in a folder']
    assert [*looks, *looks, *calls['read']] == calls['read in a folder below']


def test_saving_into_a_new_folder_makes_each_part_once(calls: Calls) -> None:
    assert calls['save into a new folder'].count('mkdir') == 2
    assert calls['save into a new folder'].count('link') == 1


def test_reading_takes_four(calls: Calls) -> None:
    assert calls['read'] == ['open', 'stat', 'read', 'close']


def test_reading_in_chunks_opens_the_file_once(calls: Calls) -> None:
    assert calls['read in chunks'].count('open') == 1
    assert calls['read in chunks'].count('close') == 1


@pytest.mark.parametrize('operation', ['exists', 'stat', 'metadata'])
def test_asking_about_a_file_takes_one_look_and_opens_nothing(calls: Calls, operation: str) -> None:
    assert calls[operation] == ['stat']


def test_where_a_file_is_missing_the_root_is_looked_at_too(calls: Calls) -> None:
    assert calls['exists not'] == ['stat', 'stat']
    assert calls['delete nothing'] == ['unlink', 'stat']


def test_where_nothing_is_opened_each_folder_is_looked_at_once(calls: Calls) -> None:
    assert calls['exists in a folder'] == ['stat', 'stat']
    assert calls['delete in a folder'] == ['stat', 'unlink']


@pytest.mark.parametrize('operation', ['url', 'path'])
def test_naming_a_file_takes_none(calls: Calls, operation: str) -> None:
    assert calls[operation] == []


def test_deleting_takes_one(calls: Calls) -> None:
    assert calls['delete'] == ['unlink']


def test_copying_leaves_the_copying_to_the_kernel(calls: Calls) -> None:
    if 'copy_file_range' not in calls['copy']:
        pytest.skip('this Python or kernel has no copy_file_range()')
    assert calls['copy'].count('open') == 2
    assert 'write' not in calls['copy']


def test_moving_reads_and_writes_no_content(calls: Calls) -> None:
    assert [call for call in calls['move'] if call != 'stat'] == ['link', 'unlink']
    assert [call for call in calls['move over a file'] if call != 'stat'] == ['rename']
    assert len(calls['move']) <= 3


def test_listing_looks_at_no_file_by_itself(calls: Calls) -> None:
    assert calls['list few'].count('stat') == calls['list many'].count('stat')
    assert len(calls['list many']) < MANY / 100


# --- With attributes.


def test_attributes_are_set_before_any_content_and_cost_one_call_each(calls: Calls) -> None:
    assert calls['save with attributes'] == ['open', 'setxattr', 'setxattr', 'stat', 'write', 'link', 'close']


def test_what_reports_no_attributes_does_not_look_for_them(calls: Calls) -> None:
    assert calls['read with attributes'] == calls['read']
    assert calls['exists with attributes'] == calls['exists']
    assert calls['move with attributes'] == calls['move']


def test_attributes_are_read_from_the_open_file_of_which_the_rest_is_reported(calls: Calls) -> None:
    assert calls['stat with attributes'] == ['stat', 'open', 'stat', 'getxattr', 'getxattr', 'close']


def test_a_copy_with_attributes_is_still_made_by_the_kernel(calls: Calls) -> None:
    extended = [call for call in calls['copy with attributes'] if 'xattr' in call]
    assert extended == ['getxattr', 'getxattr', 'setxattr', 'setxattr']
    assert 'write' not in calls['copy with attributes'] or 'copy_file_range' not in calls['copy']


def test_changing_attributes_moves_no_content(calls: Calls) -> None:
    assert not {'write', 'copy_file_range', 'link', 'rename'} & {*calls['set attributes']}


# --- One version, and one folder.


def test_swapping_locks_twice_and_reads_nothing(calls: Calls) -> None:
    """Once before the source is read, and once to publish."""
    assert calls['swap'].count('flock') == 4
    assert calls['swap'].count('rename') == 1
    assert 'read' not in calls['swap']


def test_a_page_reads_the_folder_once_and_looks_at_what_is_on_it(calls: Calls) -> None:
    assert calls['page of few'].count('open') == calls['page of many'].count('open') == 1
    assert calls['page of few'].count('stat') == calls['page of many'].count('stat')
    assert len(calls['page of many']) < MANY / 100
