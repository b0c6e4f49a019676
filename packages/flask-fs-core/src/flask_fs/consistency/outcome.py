"""What was done about a file or a reference, and how far a run is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

#: Called with what is being looked at, such as ``files of 'docs'``, and how many there were so far.
Progress = Callable[[str, int], None]


class Outcome(NamedTuple):
    """What was done about one file.

    :param storage: The name of the storage.
    :param filename: The file's name in it.
    :param action: ``removed``; ``cleared``: the reference to it was made empty; ``kept``: it is needed, or is not what it
        seemed to be; ``unsure``: it may be needed, so it stays, and so does what points at it; ``failed``: it could not be
        removed now. In a dry run it is what would be done.
    :param reason: Why, in a few words.
    """

    storage: str
    filename: str
    action: Literal['removed', 'cleared', 'kept', 'unsure', 'failed']
    reason: str
