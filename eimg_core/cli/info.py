"""``pairings`` and ``licences``: what is shipped, and under which terms."""

from __future__ import annotations

import argparse
import json

from eimg_core.cli.common import commercial_argument, studio_of

__all__ = ["add_info"]


def add_info(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands."""
    pairings = commands.add_parser("pairings", help="what is shipped")
    pairings.add_argument("--json", action="store_true")
    commercial_argument(pairings)
    pairings.set_defaults(run=_pairings)

    licences = commands.add_parser("licences", help="what each component learnt from, and under which terms")
    licences.add_argument("--markdown", action="store_true", help="as the table of docs/licences.md; otherwise JSON")
    licences.set_defaults(run=_licences)


def _pairings(args: argparse.Namespace) -> int:
    infos = studio_of(args).pairings()
    if args.json:
        rows = [
            {
                "key": i.key,
                "title": i.title,
                "preset": i.preset,
                "megabytes": i.megabytes,
                "default": i.default,
                "variants": list(i.variants),
            }
            for i in infos
        ]
        print(json.dumps(rows, indent=2))
    else:
        for info in infos:
            variants = ", ".join(info.variants)
            default = "  (default)" if info.default else ""
            print(f"{info.key:20} {info.title:24} {variants:16} {info.megabytes:6.1f} MB{default}")
    return 0


def _licences(args: argparse.Namespace) -> int:
    from eimg_core.licences import as_json, markdown

    print(markdown() if args.markdown else as_json())
    return 0
