"""Uploading a Space with the Hub's own client, to a stand-in for the Hub."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from huggingface_hub import HfApi

from tests.commands.served import run_cli
from workbench.space.errors import SpaceError
from workbench.space.upload import push
from workbench.store.base import StoreError
from workbench.testing.serving import serving

FILES = {"README.md": "---\nsdk: docker\n---\n", "Dockerfile": "FROM scratch\n", "source/x.py": "print()\n"}


class HubStub:
    """Remembers which Space was made and what was put into it."""

    def __init__(self, refuses: bool = False) -> None:
        self.made: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.tokens: set[str] = set()
        self.app = FastAPI()

        @self.app.middleware("http")
        async def note(request: Request, call_next: Any) -> Any:
            self.tokens.add(request.headers.get("authorization", ""))
            return JSONResponse({"error": "not yours"}, 403) if refuses else await call_next(request)

        @self.app.post("/api/repos/create")
        async def create(request: Request) -> dict[str, str]:
            self.made.append(await request.json())
            return {"url": "https://huggingface.co/spaces/lab/talks"}

        @self.app.post("/api/validate-yaml")
        async def validate() -> dict[str, list[str]]:
            return {"errors": [], "warnings": []}

        @self.app.post("/api/spaces/lab/talks/preupload/main")
        async def preupload(request: Request) -> dict[str, Any]:
            asked = (await request.json())["files"]
            return {"files": [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in asked]}

        @self.app.post("/api/spaces/lab/talks/commit/main")
        async def commit(request: Request) -> dict[str, Any]:
            for line in (await request.body()).splitlines():
                told = json.loads(line)
                if told["key"] == "file":
                    self.files[told["value"]["path"]] = base64.b64decode(told["value"]["content"])
            return {"success": True, "commitOid": "1" * 40, "commitUrl": "https://huggingface.co/spaces/lab/talks/commit/1"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "space"
    (made / "source").mkdir(parents=True)
    for name, text in FILES.items():
        (made / name).write_text(text)
    return made


async def test_a_space_is_made_and_holds_every_file(folder: Path) -> None:
    hub = HubStub()
    async with serving(hub.app) as url:
        api = HfApi(endpoint=url, token="hf_stub")
        assert await asyncio.to_thread(push, folder, "lab/talks", api) == "https://huggingface.co/spaces/lab/talks"
    (made,) = hub.made
    assert (made["name"], made["organization"], made["type"], made["sdk"], made["private"]) == ("talks", "lab", "space", "docker", True)
    assert hub.files == {name: text.encode() for name, text in FILES.items()}
    assert hub.tokens == {"Bearer hf_stub"}


async def test_what_the_hub_says_is_told(folder: Path) -> None:
    async with serving(HubStub(refuses=True).app) as url:
        with pytest.raises(SpaceError, match=r"(?s)403.*HF_TOKEN"):
            await asyncio.to_thread(push, folder, "lab/talks", HfApi(endpoint=url, token="hf_stub"))
    with pytest.raises(StoreError, match="OWNER/NAME"):
        push(folder, "talks", HfApi(token="hf_stub"))


def test_nothing_is_uploaded_unless_told_so(folder: Path, tmp_path: Path) -> None:
    """The command itself, without a token: it shows what would be uploaded, and asks for a token only to upload."""
    dry = run_cli("space", "push", "lab/talks", "--dir", folder, "--json", cwd=tmp_path)
    assert dry.returncode == 0, dry.stderr
    told = json.loads(dry.stdout)
    assert told["space"] is None
    assert set(told["files"]) == {"README.md", "Dockerfile", "source/x.py"}
    assert told["bytes"] == sum(told["files"].values())
    refused = run_cli("space", "push", "lab/talks", "--dir", folder, "--yes", cwd=tmp_path)
    assert refused.returncode == 2
    assert "HF_TOKEN" in refused.stderr
    (folder / ".env").write_text("HF_TOKEN=x")
    secret = run_cli("space", "push", "lab/talks", "--dir", folder, cwd=tmp_path)
    assert secret.returncode == 2
    assert ".env" in secret.stderr
