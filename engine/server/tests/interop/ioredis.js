// What a user of ioredis does on the first day, with plain asserts. Called with the server's port.
"use strict";

const assert = require("node:assert");
const { once } = require("node:events");
const ioredis = require("ioredis");
const Redis = ioredis.default || ioredis;

const port = Number(process.argv[2]);
const connect = (options = {}) => new Redis({ port, host: "127.0.0.1", ...options });
const fails = (promise, words) => assert.rejects(promise, (error) => error.message.includes(words));

async function values(r) {
  assert.equal(await r.set("name", "squall"), "OK");
  assert.equal(await r.get("name"), "squall");
  assert.equal(await r.get("missing"), null);
  assert.equal(await r.set("name", "other", "NX"), null);
  assert.equal(await r.set("name", "later", "EX", 100, "GET"), "squall");
  assert.ok((await r.ttl("name")) > 90);
  assert.equal(await r.incrby("n", 42), 42);
  assert.deepEqual(await r.mget("name", "n", "no"), ["later", "42", null]);
  assert.deepEqual(await r.getBuffer("name"), Buffer.from("later"));
  await r.setBuffer("bytes", Buffer.from([0, 255, 13, 10]));
  assert.deepEqual(await r.getBuffer("bytes"), Buffer.from([0, 255, 13, 10]));
  assert.equal(await r.hset("h", { a: 1, b: "two" }), 2);
  assert.deepEqual(await r.hgetall("h"), { a: "1", b: "two" });
  assert.equal(await r.rpush("l", 1, 2, 3), 3);
  assert.deepEqual(await r.lrange("l", 0, -1), ["1", "2", "3"]);
  assert.equal(await r.sadd("s", "x", "y", "x"), 2);
  assert.deepEqual(new Set(await r.smembers("s")), new Set(["x", "y"]));
  assert.equal(await r.zadd("z", 1, "one", 2.5, "two"), 2);
  assert.deepEqual(await r.zrange("z", 0, -1, "WITHSCORES"), ["one", "1", "two", "2.5"]);
  await fails(r.incr("name"), "not an integer");
  await fails(r.call("NOSUCH"), "unknown command");
  await fails(r.lpush("name", 1), "WRONGTYPE");
}

async function pipelines(r) {
  const pipeline = r.pipeline();
  for (let i = 0; i < 1000; i++) pipeline.set(`p:${i}`, i);
  pipeline.lpush("p:0", "wrong").get("p:999");
  const results = await pipeline.exec();
  assert.equal(results.length, 1002);
  assert.ok(results[1000][0].message.includes("WRONGTYPE"));
  assert.deepEqual(results[1001], [null, "999"]);

  const answers = await r.multi().set("m", 1).incr("m").get("m").exec();
  assert.deepEqual(answers, [[null, "OK"], [null, 2], [null, "2"]]);
  await assert.rejects(r.multi().set("m").exec(), /Transaction discarded|wrong number/);

  // Who watches a key that another one changes has to try again.
  const other = connect();
  await r.watch("m");
  await other.set("m", 7);
  assert.equal(await r.multi().incr("m").exec(), null);
  await other.quit();

  const streamed = [];
  for await (const keys of r.scanStream({ match: "p:*", count: 100 })) streamed.push(...keys);
  assert.equal(new Set(streamed).size, 1000);
}

async function messages(r, protocol) {
  const subscriber = connect(protocol);
  const heard = [];
  subscriber.on("message", (channel, message) => heard.push([channel, message]));
  subscriber.on("pmessage", (pattern, channel, message) => heard.push([pattern, channel, message]));
  assert.equal(await subscriber.subscribe("news", "weather"), 2);
  assert.equal(await subscriber.psubscribe("n*"), 3);
  assert.equal(await r.publish("news", "first"), 2);
  assert.equal(await r.publish("weather", "rain"), 1);
  while (heard.length < 3) await new Promise(setImmediate);
  assert.deepEqual(heard, [["news", "first"], ["n*", "news", "first"], ["weather", "rain"]]);
  assert.deepEqual(await r.pubsub("NUMSUB", "news"), ["news", 1]);
  assert.equal(await subscriber.unsubscribe("news", "weather"), 1);
  assert.equal(await subscriber.punsubscribe("n*"), 0);
  assert.equal(await subscriber.ping(), "PONG");
  await subscriber.quit();
}

async function queues(r) {
  const worker = connect();
  const waiting = worker.blpop("queue", 0);
  while (!/blocked_clients:1\r/.test(await r.info("clients"))) await new Promise(setImmediate);
  await r.rpush("queue", "job");
  assert.deepEqual(await waiting, ["queue", "job"]);
  assert.equal(await worker.blpop("queue", 0.05), null);
  const moving = worker.blmove("queue", "done", "LEFT", "RIGHT", 0);
  await r.rpush("queue", "next");
  assert.equal(await moving, "next");
  assert.deepEqual(await r.lrange("done", 0, -1), ["next"]);
  await worker.quit();
}

