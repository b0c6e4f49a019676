"""Files whose reading fails: that is not the picture's fault, whichever step of Pillow's it meets."""

from __future__ import annotations

import io
import random

import pytest
from PIL import Image

import flask_fs
from flask_fs_images import resize
from flask_fs_images.formats import WRITTEN
from flask_fs_images.reader import ImageReader

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
KINDS = [(name, animated) for name, kind in WRITTEN.items() if kind.available for animated in (False, True)]


class Failing(io.BytesIO):
    """Fails at one call of *verb* and from then on."""

    def __init__(self, content, verb, calls, error):
        super().__init__(content)
        self.verb, self.calls, self.error = verb, calls, error

    def read(self, size=-1, /):
        self.counted('read')
        return super().read(size)

    def seek(self, offset, whence=0, /):
        self.counted('seek')
        return super().seek(offset, whence)

    def counted(self, verb):
        self.calls -= verb == self.verb
        if self.calls < 0:
            raise self.error


@pytest.fixture(scope='module')
def content():
    """A small file of a kind, animated or not; the animated PNG has a picture that is none of its frames."""

    def content_of(name, animated):
        chance = random.Random(1)
        first, *others = (Image.frombytes('RGB', (24, 18), chance.randbytes(24 * 18 * 3)) for _ in range(3))
        settings = {'save_all': True, 'append_images': others} if animated and WRITTEN[name].animated else {}
        if settings and name == 'PNG':
            settings['default_image'] = True
        file = io.BytesIO()
        first.save(file, name, **settings)
        return file.getvalue()

    return content_of


# GzipFile raises EOFError when its file was cut short, which Pillow takes for the end of an animation.
@pytest.mark.parametrize('error', [OSError('the disk fell out'), EOFError('the file was cut short')], ids=repr)
@pytest.mark.parametrize('verb', ['read', 'seek'])
@pytest.mark.parametrize(('name', 'animated'), KINDS)
def test_an_error_of_the_file_comes_through_wherever_it_is_met(content, name, animated, verb, error):
    met = []
    while True:
        file = Failing(content(name, animated), verb, len(met), error)
        try:
            resize(file, 9)
        except (OSError, EOFError, flask_fs.FSError) as failure:
            met.append(failure)
        else:
            break
    assert len(met) > 1
    assert [error] * len(met) == met


def test_a_picture_that_is_read_whole_is_read_up_to_a_limit(monkeypatch):
    monkeypatch.setattr('flask_fs_images.reader.MAX_BYTES', 1 << 20)
    padded = SVG + bytes((1 << 20) - len(SVG))
    assert padded == resize(padded, 9).getvalue()
    with pytest.raises(flask_fs.InvalidContent, match='exceeds the limit of 1 MiB'):
        resize(padded + b' ', 9)


@pytest.mark.parametrize(('offset', 'whence'), [(-1, 0), (-6, 1), (1 << 48, 0), (0, 2)])
def test_a_picture_cannot_send_its_reader_out_of_its_file(offset, whence):
    file = io.BytesIO(b'before' + SVG)
    file.seek(6)
    reader = ImageReader(file, None)
    reader.seek(5)
    with pytest.raises(ValueError, match='cannot seek'):
        reader.seek(offset, whence)
    assert reader.tell() == 5
    # It is the picture's fault.
    assert reader.error is None
