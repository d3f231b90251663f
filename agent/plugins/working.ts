import { flushCompileCache } from 'node:module';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import type { Plugin } from '../../plugins/contract.ts';
import { type Context, createContexts } from './context.ts';
import { type Described, describe } from './describe.ts';
import type { FromWorker, Task, ToWorker, WorkerStart } from './messages.ts';
import { limitOutput } from './output-limit.ts';
import { provideModules } from './resolver.ts';

// Runs in the worker of one plugin: loads it, says what it is, then does what it is told. The agent is at the other end of
// the port, and keeps the limits: nothing here is trusted to.

const port = parentPort;
if (isMainThread || port === null) throw new Error('this file is the worker of a plugin');

const start = workerData as WorkerStart;
limitOutput(process.stdout);
limitOutput(process.stderr);
provideModules();

const say = (message: FromWorker) => port.postMessage(message);
const contexts = createContexts(say, start);
const loaded = await load();
if (loaded !== null) {
  say({ type: 'described', description: loaded.description, complaints: loaded.complaints.slice(0, 100) });
  flushCompileCache();
  port.on('message', (message: ToWorker) => take(message, loaded));
}

async function load(): Promise<Described | null> {
  try {
    const module: { default?: unknown } = await import(start.url);
    return await describe(module.default, start);
  } catch (thrown) {
    say({ type: 'broken', reason: wordsOf(thrown) });
    return null;
  }
}

function take(message: ToWorker, { plugin, options }: Described): void {
  if (message.type !== 'call') contexts.take(message);
  else if (plugin !== null) void answer(message.call, message.task, plugin, options);
}

/** Never rejects: it says how it ended. */
async function answer(call: number, task: Task, plugin: Plugin, options: unknown): Promise<void> {
  try {
    const { instance, ...input } = JSON.parse(textOf(task.document));
    const context = contexts.open({ call, attempt: task.attempt, options, instance });
    const value = await functionOf(plugin, task)(context, input);
    contexts.close(call);
    say({ type: 'ended', call, value });
  } catch (thrown) {
    contexts.close(call);
    say({ type: 'failed', call, reason: wordsOf(thrown) });
  }
}

type Work = (context: Context, input: unknown) => unknown;

function functionOf(plugin: Plugin, { what, name }: Task): Work {
  const hook = what === 'hook' ? Object.entries<unknown>(plugin.hooks ?? {}).find(([key]) => key === name)?.[1] : null;
  const found = {
    hook: typeof hook === 'object' && hook !== null && 'run' in hook ? hook.run : hook,
    health: plugin.health?.bind(plugin),
    fetch: withSecret(plugin.checkout?.fetch.bind(plugin.checkout)),
    place: withSecret(plugin.checkout?.place.bind(plugin.checkout)),
    commit: withSecret(plugin.commit?.bind(plugin)),
  }[what];
  if (typeof found === 'function') return found as Work;
  throw new Error(`the plugin has no ${name} any more`);
}

/** What was opened for the way here is closed again: a `Secret` prints as nothing. */
function withSecret(work: unknown): Work | undefined {
  if (typeof work !== 'function') return undefined;
  return async (context, input) => {
    const { Secret } = await import('../../state/secret.ts');
    const wanted = input as { credential: { userName: string; password: string } | null };
    const { credential } = wanted;
    const closed = credential === null ? null : { ...credential, password: new Secret(credential.password) };
    return await work(context, { ...wanted, credential: closed });
  };
}

function textOf(pieces: Task['document']): string {
  return pieces.map((piece) => (typeof piece === 'string' ? piece : new TextDecoder().decode(piece))).join('');
}

function wordsOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
  return text.slice(0, 4_000);
}
