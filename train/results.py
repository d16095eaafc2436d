"""Records → docs/results.md: Tables I, IV, V, VI and VII with intervals, the paper's numbers beside ours.

    python -m train.results [--assets assets] [--docs docs]

Also draws the figures of ``docs/figures`` and fills the numbers of ``docs/findings.md``. Every text is a pure function
of the records, and a test checks that the documents are what it returns.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eimg_core.emotion import QUADRANTS
from eimg_core.results import COLUMNS, PRINTED_METRICS, SHARES
from eimg_core.shipped import CHECKPOINTS
from train.dataset import DATASET
from train.experiments import EXPERIMENTS
from train.intervals import Estimate, Row, difference
from train.tables import PAPER_TABLE_V

__all__ = ["PAPER", "Results", "main", "results_page"]

# Numbers printed in the paper, by our name of the row: polyphony, pitch entropy, groove, Emotion Matching.
_PRINTED: dict[str, tuple[float | None, ...]] = {
    "real": (0.5303, 3.9860, 0.9922, 0.1374),
    "TF-IM": (0.4104, 2.7635, 0.8101, 4.0601),
    "GAN-IM": (0.3069, 1.8993, 0.6132, 4.9076),
    "TF/IMG": (0.4983, 3.4126, 0.9389, None),
    "TF-FI": (0.5094, 3.4022, 0.9110, None),
    "vqvae+fnt n = 2": (0.4713, 2.8129, 0.8601, 5.7670),
    "vqvae+fnt n = 4": (0.4921, 3.2839, 0.9229, 2.9825),
    "vqvae+fnt n = 8": (0.5179, 3.5620, 0.9760, 1.8710),
    "vqvae+fnt n = 16": (0.5116, 3.3909, 0.9578, 3.2618),
    "vqvae+fnt direct": (0.3882, 3.0010, 0.8351, 4.8211),
    "vqvae+fnt inter": (0.4121, 3.1403, 0.8713, 3.2540),
    "vqvae+fnt inter + image": (0.4643, 3.3583, 0.9264, 2.8423),
    "vqvae+fnt inter + music": (0.4572, 3.3992, 0.9417, 2.8964),
}
PAPER: dict[str, Mapping[str, float | None]] = {
    name: dict(zip(PRINTED_METRICS, values, strict=True)) for name, values in _PRINTED.items()
} | {f"{pairing}@paper": values for pairing, values in PAPER_TABLE_V.items()}
PAPER_TABLE_I = {"LVHA": 1.710, "HVHA": 1.720, "LVLA": 1.044, "HVLA": 1.286}

# As in the README; an interval says less of the last digit.
_COLUMNS = (*COLUMNS[:-1], ("bar_groove", "groove by bar", 2))
CONTROLS = {
    "constant": "*constant*: one real clip for every photo",
    "random": "*random*: any real clip",
    "oracle": "*oracle*: the real clip nearest to the label",
    "real": "*real clips*, against their own labels",
}
_TITLES = {
    **CONTROLS,
    "retrieval": "*retrieval*: the real clip nearest to what is read from the photo",
    "TF-IM": "**TF-IM**",
    "TF/IMG": "**TF/IMG**: without the image branch",
    "TF-FI": "**TF-FI**: one fixed photo",
    "GAN-IM": "**GAN-IM**",
}
_BAD = "records of {count} different evaluators cannot share a table"


@dataclass(frozen=True)
class Results:
    """All records of a folder.

    Args:
        folder: ``assets/results``.
    """

    folder: Path

    @cached_property
    def dataset(self) -> dict[str, Any]:
        """The record of ``train.dataset``."""
        return self._read(self.folder / DATASET)

    @cached_property
    def rows(self) -> dict[str, Row]:
        """Row name → its records: experiments, pairings of the test split, and controls.

        Raises:
            ValueError: they were judged by different evaluators.
        """
        found: dict[str, list[dict[str, Any]]] = {}
        paths = [*self.folder.glob("pairings-test-*.json"), *self.folder.glob("experiment-*.json")]
        for path in sorted(paths):
            record = self._read(path)
            if "items" in record:
                found.setdefault(record["row"], []).append(record)
        judges = {r["components"]["va_predictor/evaluator"] for records in found.values() for r in records}
        if len(judges) > 1:
            raise ValueError(_BAD.format(count=len(judges)))
        labels = {key: (v, a) for name in ("photos", "clips") for key, _, v, a, *_ in self.dataset[name]}
        return {name: Row(records, labels) for name, records in found.items()}

    @cached_property
    def kits(self) -> dict[str, dict[str, Any]]:
        """What ``evaluate-midi`` said of whole folders, by name."""
        return {path.stem.removeprefix("kit-"): self._read(path) for path in sorted(self.folder.glob("kit-*.json"))}

    @staticmethod
    def _read(path: Path) -> Any:
        return json.loads(path.read_text(encoding="utf-8"))

    def estimate(self, row: str, column: str) -> Estimate:
        """One number of a row."""
        found = self.rows[row]
        if column == "emotion_matching":
            return found.emotion_matching()
        if column in ("r_valence", "r_arousal"):
            return found.r(int(column == "r_arousal"))
        return found.mean(column)


# --- pieces of a table -------------------------------------------------------------------------------------------


def cell(estimate: Estimate, digits: int) -> str:
    """``2.18 [2.03, 2.33]``; a dash where nothing is defined."""
    if not math.isfinite(estimate.value):
        return "–"
    return f"{estimate.value:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(head) + " |",
        "|---" * len(head) + "|",
        *("| " + " | ".join(line) + " |" for line in lines),
    ]


def _title(row: str) -> str:
    if row in _TITLES:
        return _TITLES[row]
    pairing, _, variant = row.partition("@")
    return f"**{pairing}** ({variant})" if variant else f"**{row}**"


def _lines(results: Results, row: str) -> list[list[str]]:
    """The paper's numbers, where it prints any, and ours below."""
    lines = []
    if row in PAPER:
        printed = [PAPER[row].get(name) for name, _, _ in _COLUMNS]
        cells = ["–" if v is None else f"{v:.{digits}f}" for v, (_, _, digits) in zip(printed, _COLUMNS, strict=True)]
        lines.append([f"{row.removesuffix('@paper')}, as printed", "", *cells])
    found = results.rows[row]
    numbers = [cell(results.estimate(row, name), digits) for name, _, digits in _COLUMNS]
    lines.append([_title(row), f"{found.n} × {found.seeds}", *numbers])
    return lines


