import { AgentError, reasonOf } from '../../../state/errors.ts';
import { createLog } from '../../log.ts';
import type { FoundPlugin } from '../../plugins/discover.ts';
import type { PluginError } from '../../plugins/failures.ts';
import { type LoadedPlugin, loadPlugin } from '../../plugins/load.ts';
import { defaultTiming } from '../../plugins/timing.ts';
import { fireAll } from './check-firing.ts';
import { type Checked, type Finding, finding } from './finding.ts';
import { type Inspection, inspectModule, optionLines, type Sections } from './inspect.ts';
import { alone, findIn, nameOf, sectionOf } from './locate.ts';
import { createPretence, type Pretence } from './pretence.ts';
import { optionsHere } from './ready.ts';
import { straySamples } from './samples.ts';

/** Half of what the agent grants: its machine may be busier. */
const loadLimitMs = 5_000;

export type CheckOptions = {
  readonly sections: Sections;
  readonly env: Readonly<NodeJS.ProcessEnv>;
  /** For a hook that does not say how long it may take. */
  readonly limitMs: number;
  readonly signal: AbortSignal;
};

type Description = NonNullable<Inspection['description']>;

/**
 * Does with a plugin what the agent would do, in a worker such as it would have, and fires its hooks with samples. No
 * program is run: a check must not reload somebody's web server.
 */
export async function checkPlugin(path: string, options: CheckOptions): Promise<Checked> {
  const findings: Finding[] = [];
  const checked = (name: string, version: string | null): Checked => ({
    kind: 'plugin',
    name,
    version,
    path,
    findings,
  });
  const description = await inspect(path, options, findings);
  if (description === null) return checked(nameOf(path), null);

  const { name, version } = description;
  findings.push(...nameFindings(name, path));
  await using folder = await alone(path, name);
  const pretence = createPretence();
  const problems: PluginError[] = [];
  const loaded = load(findIn(folder), pretence, { ...options, problems, section: sectionOf(name, options.sections) });
  try {
    await loaded.settled;
    findings.push(...problems.map(problemFinding));
    if (problems.length > 0) return checked(name, version);
    findings.push(...(await fireAll(loaded, { ...options, path, name, pretence })));
    for (const part of description.takesOver) findings.push(finding('ok', part, 'taken over; not tried'));
    if (findings.every(({ level }) => level === 'ok') && description.hooks.length === 0 && !offersMore(description)) {
      findings.push({
        ...finding('warning', 'hooks', 'it acts at none'),
        remedy: 'Give it one of hooks, health, checkout or commit.',
      });
    }
    findings.push(...straySamples(path));
    return checked(name, version);
  } finally {
    await loaded.close('the check is over');
  }
}

/** Null: it cannot be used, and the findings say why. */
async function inspect(path: string, options: CheckOptions, findings: Finding[]): Promise<Description | null> {
  try {
    const startedAt = performance.now();
    await using folder = await alone(path);
    const { complaints, description } = await inspectModule(findIn(folder).url, { ...options, limitMs: loadLimitMs });
    const durationMs = Math.round(performance.now() - startedAt);
    findings.push({ ...finding('ok', 'loads', 'in a worker of its own'), durationMs });
    if (description === null) {
      findings.push(...complaints.map(({ text, remedy }) => ({ ...finding('error', 'contract', text), remedy })));
      return null;
    }
    findings.push(finding('ok', 'contract', `fulfilled by ${description.name}`), ...optionFindings(description));
    for (const { text, remedy } of complaints) {
      findings.push({ ...finding('error', 'options', text), remedy: `${remedy} ${optionsHere}` });
    }
    return complaints.length > 0 ? null : description;
  } catch (thrown) {
    const remedy = thrown instanceof AgentError ? thrown.remedy : 'Correct the module; plugin test shows its stack.';
    findings.push({ ...finding('error', 'loads', reasonOf(thrown)), remedy });
    return null;
  }
}

function optionFindings(description: Description): Finding[] {
  const lines = optionLines(description);
  return lines.length === 0 ? [finding('ok', 'options', 'none')] : lines.map((line) => finding('ok', 'options', line));
}

/** In plugins.dir it is known by the name of its file or folder. */
function nameFindings(name: string, path: string): Finding[] {
  if (name === nameOf(path)) return [];
  const remedy = `Call its file or folder ${name} when it is put into plugins.dir.`;
  return [{ ...finding('warning', 'name', `the plugin is called ${name}, its path ${nameOf(path)}`), remedy }];
}

function load(
  found: FoundPlugin,
  pretence: Pretence,
  options: CheckOptions & {
    readonly problems: PluginError[];
    readonly section: ReadonlyMap<string, string>;
  },
): LoadedPlugin {
  const { env, problems, section } = options;
  const { PATH = '', HOME = '', LANG = '' } = env;
  return loadPlugin(found, {
    section,
    hasMetadata: false,
    environment: { PATH, HOME, LANG },
    answer: pretence.answer,
    clean: (text) => text,
    // A crash of one hook is no reason not to try the next one.
    timing: { ...defaultTiming, startMs: loadLimitMs, restartDelaysMs: new Array(1_000).fill(0) },
    onProblem: (problem) => void problems.push(problem),
    log: createLog({ level: 'silent', pretty: false, colour: false, output: 2 }),
  });
}

function problemFinding({ message, remedy }: PluginError): Finding {
  return { ...finding('error', 'agent', message), remedy };
}

function offersMore({ health, takesOver }: Description): boolean {
  return health || takesOver.length > 0;
}
