#!/usr/bin/env python3
"""Tests of docs_code.py: each rule finds its planted difference, and --update mends it."""
import pathlib
import shutil
import tempfile
import unittest

from docs_code import Docs, messages

CXX = shutil.which("g++") or shutil.which("c++") or "clang++"
CLEAN = {
    "README.md": "<!-- code: a.cpp#x -->\n```cpp\nint x;\n```\n",
    "a.cpp": "int main() {\n  // [x]\n  int x;\n  // [x]\n}\n",
    "docs/layout.md": "<!-- output: p.cpp -->\n\n7\n\n<!-- end -->\n",
    "p.cpp": '#include <cstdio>\nint main() { std::puts("7"); }\n',
    "docs/errors.md": "| `length` | too long |\n| `no; such` |\n",
    "include/ott/x.hpp": 'fail(errc::shape, where, "length", "1", "2");\n'
                         'static_assert(a < b,\n  "ott: no"\n  "; such; see docs/x.md");\n',
}
DIFFERENCES = [
    ("README.md", "<!-- code: a.cpp#x -->\n```cpp\nint y;\n```\n", "differs from a.cpp#x"),
    ("README.md", "<!-- code: a.cpp#z -->\n```cpp\nint x;\n```\n", "has 0 lines '// [z]'"),
    ("README.md", "<!-- code: b.cpp -->\n```cpp\nint x;\n```\n", "there is no b.cpp"),
    ("README.md", "<!-- code: a.cpp#x -->\nint x;\n", "has no block below"),
    ("p.cpp", '#include <cstdio>\nint main() { std::puts("8"); }\n', "differs from p.cpp"),
    ("p.cpp", "int main() { return 3; }\n", "exits with 3"),
    ("p.cpp", "int main() {\n", "does not compile"),
    ("docs/errors.md", "| `no; such` |\n", "does not explain 'length'"),
    ("docs/errors.md", "| `length` |\n", "does not explain 'no; such'"),
]


class DocsCodeTest(unittest.TestCase):
    def check(self, files, update=False):
        root = self.root
        for name, text in {**CLEAN, **files}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return Docs(root, CXX, update).run()

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name).resolve()

    def test_clean_tree(self):
        self.assertEqual(self.check({}), [])

    def test_each_difference_is_found(self):
        for name, text, sentence in DIFFERENCES:
            with self.subTest(sentence):
                found = self.check({name: text})
                self.assertTrue(any(sentence in line for line in found), found)

    def test_update(self):
        self.assertEqual(self.check({"README.md": DIFFERENCES[0][1]}, update=True), [])
        self.assertEqual((self.root / "README.md").read_text(), CLEAN["README.md"])

    def test_messages(self):
        found = [words for _, words in messages(CLEAN["include/ott/x.hpp"])]
        self.assertEqual(sorted(found), ["length", "no; such"])


if __name__ == "__main__":
    unittest.main()
