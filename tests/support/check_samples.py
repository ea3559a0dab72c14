#!/usr/bin/env python3
"""samples/*.pcap are exactly what their scripts make, and each is told in samples/README.md.

usage: check_samples.py SEG2PCAP ROOT
"""
import pathlib
import subprocess
import sys
import tempfile


def main():
    seg2pcap, root = sys.argv[1], pathlib.Path(sys.argv[2])
    samples, faults = root / "samples", []
    scripts = {p.stem: p for p in (root / "tests/scripts/samples").glob("*.seg")}
    captures = {p.stem: p for p in samples.glob("*.pcap")}
    told = (samples / "README.md").read_text()
    for name in sorted(set(scripts) ^ set(captures)):
        faults.append(f"{name}: script and capture are not both there (scripts/make-samples)")
    for name in sorted(set(scripts) & set(captures)):
        with tempfile.TemporaryDirectory() as folder:
            made = pathlib.Path(folder, "made.pcap")
            subprocess.run([seg2pcap, scripts[name], made], check=True)
            if made.read_bytes() != captures[name].read_bytes():
                faults.append(f"{name}.pcap is not what its script makes (scripts/make-samples)")
        if f"`{name}.pcap`" not in told:
            faults.append(f"{name}.pcap is not told in samples/README.md")
    print("\n".join(faults) or f"{len(scripts)} samples")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
