/** Cuts bytes into lines. What is behind `limitBytes` in a line is dropped, so that no line can fill the memory. */
export type Lines = {
  take(chunk: Buffer): void;
  /** Hands over what came after the last line break. */
  end(): void;
};

const lineBreak = 10;

/** @param onLine - gets each line that is not blank, without its line break */
export function createLines(limitBytes: number, onLine: (line: string) => void): Lines {
  let pending = Buffer.alloc(0);
  const hold = (bytes: Buffer) => {
    pending = Buffer.concat([pending, bytes.subarray(0, limitBytes - pending.length)]);
  };
  const release = () => {
    const line = pending.toString().trimEnd();
    pending = Buffer.alloc(0);
    if (line !== '') onLine(line);
  };
  return {
    take(chunk) {
      let start = 0;
      for (let end = chunk.indexOf(lineBreak); end !== -1; end = chunk.indexOf(lineBreak, start)) {
        hold(chunk.subarray(start, end));
        release();
        start = end + 1;
      }
      hold(chunk.subarray(start));
    },
    end: release,
  };
}
