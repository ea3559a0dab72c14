"""Two hosts in network namespaces of their own, near and far, joined by a veth pair, and synfin at
the near end. The namespaces have no names: the kernel removes them, links and all, when the test's
process has gone, however it went. Without the rights to make them the test is skipped (exit 77).
"""
import atexit
import contextlib
import ctypes
import datetime
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000  # linux/sched.h
PR_SET_PDEATHSIG = 1                                  # linux/prctl.h
SIOCETHTOOL = 0x8946
# linux/ethtool.h: checksums, large segments left to the card, and put together again by it.
OFFLOADS = ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO = 0x17, 0x1F, 0x24, 0x2C

NEAR, FAR = "10.9.0.1", "10.9.0.2"
NOBODY = "10.9.0.99"  # packets to it are sent, and taken by nobody
PATIENCE = 30         # seconds after which what has not happened never will
WORKERS = os.environ.get("WORKERS", "1")  # of each capture whose options do not say it

libc = ctypes.CDLL(None, use_errno=True)


class Skip(Exception):
    """Why the test cannot run here."""


def run(test):
    """Calls test(synfin); exit status 77 when it cannot run here."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup synfin would go on ignoring it
    try:
        test(sys.argv[1])
    except Skip as why:
        print(f"skipped: {why}")
        sys.exit(77)


def need(*programs):
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    for program in programs:
        if shutil.which(program) is None:
            raise Skip(f"{program} is not installed")


def check(what, found, wanted):
    assert found == wanted, f"{what}:\n  found  {found}\n  wanted {wanted}"


def wait_until(what, holds, seconds=PATIENCE):
    """The first true value of holds()."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := holds():
            return value
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} s: {what}")


def system_call(name, *arguments):
    if getattr(libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def become_root_of_a_user_namespace():
    user, group = os.geteuid(), os.getegid()
    system_call("unshare", CLONE_NEWUSER)
    for path, text in {"setgroups": "deny", "uid_map": f"0 {user} 1",
                       "gid_map": f"0 {group} 1"}.items():
        with open(f"/proc/self/{path}", "w") as file:
            file.write(text)


def new_network():
    """A descriptor of the network namespace into which the thread has moved."""
    system_call("unshare", CLONE_NEWNET)
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def switch(name, offload, is_on):
    value = ctypes.create_string_buffer(struct.pack("II", offload, is_on))
    request = struct.pack("16sP", name.encode(), ctypes.addressof(value))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, SIOCETHTOOL, request)


class Lab:
    def __init__(self):
        need("ip")
        self.is_root = os.geteuid() == 0
        try:
            if not self.is_root:
                become_root_of_a_user_namespace()
            self.far = new_network()
            self.near = new_network()  # the test itself stays here
        except OSError as error:
            raise Skip(f"no rights to make a network namespace: {error}") from None
        self.ip("link set lo up")
        self.ip("link set lo up", far=True)
        self.join("va", "vb", NEAR, FAR)
        self.ip("neigh add", NOBODY, "lladdr 02:00:00:00:00:99 dev va")

    @contextlib.contextmanager
    def place(self, far):
        """Where the thread makes sockets and processes within."""
        if not far:
            yield
            return
        system_call("setns", self.far, CLONE_NEWNET)
        try:
            yield
        finally:
            system_call("setns", self.near, CLONE_NEWNET)

    def ip(self, *words, far=False):
        with self.place(far):
            subprocess.run(["ip", *" ".join(words).split()], check=True)

    def set(self, name, value, far=False):
        with self.place(far), open(f"/proc/sys/{name}", "w") as file:
            file.write(str(value))

    def join(self, near, far, near_ip, far_ip):
        """A link whose packets look as on a wire: without offloads, and of nothing but the test."""
        self.ip("link add", near, "address", lladdr(near_ip), "type veth peer name", far, "address",
                lladdr(far_ip))
        self.ip("link set", far, f"netns /proc/{os.getpid()}/fd/{self.far}")
        ends = (near, near_ip, far_ip, False), (far, far_ip, near_ip, True)
        for name, own, peer, is_far in ends:
            with self.place(is_far):
                for offload in OFFLOADS:
                    switch(name, offload, False)
            self.ip("link set", name, "addrgenmode none up", far=is_far)
            self.ip("addr add", f"{own}/24 dev", name, far=is_far)
            self.ip("neigh add", peer, "lladdr", lladdr(peer), "dev", name, far=is_far)

    def server(self, port, address=FAR):
        with self.place(far=True):
            return socket.create_server((address, port))

    def socket(self, far=False):
        with self.place(far):
            return socket.socket(socket.AF_INET, socket.SOCK_STREAM)

    def connect(self, port, address=FAR):
        sock = self.socket()
        sock.connect((address, port))
        return sock

    def start(self, *command, far=False, **streams):
        """A process that dies with the test, also when it has become another user."""
        with self.place(far):
            process = subprocess.Popen(command, preexec_fn=die_with_parent, **streams)
        atexit.register(process.kill)
        return process


