import { existsSync } from 'node:fs';
import { ConfigError, formatProblems } from '../../state/config/problems.ts';
import { AgentError } from '../../state/errors.ts';
import { statusText } from '../../state/status/text.ts';
import type { Status } from '../../state/status.ts';
import { readStateDir } from '../config.ts';
import { type Command, type CommandIo, exitCodes } from './command.ts';
import { printable, toHarmlessJson, withoutUserInfo } from './events/harmless.ts';
import { mayColour } from './events/lines.ts';
import { lookAtInstance } from './status/look.ts';
import { parseStatusOptions, type StatusOptions, StatusUsageError, statusUsage } from './status/options.ts';
import { untilState } from './status/until.ts';

const defaultConfFile = '/etc/cartridge-agent/agent.conf';
const defaultStateDir = '/var/lib/cartridge-agent';
const widthOffTerminal = 120;

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
    io.stderr.write(`${error.message}\n${error.remedy} [${error.code}]\n`);
    return error instanceof StatusUsageError ? exitCodes.usage : exitCodes.unreachable;
  }
};

async function tell(options: StatusOptions, io: CommandIo): Promise<number> {
  const { signal } = io;
  const look = () => lookAtInstance(stateDirOf(options));
  const { waitFor, timeoutMs } = options;
  if (waitFor === null) return conclude(await look(), options, io);

  const { end, status: last } = await untilState(waitFor, { look, timeoutMs, signal });
  if (end === 'reached' && last !== null) return conclude(last, options, io);
  if (last !== null) print(last, options, io);
  const isNow = last === null ? 'nothing is known of it' : `it is ${last.state ?? 'unknown'}`;
  const why = end === 'past' ? 'is past being' : 'has not become';
  io.stderr.write(`the instance ${why} ${waitFor}: ${isNow}\n`);
  return end === 'past' ? exitCodes.gaveUp : exitCodes.timedOut;
}

function conclude(found: Status, options: StatusOptions, io: CommandIo): number {
  print(found, options, io);
  const wrong = options.assertions.filter(({ of, value }) => found[of] !== value);
  for (const { of, value } of wrong) io.stderr.write(`${of} is ${found[of] ?? 'unknown'}, not ${value}\n`);
  return wrong.length > 0 ? exitCodes.gaveUp : exitCodes.done;
}

function print(found: Status, { json }: StatusOptions, { stdout, env }: CommandIo): void {
  if (json) {
    stdout.write(`${toHarmlessJson(found)}\n`);
    return;
  }
  const columns = 'columns' in stdout && typeof stdout.columns === 'number' ? stdout.columns : widthOffTerminal;
  stdout.write(statusText(harmless(found), { colour: mayColour(stdout, env), width: columns }));
}

/** Hooks, git and the platform choose some of these words: none may move the cursor, and none holds a password. */
function harmless(found: Status): Status {
  return JSON.parse(JSON.stringify(found), (_, value: unknown) =>
    typeof value === 'string' ? withoutUserInfo(printable(value, 10_000)) : value,
  ) as Status;
}

function stateDirOf({ stateDir, confFile }: StatusOptions): string {
  if (stateDir !== null) return stateDir;
  if (confFile === null && !existsSync(defaultConfFile)) return defaultStateDir;
  return readStateDir({ confFile: confFile ?? defaultConfFile });
}
