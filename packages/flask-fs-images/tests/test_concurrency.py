"""No more pictures are decoded at once than is allowed."""

from __future__ import annotations

import os
import threading
import time

import pytest
from PIL import Image

import flask_fs
from flask_fs_images import ImageContent, Limits, Spec, concurrency, identify, render
from flask_fs_images.picture import Picture


@pytest.fixture
def watched(monkeypatch):
    """How many pictures were being decoded, each time that one more was, and an event that they wait for."""
    counts, go_on, lock = [], threading.Event(), threading.Lock()
    decoded, active = Picture.decode, [0]

    def decode(picture):
        with lock:
            active[0] += 1
            counts.append(active[0])
        assert go_on.wait(20)
        yield from decoded(picture)
        with lock:
            active[0] -= 1

    monkeypatch.setattr(Picture, 'decode', decode)
    monkeypatch.setattr(concurrency, 'decoding', concurrency.decoding)
    return counts, go_on


@pytest.mark.parametrize('limit', [1, 3])
def test_others_wait_until_a_slot_is_free(photo, encode, watched, limit):
    counts, go_on = watched
    content, limits = encode(photo(64, 48)).getvalue(), Limits(concurrency=limit)
    made = []
    threads = [
        threading.Thread(target=lambda: made.extend(render(content, [Spec(8)], limits=limits))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 20
    while len(counts) < limit and time.monotonic() < deadline:
        time.sleep(0.01)
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert len(made) == 6
    assert max(counts) == limit


def test_waiting_ends_with_an_error_that_says_so(photo, encode, watched):
    counts, go_on = watched
    content = encode(photo(64, 48)).getvalue()
    thread = threading.Thread(target=lambda: render(content, [Spec(8)], limits=Limits(concurrency=1)))
    thread.start()
    deadline = time.monotonic() + 20
    while not counts and time.monotonic() < deadline:
        time.sleep(0.01)
    limits = Limits(concurrency=1, timeout_s=0.01)
    with pytest.raises(flask_fs.Unavailable, match=r'1 other images were being decoded for 0.01 s; try again later'):
        render(content, [Spec(8)], limits=limits, filename='a.jpg')
    with pytest.raises(flask_fs.Unavailable):
        ImageContent(limits)(encode(photo(64, 48)), 'a.jpg')
    # Its header is read all the same.
    assert identify(content, limits=limits).width == 64
    go_on.set()
    thread.join(20)
    assert render(content, [Spec(8)], limits=limits)


def test_a_picture_that_is_refused_frees_its_slot(photo, encode):
    content = encode(photo(64, 48), 'PNG').getvalue()
    limits = Limits(concurrency=1, timeout_s=0.01)
    for _ in range(3):
        with pytest.raises(flask_fs.InvalidContent):
            render(content[: len(content) // 2], [Spec(8)], limits=limits)
    assert render(content, [Spec(8)], limits=limits)


def test_by_default_there_are_as_many_slots_as_processors(monkeypatch):
    slots = concurrency.Slots()
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: {0, 5}, raising=False)
    with slots.slot(None, 0, None), slots.slot(None, 0, None):
        with pytest.raises(flask_fs.Unavailable), slots.slot(None, 0, None):
            pytest.fail('a third one')
        with slots.slot(3, 0, None):
            pass


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='there is no fork here')
@pytest.mark.filterwarnings('ignore:This process:DeprecationWarning')
def test_a_child_starts_with_all_slots(photo, encode):
    content = encode(photo(64, 48)).getvalue()
    with concurrency.decoding.slot(1, 0, None):
        child = os.fork()
        if not child:
            try:
                render(content, [Spec(8)], limits=Limits(concurrency=1, timeout_s=0.1))
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_threads_of_one_picture_each_get_it_right(photo, encode):
    content = encode(photo(320, 240)).getvalue()
    expected = render(content, [Spec(64)])[0].file.getvalue()
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(render(content, [Spec(64)])[0].file.getvalue())) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [expected] * 8
    assert Image.open(render(content, [Spec(64)])[0].file).size == (64, 48)