def _block(results: Results, rows: Sequence[str]) -> list[str]:
    """A table of rows; those without records are an error, so that none is forgotten."""
    if missing := [row for row in rows if row not in results.rows]:
        raise ValueError(f"rows without records: {', '.join(missing)}; run `python -m train.experiments`")
    head = ["row", "n × seeds", *(title for _, title, _ in _COLUMNS)]
    return _table(head, [line for row in rows for line in _lines(results, row)])


# --- the tables ---------------------------------------------------------------------------------------------------


def density_by_quadrant(results: Results, column: int) -> dict[str, Estimate]:
    """Table I: mean density of the clips whose label lies strictly on either side of 5.

    Args:
        column: 0 for notes per second, 1 for notes per beat of sounding length.
    """
    rows = results.dataset["clips"]
    va = np.array([row[2:4] for row in rows])
    values = np.array([row[4 + column] for row in rows])
    high = va > 5.0
    masks = {
        "HVHA": high[:, 0] & high[:, 1],
        "LVHA": ~high[:, 0] & high[:, 1],
        "LVLA": ~high[:, 0] & ~high[:, 1],
        "HVLA": high[:, 0] & ~high[:, 1],
    }
    return {name: _bootstrapped(values[mask]) for name, mask in masks.items()}


def _bootstrapped(values: NDArray[np.float64]) -> Estimate:
    drawn = np.random.default_rng(0).integers(len(values), size=(2000, len(values)))
    return Estimate.of(float(values.mean()), values[drawn].mean(axis=1))


def table_1(results: Results) -> list[str]:
    """Density of notes by quadrant."""
    head = ["density", *(f"{name} ({_WORDS[name]})" for name in QUADRANTS)]
    lines = [
        ["as printed, unit not stated", *(f"{PAPER_TABLE_I[name]:.3f}" for name in QUADRANTS)],
        *(
            [title, *(cell(density_by_quadrant(results, column)[name], 2 if column == 0 else 3) for name in QUADRANTS)]
            for column, title in enumerate(("notes per second", "notes per beat of sounding length"))
        ),
    ]
    return _table(head, lines)


_WORDS = {"HVHA": "happy, excited", "LVHA": "tense, upset", "LVLA": "sad, weary", "HVLA": "calm, serene"}
_FIRST, _OTHER = "vqvae+fnt", "effnet+fnt"


def sizes(pairing: str) -> list[str]:
    """The rows of Table IV."""
    return [e.name for e in EXPERIMENTS if "table4" in e.tables and e.pairing == pairing]


