// What people do with Redis from Node.js, with node-redis and ioredis, against one node each:
//   node session.js PORT...
// Prints one line per client and node; ends with 1 and the reason at the first difference.
'use strict';
const assert = require('node:assert/strict');
const { createClient } = require('redis');
const { Redis } = require('ioredis');

const PIPELINE = 10_000;
const value = (i) => `value-${i}`;

async function nodeRedis(port, protocol) {
  const prefix = `node-redis:${protocol}:${port}:`;
  const client = createClient({
    RESP: protocol,
    socket: { host: '127.0.0.1', port, connectTimeout: 5000, reconnectStrategy: false },
  });
  client.on('error', (error) => { throw error; });
  await client.connect();

  assert.equal(await client.set(prefix + 'a', 'hello'), 'OK');
  assert.equal(await client.get(prefix + 'a'), 'hello');
  assert.equal(await client.get(prefix + 'none'), null);
  assert.equal(await client.del(prefix + 'a'), 1);
  assert.equal(await client.get(prefix + 'a'), null);

  await client.set(prefix + 'short', 'x', { expiration: { type: 'PX', value: 60 } });
  await client.set(prefix + 'long', 'x');
  assert.equal(await client.expire(prefix + 'long', 100), 1);
  const ttl = await client.ttl(prefix + 'long');
  assert.ok(ttl > 90 && ttl <= 100, `ttl ${ttl}`);
  await gone(() => client.get(prefix + 'short'));

  // Sent in one go: node-redis pipelines what is asked for in one turn.
  const sets = [];
  for (let i = 0; i < PIPELINE; i++) sets.push(client.set(prefix + 'p' + i, value(i)));
  assert.ok((await Promise.all(sets)).every((answer) => answer === 'OK'));
  const gets = [];
  for (let i = 0; i < PIPELINE; i++) gets.push(client.get(prefix + 'p' + i));
  (await Promise.all(gets)).forEach((answer, i) => assert.equal(answer, value(i)));

  const found = new Set();
  for await (const keys of client.scanIterator({ MATCH: prefix + 'p*', COUNT: 1000 })) {
    for (const key of [].concat(keys)) found.add(key);
  }
  assert.equal(found.size, PIPELINE);
  await client.close();
  console.log(`node-redis RESP${protocol}, port ${port}: ok`);
}

async function ioredis(port) {
  const prefix = `ioredis:${port}:`;
  const client = new Redis({ host: '127.0.0.1', port, retryStrategy: null, connectTimeout: 5000 });
  client.on('error', (error) => { throw error; });

  assert.equal(await client.set(prefix + 'a', 'hello'), 'OK');
  assert.equal(await client.get(prefix + 'a'), 'hello');
  assert.equal(await client.del(prefix + 'a'), 1);
  assert.equal(await client.get(prefix + 'a'), null);
  const bytes = Buffer.from([0, 255, 13, 10, 37, 47]);
  await client.set(Buffer.concat([Buffer.from(prefix), bytes]), bytes);
  assert.deepEqual(await client.getBuffer(Buffer.concat([Buffer.from(prefix), bytes])), bytes);

  await client.set(prefix + 'short', 'x', 'PX', 60);
  await client.set(prefix + 'long', 'x', 'EX', 100);
  assert.ok((await client.ttl(prefix + 'long')) > 90);
  await gone(() => client.get(prefix + 'short'));

  const writes = client.pipeline();
  for (let i = 0; i < PIPELINE; i++) writes.set(prefix + 'p' + i, value(i));
  for (const [error, answer] of await writes.exec()) {
    assert.equal(error, null);
    assert.equal(answer, 'OK');
  }
  const reads = client.pipeline();
  for (let i = 0; i < PIPELINE; i++) reads.get(prefix + 'p' + i);
  (await reads.exec()).forEach(([error, answer], i) => {
    assert.equal(error, null);
    assert.equal(answer, value(i));
  });

  const found = new Set();
  let cursor = '0';
  do {
    const [next, keys] = await client.scan(cursor, 'MATCH', prefix + 'p*', 'COUNT', 1000);
    keys.forEach((key) => found.add(key));
    cursor = next;
  } while (cursor !== '0');
  assert.equal(found.size, PIPELINE);
  await assert.rejects(client.incr(prefix + 'n'), /^ReplyError: ERR /);
  client.disconnect();
  console.log(`ioredis, port ${port}: ok`);
}

// Polls: an expiry is a time, not an event.
async function gone(read) {
  for (const deadline = Date.now() + 5000; Date.now() < deadline;) {
    if ((await read()) === null) return;
  }
  throw new Error('an expired key is still there after 5 s');
}

(async () => {
  for (const port of process.argv.slice(2).map(Number)) {
    await nodeRedis(port, 2);
    await nodeRedis(port, 3);
    await ioredis(port);
  }
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
