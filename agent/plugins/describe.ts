import type { z } from 'zod';
import { isHookName, type Plugin, type PluginProblem, readPlugin } from '../../plugins/contract.ts';
import { nearestOf } from '../../state/config/nearest.ts';
import type { Complaint, Description, WorkerStart } from './messages.ts';
import { keysOf, valuesOf } from './options.ts';

/** What is known of a plugin once it is loaded; `plugin` and `options` stay in its worker. */
export type Described = {
  /** Null: it cannot be used, as `complaints` say. */
  readonly plugin: Plugin | null;
  readonly options: unknown;
  readonly description: Description;
  readonly complaints: readonly Complaint[];
};

const nothing: Description = { version: null, hooks: [], health: false, checkout: false, commit: false };

/** Looks at what a plugin's module exports, without calling anything of it but its schema of options. */
export async function describe(exported: unknown, start: WorkerStart): Promise<Described> {
  const { plugin, problems } = readPlugin(exported);
  const names = plugin === null || plugin.name === start.plugin ? [] : [renamed(plugin.name)];
  const { options, complaints } = await parseOptions(schemaIn(exported, problems), start);
  return {
    plugin,
    options,
    description: plugin === null ? nothing : descriptionOf(plugin),
    complaints: [...problems.map(complaintOf), ...names, ...complaints],
  };
}

function complaintOf({ key, wrong, nearest, write }: PluginProblem): Complaint {
  const question = nearest === null ? '' : `, did you mean ${nearest}?`;
  return { text: `${key === null ? '' : `${key}: `}${wrong}${question}`, remedy: `In the plugin, ${write}.` };
}

function renamed(name: string): Complaint {
  const remedy = 'Give the plugin and its file or folder the same name: that of its section in agent.conf.';
  return { text: `it calls itself ${name}`, remedy };
}

/** Also of a plugin with other mistakes, so that all are told at once. Null: it has none that could be asked. */
function schemaIn(exported: unknown, problems: readonly PluginProblem[]): z.ZodType | undefined | null {
  if (problems.some(({ key }) => key === null || key === 'contract' || key === 'options')) return null;
  return (exported as Partial<Plugin>).options;
}

async function parseOptions(
  schema: z.ZodType | undefined | null,
  start: WorkerStart,
): Promise<{ options: unknown; complaints: Complaint[] }> {
  if (schema === null) return { options: {}, complaints: [] };
  const complain = (text: string) => {
    return { options: {}, complaints: [{ text, remedy: `Correct section [plugin ${start.plugin}] of agent.conf.` }] };
  };
  if (schema === undefined) {
    const keys = Object.keys(start.options);
    if (keys.length === 0) return { options: {}, complaints: [] };
    return complain(`it has no options, but its section has ${keys.join(', ')}`);
  }
  const { z } = await import('zod'); // only now: a plugin without options need not pay for it
  const parsed = await schema.safeParseAsync(valuesOf(start.options, schema, z.toJSONSchema));
  if (parsed.success) return { options: parsed.data, complaints: [] };
  return complain(lineOf(parsed.error, keysOf(schema, z.toJSONSchema)));
}

/** All that is wrong in one line: `port: expected number, received string; Unrecognized key: "hots", did you mean hosts?` */
function lineOf(error: z.ZodError, known: readonly string[]): string {
  return error.issues
    .map((issue) => {
      if (issue.path.length > 0) return `${issue.path.map(String).join('.')}: ${issue.message}`;
      const meant = issue.code === 'unrecognized_keys' ? issue.keys.flatMap((key) => nearestOf(key, known) ?? []) : [];
      return meant.length === 0 ? issue.message : `${issue.message}, did you mean ${meant.join(', ')}?`;
    })
    .join('; ');
}

function descriptionOf({ version, hooks = {}, health, checkout, commit }: Plugin): Description {
  return {
    version: version ?? null,
    hooks: Object.entries<unknown>(hooks).flatMap(([hook, given]) =>
      given !== undefined && isHookName(hook) ? [{ hook, ...detailsOf(given) }] : [],
    ),
    health: health !== undefined,
    checkout: checkout !== undefined,
    commit: commit !== undefined,
  };
}

function detailsOf(given: unknown): Omit<Description['hooks'][number], 'hook'> {
  const details = typeof given === 'object' ? (given as Partial<Description['hooks'][number]>) : {};
  const { timeoutMs = null, retries = null, before = [], after = [], mode = 'enforce' } = details;
  return { timeoutMs, retries, before, after, mode };
}
