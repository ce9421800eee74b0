import type { Context } from "@opentelemetry/api";
import type { TickSpan } from "../engine/contract.js";
import type { TraceParent } from "./trace-context.js";

/** Durations of a reply's stages in milliseconds, in the order in which they follow each other. */
export type Stages = Record<"queue" | "conditioning" | "denoising" | "decoding", number>;

/** The span of one HTTP request. Attributes hold no user text. */
export interface RequestSpan {
  readonly traceId: string;
  /** It is sampled, so that what is told to it is sent. */
  readonly recording: boolean;
  /** The stages of a finished generation, which end now, and the calls of the denoiser within the third. */
  stages(stages: Stages, ticks?: readonly TickSpan[]): void;
  end(attributes: Record<string, string | number | undefined>, failed: boolean): void;
}

export interface Tracing {
  /** @param startedAt `performance.now()` of the request's start */
  begin(method: string, startedAt: number, parent: TraceParent | undefined): RequestSpan;
  /** Sends what is not sent yet. */
  shutdown(): Promise<void>;
}

/**
 * Spans to an OpenTelemetry collector over OTLP/HTTP. The official packages are loaded here, so a server that does not trace
 * does not pay for them; they read the other standard variables (OTEL_EXPORTER_OTLP_HEADERS and so on) by themselves.
 * @param endpoint base address of the collector; "/v1/traces" is added
 */
export async function createTracing(endpoint: string, name: string, version: string): Promise<Tracing> {
  const [{ ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags }, { BatchSpanProcessor, TracerProvider }, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import("@opentelemetry/api"),
    import("@opentelemetry/sdk-trace"),
    import("@opentelemetry/exporter-trace-otlp-http"),
    import("@opentelemetry/resources"),
  ]);
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ "service.name": process.env["OTEL_SERVICE_NAME"] || name, "service.version": version }),
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, "")}/v1/traces` }) })],
  });
  const tracer = provider.getTracer(name, version);
  const epoch = (ms: number) => performance.timeOrigin + ms;
  function traceTick({ at, ms, rows, steps, calls }: TickSpan, from: number, within: Context): void {
    const attributes = { "tdi.calls": calls, "tdi.rows": rows, "tdi.steps": steps };
    tracer.startSpan(calls === 1 ? "tick" : "ticks", { startTime: epoch(from + at), attributes }, within).end(epoch(from + at + ms));
  }

  return {
    begin(method, startedAt, parent) {
      const context = parent
        ? trace.setSpanContext(ROOT_CONTEXT, { traceId: parent.traceId, spanId: parent.parentId, traceFlags: parent.sampled ? TraceFlags.SAMPLED : TraceFlags.NONE, isRemote: true })
        : ROOT_CONTEXT;
      const span = tracer.startSpan(method, { kind: SpanKind.SERVER, startTime: epoch(startedAt) }, context);
      const inside = trace.setSpan(context, span);
      return {
        traceId: span.spanContext().traceId,
        recording: span.isRecording(),
        stages(stages, ticks = []) {
          const inOrder = [["queue", stages.queue], ["conditioning", stages.conditioning], ["denoising", stages.denoising], ["decoding", stages.decoding]] as const;
          let at = performance.now() - inOrder.reduce((sum, [, ms]) => sum + ms, 0);
          for (const [stage, ms] of inOrder) {
            const child = tracer.startSpan(stage, { startTime: epoch(at) }, inside);
            if (stage === "denoising") for (const tick of ticks) traceTick(tick, at, trace.setSpan(inside, child));
            child.end(epoch(at + ms));
            at += ms;
          }
        },
        end(attributes, failed) {
          const route = attributes["http.route"];
          if (route !== undefined) span.updateName(`${method} ${route}`);
          for (const [key, value] of Object.entries(attributes)) if (value !== undefined) span.setAttribute(key, value);
          if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
          span.end(epoch(performance.now()));
        },
      };
    },
    shutdown: () => provider.shutdown().catch(() => undefined),
  };
}
