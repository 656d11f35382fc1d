import threading
import time

import numpy as np
import pytest

from model.batching import BatchingQueue
from model.errors import AbandonedError, DeadlineError, ModelError, OverloadError


class Engine:
    """Stands for the network: notes its runs, and gives each window's first token as its share."""

    def __init__(self, seconds=0.0):
        self.runs, self.seconds = [], seconds
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def __call__(self, windows):
        self.runs.append([int(window[0]) for window in windows])
        self.entered.set()
        self.gate.wait(5)
        time.sleep(self.seconds)
        if any(window[0] == 666 for window in windows):
            raise RuntimeError
        return [np.full((len(window), 2), window[0], dtype=float) for window in windows]


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def queue(engine):
    queue = BatchingQueue(engine, batch_tokens=64, bulk_tokens=32, max_tokens=1_000)
    yield queue
    engine.gate.set()
    queue.close()


def window(value, length=6):
    return np.full(length, value)


def hold(queue, engine):
    """Keep the engine in a run, so that what comes next has to wait; the run ends with the gate."""
    engine.gate.clear()
    engine.entered.clear()
    thread = start(queue, [window(0)])
    assert engine.entered.wait(5)
    return thread


def start(queue, windows, results=None, timeout=5.0, wanted=None):
    def call():
        try:
            found = queue.run(windows, timeout, wanted)
        except (ModelError, RuntimeError) as error:
            found = error
        if results is not None:
            results.append(found)

    thread = threading.Thread(target=call)
    thread.start()
    return thread


def settle(queue, count):
    limit = time.monotonic() + 5
    while queue.waiting != count and time.monotonic() < limit:
        time.sleep(0.001)
    assert queue.waiting == count


def test_results_come_in_order_whatever_the_lengths(queue):
    lengths = [9, 2, 30, 5, 5, 17, 1]
    found = queue.run([window(i, length) for i, length in enumerate(lengths)], 5)
    assert [len(shares) for shares in found] == lengths
    assert [int(shares[0, 0]) for shares in found] == list(range(7))


def test_no_windows_need_no_engine(queue, engine):
    assert queue.run([], 1) == []
    assert engine.runs == []


def test_callers_share_a_run(queue, engine):
    threads = [hold(queue, engine)]
    for value in range(1, 6):
        threads.append(threading.Thread(target=queue.run, args=([window(value)], 5)))
        threads[-1].start()
    settle(queue, 5)
    engine.gate.set()
    for thread in threads:
        thread.join()
    assert sorted(map(sorted, engine.runs)) == [[0], [1, 2, 3, 4], [5]], "shapes stay few: powers of two"


def test_a_run_holds_like_lengths_within_its_tokens(queue, engine):
    threads = [hold(queue, engine)]
    for value, length in ((1, 6), (2, 50), (3, 6), (4, 48), (5, 7)):
        threads.append(threading.Thread(target=queue.run, args=([window(value, length)], 5)))
        threads[-1].start()
        settle(queue, value)
    engine.gate.set()
    for thread in threads:
        thread.join()
    assert [sorted(run) for run in engine.runs] == [[0], [1, 3, 5], [2], [4]], "48 and 50 exceed a run's tokens"


def test_a_window_joins_when_its_padding_costs_less_than_a_run(engine):
    queue = BatchingQueue(engine)
    threads = [hold(queue, engine)]
    for value, length in ((1, 100), (2, 60), (3, 40), (4, 300)):
        threads.append(start(queue, [window(value, length)]))
        settle(queue, value)
    engine.gate.set()
    for thread in threads:
        thread.join()
    queue.close()
    assert sorted(map(sorted, engine.runs)) == [[0], [1, 2], [3], [4]]


