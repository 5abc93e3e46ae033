#!/usr/bin/env python3
"""Goal: what a newcomer does works: a clean clone, `./up`, then the README's session line by line
with the answers that it shows; Ctrl-C ends all; the next `./up` finds the data again.

The session is the README's first ```console block. A line `$ command` is run, all of them in one
shell; what follows is its output: `...` within a line stands for any text, a line `...` for any
lines. Lines that run ./up are left out, since that already runs."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

from cluster import die_with_parent, wait_until
from resp import Resp

REPOSITORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
BUILD_SECONDS_MAX = 1800
MARK = "--- end of one command ---"


def session_of(readme):
    """[(command, [expected lines])] of the first console block."""
    block = re.search(r"^```console\n(.*?)^```", readme, re.M | re.S)
    if block is None:
        raise AssertionError("README.md has no ```console block to follow")
    steps = []
    for line in block.group(1).splitlines():
        if line.startswith("$ "):
            steps.append((line[2:], []))
        elif steps[-1][0].endswith("\\"):
            steps[-1] = (steps[-1][0] + "\n" + line, [])
        else:
            steps[-1][1].append(line)
    return [step for step in steps if not step[0].startswith("./up")]


def pattern_of(lines):
    """A regular expression for what a command should print."""
    parts = []
    for line in lines:
        if line.strip() == "...":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append(".*?".join(re.escape(piece) for piece in line.rstrip().split("...")) + r"[ \r]*\n")
    return re.compile("".join(parts) + r"\Z")


class SessionFormatTest(unittest.TestCase):
    def test_expected_lines_are_matched_as_documented(self):
        steps = session_of("# x\n```console\n$ ./up\nready\n$ a\none ... two\n...\nlast\n$ b\n```\n")
        self.assertEqual(steps, [("a", ["one ... two", "...", "last"]), ("b", [])])
        pattern = pattern_of(steps[0][1])
        self.assertRegex("one and two\nx\ny\nlast\n", pattern)
        self.assertRegex("one 1 two\nlast\n", pattern)
        self.assertNotRegex("one and two\nlast\nmore\n", pattern)
        self.assertNotRegex("one and three\nlast\n", pattern)


class UpTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="gyre-up-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.clone = os.path.join(self.folder, "gyre")
        subprocess.run(["git", "clone", "-q", REPOSITORY, self.clone], check=True, timeout=60)

    def start_up(self, *options):
        output = open(os.path.join(self.folder, "output"), "w+")
        process = subprocess.Popen(["./up", *options], cwd=self.clone, stdout=output,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                   start_new_session=True, preexec_fn=die_with_parent)
        self.addCleanup(self.end, process)

        def said():
            output.flush()
            with open(output.name) as text:
                return text.read()

        def is_up():
            if process.poll() is not None:
                raise AssertionError(f"./up ended with {process.returncode}:\n{said()}")
            return "Ctrl-C stops all." in said()
        wait_until(is_up, BUILD_SECONDS_MAX, "./up serves")
        return process, said

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()

    def run_session(self):
        with open(os.path.join(self.clone, "README.md")) as readme:
            steps = session_of(readme.read())
        self.assertGreater(len(steps), 3)
        script = "".join(f"{command}\necho '{MARK}'\n" for command, _ in steps)
        result = subprocess.run(["bash", "-c", script], stdin=subprocess.DEVNULL, cwd=self.clone,
                                text=True, timeout=120, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)
        answers = result.stdout.split(MARK + "\n")
        for (command, expected), answer in zip(steps, answers):
            if answer and not answer.endswith("\n"):
                answer += "\n"
            with self.subTest(command=command):
                if not expected:
                    expected = [""] if answer.strip() == "" and answer else []
                self.assertRegex(answer, pattern_of(expected))

    def test_clean_clone_session_and_return(self):
        process, _ = self.start_up()
        self.run_session()
        with Resp(7389) as resp:
            self.assertEqual(resp.command("SET", "kept", "until tomorrow"), "OK")
        # A second ./up is told that the ports are taken.
        second = subprocess.run(["./up"], cwd=self.clone, capture_output=True, text=True, timeout=60)
        self.assertNotEqual(second.returncode, 0)
        self.assertIn("7379", second.stderr)

        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(60), 0)
        for port in (7379, 7389, 7399):
            with self.assertRaises(OSError):
                Resp(port)

        process, _ = self.start_up("--nodes", "3")
        with Resp(7399) as resp:
            self.assertEqual(resp.command("GET", "kept"), b"until tomorrow")
        self.end(process)
        self.assertEqual(process.returncode, 0)

        process, _ = self.start_up("--nodes", "1", "--fresh", "--memory")
        with Resp(7379) as resp:
            self.assertIsNone(resp.command("GET", "kept"))
            self.assertEqual(resp.command("SET", "alone", "works"), "OK")
        self.end(process)
        self.assertEqual(process.returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
