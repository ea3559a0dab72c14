"""The generator knows what it wrote: check_truth.py GENERATE SYNFIN MIX PACKETS compares that with
what synfin reports. Every difference is printed."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path


def differences(truth, end):
    for key in ("packets", "connections"):
        if truth[key] != end[key]:
            yield f"{key}: {truth[key]} written, {end[key]} reported"
    if end["tcp_packets"] != end["packets"]:
        yield f"tcp_packets: {end['tcp_packets']} of {end['packets']}"
    for key in ("open_how", "close_how"):
        for name, reported in end[key].items():
            written = truth[key].get(name, 0)
            if written != reported:
                yield f"{key} {name}: {written} written, {reported} reported"


def main():
    generate, synfin, mix, packets = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        capture, truth = Path(folder, "mix.pcap"), Path(folder, "truth.json")
        subprocess.run([generate, mix, packets, capture, truth], check=True)
        with subprocess.Popen([synfin, "--json", capture], stdout=subprocess.PIPE) as run:
            last = b"{}"
            for last in run.stdout:
                pass
        if run.returncode != 0:
            sys.exit(f"synfin exits {run.returncode}")
        found = list(differences(json.loads(truth.read_text()), json.loads(last)))
    print("\n".join(found))
    sys.exit(1 if found else 0)


main()
