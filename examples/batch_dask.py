"""A folder of photos on many machines, with Dask.

    pip install "dask[distributed]"
    python -m examples.batch_dask PHOTOS --out MUSIC                          two processes on this machine
    python -m examples.batch_dask PHOTOS --out MUSIC --scheduler HOST:8786    machines that run `dask worker`

Photos and output lie on a disk that all machines see, and the studio is installed on each of them. Every worker keeps
one studio; a photo is one task; a worker that dies has its photos made by another. The index has the columns of
``python -m eimg_core compose``.
"""

from __future__ import annotations

import argparse
import csv
import sys
from dataclasses import asdict, fields
from pathlib import Path

from eimg_core.batch import INDEX, Batch, Job, Row, Stems, make_piece, photos_in
from eimg_core.options import ComposeOptions
from eimg_core.pipeline import DEFAULT_PAIRING
from eimg_core.studio import Studio

_studios: dict[str, Studio] = {}


def task(job: Job, batch: Batch) -> Row:
    """One piece, on whichever machine; the studio stays for the next."""
    studio = _studios.setdefault("one", Studio(batch.root))
    return make_piece(studio, job, batch)


def main(argv: list[str] | None = None) -> int:
    from dask.distributed import Client, LocalCluster, as_completed

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--out", type=Path, default=Path("outputs"))
    parser.add_argument("--scheduler", help="of a running cluster; otherwise two processes here")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=15.0)
    args = parser.parse_args(argv)

    args.out.mkdir(parents=True, exist_ok=True)
    stems, folder = Stems(), args.photos
    jobs = [Job(stems.new(p.stem), p.resolve(), None, 0, p.name) for p in photos_in(folder, leave_out=args.out)]
    batch = Batch(DEFAULT_PAIRING, ComposeOptions(seconds=args.seconds, takes=4), args.out.resolve(), figure=False)
    failed = 0
    # Models are not safe to run twice at once in one process, so a worker has one thread.
    cluster = None if args.scheduler else LocalCluster(args.workers, threads_per_worker=1, dashboard_address=None)
    with Client(args.scheduler or cluster) as client, (args.out / INDEX).open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        for future in as_completed(client.map(task, jobs, [batch] * len(jobs), pure=False, retries=1)):
            row = future.result()
            writer.writerow(asdict(row))
            file.flush()
            failed += bool(row.error)
            print(f"{row.file}: {row.error or row.files}", flush=True)
    if cluster is not None:
        cluster.close()
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
