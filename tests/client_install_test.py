#!/usr/bin/env python3
"""Goal: what `cmake --install` puts somewhere is enough for a program outside: it finds the package,
links Gyre::client and talks to a node, with nothing of this source tree in sight."""

import os
import shutil
import subprocess
import tempfile
import unittest

from cluster import HOST, Cluster, die_with_parent

BUILD = os.path.abspath(os.environ.get(
    "GYRE_TEST_BUILD", os.path.join(os.path.dirname(__file__), "..", "build", "release")))
EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "examples")
PROJECT = """cmake_minimum_required(VERSION 3.25)
project(outside LANGUAGES CXX)
find_package(Gyre 0.1 REQUIRED)
add_executable(outside preferences.cc)
target_link_libraries(outside PRIVATE Gyre::client)
"""


class ClientInstallTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="client-install-", dir=BUILD)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def run_command(self, *command):
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=250,
                              preexec_fn=die_with_parent)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_a_project_outside_links_the_client(self):
        prefix = os.path.join(self.folder, "prefix")
        self.run_command("cmake", "--install", BUILD, "--component", "client", "--prefix", prefix)
        with open(os.path.join(self.folder, "CMakeLists.txt"), "w") as project:
            project.write(PROJECT)
        for name in ("preferences.cc", "addresses.h"):
            shutil.copy(os.path.join(EXAMPLES, name), self.folder)
        self.run_command("cmake", "-S", ".", "-B", "build", f"-DCMAKE_PREFIX_PATH={prefix}")
        self.run_command("cmake", "--build", "build")
        with Cluster(1, engine="memory") as cluster:
            out = self.run_command("build/outside", f"{HOST}:{cluster[0].resp_port}", "ann", "a=1")
        self.assertEqual(out, "a=1\n")
        headers = [os.path.join(folder, name) for folder, _, names in os.walk(prefix)
                   for name in names if name.endswith(".h")]
        self.assertEqual(headers, [os.path.join(prefix, "include", "gyre", "client.h")])


if __name__ == "__main__":
    unittest.main(verbosity=2)
