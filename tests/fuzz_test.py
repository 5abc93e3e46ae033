#!/usr/bin/env python3
"""Goal: hostile bytes find nothing: builds every libFuzzer program (preset asan: clang, address and
undefined-behaviour sanitizers) and runs each for $GYRE_FUZZ_SECONDS (default 5)."""

import glob
import os
import subprocess
import sys
import tempfile

REPOSITORY = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
BUILD = os.path.join(REPOSITORY, "build", "asan")
# What RESP, HTTP, peer frames and records need at least; a missing one is a finding too.
EXPECTED_MIN = 4


def main():
    seconds = os.environ.get("GYRE_FUZZ_SECONDS", "5")
    subprocess.run(["cmake", "--preset", "asan"], cwd=REPOSITORY, check=True)
    sources = glob.glob(os.path.join(REPOSITORY, "src", "**", "*_fuzz.cc"), recursive=True)
    names = sorted(os.path.basename(source)[:-len(".cc")] for source in sources)
    subprocess.run(["cmake", "--build", BUILD, "--target"] + names, check=True)
    failed = []
    for name in names:
        found = [path for path in glob.glob(os.path.join(BUILD, "**", name), recursive=True)
                 if os.access(path, os.X_OK) and os.path.isfile(path)]
        with tempfile.TemporaryDirectory(prefix="gyre-fuzz-") as folder:
            print(f"== {name}, {seconds} s", flush=True)
            result = subprocess.run(
                [found[0], f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048",
                 "-print_final_stats=1", "-verbosity=0", f"-artifact_prefix={folder}/", folder],
                timeout=int(seconds) + 120)
            if result.returncode != 0:
                failed.append(name)
                for artifact in glob.glob(f"{folder}/crash-*") + glob.glob(f"{folder}/timeout-*"):
                    with open(artifact, "rb") as file:
                        print("input:", file.read(4096), flush=True)
    if failed:
        sys.exit(f"findings in: {', '.join(failed)}")
    if len(names) < EXPECTED_MIN:
        sys.exit(f"only {len(names)} fuzzers: {names}")


if __name__ == "__main__":
    main()
