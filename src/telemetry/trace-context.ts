/** The caller's place in a distributed trace, as W3C Trace Context sends it. */
export interface TraceParent {
  /** 32 lower-case hex digits. */
  traceId: string;
  /** 16 lower-case hex digits: the caller's span. */
  parentId: string;
  sampled: boolean;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** A traceparent header (W3C Trace Context, section 3.2); undefined when there is none or it is not valid. */
export function parseTraceparent(header: string | undefined): TraceParent | undefined {
  const [, version, traceId, parentId, flags, rest] = TRACEPARENT.exec(header?.trim() ?? "") ?? [];
  if (!version || !traceId || !parentId || !flags || version === "ff") return undefined;
  // Only a later version may have more fields.
  if (version === "00" && rest !== undefined) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(parentId)) return undefined;
  return { traceId, parentId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}
