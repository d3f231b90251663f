import { cpSync, existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe } from 'vitest';
import { z } from 'zod';
import type { Asked } from '../../agent/hooks/runners.ts';
import type { PluginHost } from '../../agent/plugins/host.ts';
import { type HookName, hooks, type Plugin, readPlugin, sampleDocument } from '../../plugins/contract.ts';
import { expect } from './current-test.ts';
import { instance, never } from './hooks.ts';
import { type PluginStage, test } from './plugins.ts';

type Section = Readonly<Record<string, string>>;

/** What the suite must know of a plugin to try it. */
export type ContractCase = {
  /** A section of agent.conf that works here, and what it needs; all of it below `stage.folder`. */
  readonly prepare: (stage: PluginStage) => Promise<Section>;
  /** Sections that are refused, and what is said about it. */
  readonly refused: readonly { readonly section: Section; readonly says: RegExp }[];
  /** A hook that takes very long with these options, if there is one. */
  readonly slow?: { readonly hook: HookName; readonly section: (stage: PluginStage) => Promise<Section> };
};

/** A hook may take so long; all that ships is quick with what it is given here. */
const limitMs = 5_000;
const secrets = /opensesame|hush-hush/;

/** What is promised of every plugin that ships, in the worker of a real host. @see plugins.md */
export function pluginContract(plugin: Plugin<z.ZodType, never>, it: ContractCase): void {
  const { name, options, hooks: defined = {} } = plugin as unknown as Plugin<z.ZodObject, unknown>;
  const names = (Object.keys(hooks) as HookName[]).filter((hook) => defined[hook] !== undefined);

  describe.concurrent(`plugin ${name}`, () => {
    test('is one, by the contract', () => {
      expect(readPlugin(plugin)).toMatchObject({ problems: [] });
      expect(names).toHaveLength(Object.keys(defined).length);
    });

    test('loads with nothing but its own folder', async ({ stage }) => {
      const host = await start(stage, await it.prepare(stage));

      expect(host.problems()).toEqual([]);
      const { version = null } = plugin;
      expect(host.list()).toMatchObject([{ name, isShipped: true, version, state: 'running', crashes: 0 }]);
      expect(host.list()[0]?.hooks.toSorted()).toEqual(names.toSorted());
    });

    test('refuses options that are wrong or unknown, and says why', async ({ stage }) => {
      const right = await it.prepare(stage);
      const unknown = { section: { ...right, hots: 'x' }, says: /hots/ };

      const cases = [unknown, ...it.refused];
      const hosts = await Promise.all(cases.map(({ section }) => start(stage, section)));
      for (const [index, { says }] of cases.entries()) {
        const host = hosts[index] as PluginHost;

        expect(host.problems()).toMatchObject([{ code: 'PLUGIN_INVALID', isConfiguration: true, plugin: name }]);
        expect(host.problems()[0]?.message).toMatch(says);
        expect(names.flatMap((hook) => host.runnersFor(hook))).toEqual([]);
      }
      expect(stage.log()).not.toMatch(secrets);
    });

    test('answers each hook in time; again, and again after the agent was killed', async ({ stage }) => {
      const section = await it.prepare(stage);
      const before = await start(stage, section);
      for (const hook of names.filter((one) => one !== 'clean')) {
        expectPassed(hook, await ask(stage, before, hook, 1));
        expectPassed(hook, await ask(stage, before, hook, 2));
      }
      await before.close();

      const after = await start(stage, section);
      for (const hook of names) expectPassed(hook, await ask(stage, after, hook, 2));
      // Who is leaving may be asked again, too.
      for (const hook of names.filter((one) => ['drain', 'clean'].includes(one))) {
        expectPassed(hook, await ask(stage, after, hook, 3));
      }

      expect([...after.list(), ...before.list()]).toMatchObject([{ crashes: 0 }, { crashes: 0 }]);
      expect([...after.problems(), ...before.problems()]).toEqual([]);
      expect(stage.log()).not.toMatch(secrets);
    });

    test('can leave what never came up', async ({ stage }) => {
      const host = await start(stage, await it.prepare(stage));

      for (const hook of names.filter((one) => ['drain', 'clean'].includes(one))) {
        expect([hook, await ask(stage, host, hook, 1)]).toEqual([hook, { kind: 'done' }]);
      }
    });

    test('has numbers for people and the platform in every state', async ({ stage }) => {
      let state = 'created';
      const host = await start(stage, await it.prepare(stage), () => state);

      for (state of ['created', 'started', 'active', 'pendingTermination']) {
        const numbers = await host.health();
        expect(Object.keys(numbers).length > 0).toBe(plugin.health !== undefined);
        for (const [key, value] of Object.entries(numbers)) {
          expect(key).toMatch(/^[a-z]+(_[a-z]+)+$/);
          expect(key).not.toMatch(/^(memory_consumption|load_average|ports_not_open)$/);
          expect(value).toSatisfy(Number.isFinite);
        }
      }
      if (names.includes('clean')) await ask(stage, host, 'clean', 1);
      expect(stage.logged('statistics.readerFailed')).toEqual([]);
    });

    test.runIf(it.slow)('gives up when it is told to', async ({ stage }) => {
      const { hook, section = it.prepare } = it.slow ?? {};
      if (hook === undefined) return;
      const host = await start(stage, await section(stage));
      for (const earlier of names.slice(0, names.indexOf(hook))) await ask(stage, host, earlier, 1);
      const abort = new AbortController();
      const seen = Promise.withResolvers<void>();
      const call = { name: hook, input: await inputOf(hook), attempt: 1, leftMs: null, limitMs: 60_000 };
      const signals = {
        signal: abort.signal,
        overtaken: abort.signal,
        onExtend() {},
        onLengthen() {},
        onStatus: () => seen.resolve(),
      };

      const running = host.runnersFor(hook)[0]?.run({ ...call, ...signals });
      await seen.promise;
      abort.abort();

      // Whether or not it came to its end, its worker was not ended for that.
      const asked = await running;
      expect(asked?.kind).toMatch(/^(failed|done)$/);
      if (asked?.kind === 'failed') expect(asked.reason).toBe('the hook is overtaken');
      expect(host.list()).toMatchObject([{ state: 'running', crashes: 0 }]);
    });

    test('leaves no files open', async ({ stage }) => {
      const host = await start(stage, await it.prepare(stage), () => 'active');
      for (const hook of names) await ask(stage, host, hook, 1);
      await host.health();
      await host.close();

      await expect.poll(() => openFilesIn(stage.folder)).toEqual([join(stage.folder, 'log')]);
    });

    test('has its options documented', () => {
      const readme = readFileSync(join(folderOf(name), 'README.md'), 'utf8');
      const { properties = {} } = z.toJSONSchema(options ?? z.object({}), { io: 'input', unrepresentable: 'any' });

      const rows = Object.entries(properties).map(([key, schema]) => {
        const { description, default: usual } = schema as { description?: string; default?: unknown };
        return `| \`${key}\` | ${usual === undefined ? '-' : `\`${textOf(usual)}\``} | ${description} |`;
      });

      expect(readme.split('\n').filter((line) => line.startsWith('| `'))).toEqual(rows);
      expect(readme).toContain(`[plugin ${name}]`);
    });
  });

  async function start(stage: PluginStage, section: Section, state = () => 'started'): Promise<PluginHost> {
    const shipped = join(stage.folder, 'shipped');
    if (!existsSync(shipped)) cpSync(folderOf(name), join(shipped, name), { recursive: true });
    const own = () => ({ ...instance, state: state() });
    // Enough for a busy machine to be seen to end a call by itself.
    const host = stage.host({ shipped, options: { [name]: section }, instance: own, timing: { graceMs: limitMs } });
    await host.ready;
    return host;
  }
}

/** It may ask to be asked again, but neither fails nor refuses here. */
function expectPassed(hook: HookName, asked: Asked): void {
  expect({ hook, ...asked }).toMatchObject({ hook, kind: expect.stringMatching(/^(done|hold)$/) });
}

async function ask(stage: PluginStage, host: PluginHost, hook: HookName, attempt: number): Promise<Asked> {
  const { asked } = await stage.fire(host, hook, await inputOf(hook), { attempt, limitMs, signal: never() });
  return asked;
}

async function inputOf(hook: HookName): Promise<never> {
  const { instance: _ours, ...input } = await sampleDocument(hook);
  return input as never;
}

function folderOf(name: string): string {
  return fileURLToPath(new URL(`../../plugins/${name}`, import.meta.url));
}

function openFilesIn(folder: string): string[] {
  return readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return ''; // that of the listing itself
      }
    })
    .filter((path) => path.startsWith(folder));
}

/** As it is written in agent.conf. */
function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? '(none)' : value.join(', ');
  return String(value);
}
