import { type Condition, type Notes, severity } from '../lifecycle/condition.ts';
import type { Status, StatusArtifact, StatusCondition, StatusPort, StatusWait } from '../status.ts';

/** What is known of an instance, before anybody says what it comes to. */
export type Known = Pick<Status, 'state' | 'waits' | 'link' | 'artifacts' | 'ports' | 'thrift'> & {
  readonly condition: Condition;
  readonly notes: Notes;
};

type Judgement = Pick<Status, 'condition' | 'why' | 'next'>;

/** What it comes to: one word, why, and whose turn it is. */
export function judge(known: Known): Judgement {
  const condition = conditionOf(known);
  return { condition, why: whyOf(known, condition), next: nextOf(known, condition) };
}

/** Without a link nothing gets any further; but what a person must do does not wait for it. */
function conditionOf({ condition, link, state }: Known): StatusCondition {
  if (condition.condition === 'blocked' || state === null) return condition.condition;
  return link?.state === 'down' ? 'lost' : condition.condition;
}

function whyOf(known: Known, condition: StatusCondition): string[] {
  const { notes, waits, link } = known;
  // After a while the note says it, of every broker.
  const isNoted = aboutLink in notes;
  const lost =
    condition === 'lost' && link !== null && !isNoted
      ? [`cannot reach the broker ${link.url}${because(link.failure)}`]
      : [];
  const noted = severity.flatMap((worst) => Object.entries(notes).filter(([, note]) => note.condition === worst));
  // What is overdue is among the notes already.
  const waiting = waits.filter((wait) => isTold(wait) && !wait.overdue).map(({ waitsFor }) => `waits for ${waitsFor}`);
  const all = [
    ...lost,
    ...noted.map(([about, { text }]) => artifactIn(known, about)?.failure?.message ?? text),
    ...waiting,
  ];
  return all.length > 0 ? all : [known.condition.message || serving(known)];
}

function because(reason: string | null): string {
  return reason === null ? '' : `: ${reason}`;
}

/** Pauses are told as what comes next, endless waits are how it ought to be. */
function isTold({ longestMs, endsInMs, about }: StatusWait): boolean {
  return longestMs !== null && endsInMs === null && about !== 'publishStatistics';
}

function serving({ ports, artifacts }: Known): string {
  const open = (ports?.ports ?? []).filter(({ answers }) => answers).map(({ port }) => port);
  const placed = artifacts.filter(({ commit }) => commit !== null);
  const said = [
    ...(open.length > 0 ? [`${open.length === 1 ? 'port' : 'ports'} ${listed(open)} answered`] : []),
    ...(placed.length > 0 ? [`${counted(placed.length, 'artifact')} in place`] : []),
  ];
  return said.length > 0 ? said.join('; ') : 'serving';
}

function nextOf(known: Known, condition: StatusCondition): Judgement['next'] {
  const more = [...retries(known), ...remediesOf(known, condition), ...deadline(known.waits)];
  if (known.state === 'obsolete' && condition !== 'lost' && known.waits.every((wait) => !isTold(wait))) {
    return { who: 'nobody', what: 'nothing to do: the instance is gone', more: [] };
  }
  switch (condition) {
    case 'ok':
      return { who: 'nobody', what: 'nothing to do', more };
    case 'lost':
      // Two agents push each other out of the session, and no patience ends that.
      if (aboutIdentity in known.notes) return { who: 'person', what: `a person: ${remedies[aboutIdentity]}`, more };
      return { who: 'agent', what: 'goes on by itself: every broker of mb.urls is tried, for ever', more };
    case 'blocked':
    case 'degraded':
      return { who: 'person', what: `a person: ${personDoes(known, condition)}`, more };
    default:
      return { who: 'agent', what: 'goes on by itself', more };
  }
}

/** A note says what is wrong; what helps depends on what it is about. */
function personDoes(known: Known, condition: 'blocked' | 'degraded'): string {
  const [about, note] = Object.entries(known.notes).find(([, each]) => each.condition === condition) ?? ['', null];
  const gate = note?.condition === 'blocked' ? /^artifactUpdat(?:ing|ed)(?=: )/.exec(note.text)?.[0] : undefined;
  if (about.startsWith(artifactsOf)) return gate ? gateRemedy(gate) : commitRemedy;
  if (about.startsWith(repositoryOf)) return artifactRemedy(artifactIn(known, about));
  if (about === 'ports') return portsRemedy(known.ports?.ports ?? []);
  if (about === 'member') return 'see in the cloud controller why it forgot this member; the agent keeps it serving';
  if (about.startsWith('overdue ')) return 'see below';
  if (about in receiverNotes) return receiverRemedy(known, about);
  if (about === aboutLink) return lowered(known.link?.remedy ?? 'Look at the log of the agent.');
  const remedy = Object.hasOwn(remedies, about) ? remedies[about] : undefined;
  if (remedy !== undefined) return remedy;
  if (note === null) return 'look at the log of the agent';
  return condition === 'blocked' ? gateRemedy(about) : hookRemedy(about);
}

