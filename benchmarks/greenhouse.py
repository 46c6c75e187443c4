"""The tool that the benchmarks of the bridge ask for, and the stub of a workflow that answers it."""

from __future__ import annotations

from fastapi.responses import JSONResponse

from workbench.bridge.tool import Tool
from workbench.testing.n8n_stub import N8nStub, Workflow, answering

ASKED = "how warm is the greenhouse"
SPOKEN = "The greenhouse is at 21 degrees."
PATH = "workbench/greenhouse"


def tool(provider: str, timeout_s: float = 10.0) -> Tool:
    return Tool("greenhouse", "Tell how warm the greenhouse is", phrases=(ASKED,), timeout_s=timeout_s, provider=provider)


def stub() -> N8nStub:
    return N8nStub([Workflow(PATH, answering(lambda: JSONResponse({"response_text": SPOKEN})))])
