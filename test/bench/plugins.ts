import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { enableCompileCache } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createHooks } from '../../agent/hooks/hooks.ts';
import { createLog } from '../../agent/log.ts';
import { createPluginHost, type PluginHost } from '../../agent/plugins/host.ts';
import { sampleDocument } from '../../plugins/contract.ts';
import type { Note } from './measures.ts';
import { readMemory, untilCalm } from './process.ts';
import { home } from './stage.ts';

const log = createLog({ level: 'silent', pretty: false, colour: false });
const never = new AbortController().signal;
const warmUp = 200;
const notices = 1_000;
const plugins = 8;
const scripts = 40;

const plain = `import { definePlugin } from 'cartridge-agent/plugin';
export default definePlugin({ name: 'NAME', contract: 1, hooks: { memberActivated: () => {} } });
`;
const withOptions = `import { definePlugin } from 'cartridge-agent/plugin';
import { z } from 'zod';
export default definePlugin({
  name: 'NAME',
  contract: 1,
  options: z.strictObject({ unit: z.string().default('apache2') }),
  hooks: { memberActivated: () => {} },
});
`;

/** What plugins in TypeScript cost, and scripts beside the mere spawning of them. */
export async function measurePlugins(note: Note, signal: AbortSignal): Promise<void> {
  enableCompileCache(join(home, 'plugins')); // as the agent does: from the second start on nothing is compiled anew
  await measureStart('pluginStart', plain, note);
  await measureStart('pluginStartZod', withOptions, note);
  await measureMemory(note, signal);
  await measureNotice(note);
  await measureScript(note);
}

async function measureStart(name: 'pluginStart' | 'pluginStartZod', text: string, note: Note): Promise<void> {
  await using folder = await folderWith([text]);
  for (const isFirst of [true, false]) {
    const sinceMs = performance.now();
    await using host = await startHost(folder.path);
    if (!isFirst) note(name, performance.now() - sinceMs);
    await host.close();
  }
}

async function measureMemory(note: Note, signal: AbortSignal): Promise<void> {
  await using folder = await folderWith(Array.from({ length: plugins }, () => withOptions));
  await untilCalm(process.pid, signal);
  const before = readMemory(process.pid).anon;
  await using host = await startHost(folder.path);
  await untilCalm(process.pid, signal);
  note('pluginMemory', (readMemory(process.pid).anon - before) / host.list().length);
}

async function measureNotice(note: Note): Promise<void> {
  await using folder = await folderWith([plain]);
  await using host = await startHost(folder.path);
  const [runner] = host.runnersFor('memberActivated');
  const { instance: _instance, ...input } = await sampleDocument('memberActivated');
  const call = { name: 'memberActivated' as const, input, attempt: 1, leftMs: null, limitMs: 10_000 };
  const durations: number[] = [];
  for (let nth = 0; nth < warmUp + notices; nth += 1) {
    const sinceMs = performance.now();
    const signals = { signal: never, overtaken: never };
    const asked = await runner?.run({ ...call, ...signals, onStatus() {}, onExtend() {}, onLengthen() {} } as never);
    if (asked?.kind !== 'done') throw new Error('the notice was not taken');
    durations.push(performance.now() - sinceMs);
  }
  note('pluginNotice', 1_000 * median(durations.slice(warmUp)));
}

/** One after the other, in turns, so that what else the machine does meets both. */
async function measureScript(note: Note): Promise<void> {
  await using folder = await folderWith([]);
  const extensionsDir = join(folder.path, 'extensions');
  const path = join(extensionsDir, 'startServers', '10-script');
  await mkdir(join(extensionsDir, 'startServers'), { recursive: true });
  await writeFile(path, '#!/bin/sh\ncat > /dev/null\necho "reloaded $CARTRIDGE_HOOK"\n');
  await chmod(path, 0o755);
  const { instance } = await sampleDocument('startServers');
  const launchParams = new Map<string, string>();
  const config = { extensionsDir, launchParams, ...nothing, passSecrets: false, timeoutMs: 10_000 };
  const properties = { serviceProperties: {}, clusterProperties: {}, memberProperties: {} };
  const facts = () => ({ mbIp: null, lbIp: null, lbPublicIp: null, ...properties });
  await using hooks = createHooks({ config, instance, log, environment: process.env, facts, owner: folder.path });
  const [asHook, bare]: [number[], number[]] = [[], []];
  for (let nth = 0; nth < scripts; nth += 1) {
    asHook.push(await tookMs(() => hooks.gate('startServers', {}, { signal: never })));
    await pause(60); // a hook comes seldom: what one prepares for the next is done by then
    bare.push(await tookMs(() => runBare(path)));
  }
  note('scriptHook', median(asHook));
  note('scriptBare', median(bare));
  note('scriptRatio', median(asHook) / median(bare));
}

const nothing = { paramFilePath: null, applicationPath: null, persistenceMapping: null };

async function runBare(path: string): Promise<void> {
  const child = spawn(path, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  child.stdin.end('{}\n');
  child.stdout.resume();
  child.stderr.resume();
  await once(child, 'close');
}

async function startHost(folder: string): Promise<PluginHost> {
  const { instance } = await sampleDocument('startServers');
  const host = createPluginHost({
    pluginsDir: join(folder, 'plugins'),
    sections: new Map(),
    instance: () => ({ ...instance, state: 'active' }),
    secrets: () => null,
    environment: process.env,
    owner: folder,
    temporaryFolder: folder,
    log,
  });
  await host.ready;
  const [problem] = host.problems();
  if (problem !== undefined) throw problem;
  return host;
}

async function folderWith(texts: readonly string[]): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'bench-'));
  await mkdir(join(path, 'plugins'));
  const files = texts.map((text, nth) => [`bench-${nth}`, text.replace('NAME', `bench-${nth}`)] as const);
  await Promise.all(files.map(([name, text]) => writeFile(join(path, 'plugins', `${name}.ts`), text)));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}

async function tookMs(work: () => Promise<unknown>): Promise<number> {
  const sinceMs = performance.now();
  await work();
  return performance.now() - sinceMs;
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1] ?? Number.NaN;
}
