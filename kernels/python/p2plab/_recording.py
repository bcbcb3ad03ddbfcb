# SPDX-License-Identifier: Apache-2.0
"""What the calls of a block of code, or of a function, did: counted, timed, held against what was expected. Needs no other program."""

import contextlib
import ctypes
import functools
import os
from collections import namedtuple
from ctypes import c_char, c_double, c_int, c_size_t, c_uint64

from ._library import KINDS, OPS, TYPES, Error, check, library

LEVELS = ("off", "basic", "detailed", "steps")


class Recorded(ctypes.Structure):
    _fields_ = [(name, c_uint64) for name in ("number", "communicator", "sequence", "count", "begun_ns")] + [
        (name, c_double) for name in ("time_us", "predicted_us", "low_us", "high_us")] + [("replays", c_uint64)] + [
        (name, c_double) for name in ("sum_us", "least_us", "most_us")] + [
        (name, c_int) for name in ("rank", "ranks", "kind", "type", "op", "captured", "replayed", "failed")] + [
        ("algorithm", c_char * 32), ("protocol", c_char * 16), ("backend", c_char * 8)]


_names = [name for name, _ in Recorded._fields_]
RecordedCall = namedtuple("RecordedCall", _names)
RecordedCall.__doc__ = "As p2plab/c/recorded.h says of p2plab_recorded, kind, type and op as words; times in microseconds, None: not known."
_words = {"kind": {number: word for word, number in KINDS.items()}, "type": {number: word for word, number in TYPES.items()},
          "op": {number: word for word, number in OPS.items()}}


def _call(raw):
    values = []
    for name in _names:
        value = getattr(raw, name)
        if name in _words:
            value = _words[name].get(value)
        elif isinstance(value, bytes):
            value = value.decode(errors="replace")
        elif name.endswith("_us"):
            value = value or None
        elif name in ("captured", "replayed", "failed"):
            value = bool(value)
        values.append(value)
    return RecordedCall(*values)


def _calls(after, most=None):
    """Calls from a number on, up to another one, and how many were overwritten before."""
    number, given, lost, found, missed = c_uint64(after), c_size_t(), c_uint64(), [], 0
    room = 4096
    page = (Recorded * room)()
    while True:
        check(library().p2plab_recorded_calls(ctypes.byref(number), page, ctypes.sizeof(Recorded), room, ctypes.byref(given), ctypes.byref(lost)))
        found += [_call(page[i]) for i in range(given.value)]
        missed += lost.value
        if given.value < room:
            break
    if most is not None:
        found = [call for call in found if call.number < most]
    return found, missed


def _replays():
    every = c_size_t()
    check(library().p2plab_recorded_replays(None, ctypes.sizeof(Recorded), 0, ctypes.byref(every)))
    page = (Recorded * max(every.value, 1))()
    check(library().p2plab_recorded_replays(page, ctypes.sizeof(Recorded), every.value, ctypes.byref(every)))
    return [_call(page[i]) for i in range(min(every.value, len(page)))]


def _next():
    """The number of the next call of the record."""
    number, given, lost = c_uint64(), c_size_t(), c_uint64()
    check(library().p2plab_recorded_calls(ctypes.byref(number), None, ctypes.sizeof(Recorded), 0, ctypes.byref(given), ctypes.byref(lost)))
    return number.value


def _recording():
    """Is this process recording already? Groups that are made later may begin it."""
    try:
        _next()
        return True
    except Error as none:
        if none.result != "UNSUPPORTED":
            raise
        return False


