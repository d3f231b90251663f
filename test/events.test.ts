import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startEmbeddedBroker } from '../agent/demo/broker.ts';
import { topicOf } from '../state/messages/topics.ts';
import { publisherOn, startEvents } from './support/events.ts';
import { freePort, hasMosquitto, startMosquitto } from './support/mosquitto.ts';

const own = 'shop-app.web.php.domain1c2f6d0e-8a4b-4f5c-9f1a-0d3b6e7a9c21';
const other = 'shop-app.web.php.domain9d7e4c3b-7f21-4c0a-8a9b-52e1c0de0003';
const brokers = hasMosquitto ? (['embedded', 'mosquitto'] as const) : (['embedded'] as const);
const samples = readdirSync('test/samples').filter((name) => /Event(-.*)?\.json$/.test(name));

test.for(brokers)('prints every event of the platform, as text and as JSON (%s broker)', async (kind) => {
  const port = await startBroker(kind);
  const text = startEvents(['--broker', `127.0.0.1:${port}`]);
  const json = startEvents(['--broker', `mqtt://127.0.0.1:${port}/`, '--json']);
  await Promise.all([text.connected(), json.connected()]);
  const publish = await publisherOn(port);

  for (const file of samples) await publish(topicOfSample(file), readFileSync(join('test/samples', file)));

  await expect.poll(() => [text.lines().length, json.lines().length]).toEqual([samples.length, samples.length]);
  const events = samples.map(eventOfSample);
  expect(text.lines().map((line) => line.split(/ +/)[2])).toEqual(events);
  const objects = json.lines().map((line) => JSON.parse(line));
  expect(objects.map(({ event }) => event)).toEqual(events);
  expect(objects.filter(({ problem }) => problem !== null)).toEqual([]);
  expect(text.stdout()).not.toContain('cannot be read');
  expect(`${text.stdout()}${json.stdout()}`).not.toContain('devsCWCu8q8n31QXH4F7YA');
  expect(text.stderr()).toBe(`connected to mqtt://127.0.0.1:${port}\n`);
});

test.for(brokers)('tells the presence that was there before it (%s broker)', async (kind) => {
  const port = await startBroker(kind);
  const publish = await publisherOn(port);
  await publish(`cartridge-agent/presence/${own}`, '{"state":"active","condition":"ok","link":"up"}', { retain: true });

  const { lines } = startEvents(['--broker', `127.0.0.1:${port}`]);

  await expect.poll(lines, { timeout: 20_000 }).toHaveLength(1);
  expect(lines()[0]).toMatch(/Presence +…0d3b6e7a9c21 {2}is active \/ ok, link up$/);
});

test('prints only what was asked for', async () => {
  const { port, publish } = await onABus();
  const byEvent = startEvents([
    '--broker',
    `127.0.0.1:${port}`,
    '--event',
    'memberstartedevent',
    '--event',
    'Presence',
  ]);
  const byMember = startEvents(['--broker', `127.0.0.1:${port}`, '--member', '9c21', '--json']);
  await Promise.all([byEvent.connected(), byMember.connected()]);

  await publish('topology/MemberTerminatedEvent', member(own));
  await publish('topology/MemberStartedEvent', member(other));
  await publish('topology/MemberStartedEvent', '{');
  await publish('cartridge-agent/presence/php-1', '{"state":"active"}');
  await publish('topology/ServiceRemovedEvent', '{"serviceName":"php"}');
  await publish('topology/MemberStartedEvent', member(own));

  await expect.poll(() => byEvent.lines()).toHaveLength(4);
  expect(byEvent.stdout()).toMatch(/0003 .*\n.*cannot be read.*\n.*Presence.*\n.*9c21 .*\n$/);
  await expect.poll(() => byMember.lines()).toHaveLength(2);
  const { time, ...rest } = JSON.parse(byMember.lines()[0] ?? '');
  expect(new Date(time).toISOString()).toBe(time);
  expect(rest).toEqual({
    schema: 'cartridge-agent.event/1',
    topic: 'topology/MemberTerminatedEvent',
    event: 'MemberTerminatedEvent',
    memberId: own,
    clusterId: 'shop-app.web.php.domain',
    body: JSON.parse(member(own)),
    problem: null,
  });
});

