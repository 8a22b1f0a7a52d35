"""The steps of the rehearsal, in their order."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from shipway.aws.names import names_of
from shipway.core.releases.release import Artifact, Release
from shipway.description.reader import parse
from tests.buildspecs.agent import Outcome, build
from tests.containers.emulator import ACCOUNT, REGION, Emulator
from tests.containers.engine import Engine
from tests.containers.furniture import furnish
from tests.containers.tasks import Tasks
from tests.contracts.conftest import DAYS
from tests.contracts.programs import ROOT, Program, publish
from tests.contracts.training_jobs import Trainer
from tests.waiting import wait_for

ENVIRONMENT, FIRST, SECOND = "dev", "v1.0", "v1.1"
FLIGHT = {"origin": "JFK", "destination": "LAX", "carrier": "B6", "departure": "2013-07-04T08:15"}
BACKEND, MODEL, UPDATES = "backend-api", "ml-model-service", "app-updates"
DEVICE = {
    "device_id": "00000000-0000-4000-8000-000000000001", "version_name": "builtin", "version_build": "99.0.0",
    "version_code": "1", "custom_id": "", "platform": "android", "is_prod": True,
}  # fmt: skip
GIVEN_UP = 3
"""Tasks that fail before ECS's circuit breaker gives an image up, at the least."""
PHASE, START, SWAP, CRASHES = 1800.0, 300.0, 120.0, 240.0
"""Seconds that a phase of a build, the first answer, a model's change, and a crash that is given up may take."""

Step = tuple[str, Callable[[], None]]


