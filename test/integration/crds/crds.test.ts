import { describe } from "vitest";
import { describeWithControlPlane } from "../control-plane.ts";
import { schemasAgree } from "./agreement.ts";
import { examplesAreJudged } from "./examples.ts";
import { samplesAreTaken } from "./samples.ts";

// One API server for three questions: starting one costs more than asking it. Only the last leaves objects behind.
await describeWithControlPlane("the CRDs on a real API server", {}, (plane) => {
  describe("zod agrees with it", () => schemasAgree(plane));
  describe("every manifest that is shown or shipped", () => samplesAreTaken(plane));
  describe("the examples of each kind", () => examplesAreJudged(plane));
});
