import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test as base } from 'vitest';
import { runLimited } from '../../agent/hooks/limited-run.ts';
import type { Asked, Runner } from '../../agent/hooks/runners.ts';
import { createLog } from '../../agent/log.ts';
import { createPluginHost, type PluginHost } from '../../agent/plugins/host.ts';
import type { HookInputs, HookName, MetadataClient } from '../../plugins/contract.ts';
import { Secret } from '../../state/secret.ts';
import { expect } from './current-test.ts';
import { instance, never, processesIn } from './hooks.ts';

type Sections = Readonly<Record<string, Readonly<Record<string, string>>>>;
type HostOptions = Partial<Parameters<typeof createPluginHost>[0]> & { readonly options?: Sections };

/** How a run of a hook ended, and what was seen on the way. */
export type Fired = { readonly asked: Asked; readonly statuses: readonly string[]; readonly tookMs: number };

/** A plugins folder of its own, plugins in it, and the hosts that run them. */
export type PluginStage = {
  readonly folder: string;
  readonly pluginsDir: string;
  /** Puts a file in place, relative to the plugins folder. */
  file(name: string, text: string, mode?: number): Promise<void>;
  /** A plugin in TypeScript: `body` is what definePlugin gets besides name and contract. */
  plugin(name: string, body: string, before?: string): Promise<void>;
  host(options?: HostOptions): PluginHost;
  /** Runs the hook of the first plugin that has it, as a gate would, with a limit. */
  fire<Name extends HookName>(
    host: PluginHost,
    hook: Name,
    input: HookInputs[Name],
    options?: { limitMs?: number; capMs?: number; attempt?: number; signal?: AbortSignal; runner?: Runner },
  ): Promise<Fired>;
  /** What plugins have written to a file in the stage's folder, by lines. */
  lines(file: string): string[];
  logged(event: string): Record<string, unknown>[];
  log(): string;
};

export const quick = { graceMs: 150, programGraceMs: 200, restartDelaysMs: [10, 20, 30], startMs: 15_000 } as const;

/** Tests of plugins get a `stage`, and leave neither files nor processes behind. */
export const test = base.extend<{ stage: PluginStage }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of the fixtures from the pattern
  stage: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), 'plugins-test-'));
    const [pluginsDir, temporaryFolder] = [join(folder, 'plugins'), join(folder, 'tmp')];
    await Promise.all([mkdir(pluginsDir), mkdir(temporaryFolder)]);
    const output = openSync(join(folder, 'log'), 'a');
    const log = createLog({ level: 'debug', pretty: false, colour: false, output });
    const hosts: PluginHost[] = [];
    const readLog = () => readFileSync(join(folder, 'log'), 'utf8');
    const file = async (name: string, text: string, mode = 0o644) => {
      const path = join(pluginsDir, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text);
      await chmod(path, mode);
    };
    await use({
      folder,
      pluginsDir,
      file,
      plugin: (name, body, before = '') => file(`${name}.ts`, pluginText(name, body, before)),
      host({ options = {}, timing = {}, ...others } = {}) {
        const host = createPluginHost({
          pluginsDir,
          sections: new Map(Object.entries(options).map(([name, values]) => [name, new Map(Object.entries(values))])),
          instance: () => ({ ...instance, state: 'started' }),
          secrets: (name) => (name === 'CARTRIDGE_KEY' ? new Secret('opensesame') : null),
          environment: process.env,
          owner: folder,
          temporaryFolder,
          timing: { ...quick, ...timing },
          log,
          ...others,
        });
        hosts.push(host);
        return host;
      },
      fire,
      lines(name) {
        const path = join(folder, name);
        return existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
      },
      logged: (event) =>
        readLog()
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line))
          .filter((line) => line.event === event),
      log: readLog,
    });
    await Promise.all(hosts.map((host) => host.close()));
    await expect.poll(() => readdirSync(temporaryFolder)).toEqual([]);
    await expect.poll(() => processesIn(folder)).toEqual([]);
    closeSync(output);
    await rm(folder, { recursive: true });
  },
});

export function pluginText(name: string, body: string, before = ''): string {
  return `import { definePlugin } from 'cartridge-agent/plugin';
import { z } from 'zod';
import { appendFileSync } from 'node:fs';
${before}
void [z, appendFileSync];
export default definePlugin({ name: '${name}', contract: 1, ${body} });
`;
}

const fire: PluginStage['fire'] = async (host, hook, input, options = {}) => {
  const { limitMs = 20_000, capMs = 60_000, attempt = 1, signal = never() } = options;
  const statuses: string[] = [];
  const runner = options.runner ?? host.runnersFor(hook)[0];
  if (runner === undefined) throw new Error(`no plugin has ${hook}`);
  const startedAt = performance.now();
  const call = { name: hook, input, attempt, leftMs: null, onStatus: (text: string) => void statuses.push(text) };
  const asked = await runLimited(runner, call, { limitMs, capMs, graceMs: quick.graceMs * 4, signal });
  return { asked, statuses, tookMs: performance.now() - startedAt };
};

/** A metadata service in memory. */
export function metadataInMemory(): MetadataClient & { readonly values: Map<string, readonly string[]> } {
  const values = new Map<string, readonly string[]>();
  return {
    values,
    get: async (key) => values.get(key) ?? null,
    put: async (key, given) => void values.set(key, typeof given === 'string' ? [given] : given),
    delete: async (key) => void values.delete(key),
  };
}
