import cors from "cors";
import type { Handler } from "express";
import helmet, { contentSecurityPolicy } from "helmet";

/** Headers against misuse by browsers, of every reply. HSTS is for whoever ends TLS: this server speaks plain HTTP. */
export function securityHeaders(): Handler {
  return helmet({
    contentSecurityPolicy: { useDefaults: false, directives: { "default-src": ["'none'"], "frame-ancestors": ["'none'"] } },
    strictTransportSecurity: false,
  });
}

/** The policy of a page: it may load from this server and nothing else, and run no inline script or style; images may be data URLs. */
export function pagePolicy(): Handler {
  return contentSecurityPolicy({
    useDefaults: false,
    directives: {
      "default-src": ["'none'"],
      "script-src": ["'self'"],
      "style-src": ["'self'"],
      "img-src": ["'self'", "data:"],
      "connect-src": ["'self'"],
      "base-uri": ["'none'"],
      "form-action": ["'none'"],
      "frame-ancestors": ["'none'"],
    },
  });
}

/** Lets the pages of these origins call the API from a browser. Credentials of a browser (cookies) are never asked for. */
export function crossOrigin(origins: readonly string[]): Handler {
  return cors({
    origin: [...origins],
    methods: ["GET", "POST"],
    allowedHeaders: ["authorization", "content-type", "accept", "x-request-id", "traceparent"],
    exposedHeaders: ["x-request-id", "retry-after", "server-timing", "www-authenticate"],
    maxAge: 600,
    // The route's own OPTIONS answers, which tells the methods.
    preflightContinue: true,
  });
}
