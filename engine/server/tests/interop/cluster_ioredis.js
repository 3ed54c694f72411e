// Cluster of ioredis over a cluster of Squall nodes, one of which is killed: writes go on, and every shard is writable
// again in seconds. Usage: node cluster_ioredis.js PORT VICTIM_PID
const Redis = require("ioredis");

const [port, victim] = process.argv.slice(2).map(Number);
const keys = Array.from({ length: 100 }, (_, number) => `key-${number}`);
const outageMsMax = 12_000;

async function roundOfWrites(cluster, number) {
  const results = await Promise.allSettled(
    keys.map(async (key) => {
      await cluster.set(key, number);
      const value = await cluster.get(key);
      if (value !== String(number)) throw new Error(`${key}: ${value}`);
    }),
  );
  return results.filter((result) => result.status === "fulfilled").length;
}

async function main() {
  const cluster = new Redis.Cluster([{ host: "127.0.0.1", port }], {
    redisOptions: { commandTimeout: 2_000 },
    clusterRetryStrategy: () => 100,
  });
  cluster.on("error", () => {});
  if ((await roundOfWrites(cluster, 0)) !== keys.length) throw new Error("the first writes");
  const script = await cluster.eval("return redis.call('GET', KEYS[1])", 1, keys[0]);
  if (script !== "0") throw new Error(`eval: ${script}`);
  process.kill(victim, "SIGKILL");
  const killed = Date.now();
  let number = 1;
  while ((await roundOfWrites(cluster, number)) !== keys.length) {
    number += 1;
    if (Date.now() - killed > outageMsMax) throw new Error("not all keys are writable");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  console.log(`all keys writable ${(Date.now() - killed) / 1000} s after the kill, ${number} rounds`);
  cluster.disconnect();
  console.log("all is well");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
