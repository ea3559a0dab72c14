#!/usr/bin/env python3
"""The live screen on a pseudo-terminal, read by a terminal emulator: screen.py SYNFIN"""
import contextlib
import fcntl
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time

import lab

try:
    import pyte
except ImportError:  # another python3 than Debian's stands first: its packages are Debian's own
    if sys.executable != "/usr/bin/python3" and os.path.exists("/usr/bin/python3"):
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
    pyte = None

REFUSED, SERVED = 7300, 7301  # ports of the far host: nobody listens at the first
CLIENT = 41000
KEYS = {"enter": "\r", "escape": "\033", "down": "\033OB", "redraw": "\f"}
LEAVES_SCREEN = b"\033[?1049l"


class Terminal:
    """A terminal of so many columns and rows with synfin in its foreground."""

    def __init__(self, synfin, columns, rows, term="screen-256color", streams=()):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.octets = b""
        self.master, slave = os.openpty()
        self.resize(columns, rows)
        self.modes = termios.tcgetattr(slave)
        self.slave = slave
        self.shell = Shell(slave, term, [synfin, "-i", "va"], streams)

    def resize(self, columns, rows):
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds=0.05):
        while select.select([self.master], [], [], seconds)[0]:
            part = os.read(self.master, 65536)
            self.octets += part
            self.stream.feed(part)

    def press(self, *keys):
        for key in keys:
            os.write(self.master, KEYS.get(key, key).encode())
            self.read()

    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    def wait(self, what, *patterns):
        """Until each pattern stands for a whole line, in this order from top to bottom."""
        def holds():
            self.read()
            at = iter(self.lines())
            return all(any(re.fullmatch(pattern, line) for line in at) for pattern in patterns)
        try:
            lab.wait_until(what, holds, 20)
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *self.lines()])) from None

    def end(self, code):
        """After the program's end: how it ended, and that the terminal is as it was."""
        lab.wait_until("the end of synfin", lambda: self.read() or self.shell.has_ended())
        lab.check("exit status", self.shell.status, code)
        lab.wait_until("the old modes", lambda: termios.tcgetattr(self.slave) == self.modes)
        self.read(0.5)


class Shell:
    """Leads the terminal's session, as the shell of a login does: when it goes, so does the
    terminal."""

    def __init__(self, slave, term, command, streams):
        self.status = None
        self.report, report = os.pipe()
        if os.fork() == 0:
            lab.die_with_parent()
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            self.lead(slave, term, command, streams, report)
        os.close(report)
        self.process = int(self.line())

    def lead(self, slave, term, command, streams, report):
        environment = dict(os.environ, TERM=term, LC_ALL="C.UTF-8", TZ="UTC")
        for name in ("COLUMNS", "LINES", "NO_COLOR"):
            environment.pop(name, None)
        places = {"stdin": slave, "stdout": slave, "stderr": slave, **dict(streams)}
        process = subprocess.Popen(command, env=environment, preexec_fn=lab.die_with_parent,
                                   **places)
        os.write(report, f"{process.pid}\n".encode())
        os.write(report, f"{process.wait()}\n".encode())
        signal.pause()

    def line(self):
        text = b""
        while not text.endswith(b"\n"):
            text += os.read(self.report, 1)
        return text

    def has_ended(self):
        if self.status is None and select.select([self.report], [], [], 0)[0]:
            self.status = int(self.line())
        return self.status is not None


@contextlib.contextmanager
def connection(host, server, port):
    near = host.socket()
    near.bind((lab.NEAR, port))
    near.connect((lab.FAR, SERVED))
    far, _ = server.accept()
    with near, far:
        yield near, far


def refuse(host, port):
    with host.socket() as near:
        near.bind((lab.NEAR, port))
        try:
            near.connect((lab.FAR, REFUSED))
        except ConnectionRefusedError:
            return
    raise AssertionError("connected where nobody listens")


def reset(near):
    near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    near.close()


def row(mark, client, port, state, rtt, again, octets, age):
    return (rf"{mark} 10\.9\.0\.1:{client} +10\.9\.0\.2:{port} +{state} +{rtt} +{again} +{octets} "
            rf"+{age}")


SPAN = r"[0-9.]+ [mun]?s"
REFUSED_ROW = row("✗", CLIENT + 1, REFUSED, "refused", "-", 0, 0, "< 1 s")
RESET_ROW = row("!", CLIENT + 2, SERVED, "reset", SPAN, 0, 0, "(< 1|[0-9]+) s")
OPEN_ROW = row(" ", CLIENT + 3, SERVED, "ESTAB", SPAN, 0, r"5\.0 kB", "(< 1|[0-9]+) s")


