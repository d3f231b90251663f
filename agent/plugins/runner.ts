import { type HookInputs, type HookInstance, type HookName, readVerdict } from '../../plugins/contract.ts';
import { inputDocument } from '../hooks/input.ts';
import { type Asked, pluginNumber, type Runner, type RunnerCall } from '../hooks/runners.ts';
import type { Ended } from './calls.ts';
import type { PluginLife } from './life.ts';
import type { Description, Instance, Task } from './messages.ts';

const textLimit = 1_000;

/**
 * One hook of one plugin, as something a gate or a notice runs.
 *
 * @param instance - who we are and how we are, asked before each run
 * @param clean - takes the secrets out of a text
 */
export function pluginRunner(
  facts: Description['hooks'][number],
  plugin: {
    readonly name: string;
    readonly life: PluginLife;
    readonly instance: () => Instance;
    readonly clean: (text: string) => string;
  },
): Runner {
  const { hook, before, after, mode, timeoutMs, retries } = facts;
  return {
    name: `${hook} ${plugin.name}`,
    kind: 'plugin',
    order: { names: [plugin.name], number: pluginNumber, before, after },
    limits: { timeoutMs, retries },
    mode,
    down: plugin.life.down,
    async run(call) {
      const off = plugin.life.off();
      if (off !== null) return { kind: 'cannotRun', error: off };
      const { signal, attempt, onStatus, onExtend } = call;
      const whyAborted = () => (call.overtaken.aborted ? 'the hook is overtaken' : 'not done within its time limit');
      const task = taskOf(hook, call, plugin.instance());
      const ended = await plugin.life.call(task, { signal, whyAborted, attempt, onStatus, onExtend });
      return askedOf(hook, ended, plugin.clean);
    },
  };
}

function taskOf<Name extends HookName>(hook: Name, { input, attempt }: RunnerCall<HookName>, instance: Instance): Task {
  const told: HookInstance = instance;
  return { what: 'hook', name: hook, document: inputDocument(hook, input as HookInputs[Name], told), attempt };
}

function askedOf(hook: HookName, ended: Ended, clean: (text: string) => string): Asked {
  if ('failed' in ended) return { kind: 'failed', reason: ended.failed };
  const said = readVerdict(hook, ended.value ?? undefined);
  return 'reason' in said ? { ...said, reason: clean(said.reason.slice(0, 10 * textLimit)).slice(0, textLimit) } : said;
}
