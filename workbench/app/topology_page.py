"""The Topology page: who talks now, over what, with which engine, and how every node behind the talks does."""

from __future__ import annotations

from workbench.app.plain_page import PlainPage

_LAYERS = {
    "people": "People",
    "ways": "Ways in",
    "talks": "Talks",
    "engines": "Engines",
    "gateway": "Model server",
    "speech": "Ears and voice",
    "bridge": "Tool bridge",
    "providers": "Tool providers",
    "store": "Store",
}
"""Name of a layer's list in `static/topology.js`, and its heading."""

_SECTIONS = "".join(
    f'<section class="layer {name}" aria-labelledby="wb-layer-{name}"><h2 id="wb-layer-{name}">{title}</h2>'
    f'<ul data-layer="{name}"></ul></section>'
    for name, title in _LAYERS.items()
)

_BODY = f"""
<main id="wb-topology" class="wb-topology">
  <p id="wb-topology-state" class="wb-hint" role="status">Asking every node</p>
  <dl id="wb-totals" class="wb-totals" aria-label="Totals over everything stored"></dl>
  <div id="wb-map" class="wb-map"><svg id="wb-edges" class="wb-edges" aria-hidden="true"></svg>{_SECTIONS}</div>
</main>
"""

PAGE = PlainPage("/topology", "topology.css", "topology.js", _BODY)
