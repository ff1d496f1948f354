"""Packages of PyPI for our scripts, in a virtual environment of their own: build/venv."""
import importlib.util
import os
import subprocess
import sys
import venv
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent / "build" / "venv"


def with_packages(**versions):
    """Goes on where every package can be imported; else starts the program again where it can."""
    missing = [name for name in versions if importlib.util.find_spec(name) is None]
    if not missing:
        return
    python = HOME / "bin" / "python"
    if Path(sys.prefix) == HOME or not python.exists():
        if not python.exists():
            try:
                venv.create(HOME, with_pip=True)
            except subprocess.CalledProcessError:
                sys.exit(f"{sys.argv[0]}: cannot make {HOME}: apt-get install python3-venv")
            missing = list(versions)
        install(python, [f"{name}=={versions[name]}" for name in missing])
    os.execv(python, [str(python), *sys.argv])


def install(python, wanted):
    print("pip install", *wanted, file=sys.stderr)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "-q", "install"]
    if subprocess.run([*pip, *wanted]).returncode != 0:
        sys.exit(f"{sys.argv[0]}: pip could not install {' '.join(wanted)}")
