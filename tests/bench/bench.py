"""Measures synfin and its neighbours on generated captures: bench.py BUILD RELEASE [--quick]
[--rounds N] [--docs FOLDER] [MIX...]. Prints Markdown; with --docs writes benchmark.md and
benchmark.svg. RELEASE is the folder of the synfin that is timed; BUILD has the other programs, and
a synfin without training, whose instructions are counted, since those repeat."""

import argparse
import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import hostile
import measure
import picture

MIXES = {
    "web": "5 M packets, requests and responses, 3 000 connections at once",
    "mixed": "5 M packets, scans, SYN floods and loss, 5 000 connections at once",
    "small": "10 M packets, half a million short connections at once",
    "bulk": "1 M packets, eight transfers with every octet captured",
    "churn": "5 M packets, the same addresses and ports again and again",
    "synflood": "5 M SYNs from forged addresses beside 1 000 connections",
}
QUICK_PACKETS = 50_000
SLICE = 1_000_000  # packets for tshark
COUNTED = 100_000  # packets for callgrind
PROFILED = 1_000_000  # so many that connections rest and linger as they do in the whole mix
# Address space for each program, octets: 70 % of the machine's memory, whole GiB.
MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 7 // 10 >> 30 << 30
TIMEOUT = 160  # seconds
SLOW = 30  # seconds: what takes longer runs once
PACKAGES = ["argus-server", "softflowd", "tcptrace", "tshark", "libpcap0.8"]


@dataclass
class Tool:
    name: str
    command: list  # the capture's name comes where None stands
    kind: str = "other"
    on_slice: bool = False
    costs: list = field(default_factory=list)
    packets: int = 0

    def run(self, capture):
        words = [str(capture) if word is None else str(word) for word in self.command]
        self.costs.append(measure.run(words, MEMORY, TIMEOUT))

    def is_worth_a_run(self):
        return not self.costs or not self.failure() and self.costs[0].wall < SLOW

    def label(self, total):
        """Its name, starred when it saw only a part of the `total` packets."""
        return self.name if self.packets == total else f"{self.name} *"

    def failure(self):
        return next((cost.failure for cost in self.costs if cost.failure), "")

    def middle(self, name):
        return median(getattr(cost, name) for cost in self.costs)

    def per_packet(self):
        """Microseconds of CPU, or None."""
        return None if self.failure() else 1e6 * self.middle("cpu") / self.packets


BOUNDED = "synfin -j1 --max-memory 128M"


def tools_for(build, release, workers, mix):
    synfin = release / "synfin"
    table = [Tool("pcap_loop", [build / "tests/bench/pcap_loop", None], "floor")]
    if mix == "bulk":
        table.append(Tool("cat", ["cat", None], "floor"))
    for count in workers:
        name = f"synfin -j{count}"
        table.append(Tool(name, [synfin, "-q", "-j", count, "-o", "none", None], "ours"))
    table.append(Tool(f"synfin -j{workers[-1]} --json",
                      [synfin, "-q", "-j", workers[-1], "--json", None], "ours"))
    table.append(Tool("synfin -j1, untrained",
                      [build / "synfin", "-q", "-j1", "-o", "none", None], "ours"))
    if mix == "synflood":
        table.append(Tool(BOUNDED, [synfin, "-q", "-j1", "--max-memory", "128M", "-o", "none",
                                    None], "ours"))
    return table + [
        Tool("softflowd", ["softflowd", "-m", 16_000_000, "-r", None]),
        Tool("argus", ["argus", "-X", "-r", None, "-w", "/dev/null"]),
        Tool("tcptrace", ["tcptrace", "-n", None]),
        Tool("tcptrace -l -r -W", ["tcptrace", "-n", "-l", "-r", "-W", None]),
        Tool("tshark", ["tshark", "-n", "-q", "-r", None, "-z", "conv,tcp"], on_slice=True),
    ]


