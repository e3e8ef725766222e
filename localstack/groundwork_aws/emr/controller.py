"""Client of the instance controller, the daemon beside the Spark master that runs the steps' processes."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field

TIMEOUT = 5  # seconds; it answers from memory


class Unreachable(Exception):
    """The controller does not answer, or not as a controller of ours; the text says which and what to do."""


@dataclass(frozen=True)
class InstanceController:
    url: str
    token: str = field(repr=False)

    def health(self) -> dict:
        """The release that it runs. Raises Unreachable, as every method."""
        return self._call("GET", "/health")

    def submit(self, cluster: str, step: str, request: dict) -> dict:
        """Start a step; asked again for the same one it answers how that is doing."""
        return self._call("PUT", f"/clusters/{cluster}/steps/{step}", request)

    def step(self, cluster: str, step: str) -> dict | None:
        """How a step is doing; None when the controller has never heard of it."""
        return self._call("GET", f"/clusters/{cluster}/steps/{step}")

    def cancel(self, cluster: str, step: str, signal: str) -> None:
        self._call("DELETE", f"/clusters/{cluster}/steps/{step}?signal={signal}")

    def _call(self, method: str, path: str, body: dict | None = None) -> dict | None:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise Unreachable(
                f"The instance controller at {self.url} refused the call: {error} {error.read().decode()}"
            ) from error
        except (OSError, ValueError) as error:
            cause = getattr(error, "reason", error)
            raise Unreachable(
                f"The instance controller at {self.url} does not answer: {cause}. Is the Spark cluster up?"
            ) from error
