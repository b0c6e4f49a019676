from __future__ import annotations

import struct

import pytest
from PIL import Image, ImageChops, ImageStat

import flask_fs
from flask_fs_images import Limits, Spec, identify, optimize, render, resize
from flask_fs_images.formats import WRITTEN

ANIMATED = ['GIF', 'PNG', 'WEBP', pytest.param('AVIF', marks=pytest.mark.slow)]
if not WRITTEN['AVIF'].available:
    ANIMATED.pop()
DURATIONS = [40, 120, 300, 70]


@pytest.fixture
def animated(animation, encode):
    """The file of an animation."""

    def file_of(name, *, transparent=False, durations=DURATIONS, **settings):
        frames = animation(len(durations), transparent=transparent)
        if name == 'GIF' and transparent:
            settings['disposal'] = 2
        settings |= {'lossless': True} if name == 'WEBP' else {}
        return encode(frames[0], name, save_all=True, append_images=frames[1:], duration=list(durations), **settings)

    return file_of


@pytest.mark.parametrize('transparent', [False, True])
@pytest.mark.parametrize('name', ANIMATED)
def test_frames_and_durations_are_kept(animated, frames_of, psnr, name, transparent):
    file = animated(name, transparent=transparent)
    before = frames_of(file)
    for size in (None, 40):
        made = render(file, [Spec(size)])[0]
        after = frames_of(made.file)
        assert [duration for _, duration in after] == DURATIONS
        for (one, _), (other, _) in zip(before, after, strict=True):
            assert other.size == (made.width, made.height)
            expected = one.resize(other.size, Image.Resampling.LANCZOS)
            # A GIF cannot be half transparent.
            assert psnr(expected, other) > (15 if name == 'GIF' and transparent else 22)


@pytest.mark.parametrize('transparent', [False, True])
def test_optimize_keeps_every_pixel_of_an_animated_png(animated, frames_of, transparent):
    file = animated('PNG', transparent=transparent)
    before, after = ([image.tobytes() for image, _ in frames_of(one)] for one in (file, optimize(file)))
    assert after == before


def test_optimize_keeps_every_pixel_of_an_animated_gif(animated, frames_of):
    file = animated('GIF', transparent=True)
    before, after = ([image for image, _ in frames_of(one)] for one in (file, optimize(file)))
    for one, other in zip(before, after, strict=True):
        assert one.getchannel('A').tobytes() == other.getchannel('A').tobytes()
        visible = one.getchannel('A')
        assert ImageStat.Stat(ImageChops.difference(one, other).convert('L'), visible).sum[0] == 0


@pytest.mark.parametrize('loop', [0, 1, 5])
@pytest.mark.parametrize('name', ['GIF', 'PNG', 'WEBP'])
def test_the_number_of_loops_is_kept(animated, name, loop):
    with Image.open(resize(animated(name, loop=loop), 40)) as image:
        assert image.info['loop'] == loop


def test_a_gif_that_plays_once_plays_once(animated):
    with Image.open(resize(animated('GIF'), 40)) as image:
        assert 'loop' not in image.info


@pytest.mark.parametrize('target', ['PNG', 'WEBP'])
@pytest.mark.parametrize(('loop', 'plays'), [(None, 1), (0, 0), (2, 3)])
def test_a_gif_plays_as_often_in_another_format(animated, target, loop, plays):
    file = animated('GIF', **({} if loop is None else {'loop': loop}))
    with Image.open(render(file, [Spec(format=target)])[0].file) as image:
        assert image.info['loop'] == plays


@pytest.mark.parametrize('source', ['GIF', 'PNG', 'WEBP'])
@pytest.mark.parametrize('target', ANIMATED)
@pytest.mark.parametrize('transparent', [False, True])
def test_an_animation_turns_into_another_format(animated, frames_of, source, target, transparent):
    after = frames_of(render(animated(source, transparent=transparent), [Spec(40, format=target)])[0].file)
    assert [duration for _, duration in after] == DURATIONS
    if transparent:
        assert [image.getpixel((39, 29))[3] for image, _ in after[:2]] == [0, 0]