test('goes on after whatever anybody publishes', async () => {
  const { port, publish } = await onABus();
  const { lines, stdout, connected } = startEvents(['--broker', `127.0.0.1:${port}`]);
  await connected();

  await publish('topology/\u001b[2J\u202eMember', 'x');
  await publish('topology/MemberStartedEvent', member('\u001b]0;owned\u0007\nMemberStartedEvent'));
  await publish('topology/MemberStartedEvent', new Uint8Array([0xff, 0x00, 0x7b]));
  await publish('topology/CompleteTopologyEvent', '['.repeat(300_000));
  await publish('topology/MemberStartedEvent', member(own));

  await expect.poll(lines).toHaveLength(5);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: their absence is what is tested
  expect(stdout().replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
  expect(lines().at(-1)).toContain('is Starting');
});

test('goes on when the broker comes back, and says so', async () => {
  const first = await startEmbeddedBroker();
  const { lines, stderr, connected } = startEvents(['--broker', `127.0.0.1:${first.port}`]);
  await connected();

  await first.close();
  await expect.poll(stderr).toMatch(/^lost mqtt:.*trying again$/m);
  const second = await startEmbeddedBroker({ port: first.port });
  onTestFinished(() => second.close());
  await expect.poll(stderr, { timeout: 20_000 }).toMatch(/^reconnected to mqtt:/m);
  await (await publisherOn(first.port))('topology/MemberStartedEvent', member(own));

  await expect.poll(lines).toHaveLength(1);
});

test('a broker that cannot be reached is exit 69, and is named', async () => {
  const port = await freePort();

  const { ended, stdout, stderr } = startEvents(['--broker', `127.0.0.1:${port}`, '--connect-timeout', '300ms']);

  expect(await ended).toBe(69);
  expect(stdout()).toBe('');
  expect(stderr()).toContain(`cannot reach the broker mqtt://127.0.0.1:${port} within 0.3 s: connect ECONNREFUSED`);
  expect(stderr()).toMatch(/Check that the broker runs there.* \[BROKER_UNREACHABLE\]\n$/);
});

test('something else that listens there is no broker', async () => {
  const mute = createServer().listen(0, '127.0.0.1');
  await once(mute, 'listening');
  onTestFinished(() => void mute.close());
  const { port } = mute.address() as AddressInfo;

  const { ended, stderr } = startEvents(['--broker', `127.0.0.1:${port}`, '--connect-timeout', '300ms']);

  expect(await ended).toBe(69);
  expect(stderr()).toContain('did not answer as a broker does');
});

test.skipIf(!hasMosquitto)(
  'a refused login ends it at once, the right password opens, and no word shows it',
  async () => {
    const { port, file } = await startGuardedMosquitto();
    const guarded = ['--broker', `mqtt://127.0.0.1:${port}`, '--username', 'olga'];

    const wrong = startEvents([...guarded, '--connect-timeout', '5m'], { CARTRIDGE_AGENT_PASSWORD: 'wrong' });
    const byFile = startEvents([...guarded, '--password-file', file], { CARTRIDGE_AGENT_PASSWORD: 'wrong' });
    const byVariable = startEvents(guarded, { CARTRIDGE_AGENT_PASSWORD: 'p@ss/word' });
    const byUrl = startEvents(['--broker', `mqtt://olga:p%40ss%2Fword@127.0.0.1:${port}`]);

    expect(await wrong.ended).toBe(69);
    expect(wrong.stderr()).toMatch(
      /cannot log in at 127\.0\.0\.1:\d+: Connection refused.*\n.*\[BROKER_LOGIN_REFUSED\]\n$/,
    );
    await Promise.all([byFile.connected(), byVariable.connected(), byUrl.connected()]);
    expect(byUrl.stderr()).toContain('use --password-file');
    expect([wrong, byFile, byVariable, byUrl].map(({ stderr }) => stderr()).join('')).not.toMatch(/p@ss|p%40ss|wrong/);
  },
);

test.skipIf(!hasMosquitto || !hasOpenssl())('trusts the authority it is told to, and no other', async () => {
  const { port, ca } = await startTlsMosquitto();

  const strange = startEvents(['--broker', `mqtts://localhost:${port}`, '--connect-timeout', '2s']);
  const trusted = startEvents(['--broker', `mqtts://localhost:${port}`, '--ca', ca]);

  await trusted.connected();
  expect(await strange.ended).toBe(69);
  expect(strange.stderr()).toMatch(/certificate.*\n.*--ca FILE/);
});

test.for(['SIGINT', 'SIGTERM'] as const)('%s ends it with 0, connected or not', async (signal) => {
  const { port } = await onABus();
  const up = startEvents(['--broker', `127.0.0.1:${port}`]);
  const down = startEvents(['--broker', `127.0.0.1:${await freePort()}`]);
  await up.connected();
  await expect.poll(down.stderr, { timeout: 20_000 }).toContain('trying again');

  up.child.kill(signal);
  down.child.kill(signal);

  expect(await Promise.all([up.ended, down.ended])).toEqual([0, 0]);
  expect(up.stderr()).not.toContain('lost');
});

test('ends quietly when nobody reads any more', async () => {
  const { port, publish } = await onABus();
  const { child, ended, lines, stderr, connected } = startEvents(['--broker', `127.0.0.1:${port}`]);
  await connected();
  const told = stderr();

  await publish('topology/MemberStartedEvent', member(own));
  await expect.poll(lines).toHaveLength(1);
  child.stdout?.destroy();
  await publish('topology/MemberStartedEvent', member(own));

  expect(await ended).toBe(0);
  expect(stderr()).toBe(told);
});

test('--count ends it after so many lines, --timeout with 4 if they do not come', async () => {
  const { port, publish } = await onABus();
  const broker = ['--broker', `127.0.0.1:${port}`, '--event', 'MemberStartedEvent'];
  const counted = startEvents([...broker, '--count', '2']);
  await counted.connected();
  const late = startEvents([...broker, '--count', '9', '--timeout', '300ms']);
  const listening = startEvents([...broker, '--timeout', '300ms']);
  expect(await Promise.all([late.ended, listening.ended])).toEqual([4, 0]);

  for (let sent = 0; sent < 5; sent += 1) await publish('topology/MemberStartedEvent', member(own));

  expect(await counted.ended).toBe(0);
  expect(counted.lines()).toHaveLength(2);
});

test('colours only what is asked to be coloured', async () => {
  const { port, publish } = await onABus();
  const broker = ['--broker', `127.0.0.1:${port}`, '--count', '1'];
  const [plain, coloured] = [startEvents(broker), startEvents(broker, { FORCE_COLOR: '1' })];
  await Promise.all([plain.connected(), coloured.connected()]);

  await publish('topology/MemberStartedEvent', member(own));
  await Promise.all([plain.ended, coloured.ended]);

  expect(plain.stdout()).not.toContain('\u001b');
  expect(coloured.stdout()).toContain('\u001b[36mMemberStartedEvent');
});

test('wrong words on the command line are exit 2', async () => {
  const { ended, stdout, stderr } = startEvents(['--broker', '127.0.0.1', '--event', 'MemberActivted']);

  expect(await ended).toBe(2);
  expect(stdout()).toBe('');
  expect(stderr()).toContain('there is no such event: did you mean MemberActivatedEvent?');
});

test('--help tells every option', async () => {
  const { ended, stdout } = startEvents(['--help']);

  expect(await ended).toBe(0);
  for (const option of ['broker', 'event', 'member', 'json', 'username', 'password-file', 'ca', 'count', 'timeout']) {
    expect(stdout()).toContain(`--${option}`);
  }
});

async function onABus() {
  const port = await startBroker('embedded');
  return { port, publish: await publisherOn(port) };
}

async function startBroker(kind: (typeof brokers)[number]): Promise<number> {
  if (kind === 'embedded') {
    const broker = await startEmbeddedBroker();
    onTestFinished(() => broker.close());
    return broker.port;
  }
  return (await startOwnMosquitto(['allow_anonymous true'])).port;
}

async function startOwnMosquitto(lines: readonly string[]) {
  const broker = await startMosquitto(lines);
  onTestFinished(() => broker[Symbol.asyncDispose]());
  return broker;
}

async function startGuardedMosquitto() {
  const folder = temporaryFolder();
  const passwords = join(folder, 'passwords');
  execFileSync('mosquitto_passwd', ['-c', '-b', passwords, 'olga', 'p@ss/word'], { stdio: 'ignore' });
  const file = join(folder, 'password');
  writeFileSync(file, 'p@ss/word\n');
  const { port } = await startOwnMosquitto(['allow_anonymous false', `password_file ${passwords}`]);
  return { port, file };
}

async function startTlsMosquitto() {
  const folder = temporaryFolder();
  const [ca, key] = [join(folder, 'ca.pem'), join(folder, 'key.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', ca];
  execFileSync('openssl', [...request, ...subject], { stdio: 'ignore' });
  const { port } = await startOwnMosquitto(['allow_anonymous true', `certfile ${ca}`, `keyfile ${key}`]);
  return { port, ca };
}

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'events-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function member(memberId: string): string {
  return JSON.stringify({ serviceName: 'php', clusterId: 'shop-app.web.php.domain', memberId });
}

function eventOfSample(file: string): string {
  return file.replace(/[-.].*/, '');
}

function topicOfSample(file: string): string {
  return topicOf(eventOfSample(file) as Parameters<typeof topicOf>[0]);
}
