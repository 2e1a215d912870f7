import { request } from "node:https";
import { GROUP, KINDS, VERSION } from "@bellwether/crds";
import type { ControlPlane } from "../control-plane.ts";

export interface Answer {
  readonly status: number;
  readonly message: string;
}

interface Call {
  readonly method: "POST" | "PATCH";
  /** Below the namespace `default`. */
  readonly path: string;
  readonly body: object;
  readonly contentType?: string;
}

const pluralOf = (kind: string): string => KINDS.find(({ names }) => names.kind === kind)!.names.plural;

function send(plane: ControlPlane, call: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": call.contentType ?? "application/json" };
    const options = { method: call.method, headers, ...plane.credentials };
    const sent = request(`${plane.url}/apis/${GROUP}/${VERSION}/namespaces/default/${call.path}`, options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, message: (JSON.parse(text) as { message?: string }).message ?? "" }),
      );
    });
    sent.on("error", reject);
    sent.end(JSON.stringify(call.body));
  });
}

/** POST with strict field validation. */
export const create = (plane: ControlPlane, kind: string, manifest: object): Promise<Answer> =>
  send(plane, { method: "POST", path: `${pluralOf(kind)}?fieldValidation=Strict`, body: manifest });

/** The same, storing nothing. */
export const dryRun = (plane: ControlPlane, kind: string, manifest: object): Promise<Answer> =>
  send(plane, { method: "POST", path: `${pluralOf(kind)}?fieldValidation=Strict&dryRun=All`, body: manifest });

export const merge = (plane: ControlPlane, path: string, body: object): Promise<Answer> =>
  send(plane, { method: "PATCH", path, body, contentType: "application/merge-patch+json" });
