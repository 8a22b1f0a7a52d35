"""HAProxy's built-in error pages, in JSON.

Before version 3.2 HAProxy answers what it cannot read as a request from texts in its executable, whatever `errorfile`
says (https://github.com/haproxy/haproxy/issues/3032). So that clients get one shape of errors, the router runs a copy
in which these texts are replaced by others of the same length. Nothing else differs, and where a text is not found, or
the copy does not run, the original runs.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from shipway.local.files.atomic_file import write_atomically
from shipway.local.router.error_answers import short_body

_ELF = b"\x7fELF"
_PAGE = re.compile(rb"(HTTP/1\.1 (400|408|422|500|501) [^\r\0]+\r\n)[^\0]*?\r\n\r\n<html>[^\0]*(?=\0)")


def with_json_pages(binary: str, folder: Path) -> str:
    """The HAProxy to run in place of `binary`: its copy in `folder`, made again where it is out of date."""
    original = Path(binary).read_bytes()
    changed = _PAGE.sub(_replaced, original)
    # Other systems refuse an executable that was changed after it was signed.
    if changed == original or not original.startswith(_ELF):
        return binary
    copy = folder / "haproxy"
    folder.mkdir(mode=0o700, exist_ok=True)
    if not copy.is_file() or copy.read_bytes() != changed:
        write_atomically(copy, changed)
        copy.chmod(0o700)
    # The executable looks for its libraries beside itself.
    libraries = folder / "lib"
    libraries.unlink(missing_ok=True)
    libraries.symlink_to(Path(binary).resolve().parent / "lib")
    return str(copy) if _runs(copy) else binary


def _replaced(page: re.Match[bytes]) -> bytes:
    length = len(page[0])
    body = short_body(int(page[2]))
    head = page[1] + b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    # The length in the head has as many digits as the body it counts: spaces at the end of JSON mean nothing.
    room = length - len(head % 100)
    room += len(b"%d" % 100) - len(b"%d" % max(room, 0))
    return head % room + body.ljust(room) if len(body) <= room else page[0]


def _runs(copy: Path) -> bool:
    try:
        return subprocess.run([str(copy), "-v"], capture_output=True, timeout=10, check=False).returncode == 0
    except OSError:
        return False
