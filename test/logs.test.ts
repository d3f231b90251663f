import { appendFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { createLog } from '../agent/log.ts';
import { followFiles } from '../agent/logs/follow.ts';
import { createLogQueue } from '../agent/logs/queue.ts';
import { createLogStream } from '../agent/thrift/log-stream.ts';
import { createTail } from '../plugins/log-publisher/tail.ts';
import { createAuthority, hasOpenssl } from './support/certificates.ts';
import { expect, onTestFinished } from './support/current-test.ts';
import { type ShippedLogs, shipTo } from './support/receivers.ts';
import { hasThrift, type ThriftServer } from './support/thrift-peer.ts';
import { startThriftServer } from './support/thrift-server.ts';

const owner = {
  tenantId: 1,
  clusterId: 'shop-app.web.php.domain',
  memberId: 'shop-app.web.php.domain1c2f6d0e-8a4b-4f5c-9f1a-0d3b6e7a9c21',
};
const silent = createLog({ level: 'silent', pretty: false, colour: false });

describe('the log stream', () => {
  test('is what the samples say', () => {
    const { definition, eventOf } = createLogStream(owner, new Date(2017, 1, 2, 23, 59));

    const event = eventOf('GET /index.php HTTP/1.1 200', 1_486_000_200_000);

    expect(JSON.stringify(definition)).toBe(JSON.stringify(sample('log-stream-definition.json')));
    expect([`${definition.name}:1.0.0`, ...event.values]).toEqual(sample('log-event.json').stringAttributeList);
  });

  test.for([null, -1, -1234])('of tenant %s is that of tenant 0', (tenantId) => {
    expect(createLogStream({ ...owner, tenantId }, new Date(2017, 1, 2)).definition.name).toBe(
      'logs.0.shop-app.2017.02.02',
    );
  });
});

describe('lines that wait', () => {
  const line = (text: string) => ({ text, timestampMs: 0 });
  const numbers = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => `line ${String(from + index).padStart(4, '0')}`);

  test('are bounded: the newest are kept, and those that made room are counted', () => {
    const queue = createLogQueue({ limitBytes: 1_000, bytesPerSecond: 1e6, overheadBytes: 91 });

    for (const text of numbers(1, 500)) queue.add(line(text));
    queue.add(line('too long'.repeat(1_000)));

    expect(queue.next()).toEqual([]);
    expect(queue.dropped).toEqual({ lines: 501, bytes: 500 * 9 + 8_000 });
    for (const text of numbers(501, 520)) queue.add(line(text));
    queue.leftOut({ lines: 3, bytes: 70 });
    expect(queue.next().map(({ text }) => text)).toEqual(numbers(511, 520));
    expect(queue.dropped).toEqual({ lines: 501 + 10 + 3, bytes: 500 * 9 + 8_000 + 10 * 9 + 70 });
  });

  test('that arrived while they had to make room are not counted', () => {
    const queue = createLogQueue({ limitBytes: 1_000, bytesPerSecond: 1e6, overheadBytes: 91 });
    for (const text of numbers(1, 10)) queue.add(line(text));
    const offered = queue.next().length;
    for (const text of numbers(11, 15)) queue.add(line(text));

    queue.sent();

    expect(offered).toBe(10);
    expect(queue.dropped).toEqual({ lines: 0, bytes: 0 });
    expect(queue.next().map(({ text }) => text)).toEqual(numbers(11, 15));
  });

  test('are sent again until they arrive, no faster than the rate', () => {
    let nowMs = 0;
    const queue = createLogQueue({ limitBytes: 1e6, bytesPerSecond: 100_000, overheadBytes: 991, nowMs: () => nowMs });
    for (const text of numbers(1, 900)) queue.add(line(text));
    expect(queue.next()).toEqual(queue.next());
    let sent = 0;

    for (; nowMs < 3_000; nowMs += 10) {
      sent += queue.next().length;
      queue.sent();
    }

    // 100 a second, what a second has at its start, and one batch that is begun before it is used up.
    expect(sent).toBeGreaterThanOrEqual(300);
    expect(sent).toBeLessThanOrEqual(400 + 65);
    queue.hurry();
    expect(queue.next().length).toBeGreaterThan(60);
  });

  test('come in batches no larger than what a second may send', () => {
    const queue = createLogQueue({ limitBytes: 1e6, bytesPerSecond: 1_000, overheadBytes: 91 });
    for (const text of numbers(1, 900)) queue.add(line(text));

    expect(queue.next()).toHaveLength(10);
  });
});

