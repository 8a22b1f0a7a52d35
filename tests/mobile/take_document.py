"""Write the backend's OpenAPI document down beside it and in the mobile app, and make the app's types of it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tests.contracts.programs import Program
from tests.mobile.app import MOBILE, ROOT, App, find_node, package_file


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        variables = {"DATABASE_URL": f"sqlite:///{folder}/ontime.db"}
        serving = Program("backend-api").serving(["-m", "backend_api"], Path(folder, "log"), variables, "/health")
        with serving as backend:
            document = backend.ask("GET", "/api/openapi.json").json()
    for folder in (ROOT / "backend-api", MOBILE):
        (folder / "openapi.json").write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    app = App(MOBILE, find_node(package_file()))
    app.install()
    app.npm("run", "types")


if __name__ == "__main__":
    main()
