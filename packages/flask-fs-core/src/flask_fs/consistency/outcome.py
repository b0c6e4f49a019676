"""Results and progress of ``gc`` and ``fsck``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

#: Called with what is being processed, such as ``files of 'docs'``, and how many have been processed so far.
Progress = Callable[[str, int], None]


class Outcome(NamedTuple):
    """What was done with one file.

    :param storage: The name of the storage.
    :param filename: The name of the file.
    :param action: ``removed``; ``cleared``: the reference to it was emptied; ``kept``: it is needed, or it is another file than
        expected; ``unsure``: it might be needed, so it stays, and so does its journal entry; ``failed``: it could not be removed.
        In a dry run, the action that would be taken.
    :param reason: The reason, in a few words.
    """

    storage: str
    filename: str
    action: Literal['removed', 'cleared', 'kept', 'unsure', 'failed']
    reason: str
