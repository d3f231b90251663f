import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import type { Log } from '../agent/log.ts';
import { notReached } from '../agent/thrift/failures.ts';
import { recordReceiver } from '../agent/thrift/record.ts';
import { createAuthority, hasOpenssl } from './support/certificates.ts';
import { expect, onTestFinished } from './support/current-test.ts';
import { freePort } from './support/mosquitto.ts';
import { feedTo, impatient } from './support/receivers.ts';
import { hasThrift, type ThriftServer } from './support/thrift-peer.ts';
import { startThriftServer } from './support/thrift-server.ts';

// The peer is what Apache Thrift makes of the IDL for Python.

const sample = (name: string) => JSON.parse(readFileSync(new URL(`samples/${name}`, import.meta.url), 'utf8'));
const sessionId = '5f0c3c1e-0000-4000-8000-000000000001';
const statistics = { memory_consumption: 61.5, load_average: 37.25 };

describe.skipIf(!hasThrift || !hasOpenssl).concurrent('statistics over Thrift', () => {
  test('are what the samples say, to the byte', async () => {
    const { server, ca } = await node({ sessionIds: [sessionId] });
    const cep = feedTo(server.port, { tls: { ca } });

    cep.measured(statistics, 1_486_000_200_000);
    await expect.poll(() => server.of('published').length).toBe(2);

    const [memory, load] = [
      sample('health-event-memory_consumption.json'),
      sample('health-event-load_average.json'),
    ] as const;
    const [defined] = server.of('defined');
    expect(server.of('connected')).toMatchObject([{ userName: 'stats', sessionId }]);
    // Of the sample without the spaces that are for people.
    expect(defined?.definition).toBe(JSON.stringify(sample('health-stream-definition.json')));
    expect(server.of('published').map(({ bundle }) => bundle)).toEqual([memory, load]);
    expect(server.of('published').map(({ raw }) => raw)).toEqual([wireOf(memory, 3), wireOf(load, 4)]);
  });

  test('a whole number is a double, too', async () => {
    const { server, ca } = await node();
    const cep = feedTo(server.port, { tls: { ca } });

    cep.measured({ memory_consumption: 100, load_average: 0 });
    await expect.poll(() => server.of('published').length).toBe(2);

    expect(server.of('published').map(({ bundle }) => bundle?.['doubleAttributeList'])).toEqual([[100], [0]]);
    expect(server.of('published').map(({ bundle }) => bundle?.['intAttributeList'])).toEqual([[], []]);
  });

  test('a session that expires costs nothing but a new one', async () => {
    const { server, ca } = await node({ sessionIds: ['one', 'two', 'three', 'four'], expireAfter: 2 });
    const cep = feedTo(server.port, { tls: { ca } });

    for (let round = 1; round <= 4; round += 1) {
      cep.measured({ memory_consumption: round, load_average: 50 + round });
      await expect.poll(cep.sentCount).toBe(2 * round);
    }

    await expect.poll(() => valuesOf(server)).toEqual([1, 51, 2, 52, 3, 53, 4, 54]);
    expect(server.of('expired').length).toBeGreaterThan(1);
    expect(cep.failures).toEqual([]);
  });

  test('a node that is slow, dead or refuses holds up no other, and gets the newest only', async () => {
    const slow = await node({ slowMs: 200 });
    const [dead, silent, quick] = [await freePort(), await listenSilently(), await node()];
    const options = { tls: { ca: quick.ca } };
    const ceps = [
      feedTo(slow.server.port, { tls: { ca: slow.ca } }),
      feedTo(dead, options),
      feedTo(silent, { ...options, timings: { ...impatient, timeoutMs: 1_000 } }),
    ];
    const good = feedTo(quick.server.port, options);

    const sinceMs = performance.now();
    for (let round = 1; round <= 20; round += 1) {
      for (const each of [...ceps, good]) each.measured({ memory_consumption: round, load_average: round });
      await expect.poll(good.sentCount).toBe(2 * round);
    }
    // One call of the slow one takes 200 ms, one of the silent one a second.
    expect(performance.now() - sinceMs).toBeLessThan(20 * 2 * 200);
    await expect.poll(() => valuesOf(slow.server).at(-1)).toBe(20);

    expect(valuesOf(slow.server).length).toBeLessThan(20);
    await expect.poll(() => ceps[1]?.failures[0]?.code).toBe('THRIFT_NOT_REACHED');
    await expect.poll(() => ceps[2]?.failures[0]?.message).toMatch(/cannot reach .*: no answer within 1000 ms/);
  });

  test('a node that comes back gets the newest, at once', async () => {
    const { server, ca, certificate } = await node();
    const cep = feedTo(server.port, { tls: { ca } });
    cep.measured({ memory_consumption: 1, load_average: 1 });
    await expect.poll(cep.sentCount).toBe(2);

    await server.kill();
    for (const value of [2, 3]) cep.measured({ memory_consumption: value, load_average: value });
    await expect.poll(() => cep.failures.length).toBeGreaterThan(2);
    const again = await startThriftServer(certificate, { port: server.port });

    await expect.poll(() => valuesOf(again)).toEqual([3, 3]);
  });

  test('a connection that was closed between two rounds costs no round', async () => {
    const { server, ca, certificate } = await node();
    const cep = feedTo(server.port, {
      tls: { ca },
      timings: { timeoutMs: 20_000, backOffMs: 60_000, backOffLimitMs: 60_000 },
    });
    cep.measured({ memory_consumption: 1, load_average: 1 });
    await expect.poll(cep.sentCount).toBe(2);
    await server.kill();
    const again = await startThriftServer(certificate, { port: server.port });

    cep.measured({ memory_consumption: 2, load_average: 2 });

    await expect.poll(() => valuesOf(again)).toEqual([2, 2]);
    expect(cep.failures).toEqual([]);
  });

  test('a node that hangs up in the middle of a call is noticed at once', async () => {
    const { server, ca } = await node({ slowMs: 60_000 });
    const cep = feedTo(server.port, { tls: { ca }, timings: { ...impatient, timeoutMs: 60_000 } });
    cep.measured(statistics);
    await expect.poll(() => server.of('secured').length).toBe(1);

    await server.kill();

    await expect.poll(() => cep.failures[0]?.message).toMatch(/it hung up|ECONNRESET/);
  });

  test('a wrong password is told, without it', async () => {
    const { server, ca } = await node();
    const cep = feedTo(server.port, { tls: { ca }, password: 'not-this-one' });

    cep.measured(statistics);
    await expect.poll(() => server.of('refused').length).toBeGreaterThan(1);

    expect(cep.failures[0]).toMatchObject({ code: 'THRIFT_LOGIN_REFUSED', lasting: true });
    expect(cep.failures[0]?.message).toContain('wrong credentials for stats');
    expect(JSON.stringify([cep.failures[0]?.message, cep.failures[0]?.facts])).not.toContain('not-this-one');
    expect(server.of('published')).toEqual([]);
  });

  test('another definition of the stream is told', async () => {
    const { server, ca } = await node({ refuseStream: 'already defined otherwise' });
    const cep = feedTo(server.port, { tls: { ca } });

    cep.measured(statistics);

    await expect.poll(() => cep.failures[0]).toMatchObject({ code: 'THRIFT_STREAM_REFUSED', lasting: true });
  });

  test.for<[what: string, names: string, days: number, reason: string]>([
    ['of another name', 'DNS:elsewhere.example.org', 2, 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['that has expired', 'IP:127.0.0.1', -1, 'CERT_HAS_EXPIRED'],
  ])('a certificate %s is refused, and no password is said', async ([, names, days, reason]) => {
    const authority = createAuthority();
    const server = await startThriftServer(authority.issue(names, { days }));
    const cep = feedTo(server.port, { tls: { ca: authority.ca } });

    cep.measured(statistics);

    await expect.poll(() => cep.failures[0]).toMatchObject({ code: 'THRIFT_TLS_REFUSED', facts: { reason } });
    expect(server.of('connected')).toEqual([]);
  });

  test('an authority that nobody named is refused; thrift.tls.servername and verify = false are ways out', async () => {
    const authority = createAuthority();
    const server = await startThriftServer(authority.issue('DNS:cep.example.org'));
    const stranger = feedTo(server.port, { tls: { ca: createAuthority('another').ca } });
    const named = feedTo(server.port, { tls: { ca: authority.ca, servername: 'cep.example.org' } });
    const blind = feedTo(server.port, { tls: { verify: false } });

    for (const each of [stranger, named, blind]) each.measured(statistics);

    await expect.poll(named.sentCount).toBe(2);
    await expect.poll(blind.sentCount).toBe(2);
    await expect.poll(() => stranger.failures[0]?.code).toBe('THRIFT_TLS_REFUSED');
    expect(stranger.sentCount()).toBe(0);
  });

  test('the certificate of the server itself may be named, whoever signed it', async () => {
    const { server, certificate } = await node();
    const cep = feedTo(server.port, { tls: { ca: certificate.cert } });

    cep.measured(statistics);

    await expect.poll(cep.sentCount).toBe(2);
  });

  test('one of 1024 bits, as old servers have, is taken where it is named', async () => {
    const certificate = createAuthority().issue('IP:127.0.0.1', { bits: 1_024 });
    const server = await startThriftServer(certificate, { weakKey: true });
    const cep = feedTo(server.port, { tls: { ca: certificate.cert } });

    cep.measured(statistics);

    await expect.poll(cep.sentCount).toBe(2);
  });

  test('a platform as old as the originals is talked to where nothing is checked, and only there', async () => {
    const authority = createAuthority();
    const server = await startThriftServer(authority.issue('IP:127.0.0.1'), { oldTls: true });
    const strict = feedTo(server.port, { tls: { ca: authority.ca } });
    const blind = feedTo(server.port, { tls: { verify: false } });

    for (const each of [strict, blind]) each.measured(statistics);

    await expect.poll(blind.sentCount).toBe(2);
    await expect.poll(() => strict.failures[0]?.code).toBe('THRIFT_TLS_REFUSED');
  });

  test('the end takes leave, and waits for nobody', async () => {
    const { server, ca } = await node();
    const [good, away] = [feedTo(server.port, { tls: { ca } }), feedTo(await listenSilently(), { tls: { ca } })];
    for (const each of [good, away]) each.measured(statistics);
    await expect.poll(good.sentCount).toBe(2);

    const sinceMs = performance.now();
    await Promise.all([good.feed.end(0), away.feed.end(0)]);

    expect(performance.now() - sinceMs).toBeLessThan(900);
    await expect.poll(() => server.of('disconnected').length).toBe(1);
  });
});

describe('what a receiver does to us', () => {
  const receiver = { host: '127.0.0.1', port: 7711 };
  const openssl =
    'write EPROTO 00DEAD:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../rec.c:354:\n';

  test.for([
    ['UNSPECIFIED', 'EE certificate key too weak', /over TLS: EE certificate key too weak$/, /2048 bits/],
    ['EPROTO', openssl, /over TLS: wrong version number$/, /port of the server is the secure one/],
  ] as const)('is told in words: %s', ([code, text, message, remedy]) => {
    const error = notReached(receiver, Object.assign(new Error(text), { code }));

    expect(error).toMatchObject({ code: 'THRIFT_TLS_REFUSED', lasting: true, message: expect.stringMatching(message) });
    expect(error.remedy).toMatch(remedy);
  });

  test('is told aloud once, however often it comes and goes', () => {
    const levels: string[] = [];
    const log = new Proxy({}, { get: (_, level) => () => levels.push(String(level)) }) as Log;
    const { reports } = recordReceiver(receiver, { takes: 'statistics', log, onChange: () => {} });

    for (let round = 1; round <= 5; round += 1) {
      reports.opened();
      reports.sent(2);
      reports.failed(notReached(receiver, new Error('it hung up')));
    }

    expect(levels.filter((level) => level !== 'debug')).toEqual(['info', 'warn', 'info']);
  });
});

test.skipIf(!hasThrift)('the code in agent/thrift/generated is what the compiler makes of the IDL', () => {
  const version = execFileSync('thrift', ['--version'], { encoding: 'utf8' });
  const generated = new URL('../agent/thrift/generated/', import.meta.url).pathname;
  const made = join(temporaryFolder(), 'made');
  mkdirSync(made);

  const script = new URL('../conf/write-thrift-code.ts', import.meta.url).pathname;
  execFileSync(process.execPath, [script, made]);

  const contents = (folder: string) =>
    Object.fromEntries(
      readdirSync(folder)
        .filter((name) => name !== 'package.json')
        .map((name) => [name, readFileSync(join(folder, name), 'utf8')]),
    );
  // Another version says the same in other words.
  if (version.includes('0.17.0')) expect(contents(generated)).toEqual(contents(made));
  else expect(Object.keys(contents(generated))).toEqual(Object.keys(contents(made)));
});

async function node(options: Parameters<typeof startThriftServer>[1] = {}) {
  const authority = createAuthority();
  const certificate = authority.issue('IP:127.0.0.1');
  return { server: await startThriftServer(certificate, options), ca: authority.ca, certificate };
}

function valuesOf(server: ThriftServer): unknown[] {
  return server.of('published').map(({ bundle }) => bundle?.['doubleAttributeList']?.[0]);
}

/** Accepts, and says nothing. */
async function listenSilently(): Promise<number> {
  const server = createServer((socket) => void socket.on('error', () => {})).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'thrift-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

type SampleBundle = {
  sessionId: string;
  eventNum: number;
  longAttributeList: number[];
  doubleAttributeList: number[];
  stringAttributeList: string[];
};

/** The call of `publish` in the strict binary protocol, by hand: not by our IDL, but by the field ids of protocol.md 9.1. */
function wireOf(bundle: SampleBundle, sequence: number): string {
  const [i32Type, i64Type, doubleType, boolType, stringType, structType, listType] = [8, 10, 4, 2, 11, 12, 15];
  const byte = (value: number) => Buffer.from([value]);
  const i16 = (value: number) => Buffer.from([value >> 8, value & 0xff]);
  const i32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer).swap32();
  const text = (value: string) => Buffer.concat([i32(Buffer.byteLength(value)), Buffer.from(value)]);
  const i64 = (value: number) => Buffer.from(BigInt64Array.of(BigInt(value)).buffer).swap64();
  const double = (value: number) => Buffer.from(Float64Array.of(value).buffer).swap64();
  const field = (type: number, id: number, value: Buffer) => Buffer.concat([byte(type), i16(id), value]);
  const list = (type: number, items: Buffer[]) => Buffer.concat([byte(type), i32(items.length), ...items]);
  return Buffer.concat([
    i32(0x80010001),
    text('publish'),
    i32(sequence),
    field(structType, 1, Buffer.alloc(0)),
    field(stringType, 1, text(bundle.sessionId)),
    field(i32Type, 2, i32(bundle.eventNum)),
    field(listType, 3, list(i32Type, [])),
    field(listType, 4, list(i64Type, bundle.longAttributeList.map(i64))),
    field(listType, 5, list(doubleType, bundle.doubleAttributeList.map(double))),
    field(listType, 6, list(boolType, [])),
    field(listType, 7, list(stringType, bundle.stringAttributeList.map(text))),
    byte(0),
    byte(0),
  ]).toString('hex');
}
