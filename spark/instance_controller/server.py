"""The controller's HTTP API. Bodies are JSON; all but ``/health`` asks for ``Authorization: Bearer <token>``.

| Request | Does |
| --- | --- |
| GET /health | the release that runs here, its versions, and how many Spark workers are alive |
| PUT /clusters/<cluster>/steps/<step> | starts a step: a ``steps.Request`` |
| GET /clusters/<cluster>/steps/<step> | its state |
| DELETE /clusters/<cluster>/steps/<step>?signal=SIGINT | cancels it by that signal |
| GET /clusters/<cluster>/steps/<step>/logs/<name> | the text of one of its logs, as far as it is written |
"""

import hmac
import json
import re
from collections.abc import Callable
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from instance_controller import logs
from instance_controller.steps import Request, Step, Steps

STEP_PATH = re.compile(r"/clusters/(j-[A-Z0-9]+)/steps/(s-[A-Z0-9]+)(?:/logs/(\w+))?")
SIGNALS = ("SIGINT", "SIGKILL")


class Refused(Exception):
    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], token: str, steps: Steps, health: Callable[[], dict]):
        super().__init__(address, Handler)
        self.token, self.steps, self.health = token, steps, health


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    server: Server

    def do_GET(self) -> None:
        self.answer(self.health if self.path == "/health" else self.read_step)

    def do_PUT(self) -> None:
        self.answer(self.submit_step)

    def do_DELETE(self) -> None:
        self.answer(self.cancel_step)

    def health(self) -> dict:
        return self.server.health()

    def submit_step(self) -> dict:
        cluster, id, _ = self.authorised_path()
        try:
            request = Request(**json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        except (TypeError, ValueError) as error:
            raise Refused(400, f"the body is not a step: {error}") from error
        return asdict(self.server.steps.submit(cluster, id, request))

    def read_step(self) -> dict | str:
        cluster, id, log = self.authorised_path()
        step = self.find_step(cluster, id)
        if log is None:
            return asdict(step)
        if log not in logs.NAMES:
            raise Refused(404, f"no log {log}: there are {', '.join(logs.NAMES)}")
        return (self.server.steps.step_folder(step) / log).read_text(errors="replace")

    def cancel_step(self) -> dict:
        cluster, id, _ = self.authorised_path()
        step = self.find_step(cluster, id)
        signal_name = parse_qs(urlsplit(self.path).query).get("signal", ["SIGINT"])[0]
        if signal_name not in SIGNALS:
            raise Refused(400, f"signal must be one of {', '.join(SIGNALS)}")
        self.server.steps.cancel(step, signal_name)
        return asdict(step)

    def find_step(self, cluster: str, id: str) -> Step:
        step = self.server.steps.get(cluster, id)
        if step is None:
            raise Refused(404, f"no step {id} of {cluster}")
        return step

    def authorised_path(self) -> tuple[str, str, str | None]:
        given = self.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self.server.token}".encode()):
            raise Refused(401, "the token is missing or wrong")
        match = STEP_PATH.fullmatch(urlsplit(self.path).path)
        if match is None:
            raise Refused(404, f"no such path: {self.path}")
        return match.groups()

    def answer(self, action: Callable[[], dict | str]) -> None:
        try:
            status, answer = 200, action()
        except Refused as error:
            status, answer = error.status, {"message": str(error)}
            self.close_connection = True  # the body may not have been read
        is_text = isinstance(answer, str)
        content = (answer if is_text else json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8" if is_text else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, code="-", size="-") -> None:
        """Nothing: it is polled several times a second."""
