"""The tutorial of docs/ and its page on Kubernetes: a server that runs, and manifests that fit the command line."""

import asyncio
import dataclasses
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
import yaml

from sealift import Limits, Storage
from sealift.cli import main
from tests.api.conftest import bare_environment, what_may_block
from tests.facade.conftest import the_facade_may_block

from .page import DOCS, Block, Session, blocks_of
from .reader import here, objects, s3, session

__all__ = ["bare_environment", "here", "objects", "s3", "session", "the_facade_may_block", "what_may_block"]


def test_tutorial(session: Session, here: Path) -> None:
    commands: list[Block] = []
    session.run(
        "tutorial.md",
        not_run={"python -m pip install": commands.append, "uvicorn main:app": commands.append,
                 "curl -X POST": commands.append, "sealift cp model.joblib": commands.append},
    )  # fmt: skip
    _, start, predict, again = commands
    assert start.code == "uvicorn main:app\n"
    assert session.names["app"].routes
    body = re.search(r"-d '(.*)'", predict.code)
    assert body
    upload, reload = again.code.splitlines()

    async def requests() -> list[Any]:
        app = session.names["app"]
        async with app.router.lifespan_context(app), _client(app) as client:
            answers = [await client.post("/predict", json=json.loads(body[1]))]
            first = app.state.model
            _, _, source, dest = shlex.split(upload)
            await app.state.storage.upload(source, dest)
            answers += [await client.post(reload.rpartition("8000")[2]), await client.post("/predict", json={})]
            assert app.state.model is not first
        return answers

    predicted, reloaded, wrong = asyncio.run(requests())
    assert (predicted.status_code, predicted.json()) == (200, {"class": 0})
    assert (reloaded.status_code, reloaded.json()) == (200, {"model": "s3://ml-models/flowers/model.joblib"})
    assert wrong.status_code == 422
    assert (here / "models/model.joblib").exists()


def _client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server")


def test_kubernetes(session: Session, here: Path) -> None:
    (here / "mnt/models").mkdir(parents=True)
    commands: list[Block] = []
    session.run("kubernetes.md", not_run={"FROM python": commands.append, "kubectl apply": commands.append})
    image, apply = commands
    assert 'ENTRYPOINT ["sealift"]' in image.code
    assert all(line.startswith("kubectl ") for line in apply.code.splitlines())
    titles = {block.title for block in blocks_of(DOCS / "kubernetes.md")}
    assert set(re.findall(r"-f (\S+)", apply.code)) <= titles
    named = {(each["kind"], each["metadata"]["name"]): each for each in _manifests() if "kind" in each}
    deployment, secret, job = named["Deployment", "llama"], named["Secret", "minio"], named["CronJob", "mirror"]
    # Names that refer to one another.
    pod = deployment["spec"]["template"]
    assert pod["metadata"]["labels"] == deployment["spec"]["selector"]["matchLabels"]
    assert pod["spec"]["initContainers"][0]["envFrom"] == [{"secretRef": {"name": secret["metadata"]["name"]}}]
    for spec in (pod["spec"], job["spec"]["jobTemplate"]["spec"]["template"]["spec"]):
        volumes = {volume["name"] for volume in spec["volumes"]}
        containers = [*spec.get("initContainers", []), *spec["containers"]]
        assert volumes == {mount["name"] for each in containers for mount in each["volumeMounts"]}
        for volume in spec["volumes"]:
            if "secret" in volume:
                assert ("Secret", volume["secret"]["secretName"]) in named
            if "persistentVolumeClaim" in volume:
                assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in named
    assert f"deployment/{deployment['metadata']['name']} -c {pod['spec']['initContainers'][0]['name']}" in apply.code


@pytest.mark.parametrize("container", ["model", "sync"])
def test_the_arguments_of_containers(container: str) -> None:
    (found,) = [each for each in _containers() if each["name"] == container]
    name, *arguments = found["args"]
    with click.Context(main, info_name="sealift") as context:
        main.commands[name].make_context(name, arguments, parent=context).close()


def test_the_variables_of_containers() -> None:
    known = {f"SEALIFT_{field.name.upper()}" for field in dataclasses.fields(Limits)} | {"SEALIFT_PVC_MOUNTS"}
    named = set(re.findall(r"SEALIFT_\w+", (DOCS / "kubernetes.md").read_text("utf-8")))
    assert named
    assert named <= known


def test_what_the_init_container_fetches_is_where_the_server_reads(session: Session, here: Path) -> None:
    (found,) = [each for each in _containers() if each["name"] == "model"]
    *_, source, dest = found["args"]
    Storage.download(source, f"{here}{dest}")
    assert (here / "mnt/models/llama/config.json").exists()


def _containers() -> Iterator[dict[str, Any]]:
    """The containers with arguments in all manifests."""

    def below(value: Any) -> Iterator[dict[str, Any]]:
        if isinstance(value, dict) and "args" in value:
            yield value
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from below(each)

    for manifest in _manifests():
        yield from below(manifest)


def _manifests() -> list[dict[str, Any]]:
    blocks = blocks_of(DOCS / "kubernetes.md")
    return [each for block in blocks if block.language == "yaml" for each in yaml.safe_load_all(block.code)]
