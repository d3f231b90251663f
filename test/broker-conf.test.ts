import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, connectAsync } from 'mqtt';
import { expect, onTestFinished, test } from 'vitest';
import { startPlatform } from '../agent/demo/platform.ts';
import { accessList } from './support/access-list.ts';
import { lifeTest } from './support/life.ts';
import { recordedLog } from './support/link.ts';
import { startMosquitto as startOther } from './support/mosquitto.ts';

const shipped = join(import.meta.dirname, '../conf/broker');
const hasMosquitto = spawnSync('mosquitto', ['-h']).error === undefined;

test.skipIf(!hasMosquitto && process.env['CI'] === undefined)(
  'Mosquitto as we set it up keeps what an agent that is away needs, through a restart, and nothing else',
  async () => {
    const folder = temporaryFolder();
    const port = await freePort();
    const away = { clientId: 'away', clean: false, reconnectPeriod: 0 };
    const expected = Array.from({ length: 2_500 }, (_, index) => String(index));

    const first = await startMosquitto(folder, port);
    const agent = await connectAsync(`mqtt://127.0.0.1:${port}`, away);
    await agent.subscribeAsync({ 'instance/notifier/#': { qos: 1 }, 'topology/#': { qos: 0 } });
    await agent.endAsync();
    const platform = await connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 });
    await platform.publishAsync('topology/MemberStartedEvent', 'topology', { qos: 1 });
    await Promise.all(expected.map((text) => platform.publishAsync('instance/notifier/X', text, { qos: 1 })));
    await platform.endAsync();
    first.kill('SIGTERM');
    await once(first, 'close');
    await startMosquitto(folder, port);
    const received: string[] = [];
    // Not awaited: what waits arrives right behind the greeting.
    const back = connect(`mqtt://127.0.0.1:${port}`, away);
    back.on('message', (_topic, payload) => received.push(payload.toString()));

    await expect.poll(() => received.length, { timeout: 15_000 }).toBe(expected.length);
    expect(received).toEqual(expected);
    await back.endAsync();
  },
);

// MQTT 5 tells what is refused; what an agent may do is the same over both.
lifeTest.skipIf(!hasMosquitto && process.env['CI'] === undefined)(
  'the access rules allow an agent all it needs, and no more',
  async ({ life }) => {
    // Whoever comes without a name is the platform here.
    const rules = accessList('topic readwrite #', readFileSync(join(shipped, 'agents.acl'), 'utf8'));
    await using mosquitto = await startOther(['allow_anonymous true', `acl_file ${rules}`]);
    const server = { host: '127.0.0.1', port: mosquitto.port };
    const platform = await startPlatform({ broker: { server }, log: recordedLog().log });
    onTestFinished(() => platform.stop());
    const intruder = await connectAsync(`mqtt://127.0.0.1:${mosquitto.port}`, {
      username: 'agent',
      protocolVersion: 5,
    });
    onTestFinished(() => intruder.endAsync(true));

    const agent = await life.agent({
      conf: { 'mb.urls': `127.0.0.1:${mosquitto.port}`, 'mb.username': 'agent', 'mb.protocol.version': '5' },
    });
    await platform.waitFor('CompleteTopologyRequestEvent');
    await platform.initializeMember();
    await platform.waitFor('HealthStatisticsEvent');
    await platform.cleanupMember();

    expect(await agent.exited).toBe(0);
    expect(agent.lines.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
    for (const topic of ['instance/notifier/InstanceCleanupMemberEvent', 'topology/CompleteTopologyEvent'])
      await expect(intruder.publishAsync(topic, '{}', { qos: 1 })).rejects.toThrow('Not authorized');
  },
);

/** As on Debian: the site's own file, which reads ours from a folder. Resolves when it listens. */
async function startMosquitto(folder: string, port: number): Promise<ChildProcess> {
  const lines = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'user root',
    `persistence_location ${folder}/`,
    `include_dir ${shipped}`,
  ];
  writeFileSync(join(folder, 'site.conf'), `${lines.join('\n')}\n`);
  const broker = spawn('mosquitto', ['-c', join(folder, 'site.conf')], { stdio: ['ignore', 'ignore', 'pipe'] });
  onTestFinished(() => void broker.kill('SIGKILL'));
  let said = '';
  broker.stderr.on('data', (chunk) => {
    said += chunk;
  });
  await expect.poll(() => said).toContain(' running');
  expect(said).not.toMatch(/error|unknown|deprecated|recommended|warning: (?!.*run as root)/i);
  return broker;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : expect.fail('not listening');
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'broker-conf-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}
