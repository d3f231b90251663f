import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe } from 'vitest';
import { ownMember } from '../agent/demo/story.ts';
import { expect } from './support/current-test.ts';
import { type Life, lifeTest } from './support/life.ts';
import { pluginText } from './support/plugins.ts';

const checkout = `checkout: { fetch: async () => ({ newCommit: '1' }), place: async () => {} },`;
const commit = 'commit: async () => null,';
const commitEnabled = { COMMIT_ENABLED: 'true' };

describe.concurrent('what a plugin has taken over from git is not done by git, and an agent that is asked for it', () => {
  lifeTest.for([
    {
      summary: 'by the platform',
      body: checkout,
      params: commitEnabled,
      conf: {},
      warned: [['launch-params', 'COMMIT_ENABLED', /^true, but nothing is committed: plugin svn .* offers no commit$/]],
    },
    {
      summary: 'by agent.conf',
      body: checkout,
      params: {},
      conf: { 'auto.commit': 'true', 'artifact.drift': 'restore' },
      warned: [
        ['agent.conf', 'auto.commit', /^true, but nothing is committed/],
        ['agent.conf', 'artifact.drift', /^restore, but nothing is put back: plugin svn has taken over checkout/],
      ],
    },
    {
      summary: 'while the plugin does one of the two itself',
      body: commit,
      params: commitEnabled,
      conf: { 'artifact.drift': 'restore' },
      warned: [['agent.conf', 'artifact.drift', /^restore, .*: plugin svn has taken over commit/]],
    },
    { summary: 'while the plugin does it', body: checkout + commit, params: commitEnabled, conf: {}, warned: [] },
  ] as const)('warns of it, and starts: $summary', async ({ body, params, conf, warned }, { life }) => {
    await putPlugin(life, body);
    const platform = await life.platform({ members: [ownMember('Initialized')] });

    const agent = await life.agent({ params, conf });
    await platform.waitFor('InstanceActivatedEvent');

    const warnings = agent.lines.filter(({ event }) => event === 'config.warning');
    expect(warnings).toMatchObject(
      warned.map(([file, key, wrong]) => ({
        file: join(life.folder, file),
        key,
        wrong: expect.stringMatching(wrong),
        remedy: expect.stringMatching(/plugin/),
      })),
    );
  });
});

async function putPlugin({ folder }: Life, body: string): Promise<void> {
  await mkdir(join(folder, 'plugins'));
  await writeFile(join(folder, 'plugins', 'svn.ts'), pluginText('svn', body));
}
