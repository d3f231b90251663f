import type { z } from 'zod';
import {
  type HookFunction,
  type HookInput,
  type HookName,
  hookInputProblems,
  type Plugin,
  type ReadVerdict,
  readPlugin,
  readVerdict,
  sampleDocument,
  unknownInputFields,
} from './contract.ts';
import { createStage, type Heard, type StageSetup } from './testing/stage.ts';

// For the tests of authors, published as `cartridge-agent/plugin/testing`. It needs no agent, no platform and no test runner.

export type { ExecCall, FakeExec, Heard, LogCall } from './testing/stage.ts';

/** What the plugin finds around it. All of it may be left out. */
export interface HarnessSetup<Schema extends z.ZodType> extends StageSetup {
  /** As its schema takes them, before defaults: what agent.conf would say. */
  readonly options?: z.input<Schema>;
}

/** How a hook ended, and what was heard of it on the way. */
export interface Fired extends Heard {
  readonly verdict: ReadVerdict;
  /** What it threw, if it failed by that. */
  readonly error?: unknown;
}

/** A plugin to be tried: one function at a time, in this process, with nothing real around it. */
export interface PluginHarness {
  /**
   * Calls a hook as the agent would. What is not said of the input is as in the sample.
   *
   * @throws TypeError when the plugin has no such hook, or the input is not one of it; ZodError for wrong options
   */
  fire<Name extends HookName>(hook: Name, input?: Partial<HookInput<Name>>, call?: FireOptions): Promise<Fired>;
  /** Asks for its numbers. Rejects as its function does. @throws TypeError when the plugin has none */
  health(): Promise<Omit<Heard, 'status' | 'extendedMs'> & { readonly numbers: Readonly<Record<string, number>> }>;
}

export interface FireOptions {
  /** Default 1; more after a hold, a failure, or a restart. */
  readonly attempt?: number;
  /** What the time limit, or a cleanup that overtakes, would abort. */
  readonly signal?: AbortSignal;
}

/**
 * Makes a plugin callable without an agent. No program is run: `exec` answers for all of them.
 *
 * @throws TypeError with all that is wrong with the plugin
 */
export function createPluginHarness<Schema extends z.ZodType>(
  plugin: Plugin<Schema>,
  setup: HarnessSetup<Schema> = {},
): PluginHarness {
  const { problems } = readPlugin(plugin);
  if (problems.length > 0) {
    const lines = problems.map(({ key, wrong, write }) => `${key ?? 'plugin'}: ${wrong}; ${write}`);
    throw new TypeError(`cannot test this plugin:\n${lines.join('\n')}`);
  }
  // Its functions are called with its own options, which no type of ours can name here.
  const any = plugin as unknown as Plugin<z.ZodType<unknown>, unknown>;

  return {
    async fire(hook, input, { attempt = 1, signal } = {}) {
      const run = functionOf(any, hook);
      const { instance, ...told } = await documentFor(hook, input);
      const stage = createStage(setup, { instance, options: await optionsOf(any, setup.options), attempt });
      try {
        const running = run(stage.context, told as never);
        stage.abortWith(signal);
        return { verdict: readVerdict(hook, await running), ...stage.end() };
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        return { verdict: { kind: 'failed', reason }, error, ...stage.end() };
      }
    },

    async health() {
      if (any.health === undefined) throw new TypeError(`${any.name} has no health`);
      const { instance } = await sampleDocument('instanceActivated');
      const options = await optionsOf(any, setup.options);
      const stage = createStage(setup, { instance, options, attempt: 1 });
      const numbers = await any.health(stage.context).finally(stage.end);
      const { status: _none, extendedMs: _neither, ...heard } = stage.end();
      return { numbers, ...heard };
    },
  };
}

function functionOf<Name extends HookName>({ name, hooks }: Plugin<z.ZodType<unknown>, unknown>, hook: Name) {
  const definition = hooks?.[hook];
  if (definition === undefined) throw new TypeError(`${name} has no hook ${hook}`);
  return (typeof definition === 'function' ? definition : definition.run) as HookFunction<Name>;
}

/** As it would come out of a worker: JSON, and nobody else's. */
async function documentFor<Name extends HookName>(hook: Name, input: Partial<HookInput<Name>> = {}) {
  const sample = await sampleDocument(hook);
  const document: typeof sample = JSON.parse(JSON.stringify({ ...sample, ...input }));
  const problems = [...(await unknownInputFields(hook, input)), ...(await hookInputProblems(hook, document))];
  if (problems.length > 0) throw new TypeError(`${hook} is never told this: ${problems.join('; ')}`);
  return document;
}

async function optionsOf({ options: schema }: Plugin<z.ZodType<unknown>, unknown>, given: unknown): Promise<unknown> {
  return schema === undefined ? {} : await schema.parseAsync(given ?? {});
}
