import { Worker } from 'node:worker_threads';
import { z } from 'zod';

const OptionShape = z.object({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  description: z.string().optional(),
  default: z.unknown().optional(),
  enum: z.array(z.unknown()).optional(),
});

const Inspection = z.object({
  complaints: z.array(z.object({ text: z.string(), remedy: z.string() })),
  description: z
    .object({
      name: z.string(),
      version: z.string().nullable(),
      hooks: z.array(z.string()),
      health: z.boolean(),
      takesOver: z.array(z.string()),
      options: z
        .looseObject({
          properties: z.record(z.string(), OptionShape).optional(),
          required: z.array(z.string()).optional(),
        })
        .nullable(),
    })
    .nullable(),
});

/** What a module says it is; `description` null: it is no plugin, and `complaints` say why. */
export type Inspection = z.infer<typeof Inspection>;

/** What is to be said of a plugin in agent.conf. */
export type Sections = {
  /** As written, by the name of the plugin. */
  readonly sections: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Instead, whatever the plugin is called. */
  readonly given: Readonly<Record<string, string>>;
};

/** What the worker is started with. */
export type InspectStart = Sections & { readonly url: string };

/** Loads the module of a plugin in a worker of its own. @throws Error - it cannot be loaded, and why */
export async function inspectModule(
  url: string,
  { env, limitMs, sections }: { env: Readonly<NodeJS.ProcessEnv>; limitMs: number; sections: Sections },
): Promise<Inspection> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const { PATH, HOME, LANG } = env;
  const worker = new Worker(new URL('./inspect-worker.ts', import.meta.url), {
    workerData: { ...sections, url } satisfies InspectStart,
    env: Object.fromEntries(Object.entries({ PATH, HOME, LANG }).filter(([, value]) => value !== undefined)),
    execArgv: [],
    stdout: true, // data is ours
  });
  worker.once('message', resolve);
  worker.once('error', reject);
  worker.once('exit', (code) => reject(new Error(`it called process.exit(${code})`)));
  const limit = setTimeout(() => reject(new Error(`it was not loaded within ${limitMs} ms`)), limitMs);
  try {
    const said = await promise;
    const broken = z.object({ broken: z.string() }).safeParse(said);
    if (broken.success) throw new Error(broken.data.broken);
    return Inspection.parse(said);
  } finally {
    clearTimeout(limit);
    await worker.terminate();
  }
}

/** Each option in one line: `unit: string, default "apache2": systemd unit of the web server`. */
export function optionLines(description: NonNullable<Inspection['description']>): string[] {
  const { properties = {}, required = [] } = description.options ?? {};
  return Object.entries(properties).map(([key, shape]) => {
    const kinds = shape.enum?.map((value) => JSON.stringify(value)) ?? [shape.type ?? 'any'].flat();
    const must = required.includes(key) ? ', required' : '';
    const usual = 'default' in shape ? `, default ${JSON.stringify(shape.default)}` : '';
    const words = shape.description === undefined ? '' : `: ${shape.description}`;
    return `${key}: ${kinds.join(' or ')}${must}${usual}${words}`;
  });
}
