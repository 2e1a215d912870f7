export { ensureBinaries, type BinaryName, type EnsureOptions } from "./cache/binaries.ts";
export { defaultSharedCores, kubeletDropIn } from "./kubelet/drop-in.ts";
