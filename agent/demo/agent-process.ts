import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, on, once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { AgentError } from '../../state/errors.ts';

/** One line of the agent's log. `time` is RFC 3339 in UTC. */
export type LogLine = { readonly time: string; readonly event: string } & Readonly<Record<string, unknown>>;

/** The agent as a process of its own, seen through its log. */
export type AgentProcess = {
  readonly pid: number;
  /** The last lines it wrote, on stdout or stderr, shortened for people. */
  readonly lastLines: readonly string[];
  onLine(listener: (line: LogLine) => void): void;
  /** Resolves when it says that the instance is in that state, at once if it was already. */
  entered(state: string, signal: AbortSignal): Promise<void>;
  /** Resolves with the next line that fits, of those to come. */
  next(fits: (line: LogLine) => boolean, signal: AbortSignal): Promise<LogLine>;
  /** Resolves with the exit code; null if a signal ended it. */
  readonly exited: Promise<number | null>;
  /** Asks it to end, and ends it: only the agent, not what its hooks have started. */
  stop(): Promise<void>;
  /** For the very last moment, when nothing can be waited for. */
  kill(): void;
};

/** The agent cannot be started as a process. */
export class AgentNotStartedError extends AgentError {
  override readonly name = 'AgentNotStartedError';
  readonly code = 'DEMO_AGENT_NOT_STARTED';
  readonly remedy = 'See that this user may start more processes, and run the demo again.';
}

const linesKept = 20;
const lineLimit = 300;
const stopAfterMs = 3_000;

/**
 * @param options - `program`: the file Node runs; `home`: the folder of an original agent, instead of `confFile`;
 * `logFile`: gets all it writes
 * @throws {@link AgentNotStartedError}
 */
export async function startAgentProcess(options: {
  readonly program: string;
  readonly confFile: string;
  readonly home?: string | undefined;
  readonly logFile: string;
  readonly env: Readonly<NodeJS.ProcessEnv>;
}): Promise<AgentProcess> {
  // In a session of its own: Ctrl-C is meant for the demo, which then takes the instance down in order.
  const place = options.home === undefined ? ['--conf', options.confFile] : ['--home', options.home];
  const child = spawn(process.execPath, [options.program, 'run', ...place], {
    env: options.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  await once(child, 'spawn').catch((cause) => {
    throw new AgentNotStartedError('cannot start the agent', { cause });
  });

  const lines = new EventEmitter<{ line: [LogLine] }>().setMaxListeners(0);
  const lastLines: string[] = [];
  const states = new Set<string>();
  readLines(child, options.logFile, (text) => {
    const line = parseLine(text);
    lastLines.push(shortened(line, text));
    if (lastLines.length > linesKept) lastLines.shift();
    if (line === null) return;
    if (line.event === 'lifecycle.entered') states.add(String(line['state']));
    lines.emit('line', line);
  });

  return {
    pid: child.pid ?? 0,
    lastLines,
    exited,
    onLine: (listener) => void lines.on('line', listener),
    async entered(state, signal) {
      while (!states.has(state)) await once(lines, 'line', { signal });
    },
    async next(fits, signal) {
      for await (const [line] of on(lines, 'line', { signal })) if (fits(line)) return line;
      throw signal.reason;
    },
    async stop() {
      child.kill('SIGTERM');
      const stubborn = new AbortController();
      const killed = sleep(stopAfterMs, undefined, { signal: stubborn.signal }).then(
        () => killGroup(child),
        () => {},
      );
      await exited;
      stubborn.abort();
      await killed;
    },
    kill: () => killGroup(child),
  };
}

function readLines(child: ChildProcess, logFile: string, onLine: (text: string) => void): void {
  const file = createWriteStream(logFile, { mode: 0o600 });
  // Without its log file the demo still has what it needs: the lines.
  file.on('error', () => {});
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on('line', (text) => {
      file.write(`${text}\n`);
      onLine(text);
    });
  }
  child.once('close', () => file.end());
}

function parseLine(text: string): LogLine | null {
  try {
    const line: unknown = JSON.parse(text);
    return typeof line === 'object' && line !== null && 'event' in line && 'time' in line ? (line as LogLine) : null;
  } catch {
    // A stack trace, or the report on a wrong configuration: for people.
    return null;
  }
}

/** Without who it is about, which is the same in every line. */
function shortened(line: LogLine | null, text: string): string {
  if (line === null) return text.slice(0, lineLimit);
  const { time, level, part = 'agent', msg, event: _event, member: _member, cluster: _cluster, ...facts } = line;
  return `${time.slice(11, 23)} ${level} ${part}: ${msg} ${JSON.stringify(facts)}`.slice(0, lineLimit);
}

function killGroup({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It ended in this moment.
  }
}
