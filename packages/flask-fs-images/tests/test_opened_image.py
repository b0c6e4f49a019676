"""A picture is opened and decoded once, however many things are made of it."""

from __future__ import annotations

import io

import pytest

import flask_fs
from flask_fs_images import ImageContent, Limits, OpenedImage, Spec, identify, open_image, optimize, render
from flask_fs_images.formats import WRITTEN

SIZES = [Spec(40), Spec(20, 'cover'), Spec(8, 'cover', format='PNG')]
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'


@pytest.mark.parametrize('name', [name for name, kind in WRITTEN.items() if kind.available and not kind.whole])
def test_looking_at_a_picture_and_rendering_it_opens_and_decodes_it_once(photo, encode, counts, name):
    file = encode(photo(120, 90), name)
    counts.update(opened=0, decoded=0)
    with open_image(file) as image:
        assert (image.info.format, image.info.width, image.info.height) == (name, 120, 90)
        assert [(one.width, one.height) for one in render(image, SIZES)] == [(40, 30), (20, 20), (8, 8)]
    assert counts['opened'] == 1
    assert counts['decoded'] == 1


@pytest.mark.parametrize('name', [name for name, kind in WRITTEN.items() if kind.available and kind.whole])
def test_a_picture_that_is_read_whole_is_opened_and_read_once(photo, encode, counts, name):
    file = encode(photo(120, 90), name)
    reads = []
    read, file.read = file.read, lambda size=-1: reads.append(size) or read(size)  # type: ignore[method-assign]
    with open_image(file) as image:
        assert len(render(image, SIZES)) == 3
    assert counts['opened'] == 1
    # Its head, then all of it.
    assert len(reads) == 2


@pytest.mark.parametrize(
    'act', [identify, optimize, lambda file: render(file, SIZES)], ids=['identify', 'optimize', 'render']
)
@pytest.mark.parametrize('name', ['JPEG', 'PNG', 'BMP'])
def test_every_function_opens_a_picture_once(photo, encode, counts, name, act):
    file = encode(photo(120, 90), name)
    counts.update(opened=0, decoded=0)
    act(file)
    assert counts == {'opened': 1, 'decoded': act is not identify}


def test_a_validator_opens_and_decodes_a_picture_once(photo, encode, counts):
    ImageContent()(encode(photo(120, 90)), 'a.jpg')
    assert counts == {'opened': 1, 'decoded': 1}


def test_outputs_are_the_same_as_from_the_file(photo, encode):
    content = encode(photo(120, 90)).getvalue()
    expected = [one.file.getvalue() for one in render(content, SIZES)]
    with open_image(content) as image:
        assert isinstance(image, OpenedImage)
        assert [one.file.getvalue() for one in render(image, SIZES)] == expected
        # Its decoder goes over it only once, so this opens it again.
        assert [one.file.getvalue() for one in render(image, iter(SIZES))] == expected


def test_the_file_has_its_position_again_after_the_block(photo, encode):
    file = io.BytesIO(b'before' + encode(photo(120, 90)).getvalue())
    file.seek(6)
    with open_image(file) as image:
        render(image, SIZES)
    assert file.tell() == 6


def test_the_limits_and_the_name_of_an_opened_picture_hold_when_it_is_rendered(photo, encode):
    with open_image(encode(photo(120, 90)), limits=Limits(side_px=30), filename='lake.jpg') as image:
        with pytest.raises(
            flask_fs.InvalidContent, match='a width or height of 40 pixels exceeds the limit of 30 pixels'
        ) as caught:
            render(image, SIZES)
        assert caught.value.filename == 'lake.jpg'


def test_what_exceeds_the_limits_is_not_opened(photo, encode):
    with (
        pytest.raises(flask_fs.InvalidContent, match='120x90 pixels exceed the limit'),
        open_image(encode(photo(120, 90)), limits=Limits(pixels=100)),
    ):
        pytest.fail('it was opened')


def test_an_opened_svg_has_no_size_and_passes_through():
    with open_image(SVG) as image:
        assert (image.info.format, image.info.width, image.info.height) == ('SVG', None, None)
        for _ in range(2):
            assert [one.file.getvalue() for one in render(image, SIZES[:2])] == [SVG, SVG]
