import { definePlugin } from 'cartridge-agent/plugin';
import { z } from 'zod';

// An example of a gate that holds: the instance becomes active when its service says so itself, not when a port is open.

const options = z.strictObject({
  url: z
    .url({ protocol: /^https?$/, error: 'not the URL of a web server' })
    .refine((url) => !/^[^/]*\/\/[^/?#]*@/.test(url), 'it may have no user name or password in it')
    .describe('What is asked for.'),
  status: z
    .array(z.int().min(100).max(599))
    .default([])
    .describe('The answers that are right; without any: 200 to 299.'),
  body: z.string().optional().describe('Text the answer must have in it.'),
  pattern: z
    .string()
    .refine(isPattern, 'not a regular expression')
    .optional()
    .describe('A regular expression the answer must match.'),
  timeoutMs: z.int().min(1).default(3_000).describe('For one answer.'),
  retryAfterMs: z.int().min(100).default(2_000).describe('From one look to the next, until it is ready.'),
});
type Options = z.output<typeof options>;

/** What one look has seen; `wrong` null: it is ready. */
type Seen = { readonly wrong: string | null; readonly tookMs: number };

/** Of the answer that is looked at. */
const bodyLimitBytes = 1024 * 1024;

export default definePlugin({
  name: 'http-check',
  contract: 1,
  version: '1.0.0',
  options,
  hooks: {
    // It never says no for good: how long is too long is up to the limit of the gate.
    instanceActivating: async ({ options, signal, attempt, status }) => {
      status(`asking ${options.url}, look ${attempt}`);
      const { wrong } = await look(options, signal);
      if (wrong === null) return;
      return { hold: `${options.url}: ${wrong}`, retryAfterMs: options.retryAfterMs };
    },
  },

  // Afterwards it only tells: the agent is degraded, and the platform sees the number.
  health: async ({ options, instance, signal, report }) => {
    const { wrong, tookMs } = await look(options, signal);
    if (instance.state === 'active') report(wrong === null ? null : `${options.url}: ${wrong}`);
    if (wrong !== null) return { http_up: 0 }; // how long a failure takes says nothing
    return { http_up: 100, http_response_ms: tookMs };
  },
});

/** @throws the signal's reason when it aborts */
async function look({ url, timeoutMs, ...wanted }: Options, signal: AbortSignal): Promise<Seen> {
  const startedAt = performance.now();
  try {
    // Closed at once: `drain` of the plugin `service` counts what is open. A redirect is an answer as any other.
    const response = await fetch(url, {
      headers: { connection: 'close' },
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    const wrong = await wrongWith(response, wanted);
    return { wrong, tookMs: Math.round(performance.now() - startedAt) };
  } catch (thrown) {
    signal.throwIfAborted();
    const wrong = (thrown as Error).name === 'TimeoutError' ? `no answer within ${timeoutMs} ms` : reasonOf(thrown);
    return { wrong, tookMs: Math.round(performance.now() - startedAt) };
  }
}

async function wrongWith(
  response: Response,
  { status, body, pattern }: Pick<Options, 'status' | 'body' | 'pattern'>,
): Promise<string | null> {
  const isRight = status.length === 0 ? response.ok : status.includes(response.status);
  if (!isRight || (body === undefined && pattern === undefined)) {
    await response.body?.cancel(); // it may be long, or never end
    return isRight ? null : `status ${response.status}`;
  }
  const text = await textOf(response);
  if (body !== undefined && !text.includes(body)) return `its answer has no ${JSON.stringify(body)}`;
  if (pattern !== undefined && !new RegExp(pattern, 'u').test(text)) return `its answer does not match /${pattern}/`;
  return null;
}

/** Of an endless answer only the beginning. */
async function textOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of body ?? []) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes >= bodyLimitBytes) break;
  }
  return Buffer.concat(chunks).toString();
}

/** `fetch failed` says little: its cause does. */
function reasonOf(thrown: unknown): string {
  const { message, cause } = thrown as Error;
  return cause instanceof Error ? cause.message || String((cause as NodeJS.ErrnoException).code) : message;
}

function isPattern(source: string): boolean {
  try {
    return new RegExp(source, 'u') !== null;
  } catch {
    return false;
  }
}
