#!/usr/bin/env python3
"""The house rules that a script can check. Prints `file:line: sentence` for each breach.

  lint.py [ROOT]     ROOT is the repository, by default the one this file lies in
"""
import fnmatch
import pathlib
import re
import sys

MAX_LINES = 300
MAX_COLUMNS = 100

# Who may include whom (docs/architecture.md, layers). A header of the folder on the left may
# include ott headers of the folders on the right; "" is include/ott itself.
LAYERS = {
    "core": {"core"},
    "policy": {"core", "policy"},
    "layout": {"core", "policy", "layout"},
    "algo": {"core", "policy", "layout", "algo"},
    "host": {"core", "policy", "layout", "algo", "host"},
    "cuda/arch": {"core", "cuda/arch"},
    "cuda": {"core", "policy", "layout", "algo", "cuda", "cuda/arch"},
    "cache": {"core", "policy", "layout", "algo", "cache", "version"},
    "": {"core", "policy", "layout", "algo", "host", "cuda", "cache", "", "version"},
}
ROOT_HEADERS_FOR_ALL = {"version.hpp"}

# One door a dependency: pattern, the files where it may stand, what to do instead.
DOORS = [
    (r"<<<", {"cuda/runtime.cuh"}, "launch kernels with launch() of cuda/runtime.cuh"),
    (r"#\s*include\s*<cub/", {"cuda/collective.cuh"}, "use cuda/collective.cuh"),
    (r"\basm\b", {"cuda/arch/*", "core/scalar.hpp"}, "wrap instructions in cuda/arch"),
    (r"__CUDA_ARCH__", {"core/*", "cuda/tuning*", "cuda/arch/*"},
     "ask core/macros.hpp or cuda/tuning"),
    (r"#\s*include\s*<cuda_runtime", {"cuda/runtime.cuh"}, "use cuda/runtime.cuh"),
    (r"#\s*include\s*<cuda/std", set(), "device code takes types from std, functions from core/"),
]

CODE = {".hpp", ".cpp", ".cuh", ".cu"}


