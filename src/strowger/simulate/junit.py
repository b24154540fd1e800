"""The verdicts of rehearsed calls as JUnit XML, for what shows test results. Pure."""

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from strowger.simulate.judging import Verdict, transcript_lines
from strowger.simulate.performance import Performance

NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(judged: Sequence[tuple[Performance, Sequence[Verdict]]]) -> bytes:
    """One test case per call. Times are those of the calls, not of their computing."""
    failed = sum(any(not each.good for each in verdicts) for _, verdicts in judged)
    total = sum(performance.duration for performance, _ in judged)
    suite = Element(
        "testsuite",
        name="strowger simulate",
        tests=str(len(judged)),
        failures=str(failed),
        errors="0",
        skipped="0",
        time=f"{total:.3f}",
    )
    for performance, verdicts in judged:
        case = SubElement(
            suite,
            "testcase",
            classname="strowger.simulate",
            name=_text(performance.name),
            time=f"{performance.duration:.3f}",
        )
        for verdict in verdicts:
            if not verdict.good:
                failure = SubElement(
                    case, "failure", type=verdict.expectation, message=_text(verdict.message)
                )
                failure.text = _text("\n".join(verdict.around))
        said = SubElement(case, "system-out")
        said.text = _text("\n".join(transcript_lines(performance.transcript)))
    indent(suite)
    written: bytes = tostring(suite, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _text(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return NOT_IN_XML.sub("\ufffd", text)
