import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { PluginHost } from '../agent/plugins/host.ts';
import { expect } from './support/current-test.ts';
import { type PluginStage, quick, test } from './support/plugins.ts';

const member = { memberId: 'm-1', clusterId: 'c-1', status: 'In_Maintenance', member: {} } as never;
const never = 'new Promise(() => {})';

test.for([
  {
    summary: 'health',
    part: `health: () => ${never},`,
    hooks: '',
    late: (_: PluginStage, host: PluginHost) => host.health(),
  },
  {
    summary: 'a notice',
    part: '',
    hooks: `memberMaintenance: () => ${never},`,
    late: (stage: PluginStage, host: PluginHost) => stage.fire(host, 'memberMaintenance', member, { limitMs: 100 }),
  },
])(
  '$summary that does not end is given up alone, again and again, and costs nothing else',
  async ({ part, hooks, late }, { stage }) => {
    await stage.plugin('slow', `${part} hooks: { ${hooks} drain: untilMayGoOn, clean: () => {} },`, waitingIn(stage));
    const host = stage.host({ timing: { healthMs: 100 } });
    await host.ready;

    const draining = stage.fire(host, 'drain', {});
    for (let nth = 1; nth <= 5; nth += 1) {
      await late(stage, host);
      await expect.poll(() => stage.logged('plugin.callGivenUp')).toHaveLength(nth);
    }
    await writeFile(join(stage.folder, 'go'), '');

    expect((await draining).asked).toEqual({ kind: 'done' });
    expect((await stage.fire(host, 'clean', {})).asked).toEqual({ kind: 'done' });
    expect(host.list()).toMatchObject([{ state: 'running', crashes: 0 }]);
  },
);

test('a notice that is given up has failed, and what it asks for then is refused', async ({ stage }) => {
  await stage.plugin(
    'slow',
    `hooks: { memberMaintenance: async ({ exec, log, signal }) => {
       await aborted(signal);
       await untilMayGoOn();
       await exec('true').catch((error) => log.info({ why: error.message }, 'refused'));
     } },`,
    waitingIn(stage),
  );
  const host = stage.host();
  await host.ready;

  const { asked } = await stage.fire(host, 'memberMaintenance', member, { limitMs: 100 });
  await writeFile(join(stage.folder, 'go'), '');

  expect(asked).toEqual({
    kind: 'failed',
    reason: expect.stringMatching(/^memberMaintenance was not done in \d+ ms, and did not end when told$/),
  });
  await expect
    .poll(() => stage.logged('plugin.log'))
    .toMatchObject([{ fields: { why: 'cannot exec: the hook has ended' }, msg: 'refused' }]);
});

test('a worker that does not listen any more is ended, and the next hook finds another one', async ({ stage }) => {
  await stage.plugin(
    'looping',
    `hooks: { memberMaintenance: () => { for (;;); }, drain: untilMayGoOn, clean: () => {} },`,
    waitingIn(stage),
  );
  const host = stage.host({ timing: { silentMs: 300 } });
  await host.ready;

  const draining = stage.fire(host, 'drain', {});
  const noticed = await stage.fire(host, 'memberMaintenance', member, { limitMs: 100 });
  const { asked: drained } = await draining;

  const reason = expect.stringMatching(/^memberMaintenance was not done in .*its worker does not listen/);
  expect([noticed.asked, drained]).toEqual([
    { kind: 'failed', reason },
    { kind: 'failed', reason },
  ]);
  expect((await stage.fire(host, 'clean', {})).asked).toEqual({ kind: 'done' });
  expect(host.list()).toMatchObject([{ state: 'running', crashes: 1 }]);
});

test('a gate that waits for a program in a synchronous call is not taken for a loop', async ({ stage }) => {
  const gate = `drain: () => { while (!mayGoOn()) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10); },`;
  await stage.plugin('sync', `health: async () => ({}), hooks: { ${gate} },`, waitingIn(stage));
  const host = stage.host({ timing: { healthMs: 50, silentMs: 20_000 } });
  await host.ready;

  const draining = stage.fire(host, 'drain', {});
  await host.health();
  await setTimeout(2 * quick.graceMs); // beyond which a worker that was told to end a gate would be ended
  await writeFile(join(stage.folder, 'go'), '');

  expect((await draining).asked).toEqual({ kind: 'done' });
  expect(host.list()).toMatchObject([{ state: 'running', crashes: 0 }]);
});

test('a gate that goes on although it is overtaken does not cut the drain that overtook it', async ({ stage }) => {
  await stage.plugin(
    'deaf',
    `hooks: { startServers: ({ log }) => { log.info('begins'); return ${never}; }, drain: untilMayGoOn, },`,
    waitingIn(stage),
  );
  const host = stage.host();
  await host.ready;
  const overtaking = new AbortController();
  const starting = stage.fire(host, 'startServers', {}, { signal: overtaking.signal });
  starting.catch(() => {}); // looked at below
  await expect.poll(() => stage.logged('plugin.log')).toHaveLength(1);

  overtaking.abort(new Error('cleanup'));
  const draining = stage.fire(host, 'drain', {});
  await expect.poll(() => stage.logged('plugin.callGivenUp')).toHaveLength(1);
  await writeFile(join(stage.folder, 'go'), '');

  await expect(starting).rejects.toThrow('cleanup');
  expect((await draining).asked).toEqual({ kind: 'done' });
  expect(host.list()).toMatchObject([{ state: 'running', crashes: 0 }]);
});

test('a gate that is alone in its worker takes it along: the next attempt is alone, too', async ({ stage }) => {
  await stage.plugin(
    'deaf',
    `hooks: { startServers: ({ attempt }) => { count += 1; return attempt === 1 ? ${never} : { veto: String(count) }; } },`,
    'let count = 0;',
  );
  const host = stage.host();
  await host.ready;

  const first = await stage.fire(host, 'startServers', {}, { limitMs: 100 });
  const second = await stage.fire(host, 'startServers', {}, { attempt: 2 });

  expect(first.asked).toMatchObject({
    kind: 'failed',
    reason: expect.stringMatching(/^startServers was not done in \d+ ms, and did not end when told$/),
  });
  expect(second.asked).toEqual({ kind: 'veto', reason: '1' });
  expect(host.list()).toMatchObject([{ crashes: 1 }]);
});

/** Before a plugin's text: what it may wait for. */
const waitingIn = ({ folder }: PluginStage) => `
import { existsSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
const aborted = (signal: AbortSignal) => new Promise((done) => signal.addEventListener('abort', done));
const mayGoOn = () => existsSync('${folder}/go');
const untilMayGoOn = async () => { while (!mayGoOn()) await setTimeout(10); };
void [aborted, untilMayGoOn];
`;
