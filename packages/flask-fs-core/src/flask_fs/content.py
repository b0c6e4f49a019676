"""Recognize the type of content by its first bytes, and check whether that contradicts its name.

Unrecognized content is never a contradiction, nor is an extension that belongs to no family of types. A text file can
contain any text: browsers show ``text/plain`` as plain text, whatever it looks like.
"""

from __future__ import annotations

import codecs
import functools
import re
from typing import NamedTuple

from .files import mime_type

#: How much of a file is inspected, in bytes.
HEAD_BYTES = 4096


class Kind(NamedTuple):
    """A recognized kind of content.

    :param name: Its name in messages.
    :param family: Its family of types. All extensions of that family match it.
    :param agrees: Other families, and single extensions, that match it too.
    """

    name: str
    family: str
    agrees: frozenset[str] = frozenset()


def contradiction(ext: str, head: bytes) -> str | None:
    """Why content that begins with *head* doesn't match the extension *ext*, for a message, or None if it might match."""
    family = family_of(ext)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        head = head.decode('utf-16', 'replace').encode()
    if family is None or _candidate().match(head) is None:
        return None
    kind = recognized(head) or _recognized_by_library(head)
    if kind is None or family == kind.family or not kind.agrees.isdisjoint((family, ext)):
        return None
    if family == 'text' and len(head.translate(None, _BINARY)) == len(head):
        return None
    return f'the content is {kind.name}, not {_FAMILY_NAMES[family]} as the filename says'


# --- Families of extensions.

_FAMILY_NAMES = {
    'archive': 'an archive',
    'executable': 'a program',
    'font': 'a font',
    'html': 'HTML',
    'image': 'an image',
    'json': 'JSON',
    'media': 'audio or video',
    'office': 'an office document',
    'pdf': 'PDF',
    'svg': 'SVG',
    'text': 'text',
    'xml': 'XML',
}
# Extensions whose media type doesn't imply their family, implies it only in some versions of Python, or implies another.
_EXTENSIONS = {
    'archive': '7z bz2 gz rar tar tgz txz tbz2 xz zip zst',
    'executable': 'dll exe so',
    'html': 'htm html shtml xht xhtml',
    'image': 'avif bmp gif heic heif ico jfif jpe jpeg jpg jxl png tif tiff webp',
    'json': 'geojson json jsonld',
    'media': 'aac flac m4a m4v mkv mov mp3 mp4 oga ogg ogv opus wav weba webm',
    'office': 'doc docx odp ods odt ppt pptx rtf xls xlsx',
    'pdf': 'pdf',
    'svg': 'svg',
    'text': 'asc bat c cfg conf cpp css csv diff go h ics ini java js jsx log markdown md mjs patch pl properties ps1 py '
    'rb rst scss sh sql srt tex toml ts tsv tsx txt vcf vtt yaml yml',
    'xml': 'xml xsl xslt',
}
_FAMILIES = {ext: family for family, extensions in _EXTENSIONS.items() for ext in extensions.split()}
# Without text: operating systems list many types as text that aren't text.
_FAMILIES_OF_TYPES = {'audio': 'media', 'font': 'font', 'image': 'image', 'video': 'media'}


@functools.lru_cache(maxsize=1024)
def family_of(ext: str) -> str | None:
    """The family of types that the extension *ext* belongs to; None if it belongs to none, or stands for several formats."""
    if (known := _FAMILIES.get(ext)) is not None:
        return known
    return _family_of_type(mime_type(f'name.{ext}'))


def _family_of_type(mime: str) -> str | None:
    return 'xml' if mime.endswith(('/xml', '+xml')) else _FAMILIES_OF_TYPES.get(mime.partition('/')[0])