def test_a_run_alone_gets_the_whole_engine(engine):
    wide = Engine()
    queue = BatchingQueue(engine, alone=wide)
    queue.run([window(1)], 5)
    assert (wide.runs, engine.runs) == ([[1]], [])
    wide.gate.clear()
    wide.entered.clear()
    first = start(queue, [window(2)])
    assert wide.entered.wait(5)
    others = [start(queue, [window(value, length)]) for value, length in ((3, 6), (4, 300))]
    settle(queue, 2)
    wide.gate.set()
    for thread in (first, *others):
        thread.join()
    queue.close()
    assert engine.runs == [[3]], "one more waits behind it"
    assert wide.runs == [[1], [2], [4]]


def test_single_messages_pass_bulk_and_bulk_is_not_starved(queue, engine):
    threads = [hold(queue, engine)]
    threads.append(threading.Thread(target=queue.run, args=([window(100 + i, 30) for i in range(4)], 5)))
    threads[-1].start()
    settle(queue, 4)
    for value in range(1, 7):
        threads.append(threading.Thread(target=queue.run, args=([window(value, 62)], 5)))
        threads[-1].start()
        settle(queue, 4 + value)
    engine.gate.set()
    for thread in threads:
        thread.join()
    kinds = ["bulk" if run[0] >= 100 else "single" for run in engine.runs[1:]]
    assert kinds[:4] == ["single", "single", "single", "bulk"]
    assert kinds[:8].count("bulk") == 2


def test_bulk_callers_take_turns(queue, engine):
    threads = [hold(queue, engine)]
    for first in (100, 200):
        threads.append(threading.Thread(target=queue.run, args=([window(first + i, 30) for i in range(3)], 5)))
        threads[-1].start()
        settle(queue, 3 * first // 100)
    engine.gate.set()
    for thread in threads:
        thread.join()
    assert [run[0] // 100 for run in engine.runs[1:]] == [1, 2, 1, 2, 1, 2]


def test_beyond_the_limit_callers_are_refused_with_a_time(queue, engine):
    thread = hold(queue, engine)
    waiting = threading.Thread(target=queue.run, args=([window(1, 98) for _ in range(9)], 5))
    waiting.start()
    settle(queue, 9)
    with pytest.raises(OverloadError) as refused:
        queue.run([window(2, 98), window(3, 98)], 5)
    assert refused.value.seconds > 0
    engine.gate.set()
    thread.join()
    waiting.join()


def test_a_request_larger_than_the_limit_is_served_when_nothing_waits(queue):
    assert len(queue.run([window(1, 98) for _ in range(30)], 5)) == 30


def test_what_is_late_is_dropped(queue, engine):
    thread = hold(queue, engine)
    with pytest.raises(DeadlineError):
        queue.run([window(1)], 0.05)
    engine.gate.set()
    thread.join()
    queue.run([window(2)], 5)
    assert [1] not in engine.runs
    assert queue.waiting == 0


def test_what_nobody_waits_for_is_dropped(queue, engine):
    results = []
    threads = [hold(queue, engine), start(queue, [window(1)], results, wanted=lambda: False)]
    settle(queue, 1)
    engine.gate.set()
    for thread in threads:
        thread.join()
    assert isinstance(results[0], AbandonedError)
    assert [1] not in engine.runs


def test_one_bad_window_takes_no_other_down(queue, engine):
    results = []
    threads = [hold(queue, engine), *(start(queue, [window(value)], results) for value in (1, 666, 2))]
    settle(queue, 3)
    engine.gate.set()
    for thread in threads:
        thread.join()
    errors = [found for found in results if isinstance(found, Exception)]
    assert len(errors) == 1
    assert sorted(int(found[0][0, 0]) for found in results if isinstance(found, list)) == [1, 2]


def test_closing_finishes_what_waits():
    engine = Engine(seconds=0.01)
    queue = BatchingQueue(engine, streams=2)
    results = []
    threads = [threading.Thread(target=lambda: results.append(queue.run([window(1)], 5))) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.005)
    for thread in threads:
        thread.join()
    queue.close()
    assert len(results) == 8
    with pytest.raises(OverloadError):
        queue.run([window(1)], 1)
