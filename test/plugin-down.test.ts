import { join } from 'node:path';
import type { GateStatus } from '../agent/hooks/gate.ts';
import { createHooks } from '../agent/hooks/hooks.ts';
import { createLog } from '../agent/log.ts';
import type { PluginHost } from '../agent/plugins/host.ts';
import { expect } from './support/current-test.ts';
import { instance, never, noFacts, settings } from './support/hooks.ts';
import { type PluginStage, test } from './support/plugins.ts';

test('a hook that cannot be run in time, because its plugin is down, says why and for how long', async ({ stage }) => {
  await stage.plugin('exiting', 'hooks: { startServers: () => process.exit(1) },');
  const host = stage.host({ timing: { restartDelaysMs: [30_000] } });
  await host.ready;

  const first = await stage.fire(host, 'startServers', {});
  const second = await stage.fire(host, 'startServers', {}, { limitMs: 50, attempt: 2 });

  expect(first.asked).toEqual({ kind: 'failed', reason: 'it called process.exit(1)' });
  expect(second.asked).toEqual({
    kind: 'failed',
    reason: expect.stringMatching(/^it called process\.exit\(1\), and is not started again for (29(\.\d)?|30) s$/),
  });
});

test('a gate whose plugin is down waits for it, says why, and spends no attempt on that', async ({ stage }) => {
  const run = `({ attempt }) => { appendFileSync('${join(stage.folder, 'attempts')}', attempt + '\\n'); if (attempt === 1) process.exit(1); }`;
  await stage.plugin('exiting', `hooks: { startServers: { timeoutMs: 2_500, run: ${run} } },`);
  const host = stage.host({ timing: { restartDelaysMs: [3_000] } });
  await host.ready;
  await using hooks = hooksOver(host, stage);
  const said: GateStatus[] = [];

  const outcome = await hooks.gate('startServers', {}, { signal: never(), onStatus: (status) => said.push(status) });

  expect(outcome).toEqual({ kind: 'passed' });
  expect(stage.lines('attempts')).toEqual(['1', '2']);
  expect(said.map(({ kind, text }) => `${kind} ${text}`)).toEqual([
    'retrying it called process.exit(1)',
    expect.stringMatching(/^retrying it called process\.exit\(1\), and is not started again for [23](\.\d)? s$/),
  ]);
});

test('a cleanup does not wait for a gate whose plugin is down', async ({ stage }) => {
  await stage.plugin('exiting', 'hooks: { startServers: () => process.exit(1) },');
  const host = stage.host({ timing: { restartDelaysMs: [30_000] } });
  await host.ready;
  await using hooks = hooksOver(host, stage);
  const overtaking = new AbortController();
  const said: GateStatus[] = [];

  const gate = hooks.gate('startServers', {}, { signal: overtaking.signal, onStatus: (status) => said.push(status) });
  gate.catch(() => {}); // looked at below
  await expect.poll(() => said).toHaveLength(2);
  overtaking.abort(new Error('cleanup'));

  await expect(gate).rejects.toThrow('cleanup');
});

/** The gates of an agent that has these plugins, and no scripts. */
function hooksOver(plugins: PluginHost, { folder }: PluginStage) {
  return createHooks({
    config: { ...settings, extensionsDir: join(folder, 'extensions') },
    instance,
    plugins,
    log: createLog({ level: 'silent', pretty: false, colour: false }),
    environment: process.env,
    facts: () => noFacts,
    owner: folder,
    temporaryFolder: join(folder, 'tmp'),
    timing: { retryDelaysMs: [10, 20, 30] },
  });
}
