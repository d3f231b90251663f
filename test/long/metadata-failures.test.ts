import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:https';
import { createServer } from 'node:net';
import { inspect, promisify } from 'node:util';
import { describe, test as plainTest } from 'vitest';
import { createMetadataClient, type MetadataParts, type MetadataService } from '../../agent/metadata/client.ts';
import { Secret } from '../../state/secret.ts';
import { createAuthority, hasOpenssl } from '../support/certificates.ts';
import { expect } from '../support/current-test.ts';
import { type RecordedLog, recordedLog } from '../support/link.ts';
import { type Fault, type MetadataServer, startMetadataServer, tokenFor } from '../support/metadata-server.ts';

const execute = promisify(execFile);
const platformToken = tokenFor('shop-app');
/** As long as a busy machine may take. */
const patience = { retryForMs: 30_000, attemptMs: 20_000, pauseMs: 10 };
const impatience = { retryForMs: 500, attemptMs: 100, pauseMs: 10 };

type Open = (options?: OpenOptions) => MetadataService;
type OpenOptions = Partial<MetadataParts> & { readonly url?: string; readonly token?: Secret | null };

const test = plainTest.extend<{ server: MetadataServer; log: RecordedLog; open: Open }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of what a fixture needs from here.
  server: async ({}, use) => {
    await using server = await startMetadataServer();
    await use(server);
  },
  // biome-ignore lint/correctness/noEmptyPattern: as above.
  log: async ({}, use) => {
    await use(recordedLog());
  },
  open: async ({ server, log }, use) => {
    const stopping = new AbortController();
    const { signal } = stopping;
    await use(({ url = server.url, token = new Secret(platformToken), ...parts } = {}) =>
      createMetadataClient({ url, token, applicationId: 'shop-app' }, { log: log.log, signal, patience, ...parts }),
    );
    stopping.abort();
  },
});

describe('what may succeed later', () => {
  for (const kind of ['hang', 'stall'] as const) {
    test(`is an answer that does not come: ${kind}`, async ({ server, open }) => {
      const metadata = open({ patience: { ...patience, attemptMs: 500 } });
      await metadata.put('A', 'x');
      const askedBefore = server.requests.length;
      server.faults.push({ kind }, { kind });

      expect(await metadata.get('A')).toEqual(['x']);

      expect(server.requests.length - askedBefore).toBeGreaterThanOrEqual(3);
      await expect.poll(() => server.leftCount).toBeGreaterThanOrEqual(2);
    });
  }

  const faults: readonly Fault[] = [
    { kind: 'reset' },
    { kind: 'torn' },
    { kind: 'echoAsGarbage' },
    { kind: 'status', status: 500 },
    { kind: 'status', status: 503 },
    { kind: 'status', status: 429 },
    { kind: 'status', status: 408 },
  ];

  for (const fault of faults) {
    test(`is tried again: ${JSON.stringify(fault)}`, async ({ server, open }) => {
      const metadata = open();
      await metadata.put('A', 'x');
      server.faults.push(fault, fault);

      expect(await metadata.get('A')).toEqual(['x']);

      expect(server.requests).toHaveLength(4);
    });
  }

  test('is an application that the service has not heard of yet', async ({ server, open }) => {
    server.applications.clear();
    server.onRequest = () => {
      if (server.requests.length === 4) server.applications.add('shop-app');
    };

    await open().put('A', 'x');

    expect(await open().get('A')).toEqual(['x']);
    expect(server.requests).toHaveLength(5);
  });

  test('changes nothing twice when it was done already', async ({ server, open }) => {
    const metadata = open();
    server.faults.push({ kind: 'lost' });
    await metadata.put('A', ['x', 'y']);
    server.faults.push({ kind: 'lost' });
    await metadata.put('A', ['z'], { cluster: 'web' });
    await metadata.put('B', 'x');
    server.faults.push({ kind: 'lost' });
    await metadata.delete('B');

    expect(await metadata.get('A')).toEqual(['x', 'y']);
    expect(await metadata.get('A', { cluster: 'web' })).toEqual(['z']);
    expect(await metadata.get('B')).toBeNull();
    expect(server.requests).toHaveLength(10);
  });

  for (const fault of [{ kind: 'status', status: 503 }, { kind: 'hang' }, { kind: 'reset' }] as const) {
    test(`is given up in time: ${fault.kind}`, async ({ server, open }) => {
      server.faults.push(...Array.from({ length: 100 }, () => fault));

      const error = await failureOf(open({ patience: impatience }).get('A', { cluster: 'db' }));

      expect(error).toMatchObject({
        code: 'METADATA_UNAVAILABLE',
        facts: { url: server.url, action: 'read', key: 'A', cluster: 'db', attempts: expect.any(Number) },
      });
      expect(server.requests.length).toBeGreaterThan(1);
      expect(server.faults.length).toBeGreaterThan(0);
    });
  }

  test('is a service that nobody reaches', async ({ open }) => {
    const url = `http://127.0.0.1:${await closedPort()}`;

    const error = await failureOf(open({ url, patience: impatience }).put('A', 'x'));

    expect(error).toMatchObject({ code: 'METADATA_UNAVAILABLE' });
    expect(error.message).toContain(`cannot write metadata "A" at ${url}: connect ECONNREFUSED`);
  });
});

