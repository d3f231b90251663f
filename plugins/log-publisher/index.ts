import { setInterval } from 'node:timers/promises';
import { definePlugin, type HealthContext } from 'cartridge-agent/plugin';
import { z } from 'zod';
import { createBudget } from './budget.ts';
import { createTail, type Tail, type TakeLine } from './tail.ts';
import { logTopic } from './topic.ts';

// An example of a plugin that goes on between its hooks: they only say when it begins, and when it ends. What is published
// are logs, of which the newest count and some may be lost: so nothing is kept, and nothing is waited for.

const options = z.strictObject({
  paths: z
    .array(z.string().startsWith('/', 'not an absolute path'))
    .min(1)
    .describe('The files to follow. They may not be there yet, and may be rotated.'),
  bytesPerSecond: z
    .int()
    .min(1_000)
    .max(1_000_000)
    .default(65_536)
    .describe('What may be published, all files together.'),
  lineBytes: z.int().min(100).default(8_192).describe('Longer lines are cut.'),
  pollMs: z.int().min(10).default(1_000).describe('How often the files are looked at.'),
});
type Context = HealthContext<z.output<typeof options>>;

type Following = { readonly stop: AbortController; readonly ended: Promise<void> };

/** All files of this instance; null: nothing is followed. */
let following: Promise<Following> | null = null;
let leftOutBytes = 0;

export default definePlugin({
  name: 'log-publisher',
  contract: 1,
  version: '1.0.0',
  options,
  hooks: {
    // Before any service writes its first line.
    instanceStarting: async (context) => {
      await follow(context);
    },

    // The last words of the service are the ones people look for.
    clean: {
      after: ['service'],
      run: async () => {
        const { stop, ended } = (await following) ?? {};
        stop?.abort();
        await ended;
        following = null;
      },
    },
  },

  health: async (context) => {
    // After a restart of the agent no hook is called again that is through.
    if (['started', 'active'].includes(context.instance.state)) await follow(context);
    return { logs_left_out_bytes: leftOutBytes };
  },
});

/** Resolves when it is known where each file ends: all that is written from then on is published. */
async function follow(context: Context): Promise<void> {
  following ??= begin(context);
  await following;
}

async function begin(context: Context): Promise<Following> {
  const { paths, bytesPerSecond, lineBytes } = context.options;
  // A share for each, so that a file that is flooded does not silence the others.
  const share = Math.ceil(bytesPerSecond / paths.length);
  const limits = { lineBytes: Math.min(lineBytes, share), backlogBytes: share * 5 };
  const files = paths.map((path) => ({
    tail: createTail(path, { ...limits, log: context.log }),
    take: publisherOf(path, share, context),
  }));
  await Promise.all(files.map(({ tail }) => tail.open('end')));
  const stop = new AbortController();
  return { stop, ended: pollUntil(stop.signal, files, context.options.pollMs) };
}

async function pollUntil(
  signal: AbortSignal,
  files: readonly { readonly tail: Tail; readonly take: TakeLine }[],
  pollMs: number,
): Promise<void> {
  const readAll = () => Promise.all(files.map(({ tail, take }) => tail.read(take)));
  try {
    // Its timer lets the worker end.
    for await (const _ of setInterval(pollMs, undefined, { signal, ref: false })) await readAll();
  } catch {
    // It was stopped: what there is until now is still read.
    await readAll();
  } finally {
    await Promise.all(files.map(({ tail }) => tail.close()));
  }
}

/** False once the share is spent: the line is to be offered again. */
function publisherOf(path: string, bytesPerSecond: number, { instance, publish }: Context): TakeLine {
  const topic = logTopic(instance);
  const budget = createBudget(bytesPerSecond);
  return ({ text, isCut, skippedBytes }) => {
    if (!budget.isOpen()) return false;
    const { memberId } = instance;
    const payload = JSON.stringify({
      ...{ memberId, path, logTime: Date.now(), message: text },
      ...(isCut && { isCut }),
      ...(skippedBytes > 0 && { skippedBytes }),
    });
    budget.spend(Buffer.byteLength(payload));
    leftOutBytes += skippedBytes;
    publish(topic, payload);
    return true;
  };
}
