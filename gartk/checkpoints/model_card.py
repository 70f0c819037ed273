"""The README.md of a model that is handed on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gartk.checkpoints.checkpoint import Content

_CARD = """---
library_name: transformers
pipeline_tag: image-text-to-text
tags:
- gartk
- region-captioning
license: other
---

# {title}

A multimodal language model that describes regions of an image and answers questions about them, written by
gartk for transformers.

| | |
|---|---|
{table}

## How to load it

```python
import gartk.hf  # registers the classes; no remote code is run
from transformers import AutoModelForImageTextToText

model = AutoModelForImageTextToText.from_pretrained("{name}", dtype="{dtype}")
model.assistant().ask("photo.jpg", [(40, 30, 200, 180)], "What is <Prompt0>?").text
```

`gartk.load("{name}")` gives the same assistant. A region is a mask, a box, an RLE, a polygon or a point;
region i is `<Prompt i>` in questions and answers, {prompts} at most.

{compat}

## How it is built

```json
{cfg}
```

## Licence

gartk is under the Apache licence 2.0. These weights are derived from others ({origin}), whose licences go on
to hold for them: read those of the vision tower, of the language model and of the training data before you
use or hand on this model, and name them here in place of `license: other`.
"""


def model_card(content: Content, *, name: str = "path/to/this/folder") -> str:
    """Return the card of a model: parts, sizes, deviations, how to load it, a note on licences."""
    model = content.model
    cfg = model.saved_cfg()
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.parts().items()}
    rows = [f"| {name} | {cfg[name]['type']}, {count:,} parameters |" for name, count in counts.items()]
    dtype = content.dtype
    rows.append(f"| all | {sum(counts.values()):,} parameters, {dtype} |")
    rows.append(f"| tokens per region | {model.region_extractor.num_tokens} |")
    on = ", ".join(f"`{switch}`" for switch in cfg.get("release_compat", {}))
    compat = f"It keeps these deviations of the authors' release: {on}; see `gartk.compat`." if on else ""
    return _CARD.format(
        title=f"{cfg['vision']['type']} with {cfg['llm']['type']}",
        table="\n".join(rows),
        name=name,
        dtype=dtype,
        prompts=len(model.llm.tokens.prompts),
        compat=compat,
        cfg=json.dumps(cfg, indent=1, sort_keys=True),
        origin=content.info.get("source", "see the config of its training"),
    )
