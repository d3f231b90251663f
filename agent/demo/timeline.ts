import { setTimeout as sleep } from 'node:timers/promises';

/** One line of the story. */
export type Entry = {
  /** Epoch milliseconds. */
  readonly at: number;
  /** The state the instance has just entered. */
  readonly state?: string;
  readonly who: string;
  readonly event: string;
  /** What led to it. */
  readonly because?: string | null;
};

/** Prints what happened in the order in which it did, whoever tells of it first. */
export type Timeline = {
  add(entry: Entry): void;
  /** Resolves when everything up to now is printed. */
  settle(): Promise<void>;
  /** Prints what is left, and nothing more from then on. */
  end(): void;
};

/** Two processes tell the story: an entry is held back this long for one that was earlier but is later here. */
const settleMs = 150;

/** `startedAt`: epoch milliseconds; null for the line of headings. */
type Style = { readonly colour: boolean; readonly startedAt: number | null };

export function createTimeline(options: { out: NodeJS.WritableStream; colour: boolean; startedAt: number }): Timeline {
  const { out, colour, startedAt } = options;
  const waiting: Entry[] = [];
  const flush = (until: number) => {
    waiting.sort((one, other) => one.at - other.at);
    while (waiting[0] !== undefined && waiting[0].at <= until) {
      const entry = waiting.shift();
      if (entry !== undefined) out.write(line(entry, { colour, startedAt }));
    }
  };
  const headings = { at: 0, state: 'state', who: 'who', event: 'event', because: 'what led to it' };
  out.write(line(headings, { colour, startedAt: null }));
  const timer = setInterval(() => flush(Date.now() - settleMs), settleMs / 3);
  return {
    add: (entry) => void waiting.push(entry),
    async settle() {
      await sleep(settleMs);
      flush(Date.now());
    },
    end() {
      clearInterval(timer);
      flush(Number.POSITIVE_INFINITY);
    },
  };
}

function line({ at, state = '', who, event, because }: Entry, { colour, startedAt }: Style): string {
  const ms = startedAt === null ? 'ms' : String(Math.max(0, Math.round(at - startedAt)));
  const reason = because ? `  ${colour ? `\u001b[2m${because}\u001b[0m` : because}` : '';
  const entered = colour ? `\u001b[1;32m${state.padEnd(18)}\u001b[0m` : state.padEnd(18);
  const told = reason === '' ? event : event.padEnd(38);
  return `${ms.padStart(6)}  ${entered}  ${who.padEnd(16)}  ${told}${reason}\n`;
}
