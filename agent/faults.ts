import { appendFileSync } from 'node:fs';

/**
 * A place where tests let the world fail: the process is killed there, a write is torn, a disk is full. In production
 * it is a call of a function that does nothing.
 *
 * @param point - `journal.write` (before a line or a new file is written), `journal.written` (on disk), `journal.rename`,
 *   `spawn`, `publish`; `releases.*`, `backup.*` and `remove.*` between two steps with files
 * @returns `torn`: write half, then `killSelf`; asked for at `journal.write` alone
 * @throws an Error with code ENOSPC, at the points of the journal alone
 */
export type Faults = (point: string) => 'torn' | undefined;

export const noFaults: Faults = () => undefined;

/** The variable that arms a fault. */
const variable = 'CARTRIDGE_AGENT_FAULT';

/**
 * What `CARTRIDGE_AGENT_FAULT` asks for:
 *
 * - `<point>:<n>:kill`: SIGKILL when the point is passed for the n-th time, from 1; the point `all` counts every one
 * - `<point>:<n>:torn`: the same, but a line of the journal that is due there is half written first
 * - `<point>:<n>:enospc`: from then on the journal finds the disk full
 * - `count:<file>`: nothing fails; the name of each point passed is a line of that file
 *
 * @throws {Error} if it asks for anything else: a test that attacks nothing must not pass
 */
export function createFaults(env: NodeJS.ProcessEnv): Faults {
  const order = env[variable];
  if (order === undefined || order === '') return noFaults;
  if (order.startsWith('count:')) return counting(order.slice('count:'.length));
  const [, where, turn, action] = /^([a-z.]+):([1-9]\d*):(kill|torn|enospc)$/.exec(order) ?? [];
  if (where === undefined) throw new Error(`${variable} is not understood: ${order}`);
  return armed(where, Number(turn), action as 'kill' | 'torn' | 'enospc');
}

/** The end of this process, at once: nothing after this call runs. */
export function killSelf(): void {
  process.kill(process.pid, 'SIGKILL');
}

function counting(file: string): Faults {
  return (point) => {
    // One write per point, so that a life that is killed from outside has its list too.
    appendFileSync(file, `${point}\n`);
    return undefined;
  };
}

function armed(where: string, turn: number, action: 'kill' | 'torn' | 'enospc'): Faults {
  let passed = 0;
  return (point) => {
    if (where !== 'all' && where !== point) return undefined;
    passed += 1;
    if (action === 'enospc') {
      if (passed >= turn && point.startsWith('journal.')) throw diskFull();
      return undefined;
    }
    if (passed !== turn) return undefined;
    if (action === 'torn' && point === 'journal.write') return 'torn';
    killSelf();
    return undefined;
  };
}

function diskFull(): Error {
  return Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' });
}
