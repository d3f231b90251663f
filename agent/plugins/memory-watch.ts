import type { HeapInfo } from 'node:v8';
import type { Worker } from 'node:worker_threads';

/** Looks at the memory of a worker, from outside. */
export type MemoryWatch = {
  /** It has something to do: looks more often. */
  busy(isBusy: boolean): void;
  stop(): void;
};

const busyEveryMs = 100;
const idleEveryMs = 1_000;
const megabyte = 1024 * 1024;

/**
 * Calls `onOver` once, when a worker has more memory than it may have. What Node offers for that (`resourceLimits`) does not
 * count buffers, and V8 ends the whole process when one allocation goes too far beyond it: it is the second net.
 */
export function watchMemory(
  worker: Worker,
  limits: { readonly heapLimitMb: number; readonly bufferLimitMb: number },
  onOver: (reason: string) => void,
): MemoryWatch {
  let isLooking = false;
  let timer = setInterval(look, busyEveryMs).unref();
  let everyMs = busyEveryMs;
  let isOver = false;

  return {
    busy(isBusy) {
      const wantedMs = isBusy ? busyEveryMs : idleEveryMs;
      if (wantedMs === everyMs || isOver) return;
      everyMs = wantedMs;
      clearInterval(timer);
      timer = setInterval(look, everyMs).unref();
    },
    stop() {
      isOver = true;
      clearInterval(timer);
    },
  };

  function look(): void {
    if (isLooking) return;
    isLooking = true;
    worker.getHeapStatistics().then(judge, () => {
      isLooking = false; // it is not running yet, or not any more
    });
  }

  function judge({ used_heap_size: heapBytes, external_memory: bufferBytes }: HeapInfo): void {
    isLooking = false;
    if (isOver) return;
    if (heapBytes > limits.heapLimitMb * megabyte) onOver(`it has more than ${limits.heapLimitMb} MB in its heap`);
    if (bufferBytes > limits.bufferLimitMb * megabyte) onOver(`it has more than ${limits.bufferLimitMb} MB in buffers`);
  }
}
