// What the test of `down` needs to compare a machine before and after.
export { instanceState, readInstance } from "./instance.ts";
export { sourceLayout } from "./layout.ts";
export { machineDifferences, readMachine, type MachineBefore } from "./machine.ts";
export { processRecords } from "./supervisor.ts";
