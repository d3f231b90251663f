import { ConfigError, formatProblems } from '../../state/config/problems.ts';
import { AgentError, reasonOf } from '../../state/errors.ts';
import { statusText } from '../../state/status/text.ts';
import type { Status } from '../../state/status.ts';
import { type Command, type CommandIo, exitCodes } from './command.ts';
import { printable, toHarmlessJson, withoutUserInfo } from './events/harmless.ts';
import { mayColour } from './events/lines.ts';
import { stateDirOf } from './state-dir.ts';
import { lookAtInstance } from './status/look.ts';
import { parseStatusOptions, type StatusOptions, StatusUsageError, statusUsage } from './status/options.ts';
import { untilState } from './status/until.ts';

const widthOffTerminal = 120;

/** What was asked for cannot be printed. */
class StatusOutputError extends AgentError {
  override readonly name = 'StatusOutputError';
  readonly code = 'STATUS_OUTPUT';
  readonly remedy = 'See that there is space where the output goes.';
}

/**
 * `status`: one look at the instance of this machine; the agent says how it is, or its journal.
 *
 * @see operators.md, "status"
 */
export const status: Command = async (args, io) => {
  try {
    const options = parseStatusOptions(args);
    if (options !== null) return await tell(options, io);
    io.stdout.write(statusUsage);
    return exitCodes.done;
  } catch (error) {
    if (io.signal.aborted) return exitCodes.gaveUp;
    if (error instanceof ConfigError) {
      io.stderr.write(formatProblems(error));
      return exitCodes.configuration;
    }
    if (!(error instanceof AgentError)) throw error;
    io.stderr.write(reportOf(error));
    if (error instanceof StatusOutputError) return exitCodes.gaveUp;
    return error instanceof StatusUsageError ? exitCodes.usage : exitCodes.unreachable;
  }
};

async function tell(options: StatusOptions, io: CommandIo): Promise<number> {
  const { signal } = io;
  const look = (withinMs?: number) => lookAtInstance(stateDirOf(options), withinMs);
  const { waitFor, timeoutMs } = options;
  if (waitFor === null) return await conclude(await look(), options, io);

  const { end, status: last, unknown } = await untilState(waitFor, { look, timeoutMs, signal });
  if (end === 'reached' && last !== null) return await conclude(last, options, io);
  if (last !== null) await print(last, options, io);
  const why = end === 'past' ? 'is past being' : 'has not become';
  io.stderr.write(`the instance ${why} ${waitFor}: ${isNow(last)}\n`);
  if (last === null && unknown !== null) io.stderr.write(reportOf(unknown));
  return end === 'past' ? exitCodes.gaveUp : exitCodes.timedOut;
}

function reportOf({ message, remedy, code }: AgentError): string {
  return `${message}\n${remedy} [${code}]\n`;
}

function isNow(last: Status | null): string {
  if (last === null) return 'nothing is known of it';
  const state = last.state ?? 'unknown';
  return last.source === 'journal' ? `the agent does not say, by its journal it was ${state}` : `it is ${state}`;
}

async function conclude(found: Status, options: StatusOptions, io: CommandIo): Promise<number> {
  await print(found, options, io);
  const wrong = options.assertions.filter(({ of, value }) => found[of] !== value);
  for (const { of, value } of wrong) io.stderr.write(`${of} is ${found[of] ?? 'unknown'}, not ${value}\n`);
  return wrong.length > 0 ? exitCodes.gaveUp : exitCodes.done;
}

async function print(found: Status, { json }: StatusOptions, { stdout, env }: CommandIo): Promise<void> {
  const text = json
    ? `${toHarmlessJson(found)}\n`
    : statusText(harmless(found), { colour: mayColour(stdout, env), width: widthOf(stdout) });
  // Beside its callback a stream tells of an error as an event, which ends the process if nobody listens.
  stdout.once('error', () => {});
  const error = await new Promise<NodeJS.ErrnoException | null | undefined>((resolve) => stdout.write(text, resolve));
  // `| head -1` has read enough: that is its good right.
  if (!error || error.code === 'EPIPE') return;
  throw new StatusOutputError(`cannot write the status: ${reasonOf(error)}`, { cause: error });
}

/** Some terminals do not know how wide they are, and say 0. */
function widthOf(stdout: NodeJS.WritableStream): number {
  const columns = 'columns' in stdout ? Number(stdout.columns) : 0;
  return columns > 0 ? columns : widthOffTerminal;
}

/** Hooks, git and the platform choose some of these words: none may move the cursor, and none holds a password. */
function harmless(found: Status): Status {
  return JSON.parse(JSON.stringify(found), (_, value: unknown) =>
    typeof value === 'string' ? withoutUserInfo(printable(value, 10_000)) : value,
  ) as Status;
}
