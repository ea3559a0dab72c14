#!/usr/bin/env python3
"""Seeds one violation of each kind and asks layers.py to name it."""
import pathlib
import subprocess
import sys
import tempfile

LAYERS = pathlib.Path(__file__).with_name("layers.py")

SOUND = {
    "include/synfin/error.h": "",
    "include/synfin/track.h": '#include "synfin/error.h"\n',
    "include/synfin/flow.h": "",
    "include/synfin/sink.h": '#include "synfin/track.h"\n',
    "src/ground/error.c": '#include "synfin/error.h"\n',
    "src/track/track.c": '#include "synfin/track.h"\n#include <uthash.h>\n',
    "src/track/meson.build": "sources += files(\n  'track.c',\n)\n",
    "src/report/json.c": '#include "synfin/sink.h"\n#include "synfin/track.h"\n',
    "tests/unit/meson.build": "units = [\n  'error',\n]\n",
    "tests/unit/test_error.c": "",
}

SEEDS = [
    ("points_right", {"src/ground/error.c": '#include "synfin/track.h"\n'},
     "src/ground/error.c:1: ground may not see synfin/track.h of track"),
    ("contract_points_right", {"include/synfin/error.h": '#include "synfin/flow.h"\n'},
     "ground may not see synfin/flow.h of flow"),
    ("sink_sees_flow", {"src/report/json.c": '#include "synfin/flow.h"\n'},
     "a sink may not see synfin/flow.h"),
    ("unknown_contract", {"include/synfin/news.h": ""}, "lies in no layer"),
    ("second_home", {"src/flow/table.c": "#include <uthash.h>\n"}, "uthash has 2 homes"),
    ("library_in_header", {"include/synfin/flow.h": "#include <pcap/pcap.h>\n"},
     "a header may not include libpcap"),
    ("neighbour_of_another", {"src/flow/table.c": '#include "../track/inner.h"\n'},
     "neither a contract nor a neighbour"),
    ("unlisted_source", {"src/track/state.c": ""}, "does not list state.c"),
    ("listed_and_gone", {"src/track/meson.build": "files('track.c', 'gone.c')"}, "lists gone.c"),
    ("unlisted_test", {"tests/unit/test_seq.c": ""}, "does not list seq"),
]


def run(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return subprocess.run([sys.executable, LAYERS, folder], capture_output=True, text=True)


def main():
    faults = []
    sound = run(SOUND)
    if sound.returncode != 0:
        faults.append(f"a sound tree is refused: {sound.stdout}{sound.stderr}")
    for name, seed, wanted in SEEDS:
        result = run(SOUND | seed)
        if result.returncode != 1 or wanted not in result.stdout:
            faults.append(f"{name}: wanted '{wanted}', got {result.returncode} {result.stdout}"
                          f"{result.stderr}")
    print("\n".join(faults) or f"{len(SEEDS)} seeded violations found")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
