/** A stream as a receiver must know it. Key order is that of the originals. @see protocol.md sections 9.2 and 10 */
export type StreamDefinition = {
  readonly name: string;
  readonly version: string;
  readonly nickName: string;
  readonly description: string;
  readonly metaData?: readonly Attribute[];
  readonly payloadData: readonly Attribute[];
};

type Attribute = { readonly name: string; readonly type: 'STRING' | 'DOUBLE' };

/** One event: a value for each attribute of the definition, meta data first. */
export type StreamEvent = { readonly timestampMs: number; readonly values: readonly (string | number)[] };

/** As it goes over the wire. */
export type Bundle = {
  readonly sessionId: string;
  readonly eventNum: number;
  readonly intAttributeList: number[];
  readonly longAttributeList: number[];
  readonly doubleAttributeList: number[];
  readonly boolAttributeList: boolean[];
  readonly stringAttributeList: string[];
};

/**
 * Several events of one stream: the attributes of each type in one list, in the order of the definition, after the
 * stream's id and the time of each event.
 *
 * @see protocol.md section 9.1
 */
export function bundleOf(
  { metaData = [], payloadData }: StreamDefinition,
  events: readonly StreamEvent[],
  { sessionId, streamId }: { sessionId: string; streamId: string },
): Bundle {
  const attributes = [...metaData, ...payloadData];
  const ofType = (wanted: Attribute['type'], { values }: StreamEvent) =>
    attributes.flatMap(({ type }, index) => (type === wanted ? [values[index]] : []));
  return {
    sessionId,
    eventNum: events.length,
    intAttributeList: [],
    longAttributeList: events.map(({ timestampMs }) => timestampMs),
    doubleAttributeList: events.flatMap((event) => ofType('DOUBLE', event).map(Number)),
    boolAttributeList: [],
    // Every attribute must be there: one that is left out shifts all that follow.
    stringAttributeList: events.flatMap((event) => [
      streamId,
      ...ofType('STRING', event).map((value) => String(value ?? '')),
    ]),
  };
}
