import type { Status, StatusArtifact, StatusCondition, StatusHook, StatusPort } from '../status.ts';
import { shown, shownExactly } from './duration.ts';

type Section = { readonly label: string; readonly lines: readonly string[] };

const glyphs: Readonly<Record<StatusCondition, { readonly glyph: string; readonly colour: string }>> = {
  ok: { glyph: '●', colour: '32' },
  waiting: { glyph: '◐', colour: '36' },
  blocked: { glyph: '▲', colour: '31' },
  degraded: { glyph: '◆', colour: '33' },
  lost: { glyph: '✕', colour: '31' },
  unknown: { glyph: '○', colour: '90' },
};

const gap = '   ';
const labelWidth = 12;
const hooksShown = 6;
const recentShown = 5;

/**
 * One instance, for people: the first line carries all, sections with nothing in them are left out, and what is too long
 * is wrapped, never cut.
 *
 * @param options - `width`: columns of the terminal
 * @see operators.md, "status"
 */
export function statusText(status: Status, { colour, width }: { colour: boolean; width: number }): string {
  const paint = (code: string, text: string) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  const lines = sectionsOf(status)
    .filter((section) => section.lines.length > 0)
    .flatMap(({ label, lines: [first = '', ...more] }) => [
      ...indented(first, width, (text) => `  ${paint('2', label.padEnd(labelWidth - 2))}${text}`),
      ...more.flatMap((line) => indented(line, width, (text) => `${' '.repeat(labelWidth)}${text}`)),
    ]);
  return `${[headline(status, paint), ...lines].join('\n')}\n`;
}

function headline(status: Status, paint: (code: string, text: string) => string): string {
  const { instance, state, condition, stateForMs, stateSince, startTookMs } = status;
  const { glyph, colour } = glyphs[condition];
  const since = stateSince === null ? [] : [`since ${clock(stateSince, status.at)}`];
  const took = startTookMs === null ? [] : [`start took ${shownExactly(startTookMs)}`];
  const parts = [
    `${paint(colour, glyph)} ${paint('1', instance.memberId ?? 'this instance')}`,
    `${state ?? 'unknown'} / ${paint(colour, condition)}`,
    ...(stateForMs === null ? [] : [`for ${shown(stateForMs)}`]),
  ];
  return [parts.join('  '), ...(since.length > 0 ? [[...since, ...took].join(', ')] : [])].join(gap);
}

function sectionsOf(status: Status): Section[] {
  const { why, next, problems } = status;
  return [
    { label: 'why', lines: why },
    { label: 'next', lines: [next.what, ...next.more] },
    { label: 'agent', lines: agentLines(status) },
    { label: 'link', lines: linkLines(status) },
    { label: 'outbox', lines: outboxLines(status) },
    { label: 'artifact', lines: artifactLines(status) },
    { label: 'ports', lines: portsLines(status.ports) },
    { label: 'health', lines: healthLines(status.health) },
    { label: 'thrift', lines: thriftLines(status.thrift) },
    { label: 'hooks', lines: status.hooks.slice(-hooksShown).map(hookLine) },
    { label: 'recent', lines: status.recent.slice(-recentShown).map((line) => recentLine(line, status.at)) },
    { label: 'problems', lines: problems },
  ];
}

/** After a restart nobody knows since when the instance is as it is. */
function agentLines({ agent, stateForMs }: Status): string[] {
  return agent === null || stateForMs !== null ? [] : [`took over in this state ${shown(agent.upForMs)} ago`];
}

function linkLines({ link, outbox }: Status): string[] {
  if (link === null) return [];
  const up = [
    ...(link.rttMs === null ? [] : [`rtt ${shownExactly(link.rttMs)}`]),
    `sent ${grouped(link.sentCount)}`,
    ...(outbox === null ? [] : [`waiting ${grouped(outbox.waitingCount)}`]),
  ];
  const failure = link.failure === null ? [] : [link.failure];
  const told = link.state === 'up' ? up : [`for ${shown(link.forMs)}`];
  return [columns(link.state.padEnd(6), link.url, ...told, ...failure)];
}

function outboxLines({ outbox }: Status): string[] {
  if (outbox === null || outbox.waitingCount === 0) return [];
  return [columns(`${grouped(outbox.waitingCount)} waiting`, outbox.events.join(', '))];
}

function artifactLines({ artifacts, waits }: Status): string[] {
  const look = waits.find(({ about }) => about === 'artifactInterval');
  const more = { count: artifacts.length, nextLookMs: look?.endsInMs ?? null };
  return artifacts.map((artifact) => artifactLine(artifact, more));
}

