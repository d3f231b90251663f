import type { HookInstance } from './input-types.ts';
import type { MetadataClient } from './metadata.ts';

/** What any function of a plugin is given. It can be taken apart: `({ options, exec, log }) => ...`. */
export interface HealthContext<Options = unknown> {
  /** The section `[plugin NAME]` of agent.conf, parsed by the plugin's own schema. */
  readonly options: Options;
  /** Who we are, and the state of the lifecycle: `initialized`, `started`, `active`, ... */
  readonly instance: HookInstance & { readonly state: string };
  /** Aborts at the time limit, and when a cleanup overtakes. Hand it to whatever waits. */
  readonly signal: AbortSignal;
  /** The agent's log; plugin and hook are named in each line. */
  readonly log: PluginLog;
  /**
   * Runs a program, without a shell, in a process group of its own that ends with `signal`. Rejects when it cannot be
   * started or was ended by `signal`, never for an exit code.
   */
  readonly exec: Exec;
  /**
   * A secret of this instance by its name among the launch parameters: `CARTRIDGE_KEY`, `TOKEN`, ...; null if there is
   * none. Keep it out of logs, reasons and arguments of programs.
   */
  readonly readSecret: (name: string) => Promise<string | null>;
  /**
   * Says what is wrong while nobody asks: the agent is *degraded* and shows it to people, until null is reported or the
   * plugin's worker ends. Newest wins. Like `log` and `publish` it may be called after the function has ended.
   */
  readonly report: (problem: string | null) => void;
  /**
   * Sends text to the broker, below `logs/`: at QoS 0, not retained. It is dropped while there is no link, and when the
   * plugin sends more than 1 MB in a second. @throws TypeError for another topic
   */
  readonly publish: (topic: LogTopic, payload: string) => void;
  /** The metadata service; there when `metadata.service.url` is configured. */
  readonly metadata?: MetadataClient;
}

/** What a hook is given besides its input. */
export interface PluginContext<Options = unknown> extends HealthContext<Options> {
  /** Counted from 1: more when it is asked again after a hold or a failure, or was interrupted by a restart. */
  readonly attempt: number;
  /** Shown to people while the hook runs. */
  readonly status: (message: string) => void;
  /** Moves the time limit to `ms` milliseconds from now, up to a cap, unless it is later already: for work that is seen to go on. */
  readonly extend: (ms: number) => void;
}

/** Without wildcards. */
export type LogTopic = `logs/${string}`;

/** Structured: fields first, then a constant message; or a message alone. */
export interface PluginLog {
  readonly debug: Logging;
  readonly info: Logging;
  readonly warn: Logging;
  readonly error: Logging;
}

export type Exec = (command: string, args?: readonly string[], options?: ExecOptions) => Promise<ExecResult>;

export interface ExecOptions {
  /** In milliseconds; then the program is ended, and `signal` says by what. At most what is left of the hook's own time. */
  readonly timeoutMs?: number;
  /** Added to PATH, HOME and LANG. */
  readonly env?: Readonly<Record<string, string>>;
  /** Working directory. */
  readonly cwd?: string;
  /** Written to stdin, which is empty otherwise. */
  readonly input?: string;
}

/** How a program ended, and what it said. */
export interface ExecResult {
  /** Null if it was ended by a signal. */
  readonly exitCode: number | null;
  /** Such as `SIGTERM`; null if it ended by itself. */
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

type Logging = (fields: object | string, message?: string) => void;
