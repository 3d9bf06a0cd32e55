"""Compares results of moto's tests with the list of deliberate differences.

    compare.py RESULTS.xml DIFFERENCES.txt

A line of the list is a test, as FILE::NAME, and a reason. Exits with 1 if an
unlisted test fails, or if a listed test passes or is missing.
"""

import sys
import xml.etree.ElementTree as ET


def outcomes(path):
    found = {}
    for case in ET.parse(path).iter("testcase"):
        name = f"{case.get('classname').rsplit('.', 1)[-1]}::{case.get('name')}"
        problem = case.find("failure") if case.find("failure") is not None else case.find("error")
        if case.find("skipped") is not None:
            found[name] = ("skipped", "")
        elif problem is not None:
            found[name] = ("failed", problem.get("message", "").splitlines()[0][:300])
        else:
            found[name] = ("passed", "")
    return found


def differences(path):
    listed = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                name, _, reason = line.strip().partition(" ")
                if not reason.strip():
                    sys.exit(f"{path}: {name} has no reason")
                listed[name] = reason.strip()
    return listed


def main():
    found, listed = outcomes(sys.argv[1]), differences(sys.argv[2])
    problems = []
    for name, (outcome, message) in sorted(found.items()):
        if outcome == "failed" and name not in listed:
            problems.append(f"{name} fails and is not listed: {message}")
    for name in sorted(listed):
        outcome = found.get(name, ("missing", ""))[0]
        if outcome != "failed":
            problems.append(f"{name} is listed as a difference and is {outcome}")
    count = lambda wanted: sum(outcome == wanted for outcome, _ in found.values())
    for problem in problems:
        print(problem)
    verdict = "FAILED" if problems or not found else "ok"
    print(f"moto's tests of Kinesis: {count('passed')} passed, {count('failed')} failed ({len(listed)} differences are listed), {count('skipped')} skipped")
    print(f"test result: {verdict}. {count('passed')} passed; {len(problems)} failed; moto's tests of Kinesis")
    sys.exit(bool(problems) or not found)


main()
