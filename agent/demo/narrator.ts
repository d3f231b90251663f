import type { AgentProcess, LogLine } from './agent-process.ts';
import { whatLedTo } from './explain.ts';
import type { HeardEvent } from './heard.ts';
import type { SaidEvent } from './platform.ts';
import type { Stage } from './stage.ts';
import type { Entry, Timeline } from './timeline.ts';

/** Tells the timeline what the platform says and hears. */
export function narratePlatform({ platform, memberId }: Stage, timeline: Timeline): void {
  let statistics = 0;
  platform.onSaid((said) => timeline.add(entryOfSaid(said, memberId)));
  platform.onHeard(({ event, at, body }) => {
    // One pair of statistics is enough to see; the next ones come every second.
    if (event === 'HealthStatisticsEvent' && ++statistics > 2) return;
    timeline.add({ at, who: 'agent', event: `publishes ${event}`, because: figuresOf(body) });
  });
}

/** Tells the timeline what the agent does, out of its log. */
export function narrateAgent(agent: AgentProcess, { paths }: Stage, timeline: Timeline): void {
  agent.onLine((line) => {
    const entry = entryOfLine(line, paths.state);
    if (entry !== null) timeline.add({ at: Date.parse(line.time), who: 'agent', ...entry });
  });
}

function entryOfSaid({ from, event, body, because, at }: SaidEvent, memberId: string): Entry {
  const about = 'memberId' in body && body.memberId !== memberId ? ` (${body.memberId})` : '';
  return { at, who: from, event: `${event}${about}`, because: because ?? reasons[event] ?? null };
}

/** Why the platform of this story says something nobody has asked it for. */
const reasons: Readonly<Record<string, string>> = {
  MemberInitializedEvent: 'the machine is up and has addresses',
  ArtifactUpdatedEvent: 'a new commit was pushed',
  InstanceCleanupMemberEvent: 'one member less is needed',
  MemberTerminatedEvent: 'the machine was switched off',
  CompleteTopologyEvent: 'told regularly',
  CompleteTenantEvent: 'told regularly',
  CompleteApplicationSignUpsEvent: 'told regularly',
};

function figuresOf({ healthDescription, value }: HeardEvent['body']): string | null {
  return healthDescription === undefined ? null : `${healthDescription} ${value} %`;
}

/** What is worth a line; null for the rest. */
function entryOfLine(line: LogLine, stateDir: string): Pick<Entry, 'state' | 'event' | 'because'> | null {
  const text = (key: string) => String(line[key] ?? '');
  switch (line.event) {
    case 'lifecycle.entered': {
      const state = text('state');
      return { state, event: `is ${state}`, because: whatLedTo(state, stateDir) };
    }
    case 'broker.connected':
      return { event: 'is connected to the broker', because: `${text('host')}:${text('port')}` };
    case 'hook.ran':
      return { event: `ran the hook ${text('hook')}`, because: `${text('executable')} ${howItEnded(line)}` };
    case 'hook.held':
      return { event: `holds at ${text('hook')}`, because: text('reason') };
    case 'plugin.loaded':
      return { event: `loaded the plugin ${text('plugin')}`, because: `its worker started in ${text('startMs')} ms` };
    case 'plugin.log':
      return { event: `plugin says: ${text('msg')}`, because: JSON.stringify(line['fields'] ?? {}) };
    case 'plugin.output':
      return { event: 'plugin prints', because: text('line') };
    case 'artifact.progress':
      return {
        event: `git: ${text('stage')} ${text('percent')} %`,
        because: `${text('processed')} of ${text('total')}`,
      };
    case 'artifact.placed':
      return { event: `placed commit ${text('commit').slice(0, 7)}`, because: 'ArtifactUpdatedEvent' };
    case 'agent.ended':
      return { event: 'is done', because: 'everything is delivered, the session at the broker is ended' };
    default:
      return isAlarming(line)
        ? { event: `${text('level')}: ${text('msg')}`, because: text('code') || text('message') }
        : null;
  }
}

function howItEnded({ end, durationMs }: LogLine): string {
  return end === undefined || end === 'done' ? `took ${durationMs} ms` : `ended with ${end} after ${durationMs} ms`;
}

function isAlarming({ level }: LogLine): boolean {
  return level === 'warn' || level === 'error' || level === 'fatal';
}
