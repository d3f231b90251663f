import { dirname } from 'node:path';
import { test } from '../support/author.ts';
import { expect } from '../support/current-test.ts';

const limitMs = 60_000;
const waits = 'Ctrl-C ends the demo';

test.concurrent('lives with a plugin, and again whenever it is saved', { timeout: limitMs }, async ({ author }) => {
  await author.write('guide/package.json', '{ "type": "module", "exports": "./index.ts" }');
  await author.write('guide/index.ts', pluginText("status('one'); log.info({ n: 1 }, 'first edition');"));
  const demo = author.start(['demo', '--plugin', 'guide']);
  await expect.poll(demo.output, { timeout: limitMs }).toContain(waits);
  const first = demo.output();

  await author.write('guide/index.ts', 'export default {\n  name: ;\n};');
  await expect.poll(demo.errors, { timeout: limitMs }).toContain('PLUGIN_NOT_READY');
  await author.write('guide/index.ts', pluginText("return { veto: 'not today' };"));
  await expect.poll(demo.output, { timeout: limitMs }).toContain('instanceActivating: not today');
  demo.process.kill('SIGINT');
  const { exitCode, stdout } = await demo.ended;

  expect(first).toMatch(/agent +loaded the plugin guide/);
  expect(first).toMatch(/agent +plugin says: first edition +\{"n":1\}/);
  expect(first).toMatch(/ran the hook instanceActivating +instanceActivating guide took/);
  expect(first).toMatch(/ran the hook artifactUpdated +artifactUpdated guide took/);
  expect(first).toMatch(/ran the hook drain +drain guide took/);
  expect(first).toMatch(/people +see the agent end +exit code 0/);
  expect(demo.errors()).toContain('guide/index.ts:2');
  // The last life was blocked, and was taken down in order all the same.
  const last = stdout.slice(stdout.lastIndexOf('index.ts was saved'));
  expect(last).toMatch(/end the demo +SIGINT.*see the agent end +exit code 0/s);
  expect(exitCode).toBe(1);
});

test.concurrent('what ran is listed, in its order, with how it ended', { timeout: limitMs }, async ({ author }) => {
  await author.write('guide.ts', pluginText("return { hold: 'look again', retryAfterMs: 600_000 };"));
  const demo = author.start(['demo', '--plugin', 'guide.ts', '--option', 'name=friend']);
  await expect.poll(demo.output, { timeout: limitMs }).toContain('holds at instanceActivating');
  const folder = dirname(/file:\/\/(\S+)/.exec(demo.output())?.[1] ?? expect.fail('no folder'));

  const listed = await author.agent(['plugin', 'list', '--conf', `${folder}/agent.conf`, '--json']);
  const shown = await author.agent(['plugin', 'list', '--conf', `${folder}/agent.conf`]);
  demo.process.kill('SIGINT');
  await demo.ended;

  expect(listed).toMatchObject({ exitCode: 0, stderr: '' });
  const { plugins, hooks, problems } = JSON.parse(listed.stdout);
  expect(plugins).toMatchObject([{ name: 'guide', version: '1.0.0', loads: true, isShipped: false }]);
  expect(hooks).toMatchObject([
    {
      hook: 'artifactUpdated',
      kind: 'gate',
      runners: [
        { name: 'ArtifactUpdatedEvent.sh', kind: 'stratos', last: { end: 'done', attempt: 1 } },
        { name: 'artifactUpdated guide', kind: 'plugin', last: { end: 'done', attempt: 1, reason: null } },
      ],
    },
    { hook: 'instanceActivating', runners: [{ last: { end: 'hold', reason: 'look again' } }] },
    { hook: 'drain', runners: [{ name: 'drain guide', mode: 'audit', timeoutMs: 5_000, last: null }] },
    { hook: 'clean', runners: [{ name: 'clean.sh', last: null }] },
  ]);
  expect(problems).toEqual([]);
  expect(shown.stdout).toMatch(/✓ {2}guide {2}1\.0\.0/);
  expect(shown.stdout).toMatch(/1\. {2}instanceActivating guide {2}plugin {2}hold \d+ ms, \d+ s ago: look again/);
  expect(shown.stdout).toMatch(/1\. {2}drain guide {2}plugin, audit, at most 5 s {2}-/);
});

test.concurrent('what cannot be shown is said at once', async ({ author }) => {
  await author.write('drain/50-wait', '#!/bin/sh\n', 0o755);

  const ends = await Promise.all([
    author.agent(['demo', '--plugin', 'nowhere.ts']),
    author.agent(['demo', '--plugin', 'drain/50-wait']),
    author.agent(['demo', '--option', 'a=b']),
  ]);

  expect(ends.map(({ exitCode }) => exitCode)).toEqual([1, 2, 2]);
  expect(ends.map(({ stderr }) => /PLUGIN_[A-Z_]+/.exec(stderr)?.[0])).toEqual([
    'PLUGIN_NOT_THERE',
    'PLUGIN_USAGE',
    'PLUGIN_USAGE',
  ]);
});

/** It acts where something can be seen; `activating` is what it does before the instance is active. */
function pluginText(activating: string): string {
  return `import { definePlugin } from 'cartridge-agent/plugin';
import { z } from 'zod';

export default definePlugin({
  name: 'guide',
  contract: 1,
  version: '1.0.0',
  options: z.strictObject({ name: z.string().default('nobody') }),
  hooks: {
    artifactUpdated: async ({ exec }) => void (await exec('true')),
    instanceActivating: async ({ status, log }) => { ${activating} },
    drain: { timeoutMs: 5_000, mode: 'audit', run: async () => {} },
  },
});
`;
}
