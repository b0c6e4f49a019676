"""Hide passwords in settings and reasons that appear in messages."""

from __future__ import annotations

import dataclasses
import logging
import os
import re
from typing import Any

#: Shown in place of a secret.
HIDDEN = '***'
_USERINFO = re.compile(r'(?<=://)[^\s/?#]*@')
_SCHEME = re.compile(r'\W*[A-Za-z][A-Za-z0-9+.-]*://')
# A part of a connection string, such as AccountKey=...;
_NAMED_SECRET = re.compile(r'(\w*(?:key|secret|signature|password|token)=)[^;\s\'"]+', re.IGNORECASE)
_QUERY = re.compile(r'(?<=\?)[^\s?\'"]+')


def without_userinfo(text: str) -> str:
    """*text* without the username and password of any URL in it."""
    return _USERINFO.sub(f'{HIDDEN}@', text) if '@' in text else text


def shown(value: Any) -> str:
    """The *value* of a setting that is not marked as secret, for a message.

    An invalid value might not even be a URL, so everything up to its last ``@`` could be a password, and the text after a
    ``?`` could be a signature. It might be a connection string. Objects and dictionaries can contain settings, so only their type is shown.
    """
    if isinstance(value, type):
        return f'<class {value.__name__}>'
    parts = value if isinstance(value, (list, tuple, set, frozenset)) else (value,)
    if not all(part is None or isinstance(part, (str, bytes, int, float, os.PathLike)) for part in parts):
        return f'<{type(value).__name__}>'
    text = repr(value)
    secret, at, rest = text.rpartition('@')
    if at:
        scheme = _SCHEME.match(secret)
        text = f'{scheme[0] if scheme else text[0]}{HIDDEN}@{rest}'
    return _NAMED_SECRET.sub(rf'\1{HIDDEN}', _QUERY.sub(HIDDEN, text))


@dataclasses.dataclass(frozen=True)
class _Hiding(logging.Filter):
    """A filter that hides secrets. It is a dataclass because a logger adds equal filters only once."""

    secret: re.Pattern[str]

    def filter(self, record: logging.LogRecord) -> bool:
        shown = self.secret.sub(rf'\1{HIDDEN}', message := record.getMessage())
        if shown != message:
            record.msg, record.args = shown, None
        return True


def hide_in_logs(secret: re.Pattern[str], *loggers: str) -> None:
    """Hide matches of *secret*, except for its first group, in the messages that a store's library sends to *loggers*.

    Debug messages quote requests, including their URLs and headers. Child loggers need their own filters.
    """
    for name in loggers:
        logging.getLogger(name).addFilter(_Hiding(secret))
