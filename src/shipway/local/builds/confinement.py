"""Where a commit's own code runs before anybody has approved it: under bubblewrap, out of reach of Shipway.

Namespaces of its own for users, processes, IPC and network; the system's programs, read-only; `/tmp`, `/proc` and
`/dev` of its own. The state, the daemon's socket and environment, other artifacts and the user's home are not there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_PROBE_TIMEOUT = 10.0
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/sys/devices/system/cpu")
# Not all of /etc: Shipway may run as root, and some of it only root may read.
_ETC = (
    *("alternatives", "ca-certificates", "crypto-policies", "fonts", "group", "hosts", "ld.so.cache", "ld.so.conf"),
    *("ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf", "os-release", "pki/tls", "protocols", "services"),
    *("ssl/certs", "ssl/openssl.cnf", "timezone"),
)
_USER = "1000"
_PASSWD = f"builder:x:{_USER}:{_USER}::/tmp:/bin/sh\n"
SCRATCH = "/tmp"  # noqa: S108 - the confined program's own
"""What a confined program sees of its scratch folder."""


@dataclass(frozen=True, slots=True)
class Confinement:
    """Puts commands into a sandbox; without `bwrap` they run as they are. `hidden` is the app's folder."""

    hidden: Path
    bwrap: str | None = None
    why_not: str = "it was not asked for"

    @classmethod
    def of_machine(cls, hidden: Path) -> Self:
        """The confinement that works here. Decided once: a later check that fails must not end the confinement."""
        bwrap = shutil.which("bwrap")
        if bwrap is None:
            return cls(hidden, why_not="bubblewrap (bwrap) is not installed")
        found = cls(hidden, bwrap, "")
        with tempfile.TemporaryDirectory(prefix="shipway-probe-") as scratch:
            argv = found.around([os.path.realpath(sys.executable), "-I", "-S", "-c", ""], scratch=Path(scratch))
            try:
                done = subprocess.run(argv, capture_output=True, timeout=_PROBE_TIMEOUT, check=False, env={})
            except (OSError, subprocess.TimeoutExpired) as error:
                return cls(hidden, why_not=f"bubblewrap does not run: {error}")
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            return cls(hidden, why_not=f"bubblewrap does not work here: {said[-1] if said else done.returncode}")
        return found

    @property
    def works(self) -> bool:
        """Whether commands are confined at all."""
        return self.bwrap is not None

    def around(
        self,
        argv: Sequence[str],
        *,
        scratch: Path,
        writable: Sequence[Path] = (),
        readable: Sequence[Path] = (),
        mounted: Mapping[Path, Path] | None = None,
        network: bool = False,
    ) -> list[str]:
        """The command that runs `argv` with these paths and no others; `scratch` is its `/tmp`.

        `mounted`: path that it sees → what it reads there.

        Without `network` it has a loopback of its own: it may listen on 127.0.0.1, but reaches only itself.
        """
        if self.bwrap is None:
            return list(argv)
        passwd = scratch / ".passwd"
        passwd.write_text(_PASSWD)
        return [
            *(self.bwrap, "--die-with-parent", "--unshare-all", *(["--share-net"] if network else [])),
            # It runs as an ordinary user, even where root runs Shipway; PostgreSQL, for one, refuses to run as root.
            *("--uid", _USER, "--gid", _USER, "--hostname", "localhost"),
            *(word for path in _SYSTEM for word in ("--ro-bind-try", path, path)),
            *(word for name in _ETC for word in ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")),
            *("--ro-bind", str(passwd), "/etc/passwd"),
            *(["--ro-bind-try", "/etc/resolv.conf", "/etc/resolv.conf"] if network else []),
            *("--proc", "/proc", "--dev", "/dev", "--bind", str(scratch), SCRATCH),
            *("--tmpfs", str(self.hidden)),
            *(word for path in (Path(sys.base_prefix), *readable) for word in ("--ro-bind", str(path), str(path))),
            *(word for path in writable for word in ("--bind", str(path), str(path))),
            *(word for seen, path in (mounted or {}).items() for word in ("--ro-bind", str(path), str(seen))),
            *("--", *argv),
        ]
