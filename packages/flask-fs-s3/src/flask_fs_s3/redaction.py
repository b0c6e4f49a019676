"""Keeps session tokens out of botocore's debug messages, which show the headers of every request."""

from __future__ import annotations

import logging
import re

#: Those of botocore's loggers that show requests, and what is signed of them.
_LOGGERS = ('botocore.auth', 'botocore.endpoint')
_TOKEN = re.compile(r"""(x-amz-security-token['"]?\s*[:=]\s*(?:b?['"])?)[^\s'"&,)}]+""", re.IGNORECASE)


class _WithoutTokens(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        shown = _TOKEN.sub(r'\1***', message)
        if shown != message:
            record.msg, record.args = shown, None
        return True


_filter = _WithoutTokens()


def hide_tokens() -> None:
    """Have no message show the token that proves temporary credentials; the secret key is in none."""
    for name in _LOGGERS:
        # The same filter is added once, however often it is given.
        logging.getLogger(name).addFilter(_filter)
