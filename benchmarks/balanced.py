"""Several PersonaPlex gateways on this machine behind a real HAProxy, set up as `workbench deploy haproxy` does."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.children import Served, free_port, wait_until_answered
from benchmarks.gateway import gateway
from workbench.commands.deploy.addresses import parse_address
from workbench.commands.deploy.haproxy import find_haproxy
from workbench.commands.deploy.haproxy_config import Balancer, Server, render


@contextmanager
def gateways(count: int, talks: int) -> Iterator[tuple[str, list[Served]]]:
    """`count` gateways with room for `talks` in all: the address for clients, and each of them. One stands alone.

    Raises SystemExit where several are asked for and there is no HAProxy, or one does not start."""
    if talks % count:
        raise SystemExit(f"{talks} talks cannot be spread evenly over {count} gateways")
    with ExitStack() as running:
        found = [running.enter_context(gateway(talks // count, "float32")) for _ in range(count)]
        url = found[0][0] if count == 1 else running.enter_context(_balancer([one for one, _ in found], talks // count))
        yield url, found


@contextmanager
def _balancer(urls: list[str], slots: int) -> Iterator[str]:
    program = find_haproxy()
    if program is None:
        raise SystemExit("several gateways need haproxy before them: apt-get install haproxy, or --gateways 1")
    with tempfile.TemporaryDirectory() as folder:
        listen, config = parse_address(f"127.0.0.1:{free_port()}", "listen"), Path(folder) / "haproxy.cfg"
        servers = [Server(parse_address(url.removeprefix("http://"), "gateway"), slots) for url in urls]
        config.write_text(render(Balancer(servers, listen, Path(folder) / "admin.sock")))
        process = subprocess.Popen([program, "-f", str(config)], text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until_answered(f"http://{listen}/health", process)
            yield f"http://{listen}"
        finally:
            process.terminate()
            process.wait()
