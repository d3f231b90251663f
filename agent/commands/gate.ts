import { join } from 'node:path';
import { z } from 'zod';
import { ConfigError, formatProblems } from '../../state/config/problems.ts';
import { AgentError, reasonOf } from '../../state/errors.ts';
import { askAgent } from '../asks.ts';
import { GateAnswer, type GateOrder } from '../control.ts';
import { type Command, exitCodes } from './command.ts';
import { printable } from './events/harmless.ts';
import { type GateOptions, GateUsageError, gateUsage, parseGateOptions } from './gate/options.ts';
import { stateDirOf } from './state-dir.ts';

/** The agent cannot be told. */
export class GateUnreachableError extends AgentError {
  override readonly name = 'GateUnreachableError';
  readonly code = 'GATE_UNREACHABLE';
  readonly remedy =
    'Start the agent, name its state.dir with --conf FILE or --state-dir DIR, and run this as its user.';
}

/** The agent answers, but not to this. */
export class GateRefusedError extends AgentError {
  override readonly name = 'GateRefusedError';
  readonly code = 'GATE_REFUSED';
  readonly remedy: string;
  /** It has only just started. */
  readonly isEarly: boolean;

  constructor(message: string, { code, remedy }: { code: string; remedy: string }) {
    super(`cannot have it done: ${message}`, { facts: { code } });
    this.remedy = remedy;
    this.isEarly = code === 'AGENT_STARTING';
  }
}

const Refusal = z.object({
  error: z.object({ code: z.string(), message: z.string(), remedy: z.string().default('Try again in a moment.') }),
});

/** Above what a busy agent needs to read a complete topology of a large platform. */
const answerWithinMs = 10_000;

/**
 * `gate retry|skip HOOK --reason TEXT`: the operators' way out of a gate that is blocked.
 *
 * @see plugins.md, "Outcomes of a gate"
 */
export const gate: Command = async (args, io) => {
  try {
    const options = parseGateOptions(args);
    if (options !== null) return conclude(options.order, await order(options), io);
    io.stdout.write(gateUsage);
    return exitCodes.done;
  } catch (error) {
    if (error instanceof ConfigError) {
      io.stderr.write(formatProblems(error));
      return exitCodes.configuration;
    }
    if (!(error instanceof AgentError)) throw error;
    io.stderr.write(`${error.message}\n${error.remedy} [${error.code}]\n`);
    if (error instanceof GateRefusedError && error.isEarly) return exitCodes.tryLater;
    return error instanceof GateUsageError ? exitCodes.usage : exitCodes.unreachable;
  }
};

function conclude({ action, gate }: GateOrder, { result }: GateAnswer, io: Parameters<Command>[1]): number {
  if (result === 'done') {
    io.stdout.write(action === 'retry' ? `${gate} is asked again\n` : `${gate} is skipped, the instance goes on\n`);
    return exitCodes.done;
  }
  if (result === 'unknown gate') {
    io.stderr.write(`cannot ${action} ${gate}: the agent knows of no such gate\n`);
    return exitCodes.usage;
  }
  io.stderr.write(`cannot ${action} ${gate}: it is not blocked; see cartridge-agent status\n`);
  return exitCodes.gaveUp;
}

async function order(options: GateOptions): Promise<GateAnswer> {
  const socketPath = join(stateDirOf(options), 'control.sock');
  const answer = await ask(socketPath, { ask: 'gate', ...options.order });
  const parsed = GateAnswer.safeParse(answer);
  if (parsed.success) return parsed.data;
  const { message, ...error } = errorIn(answer);
  throw new GateRefusedError(message, error);
}

/** After silence it may have been done all the same: doing it twice does no harm, for then the gate is not blocked. */
async function ask(socketPath: string, request: object): Promise<object> {
  try {
    return await askAgent(socketPath, request, { timeoutMs: answerWithinMs });
  } catch (cause) {
    const why = cause instanceof AgentError ? cause.message : reasonOf(cause);
    throw new GateUnreachableError(`cannot ask the agent at ${socketPath}: ${why}`, { cause });
  }
}

/** The socket answers before the agent can; and an older agent does not know of gates. */
function errorIn(answer: object): { message: string; code: string; remedy: string } {
  const said = Refusal.safeParse(answer).data?.error;
  return {
    message: printable(said?.message ?? 'the agent gives an answer that is none'),
    code: printable(said?.code ?? 'UNKNOWN'),
    remedy: printable(said?.remedy ?? 'See that the agent is as new as this program.'),
  };
}
