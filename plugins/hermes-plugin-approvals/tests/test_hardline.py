"""The short list that nothing lifts: what is on it in many dresses, and what only looks alike."""

from __future__ import annotations

from typing import Any

import pytest

from hermes.testing import make_call, make_tool
from hermes.testing.pytest_plugin import MakeContext
from hermes_plugin_approvals.hardline import refusal
from hermes_plugin_approvals.judging import NO_HOME, Judge
from hermes_plugin_approvals.shell.syntax import Parser, Unreadable
from hermes_plugin_approvals.shell.walk import read

REFUSED = """
rm -rf /
rm -fr /
rm -r -f /
rm --recursive --force /
rm --recurs /
rm -rf --no-preserve-root /
rm -rf /*
rm -rf /.*
rm -rf //
rm -rf /./
rm -rf /tmp/..
rm -rf /???
rm -rf /{bin,etc}
rm -rf /etc
rm -rf /usr/
rm -rf /var/*
rm -rf ~
rm -rf ~/
rm -rf ~/*
rm -rf ~root
rm -rf $HOME
rm -rf "${HOME}"/*
rm -rf ./x /
\\rm -rf /
'r'm -rf "/"
/bin/rm -rf /
/usr/bin/sudo rm -rf /
sudo -u root rm -rf /
sudo env X=1 nice -n 5 rm -rf /
X=1 Y=2 rm -rf /
nohup timeout -k 5 10 rm -rf / &
cd /tmp; rm -rf /
true && rm -rf /
false || rm -rf /
ls | xargs -n 1 rm -rf /
(rm -rf /)
{ rm -rf /; }
f() { rm -rf /; }; f
if true; then rm -rf /; fi
echo hi⏎rm -rf /
echo "$(rm -rf /)"
echo `rm -rf /`
bash -c "rm -rf /"
bash -c 'sh -c "rm -rf /"'
sudo sh -c 'cd / && rm -rf /'
eval "rm -rf /"
python3 -c "import os; os.system('rm -rf /')"
rm -rf \\⏎ /
cd / && rm -rf *
cd / && rm -rf ./usr
D=/; rm -rf $D
for d in /etc /usr; do rm -rf $d; done
$'rm' -rf $'\x2f'
{rm,-rf,/}
env -S "rm -rf /"
find . -type f -exec rm -rf / {} +
bash -c "$(printf x)"; rm -rf /
find / -delete
find /etc -exec rm {} +
chmod -R 777 /
chown -R me:me /usr
mkfs.ext4 /dev/sda1
mkfs -t xfs /dev/nvme0n1
wipefs -a /dev/sda
dd if=/dev/zero of=/dev/sda bs=1M
dd of=/dev/nvme0n1 if=image
shred /dev/sda
cat image > /dev/sda
cat image >/dev/sdb1
echo x >> /dev/vda
cat image | tee /dev/sda
cp image /dev/mmcblk0
:(){ :|:& };:
bomb() { bomb | bomb & }; bomb
kill -9 -1
kill -KILL -1
shutdown now
sudo reboot
halt -p
poweroff
systemctl poweroff
sudo systemctl --force reboot
init 0
telinit 6
"""

PASSED = """
rm -rf build
rm -rf ./node_modules /tmp/x
rm -rf /home/me/project/build
rm -rf ~/project
rm -rf "$HOME/project"
rm /etc/motd.bak
rm -rf /var/cache/mine
find . -name '*.pyc' -delete
find / -name passwd
chmod -R 755 ./site
chmod 644 /etc/motd
dd if=/dev/sda of=backup.img
dd if=/dev/zero of=file bs=1M count=1
cat x > /dev/null
echo x 2>/dev/null
cp a b
kill -9 1234
kill -1 1234
pkill server
git commit -m "remove; rm -rf / was a bad idea"
grep -r "shutdown; reboot" .
echo "do not rm -rf /"
echo reboot
systemctl status nginx
systemctl restart nginx
ls /
man shutdown
cat init
python3 -c "print('hello')"
make reboot-tests
"""


def rows(table: str) -> list[str]:
    return [row.replace("⏎", "\n") for row in table.strip().splitlines()]


parser = Parser()


async def refused(command: str) -> str:
    return refusal(await read(command, "/home/me/project", parser, home=NO_HOME), NO_HOME)


@pytest.mark.parametrize("command", rows(REFUSED))
async def test_what_ends_the_machine_is_refused(command: str) -> None:
    assert await refused(command)


@pytest.mark.parametrize("command", rows(PASSED))
async def test_what_only_looks_alike_is_not(command: str) -> None:
    assert await refused(command) == ""


@pytest.mark.parametrize(
    "arguments",
    [
        {"command": "rm -rf /"},
        {"action": "write", "data": "rm -rf /\n"},
        {"argv": ["rm", "-rf", "/"]},
        {"steps": [{"run": "true"}, {"run": "rm -rf /"}]},
    ],
    ids=str,
)
async def test_it_is_found_in_every_argument_of_a_tool_that_runs(
    arguments: dict[str, Any], plugin_context: MakeContext
) -> None:
    runs = make_tool("terminal", needs=frozenset({"run"}))
    writes = make_tool("write_file", needs=frozenset({"write"}))
    judge = Judge()

    assert (await judge(make_call(runs, arguments, context=plugin_context()))).refusal
    assert not (await judge(make_call(writes, arguments, context=plugin_context()))).refusal


async def test_strange_text_is_unreadable_or_harmless_and_nothing_else() -> None:
    for text in ("", "'", '"', "\\", "`", "$(", "${", "\0", "((((", "a" * 200_000, "| | |", "sudo"):
        try:
            assert await refused(text) == ""
        except Unreadable:
            continue
