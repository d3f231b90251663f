import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type HookName, sampleDocument } from '../../plugins/contract.ts';
import { expect } from './current-test.ts';
import { instance } from './hooks.ts';
import type { PluginStage } from './plugins.ts';

// The plugin `service`, with what its tests do with it.

export type Section = Readonly<Record<string, string>>;

/** Everything of a test is in its folder. */
export function usual({ folder }: PluginStage): Section {
  return { runDir: join(folder, 'run'), cwd: folder, settleMs: '60', graceMs: '5000', restartMs: '20', steadyMs: '50' };
}

/** A service that notes in `started` which process it is. */
export function serve({ folder }: PluginStage, { before = '', term = ':' } = {}): string {
  const path = join(folder, 'serve.sh');
  const body = `trap '${term}; exit 0' TERM\n${before}\necho $$ >>started\nwhile :; do sleep 0.02; done`;
  writeFileSync(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return path;
}

/** The process ids of all that were started; there is one at least. */
export async function started(stage: PluginStage): Promise<number[]> {
  await expect.poll(() => stage.lines('started')).not.toEqual([]);
  return stage.lines('started').map(Number);
}

export async function start(stage: PluginStage, section: Section, state = 'started', environment = process.env) {
  const plugin = { stage, state, host: stage.host({ options: { service: section }, environment, instance: own }) };
  function own() {
    return { ...instance, state: plugin.state };
  }
  await plugin.host.ready;
  expect(plugin.host.problems()).toEqual([]);
  return plugin;
}

export async function ask({ stage, host }: Awaited<ReturnType<typeof start>>, hook: HookName, attempt = 1) {
  const { instance: _ours, ...input } = await sampleDocument(hook);
  return (await stage.fire(host, hook, input as never, { attempt })).asked;
}
