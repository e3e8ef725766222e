"""The Spark cluster that runs EMR's steps: a standalone master, its workers, and the instance controller beside them.

Standard library only, like ``groundwork.local.services``. ``SparkCluster.configure`` writes the configuration folder;
the ``Service`` definitions it gives are started by the runtime, by tests and by benchmarks.
https://spark.apache.org/docs/4.1.1/spark-standalone.html
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from groundwork.install import INSTALLED, ROOT, java, venv
from groundwork.local.services import Service

MASTER_PORT = 7077
CONTROLLER_PORT = 8998
HISTORY_PORT = 18080
# For Java, a step lasts a minute or two, on a laptop's data: the optimizing compiler takes more time than it gives back
# (an increment of nine tables took 95 s with it, 54 s without). Its code cache is then small, and Spark's generated
# code fills it, after which nothing is compiled any more.
SHORT_LIVED = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=512m"
LOG4J = """\
# What a person wants to read goes to stderr; everything goes to the step's syslog, when there is one.
rootLogger.level = info
rootLogger.appenderRef.stderr.ref = stderr
rootLogger.appenderRef.syslog.ref = syslog

appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{yy/MM/dd HH:mm:ss} %p %c{1}: %m%n%ex
appender.stderr.filter.threshold.type = ThresholdFilter
appender.stderr.filter.threshold.level = ${env:GROUNDWORK_STDERR_LEVEL:-warn}

appender.syslog.type = File
appender.syslog.name = syslog
appender.syslog.fileName = ${env:GROUNDWORK_STEP_SYSLOG:-/dev/null}
appender.syslog.layout.type = PatternLayout
appender.syslog.layout.pattern = %d{yy/MM/dd HH:mm:ss} %p %c{1}: %m%n%ex

