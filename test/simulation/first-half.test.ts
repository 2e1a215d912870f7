import { holdInvariants } from "./hold-invariants.ts";

holdInvariants(0);
