"""Records of the benchmarks → the tables of the documents; every number in them is put there by this module.

    python -m benchmarks.tables [--root .] [--assets assets]

Each function is pure: a record in, Markdown out. A test checks that the documents are what they return.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from eimg_core.options import USUAL_TAKES
from eimg_core.shipped import CHECKPOINTS
from train.report.tables import fill

__all__ = [
    "BLOCKS",
    "before_after",
    "cluster",
    "fuzzing",
    "kills",
    "load",
    "long_run",
    "main",
    "speed",
    "summary",
    "versions",
]

# What a visitor waits for, and what we aim at, in the unit of its row.
AIMS = {
    "`python app.py` → a page that answers": 8.0,
    "`import eimg_core`": 0.5,
    "photo → emotion": None,
    f"emotion → MIDI of 15 s, best of {USUAL_TAKES} takes": None,
    "photo → sound of 15 s": 1.0,
    "photo → sound of 60 s": None,
    "the paper's six pairings for one photo, 15 s each, with sound": 5.0,
    "60 s of MIDI → sound, FluidSynth": None,
    "100 photos, two workers": None,
}


def speed(record: Mapping[str, Any]) -> str:
    """The record as Markdown; pure."""
    lines = ["| work | ours | limit | ours / limit | the plain way | plain / ours |", "|---|---|---|---|---|---|"]
    for one in record["rows"]:
        limit, plain = one["limit"], one["plain"]
        cells = [f"**{_number(one['ours'])}** {one['unit']}", _other(limit, one["unit"]), _ratio(one["ours"], limit)]
        cells += [_other(plain, one["unit"]), _ratio(plain[1], ("ours", one["ours"])) if plain else "–"]
        lines.append(f"| {one['what']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n\n" + _source(record)


def summary(record: Mapping[str, Any]) -> str:
    """What a visitor waits for, beside what we aim at, the limit and the plain way, as Markdown; pure."""
    rows = {one["what"]: one for one in record["rows"]}
    lines = ["| work | ours | aim | × the limit | the plain way takes |", "|---|---|---|---|---|"]
    for what, aim in AIMS.items():
        if (one := rows.get(what)) is None:
            continue
        limit, plain, unit = one["limit"], one["plain"], one["unit"]
        over = f"{_ratio(one['ours'], limit)} ({limit[0]})" if limit else "–"
        times = f"{_ratio(plain[1], ('ours', one['ours']))} as long ({plain[0]})" if plain else "–"
        lines.append(
            f"| {what} | **{_number(one['ours'])}** {unit} | {f'{aim:g} {unit}' if aim else '–'} | {over} | {times} |"
        )
    return "\n".join(lines) + "\n\n" + _source(record) + " More: [docs/speed.md](docs/speed.md)."


def _other(other: Sequence[Any] | None, unit: str) -> str:
    return f"{_number(other[1])} {unit} ({other[0]})" if other else "–"


def _ratio(value: float, to: Sequence[Any] | None) -> str:
    return f"{value / to[1]:.2g} ×" if to else "–"


def _source(record: Mapping[str, Any]) -> str:
    return (
        f"Medians on {record['cores']} CPU cores ({record['machine']}), Python {record['python']}, "
        f"{record['engine']}, {record['threads']} threads; load of the machine before: {record['load_before']:.1f}. "
        f"`{record['command']}`, {record['date']}."
    )


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def before_after(record: Mapping[str, Any]) -> str:
    """An older version and this one, both measured in one run."""
    lines = [
        "| work | before | its limit | before / limit | now | its limit | now / limit |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in record["rows"]:
        then, now = one["before"], one["after"]
        what = now["what"] if then["what"] == now["what"] else f"{now['what']} (before: {then['what']})"
        cells = [
            cell
            for version in (then, now)
            for cell in (
                f"{_number(version['seconds'])} s",
                f"{_number(version['limit_s'])} s",
                f"**{version['over']:.2g} ×**",
            )
        ]
        lines.append(f"| {what}; limit: {now['limit']} | {' | '.join(cells)} |")
    return "\n".join(lines) + (
        f"\n\nBefore: commit {record['before']}. {record['cores']} CPU cores, Python {record['python']}; "
        f"`{record['command']}`, {record['date']}."
    )


def page(record: Mapping[str, Any]) -> str:
    """How long a visitor waits in the browser."""
    lines = ["| in the browser | median | slowest | n |", "|---|---|---|---|"]
    rows = [(what, one, " s") for what, one in record["seconds"].items()]
    shortest, longest = record["bar_s"]
    in_bars = f"move → changed music, in bars of the music, of {shortest:.2f} to {longest:.2f} s"
    for what, one, unit in [*rows, (in_bars, record["bars"], "")]:
        lines.append(f"| {what} | **{one['median']:.2f}**{unit} | {one['slowest']:.2f}{unit} | {one['n']} |")
    return "\n".join(lines) + (
        f"\n\n{record['browser']}, which shares {record['cores']} CPU cores with the app, Python {record['python']}; "
        f"`{record['command']}`, {record['date']}."
    )


def load(record: Mapping[str, Any]) -> str:
    """Visitors who come together: what gets done, how long they wait, what it costs."""
    lines = [
        "| visitors at once | done a minute | a photo read, s | a piece, s | two pairings, s | come again | memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in record["rounds"]:
        waits = [one["wait_s"][action] for action in ("read_photo", "compose_photo", "compare")]
        cells = [f"{wait['median']:.1f} / {wait['p95']:.1f}" for wait in waits]
        cells += [str(one["outcomes"].get("full", 0)), f"{one['memory_mb']:.0f} MB"]
        lines.append(f"| {one['visitors']} | **{one['per_minute']:.0f}** | {' | '.join(cells)} |")
    memory, stop = record["memory"], record["stop"]
    return "\n".join(lines) + (
        "\n\nWaiting from the click to the last value, queue included: median / 95 of 100; *come again* counts who met "
        "a full queue. Who gives up a long piece frees the worker: the next visitor's piece is there after "
        f"{stop['after_stop_s']:.1f} s, on an idle server after {stop['idle_s']:.1f} s. Over the second half of "
        f"{memory['generations']} pieces the memory changed by {memory['growth_of_second_half_mb']:+.1f} MB. "
        f"{record['cores']} CPU cores, Python {record['python']}; `{record['command']}`, {record['date']}."
    )


def fuzzing(record: Mapping[str, Any]) -> str:
    """What came of damaged inputs, reader by reader."""
    lines = [
        "| reader | inputs | refused in one sentence | still readable | slowest | faults |",
        "|---|---|---|---|---|---|",
    ]
    for name, outcomes in record["outcomes"].items():
        bad = sum(count for outcome, count in outcomes.items() if outcome not in ("accepted", "refused"))
        lines.append(
            f"| {name} | {sum(outcomes.values())} | {outcomes.get('refused', 0)} | {outcomes.get('accepted', 0)} | "
            f"{record['slowest_s'][name]:.3f} s | {bad} |"
        )
    return "\n".join(lines) + (
        f"\n\n{record['inputs']} inputs in {record['minutes']:g} minutes, {len(record['findings'])} findings. "
        f"`{record['command']}`, {record['date']}."
    )


def kills(record: Mapping[str, Any]) -> str:
    """What came of killed batches and trainings."""
    lines = [
        "| killed at random | kills | came to the same end all the same | undisturbed | findings |",
        "|---|---|---|---|---|",
    ]
    for name, one in record["victims"].items():
        lines.append(
            f"| {name} | {one['kills']} | {one['finished']} | {one['undisturbed_s']:g} s | {len(one['findings'])} |"
        )
    return "\n".join(lines) + f"\n\n`{record['command']}`, {record['date']}."


def versions(record: Sequence[Mapping[str, Any]]) -> str:
    """What the fast tests came to, Python by Python."""
    packages = list(record[0]["versions"])
    lines = [
        f"| Python | versions | {' | '.join(packages)} | passed | failed | skipped | date |",
        "|---|---|" + "---|" * len(packages) + "---|---|---|---|",
    ]
    for one in record:
        cells = [one["python"], one["which"], *one["versions"].values()]
        cells += [str(one[count]) for count in ("passed", "failed", "skipped")]
        lines.append(f"| {' | '.join([*cells, one['date']])} |")
    return "\n".join(lines)


def long_run(record: Mapping[str, Any]) -> str:
    """Hours of mixed visitors: what they did, and what grew."""
    grew, rows = record["growth"], record["rows"]
    last = {measure: statistics.median(row[measure] for row in rows[-(len(rows) // 4) :]) for measure in grew}
    findings = sum(record["findings"].values())
    return (
        f"{record['visitors']} visitors at a time, {record['minutes']} minutes, {record['done']} things done, "
        f"{findings} findings. From the third quarter to the last, medians: memory {grew['memory_mb']:+g} MB, to "
        f"{last['memory_mb']:.0f} MB; files {grew['files_mb']:+g} MB, to {last['files_mb']:.0f} MB; open handles "
        f"{grew['handles']:+g}, to {last['handles']:g}; threads {grew['threads']:+g}, to {last['threads']:g}. "
        f"{record['cores']} CPU cores, which were used for other work as well, Python {record['python']}; "
        f"`{record['command']}`, {record['date']}."
    )


def cluster(record: Mapping[str, Any]) -> str:
    """Pieces a minute on a Dask cluster, measured and on paper."""
    lines = [
        "| workers | pieces a minute | a piece takes its worker, s | overhead, s | this machine's own time, s |",
        "|---|---|---|---|---|",
    ]
    for one in record["rows"]:
        cells = [f"{one['took_s']:.2f}", f"{one['overhead_s']:.2f}", f"{one['here_s']:.3f}"]
        lines.append(f"| {one['workers']} | **{one['rate']:.0f}** | {' | '.join(cells)} |")
    last = record["rows"][-1]
    lines.append(f"| {record['many']}, on paper | {last['many_rate']:.0f} | | | |")
    return "\n".join(lines) + (
        f"\n\nOn paper: workers as fast as these, each on a core of its own, and at most {last['most']:.0f} pieces a "
        f"minute, which is what one machine can hand out and write. {record['cores']} CPU cores for all of it, Python "
        f"{record['python']}; `{record['command']}`, {record['date']}."
    )


# Document, name of the block in it and of the record, and what makes the one of the other.
BLOCKS: Mapping[tuple[str, str], tuple[str, Callable[[Any], str]]] = {
    ("README.md", "speed"): ("speed", summary),
    ("docs/speed.md", "speed"): ("speed", speed),
    ("docs/speed.md", "before-after"): ("before-after", before_after),
    ("docs/speed.md", "page"): ("page", page),
    ("docs/speed.md", "load"): ("load", load),
    ("docs/security.md", "fuzzing"): ("fuzz", fuzzing),
    ("docs/robustness.md", "kills"): ("kills", kills),
    ("docs/batch.md", "cluster"): ("cluster", cluster),
    ("docs/robustness.md", "versions"): ("versions", versions),
    ("docs/robustness.md", "long_run"): ("long_run", long_run),
}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path("."), help="where the documents are")
    parser.add_argument("--assets", type=Path, default=CHECKPOINTS.parent)
    args = parser.parse_args(argv)
    for (document, name), (record, make) in BLOCKS.items():
        path, kept = args.root / document, args.assets / "results" / f"{record}.json"
        block = make(json.loads(kept.read_text(encoding="utf-8")))
        path.write_text(fill(path.read_text(encoding="utf-8"), name, block), encoding="utf-8")


if __name__ == "__main__":
    main()
