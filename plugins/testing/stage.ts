import type { ExecOptions, ExecResult, HookInstance, MetadataClient, PluginContext, PluginLog } from '../contract.ts';

/** One program a plugin wanted to run. */
export interface ExecCall {
  readonly command: string;
  readonly args: readonly string[];
  /** There only if some were given. */
  readonly options?: ExecOptions;
}

/** Answers for a program. What is left out: exit code 0, no signal, no output. Throw to say that it cannot be started. */
export type FakeExec = (
  command: string,
  args: readonly string[],
  options: ExecOptions,
) => Partial<ExecResult> | undefined | Promise<Partial<ExecResult> | undefined>;

/** One line of the plugin's log. */
export interface LogCall {
  readonly level: keyof PluginLog;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** What was heard of a function of the plugin, each in its order. */
export interface Heard {
  readonly status: readonly string[];
  readonly calls: readonly ExecCall[];
  readonly log: readonly LogCall[];
  /** How much more time it wanted, each time. */
  readonly extendedMs: readonly number[];
  /** What it reported to be wrong, and null when that was over. */
  readonly reports: readonly (string | null)[];
  readonly published: readonly { readonly topic: string; readonly payload: string }[];
}

export interface StageSetup {
  readonly exec?: FakeExec;
  /** What differs from the sample. */
  readonly instance?: Partial<HookInstance & { readonly state: string }>;
  /** What `readSecret` finds, by name. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Without: `context.metadata` is not there, as without `metadata.service.url`. */
  readonly metadata?: MetadataClient;
}

/** One call of a plugin's function. */
export interface Stage {
  readonly context: PluginContext<unknown>;
  /** To be called once the function runs: a signal that aborts before nobody could have listened to. */
  readonly abortWith: (signal: AbortSignal | undefined) => void;
  readonly end: () => Heard;
}

/**
 * What one call of a plugin's function is given, and what is heard of it until its end. Whoever goes on afterwards is
 * refused: in the agent nothing awaits it, either.
 */
export function createStage(
  setup: StageSetup,
  call: { readonly instance: HookInstance; readonly options: unknown; readonly attempt: number },
): Stage {
  const abort = new AbortController();
  const status: string[] = [];
  const calls: ExecCall[] = [];
  const log: LogCall[] = [];
  const extendedMs: number[] = [];
  const reports: (string | null)[] = [];
  const published: { readonly topic: string; readonly payload: string }[] = [];
  let hasEnded = false;
  const refuseIfEnded = (what: string) => {
    if (hasEnded) throw new Error(`cannot ${what}: the hook has ended, await what it starts`);
    abort.signal.throwIfAborted();
  };

  const context: PluginContext<unknown> = {
    options: call.options,
    instance: { ...call.instance, state: 'active', ...setup.instance },
    signal: abort.signal,
    attempt: call.attempt,
    log: createLog((line) => void (hasEnded || log.push(line))),
    status: (message) => void (hasEnded || status.push(message)),
    extend: (ms) => void (hasEnded || extendedMs.push(ms)),
    report: (problem) => void (hasEnded || reports.push(problem)),
    publish: (topic, payload) => void (hasEnded || published.push({ topic, payload })),
    async exec(command, args = [], options) {
      refuseIfEnded(`exec ${command}`);
      calls.push({ command, args: [...args], ...(options === undefined ? {} : { options }) });
      const answer = await setup.exec?.(command, args, options ?? {});
      return { exitCode: 0, signal: null, stdout: '', stderr: '', ...answer };
    },
    async readSecret(name) {
      refuseIfEnded(`read the secret ${name}`);
      return setup.secrets?.[name] ?? null;
    },
    ...(setup.metadata === undefined ? {} : { metadata: setup.metadata }),
  };
  const end = () => {
    hasEnded = true;
    const said = { reports: [...reports], published: [...published] };
    return { status: [...status], calls: [...calls], log: [...log], extendedMs: [...extendedMs], ...said };
  };
  const abortWith = (signal: AbortSignal | undefined) => {
    signal?.addEventListener('abort', () => abort.abort(signal.reason), { once: true });
    if (signal?.aborted === true) abort.abort(signal.reason);
  };
  return { context, abortWith, end };
}

function createLog(add: (line: LogCall) => void): PluginLog {
  const at =
    (level: keyof PluginLog): PluginLog['info'] =>
    (fields, message = '') =>
      add(
        typeof fields === 'string' ? { level, message: fields, fields: {} } : { level, message, fields: { ...fields } },
      );
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
