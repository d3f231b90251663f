import { type Entry, shortId } from './entry.ts';
import { printable, toHarmlessJson } from './harmless.ts';

/** How entries become lines. @param at - when it came, epoch ms: events do not tell when they were sent */
export type Writer = (entry: Entry, at: number) => string;

/** `2026-03-04T09:52:11.040Z  topology  MemberActivatedEvent  …0d3b6e7a9c21  is Active in …`: for people. */
export function textLines({ colour }: { colour: boolean }): Writer {
  const paint = colour
    ? (code: string, text: string) => `\u001b[${code}m${text}\u001b[0m`
    : (_: string, text: string) => text;
  return ({ folder, event, memberId, says, problem }, at) => {
    const columns = [
      paint('2', timeOf(at)),
      paint('2', printable(folder || '-', 100).padEnd(18)),
      paint(problem === null ? '36' : '33', printable(event || '-', 100).padEnd(31)),
      printable(memberId === null ? '-' : shortId(memberId), 100).padEnd(13),
      problem === null ? printable(says) : paint('33', printable(says)),
    ];
    return `${columns.join('  ')}\n`;
  };
}

/** One JSON object per line: for scripts. Fields are only ever added. */
export const jsonLine: Writer = ({ topic, event, memberId, clusterId, body, problem }, at) => {
  const line = {
    schema: 'cartridge-agent.event/1',
    time: timeOf(at),
    topic,
    event,
    memberId,
    clusterId,
    body,
    problem,
  };
  return `${toHarmlessJson(line)}\n`;
};

/** Colour for a terminal, unless it or its owner wants none; FORCE_COLOR wins, as everywhere. */
export function mayColour(output: NodeJS.WritableStream, env: Readonly<NodeJS.ProcessEnv>): boolean {
  const forced = env['FORCE_COLOR'];
  if (forced !== undefined) return forced !== '0' && forced !== 'false';
  if (env['NO_COLOR'] || env['TERM'] === 'dumb') return false;
  return 'isTTY' in output && output.isTTY === true;
}

function timeOf(at: number): string {
  return new Date(at).toISOString();
}
