#!/usr/bin/env python3
"""Find the first bad commit with `git bisect run`, in a worktree of its own.

    find_commit.py --good REV [--bad REV] [--setup COMMAND] -- COMMAND...

COMMAND ends with 0 where the version is good, with 125 where it cannot be judged. Prints the first
bad commit. Ends with 0 where it was found, 1 where not, 2 where the ends are not what they should be.
"""

import argparse
import os
import subprocess
import sys
import tempfile


def git(folder, *arguments, check=True):
    done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True)
    if check and done.returncode:
        sys.exit(f"git {arguments[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def judge(folder, revision, setup, command):
    """Run the command at a revision; give its status."""
    git(folder, "checkout", "-q", "--detach", revision)
    if setup and subprocess.run(setup, shell=True, cwd=folder).returncode:
        return 125
    return subprocess.run(command, cwd=folder).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--good", required=True)
    parser.add_argument("--bad", default="HEAD")
    parser.add_argument("--setup", default="")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    root = git(".", "rev-parse", "--show-toplevel")
    good = git(root, "rev-parse", "--verify", given.good + "^{commit}")
    bad = git(root, "rev-parse", "--verify", given.bad + "^{commit}")
    with tempfile.TemporaryDirectory() as place:
        tree = os.path.join(place, "tree")
        git(root, "worktree", "add", "-q", "--detach", tree, bad)
        try:
            for name, revision, fits in (("good", good, 0), ("bad", bad, None)):
                status = judge(tree, revision, given.setup, given.command)
                if (status == 0) != (fits == 0) or status == 125:
                    print(f"{name} {revision[:12]} ends with {status}: that is not {name}")
                    return 2
            git(tree, "bisect", "start", bad, good)
            run = given.command
            if given.setup:
                run = [
                    "sh",
                    "-c",
                    'eval "$1" || exit 125; shift; exec "$@"',
                    "sh",
                    given.setup,
                    *run,
                ]
            done = subprocess.run(
                ["git", "-C", tree, "bisect", "run", *run], capture_output=True, text=True
            )
            found = git(tree, "rev-parse", "--verify", "refs/bisect/bad", check=False)
            if done.returncode or not found:
                print((done.stdout + done.stderr).strip()[-2000:])
                return 1
            print(git(tree, "show", "-s", "--format=first bad commit: %H%n%an, %ad%n%n%B", found))
            print(git(tree, "show", "--stat", "--format=", found))
            return 0
        finally:
            git(tree, "bisect", "reset", check=False)
            git(root, "worktree", "remove", "--force", tree, check=False)


if __name__ == "__main__":
    sys.exit(main())