# Says at each start that Hadoop's native library is not there, which nothing here needs.
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = error
# Says at each start that S3A has no metrics file.
logger.metrics.name = org.apache.hadoop.metrics2
logger.metrics.level = error
"""


@dataclass(frozen=True)
class SparkCluster:
    """Where the parts listen and how much they may take.

    ``state`` holds their configuration, logs and scratch files; ``aws`` is the environment that AWS clients read
    (``services.aws_environment``). ``host`` is the address of the parts that run here, ``hostname`` their name; where
    the others find three of them is ``master_host``, ``history_host`` and ``controller_host``.
    ``web_port`` is the master's page; the first worker's is ``worker_web_port``, the next one's the port after that.
    Memory is Java's notation (``2g``); an executor takes the whole of its worker.
    """

    state: Path
    aws: dict[str, str] = field(repr=False)
    token: str = field(repr=False)
    master_port: int = MASTER_PORT
    web_port: int = 8090
    worker_web_port: int = 8091
    controller_port: int = CONTROLLER_PORT
    history_port: int = HISTORY_PORT
    master_host: str = "127.0.0.1"
    history_host: str = "127.0.0.1"
    controller_host: str = "127.0.0.1"
    host: str = "127.0.0.1"
    hostname: str = "localhost"
    workers: int = 1
    cores: int = 2
    executor_memory: str = "2g"
    driver_memory: str = "1g"

    @property
    def master_url(self) -> str:
        return f"spark://{self.master_host}:{self.master_port}"

    @property
    def controller_url(self) -> str:
        return f"http://{self.controller_host}:{self.controller_port}"

    @property
    def master_page(self) -> str:
        return f"http://{self.master_host}:{self.web_port}"

    def services(self) -> list[Service]:
        """All of them, in the order in which they are started."""
        workers = [self.worker(n) for n in range(self.workers)]
        return [self.master(), *workers, self.instance_controller(), self.history_server()]

    def master(self) -> Service:
        command = [self._spark_class(), "org.apache.spark.deploy.master.Master", "--host", self.master_host]
        command += ["--port", str(self.master_port), "--webui-port", str(self.web_port)]
        health = f"{self.master_page}/json/"
        # Like YARN's resource manager on EMR, one that comes back finds its applications again: they would wait for
        # executors for ever. What does not answer for so many seconds has ended meanwhile.
        recovery = {"Mode": "FILESYSTEM", "Directory": self.state / "recovery", "Timeout": 10}
        options = " ".join(f"-Dspark.deploy.recovery{name}={value}" for name, value in recovery.items())
        environment = {**self._daemon_environment(), "SPARK_MASTER_OPTS": options}
        return Service("spark-master", command, self.master_port, environment, self.state, health)

    def worker(self, number: int = 0) -> Service:
        """The cluster's ``number``-th worker, from 0; the first is called ``spark-worker``."""
        port, name = self.worker_web_port + number, "spark-worker" + (f"-{number + 1}" if number else "")
        command = [self._spark_class(), "org.apache.spark.deploy.worker.Worker", "--host", self.host]
        command += ["--webui-port", str(port), "--cores", str(self.cores), "--memory", self.executor_memory]
        command += ["--work-dir", str(self.state / "work"), self.master_url]
        health = f"http://{self.host}:{port}/json/"
        return Service(name, command, port, {**self._daemon_environment(), **self.aws}, self.state, health)

    def history_server(self) -> Service:
        """The page of the steps' applications, after they ended: https://spark.apache.org/docs/4.1.1/monitoring.html"""
        command = [self._spark_class(), "org.apache.spark.deploy.history.HistoryServer"]
        health = f"http://{self.history_host}:{self.history_port}/api/v1/applications?limit=1"
        return Service("spark-history", command, self.history_port, self._daemon_environment(), self.state, health)

    def instance_controller(self) -> Service:
        return Service(
            name="instance-controller",
            command=[
                str(venv("spark") / "bin" / "python"), "-m", "instance_controller",
                "--host", self.controller_host, "--port", str(self.controller_port),
                "--state", str(self.state / "steps"), "--master-page", self.master_page,
                "--jars", str(INSTALLED / "jars"),
            ],
            port=self.controller_port,
            environment={
                **self._environment(),
                **self.aws,
                "GROUNDWORK_INSTANCE_CONTROLLER_TOKEN": self.token,
            },
            directory=ROOT / "spark",
            health=f"{self.controller_url}/health",
        )  # fmt: skip

    @property
    def events(self) -> Path:
        """Where an application writes what happens in it, and the history server reads that."""
        return self.state / "events"

    def configure(self) -> None:
        """Write ``spark-defaults.conf`` and ``log4j2.properties``; again is harmless."""
        folder = self.state / "conf"
        folder.mkdir(parents=True, exist_ok=True)
        self.events.mkdir(exist_ok=True)
        lines = [f"{name} {value}" for name, value in self.defaults().items()]
        (folder / "spark-defaults.conf").write_text("\n".join(lines) + "\n")
        (folder / "log4j2.properties").write_text(LOG4J)

    def defaults(self) -> dict[str, str]:
        """What EMR's nodes have in ``/etc/spark/conf``: Delta's jars, but not Delta's session extensions."""
        jars = f"{INSTALLED / 'jars'}/*"
        return {
            "spark.master": self.master_url,
            "spark.driver.extraClassPath": jars,
            "spark.executor.extraClassPath": jars,
            "spark.driver.memory": self.driver_memory,
            "spark.executor.memory": self.executor_memory,
            "spark.driver.extraJavaOptions": SHORT_LIVED,
            "spark.executor.extraJavaOptions": SHORT_LIVED,
            "spark.ui.showConsoleProgress": "false",
            "spark.eventLog.enabled": "true",
            "spark.eventLog.dir": self.events.as_uri(),
            "spark.history.fs.logDirectory": self.events.as_uri(),
            "spark.history.fs.cleaner.enabled": "true",
            "spark.history.ui.port": str(self.history_port),
            # EMR's own schemes all lead to S3A.
            "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
            "spark.hadoop.fs.s3n.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
            "spark.hadoop.fs.s3a.endpoint": self.aws["AWS_ENDPOINT_URL"],
            "spark.hadoop.fs.s3a.endpoint.region": self.aws["AWS_REGION"],
            "spark.hadoop.fs.s3a.path.style.access": "true",
            "spark.hadoop.fs.s3a.aws.credentials.provider": (
                "software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider"
            ),
            # Uploads are buffered in memory, not in files; a part is big enough that most files are one put.
            "spark.hadoop.fs.s3a.fast.upload.buffer": "bytebuffer",
            "spark.hadoop.fs.s3a.multipart.size": "64M",
            "spark.hadoop.fs.s3a.multipart.threshold": "128M",
        }

    def _spark_class(self) -> str:
        return str(spark_home() / "bin" / "spark-class")

    def _environment(self) -> dict[str, str]:
        python = str(venv("spark") / "bin" / "python")
        return {
            # A step may ask for a Python by its version (PYSPARK_PYTHON=python3.13), on every node.
            "PATH": os.pathsep.join([str(Path(python).parent), os.environ["PATH"]]),
            "SPARK_HOME": str(spark_home()),
            "SPARK_CONF_DIR": str(self.state / "conf"),
            "SPARK_LOCAL_DIRS": str(self.state / "local"),
            "SPARK_LOCAL_IP": self.host,
            "SPARK_LOCAL_HOSTNAME": self.hostname,
            "JAVA_HOME": str(Path(java()).parent.parent),
            "PYSPARK_PYTHON": python,
            "PYSPARK_DRIVER_PYTHON": python,
        }

    def _daemon_environment(self) -> dict[str, str]:
        return {
            **self._environment(),
            "SPARK_DAEMON_MEMORY": "256m",
            # The serial collector has no threads that idle, and gives memory back to the machine.
            "SPARK_DAEMON_JAVA_OPTS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
            "SPARK_WORKER_OPTS": "-Dspark.worker.cleanup.enabled=true",
            "GROUNDWORK_STDERR_LEVEL": "info",
        }


def spark_home() -> Path:
    """pyspark's folder, which has the layout of a Spark distribution."""
    return next((venv("spark") / "lib").glob("python*/site-packages/pyspark"))
