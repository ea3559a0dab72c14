#!/usr/bin/env python3
"""synfin doctor beside a veth pair whose offloads are switched off and on again."""
import json
import subprocess

import lab

ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO = lab.OFFLOADS
NAMES = {"tx checksums": ETHTOOL_STXCSUM, "TSO": ETHTOOL_STSO, "GSO": ETHTOOL_SGSO,
         "GRO": ETHTOOL_SGRO}


def examine(synfin):
    """(exit status, check: (level, found) of the interface)."""
    done = subprocess.run([synfin, "doctor", "-i", "va", "--json"], capture_output=True)
    assert done.stderr == b"", done
    checks = [check for check in json.loads(done.stdout)["checks"] if check["on"] == "va"]
    helped = [check for check in checks if check["help"]]
    assert all(check["level"] != "ok" and "va" in check["help"] for check in helped), helped
    return done.returncode, {check["check"]: (check["level"], check["found"]) for check in checks}


def test(synfin):
    host = lab.Lab()
    code, checks = examine(synfin)
    lab.check("all off", (code, {name: checks[name] for name in ("link", *NAMES)}),
              (0, {"link": ("ok", "up, MTU 1500"), **{name: ("ok", "off") for name in NAMES}}))
    host.ip("link set va mtu 9000")
    for name in ("tx checksums", "GSO", "TSO", "GRO"):
        lab.switch("va", NAMES[name], True)
    code, checks = examine(synfin)
    lab.check("all on", (code, {name: checks[name] for name in ("link", *NAMES)}),
              (3, {"link": ("ok", "up, MTU 9000"), "tx checksums": ("note", "on"),
                   "TSO": ("warning", "on"), "GSO": ("warning", "on"), "GRO": ("warning", "on")}))
    host.ip("link set vb down", far=True)
    code, checks = examine(synfin)
    lab.check("the other end is down", (code, checks["link"]), (3, ("problem", "no carrier")))
    host.ip("link set va down")
    code, checks = examine(synfin)
    lab.check("it is down itself", (code, checks["link"]), (3, ("problem", "down")))


lab.run(test)