describe('a refusal is asked once', () => {
  const cases = [
    { status: 401, code: 'METADATA_FORBIDDEN' },
    { status: 403, code: 'METADATA_FORBIDDEN' },
    { status: 400, code: 'METADATA_REFUSED' },
    { status: 404, code: 'METADATA_REFUSED' },
    { status: 405, code: 'METADATA_REFUSED' },
    { status: 304, code: 'METADATA_REFUSED' },
  ];

  for (const { status, code } of cases) {
    test(`status ${status}`, async ({ server, open }) => {
      server.faults.push({ kind: 'status', status });

      const error = await failureOf(open().put('A', 'x'));

      expect(error).toMatchObject({ code, lasting: true, facts: { status, key: 'A' } });
      expect(server.requests).toHaveLength(1);
    });
  }

  test('the token of another application', async ({ server, open }) => {
    const metadata = open({ token: new Secret(tokenFor('other-app')) });

    await expect(metadata.get('A')).rejects.toMatchObject({ code: 'METADATA_FORBIDDEN' });
    expect(server.requests).toHaveLength(1);
  });
});

test('nobody gets the token by a redirect', async ({ server, open }) => {
  await using elsewhere = await startMetadataServer();
  server.faults.push({ kind: 'redirect', to: elsewhere.url }, { kind: 'redirect', to: server.url });

  await expect(open().get('A')).rejects.toMatchObject({ code: 'METADATA_REFUSED', facts: { status: 307 } });
  await expect(open().put('A', 'x')).rejects.toMatchObject({ code: 'METADATA_REFUSED', facts: { status: 307 } });

  expect(elsewhere.requests).toEqual([]);
  expect(server.requests).toHaveLength(2);
});

describe('what is no answer', () => {
  const texts = ['<html>', '{"key":', '[]', 'null', '{"values":["x"]}', '{"key":"A","values":{"x":1}}', '"A"'];

  test.for(texts)('is said so: %s', async (text, { server, open }) => {
    server.faults.push({ kind: 'text', text });

    const error = await failureOf(open().get('A'));

    expect(error).toMatchObject({ code: 'METADATA_ANSWER_INVALID', facts: { action: 'read', key: 'A' } });
    expect(server.requests).toHaveLength(1);
  });

  test('is one without an end: it is left', async ({ server, open }) => {
    server.faults.push({ kind: 'endless' });

    const error = await failureOf(open().get('A'));

    expect(error).toMatchObject({ code: 'METADATA_ANSWER_INVALID', facts: { reason: 'more than 4194304 bytes' } });
    await expect.poll(() => server.leftCount).toBe(1);
  });
});

describe('a signal ends', () => {
  const slow = { retryForMs: 60_000, attemptMs: 60_000, pauseMs: 60_000 };

  for (const fault of [{ kind: 'hang' }, { kind: 'stall' }, { kind: 'reset' }] as const) {
    test(`the call, with its reason: ${fault.kind}`, async ({ server, open }) => {
      server.faults.push(fault);
      const leaving = new AbortController();

      const reading = failureOf(open({ patience: slow }).get('A', { signal: leaving.signal }));
      await expect.poll(() => server.requests.length).toBe(1);
      leaving.abort(new Error('overtaken'));

      expect(await reading).toMatchObject({ message: 'overtaken' });
      await expect.poll(() => server.leftCount).toBe(1);
    });
  }

  test('all calls, when the agent stops', async ({ server, open }) => {
    server.faults.push({ kind: 'hang' }, { kind: 'hang' });
    const stopping = new AbortController();
    const metadata = open({ patience: slow, signal: stopping.signal });

    const calls = [failureOf(metadata.get('A')), failureOf(metadata.delete('A'))];
    await expect.poll(() => server.requests.length).toBe(2);
    stopping.abort(new Error('stopped'));

    for (const error of await Promise.all(calls)) expect(error).toMatchObject({ message: 'stopped' });
  });
});

