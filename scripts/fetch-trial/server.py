"""Serves a folder on loopback, well or badly: the first part of the path says how.

    python3 server.py FOLDER            prints its port, then serves until it is killed

http://127.0.0.1:PORT/good/NAME is the file NAME of FOLDER; see `behaviours` for the other words.
"""

import gzip
import http.server
import pathlib
import re
import sys
import time

folder = pathlib.Path(sys.argv[1])
bomb = gzip.compress(bytes(200 << 20), 9)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.close_connection = True
        _, word, name = self.path.split("/", 2)
        data = (folder / name).read_bytes()
        try:
            behaviours[word](self, data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def start(self, status, length=None, **headers):
        self.send_response(status)
        self.send_header("Connection", "close")
        if length is not None:
            self.send_header("Content-Length", str(length))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()

    def good(self, data, most=None, pause=0.0, piece=1 << 16):
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        first = int(found[1]) if found and self.headers.get("If-Range") == '"1"' else 0
        if first >= len(data) > 0:
            return self.start(416, 0)
        range_header = {"Content_Range": f"bytes {first}-{len(data) - 1}/{len(data)}"} if first else {}
        self.start(206 if first else 200, len(data) - first, ETag='"1"', **range_header)
        for at in range(first, min(len(data), first + (most or len(data))), piece):
            self.wfile.write(data[at : at + piece])
            time.sleep(pause)

    def whole(self, data):
        self.start(200, len(data))
        self.wfile.write(data)

    def endless(self, data):
        self.start(200)
        self.wfile.write(data[:1000])
        while True:
            self.wfile.write(bytes(1 << 16))

    def hang(self, data):
        time.sleep(3600)

    def log_message(self, *arguments):
        print(self.command, self.path, self.headers.get("Range", ""), arguments[1], file=sys.stderr, flush=True)


behaviours = {
    "good": Handler.good,
    "slow": lambda self, data: self.good(data, pause=0.02, piece=1 << 14),
    "404": lambda self, data: self.start(404, 0),
    "500": lambda self, data: self.start(500, 0),
    "hang": Handler.hang,
    "half": lambda self, data: self.good(data, most=max(1, len(data) // 2)),
    "wrong": lambda self, data: self.whole(gzip.compress(b"wrong" * 1000)),
    "html": lambda self, data: self.whole(b"<!DOCTYPE html><title>Log in</title>"),
    "endless": Handler.endless,
    "bomb": lambda self, data: self.whole(bomb),
    "drip": lambda self, data: self.good(data, pause=0.1, piece=10),
    "loop": lambda self, data: self.start(302, 0, Location=self.path),
}

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_address[1], flush=True)
server.serve_forever()