def strip_comments(text):
    """Blanks comments and string contents, keeping line breaks: rules are about code."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    pattern = r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"'
    return re.sub(pattern, blank, text, flags=re.DOTALL)


def folder_of(name):
    """'cuda/arch/sm80.cuh' -> 'cuda/arch'; 'ott.hpp' -> ''."""
    return name.rpartition("/")[0]


def at(text, start):
    return text.count("\n", 0, start) + 1


class Lint:
    def __init__(self, root):
        self.root = root
        self.found = []

    def say(self, path, line, sentence):
        self.found.append(f"{path.relative_to(self.root).as_posix()}:{line}: {sentence}")

    def files(self, folder, endings):
        top = self.root / folder
        return sorted(p for p in top.rglob("*") if p.suffix in endings and p.is_file())

    def headers(self):
        return self.files("include/ott", {".hpp", ".cuh"})

    # --- rules about one header

    def layers(self, path, name, code):
        folder = folder_of(name)
        if folder not in LAYERS:
            self.say(path, 1, f"folder '{folder}' is no layer; add it to LAYERS in tests/lint")
            return
        for match in re.finditer(r'^[ \t]*#\s*include\s*([<"])([^>"\n]*)', code, re.MULTILINE):
            line, included = at(code, match.start(1)), match.group(2)
            if match.group(1) == '"':
                self.say(path, line, "include by full path, <ott/layer/file>")
                continue
            if not included.startswith("ott/"):
                continue
            target = included.removeprefix("ott/")
            if name.endswith(".hpp") and target.endswith(".cuh"):
                self.say(path, line, f"a .hpp never includes a .cuh ({included})")
            if folder_of(target) not in LAYERS[folder] and target not in ROOT_HEADERS_FOR_ALL:
                self.say(path, line, f"{folder or 'the front'} may not include {included}: "
                                     "down only")
            if target == "cuda/backend.cuh" and name != "ott.cuh":
                self.say(path, line, "nothing but ott.cuh includes cuda/backend.cuh")
            if not (self.root / "include" / included).exists():
                self.say(path, line, f"there is no {included}")

    def doors(self, path, name, code):
        for pattern, allowed, cure in DOORS:
            if any(pathlib.PurePosixPath(name).match(glob) for glob in allowed):
                continue
            for match in re.finditer(pattern, code):
                self.say(path, at(code, match.start()), f"'{match.group(0)}' stands only in "
                         f"{', '.join(sorted(allowed)) or 'no header'}: {cure}")

    def header_style(self, path, text, code):
        if len(text.splitlines()) > MAX_LINES:
            self.say(path, MAX_LINES, f"{len(text.splitlines())} lines, at most {MAX_LINES}")
        if "#pragma once" not in code:
            self.say(path, 1, "#pragma once is missing")
        for match in re.finditer(r"^\s*using namespace", code, re.MULTILINE):
            self.say(path, at(code, match.start()), "no `using namespace` in a header")
        for match in re.finditer(r"^\s*namespace\s*\{", code, re.MULTILINE):
            self.say(path, at(code, match.start()), "no unnamed namespace in a header")
        for match in re.finditer(r"^[ \t]*#\s*define\s+(\w+)", code, re.MULTILINE):
            if not match.group(1).startswith("OTT_"):
                self.say(path, at(code, match.start()), f"macro {match.group(1)}: every macro "
                                                        "starts with OTT_")

    def mirror(self):
        """Every header has tests/unit/<layer>/<stem>_test, or a line in mirror.txt naming one."""
        listed = {}
        listing = self.root / "tests/lint/mirror.txt"
        if listing.exists():
            for number, row in enumerate(listing.read_text().splitlines(), 1):
                if not row.strip() or row.startswith("#"):
                    continue
                header, _, test = (part.strip() for part in row.partition(":"))
                listed[header] = test
                if not list((self.root / "include/ott").glob(header)):
                    self.say(listing, number, f"there is no header {header}")
                if not (self.root / "tests" / test).is_file():
                    self.say(listing, number, f"there is no test tests/{test}")
        for path in self.headers():
            name = path.relative_to(self.root / "include/ott").as_posix()
            base = self.root / "tests/unit" / (folder_of(name) or "front")
            own = [base / f"{path.stem}_test{end}" for end in (".cpp", ".cu")]
            named = any(fnmatch.fnmatchcase(name, header) for header in listed)
            if not any(test.exists() for test in own) and not named:
                self.say(path, 1, f"has no test: {own[0].relative_to(self.root)}, or a line "
                                  "in tests/lint/mirror.txt")

    # --- rules about every text

    def code_style(self):
        for folder in ("include", "tests", "examples", "bench"):
            for path in self.files(folder, CODE):
                text = path.read_text()
                for number, line in enumerate(text.splitlines(), 1):
                    if len(line) > MAX_COLUMNS:
                        self.say(path, number, f"{len(line)} columns, at most {MAX_COLUMNS}")
                    if "\t" in line or line != line.rstrip():
                        self.say(path, number, "tab or trailing space")
                    self.todo(path, number, line)
                if text and not text.endswith("\n"):
                    self.say(path, len(text.splitlines()), "no line break at the end")

    def todo(self, path, number, line):
        if re.search(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))", line):
            self.say(path, number, "a TODO carries an issue number: TODO(#12)")

    def links(self):
        texts = sorted(self.root.glob("*.md")) + self.files("docs", {".md"})
        texts += [p for f in ("tests", "examples", "bench", ".ci") for p in self.files(f, {".md"})]
        for path in texts:
            fenced = False
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if line.lstrip().startswith("```"):
                    fenced = not fenced
                if fenced:
                    continue
                for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line)):
                    self.link(path, number, target)

    def link(self, path, number, target):
        if re.match(r"[a-z]+:", target):
            return
        name, _, anchor = target.partition("#")
        goal = (path.parent / name).resolve() if name else path
        if not goal.exists():
            self.say(path, number, f"link to {target}: there is no such file")
        elif anchor and goal.suffix == ".md" and anchor not in anchors(goal.read_text()):
            self.say(path, number, f"link to {target}: there is no such heading")

    def doc_anchors(self):
        """A message that sends the reader to docs/x.md#y must not send him nowhere."""
        for folder in ("include", "examples", "bench"):
            for path in self.files(folder, CODE):
                text = path.read_text()
                for match in re.finditer(r"\bdocs/([\w/-]+\.md)(?:#([\w-]+))?", text):
                    goal = self.root / "docs" / match.group(1)
                    line = at(text, match.start())
                    if not goal.exists():
                        self.say(path, line, f"names {match.group(0)}: there is no such file")
                    elif match.group(2) and match.group(2) not in anchors(goal.read_text()):
                        self.say(path, line, f"names {match.group(0)}: there is no such heading")

    def version(self):
        """One version: CMake's project and OTT_VERSION in version.hpp."""
        header = self.root / "include/ott/version.hpp"
        cmake = re.search(r"project\(ott VERSION (\d+)\.(\d+)\.(\d+)",
                          (self.root / "CMakeLists.txt").read_text())
        text = header.read_text() if header.exists() else ""
        parts = [re.search(rf"OTT_VERSION_{part}\s+(\d+)", text)
                 for part in ("MAJOR", "MINOR", "PATCH")]
        if cmake and all(parts) and tuple(p.group(1) for p in parts) != cmake.groups():
            self.say(header, 1, f"CMakeLists.txt says {'.'.join(cmake.groups())}")

    def run(self):
        for path in self.headers():
            name = path.relative_to(self.root / "include/ott").as_posix()
            text = path.read_text()
            code = strip_comments(text)
            self.layers(path, name, keep_includes(text))
            self.doors(path, name, code)
            self.header_style(path, text, code)
        self.mirror()
        self.code_style()
        self.links()
        self.doc_anchors()
        self.version()
        return self.found


def keep_includes(text):
    """Comments blanked, strings kept: an include in quotes is one of the things looked for."""
    return re.sub(r"//[^\n]*|/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group(0)), text,
                  flags=re.DOTALL)


def anchors(markdown):
    """GitHub's anchors of the headings, and <a id="..."> as written."""
    found = set(re.findall(r'<a (?:id|name)="([^"]+)"', markdown))
    for heading in re.findall(r"^#+\s+(.*?)\s*#*$", markdown, re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(plain.replace(" ", "-"))
    return found


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                        pathlib.Path(__file__).resolve().parents[2]).resolve()
    found = Lint(root).run()
    print("\n".join(found))
    headers = len(Lint(root).headers())
    print(f"lint: {len(found)} breaches in {headers} headers and what is around them")
    sys.exit(1 if found or headers == 0 else 0)


if __name__ == "__main__":
    main()
