import { parseArgs } from 'node:util';
import { AgentError } from '../../../state/errors.ts';

/** What `history` was asked for. */
export type HistoryOptions = {
  /** In lower case; null: all commits. */
  readonly commitPrefix: string | null;
  /** Null: all tenants. */
  readonly tenantId: string | null;
  /** Null: that of --conf. */
  readonly stateDir: string | null;
  /** Null: the default, if it is there. */
  readonly confFile: string | null;
  /** The folder of an original agent; null: none. */
  readonly home: string | null;
  readonly json: boolean;
};

export const historyUsage = `usage: cartridge-agent history [COMMIT] [option]...

Prints which commits ran on this machine, since when, and what became of them; the newest last. Reads the journal, so the
agent need not run. The newest 100 records are kept, and the last one of each tenant.

  COMMIT               only what concerns this commit: the first 4 digits of its id, or more;
                       exit 1 if it never ran here
  --tenant ID          only what concerns this tenant; exit 1 if nothing of it ever ran here
  --conf FILE          the agent.conf of the agent, of which only state.dir is read;
                       default /etc/cartridge-agent/agent.conf
  --home DIR           the folder of an original agent, for an agent that was started with it
  --state-dir DIR      where the agent keeps its state, instead
  --json               one JSON object, schema cartridge-agent.history/1
`;

/** The command line asks for something there is not. */
export class HistoryUsageError extends AgentError {
  override readonly name = 'HistoryUsageError';
  readonly code = 'HISTORY_USAGE';
  readonly remedy = 'See cartridge-agent history --help.';
}

const words = {
  conf: { type: 'string' },
  home: { type: 'string' },
  'state-dir': { type: 'string' },
  tenant: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/**
 * @returns null if help is asked for
 * @throws {@link HistoryUsageError}, and what parseArgs throws
 */
export function parseHistoryOptions(args: readonly string[]): HistoryOptions | null {
  const { values, positionals } = parseArgs({ args: joined(args), options: words, allowPositionals: true });
  if (values.help) return null;
  const { conf: confFile = null, home = null, 'state-dir': stateDir = null, tenant: tenantId = null, json } = values;
  if ((confFile ?? home) !== null && stateDir !== null)
    throw new HistoryUsageError(`cannot use --${confFile === null ? 'home' : 'conf'} and --state-dir together`);
  if (positionals.length > 1) throw new HistoryUsageError(`cannot look for ${positionals.length} commits at once`);
  const [commit = null] = positionals;
  if (commit !== null && !/^[0-9a-f]{4,64}$/i.test(commit))
    throw new HistoryUsageError(`cannot look for ${JSON.stringify(commit)}: write 4 or more digits of a commit's id`);
  return { commitPrefix: commit?.toLowerCase() ?? null, tenantId, stateDir, confFile, home, json };
}

/** `--tenant -1234`, the super tenant, looks like an option to parseArgs. */
function joined(args: readonly string[]): string[] {
  const at = args.findIndex((word, index) => word === '--tenant' && /^-\d+$/.test(args[index + 1] ?? ''));
  return at === -1 ? [...args] : [...args.slice(0, at), `--tenant=${args[at + 1]}`, ...args.slice(at + 2)];
}