async function streams(r) {
  const id = await r.xadd("events", "*", "kind", "start");
  await r.xadd("events", "*", "kind", "stop");
  assert.equal(await r.xlen("events"), 2);
  assert.deepEqual((await r.xrange("events", "-", "+", "COUNT", 1))[0], [id, ["kind", "start"]]);
  await r.xgroup("CREATE", "events", "group", "0");
  const [[stream, entries]] = await r.xreadgroup("GROUP", "group", "one", "COUNT", 10, "STREAMS", "events", ">");
  assert.equal(stream, "events");
  assert.equal(entries.length, 2);
  assert.equal(await r.xack("events", "group", id), 1);
  assert.equal((await r.xpending("events", "group"))[0], 1);
  const [, claimed] = await r.xautoclaim("events", "group", "two", 0, "0");
  assert.equal(claimed.length, 1);
  const reader = connect();
  const waiting = reader.xread("BLOCK", 0, "STREAMS", "events", "$");
  while (!/blocked_clients:1\r/.test(await r.info("clients"))) await new Promise(setImmediate);
  const last = await r.xadd("events", "*", "kind", "more");
  assert.deepEqual(await waiting, [["events", [[last, ["kind", "more"]]]]]);
  await reader.quit();
}

async function scripts(r) {
  assert.equal(await r.eval("return ARGV[1] + redis.call('INCR', KEYS[1])", 1, "counter", 10), 11);
  r.defineCommand("addAll", {
    numberOfKeys: 1,
    lua: "local sum = 0 for _, n in ipairs(ARGV) do sum = sum + n end return redis.call('INCRBY', KEYS[1], sum)",
  });
  assert.equal(await r.addAll("total", 1, 2, 3), 6);
  // By its digest; a server that has forgotten it is told again.
  await r.script("FLUSH");
  assert.equal(await r.addAll("total", 4), 10);
  assert.deepEqual(await r.pipeline().addAll("total", 1).addAll("total", 1).exec(), [[null, 11], [null, 12]]);
  await fails(r.eval("return redis.call('NOSUCH')", 0), "Unknown Redis command");
  await r.function("LOAD", "REPLACE", "#!lua name=mine\nredis.register_function('twice', function(keys, args) return 2 * args[1] end)");
  assert.equal(await r.fcall("twice", 0, 21), 42);
}

// Locks as everybody builds them: taken with NX, given back by a script that looks whose they are.
async function locks(r) {
  const release = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end";
  let [inside, most, turns] = [0, 0, 0];
  const worker = async (name) => {
    const own = connect();
    for (let turn = 0; turn < 10; turn++) {
      while ((await own.set("lock", name, "PX", 30000, "NX")) !== "OK") await new Promise(setImmediate);
      most = Math.max(most, ++inside);
      await own.incr("turns");
      turns++;
      inside--;
      assert.equal(await own.eval(release, 1, "lock", name), 1);
    }
    assert.equal(await own.eval(release, 1, "lock", "another"), 0);
    await own.quit();
  };
  await Promise.all(["a", "b", "c"].map(worker));
  assert.equal(most, 1);
  assert.equal(await r.get("turns"), String(turns));
}

async function reconnects(r) {
  const own = connect({ retryStrategy: () => 10, connectionName: "comes-back", db: 3 });
  await own.set("here", "still");
  const subscriber = connect({ retryStrategy: () => 10 });
  await subscriber.subscribe("later");
  const ready = [once(own, "ready"), once(subscriber, "ready")];
  const id = await own.client("ID");
  assert.equal(await r.client("KILL", "ID", id), 1);
  assert.equal(await r.client("KILL", "TYPE", "pubsub"), 1);
  await Promise.all(ready);
  assert.equal(await own.get("here"), "still");
  assert.equal(await own.client("GETNAME"), "comes-back");
  // It subscribes again by itself.
  while ((await r.pubsub("NUMSUB", "later"))[1] === 0) await new Promise(setImmediate);
  const heard = once(subscriber, "message");
  await r.publish("later", "hello again");
  assert.deepEqual(await heard, ["later", "hello again"]);
  await own.quit();
  await subscriber.quit();
}

async function main() {
  for (const protocol of [{}, { protocol: 3 }]) {
    const r = connect(protocol);
    await r.flushall();
    for (const part of [values, pipelines, messages, queues, streams, scripts, locks, reconnects]) {
      await part(r, protocol);
    }
    await r.quit();
  }
  console.log("all is well");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
