"""Make an environment for the conformance tests: `python make_environment.py EXTRA FOLDER`.

It sees what is installed in the environment of the Python that runs this, and adds the packages of an extra
of pyproject.toml. One that cannot be installed is said; its tests are skipped.
"""

import subprocess
import sys
import sysconfig
import time
import tomllib
import venv
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
_INSTALL_SECONDS = 300  # of one pip
_ALL_SECONDS = 400  # after which no further package is tried


def packages_of(extra: str) -> list[str]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return list(project["optional-dependencies"][extra])


def make(folder: Path) -> Path:
    """Make the environment, return its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin/python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    theirs = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout.strip()
    Path(theirs, "of_vidprep.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def install(python: Path, packages: list[str]) -> bool:
    # The constraints keep the torch that is there.
    options = ["--quiet", "--no-compile", "--disable-pip-version-check", "-c", "constraints.txt"]
    command = [python, "-m", "pip", "install", *options, *packages]
    try:
        done = subprocess.run(command, cwd=REPOSITORY, check=False, timeout=_INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        print(f"{' '.join(packages)}: not installed within {_INSTALL_SECONDS} s.", file=sys.stderr)
        return False
    return done.returncode == 0


def main(extra: str, folder: Path) -> None:
    python, packages = make(folder), packages_of(extra)
    started = time.monotonic()
    if install(python, packages):
        return
    for package in packages:
        if time.monotonic() - started > _ALL_SECONDS or not install(python, [package]):
            print(f"{package} cannot be installed here: its tests are skipped.", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
