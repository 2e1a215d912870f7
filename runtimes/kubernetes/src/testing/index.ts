export * from "./fake-cluster.ts";
