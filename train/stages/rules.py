"""The standards of the published rules: what is usual in scores, which no labels were needed for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tqdm import tqdm

from eimg_core.atomic import replace_file
from eimg_core.va.rules import CUES, STANDARDS, Standards, cues
from train.data.passages import CORPORA, passages_of
from train.stages.composer import pieces_of, spans_of
from train.stages.stage import Request

__all__ = ["take_standards"]

_SCORES = ("mutopia", "lieder")


def take_standards(request: Request, path: Path = STANDARDS) -> Standards:
    """Count the cues of every window of the train splits of Mutopia and the Lieder, and write their standards.

    Both corpora count the same, however many windows they have.

    Raises:
        DataError: a data set is not there or damaged.
    """
    counted = []
    for name in _SCORES:
        kept = [one for one in passages_of(name, request.data, request.cache) if one.split == "train"]
        pieces = pieces_of(spans_of(kept))
        counted.append(np.array([cues(piece) for piece in tqdm(pieces, desc=f"counting {name}", unit="window")]))
    most = max(len(rows) for rows in counted)
    standards = Standards.of(np.concatenate([np.resize(rows, (most, len(CUES))) for rows in counted]))
    text = {
        "command": "python -m train.rules --data DIR --standards",
        "corpora": {name: CORPORA[name](request.data).digest() for name in _SCORES},
        "windows": {name: len(rows) for name, rows in zip(_SCORES, counted, strict=True)},
        "standards": {
            "mean": _rounded(standards.mean),
            "spread": _rounded(standards.spread),
            "total": [float(f"{value:.5g}") for value in standards.total],
        },
    }
    replace_file(path, (json.dumps(text, indent=1) + "\n").encode())
    return standards


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {cue: float(f"{value:.5g}") for cue, value in values.items()}