class Rehearsal:
    """One run: an app whose shipway.yaml names the emulator's account, and what has become of it so far."""

    def __init__(self, folder: Path, engine: Engine, aws: Emulator) -> None:
        self._folder = folder
        self._engine = engine
        self._aws = aws
        self._app_folder = folder / "app"
        described = self._checked_out()
        self._app = parse(described)
        self._names = names_of(self._app)
        self._artifacts: dict[str, Artifact] = {}
        self._bundle = ""
        furniture = furnish(aws, self._names, self._app, ENVIRONMENT)
        self._tasks = Tasks(aws, engine, self._names, ENVIRONMENT, furniture)

    def steps(self) -> Iterator[Step]:
        """Each with the sentence that holds once it is done."""
        yield "the services' buildspecs test, build and push; the digests handed on are ECR's", self._build
        yield "the same commit again is found in ECR and builds nothing", self._build_again
        yield f"two versions of the model lie in S3, and the parameter says {FIRST}", self._publish
        yield f"/api/predict is answered over the load balancer, by {FIRST}", self._start
        yield f"a promoted {SECOND} is served without a new task, and no request fails", self._promote
        yield "the bundle's build puts it into S3, and the same commit again builds nothing", self._build_bundle
        yield "a bundle promoted from outside is offered to a device, loaded whole, and counted", self._offer
        yield "an image that crashes is given up, and the old task goes on serving", self._crash

    def seen(self) -> str:
        """What helps to find out why a step failed."""
        logs = (self._folder / "emulator.log").read_text(errors="replace").splitlines()[-40:]
        kept = ROOT / "build" / "infra-containers"
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        for log in self._folder.glob("*.log"):
            shutil.copy(log, kept)
        for container in self._engine.run(
            "ps", "--all", "--quiet", "--filter", f"network={self._engine.gateway}"
        ).split():
            done = self._engine.run("logs", "--tail", "30", container, check=False)
            logs.append(f"--- container {container}\n{done}")
        return "\n".join([*logs, f"the logs are in {kept.relative_to(ROOT)}"])

    # -- builds -----------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        for service in (BACKEND, MODEL, UPDATES):
            outcome = self._built(service)
            handed_on = json.loads(outcome.artifacts["build-output.json"])
            images = self._aws.client("ecr").describe_images(repositoryName=self._names.repository(service))
            (image,) = images["imageDetails"]
            assert ([handed_on["tree"]], handed_on["digest"]) == (image["imageTags"], image["imageDigest"])
            digest = handed_on["digest"].removeprefix("sha256:")
            self._artifacts[service] = Artifact(service, digest, f"{self._repository(service)}@{handed_on['digest']}")
            self._engine.pull(self._artifacts[service].address)
            print(f"  {service}: {self._size(service)} MB, {handed_on['digest']}", flush=True)

    def _build_again(self) -> None:
        for service, artifact in self._artifacts.items():
            outcome = self._built(service)
            assert f"sha256:{artifact.digest}" == json.loads(outcome.artifacts["build-output.json"])["digest"]
            assert not (self._clone(service) / "build" / "venv").exists()

    def _built(self, service: str) -> Outcome:
        clone = self._clone(service)
        shutil.rmtree(clone, ignore_errors=True)
        subprocess.run(["git", "clone", "--quiet", self._app_folder, clone], check=True)
        outcome = build(clone / service / "buildspec.yml", clone, self._project(service), seconds=PHASE)
        assert outcome.succeeded, f"{service}: {outcome.phases}\n{outcome.output[-4000:]}"
        return outcome

    def _project(self, service: str) -> dict[str, str]:
        """The variables that infra/modules/pipeline gives a build, and what stands for CodeBuild's own programs."""
        programs = self._engine.folder / "bin"
        for name, program in (("python", sys.executable), ("aws", str(ROOT / ".venv/infra-rehearsal/bin/aws"))):
            (programs / name).write_text(f'#!/bin/sh\nexec {program} "$@"\n')
            (programs / name).chmod(0o755)
        here = {
            name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SHIPWAY_", "PYTEST"))
        }
        described = self._app.services[service]
        return here | self._engine.variables | self._aws.variables | {
            "PATH": f"{programs}:{os.environ['PATH']}", "ECR_REPOSITORY": self._repository(service), "SERVICE": service,
            "SERVICE_PATH": described.path, "SERVICE_INCLUDE": " ".join(described.include),
            "BASE_IMAGE": self._engine.base,
        }  # fmt: skip

    def _repository(self, service: str) -> str:
        return f"localhost:{self._aws.port}/{self._names.repository(service)}"

    def _clone(self, service: str) -> Path:
        return self._folder / "builds" / service

    def _size(self, service: str) -> int:
        words = ("image", "inspect", "--format", "{{.Size}}", self._artifacts[service].address)
        return round(int(self._engine.run(*words)) / 1e6)

    # -- what serves ------------------------------------------------------------------------------------------------

    def _publish(self) -> None:
        bucket = self._folder / "models"
        for version, rounds in ((FIRST, "40"), (SECOND, "60")):
            trained = self._trained(self._folder / "training" / version, rounds)
            files = sorted(publish(trained, bucket, version).iterdir(), key=lambda file: file.name)
            # A version is there once its metadata is.
            for file in sorted(files, key=lambda file: file.name == "metadata.json"):
                key = f"{version}/{file.name}"
                self._aws.client("s3").put_object(Bucket=self._names.models_bucket, Key=key, Body=file.read_bytes())
        self._aws.client("ssm").put_parameter(
            Name=self._names.model_version(ENVIRONMENT), Value=FIRST, Type="String", Overwrite=True
        )

    def _trained(self, root: Path, rounds: str) -> Path:
        """What publishing takes of a training on January and February."""
        training = Program("training")
        data = root / "training-data-bucket"
        done = training.run("-m", "training.seed_bucket", "--bucket", str(data), "--until", "2013-03")
        assert done.returncode == 0, done.stderr
        inputs = {name: data / name for name in ("flights", "weather")}
        prepared = Trainer(training, None, data).process(root / "prepare", "prepare", DAYS, inputs)
        assert prepared.exit_code == 0, prepared.output
        trainer = Trainer(training, None, prepared.output_folder("training"))
        trained = trainer.run(root / "train", {"rounds": rounds, "learning-rate": "0.2"})
        assert trained.exit_code == 0, trained.output
        inputs = {name: prepared.output_folder(name) for name in ("training", "test", "prepared")} | {
            "model": trained.root / "model"
        }
        packaged = trainer.process(root / "package", "package", (), inputs)
        assert packaged.exit_code == 0, packaged.output
        return packaged.output_folder("package")

    def _start(self) -> None:
        for service in (MODEL, BACKEND, UPDATES):
            self._tasks.create(service, self._tasks.register(self._release("r1"), service))
        started = time.monotonic()
        wait_for(lambda: self._served() == FIRST, f"{FIRST} is served", seconds=START)
        print(f"  the first answer {time.monotonic() - started:.1f} s after the services were asked for", flush=True)

    def _promote(self) -> None:
        before = {service: self._tasks.seen(service).keys() for service in (BACKEND, MODEL)}
        with self._asking() as asked:
            self._shipway("model", "promote", SECOND, "--env", ENVIRONMENT, "--yes")
            told = time.monotonic()
            wait_for(lambda: self._served() == SECOND, f"{SECOND} is served", seconds=SWAP)
            print(f"  {SECOND} was served {time.monotonic() - told:.1f} s after the command's end", flush=True)
            wait_for(lambda: asked[SECOND] > 20, f"{SECOND} goes on serving", seconds=SWAP)
        assert {service: self._tasks.seen(service).keys() for service in (BACKEND, MODEL)} == before
        assert {FIRST, SECOND} == asked.keys(), asked

    def _build_bundle(self) -> None:
        """CodeBuild's program in the place of the buildspec, whose first phase only installs it."""
        (name,) = self._app.apps
        for said in ("built", "unchanged"):
            clone = self._clone(name)
            shutil.rmtree(clone, ignore_errors=True)
            subprocess.run(["git", "clone", "--quiet", self._app_folder, clone], check=True)
            done = subprocess.run(
                [sys.executable, "-m", "shipway.wiring.bundle_program", "build", "--app", name], cwd=clone,
                env=os.environ | self._aws.variables, capture_output=True, text=True, timeout=PHASE, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            assert said in done.stderr, done.stderr
            output = json.loads((clone / "build-output.json").read_text())
        self._bundle = str(output["version"])
        print(f"  {name}: {self._bundle}", flush=True)

    def _offer(self) -> None:
        wait_for(lambda: self._asked_for().get("kind") == "up_to_date", "a device is answered", seconds=START)
        self._shipway("app", "promote", self._bundle, "--env", ENVIRONMENT, "--yes")
        promoted = time.monotonic()
        wait_for(lambda: self._asked_for().get("version") == self._bundle, "it is offered", seconds=SWAP)
        print(f"  offered {time.monotonic() - promoted:.1f} s after the command's end", flush=True)
        host = self._tasks.furniture.host
        url = self._asked_for()["url"]
        status, headers, content = self._aws.answer(host, "GET", url[url.index("/ota/") :])
        place = {"Bucket": self._names.bundles_bucket, "Key": f"{self._bundle}/bundle.zip"}
        plain = self._aws.client("s3").get_object(**place)["Body"].read()
        # AES-128-CBC fills up to whole blocks; what it is can be read with the public key alone.
        assert (200, len(plain) // 16 * 16 + 16) == (status, len(content)), headers
        first_word = {
            "device_id": DEVICE["device_id"],
            "version": self._bundle,
            "session_id": "s",
            "file": "index.html",
        }
        self._aws.ask(host, "POST", "/ota/updates", DEVICE | {"version_name": self._bundle})
        assert 200 == self._aws.ask(host, "POST", "/ota/started", first_word)[0]

        def counted() -> bool:
            counts = json.loads(self._shipway("app", "show", "--env", ENVIRONMENT, "--json"))["counts"]
            return bool(counts) and counts.get(self._bundle, {}).get("started") == 1

        wait_for(counted, "the device is counted", seconds=SWAP)

    def _asked_for(self) -> dict[str, Any]:
        """What the device is told to have; empty while nothing answers, or where it asks too often."""
        status, _, body = self._aws.ask(self._tasks.furniture.host, "POST", "/ota/updates", DEVICE)
        return dict(body) if status == 200 else {}

    def _shipway(self, *words: str) -> str:
        """What the command line over the emulator prints."""
        done = subprocess.run(
            [sys.executable, "-m", "shipway", "--target", "aws", *words], cwd=self._app_folder,
            env=os.environ | self._aws.variables, capture_output=True, text=True, timeout=SWAP, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"shipway {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def _crash(self) -> None:
        before = self._tasks.seen(BACKEND)
        release = self._release("r2", {BACKEND: self._crashing()})
        definition = self._tasks.register(release, BACKEND)
        with self._asking() as asked:
            self._tasks.update(BACKEND, definition)
            wait_for(lambda: len(self._crashed(definition)) >= GIVEN_UP, "the image was given up", seconds=CRASHES)
            wait_for(
                lambda: self._tasks.seen(BACKEND).keys() == before.keys(), "only the old task runs", seconds=CRASHES
            )
            # The emulator lets go of the addresses of tasks that are gone a moment later, and answers 503 meanwhile.
            steady = [SECOND] * 20
            wait_for(lambda: [self._served() for _ in steady] == steady, "its answers are steady", seconds=CRASHES)
        with self._asking() as afterwards:
            wait_for(lambda: afterwards[SECOND] > 50, "it goes on serving")
        assert {SECOND} == afterwards.keys(), afterwards
        # The emulator sends requests to a task before any health check, so some meet the one that is about to end, or
        # wait for one that is gone. No answer may be a wrong one.
        assert asked[SECOND] > asked.total() / 2, asked
        assert asked.keys() <= {SECOND, "failed 0", "failed 502", "failed 503", "failed 504"}, asked

    def _crashed(self, definition: str) -> list[str]:
        stopped = self._tasks.seen(BACKEND, "STOPPED").items()
        return [arn for arn, task in stopped if task["taskDefinitionArn"] == definition]

    def _crashing(self) -> Artifact:
        """The backend's image, but for its code: a program that ends at once."""
        folder = self._folder / "crashing"
        folder.mkdir()
        address = self._artifacts[BACKEND].address
        (folder / "Dockerfile").write_text(f"FROM {address}\nENV PYTHONPATH=/nowhere\n")
        name = f"{self._repository(BACKEND)}:crashing"
        self._engine.run("build", "--tag", name, str(folder))
        self._engine.run("push", name)
        (image,) = self._aws.client("ecr").batch_get_image(
            repositoryName=self._names.repository(BACKEND), imageIds=[{"imageTag": "crashing"}]
        )["images"]
        digest = image["imageId"]["imageDigest"]
        self._engine.pull(f"{self._repository(BACKEND)}@{digest}")
        return Artifact(BACKEND, digest.removeprefix("sha256:"), f"{self._repository(BACKEND)}@{digest}")

    @contextmanager
    def _asking(self) -> Iterator[Counter[str]]:
        """A client that asks on and on while the block runs: what answered → how often. `failed …` counts as well."""
        asked: Counter[str] = Counter()
        enough = threading.Event()

        def ask() -> None:
            while not enough.is_set():
                asked[self._served()] += 1

        client = threading.Thread(target=ask)
        client.start()
        try:
            yield asked
        finally:
            enough.set()
            client.join()
        print(f"  {sum(asked.values())} requests: {dict(asked)}", flush=True)

    def _served(self) -> str:
        """The version that a prediction was made by, or what came instead."""
        status, _, body = self._aws.ask(self._tasks.furniture.host, "POST", "/api/predict", FLIGHT)
        found: Any = body.get("model_version") if isinstance(body, dict) else None
        return str(found) if status == 201 or (status == 200 and found) else f"failed {status}"

    def _release(self, id: str, instead: dict[str, Artifact] | None = None) -> Release:
        return Release(id, "0" * 40, self._app, {**self._artifacts, **(instead or {})}, FIRST)

    def _checked_out(self) -> bytes:
        """The commit that is checked out here, with a shipway.yaml for the emulator; that file's text.

        Its account is the emulator's. No container can be had for PostgreSQL, so tasks have a database of their own, which
        they migrate as they start.
        """
        subprocess.run(["git", "clone", "--quiet", ROOT, self._app_folder], check=True)
        file = self._app_folder / "shipway.yaml"
        described = yaml.safe_load(file.read_text())
        described["aws"] |= {"account": ACCOUNT, "region": REGION}
        for service in described["services"].values():
            if "database" in service:
                del service["database"]
                service["command"] = f"sh -c '{service.pop('before_traffic')} && exec {service['command']}'"
        text = yaml.safe_dump(described, sort_keys=False).encode()
        file.write_bytes(text)
        author = ("-c", "user.name=rehearsal", "-c", "user.email=rehearsal@example.com", "-c", "commit.gpgsign=false")
        subprocess.run(
            ["git", *author, "commit", "--quiet", "-am", "The emulator's account"], cwd=self._app_folder, check=True
        )
        return text
