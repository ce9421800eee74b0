/** The API reference at /docs: Swagger UI, served from here, over this server's own contract. */
import "./docs.css";

declare const SwaggerUIBundle: (options: Record<string, unknown>) => void;

SwaggerUIBundle({
  url: "/openapi.yaml",
  dom_id: "#reference",
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  // The validator badge would send the contract's address to a host of others.
  validatorUrl: null,
});
