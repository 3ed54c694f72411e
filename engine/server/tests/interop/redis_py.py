"""What a user of redis-py does on the first day, with plain asserts. Called with the server's port."""

import sys
import threading
import time

import redis

PORT = int(sys.argv[1])


def connect(**options):
    return redis.Redis(host="127.0.0.1", port=PORT, **options)


def raises(error, call, words=""):
    try:
        call()
    except error as caught:
        assert words in str(caught), f"{caught} does not say {words!r}"
    else:
        raise AssertionError(f"expected {error.__name__}")


def strings(r):
    assert r.set("name", "squall") is True
    assert r.get("name") == b"squall"
    assert r.get("missing") is None
    assert r.set("name", "other", nx=True) is None
    assert r.set("name", "other", xx=True, get=True) == b"squall"
    assert r.incr("n") == 1 and r.incrby("n", 41) == 42 and r.decr("n", 2) == 40
    assert r.incrbyfloat("f", 1.5) == 1.5
    assert r.append("name", "!") == 6 and r.strlen("name") == 6
    assert r.getrange("name", 0, 2) == b"oth" and r.setrange("name", 0, "OTH") == 6
    assert r.mset({"a": 1, "b": "two"}) and r.mget("a", "b", "c") == [b"1", b"two", None]
    assert r.msetnx({"a": 2, "z": 1}) in (False, 0)
    assert r.getdel("a") == b"1" and not r.exists("a")
    assert r.getset("b", "three") == b"two"
    raises(redis.ResponseError, lambda: r.incr("b"), "not an integer")
    raises(redis.ResponseError, lambda: r.execute_command("NOSUCH", "x"), "unknown command")
    raises(redis.ResponseError, lambda: r.execute_command("GET"), "wrong number of arguments")


def keys(r):
    r.mset({f"scan:{i}": i for i in range(1000)})
    assert len(set(r.scan_iter("scan:*", count=50))) == 1000
    assert len(set(r.scan_iter("scan:*", _type="string"))) == 1000
    assert sorted(r.keys("scan:99?")) == [b"scan:99%d" % i for i in range(10)]
    assert r.delete("scan:1", "scan:2", "scan:none") == 2 and r.unlink("scan:3") == 1
    assert r.type("scan:4") == b"string" and r.type("scan:3") == b"none"
    assert r.rename("scan:4", "renamed") and r.renamenx("renamed", "scan:5") is False
    raises(redis.ResponseError, lambda: r.rename("absent", "x"), "no such key")
    assert r.copy("renamed", "copied") and r.get("copied") == b"4"
    assert r.randomkey() is not None and r.touch("scan:5", "scan:6") == 2
    payload = r.dump("renamed")
    assert r.restore("restored", 0, payload) and r.get("restored") == b"4"
    raises(redis.ResponseError, lambda: r.restore("restored", 0, payload), "BUSYKEY")
    raises(redis.ResponseError, lambda: r.restore("again", 0, payload[:-1] + b"?"), "DUMP payload")
    assert r.object("encoding", "renamed") == b"int"
    assert r.move("renamed", 1) and connect(db=1).get("renamed") == b"4"
    size = r.dbsize()
    assert size > 900 and r.swapdb(0, 1) and r.dbsize() == 1 and r.swapdb(0, 1) and r.dbsize() == size


def expiry(r):
    r.set("short", "x", px=60)
    assert 0 < r.pttl("short") <= 60
    deadline = time.monotonic() + 10
    while r.exists("short"):
        assert time.monotonic() < deadline, "the key does not expire"
        time.sleep(0.005)
    r.setex("long", 100, "y")
    assert 98 <= r.ttl("long") <= 100 and r.persist("long") and r.ttl("long") == -1
    assert r.expire("long", 10) and r.expire("long", 20, gt=True) and not r.expire("long", 5, gt=True)
    assert r.expireat("long", int(time.time()) + 50) and r.expiretime("long") > time.time() + 40
    assert r.getex("long", persist=True) == b"y" and r.ttl("long") == -1
    assert r.ttl("none") == -2


def pipelines(r):
    pipe = r.pipeline(transaction=False)
    for i in range(10_000):
        pipe.set(f"pipe:{i}", i)
    assert all(pipe.execute())
    with r.pipeline() as pipe:
        pipe.set("t", 1).incr("t").get("t")
        assert pipe.execute() == [True, 2, b"2"]
    with r.pipeline() as pipe:
        pipe.set("t", "word").incr("t").get("t")
        replies = pipe.execute(raise_on_error=False)
        assert isinstance(replies[1], redis.ResponseError) and replies[2] == b"word"
    with r.pipeline() as pipe:
        pipe.watch("t")
        pipe.multi()
        pipe.set("t", "mine")
        connect().set("t", "theirs")
        raises(redis.WatchError, pipe.execute)
    assert r.get("t") == b"theirs"


def optimistic_counters(r):
    """Ten threads increment by WATCH, GET and SET; no increment may be lost."""
    r.set("counter", 0)

    def increment(pipe):
        value = int(pipe.get("counter"))
        pipe.multi()
        pipe.set("counter", value + 1)

    def work():
        client = connect()
        for _ in range(20):
            client.transaction(increment, "counter")

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert r.get("counter") == b"200"


