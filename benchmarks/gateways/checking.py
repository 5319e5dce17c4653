"""Pure parts: is a stream complete, and what lies at which percentile."""

import re
from array import array
from collections.abc import Sequence

MARK = re.compile(rb"@(\d+)#(\d+)@")
FINISH = re.compile(rb'"finish_reason": ?"stop"')
USAGE = re.compile(rb'"total_tokens": ?\d')


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed; NaN if there are none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, -int(-share * len(ordered) // 1) - 1))]


class StreamCheck:
    """Reads the body of one stream piece by piece; the delay of each event in ns goes into `delays`."""

    def __init__(self, events: int, delays: array) -> None:
        self.expected = events
        self.seen = 0
        self.first_ns = self.last_ns = 0
        self._delays = delays
        self._out_of_order = False
        self._rest = b""  # an event counts once its line is complete
        self._end = b""  # from the last content on

    def feed(self, body: bytes, now_ns: int) -> None:
        data = self._rest + body if self._rest else body
        cut = data.rfind(b"\n") + 1
        self._rest = data[cut:]
        for number, sent in MARK.findall(data, 0, cut):
            if int(number) != self.seen:
                self._out_of_order = True
            self.seen += 1
            self._delays.append(now_ns - int(sent))
            self.first_ns = self.first_ns or now_ns
            self.last_ns = now_ns
        if self.seen >= self.expected:
            self._end += data[:cut]

    def problem(self, status: int, *, ended: bool) -> str:
        """Empty: complete, in order, finished, with usage and end mark, and its message ended as HTTP has it."""
        if status != 200:
            return f"status {status}"
        if not ended:
            return "not ended"
        if self._out_of_order:
            return "events out of order"
        if self.seen != self.expected:
            return "events missing"
        if not FINISH.search(self._end):
            return "no finish"
        if not USAGE.search(self._end):
            return "no usage"
        return "" if self._end.rstrip().endswith(b"data: [DONE]") else "no [DONE]"


def difference(bill: dict[tuple[int, int], int], ledger: dict[tuple[int, int], int]) -> int:
    """Calls that only one of the two has; both say how often each pair of prompt and completion tokens came."""
    return sum(abs(bill.get(pair, 0) - ledger.get(pair, 0)) for pair in bill.keys() | ledger.keys())
