#!/usr/bin/env python3
"""Keeps the house in order: includes point left, each library has one home, lists match folders.

usage: layers.py [ROOT]      exit 1 when something is wrong; long functions are only warned of
"""
import pathlib
import re
import shutil
import subprocess
import sys

LAYERS = ["ground", "capture", "decode", "flow", "track", "view", "report", "cli"]

# The layer of each contract in include/synfin.
HEADERS = {
    "error.h": "ground", "time.h": "ground", "bytes.h": "ground", "seq.h": "ground",
    "tcp.h": "ground", "quantile.h": "ground", "near.h": "ground", "slab.h": "ground",
    "port.h": "ground", "pack.h": "ground", "hint.h": "ground", "writer.h": "ground", "address.h": "ground",
    "hash.h": "ground", "digits.h": "ground",
    "capture.h": "capture",
    "segment.h": "decode", "decode.h": "decode",
    "flow.h": "flow", "flow_table.h": "flow", "shelf.h": "flow",
    "state.h": "track", "anomaly.h": "track", "record.h": "track", "field.h": "track",
    "track.h": "track", "glance.h": "track",
    "view.h": "view", "zeek_row.h": "view",
    "sink.h": "report", "where.h": "report", "finding.h": "report", "vocabulary.h": "report",
    "ladder.h": "report", "output.h": "report", "buffer.h": "report",
    "tally.h": "report", "panel.h": "report",
}

# What a sink may see beyond ground, its own layer and what sink.h itself includes.
SINK_SEES = {"record.h", "field.h", "sink.h", "anomaly.h"}

# A library is known to one .c file and to no header.
LIBRARIES = {
    "libpcap": r"pcap(/.*)?\.h", "jansson": r"jansson\.h", "uthash": r"ut(hash|list|array)\.h",
    "sqlite": r"sqlite3\.h", "zlib": r"zlib\.h", "zstd": r"zstd\.h", "lz4": r"lz4\w*\.h",
    "xxhash": r"xxh\w*\.h", "libseccomp": r"seccomp\.h", "curses": r"n?curses\.h",
}

LONG_FUNCTION = 80
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)


def includes_of(path):
    """(system?, name, line) of each include."""
    text = path.read_text()
    for match in INCLUDE.finditer(text):
        yield match[1] == "<", match[2], text.count("\n", 0, match.start()) + 1


def layer_of(root, path):
    parts = path.relative_to(root).parts
    if parts[0] == "include":
        return HEADERS.get(path.name)
    return parts[1] if len(parts) > 2 else None


def sources(root):
    for folder in ("include", "src"):
        yield from sorted((root / folder).rglob("*.[ch]"))


def contract_violation(root, path, layer, header):
    """Why this file may not include synfin/<header>, or None."""
    target = HEADERS.get(header)
    if target is None:
        return f"synfin/{header} has no layer in tests/lint/layers.py"
    if LAYERS.index(target) > LAYERS.index(layer):
        return f"{layer} may not see synfin/{header} of {target}"
    if layer == "report" and path.parts[-3:-1] == ("src", "report") and target != "ground":
        sink = root / "include/synfin/sink.h"
        seen = SINK_SEES | {n.split("/")[-1] for s, n, _ in includes_of(sink) if not s}
        if header not in seen and target != "report":
            return f"a sink may not see synfin/{header}"
    return None


def check_file(root, path):
    layer = layer_of(root, path)
    if layer not in LAYERS:
        yield f"{path.relative_to(root)}: lies in no layer (see tests/lint/layers.py)"
        return
    for system, name, line in includes_of(path):
        why = None
        if system:
            continue
        if name.startswith("synfin/"):
            why = contract_violation(root, path, layer, name.removeprefix("synfin/"))
        elif name != "config.h" and not (path.parent / name).is_file():
            why = f'"{name}" is neither a contract nor a neighbour'
        elif ".." in name:
            why = f'"{name}" climbs out of its layer'
        if why:
            yield f"{path.relative_to(root)}:{line}: {why}"


def check_libraries(root):
    for library, pattern in LIBRARIES.items():
        homes = [path.relative_to(root) for path in sources(root)
                 if any(s and re.fullmatch(pattern, n) for s, n, _ in includes_of(path))]
        if len(homes) > 1:
            yield f"{library} has {len(homes)} homes: {', '.join(map(str, homes))}"
        for home in homes:
            if home.suffix == ".h":
                yield f"{home}: a header may not include {library}"


def listed(meson, pattern):
    names = re.findall(r"'([^']+)'", re.sub(r"#.*", "", meson.read_text()))
    return {name for name in names if re.fullmatch(pattern, name)}


def compare(root, meson, names, files):
    where = meson.relative_to(root)
    for name in sorted(names - files):
        yield f"{where}: lists {name}, which is not in the folder"
    for name in sorted(files - names):
        yield f"{where}: does not list {name}"


def check_lists(root):
    for layer in LAYERS:
        folder = root / "src" / layer
        if (meson := folder / "meson.build").is_file():
            files = {p.name for p in folder.glob("*.c")} - {"main.c"}
            yield from compare(root, meson, listed(meson, r"[\w]+\.c") - {"main.c"}, files)
    if (meson := root / "tests/unit/meson.build").is_file():
        text = re.search(r"units = \[(.*?)\]", meson.read_text(), re.S)
        names = set(re.findall(r"'(\w+)'", re.sub(r"#.*", "", text[1]))) if text else set()
        files = {p.stem.removeprefix("test_") for p in meson.parent.glob("test_*.c")}
        yield from compare(root, meson, names, files)
    if (meson := root / "tests/scripts/meson.build").is_file():
        files = {str(p.relative_to(meson.parent).with_suffix("")) for p in
                 meson.parent.rglob("*.seg")}
        yield from compare(root, meson, listed(meson, r"[\w-]+/[\w-]+"), files)
    if (meson := root / "tests/scenarios/meson.build").is_file():
        files = {p.stem for p in meson.parent.glob("*.pcap")}
        yield from compare(root, meson, listed(meson, r"\d\d_\w+"), files)


def long_functions(root):
    ctags = shutil.which("ctags")
    if not ctags:
        return
    command = [ctags, "--fields=+ne", "--c-kinds=f", "-f", "-", *map(str, sources(root))]
    run = subprocess.run(command, capture_output=True, text=True)
    for row in run.stdout.splitlines():
        match = re.match(r"(\S+)\t(\S+)\t.*\tline:(\d+).*\tend:(\d+)", row)
        if match and (length := int(match[4]) - int(match[3]) + 1) > LONG_FUNCTION:
            path = pathlib.Path(match[2]).relative_to(root)
            yield f"{path}:{match[3]}: {match[1]} has {length} lines"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                        pathlib.Path(__file__).parents[2]).resolve()
    faults = [fault for path in sources(root) for fault in check_file(root, path)]
    faults += [*check_libraries(root), *check_lists(root)]
    for warning in long_functions(root):
        print(f"warning: {warning}")
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
