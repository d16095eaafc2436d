"""The numbers in docs/findings.md: each stands between ``<!--=name-->`` and ``<!--/-->`` and comes from the results."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from eimg_core.options import USUAL_TAKES
from eimg_core.results import BEST_OF, PAPER_TABLE_V
from train.report.intervals import Estimate, difference
from train.report.results import Results, cell, effects, parts, sizes, verdict

__all__ = ["facts", "fill_findings"]

_SLOT = re.compile(r"<!--=([^<>]+?)-->.*?<!--\/-->", re.DOTALL)


def _signed(estimate: Estimate) -> str:
    return f"{estimate.value:+.2f} [{estimate.low:+.2f}, {estimate.high:+.2f}]"


def facts(results: Results) -> Mapping[str, str]:
    """Name → what the page says."""
    rows = results.rows
    found = {
        f"em.{name}": cell(rows[name].emotion_matching(), 2)
        for name in rows
        if not name.startswith(("requests", "mean"))
    }
    found |= {f"r.{name}": f"{rows[name].r(0).value:.2f} / {rows[name].r(1).value:.2f}" for name in rows}
    for pairing in ("vqvae+fnt", "effnet+fnt"):
        for index, (_, effect) in enumerate(effects(results, pairing), start=1):
            found[f"effect.{pairing}.{index}"] = f"{_signed(effect)}, {verdict(effect)}"
        spread = [rows[name].emotion_matching().value for name in sizes(pairing)]
        found[f"sizes.{pairing}"] = _range(spread)
        spread = [rows[name].emotion_matching().value for name in parts(pairing)]
        found[f"parts.{pairing}"] = _range(spread)
    return found | _six(results) | _moved(results) | _data(results)


def _six(results: Results) -> dict[str, str]:
    """The paper's pairings with our bridge, smallest and largest: Emotion Matching, and r of each axis."""
    found = {}
    for name, suffix in (("one", ""), ("kept", f"{BEST_OF}{USUAL_TAKES}")):
        rows = [results.rows[f"{pairing}@eimg2{suffix}"] for pairing in PAPER_TABLE_V]
        found[f"six.{name}"] = _range([row.emotion_matching().value for row in rows])
        found[f"six.{name}.r"] = " / ".join(_range([row.r(axis).value for row in rows]) for axis in (0, 1))
    return found


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f}"


def _moved(results: Results) -> dict[str, str]:
    """What moved Emotion Matching most: differences on the same photos."""
    em = {name: row.emotion_matching() for name, row in results.rows.items()}
    pairs = {
        "features": ("effnet+fnt n = 8", "vqvae+fnt n = 8"),
        "features.eimg2": ("effnet+fnt@eimg2", "vqvae+fnt@eimg2"),
        "music": ("effnet+tvae@eimg2", "effnet+fnt@eimg2"),
        "guide": (f"effnet+tvae@eimg2 best of {USUAL_TAKES}", "effnet+tvae@eimg2"),
        "bridge": ("vqvae+fnt@eimg2", "vqvae+fnt@paper"),
        "best.constant": ("vqvae+fnt@paper", "constant"),
        "retrieval.constant": ("retrieval", "constant"),
        "tf.constant": ("TF-IM", "constant"),
        "gan.constant": ("GAN-IM", "constant"),
        "tf.paper": ("TF-IM", "vqvae+fnt n = 8"),
        "tf.blind": ("TF-IM", "TF/IMG"),
    }
    return {f"moved.{name}": _signed(difference(em[a], em[b])) for name, (a, b) in pairs.items()}


def _data(results: Results) -> dict[str, str]:
    """Of labels and metrics alone."""
    photos, clips = (np.array([row[2:4] for row in results.dataset[name]]) for name in ("photos", "clips"))
    row = results.rows["real"]
    density = {key: per_second for key, _, _, _, per_second, _ in results.dataset["clips"]}
    rates = np.array([density[key] for key in row.keys])
    grooves = results.dataset["groove_by_ticks_per_quarter"]
    by_bar = row.mean("bar_groove")
    told = {name: record["summary"] for name, record in results.midi_evaluations.items()}
    emopia = told["emopia"]["quadrants"]
    return {
        "tilt.photos": f"{np.corrcoef(photos.T)[0, 1]:.2f}",
        "tilt.clips": f"{np.corrcoef(clips.T)[0, 1]:.2f}",
        "groove.r": f"{np.corrcoef(rates, row.column('groove_consistency')[0])[0, 1]:.2f}",
        "groove.bar.r": f"{np.corrcoef(rates, row.column('bar_groove')[0])[0, 1]:.2f}",
        "groove.real": f"{row.mean('groove_consistency').value:.4f}",
        "groove.bar": f"{by_bar.value:.2f}",
        **{f"groove.{ticks}": f"{value:.3f}" for ticks, value in grooves.items()},
        "emopia.inside": ", ".join(f"{name} {one['estimated_inside']:.0%}" for name, one in emopia.items()),
        "midi_evaluation.clips": f"{told['clips']['emotion_matching']:.2f}",
        "constant.point": f"{told['clips']['mean_point']:.2f}",
    }


def fill_findings(page: str, results: Results) -> str:
    """The page with every number as the results have it.

    Raises:
        ValueError: the page asks for a number that there is not.
    """
    known = facts(results)

    def number(match: re.Match[str]) -> str:
        name = match[1]
        if name not in known:
            raise ValueError(f"there is no number {name!r}; known: {', '.join(sorted(known))}")
        return f"<!--={name}-->{known[name]}<!--/-->"

    return _SLOT.sub(number, page)
