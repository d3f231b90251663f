import { ConfigError, formatProblems } from '../../state/config/problems.ts';
import { AgentError } from '../../state/errors.ts';
import { type History, recordsAbout } from '../../state/history/history.ts';
import { historyText } from '../../state/history/text.ts';
import { readJournal } from '../journal/journal.ts';
import { type Command, type CommandIo, exitCodes } from './command.ts';
import { printable, toHarmlessJson, withoutUserInfo } from './events/harmless.ts';
import { mayColour } from './events/lines.ts';
import { type HistoryOptions, HistoryUsageError, historyUsage, parseHistoryOptions } from './history/options.ts';
import { stateDirOf } from './state-dir.ts';

/** There is no journal that could be read: nobody tells what ran here. */
export class HistoryUnknownError extends AgentError {
  override readonly name = 'HistoryUnknownError';
  readonly code = 'HISTORY_NOTHING_KNOWN';
  readonly remedy =
    'Name the state.dir of the agent with --conf FILE or --state-dir DIR, and run this as the user it runs as.';
}

/**
 * `history [COMMIT]`: which commits ran here, since when, as the journal tells it; whether the agent runs does not matter.
 *
 * @see operators.md, "history"
 */
export const history: Command = async (args, io) => {
  try {
    const options = parseHistoryOptions(args);
    if (options !== null) return tell(options, io);
    io.stdout.write(historyUsage);
    return exitCodes.done;
  } catch (error) {
    if (error instanceof ConfigError) {
      io.stderr.write(formatProblems(error));
      return exitCodes.configuration;
    }
    if (!(error instanceof AgentError)) throw error;
    io.stderr.write(`${error.message}\n${error.remedy} [${error.code}]\n`);
    return error instanceof HistoryUsageError ? exitCodes.usage : exitCodes.unreachable;
  }
};

function tell(options: HistoryOptions, { stdout, stderr, env }: CommandIo): number {
  const found = readHistory(stateDirOf(options));
  const records = recordsAbout(found.records, options);
  for (const problem of found.problems) stderr.write(`${printable(problem)}\n`);
  if (options.json) stdout.write(`${toHarmlessJson({ ...found, records })}\n`);
  else stdout.write(historyText(records.map(harmless), { colour: mayColour(stdout, env) }));
  if (records.length > 0) return exitCodes.done;

  const isNarrowed = options.commitPrefix !== null || options.tenantId !== null;
  if (!options.json || isNarrowed) stderr.write(`${nothingOf(options)}\n`);
  return isNarrowed ? exitCodes.gaveUp : exitCodes.done;
}

/** @throws {@link HistoryUnknownError} */
function readHistory(stateDir: string): History {
  const { memberId, artifacts, recovery } = readJournal(stateDir);
  const unreadable = recovery.problems.find(({ code }) => code === 'JOURNAL_UNREADABLE');
  if (unreadable !== undefined || recovery.lastWrittenAgoMs === null) {
    const why = unreadable?.message ?? `there is no journal in ${stateDir}`;
    throw new HistoryUnknownError(`cannot tell what ran here: ${why}`, { cause: unreadable, facts: { stateDir } });
  }
  // The end of a journal may be half a line: a running agent is just writing it.
  const problems = recovery.problems.filter(({ code }) => code !== 'JOURNAL_TORN').map(({ message }) => message);
  const at = new Date().toISOString();
  return { schema: 'cartridge-agent.history/1', at, memberId, records: [...artifacts], problems };
}

function nothingOf({ commitPrefix, tenantId }: HistoryOptions): string {
  const whose = tenantId === null ? '' : ` of tenant ${printable(tenantId, 100)}`;
  return commitPrefix === null
    ? `no artifact${whose} has been put in place here, as far as the journal goes back`
    : `no commit ${commitPrefix}${whose} has run here, as far as the journal goes back`;
}

/** Whoever writes commits chooses some of these words: none may move the cursor, and none holds a password. */
function harmless<Value>(value: Value): Value {
  return JSON.parse(JSON.stringify(value), (_, it: unknown) =>
    typeof it === 'string' ? withoutUserInfo(printable(it)) : it,
  ) as Value;
}
