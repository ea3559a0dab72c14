"""The rows of Zeek's own baselines that its TCP rules alone explain: oracle/zeek-verified.tsv."""
import collections
import csv
import decimal
import pathlib

import tools

TRACES = pathlib.Path("zeek_zeek/testing/btest/Traces")
FIELDS = ("conn_state history missed_bytes duration orig_bytes resp_bytes orig_pkts orig_ip_bytes "
          "resp_pkts resp_ip_bytes").split()
IN_RECORD = ("conn_state", "history", "missed_bytes", "orig_bytes", "resp_bytes")


def read_oracle(captures):
    """{trace: its rows} of the folder beside the captures; empty without it."""
    path = captures.parent / "oracle" / "zeek-verified.tsv"
    rows = collections.defaultdict(list)
    if path.is_file():
        with open(path, newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                rows[row["trace"]].append(row)
    return rows


def conn_log(program, capture, options):
    """The rows of `synfin -o zeek`."""
    text = tools.run([program, "-q", "-o", "zeek", *options, capture])[1].decode()
    names = []
    for line in text.splitlines():
        values = line.split("\t")
        if values[0] == "#fields":
            names = values[1:]
        elif not line.startswith("#"):
            row = dict(zip(names, values))
            yield {**row, "orig_h": row["id.orig_h"], "orig_p": row["id.orig_p"],
                   "resp_h": row["id.resp_h"], "resp_p": row["id.resp_p"]}


def key(row):
    return decimal.Decimal(row["ts"]), *(row[n] for n in ("orig_h", "orig_p", "resp_h", "resp_p"))


def unset(value):
    return "-" if value in (None, "") else str(value)


def compare_row(sheet, row, ours):
    where = f"{row['ts']} {row['orig_h']}:{row['orig_p']} {row['resp_h']}:{row['resp_p']}"
    if ours is None:
        sheet.compare("zeek rows", where, [("row", "present", None)])
        return
    pairs = []
    for field in FIELDS:
        theirs, own = unset(row[field]), unset(ours.get(field))
        if field == "duration" and "-" not in (theirs, own):
            theirs, own = decimal.Decimal(theirs), decimal.Decimal(own)
        pairs.append((field, theirs, own))
    sheet.compare("zeek rows", where, pairs)


def compare_record(sheet, row, records):
    """The record's zeek object, where the row begins with the record's first packet."""
    tuple_of_row = {(row["orig_h"], int(row["orig_p"])), (row["resp_h"], int(row["resp_p"]))}
    for record in records:
        ends = {(record[end]["ip"], record[end]["port"]) for end in ("client", "server")}
        if ends != tuple_of_row or not is_start(record, row["ts"]) or record["zeek"] is None:
            continue
        zeek = record["zeek"]
        originator = record[zeek["originator"]]
        pairs = [(field, unset(row[field]), unset(zeek[field])) for field in IN_RECORD]
        pairs.append(("originator", (row["orig_h"], int(row["orig_p"])),
                      (originator["ip"], originator["port"])))
        sheet.compare("zeek records", f"connection {record['id']}", pairs)


def is_start(record, ts):
    return abs(tools.seconds(record["start"]) - decimal.Decimal(ts)) < decimal.Decimal("0.000001")


def compare(sheet, program, capture, rows):
    by_flags = collections.defaultdict(list)
    for row in rows:
        by_flags[row["flags"]].append(row)
    for flags, group in by_flags.items():
        options = [] if "-C" in flags else ["--verify-checksums"]
        ours = {key(row): row for row in conn_log(program, capture, options)}
        records = tools.synfin(program, capture, *options)["connections"]
        for row in group:
            compare_row(sheet, row, ours.get(key(row)))
            compare_record(sheet, row, records)
