// What tests need to know of the cluster from source: where it is, and what it must leave behind.
export { instanceState, readInstance } from "./instance.ts";
export { network, sourceLayout } from "./layout.ts";
export { machineDifferences, readMachine, type MachineBefore } from "./machine.ts";
export { processRecords } from "./supervisor.ts";
