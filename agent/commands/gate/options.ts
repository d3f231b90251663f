import { parseArgs } from 'node:util';
import { hooks } from '../../../plugins/contract.ts';
import { nearestOf } from '../../../state/config/nearest.ts';
import { AgentError } from '../../../state/errors.ts';
import { GateOrder } from '../../control.ts';

/** What `gate` was asked for. */
export type GateOptions = {
  readonly order: GateOrder;
  /** Null: that of --conf. */
  readonly stateDir: string | null;
  /** Null: the default, if it is there. */
  readonly confFile: string | null;
  /** The folder of an original agent; null: none. */
  readonly home: string | null;
};

export const gateUsage = `usage: cartridge-agent gate retry|skip HOOK --reason TEXT [option]...

The way out for an instance that is blocked by a hook: its agent asks the hook again (retry), or goes on
as if it had passed (skip). The reason is kept in the journal.

  --reason TEXT    why, for whoever wonders later
  --conf FILE      the agent.conf of the agent, of which only state.dir is read;
                   default /etc/cartridge-agent/agent.conf
  --home DIR       the folder of an original agent, for an agent that was started with it
  --state-dir DIR  where the agent keeps its state, instead

Exit code 0: done; 1: that hook does not block; 69: no agent answers.
`;

/** The command line asks for something there is not. */
export class GateUsageError extends AgentError {
  override readonly name = 'GateUsageError';
  readonly code = 'GATE_USAGE';
  readonly remedy = 'See cartridge-agent gate --help.';
}

const words = {
  reason: { type: 'string' },
  conf: { type: 'string' },
  home: { type: 'string' },
  'state-dir': { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/**
 * @returns null if help is asked for
 * @throws {@link GateUsageError}
 */
export function parseGateOptions(args: readonly string[]): GateOptions | null {
  const { values, positionals } = parse(args);
  if (values.help) return null;
  const { conf: confFile = null, home = null, 'state-dir': stateDir = null, reason = '' } = values;
  const [action, gate, ...rest] = positionals;
  if (action !== 'retry' && action !== 'skip')
    throw new GateUsageError(`cannot ${action ?? 'do nothing'}: write retry or skip`);
  if (gate === undefined || rest.length > 0) throw new GateUsageError(`cannot ${action} it: name one hook`);
  if ((confFile ?? home) !== null && stateDir !== null)
    throw new GateUsageError(`cannot use --${confFile === null ? 'home' : 'conf'} and --state-dir together`);
  if (stateDir === '') throw new GateUsageError('cannot use --state-dir, it is empty: write the path of a folder');
  const order = GateOrder.safeParse({ action, gate: knownGate(gate), reason });
  if (!order.success) throw new GateUsageError('cannot use --reason: write why, in at most 500 characters');
  return { order: order.data, stateDir, confFile, home };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: words, allowPositionals: true });
  } catch (cause) {
    // What else it throws there is about its own arguments.
    if (!(cause instanceof Error && 'code' in cause && String(cause.code).startsWith('ERR_PARSE_ARGS_'))) throw cause;
    throw new GateUsageError(`cannot read the options: ${cause.message}`, { cause });
  }
}

function knownGate(word: string): string {
  const gates = Object.entries(hooks).flatMap(([name, { kind }]) => (kind === 'gate' ? [name] : []));
  if (gates.includes(word)) return word;
  // As status has it: `startServers/10-licence`, `startServers php-server`.
  const [beginning = ''] = word.split(/[/ ]/);
  const meant = gates.includes(beginning) ? beginning : nearestOf(word, gates);
  const hint = meant === null ? `; there are ${gates.join(', ')}` : `: did you mean ${meant}?`;
  throw new GateUsageError(`cannot use ${JSON.stringify(word)}, it is no gate${hint}`);
}
