#!/usr/bin/env python3
"""Tests of lint.py: each rule finds its planted breach, and a clean tree has none."""
import pathlib
import tempfile
import unittest

from lint import Lint

CLEAN = {
    "CMakeLists.txt": "project(ott VERSION 0.1.0)\n",
    "include/ott/core/bits.hpp": "#pragma once\n// asm and <<< in a comment are no code\n",
    "include/ott/cuda/runtime.cuh": "#pragma once\nvoid f() { k<<<1, 1>>>(); }\n",
    "include/ott/ott.hpp": "#pragma once\n#include <ott/core/bits.hpp>\n",
    "tests/unit/core/bits_test.cpp": "\n",
    "tests/unit/front/ott_test.cpp": "\n",
    "tests/unit/cuda/runtime_test.cu": "\n",
    "docs/policies.md": "# Policies\n## group\n[up](../README.md#top)\n",
    "README.md": "# Top\n[group](docs/policies.md#group)\n",
}

# what is added to the clean tree, and a part of the sentence that must follow
BREACHES = [
    ("include/ott/core/bits.hpp", "#pragma once\n#include <ott/ott.hpp>\n", "down only"),
    ("include/ott/core/bits.hpp", '#pragma once\n#include "x.hpp"\n', "by full path"),
    ("include/ott/core/bits.hpp", "#pragma once\n#include <ott/core/no.hpp>\n", "there is no ott"),
    ("include/ott/ott.hpp", "#pragma once\n#include <ott/cuda/runtime.cuh>\n", "never includes"),
    ("include/ott/core/bits.hpp", "#pragma once\nk<<<1, 1>>>();\n", "'<<<' stands only in"),
    ("include/ott/ott.hpp", "#pragma once\n#include <cub/cub.cuh>\n", "collective.cuh"),
    ("include/ott/ott.hpp", "#pragma once\nasm volatile();\n", "'asm'"),
    ("include/ott/ott.hpp", "#pragma once\n#ifdef __CUDA_ARCH__\n#endif\n", "__CUDA_ARCH__"),
    ("include/ott/core/bits.hpp", "int x;\n", "#pragma once is missing"),
    ("include/ott/core/bits.hpp", "#pragma once\n#define MINE 1\n", "starts with OTT_"),
    ("include/ott/core/bits.hpp", "#pragma once\nusing namespace std;\n", "using namespace"),
    ("include/ott/core/bits.hpp", "#pragma once\nnamespace {\n}\n", "unnamed namespace"),
    ("include/ott/core/bits.hpp", "#pragma once\n" + "\n" * 300, "at most 300"),
    ("include/ott/core/bits.hpp", "#pragma once\n//" + "x" * 99 + "\n", "columns"),
    ("include/ott/core/bits.hpp", "#pragma once\n// TODO later\n", "issue number"),
    ("include/ott/core/bits.hpp", "#pragma once\n// docs/policies.md#no\n", "no such heading"),
    ("include/ott/core/view.hpp", "#pragma once\n", "has no test"),
    ("include/ott/other/x.hpp", "#pragma once\n", "is no layer"),
    ("tests/lint/mirror.txt", "core/no.hpp: unit/core/bits_test.cpp\n", "there is no header"),
    ("README.md", "# Top\n[x](docs/no.md)\n", "no such file"),
    ("README.md", "# Top\n[x](docs/policies.md#no)\n", "no such heading"),
]


def lint(files):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder).resolve()
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Lint(root).run()


class LintTest(unittest.TestCase):
    def test_clean_tree(self):
        self.assertEqual(lint(CLEAN), [])

    def test_each_breach_is_found(self):
        for name, text, sentence in BREACHES:
            with self.subTest(sentence):
                found = lint({**CLEAN, name: text})
                self.assertTrue(any(sentence in line for line in found), found)

    def test_mirror_file_stands_in(self):
        extra = {"include/ott/core/view.hpp": "#pragma once\n",
                 "tests/lint/mirror.txt": "# why\ncore/view.hpp: unit/core/bits_test.cpp\n"}
        self.assertEqual(lint({**CLEAN, **extra}), [])


if __name__ == "__main__":
    unittest.main()
