from __future__ import annotations

import pytest

from install_errors import fix_for


@pytest.mark.parametrize(
    ('output', 'fix'),
    [
        ('Failed to establish a new connection: [Errno -3] Temporary failure in name resolution', 'set HTTPS_PROXY'),
        ('error: Failed to fetch: https://index.example.org/furo/\n  cause: dns error', 'set HTTPS_PROXY'),
        ('error sending request\ncause: Connection refused (os error 111)', 'set PIP_INDEX_URL'),
        ('ERROR: Could not find a version that satisfies hatch (from versions: none)', 'set PIP_INDEX_URL'),
        ('Read timed out. (read timeout=15)', 'Check your network connection'),
        ('ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] self-signed', 'set PIP_CERT'),
        ('error sending request\ncause: invalid peer certificate: UnknownIssuer', 'set PIP_CERT'),
        ('fatal error: Python.h: No such file or directory\nerror: command gcc failed', 'apt install python3-dev'),
        ("error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory", 'apt install build-essential'),
        ("unable to execute 'gcc': No such file or directory", 'apt install build-essential'),
        ('because ensurepip is not available.', 'apt install python3-venv'),
        ('/usr/bin/python3: No module named venv', 'apt install python3-venv'),
        ("/usr/bin/python3: No module named 'ensurepip'", 'apt install python3-venv'),
        ('Failed to download: No space left on device (os error 28)', 'The disk is full'),
        ("[Errno 13] Permission denied: '/srv/flask-fs/.dev/tools'", 'The folder .dev/ cannot be written'),
        ("[Errno 30] Read-only file system: '.dev'", 'The folder .dev/ cannot be written'),
    ],
)
def test_a_known_cause_is_explained_with_its_fix(output, fix):
    found = fix_for(output)
    assert found is not None
    assert fix in found


@pytest.mark.parametrize('output', ['', 'error: the package is broken', 'Permissions-Policy: venv'])
def test_an_unknown_cause_is_not_guessed(output):
    assert fix_for(output) is None