def decoding():
    r = connect(decode_responses=True, db=5)
    assert r.set("Grüße", "naïve ☃") and r.get("Grüße") == "naïve ☃"
    assert r.keys("Gr*") == ["Grüße"]
    r.flushdb()
    assert r.dbsize() == 0


def administration(r):
    assert r.ping() is True and r.echo("hi") == b"hi"
    assert r.client_setname("tester") and r.client_getname() in (b"tester", "tester")
    assert isinstance(r.client_id(), int)
    assert any(client["name"] == "tester" for client in r.client_list())
    info = r.info()
    assert info["redis_version"] and info["role"] == "master" and info["connected_clients"] >= 1
    assert info["db0"]["keys"] == r.dbsize()
    assert r.info("commandstats")["cmdstat_set"]["calls"] > 0
    assert r.config_get("maxmem*")["maxmemory"] == "0"
    assert r.config_set("maxmemory-samples", 7) and r.config_get("maxmemory-samples") == {"maxmemory-samples": "7"}
    raises(redis.ResponseError, lambda: r.config_set("maxmemory-samples", "many"), "CONFIG SET failed")
    assert r.config_resetstat()
    seconds, microseconds = r.time()
    assert abs(seconds - time.time()) < 5 and 0 <= microseconds < 1_000_000
    assert r.command_count() > 50 and "get" in r.command()
    assert r.lastsave() is not None


def connection_pool():
    pool = redis.ConnectionPool(host="127.0.0.1", port=PORT, max_connections=8)
    errors = []

    def work(number):
        try:
            client = redis.Redis(connection_pool=pool)
            for i in range(50):
                client.set(f"pool:{number}", i)
                assert client.get(f"pool:{number}") == b"%d" % i
        except Exception as error:  # a thread's failure would otherwise be lost
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pool.disconnect()
    assert not errors, errors


def large_values(r):
    for size in (16_383, 16_385, 1 << 20, 20 << 20):
        value = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        assert r.set("large", value) and r.strlen("large") == size and r.get("large") == value
    assert r.getrange("large", 256, 511) == bytes(range(256))
    r.delete("large")


def resp3():
    if int(redis.__version__.split(".")[0]) < 5:
        print("skipped: this redis-py does not speak RESP3")
        return
    r = connect(protocol=3)
    assert r.execute_command("HELLO", 3)[b"proto"] == 3
    assert r.set("r3", "x") and r.get("r3") == b"x" and r.get("none") is None
    assert r.config_get("maxmemory")
    assert r.mget("r3", "none") == [b"x", None]
    with r.pipeline() as pipe:
        assert pipe.incr("r3n").get("r3n").execute() == [1, b"1"]
    assert r.client_list()


def scripts(r):
    multiply = r.register_script("return redis.call('get', KEYS[1]) * ARGV[1]")
    r.set("factor", 6)
    assert multiply(keys=["factor"], args=[7]) == 42
    r.script_flush()
    assert multiply(keys=["factor"], args=[7]) == 42, "it is loaded again when the server has forgotten it"
    assert r.script_exists(multiply.sha) == [True]
    with r.pipeline() as pipe:
        multiply(keys=["factor"], args=[2], client=pipe)
        assert pipe.execute() == [12]
    assert r.eval("return cjson.encode({redis.call('incr', KEYS[1]), 'x'})", 1, "counted") == b'[1,"x"]'
    try:
        r.eval("return redis.call('nosuch')", 0)
    except redis.exceptions.ResponseError as error:
        assert "Unknown Redis command called from script" in str(error), error
    lock = r.lock("lock", timeout=5)
    assert lock.acquire(blocking=False) and not r.lock("lock").acquire(blocking=False)
    lock.extend(5)
    lock.release()
    assert not r.exists("lock")


def functions(r):
    if not hasattr(r, "function_load"):
        return
    code = "#!lua name=greetings\nredis.register_function('greet', function(keys, args) return 'hello ' .. args[1] end)"
    assert r.function_load(code, replace=True) == b"greetings"
    assert r.fcall("greet", 0, "world") == b"hello world"
    dump = r.function_dump()
    assert r.function_delete("greetings")
    assert r.function_restore(dump) and r.fcall("greet", 0, "again") == b"hello again"
    assert len(r.function_list()) == 1 and r.function_flush()


def users(r):
    r.acl_setuser("reader", enabled=True, passwords=["+secret"], keys=["open:*"], commands=["+get", "+ping"])
    assert r.acl_getuser("reader")["enabled"] and b"reader" in [name.encode() if isinstance(name, str) else name for name in r.acl_users()]
    r.set("open:k", "v")
    reader = connect(username="reader", password="secret")
    assert reader.get("open:k") == b"v"
    for refused in (lambda: reader.get("closed"), lambda: reader.set("open:k", "w")):
        try:
            refused()
            assert False, "refused"
        except redis.exceptions.NoPermissionError:
            pass
    assert r.acl_log(1) and r.acl_log_reset()
    assert r.acl_deluser("reader") == 1


def main():
    r = connect()
    r.flushall()
    strings(r)
    keys(r)
    expiry(r)
    pipelines(r)
    optimistic_counters(r)
    decoding()
    administration(r)
    scripts(r)
    functions(r)
    users(r)
    connection_pool()
    large_values(r)
    resp3()
    print("all is well")


main()
