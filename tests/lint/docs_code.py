#!/usr/bin/env python3
"""What the docs show is what the sources say. Prints `file:line: sentence` for each difference.

  docs_code.py [--update] [--cxx COMPILER] [ROOT]

Three rules, over README.md, CONTRIBUTING.md and docs/:
  <!-- code: FILE#NAME -->     the fenced block below is the lines of FILE between two `// [NAME]`
                               (FILE alone: the whole file)
  <!-- output: FILE.cpp -->    what stands from here to <!-- end --> is what that program prints
  docs/errors.md               holds the message of every fail() and static_assert in include/ott
--update rewrites the first two; the third is written by hand.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap

CODE = re.compile(r"<!-- code: (?P<source>\S+?)(?:#(?P<name>[\w-]+))? -->\n```\w*\n"
                  r"(?P<shown>.*?)^```$", re.DOTALL | re.MULTILINE)
OUTPUT = re.compile(r"<!-- output: (?P<source>\S+) -->\n(?P<shown>.*?)^<!-- end -->$",
                    re.DOTALL | re.MULTILINE)
MARKER = re.compile(r"<!-- (?:code|output): ")
STRING = r'"(?:\\.|[^"\\])*"'


class Difference(Exception):
    pass


def snippet(root, source, name):
    path = root / source
    if not path.is_file():
        raise Difference(f"there is no {source}")
    lines = path.read_text().splitlines()
    if name:
        marks = [i for i, line in enumerate(lines) if line.strip() == f"// [{name}]"]
        if len(marks) != 2:
            raise Difference(f"{source} has {len(marks)} lines '// [{name}]', want 2")
        lines = lines[marks[0] + 1:marks[1]]
    return textwrap.dedent("\n".join(lines)) + "\n"


def output_of(root, source, cxx):
    if not (root / source).is_file():
        raise Difference(f"there is no {source}")
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder) / "program"
        build = subprocess.run([cxx, "-std=c++20", f"-I{root}/include", str(root / source), "-o",
                                str(program)], capture_output=True, text=True)
        if build.returncode != 0:
            raise Difference(f"{source} does not compile\n{build.stderr[:2000]}")
        run = subprocess.run([str(program)], capture_output=True, text=True)
        if run.returncode != 0:
            raise Difference(f"{source} exits with {run.returncode}")
        return "\n" + run.stdout.strip() + "\n\n"


def messages(text):
    """(offset, words) of every message that a header can print: static_assert and fail."""
    for match in re.finditer(rf'static_assert\((?:[^"]|"(?!ott: ))*?((?:{STRING}\s*)+)\)', text):
        sentence = "".join(part[1:-1] for part in re.findall(STRING, match.group(1)))
        if sentence.startswith("ott: "):
            yield match.start(), sentence.removeprefix("ott: ").split("; see ")[0]
    for match in re.finditer(rf"\b(?:fail|refuse|expect|check_count)\(([^;{{]*?);", text):
        for part in re.findall(STRING, match.group(1)):
            words = part[1:-1].strip()
            if words and not words.startswith(("ott::", "at least", "at most")):
                yield match.start(), words
                break


class Docs:
    def __init__(self, root, cxx, update):
        self.root, self.cxx, self.update = root, cxx, update
        self.found = []
        self.checked = 0

    def say(self, path, line, sentence):
        self.found.append(f"{path.relative_to(self.root).as_posix()}:{line}: {sentence}")

    def page(self, path):
        text = path.read_text()
        fresh = text
        blocks = [(m, m["name"]) for m in CODE.finditer(text)] + [
            (m, None) for m in OUTPUT.finditer(text)]
        if len(blocks) != len(MARKER.findall(text)):
            self.say(path, 1, "a code or output marker has no block below it")
        for match, name in blocks:
            line = text.count("\n", 0, match.start()) + 1
            is_code = match.re is CODE
            try:
                wanted = snippet(self.root, match["source"], name) if is_code else output_of(
                    self.root, match["source"], self.cxx)
            except Difference as difference:
                self.say(path, line, str(difference))
                continue
            self.checked += 1
            if match["shown"] == wanted:
                continue
            if self.update:
                begin, end = (at - match.start() for at in match.span("shown"))
                old = match.group(0)
                fresh = fresh.replace(old, old[:begin] + wanted + old[end:])
            else:
                self.say(path, line, f"differs from {match['source']}"
                                     f"{'#' + name if name else ''}; run docs_code.py --update")
        if fresh != text:
            path.write_text(fresh)

    def errors(self):
        page = self.root / "docs/errors.md"
        told = re.sub(r"\s+", " ", page.read_text()) if page.exists() else ""
        for path in sorted((self.root / "include/ott").rglob("*.*h*")):
            text = path.read_text()
            for offset, words in messages(text):
                self.checked += 1
                if f"`{words}" not in told:
                    self.say(path, text.count("\n", 0, offset) + 1,
                             f"docs/errors.md does not explain '{words}'")

    def run(self):
        pages = [self.root / "README.md", self.root / "CONTRIBUTING.md"]
        for path in pages + sorted((self.root / "docs").rglob("*.md")):
            if path.exists():
                self.page(path)
        self.errors()
        return self.found


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--cxx", default=shutil.which("g++") or shutil.which("c++") or "clang++")
    parser.add_argument("--update", action="store_true")
    args = parser.parse_args()
    docs = Docs(args.root.resolve(), args.cxx, args.update)
    found = docs.run()
    print("\n".join(found + [f"docs_code: {len(found)} differences in {docs.checked} things shown"]))
    sys.exit(1 if found or docs.checked == 0 else 0)


if __name__ == "__main__":
    main()