def lladdr(ip):
    return "02:00:" + ":".join(f"{octet:02x}" for octet in socket.inet_aton(ip))


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def moment(text):
    """Seconds since 1970 of an RFC 3339 time; a double keeps a quarter of a microsecond."""
    whole = datetime.datetime.fromisoformat(text[:19] + "+00:00").timestamp()
    return whole + float("0" + text[19:-1])


class Watch:
    """synfin at work in a lab; its JSON lines, each with the machine's time of its arrival."""

    def __init__(self, host, synfin, *options, interfaces=("va",)):
        words = [word for name in interfaces for word in ("-i", name)]
        self.errors = tempfile.TemporaryFile("w+")
        self.process = host.start(synfin, "-j", WORKERS, "--json", *words, *options, text=True,
                                  stdout=subprocess.PIPE, stderr=self.errors)
        self.lines = []  # grows in another thread
        self.arrivals = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.wait("the first line, when capture has begun", lambda line: line["type"] == "meta")

    def read(self):
        for text in self.process.stdout:
            now = time.monotonic()
            self.arrivals.append(now)
            self.lines.append(json.loads(text))

    def of_type(self, name):
        return [line for line in list(self.lines) if line["type"] == name]

    def wait(self, what, fits, seconds=PATIENCE):
        """The first line that fits."""
        def holds():
            if self.process.poll() is not None and not self.reader.is_alive():
                raise AssertionError(f"synfin is gone ({self.process.returncode}) before {what}: "
                                     + self.complaints())
            return next((line for line in list(self.lines) if fits(line)), None)
        return wait_until(what, holds, seconds)

    def connection(self, port, seconds=PATIENCE):
        """The record of the connection that has the port at one end."""
        return self.wait(f"the connection of port {port}", lambda line: is_of_port(line, port),
                         seconds)

    def complaints(self):
        self.errors.seek(0)
        return self.errors.read()

    def settle(self):
        """Waits until nothing has come for longer than the kernel keeps packets from the reader."""
        quiet, begin = 0.5, time.monotonic()
        wait_until("a silence",
                   lambda: time.monotonic() - max(begin, self.arrivals[-1]) > quiet)

    def stop(self, number=signal.SIGTERM, code=0):
        """Ends the capture; returns the end line."""
        self.process.send_signal(number)
        return self.finish(code)

    def finish(self, code=0):
        self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        check(f"exit status ({self.complaints()})", self.process.returncode, code)
        check("lines of end, the last", [line["type"] for line in self.lines].index("end"),
              len(self.lines) - 1)
        return self.lines[-1]


def check_schema(synfin, lines):
    """Each line is what `synfin schema` promises."""
    import jsonschema  # Debian's python3-jsonschema
    schema = json.loads(subprocess.run([synfin, "schema"], check=True, capture_output=True).stdout)
    validator = jsonschema.validators.validator_for(schema)(schema)
    for line in lines:
        faults = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(line)]
        check(f"{line['type']} line against the schema", faults, [])


def is_of_port(line, port):
    return line["type"] == "connection" and port in (line["client"]["port"], line["server"]["port"])