# What synfin is measured by: mix, what, of which tool, against which (None: as it is), and the
# figure that is wanted at most (or, below 0, at least).
GOALS = [
    ("web", "wall", "synfin -j1", "pcap_loop", 1.5),
    ("mixed", "wall", "synfin -j1", "pcap_loop", 1.5),
    ("web", "wall", "synfin -j2", "pcap_loop", 1.0),
    ("mixed", "wall", "synfin -j2", "pcap_loop", 1.0),
    ("small", "wall", "synfin -j1", "tcptrace", 1 / 30),
    ("web", "wall", "tcptrace -l -r -W", "synfin -j2 --json", -15),
    ("bulk", "wall", "synfin -j1", "cat", 1.5),
    ("web", "peak", "synfin -j1", None, 100 << 20),
    ("small", "peak", "synfin -j1", None, 500 << 20),
    ("synflood", "peak", "synfin -j1", None, 700 << 20),
    ("synflood", "peak", BOUNDED, None, 128 << 20),
]


# How far tests/bench/stages reads a capture, and what that adds.
STAGES = {
    "read": "packets out of the file",
    "decode": "headers, options, key and hash of each",
    "count": "instead of all below: packets and octets, one cache line a connection",
    "states": "instead of all below: also both ends' states, numbers and resendings, two lines",
    "track": "both ends' states, octets, round trips; the records",
    "view": "what Zeek and tshark would say",
}
STAGED = ("web", "mixed", "small", "bulk")


def stages_for(build, mix):
    program = build / "tests/bench/stages"
    return [Tool(name, [program, name, None]) for name in STAGES if mix in STAGED]


def generate(build, mix, packets, folder):
    capture, truth = folder / f"{mix}-{packets}.pcap", folder / "truth.json"
    subprocess.run([build / "tests/bench/generate", mix, str(packets), capture, truth], check=True)
    return capture, json.loads(truth.read_text())


def choose_workers(args, folder):
    """One, and two where -j2 starts another thread."""
    capture, _ = generate(args.build, "web", SLICE, folder)
    synfin = args.release / "synfin"
    one, two = (measure.run([synfin, "-q", jobs, "-o", "none", capture], MEMORY, TIMEOUT)
                for jobs in ("-j1", "-j2"))
    capture.unlink()
    return [1, 2] if two.threads > one.threads and not two.failure else [1]


@dataclass
class Result:
    mix: str
    truth: dict
    octets: int
    tools: list
    stages: list


def measure_mix(args, mix, workers, folder, rounds):
    build = args.build
    capture, truth = generate(build, mix, QUICK_PACKETS if args.quick else 0, folder)
    total = truth["packets"]
    if total > SLICE:
        small, small_truth = generate(build, mix, SLICE, folder)
    else:
        small, small_truth = capture, truth
    tools, stages = tools_for(build, args.release, workers, mix), stages_for(build, mix)
    tools[0].run(capture)  # the file is in memory from here on
    tools[0].costs.clear()
    for turn in range(rounds):
        # alternating, each round begun by another tool
        for tool in tools[turn % len(tools):] + tools[:turn % len(tools)] + stages:
            tool.packets = small_truth["packets"] if tool.on_slice else total
            if tool.is_worth_a_run():
                tool.run(small if tool.on_slice else capture)
    octets = capture.stat().st_size
    for path in {capture, small}:
        path.unlink()
    return Result(mix, truth, octets, tools, stages)


def count_instructions(build, mix, folder):
    """Per packet, without what starting costs: (pcap_loop, synfin)."""
    many, _ = generate(build, mix, COUNTED, folder)
    one, _ = generate(build, mix, 1, folder)
    counts = []
    for command in ([build / "tests/bench/pcap_loop"],
                    [build / "synfin", "-q", "-j1", "-o", "none"]):
        both = [measure.instructions([*command, capture]) for capture in (many, one)]
        counts.append(None if None in both else (both[0] - both[1]) / (COUNTED - 1))
    many.unlink()
    one.unlink()
    return counts


