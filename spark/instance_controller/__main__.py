"""``python -m instance_controller --port 8998 --state FOLDER --master-page http://127.0.0.1:7080 --jars FOLDER``.

Reads SPARK_HOME, JAVA_HOME and GROUNDWORK_INSTANCE_CONTROLLER_TOKEN from its environment, and passes the rest of it
(SPARK_CONF_DIR, AWS_…) on to the steps. SIGTERM ends the steps that run, then the controller.
"""

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from instance_controller import release
from instance_controller.server import Server
from instance_controller.steps import Steps


def main() -> None:
    options = arguments()
    try:
        token = os.environ["GROUNDWORK_INSTANCE_CONTROLLER_TOKEN"]
        spark_home, java_home = Path(os.environ["SPARK_HOME"]), Path(os.environ["JAVA_HOME"])
        installed = release.read(spark_home, options.jars, java_home / "bin" / "java")
    except KeyError as error:
        sys.exit(f"instance controller: {error.args[0]} is not set")
    except release.NoSuchRelease as error:
        sys.exit(f"instance controller: {error}")
    steps = Steps(options.state)
    server = Server(
        (options.host, options.port),
        token,
        steps,
        lambda: {**installed, "spark_workers": release.alive_workers(options.master_page)},
    )
    # shutdown() waits for serve_forever, which runs in the thread that the signal interrupts
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"{installed['release_label']} on http://{options.host}:{options.port}", flush=True)
    server.serve_forever()
    steps.end_all()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="instance_controller")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8998)
    parser.add_argument("--state", type=Path, required=True, help="folder of the steps' logs and states")
    parser.add_argument("--master-page", required=True, help="URL of the Spark master's web page")
    parser.add_argument("--jars", type=Path, required=True, help="folder of Delta's and S3A's jars")
    return parser.parse_args()


if __name__ == "__main__":
    main()
