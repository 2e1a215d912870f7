import { holdInvariants } from "./hold-invariants.ts";

holdInvariants(1);
