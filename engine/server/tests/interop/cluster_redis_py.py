"""RedisCluster of redis-py over a cluster of Squall nodes, one of which is killed: writes go on, and every shard is
writable again in seconds. Usage: cluster_redis_py.py PORT VICTIM_PID"""

import os
import signal
import sys
import time

from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisError

PORT, VICTIM = int(sys.argv[1]), int(sys.argv[2])
KEYS = [f"key-{number}" for number in range(100)]
OUTAGE_SECONDS_MAX = 12


def connect():
    return RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", PORT)], socket_timeout=2)


def round_of_writes(cluster, number):
    """Writes and reads every key; which of them went well."""
    well = set()
    for key in KEYS:
        try:
            cluster.set(key, number)
            assert cluster.get(key) == str(number).encode(), key
            well.add(key)
        except (RedisError, OSError):
            pass
    return well


def main():
    cluster = connect()
    assert round_of_writes(cluster, 0) == set(KEYS)
    cluster.mset_nonatomic({f"{{tag{number}}}": number for number in range(50)})
    with cluster.pipeline() as pipe:
        for key in KEYS:
            pipe.incr(f"{{{key}}}counter")
        assert pipe.execute() == [1] * len(KEYS)
    assert cluster.eval("return redis.call('GET', KEYS[1])", 1, KEYS[0]) == b"0"
    assert sorted(cluster.scan_iter(match="key-*", count=50)) == sorted(key.encode() for key in KEYS)

    os.kill(VICTIM, signal.SIGKILL)
    killed = time.monotonic()
    number, partly = 1, 0
    while True:
        well = round_of_writes(cluster, number)
        if well == set(KEYS):
            break
        partly += bool(well)
        number += 1
        assert time.monotonic() - killed < OUTAGE_SECONDS_MAX, sorted(set(KEYS) - well)
        time.sleep(0.05)
    print(f"all keys writable {time.monotonic() - killed:.2f} s after the kill, {number} rounds")
    assert round_of_writes(connect(), number + 1) == set(KEYS)
    print("all is well")


main()