def count_by_part(build, folder):
    """The same for the mix web, by part of the program."""
    synfin = [build / "synfin", "-q", "-j1", "--no-sandbox", "-o", "none"]
    many, _ = generate(build, "web", PROFILED, folder)
    one, _ = generate(build, "web", 1, folder)
    parts, start = (measure.instructions_by_part([*synfin, capture]) for capture in (many, one))
    return {part: (count - start.get(part, 0)) / PROFILED for part, count in parts.items()}


def spaced(count):
    return f"{count:,}".replace(",", " ")


def peak_text(octets):
    """Small programs may be gone before anybody looks."""
    return f"{octets / 2**20:.0f}" if octets else "–"


def goal_row(results, goal):
    """One line of the table, or None when that mix was not measured."""
    mix, what, name, other, wanted = goal
    tools = {tool.name: tool for result in results if result.mix == mix for tool in result.tools}
    if name not in tools or (other is not None and other not in tools):
        return None
    failures = [f"{tool} {tools[tool].failure()}" for tool in (name, other)
                if tool is not None and tools[tool].failure()]
    if failures:
        return f"| {mix} | {what}, {name}{f' / {other}' if other else ''} | {failures[0]} | | |"
    value = tools[name].middle(what)
    if other is not None:
        value /= tools[other].middle(what)
    is_met = value >= -wanted if wanted < 0 else value <= wanted
    text = (lambda x: f"{x / 2**20:.0f} MiB") if what == "peak" else (lambda x: f"{x:.3g}")
    bound = f"at least {text(-wanted)}" if wanted < 0 else f"at most {text(wanted)}"
    return (f"| {mix} | {what}, {name}{f' / {other}' if other else ''} | {text(value)} | {bound} | "
            f"{'yes' if is_met else 'no'} |")


def goal_section(results):
    rows = [row for row in (goal_row(results, goal) for goal in GOALS) if row]
    if not rows:
        return
    yield "## Goals"
    yield ""
    yield "| mix | what | measured | wanted | met |"
    yield "|---|---|---:|---:|---|"
    yield from rows
    yield ""


def mix_table(result):
    base = next(t for t in result.tools if t.name == "synfin -j1")
    yield "| | CPU s | wall s | µs a packet | against synfin -j1 | peak MiB |"
    yield "|---|---:|---:|---:|---:|---:|"
    for tool in result.tools:
        name = tool.label(result.truth["packets"])
        if tool.failure():
            yield f"| {name} | {tool.failure()} | | | | |"
            continue
        ratio = "" if base.failure() else f"{tool.per_packet() / base.per_packet():.2f}"
        yield (f"| {name} | {tool.middle('cpu'):.2f} | {tool.middle('wall'):.2f} | "
               f"{tool.per_packet():.3f} | {ratio} | {peak_text(tool.middle('peak'))} |")


def mix_section(result):
    truth = result.truth
    yield f"## {result.mix}"
    yield ""
    yield (f"{spaced(truth['packets'])} packets, {spaced(truth['connections'])} connections, "
           f"{result.octets / 2**20:.0f} MiB.")
    yield ""
    yield from mix_table(result)
    yield ""


def nanoseconds(tool):
    return 1e9 * tool.middle("wall") / tool.packets


def allowed(result):
    """What the goals leave `synfin -j1` for a packet of the mix: (its words, nanoseconds)."""
    tools = {tool.name: tool for tool in result.tools}
    for mix, what, name, other, wanted in GOALS:
        if (mix, what, name) == (result.mix, "wall", "synfin -j1") and not tools[other].failure():
            yield f"at most {wanted:.3g} times {other}", wanted * nanoseconds(tools[other])


