"""A batch on two workers of a cluster, of which one is killed in the middle; and what is told where there is none."""

from __future__ import annotations

import csv
import os
import signal
import threading
import time
from pathlib import Path

import distributed
import pytest

from eimg_core.batch import INDEX
from eimg_core.cli.main import main
from tests.fake_studio import scene
from tests.quick_studio import SlowStudio

FILES = ["--no-audio", "--no-figure", "--seconds", "4"]


@pytest.fixture
def slow_studio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eimg_core.studio.Studio", SlowStudio)


def rows_of(out: Path) -> dict[str, dict[str, str]]:
    """The index by photo, but for the time that each piece took."""
    with (out / INDEX).open(newline="", encoding="utf-8") as file:
        rows = [{name: cell for name, cell in row.items() if name != "took_s"} for row in csv.DictReader(file)]
    assert len({row["file"] for row in rows}) == len(rows)
    return {row["file"]: row for row in rows}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--engine", "dask"], "--engine dask needs --scheduler HOST:PORT"),
        (["--scheduler", "here:8786"], "--scheduler belongs to --engine dask"),
        (["--engine", "dask", "--scheduler", "here:8786", "--workers", "2"], "the cluster has its own workers"),
    ],
)
def test_what_belongs_to_another_engine_is_refused(words: list[str], sentence: str, tmp_path: Path, capsys) -> None:
    assert main(["batch", "--valence", "5", "--arousal", "5", "--out", str(tmp_path), *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert sentence in line


@pytest.mark.slow
def test_a_batch_on_two_workers_of_which_one_is_killed_is_that_of_one_machine(
    slow_studio: None, tmp_path: Path, capsys
) -> None:
    album, here, there = tmp_path / "album", tmp_path / "here", tmp_path / "there"
    album.mkdir()
    for n in range(6):
        scene(("beach", "night", "fog", "dusk")[n % 4], (96 + n, 64)).save(album / f"{n}.png")
    (album / "bad.png").write_text("not a picture")
    assert main(["batch", str(album), "--out", str(here), *FILES]) == 2

    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with distributed.Client(cluster, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=120)
            pids = list(client.run(os.getpid).values())

        def kill_one() -> None:
            while not (there / INDEX).exists() or len((there / INDEX).read_text().splitlines()) < 4:
                time.sleep(0.05)
            os.kill(pids[0], signal.SIGKILL)

        killer = threading.Thread(target=kill_one)
        killer.start()
        address = ["--engine", "dask", "--scheduler", cluster.scheduler_address]
        assert main(["batch", str(album), "--out", str(there), *FILES, *address]) == 2
        killer.join()
        assert "6 made, 1 failed" in capsys.readouterr().err
        assert main(["batch", str(album), "--out", str(there), *FILES, *address, "--resume"]) == 2
        assert "0 made, 6 were there, 1 failed" in capsys.readouterr().err
    assert rows_of(there) == rows_of(here)
    assert {path.name for path in there.iterdir()} == {path.name for path in here.iterdir()}
    for path in here.glob("*.mid"):
        assert path.read_bytes() == (there / path.name).read_bytes()


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_one_sentence(
    slow_studio: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr("eimg_core.dask_engine._PATIENCE_S", 1)
    command = ["batch", "--valence", "5", "--arousal", "5", "--out", str(tmp_path), *FILES, "--engine", "dask"]
    assert main([*command, "--scheduler", "127.0.0.1:9"]) == 2
    assert "No Dask scheduler answers at 127.0.0.1:9" in capsys.readouterr().err
    with distributed.LocalCluster(n_workers=0, dashboard_address=None) as cluster:
        assert main([*command, "--scheduler", cluster.scheduler_address]) == 2
    assert "has no workers; start some with" in capsys.readouterr().err