def shows_what_happens(host, terminal, server):
    """A refused, a reset and an open connection, each in its place."""
    refuse(host, CLIENT + 1)
    with connection(host, server, CLIENT + 2) as (near, _):
        reset(near)
    with connection(host, server, CLIENT + 3) as (near, far):
        near.sendall(bytes(5000))
        while len(far.recv(5000, socket.MSG_PEEK)) < 5000:
            pass
        terminal.wait(
            "the overview", r"synfin  va  (< 1|\d+) s +h help  q quit",
            r"packets \d+  [\d.]+/s   dropped 0   TCP \d+  .*bit/s", r"connections 3  .*/s   open 1  .*",
            r"ends   SYN-SNT SYN-RCV   ESTAB  .*", r"client( +0){2} +1( +0){6}",
            r"server( +0){2} +1( +0){6}", "connections by severity +1-3 of 3", " +client +server .*",
            REFUSED_ROW, RESET_ROW, OPEN_ROW, "newest warnings and problems",
            rf"\d\d:\d\d:\d\d ! reset \(client\)  10\.9\.0\.1:{CLIENT + 2} → 10\.9\.0\.2:7301  .*",
            rf"\d\d:\d\d:\d\d ✗ refused \(server\)  10\.9\.0\.1:{CLIENT + 1} → .*")
        obeys_keys(host, terminal, server)


def obeys_keys(host, terminal, server):
    terminal.press("s", "s", "s")
    terminal.wait("rows by bytes", "connections by bytes .*", OPEN_ROW, REFUSED_ROW)
    terminal.press("/", *"server.port = 1", "enter")
    terminal.wait("a complaint", ".*: = 1", "where: server.port = 1_")
    terminal.press("escape", "/", *f"server.port == {REFUSED}", "enter")
    terminal.wait("the rows that fit", r"connections by bytes  where server\.port == 7300 +1-1 of 1",
                  " +client .*", REFUSED_ROW, "")
    terminal.press("/", *["\b"] * 30, "enter")
    terminal.wait("all rows", "connections by bytes +1-3 of 3", OPEN_ROW)
    terminal.press("enter")
    terminal.wait("the ladder", r"connection 3 .*Esc back",
                  rf"connection 3: client 10\.9\.0\.1:{CLIENT + 3}, server 10\.9\.0\.2:7301",
                  r" *0\.0+ SYN-SENT +├─ SYN seq 0 ─+▶│ - +\d+")
    terminal.press("escape", "p")
    terminal.wait("a pause", "synfin .* PAUSED  p goes on")
    refuse(host, CLIENT + 4)
    time.sleep(1)
    terminal.wait("still", "connections by bytes +1-3 of 3")
    before = terminal.lines()
    terminal.press("redraw")
    time.sleep(0.2)
    terminal.read()
    lab.check("the screen, drawn anew", terminal.lines(), before)
    terminal.press("p")
    terminal.wait("the fourth", "connections by bytes +1-4 of 4")
    terminal.resize(120, 40)
    terminal.wait("a larger one", "connections by bytes {80,}1-4 of 4", ".*ESTABLISHED .*",
                  "s sort .*")
    lab.check("its last line", terminal.lines()[39][:6], "s sort")
    terminal.press("h")
    terminal.wait("help", "/ +show only those .*")


def ends_with_the_summary(host, synfin):
    terminal = Terminal(synfin, 80, 24)
    terminal.wait("the screen", "connections by severity +0-0 of 0")
    with host.server(SERVED) as server:
        shows_what_happens(host, terminal, server)
    terminal.press("escape", "q")
    terminal.end(0)
    summary = terminal.octets.rpartition(LEAVES_SCREEN)[2].decode().splitlines()
    plain = [re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", line).split() for line in summary]
    lab.check("the summary", [words[:2] for words in plain if words[:1] == ["connections"]],
              [["connections", "4"]])


def is_restored(synfin, number):
    """Whatever it dies of."""
    terminal = Terminal(synfin, 80, 24, term="xterm")
    lab.wait_until("the screen", lambda: terminal.read() or b"by severity" in terminal.octets)
    os.kill(terminal.shell.process, number)
    terminal.end(-number)
    lab.wait_until("the old screen", lambda: terminal.read() or LEAVES_SCREEN in terminal.octets)


def writes_lines(synfin, **terminal):
    """Where no screen is fit, there is nothing until the end."""
    terminal = Terminal(synfin, 80, 24, **terminal)
    time.sleep(1)
    os.kill(terminal.shell.process, signal.SIGINT)
    terminal.end(0)
    lab.check("movements of the cursor", re.findall(rb"\033\[[0-9;?]*[A-Zhl]", terminal.octets), [])


def test(synfin):
    if pyte is None:
        raise lab.Skip("python3-pyte is not installed")
    host = lab.Lab()
    ends_with_the_summary(host, synfin)
    for number in (signal.SIGKILL, signal.SIGABRT):
        is_restored(synfin, number)
    writes_lines(synfin, term="dumb")
    writes_lines(synfin, streams={"stdout": subprocess.DEVNULL})


if __name__ == "__main__":
    lab.run(test)
