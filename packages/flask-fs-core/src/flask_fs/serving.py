"""What is added to the answer for a file that somebody uploaded: how browsers may use and keep it."""

from __future__ import annotations

from flask import Response

from .backends.http import attachment
from .media_types import content_type, is_inert

#: Content of any type that is not inert is shown without scripts, forms, plug-ins, network and the site's cookies.
SANDBOX = "sandbox; default-src 'none'; img-src data:; font-src data:; media-src data:; style-src 'unsafe-inline'"


def protect(
    response: Response, *, cache_control: str | None = None, private: bool = False, download_name: str | None = None
) -> Response:
    """*response* with the headers that keep a stranger's file harmless.

    :param cache_control: The Cache-Control to send; None lets caches ask each time whether the file has changed.
    :param private: Whether the answer depends on who asks, so that only the browser itself may keep it, whatever
        *cache_control* says.
    :param download_name: Saves the file under this name instead of showing it.
    """
    headers = response.headers
    headers['X-Content-Type-Options'] = 'nosniff'
    headers['Cache-Control'] = cache_control or ('private, no-cache' if private else 'no-cache')
    if private:
        # Shared caches give what they keep to whoever asks next, so no setting opens them to this answer, however it is
        # written: to Werkzeug, unlike to caches, case matters.
        headers['Cache-Control'] = headers['Cache-Control'].lower()
        response.cache_control.private = True
        response.cache_control.public = False
        del response.cache_control.s_maxage
    if response.status_code != 304:
        # Backends with a serve() of their own may send any type, or several.
        headers['Content-Type'] = mime = content_type(headers.get('Content-Type'))
        if not is_inert(mime):
            headers['Content-Security-Policy'] = SANDBOX
    if download_name is not None:
        headers['Content-Disposition'] = attachment(download_name)
    return response