def parts(pairing: str) -> list[str]:
    """The rows of Table VII, in the paper's order."""
    return [e.name for e in EXPERIMENTS if "table7" in e.tables and e.pairing == pairing]


def of_pairings(results: Results) -> list[str]:
    """The pairings with records, the paper's six in its variant first, then every other row of theirs."""
    six = [f"{pairing}@paper" for pairing in PAPER_TABLE_V]
    return [*six, *sorted(row for row in results.rows if "@" in row and row not in six)]


def effects(results: Results, pairing: str) -> list[tuple[str, Estimate]]:
    """Table VII as questions: what each part of the contrast changes in Emotion Matching (below 0 helps)."""
    direct, inter, image, music, full = (results.estimate(row, "emotion_matching") for row in parts(pairing))
    return [
        ("inter-modal contrast instead of the direct mapping", difference(inter, direct)),
        ("intra-image contrast added to inter-modal", difference(image, inter)),
        ("intra-music contrast added to inter-modal", difference(music, inter)),
        ("both intra-modal contrasts added to inter-modal", difference(full, inter)),
        ("the complete contrast instead of the direct mapping", difference(full, direct)),
    ]


def verdict(effect: Estimate) -> str:
    """What an interval of a difference says."""
    if effect.high < 0:
        return "helps"
    return "harms" if effect.low > 0 else "cannot be told from 0"


def table_of_effects(results: Results) -> list[str]:
    """Does each component help, beyond its interval?"""
    lines = []
    for pairing in (_FIRST, _OTHER):
        lines += [[pairing, name, cell(found, 2), verdict(found)] for name, found in effects(results, pairing)]
    return _table(["pairing", "what changes", "Emotion Matching, difference", "verdict"], lines)


def table_of_quadrants(results: Results, rows: Sequence[str]) -> list[str]:
    """Emotion Matching by quadrant of the photo's label."""
    some = results.rows[rows[0]].quadrants
    head = ["row", *(f"{name}, n = {int((some == name).sum())}" for name in QUADRANTS)]
    return _table(
        head,
        [[_title(row), *(cell(results.rows[row].emotion_matching(q), 2) for q in QUADRANTS)] for row in rows],
    )


def table_of_musicality(results: Results, rows: Sequence[str]) -> list[str]:
    """Distributions, copying and diversity of the rows whose records hold them, mean over seeds."""
    head = ["row", *SHARES.values(), "longest run, mean / max", "takes alike ↓"]
    lines = []
    for row in rows:
        told = [record["musicality"] for record in results.rows[row].records if "musicality" in record]
        if not told:
            continue
        shares = [_mean([one["distributions"][name]["share"] for one in told]) for name in SHARES]
        copied = [next(iter(one["copying"].values())) for one in told]
        run = f"{_mean([one['mean'] for one in copied]):.1f} / {max(one['max'] for one in copied)}"
        alike = [one["similarity"] / one["similarity_real"] for one in told if one["similarity"] is not None]
        cells = [_plain(share) for share in shares]
        lines.append([_title(row), *cells, run, _plain(_mean(alike)) if alike else "–"])
    return _table(head, lines)


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else math.nan


