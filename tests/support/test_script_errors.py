#!/usr/bin/env python3
"""What is wrong with a script is said as file:line: what; and a script that is not met fails.

usage: test_script_errors.py RUN_SCRIPT
"""
import pathlib
import subprocess
import sys
import tempfile

SYN = "+0 c S 0(0) ; c SYN-SENT s -\n"

# (script, what must be said, behind the file's name)
CASES = [
    ("", "0: no segment"),
    ("+0 x S 0(0)\n", "1: the sender is 'c' or 's', not 'x'"),
    ("\n# a comment\n+0 c Q 0(0)\n", "3: not flags: 'Q'"),
    ("+0 c S 0:5(4)\n", "1: the length is not the distance"),
    ("+0 c . 1(0)\n", "1: a segment with the ACK bit needs 'ack'"),
    ("+0 c S 0(0) <mss 70000>\n", "1: not an option"),
    ("+0 c S 0(0) ; c OPEN\n", "1: not a state: 'OPEN'"),
    ("+0 c S 0(0) ! lost_interest\n", "1: not an anomaly: 'lost_interest'"),
    ("+0 c S 0(0) ~ label blue\n", "1: not a label: 'blue'"),
    ("+.0000001 c S 0(0)\n", "1: not a time in whole microseconds"),
    ("+0 dup\n", "1: nothing to duplicate"),
    ("+0 icmp 3/1 c\n", "1: no segment to quote"),
    ("flow 0\n", "1: flows are numbered"),
    ("sometimes\n", "1: not understood: 'sometimes'"),
    (SYN + "= close.how\n", "2: a field needs a value"),
    (SYN + "end ! unanswered\n= close.reson none\n", "3: no field close.reson"),
    (SYN + "end ! unanswered\n= client.syns 2\n", "3: record 1: client.syns is 1, script says 2"),
    (SYN.replace("SYN-SENT", "CLOSED") + "end ! unanswered\n", "1: c is SYN-SENT, script says CLOSED"),
    (SYN.replace("SYN-SENT", "SYN-SENT ?") + "end ! unanswered\n",
     "1: c SYN-SENT is proved, script says assumed"),
    (SYN, "end: record 1: unexpected unanswered"),
    (SYN + "end ! unanswered ! reset\n", "end: record 1: no reset"),
    (SYN.replace(" ;", " ! retransmission ;") + "end ! unanswered\n", "1: no retransmission here"),
    (SYN + "+1 c S 0(0)\nend ! unanswered\n", "2: unexpected syn_retransmitted of c"),
    (SYN + "end ! unanswered\nconnections 2\n", "end: 1 connections, script says 2"),
]


def main():
    faults = []
    for text, wanted in CASES:
        with tempfile.TemporaryDirectory() as folder:
            script = pathlib.Path(folder, "case.seg")
            script.write_text(text)
            run = subprocess.run([sys.argv[1], script], capture_output=True, text=True)
            if run.returncode != 1 or f"{script}:{wanted}" not in run.stdout:
                faults.append(f"{text!r}: wanted '{wanted}', got {run.returncode} {run.stdout!r}"
                              f"{run.stderr}")
    print("\n".join(faults) or f"{len(CASES)} cases")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
