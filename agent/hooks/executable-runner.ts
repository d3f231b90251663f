import type { HookInputs, HookInstance, HookName } from '../../plugins/contract.ts';
import type { Faults } from '../faults.ts';
import type { Log } from '../log.ts';
import { type CommonValues, type ScriptSettings, scriptEnvironment } from './environment.ts';
import { type Executable, HookUnusableError, inspectExecutable, placeOf } from './executables.ts';
import { inputDocument } from './input.ts';
import type { Reaper } from './reaper.ts';
import { runExecutable } from './run.ts';
import type { Asked, Runner, RunnerCall } from './runners.ts';
import type { Spare } from './spare.ts';

/** What the configuration says of hooks. */
export type HookSettings = ScriptSettings & {
  readonly extensionsDir: string;
  /** For one run, in milliseconds. */
  readonly timeoutMs: number;
};

/**
 * Makes the function that makes a runner of an executable.
 *
 * @param options - `environment`: the agent's own; `facts`: what is known now, asked before each run
 */
export function createExecutableRunners(options: {
  readonly config: HookSettings;
  readonly instance: HookInstance;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly facts: () => CommonValues;
  readonly temporaryFolder: string;
  readonly folderPrefix: string;
  readonly spare?: Spare;
  readonly faults?: Faults;
  readonly reaper: Reaper;
  readonly log: Log;
}): (executable: Executable) => Runner {
  const { config, instance, environment, reaper, temporaryFolder, folderPrefix } = options;
  return (executable) => ({
    ...placeOf(executable),
    limits: { timeoutMs: null, retries: null },
    mode: 'enforce',
    run: (call) => run(executable, call),
  });

  async function run<Name extends HookName>(executable: Executable, call: RunnerCall<Name>): Promise<Asked> {
    const { name, input, attempt } = call;
    const error = await problemOf(executable);
    if (error !== null) return { kind: 'cannotRun', error };
    const facts = options.facts();
    options.faults?.('spawn');
    return await runExecutable({
      path: executable.path,
      args: argumentsOf(call),
      workingFolder: config.extensionsDir,
      temporaryFolder,
      folderPrefix,
      spare: options.spare,
      environment: scriptEnvironment({ hook: name, input, attempt, settings: config, facts, environment }),
      stdin: inputDocument(name, input, instance),
      leavesAtLimit: call.leftMs !== null,
      onStatus: call.onStatus,
      onLengthen: call.onLengthen,
      reaper,
      log: options.log.child({ hook: name, executable: executable.name, attempt }),
      signal: call.signal,
      overtaken: call.overtaken,
    });
  }
}

async function problemOf(executable: Executable): Promise<HookUnusableError | null> {
  try {
    await inspectExecutable(executable.path);
    return null;
  } catch (thrown) {
    if (thrown instanceof HookUnusableError) return thrown;
    throw thrown;
  }
}

/** The shipped VolumeMount.sh reads its first argument. @see protocol.md section 7.1 */
function argumentsOf({ name, input }: { name: HookName; input: HookInputs[HookName] }): string[] {
  return name === 'volumeMount' && 'persistenceMapping' in input ? [input.persistenceMapping] : [];
}