describe('files', () => {
  test('are followed through rotation, and a flood of one does not silence the other', async () => {
    const folder = temporaryFolder();
    const [loud, quiet] = [join(folder, 'loud.log'), join(folder, 'quiet.log')];
    for (const file of [loud, quiet]) writeFileSync(file, 'before\n');
    const queue = createLogQueue({ limitBytes: 100_000, bytesPerSecond: 1e9, overheadBytes: 0 });
    const options = { queue, readBytes: 20_000, pollMs: 20, onRead: () => {}, log: silent };
    const following = followFiles([loud, quiet], options);
    onTestFinished(() => following.end());
    await following.ready;
    const taken: string[] = [];
    const take = () => {
      taken.push(...queue.next().map(({ text }) => text));
      queue.sent();
      return taken;
    };

    appendFileSync(loud, `${'flood of lines\n'.repeat(20_000)}the last of them\n`);
    appendFileSync(quiet, 'quiet 1\n');
    await expect.poll(take).toEqual(expect.arrayContaining(['quiet 1', 'the last of them']));
    renameSync(quiet, `${quiet}.1`);
    appendFileSync(`${quiet}.1`, 'quiet 2\n');
    writeFileSync(quiet, 'quiet 3\n');
    await expect.poll(take).toEqual(expect.arrayContaining(['quiet 2', 'quiet 3']));

    expect(taken.length).toBeLessThan(3_000);
    expect(taken).not.toContain('before');
    const loudly = taken.filter((text) => !text.startsWith('quiet'));
    expect(queue.dropped.lines).toBe(20_001 - loudly.length);
    const bytes = loudly.reduce((sum, text) => sum + text.length + 1, 0);
    expect(queue.dropped.bytes).toBe(20_000 * 15 + 17 - bytes);
  });

  test.for([
    { what: 'whole in the file', appended: [`${'x'.repeat(20_000)}\n`] },
    { what: 'not ended yet', appended: ['x'.repeat(20_000), `${'y'.repeat(10_000)}\n`] },
  ])('give a line that is too long cut, and count the rest of it: $what', async ({ appended }) => {
    const file = join(temporaryFolder(), 'long.log');
    writeFileSync(file, '');
    const queue = createLogQueue({ limitBytes: 100_000, bytesPerSecond: 1e9, overheadBytes: 0 });
    const options = { queue, readBytes: 100_000, pollMs: 20, onRead: () => {}, log: silent };
    const following = followFiles([file], options);
    onTestFinished(() => following.end());
    await following.ready;

    for (const text of appended) {
      appendFileSync(file, text);
      await expect.poll(() => queue.next().length).toBe(1);
    }
    appendFileSync(file, 'next\n');
    await expect.poll(() => queue.next().map(({ text }) => text.length)).toEqual([8_192, 4]);

    const written = appended.join('').length;
    expect(queue.dropped.lines).toBe(0);
    expect(written - 8_192 - queue.dropped.bytes).toBeLessThanOrEqual(1); // its line feed
  });

  test('may be written anew in the very moment in which they are read', async () => {
    const file = join(temporaryFolder(), 'one.log');
    writeFileSync(file, '');
    const tail = createTail(file, { lineBytes: 1_000, backlogBytes: 1_000, log: silent });
    onTestFinished(() => tail.close());
    await tail.open('start');
    const lines: string[] = [];
    const take = ({ text }: { text: string }) => {
      lines.push(text);
      if (text === 'a') writeFileSync(file, 'longer than all that was in it\n');
      return true;
    };

    appendFileSync(file, 'a\n');
    await tail.read(take);
    await tail.read(take);

    expect(lines).toEqual(['a', 'longer than all that was in it']);
  });

  test('that cannot be opened keep nobody from the end', async () => {
    const queue = createLogQueue({ limitBytes: 1_000, bytesPerSecond: 1_000, overheadBytes: 0 });
    const options = { queue, readBytes: 1_000, pollMs: 20, onRead: () => {}, log: silent };
    const following = followFiles([temporaryFolder(), '/nowhere/at.all'], options);

    await following.ready;
    await following.end();

    expect(queue.next()).toEqual([]);
  });
});

