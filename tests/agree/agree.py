#!/usr/bin/env python3
"""Reads captures with synfin and with its peers, and lists where they disagree.

usage: agree.py [options] SYNFIN DIR...     see --help; exit 1 on a difference nothing explains
"""
import argparse
import concurrent.futures
import os
import pathlib
import random
import shutil
import sys
import traceback

sys.dont_write_bytecode = True  # the source folder stays as it is

import against_kernel
import against_tcptrace
import against_tshark
import against_zeek
import ledger
import sanity
import tools

MAGICS = (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d",
          b"\x0a\x0d\x0d\x0a")
GZIP = b"\x1f\x8b"


def captures_of(folder):
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.stat().st_size > 24:
            with open(path, "rb") as file:
                magic = file.read(4)
            if magic in MAGICS or magic[:2] == GZIP and path.name.endswith(".pcap.gz"):
                yield path


def compare_capture(job):
    """The sheet of one capture. Runs in a worker process."""
    options, root, path = job
    sheet = ledger.Sheet(str(path.relative_to(root)))
    try:
        read_and_compare(options, path, sheet)
    except tools.ToolError as error:
        sheet.compare("runs", "all", [("error", None, str(error))])
    except Exception:  # one odd capture must not end the run
        sheet.compare("runs", "all", [("harness", None, traceback.format_exc())])
    return sheet


def read_and_compare(options, path, sheet):
    synfin = tools.synfin(options.synfin, path, "--segments")
    sheet.compare("runs", "all", [("error", None, None)])
    sanity.check(sheet, synfin)
    truth = against_kernel.truth_of(path)
    if truth:
        against_kernel.compare(sheet, truth, path, synfin)
    if path in options.zeek:
        against_zeek.compare(sheet, options.synfin, path, options.zeek[path])
    if "tshark" in options.peers or "tcptrace" in options.peers:
        packets, unread = tools.tshark_packets(path)
    if "tshark" in options.peers:
        against_tshark.compare_presence(sheet, synfin, packets, unread)
        against_tshark.compare_numbers(sheet, synfin, packets)
        against_tshark.compare_labels(sheet, synfin, packets)
        against_tshark.compare_completeness(sheet, synfin, packets,
                                            tools.tshark_completeness(path))
    if "tcptrace" in options.peers:
        against_tcptrace.compare(sheet, synfin, tools.tcptrace(path), packets, path)


def peers_of(text):
    if text == "installed":
        return [peer for peer in ("tshark", "tcptrace") if shutil.which(peer)]
    return text.split(",")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("synfin", type=pathlib.Path)
    parser.add_argument("folders", metavar="DIR", nargs="+", type=pathlib.Path)
    parser.add_argument("--peers", default="tshark,tcptrace", type=peers_of,
                        help="or none, or installed: those that there are")
    parser.add_argument("--sample", type=int, metavar="N",
                        help="N captures of each folder, the same in every run")
    parser.add_argument("--markdown", type=pathlib.Path, metavar="FILE", help="the table")
    parser.add_argument("--list", type=pathlib.Path, metavar="FILE",
                        help="only the captures that FILE names, relative to their folder")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--differences", type=pathlib.Path, metavar="FILE",
                        help="every difference, explained or not, as tab-separated lines")
    return parser.parse_args()


def zeek_rows(folders):
    """{capture: rows of Zeek's baselines}."""
    found = {}
    for folder in folders:
        for trace, rows in against_zeek.read_oracle(folder).items():
            found[folder / against_zeek.TRACES / trace] = rows
    return found


def jobs_of(options):
    wanted = set(options.list.read_text().split("\n")) if options.list else None
    for folder in options.folders:
        paths = [path for path in captures_of(folder)
                 if wanted is None or str(path.relative_to(folder)) in wanted]
        if options.sample and len(paths) > options.sample:
            paths = sorted(random.Random(1).sample(paths, options.sample))
        for path in paths:
            yield options, folder, path


def print_table(book):
    for name, *numbers in book.comparisons():
        print_row(name, *numbers)
        for field, *numbers in book.field_rows(name):
            print_row("    " + field, *numbers)


def print_row(name, count, equal, converted, explained, unexplained):
    print(f"{name:26} {count:9} {equal:9} equal {ledger.percent(equal, count):>6} %  "
          f"{converted:6} converted {ledger.percent(equal + converted, count):>6} %  "
          f"{explained:6} explained {unexplained:6} not")


def write_differences(book, path):
    with open(path, "w") as file:
        for difference in [*book.unexplained, *book.explained]:
            print(*("-" if value is None else value for value in difference), sep="\t", file=file)


def main():
    options = parse_arguments()
    options.synfin = options.synfin.resolve()
    options.folders = [pathlib.Path(os.path.expandvars(folder)) for folder in options.folders]
    for folder in options.folders:
        if not folder.is_dir():
            print(f"skipped: no folder {folder}")
            return 77
    options.zeek = zeek_rows(options.folders)
    book = ledger.Ledger()
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        for sheet in pool.map(compare_capture, jobs_of(options), chunksize=4):
            book.add(sheet)
    for note in book.notes:
        print(note)
    for difference in book.unexplained:
        print(ledger.show(difference))
    print_table(book)
    if options.markdown:
        lines = ledger.markdown(book, [folder.name for folder in options.folders])
        options.markdown.write_text("\n".join(lines) + "\n")
        for row in book.idle_rows():
            print("explains nothing here:", *row.values())
    if options.differences:
        write_differences(book, options.differences)
    return 1 if book.unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
