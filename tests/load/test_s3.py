"""Shards behind s3://, against moto's server on this machine, through a proxy that misbehaves on demand."""

import contextlib
import http.client
import itertools
import threading
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import fsspec
import pytest

from vidprep.errors import ShardError
from vidprep.load import ClipLoader, LoaderOptions, ViewLoader
from vidprep.recipes.recipe import EvalViews, TrainClip
from vidprep.shards.manifest import file_sha256
from vidprep.shards.shard_set import ShardSet
from vidprep.shards.stored_video import RemoteReader

moto_server = pytest.importorskip("moto.server", reason="moto is not installed")
pytest.importorskip("s3fs", reason="s3fs is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

CLIP = TrainClip(clip_len=4)


class Proxy(ThreadingHTTPServer):
    """Passes requests on; `faults` says what befalls the next GETs of tars: 500, cut, stall or damage."""

    daemon_threads = True

    def __init__(self, port):
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream, self.faults, self.num_gets = port, iter(()), 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        fault = None
        if ".tar" in urllib.parse.unquote(self.path) and self.command == "GET":
            self.server.num_gets += 1
            fault = next(self.server.faults, None)
        if fault == "500":
            return self.answer(500, {}, b"<Error><Code>InternalError</Code></Error>")
        if fault == "stall":
            time.sleep(3)
        status, headers, body = self.ask()
        if fault == "damage":
            body = body[:-1] + bytes([body[-1] ^ 1])
        return self.answer(status, headers, body, cut=fault == "cut")

    do_HEAD = do_PUT = do_POST = do_GET

    def ask(self):
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.upstream)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        upstream.request(self.command, self.path, body, dict(self.headers))
        response = upstream.getresponse()
        answer = response.status, dict(response.getheaders()), response.read()
        upstream.close()
        return answer

    def answer(self, status, headers, body, cut=False):
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("transfer-encoding", "connection", "content-length", "date", "server"):
                self.send_header(name, value)
        length = headers.get("Content-Length", len(body)) if self.command == "HEAD" else len(body)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = cut

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    moto = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    moto.start()
    port = moto.get_host_and_port()[1]
    urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/reset", data=b"").close()  # of earlier tests
    proxy = Proxy(port)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    yield proxy
    proxy.shutdown()
    proxy.server_close()
    moto.stop()


@pytest.fixture
def bucket(server, shards, monkeypatch):
    """The numbered shard set in a bucket; the credentials are in the environment and nowhere else."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    fsspec.get_filesystem_class("s3").clear_instance_cache()  # of servers that tests before had
    filesystem = fsspec.filesystem("s3")
    if not filesystem.exists("bucket"):
        filesystem.mkdir("bucket")
        filesystem.put(str(shards), "bucket/numbered", recursive=True)
    server.faults = iter(())
    yield "s3://bucket/numbered"
    server.faults = iter(())


def train(shards, num_workers=0, **options):
    options = LoaderOptions(num_workers=num_workers, **options)
    return ClipLoader(shards, "train", clip=CLIP, batch_size=13, options=options)


def assert_same(some, others):
    for a, b in zip(some, others, strict=True):
        assert a.key == b.key
        assert (a.video == b.video).all()


@pytest.mark.parametrize("num_workers", [0, 2])
def test_training_from_s3(shards, bucket, num_workers):
    assert_same(train(shards), train(bucket, num_workers))


def test_evaluating_from_s3(shards, bucket):
    views = EvalViews(clip_len=4, num_clips=1, num_crops=3)
    options = LoaderOptions(num_workers=1)
    assert_same(
        ViewLoader(shards, views=views, options=options), ViewLoader(bucket, views=views, options=options)
    )


def test_every_video_is_one_request_of_its_own_bytes(server, bucket):
    before = server.num_gets
    list(train(bucket))
    assert server.num_gets - before == 26


@pytest.mark.parametrize("fault", ["500", "cut"])
def test_failures_are_survived(server, shards, bucket, fault):
    """Every third request fails, in one worker that reads ahead."""
    server.faults = itertools.cycle([fault, None, None])
    assert_same(train(shards), train(bucket, num_workers=1))


def test_a_stalled_connection_is_tried_again(server, shards, bucket):
    video = ShardSet.open(shards).split("train").video(2)
    server.faults = iter(["stall"])
    reader = RemoteReader(bucket, timeout_seconds=1.0, backoff_seconds=0.1)
    data = reader.read(video.shard, video.offset, video.size)
    assert data == (shards / video.shard).read_bytes()[video.offset :][: video.size]


def test_what_fails_for_good_is_reported(server, bucket):
    server.faults = itertools.repeat("500")
    reader = RemoteReader(bucket, attempts=2, backoff_seconds=0.05, timeout_seconds=2.0)
    with pytest.raises(OSError, match=r"2 attempts failed, the last one with"):
        reader.read("train/numbered-train-000000.tar", 0, 100)
    server.faults = iter(())
    with pytest.raises(FileNotFoundError):
        reader.read("train/numbered-train-000099.tar", 0, 100)


def test_damage_on_the_way_is_noticed(server, bucket):
    server.faults = itertools.repeat("damage")
    with pytest.raises(ShardError, match=r"train/\S+: train-v\d+ has crc32 [0-9a-f]{8}, the index says"):
        list(train(bucket))


def test_the_cache_is_not_poisoned(server, shards, bucket, tmp_path):
    """Broken downloads leave nothing behind; what is kept is right, and the second epoch asks for nothing."""
    cached = {"cache_dir": tmp_path / "cache", "cache_bytes": 2**30}
    server.faults = iter(["damage"])
    with contextlib.suppress(ShardError):  # s3fs may notice the damage itself and ask again
        list(train(bucket, **cached))
    for copy in (tmp_path / "cache").glob("*.tar"):
        assert copy.stem == file_sha256(copy)
    server.faults = itertools.cycle(["cut", None])
    loader = train(bucket, num_workers=2, **cached)
    assert_same(train(shards), loader)
    assert len(list((tmp_path / "cache").glob("*.tar"))) == 5
    before = server.num_gets
    list(loader)
    assert server.num_gets == before


def test_without_credentials(bucket, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    fsspec.filesystem("s3").clear_instance_cache()
    with pytest.raises(ShardError, match=r"manifest.json cannot be read: .*redentials"):
        ShardSet.open(bucket)
    fsspec.filesystem("s3").clear_instance_cache()