describe.skipIf(!hasThrift || !hasOpenssl).concurrent('log publishing', () => {
  test('sends what is written from its start to its end, as the samples say', async () => {
    const { server, logs, file } = await shipping();

    appendFileSync(file, 'first\r\n\nsécond\n');
    await expect.poll(() => linesAt(server)).toEqual(['first', 'sécond']);
    appendFileSync(file, 'last words\n');
    await logs.feed.end(2_000);

    await expect.poll(() => linesAt(server)).toEqual(['first', 'sécond', 'last words']);
    const { definition } = createLogStream(owner, new Date());
    expect(server.of('defined').map((event) => event.definition)).toEqual([JSON.stringify(definition)]);
    for (const { bundle } of server.of('published')) {
      const count = Number(bundle?.['eventNum']);
      expect(bundle?.['longAttributeList']).toHaveLength(count);
      expect(bundle?.['stringAttributeList']).toHaveLength(12 * count);
    }
    await expect.poll(() => server.of('disconnected').length).toBe(1);
  });

  test('survives the absence of the server with the newest lines, and counts the others', async () => {
    const { server, logs, file, certificate } = await shipping({ bufferBytes: 50_000 });
    appendFileSync(file, 'before\n');
    await expect.poll(() => linesAt(server)).toEqual(['before']);
    await server.kill();

    for (let part = 0; part < 10; part += 1) {
      appendFileSync(file, Array.from({ length: 100 }, (_, index) => `line ${part * 100 + index}\n`).join(''));
      await expect.poll(() => logs.failures.length).toBeGreaterThan(part);
    }
    await expect.poll(() => logs.feed.dropped.lines).toBeGreaterThan(500);
    const again = await startThriftServer(certificate, { port: server.port });

    await expect.poll(() => linesAt(again).at(-1)).toBe('line 999');
    const arrived = linesAt(again);
    expect(arrived.length).toBeGreaterThan(50);
    expect(arrived).toEqual(
      Array.from({ length: arrived.length }, (_, index) => `line ${1_000 - arrived.length + index}`),
    );
    await expect.poll(() => logs.feed.dropped.lines).toBe(1_000 - arrived.length);
  });

  test('a server that is away does not hold up the end', async () => {
    const { server, logs, file } = await shipping();
    await server.kill();
    appendFileSync(file, 'nobody reads this\n');
    await expect.poll(() => logs.failures.length).toBeGreaterThan(0);

    const sinceMs = performance.now();
    await logs.feed.end(500);

    expect(performance.now() - sinceMs).toBeLessThan(1_000);
  });
});

async function shipping(limits: { bufferBytes?: number } = {}) {
  const authority = createAuthority();
  const certificate = authority.issue('IP:127.0.0.1');
  const server = await startThriftServer(certificate);
  const file = join(temporaryFolder(), 'access.log');
  writeFileSync(file, 'old\n');
  const logs: ShippedLogs = shipTo(server.port, { files: [file], owner, tls: { ca: authority.ca }, ...limits });
  await logs.feed.ready;
  return { server, logs, file, certificate };
}

/** The messages that have arrived, in order. */
function linesAt(server: ThriftServer): string[] {
  const texts = server.of('published').flatMap(({ bundle }) => (bundle?.['stringAttributeList'] ?? []) as string[]);
  return texts.filter((_, index) => index % 12 === 7);
}

function sample(name: string) {
  return JSON.parse(readFileSync(new URL(`samples/${name}`, import.meta.url), 'utf8'));
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'logs-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