@pytest.mark.parametrize('target', ['JPEG', 'BMP'])
def test_a_format_without_animation_takes_the_first_frame(animated, frames_of, psnr, target):
    file = animated('GIF')
    still, moving = render(file, [Spec(format=target), Spec()])
    found = frames_of(still.file)
    assert len(found) == 1
    assert len(frames_of(moving.file)) == 4
    assert psnr(frames_of(file)[0][0], found[0][0]) > 28


def test_frames_shorter_than_a_gif_can_store_are_not_lost(animated, frames_of):
    found = frames_of(render(animated('WEBP', durations=[1, 33, 47, 0]), [Spec(format='GIF')])[0].file)
    assert [duration for _, duration in found] == [10, 30, 50, 0]


@pytest.mark.parametrize('strategy', [0, 1, 2])
def test_how_the_application_lets_pillow_read_gifs_matters_little(animated, monkeypatch, strategy):
    monkeypatch.setattr('PIL.GifImagePlugin.LOADING_STRATEGY', strategy)
    assert identify(resize(animated('GIF'), 40)).frames == 4


def test_frames_over_the_edge_make_the_canvas_larger(animated, frames_of):
    content = bytearray(animated('GIF').getvalue())
    # The first frame and the last ones hang over a logical screen of 30x20.
    content[6:10] = b'\x1e\0\x14\0'
    made = render(bytes(content), [Spec(), Spec(40)])
    assert [(one.width, one.height) for one in made] == [(80, 60), (40, 30)]
    assert len(frames_of(made[0].file)) == 4


@pytest.mark.parametrize('target', ['GIF', 'PNG'])
@pytest.mark.parametrize('hole', [False, True])
def test_frames_of_several_modes_become_frames_of_one(frames_of, target, hole):
    """Each frame is shown in the colors of its own palette, which Pillow gets wrong behind a frame of grays."""
    # Each gray is its own index: only then does Pillow treat a palette as one of grays.
    black, dark, blue, red = (0, 0, 0), (1, 1, 1), (0, 0, 255), (255, 0, 0)

    def frame(codes, transparent, *palette):
        control = b'!\xf9\x04' + struct.pack('<BHBx', 4 | transparent, 5, 0)
        descriptor = struct.pack('<HHHHB', 0, 0, 2, 1, 0x80 if palette else 0)
        return control + b',' + descriptor + bytes(sum(palette, ())) + b'\x02\x02' + codes + b'\0'

    head = b'GIF89a' + struct.pack('<HHBBB', 2, 1, 0x80, 0, 0) + bytes(black + dark)
    # Two pixels each: the colors 0 and 1 of the palette, then 1 and 0.
    moving = head + frame(b'\x44\x0a', False) + frame(b'\x0c\x0a', hole, blue, red) + b';'

    def colors(file):
        return [[image.convert('RGB').getpixel((x, 0)) for x in (0, 1)] for image, _ in frames_of(file)]

    expected = [[black, dark], [red, dark if hole else blue]]
    assert colors(render(moving, [Spec(format=target)])[0].file) == expected


def test_the_picture_for_those_who_know_no_animation_is_no_frame(animation, encode, frames_of):
    frames = animation(3)
    still = Image.new('RGB', frames[0].size, 'white')
    file = encode(still, 'PNG', save_all=True, append_images=frames, default_image=True, duration=[50, 60, 70])
    found = frames_of(optimize(file))
    assert [duration for _, duration in found] == [50, 60, 70]
    assert frames[0].convert('RGBA').tobytes() == found[0][0].tobytes()


def test_one_frame_of_an_animation_is_a_picture(animated, frames_of):
    for name in ('GIF', 'PNG', 'WEBP'):
        assert len(frames_of(resize(animated(name, durations=[50]), 20))) == 1


@pytest.mark.parametrize('name', ANIMATED)
def test_too_many_frames_are_refused(animated, name):
    with pytest.raises(flask_fs.InvalidContent, match='exceeds the limit of 3 frames'):
        resize(animated(name), 20, limits=Limits(frames=3))


@pytest.mark.parametrize('name', ANIMATED)
def test_too_many_pixels_of_all_frames_are_refused(animated, name):
    limits = Limits(frame_pixels=80 * 60 * 4)
    assert resize(animated(name), 20, limits=limits)
    with pytest.raises(flask_fs.InvalidContent, match='4 frames of 80x60 pixels exceed the limit of 19,199 pixels'):
        resize(animated(name), 20, limits=Limits(frame_pixels=80 * 60 * 4 - 1))
