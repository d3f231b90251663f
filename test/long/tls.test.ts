import { once } from 'node:events';
import { copyFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { TlsFiles } from '../../agent/broker/stream.ts';
import { startPlatform } from '../../agent/demo/platform.ts';
import { ownMember } from '../../agent/demo/story.ts';
import { Secret } from '../../state/secret.ts';
import { type Authority, type Certificate, createAuthority, hasOpenssl } from '../support/certificates.ts';
import { lifeTest, statusEvents } from '../support/life.ts';
import { at, openLink, recordedLog, soon } from '../support/link.ts';
import { freePort, hasMosquitto, type Mosquitto, startMosquitto } from '../support/mosquitto.ts';

const trusting: TlsFiles = { ca: null, cert: null, key: null, servername: null };
const quick = { backOffMs: 20, stableMs: 100, backOffLimitMs: 100 };

describe.skipIf(!hasMosquitto || !hasOpenssl)('over TLS', () => {
  test('the right authority and the right name: the link is up', async () => {
    const authority = createAuthority();
    const port = await startTls(authority.issue('DNS:localhost'));

    const link = openLink({ servers: [{ host: 'localhost', port }], tls: { ...trusting, ca: authority.ca } });
    await link.up(soon());
    await link.publish('to/us/hello', 'hello', { qos: 1 });

    await expect.poll(() => link.messages).toEqual([{ topic: 'to/us/hello', text: 'hello' }]);
  });

  test('an address is a name too, if it is in the certificate', async () => {
    const authority = createAuthority();
    const port = await startTls(authority.issue('IP:127.0.0.1'));

    const link = openLink({ servers: at(port), tls: { ...trusting, ca: authority.ca } });

    await link.up(soon());
  });

  test('the name to expect can be given', async () => {
    const authority = createAuthority();
    const port = await startTls(authority.issue('DNS:mb.example.org'));

    const link = openLink({
      servers: at(port),
      tls: { ...trusting, ca: authority.ca, servername: 'mb.example.org' },
    });

    await link.up(soon());
  });

  test.for<{ summary: string; names?: string; days?: number; strange?: true; reason: string; remedy: RegExp }>([
    { summary: 'another authority', strange: true, reason: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', remedy: /mb\.tls\.ca/ },
    { summary: 'an expired certificate', days: -1, reason: 'CERT_HAS_EXPIRED', remedy: /Renew/ },
    {
      summary: 'another name',
      names: 'DNS:mb.example.org',
      reason: 'ERR_TLS_CERT_ALTNAME_INVALID',
      remedy: /mb\.tls\.servername/,
    },
  ])('$summary is refused, said clearly, and there is no way around it', async (setting) => {
    const { names = 'DNS:localhost', days = 2, strange = false, reason, remedy } = setting;
    const [ours, theirs] = [createAuthority('ours'), createAuthority('theirs')];
    const port = await startTls((strange ? theirs : ours).issue(names, { days }));
    // It changes what a program has not said for itself, and Node warns of it by itself.
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    onTestFinished(() => void vi.unstubAllEnvs());

    const link = openLink({
      servers: [{ host: 'localhost', port }],
      tls: { ...trusting, ca: ours.ca },
      timings: quick,
    });
    await expect.poll(() => link.lines('broker.failed').length, { timeout: 5_000 }).toBeGreaterThan(4);

    expect(link.lines('broker.connected')).toEqual([]);
    expect(link.lines('broker.failed').filter(({ level }) => level === 'warn')).toMatchObject([
      {
        code: 'BROKER_TLS_REFUSED',
        remedy: expect.stringMatching(remedy),
        err: {
          host: 'localhost',
          port,
          reason,
          message: expect.stringMatching(/cannot talk to localhost:\d+ over TLS: ./),
        },
      },
    ]);
    expect(link.notes).toMatchObject([{ condition: 'blocked', text: expect.stringContaining('over TLS') }]);
  });

  test('what Node trusts is not what we trust, once an authority is named', async () => {
    const [ours, theirs] = [createAuthority('ours'), createAuthority('theirs')];
    const port = await startTls(theirs.issue('DNS:localhost'));

    const link = openLink({ servers: [{ host: 'localhost', port }], tls: { ...trusting, ca: ours.ca } });
    await expect.poll(() => link.failure, { timeout: 5_000 }).toMatchObject({ code: 'BROKER_TLS_REFUSED' });
  });

  test('a file that is no certificate makes nobody trusted, and is told of', async () => {
    const authority = createAuthority();
    const { cert, key } = authority.issue('DNS:localhost');
    const port = await startTls({ cert, key });

    const link = openLink({ servers: [{ host: 'localhost', port }], tls: { ...trusting, ca: key }, timings: quick });
    await expect.poll(() => link.lines('broker.failed').length).toBeGreaterThan(2);

    expect(link.lines('broker.connected')).toEqual([]);
    expect(link.failure).toMatchObject({
      code: 'BROKER_TLS_FILE',
      message: expect.stringContaining(`no certificate in PEM format in ${key}`),
    });
  });

  lifeTest('without an authority of our own those of the system are trusted, else only ours', async ({ life }) => {
    const [ofSystem, ours] = [createAuthority('system'), createAuthority('ours')];
    const port = await startTls(ofSystem.issue('DNS:localhost'));
    // Where OpenSSL looks for the authorities of the system; Node by itself does not.
    vi.stubEnv('SSL_CERT_FILE', ofSystem.ca);
    vi.stubEnv('NODE_EXTRA_CA_CERTS', ofSystem.ca);
    onTestFinished(() => void vi.unstubAllEnvs());

    const strict = await life.agent({ conf: { 'mb.urls': `mqtts://localhost:${port}`, 'mb.tls.ca': ours.ca } });
    const refused = await strict.logged(({ event }) => event === 'broker.failed');
    await strict.stop();
    vi.stubEnv('NODE_EXTRA_CA_CERTS', undefined);
    const agent = await life.agent({ conf: { 'mb.urls': `mqtts://localhost:${port}` } });
    const known = await agent.logged(({ event }) => /^broker\.(connected|failed)$/.test(event));

    expect(refused).toMatchObject({
      code: 'BROKER_TLS_REFUSED',
      err: { message: expect.stringMatching(/: unable to get local issuer certificate$/) },
    });
    expect(known).toMatchObject({ event: 'broker.connected' });
  });

  test('a broker that wants a certificate gets ours', async () => {
    const authority = createAuthority();
    const port = await startTls(authority.issue('DNS:localhost'), [
      `cafile ${authority.ca}`,
      'require_certificate true',
    ]);

    const link = openLink({
      servers: [{ host: 'localhost', port }],
      tls: { ...trusting, ca: authority.ca, ...authority.issue('DNS:shop-1') },
    });

    await link.up(soon());
  });

  test.for<{ summary: string; client: (ours: Authority, theirs: Authority) => Certificate | object }>([
    { summary: 'none', client: () => ({}) },
    { summary: 'one of another authority', client: (_ours, theirs) => theirs.issue('DNS:shop-1') },
    { summary: 'an expired one', client: (ours) => ours.issue('DNS:shop-1', { days: -1 }) },
  ])(
    'a broker that wants a certificate, and gets $summary, refuses us, and that is what we say',
    async ({ client }) => {
      const [ours, theirs] = [createAuthority('ours'), createAuthority('theirs')];
      const port = await startTls(ours.issue('DNS:localhost'), [`cafile ${ours.ca}`, 'require_certificate true']);

      const link = openLink({
        servers: [{ host: 'localhost', port }],
        tls: { ...trusting, ca: ours.ca, ...client(ours, theirs) },
        timings: quick,
      });
      await expect
        .poll(() => link.lines('broker.failed').find(({ code }) => code === 'BROKER_TLS_REFUSED'), { timeout: 5_000 })
        .toMatchObject({ level: 'warn', remedy: expect.stringMatching(/mb\.tls\.cert and mb\.tls\.key/) });

      expect(link.lines('broker.connected')).toEqual([]);
    },
  );

  test('two brokers with different names in one list, from one to the other and back', async () => {
    const authority = createAuthority();
    const one = await startTlsBroker(authority.issue('DNS:localhost'));
    const two = await startTlsBroker(authority.issue('IP:127.0.0.1'));
    const used: number[] = [];

    const link = openLink({
      servers: [{ host: 'localhost', port: one.port }, ...at(two.port)],
      tls: { ...trusting, ca: authority.ca },
      timings: { ...quick, probeEveryMs: 60_000 },
    });
    link.onLink((change) => void (change === 'up' && used.push(link.server.port)), new AbortController().signal);
    await link.up(soon());
    await one.kill();
    await expect.poll(() => used.at(-1), { timeout: 5_000 }).toBe(two.port);
    await one.start();
    await two.kill();
    await expect.poll(() => used.at(-1), { timeout: 5_000 }).toBe(one.port);
    await two.start();
    await one.kill();
    await expect.poll(() => used.at(-1), { timeout: 5_000 }).toBe(two.port);

    expect(link.lines('broker.failed').filter(({ code }) => code === 'BROKER_TLS_REFUSED')).toEqual([]);
  });

  test('goes back to the first broker only if it can be trusted', async () => {
    const [ours, theirs] = [createAuthority('ours'), createAuthority('theirs')];
    const wrong = await startTls(theirs.issue('DNS:localhost'));
    const right = await startTls(ours.issue('DNS:localhost'));

    const link = openLink({
      servers: [wrong, right].map((port) => ({ host: 'localhost', port })),
      tls: { ...trusting, ca: ours.ca },
      timings: { ...quick, probeEveryMs: 30, probesNeeded: 1 },
    });
    await expect.poll(() => link.lines('broker.probed').length, { timeout: 5_000 }).toBeGreaterThan(3);

    expect(link.link).toBe('up');
    expect(link.lines('broker.returning')).toEqual([]);
  });

  test('a certificate that is replaced on disk is used at the next connection', async () => {
    const authority = createAuthority();
    const port = await startTls(authority.issue('DNS:localhost'), [
      `cafile ${authority.ca}`,
      'require_certificate true',
    ]);
    const { cert, key } = authority.issue('DNS:shop-1');
    const missing = `${cert}.new`;
    const link = openLink({
      servers: [{ host: 'localhost', port }],
      tls: { ...trusting, ca: authority.ca, cert: missing, key },
      timings: quick,
    });
    await expect.poll(() => link.failure).toMatchObject({ code: 'BROKER_TLS_FILE' });

    copyFileSync(cert, missing);
    await link.up(soon());

    expect(link.notes).toMatchObject([{ condition: 'blocked' }, null]);
  });
});

test('with TLS not a word is said in clear, whoever answers', async () => {
  const said: Buffer[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => {}).on('data', (bytes: Buffer) => said.push(bytes));
    // CONNACK, as a broker without TLS would say it; more than the head of a TLS record.
    socket.write(Buffer.from([0x20, 2, 0, 0, 0x20, 2, 0, 0]));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());

  const link = openLink({
    servers: at((server.address() as AddressInfo).port),
    tls: trusting,
    username: 'shop',
    password: new Secret('hidden-1'),
    clientId: 'hidden-2',
    timings: quick,
  });
  await expect.poll(() => link.lines('broker.failed').length, { timeout: 5_000 }).toBeGreaterThan(3);

  expect(link.lines('broker.failed')[0]).toMatchObject({
    code: 'BROKER_TLS_REFUSED',
    remedy: expect.stringContaining('speaks TLS'),
  });
  expect(Buffer.concat(said).toString('latin1')).not.toMatch(/hidden|MQTT/);
  expect(said.length).toBeGreaterThan(1);
});

lifeTest.skipIf(!hasMosquitto || !hasOpenssl)('a whole life over TLS, with a client certificate', async ({ life }) => {
  const authority = createAuthority();
  const { cert, key } = authority.issue('DNS:localhost');
  const ours = authority.issue('DNS:shop-1');
  const tlsPort = await freePort();
  await using mosquitto = await startMosquitto([
    'allow_anonymous true',
    ...[`listener ${tlsPort} 127.0.0.1`, `certfile ${cert}`, `keyfile ${key}`],
    ...[`cafile ${authority.ca}`, 'require_certificate true'],
  ]);
  const { log } = recordedLog();
  const server = { host: '127.0.0.1', port: mosquitto.port };
  const platform = await startPlatform({ broker: { server }, log, members: [ownMember('Initialized')] });
  onTestFinished(() => platform.stop());

  const agent = await life.agent({
    conf: {
      'mb.urls': `mqtts://localhost:${tlsPort}`,
      'mb.tls.ca': authority.ca,
      'mb.tls.cert': ours.cert,
      'mb.tls.key': ours.key,
    },
  });
  await platform.waitFor('InstanceActivatedEvent');
  await platform.cleanupMember();

  expect(await agent.exited).toBe(0);
  expect(statusEvents(platform.heard)).toEqual([
    'InstanceStartedEvent',
    'InstanceActivatedEvent',
    'InstanceMaintenanceModeEvent',
    'InstanceReadyToShutdownEvent',
  ]);
});

/** A Mosquitto that shows this certificate. */
async function startTlsBroker({ cert, key }: Certificate, lines: readonly string[] = []): Promise<Mosquitto> {
  const mosquitto = await startMosquitto(['allow_anonymous true', `certfile ${cert}`, `keyfile ${key}`, ...lines]);
  onTestFinished(() => mosquitto[Symbol.asyncDispose]());
  return mosquitto;
}

/** The same. @returns its port */
async function startTls(certificate: Certificate, lines: readonly string[] = []): Promise<number> {
  return (await startTlsBroker(certificate, lines)).port;
}