function hookRemedy(hook: string): string {
  return `look at what ${hook} said in the log, and correct it or what it complains about`;
}

function gateRemedy(gate: string): string {
  return `${hookRemedy(gate)}; then \`cartridge-agent gate retry ${gate} --reason TEXT\`, or \`gate skip\``;
}

const aboutLink = 'link';
const aboutIdentity = 'identity';
/** Of notes that are the agent's own, and always about the same. */
const remedies: Readonly<Record<string, string>> = {
  [aboutIdentity]: 'stop one of the two agents that have this MEMBER_ID; the other one is named above',
  plugins:
    'see to what the plugin named above needs (`cartridge-agent plugin check` shows more); start the agent again',
  hooks: 'correct the files named above; they are looked at again every half a minute',
  clock: 'set the clock of this machine, and keep it right with NTP',
  journal: 'free space in state.dir, or let the user of the agent write to it',
};

/** By what each receiver of the data bridge takes. */
const receiverNotes: Readonly<Record<string, string>> = {
  'statistics over Thrift': 'statistics',
  'log publishing': 'logs',
};

function receiverRemedy({ thrift }: Known, about: string): string {
  const failed = thrift?.receivers.find(({ takes, remedy }) => takes === receiverNotes[about] && remedy !== null);
  return lowered(failed?.remedy ?? 'Look at the log of the agent.');
}

const artifactsOf = 'artifacts of tenant ';
const repositoryOf = 'repository of tenant ';
const commitRemedy = 'push a commit that works, or have the platform name a repository that can be used';

/** A note is in the words of the machine, which knows no causes; the artifact itself does. */
function artifactIn({ artifacts }: Known, about: string): StatusArtifact | undefined {
  return artifacts.find(({ tenantId }) => about === `${repositoryOf}${tenantId}`);
}

function artifactRemedy(artifact: StatusArtifact | undefined): string {
  return lowered(artifact?.failure?.remedy ?? 'See that the repository can be reached from this instance.');
}

function portsRemedy(ports: readonly StatusPort[]): string {
  const closed = ports.filter(({ answers }) => !answers).map(({ port }) => port);
  const which =
    closed.length === 0 ? 'the ports of PORTS' : `${closed.length === 1 ? 'port' : 'ports'} ${listed(closed)}`;
  return `see that the services of this cartridge start and listen on ${which}`;
}

function retries({ waits, artifacts }: Known): string[] {
  const attempts = Math.max(0, ...artifacts.map((each) => each.attempts));
  return waits
    .filter(({ about, endsInMs }) => endsInMs !== null && (about === 'portsPause' || about === 'artifactPause'))
    .map(({ about, endsInMs }) => {
      const attempt = about === 'artifactPause' && attempts > 0 ? `attempt ${attempts} failed, ` : '';
      return `${attempt}tried again in ${Math.ceil((endsInMs ?? 0) / 1_000)} s`;
    });
}

/** What goes on by itself may not, and then a person wants to know where to look. */
function remediesOf({ waits, artifacts, link }: Known, condition: StatusCondition): string[] {
  const failures = condition === 'waiting' ? artifacts.flatMap(({ failure }) => failure ?? []) : [];
  const lost = condition === 'lost' && link !== null && link.code !== null ? [link] : [];
  const overdue = waits.filter((wait) => wait.overdue);
  const told = [...lost, ...failures, ...overdue].map(
    ({ remedy, code }) => `if it stays so: ${lowered(remedy ?? 'look at the log of the agent')} [${code}]`,
  );
  return [...new Set(told)];
}

function deadline(waits: readonly StatusWait[]): string[] {
  const wait = waits.find(({ about, endsInMs }) => about === 'activationDeadline' && endsInMs !== null);
  return wait === undefined
    ? []
    : [`given up in ${Math.ceil((wait.endsInMs ?? 0) / 1_000)} s, unless it is active by then`];
}

function lowered(sentence: string): string {
  return `${sentence.slice(0, 1).toLowerCase()}${sentence.slice(1)}`.replace(/\.$/, '');
}

function listed(items: readonly unknown[]): string {
  return items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
