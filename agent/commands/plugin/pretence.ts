import type { ExecResult } from '../../../plugins/contract.ts';
import { Program } from '../../plugins/exec.ts';
import type { Ask } from '../../plugins/messages.ts';

/** Answers a plugin as if the world were there. */
export type Pretence = {
  /** Every program ends at once with exit code 0 and says nothing; there are no secrets. */
  readonly answer: (ask: Ask) => Promise<unknown>;
  /** The programs that were asked for since the last time, as people would type them. */
  takePrograms(): string[];
};

export function createPretence(): Pretence {
  let programs: string[] = [];
  return {
    async answer({ what, args }) {
      if (what === 'readSecret' || what === 'metadata.get') return null;
      if (what !== 'exec') return undefined;
      const [command, words] = Program.parse(args);
      programs.push([command, ...words].join(' '));
      return { exitCode: 0, signal: null, stdout: '', stderr: '' } satisfies ExecResult;
    },
    takePrograms() {
      const taken = programs;
      programs = [];
      return taken;
    },
  };
}
