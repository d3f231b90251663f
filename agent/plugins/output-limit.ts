import { createAllowance } from './allowance.ts';

const burstBytes = 64 * 1024;
const bytesPerSecond = 4 * 1024;

/**
 * Keeps what is written to a stream of this worker within bounds, at its source: what is on its way to the agent is in
 * the agent's memory.
 */
export function limitOutput(stream: NodeJS.WriteStream): void {
  const allowance = createAllowance(burstBytes, bytesPerSecond);
  const write = stream.write.bind(stream) as (chunk: string | Uint8Array) => boolean;
  const limited = (chunk: string | Uint8Array, ...rest: unknown[]): boolean => {
    const dropped = allowance.take(chunk.length);
    if (dropped !== null && dropped > 0) write(`(${dropped} characters were dropped)\n`);
    if (dropped !== null) write(chunk);
    const done = rest.find((argument) => typeof argument === 'function');
    if (done !== undefined) queueMicrotask(() => done(null));
    return true;
  };
  stream.write = limited;
}
