"""Runs ott_eval and the reference on one trace, and compares what they dump."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
REFERENCE = os.path.join(HERE, "..", "reference")
SKIPPED = 77


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def dump(ott_eval, trace, policy, backend, append, path):
    """Writes ott_eval's dump; false where this build lacks the head_dim (OTT_EVAL_HEAD_DIMS).
    Leaves the test as skipped where there is no such backend."""
    done = run(ott_eval, trace, "--policy", policy, "--backend", backend, "--append", str(append),
               "--dump", path)
    if done.returncode == 2 and "no CUDA" in done.stderr:
        print("skipped:", done.stderr.strip())
        sys.exit(SKIPPED)
    if done.returncode == 2 and "head_dim not built in" in done.stderr:
        print("left out:", done.stderr.strip())
        return False
    if done.returncode != 0:
        sys.exit(f"ott_eval {policy} --append {append}: exit code {done.returncode}\n{done.stderr}")
    return True


def reference(trace, policy, path):
    done = run(sys.executable, "-B", os.path.join(REFERENCE, "reference.py"), trace, policy, path)
    if done.returncode != 0:
        sys.exit(f"reference.py {policy}: {done.stderr}")


def agree(name, a, b, *options):
    """Prints one line; true where the dumps agree."""
    done = run(sys.executable, "-B", os.path.join(REFERENCE, "compare_dumps.py"), a, b, *options)
    print(f"{name}: {done.stdout.strip()}{done.stderr.strip()}")
    return done.returncode == 0
