import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { exitCodes } from '../agent/commands/command.ts';
import { loadConfig } from '../agent/config.ts';
import { parseLaunchParams } from '../state/config/launch-params.ts';

const entrypoint = join(import.meta.dirname, '../conf/docker/entrypoint.sh');

test('the container gives the agent what its environment says, whatever is in it, for nobody else to read', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'agent.conf'), '[agent]\nstate.dir = state\n');
  const params = {
    APPLICATION_ID: 'shop',
    SERVICE_NAME: 'php',
    CLUSTER_ID: 'c 1',
    MEMBER_ID: "it's \\n & $5 'm'",
    PORTS: '80|443',
    TENANT_RANGE: '*',
    TOKEN: 'a=b==',
  };
  const broker = { MB_URLS: '127.0.0.1:1,127.0.0.1:2', MB_USERNAME: 'u', MB_PASSWORD: ` p'w#;% ` };

  const { agent, said } = startContainer(folder, {
    ...params,
    ...broker,
    TWO_LINES: 'x\nCLUSTER_ID=evil',
    LIST: 'q7,MEMBER_ID=evil',
  });
  await once(agent.stdout, 'data');
  agent.kill('SIGTERM');
  const [code, signal] = await once(agent, 'close');

  // A shell in between would have died of the signal.
  expect([code, signal]).toEqual([0, null]);
  expect(
    Object.fromEntries(parseLaunchParams(readFileSync(join(folder, 'payload/launch-params'), 'utf8'))),
  ).toMatchObject(params);
  const { config } = loadConfig({ confFile: join(folder, 'agent.conf') });
  expect(config.broker.servers.map(({ port }) => port)).toEqual([1, 2]);
  expect(config.broker.password?.reveal()).toBe(broker.MB_PASSWORD);
  expect(readableByOthers(folder).filter((path) => path !== 'agent.conf')).toEqual([]);
  expect(await said).toMatch(/not in launch-params.*: (LIST TWO_LINES|TWO_LINES LIST)\n/);
  expect(await said).not.toMatch(/evil|q7/);
});

test('the container leaves alone what is mounted', async () => {
  const folder = temporaryFolder();
  for (const name of ['payload', 'conf.d']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'agent.conf'), '[agent]\n');
  writeFileSync(join(folder, 'payload/launch-params'), 'mounted');
  writeFileSync(join(folder, 'conf.d/50-environment.conf'), '[agent]\nmb.urls = a b\n');

  const { agent } = startContainer(folder, { MEMBER_ID: 'm1' });
  const [code] = await once(agent, 'close');

  expect(code).toBe(exitCodes.configuration);
  expect(readFileSync(join(folder, 'payload/launch-params'), 'utf8')).toBe('mounted');
  expect(readFileSync(join(folder, 'conf.d/50-environment.conf'), 'utf8')).toContain('mb.urls = a b');
});

/** The entry script as the image has it, but for the folder of the configuration; `said` is its stderr. */
function startContainer(folder: string, environment: Readonly<Record<string, string>>) {
  const agent = spawn(entrypoint, ['run', '--conf', join(folder, 'agent.conf')], {
    env: {
      PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
      CARTRIDGE_AGENT_CONF_DIR: folder,
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void agent.kill('SIGKILL'));
  return { agent, said: text(agent.stderr) };
}

function readableByOthers(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => {
    return (statSync(join(folder, path)).mode & 0o077) !== 0;
  });
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'container-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}