@functools.cache
def _candidate() -> re.Pattern[bytes]:
    """A pattern that matches the start of all content that could be recognized. It rules out most content in one step."""
    patterns = [signature.pattern for signature, _ in _SIGNATURES]
    patterns += [b'MZ', rb'(?:\xef\xbb\xbf|[\t\n\x0c\r ])*<']
    patterns += [b'.{%d}%b' % (row.offset, re.escape(row.byte_match)) for row in _library() if row.offset]
    if starts := [row.byte_match for row in _library() if not row.offset]:
        # Content that begins with none of their first bytes isn't compared with each of them.
        first_bytes = re.escape(bytes({start[0] for start in starts}))
        patterns.append(b'(?=[%b])(?:%b)' % (first_bytes, b'|'.join(map(re.escape, starts))))
    return re.compile(b'|'.join(patterns), re.DOTALL)


# --- Recognition by our own signatures.

# Bytes that don't occur in text (MIME Sniffing Standard §3).
_BINARY = bytes((*range(0x09), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20)))
_HTML = Kind('HTML', 'html', frozenset(('xml', 'doc', 'xls')))
_SVG = Kind('SVG', 'svg', frozenset(('xml', 'html')))
# Word and Excel of 2003 wrote XML.
_XML = Kind('XML', 'xml', frozenset(('svg', 'html', 'doc', 'xls')))
_SCRIPT = Kind('a script', 'script')
_PROGRAM = Kind('a program', 'executable')
_ZIP = Kind('ZIP', 'archive', frozenset(('office',)))

# Signatures of at least three bytes. Text can begin with the letters of some of them, and is still text.
_SIGNATURES: tuple[tuple[re.Pattern[bytes], Kind], ...] = tuple(
    (re.compile(pattern, re.DOTALL), kind)
    for pattern, kind in (
        (rb'\x89PNG\r\n\x1a\n', Kind('PNG', 'image')),
        (rb'\xff\xd8\xff', Kind('JPEG', 'image')),
        (rb'GIF8[79]a', Kind('GIF', 'image')),
        (rb'RIFF.{4}WEBP', Kind('WebP', 'image')),
        (rb'BM.{4}\0\0\0\0.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0', Kind('BMP', 'image')),
        (rb'II\*\0|MM\0\*', Kind('TIFF', 'image')),
        (rb'.{4}ftyp(avi[fs]|hei[cfmsx]|hev[cmsx]|mi[ft]1|msf1)', Kind('HEIF', 'image', frozenset(('media',)))),
        (rb'\0\0\0\x0c(JXL|jP  )', Kind('JPEG XL or 2000', 'image')),
        (rb'.{4}ftyp[ -~]{4}', Kind('MP4', 'media', frozenset(('image',)))),
        (rb'RIFF.{4}(WAVE|AVI )|OggS\0|fLaC[\0\x80]|ID3[\x02-\x04][\0-\x04]|\x1aE\xdf\xa3', Kind('audio or video', 'media')),
        (rb'%PDF-\d', Kind('PDF', 'pdf')),
        (rb'PK(\x03\x04|\x05\x06|\x07\x08)', _ZIP),
        (rb'\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1', Kind('an office document', 'office')),
        (rb'\{\\rtf\d', Kind('RTF', 'office')),
        (rb'\x1f\x8b\x08', Kind('gzip', 'archive')),
        (rb'BZh[1-9]1AY&SY', Kind('bzip2', 'archive')),
        (rb'\xfd7zXZ\0', Kind('xz', 'archive')),
        (rb'\x28\xb5\x2f\xfd', Kind('Zstandard', 'archive')),
        (rb"7z\xbc\xaf'\x1c", Kind('7z', 'archive')),
        (rb'Rar!\x1a\x07', Kind('RAR', 'archive')),
        (rb'.{257}ustar[\0 ]', Kind('tar', 'archive')),
        (rb'(wOF[F2]|OTTO)\0', Kind('a font', 'font')),
        (rb'\x7fELF[\x01\x02][\x01\x02]\x01', _PROGRAM),
        (rb'\xfe\xed\xfa[\xce\xcf]|[\xce\xcf]\xfa\xed\xfe', _PROGRAM),
        # Mach-O for several processors, or a Java class, which has its version in these bytes.
        (rb'\xca\xfe\xba\xbe\0\0', _PROGRAM),
        (rb'\0asm\x01\0\0\0', _PROGRAM),
        (rb'#![\t ]*/', _SCRIPT),
    )
)  # fmt: skip
_MARKUP = re.compile(
    rb'\xef\xbb\xbf|[\t\n\x0c\r ]+|<!--.*?-->|<\?.*?\?>|<!DOCTYPE[^>\[]*(\[.*?\][\t\n\x0c\r ]*)?>',
    re.DOTALL | re.IGNORECASE,
)
_ROOT = re.compile(rb'<(?:[A-Za-z_][\w.-]*:)?([A-Za-z][A-Za-z0-9]*)(?=[\t\n\x0c\r />])')
_DOCTYPE = re.compile(rb'<!DOCTYPE[\t\n\x0c\r ]+(html|svg)\b', re.IGNORECASE)
# Elements that make browsers treat content without a type as HTML (MIME Sniffing Standard §7.1).
_HTML_ELEMENTS = frozenset(b'html head script iframe h1 div font table a style title b body br p'.split())