def _plain(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"


def table_of_kits(results: Results) -> list[str]:
    """What evaluate-midi says of folders of files."""
    head = ["folder", "files", "empty", "heard", "Emotion Matching", "r(V) / r(A)", "polyphony", "entropy", "groove"]
    lines = []
    for record in results.kits.values():
        told = record["summary"]
        matching = told.get("emotion_matching")
        both = f"{told['r_valence']:.2f} / {told['r_arousal']:.2f}" if told.get("r_valence") is not None else "–"
        lines.append(
            [
                record["title"],
                str(told["files"]),
                str(told["empty"]),
                str(told.get("n_judged", "–")),
                "–" if matching is None else f"{matching:.2f}",
                both,
                f"{told['polyphony_rate']:.3f}",
                f"{told['pitch_entropy']:.2f}",
                f"{told['groove_consistency']:.4f}",
            ]
        )
    return _table(head, lines)


def table_of_emopia(results: Results) -> list[str]:
    """Where the judge hears EMOPIA, whose people named quadrants."""
    told = results.kits["emopia"]["summary"]["quadrants"]
    lines = [
        [name, str(one["n"]), f"{one['valence']:.2f}", f"{one['arousal']:.2f}", f"{one['heard_inside']:.0%}"]
        for name, one in told.items()
    ]
    return _table(["quadrant", "clips", "heard valence", "heard arousal", "heard inside"], lines)


def results_page(results: Results) -> str:
    """The whole document."""
    baselines = [e.name for e in EXPERIMENTS if e.kind in ("tf_im", "gan_im")]
    experiments = list(dict.fromkeys([*sizes(_FIRST), *parts(_FIRST), *sizes(_OTHER), *parts(_OTHER)]))
    pairings = of_pairings(results)
    rows = results.rows
    newest = max(record["date"] for row in rows.values() for record in row.records)
    n = rows["constant"].n
    lines = [
        "# Results",
        "",
        "Every table of the paper beside ours. This page is written by `python -m train.results` from the records in",
        "`assets/results`; how to make the records again is in the README. What it all means is in",
        "[findings.md](findings.md).",
        "",
        f"**How to read it.** Each of our rows is {n} photos of the test split, none of whose themes was trained on, "
        "times so many seeds; pieces of 15 s. In brackets is the interval of 95 % of a bootstrap over photos and "
        "seeds (2000 samples). Seeds of *pairings* are of playing, since their weights ship; seeds of *experiments* "
        "(Tables IV, VI and VII, TF-IM, GAN-IM) are of training and playing alike. Emotion Matching is a distance on "
        "the 1–9 plane, lower is better, heard by an evaluator that took part in no training and no choice. Rows "
        "*as printed* are the paper's, on other photos (IAPS and NAPS) and with another judge: to be read beside ours, "
        f"not ranked with them. Newest record: {newest}.",
        "",
        "## Table I: density of notes by quadrant",
        "",
        *table_1(results),
        "",
        f"n = {results.dataset['n']['clips']} clips, bootstrap over clips. The order is the paper's in either meaning; "
        "its numbers are those of the second, which measures how short notes are and not how many.",
        "",
        "![Labels of photos and clips](figures/va-clouds.png)",
        "",
        "## Table IV: size n of the sets",
        "",
        f"The paper's pairing, {_FIRST}, and {_OTHER}, whose photo side carries emotion.",
        "",
        *_block(results, [*sizes(_FIRST), *sizes(_OTHER)]),
        "",
        "## Table V: pairings, baselines, controls",
        "",
        *_block(results, [*pairings, "TF-IM", "GAN-IM", "retrieval", *CONTROLS]),
        "",
        "## Table VI: TF-IM and its variants",
        "",
        *_block(results, ["TF/IMG", "TF-FI", "TF-IM", "real"]),
        "",
        "## Table VII: parts of the contrast",
        "",
        *_block(results, [*parts(_FIRST), *parts(_OTHER)]),
        "",
        "**Does each part help, beyond its interval?** Differences of Emotion Matching on the same photos; below 0 "
        "the part helps.",
        "",
        *table_of_effects(results),
        "",
        "![Parts of the contrast and sizes of the sets](figures/contrast.png)",
        "",
        "## By quadrant of the photo",
        "",
        "Emotion Matching of the photos of each quadrant.",
        "",
        *table_of_quadrants(results, [*pairings, *experiments, *baselines, "retrieval", "constant", "oracle"]),
        "",
        "## Musicality",
        "",
        "How far distributions are from those of real clips, where 1 is how far two halves of the real clips are from "
        "each other; notes in a row shared with a training clip; how alike takes of one photo are, where 1 is how "
        "alike real clips of like emotion are.",
        "",
        *table_of_musicality(results, [*baselines, *experiments, "retrieval"]),
        "",
        "## What evaluate-midi says",
        "",
        "`python -m eimg_core evaluate-midi DIR --labels FILE.csv` on files written to disk: the footing for any other "
        "system. It reads files as they come, in seconds; our tables lay real clips on one beat first, so their "
        "numbers differ a little.",
        "",
        *table_of_kits(results),
        "",
        "EMOPIA's people named a quadrant for each clip; this is where the judge, who learnt from other clips, hears "
        "them:",
        "",
        *table_of_emopia(results),
    ]
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=Path, default=CHECKPOINTS.parent)
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    args = parser.parse_args(argv)
    from train.charts import draw_all
    from train.findings import fill_findings

    results = Results(args.assets / "results")
    (args.docs / "figures").mkdir(parents=True, exist_ok=True)
    (args.docs / "results.md").write_text(results_page(results), encoding="utf-8")
    draw_all(results, args.docs / "figures")
    page = args.docs / "findings.md"
    if page.exists():
        page.write_text(fill_findings(page.read_text(encoding="utf-8"), results), encoding="utf-8")


if __name__ == "__main__":
    main()
