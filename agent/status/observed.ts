import { AgentError, reasonOf } from '../../state/errors.ts';
import type { Broker } from '../broker/broker.ts';
import type { Deployments } from '../deployments.ts';
import type { ArtifactNews, Reports } from './recorder.ts';

// The same parts, with what they do reported: neither they nor those who use them know of it.

/** @param signal - ends the reports on the link */
export function observedBroker(
  broker: Broker,
  reports: Pick<Reports, 'published' | 'linkChanged'>,
  signal: AbortSignal,
): Broker {
  let losses = 0;
  let told = broker.link;
  broker.onLink((link) => {
    if (link === 'down') losses += 1;
    // Each failed attempt to come back says `down` again.
    if (link !== told) reports.linkChanged(link);
    told = link;
  }, signal);

  async function publish(...[topic, payload, options]: Parameters<Broker['publish']>): Promise<void> {
    const [startedMs, lossesBefore, linkBefore] = [performance.now(), losses, broker.link];
    await broker.publish(topic, payload, options);
    const isUndisturbed = options.qos === 1 && linkBefore === 'up' && losses === lossesBefore;
    reports.published(isUndisturbed ? Math.round(performance.now() - startedMs) : null);
  }
  // Delegates everything else, its getters too: a copy would keep the link of this moment.
  return Object.create(broker, { publish: { value: publish } }) as Broker;
}

export function observedDeployments(
  deployments: Deployments,
  { artifactChanged, artifactForgotten }: Pick<Reports, 'artifactChanged' | 'artifactForgotten'>,
): Deployments {
  async function reporting<T>(tenantId: string, work: Promise<T>, news: (result: T) => ArtifactNews): Promise<T> {
    try {
      const result = await work;
      artifactChanged(news(result));
      return result;
    } catch (error) {
      // Anything else is the end of the work, not a failure of it.
      if (error instanceof AgentError) artifactChanged({ tenantId, stage: 'failed', failure: failureOf(error) });
      throw error;
    }
  }

  return {
    ...deployments,
    wanted(event) {
      artifactChanged({ tenantId: event.tenantId, stage: 'wanted' });
      deployments.wanted(event);
    },
    forget(tenantId) {
      artifactForgotten(tenantId);
      deployments.forget(tenantId);
    },
    fetch: (tenantId, job) =>
      reporting(tenantId, deployments.fetch(tenantId, job), ({ repoUrl, path, changed, commit, oldCommit }) => {
        const inPlace = changed ? oldCommit : commit;
        return { tenantId, stage: changed ? 'fetched' : 'placed', repoUrl, path, commit: inPlace };
      }),
    place: (found, signal) =>
      reporting(found.tenantId, deployments.place(found, signal), () => {
        const { tenantId, repoUrl, path, commit } = found;
        return { tenantId, stage: 'placed', repoUrl, path, commit };
      }),
  };
}

function failureOf(error: AgentError): NonNullable<ArtifactNews['failure']> {
  const { message, code, remedy, cause } = error;
  const reason = cause === undefined ? '' : essenceOf(reasonOf(cause));
  return { message: reason === '' ? message : `${message}: ${reason}`, code, remedy };
}

/** The last line that says something: git often ends with one that says only that there was one before. */
function essenceOf(said: string): string {
  const lines = said.trim().split('\n');
  return (lines.findLast((line) => !/failed to push some refs|adding files failed|^hint:/.test(line)) ?? said).trim();
}
