import { setTimeout as sleep } from 'node:timers/promises';
import { AgentError } from '../../state/errors.ts';
import type { MemberStatus } from '../../state/messages/member.ts';
import type { AgentProcess, LogLine } from './agent-process.ts';
import type { Stage } from './stage.ts';
import { untilTitle } from './web.ts';

/** The life of the story in three parts. All of them reject with the reason of `signal`. */
export type Walk = {
  /** From nothing to serving. @throws {@link StepFailedError} */
  comeUp(signal: AbortSignal): Promise<void>;
  /** Something new is to be served. @throws {@link StepFailedError} */
  update(signal: AbortSignal): Promise<void>;
  /** From serving, or wherever the life stands, to nothing. @throws {@link StepFailedError} */
  goDown(signal: AbortSignal): Promise<void>;
};

/** The life did not go on. `facts.step` is what did not happen, `facts.log` the last lines of the agent. */
export class StepFailedError extends AgentError {
  override readonly name = 'StepFailedError';
  readonly code = 'DEMO_STEP_FAILED';
  readonly remedy = 'Look at the last lines of the agent for what it waits for.';
}

/** A step takes well under a second; the limit is for busy machines. */
const stepLimitMs = 20_000;
/** What the agent did in its last moment is still seen; more will not come. */
const afterEndMs = 1_000;
/** From the start of the agent until the platform knows its machine: in real life either may come first. */
const bootMs = 700;

export const titles = ['The shop, first edition', 'The shop, second edition'] as const;

/**
 * @param options - `tell`: told what people outside do: they push, and they look at the page; `limitMs`: for one step;
 * `lastAtUpdate`: what is run last for `artifactUpdated`
 */
export function createWalk(
  stage: Stage,
  agent: AgentProcess,
  options: {
    readonly tell: (event: string, because: string) => void;
    readonly limitMs?: number;
    readonly lastAtUpdate?: string;
  },
): Walk {
  const { platform, repository, memberId, pageUrl } = stage;
  const { tell, limitMs = stepLimitMs, lastAtUpdate = 'ArtifactUpdatedEvent.sh' } = options;
  const step = createStep(agent, limitMs);
  const hears = (event: string, signal: AbortSignal) =>
    step(`the platform hears ${event}`, signal, (limit) =>
      platform.waitFor(event, undefined, { signal: limit, timeoutMs: 2 * limitMs }),
    );
  const serves = (title: string, signal: AbortSignal) =>
    step(`the page "${title}" is served`, signal, async (limit) => {
      await untilTitle(pageUrl, title, limit);
      tell(`see the page "${title}"`, pageUrl);
    });
  const isListedAs = (status: MemberStatus, signal: AbortSignal) =>
    step(`the platform lists the member as ${status}`, signal, async () => {
      if (platform.memberStatus(memberId) !== status) throw new RangeError(`it is ${platform.memberStatus(memberId)}`);
    });

  return {
    async comeUp(signal) {
      await hears('CompleteTopologyRequestEvent', signal);
      await sleep(bootMs, undefined, { signal });
      await platform.initializeMember(memberId);
      for (const state of ['created', 'initialized', 'started', 'active']) {
        await step(`the instance is ${state}`, signal, (limit) => agent.entered(state, limit));
      }
      await hears('InstanceActivatedEvent', signal);
      await isListedAs('Active', signal);
      await serves(titles[0], signal);
      await hears('HealthStatisticsEvent', signal);
    },

    async update(signal) {
      tell(`push commit ${await repository.push(titles[1])}`, repository.url);
      const isServed = ({ event, hook, executable, end }: LogLine) =>
        event === 'hook.ran' && hook === 'artifactUpdated' && executable === lastAtUpdate && end !== 'hold';
      const hasRun = step('the hook artifactUpdated ran again', signal, (limit) => agent.next(isServed, limit));
      await Promise.all([platform.artifactUpdated(repository.url), hasRun]);
      await serves(titles[1], signal);
    },

    async goDown(signal) {
      // From its request on it hears what the platform says; a cleanup before that would be lost.
      await hears('CompleteTopologyRequestEvent', signal);
      const status = platform.memberStatus(memberId);
      if (status !== 'ReadyToShutDown') await platform.cleanupMember(memberId);
      await hears('InstanceReadyToShutdownEvent', signal);
      if (status === 'Active') await isListedAs('ReadyToShutDown', signal);
      await step('the agent ends with code 0', signal, async (limit) => {
        const exitCode = await untilAborted(agent.exited, limit);
        if (exitCode !== 0) throw new RangeError(`it ended with ${exitCode}`);
        tell('see the agent end', 'exit code 0');
      });
      await step('the service has stopped', signal, (limit) => untilTitle(pageUrl, null, limit));
      tell('see no page any more', pageUrl);
      await platform.terminateMember(memberId);
    },
  };
}

function createStep(agent: AgentProcess, limitMs: number) {
  const gone = new AbortController();
  const notice = async () => {
    const code = await agent.exited;
    await sleep(afterEndMs, undefined, { ref: false });
    gone.abort(new RangeError(`the agent ended with ${code === null ? 'a signal' : `code ${code}`}`));
  };
  void notice();

  return async (what: string, signal: AbortSignal, work: (limit: AbortSignal) => Promise<unknown>): Promise<void> => {
    const tooLate = AbortSignal.timeout(limitMs);
    try {
      await work(AbortSignal.any([signal, tooLate, gone.signal]));
    } catch (thrown) {
      signal.throwIfAborted();
      const facts = { step: what, log: agent.lastLines };
      if (tooLate.aborted) throw new StepFailedError(`cannot see within ${limitMs / 1_000} s that ${what}`, { facts });
      throw new StepFailedError(`cannot see that ${what}`, { cause: gone.signal.reason ?? thrown, facts });
    }
  };
}

/** @throws the reason of `signal` when it is aborted first */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort);
  return await Promise.race([work, aborted]).finally(() => signal.removeEventListener('abort', onAbort));
}
