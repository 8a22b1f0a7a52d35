"""What a commit can reach, and what others may read, of an app that runs."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from shipway.local.builds.confinement import Confinement
from shipway.local.places import places_of
from tests.e2e.conftest import Shipway

SNOOP = """
import glob, os, pathlib, socket, sys

found = []
for path in glob.glob("/proc/[0-9]*/environ"):
    try:
        if b"AWS_SECRET_ACCESS_KEY" in pathlib.Path(path).read_bytes():
            found.append(path)
    except OSError:
        pass
for path in sys.argv[1:]:
    if os.path.exists(path):
        found.append(path)
        with socket.socket(socket.AF_UNIX) as daemon:
            daemon.connect(path)
sys.exit("reached " + ", ".join(found) if found else 0)
"""


DECIDE = """
import os, socket, sys

with socket.socket(socket.AF_UNIX) as daemon:
    daemon.connect(sys.argv[1])
    daemon.sendall(b"POST /v1/reload HTTP/1.0\\r\\ncontent-length: 0\\r\\n\\r\\n")
    with open(os.path.join(os.environ["HOME"], "answer"), "wb") as file:
        while part := daemon.recv(4096):
            file.write(part)
"""


def test_others_read_nothing_and_a_commit_reaches_nothing(shipway: Shipway) -> None:
    """Under the widest umask state, service data, logs and sockets are their owner's alone; a commit's tests see none."""
    (shipway.root / "hello" / "snoop.py").write_text(SNOOP)
    (shipway.root / "hello" / "decide.py").write_text(DECIDE)
    shipway.behave("open(os.path.join(os.environ['HOME'], 'app.db'), 'w').close()\nreturn 200, 'hi'", "keep data")
    places = places_of(shipway.root, os.getuid())
    if Confinement.of_machine(shipway.root).works:
        shipway.description["services"]["hello"]["test"] = (
            f"python snoop.py {places.socket} {places.state}/state.db {shipway.root}/shipway.yaml"
        )
    shipway.description["services"]["hello"]["before_traffic"] = f"python decide.py {places.socket}"
    shipway.commit("look around, and try to decide")
    secrets = os.environ | {"AWS_SECRET_ACCESS_KEY": "of-the-person-at-the-shell"}
    shipway.run("up", "--detach", env=secrets, preexec_fn=lambda: os.umask(0))
    shipway.deploy()
    status = shipway.json("status")
    assert "1/1" == f"{status['environments'][0]['services'][0]['ready']}/1"
    data = places.state / "data" / "dev" / "hello"
    assert (data / "app.db").exists()
    assert b"a release may not decide about releases" in (data / "answer").read_bytes()
    assert [] == [path for folder in (places.state, places.runtime) for path in _open_to_others(folder)]
    daemon = Path(f"/proc/{status['pid']}/environ")
    assert b"AWS_SECRET_ACCESS_KEY" not in daemon.read_bytes()


def _open_to_others(folder: Path) -> list[str]:
    paths = [folder, *folder.rglob("*")]
    return [str(path) for path in paths if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077]