def stage_table(result):
    bare = nanoseconds(result.tools[0])
    yield f"| {result.mix} | what | ns a packet | against pcap_loop |"
    yield "|---|---|---:|---:|"
    yield f"| pcap_loop | | {bare:.0f} | 1.00 |"
    for tool in result.stages:
        yield (f"| {tool.name} | {STAGES[tool.name]} | {nanoseconds(tool):.0f} | "
               f"{nanoseconds(tool) / bare:.2f} |")
    for words, goal in allowed(result):
        yield f"| goal | synfin -j1: {words} | {goal:.0f} | {goal / bare:.2f} |"
    yield ""


def stage_section(results):
    staged = [result for result in results if result.stages
              and not any(tool.failure() for tool in [result.tools[0], *result.stages])]
    if not staged:
        return
    yield "## What each stage takes"
    yield ""
    yield ("Wall time on one core when a capture is read as far as a stage (tests/bench/stages, "
           "untrained), each with those before it; `count` is the least that tells connections "
           "apart, `states` the least that follows both ends, without round trips, windows, "
           "missing octets, copies, anomalies, records. `goal` is what the goals above leave for "
           "all of it.")
    yield ""
    for result in staged:
        yield from stage_table(result)


def instruction_section(counts):
    yield "## Instructions a packet"
    yield ""
    yield (f"Counted by callgrind over {spaced(COUNTED)} packets, untrained, without the start; "
           "fewer connections at once in proportion.")
    yield ""
    yield "| mix | pcap_loop | synfin -j1 -o none |"
    yield "|---|---:|---:|"
    for mix, (bare, ours) in counts.items():
        yield f"| {mix} | {'' if bare is None else round(bare)} | " \
              f"{'failed' if ours is None else round(ours)} |"
    yield ""


PARTS = {
    "capture": "packets out of the file",
    "decode": "headers, options, key and hash",
    "cli": "batches, from the one to the other",
    "flow": "the table and the shelf of connections that rest",
    "track": "both ends' states, octets, round trips; the record",
    "view": "what Zeek and tshark would say",
    "report": "counts by kind",
    "ground": "packing of what rests, samples, texts",
    "headers": "small functions of all parts",
    "libraries": "C library, SHA-1 of Community ID",
}


def part_section(parts, counts):
    bare = counts.get("web", (None,))[0]
    if not parts or bare is None:
        return
    reading = sum(parts.get(name, 0) for name in ("capture", "decode", "cli"))
    yield "## Where they go"
    yield ""
    yield (f"The mix web, {spaced(PROFILED)} packets, instructions a packet by folder of src: "
           f"{sum(parts.values()):.0f} in all. One and a half times pcap_loop would be "
           f"{1.5 * bare:.0f}; reading, decoding and handing on take {reading:.0f}.")
    yield ""
    yield "| part | what | instructions | % |"
    yield "|---|---|---:|---:|"
    for name, what in PARTS.items():
        share = parts.get(name, 0)
        yield f"| {name} | {what} | {share:.0f} | {100 * share / sum(parts.values()):.0f} |"
    yield ""


def hostile_section(build):
    ordinary, found = hostile.costs(build / "tests/bench/generate", build / "synfin")
    yield "## Hostile traffic"
    yield ""
    yield (f"Instructions a packet over {spaced(hostile.PACKETS)} packets made to be dear "
           f"(tests/bench/hostile.py); {ordinary:.0f} for the mix web of that size. More than "
           f"{hostile.TIMES_ORDINARY} times what that costs with the same output fails the tests.")
    yield ""
    yield "| kind | what | instructions | times ordinary |"
    yield "|---|---|---:|---:|"
    for kind in hostile.KINDS:
        cost, times = found[kind.__name__]
        yield f"| {kind.__name__} | {kind.__doc__.rstrip('.')} | {cost:.0f} | {times:.2f} |"
    yield ""


def version_line():
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}, ", *PACKAGES],
                          capture_output=True, text=True)
    return done.stdout.rstrip(", ")


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.machine()