function artifactLine(
  artifact: StatusArtifact,
  { count, nextLookMs }: { count: number; nextLookMs: number | null },
): string {
  const { tenantId, repoUrl, commit, changedAgoMs, attempts, failure, progress } = artifact;
  return columns(
    artifactWord(artifact),
    ...(count > 1 ? [`tenant ${tenantId}`] : []),
    ...commitWords(artifact),
    ...(repoUrl === null ? [] : [repoUrl]),
    `${shown(changedAgoMs)} ago`,
    ...(progress === null ? [] : [progress]),
    ...(failure === null ? [] : [`${attempts} failed ${attempts === 1 ? 'attempt' : 'attempts'}`]),
    ...(nextLookMs === null || commit === null ? [] : [`next look in ${shown(nextLookMs)}`]),
  );
}

/** Looked at, and as its commit says: clean. */
function artifactWord({ stage, driftedFiles }: StatusArtifact): string {
  if (stage !== 'placed' || driftedFiles === null) return stage;
  return driftedFiles === 0 ? 'clean' : `drifted: ${driftedFiles} ${driftedFiles === 1 ? 'file' : 'files'}`;
}

function commitWords({ commit, provenance }: StatusArtifact): string[] {
  if (commit === null) return [];
  const short = commit.slice(0, 7);
  if (provenance?.commit !== commit) return [short];
  const { branch, subject } = provenance;
  return [[...(branch === null ? [] : [branch]), short, ...(subject === null ? [] : [`"${subject}"`])].join(' ')];
}

function portsLines(ports: Status['ports']): string[] {
  if (ports === null || ports.wantedCount === 0) return [];
  const open = ports.ports.filter(({ answers }) => answers).length;
  const age =
    ports.ports.length === 0 ? [] : [`looked ${shown(Math.min(...ports.ports.map((each) => each.agoMs)))} ago`];
  return [columns(`${open} of ${ports.wantedCount}`, ...ports.ports.map(portText), ...age)];
}

function portText({ port, answers, reason, durationMs }: StatusPort): string {
  return answers ? `${port} ${shownExactly(durationMs)}` : `${port} ${reason ?? 'no answer'}`;
}

function healthLines(health: Status['health']): string[] {
  if (health === null) return [];
  const percent = (name: string, value: number | null) => (value === null ? [] : [`${name} ${Math.round(value)} %`]);
  return [
    columns(
      `sent ${shown(health.sentAgoMs)} ago`,
      ...percent('load', health.loadPercent),
      ...percent('memory', health.memoryPercent),
    ),
  ];
}

function thriftLines(thrift: Status['thrift']): string[] {
  if (thrift === null) return [];
  const { verified, receivers, droppedBytes } = thrift;
  return [
    ...receivers.map(({ takes, url, state, sentCount, sentAgoMs, failure }) =>
      columns(
        `${takes} ${state}`,
        url,
        `sent ${grouped(sentCount)}`,
        ...(sentAgoMs === null ? [] : [`${shown(sentAgoMs)} ago`]),
        ...(failure === null ? [] : [failure]),
      ),
    ),
    ...(verified ? [] : ['certificates are not checked: thrift.tls.verify = false']),
    ...(droppedBytes === null || droppedBytes === 0 ? [] : [`${grouped(droppedBytes)} bytes of logs left out`]),
  ];
}

function hookLine({ hook, executable, end, reason, durationMs, attempt, agoMs }: StatusHook): string {
  const isWithin = executable !== null && /^[/ ]/.test(executable.slice(hook.length));
  const name = isWithin ? executable.slice(hook.length + 1) : executable;
  const word = end === 'done' ? 'ok' : end === 'cannotRun' ? 'cannot run' : end;
  const took = durationMs === null ? null : shownExactly(durationMs);
  const again = attempt !== null && attempt > 1 ? [`attempt ${attempt}`] : [];
  const said = reason === null ? [] : [reason];
  const ran = [hook, name, word, took].filter((part) => part !== null).join(' ');
  return columns(ran, ...again, `${shown(agoMs)} ago`, ...said);
}

function recentLine({ at, event, text }: Status['recent'][number], now: string): string {
  return `${clock(at, now)}  ${event}${text === '' ? '' : `  ${text}`}`;
}

function columns(...parts: readonly string[]): string {
  return parts.join(gap);
}

/** `09:41:07Z`; with its day if that is not the day of `now`. */
function clock(at: string, now: string): string {
  const [day = '', time = ''] = at.split('T');
  const short = `${time.slice(0, 8)}Z`;
  return now.startsWith(day) ? short : `${day} ${short}`;
}

function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ' ');
}

/** Wrapped at words; a word that is longer than the line has one for itself, whole, so that it can be copied. */
function indented(text: string, width: number, first: (text: string) => string): string[] {
  const room = Math.max(20, width - labelWidth);
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/(?<=\S)(?= )/)) {
    if (line !== '' && line.length + word.length > room) {
      lines.push(line);
      line = word.trimStart();
    } else line += word;
  }
  const [head = '', ...rest] = [...lines, line];
  return [first(head), ...rest.map((more) => `${' '.repeat(labelWidth)}${more}`)];
}
