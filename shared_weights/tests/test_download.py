"""Downloading from a server on this machine: whole, after breaks, and from servers that do less or something else."""

import errno
import hashlib
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shared_weights import download as module
from shared_weights.download import download
from shared_weights.sets import WeightSetError

CONTENT = hashlib.shake_128(b"weights").digest(1_000_000)
PREFIX = hashlib.sha256(CONTENT).hexdigest()[:8]


class Server(ThreadingHTTPServer):
    """Serves CONTENT and keeps the Range of each request.

    `breaks`: after how many bytes the connection breaks, for the first requests; `ranges`: whether parts are served;
    `status`: another answer; `announce`: whether the length is told; `content`: what is served.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str | None] = []
        self.breaks: list[int] = []
        self.ranges = self.announce = True
        self.status = 200
        self.content = CONTENT

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/resnet50.pth"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked, content = self.headers["Range"], self.server.content
        self.server.requests.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.server.ranges else 0
        if self.server.status != 200:
            self.send_error(self.server.status)
            return
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if self.server.announce:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = start + self.server.breaks.pop(0) if self.server.breaks else None
        self.wfile.write(content[start:end])

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(module, "PAUSE", 0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "resnet50.pth"


@pytest.fixture
def part(target: Path) -> Callable[[bytes], Path]:
    """Leaves a part of the file, as a download that broke off does."""

    def write(content: bytes) -> Path:
        target.parent.mkdir()
        target.with_name("resnet50.pth.part").write_bytes(content)
        return target.with_name("resnet50.pth.part")

    return write


def left(target: Path) -> list[str]:
    """The files that are there, but for the lock."""
    return sorted(path.name for path in target.parent.iterdir() if not path.name.startswith("."))


def test_a_file_is_downloaded_whole_and_not_a_second_time(server: Server, target: Path):
    for _ in range(2):
        download(server.url, target, PREFIX)
        assert target.read_bytes() == CONTENT and left(target) == ["resnet50.pth"]
    assert server.requests == [None]


def test_where_the_file_is_already_nothing_is_written(target: Path):
    target.parent.mkdir()
    target.touch()
    download("http://127.0.0.1:9/resnet50.pth", target, PREFIX)
    assert [path.name for path in target.parent.iterdir()] == ["resnet50.pth"]


def test_after_a_break_only_what_is_missing_is_asked_for(server: Server, target: Path):
    server.breaks = [300_000, 200_000]
    download(server.url, target, PREFIX)
    assert target.read_bytes() == CONTENT
    assert server.requests == [None, "bytes=300000-", "bytes=500000-"]


def test_the_next_call_goes_on_where_the_last_one_broke_off(server: Server, target: Path):
    server.breaks = [300_000, 0]
    with pytest.raises(WeightSetError, match=r"broke after 300,000 of 1,000,000 bytes\); 0 MB are here, and the same"):
        download(server.url, target, PREFIX)
    assert left(target) == ["resnet50.pth.part"]
    download(server.url, target, PREFIX)
    assert target.read_bytes() == CONTENT and server.requests[-1] == "bytes=300000-"


def test_a_server_that_sends_no_parts_sends_the_whole_again(server: Server, target: Path):
    server.breaks, server.ranges = [300_000], False
    download(server.url, target, PREFIX)
    assert target.read_bytes() == CONTENT


def test_a_file_of_which_nothing_is_missing_any_more_is_taken(server: Server, target: Path, part):
    part(CONTENT)
    download(server.url, target, PREFIX)
    assert target.read_bytes() == CONTENT


def test_a_part_that_is_longer_than_the_file_is_thrown_away(server: Server, target: Path, part):
    part(CONTENT + b"more")
    download(server.url, target, PREFIX)
    assert target.read_bytes() == CONTENT and server.requests == ["bytes=1000004-", None]


def test_a_part_of_another_file_is_noticed_and_thrown_away(server: Server, target: Path, part):
    part(b"x" * 1000)
    with pytest.raises(WeightSetError, match=f"does not begin with {PREFIX}"):
        download(server.url, target, PREFIX)
    assert left(target) == []
    download(server.url, target, PREFIX)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("announce", [True, False])
def test_a_page_that_says_please_log_in_is_not_kept(announce: bool, server: Server, target: Path):
    server.content, server.announce = b"<html>please log in", announce
    with pytest.raises(WeightSetError, match=f"does not begin with {PREFIX}"):
        download(server.url, target, PREFIX)
    assert left(target) == []


def test_a_length_that_is_not_told_does_not_matter(server: Server, target: Path):
    server.announce = False
    download(server.url, target, PREFIX)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_server_that_refuses_is_quoted(status: int, server: Server, target: Path):
    server.status = status
    with pytest.raises(WeightSetError, match=rf"resnet50\.pth could not be downloaded \(the server answers {status} "):
        download(server.url, target, PREFIX)
    assert server.requests == [None] and left(target) == []


def test_without_a_network_one_sentence_says_where_to_put_the_file(target: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as reserved:  # bound, so that no other process takes it, but not listening
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}/resnet50.pth"
        with pytest.raises(WeightSetError, match=rf"{url} could not be downloaded \(.+\); without a network, .*cache"):
            download(url, target, PREFIX)


def test_a_server_that_falls_silent_is_given_up(target: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,  # accepts the connection and never answers
        pytest.raises(WeightSetError, match=r"could not be downloaded \(.*timed out"),
    ):
        download(f"http://127.0.0.1:{silent.getsockname()[1]}/resnet50.pth", target, PREFIX)


@pytest.mark.parametrize("announce", [True, False])
def test_a_file_larger_than_any_weights_is_not_downloaded(announce: bool, server: Server, target: Path, monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 500_000)
    server.announce = announce
    with pytest.raises(WeightSetError, match="more than 500,000 bytes: that is another file"):
        download(server.url, target, PREFIX)
    assert left(target) == [] and server.requests == [None]


def test_a_disk_without_room_is_noticed_before_anything_is_written(server: Server, target: Path, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 999_999}))
    with pytest.raises(OSError) as caught:
        download(server.url, target, PREFIX)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, f"{target}.part") and left(target) == []


def test_a_disk_that_fills_up_is_named_and_what_has_come_is_kept(server: Server, target: Path, part):
    file = part(CONTENT[:100_000])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, before[1]))  # the system refuses to write more, as a full disk
    try:
        with pytest.raises(OSError) as caught:
            download(server.url, target, PREFIX)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.filename == str(file) and 100_000 <= file.stat().st_size <= 400_000
    download(server.url, target, PREFIX)
    assert target.read_bytes() == CONTENT


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(server: Server, tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError) as caught:
        download(server.url, tmp_path / "file" / "cache" / "resnet50.pth", PREFIX)
    assert str(tmp_path / "file") in str(caught.value)


def test_two_that_want_the_same_file_download_it_once(server: Server, target: Path):
    both = [threading.Thread(target=download, args=(server.url, target, PREFIX)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert target.read_bytes() == CONTENT and server.requests == [None]