def intro(rounds, loads):
    busy = max(loads) > 1.5
    yield "# Benchmark"
    yield ""
    yield "![CPU time a packet](benchmark.svg)"
    yield ""
    yield (f"Medians of {rounds} alternating rounds ({SLOW} s and more: one run) on "
           f"{os.cpu_count()} cores of {processor()}, Linux {platform.release()}, "
           f"{datetime.date.today()}. {version_line()}.")
    yield (f"Load average between {min(loads):.1f} and {max(loads):.1f}"
           + (": the machine did other work meanwhile, so wall times mean little and CPU times "
              "are inflated too; ratios hold better than seconds." if busy else "."))
    yield ""
    yield ("CPU is user and system time; the captures are in memory. Programs may use "
           f"{MEMORY >> 30} GiB. Packets are cut behind their headers, except in bulk. "
           f"(*) on {spaced(SLICE)} packets of the same mix, with fewer connections at once in "
           "proportion.")
    yield ""
    yield ("`synfin` is what `scripts/release` builds: gcc optimised it by what it did on a "
           "short capture of each mix; `untrained` is what `scripts/synfin` builds. "
           "`-jN` runs with `-o none`, `--json` writes to /dev/null. `pcap_loop` counts "
           "packets and nothing else. softflowd keeps flows (with -m, so that it need not drop "
           "any), argus flows with TCP state, tcptrace both ends of each connection, tshark "
           "dissects every packet: they do different work.")
    yield ""
    yield ("`scripts/bench` measures all of this again, `scripts/bench --quick` in a few minutes "
           "with small captures. The captures come from tests/bench/generate, octet for octet the "
           "same each time; `meson test --suite bench` compares what synfin finds in them with "
           "what was written.")
    yield ""


def draw(results):
    groups = []
    for result in results:
        total = result.truth["packets"]
        rows = [(t.label(total), t.per_packet(), t.failure(), t.kind) for t in result.tools]
        groups.append((f"{result.mix}: {MIXES[result.mix]}", rows))
    return picture.bars("CPU time a packet, microseconds",
                        "Log scale; shorter is better. The programs do different work. "
                        "* on 1 M packets, fewer connections at once", groups)


def parse():
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("build", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("release", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("mix", nargs="*", help=" ".join(MIXES))
    parser.add_argument("--quick", action="store_true", help="small captures, one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--docs", type=Path, help="folder for benchmark.md and benchmark.svg")
    args = parser.parse_intermixed_args()
    if unknown := set(args.mix) - set(MIXES):
        parser.error(f"unknown mix: {' '.join(sorted(unknown))} (known: {' '.join(MIXES)})")
    return args


def measure_all(args, folder):
    rounds = 1 if args.quick else args.rounds
    results, counts, loads = [], {}, [os.getloadavg()[0]]
    workers = choose_workers(args, folder)
    for mix in args.mix or MIXES:
        print(f"bench: {mix} ...", file=sys.stderr)
        results.append(measure_mix(args, mix, workers, folder, rounds))
        counts[mix] = count_instructions(args.build, mix, folder)
        loads.append(os.getloadavg()[0])
    lines = [*intro(rounds, loads), *goal_section(results)]
    for result in results:
        lines.extend(mix_section(result))
    lines.extend(stage_section(results))
    lines.extend(instruction_section(counts))
    if not args.quick and not args.mix:
        lines.extend(part_section(count_by_part(args.build, folder), counts))
        lines.extend(hostile_section(args.build))
    return results, "\n".join(lines)


def main():
    args = parse()
    with tempfile.TemporaryDirectory(prefix="synfin-bench-", dir=os.environ.get("TMPDIR")) as name:
        if not args.quick and shutil.disk_usage(name).free < 4 << 30:
            sys.exit(f"bench: {name} has less than 4 GiB free")
        results, text = measure_all(args, Path(name))
    print(text)
    if args.docs:
        args.docs.mkdir(exist_ok=True)
        (args.docs / "benchmark.md").write_text(text)
        (args.docs / "benchmark.svg").write_text(draw(results))


main()
