"""redis-py among several clients: messages, queues that are waited for, streams with groups. Called with the port."""

import sys
import threading
import time

import redis

PORT = int(sys.argv[1])


def connect(**options):
    return redis.Redis(host="127.0.0.1", port=PORT, **options)


def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it does not come true"
        time.sleep(0.002)


def messages(r, **options):
    listener = connect(**options).pubsub(ignore_subscribe_messages=True)
    listener.subscribe("news")
    listener.psubscribe("w*")
    until(lambda: r.pubsub_numsub("news") == [(b"news", 1)] and r.pubsub_numpat() == 1)
    assert r.publish("news", "hello") == 1 and r.publish("weather", b"\x00rain") == 1
    got = []
    until(lambda: got.append(listener.get_message(timeout=1)) or len([m for m in got if m]) == 2)
    got = [m for m in got if m]
    assert [(m["type"], m["channel"], m["data"]) for m in got] == [
        ("message", b"news", b"hello"),
        ("pmessage", b"weather", b"\x00rain"),
    ], got
    large = b"x" * 3_000_000
    assert r.publish("news", large) == 1
    until(lambda: (listener.get_message(timeout=1) or {}).get("data") == large)
    listener.close()
    until(lambda: r.publish("news", "nobody") == 0)


def keyspace_events(r):
    r.config_set("notify-keyspace-events", "KEA")
    listener = connect().pubsub(ignore_subscribe_messages=True)
    listener.psubscribe("__keyevent@0__:*")
    until(lambda: r.pubsub_numpat() == 1)
    r.set("short", "lived", px=30)
    seen = []
    until(lambda: seen.append(listener.get_message(timeout=1)) or any(m and m["channel"].endswith(b"expired") for m in seen))
    r.config_set("notify-keyspace-events", "")
    listener.close()


def queues(r):
    """Four workers share a queue; each job is done once, and in the end they give up by themselves."""
    done, lock = [], threading.Lock()

    def work():
        client = connect()
        while True:
            job = client.blpop(["urgent", "jobs"], timeout=1)
            if job is None:
                return
            with lock:
                done.append(job[1])

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    until(lambda: r.info("clients")["blocked_clients"] == 4)
    for number in range(500):
        r.rpush("jobs" if number % 3 else "urgent", number)
    for worker in workers:
        worker.join()
    assert sorted(map(int, done)) == list(range(500)) and not r.exists("jobs", "urgent")
    start = time.monotonic()
    assert r.bzpopmin("nothing", timeout=0.2) is None and 0.15 < time.monotonic() - start < 10
    waiter = connect()
    moved = []
    thread = threading.Thread(target=lambda: moved.append(waiter.blmove("from", "to", 0)))
    thread.start()
    until(lambda: r.info("clients")["blocked_clients"] == 1)
    r.rpush("from", "element")
    thread.join()
    assert moved == [b"element"] and r.lrange("to", 0, -1) == [b"element"]


def streams(r):
    first = r.xadd("s", {"n": 0})
    r.xgroup_create("s", "g", "0")
    for number in range(1, 50):
        r.xadd("s", {"n": number}, maxlen=1000, approximate=True)
    assert r.xlen("s") == 50 and r.xrange("s", first, first) == [(first, {b"n": b"0"})]
    mine = r.xreadgroup("g", "me", {"s": ">"}, count=20)[0][1]
    rest = connect().xreadgroup("g", "you", {"s": ">"})[0][1]
    assert [entry[1][b"n"] for entry in mine + rest] == [b"%d" % n for n in range(50)]
    assert r.xack("s", "g", *[entry[0] for entry in mine]) == 20
    assert r.xpending("s", "g")["pending"] == 30
    claimed = r.xautoclaim("s", "g", "me", min_idle_time=0, count=10)
    assert len(claimed[1]) == 10 and r.xpending("s", "g")["consumers"][0]["pending"] == 10
    assert r.xinfo_stream("s")["length"] == 50 and r.xinfo_groups("s")[0]["lag"] == 0
    got = []
    thread = threading.Thread(target=lambda: got.append(connect().xread({"s": "$"}, block=20_000)))
    thread.start()
    until(lambda: r.info("clients")["blocked_clients"] == 1)
    new = r.xadd("s", {"late": "x"})
    thread.join()
    assert got[0][0][1] == [(new, {b"late": b"x"})], got
    assert r.xtrim("s", maxlen=10, approximate=False) == 41 and r.xdel("s", new) == 1


def locks(r):
    inside, most, turns = [0], [0], []

    def worker():
        own = connect()
        for _ in range(10):
            with own.lock("lock", timeout=30, sleep=0.001):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                turns.append(own.incr("turns"))
                inside[0] -= 1

    threads = [threading.Thread(target=worker) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 1 and turns == list(range(1, 31)), (most, turns)

    lock = r.lock("lock", timeout=30)
    assert lock.acquire() and lock.owned() and not r.lock("lock").acquire(blocking=False)
    assert lock.extend(10) and lock.reacquire() and r.pttl("lock") > 9_000
    r.set("lock", "stolen")
    try:
        lock.release()
    except redis.exceptions.LockError:
        pass
    else:
        raise AssertionError("a lock was given back that another one holds")


def reconnects(r):
    own = connect(db=3, client_name="comes-back")
    own.set("here", "still")
    assert r.client_kill_filter(_id=own.client_id()) == 1
    # The pool's connection is gone: redis-py takes another, and introduces itself again.
    assert own.get("here") == b"still" and own.client_getname() in ("comes-back", b"comes-back")
    listener = connect().pubsub(ignore_subscribe_messages=True)
    listener.subscribe("later")
    until(lambda: r.pubsub_numsub("later") == [(b"later", 1)])
    assert r.client_kill_filter(_type="pubsub") == 1
    got = []

    def heard():
        message = listener.get_message(timeout=0.01)
        got.extend([message["data"]] if message else [])
        return got or r.publish("later", "again") < 0

    until(heard)
    assert got[0] == b"again"
    listener.close()


def main():
    r = connect()
    r.flushall()
    messages(r)
    if int(redis.__version__.split(".")[0]) >= 5:
        messages(r, protocol=3)
    keyspace_events(r)
    queues(r)
    streams(r)
    locks(r)
    reconnects(r)
    print("all is well")


main()
