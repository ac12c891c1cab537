"""A proxy in front of a store that fails as stores do: errors, resets in mid-body, stalls; it counts, too."""

import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit

import fsspec

_PASSED_ON_ANEW = ("connection", "transfer-encoding", "content-length", "keep-alive")
_CODES = {
    "500": (500, "InternalError"),
    "503": (503, "SlowDown"),
    "403": (403, "AccessDenied"),
    "expired": (400, "ExpiredToken"),
    "404": (404, "NoSuchBucket"),
    "301": (301, "PermanentRedirect"),
}


class Request(NamedTuple):
    """A request that came: its number among all, method, and path with query."""

    number: int
    method: str
    path: str


class FaultProxy:
    """Passes requests on to a store, or not.

    Attributes:
        fault: Says what happens to a request: a key of `_CODES`, "reset" (in the midst of the answer), "lost"
            (it is carried out and the answer is lost), "stall" (`stall_seconds` before the answer), or None.
        requests: All requests so far, in order.
        stall_seconds: How long a stalled answer takes.
    """

    def __init__(self, target: str) -> None:
        self.fault: Callable[[Request], str | None] = lambda request: None
        self.requests: list[Request] = []
        self.stall_seconds = 2.0
        self._target = urlsplit(target)
        self._lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                proxy._answer(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer

            def log_message(self, *words: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        with self._lock:
            request = Request(len(self.requests), handler.command, handler.path)
            self.requests.append(request)
            fault = self.fault(request)
        if fault in _CODES:
            status, code = _CODES[fault]
            text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>as asked</Message></Error>"
            self._send(handler, status, [("Content-Type", "application/xml")], text.encode())
            return
        if fault == "stall":
            time.sleep(self.stall_seconds)
        status, headers, data = self._pass_on(handler, body)
        if fault in ("reset", "lost"):
            if fault == "reset":
                handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nthe beginning")
                handler.wfile.flush()
            linger = struct.pack("ii", 1, 0)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.close_connection = True
            handler.connection.close()
            return
        self._send(handler, status, headers, data)

    def _pass_on(
        self, handler: BaseHTTPRequestHandler, body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(self._target.hostname or "", self._target.port, timeout=240)
        try:
            headers = {name: value for name, value in handler.headers.items() if name.lower() != "expect"}
            connection.request(handler.command, handler.path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    @staticmethod
    def _send(
        handler: BaseHTTPRequestHandler, status: int, headers: list[tuple[str, str]], data: bytes
    ) -> None:
        handler.send_response_only(status)
        size = str(len(data))
        for name, value in headers:
            if name.lower() == "content-length" and handler.command == "HEAD":
                size = value
            if name.lower() not in _PASSED_ON_ANEW:
                handler.send_header(name, value)
        handler.send_header("Content-Length", size)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(data)


@contextmanager
def behind_proxy(monkeypatch, target: str) -> Iterator[FaultProxy]:
    """Give a proxy in front of a store, to which `s3://` leads meanwhile."""
    proxy = FaultProxy(target)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    try:
        yield proxy
    finally:
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        proxy.close()