def recognized(head: bytes) -> Kind | None:
    """The kind of content that begins with *head*, by the signatures of this module; None if none of them is proof."""
    for signature, kind in _SIGNATURES:
        if signature.match(head):
            return kind
    if head.startswith(b'MZ'):
        # Two letters are no proof. The header of a Windows program is at this offset.
        offset = int.from_bytes(head[60:64], 'little')
        return _PROGRAM if head[offset : offset + 4] == b'PE\0\0' else None
    return _markup(head)


def _markup(head: bytes) -> Kind | None:
    """HTML, SVG or other XML, whatever comments and declarations precede its root."""
    at, is_xml = 0, False
    while (found := _MARKUP.match(head, at)) is not None:
        is_xml = is_xml or head.startswith((b'<?xml', b'<!DOCTYPE'), at)
        if (doctype := _DOCTYPE.match(head, at)) is not None:
            return _SVG if doctype[1].lower() == b'svg' else _HTML
        at = found.end()
    if (root := _ROOT.match(head, at)) is not None:
        element = root[1].lower()
        if element == b'svg':
            return _SVG
        if element in _HTML_ELEMENTS:
            return _HTML
    # Browsers treat an unfinished comment as HTML, but it can also begin an SVG.
    return _XML if is_xml or head.startswith((b'<!--', b'<?xml', b'<!DOCTYPE'), at) else None


# --- Recognition by a library.

# With this many bytes, and this many different ones, a match is no coincidence: files can begin with many zeros.
_MIN_SIGNATURE_BYTES = 8
_MIN_DIFFERENT_BYTES = 4
# A signature also needs a byte that doesn't occur in text: content that begins with words could be anything.
_NOT_TEXT = re.compile(rb'[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x80-\xff]')


class _Row(NamedTuple):
    byte_match: bytes
    offset: int
    extension: str
    mime_type: str
    name: str


@functools.cache
def _library() -> tuple[_Row, ...]:
    """The long signatures of puremagic, if that is installed."""
    try:
        from puremagic.main import magic_header_array
    except ImportError:
        return ()
    return tuple(row for row in (_Row(*row) for row in magic_header_array) if _is_certain(row.byte_match))


def _is_certain(signature: bytes) -> bool:
    long_enough = len(signature) >= _MIN_SIGNATURE_BYTES and len(set(signature)) >= _MIN_DIFFERENT_BYTES
    return long_enough and _NOT_TEXT.search(signature) is not None


def _recognized_by_library(head: bytes) -> Kind | None:
    """The kind of the longest signature that matches *head*. It agrees with the types of all matching signatures."""
    found = [row for row in _library() if head.startswith(row.byte_match, row.offset)]
    if not found:
        return None
    extensions = {row.extension.removeprefix('.') for row in found}
    families = {family_of(ext) for ext in extensions} | {_family_of_type(row.mime_type) for row in found}
    longest = max(found, key=lambda row: len(row.byte_match))
    return Kind(longest.name, 'other', frozenset((*extensions, *filter(None, families))))
