"""What forking a process that has an outbox open does: nothing, on either side."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.delivery.processes import killed, output_of

DRAIN = """
def drain(outbox):
    ids = []
    while (entry := outbox.claim_next(0.0)) is not None:
        ids += ids_of(entry.request)
        outbox.acknowledge(entry)
    return ids
"""


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_both_sides_deliver_what_is_theirs(where: str, tmp_path: Path) -> None:
    """The child starts empty, in a file of its own; the parent keeps everything."""
    script = f"""{DRAIN}
outbox = Outbox(sys.argv[1])
outbox.put([messages("chat-42", "before")])
entry = outbox.claim_next(0.0)
child = os.fork()
outbox.put([messages("chat-42", "in the " + ("parent" if child else "child"))])
if child:
    os.waitpid(child, 0)
    outbox.acknowledge(entry)
print(drain(outbox), str(outbox.get_stats()), flush=True)
outbox.close()
os._exit(0)
"""
    lines = output_of(script, ":memory:" if where == "memory" else tmp_path).splitlines()
    assert lines == [
        "['in the child'] accepted 1 = delivered 1 + pending 0 + rejected 0 + lost 0",
        "['in the parent'] accepted 2 = delivered 2 + pending 0 + rejected 0 + lost 0",
    ]
    assert list(tmp_path.iterdir()) == []


def test_what_a_child_leaves_is_found(tmp_path: Path) -> None:
    """A child that ends without a word (``os._exit``) loses nothing that was put."""
    script = f"""{DRAIN}
outbox = Outbox(sys.argv[1])
for n in range(5):
    if (child := os.fork()) == 0:
        outbox.put([messages("chat-42", str(n))])
        os._exit(0)
    os.waitpid(child, 0)
outbox.close()
outbox = Outbox(sys.argv[1])
print(sorted(drain(outbox)))
"""
    assert output_of(script, tmp_path) == "['0', '1', '2', '3', '4']"


def test_forking_under_load(tmp_path: Path) -> None:
    """While other threads put and deliver, forks neither hang nor lose nor break anything."""
    script = f"""{DRAIN}
import threading
outbox = Outbox(sys.argv[1])
stop, put, delivered = threading.Event(), [], []
def put_some():
    while not stop.is_set():
        outbox.put([messages(f"chat-{{len(put) % 7}}", f"p{{len(put)}}")])
        put.append(f"p{{len(put)}}")
def deliver():
    while not stop.is_set():
        delivered.extend(drain(outbox))
threads = [threading.Thread(target=target) for target in (put_some, deliver)]
for thread in threads: thread.start()
for n in range(30):
    if (child := os.fork()) == 0:
        outbox.put([messages("chat-42", f"c{{n}}-{{i}}") for i in range(3)])
        os._exit(0)
    if n % 2:
        os.waitpid(child, 0)
stop.set()
for thread in threads: thread.join()
while True:
    try: os.wait()
    except ChildProcessError: break
delivered += drain(outbox)
print(sorted(delivered) == sorted(put), outbox.get_stats().accepted == len(put), outbox.get_stats().lost)
outbox.close()
print(sorted(drain(Outbox(sys.argv[1]))) == sorted(f"c{{n}}-{{i}}" for n in range(30) for i in range(3)))
"""
    lines = output_of(script, tmp_path).splitlines()
    assert lines == ["True True {}", "True"]


def test_a_child_that_never_uses_it_leaves_no_trace(tmp_path: Path) -> None:
    """The parent still owns its file, so that no other process takes it over."""
    script = f"""{DRAIN}
outbox = Outbox(sys.argv[1])
outbox.put([messages("chat-42", "a")])
if (child := os.fork()) == 0:
    os._exit(0)
os.waitpid(child, 0)
other = Outbox(sys.argv[1])
print(drain(other), drain(outbox), len(os.listdir(sys.argv[1])) > 1)
"""
    assert output_of(script, tmp_path) == "[] ['a'] True"


def test_a_file_stays_its_owners_during_a_fork(tmp_path: Path) -> None:
    """Another process that starts at that moment finds it locked."""
    script = f"""{DRAIN}
from greenflash_otel.delivery import fork_hooks
outbox = Outbox(sys.argv[1])
outbox.put([messages("chat-42", "a")])
entry = outbox.claim_next(0.0)
fork_hooks._prepare_fork()
files = [path for path in os.listdir(sys.argv[1]) if path.endswith(".sqlite3")]
from greenflash_otel.delivery.files import try_lock
from pathlib import Path
print(try_lock(Path(sys.argv[1]) / files[0], limit_bytes=1 << 20))
fork_hooks._resume_in_parent()
outbox.put([messages("chat-42", "b")])
outbox.acknowledge(entry)
print(drain(outbox), outbox.get_stats())
"""
    assert output_of(script, tmp_path).splitlines() == [
        "None",
        "['b'] accepted 2 = delivered 2 + pending 0 + rejected 0 + lost 0",
    ]


def test_a_fork_in_c_that_only_tells_the_child(tmp_path: Path) -> None:
    """uWSGI runs no hook in the parent: the child leaves the inherited handle alone."""
    script = f"""{DRAIN}
from greenflash_otel.delivery import fork_hooks
outbox = Outbox(sys.argv[1])
outbox.put([messages("chat-42", "a")])
held, fork_hooks._watching = list(fork_hooks._watching), type(fork_hooks._watching)()
if (child := os.fork()) == 0:
    outbox.resume_after_fork(in_child=True)
    outbox.put([messages("chat-42", "b")])
    print(drain(outbox), flush=True)
    outbox.close()
    os._exit(0)
os.waitpid(child, 0)
outbox.put([messages("chat-42", "c")])
print(drain(outbox))
outbox.close()
print(os.listdir(sys.argv[1]))
"""
    assert output_of(script, tmp_path).splitlines() == ["['b']", "['a', 'c']", "[]"]


def test_the_process_id_alone_tells_a_child(tmp_path: Path) -> None:
    """Even where no hook ran at all, nothing of the parent's is touched."""
    script = f"""{DRAIN}
from greenflash_otel.delivery import fork_hooks
outbox = Outbox(sys.argv[1])
outbox.put([messages("chat-42", "a")])
held, fork_hooks._watching = list(fork_hooks._watching), type(fork_hooks._watching)()
if (child := os.fork()) == 0:
    print(outbox.get_stats().pending, drain(outbox), flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(outbox.get_stats().pending, drain(outbox))
"""
    assert output_of(script, tmp_path).splitlines() == ["0 []", "1 ['a']"]


def test_a_killed_child_is_found_too(tmp_path: Path) -> None:
    """Its file has no owner as soon as it is gone, though its parent had the same name for it."""
    killed(
        """
outbox = Outbox(sys.argv[1])
outbox.put([messages("chat-42", "parent")])
if os.fork() == 0:
    outbox.put([messages("chat-42", "child")])
    os.kill(os.getpid(), signal.SIGKILL)
os.wait()
print("ready", flush=True)
sys.stdin.read()
""",
        tmp_path,
    )
    script = f"{DRAIN}\nprint(sorted(drain(Outbox(sys.argv[1]))))"
    assert output_of(script, tmp_path) == "['child', 'parent']"
