import { parseArgs } from 'node:util';
import type { Kind } from '../../../state/config/kinds.ts';
import { nearestOf } from '../../../state/config/nearest.ts';
import { duration } from '../../../state/config/quantities.ts';
import { AgentError } from '../../../state/errors.ts';
import { StatusCondition } from '../../../state/status.ts';

/** In the order of a life. */
export const states = ['created', 'initialized', 'started', 'active', 'pendingTermination', 'obsolete'] as const;
export type LifeState = (typeof states)[number];

/** `state=active`. */
export type Assertion = { readonly of: 'state' | 'condition'; readonly value: string };

/** What `status` was asked for. */
export type StatusOptions = {
  /** Null: that of --conf. */
  readonly stateDir: string | null;
  /** Null: the default, if it is there. */
  readonly confFile: string | null;
  /** The folder of an original agent; null: none. */
  readonly home: string | null;
  readonly json: boolean;
  readonly waitFor: LifeState | null;
  /** How long to wait for that; null: for ever. */
  readonly timeoutMs: number | null;
  readonly assertions: readonly Assertion[];
};

export const statusUsage = `usage: cartridge-agent status [option]...

Says how the instance of this machine is, why, and what comes next. Asks the agent; if that does not run, its journal.

  --conf FILE          the agent.conf of the agent, of which only state.dir is read;
                       default /etc/cartridge-agent/agent.conf
  --home DIR           the folder of an original agent, for an agent that was started with it
  --state-dir DIR      where the agent keeps its state, instead
  --json               one JSON object, schema cartridge-agent.status/1
  --wait STATE         first wait until the instance is created, initialized, started, active,
                       pendingTermination or obsolete; exit 1 as soon as it is past that
  --timeout TIME       how long to wait (10s, 5m), default for ever: then exit 4
  --assert WHAT=VALUE  exit 1 unless state=STATE, or condition=ok (waiting, blocked, degraded, lost, unknown);
                       may be repeated; state is also what a journal says, condition is then lost
`;

/** The command line asks for something there is not. */
export class StatusUsageError extends AgentError {
  override readonly name = 'StatusUsageError';
  readonly code = 'STATUS_USAGE';
  readonly remedy = 'See cartridge-agent status --help.';
}

const words = {
  conf: { type: 'string' },
  home: { type: 'string' },
  'state-dir': { type: 'string' },
  json: { type: 'boolean', default: false },
  wait: { type: 'string' },
  timeout: { type: 'string' },
  assert: { type: 'string', multiple: true, default: [] as string[] },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/**
 * @returns null if help is asked for
 * @throws {@link StatusUsageError}, and what parseArgs throws
 */
export function parseStatusOptions(args: readonly string[]): StatusOptions | null {
  const { values } = parseArgs({ args: [...args], options: words });
  if (values.help) return null;
  const { conf: confFile = null, home = null, 'state-dir': stateDir = null, wait, timeout } = values;
  if ((confFile ?? home) !== null && stateDir !== null)
    throw new StatusUsageError(`cannot use --${confFile === null ? 'home' : 'conf'} and --state-dir together`);
  if (stateDir === '') throw new StatusUsageError('cannot use --state-dir, it is empty: write the path of a folder');
  if (timeout !== undefined && wait === undefined) throw new StatusUsageError('cannot use --timeout without --wait');
  return {
    stateDir,
    confFile,
    home,
    json: values.json,
    waitFor: wait === undefined ? null : oneOf('--wait', wait, states),
    timeoutMs: timeout === undefined ? null : read('--timeout', timeout, duration('s')),
    assertions: values.assert.flatMap((text) => text.trim().split(/\s+/)).map(assertion),
  };
}

function assertion(text: string): Assertion {
  const [name = '', value = ''] = text.split(/=(.*)/s);
  if (name === 'state') return { of: name, value: oneOf('--assert state', value, states) };
  if (name === 'condition') return { of: name, value: oneOf('--assert condition', value, StatusCondition.options) };
  throw new StatusUsageError(`cannot assert ${JSON.stringify(text)}: write state=active or condition=ok`);
}

function oneOf<const T extends string>(option: string, text: string, known: readonly T[]): T {
  const found = known.find((word) => word.toLowerCase() === text.toLowerCase());
  if (found !== undefined) return found;
  const nearest = nearestOf(text, known);
  const meant = nearest === null ? `; write ${known.join(', ')}` : `: did you mean ${nearest}?`;
  throw new StatusUsageError(`cannot use ${option} ${JSON.stringify(text)}, there is no such word${meant}`);
}

function read<T>(option: string, text: string, kind: Kind<T>): T {
  const reading = kind.read(text);
  if ('value' in reading) return reading.value;
  throw new StatusUsageError(`cannot use ${option}: ${reading.wrong}; write ${kind.form}`);
}
