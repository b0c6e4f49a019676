"""The settings that this distribution adds to storages: how image fields process images."""

from __future__ import annotations

from flask_fs.config import register_settings
from flask_fs.settings import Setting, at_least, boolean

from .limits import Limits

SETTINGS = (
    Setting(
        'images_optimize',
        boolean,
        False,
        'Whether image fields optimize the images they store.',
        allow_global=True,
        live=True,
    ),
    Setting(
        'images_max_pixels',
        at_least(1),
        Limits.pixels,
        'The maximum number of pixels in an image that image fields decode.',
        allow_global=True,
    ),
    Setting(
        'images_concurrency',
        at_least(1),
        None,
        'How many images a process decodes at the same time; image fields wait for the others. If not set, one per processor.',
        allow_global=True,
    ),
)

register_settings(*SETTINGS)