class Monitor:
    """What `monitor` gives: `calls` put on streams or replayed in the block, `replays` of graphs by captured call, `lost`, and `text()`. All of it is
    of the moment when it is first asked for after the block; a GPU that still works then has not said how long its calls took."""

    def __init__(self, level):
        self.level, self._from, self._before, self._until, self._read = level, 0, {}, None, None

    def _begin(self):
        if _recording():
            self._from = _next()
            self._before = {each.number: each for each in _replays()}

    def _end(self):
        self._until = _next() if _recording() else 0

    def _all(self):
        if self._read is None:
            if not _recording():
                raise Error("UNSUPPORTED", "no group was made in the block or before it with P2PLAB_MONITOR set, so nothing is recorded")
            calls, lost = _calls(self._from, self._until)
            replays = []
            for each in _replays():
                before = self._before.get(each.number)
                count, total = each.replays - (before.replays if before else 0), (each.sum_us or 0) - ((before.sum_us or 0) if before else 0)
                if count > 0:
                    replays.append(each._replace(replays=count, sum_us=total))
            if self._until is None:
                return calls, replays, lost
            self._read = calls, replays, lost
        return self._read

    @property
    def calls(self):
        return self._all()[0]

    @property
    def replays(self):
        """Calls in graphs: how often they ran in the block (`replays`) and how long in all (`sum_us`); least_us and most_us are of all time."""
        return self._all()[1]

    @property
    def lost(self):
        return self._all()[2]

    def text(self):
        """A line for each collective, size and way: calls, mean time, what was expected."""
        rows = {}
        for call in self.calls:
            if call.replayed or call.failed:
                continue
            row = rows.setdefault((call.kind, call.count, call.type, call.backend, call.algorithm, call.protocol), [0, 0, 0, 0.0, call.predicted_us])
            if call.captured:
                continue
            row[0] += 1
            if call.time_us:
                row[2] += 1
                row[3] += call.time_us
        for call in self.replays:
            row = rows.setdefault((call.kind, call.count, call.type, call.backend, call.algorithm, call.protocol), [0, 0, 0, 0.0, call.predicted_us])
            row[1] += call.replays
            row[2] += call.replays
            row[3] += call.sum_us
        lines = []
        for (kind, count, dtype, backend, algorithm, protocol), (calls, replays, timed, total, predicted) in sorted(rows.items(), key=str):
            mean = f"{total / timed:.2f} us" if timed else "not timed"
            expected = f", {predicted:.2f} us expected" if predicted else ""
            lines.append(f"{kind} of {count} {dtype} by {backend} {algorithm} {protocol}: {calls} calls, {replays} replays, {mean}{expected}")
        if self.lost:
            lines.append(f"{self.lost} calls were overwritten before they were read")
        return "\n".join(lines)


@contextlib.contextmanager
def _block(level):
    if "P2PLAB_MONITOR" not in os.environ:
        os.environ["P2PLAB_MONITOR"] = level  # for groups that are made from now on; a process records at one level
        os.environ.setdefault("P2PLAB_MONITOR_EACH", "1")
    made = Monitor(os.environ["P2PLAB_MONITOR"])
    made._begin()
    try:
        yield made
    finally:
        made._end()


def monitor(level="detailed"):
    """`with p2plab.monitor() as seen:` records the calls of the block: seen.calls, seen.replays, seen.text(). Groups that were made before are recorded
    if P2PLAB_MONITOR was set then, or an earlier block had begun; the level is that of the first. Unless P2PLAB_MONITOR_EACH is 0 every call of a
    graph is noted by its kernel."""
    if level not in LEVELS or level == "off":
        raise Error("INVALID", f"a level is one of {', '.join(LEVELS[1:])}, not '{level}'")
    return _block(level)


def recorded(function=None, *, level="detailed"):
    """`@p2plab.recorded`: the calls of the function's latest run are in `function.seen`, a Monitor; `function.runs` counts them."""
    if function is None:
        return functools.partial(recorded, level=level)
    monitor(level)  # a level that is none is said here

    @functools.wraps(function)
    def run(*arguments, **named):
        with monitor(level) as seen:
            run.seen, run.runs = seen, run.runs + 1
            return function(*arguments, **named)

    run.seen, run.runs = None, 0
    return run
