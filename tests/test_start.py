"""How the page starts where something is in its way: it starts all the same, or says in one sentence what to do."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from eimg_core.cli.main import main
from eimg_core.errors import InputError
from eimg_core.ui.server.start import free_address, whole_number
from tests.test_hosting import app_running, free_port

ROOT = Path(__file__).resolve().parents[1]

QUICK = """
import sys
import eimg_core.studio
from tests.fake_studio import FakeStudio
eimg_core.studio.Studio = FakeStudio
from eimg_core.cli.main import main
sys.exit(main(["app", *sys.argv[1:]]))
"""
"""The app without weights."""


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("words", "environment", "sentence"),
    [
        (["--port", "99999"], {}, "The port must be from 1 to 65535, not 99999."),
        (["--port", "0"], {}, "The port must be from 1 to 65535, not 0."),
        (["--port", "-1"], {}, "The port must be from 1 to 65535, not -1."),
        (["--host", "203.0.113.7"], {}, "203.0.113.7 is no address of this computer; --host 127.0.0.1"),
        (["--host", "no.such.host.invalid"], {}, "no.such.host.invalid is no address of this computer"),
        (["--host", "a..b"], {}, "a..b is no address of this computer"),
        ([], {"GRADIO_SERVER_PORT": "abc"}, "GRADIO_SERVER_PORT must be a port, 1 to 65535, not 'abc'."),
        ([], {"GRADIO_SERVER_PORT": "99999"}, "The port must be from 1 to 65535, not 99999."),
        ([], {"GRADIO_NUM_PORTS": "many"}, "GRADIO_NUM_PORTS must be a whole number, not 'many'"),
        ([], {"SSL_CERT_FILE": "/nowhere/ca.pem"}, "SSL_CERT_FILE names no file of certificates"),
        ([], {"EIMG_COMMERCIAL_SAFE": "perhaps"}, "EIMG_COMMERCIAL_SAFE must be 1 or 0, not 'perhaps'."),
    ],
)
def test_what_is_wrong_is_one_sentence_before_anything_is_built(
    words: list[str], environment: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # restored afterwards
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["app", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"eimg: {sentence}")


def test_a_port_that_is_taken_is_told_and_the_next_is_found(taken: int, capsys) -> None:
    assert main(["app", "--port", str(taken)]) == 2
    assert f"Port {taken} is taken; choose another one with --port" in capsys.readouterr().err
    port = free_port()
    assert free_address("127.0.0.1", port) == ("127.0.0.1", port)
    assert free_address(" localhost ", port) == ("localhost", port)


@pytest.mark.skipif(not has_ipv6(), reason="this computer has no IPv6")
def test_an_ipv6_address_is_spelt_as_on_the_web() -> None:
    port = free_port()
    assert free_address("::1", port) == free_address("[::1]", port) == ("[::1]", port)


@pytest.mark.parametrize("value", ["0", "-3", "many", "7.5", "٣", "9" * 5000])
def test_a_limit_that_is_no_number_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EIMG_QUEUE", value)
    with pytest.raises(InputError, match="EIMG_QUEUE must be a whole number above 0"):
        whole_number("EIMG_QUEUE", 24)


def environment_with(**variables: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **variables}


@pytest.mark.slow
def test_proxies_and_gradio_variables_do_not_keep_the_page_from_starting() -> None:
    """SOCKS needs a package that nobody has, socks:// is what GNOME writes, and no proxy would know the page itself."""
    environment = environment_with(
        ALL_PROXY="socks5://127.0.0.1:9", all_proxy="socks://127.0.0.1:9/", HTTP_PROXY="http://127.0.0.1:9",
        NO_PROXY="fe80::/10", GRADIO_NUM_PORTS="", GRADIO_SERVER_NAME="", GRADIO_SERVER_PORT="",
    )  # fmt: skip
    with app_running(environment, (sys.executable, "-c", QUICK)) as url, urllib.request.urlopen(url) as answer:
        assert answer.status == 200


@pytest.mark.slow
@pytest.mark.skipif(not has_ipv6(), reason="this computer has no IPv6")
def test_the_page_is_served_at_an_ipv6_address() -> None:
    environment = environment_with(GRADIO_SERVER_NAME="::1")
    with app_running(environment, (sys.executable, "-c", QUICK), host="[::1]") as url:
        assert url.startswith("http://[::1]:")


@pytest.mark.slow
def test_a_temporary_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    environment = environment_with(GRADIO_TEMP_DIR=str(tmp_path / "file"))
    done = subprocess.run([sys.executable, "-c", QUICK], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "The temporary folder cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