describe('a token', () => {
  const all: readonly Fault[] = [
    { kind: 'echo', status: 403 },
    { kind: 'echo', status: 400 },
    { kind: 'echo', status: 500 },
    { kind: 'echo', status: 200 },
    { kind: 'echoAsGarbage' },
    { kind: 'text', text: `"${platformToken}` },
    { kind: 'text', text: `{"key":{"${platformToken}":1}}` },
    { kind: 'torn' },
    { kind: 'hang' },
  ];

  for (const fault of all) {
    test(`is in no error and in no log: ${fault.kind}`, async ({ server, open, log }) => {
      const metadata = open({ patience: impatience });
      server.faults.push(...Array.from({ length: 100 }, () => fault));

      const error = await failureOf(metadata.get('A'));

      expect(everythingIn(error)).not.toContain(platformToken);
      expect(JSON.stringify(log.lines())).not.toContain(platformToken);
    });
  }

  test.for(['secret\nX-Evil: 1', 'sécret', '', 'secret secret', 'secret\0'])(
    'that cannot be sent is not quoted: %j',
    async (text, { server, open, log }) => {
      const error = await failureOf(open({ token: new Secret(text) }).get('A'));

      expect(error).toMatchObject({ code: 'METADATA_TOKEN_INVALID' });
      expect(everythingIn(error)).not.toMatch(/s[eé]cret/);
      expect(JSON.stringify(log.lines())).not.toMatch(/s[eé]cret/);
      expect(server.requests).toEqual([]);
    },
  );

  test('that is not there is a failure of its own', async ({ open }) => {
    await expect(open({ token: null }).get('A')).rejects.toMatchObject({ code: 'METADATA_TOKEN_INVALID' });
  });

  test('is sent, as a file with a last line has it', async ({ server, open }) => {
    await open({ token: new Secret(`${platformToken}\n`) }).get('A');

    expect(server.requests[0]?.authorization).toBe(`Bearer ${platformToken}`);
  });
});

test('values are in no error: they may be passwords', async ({ server, open, log }) => {
  server.faults.push({ kind: 'status', status: 503 }, { kind: 'status', status: 400 }, { kind: 'status', status: 400 });

  const errors = [
    await failureOf(open().put('MYSQL_PASSWORD', 'opensesame')),
    await failureOf(open().delete('MYSQL_PASSWORD', 'opensesame')),
  ];

  for (const error of errors) expect(everythingIn(error)).not.toContain('opensesame');
  expect(JSON.stringify(log.lines())).not.toContain('opensesame');
});

test('user info and a slash at the end of the URL change nothing, and are not shown', async ({ server, open }) => {
  const url = `${server.url.replace('//', '//user:opensesame@')}/`;

  await open({ url }).put('A', 'x');
  const error = await failureOf(open({ url, token: new Secret('wrong') }).get('A'));

  expect(error).toMatchObject({ code: 'METADATA_FORBIDDEN', facts: { url: server.url } });
  expect(everythingIn(error)).not.toContain('opensesame');
});

describe.runIf(hasOpenssl)('over https', () => {
  test('an authority of the system is trusted, when Node is told so, and no other', async () => {
    const authority = createAuthority();
    const { cert, key } = authority.issue('IP:127.0.0.1');
    const files = { cert: readFileSync(cert), key: readFileSync(key) };
    await using server = await startMetadataServer((listener) => createTlsServer(files, listener));

    const trusting = await readInAnotherProcess(server.url, { NODE_USE_SYSTEM_CA: '1', SSL_CERT_FILE: authority.ca });
    const doubting = await readInAnotherProcess(server.url, {});

    expect(trusting).toEqual({ values: null });
    expect(doubting).toMatchObject({ code: 'METADATA_CERTIFICATE_REFUSED' });
    expect(server.requests).toHaveLength(1);
  });
});

/** What Node trusts is decided when it starts. */
async function readInAnotherProcess(url: string, env: Record<string, string>): Promise<unknown> {
  const from = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
  const script = `
    import { createMetadataClient } from ${from('../../agent/metadata/client.ts')};
    import { Secret } from ${from('../../state/secret.ts')};
    const signal = new AbortController().signal;
    const options = { url: '${url}', token: new Secret('${platformToken}'), applicationId: 'shop-app' };
    const metadata = createMetadataClient(options, { signal, log: { debug() {} } });
    const outcome = await metadata.get('A').then((values) => ({ values }), ({ code, message }) => ({ code, message }));
    console.log(JSON.stringify(outcome));`;
  const { stdout } = await execute(process.execPath, ['--input-type=module', '--eval', script], {
    env: { PATH: process.env['PATH'], ...env },
  });
  return JSON.parse(stdout);
}

function everythingIn(error: unknown): string {
  const all = { depth: 20, showHidden: true, maxStringLength: Number.POSITIVE_INFINITY };
  return `${inspect(error, all)}${JSON.stringify(error)}`;
}

async function failureOf(work: Promise<unknown>): Promise<Error> {
  return await work.then(
    (value) => {
      throw new Error(`did not fail, but gave ${JSON.stringify(value)}`);
    },
    (error: unknown) => error as Error,
  );
}

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
