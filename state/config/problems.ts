import { AgentError } from '../errors.ts';

/** Something in the configuration that a person should correct. Holds no secrets, so it may be logged as it is. */
export interface Problem {
  /** Where to look: agent.conf, a file of conf.d, or launch-params. */
  readonly file: string;
  /** Counted from 1; null when the problem is in no one line, such as a key that is missing. */
  readonly line: number | null;
  readonly key: string | null;
  readonly wrong: string;
  /** The known key that an unknown one resembles most. */
  readonly nearest: string | null;
  /** What to do instead: `write a number from 1 to 65535`. */
  readonly write: string;
}

/** A problem that does not stop the agent: it says what was made of the value. */
export type ConfigWarning = Problem;

/** The configuration cannot be used. Holds everything that is wrong at once. The agent exits with 78. */
export class ConfigError extends AgentError {
  override readonly name = 'ConfigError';
  readonly code = 'CONFIG_INVALID';
  readonly remedy = 'Correct what the report names, then start the agent again.';
  readonly problems: readonly Problem[];
  /** What would only have been a warning: it often says why there is a problem. */
  readonly warnings: readonly ConfigWarning[];

  constructor(problems: readonly Problem[], options: { cause?: unknown; warnings?: readonly ConfigWarning[] } = {}) {
    const files = [...new Set(problems.map(({ file }) => file))].join(', ');
    super(`cannot use the configuration: ${counted(problems.length)} in ${files}`, { ...options, facts: { problems } });
    this.problems = problems;
    this.warnings = options.warnings ?? [];
  }
}

/** The report for people: one paragraph per problem, in the order of the lines; ends with a line feed. */
export function formatProblems({ problems, warnings, remedy, code }: ConfigError): string {
  const heading = `cannot use the configuration: ${counted(problems.length)}`;
  const also = warnings.length === 0 ? [] : [`warnings:\n${warnings.map(formatProblem).join('\n')}`];
  return `${[heading, problems.map(formatProblem).join('\n'), ...also, `${remedy} (${code})`].join('\n\n')}\n`;
}

/** Two lines without a line feed at the end: `file:line: key: what is wrong`, and what to write instead. */
export function formatProblem({ file, line, key, wrong, nearest, write }: Problem): string {
  const place = [line === null ? file : `${file}:${line}`, key].filter((part) => part !== null);
  const question = nearest === null ? '' : `, did you mean ${nearest}?`;
  return `${place.join(': ')}: ${wrong}${question}\n    ${write}`;
}

function counted(problems: number): string {
  return problems === 1 ? '1 problem' : `${problems} problems`;
}
