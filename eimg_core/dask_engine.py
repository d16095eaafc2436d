"""A batch on many machines: Dask hands the jobs to its workers, and those of a worker that dies to another one.

Photos and output lie on a disk that all machines see, and the studio is installed on each of them. Needs the package
``distributed``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from eimg_core.batch import DIED, Batch, Job, Row, unmade, work
from eimg_core.errors import InputError

__all__ = ["over_dask"]

_PATIENCE_S = 60  # for the scheduler, and then for its first worker
_UNSEEN = "Its files cannot be seen from here; choose an output folder on a disk that all workers share."
_OTHER_WEIGHTS = "The worker that made this piece has other weights; install the same version everywhere."


def over_dask(jobs: Sequence[Job], batch: Batch, scheduler: str) -> Iterator[Row]:
    """Make the pieces of all jobs on the workers of a running cluster; rows come in the order in which they are done.

    Args:
        jobs, batch: as for ``run_batch``; the workers find photos and output under the paths that they have here.
        scheduler: its address, such as ``host:8786``.
    Raises:
        InputError: ``distributed`` is not installed, the scheduler does not answer, has no workers, or is gone.
    """
    try:
        from distributed import CancelledError, Client, KilledWorker, as_completed
    except ImportError as error:
        raise InputError("Dask is not installed: run pip install 'distributed>=2024.8', then start again.") from error
    try:
        client = Client(scheduler, timeout=_PATIENCE_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"No Dask scheduler answers at {scheduler}; start one with `dask scheduler`, and name its address."
        ) from error
    shared = replace(batch, out=batch.out.resolve())
    absolute = [replace(job, photo=job.photo and job.photo.resolve()) for job in jobs]
    with client:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE_S)
            futures = dict(zip(client.map(work, absolute, [shared] * len(jobs), pure=False), jobs, strict=True))
            for future in as_completed(list(futures), loop=client.loop):
                job = futures.pop(future)
                died = isinstance(future.exception(), KilledWorker)
                yield replace(unmade(job, batch), error=DIED) if died else _checked(future.result(), batch)
                future.release()
        except TimeoutError as error:
            raise InputError(
                f"The Dask scheduler at {scheduler} has no workers; start some with "
                f"`dask worker {scheduler} --nthreads 1`."
            ) from error
        except (CancelledError, OSError) as error:
            raise InputError(
                f"The Dask scheduler at {scheduler} is gone; start it again, then go on with --resume."
            ) from error


def _checked(row: Row, batch: Batch) -> Row:
    """The row of a worker, or what is wrong with it as seen from here."""
    if row.error:
        return row
    if row.settings != batch.settings:
        return replace(row, files="", error=_OTHER_WEIGHTS)
    if not all((batch.out / name).is_file() for name in row.files.split()):
        return replace(row, files="", error=_UNSEEN)
    return row
